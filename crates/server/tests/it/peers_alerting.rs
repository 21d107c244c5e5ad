//! Alerts between Lapwing and its peers: Prometheus as a sender, amtool as a client, Alertmanager as a receiver.
//!
//! Needs: prometheus, prometheus-alertmanager, amtool

use crate::support::Server;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The program in the path; a test that lacks it says so and is skipped.
fn peer_program(test: &str, program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let found = std::env::split_paths(&path)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file());
    if found.is_none() {
        eprintln!("SKIPPED {test}: {program} is not installed");
    }
    found
}

/// A peer that ends with the test.
struct Peer(Child);

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn free_address() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().to_string()
}

fn start_peer(program: &Path, args: &[String]) -> Peer {
    let child = Command::new(program)
        .args(args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    Peer(child)
}

/// Asks until the body is as wanted; a machine under load gets a minute.
fn until(url: &str, wanted: impl Fn(&str) -> bool) -> String {
    let mut last = String::new();
    for _ in 0..600 {
        if let Ok(mut answer) = ureq::get(url).call() {
            last = answer.body_mut().read_to_string().unwrap_or_default();
            if wanted(&last) {
                return last;
            }
        }
        std::thread::park_timeout(Duration::from_millis(100));
    }
    panic!("{url} did not answer as wanted; the last answer: {last}");
}

fn lapwing(dir: &Path, config: &str) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    Server::start(&dir.join("data"), &[&format!("--config={}", file.display())])
}

#[test]
fn prometheus_sends_its_alerts_to_lapwing() {
    let Some(prometheus) = peer_program("prometheus_sends_its_alerts_to_lapwing", "prometheus") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = lapwing(dir.path(), "host: { enabled: false }\n");
    let target = server.url.trim_start_matches("http://");
    std::fs::write(
        dir.path().join("rules.yml"),
        "groups: [{ name: g, interval: 1s, rules: [{ alert: AlwaysOn, expr: vector(1), labels: { severity: critical }, annotations: { summary: 'it is {{ $value }}' } }] }]\n",
    )
    .unwrap();
    std::fs::write(
        dir.path().join("prometheus.yml"),
        format!(
            "global: {{ evaluation_interval: 1s, external_labels: {{ cluster: eu }} }}\nrule_files: [rules.yml]\n\
             alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{target}'] }}] }}] }}\n"
        ),
    )
    .unwrap();
    let _peer = start_peer(
        &prometheus,
        &[
            format!("--config.file={}", dir.path().join("prometheus.yml").display()),
            format!("--storage.tsdb.path={}", dir.path().join("tsdb").display()),
            format!("--web.listen-address={}", free_address()),
            // What is sent before it has found us is lost, and said again after this.
            "--rules.alert.resend-delay=1s".to_owned(),
        ],
    );
    let alerts = server
        .until("/api/v2/alerts", |a| a.body.contains("AlwaysOn"))
        .json();
    let alert = &alerts[0];
    assert_eq!(alert["labels"]["cluster"], "eu", "{alert}");
    assert_eq!(alert["annotations"]["summary"], "it is 1");
    assert_eq!(alert["status"]["state"], "active");
    assert!(
        alert["generatorURL"]
            .as_str()
            .unwrap()
            .contains("/graph?g0.expr=vector")
    );
}

#[test]
fn amtool_works_against_lapwing() {
    let Some(amtool) = peer_program("amtool_works_against_lapwing", "amtool") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let server = lapwing(
        dir.path(),
        "host: { enabled: false }\nroute: { receiver: team, group_by: [alertname] }\nreceivers: [{ name: team }]\n",
    );
    let run = |args: &[&str]| -> (bool, String) {
        let output = Command::new(&amtool)
            .arg(format!("--alertmanager.url={}", server.url))
            .args(args)
            .output()
            .unwrap();
        let text = if output.status.success() {
            output.stdout
        } else {
            output.stderr
        };
        (
            output.status.success(),
            String::from_utf8_lossy(&text).into_owned(),
        )
    };
    let check = |args: &[&str], wanted: &[&str]| -> String {
        let (succeeded, text) = run(args);
        assert!(succeeded, "amtool {args:?}: {text}");
        for word in wanted {
            assert!(text.contains(word), "amtool {args:?}: no {word:?} in {text}");
        }
        text
    };
    check(
        &[
            "alert",
            "add",
            "HighLoss",
            "model=chat",
            "--annotation=summary=too high",
        ],
        &[],
    );
    check(&["alert", "query", "-o", "extended"], &["HighLoss", "too high"]);
    check(&["alert", "query", "model=other", "-o", "simple"], &[]);
    let id = check(
        &[
            "silence",
            "add",
            "alertname=HighLoss",
            "--comment=known",
            "--author=ann",
            "--duration=1h",
        ],
        &[],
    );
    let id = id.lines().next().unwrap_or_default().trim().to_owned();
    check(&["silence", "query"], &[&id, "ann"]);
    check(&["alert", "query", "--silenced", "-o", "simple"], &["HighLoss"]);
    check(&["silence", "expire", &id], &[]);
    check(&["silence", "query", "--expired"], &[&id]);
    check(&["config", "show"], &["team"]);
    let (succeeded, text) = run(&["silence", "add", "--comment=everything", "--author=ann", "x=~.*"]);
    assert!(!succeeded, "{text}");
}

#[test]
fn alerts_are_handed_on_to_an_alertmanager_and_end_there() {
    let name = "alerts_are_handed_on_to_an_alertmanager_and_end_there";
    let Some(alertmanager) = peer_program(name, "prometheus-alertmanager") else {
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let address = free_address();
    let config = dir.path().join("alertmanager.yml");
    std::fs::write(&config, "route: { receiver: r }\nreceivers: [{ name: r }]\n").unwrap();
    let server = lapwing(
        dir.path(),
        &format!(
            "host: {{ enabled: false }}\nglobal: {{ evaluation_interval: 1s, external_labels: {{ cluster: eu }} }}\n\
             rules: [{{ name: loss_too_high, condition: loss > 0.5, severity: critical }}]\n\
             alerting: {{ alertmanagers: [{{ static_configs: [{{ targets: ['{address}'] }}] }}] }}\n"
        ),
    );
    let push = |value: f64| {
        let body = format!(r#"{{"name": "loss", "value": {value}, "labels": {{"model": "chat"}}}}"#);
        let answer = server.post(
            "/api/v1/push",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    push(0.9);
    // It comes up after the alert fired: what was missed is said again.
    server.until("/api/v1/alerts", |a| a.body.contains("\"firing\""));
    let _peer = start_peer(
        &alertmanager,
        &[
            format!("--config.file={}", config.display()),
            format!("--storage.path={}", dir.path().join("am").display()),
            format!("--web.listen-address={address}"),
            "--cluster.listen-address=".to_owned(),
        ],
    );
    let url = format!("http://{address}/api/v2/alerts");
    let alerts = until(&url, |body| body.contains("loss_too_high"));
    assert!(alerts.contains("\"cluster\":\"eu\""), "{alerts}");
    let status = server.get("/api/v1/alertmanagers").json();
    assert_eq!(
        status["data"]["activeAlertmanagers"][0]["lastError"],
        serde_json::Value::Null
    );
    push(0.1);
    until(&url, |body| !body.contains("loss_too_high"));
}
