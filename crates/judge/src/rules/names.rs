//! The well-known names of conditions, and the PromQL each stands for. This table is the only place that knows them.
//!
//! `$m` is where further matchers go (`, model="chat"`). Ratios are 0..1, durations seconds. A series that already has
//! the well-known name itself (pushed by an SDK, or recorded) answers where the expression finds nothing.

#[derive(Clone, Copy, Debug)]
pub struct WellKnown {
    pub name: &'static str,
    pub expr: &'static str,
    pub unit: &'static str,
    pub help: &'static str,
}

const fn name(name: &'static str, unit: &'static str, help: &'static str, expr: &'static str) -> WellKnown {
    WellKnown {
        name,
        expr,
        unit,
        help,
    }
}

pub const WELL_KNOWN: &[WellKnown] = &[
    name(
        "cpu_usage",
        "ratio",
        "share of CPU time not idle, per instance",
        r#"1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"$m}[5m]))"#,
    ),
    name(
        "memory_usage",
        "ratio",
        "share of memory that is not available",
        r#"1 - node_memory_MemAvailable_bytes{instance!=""$m} / node_memory_MemTotal_bytes{instance!=""$m}"#,
    ),
    name(
        "disk_usage",
        "ratio",
        "share of a file system that is full",
        r#"1 - node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay"$m} / node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay"$m}"#,
    ),
    name(
        "load_per_cpu",
        "ratio",
        "5 minute load divided by the number of CPUs",
        r#"node_load5{instance!=""$m} / on (instance) count by (instance) (node_cpu_seconds_total{mode="idle"$m})"#,
    ),
    name(
        "gpu_usage",
        "ratio",
        "utilisation of each GPU",
        r#"DCGM_FI_DEV_GPU_UTIL{gpu!=""$m} / 100"#,
    ),
    name(
        "gpu_memory_usage",
        "ratio",
        "share of each GPU's memory that is used",
        r#"DCGM_FI_DEV_FB_USED{gpu!=""$m} / (DCGM_FI_DEV_FB_USED{gpu!=""$m} + DCGM_FI_DEV_FB_FREE{gpu!=""$m})"#,
    ),
    name(
        "gpu_temperature",
        "celsius",
        "temperature of each GPU",
        r#"DCGM_FI_DEV_GPU_TEMP{gpu!=""$m}"#,
    ),
    name(
        "error_rate",
        "ratio",
        "share of operations that failed",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="error"$m}[5m])) / sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        "success_rate",
        "ratio",
        "share of operations that succeeded",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="success"$m}[5m])) / sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        "request_rate",
        "per second",
        "operations per second",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        "throughput",
        "per second",
        "operations per second",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="success"$m}[5m]))"#,
    ),
    name(
        "p50_latency",
        "seconds",
        "median duration of an operation",
        r#"histogram_quantile(0.5, sum by (model, operation, le) (rate(lapwing_operation_duration_seconds_bucket{le!=""$m}[5m])))"#,
    ),
    name(
        "p95_latency",
        "seconds",
        "95th percentile of an operation's duration",
        r#"histogram_quantile(0.95, sum by (model, operation, le) (rate(lapwing_operation_duration_seconds_bucket{le!=""$m}[5m])))"#,
    ),
    name(
        "p99_latency",
        "seconds",
        "99th percentile of an operation's duration",
        r#"histogram_quantile(0.99, sum by (model, operation, le) (rate(lapwing_operation_duration_seconds_bucket{le!=""$m}[5m])))"#,
    ),
];

pub(crate) fn find(name: &str) -> Option<&'static WellKnown> {
    WELL_KNOWN.iter().find(|w| w.name == name)
}

/// The PromQL of a well-known name, narrowed by matchers such as `model="chat"`.
pub(crate) fn expand(known: &WellKnown, matchers: &str) -> String {
    let more = if matchers.is_empty() {
        String::new()
    } else {
        format!(", {matchers}")
    };
    let own = if matchers.is_empty() {
        known.name.to_owned()
    } else {
        format!("{}{{{matchers}}}", known.name)
    };
    format!("(({}) or {own})", known.expr.replace("$m", &more))
}
