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

/// All that is said of a file: place and reason of each mistake begin so, in this order.
fn check_said(text: &str, expect: &[&str]) {
    let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
    let said: Vec<String> = errors
        .iter()
        .map(|e| format!("{}:{} {}", e.line, e.column, e.reason))
        .collect();
    assert_eq!(said.len(), expect.len(), "{said:#?}");
    for (said, expect) in said.iter().zip(expect) {
        assert!(said.starts_with(expect), "{said} is not {expect}");
    }
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
    let expect = [
        "3:5 unknown key \"intervall\": did you mean \"interval\"?",
        "7:9 unknown key \"fro\": did you mean \"for\"?",
        "8:9 unknown key \"colour\": known here: record, alert, expr, for, keep_firing_for, labels, annotations",
        "10:19 could not parse expression",
        "11:14 \"1.5s\" is not a duration",
        "12:1 unknown key \"groupz\": did you mean \"groups\"?",
    ];
    check_said(text, &expect);
    // Nor does a value of another kind hide the keys.
    let text = "groups:\n  - name: a\n    rulez: []\n    interval: [1m]\n";
    let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
    let lines: Vec<u64> = errors.iter().map(|e| e.line).collect();
    assert_eq!(lines, [3, 4], "{errors:#?}");
}

#[test]
fn every_value_of_the_wrong_kind_is_said_and_hides_nothing() {
    let text = r#"groups:
  - name: a
    interval: [1m]
    limit: many
    labels: [team]
    rules:
      - alert: X
        expr: {query: up}
        for: 1.5
        labels: {severity: [page], team: x}
      - alert: Y
        expr: sum(
        annotations: soon
      - just a text
      - record: [a]
        expr: up
        keep_firing_for: {}
  - name: {}
    rules: none
  - name: {}
    query_offset: soon
"#;
    let expect = [
        "3:15 interval must be a text, and not a list",
        "4:12 limit must be a whole number, and not \"many\"",
        "5:13 labels must be a mapping of names to texts, and not a list",
        "8:15 expr must be a text, and not a mapping",
        "9:14 \"1.5\" is not a duration",
        "10:28 severity in labels must be a text, and not a list",
        "12:19 could not parse expression",
        "13:22 annotations must be a mapping of names to texts, and not \"soon\"",
        "14:9 a rule must be a mapping, and not \"just a text\"",
        "15:17 record must be a text, and not a list",
        "17:26 keep_firing_for must be a text, and not a mapping",
        "18:11 name must be a text, and not a mapping",
        "19:12 rules must be a list, and not \"none\"",
        "20:11 name must be a text, and not a mapping",
        "21:19 \"soon\" is not a duration",
    ];
    check_said(text, &expect);
    let check_one = |text: &str, expect: &str| {
        let errors = load_rule_file("f.yml", text, &RulesOptions::default(), &check).unwrap_err();
        assert_eq!(errors.len(), 1, "{errors:#?}");
        assert!(errors[0].to_string().starts_with(expect), "{}", errors[0]);
    };
    check_one(
        "- groups\n",
        "f.yml:1:1: the file must be a mapping with the key \"groups\", and not a list",
    );
    // What is no YAML at all, and what is a mistake of another sort, are said as before.
    check_one("groups: [\n", "f.yml:1:9: ");
    check_one("groups: []\ngroups: []\n", "f.yml:2:1: ");
}
