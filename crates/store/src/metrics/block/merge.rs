//! Several blocks into one.
//!
//! 1. Series of all inputs are walked in label order; equal ones meet.
//! 2. Their samples are merged by time. At one time the block that stands later in the list wins; equal duplicates vanish.
//! 3. What a tombstone covers is left out.
//!
//! Memory: one series of all inputs at a time, and what [`BlockWriter`] holds. Damage in an input ends a merge that was told
//! to be [`OnDamage::Stop`]: the inputs stay, and nothing is lost that could be read before. With [`OnDamage::LeaveOut`] the
//! rest is merged.

use super::cache::PageCache;
use super::error::BlockError;
use super::meta::{BlockMeta, BlockOptions};
use super::reader::{Block, BlockSeries};
use super::writer::BlockWriter;
use crate::metrics::columns::SeriesColumns;
use crate::metrics::starts;
use lapwing_types::{Labels, Matcher};
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

/// Of a merge alone: each input is read once, in order, so a page or two of every kind are enough.
const CACHE_BYTES: usize = 4 << 20;

/// What a merge does when a page of an input is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDamage {
    Stop,
    LeaveOut,
}

/// Samples of matching series in the range (both ends included) are deleted.
#[derive(Clone, Debug, PartialEq)]
pub struct Tombstone {
    pub matchers: Vec<Matcher>,
    pub start_ms: i64,
    pub end_ms: i64,
}

impl Tombstone {
    pub fn covers(&self, labels: &Labels, t_ms: i64) -> bool {
        (self.start_ms..=self.end_ms).contains(&t_ms) && self.concerns(labels)
    }

    pub fn concerns(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|m| m.matches_labels(labels))
    }
}

/// Writes the union of `blocks` to a new block in `dir`, which must not exist.
pub fn merge(
    blocks: &[Arc<Block>],
    dir: &Path,
    options: BlockOptions,
    tombstones: &[Tombstone],
    on_damage: OnDamage,
) -> Result<BlockMeta, BlockError> {
    let mut writer = BlockWriter::create(dir, options)?;
    let everything = (i64::MIN, i64::MAX);
    for_each_merged(blocks, everything, on_damage, |labels, merged| {
        for tombstone in tombstones.iter().filter(|t| t.concerns(labels)) {
            delete(
                merged,
                tombstone.start_ms..=tombstone.end_ms,
                options.resolution_ms,
            );
        }
        writer.add_series(labels, merged)
    })?;
    writer.finish()
}

/// Walks the series of all blocks in label order, with their samples of the range (both ends included) merged.
pub(super) fn for_each_merged(
    blocks: &[Arc<Block>],
    range: (i64, i64),
    on_damage: OnDamage,
    mut visit: impl FnMut(&Labels, &mut SeriesColumns) -> Result<(), BlockError>,
) -> Result<(), BlockError> {
    let cache = PageCache::new(CACHE_BYTES);
    let blocks: Vec<Block> = blocks.iter().map(|block| block.through(&cache)).collect();
    let mut inputs: Vec<_> = blocks
        .iter()
        .map(|block| {
            let series = block.series();
            series
                .filter(move |s| on_damage == OnDamage::Stop || !matches!(s, Err(BlockError::Damaged { .. })))
                .peekable()
        })
        .collect();
    let (mut merged, mut part) = (SeriesColumns::default(), SeriesColumns::default());
    let merged = &mut merged;
    while let Some(labels) = least(&mut inputs)? {
        merged.clear();
        for (input, block) in inputs.iter_mut().zip(&blocks) {
            let Some(series) = input.next_if(|s| s.as_ref().is_ok_and(|s| s.labels == labels)) else {
                continue;
            };
            part.clear();
            match on_damage {
                OnDamage::Stop => block.read(&series?, range, &mut part)?,
                OnDamage::LeaveOut => drop(block.salvage(&series?, range, &mut part)?),
            }
            merge_columns(merged, &mut part);
        }
        visit(&labels, merged)?;
    }
    Ok(())
}

/// The least label set that any input has next.
fn least<I>(inputs: &mut [Peekable<I>]) -> Result<Option<Labels>, BlockError>
where
    I: Iterator<Item = Result<BlockSeries, BlockError>>,
{
    let mut least: Option<Labels> = None;
    for input in inputs {
        if let Some(Err(error)) = input.next_if(Result::is_err) {
            return Err(error);
        }
        if let Some(Ok(series)) = input.peek()
            && least.as_ref().is_none_or(|least| series.labels < *least)
        {
            least = Some(series.labels.clone());
        }
    }
    Ok(least)
}

/// Merges `newer` into `older`; at equal times `newer` wins. A time that has a float in one and a histogram in the
/// other keeps what `newer` has.
pub(crate) fn merge_columns(older: &mut SeriesColumns, newer: &mut SeriesColumns) {
    if older.is_empty() {
        std::mem::swap(older, newer);
        return;
    }
    if !newer.histograms.is_empty() || !older.histograms.is_empty() {
        drop_times(older, newer);
    }
    if !(older.start_times_ms.is_empty() && newer.start_times_ms.is_empty()) {
        older.start_times_ms = starts::merge(
            (&older.start_times_ms, &times_of(older)),
            (&newer.start_times_ms, &times_of(newer)),
        );
    }
    let floats = |c: &mut SeriesColumns| -> Vec<(i64, f64)> {
        let values = std::mem::take(&mut c.values);
        std::mem::take(&mut c.times_ms).into_iter().zip(values).collect()
    };
    if older.times_ms.last() < newer.times_ms.first() {
        older.times_ms.append(&mut newer.times_ms);
        older.values.append(&mut newer.values);
    } else {
        let merged = merge_by(floats(older), floats(newer), |s| s.0);
        (older.times_ms, older.values) = merged.into_iter().unzip();
    }
    merge_lists(&mut older.histograms, &mut newer.histograms, |h| h.0);
    merge_lists(&mut older.tier, &mut newer.tier, |p| p.t_ms);
    older.exemplars.append(&mut newer.exemplars);
    older.exemplars.sort_by_key(|(t_ms, _)| *t_ms);
    older.exemplars.dedup();
}

/// Times of all that a start is told of, ascending.
fn times_of(columns: &SeriesColumns) -> Vec<i64> {
    let histograms = columns.histograms.iter().map(|h| h.0);
    let tier = columns.tier.iter().map(|p| p.t_ms);
    let mut times_ms: Vec<i64> = columns
        .times_ms
        .iter()
        .copied()
        .chain(histograms)
        .chain(tier)
        .collect();
    times_ms.sort_unstable();
    times_ms
}

fn merge_lists<T>(older: &mut Vec<T>, newer: &mut Vec<T>, key: impl Fn(&T) -> i64) {
    *older = merge_by(std::mem::take(older), std::mem::take(newer), key);
}

/// Two ascending lists into one; an item of `newer` replaces the one of `older` with its key.
fn merge_by<T>(older: Vec<T>, newer: Vec<T>, key: impl Fn(&T) -> i64) -> Vec<T> {
    if newer.is_empty() {
        return older;
    }
    let mut out = Vec::with_capacity(older.len() + newer.len());
    let mut older = older.into_iter().peekable();
    for item in newer {
        while let Some(before) = older.next_if(|o| key(o) <= key(&item)) {
            if key(&before) < key(&item) {
                out.push(before);
            }
        }
        out.push(item);
    }
    out.extend(older);
    out
}

/// Takes from `older` the floats at times where `newer` has a histogram, and the other way round.
fn drop_times(older: &mut SeriesColumns, newer: &SeriesColumns) {
    let mut keep = older
        .times_ms
        .iter()
        .map(|t| newer.histograms.binary_search_by_key(t, |h| h.0).is_err())
        .collect::<Vec<_>>()
        .into_iter();
    let mut keep_values = keep.clone();
    older.times_ms.retain(|_| keep.next().unwrap_or(true));
    older.values.retain(|_| keep_values.next().unwrap_or(true));
    older
        .histograms
        .retain(|(t, _)| newer.times_ms.binary_search(t).is_err());
}

/// A bucket goes if any of its time is to be deleted; where samples are still there, the tier is made again from them.
fn delete(columns: &mut SeriesColumns, range: std::ops::RangeInclusive<i64>, resolution_ms: i64) {
    let from = columns.times_ms.partition_point(|t| t < range.start());
    let to = columns.times_ms.partition_point(|t| t <= range.end()).max(from);
    columns.times_ms.drain(from..to);
    columns.values.drain(from..to);
    columns.histograms.retain(|(t, _)| !range.contains(t));
    columns.exemplars.retain(|(t, _)| !range.contains(t));
    columns
        .tier
        .retain(|p| p.t_ms < *range.start() || p.t_ms.saturating_sub(resolution_ms) >= *range.end());
    if columns.samples_len() == 0 {
        columns.start_times_ms.clear();
    }
}
