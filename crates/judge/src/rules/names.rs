//! The well-known names of conditions, and the PromQL each stands for. This table is the only place that knows them.
//!
//! `$m` is where further matchers go (`, model="chat"`). Ratios are 0..1, durations seconds. A series that has the
//! well-known name itself (our collectors write some, an SDK may push others) comes first; the expression answers for the
//! rest, told apart by the labels in `on`, so that nothing is judged twice.

#[derive(Clone, Copy, Debug)]
pub struct WellKnown {
    pub name: &'static str,
    /// What tells one measured thing from another.
    pub on: &'static str,
    pub expr: &'static str,
    pub unit: &'static str,
    pub help: &'static str,
}

const fn name(
    (name, on): (&'static str, &'static str),
    unit: &'static str,
    help: &'static str,
    expr: &'static str,
) -> WellKnown {
    WellKnown {
        name,
        on,
        expr,
        unit,
        help,
    }
}

pub const WELL_KNOWN: &[WellKnown] = &[
    name(
        ("cpu_usage", "instance"),
        "ratio",
        "share of CPU time not idle, per instance",
        r#"1 - avg by (instance) (rate(node_cpu_seconds_total{mode="idle"$m}[5m]))"#,
    ),
    name(
        ("memory_usage", "instance"),
        "ratio",
        "share of memory that is not available",
        r#"1 - node_memory_MemAvailable_bytes{instance!=""$m} / node_memory_MemTotal_bytes{instance!=""$m}"#,
    ),
    name(
        ("disk_usage", "instance, mountpoint"),
        "ratio",
        "share of a file system that is full, as df shows it",
        r#"(node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay"$m} - node_filesystem_free_bytes{fstype!~"tmpfs|ramfs|overlay"$m}) / (node_filesystem_size_bytes{fstype!~"tmpfs|ramfs|overlay"$m} - node_filesystem_free_bytes{fstype!~"tmpfs|ramfs|overlay"$m} + node_filesystem_avail_bytes{fstype!~"tmpfs|ramfs|overlay"$m})"#,
    ),
    name(
        ("load_per_cpu", "instance"),
        "ratio",
        "5 minute load divided by the number of CPUs",
        r#"node_load5{instance!=""$m} / on (instance) count by (instance) (node_cpu_seconds_total{mode="idle"$m})"#,
    ),
    name(
        ("gpu_usage", "instance, gpu"),
        "ratio",
        "utilisation of each GPU",
        r#"DCGM_FI_DEV_GPU_UTIL{gpu!=""$m} / 100"#,
    ),
    name(
        ("gpu_memory_usage", "instance, gpu"),
        "ratio",
        "share of each GPU's memory that is used",
        r#"DCGM_FI_DEV_FB_USED{gpu!=""$m} / (DCGM_FI_DEV_FB_USED{gpu!=""$m} + DCGM_FI_DEV_FB_FREE{gpu!=""$m})"#,
    ),
    name(
        ("gpu_temperature", "instance, gpu"),
        "celsius",
        "temperature of each GPU",
        r#"DCGM_FI_DEV_GPU_TEMP{gpu!=""$m}"#,
    ),
    name(
        ("error_rate", "model, operation"),
        "ratio",
        "share of operations that failed",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="error"$m}[5m])) / sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        ("success_rate", "model, operation"),
        "ratio",
        "share of operations that succeeded",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="success"$m}[5m])) / sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        ("request_rate", "model, operation"),
        "per second",
        "operations per second",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome!=""$m}[5m]))"#,
    ),
    name(
        ("throughput", "model, operation"),
        "per second",
        "operations per second",
        r#"sum by (model, operation) (rate(lapwing_operations_total{outcome="success"$m}[5m]))"#,
    ),
    name(
        ("p50_latency", "model, operation"),
        "seconds",
        "median duration of an operation",
        r#"histogram_quantile(0.5, sum by (model, operation, le) (rate(lapwing_operation_duration_seconds_bucket{le!=""$m}[5m])))"#,
    ),
    name(
        ("p95_latency", "model, operation"),
        "seconds",
        "95th percentile of an operation's duration",
        r#"histogram_quantile(0.95, sum by (model, operation, le) (rate(lapwing_operation_duration_seconds_bucket{le!=""$m}[5m])))"#,
    ),
    name(
        ("p99_latency", "model, operation"),
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
    let expr = known.expr.replace("$m", &more);
    format!("({own} or on ({}) ({expr}))", known.on)
}
