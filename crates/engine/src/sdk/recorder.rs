//! The recorder of the `metrics` facade: what libraries count with `counter!`, `gauge!` and `histogram!` goes to the SDK.
//!
//! ```
//! use lapwing::sdk::{MetricsRecorder, global};
//!
//! MetricsRecorder::new(global()).install()?;
//! metrics::counter!("jobs.done", "queue" => "fast").increment(2);
//! assert!(global().exposition().contains(r#"jobs_done{queue="fast"} 2"#));
//! # Ok::<(), lapwing::sdk::RecorderError>(())
//! ```
//!
//! Names and labels become such as Prometheus has them (`jobs.done` is `jobs_done`). Bounds: names up to `NAMES_MAX`, label sets per name
//! as everywhere in the SDK. A name that is taken by another type, and names beyond the bound, record nothing, are counted in
//! `lapwing_metrics_refused_total`, and cost the program no more than that.

use super::cells::{Counter, Gauge, Histogram};
use super::page::Sdk;
use super::registry::{Family, LATENCY_BOUNDS, Metric, MetricSpec};
use lapwing_types::MetricKind;
use metrics::{CounterFn, GaugeFn, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// More than any program has; a name made from a user's input must not fill the memory.
const NAMES_MAX: usize = 10_000;

#[derive(Debug, thiserror::Error)]
pub enum RecorderError {
    #[error("another recorder of the metrics facade is installed already: a program can have one")]
    Taken,
    #[error("buckets of {name:?} must be finite numbers in ascending order")]
    Buckets { name: String },
}

#[derive(Clone, Debug, Default)]
struct Described {
    unit: Option<Unit>,
    help: String,
}

/// Gives out cells of an [`Sdk`] to the `metrics` facade.
#[derive(Debug)]
pub struct MetricsRecorder {
    sdk: Sdk,
    refused: Option<Family>,
    buckets: BTreeMap<String, Vec<f64>>,
    described: Mutex<BTreeMap<String, Described>>,
}

impl MetricsRecorder {
    pub fn new(sdk: &Sdk) -> Self {
        let refused = MetricSpec {
            name: "lapwing_metrics_refused_total".to_owned(),
            kind: MetricKind::Counter,
            help: "Metrics of the metrics facade that record nothing, by reason.".to_owned(),
            ..MetricSpec::default()
        };
        MetricsRecorder {
            refused: sdk.registry().loose(refused).ok(),
            sdk: sdk.clone(),
            buckets: BTreeMap::new(),
            described: Mutex::default(),
        }
    }

    /// Bounds of one histogram. Others have those that fit the unit with which they were described, or those for seconds.
    pub fn buckets(mut self, name: &str, bounds: &[f64]) -> Result<Self, RecorderError> {
        let right = bounds.is_sorted_by(|a, b| a < b) && bounds.iter().all(|b| b.is_finite());
        if !right {
            return Err(RecorderError::Buckets {
                name: name.to_owned(),
            });
        }
        self.buckets.insert(legal(name, true), bounds.to_vec());
        Ok(self)
    }

    /// Makes it the recorder of this program.
    pub fn install(self) -> Result<(), RecorderError> {
        metrics::set_global_recorder(self).map_err(|_| RecorderError::Taken)
    }

    fn describe(&self, key: &KeyName, unit: Option<Unit>, help: SharedString) {
        let name = legal(key.as_str(), true);
        if let Some(family) = self.sdk.registry().get(&name) {
            family.describe(&help);
        }
        let mut described = self.lock();
        if described.len() < NAMES_MAX || described.contains_key(&name) {
            let help = help.into_owned();
            described.insert(name, Described { unit, help });
        }
    }

    fn find(&self, key: &Key, kind: MetricKind) -> Option<Metric> {
        let name = legal(key.name(), true);
        let registry = self.sdk.registry();
        let family = match registry.get(&name) {
            Some(family) => family,
            None if registry.len() >= NAMES_MAX => return self.refuse("too many names"),
            None => {
                let described = self.lock().get(&name).cloned().unwrap_or_default();
                let buckets = match self.buckets.get(&name) {
                    Some(own) => own.clone(),
                    None => bounds_of(described.unit),
                };
                let spec = MetricSpec {
                    name,
                    kind,
                    help: described.help,
                    buckets,
                    ..MetricSpec::default()
                };
                match registry.loose(spec) {
                    Ok(family) => family,
                    Err(_) => return self.refuse("name"),
                }
            }
        };
        if family.spec().kind != kind {
            return self.refuse("another type");
        }
        let labels: Vec<(String, &str)> = key.labels().map(|l| (legal(l.key(), false), l.value())).collect();
        Some(family.with_any(labels.iter().map(|(n, v)| (n.as_str(), *v))))
    }

    fn refuse(&self, reason: &str) -> Option<Metric> {
        if let Some(Metric::Counter(counter)) =
            self.refused.as_ref().map(|f| f.with_any([("reason", reason)]))
        {
            counter.inc();
        }
        None
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Described>> {
        self.described.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder for MetricsRecorder {
    fn describe_counter(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, description: SharedString) {
        self.describe(&key, unit, description);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> metrics::Counter {
        match self.find(key, MetricKind::Counter) {
            Some(Metric::Counter(counter)) => metrics::Counter::from_arc(Arc::new(counter)),
            _ => metrics::Counter::noop(),
        }
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> metrics::Gauge {
        match self.find(key, MetricKind::Gauge) {
            Some(Metric::Gauge(gauge)) => metrics::Gauge::from_arc(Arc::new(gauge)),
            _ => metrics::Gauge::noop(),
        }
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> metrics::Histogram {
        match self.find(key, MetricKind::Histogram) {
            Some(Metric::Histogram(histogram)) => metrics::Histogram::from_arc(Arc::new(histogram)),
            _ => metrics::Histogram::noop(),
        }
    }
}

impl CounterFn for Counter {
    fn increment(&self, value: u64) {
        self.add_whole(value);
    }

    fn absolute(&self, value: u64) {
        self.raise_to(value);
    }
}

// The facade has no way to say that a value is refused: NaN changes nothing.
impl GaugeFn for Gauge {
    fn increment(&self, value: f64) {
        self.add(value);
    }

    fn decrement(&self, value: f64) {
        self.add(-value);
    }

    fn set(&self, value: f64) {
        Gauge::set(self, value);
    }
}

impl HistogramFn for Histogram {
    fn record(&self, value: f64) {
        self.observe(value);
    }

    fn record_many(&self, value: f64, count: usize) {
        self.observe_times(value, count as u64);
    }
}

/// A name as Prometheus has them: what is not a letter, a digit or '_' (or, in a metric's name, ':') becomes '_'. Labels that Lapwing or a histogram
/// itself uses get a prefix.
fn legal(name: &str, is_metric: bool) -> String {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || (is_metric && c == ':');
    let mut text: String = name.chars().map(|c| if fits(c) { c } else { '_' }).collect();
    if text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        text.insert(0, '_');
    }
    if !is_metric && (text.starts_with("__") || text == "le") {
        text.insert_str(0, "own_");
    }
    text
}

/// Seconds, unless the unit says otherwise; empty is the default.
fn bounds_of(unit: Option<Unit>) -> Vec<f64> {
    let scaled = |by: f64| LATENCY_BOUNDS.iter().map(|b| b * by).collect();
    match unit {
        Some(Unit::Milliseconds) => scaled(1e3),
        Some(Unit::Microseconds) => scaled(1e6),
        Some(Unit::Nanoseconds) => scaled(1e9),
        Some(Unit::Percent) => (1..=10).map(|i| f64::from(i) * 10.0).collect(),
        None | Some(Unit::Seconds) => Vec::new(),
        // Sizes, counts and rates: each bound four times the last, 1 to 4^16 (4 Gi).
        Some(_) => (0..=16).map(|i| 4f64.powi(i)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;

    fn recorded(sdk: &Sdk, work: impl FnOnce()) -> String {
        metrics::with_local_recorder(&MetricsRecorder::new(sdk), work);
        sdk.exposition()
    }

    #[test]
    fn what_a_library_counts_is_on_the_page_under_a_legal_name() {
        let sdk = Sdk::new(Clock::simulated(0));
        let page = recorded(&sdk, || {
            metrics::describe_counter!("jobs.done", "Jobs that ended.");
            metrics::counter!("jobs.done", "queue-name" => "fast").increment(2);
            metrics::counter!("jobs.done", "queue-name" => "fast").absolute(7);
            metrics::counter!("jobs.done", "queue-name" => "fast").absolute(3);
            metrics::gauge!("9lives").set(4.0);
            metrics::gauge!("9lives").decrement(1.5);
            metrics::histogram!("wait_seconds", "le" => "x").record_many(0.3, 4);
        });
        for line in [
            "# HELP jobs_done Jobs that ended.",
            r#"jobs_done{queue_name="fast"} 7"#,
            "_9lives 2.5",
            r#"wait_seconds_bucket{own_le="x",le="0.5"} 4"#,
            r#"wait_seconds_sum{own_le="x"} 1.2"#,
        ] {
            assert!(page.contains(line), "{line}\n{page}");
        }
    }

    #[test]
    fn a_description_may_come_late_and_a_unit_gives_the_buckets() {
        let sdk = Sdk::new(Clock::simulated(0));
        let page = recorded(&sdk, || {
            metrics::counter!("late_total").increment(1);
            metrics::describe_counter!("late_total", "Told later.");
            metrics::describe_histogram!("body", Unit::Bytes, "Size.");
            metrics::histogram!("body").record(100_000.0);
        });
        assert!(page.contains("# HELP late_total Told later."), "{page}");
        assert!(page.contains(r#"body_bucket{le="65536.0"} 0"#), "{page}");
        assert!(page.contains(r#"body_bucket{le="262144.0"} 1"#), "{page}");
    }

    #[test]
    fn a_name_of_another_type_records_nothing_and_is_counted() {
        let sdk = Sdk::new(Clock::simulated(0));
        let page = recorded(&sdk, || {
            metrics::counter!("a").increment(1);
            metrics::gauge!("a").set(50.0);
        });
        assert!(page.contains("\na 1\n"), "{page}");
        assert!(
            page.contains(r#"lapwing_metrics_refused_total{reason="another type"} 1"#),
            "{page}"
        );
    }

    #[test]
    fn names_made_from_input_are_bounded() {
        let sdk = Sdk::new(Clock::simulated(0));
        recorded(&sdk, || {
            for i in 0..NAMES_MAX + 10 {
                metrics::counter!(format!("user_{i}")).increment(1);
            }
        });
        assert_eq!(sdk.registry().len(), NAMES_MAX);
    }

    #[test]
    fn buckets_must_ascend() {
        let recorder = MetricsRecorder::new(&Sdk::new(Clock::simulated(0)));
        assert!(recorder.buckets("a", &[2.0, 1.0]).is_err());
    }
}
