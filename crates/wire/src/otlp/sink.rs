//! Where translated series go.
//!
//! A sender brings the same series every few seconds. What a series is made of (what the resource and the scope say, the metric's
//! name, `le` or `quantile`, the point's attributes as they were sent) is written down as a key, and a sink that has seen the key
//! says at once which series it means: no label is made, sorted or compared for it. Only for an unknown key are labels made.
//!
//! Invariant: equal keys mean equal labels. They start with [`KEY_TAG`], which no label field of remote write does, so that both may
//! share one table.

use lapwing_types::{Exemplar, Histogram, Labels, Sample, SeriesWrite, WriteBatch};

/// The first byte of every key.
pub const KEY_TAG: u8 = b'O';

/// Takes what a request brings, one sample after the other; nothing is kept before the sink's owner says so.
pub trait SeriesSink {
    /// A series, for as long as the request is being taken.
    type Series: Copy;

    /// The series that was bound to this key before.
    fn known(&mut self, key: &[u8]) -> Option<Self::Series>;

    /// Finds or makes the series and remembers its key. `None`: refused, which the sink itself notes.
    fn bind(&mut self, key: &[u8], labels: &Labels) -> Option<Self::Series>;

    fn sample(&mut self, series: Self::Series, t_ms: i64, value: f64);

    fn histogram(&mut self, series: Self::Series, t_ms: i64, histogram: Histogram);

    /// After the sample that it belongs to.
    fn exemplar(&mut self, series: Self::Series, exemplar: Exemplar);

    /// The counter behind the sample at `t_ms` began then.
    fn start(&mut self, series: Self::Series, t_ms: i64, start_ms: i64);
}

/// Knows no keys: every series is made, in the order of the request.
impl SeriesSink for WriteBatch {
    type Series = usize;

    fn known(&mut self, _key: &[u8]) -> Option<usize> {
        None
    }

    fn bind(&mut self, _key: &[u8], labels: &Labels) -> Option<usize> {
        self.series.push(SeriesWrite {
            labels: labels.clone(),
            ..SeriesWrite::default()
        });
        Some(self.series.len() - 1)
    }

    fn sample(&mut self, series: usize, t_ms: i64, value: f64) {
        self.series[series].samples.push(Sample { t_ms, value });
    }

    fn histogram(&mut self, series: usize, t_ms: i64, histogram: Histogram) {
        self.series[series].histograms.push((t_ms, histogram));
    }

    fn exemplar(&mut self, series: usize, exemplar: Exemplar) {
        self.series[series].exemplars.push(exemplar);
    }

    fn start(&mut self, series: usize, _t_ms: i64, start_ms: i64) {
        self.series[series].start_ms = Some(start_ms);
    }
}
