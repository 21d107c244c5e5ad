//! What is known about the metrics of a source.

use super::known::{self, Known};
use crate::rules::WELL_KNOWN;
use lapwing_types::MetricKind;
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct MetricFact {
    pub kind: Option<MetricKind>,
    /// Least and greatest value that it can have.
    pub range: Option<(f64, f64)>,
}

/// By metric name. An empty set of facts knows nothing and calls no metric unknown.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    metrics: BTreeMap<String, MetricFact>,
}

impl Facts {
    pub fn add(&mut self, name: &str, fact: MetricFact) {
        let mine = self.metrics.entry(name.to_owned()).or_default();
        mine.kind = fact.kind.or(mine.kind);
        mine.range = fact.range.or(mine.range);
    }

    pub fn is_empty(&self) -> bool {
        self.metrics.is_empty()
    }

    pub(super) fn has(&self, name: &str) -> bool {
        self.metrics.contains_key(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.metrics.keys().map(String::as_str)
    }

    /// What the source says, else what is well known, else what the name itself says.
    pub(super) fn is_counter(&self, name: &str) -> Option<bool> {
        let said = self.metrics.get(name).and_then(|f| f.kind);
        let said = said.or_else(|| {
            // A histogram's metadata stands under the name of the family.
            let family = ["_bucket", "_count", "_sum"]
                .iter()
                .find_map(|s| name.strip_suffix(s))?;
            self.metrics.get(family)?.kind
        });
        match said {
            Some(MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary) => Some(true),
            Some(MetricKind::Gauge) => Some(false),
            _ => match known::find(name) {
                Some(Known::Counter) => Some(true),
                Some(Known::Gauge { .. } | Known::LastCode) => Some(false),
                _ if name.ends_with("_total") || name.ends_with("_bucket") => Some(true),
                _ => None,
            },
        }
    }

    pub(super) fn range(&self, name: &str) -> Option<(f64, f64)> {
        if let Some(range) = self.metrics.get(name).and_then(|f| f.range) {
            return Some(range);
        }
        if WELL_KNOWN
            .iter()
            .any(|w| w.name == name && w.unit == "ratio" && w.name != "load_per_cpu")
        {
            return Some((0.0, 1.0));
        }
        match known::find(name) {
            Some(Known::Gauge { range }) => range,
            Some(Known::Counter) => Some((0.0, f64::INFINITY)),
            _ if name == "up" => Some((0.0, 1.0)),
            _ => None,
        }
    }
}
