//! The seam between memory and questions: whatever can answer "which series, and their samples".
//!
//! `query` evaluates over a [`SeriesSource`]; the embedded metrics store's snapshot is one, a remote
//! Prometheus-compatible cluster or a table in a test are others. A source is a consistent view: what is selected from
//! it twice is the same twice.

use lapwing_types::{Exemplar, FloatHistogram, Labels, Matcher, Metadata};
use std::sync::Arc;

/// What to look for. Times are inclusive at both ends.
#[derive(Clone, Debug)]
pub struct Selection {
    /// All must hold; an empty list selects everything.
    pub matchers: Vec<Matcher>,
    pub start_ms: i64,
    pub end_ms: i64,
    /// At most this many series; one more is [`ReadError::TooManySeries`].
    pub series_max: Option<usize>,
}

/// What a downsampled bucket is read as where the samples themselves are gone. The value stands at the end of the bucket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TierColumn {
    /// The last sample of the bucket.
    #[default]
    Last,
    /// A counter without resets that grows by the increase of each bucket and meets the samples that follow.
    Counter,
    Min,
    Max,
    /// As often as there were samples, spread over the bucket: averages are weighed, sums and counts are right.
    Average,
}

/// How whoever selects wants to see downsampled data. Samples are always preferred where there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierHint {
    pub column: TierColumn,
    /// Neighbouring points are to be at most this far apart; longer buckets are filled in. Whoever looks at windows of a
    /// given length finds points in each of them this way, also in those shorter than a bucket.
    pub every_ms: i64,
}

impl Default for TierHint {
    /// For who looks five minutes back, as PromQL does.
    fn default() -> Self {
        TierHint {
            column: TierColumn::Last,
            every_ms: 300_000,
        }
    }
}

/// One selected series: who it is, and how to read it when its turn comes.
pub struct SelectedSeries {
    pub labels: Labels,
    pub reader: Box<dyn SeriesReader>,
}

/// Reads one series; may be asked several times and from any thread.
pub trait SeriesReader: Send + Sync {
    /// Appends the samples with `start_ms <= t <= end_ms`, ascending and without duplicates, to `out`.
    /// Staleness markers are included.
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError>;

    /// The newest sample with `start_ms <= t <= end_ms`, appended to `out` alone. Cheaper than `read` where the source
    /// knows it without decoding.
    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let mut all = SeriesPoints::default();
        self.read(start_ms, end_ms, &mut all)?;
        out.push_last_of(all);
        Ok(())
    }
}

/// Samples of one series: floats in two parallel columns, histograms beside them, each ascending by time.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesPoints {
    pub times_ms: Vec<i64>,
    pub values: Vec<f64>,
    /// When the counter behind each float began to count, [`UNKNOWN_START`] where nobody said so. Shorter than `times_ms` where
    /// the floats behind its end have no known start; most often empty.
    pub starts_ms: Vec<i64>,
    pub histograms: Vec<(i64, Arc<FloatHistogram>)>,
    /// The same as `starts_ms`, of the histograms.
    pub histogram_starts_ms: Vec<i64>,
}

/// Of a float whose counter's beginning nobody told.
pub const UNKNOWN_START: i64 = 0;

impl SeriesPoints {
    pub fn clear(&mut self) {
        self.times_ms.clear();
        self.values.clear();
        self.starts_ms.clear();
        self.histograms.clear();
        self.histogram_starts_ms.clear();
    }

    /// The start of the counter behind the float at `index`, if it is known.
    pub fn start_of(&self, index: usize) -> Option<i64> {
        self.starts_ms.get(index).copied().filter(|s| *s != UNKNOWN_START)
    }

    /// Says when the counter behind the last float began.
    pub fn set_last_start(&mut self, start_ms: i64) {
        if let Some(last) = self.times_ms.len().checked_sub(1) {
            self.starts_ms.resize(last, UNKNOWN_START);
            self.starts_ms.push(start_ms);
        }
    }

    /// Says when the counter behind the last histogram began.
    pub fn set_last_histogram_start(&mut self, start_ms: i64) {
        if let Some(last) = self.histograms.len().checked_sub(1) {
            self.histogram_starts_ms.resize(last, UNKNOWN_START);
            self.histogram_starts_ms.push(start_ms);
        }
    }

    pub fn len(&self) -> usize {
        self.times_ms.len() + self.histograms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends the newest sample of `all`, whichever kind it is.
    pub fn push_last_of(&mut self, mut all: SeriesPoints) {
        match (all.times_ms.last(), all.histograms.last()) {
            (Some(t), Some((h, _))) if h > t => self.histograms.extend(all.histograms.pop()),
            (None, Some(_)) => self.histograms.extend(all.histograms.pop()),
            (Some(t), _) => {
                self.times_ms.push(*t);
                self.values.extend(all.values.last());
                if let Some(start_ms) = all.start_of(all.times_ms.len() - 1) {
                    self.set_last_start(start_ms);
                }
            }
            (None, None) => {}
        }
    }
}

/// A consistent view over series.
pub trait SeriesSource: Send + Sync {
    /// Series with at least one chunk of data in the range, ascending by labels.
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError>;

    /// As [`SeriesSource::select`], with a say in how downsampled data stands in for samples that are gone. A source that
    /// keeps none has nothing to do here.
    fn select_as(&self, selection: &Selection, _tier: TierHint) -> Result<Vec<SelectedSeries>, ReadError> {
        self.select(selection)
    }

    /// Names of labels on series that match and have something in the range, ascending. Without a matcher a part of the store
    /// that the range touches may give all of its names.
    fn label_names(&self, selection: &Selection) -> Result<Vec<String>, ReadError>;

    /// Values of one label, as [`SeriesSource::label_names`].
    fn label_values(&self, name: &str, selection: &Selection) -> Result<Vec<String>, ReadError>;

    /// Label sets that match, ascending.
    fn series(&self, selection: &Selection) -> Result<Vec<Labels>, ReadError> {
        Ok(self.select(selection)?.into_iter().map(|s| s.labels).collect())
    }

    /// Exemplars of the series that match, by series.
    fn exemplars(&self, _selection: &Selection) -> Result<Vec<(Labels, Vec<Exemplar>)>, ReadError> {
        Ok(Vec::new())
    }

    /// What is known about metric families (all, or one), by name.
    fn metadata(&self, _metric: Option<&str>) -> Vec<(String, Metadata)> {
        Vec::new()
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    #[error("the selection matches more than {max} series")]
    TooManySeries { max: usize },
    #[error("data from {start_ms} to {end_ms} could not be read: {reason}")]
    Damaged {
        start_ms: i64,
        end_ms: i64,
        reason: String,
    },
    #[error("the query needs more memory than is free ({wanted_bytes} bytes)")]
    OutOfMemory { wanted_bytes: u64 },
    #[error("reading {path}")]
    Io {
        path: std::path::PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("remote source failed: {reason}")]
    Remote { reason: String },
}
