//! Where batches go: the engine hands in something that writes to the store.

use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};

/// A name for a label set that outlives the scrape: who sees it again need not look at the labels. Equal keys mean equal labels.
pub type SeriesKey = [u8; 17];

/// A sample of a series that its source brings again and again.
#[derive(Clone, Copy, Debug)]
pub struct KnownSample<'a> {
    pub key: &'a SeriesKey,
    pub labels: &'a Labels,
    pub sample: Sample,
}

/// Keeps a batch, or says why not.
pub trait BatchSink: Send + Sync {
    /// `source` names the origin (a scrape job, "host", "self") for per-source limits. Called on a blocking thread.
    fn write(&self, source: &str, batch: WriteBatch, now_ms: i64) -> Result<(), SinkError>;

    /// The same for a page: both or nothing. `known` comes in the order of the page, which is the same from scrape to scrape; a sink
    /// that remembers keys does not look at the labels of what it knows.
    fn write_page(
        &self,
        source: &str,
        known: &mut dyn Iterator<Item = KnownSample<'_>>,
        rest: WriteBatch,
        now_ms: i64,
    ) -> Result<(), SinkError> {
        let known = known.map(|known| SeriesWrite {
            labels: known.labels.clone(),
            samples: vec![known.sample],
            ..SeriesWrite::default()
        });
        let mut batch = rest;
        batch.series.splice(0..0, known);
        self.write(source, batch, now_ms)
    }
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

/// Nanoseconds since whenever, which no setting of a clock moves.
pub type Stopwatch = std::sync::Arc<dyn Fn() -> u64 + Send + Sync>;
