//! A source of series with a few samples laid over it: what this tick has recorded and the store does not have yet.

use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader, SeriesSource};
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME, MatchOp, Matcher, SeriesWrite};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

/// Samples by metric name, then by series.
#[derive(Clone, Default)]
pub(crate) struct Overlay {
    by_name: HashMap<String, BTreeMap<Labels, Points>>,
}

#[derive(Clone, Default)]
struct Points {
    floats: BTreeMap<i64, f64>,
    histograms: BTreeMap<i64, Arc<FloatHistogram>>,
}

impl Points {
    /// What a selection may read: a replay lays weeks over its source and asks for minutes.
    fn between(&self, start_ms: i64, end_ms: i64) -> Points {
        if start_ms > end_ms {
            return Points::default();
        }
        let range = start_ms..=end_ms;
        Points {
            floats: self.floats.range(range.clone()).map(|(t, v)| (*t, *v)).collect(),
            histograms: self
                .histograms
                .range(range)
                .map(|(t, h)| (*t, h.clone()))
                .collect(),
        }
    }

    fn is_empty(&self) -> bool {
        self.floats.is_empty() && self.histograms.is_empty()
    }
}

impl Overlay {
    pub(crate) fn add(&mut self, written: &[SeriesWrite]) {
        for series in written {
            let name = series.labels.metric_name().unwrap_or("").to_owned();
            let all = self.by_name.entry(name).or_default();
            let points = all.entry(series.labels.clone()).or_default();
            for sample in &series.samples {
                points.floats.insert(sample.t_ms, sample.value);
            }
            for (t_ms, histogram) in &series.histograms {
                points.histograms.insert(*t_ms, Arc::new(histogram.to_float()));
            }
        }
    }

    fn matching<'a>(&'a self, selection: &'a Selection) -> Vec<(&'a Labels, &'a Points)> {
        let by_name = |m: &&Matcher| m.name == METRIC_NAME && m.op == MatchOp::Equal;
        let exact = selection.matchers.iter().find(by_name);
        let buckets: Vec<&BTreeMap<Labels, Points>> = match exact {
            Some(matcher) => self.by_name.get(&matcher.value).into_iter().collect(),
            None => self.by_name.values().collect(),
        };
        buckets
            .into_iter()
            .flatten()
            .filter(|(labels, _)| selection.matchers.iter().all(|m| m.matches_labels(labels)))
            .collect()
    }
}

pub(crate) struct OverlaySource<'a> {
    pub(crate) base: &'a dyn SeriesSource,
    pub(crate) overlay: &'a Overlay,
}

struct OverlayReader {
    base: Option<Box<dyn SeriesReader>>,
    points: Points,
}

impl SeriesReader for OverlayReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let mut points = self.points.clone();
        if let Some(base) = &self.base {
            let mut below = SeriesPoints::default();
            base.read(start_ms, end_ms, &mut below)?;
            for (t_ms, value) in below.times_ms.into_iter().zip(below.values) {
                points.floats.entry(t_ms).or_insert(value);
            }
            for (t_ms, histogram) in below.histograms {
                points.histograms.entry(t_ms).or_insert(histogram);
            }
        }
        for (t_ms, value) in points.floats.range(start_ms..=end_ms) {
            out.times_ms.push(*t_ms);
            out.values.push(*value);
        }
        let histograms = points.histograms.range(start_ms..=end_ms);
        out.histograms.extend(histograms.map(|(t, h)| (*t, h.clone())));
        Ok(())
    }
}

impl SeriesSource for OverlaySource<'_> {
    fn select(&self, selection: &Selection) -> Result<Vec<SelectedSeries>, ReadError> {
        let above = self.overlay.matching(selection);
        let mut all = self.base.select(selection)?;
        if above.is_empty() {
            return Ok(all);
        }
        let mut wanted: BTreeMap<Labels, Points> = above
            .into_iter()
            .map(|(l, p)| (l.clone(), p.between(selection.start_ms, selection.end_ms)))
            .filter(|(_, p)| !p.is_empty())
            .collect();
        for series in &mut all {
            if let Some(points) = wanted.remove(&series.labels) {
                let empty: Box<dyn SeriesReader> = Box::new(OverlayReader {
                    base: None,
                    points: Points::default(),
                });
                let base = Some(std::mem::replace(&mut series.reader, empty));
                series.reader = Box::new(OverlayReader { base, points });
            }
        }
        all.extend(wanted.into_iter().map(|(labels, points)| SelectedSeries {
            labels,
            reader: Box::new(OverlayReader { base: None, points }),
        }));
        all.sort_by(|a, b| a.labels.cmp(&b.labels));
        Ok(all)
    }

    fn label_names(&self, selection: &Selection) -> Result<Vec<String>, ReadError> {
        let mut names: BTreeSet<String> = self.base.label_names(selection)?.into_iter().collect();
        for (labels, _) in self.overlay.matching(selection) {
            names.extend(labels.iter().map(|(n, _)| n.to_owned()));
        }
        Ok(names.into_iter().collect())
    }

    fn label_values(&self, name: &str, selection: &Selection) -> Result<Vec<String>, ReadError> {
        let mut values: BTreeSet<String> = self.base.label_values(name, selection)?.into_iter().collect();
        for (labels, _) in self.overlay.matching(selection) {
            values.extend(labels.get(name).map(str::to_owned));
        }
        Ok(values.into_iter().collect())
    }
}
