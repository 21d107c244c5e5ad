//! Windows that are over go from the head into blocks, and leave memory.
//!
//! 1. Under each shard's lock in turn, the chunks, late samples, histograms and exemplars before the end of the window are
//!    copied out and marked with the number of this flush; series go to the writer in the order of their labels.
//! 2. The blocks are synced, and become visible when every commit that may stand in them by half has ended. For a while head and blocks both hold the samples, which readers merge.
//! 3. When every snapshot from before is gone, what bears the mark leaves the head; then a checkpoint is written, and the
//!    manifest names both. A crash before that leaves debris and a log from which all of it comes back.
//!
//! A flush that fails leaves its mark behind, which means nothing: the next one copies everything again.

use super::block::BlockWriter;
use super::blocks::{Levels, LiveBlock, block_error, block_name, block_path};
use super::columns::SeriesColumns;
use super::core::Core;
use super::head::series::Series;
use super::head::shard_of;
use super::maintain::{Disk, in_words};
use super::refusal::{OpenError, io_error};
use super::starts;
use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

/// Blocks that are visible, and what of the head they stand for.
pub(crate) struct Flushed {
    pub(crate) mark: u64,
    pub(crate) blocks: Vec<LiveBlock>,
}

/// Writes everything before `until_ms`; returns nothing when there is nothing. `next_number` is counted up.
pub(crate) fn write_blocks(
    core: &Core,
    disk: &Disk,
    (until_ms, flush): (i64, u32),
    next_number: &mut u64,
    failures: &mut Vec<String>,
) -> Result<Vec<LiveBlock>, OpenError> {
    let parent = disk.dir.join("blocks");
    disk.fs
        .create_dir_all(&parent)
        .map_err(io_error("creating", &parent))?;
    core.renew_ranks();
    let ranks = core.ranks.read().clone();
    let mut writers = Writers {
        disk,
        levels: Levels {
            window_ms: core.options.window_ms,
        },
        next_number,
        open: BTreeMap::new(),
    };
    let mut columns = SeriesColumns::default();
    for twins in ranks.order().chunk_by(|a, b| ranks.same(*a, *b)) {
        columns.clear();
        let mut owner = None;
        for slot in twins {
            let mut shard = core.shards[shard_of(*slot)].lock();
            let Some((series, sealer)) = shard.with_sealer(*slot) else {
                continue;
            };
            // The slot may have changed hands since it was ranked: its new series' turn comes with the next flush.
            if ranks.place(*slot, series.generation).is_some() {
                series.seal_before(until_ms, sealer);
                collect(series, until_ms, flush, &mut columns);
                owner = Some(*slot);
            }
        }
        if twins.len() > 1 {
            put_in_order(&mut columns);
        }
        if let Some(slot) = owner.filter(|_| !columns.is_empty()) {
            match writers.add(core, slot, &columns) {
                // What a block cannot hold stays in the head: one series must not keep all others from their blocks.
                Err(error @ OpenError::Damaged { .. }) => {
                    failures.push(in_words(&error));
                    keep(core, twins, flush);
                }
                other => other?,
            }
        }
    }
    writers.finish(core)
}

/// Takes what bears the mark out of the head; returns how many chunks went.
pub(crate) fn drop_flushed(core: &Core, flush: u32) -> usize {
    let mut dropped = 0;
    for (number, shard) in core.shards.iter().enumerate() {
        let mut shard = shard.lock();
        for (_, series) in shard.iter_mut(number) {
            dropped += series.drop_flushed(flush);
        }
    }
    core.times.forget_unused();
    dropped
}

/// Takes the mark away again.
fn keep(core: &Core, slots: &[u32], flush: u32) {
    for slot in slots {
        let mut shard = core.shards[shard_of(*slot)].lock();
        let Some(series) = shard.get_mut(*slot) else {
            continue;
        };
        series
            .sealed
            .iter_mut()
            .filter(|c| c.flush == flush)
            .for_each(|c| c.flush = 0);
        if let Some(extra) = &mut series.extra {
            extra
                .late
                .iter_mut()
                .filter(|s| s.flush == flush)
                .for_each(|s| s.flush = 0);
            extra
                .histograms
                .iter_mut()
                .filter(|h| h.flush == flush)
                .for_each(|h| h.flush = 0);
            extra
                .exemplars
                .iter_mut()
                .filter(|e| e.flush == flush)
                .for_each(|e| e.flush = 0);
        }
    }
}

/// Copies what lies before `until_ms`, and marks it.
fn collect(series: &mut Series, until_ms: i64, flush: u32, out: &mut SeriesColumns) {
    for chunk in series.sealed.iter_mut().filter(|c| c.last_t_ms() < until_ms) {
        chunk.flush = flush;
        chunk.read((i64::MIN, i64::MAX), &mut out.times_ms, &mut out.values);
    }
    let Some(extra) = &mut series.extra else { return };
    let in_order = extra.late.is_empty();
    for sample in extra.late.iter_mut().filter(|s| s.t_ms < until_ms) {
        sample.flush = flush;
        out.times_ms.push(sample.t_ms);
        out.values.push(sample.value);
    }
    for kept in extra.histograms.iter_mut().filter(|h| h.t_ms < until_ms) {
        kept.flush = flush;
        out.histograms
            .extend(kept.decode().map(|h| (kept.t_ms, Arc::new(h))));
    }
    for kept in extra.exemplars.iter_mut().filter(|e| e.t_ms < until_ms) {
        kept.flush = flush;
        out.exemplars.push((kept.t_ms, kept.exemplar.clone()));
    }
    if !in_order || !extra.exemplars.is_empty() {
        put_in_order(out);
    }
    let firsts = [out.times_ms.first().copied(), out.histograms.first().map(|h| h.0)];
    if let Some(first_ms) = firsts.into_iter().flatten().min() {
        out.start_times_ms = starts::cut(extra.starts.changes(), first_ms..until_ms);
    }
}

/// Ascending by time, each time once.
pub(crate) fn put_in_order(columns: &mut SeriesColumns) {
    let mut floats: Vec<(i64, f64)> = columns.times_ms.drain(..).zip(columns.values.drain(..)).collect();
    floats.sort_by_key(|(t, _)| *t);
    floats.dedup_by_key(|(t, _)| *t);
    (columns.times_ms, columns.values) = floats.into_iter().unzip();
    columns.histograms.sort_by_key(|(t, _)| *t);
    columns.histograms.dedup_by_key(|(t, _)| *t);
    columns.exemplars.sort_by_key(|(t, _)| *t);
    columns.start_times_ms.sort_unstable();
    columns.start_times_ms.dedup_by_key(|(t, _)| *t);
}

/// One block per middle range that has samples; usually that is one, and another when late samples came.
struct Writers<'f> {
    disk: &'f Disk,
    levels: Levels,
    next_number: &'f mut u64,
    open: BTreeMap<i64, (String, BlockWriter)>,
}

impl Writers<'_> {
    fn add(&mut self, core: &Core, slot: u32, columns: &SeriesColumns) -> Result<(), OpenError> {
        let labels = core.index.read().labels(slot);
        let range_ms = self.levels.middle_ms();
        let mut next_ms = i64::MIN;
        // From range to range that has something: between two samples there may be years.
        while let Some(first_ms) = first_since(columns, next_ms) {
            let number = first_ms.div_euclid(range_ms);
            next_ms = number.saturating_add(1).saturating_mul(range_ms);
            let is_last = next_ms <= first_ms || first_since(columns, next_ms).is_none();
            let is_whole = is_last && first_since(columns, i64::MIN) == Some(first_ms);
            let part = (!is_whole).then(|| cut(columns, number.saturating_mul(range_ms)..next_ms));
            let (name, writer) = self.writer(number)?;
            let path = name.clone();
            writer
                .add_series(&labels, part.as_ref().unwrap_or(columns))
                .map_err(block_error("writing", path.into()))?;
            if is_last {
                break;
            }
        }
        Ok(())
    }

    fn writer(&mut self, number: i64) -> Result<&mut (String, BlockWriter), OpenError> {
        match self.open.entry(number) {
            std::collections::btree_map::Entry::Occupied(open) => Ok(open.into_mut()),
            std::collections::btree_map::Entry::Vacant(vacant) => {
                let name = block_name(*self.next_number);
                *self.next_number += 1;
                let path = block_path(&self.disk.dir, &name);
                let options = self.levels.options(self.levels.window_ms);
                let writer = BlockWriter::create(&path, options).map_err(block_error("creating", path))?;
                Ok(vacant.insert((name, writer)))
            }
        }
    }

    fn finish(self, core: &Core) -> Result<Vec<LiveBlock>, OpenError> {
        let mut blocks = Vec::with_capacity(self.open.len());
        for (name, writer) in self.open.into_values() {
            let path = block_path(&self.disk.dir, &name);
            writer.finish().map_err(block_error("finishing", path.clone()))?;
            blocks.push(
                core.blocks
                    .open(&self.disk.dir, &name)
                    .map_err(block_error("opening", path))?,
            );
        }
        Ok(blocks)
    }
}

/// The first time at or after this one that has a sample or an exemplar.
fn first_since(columns: &SeriesColumns, from_ms: i64) -> Option<i64> {
    fn in_list<T>(list: &[T], from_ms: i64, time: impl Fn(&T) -> i64) -> Option<i64> {
        list.get(list.partition_point(|x| time(x) < from_ms)).map(time)
    }
    let firsts = [
        in_list(&columns.times_ms, from_ms, |t| *t),
        in_list(&columns.histograms, from_ms, |h| h.0),
        in_list(&columns.exemplars, from_ms, |e| e.0),
    ];
    firsts.into_iter().flatten().min()
}

fn cut(columns: &SeriesColumns, range: Range<i64>) -> SeriesColumns {
    let from = columns.times_ms.partition_point(|t| *t < range.start);
    let to = columns.times_ms.partition_point(|t| *t < range.end);
    SeriesColumns {
        times_ms: columns.times_ms[from..to].to_vec(),
        values: columns.values[from..to].to_vec(),
        histograms: columns
            .histograms
            .iter()
            .filter(|h| range.contains(&h.0))
            .cloned()
            .collect(),
        exemplars: columns
            .exemplars
            .iter()
            .filter(|e| range.contains(&e.0))
            .cloned()
            .collect(),
        start_times_ms: starts::cut(&columns.start_times_ms, range),
        ..SeriesColumns::default()
    }
}
