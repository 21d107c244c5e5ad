//! promtool's unit-test files.

use lapwing_judge::rules::{check_expr, load_rule_file};
use lapwing_judge::testing::{Failure, TestFile, run_case};

const RULES: &str = r#"
groups:
  - name: example
    interval: 7s
    rules:
      - alert: InstanceDown
        expr: up == 0
        for: 5m
        labels: {severity: page}
        annotations: {summary: "Instance {{ $labels.instance }} down in {{ $externalLabels.dc }}"}
      - record: job:up:sum
        expr: sum by (job) (up)
"#;

fn failures(test: &str) -> Vec<Failure> {
    failures_from(test, 0)
}

fn failures_from(test: &str, start_ms: i64) -> Vec<Failure> {
    let text = format!("rule_files: [r.yml]\nevaluation_interval: 1m\ntests:\n  - {test}\n");
    let file = TestFile::parse("t.yml", &text).unwrap();
    let case = &file.tests[0].value;
    let options = file.options(case).unwrap();
    let groups = load_rule_file("r.yml", RULES, &options, &check_expr).unwrap();
    run_case(&file, case, (groups, start_ms), &mut |_, _| {})
}

const SERIES: &str = "external_labels: {dc: x}
    interval: 1m
    input_series:
      - {series: 'up{job=\"p\", instance=\"a\"}', values: '1 1 0x15'}
      - {series: 'up{job=\"p\", instance=\"b\"}', values: '1x17'}";

#[test]
fn the_documentation_s_kind_of_test_passes() {
    let found = failures(&format!(
        "{SERIES}
    alert_rule_test:
      - {{eval_time: 6m, alertname: InstanceDown}}
      - eval_time: 10m
        alertname: InstanceDown
        exp_alerts:
          - exp_labels: {{severity: page, instance: a, job: p}}
            exp_annotations: {{summary: Instance a down in x}}
    promql_expr_test:
      - {{expr: 'job:up:sum', eval_time: 4m, exp_samples: [{{labels: 'job:up:sum{{job=\"p\"}}', value: 1}}]}}
      - {{expr: 'sum(up)', eval_time: 1m, exp_samples: [{{labels: '{{}}', value: 2}}]}}"
    ));
    assert_eq!(found, []);
}

#[test]
fn a_test_may_start_between_two_minutes() {
    let test = format!(
        "{SERIES}
    alert_rule_test:
      - {{eval_time: 6m, alertname: InstanceDown}}
      - eval_time: 7m
        alertname: InstanceDown
        exp_alerts:
          - exp_labels: {{severity: page, instance: a, job: p}}
            exp_annotations: {{summary: Instance a down in x}}"
    );
    for start_ms in [0, 30_500, 1_763_700_007_123] {
        assert_eq!(failures_from(&test, start_ms), [], "{start_ms}");
    }
}

#[test]
fn what_differs_is_shown_with_its_place() {
    let found = failures(&format!(
        "{SERIES}
    alert_rule_test:
      - {{eval_time: 10m, alertname: InstanceDown}}
      - {{eval_time: 10m, alertname: Nobody}}
    promql_expr_test:
      - {{expr: 'sum(up)', eval_time: 1m, exp_samples: [{{value: 3}}]}}
      - {{expr: 'sum(', eval_time: 1m}}"
    ));
    assert_eq!(found.len(), 4, "{found:?}");
    assert_eq!(found[0].expected, [""; 0]);
    assert!(
        found[0].got[0].contains("instance=\"a\"") && found[0].line == 10,
        "{found:?}"
    );
    assert!(found[1].what.contains("Nobody"));
    assert_eq!(
        (found[2].expected[0].as_str(), found[2].got[0].as_str()),
        ("{} 3", "{} 2")
    );
}
