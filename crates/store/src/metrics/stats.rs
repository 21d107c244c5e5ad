//! What the store says about itself.

use super::core::Core;
use super::head::index::Cardinality;
use super::refusal::REFUSAL_CODES;
use std::sync::atomic::Ordering;

/// How many of the largest label names, pairs and sources are listed.
const TOP: usize = 10;

/// Bytes in memory, by what they are for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemoryParts {
    pub index_bytes: u64,
    pub raw_cache_bytes: u64,
    pub samples_bytes: u64,
}

impl MemoryParts {
    pub fn total_bytes(&self) -> u64 {
        self.index_bytes + self.raw_cache_bytes + self.samples_bytes
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct StoreStats {
    /// In the head.
    pub series: usize,
    /// Accepted since the store was opened.
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
    pub newest_ms: Option<i64>,
    pub log_since_checkpoint_bytes: u64,
    pub log_segment: u64,
    pub log_poisoned: bool,
    pub memory: MemoryParts,
    pub memory_limit_bytes: u64,
    pub top_names: Cardinality,
    pub top_pairs: Cardinality,
    pub top_sources: Cardinality,
    /// Since the store was opened, by reason; reasons that never occurred are left out.
    pub refused: Vec<(&'static str, u64)>,
}

pub(crate) fn memory(core: &Core) -> MemoryParts {
    MemoryParts {
        index_bytes: core.index.read().heap_bytes() as u64,
        raw_cache_bytes: core.raw_cache.heap_bytes() as u64,
        samples_bytes: core.shards.iter().map(|s| s.lock().heap_bytes() as u64).sum(),
    }
}

pub(crate) fn collect(core: &Core) -> StoreStats {
    let memory = memory(core);
    let log = core.log.as_ref().map(|l| l.status());
    let index = core.index.read();
    let counters = &core.counters;
    let refused = REFUSAL_CODES
        .iter()
        .zip(&counters.refused)
        .map(|(code, n)| (*code, n.load(Ordering::Relaxed)));
    let newest_ms = core.newest_ms.load(Ordering::Acquire);
    StoreStats {
        series: index.live(),
        samples: counters.samples.load(Ordering::Relaxed),
        histograms: counters.histograms.load(Ordering::Relaxed),
        exemplars: counters.exemplars.load(Ordering::Relaxed),
        newest_ms: (newest_ms > i64::MIN).then_some(newest_ms),
        log_since_checkpoint_bytes: log.map_or(0, |l| l.size_since_cut_bytes),
        log_segment: log.map_or(0, |l| l.segment),
        log_poisoned: log.is_some_and(|l| l.poisoned),
        memory,
        memory_limit_bytes: core.options.memory_limit_bytes,
        top_names: index.top_names(TOP),
        top_pairs: index.top_pairs(TOP),
        top_sources: index.top_sources(TOP),
        refused: refused.filter(|(_, n)| *n > 0).collect(),
    }
}
