//! Numbers of a window: durations with true quantiles, shares, resources.

use super::operation::{Operation, ResourceSnapshot};
use crate::quantile::{mean, of_sorted, sorted};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How a set of values lies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    pub count: usize,
    pub mean: f64,
    pub median: f64,
    pub p95: f64,
    pub p99: f64,
    pub min: f64,
    pub max: f64,
}

impl Spread {
    /// None of nothing.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Option<Spread> {
        let all = sorted(values);
        Some(Spread {
            count: all.len(),
            mean: mean(&all)?,
            median: of_sorted(&all, 0.5)?,
            p95: of_sorted(&all, 0.95)?,
            p99: of_sorted(&all, 0.99)?,
            min: *all.first()?,
            max: *all.last()?,
        })
    }
}

/// Operations of one name or one type.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperationSummary {
    pub name: String,
    pub count: usize,
    pub failed: usize,
    pub success_rate: f64,
    pub duration_s: Spread,
    pub last_error: Option<String>,
}

pub(super) fn summarize(name: &str, operations: &[&Operation]) -> Option<OperationSummary> {
    let failed = operations.iter().filter(|o| !o.success).count();
    let newest_failed = operations
        .iter()
        .filter(|o| !o.success)
        .max_by_key(|o| o.started_ms);
    Some(OperationSummary {
        name: name.to_owned(),
        count: operations.len(),
        failed,
        success_rate: 1.0 - failed as f64 / operations.len().max(1) as f64,
        duration_s: Spread::of(operations.iter().map(|o| o.duration_s))?,
        last_error: newest_failed.and_then(|o| o.error.clone()),
    })
}

pub(super) fn grouped<'a>(
    operations: &[&'a Operation],
    key: impl Fn(&Operation) -> String,
) -> Vec<(String, Vec<&'a Operation>)> {
    let mut groups: BTreeMap<String, Vec<&Operation>> = BTreeMap::new();
    for operation in operations {
        groups.entry(key(operation)).or_default().push(operation);
    }
    groups.into_iter().collect()
}

/// Resources over a window; what was never read is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ResourceSummary {
    pub readings: usize,
    pub cpu_percent: Option<Spread>,
    pub memory_percent: Option<Spread>,
    pub disk_percent: Option<Spread>,
    pub disk_free_bytes_min: Option<f64>,
    pub process_memory_bytes: Option<Spread>,
    /// By GPU.
    pub gpu_utilization_percent: BTreeMap<String, Spread>,
    pub gpu_memory_percent: BTreeMap<String, Spread>,
}

impl ResourceSummary {
    pub fn of(readings: &[&ResourceSnapshot]) -> Option<ResourceSummary> {
        if readings.is_empty() {
            return None;
        }
        let spread =
            |pick: fn(&ResourceSnapshot) -> Option<f64>| Spread::of(readings.iter().filter_map(|r| pick(r)));
        let mut utilization: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        let mut memory: BTreeMap<String, Vec<f64>> = BTreeMap::new();
        for gpu in readings.iter().flat_map(|r| &r.gpus) {
            utilization
                .entry(gpu.gpu.clone())
                .or_default()
                .extend(gpu.utilization_percent);
            if let (Some(used), Some(total)) = (gpu.memory_used_bytes, gpu.memory_total_bytes)
                && total > 0.0
            {
                memory
                    .entry(gpu.gpu.clone())
                    .or_default()
                    .push(used / total * 100.0);
            }
        }
        let spreads = |of: BTreeMap<String, Vec<f64>>| {
            of.into_iter()
                .filter_map(|(gpu, values)| Spread::of(values).map(|s| (gpu, s)))
                .collect()
        };
        let free = readings.iter().filter_map(|r| r.disk_free_bytes);
        Some(ResourceSummary {
            readings: readings.len(),
            cpu_percent: spread(|r| r.cpu_percent),
            memory_percent: spread(|r| r.memory_percent),
            disk_percent: spread(|r| r.disk_percent),
            disk_free_bytes_min: free.min_by(f64::total_cmp),
            process_memory_bytes: spread(|r| r.process_memory_bytes),
            gpu_utilization_percent: spreads(utilization),
            gpu_memory_percent: spreads(memory),
        })
    }
}
