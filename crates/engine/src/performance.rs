//! Reports over what an engine knows: operations that programs told of, and the host's series.

use crate::engine::Engine;
use crate::journals::BaselineError;
use lapwing_judge::performance::{
    GpuUse, Operation, OperationKind, PerformanceOptions, PerformanceReport, ResourceSnapshot, Window,
};
use lapwing_judge::pipelines::{Baseline, Execution, HealthReport, PipelineOptions};
use lapwing_query::{QueryEngine, QueryOptions, QueryValue};
use std::collections::BTreeMap;

/// Readings of the host in one report: enough for a trend, and as many as a chart has points.
const READINGS_MAX: i64 = 240;
const STEP_MS_MIN: i64 = 15_000;

type Put = fn(&mut ResourceSnapshot, f64);

impl Engine {
    /// Blocking: some queries over the window.
    pub fn performance_report(&self, window: Window, options: &PerformanceOptions) -> PerformanceReport {
        let operations = self.operations_since(window.start_ms);
        let readings = self.host_readings(window);
        lapwing_judge::performance::report(&operations, &readings, window, options)
    }

    pub fn pipeline_health(&self, options: &PipelineOptions) -> HealthReport {
        let now_ms = self.now_ms();
        let operations = self.operations_since(now_ms - options.window_ms);
        let executions: Vec<Execution> = operations
            .into_iter()
            .filter(|o| o.kind == OperationKind::Pipeline)
            .map(|o| Execution {
                t_ms: o.ended_ms(),
                pipeline: o.name,
                duration_s: o.duration_s,
                success: o.success,
                error: o.error,
            })
            .collect();
        lapwing_judge::pipelines::report(&executions, &self.baselines(), options, now_ms)
    }

    fn operations_since(&self, since_ms: i64) -> Vec<Operation> {
        let _gate = crate::sdk::fork_gate();
        self.sdk().tracker().since(since_ms)
    }

    /// Says what is normal; it stays so over a restart where there is a data directory.
    pub fn set_baseline(&self, baseline: Baseline) -> Result<(), BaselineError> {
        self.known_baselines().set(baseline)
    }

    /// Whether there was such a baseline.
    pub fn remove_baseline(&self, metric: &str) -> Result<bool, BaselineError> {
        self.known_baselines().remove(metric)
    }

    /// Ascending by metric.
    pub fn baselines(&self) -> Vec<Baseline> {
        self.known_baselines().all()
    }

    /// The host as its series tell: the fullest of what there are several of.
    pub fn host_readings(&self, window: Window) -> Vec<ResourceSnapshot> {
        let mut by_time: BTreeMap<i64, ResourceSnapshot> = BTreeMap::new();
        let questions: [(&str, Put); 4] = [
            ("max(cpu_usage) * 100", |r, v| r.cpu_percent = Some(v)),
            ("max(memory_usage) * 100", |r, v| r.memory_percent = Some(v)),
            ("max(disk_usage) * 100", |r, v| r.disk_percent = Some(v)),
            (
                r#"min(node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay"})"#,
                |r, v| {
                    r.disk_free_bytes = Some(v);
                },
            ),
        ];
        for (expr, put) in questions {
            for (_, t_ms, value) in self.ask(expr, window) {
                put(by_time.entry(t_ms).or_default(), value);
            }
        }
        for (gpu, t_ms, value) in self.ask("DCGM_FI_DEV_GPU_UTIL", window) {
            by_time.entry(t_ms).or_default().gpus.push(GpuUse {
                gpu,
                utilization_percent: Some(value),
                ..GpuUse::default()
            });
        }
        by_time
            .into_iter()
            .map(|(t_ms, reading)| ResourceSnapshot { t_ms, ..reading })
            .collect()
    }

    fn ask(&self, expr: &str, window: Window) -> Vec<(String, i64, f64)> {
        let step_ms = ((window.end_ms - window.start_ms) / READINGS_MAX).max(STEP_MS_MIN);
        let range = (window.start_ms, window.end_ms, step_ms);
        let snapshot = self.store().snapshot();
        let answer = QueryEngine::new().range(&snapshot, expr, range, &QueryOptions::default());
        let series = match answer.map(|a| a.value) {
            Ok(QueryValue::Matrix(series)) => series,
            Ok(_) => Vec::new(),
            Err(error) => {
                tracing::warn!(%error, expr, "a reading of the host failed");
                Vec::new()
            }
        };
        series
            .into_iter()
            .flat_map(|s| {
                let gpu = s.labels.get("gpu").unwrap_or("").to_owned();
                s.floats.into_iter().map(move |(t, v)| (gpu.clone(), t, v))
            })
            .collect()
    }
}
