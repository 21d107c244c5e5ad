//! Operations: bound handles that only count, and the tracker that keeps what was done.

use crate::errors;
use crate::handles::own_sdk;
use crate::labels::pairs_of;
use lapwing::Clock;
use lapwing::clock::process_nanos;
use lapwing::sdk::{self, Ended, OperationStart, Recorded, Sdk, Tracker as SdkTracker};
use lapwing_judge::performance::OperationKind;
use pyo3::exceptions::{PyKeyError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// What `@track` records through: bound to one name and one set of labels.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct OperationHandle {
    handle: sdk::OperationHandle,
}

#[pymethods]
impl OperationHandle {
    #[new]
    #[pyo3(signature = (kind, name, labels = None))]
    fn new(kind: String, name: &str, labels: Option<&Bound<'_, PyDict>>) -> PyResult<Self> {
        if name.is_empty() {
            return Err(PyValueError::new_err("an operation needs a name"));
        }
        let pairs = pairs_of(labels)?;
        let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        Ok(OperationHandle {
            handle: own_sdk()
                .tracker()
                .handle(&OperationKind::from(kind), name, &pairs),
        })
    }

    /// It succeeded; it began at `started_ns` of `now_ns()`.
    #[pyo3(signature = (started_ns, /))]
    fn ok(&self, started_ns: u64) {
        self.handle.record(seconds_since(started_ns), true);
    }

    #[pyo3(signature = (started_ns, /))]
    fn failed(&self, started_ns: u64) {
        self.handle.record(seconds_since(started_ns), false);
    }

    /// It succeeded and took so many seconds: for who has a clock at hand, a call less than `now_ns` and `ok`.
    #[pyo3(signature = (seconds, /))]
    fn ok_after(&self, seconds: f64) {
        self.handle.record(seconds, true);
    }

    #[pyo3(signature = (seconds, /))]
    fn failed_after(&self, seconds: f64) {
        self.handle.record(seconds, false);
    }

    /// It was cancelled: no failure, and no success.
    fn abandoned(&self) {
        self.handle.abandon();
    }

    fn record(&self, duration_s: f64, success: bool) -> PyResult<()> {
        if !duration_s.is_finite() || duration_s < 0.0 {
            return Err(PyValueError::new_err(format!(
                "a duration of {duration_s} s is not a duration: it must be finite and not negative"
            )));
        }
        match self.handle.record(duration_s, success) {
            Recorded::Yes => Ok(()),
            _ => Err(PyValueError::new_err("not a duration")),
        }
    }
}

fn seconds_since(started_ns: u64) -> f64 {
    process_nanos().saturating_sub(started_ns) as f64 / 1e9
}

/// Nanoseconds of a clock that never goes back.
#[pyfunction]
fn now_ns() -> u64 {
    process_nanos()
}

/// Keeps operations; the process's own, or one apart.
#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Tracker {
    sdk: Sdk,
}

impl Tracker {
    fn tracker(&self) -> &SdkTracker {
        self.sdk.tracker()
    }
}

fn metadata_of(json: Option<&str>) -> PyResult<std::collections::BTreeMap<String, serde_json::Value>> {
    match json {
        None => Ok(std::collections::BTreeMap::new()),
        Some(text) => serde_json::from_str(text).map_err(|e| errors::value(&e)),
    }
}

#[pymethods]
impl Tracker {
    #[new]
    #[pyo3(signature = (shared = false))]
    fn new(shared: bool) -> Self {
        Tracker {
            sdk: if shared {
                own_sdk().clone()
            } else {
                Sdk::new(Clock::system())
            },
        }
    }

    #[pyo3(signature = (kind, name, metadata = None, parent = None, resources = true))]
    fn start(
        &self,
        kind: String,
        name: String,
        metadata: Option<&str>,
        parent: Option<String>,
        resources: bool,
    ) -> PyResult<String> {
        let start = OperationStart {
            kind: OperationKind::from(kind),
            name,
            parent,
            metadata: metadata_of(metadata)?,
            resources,
        };
        self.tracker().start(start).map_err(|e| errors::value(&e))
    }

    /// The operation as JSON; `KeyError` when it is not running.
    #[pyo3(signature = (id, success, error = None, metadata = None))]
    fn end(
        &self,
        id: &str,
        success: bool,
        error: Option<String>,
        metadata: Option<&str>,
    ) -> PyResult<String> {
        let ended = Ended {
            success,
            error,
            metadata: metadata_of(metadata)?,
        };
        let operation = self
            .tracker()
            .end(id, ended)
            .map_err(|e| PyKeyError::new_err(e.to_string()))?;
        serde_json::to_string(&operation).map_err(|e| errors::runtime(&e))
    }

    /// It was cancelled; whether it was running.
    fn abandon(&self, id: &str) -> bool {
        self.tracker().abandon(id)
    }

    /// One that somebody else timed, as JSON.
    fn record(&self, operation: &str) -> PyResult<()> {
        let operation = serde_json::from_str(operation).map_err(|e| errors::value(&e))?;
        self.tracker().record(operation).map_err(|e| errors::value(&e))
    }

    /// Those that ended at or after this, as a JSON list.
    fn since(&self, since_ms: i64) -> PyResult<String> {
        serde_json::to_string(&self.tracker().since(since_ms)).map_err(|e| errors::runtime(&e))
    }

    #[getter]
    fn running(&self) -> usize {
        self.tracker().running()
    }

    fn exposition(&self) -> String {
        self.sdk.exposition()
    }
}

/// 64 random bits, never zero: unique enough for spans, not for secrets. Each thread has its own state, seeded from the
/// process's random keys, its id and the clock.
#[pyfunction]
fn random_id() -> u64 {
    use std::cell::Cell;
    use std::hash::{BuildHasher, RandomState};
    thread_local! {
        static STATE: Cell<(u64, u32)> = const { Cell::new((0, 0)) };
    }
    STATE.with(|state| {
        let (mut x, mut left) = state.get();
        // Seeded anew now and then: a forked child must not repeat its parent for long.
        if x == 0 || left == 0 {
            x = RandomState::new().hash_one((std::process::id(), process_nanos(), x)) | 1;
            left = 64;
        }
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        state.set((x, left - 1));
        x
    })
}

/// What this process uses, as JSON.
#[pyfunction]
fn process_resources() -> PyResult<String> {
    let snapshot = sdk::process_resources(Clock::system().now_ms());
    serde_json::to_string(&snapshot).map_err(|e| errors::runtime(&e))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<OperationHandle>()?;
    module.add_class::<Tracker>()?;
    module.add_function(wrap_pyfunction!(now_ns, module)?)?;
    module.add_function(wrap_pyfunction!(random_id, module)?)?;
    module.add_function(wrap_pyfunction!(process_resources, module)?)
}
