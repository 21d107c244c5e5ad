//! Fewer, larger blocks; and blocks that are older than anyone wants go.
//!
//! Blocks that lie in one range (two hours, then half a day) become one when the range is over and nothing late can come
//! for it any more. The inputs stay live until the manifest names the result in their place.

use super::block::{self, Tombstone};
use super::blocks::{Levels, LiveBlock, block_error, block_name, block_path};
use super::core::Core;
use super::maintain::Disk;
use super::refusal::OpenError;
use lapwing_types::Matcher;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks to be put in the place of others.
pub(crate) struct Replacement {
    pub(crate) gone: Vec<String>,
    pub(crate) new: Vec<LiveBlock>,
}

/// The blocks of the first range that is due, smallest ranges first.
pub(crate) fn due(list: &[LiveBlock], levels: Levels, settled_ms: i64) -> Option<Vec<LiveBlock>> {
    for range_ms in [levels.middle_ms(), levels.large_ms()] {
        let mut ranges: BTreeMap<i64, Vec<LiveBlock>> = BTreeMap::new();
        for live in list.iter().filter(|b| b.block.meta().resolution_ms == 0) {
            let meta = live.block.meta();
            let number = meta.min_ms.div_euclid(range_ms);
            if number == meta.max_ms.div_euclid(range_ms)
                && (number + 1).saturating_mul(range_ms) <= settled_ms
            {
                ranges.entry(number).or_default().push(live.clone());
            }
        }
        if let Some(blocks) = ranges.into_values().find(|b| b.len() > 1) {
            return Some(blocks);
        }
    }
    None
}

pub(crate) fn merge(
    core: &Core,
    disk: &Disk,
    inputs: &[LiveBlock],
    tombstones: &[Tombstone],
    next_number: &mut u64,
) -> Result<Replacement, OpenError> {
    let name = block_name(*next_number);
    *next_number += 1;
    let path = block_path(&disk.dir, &name);
    let min_ms = inputs.iter().map(|b| b.block.meta().min_ms).min().unwrap_or(0);
    let max_ms = inputs.iter().map(|b| b.block.meta().max_ms).max().unwrap_or(0);
    let levels = Levels {
        window_ms: core.options.window_ms,
    };
    let options = levels.options(max_ms.saturating_sub(min_ms));
    let blocks: Vec<Arc<block::Block>> = inputs.iter().map(|b| b.block.clone()).collect();
    let gone = inputs.iter().map(|b| b.name.clone()).collect();
    let meta = block::merge(&blocks, &path, options, tombstones)
        .map_err(block_error("merging into", path.clone()))?;
    let new = if meta.series == 0 {
        Vec::new()
    } else {
        vec![
            core.blocks
                .open(&disk.dir, &name)
                .map_err(block_error("opening", path))?,
        ]
    };
    Ok(Replacement { gone, new })
}

/// Rewrites every block that holds something to be deleted.
pub(crate) fn delete(
    core: &Core,
    disk: &Disk,
    tombstone: &Tombstone,
    next_number: &mut u64,
) -> Result<Replacement, OpenError> {
    let mut all = Replacement {
        gone: Vec::new(),
        new: Vec::new(),
    };
    for live in core.blocks.list().iter() {
        let path = block_path(&disk.dir, &live.name);
        let concerned = live
            .block
            .select(&tombstone.matchers, tombstone.start_ms, tombstone.end_ms)
            .map_err(block_error("reading", path))?;
        if concerned.is_empty() {
            continue;
        }
        let one = merge(
            core,
            disk,
            std::slice::from_ref(live),
            std::slice::from_ref(tombstone),
            next_number,
        )?;
        all.gone.extend(one.gone);
        all.new.extend(one.new);
    }
    Ok(all)
}

pub(crate) fn tombstone(matchers: &[Matcher], (start_ms, end_ms): (i64, i64)) -> Tombstone {
    Tombstone {
        matchers: matchers.to_vec(),
        start_ms,
        end_ms,
    }
}

/// Blocks beyond retention: those that ended too long ago, then the oldest until the rest fits.
pub(crate) fn expired(core: &Core, now_ms: i64) -> Vec<String> {
    let retention = core.limits().retention;
    let list = core.blocks.list();
    let mut gone = Vec::new();
    let mut kept: Vec<&LiveBlock> = Vec::new();
    for live in list.iter() {
        match retention.age_ms {
            Some(age_ms) if live.block.meta().max_ms < now_ms.saturating_sub(age_ms) => {
                gone.push(live.name.clone());
            }
            _ => kept.push(live),
        }
    }
    if let Some(size_max_bytes) = retention.size_bytes {
        kept.sort_by_key(|b| std::cmp::Reverse(b.block.meta().max_ms));
        let mut size_bytes = 0;
        for live in kept {
            size_bytes += live.block.meta().size_bytes;
            if size_bytes > size_max_bytes {
                gone.push(live.name.clone());
            }
        }
    }
    gone
}
