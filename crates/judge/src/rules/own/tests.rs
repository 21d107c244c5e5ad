//! What each shape becomes, and what is wrong with the others.

use super::*;

fn rule(condition: &str) -> OwnRule {
    OwnRule {
        name: "r".to_owned(),
        condition: condition.to_owned(),
        enabled: true,
        ..OwnRule::default()
    }
}

#[track_caller]
fn check(condition: &str, compares: &str, promql_has: &str) {
    let explained = explain(&rule(condition)).unwrap();
    assert_eq!(explained.compares.as_deref(), Some(compares), "{condition}");
    assert!(
        explained.promql.contains(promql_has),
        "{condition}: {}",
        explained.promql
    );
}

#[test]
fn the_seeds_conditions_are_understood() {
    check("cpu_usage > 80%", "> 0.8", "node_cpu_seconds_total");
    check("error_rate > 0.05", "> 0.05", "lapwing_operations_total");
    check("p95_latency > 2.0", "> 2", "histogram_quantile(0.95");
    check("quality_score < 0.7", "< 0.7", "quality_score");
    check("disk_usage >= 90%", ">= 0.9", "node_filesystem_avail_bytes");
    check("throughput <= 500", "<= 500", "lapwing_operations_total");
    check("up{job=\"cpu_usage\"} == 0", "== 0", "up{job=\"cpu_usage\"}");
    check("cpu_usage{instance=\"a\"} > 50%", "> 0.5", "instance=\"a\"");
}

#[test]
fn mistakes_are_told() {
    let error = |r: &OwnRule| compile(r).map(|_| ()).unwrap_err();
    assert!(error(&rule("cpu_usage >")).reason.contains("is not understood"));
    let wrong = OwnRule {
        recover: Some("90%".to_owned()),
        ..rule("cpu_usage > 80%")
    };
    assert!(error(&wrong).reason.contains("wrong side"));
    for (condition, recover, wanted) in [
        ("accuracy < 80%", "85", "write 85%"),
        ("cpu_usage > 80%", "< 70", "write < 70%"),
    ] {
        let without_percent = OwnRule {
            recover: Some(recover.to_owned()),
            ..rule(condition)
        };
        assert!(
            error(&without_percent).reason.contains(wanted),
            "{condition} {recover}"
        );
    }
    let model = OwnRule {
        model: Some("chat".to_owned()),
        recover: Some("< 3%".to_owned()),
        ..rule("error_rate > 5%")
    };
    let explained = explain(&model).unwrap();
    assert_eq!(explained.recovers.as_deref(), Some("when no longer > 0.03"));
    assert!(explained.promql.contains("model=\"chat\""));
}

fn shaped(yaml: &str) -> Result<Explained, String> {
    let rule: OwnRule = serde_saphyr::from_str(yaml).map_err(|e| e.to_string())?;
    explain(&rule)
}

#[track_caller]
fn check_shape(yaml: &str, compares: Option<&str>, promql: &str) {
    let explained = shaped(yaml).unwrap();
    assert_eq!(explained.compares.as_deref(), compares, "{yaml}");
    assert_eq!(explained.promql, promql, "{yaml}");
}

#[test]
fn trends_are_slopes_limits_and_comparisons_with_the_past() {
    check_shape(
        "{name: r, trend: {of: x, over: 1h, rises: 10%}}",
        Some("> 0.1"),
        "deriv(x[1h]) * 3600 / clamp_min(abs(avg_over_time(x[1h])), 1e-9) and count_over_time(x[1h]) >= 10",
    );
    check_shape(
        "{name: r, trend: {of: sum(x), over: 10m, falls: 0.5}}",
        Some("< -0.5"),
        "deriv((sum(x))[10m:15s]) * 600 / clamp_min(abs(avg_over_time((sum(x))[10m:15s])), 1e-9) and count_over_time((sum(x))[10m:15s]) >= 10",
    );
    check_shape(
        "{name: r, trend: {of: x, over: 6h, reaches: 100%, within: 1d}}",
        Some("< 86400"),
        "(1 - (x)) / deriv(x[6h]) >= 0 and count_over_time(x[6h]) >= 10",
    );
    check_shape(
        "{name: r, trend: {of: x, against: 1w, changes: 30%}}",
        Some("> 0.3"),
        "abs((avg_over_time(x[15m]) - avg_over_time(x[15m] offset 1w)) / clamp_min(abs(avg_over_time(x[15m] offset 1w)), 1e-9))",
    );
}

#[test]
fn anomalies_are_series_above_one() {
    for method in [
        "{of: x}",
        "{of: x, method: seasonal}",
        "{of: x, method: peers, by: [job]}",
    ] {
        let explained = shaped(&format!("{{name: odd, anomaly: {method}}}")).unwrap();
        assert_eq!(explained.compares.as_deref(), Some("> 1"));
        let written: Vec<&str> = explained.records.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(
            written,
            [
                "lapwing_baseline{lapwing_rule=\"odd\"}",
                "lapwing_baseline_deviation{lapwing_rule=\"odd\"}",
                "lapwing_anomaly_score{lapwing_rule=\"odd\"}"
            ]
        );
    }
}

#[test]
fn a_burn_rate_has_a_fast_and_a_slow_alert() {
    let explained = shaped(
        "{name: slo, severity: critical, burn_rate: {bad: 'e{code=\"5\"}', total: e, objective: 99.5%}}",
    )
    .unwrap();
    assert!(explained.promql.contains("> 14.4") && explained.promql.contains("> 6"));
    assert_eq!(explained.records.len(), 5);
    assert!(
        explained.records[0].promql.ends_with("/ 0.005"),
        "{:?}",
        explained.records[0]
    );
    assert!(explained.also[0].name.contains("severity=\"warning\""));
}

#[test]
fn mistakes_in_shapes_are_told() {
    for (yaml, expect) in [
        ("{name: r}", "needs a 'condition'"),
        (
            "{name: r, condition: x > 1, trend: {of: x, rises: 1}}",
            "only one of",
        ),
        ("{name: r, trend: {of: x}}", "exactly one of"),
        ("{name: r, trend: {of: x, rises: 0}}", "above 0"),
        ("{name: r, trend: {of: x, reaches: 1}}", "needs 'within'"),
        ("{name: r, trend: {of: 'x >', rises: 1}}", "is not understood"),
        ("{name: r, trend: {of: x, rises: lots}}", "is not a share"),
        ("{name: r, trend: {of: x, over: soon, rises: 1}}", "'over'"),
        (
            "{name: r, anomaly: {of: x, weeks: 4}}",
            "belongs to 'method: seasonal'",
        ),
        ("{name: r, anomaly: {of: x, sensitivity: 0}}", "'sensitivity'"),
        ("{name: r, anomaly: {of: x, metod: peers}}", "metod"),
        ("{name: r, burn_rate: {bad: x, total: y}}", "'objective'"),
        (
            "{name: r, burn_rate: {bad: x, total: y, objective: 100%}}",
            "no budget",
        ),
        ("{name: r, burn_rate: {bad: x, objective: 99%}}", "'total'"),
    ] {
        let error = shaped(yaml).unwrap_err();
        assert!(error.contains(expect), "{yaml}: {error}");
    }
}
