//! Executions of a window become a health, with its reasons.

use super::baseline::{Baseline, Compared, compare};
use crate::performance::{Spread, Window};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    Healthy,
    Degraded,
    Critical,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Execution {
    pub pipeline: String,
    pub t_ms: i64,
    pub duration_s: f64,
    pub success: bool,
    #[serde(default)]
    pub error: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PipelineOptions {
    pub window_ms: i64,
    /// A larger share of failures is degraded.
    pub degraded_error_rate: f64,
    pub critical_error_rate: f64,
    /// How much slower than its baseline a pipeline may be, relatively.
    pub tolerance: f64,
    /// So many failures in a row are critical, whatever came before: "failing consistently".
    pub failures_in_row_critical: usize,
}

impl Default for PipelineOptions {
    fn default() -> Self {
        PipelineOptions {
            window_ms: 3_600_000,
            degraded_error_rate: 0.2,
            critical_error_rate: 0.5,
            tolerance: 0.2,
            failures_in_row_critical: 5,
        }
    }
}

/// Why a pipeline is not healthy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    ErrorRate { error_rate: f64, threshold: f64 },
    FailuresInRow { failures: usize },
    SlowerThanBaseline { compared: Compared },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PipelineHealth {
    pub health: Health,
    pub total_executions: usize,
    pub failed_executions: usize,
    pub success_rate: f64,
    pub duration_s: Spread,
    pub last_error: Option<String>,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthReport {
    pub window: Window,
    /// The worst of all pipelines.
    pub overall_health: Health,
    pub pipelines: BTreeMap<String, PipelineHealth>,
}

pub fn report(
    executions: &[Execution],
    baselines: &[Baseline],
    options: &PipelineOptions,
    now_ms: i64,
) -> HealthReport {
    let window = Window {
        start_ms: now_ms - options.window_ms,
        end_ms: now_ms,
    };
    let mut by_name: BTreeMap<&str, Vec<&Execution>> = BTreeMap::new();
    for execution in executions.iter().filter(|e| window.contains(e.t_ms)) {
        by_name.entry(&execution.pipeline).or_default().push(execution);
    }
    let mut pipelines = BTreeMap::new();
    for (name, mut of) in by_name {
        of.sort_by_key(|e| e.t_ms);
        if let Some(health) = judge(name, &of, baselines, options) {
            pipelines.insert(name.to_owned(), health);
        }
    }
    let worst = pipelines.values().map(|p| p.health).max();
    HealthReport {
        window,
        overall_health: worst.unwrap_or(Health::Healthy),
        pipelines,
    }
}

/// `executions` ascending by time.
fn judge(
    name: &str,
    executions: &[&Execution],
    baselines: &[Baseline],
    options: &PipelineOptions,
) -> Option<PipelineHealth> {
    let duration_s = Spread::of(executions.iter().map(|e| e.duration_s))?;
    let failed = executions.iter().filter(|e| !e.success).count();
    let error_rate = failed as f64 / executions.len() as f64;
    let in_row = executions.iter().rev().take_while(|e| !e.success).count();
    let mut health = Health::Healthy;
    let mut reasons = Vec::new();
    let mut worse = |to: Health, reason: Reason| {
        health = health.max(to);
        reasons.push(reason);
    };
    let rates = [
        (Health::Critical, options.critical_error_rate),
        (Health::Degraded, options.degraded_error_rate),
    ];
    if let Some((to, threshold)) = rates.into_iter().find(|(_, most)| error_rate > *most) {
        worse(
            to,
            Reason::ErrorRate {
                error_rate,
                threshold,
            },
        );
    }
    if in_row >= options.failures_in_row_critical.max(1) {
        worse(Health::Critical, Reason::FailuresInRow { failures: in_row });
    }
    for baseline in baselines.iter().filter(|b| b.is_time_of(name)) {
        let compared = compare(baseline, duration_s.mean, options.tolerance);
        if compared.degraded {
            worse(Health::Degraded, Reason::SlowerThanBaseline { compared });
        }
    }
    let newest_failed = executions.iter().rev().find(|e| !e.success);
    Some(PipelineHealth {
        health,
        total_executions: executions.len(),
        failed_executions: failed,
        success_rate: 1.0 - error_rate,
        duration_s,
        last_error: newest_failed.and_then(|e| e.error.clone()),
        reasons,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(pipeline: &str, t_ms: i64, duration_s: f64, success: bool) -> Execution {
        Execution {
            pipeline: pipeline.to_owned(),
            t_ms,
            duration_s,
            success,
            error: None,
        }
    }

    fn judged(executions: &[Execution], now_ms: i64) -> HealthReport {
        let baseline = Baseline {
            metric: "inference_latency".to_owned(),
            value: 0.05,
            direction: None,
        };
        report(executions, &[baseline], &PipelineOptions::default(), now_ms)
    }

    #[test]
    fn the_example_of_seed_4_is_degraded() {
        let found = judged(
            &[run("inference", 1, 0.048, true), run("inference", 2, 0.15, false)],
            10,
        );
        let inference = &found.pipelines["inference"];
        assert_eq!(found.overall_health, Health::Degraded);
        assert_eq!((inference.total_executions, inference.success_rate), (2, 0.5));
        assert!((inference.duration_s.mean - 0.099).abs() < 1e-9);
        assert_eq!(inference.reasons.len(), 2);
    }

    /// In seed 4 it could only be healthy or degraded.
    #[test]
    fn overall_health_can_be_critical() {
        let runs: Vec<Execution> = (0..5).map(|i| run("etl", i, 1.0, false)).collect();
        assert_eq!(judged(&runs, 10).overall_health, Health::Critical);
    }

    /// In seed 4 a bad morning kept a pipeline ill for ever.
    #[test]
    fn only_the_window_counts() {
        let runs = [
            run("inference", 0, 0.04, false),
            run("inference", 7_200_000, 0.04, true),
        ];
        assert_eq!(judged(&runs, 7_200_000).overall_health, Health::Healthy);
    }

    #[test]
    fn a_pipeline_that_fails_consistently_is_critical_at_once() {
        let mut runs: Vec<Execution> = (0..95).map(|i| run("inference", i, 0.04, true)).collect();
        runs.extend((95..100).map(|i| run("inference", i, 0.04, false)));
        assert_eq!(judged(&runs, 200).overall_health, Health::Critical);
    }
}
