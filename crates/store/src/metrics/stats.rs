//! What the store says about itself.

use super::core::Core;
use super::head::index::Cardinality;
use super::log::replay::DamagedRange;
use super::losses::BlockLosses;
use super::refusal::REFUSAL_CODES;
use lapwing_types::METRIC_NAME;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

/// How many of the largest label names, pairs and sources are listed.
const TOP: usize = 50;

/// Bytes in memory, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryParts {
    pub index_bytes: u64,
    pub raw_cache_bytes: u64,
    pub samples_bytes: u64,
    pub blocks_bytes: u64,
    /// What families are about.
    pub metadata_bytes: u64,
}

impl MemoryParts {
    pub fn total_bytes(&self) -> u64 {
        self.index_bytes + self.raw_cache_bytes + self.samples_bytes + self.blocks_bytes + self.metadata_bytes
    }
}

/// How much of the store is damaged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DamageCount {
    pub pages_quarantined: usize,
    pub blocks_unreadable: usize,
    /// Stretches of the log and the checkpoint that could not be read when the store was opened.
    pub log_ranges: usize,
    pub lost_stretches: u64,
}

/// What is told by looking at a few numbers, however many series there are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreNumbers {
    pub head_series: usize,
    pub label_pairs: usize,
    /// Newest sample of the store; zero when there is none.
    pub head_max_ms: i64,
    /// Newest sample of head and blocks.
    pub newest_ms: Option<i64>,
    /// Accepted since the store was opened.
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
    pub blocks: usize,
    pub blocks_size_bytes: u64,
    pub blocks_samples: u64,
    pub log_segments: u64,
    pub log_since_checkpoint_bytes: u64,
    pub log_poisoned: bool,
    /// The last attempt to write to the log came to nothing, or none will before the store is opened again.
    pub log_failing: bool,
    pub memory: MemoryParts,
    pub memory_limit_bytes: u64,
    /// Since the store was opened, by reason.
    pub refused: Vec<(&'static str, u64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreStats {
    pub numbers: StoreNumbers,
    pub head_chunks: u64,
    /// Oldest sample in the head; zero when it is empty.
    pub head_min_ms: i64,
    /// The largest first: number of series by metric name, by label pair, by source.
    pub series_by_metric: Cardinality,
    pub series_by_pair: Cardinality,
    pub series_by_source: Cardinality,
    /// Number of values, and their bytes, by label name.
    pub values_by_label: Cardinality,
    pub bytes_by_label: Cardinality,
    /// What could not be read when the store was opened.
    pub damaged: Vec<DamagedRange>,
    /// Blocks that could not be opened at all, and why.
    pub blocks_unreadable: Vec<(PathBuf, String)>,
    /// Pages of open blocks whose checksum failed when they were read: block, page, reason. The rest of the block serves.
    pub pages_quarantined: Vec<(PathBuf, u32, &'static str)>,
    /// What is lost with them, by block.
    pub lost: Vec<BlockLosses>,
    /// Blocks of downsampled tiers among `blocks`.
    pub tier_blocks: usize,
    pub tier_size_bytes: u64,
}

pub(crate) fn memory(core: &Core) -> MemoryParts {
    MemoryParts {
        index_bytes: (core.index.read().heap_bytes() + core.ranks.read().heap_bytes()) as u64,
        metadata_bytes: core.metadata.read().heap_bytes() as u64,
        raw_cache_bytes: core.raw_cache.heap_bytes() as u64,
        blocks_bytes: core.blocks.heap_bytes() as u64,
        samples_bytes: core.times.heap_bytes() as u64
            + core
                .shards
                .iter()
                .map(|s| s.lock().heap_bytes() as u64)
                .sum::<u64>(),
    }
}

pub(crate) fn numbers(core: &Core) -> StoreNumbers {
    let memory = memory(core);
    let log = core.log.as_ref().map(|l| l.status());
    let blocks = core.blocks.list();
    let index = core.index.read();
    let counters = &core.counters;
    let refused = REFUSAL_CODES
        .iter()
        .zip(&counters.refused)
        .map(|(code, n)| (*code, n.load(Ordering::Relaxed)));
    let newest_ms = core.newest_ms.load(Ordering::Acquire);
    StoreNumbers {
        head_series: index.live(),
        label_pairs: index.pairs(),
        newest_ms: blocks
            .iter()
            .map(|b| b.block.meta().max_ms)
            .max()
            .max(Some(newest_ms).filter(|t_ms| *t_ms > i64::MIN)),
        head_max_ms: if newest_ms > i64::MIN { newest_ms } else { 0 },
        samples: counters.samples.load(Ordering::Relaxed),
        histograms: counters.histograms.load(Ordering::Relaxed),
        exemplars: counters.exemplars.load(Ordering::Relaxed),
        blocks: blocks.len(),
        blocks_size_bytes: blocks.iter().map(|b| b.block.meta().size_bytes).sum(),
        blocks_samples: blocks.iter().map(|b| b.block.meta().samples).sum(),
        log_segments: log.map_or(0, |l| l.segment),
        log_since_checkpoint_bytes: log.map_or(0, |l| l.size_since_cut_bytes),
        log_poisoned: log.is_some_and(|l| l.poisoned),
        log_failing: log.is_some_and(|l| l.failing),
        memory,
        memory_limit_bytes: core.limits().memory_limit_bytes,
        refused: refused.collect(),
    }
}

pub(crate) fn collect(core: &Core) -> StoreStats {
    let numbers = numbers(core);
    let (head_chunks, head_min_ms) = chunks(core);
    let blocks = core.blocks.list();
    let index = core.index.read();
    let tiers = blocks.iter().filter(|b| b.block.meta().resolution_ms > 0);
    StoreStats {
        numbers,
        head_chunks,
        head_min_ms: head_min_ms.unwrap_or(0),
        series_by_metric: index.top_values_of(METRIC_NAME, TOP),
        series_by_pair: index.top_pairs(TOP),
        series_by_source: index.top_sources(TOP),
        values_by_label: index.top_names(TOP),
        bytes_by_label: index.top_names_by_bytes(TOP),
        damaged: Vec::new(),
        blocks_unreadable: Vec::new(),
        pages_quarantined: quarantined(core),
        lost: core.losses.list(),
        tier_blocks: tiers.clone().count(),
        tier_size_bytes: tiers.map(|b| b.block.meta().size_bytes).sum(),
    }
}

fn quarantined(core: &Core) -> Vec<(PathBuf, u32, &'static str)> {
    let mut found = Vec::new();
    for live in core.blocks.list().iter() {
        let pages = live.block.quarantined();
        found.extend(
            pages
                .into_iter()
                .map(|(page, reason)| (live.block.dir().to_owned(), page, reason)),
        );
    }
    found
}

/// Number of chunks in the head, and its oldest sample.
fn chunks(core: &Core) -> (u64, Option<i64>) {
    let mut count = 0;
    let mut oldest_ms: Option<i64> = None;
    for (number, shard) in core.shards.iter().enumerate() {
        for (_, series) in shard.lock().iter(number) {
            count += series.sealed.len() as u64 + u64::from(series.open.count() > 0);
            oldest_ms = match (oldest_ms, series.oldest_ms()) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
        }
    }
    (count, oldest_ms)
}
