//! Collects the samples of one reading into a `WriteBatch`.
//!
//! All samples of one page carry the same time, so that the store keeps one timestamp column for all of them. Labels
//! of the page (`job`, `instance`) stand on every series unless the series has its own of that name.

use lapwing_types::{Labels, METRIC_NAME, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch};
use std::sync::Arc;

/// Labels that stand on every series of a page.
pub(crate) type BaseLabels = Arc<[(String, String)]>;

pub(crate) struct Page {
    now_ms: i64,
    base: BaseLabels,
    with_metadata: bool,
    batch: WriteBatch,
}

impl Page {
    /// `with_metadata`: kinds and help texts go along; once in a while suffices, they rarely change.
    pub(crate) fn new(now_ms: i64, base: BaseLabels, with_metadata: bool) -> Self {
        Page {
            now_ms,
            base,
            with_metadata,
            batch: WriteBatch::default(),
        }
    }

    pub(crate) fn counter<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, MetricKind::Counter, help)
    }

    pub(crate) fn gauge<'a>(&'a mut self, name: &'a str, help: &'a str) -> Family<'a> {
        self.family(name, MetricKind::Gauge, help)
    }

    /// node_exporter has values it cannot call counter or gauge; their kind is `unknown`, as there.
    pub(crate) fn family<'a>(&'a mut self, name: &'a str, kind: MetricKind, help: &'a str) -> Family<'a> {
        Family {
            page: self,
            name,
            kind,
            help,
        }
    }

    pub(crate) fn now_ms(&self) -> i64 {
        self.now_ms
    }

    pub(crate) fn into_batch(self) -> WriteBatch {
        self.batch
    }

    fn describe(&mut self, name: &str, kind: MetricKind, help: &str) {
        let said = |(n, _): &(String, Metadata)| n == name;
        if self.with_metadata && !self.batch.metadata.last().is_some_and(said) {
            let metadata = Metadata {
                kind,
                help: help.to_owned(),
                unit: String::new(),
            };
            self.batch.metadata.push((name.to_owned(), metadata));
        }
    }

    fn push(&mut self, name: &str, labels: &[(&str, &str)], value: f64) {
        let own = |n: &str| labels.iter().any(|(k, _)| *k == n);
        let pairs = self
            .base
            .iter()
            .map(|(n, v)| (n.as_str(), v.as_str()))
            .filter(|(n, _)| !own(n))
            .chain(labels.iter().copied())
            .chain(std::iter::once((METRIC_NAME, name)));
        // Callers name their labels in the source, so the only refusals are a repeated or an empty base label.
        let Ok(labels) = Labels::from_pairs(pairs) else {
            return;
        };
        self.batch.series.push(SeriesWrite {
            labels,
            samples: vec![Sample {
                t_ms: self.now_ms,
                value,
            }],
            ..SeriesWrite::default()
        });
    }
}

/// Series of one name; without any, its kind and help are not told either.
pub(crate) struct Family<'a> {
    page: &'a mut Page,
    name: &'a str,
    kind: MetricKind,
    help: &'a str,
}

impl Family<'_> {
    pub(crate) fn set(&mut self, labels: &[(&str, &str)], value: f64) -> &mut Self {
        self.page.describe(self.name, self.kind, self.help);
        self.page.push(self.name, labels, value);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_labels_give_way_and_metadata_comes_once() {
        let base: BaseLabels = Arc::from([("job".to_owned(), "node".to_owned())]);
        let mut page = Page::new(7, base, true);
        page.counter("a_total", "help")
            .set(&[("x", "1")], 1.0)
            .set(&[("job", "own")], 2.0);
        page.counter("a_total", "help").set(&[("x", "")], 3.0);
        page.counter("empty_total", "help");
        let batch = page.into_batch();
        let names: Vec<String> = batch.series.iter().map(|s| s.labels.to_string()).collect();
        assert_eq!(
            names,
            [
                r#"a_total{job="node", x="1"}"#,
                r#"a_total{job="own"}"#,
                r#"a_total{job="node"}"#
            ]
        );
        assert_eq!(batch.metadata.len(), 1);
        assert_eq!(batch.series[0].samples, [Sample { t_ms: 7, value: 1.0 }]);
    }
}
