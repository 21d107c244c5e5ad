//! What an operator may choose about the metrics store, and the derivation of each default.

use lapwing_types::LabelLimits;

/// When an acknowledgement may be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// The bytes are with the kernel: a killed process loses nothing acknowledged, a power cut may.
    #[default]
    Process,
    /// The bytes are on the device: commits that run at the same time share one sync.
    Disk,
}

/// What is kept, and for how long. `None` means without bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    pub age_ms: Option<i64>,
    pub size_bytes: Option<u64>,
}

impl Default for Retention {
    /// Fifteen days, as the leading peer keeps by default.
    fn default() -> Self {
        Retention {
            age_ms: Some(15 * 24 * 3_600_000),
            size_bytes: None,
        }
    }
}

/// One tier of downsampled data, kept beside the samples and longer than they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierPolicy {
    /// Length of a bucket. It must divide the range of a large block (24 windows).
    pub resolution_ms: i64,
    pub age_ms: Option<i64>,
}

impl TierPolicy {
    /// Five minutes for a month, an hour for a year. A day in five-minute buckets takes up to half of what its samples at 15 s
    /// take (six columns of a twentieth of the length), in hours a twentieth: all of it about as much as fifteen days of samples.
    pub fn defaults() -> Vec<TierPolicy> {
        const DAY_MS: i64 = 24 * 3_600_000;
        let tier = |resolution_ms, days: i64| TierPolicy {
            resolution_ms,
            age_ms: Some(days * DAY_MS),
        };
        vec![tier(300_000, 30), tier(3_600_000, 365)]
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct MetricsOptions {
    pub durability: Durability,
    /// Memory of head and index together. Beyond it new series are refused; beyond it by an eighth, samples too.
    pub memory_limit_bytes: u64,
    /// How far behind the newest sample of the store a late one may be.
    pub ooo_window_ms: i64,
    /// How far ahead of `now_ms` a sample may be: clocks differ, but a year is a mistake.
    pub future_max_ms: i64,
    /// Length of the epoch-aligned windows at which chunks end and become blocks.
    pub window_ms: i64,
    /// How long after its end a window is still expected to receive samples of slow scrapes.
    pub window_slack_ms: i64,
    pub retention: Retention,
    /// Downsampled data, shortest buckets first; none when empty.
    pub tiers: Vec<TierPolicy>,
    pub label_limits: LabelLimits,
    /// Series in the head, over all sources.
    pub series_max: usize,
    /// Series in the head that one source may have brought.
    pub series_max_per_source: usize,
    /// Exemplars kept in memory per series; the oldest goes first.
    pub exemplars_max_per_series: usize,
    /// Decompressed pages of blocks that are kept for the next reader.
    pub page_cache_bytes: usize,
    /// A log longer than this since the last checkpoint causes one: it bounds the time that replay takes.
    pub log_size_max_bytes: u64,
    /// How fast blocks are read through in the background, looking for damage: at this rate 20 GiB take a day.
    pub scrub_bytes_per_s: u64,
    /// Refused samples that one outcome names; all are counted.
    pub refused_max_reported: usize,
}

/// The options that may change while the store runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MetricsLimits {
    pub memory_limit_bytes: u64,
    pub retention: Retention,
    pub series_max: usize,
    pub series_max_per_source: usize,
}

impl MetricsOptions {
    pub fn limits(&self) -> MetricsLimits {
        MetricsLimits {
            memory_limit_bytes: self.memory_limit_bytes,
            retention: self.retention,
            series_max: self.series_max,
            series_max_per_source: self.series_max_per_source,
        }
    }
}

impl Default for MetricsOptions {
    fn default() -> Self {
        MetricsOptions {
            durability: Durability::Process,
            memory_limit_bytes: 2 << 30,
            ooo_window_ms: 3_600_000,
            future_max_ms: 600_000,
            window_ms: 1_800_000,
            // Longer than the five minutes that most questions are about: what is flushed is not in the way of them.
            window_slack_ms: 310_000,
            retention: Retention::default(),
            tiers: TierPolicy::defaults(),
            label_limits: LabelLimits::default(),
            series_max: 10_000_000,
            series_max_per_source: 2_000_000,
            exemplars_max_per_series: 16,
            page_cache_bytes: 16 << 20,
            log_size_max_bytes: 512 << 20,
            scrub_bytes_per_s: 256 << 10,
            refused_max_reported: 100,
        }
    }
}
