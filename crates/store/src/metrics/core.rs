//! What every handle, appender and snapshot of one store shares.
//!
//! Order of locks, never the other way round: index, then a shard, then the log. A shard's lock is held for one request's
//! samples of that shard, or for one series' decoding.

use super::blocks::Blocks;
use super::families::Families;
use super::head::index::Index;
use super::head::isolation::Isolation;
use super::head::ranks::{Ranks, Unranked};
use super::head::raw_cache::RawCache;
use super::head::sealed::SharedTimes;
use super::head::shard::Shard;
use super::head::{SHARDS, shard_of};
use super::log::frame::{self, Kind};
use super::log::writer::Log;
use super::losses::Losses;
use super::options::{MetricsLimits, MetricsOptions};
use super::pace::Pace;
use super::refusal::{REFUSAL_CODES, Refusal};
use lapwing_types::{Labels, METRIC_NAME};
use parking_lot::{Mutex, RwLock};
use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

/// What a new series is taken to need until `maintain` measures: about what 100 000 of them were measured to take.
const SERIES_BYTES_ESTIMATE: u64 = 700;

pub(crate) struct Core {
    /// As the store was opened; what may change since then is in `limits`.
    pub(crate) options: MetricsOptions,
    limits: RwLock<MetricsLimits>,
    pub(crate) index: RwLock<Index>,
    /// A little behind the index; renewed by `maintain`.
    pub(crate) ranks: RwLock<Arc<Ranks>>,
    pub(crate) raw_cache: RawCache,
    pub(crate) times: Arc<SharedTimes>,
    pub(crate) shards: [Mutex<Shard>; SHARDS],
    pub(crate) isolation: Arc<Isolation>,
    pub(crate) metadata: RwLock<Families>,
    /// Absent for a store in memory.
    pub(crate) log: Option<Log>,
    pub(crate) blocks: Blocks,
    pub(crate) losses: Losses,
    /// Held for as long as anyone can write.
    pub(crate) lock: Option<File>,
    /// Time of the newest sample; what is accepted hangs on it and on the series' own newest, not on the clock, so that the past
    /// can be loaded in order. Where it lies further ahead than the clock allows, see [`Core::newest_by`].
    pub(crate) newest_ms: AtomicI64,
    pub(crate) pace: Pace,
    pub(crate) closed: AtomicBool,
    pub(crate) counters: Counters,
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) samples: AtomicU64,
    pub(crate) histograms: AtomicU64,
    pub(crate) exemplars: AtomicU64,
    pub(crate) refused: [AtomicU64; REFUSAL_CODES.len()],
    /// Measured by `maintain`, estimated in between.
    pub(crate) memory_bytes: AtomicU64,
}

impl Core {
    pub(crate) fn new(options: MetricsOptions, log: Option<Log>) -> Core {
        let times = Arc::new(SharedTimes::default());
        let shard = |_| Mutex::new(Shard::new(Arc::clone(&times), options.window_ms));
        let shards = std::array::from_fn(shard);
        Core {
            blocks: Blocks::new(options.page_cache_bytes),
            losses: Losses::default(),
            limits: RwLock::new(options.limits()),
            options,
            index: RwLock::new(Index::default()),
            ranks: RwLock::new(Arc::default()),
            raw_cache: RawCache::new(),
            times,
            shards,
            isolation: Arc::new(Isolation::default()),
            metadata: RwLock::default(),
            log,
            lock: None,
            newest_ms: AtomicI64::new(i64::MIN),
            pace: Pace::default(),
            closed: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    pub(crate) fn limits(&self) -> MetricsLimits {
        *self.limits.read()
    }

    pub(crate) fn set_limits(&self, limits: MetricsLimits) {
        *self.limits.write() = limits;
    }

    /// What is later than this came by a clock that was ahead, or the clock is behind now.
    pub(crate) fn latest_ms(&self, now_ms: i64) -> i64 {
        now_ms.saturating_add(self.options.future_max_ms)
    }

    /// Time of the newest sample, as far as the clock allows for one: what the past is measured against.
    pub(crate) fn newest_by(&self, now_ms: i64) -> i64 {
        let newest_ms = self.newest_ms.load(Ordering::Acquire);
        newest_ms.min(self.latest_ms(now_ms))
    }

    pub(crate) fn memory_bytes(&self) -> u64 {
        self.counters.memory_bytes.load(Ordering::Relaxed)
    }

    /// The slot of a series, created when it is new and within the limits.
    pub(crate) fn find_or_create(&self, labels: &Labels, source: &str) -> Result<u32, Refusal> {
        if let Some(slot) = self.index.read().find(labels) {
            return Ok(slot);
        }
        self.check_labels(labels)?;
        let mut index = self.index.write();
        if let Some(slot) = index.find(labels) {
            return Ok(slot);
        }
        let limits = self.limits();
        if index.live() >= limits.series_max {
            return Err(Refusal::SeriesMax {
                max: limits.series_max,
            });
        }
        if index.source_series(source) >= limits.series_max_per_source {
            let max = limits.series_max_per_source;
            return Err(Refusal::SeriesLimit {
                source_name: source.to_owned(),
                max,
            });
        }
        if self.memory_bytes() > limits.memory_limit_bytes {
            return Err(Refusal::MemoryLimit {
                limit_bytes: limits.memory_limit_bytes,
            });
        }
        let (slot, generation) = index.create(labels, source);
        self.shards[shard_of(slot)].lock().place(slot, generation);
        if let Some(log) = &self.log {
            let mut record = Vec::with_capacity(256);
            let at = frame::begin(&mut record, Kind::Series);
            index.put_definition(&mut record, slot);
            frame::finish(&mut record, at);
            log.define(&record);
        }
        self.counters
            .memory_bytes
            .fetch_add(SERIES_BYTES_ESTIMATE, Ordering::Relaxed);
        Ok(slot)
    }

    /// Ranks the series anew if the set of them changed.
    pub(crate) fn renew_ranks(&self) {
        let ranked = self.ranks.read().version();
        let unranked = {
            let index = self.index.read();
            if index.version() == ranked {
                return;
            }
            Unranked::of(&index)
        };
        let renewed = Arc::new(unranked.rank());
        *self.ranks.write() = renewed;
    }

    pub(crate) fn check_labels(&self, labels: &Labels) -> Result<(), Refusal> {
        if labels.is_empty() {
            return Err(Refusal::EmptyLabels);
        }
        self.options
            .label_limits
            .check(labels)
            .map_err(Refusal::LabelLimit)?;
        match labels.get(METRIC_NAME) {
            Some(name) if name.chars().any(char::is_control) => Err(Refusal::InvalidName {
                name: name.to_owned(),
            }),
            _ => Ok(()),
        }
    }

    pub(crate) fn count_refusal(&self, refusal: &Refusal) {
        self.counters.refused[refusal.code_index()].fetch_add(1, Ordering::Relaxed);
    }
}
