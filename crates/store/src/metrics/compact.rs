//! Fewer, larger blocks; and blocks that are older than anyone wants go.
//!
//! Blocks that lie in one range (two hours, then half a day) become one when the range is over and nothing late can come
//! for it any more. The inputs stay live until the manifest names the result in their place.

use super::block::{self, BlockOptions, OnDamage, Tombstone};
use super::blocks::{Levels, LiveBlock, block_error, block_name, block_path};
use super::core::Core;
use super::maintain::Disk;
use super::refusal::OpenError;
use lapwing_types::Matcher;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Blocks to be put in the place of others.
#[derive(Default)]
pub(crate) struct Replacement {
    pub(crate) gone: Vec<String>,
    pub(crate) new: Vec<LiveBlock>,
}

/// The blocks of the first range that is due, smallest ranges first.
pub(crate) fn due(list: &[LiveBlock], levels: Levels, settled_ms: i64) -> Option<Vec<LiveBlock>> {
    [levels.middle_ms(), levels.large_ms()]
        .into_iter()
        .find_map(|range_ms| due_in_ranges(list, 0, range_ms, settled_ms))
}

/// Blocks of one resolution that lie in one range, which is over. A block with a damaged page stays as it is: its loss remains in
/// view, and the others of its range are merged without it.
pub(crate) fn due_in_ranges(
    list: &[LiveBlock],
    resolution_ms: i64,
    range_ms: i64,
    settled_ms: i64,
) -> Option<Vec<LiveBlock>> {
    let mut ranges: BTreeMap<i64, Vec<LiveBlock>> = BTreeMap::new();
    let whole = |b: &&LiveBlock| b.block.meta().resolution_ms == resolution_ms && !b.block.has_faults();
    for live in list.iter().filter(whole) {
        // A bucket ends where its range does.
        let last_of_range = i64::from(resolution_ms > 0);
        let meta = live.block.meta();
        let number = (meta.min_ms - last_of_range).div_euclid(range_ms);
        if number == (meta.max_ms - last_of_range).div_euclid(range_ms)
            && number.saturating_add(1).saturating_mul(range_ms) <= settled_ms
        {
            ranges.entry(number).or_default().push(live.clone());
        }
    }
    ranges.into_values().find(|b| b.len() > 1)
}

pub(crate) fn merge(
    core: &Core,
    disk: &Disk,
    inputs: &[LiveBlock],
    tombstone: Option<&Tombstone>,
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
    let resolution_ms = inputs.first().map_or(0, |b| b.block.meta().resolution_ms);
    let options = match resolution_ms {
        0 => levels.options(max_ms.saturating_sub(min_ms)),
        tier => BlockOptions::tier(tier),
    };
    // Deleting cannot wait until a page is whole again.
    let on_damage = match tombstone {
        Some(_) => OnDamage::LeaveOut,
        None => OnDamage::Stop,
    };
    let blocks: Vec<Arc<block::Block>> = inputs.iter().map(|b| b.block.clone()).collect();
    let gone = inputs.iter().map(|b| b.name.clone()).collect();
    let tombstones: Vec<Tombstone> = tombstone.cloned().into_iter().collect();
    let meta = block::merge(&blocks, &path, options, &tombstones, on_damage)
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
    let mut all = Replacement::default();
    // Tiers first: samples that remain then stand in newer blocks than their tier, which is made again from them.
    let list = core.blocks.list();
    let mut tiers_first: Vec<&LiveBlock> = list.iter().collect();
    tiers_first.sort_by_key(|b| (b.block.meta().resolution_ms == 0, b.number()));
    // Of two tiers that have one bucket the newer is right: where the older becomes new, so does every one behind it.
    let mut is_tier_new = false;
    for live in tiers_first {
        let is_tier = live.block.meta().resolution_ms > 0;
        let path = block_path(&disk.dir, &live.name);
        let end_ms = tombstone.end_ms.saturating_add(live.block.meta().resolution_ms);
        let concerned = live
            .block
            .select(&tombstone.matchers, tombstone.start_ms, end_ms)
            .map_err(block_error("reading", path))?;
        if concerned.is_empty() && !(is_tier && is_tier_new) {
            continue;
        }
        is_tier_new |= is_tier;
        let one = merge(
            core,
            disk,
            std::slice::from_ref(live),
            Some(tombstone),
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

/// Blocks beyond retention: those that ended too long ago, then the oldest until the rest fits, samples before tiers.
/// While it is doubtful which time it is (`old_by_ms` is absent), nothing goes for its age.
/// `stays` are those that cannot go yet (their tier is still to be made): what is newer waits for them.
pub(crate) fn expired(
    core: &Core,
    old_by_ms: Option<i64>,
    stays: &dyn Fn(&LiveBlock) -> bool,
) -> Vec<String> {
    let retention = core.limits().retention;
    let age_ms = |resolution_ms: i64| match resolution_ms {
        0 => retention.age_ms,
        tier => {
            let policy = core.options.tiers.iter().find(|p| p.resolution_ms == tier);
            // A tier that is not wanted any more goes with the samples.
            policy.map_or(retention.age_ms, |p| p.age_ms)
        }
    };
    let list = core.blocks.list();
    let mut oldest_first: Vec<&LiveBlock> = list.iter().collect();
    oldest_first.sort_by_key(|b| b.block.meta().max_ms);
    let mut gone = Vec::new();
    let mut kept: Vec<&LiveBlock> = Vec::new();
    let mut samples_wait = false;
    for live in oldest_first {
        let meta = live.block.meta();
        let is_old =
            |age_ms: i64| old_by_ms.is_some_and(|now_ms| meta.max_ms < now_ms.saturating_sub(age_ms));
        let is_over = age_ms(meta.resolution_ms).is_some_and(is_old);
        let waits = is_over && (stays(live) || (samples_wait && meta.resolution_ms == 0));
        samples_wait |= waits && meta.resolution_ms == 0;
        if is_over && !waits {
            gone.push(live.name.clone());
        } else {
            kept.push(live);
        }
    }
    if let Some(size_max_bytes) = retention.size_bytes {
        kept.sort_by_key(|b| {
            let meta = b.block.meta();
            (meta.resolution_ms == 0, std::cmp::Reverse(meta.max_ms))
        });
        let mut size_bytes = 0;
        let first_over = kept.iter().position(|live| {
            size_bytes += live.block.meta().size_bytes;
            size_bytes > size_max_bytes
        });
        let too_many = &kept[first_over.unwrap_or(kept.len())..];
        let oldest_first = too_many.iter().rev().take_while(|live| !stays(live));
        gone.extend(oldest_first.map(|live| live.name.clone()));
    }
    gone
}
