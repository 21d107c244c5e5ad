//! What one request, scrape or probe wants kept, after decoding and before the store has judged it.

use crate::{Exemplar, Histogram, Labels, Metadata, Sample};

/// Everything that one arrival brings for one series.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SeriesWrite {
    pub labels: Labels,
    pub samples: Vec<Sample>,
    pub histograms: Vec<(i64, Histogram)>,
    pub exemplars: Vec<Exemplar>,
    /// When the counter behind this series began, where the source says so.
    pub start_ms: Option<i64>,
}

impl SeriesWrite {
    /// Time of the first of its samples.
    pub fn first_ms(&self) -> Option<i64> {
        let floats = self.samples.iter().map(|s| s.t_ms);
        floats.chain(self.histograms.iter().map(|h| h.0)).min()
    }
}

/// Everything that one arrival brings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteBatch {
    pub series: Vec<SeriesWrite>,
    /// By metric family name.
    pub metadata: Vec<(String, Metadata)>,
}
