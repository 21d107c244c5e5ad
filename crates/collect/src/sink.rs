//! Where batches go: the engine hands in something that writes to the store.

use lapwing_types::WriteBatch;

/// Keeps a batch, or says why not.
pub trait BatchSink: Send + Sync {
    /// `source` names the origin (a scrape job, "host", "self") for per-source limits. Called on a blocking thread.
    fn write(&self, source: &str, batch: WriteBatch, now_ms: i64) -> Result<(), SinkError>;
}

/// Why a batch was not kept.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SinkError {
    /// A full disk, a limit of memory: nothing was kept, and the source is not to blame.
    #[error("the store takes nothing now: {reason}")]
    Unavailable { reason: String },
    /// Some series or samples were refused (a limit of series, samples too old); the rest was kept.
    #[error("{refused} samples were refused: {reason}")]
    Refused { refused: u64, reason: String },
}

/// Tells the time, in milliseconds since 1970; the engine's clock, or a test's.
pub type Clock = std::sync::Arc<dyn Fn() -> i64 + Send + Sync>;
