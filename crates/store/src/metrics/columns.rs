//! Samples of one series on their way into a block or out of it, column by column.

use super::tier::TierPoint;
use lapwing_types::{Exemplar, Histogram};
use std::sync::Arc;

/// Everything that is kept of one series for a range of time. Each list ascends by time; a time stands among floats or
/// among histograms, not in both.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesColumns {
    pub times_ms: Vec<i64>,
    /// As long as `times_ms`.
    pub values: Vec<f64>,
    pub histograms: Vec<(i64, Arc<Histogram>)>,
    pub exemplars: Vec<(i64, Exemplar)>,
    /// From the sample at the first time on, the counter is one that began at the second.
    pub start_times_ms: Vec<(i64, i64)>,
    /// In blocks of a downsampled tier, instead of all else.
    pub tier: Vec<TierPoint>,
}

impl SeriesColumns {
    pub fn clear(&mut self) {
        self.times_ms.clear();
        self.values.clear();
        self.histograms.clear();
        self.exemplars.clear();
        self.start_times_ms.clear();
        self.tier.clear();
    }

    /// Floats and histograms.
    pub fn samples_len(&self) -> usize {
        self.times_ms.len() + self.histograms.len()
    }

    pub fn is_empty(&self) -> bool {
        self.samples_len() == 0
            && self.exemplars.is_empty()
            && self.start_times_ms.is_empty()
            && self.tier.is_empty()
    }
}
