//! Lapwing's own numbers: counters, gauges and histograms that any part may hold a handle to.
//!
//! A handle is an `Arc` to atomics: counting takes no lock. The registry is read by the self job, which appends the
//! values to the store, and by `/metrics`.

use lapwing_types::{Labels, METRIC_NAME, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError};

/// Upper bounds in seconds of the latency histograms: from a cached answer to a query that someone should look at.
const LATENCY_BOUNDS: [f64; 12] = [
    0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1.0, 5.0, 30.0,
];

/// All of Lapwing's own metrics; a cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    families: Arc<Mutex<BTreeMap<String, Family>>>,
}

#[derive(Debug)]
struct Family {
    kind: MetricKind,
    help: &'static str,
    children: BTreeMap<Labels, Child>,
}

#[derive(Clone, Debug)]
enum Child {
    Number(Arc<AtomicU64>),
    Latency(Arc<LatencyState>),
}

#[derive(Debug, Default)]
struct LatencyState {
    buckets: [AtomicU64; LATENCY_BOUNDS.len()],
    count: AtomicU64,
    sum_ns: AtomicU64,
}

/// Only goes up.
#[derive(Clone, Debug)]
pub struct Counter(Arc<AtomicU64>);

/// A float that is set.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<AtomicU64>);

/// Seconds, in fixed buckets.
#[derive(Clone, Debug)]
pub struct Latency(Arc<LatencyState>);

impl Counter {
    pub fn inc(&self) {
        self.add(1);
    }

    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    /// For what is counted elsewhere.
    pub fn raise_to(&self, total: u64) {
        self.0.fetch_max(total, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

impl Gauge {
    pub fn set(&self, v: f64) {
        self.0.store(v.to_bits(), Relaxed);
    }

    pub fn add(&self, change: f64) {
        let sum = |bits| Some((f64::from_bits(bits) + change).to_bits());
        // Nothing refuses a change.
        let _ = self.0.fetch_update(Relaxed, Relaxed, sum);
    }
}

impl Latency {
    pub fn observe_s(&self, seconds: f64) {
        let state = &self.0;
        if let Some(i) = LATENCY_BOUNDS.iter().position(|b| seconds <= *b) {
            state.buckets[i].fetch_add(1, Relaxed);
        }
        state.count.fetch_add(1, Relaxed);
        state.sum_ns.fetch_add((seconds * 1e9) as u64, Relaxed);
    }
}

impl Meter {
    pub fn new() -> Self {
        Meter::default()
    }

    pub fn counter(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Counter {
        match self.child(name, help, MetricKind::Counter, labels) {
            Child::Number(n) => Counter(n),
            Child::Latency(_) => Counter(Arc::default()),
        }
    }

    pub fn gauge(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Gauge {
        match self.child(name, help, MetricKind::Gauge, labels) {
            Child::Number(n) => Gauge(n),
            Child::Latency(_) => Gauge(Arc::default()),
        }
    }

    pub fn latency(&self, name: &str, help: &'static str, labels: &[(&str, &str)]) -> Latency {
        match self.child(name, help, MetricKind::Histogram, labels) {
            Child::Latency(l) => Latency(l),
            Child::Number(_) => Latency(Arc::default()),
        }
    }

    fn child(&self, name: &str, help: &'static str, kind: MetricKind, labels: &[(&str, &str)]) -> Child {
        let labels = Labels::from_pairs(labels.iter().copied()).unwrap_or_default();
        let mut families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let family = families.entry(name.to_owned()).or_insert_with(|| Family {
            kind,
            help,
            children: BTreeMap::new(),
        });
        let fresh = || match kind {
            MetricKind::Histogram => Child::Latency(Arc::default()),
            _ => Child::Number(Arc::default()),
        };
        family.children.entry(labels).or_insert_with(fresh).clone()
    }

    /// Everything as samples at `now_ms`, with `extra` labels on each series.
    pub fn gather(&self, now_ms: i64, extra: &[(&str, &str)]) -> WriteBatch {
        let families = self.families.lock().unwrap_or_else(PoisonError::into_inner);
        let mut batch = WriteBatch::default();
        for (name, family) in families.iter() {
            let metadata = Metadata {
                kind: family.kind,
                help: family.help.to_owned(),
                unit: String::new(),
            };
            batch.metadata.push((name.clone(), metadata));
            for (labels, child) in &family.children {
                let mut gathered = Gathered {
                    batch: &mut batch,
                    labels,
                    extra,
                    now_ms,
                };
                match child {
                    Child::Number(n) => gathered.push(name, None, family.kind.read(n.load(Relaxed))),
                    Child::Latency(state) => gathered.push_latency(name, state),
                }
            }
        }
        batch
    }
}

/// Counters hold integers, gauges the bits of a float.
trait ReadBits {
    fn read(self, bits: u64) -> f64;
}

impl ReadBits for MetricKind {
    fn read(self, bits: u64) -> f64 {
        match self {
            MetricKind::Counter => bits as f64,
            _ => f64::from_bits(bits),
        }
    }
}

struct Gathered<'a> {
    batch: &'a mut WriteBatch,
    labels: &'a Labels,
    extra: &'a [(&'a str, &'a str)],
    now_ms: i64,
}

impl Gathered<'_> {
    fn push(&mut self, name: &str, le: Option<&str>, value: f64) {
        let mut builder = self.labels.to_builder();
        for (n, v) in self.extra {
            builder.set(n, *v);
        }
        builder.set(METRIC_NAME, name);
        if let Some(le) = le {
            builder.set("le", le);
        }
        self.batch.series.push(SeriesWrite {
            labels: builder.build(),
            samples: vec![Sample {
                t_ms: self.now_ms,
                value,
            }],
            ..SeriesWrite::default()
        });
    }

    fn push_latency(&mut self, name: &str, state: &LatencyState) {
        let mut cumulative = 0;
        for (bound, bucket) in LATENCY_BOUNDS.iter().zip(&state.buckets) {
            cumulative += bucket.load(Relaxed);
            self.push(
                &format!("{name}_bucket"),
                Some(&bound.to_string()),
                cumulative as f64,
            );
        }
        // The count may have moved on since the buckets were read; it must never be below them.
        let count = state.count.load(Relaxed).max(cumulative) as f64;
        self.push(&format!("{name}_bucket"), Some("+Inf"), count);
        self.push(&format!("{name}_count"), None, count);
        self.push(
            &format!("{name}_sum"),
            None,
            state.sum_ns.load(Relaxed) as f64 / 1e9,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn handles_of_one_series_share_its_number() {
        let meter = Meter::new();
        meter.counter("a_total", "help", &[("x", "1")]).add(2);
        meter.counter("a_total", "help", &[("x", "1")]).inc();
        meter.gauge("b", "help", &[]).set(0.5);
        let batch = meter.gather(7, &[("job", "lapwing")]);
        let shown: Vec<String> = batch
            .series
            .iter()
            .map(|s| format!("{} {}", s.labels, s.samples[0].value))
            .collect();
        assert_eq!(
            shown,
            [r#"a_total{job="lapwing", x="1"} 3"#, r#"b{job="lapwing"} 0.5"#]
        );
    }

    #[test]
    fn a_latency_is_a_cumulative_histogram() {
        let meter = Meter::new();
        let latency = meter.latency("d_seconds", "help", &[]);
        latency.observe_s(0.002);
        latency.observe_s(100.0);
        let batch = meter.gather(7, &[]);
        let value = |needle: &str| {
            let series = batch
                .series
                .iter()
                .find(|s| s.labels.to_string().contains(needle));
            series.map(|s| s.samples[0].value)
        };
        assert_eq!(value(r#"le="0.0025""#), Some(1.0));
        assert_eq!(value(r#"le="30""#), Some(1.0));
        assert_eq!(value(r#"le="+Inf""#), Some(2.0));
        assert_eq!(value("d_seconds_sum"), Some(100.002));
    }
}
