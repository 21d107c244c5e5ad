//! Templates of rules, against what Prometheus 3.5.3 showed in `/api/v1/alerts` for this very file.

use crate::promql::Samples;
use lapwing_judge::rules::{QueryEvaluator, Rules, RulesOptions, RulesState, check_expr, load_rule_file};
use lapwing_query::QueryOptions;
use lapwing_types::Labels;

const RULES: &str = r#"
groups:
- name: g
  rules:
  - alert: T
    expr: label_replace(vector(1234567), "instance", "a:1", "", "") > 0
    labels: {lv: "{{ $value }}", li: "{{ $labels.instance | stripPort }}"}
    annotations:
      a01: '{{ humanize $value }} {{ humanize 0.00123 }} {{ humanize 999.99 }} {{ humanize 1000.0 }} {{ humanize -1234567.0 }}'
      a02: '{{ humanize1024 $value }} {{ humanize1024 1023.0 }} {{ humanize1024 1536.0 }}'
      a03: '{{ humanizeDuration 93784.5 }} {{ humanizeDuration 0.0123 }} {{ humanizeDuration 59.9 }} {{ humanizeDuration 60.0 }} {{ humanizeDuration -3600.0 }} {{ humanizeDuration 0.0 }}'
      a04: '{{ humanizePercentage 0.123456 }} {{ humanizePercentage 1.0 }} {{ humanizeTimestamp 1435065584.128 }} {{ humanizeTimestamp 1435065584.0 }}'
      a05: '{{ query "label_replace(vector(7),\"instance\",\"a:1\",\"\",\"\") or label_replace(vector(3),\"instance\",\"b:1\",\"\",\"\")" | first | value }} {{ query "label_replace(vector(7),\"instance\",\"a:1\",\"\",\"\") or label_replace(vector(3),\"instance\",\"b:1\",\"\",\"\")" | first | label "instance" }} {{ range query "label_replace(vector(7),\"instance\",\"a:1\",\"\",\"\") or label_replace(vector(3),\"instance\",\"b:1\",\"\",\"\")" | sortByLabel "instance" }}{{ .Labels.instance }}={{ .Value }} {{ end }}'
      a06: '{{ $labels }} {{ $externalLabels }} {{ $labels.nope }}'
      a07: '{{ title "hello wORLD foo-bar" }} {{ toUpper "a" }} {{ match "a.*" "abc" }} {{ reReplaceAll "(a)(b)" "$2$1" "abc" }}'
      a08: '{{ with query "nope" }}{{ . | first | value }}{{ else }}none{{ end }} {{ args 1 "b" }}'
      a09: '{{ tableLink "up{a=\"b\"}" }} {{ graphLink "up" }}'
      a10: '{{ stripDomain "host.example.com:80" }} {{ stripDomain "10.0.0.1:80" }} {{ stripPort "[::1]:80" }} {{ parseDuration "1h30m" }}'
      a12: '{{ if gt $value 5.0 }}big{{ end }} {{ printf "%.2f" $value }} {{ $value | printf "%.0f" }}'
      a14: '{{ toTime 1435065584.0 }} {{ (toTime 1435065584.0).Year }}'
"#;

#[test]
fn templates_print_what_prometheus_prints() {
    let options = RulesOptions {
        external_labels: vec![("ext".to_owned(), "e".to_owned())],
        interval_ms: 1_000,
        ..RulesOptions::default()
    };
    let groups = load_rule_file("f", RULES, &options, &check_expr).unwrap();
    let (rules, mut state) = (Rules::new(groups, options), RulesState::default());
    let source = Samples(Vec::new());
    for now_ms in [1_000_000_000_000, 1_000_000_002_000] {
        let mut evaluator = QueryEvaluator::new(&source, QueryOptions::default(), 1);
        rules.tick(now_ms, &mut evaluator, &mut state);
    }
    let view = rules.alerts_view(&state);
    let alert = &view.alerts[0];
    assert_eq!(
        alert.labels.to_string(),
        r#"{alertname="T", instance="a:1", li="a", lv="1.234567e+06"}"#
    );
    assert_eq!(alert.value, "1.234567e+06");
    let expect = [
        ("a01", r#"1.235M 1.23m 1000 1k -1.235M"#),
        ("a02", r#"1.177Mi 1023 1.5ki"#),
        ("a03", r#"1d 2h 3m 4s 12.3ms 59.9s 1m 0s -1h 0m 0s 0s"#),
        (
            "a04",
            r#"12.35% 100% 2015-06-23 13:19:44.128 +0000 UTC 2015-06-23 13:19:44 +0000 UTC"#,
        ),
        ("a05", r#"7 a:1 a:1=7 b:1=3 "#),
        ("a06", r#"map[instance:a:1] map[ext:e] "#),
        ("a07", r#"Hello WORLD Foo-Bar A true bac"#),
        ("a08", r#"none map[arg0:1 arg1:b]"#),
        (
            "a09",
            r#"/graph?g0.expr=up%7Ba%3D%22b%22%7D&g0.tab=1 /graph?g0.expr=up&g0.tab=0"#,
        ),
        ("a10", r#"host:80 10.0.0.1:80 ::1 5400"#),
        ("a12", r#"big 1234567.00 1234567"#),
        ("a14", r#"2015-06-23 13:19:44 +0000 UTC 2015"#),
    ];
    assert_eq!(alert.annotations, Labels::from_pairs(expect).unwrap());
}
