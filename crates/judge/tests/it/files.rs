//! Rule files: what they mean, and every mistake with its place.

use lapwing_judge::rules::{RuleKind, RulesOptions, check_expr as check, load_rule_file};

#[test]
fn reads_prometheus_files_unchanged() {
    let text = r#"
groups:
  - name: node
    interval: 15s
    query_offset: 30s
    limit: 10
    labels: {team: infra}
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
        labels: {a: 1}
      - alert: Down
        expr: |
          up == 0
        for: 5m
        keep_firing_for: 10m
        labels: {severity: page}
        annotations: {summary: "{{ $labels.job | title }} down"}
"#;
    let groups = load_rule_file("f", text, &RulesOptions::default(), &check).unwrap();
    let group = &groups[0];
    assert_eq!(
        (group.interval_ms, group.query_offset_ms, group.limit),
        (15_000, 30_000, 10)
    );
    let record = &group.rules[0];
    assert_eq!(
        record.labels,
        [
            ("a".to_owned(), "1".to_owned()),
            ("team".to_owned(), "infra".to_owned())
        ]
    );
    let RuleKind::Alerting(alert) = &group.rules[1].kind else {
        panic!("an alert")
    };
    assert_eq!(
        (alert.for_ms, alert.keep_firing_for_ms, group.rules[1].line),
        (300_000, 600_000, 12)
    );
    assert!(
        load_rule_file("f", "", &RulesOptions::default(), &check)
            .unwrap()
            .is_empty()
    );
}

#[test]
fn all_mistakes_at_once_with_their_places() {
    let text = r#"groups:
  - name: a
    rules:
      - alert: X
        expr: sum(
      - alert: Y
        expr: up
        for: soon
      - expr: up
      - record: z
        expr: up
        for: 1m
      - alert: T
        expr: up
        annotations: {s: "{{ nope }}"}
  - name: a
"#;
    let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
    let places: Vec<(u64, &str)> = errors
        .iter()
        .map(|e| (e.line, e.reason.split(':').next().unwrap()))
        .collect();
    let expect = [
        (5, "could not parse expression"),
        (8, "\"soon\" is not a duration such as 30s, 5m or 1h30m"),
        (9, "one of 'record' or 'alert' must be set"),
        (12, "invalid field in recording rule"),
        (15, "could not parse template"),
        (16, "group \"a\" is repeated in the same file"),
    ];
    assert_eq!(places, expect);
}

#[test]
fn an_unknown_key_hides_no_other_mistake() {
    let text = r#"groups:
  - name: a
    intervall: 1m
    rules:
      - alert: X
        expr: up
        fro: 5m
        colour: red
      - alert: Y
        expr: sum(
        for: 1.5s
groupz: []
"#;
    let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
    let said: Vec<String> = errors
        .iter()
        .map(|e| format!("{}:{} {}", e.line, e.column, e.reason))
        .collect();
    let expect = [
        "3:5 unknown key \"intervall\": did you mean \"interval\"?",
        "7:9 unknown key \"fro\": did you mean \"for\"?",
        "8:9 unknown key \"colour\": known here: record, alert, expr, for, keep_firing_for, labels, annotations",
        "10:15 could not parse expression",
        "11:14 \"1.5s\" is not a duration",
        "12:1 unknown key \"groupz\": did you mean \"groups\"?",
    ];
    assert_eq!(said.len(), expect.len(), "{said:#?}");
    for (said, expect) in said.iter().zip(expect) {
        assert!(said.starts_with(expect), "{said} is not {expect}");
    }
    // Nor does a value of another kind hide the keys.
    let text = "groups:\n  - name: a\n    rulez: []\n    interval: [1m]\n";
    let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
    let lines: Vec<u64> = errors.iter().map(|e| e.line).collect();
    assert_eq!(lines, [3, 4], "{errors:#?}");
}
