//! Everything about one window.

use super::findings::{Bottleneck, Facts, Recommendation, recommend};
use super::operation::{Operation, ResourceSnapshot};
use super::options::{PerformanceOptions, Window};
use super::summary::{OperationSummary, ResourceSummary, Spread, grouped, summarize};
use super::trend::{Trend, trend};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PerformanceReport {
    pub window: Window,
    pub total_operations: usize,
    pub failed_operations: usize,
    /// Absent when nothing was done: that is neither 0 nor 100 %.
    pub success_rate: Option<f64>,
    pub duration_s: Option<Spread>,
    pub operations_per_second: f64,
    pub by_type: Vec<OperationSummary>,
    pub by_name: Vec<OperationSummary>,
    pub resources: Option<ResourceSummary>,
    pub trends: Vec<Trend>,
    pub bottlenecks: Vec<Bottleneck>,
    pub recommendations: Vec<Recommendation>,
}

/// Operations count in the window in which they ended.
pub fn report(
    operations: &[Operation],
    readings: &[ResourceSnapshot],
    window: Window,
    options: &PerformanceOptions,
) -> PerformanceReport {
    let mut inside: Vec<&Operation> = operations
        .iter()
        .filter(|o| window.contains(o.ended_ms()) && o.duration_s.is_finite())
        .collect();
    inside.sort_by_key(|o| o.started_ms);
    let mut seen: Vec<&ResourceSnapshot> = readings.iter().filter(|r| window.contains(r.t_ms)).collect();
    seen.sort_by_key(|r| r.t_ms);
    let facts = Facts {
        operations: &inside,
        readings: &seen,
        window,
        options,
    };
    let bottlenecks = facts.bottlenecks();
    let failed = inside.iter().filter(|o| !o.success).count();
    let span_s = (window.end_ms - window.start_ms).max(1) as f64 / 1000.0;
    let summaries = |key: fn(&Operation) -> String| {
        grouped(&inside, key)
            .iter()
            .filter_map(|(name, of)| summarize(name, of))
            .collect()
    };
    PerformanceReport {
        window,
        total_operations: inside.len(),
        failed_operations: failed,
        success_rate: (!inside.is_empty()).then(|| 1.0 - failed as f64 / inside.len() as f64),
        duration_s: Spread::of(inside.iter().map(|o| o.duration_s)),
        operations_per_second: inside.len() as f64 / span_s,
        by_type: summaries(|o| o.kind.as_str().to_owned()),
        by_name: summaries(|o| o.name.clone()),
        resources: ResourceSummary::of(&seen),
        trends: trends(&inside, &seen, options),
        recommendations: bottlenecks.iter().map(recommend).collect(),
        bottlenecks,
    }
}

fn trends(
    operations: &[&Operation],
    readings: &[&ResourceSnapshot],
    options: &PerformanceOptions,
) -> Vec<Trend> {
    let limits = (options.trend_readings_min, options.trend_change_min);
    let of = |pick: fn(&ResourceSnapshot) -> Option<f64>| -> Vec<f64> {
        readings.iter().filter_map(|r| pick(r)).collect()
    };
    let durations: Vec<f64> = operations.iter().map(|o| o.duration_s).collect();
    vec![
        trend("cpu_percent", &of(|r| r.cpu_percent), limits),
        trend("memory_percent", &of(|r| r.memory_percent), limits),
        trend("disk_percent", &of(|r| r.disk_percent), limits),
        trend("duration_s", &durations, limits),
    ]
}

#[cfg(test)]
mod tests {
    use super::super::{BottleneckKind, OperationKind, TrendWord};
    use super::*;

    fn operation(nth: i64, duration_s: f64, success: bool) -> Operation {
        Operation {
            id: format!("op-{nth}"),
            kind: OperationKind::Download,
            name: "fetch".to_owned(),
            parent: None,
            started_ms: nth * 1000,
            duration_s,
            success,
            error: (!success).then(|| "timeout".to_owned()),
            metadata: std::collections::BTreeMap::new(),
            resources: None,
        }
    }

    const DAY: Window = Window {
        start_ms: 0,
        end_ms: 86_400_000,
    };

    #[test]
    fn findings_name_the_numbers_and_the_operations() {
        let mut operations: Vec<Operation> = (0..18).map(|i| operation(i, 0.5, true)).collect();
        operations.push(operation(18, 40.0, true));
        operations.push(operation(19, 50.0, true));
        operations.push(operation(20, 60.0, false));
        operations.push(operation(21, 1.0, false));
        let found = report(&operations, &[], DAY, &PerformanceOptions::default());
        assert_eq!((found.total_operations, found.failed_operations), (22, 2));
        let kinds: Vec<BottleneckKind> = found.bottlenecks.iter().map(|b| b.kind).collect();
        assert_eq!(kinds, [BottleneckKind::SlowOperations, BottleneckKind::Failures]);
        assert_eq!(found.bottlenecks[0].operations[0].id, "op-20");
        assert!(
            found.recommendations[1]
                .message
                .contains("2 of 22 operations (9.1%) failed")
        );
        assert_eq!(found.recommendations[1].window, DAY);
        let lenient = PerformanceOptions {
            slow_s: 100.0,
            failure_share_max: 0.5,
            ..PerformanceOptions::default()
        };
        assert!(report(&operations, &[], DAY, &lenient).bottlenecks.is_empty());
    }

    #[test]
    fn only_the_window_counts_and_nothing_has_no_rate() {
        let operations = [operation(0, 1.0, false)];
        let later = Window {
            start_ms: 10_000,
            end_ms: 20_000,
        };
        let found = report(&operations, &[], later, &PerformanceOptions::default());
        assert_eq!((found.total_operations, found.success_rate), (0, None));
        assert!(found.bottlenecks.is_empty() && found.duration_s.is_none());
    }

    #[test]
    fn scarce_resources_are_found_with_what_ran_meanwhile() {
        let readings: Vec<ResourceSnapshot> = (0..20)
            .map(|i| ResourceSnapshot {
                t_ms: i * 1000,
                cpu_percent: Some(if i < 10 { 20.0 } else { 95.0 }),
                disk_free_bytes: Some(1e9),
                ..ResourceSnapshot::default()
            })
            .collect();
        let operations = [operation(12, 3.0, true), operation(1, 0.5, true)];
        let found = report(&operations, &readings, DAY, &PerformanceOptions::default());
        let cpu = &found.bottlenecks[0];
        assert_eq!((cpu.kind, cpu.value, cpu.of), (BottleneckKind::Cpu, 0.5, 20));
        assert_eq!(cpu.operations.len(), 1);
        assert_eq!(found.bottlenecks[1].kind, BottleneckKind::DiskSpace);
        assert_eq!(found.trends[0].word, TrendWord::Increasing);
    }
}
