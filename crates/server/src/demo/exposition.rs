//! What a target exposes: families of samples, as the text format writes them and as the store takes them.

use lapwing_types::{Labels, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch};
use std::fmt::Write;

/// One metric with all its series.
#[derive(Debug)]
pub(super) struct Family {
    pub(super) name: &'static str,
    pub(super) kind: MetricKind,
    pub(super) help: &'static str,
    pub(super) samples: Vec<Exposed>,
}

/// What is appended to the name (`_bucket`), labels, value.
type Exposed = (&'static str, Vec<(&'static str, String)>, f64);

impl Family {
    pub(super) fn new(name: &'static str, kind: MetricKind, help: &'static str) -> Self {
        Family {
            name,
            kind,
            help,
            samples: Vec::new(),
        }
    }

    pub(super) fn gauge(name: &'static str, help: &'static str) -> Self {
        Family::new(name, MetricKind::Gauge, help)
    }

    pub(super) fn counter(name: &'static str, help: &'static str) -> Self {
        Family::new(name, MetricKind::Counter, help)
    }

    pub(super) fn with(mut self, labels: &[(&'static str, &str)], value: f64) -> Self {
        self.push(labels, value);
        self
    }

    pub(super) fn push(&mut self, labels: &[(&'static str, &str)], value: f64) {
        self.samples.push(("", owned(labels), value));
    }
}

fn owned(labels: &[(&'static str, &str)]) -> Vec<(&'static str, String)> {
    labels.iter().map(|(n, v)| (*n, (*v).to_owned())).collect()
}

/// A classic histogram that grows by requests with a typical duration.
#[derive(Debug)]
pub(super) struct Durations {
    bounds: &'static [f64],
    /// Not cumulative; one more than bounds.
    counts: Vec<f64>,
    sum: f64,
}

impl Durations {
    pub(super) fn new(bounds: &'static [f64]) -> Self {
        Durations {
            bounds,
            counts: vec![0.0; bounds.len() + 1],
            sum: 0.0,
        }
    }

    /// `count` requests around `median_s`; `spread` 0.3 is narrow, 0.6 wide (log-logistic).
    pub(super) fn observe(&mut self, count: f64, median_s: f64, spread: f64) {
        let share_below = |bound: f64| 1.0 / (1.0 + (-(bound.ln() - median_s.ln()) / spread).exp());
        let mut below = 0.0;
        for (i, bound) in self.bounds.iter().enumerate() {
            let share = share_below(*bound);
            self.counts[i] += count * (share - below);
            below = share;
        }
        if let Some(last) = self.counts.last_mut() {
            *last += count * (1.0 - below);
        }
        self.sum += count * median_s * (1.0 + spread * spread * 1.5);
    }

    pub(super) fn family(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[(&'static str, &str)],
    ) -> Family {
        let mut family = Family::new(name, MetricKind::Histogram, help);
        let mut cumulative = 0.0;
        for (i, count) in self.counts.iter().enumerate() {
            // Whole requests per bucket: whole numbers of the sums alone would let a bucket grow less than the one below.
            cumulative += count.floor();
            let mut with_bound = owned(labels);
            // With a point, `1.0`: as a scrape keeps it, so that history and present are one series.
            let bound = self.bounds.get(i).map_or("+Inf".to_owned(), |b| format!("{b:?}"));
            with_bound.push(("le", bound));
            family.samples.push(("_bucket", with_bound, cumulative));
        }
        family.samples.push(("_sum", owned(labels), self.sum));
        family.samples.push(("_count", owned(labels), cumulative));
        family
    }
}

/// The text format 0.0.4.
pub(super) fn text(families: &[Family]) -> String {
    let mut out = String::new();
    for family in families {
        let _ = writeln!(out, "# HELP {} {}", family.name, family.help);
        let _ = writeln!(out, "# TYPE {} {}", family.name, family.kind.as_str());
        for (suffix, labels, value) in &family.samples {
            let labels: Vec<String> = labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
            let _ = writeln!(out, "{}{suffix}{{{}}} {value}", family.name, labels.join(","));
        }
    }
    out
}

/// The same as a scrape of a target with these labels would have kept it.
pub(super) fn batch(families: &[Family], target: &[(&str, &str)], t_ms: i64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    for family in families {
        let metadata = Metadata {
            kind: family.kind,
            help: family.help.to_owned(),
            ..Metadata::default()
        };
        batch.metadata.push((family.name.to_owned(), metadata));
        for (suffix, labels, value) in &family.samples {
            let name = format!("{}{suffix}", family.name);
            let pairs = labels
                .iter()
                .map(|(n, v)| (*n, v.as_str()))
                .chain(target.iter().copied())
                .chain([("__name__", name.as_str())]);
            let Ok(labels) = Labels::from_pairs(pairs) else {
                continue;
            };
            batch.series.push(SeriesWrite {
                labels,
                samples: vec![Sample { t_ms, value: *value }],
                ..SeriesWrite::default()
            });
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_histogram_is_cumulative_and_holds_every_request() {
        let mut durations = Durations::new(&[0.1, 1.0, 10.0]);
        durations.observe(1000.0, 1.0, 0.4);
        let family = durations.family("x_seconds", "x", &[("model", "a")]);
        let values: Vec<f64> = family.samples.iter().map(|s| s.2).collect();
        assert!(
            (997.0..=1000.0).contains(&values[3]),
            "+Inf holds all: {values:?}"
        );
        assert!(
            (498.0..=500.0).contains(&values[1]),
            "half lie below the median: {values:?}"
        );
        assert!(values.windows(2).take(3).all(|w| w[0] <= w[1]));
        let bounds: Vec<&str> = family.samples[..2].iter().map(|s| s.1[1].1.as_str()).collect();
        assert_eq!(bounds, ["0.1", "1.0"]);
        let text = text(&[family]);
        assert!(
            text.contains("x_seconds_bucket{model=\"a\",le=\"+Inf\"} "),
            "{text}"
        );
    }
}
