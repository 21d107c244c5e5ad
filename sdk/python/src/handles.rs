//! Counters, gauges, histograms and summaries: families that give out bound handles, and recording through them.
//!
//! The recording methods take one positional argument, so that a call is a vector call, and touch no dictionary, no string and no lock.

use crate::errors;
use crate::labels::{pairs_of, text};
use lapwing::Clock;
use lapwing::clock::process_nanos;
use lapwing::sdk::{self, ForkHold, Metric, MetricSpec, Recorded, Sdk};
use lapwing_types::MetricKind;
use pyo3::buffer::PyBuffer;
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString, PyTuple};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The metrics and operations of this process.
pub(crate) fn own_sdk() -> &'static Sdk {
    sdk::global()
}

/// Handles that one family remembers by the arguments of `labels(...)`; beyond it the memory is emptied, not the family.
const CACHE_MAX: usize = 10_000;
/// Longer values are looked up anew each time rather than kept.
const CACHED_BYTES_MAX: usize = 1_024;

/// A group of metrics: the process's own, or one apart.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Registry {
    sdk: Sdk,
}

#[pymethods]
impl Registry {
    /// A registry of its own; `Registry.default()` is the process's.
    #[new]
    fn new() -> Self {
        Registry {
            sdk: Sdk::new(Clock::system()),
        }
    }

    #[staticmethod]
    fn default() -> Self {
        Registry {
            sdk: own_sdk().clone(),
        }
    }

    /// The text that a Prometheus server scrapes; made without holding the interpreter.
    fn exposition(&self, py: Python<'_>) -> String {
        py.detach(|| {
            let _gate = sdk::fork_gate();
            self.sdk.exposition()
        })
    }

    /// Makes the metric, or returns the one that is there.
    #[pyo3(signature = (kind, name, help, labels, buckets, quantiles, place))]
    fn metric(
        &self,
        py: Python<'_>,
        kind: &str,
        name: String,
        help: String,
        labels: Vec<String>,
        buckets: Vec<f64>,
        quantiles: Vec<f64>,
        place: String,
    ) -> PyResult<Py<PyAny>> {
        let kind = MetricKind::parse(kind)
            .filter(|k| {
                use MetricKind::{Counter, Gauge, Histogram, Summary};
                matches!(k, Counter | Gauge | Histogram | Summary)
            })
            .ok_or_else(|| {
                PyValueError::new_err(format!(
                    "{kind:?} is not a type of metric: use counter, gauge, histogram or summary"
                ))
            })?;
        let spec = MetricSpec {
            name,
            kind,
            help,
            labels,
            buckets,
            quantiles,
            place,
        };
        let family = self.sdk.registry().metric(spec).map_err(|e| errors::value(&e))?;
        let base = Base {
            bound: family.spec().labels.is_empty(),
            cache: PyDict::new(py).unbind(),
            metric: None,
            family,
        };
        base.with_own().into_python(py)
    }

    /// Name, type, help, labels and value of every series: `[(name, type, {label: value}, value)]`.
    fn read(&self) -> Vec<Row> {
        let mut all = Vec::new();
        for family in self.sdk.registry().families() {
            for (labels, metric) in family.series() {
                let pairs = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
                let spec = family.spec();
                all.push((spec.name.clone(), spec.kind.to_string(), pairs, value_of(&metric)));
            }
        }
        all
    }

    fn remove(&self, name: &str) -> bool {
        self.sdk.registry().remove(name)
    }

    /// Sets a gauge or observes a histogram whose series bring their own labels. False when that cannot be: see `why_not_loose`.
    fn record_loose(
        &self,
        kind: &str,
        name: String,
        help: String,
        labels: Option<&Bound<'_, PyDict>>,
        value: f64,
    ) -> PyResult<bool> {
        match self.loose(kind, name, help, &pairs_of(labels)?) {
            Ok(Metric::Gauge(gauge)) => gauge.set(value),
            Ok(Metric::Histogram(histogram)) => {
                histogram.observe(value);
            }
            Ok(Metric::Summary(_) | Metric::Counter(_)) | Err(_) => return Ok(false),
        }
        Ok(true)
    }

    /// Why `record_loose` said no.
    fn why_not_loose(
        &self,
        kind: &str,
        name: String,
        labels: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Option<String>> {
        Ok(self.loose(kind, name, String::new(), &pairs_of(labels)?).err())
    }
}

impl Registry {
    fn loose(
        &self,
        kind: &str,
        name: String,
        help: String,
        pairs: &[(String, String)],
    ) -> Result<Metric, String> {
        let kind = MetricKind::parse(kind).unwrap_or(MetricKind::Gauge);
        let given: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let registry = self.sdk.registry();
        let spec = MetricSpec {
            name: name.clone(),
            kind,
            help,
            ..MetricSpec::default()
        };
        let error = match registry.loose(spec) {
            Ok(family) => {
                let taken = given.iter().find(|(label, _)| family.is_taken(label));
                return match taken {
                    Some((label, _)) => Err(format!("{label:?} cannot be a label of {name}")),
                    None => Ok(family.with_any(given)),
                };
            }
            Err(error) => error,
        };
        match registry.get(&name).filter(|f| f.spec().kind == kind) {
            // Declared with labels; when these are they, it is one of its series.
            Some(declared) => declared.with_names(&given).map_err(|e| e.to_string()),
            None => Err(error.to_string()),
        }
    }
}

fn value_of(metric: &Metric) -> f64 {
    match metric {
        Metric::Counter(c) => c.value(),
        Metric::Gauge(g) => g.value(),
        Metric::Histogram(h) => h.read().0.iter().sum::<u64>() as f64,
        Metric::Summary(s) => s.read().0 as f64,
    }
}

/// Name, type, labels, value.
type Row = (String, String, Vec<(String, String)>, f64);

/// What the four classes share.
struct Base {
    family: sdk::Family,
    /// Arguments of `labels(...)` to handles.
    cache: Py<PyDict>,
    /// The series, when this is a handle to one.
    metric: Option<Metric>,
    bound: bool,
}

impl Base {
    fn with_own(mut self) -> Self {
        if self.bound {
            self.metric = self.family.with(&[]).ok();
        }
        self
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Py<PyAny>> {
        let unbound = |what: &str| format!("this {what} has labels: bind them first with .labels(...)");
        Ok(match self.family.spec().kind {
            MetricKind::Counter => {
                let cell = match &self.metric {
                    Some(Metric::Counter(c)) => Ok(c.clone()),
                    _ => Err(unbound("counter")),
                };
                Py::new(py, Counter { cell, base: self })?.into_any()
            }
            MetricKind::Histogram => {
                let cell = match &self.metric {
                    Some(Metric::Histogram(h)) => Ok(h.clone()),
                    _ => Err(unbound("histogram")),
                };
                Py::new(py, Histogram { cell, base: self })?.into_any()
            }
            MetricKind::Summary => {
                let cell = match &self.metric {
                    Some(Metric::Summary(s)) => Ok(s.clone()),
                    _ => Err(unbound("summary")),
                };
                Py::new(py, Summary { cell, base: self })?.into_any()
            }
            _ => {
                let cell = match &self.metric {
                    Some(Metric::Gauge(g)) => Ok(g.clone()),
                    _ => Err(unbound("gauge")),
                };
                Py::new(py, Gauge { cell, base: self })?.into_any()
            }
        })
    }

    fn labels(
        &self,
        py: Python<'_>,
        values: &Bound<'_, PyTuple>,
        names: Option<&Bound<'_, PyDict>>,
    ) -> PyResult<Py<PyAny>> {
        let cache = self.cache.bind(py);
        let key = match names {
            None => values.clone(),
            Some(names) => self.in_order(py, values, names)?,
        };
        // What is no string becomes one first: 1, 1.0 and True are one key to a dictionary and three label values, and a list is no key at all.
        let key = if key.iter().all(|v| v.is_exact_instance_of::<PyString>()) {
            key
        } else {
            PyTuple::new(py, key.iter().map(|v| text(&v)))?
        };
        if let Some(known) = cache.get_item(&key)? {
            return Ok(known.unbind());
        }
        let texts: Vec<String> = key.iter().map(|v| text(&v)).collect();
        let values: Vec<&str> = texts.iter().map(String::as_str).collect();
        let metric = self.family.with(&values).map_err(|e| errors::value(&e))?;
        let handle = Base {
            family: self.family.clone(),
            cache: PyDict::new(py).unbind(),
            metric: Some(metric),
            bound: true,
        };
        let handle = handle.into_python(py)?;
        if cache.len() >= CACHE_MAX {
            cache.clear();
        }
        if texts.iter().all(|t| t.len() <= CACHED_BYTES_MAX) {
            cache.set_item(key, &handle)?;
        }
        Ok(handle)
    }

    /// Keyword arguments as the tuple that positional ones would have been.
    fn in_order<'py>(
        &self,
        py: Python<'py>,
        values: &Bound<'py, PyTuple>,
        names: &Bound<'py, PyDict>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let spec = self.family.spec();
        if !values.is_empty() {
            return Err(PyTypeError::new_err(
                "give label values by position or by name, not both",
            ));
        }
        let mut ordered = Vec::with_capacity(spec.labels.len());
        for name in &spec.labels {
            ordered.extend(names.get_item(name)?);
        }
        if ordered.len() != spec.labels.len() || names.len() != spec.labels.len() {
            let given: Vec<String> = names.keys().iter().map(|k| text(&k)).collect();
            return Err(PyValueError::new_err(format!(
                "{} has the labels {:?}, {given:?} were given",
                spec.name, spec.labels
            )));
        }
        PyTuple::new(py, ordered)
    }

    fn repr(&self, value: Option<f64>) -> String {
        let spec = self.family.spec();
        match value {
            Some(value) => format!("<lapwing {} {} = {value}>", spec.kind, spec.name),
            None => format!(
                "<lapwing {} {}({})>",
                spec.kind,
                spec.name,
                spec.labels.join(", ")
            ),
        }
    }
}

type Cell<T> = Result<T, String>;

fn cell<T>(cell: &Cell<T>) -> PyResult<&T> {
    cell.as_ref()
        .map_err(|reason| PyValueError::new_err(reason.clone()))
}

fn checked(recorded: Recorded) -> PyResult<()> {
    match recorded {
        Recorded::Yes => Ok(()),
        Recorded::Negative => Err(PyValueError::new_err(
            "a counter only goes up; use a gauge for what goes down",
        )),
        Recorded::NotANumber => Err(PyValueError::new_err(
            "not a number: NaN would make every later sum NaN",
        )),
    }
}

macro_rules! shared_methods {
    ($class:ident, $read:expr) => {
        #[pymethods]
        impl $class {
            /// The handle for these label values, in order or by name. Keep it: recording through it is the fast way.
            #[pyo3(signature = (*values, **names))]
            fn labels(
                &self,
                py: Python<'_>,
                values: &Bound<'_, PyTuple>,
                names: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<Py<PyAny>> {
                self.base.labels(py, values, names)
            }

            /// The same as `labels`.
            #[pyo3(signature = (*values, **names))]
            fn bind(
                &self,
                py: Python<'_>,
                values: &Bound<'_, PyTuple>,
                names: Option<&Bound<'_, PyDict>>,
            ) -> PyResult<Py<PyAny>> {
                self.base.labels(py, values, names)
            }

            #[getter]
            fn name(&self) -> String {
                self.base.family.spec().name.clone()
            }

            #[getter]
            fn label_names(&self) -> Vec<String> {
                self.base.family.spec().labels.clone()
            }

            fn __repr__(&self) -> String {
                let read: fn(&Self) -> Option<f64> = $read;
                self.base.repr(read(self))
            }
        }
    };
}

/// Only goes up.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Counter {
    cell: Cell<sdk::Counter>,
    base: Base,
}

shared_methods!(Counter, |c| c.cell.as_ref().ok().map(sdk::Counter::value));

#[pymethods]
impl Counter {
    #[pyo3(signature = (amount = None, /))]
    fn inc(&self, amount: Option<f64>) -> PyResult<()> {
        let cell = cell(&self.cell)?;
        match amount {
            None => {
                cell.inc();
                Ok(())
            }
            Some(amount) => checked(cell.add(amount)),
        }
    }

    #[getter]
    fn value(&self) -> PyResult<f64> {
        Ok(cell(&self.cell)?.value())
    }
}

/// A number that is set.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Gauge {
    cell: Cell<sdk::Gauge>,
    base: Base,
}

shared_methods!(Gauge, |g| g.cell.as_ref().ok().map(sdk::Gauge::value));

#[pymethods]
impl Gauge {
    #[pyo3(signature = (value, /))]
    fn set(&self, value: f64) -> PyResult<()> {
        cell(&self.cell)?.set(value);
        Ok(())
    }

    #[pyo3(signature = (amount = 1.0, /))]
    fn inc(&self, amount: f64) -> PyResult<()> {
        checked(cell(&self.cell)?.add(amount))
    }

    #[pyo3(signature = (amount = 1.0, /))]
    fn dec(&self, amount: f64) -> PyResult<()> {
        checked(cell(&self.cell)?.add(-amount))
    }

    fn set_to_current_time(&self) -> PyResult<()> {
        cell(&self.cell)?.set(Clock::system().now_ms() as f64 / 1000.0);
        Ok(())
    }

    #[getter]
    fn value(&self) -> PyResult<f64> {
        Ok(cell(&self.cell)?.value())
    }
}

/// Counts values by buckets.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Histogram {
    cell: Cell<sdk::Histogram>,
    base: Base,
}

shared_methods!(Histogram, |h| h
    .cell
    .as_ref()
    .ok()
    .map(|h| h.read().0.iter().sum::<u64>() as f64));

#[pymethods]
impl Histogram {
    #[pyo3(signature = (value, /))]
    fn observe(&self, value: f64) -> PyResult<()> {
        checked(cell(&self.cell)?.observe(value))
    }

    /// Every value of an array (as one buffer) or of any iterable. What is not a number is left out; how many were.
    fn observe_many(&self, values: &Bound<'_, PyAny>) -> PyResult<usize> {
        let cell = cell(&self.cell)?;
        let mut left_out = 0;
        each(values, |value| {
            if cell.observe(value) != Recorded::Yes {
                left_out += 1;
            }
        })?;
        Ok(left_out)
    }

    /// Times a `with` block.
    fn time(&self) -> PyResult<Timer> {
        let cell = cell(&self.cell)?.clone();
        Ok(Timer {
            record: Box::new(move |seconds| {
                cell.observe(seconds);
            }),
            started_ns: AtomicU64::new(0),
        })
    }

    /// `([upper bounds], [counts per bucket, the last one above all bounds], sum)`.
    fn read(&self) -> PyResult<(Vec<f64>, Vec<u64>, f64)> {
        let cell = cell(&self.cell)?;
        let (counts, sum) = cell.read();
        Ok((cell.bounds().to_vec(), counts, sum))
    }
}

/// Count, sum, and true quantiles of the newest values.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Summary {
    cell: Cell<sdk::Summary>,
    base: Base,
}

shared_methods!(Summary, |s| s.cell.as_ref().ok().map(|s| s.read().0 as f64));

#[pymethods]
impl Summary {
    #[pyo3(signature = (value, /))]
    fn observe(&self, value: f64) -> PyResult<()> {
        checked(cell(&self.cell)?.observe(value))
    }

    fn observe_many(&self, values: &Bound<'_, PyAny>) -> PyResult<usize> {
        let cell = cell(&self.cell)?;
        let mut left_out = 0;
        each(values, |value| {
            if cell.observe(value) != Recorded::Yes {
                left_out += 1;
            }
        })?;
        Ok(left_out)
    }

    /// Times a `with` block.
    fn time(&self) -> PyResult<Timer> {
        let cell = cell(&self.cell)?.clone();
        Ok(Timer {
            record: Box::new(move |seconds| {
                cell.observe(seconds);
            }),
            started_ns: AtomicU64::new(0),
        })
    }

    /// `(count, sum)`.
    fn read(&self) -> PyResult<(u64, f64)> {
        let (count, sum, _) = cell(&self.cell)?.read();
        Ok((count, sum))
    }

    /// Of the newest values; `None` when there are none.
    fn quantile(&self, q: f64) -> PyResult<Option<f64>> {
        if !(0.0..=1.0).contains(&q) {
            return Err(PyValueError::new_err("a quantile lies between 0 and 1"));
        }
        let (_, _, newest) = cell(&self.cell)?.read();
        Ok(lapwing_judge::quantile::of_sorted(&newest, q))
    }
}

/// Observes how long a block took, in seconds.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Timer {
    record: Box<dyn Fn(f64) + Send + Sync>,
    started_ns: AtomicU64,
}

#[pymethods]
impl Timer {
    fn __enter__(slf: Py<Self>) -> Py<Self> {
        slf.get().started_ns.store(process_nanos(), Relaxed);
        slf
    }

    #[pyo3(signature = (*_error))]
    fn __exit__(&self, _error: &Bound<'_, PyTuple>) {
        let started = self.started_ns.load(Relaxed);
        (self.record)(process_nanos().saturating_sub(started) as f64 / 1e9);
    }
}

fn each(values: &Bound<'_, PyAny>, mut visit: impl FnMut(f64)) -> PyResult<()> {
    let py = values.py();
    if let Ok(buffer) = PyBuffer::<f64>::get(values) {
        // Copied once, as one piece of memory: to read it where it lies there is no safe way, for Python may change it meanwhile.
        buffer.to_vec(py)?.into_iter().for_each(visit);
        return Ok(());
    }
    if let Ok(buffer) = PyBuffer::<f32>::get(values) {
        buffer.to_vec(py)?.into_iter().for_each(|v| visit(f64::from(v)));
        return Ok(());
    }
    for value in values.try_iter()? {
        visit(value?.extract()?);
    }
    Ok(())
}

/// Before `os.fork()`: no thread of ours holds a lock of the SDK afterwards.
#[pyfunction]
fn fork_before(py: Python<'_>) {
    py.detach(ForkHold::take);
}

#[pyfunction]
fn fork_after_in_parent() {
    ForkHold::release();
}

#[pyfunction]
fn fork_after_in_child() {
    ForkHold::release();
    own_sdk().reset_after_fork();
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Registry>()?;
    module.add_class::<Counter>()?;
    module.add_class::<Gauge>()?;
    module.add_class::<Histogram>()?;
    module.add_class::<Summary>()?;
    module.add_class::<Timer>()?;
    module.add_function(wrap_pyfunction!(fork_before, module)?)?;
    module.add_function(wrap_pyfunction!(fork_after_in_parent, module)?)?;
    module.add_function(wrap_pyfunction!(fork_after_in_child, module)?)?;
    Ok(())
}
