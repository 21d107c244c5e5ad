//! Rules as they are found in the wild, and what is wrong with them.

use lapwing_judge::lint::{Facts, LintReason, MetricFact, lint};
use lapwing_judge::rules::{OwnRule, explain};
use lapwing_query::promql::parse;
use lapwing_types::MetricKind;
use std::collections::BTreeSet;

fn reasons(expr: &str, facts: &Facts) -> Vec<LintReason> {
    let found = lint(&parse(expr).unwrap(), facts, &BTreeSet::new());
    found.into_iter().map(|f| f.reason).collect()
}

#[track_caller]
fn check(expr: &str, expect: &[LintReason]) {
    assert_eq!(reasons(expr, &Facts::default()), expect, "{expr}");
}

#[test]
fn public_rules_that_cannot_work() {
    use LintReason::*;
    check("vllm:gpu_cache_usage_perc > 0.9", &[RenamedMetric]);
    // One of those six: also a percentage of what is 0 to 1, but first of all nothing writes it.
    check("vllm:gpu_cache_usage_perc > 90", &[RenamedMetric]);
    check("vllm:kv_cache_usage_perc > 90", &[NeverFires]);
    check(
        "histogram_quantile(0.95, vllm:time_to_first_token_seconds_bucket) > 5",
        &[QuantileWithoutRate],
    );
    check("increase(DCGM_FI_DEV_XID_ERRORS[5m]) > 0", &[IncreaseOfCode]);
    check("DCGM_FI_DEV_XID_ERRORS > 0", &[StickyCode]);
    check("DCGM_FI_DEV_XID_ERRORS != 0", &[StickyCode]);
    check("DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_FREE > 0.95", &[PartOfRest]);
    check(
        "DCGM_FI_DEV_FB_USED / DCGM_FI_DEV_FB_TOTAL > 0.9",
        &[OffByDefault],
    );
    check("absent(DCGM_FI_DEV_GPU_TEMP)", &[AbsentOfMany]);
    check("rate(vllm:num_requests_waiting[5m]) > 1", &[RateOfGauge]);
    check("sum(http_requests_total) > 100", &[CounterWithoutRate]);
    check(
        "errors_total / requests_total > 0.05",
        &[CounterWithoutRate, CounterWithoutRate],
    );
    check("vllm:num_requests_swapped > 0", &[RemovedMetric]);
    check("up >= 0", &[AlwaysFires]);
    check("avg_over_time(DCGM_FI_DEV_GPU_UTIL[5m]) / 100 > 1", &[NeverFires]);
}

#[test]
fn units_that_do_not_go_together() {
    use LintReason::*;
    let latency = "histogram_quantile(0.95, sum by (le) (rate(vllm:e2e_request_latency_seconds_bucket[5m])))";
    check(&format!("{latency} > 2000"), &[UnitOfThreshold]);
    check(&format!("{latency} > 120"), &[]);
    check(
        "histogram_quantile(0.95, rate(vllm:time_to_first_token_seconds_bucket[5m])) > 500",
        &[UnitOfThreshold],
    );
    check(
        "rate(http_request_duration_seconds_sum[5m]) / rate(http_request_duration_seconds_count[5m]) > 500",
        &[UnitOfThreshold],
    );
    check("serve_deployment_processing_latency_ms > 0.5", &[UnitOfThreshold]);
    check(
        "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 10",
        &[UnitOfThreshold],
    );
    check(
        "sum(container_memory_usage_bytes) / sum(machine_memory_limit_bytes) > 90",
        &[UnitOfThreshold],
    );
    check("cache_hit_ratio < 80", &[UnitOfThreshold]);
    check("disk_used_percent > 0.9", &[UnitOfThreshold]);
    check(
        "process_uptime_seconds > process_resident_memory_bytes",
        &[UnitMismatch],
    );
    check("queue_time_seconds > queue_limit_ms", &[UnitMismatch]);
    check("cache_hit_ratio > cache_size_bytes", &[UnitMismatch]);
    check(
        "rate(node_network_receive_bytes_total[5m]) > node_memory_MemFree_bytes",
        &[UnitMismatch],
    );
    check("http_requests_total > 5", &[CounterWithoutRate]);
    check(
        "avg(http_request_duration_seconds) + avg(http_response_size_bytes) > 1",
        &[UnitMismatch],
    );
}

#[test]
fn a_threshold_in_the_wrong_unit_says_the_right_one() {
    let said = |expr: &str| {
        let found = lint(&parse(expr).unwrap(), &Facts::default(), &BTreeSet::new());
        let first = found.into_iter().next().unwrap();
        (first.message, first.hint.unwrap())
    };
    assert_eq!(
        said("http_request_duration_seconds > 1500"),
        (
            "http_request_duration_seconds is in seconds: 1500 can only be meant in milliseconds".to_owned(),
            "write > 1.5".to_owned()
        )
    );
    assert_eq!(said("cache_hit_ratio < 80").1, "write < 0.8");
}

#[test]
fn rules_that_are_right_are_left_alone() {
    for expr in [
        "batch_job_duration_seconds > 3600",
        "time() - last_success_timestamp_seconds > 86400",
        "time() > certificate_expiry_timestamp_seconds - 604800",
        "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes < 0.1",
        "node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes * 100 < 10",
        "http_request_duration_seconds * 1000 > 1500",
        "rate(process_cpu_seconds_total[5m]) > 5",
        "process_resident_memory_bytes > 2e9",
        "process_open_fds / process_max_fds > 0.9",
        "cache_hit_ratio < 0.8",
        "container_memory_usage_bytes > container_spec_memory_limit_bytes",
        "increase(http_requests_total[1h]) > 100",
        "vllm:kv_cache_usage_perc > 0.9",
        "histogram_quantile(0.95, sum by (le) (rate(vllm:time_to_first_token_seconds_bucket[5m]))) > 5",
        "changes(DCGM_FI_DEV_XID_ERRORS[5m]) > 0",
        "DCGM_FI_DEV_FB_USED / (DCGM_FI_DEV_FB_USED + DCGM_FI_DEV_FB_FREE) > 0.9",
        "absent(DCGM_FI_DEV_GPU_TEMP{gpu=\"0\"})",
        "count(http_requests_total) > 1000",
        "http_requests_total - http_requests_total offset 5m > 10",
        "absent(http_requests_total)",
        "up == 0",
        "delta(DCGM_FI_DEV_GPU_TEMP[5m]) > 10",
        "rate(http_requests_total[5m]) > 5 and up == 1",
    ] {
        check(expr, &[]);
    }
}

#[test]
fn a_well_known_ratio_is_not_a_percentage() {
    let rule = |condition: &str| OwnRule {
        name: "r".to_owned(),
        condition: condition.to_owned(),
        ..OwnRule::default()
    };
    for (condition, expect) in [
        ("cpu_usage > 80", vec![LintReason::NeverFires]),
        ("memory_usage > 85", vec![LintReason::NeverFires]),
        ("error_rate >= 5", vec![LintReason::NeverFires]),
        ("cpu_usage > 80%", vec![]),
        ("load_per_cpu > 2", vec![]),
    ] {
        let explained = explain(&rule(condition)).unwrap();
        let whole = format!("({}) {}", explained.promql, explained.compares.unwrap());
        assert_eq!(reasons(&whole, &Facts::default()), expect, "{condition}");
    }
}

#[test]
fn what_a_source_has_decides() {
    let mut facts = Facts::default();
    let counter = MetricFact {
        kind: Some(MetricKind::Counter),
        range: None,
    };
    facts.add("http_requests_total", counter);
    facts.add("model_errors", counter);
    facts.add("vllm:gpu_cache_usage_perc", MetricFact::default());
    let of = |expr: &str| {
        lint(
            &parse(expr).unwrap(),
            &facts,
            &BTreeSet::from(["job:x".to_owned()]),
        )
    };
    let unknown = of("rate(http_request_total[5m]) > 1");
    assert_eq!(
        unknown[0].hint.as_deref(),
        Some("did you mean http_requests_total?")
    );
    assert_eq!(of("model_errors > 5")[0].reason, LintReason::CounterWithoutRate);
    // An old server that still writes the old name.
    assert_eq!(of("vllm:gpu_cache_usage_perc > 0.9"), []);
    assert_eq!(of("job:x > 1 and ALERTS == 1"), []);
    assert_eq!(of("nothing_like_it > 1")[0].hint, None);
}
