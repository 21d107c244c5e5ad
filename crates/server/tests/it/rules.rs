//! Rules from outside: the built-in packs, `lapwing rules`, `lapwing test` and the back-test API, with the real binary.

use crate::support::Server;
use std::path::Path;
use std::process::{Command, Output};

fn lapwing(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(args)
        .current_dir(dir)
        .output()
        .expect("the binary runs")
}

fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

const PAGES: &str = r#"
evaluation_interval: 1m
rules:
  - { name: down, condition: up == 0, for: 5m, severity: critical, summary: "{{ $labels.instance }} is down" }
  - { name: slow, condition: lag > 3, severity: warning }
notify:
  route:
    receiver: team
    group_by: [alertname]
    group_wait: 30s
    group_interval: 5m
    repeat_interval: 4h
    routes: [{ receiver: night, matchers: [severity=warning], mute_time_intervals: [night] }]
  time_intervals: [{ name: night, time_intervals: [{ times: [{ start_time: "00:00", end_time: "06:00" }] }] }]
  receivers:
    - { name: team, webhook: [{ url: 'http://127.0.0.1:1/' }] }
    - { name: night, webhook: [{ url: 'http://127.0.0.1:1/' }] }
tests:
  - name: a dead target is paged once and its end is told
    start: "2026-11-20T02:00:00Z"
    interval: 1m
    input_series:
      - { series: 'up{instance="a"}', values: '1 1 0x10 1x10' }
      - { series: lag, values: '5x20' }
    pages:
      - { at: 7m, receiver: team, firing: [down], contains: ["a is down"] }
      - { at: 17m, receiver: team, resolved: [down] }
"#;

#[test]
fn a_test_goes_from_samples_to_the_message() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.yml"), PAGES).unwrap();
    let output = lapwing(dir.path(), &["test", "t.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    // In the day the second route is not muted.
    let day = PAGES.replace("T02:00", "T10:00");
    std::fs::write(dir.path().join("t.yml"), day).unwrap();
    let output = lapwing(dir.path(), &["test", "t.yml", "--junit", "out.xml"]);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let said = text(&output);
    assert!(
        said.contains("+ ") && said.contains("to night: firing [\"slow\"]"),
        "{said}"
    );
    let xml = std::fs::read_to_string(dir.path().join("out.xml")).unwrap();
    assert!(
        xml.contains("failures=\"1\"") && xml.contains("&quot;slow&quot;"),
        "{xml}"
    );
}

const MEANWHILE: &str = r#"
evaluation_interval: 1m
rules: [{ name: down, condition: up == 0, severity: critical }]
notify:
  route: { receiver: team, group_by: [alertname], group_wait: 30s, group_interval: 5m, repeat_interval: 10m }
  receivers:
    - { name: team, webhook: [{ url: 'http://127.0.0.1:1/' }] }
    - { name: boss, webhook: [{ url: 'http://127.0.0.1:1/' }] }
  lapwing:
    fallback_receiver: boss
    escalations: [{ name: e, matchers: [severity="critical"], steps: [{ after: 15m, receiver: boss }] }]
tests:
  - name: nobody takes it
    input_series: &down [{ series: 'up{instance="a"}', values: '0x35' }]
    until: 34m
    pages:
      - { at: 0m, receiver: team, firing: [down] }
      - { at: 10m, receiver: team, firing: [down] }
      - { at: 15m, receiver: boss, firing: [down] }
      - { at: 20m, receiver: team, firing: [down] }
      - { at: 30m, receiver: team, firing: [down] }
  - name: somebody has it for a while
    input_series: *down
    until: 34m
    meanwhile: [{ at: 3m, ack: down, by: ann, for: 20m }]
    pages:
      - { at: 0m, receiver: team, firing: [down] }
      - { at: 23m, receiver: team, firing: [down] }
      - { at: 23m, receiver: boss, firing: [down] }
      - { at: 33m, receiver: team, firing: [down] }
  - name: a silence
    input_series: *down
    until: 12m
    meanwhile: [{ at: 0m, silence: 'instance="a"', for: 1h }]
    pages: []
  - name: the receiver is out and the other one takes it
    input_series: *down
    until: 9m
    meanwhile: [{ at: 0m, outage: team, for: 1h }]
    pages: [{ at: 5m, receiver: boss, firing: [down] }]
"#;

#[test]
fn people_and_networks_stand_in_a_test_too() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("t.yml"), MEANWHILE).unwrap();
    let output = lapwing(dir.path(), &["test", "t.yml"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let check = |from: &str, to: &str, wanted: &str| {
        std::fs::write(dir.path().join("t.yml"), MEANWHILE.replacen(from, to, 1)).unwrap();
        let output = lapwing(dir.path(), &["test", "t.yml"]);
        assert_eq!(output.status.code(), Some(1), "{}", text(&output));
        assert!(
            text(&output).contains(wanted),
            "no {wanted:?} in {}",
            text(&output)
        );
    };
    check(
        "ack: down",
        "ack: up",
        "meanwhile: nothing fires then that matches",
    );
    check("outage: team", "outage: tema", "no receiver is called \"tema\"");
    check(
        "ack: down",
        "ack: down, outage: team",
        "one of ack, unack, silence and outage",
    );
    check("{ at: 3m, ack", "{ at: 3h, ack", "the test is over before this");
    check(
        ", for: 1h }]\n    pages: []",
        " }]\n    pages: []",
        "a silence says how long",
    );
}

#[test]
fn a_test_file_with_mistakes_is_refused_with_their_places() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(
        dir.path().join("t.yml"),
        "rules:\n  - name: a\n    condition: x >\n  - name: b\n    trend: {of: x}\nrule_files: [none.yml]\npacks: [hosts]\ntests: []\n",
    )
    .unwrap();
    let output = lapwing(dir.path(), &["test", "t.yml"]);
    let said = text(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    for expect in ["t.yml:2:", "t.yml:4:", "no file matches", "no pack is called"] {
        assert!(said.contains(expect), "{expect}: {said}");
    }
}

#[test]
fn rules_are_explained_and_linted() {
    let dir = tempfile::tempdir().unwrap();
    let config = "rules:\n  - { name: busy, condition: cpu_usage > 80 }\n  - { name: odd, anomaly: { of: lag } }\npacks: { gpu: off }\n";
    std::fs::write(dir.path().join("lapwing.yml"), config).unwrap();
    let explained = text(&lapwing(dir.path(), &["rules", "explain"]));
    assert!(
        explained.contains("lapwing_anomaly_score{lapwing_rule=\"odd\"}")
            && explained.contains("node_cpu_seconds_total"),
        "{explained}"
    );
    assert!(explained.contains("host_disk_full") && !explained.contains("gpu_hot"));
    let check = lapwing(dir.path(), &["check"]);
    let said = text(&check);
    assert!(
        check.status.success() && said.contains("it is a ratio: write > 0.8"),
        "{said}"
    );
    let data = dir.path().join("data");
    std::fs::create_dir(&data).unwrap();
    {
        let server = Server::start(&data, &[]);
        push(&server, "lagg", &[1.0]);
        let url = server.url.clone();
        let lint = lapwing(dir.path(), &["rules", "lint", "--server", &url]);
        let said = text(&lint);
        assert_eq!(lint.status.code(), Some(1), "{said}");
        assert!(
            said.contains("no series is called lag") && said.contains("did you mean lagg?"),
            "{said}"
        );
    }
    let nobody = lapwing(dir.path(), &["rules", "lint", "--server", "http://127.0.0.1:1"]);
    assert_eq!(nobody.status.code(), Some(3));
}

/// One value a minute, the last one now.
fn push(server: &Server, name: &str, values: &[f64]) {
    let now_s = lapwing::Clock::system().now_ms() / 1000;
    let mut body = String::new();
    for (i, value) in values.iter().enumerate() {
        let t_ms = (now_s - 60 * (values.len() - 1 - i) as i64) * 1000;
        body.push_str(&format!("{name}{{gpu=\"0\"}} {value} {t_ms}\n"));
    }
    let answer = server.post("/api/v1/import/prometheus", &[], body.as_bytes());
    assert!(answer.status < 300, "{}", answer.body);
}

#[test]
fn a_rule_is_tried_on_the_past() {
    let data = tempfile::tempdir().unwrap();
    let mut values = vec![60.0; 50];
    values[10..20].fill(95.0);
    values[30..32].fill(95.0);
    let body = r#"{"rule": {"name": "hot", "condition": "heat > 85", "for": "3m", "severity": "critical"}, "since": "1h", "step": "1m"}"#;
    let fired = |answer: &serde_json::Value| {
        let intervals = answer["data"]["intervals"].as_array().unwrap();
        assert_eq!(intervals.len(), 1, "{answer}");
        assert_eq!(intervals[0]["labels"]["gpu"], "0");
        let seconds = intervals[0]["seconds"].as_i64().unwrap();
        assert!((300..=600).contains(&seconds), "{answer}");
    };
    {
        let server = Server::start(data.path(), &[]);
        push(&server, "heat", &values);
        let answer = server.post("/api/v1/rules/backtest", &[], body.as_bytes());
        assert_eq!(answer.status, 200, "{}", answer.body);
        fired(&answer.json());
        assert!(
            answer.json()["data"]["yaml"]
                .as_str()
                .unwrap()
                .contains("heat > 85")
        );
        let wrong = server.post(
            "/api/v1/rules/backtest",
            &[],
            b"{rule: {name: x, condition: 'a >'}}",
        );
        assert!(
            wrong.status == 400 && wrong.body.contains("is not understood"),
            "{}",
            wrong.body
        );
        let rules = server.until("/api/v1/rules?type=alert", |a| {
            a.body.contains("\"file\":\"packs/host.yml\"")
        });
        let group = &rules.json()["data"]["groups"][0];
        assert!(group["evaluationTime"].is_number() && group["rules"][0]["evaluationTime"].is_number());
        let url = server.url.clone();
        let args = [
            "rules",
            "backtest",
            "--condition",
            "heat > 85",
            "--for",
            "3m",
            "--since",
            "1h",
            "--server",
            &url,
        ];
        let said = text(&lapwing(data.path(), &args));
        assert!(said.contains("condition: fired 1 times"), "{said}");
    }
}
