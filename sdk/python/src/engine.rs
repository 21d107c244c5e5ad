//! The whole engine inside this process: no port, no file unless one is named.

use crate::errors;
use crate::handles::own_sdk;
use crate::store::{Store, shown};
use lapwing::{Clock, EngineOptions, PagingOptions, QueryRequest, StepRange};
use lapwing_judge::performance::{PerformanceOptions, Window};
use lapwing_judge::pipelines::PipelineOptions;
use lapwing_judge::rules::{OwnRule, RulesOptions, compile_own_rules};
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::Runtime;

struct Running {
    runtime: Runtime,
    engine: lapwing::Engine,
}

#[pyclass(frozen, module = "lapwing._native")]
pub(crate) struct Engine {
    running: Mutex<Option<Running>>,
    /// A runtime does not survive a fork: in the child the engine is gone.
    pid: u32,
}

#[pymethods]
impl Engine {
    /// `start_ms` makes a hand-turned clock. `rules` is a JSON list.
    #[new]
    #[pyo3(signature = (data = None, *, rules = "[]", host_interval_s = None, start_ms = None))]
    fn new(
        py: Python<'_>,
        data: Option<PathBuf>,
        rules: &str,
        host_interval_s: Option<f64>,
        start_ms: Option<i64>,
    ) -> PyResult<Self> {
        let own: Vec<OwnRule> = serde_json::from_str(rules).map_err(|e| errors::value(&e))?;
        let rules_options = RulesOptions {
            interval_ms: 15_000,
            ..RulesOptions::default()
        };
        let numbered: Vec<(OwnRule, u64)> = own.into_iter().zip(1..).collect();
        let group = compile_own_rules("python", &numbered, &rules_options).map_err(|problems| {
            let reasons: Vec<String> = problems.into_iter().map(|p| p.reason).collect();
            PyValueError::new_err(reasons.join("; "))
        })?;
        let host_interval = host_interval_s
            .map(|s| Duration::try_from_secs_f64(s).map_err(|e| errors::value(&e)))
            .transpose()?;
        let options = EngineOptions {
            clock: start_ms.map_or_else(Clock::system, Clock::simulated),
            data,
            paging: PagingOptions {
                groups: vec![group],
                rules: rules_options,
                ..PagingOptions::default()
            },
            host_interval,
            own_interval: None,
            // A hand-turned clock has operations and metrics of its own.
            sdk: start_ms.is_none().then(|| own_sdk().clone()),
            ..EngineOptions::default()
        };
        py.detach(|| {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .thread_name("lapwing")
                .enable_all()
                .build()
                .map_err(|e| errors::runtime(&e))?;
            let engine = {
                let _inside = runtime.enter();
                lapwing::Engine::start(&options).map_err(|e| errors::runtime(&e))?
            };
            Ok(Engine {
                running: Mutex::new(Some(Running { runtime, engine })),
                pid: std::process::id(),
            })
        })
    }

    fn query(&self, py: Python<'_>, expr: String, at_ms: Option<i64>) -> PyResult<String> {
        self.with(py, |running| {
            let engine = &running.engine;
            engine.gather_sdk();
            let asked = engine
                .queries()
                .instant(request(expr), at_ms.unwrap_or(engine.now_ms()));
            let answered = running.runtime.block_on(asked).map_err(|e| errors::value(&e))?;
            Ok(shown(&answered.result.value).to_string())
        })
    }

    fn query_range(
        &self,
        py: Python<'_>,
        expr: String,
        start_ms: i64,
        end_ms: i64,
        step_ms: i64,
    ) -> PyResult<String> {
        if step_ms <= 0 {
            return Err(PyValueError::new_err("the step must be longer than nothing"));
        }
        self.with(py, |running| {
            let range = StepRange {
                start_ms,
                end_ms,
                step_ms,
            };
            running.engine.gather_sdk();
            let asked = running.engine.queries().range(request(expr), range);
            let answered = running.runtime.block_on(asked).map_err(|e| errors::value(&e))?;
            Ok(shown(&answered.result.value).to_string())
        })
    }

    /// What rules found, as JSON in the shape of Prometheus's `/api/v1/alerts`.
    fn alerts(&self, py: Python<'_>) -> PyResult<String> {
        self.with(py, |running| {
            let view = running
                .engine
                .paging()
                .look_at_rules(|rules, state| rules.alerts_view(state));
            serde_json::to_string(&view).map_err(|e| errors::runtime(&e))
        })
    }

    fn performance_report(&self, py: Python<'_>, hours: f64, options: &str) -> PyResult<String> {
        let options: PerformanceOptions = serde_json::from_str(options).map_err(|e| errors::value(&e))?;
        self.with(py, |running| {
            let end_ms = running.engine.now_ms();
            let window = Window {
                start_ms: end_ms - (hours * 3_600_000.0) as i64,
                end_ms,
            };
            let report = running.engine.performance_report(window, &options);
            serde_json::to_string(&report).map_err(|e| errors::runtime(&e))
        })
    }

    fn pipeline_health(&self, py: Python<'_>, options: &str) -> PyResult<String> {
        let options: PipelineOptions = serde_json::from_str(options).map_err(|e| errors::value(&e))?;
        self.with(py, |running| {
            let health = running.engine.pipeline_health(&options);
            serde_json::to_string(&health).map_err(|e| errors::runtime(&e))
        })
    }

    fn store(&self, py: Python<'_>) -> PyResult<Store> {
        self.with(py, |running| {
            Ok(Store {
                store: running.engine.store().clone(),
            })
        })
    }

    /// Turns a hand-turned clock.
    fn advance(&self, py: Python<'_>, seconds: f64) -> PyResult<()> {
        let by = Duration::try_from_secs_f64(seconds).map_err(|e| errors::value(&e))?;
        self.with(py, |running| {
            running.runtime.block_on(running.engine.advance(by));
            Ok(())
        })
    }

    fn now_ms(&self, py: Python<'_>) -> PyResult<i64> {
        self.with(py, |running| Ok(running.engine.now_ms()))
    }

    /// Ends it, keeping everything acknowledged. A second call does nothing.
    fn stop(&self, py: Python<'_>) -> PyResult<()> {
        if self.pid != std::process::id() {
            return Ok(());
        }
        py.detach(|| {
            let taken = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
            let Some(Running { runtime, engine }) = taken else {
                return Ok(());
            };
            let stopped = runtime.block_on(engine.stop()).map_err(|e| errors::runtime(&e));
            runtime.shutdown_background();
            stopped
        })
    }
}

impl Drop for Engine {
    /// Never waits. In a forked child the threads that would have to end are not there, and waiting for them would last for ever: what the
    /// child has of them is left to its end.
    fn drop(&mut self) {
        let taken = self
            .running
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let Some(Running { runtime, engine }) = taken else {
            return;
        };
        if self.pid == std::process::id() {
            drop(engine);
            runtime.shutdown_background();
        } else {
            std::mem::forget((runtime, engine));
        }
    }
}

impl Engine {
    fn with<T: Send>(
        &self,
        py: Python<'_>,
        work: impl FnOnce(&Running) -> PyResult<T> + Send,
    ) -> PyResult<T> {
        if self.pid != std::process::id() {
            return Err(PyRuntimeError::new_err(
                "the engine lives in the process that forked; call lapwing.init() again in this one",
            ));
        }
        py.detach(|| {
            let running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
            match &*running {
                Some(running) => work(running),
                None => Err(PyRuntimeError::new_err("the engine has been stopped")),
            }
        })
    }
}

fn request(expr: String) -> QueryRequest {
    QueryRequest {
        expr,
        lookback_ms: None,
        timeout_ms: None,
        explain: false,
    }
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Engine>()
}
