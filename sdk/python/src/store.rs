//! A store of metrics of its own, in memory: what a collector of the seeds keeps, asked in PromQL.

use crate::errors;
use crate::labels::pairs_of;
use lapwing::sdk::fork_gate;
use lapwing_query::{QueryEngine, QueryError, QueryOptions, QueryValue, SampleValue};
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Refused, Retention};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, METRIC_NAME, MatchOp, Matcher, Metadata, MetricKind, is_stale};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;
use serde_json::json;

type Points = Vec<(i64, f64)>;
/// Labels and samples.
type Selected = (Vec<(String, String)>, Points);

/// A cheap handle.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Store {
    pub(crate) store: MetricsStore,
}

#[pymethods]
impl Store {
    #[new]
    #[pyo3(signature = (retention_ms = None, memory_limit_bytes = 256 << 20))]
    fn new(retention_ms: Option<i64>, memory_limit_bytes: u64) -> PyResult<Self> {
        if retention_ms.is_some_and(|ms| ms <= 0) {
            return Err(PyValueError::new_err("retention must be longer than nothing"));
        }
        let defaults = MetricsOptions::default();
        let options = MetricsOptions {
            memory_limit_bytes,
            retention: Retention {
                age_ms: retention_ms.or(defaults.retention.age_ms),
                ..defaults.retention
            },
            ..defaults
        };
        Ok(Store {
            store: MetricsStore::in_memory(options),
        })
    }

    /// Keeps one sample, or says why it was not kept; `ValueError` for labels that are none.
    #[pyo3(signature = (name, labels, t_ms, value, now_ms))]
    fn append(
        &self,
        name: &str,
        labels: Option<&Bound<'_, PyDict>>,
        t_ms: i64,
        value: f64,
        now_ms: i64,
    ) -> PyResult<Option<String>> {
        let mut pairs = pairs_of(labels)?;
        pairs.push((METRIC_NAME.to_owned(), name.to_owned()));
        let labels = Labels::from_pairs(pairs).map_err(|e| errors::value(&e))?;
        let mut appender = self.store.appender("python", now_ms);
        if let Ok(series) = appender.series(&labels) {
            appender.push(series, t_ms, value);
        }
        let outcome = appender.commit().map_err(|e| errors::runtime(&e))?;
        Ok(outcome.refused.first().map(|r| r.reason.to_string()))
    }

    /// Keeps many samples, `(name, {label: value}, t_ms, value)`, as one piece. Name and reason of those that were not kept.
    fn append_many(
        &self,
        py: Python<'_>,
        samples: Vec<(String, Option<Bound<'_, PyDict>>, i64, f64)>,
        now_ms: i64,
    ) -> PyResult<Vec<(String, String)>> {
        let mut wanted = Vec::with_capacity(samples.len());
        for (name, labels, t_ms, value) in samples {
            wanted.push((name, pairs_of(labels.as_ref())?, t_ms, value));
        }
        py.detach(|| {
            let _gate = fork_gate();
            keep(&self.store, wanted, now_ms)
        })
    }

    #[pyo3(signature = (name, kind, help, now_ms))]
    fn describe(&self, name: &str, kind: &str, help: String, now_ms: i64) -> PyResult<()> {
        let metadata = Metadata {
            kind: MetricKind::parse(kind).unwrap_or_default(),
            help,
            unit: String::new(),
        };
        let mut appender = self.store.appender("python", now_ms);
        appender.metadata(name, metadata);
        appender.commit().map(|_| ()).map_err(|e| errors::runtime(&e))
    }

    /// The answer of Prometheus's API to a query at an instant, as JSON.
    fn query(&self, py: Python<'_>, expr: &str, at_ms: i64) -> PyResult<String> {
        py.detach(|| {
            let _gate = fork_gate();
            instant(&self.store.snapshot(), expr, at_ms)
        })
    }

    fn query_range(
        &self,
        py: Python<'_>,
        expr: &str,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> PyResult<String> {
        py.detach(|| {
            let _gate = fork_gate();
            range(&self.store.snapshot(), expr, (start_ms, end_ms, step_ms))
        })
    }

    /// Every series of this name (or all): `[({label: value}, [(t_ms, value)])]`, without staleness markers.
    #[pyo3(signature = (name, start_ms, end_ms))]
    fn select(&self, name: Option<&str>, start_ms: i64, end_ms: i64) -> PyResult<Vec<Selected>> {
        let matchers = match name {
            None => Vec::new(),
            Some(name) => {
                vec![Matcher::new(MatchOp::Equal, METRIC_NAME, name).map_err(|e| errors::value(&e))?]
            }
        };
        let selection = Selection {
            matchers,
            start_ms,
            end_ms,
            series_max: None,
        };
        let selected = self
            .store
            .snapshot()
            .select(&selection)
            .map_err(|e| errors::runtime(&e))?;
        let mut all = Vec::with_capacity(selected.len());
        for series in selected {
            let mut points = SeriesPoints::default();
            series
                .reader
                .read(start_ms, end_ms, &mut points)
                .map_err(|e| errors::runtime(&e))?;
            let pairs = points.times_ms.iter().copied().zip(points.values.iter().copied());
            let kept: Points = pairs.filter(|(_, v)| !is_stale(*v)).collect();
            if !kept.is_empty() {
                let labels = series
                    .labels
                    .iter()
                    .map(|(n, v)| (n.to_owned(), v.to_owned()))
                    .collect();
                all.push((labels, kept));
            }
        }
        Ok(all)
    }

    /// Forgets what is older than the retention; to be called now and then.
    fn maintain(&self, py: Python<'_>, now_ms: i64) -> usize {
        py.detach(|| {
            let _gate = fork_gate();
            self.store.maintain(now_ms).failures.len()
        })
    }
}

/// A name, its labels, a time and a value.
type Wanted = (String, Vec<(String, String)>, i64, f64);

/// All of them in one commit; name and reason of each that was not kept.
fn keep(store: &MetricsStore, wanted: Vec<Wanted>, now_ms: i64) -> PyResult<Vec<(String, String)>> {
    let mut appender = store.appender("python", now_ms);
    let mut refused = Vec::new();
    for (name, mut pairs, t_ms, value) in wanted {
        pairs.push((METRIC_NAME.to_owned(), name.clone()));
        match Labels::from_pairs(pairs) {
            // A refusal is part of the outcome.
            Ok(labels) => {
                if let Ok(series) = appender.series(&labels) {
                    appender.push(series, t_ms, value);
                }
            }
            Err(wrong) => refused.push((name, wrong.to_string())),
        }
    }
    let outcome = appender.commit().map_err(|e| errors::runtime(&e))?;
    let named = |r: &Refused| {
        let name = r.labels.metric_name().unwrap_or_default().to_owned();
        (name, r.reason.to_string())
    };
    refused.extend(outcome.refused.iter().map(named));
    Ok(refused)
}

fn failure(error: &QueryError) -> PyErr {
    errors::value(error)
}

pub(crate) fn instant(source: &dyn SeriesSource, expr: &str, at_ms: i64) -> PyResult<String> {
    let options = QueryOptions::default();
    let answer = QueryEngine::new()
        .instant(source, expr, at_ms, &options)
        .map_err(|e| failure(&e))?;
    Ok(shown(&answer.value).to_string())
}

pub(crate) fn range(source: &dyn SeriesSource, expr: &str, range: (i64, i64, i64)) -> PyResult<String> {
    if range.2 <= 0 {
        return Err(PyValueError::new_err("the step must be longer than nothing"));
    }
    let options = QueryOptions::default();
    let answer = QueryEngine::new()
        .range(source, expr, range, &options)
        .map_err(|e| failure(&e))?;
    Ok(shown(&answer.value).to_string())
}

/// Numbers that JSON lacks are strings, as in Prometheus's API.
fn number(value: f64) -> serde_json::Value {
    if value.is_finite() {
        return json!(value);
    }
    json!(if value.is_nan() {
        "NaN"
    } else if value > 0.0 {
        "+Inf"
    } else {
        "-Inf"
    })
}

pub(crate) fn shown(value: &QueryValue) -> serde_json::Value {
    let labels = |labels: &Labels| -> serde_json::Map<String, serde_json::Value> {
        labels.iter().map(|(n, v)| (n.to_owned(), json!(v))).collect()
    };
    let result = match value {
        QueryValue::Scalar { t_ms, value } => json!([t_ms, number(*value)]),
        QueryValue::Str { t_ms, value } => json!([t_ms, value]),
        QueryValue::Vector(samples) => samples
            .iter()
            .map(|s| match &s.value {
                SampleValue::Float(v) => json!({"metric": labels(&s.labels), "value": [s.t_ms, number(*v)]}),
                SampleValue::Histogram(h) => {
                    json!({"metric": labels(&s.labels), "histogram": [s.t_ms, {"count": h.count, "sum": number(h.sum)}]})
                }
            })
            .collect(),
        QueryValue::Matrix(series) => series
            .iter()
            .map(|s| {
                let values: Vec<serde_json::Value> = s.floats.iter().map(|(t, v)| json!([t, number(*v)])).collect();
                json!({"metric": labels(&s.labels), "values": values})
            })
            .collect(),
    };
    json!({"resultType": value.type_name(), "result": result})
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Store>()
}
