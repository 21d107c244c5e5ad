//! Why something was not kept. One bad series never spoils the good ones of the same request: a [`Refusal`] concerns
//! one series or sample, an [`AppendError`] the request as a whole.

use lapwing_types::{HistogramError, Labels, LimitExceeded, format_duration_ms};
use std::fmt;
use std::io;
use std::path::PathBuf;

/// Why one series or sample was refused.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum Refusal {
    #[error("sample is older than the out-of-order window of {} allows", format_duration_ms(*window_ms))]
    TooOld { window_ms: i64 },
    #[error("sample is older than the retention of {}", format_duration_ms(*age_ms))]
    BeyondRetention { age_ms: i64 },
    #[error("sample lies more than {} in the future of this machine's clock", format_duration_ms(*max_ms))]
    Future { max_ms: i64 },
    #[error("another value stands at the same time")]
    DuplicateWithOtherValue,
    #[error("invalid histogram: {0}")]
    InvalidHistogram(HistogramError),
    #[error("histogram of {buckets} buckets, the limit is {max}")]
    HistogramTooLarge { buckets: usize, max: usize },
    #[error("label set over the limits: {0}")]
    LabelLimit(LimitExceeded),
    #[error("label set is empty")]
    EmptyLabels,
    #[error("metric name {name:?} is not valid")]
    InvalidName { name: String },
    #[error("source {source_name:?} may not have more than {max} series")]
    SeriesLimit { source_name: String, max: usize },
    #[error("the store may not have more than {max} series")]
    SeriesMax { max: usize },
    #[error("the memory budget of {limit_bytes} bytes is spent")]
    MemoryLimit { limit_bytes: u64 },
    #[error("exemplar of {chars} characters in its labels, the limit is {max}")]
    ExemplarTooLong { chars: usize, max: usize },
    #[error("help and units of all families may not take more than {max_bytes} bytes")]
    MetadataLimit { max_bytes: u64 },
    #[error("series reference is from an earlier life of its slot")]
    StaleReference,
}

impl Refusal {
    /// A stable word for counters.
    pub fn code(&self) -> &'static str {
        REFUSAL_CODES[self.code_index()]
    }

    pub(crate) fn code_index(&self) -> usize {
        match self {
            Refusal::TooOld { .. } => 0,
            Refusal::Future { .. } => 1,
            Refusal::DuplicateWithOtherValue => 2,
            Refusal::InvalidHistogram(_) => 3,
            Refusal::LabelLimit(_) => 4,
            Refusal::EmptyLabels => 5,
            Refusal::InvalidName { .. } => 6,
            Refusal::SeriesLimit { .. } => 7,
            Refusal::SeriesMax { .. } => 8,
            Refusal::MemoryLimit { .. } => 9,
            Refusal::StaleReference => 10,
            Refusal::HistogramTooLarge { .. } => 11,
            Refusal::BeyondRetention { .. } => 12,
            Refusal::ExemplarTooLong { .. } => 13,
            Refusal::MetadataLimit { .. } => 14,
        }
    }
}

pub(crate) const REFUSAL_CODES: [&str; 15] = [
    "too_old",
    "future",
    "duplicate_with_other_value",
    "invalid_histogram",
    "label_limit",
    "empty_labels",
    "invalid_name",
    "series_limit",
    "series_max",
    "memory_limit",
    "stale_reference",
    "histogram_too_large",
    "beyond_retention",
    "exemplar_too_long",
    "metadata_limit",
];

/// One refused sample or exemplar (or series, or family of metrics, when `t_ms` is absent).
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    pub labels: Labels,
    pub t_ms: Option<i64>,
    pub reason: Refusal,
}

/// A label set may be refused for its very length: no answer repeats more of it.
const SHOWN_CHARS_MAX: usize = 512;

impl Refused {
    /// The series as a message names it.
    pub fn series(&self) -> String {
        let mut labels = self.labels.to_string();
        if let Some((end, _)) = labels.char_indices().nth(SHOWN_CHARS_MAX) {
            labels.truncate(end);
            labels.push('…');
        }
        labels
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.series())?;
        match self.t_ms {
            Some(t_ms) => write!(f, " at {t_ms}: {}", self.reason),
            None => write!(f, ": {}", self.reason),
        }
    }
}

/// What became of one request.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AppendOutcome {
    /// Accepted, identical duplicates included.
    pub samples: usize,
    pub histograms: usize,
    pub exemplars: usize,
    /// The first refused ones; `refused_count` counts all.
    pub refused: Vec<Refused>,
    pub refused_count: usize,
}

impl AppendOutcome {
    /// Nothing was kept, and that for want of memory alone, which comes back: the same request may be taken later.
    pub fn is_for_later(&self) -> bool {
        let kept = self.samples + self.histograms;
        let is_memory = |r: &Refused| matches!(r.reason, Refusal::MemoryLimit { .. });
        kept == 0 && !self.refused.is_empty() && self.refused.iter().all(is_memory)
    }
}

/// Why a whole request was not acknowledged. Sending it again is always safe.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// Heals by itself once there is room.
    #[error("no room on the device of the log")]
    DiskFull,
    #[error("writing the log {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A sync failed: what the device holds is unknown until the store is opened again.
    #[error("a sync of the log failed earlier; the store must be opened again")]
    Poisoned,
    #[error("the store is closed")]
    Closed,
}

/// Why a store could not be opened, or an operation on its files failed.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("another process holds {path}")]
    Locked { path: PathBuf },
    #[error("{path} was written by another release (its format is {found}, this one reads {known})")]
    Version { path: PathBuf, found: u32, known: u32 },
    #[error("{path} is damaged: {reason}")]
    Damaged { path: PathBuf, reason: String },
    #[error(
        "{path} is damaged: {reason}\n\
         it says which files belong to the store, so nothing was opened and nothing was removed: put the directory back from a backup \
         (`lapwing restore`), or move it away to begin with an empty store; do not delete the manifest"
    )]
    Manifest { path: PathBuf, reason: String },
    #[error("beginning another segment of the log in {path}")]
    Log {
        path: PathBuf,
        #[source]
        source: AppendError,
    },
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("a store in memory has no files")]
    NoDirectory,
    #[error("{action} {path}")]
    Io {
        action: &'static str,
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

impl OpenError {
    /// Whether it was for want of room alone: trying again helps once there is some.
    pub fn is_disk_full(&self) -> bool {
        match self {
            OpenError::Log { source, .. } => matches!(source, AppendError::DiskFull),
            OpenError::Io { source, .. } => is_disk_full(source),
            _ => false,
        }
    }
}

/// Whether a device, or what one may use of it, has no room left.
pub fn is_disk_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

pub(crate) fn io_error(
    action: &'static str,
    path: impl Into<PathBuf>,
) -> impl FnOnce(std::io::Error) -> OpenError {
    let path = path.into();
    move |source| OpenError::Io { action, path, source }
}
