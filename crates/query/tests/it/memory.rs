//! A source of series that is a table in memory.

use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource};
use lapwing_types::{FloatHistogram, Labels, ResetHint, is_stale};
use std::collections::BTreeMap;
use std::sync::Arc;

#[derive(Clone, Debug)]
pub(crate) enum Value {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

#[derive(Default)]
pub(crate) struct MemorySource {
    series: BTreeMap<Labels, Arc<Samples>>,
}

#[derive(Clone, Default)]
struct Samples {
    given: BTreeMap<i64, Value>,
    /// As a store gives them back: with the counter reset hints that it has found out.
    kept: BTreeMap<i64, Value>,
    /// When the counter behind a sample began.
    starts: BTreeMap<i64, i64>,
}

impl Samples {
    fn settle(&mut self) {
        let mut before: Option<Arc<FloatHistogram>> = None;
        self.kept.clear();
        for (t_ms, value) in &self.given {
            let kept = match value {
                Value::Float(value) => {
                    before = None;
                    Value::Float(*value)
                }
                Value::Histogram(histogram) => {
                    let hint = stored_hint(before.as_deref(), histogram);
                    before = Some(histogram.clone());
                    Value::Histogram(Arc::new(FloatHistogram {
                        reset_hint: hint,
                        ..(**histogram).clone()
                    }))
                }
            };
            self.kept.insert(*t_ms, kept);
        }
    }
}

/// What Prometheus's storage says of a histogram behind another one in the same series.
fn stored_hint(before: Option<&FloatHistogram>, histogram: &FloatHistogram) -> ResetHint {
    match (histogram.reset_hint, before) {
        (ResetHint::Gauge, _) => return ResetHint::Gauge,
        // The first histogram after a reset begins a chunk, and of those nothing is known.
        (ResetHint::Reset, _) => return ResetHint::Unknown,
        (_, None) => return ResetHint::Unknown,
        (_, Some(before)) if before.reset_hint == ResetHint::Gauge || is_stale(before.sum) => {
            return ResetHint::Unknown;
        }
        _ => {}
    }
    let Some(before) = before else {
        return ResetHint::Unknown;
    };
    if is_stale(histogram.sum) {
        return ResetHint::NotReset;
    }
    let same_layout = histogram.schema == before.schema
        && histogram.zero_threshold == before.zero_threshold
        && histogram.custom_bounds == before.custom_bounds;
    if !same_layout {
        return ResetHint::Unknown;
    }
    let mut unknown = histogram.clone();
    unknown.reset_hint = ResetHint::Unknown;
    if unknown.is_reset_after(before) {
        return ResetHint::Unknown;
    }
    ResetHint::NotReset
}

impl MemorySource {
    pub(crate) fn add(&mut self, labels: &Labels, t_ms: i64, value: Value) {
        let samples = self.series.entry(labels.clone()).or_default();
        Arc::make_mut(samples).given.insert(t_ms, value);
    }

    pub(crate) fn add_start(&mut self, labels: &Labels, t_ms: i64, start_ms: i64) {
        let samples = self.series.entry(labels.clone()).or_default();
        Arc::make_mut(samples).starts.insert(t_ms, start_ms);
    }

    /// To be called when everything has been added.
    pub(crate) fn settle(&mut self) {
        for samples in self.series.values_mut() {
            Arc::make_mut(samples).settle();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.series.clear();
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (&Labels, impl Iterator<Item = (i64, &Value)>)> {
        self.series
            .iter()
            .map(|(labels, samples)| (labels, samples.given.iter().map(|(t, v)| (*t, v))))
    }
}

struct Reader(Arc<Samples>);

impl SeriesReader for Reader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        if start_ms > end_ms {
            return Ok(());
        }
        for (t_ms, value) in self.0.kept.range(start_ms..=end_ms) {
            match value {
                Value::Float(value) => {
                    out.times_ms.push(*t_ms);
                    out.values.push(*value);
                    if let Some(start_ms) = self.0.starts.get(t_ms) {
                        out.set_last_start(*start_ms);
                    }
                }
                Value::Histogram(histogram) => {
                    out.histograms.push((*t_ms, histogram.clone()));
                    if let Some(start_ms) = self.0.starts.get(t_ms) {
                        out.set_last_histogram_start(*start_ms);
                    }
                }
            }
        }
        Ok(())
    }
}

impl SeriesSource for MemorySource {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        Ok(self
            .series
            .iter()
            .filter(|(labels, _)| selection.matchers.iter().all(|m| m.matches_labels(labels)))
            .map(|(labels, samples)| SelectedSeries {
                labels: labels.clone(),
                reader: Box::new(Reader(samples.clone())),
            })
            .collect())
    }

    fn label_names(&self, _selection: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }

    fn label_values(&self, _name: &str, _selection: &Selection) -> Result<Vec<String>, ReadError> {
        Ok(Vec::new())
    }
}
