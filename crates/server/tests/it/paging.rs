//! From a sample to a page: a rule fires, a webhook is called, and a kill in between loses nothing.

use crate::support::Server;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// A page takes milliseconds; a machine under load gets this long.
pub(crate) const PAGE_TIMEOUT: Duration = Duration::from_secs(180);

/// A webhook receiver that takes every page and hands its body on.
pub(crate) fn receiver() -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/page", listener.local_addr().unwrap());
    let (pages, received) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut length = 0;
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap_or(0);
                }
                line.clear();
            }
            let mut body = vec![0; length];
            if reader.read_exact(&mut body).is_ok() {
                let _ = pages.send(String::from_utf8_lossy(&body).into_owned());
                let _ = reader
                    .get_mut()
                    .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            }
        }
    });
    (url, received)
}

fn config(dir: &std::path::Path, url: &str) -> String {
    let file = dir.join("lapwing.yml");
    let text = format!(
        "global: {{ evaluation_interval: 1s }}\n\
         rules:\n  - name: loss_too_high\n    condition: loss > 0.5\n    severity: critical\n\
         route: {{ receiver: hook, group_by: [alertname], group_wait: 0s, group_interval: 1s }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: '{url}' }}] }}]\n"
    );
    std::fs::write(&file, text).unwrap();
    format!("--config={}", file.display())
}

fn push_loss(server: &Server, value: f64) {
    let body = format!(r#"{{"name": "loss", "value": {value}, "labels": {{"model": "chat"}}}}"#);
    let answer = server.post(
        "/api/v1/push",
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    );
    assert_eq!(answer.status, 200, "{}", answer.body);
}

#[test]
fn a_rule_fires_and_the_webhook_is_called_once_even_over_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let (url, pages) = receiver();
    let config = config(dir.path(), &url);
    let data = dir.path().join("data");
    let server = Server::start(&data, &[&config]);
    push_loss(&server, 0.9);
    let page = pages.recv_timeout(PAGE_TIMEOUT).expect("a page");
    let page: serde_json::Value = serde_json::from_str(&page).unwrap();
    assert_eq!(page["status"], "firing");
    assert_eq!(page["alerts"][0]["labels"]["alertname"], "loss_too_high");
    assert_eq!(page["alerts"][0]["labels"]["model"], "chat");
    let ledger = server.until("/api/v1/ledger", |answer| answer.body.contains("delivered"));
    assert!(ledger.body.contains("intended"), "{}", ledger.body);
    server.kill();

    let server = Server::start(&data, &[&config]);
    let alerts = server.get("/api/v2/alerts").json();
    assert_eq!(alerts[0]["labels"]["alertname"], "loss_too_high", "{alerts}");
    push_loss(&server, 0.1);
    let next = pages.recv_timeout(PAGE_TIMEOUT).expect("the end is told");
    let next: serde_json::Value = serde_json::from_str(&next).unwrap();
    assert_eq!(next["status"], "resolved", "told again what was told: {next}");
}

/// What asks a directory starts an engine without rules: it must not take what fires for an orphan that has ended.
#[test]
fn who_only_asks_the_directory_ends_no_alert() {
    let dir = tempfile::tempdir().unwrap();
    let (url, pages) = receiver();
    let config = config(dir.path(), &url);
    let data = dir.path().join("data");
    let server = Server::start(&data, &[&config]);
    push_loss(&server, 0.9);
    pages.recv_timeout(PAGE_TIMEOUT).expect("a page");
    server.until("/api/v1/ledger", |answer| answer.body.contains("delivered"));
    let began = |server: &Server| server.get("/api/v2/alerts").json()[0]["startsAt"].clone();
    let before = began(&server);
    server.kill();
    let file = config.trim_start_matches("--config=");
    for words in [&["query", "loss"][..], &["rules", "lint", file]] {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(words)
            .arg(format!("--data={}", data.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code().is_some_and(|c| c < 2), "{words:?}: {said}");
    }
    let server = Server::start(&data, &[&config]);
    assert_eq!(began(&server), before, "the same firing goes on");
    let decisions = server.get("/api/v1/decisions?alertname=loss_too_high").body;
    assert!(
        decisions.contains("firing") && !decisions.contains("rule_removed"),
        "{decisions}"
    );
    push_loss(&server, 0.1);
    let next = pages.recv_timeout(PAGE_TIMEOUT).expect("the end is told");
    assert!(next.contains("\"status\":\"resolved\""), "{next}");
    let told = server.get("/api/v1/ledger").json().to_string();
    assert_eq!(
        told.matches("\"intended\"").count(),
        2,
        "one beginning and one end: {told}"
    );
}

#[test]
fn alertmanager_clients_can_post_and_silence() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let json = [("Content-Type", "application/json")];
    let posted = server.post(
        "/api/v2/alerts",
        &json,
        br#"[{"labels": {"alertname": "x", "job": "y"}}]"#,
    );
    assert_eq!(posted.status, 200, "{}", posted.body);
    let silence = br#"{"matchers": [{"name": "job", "value": "y", "isRegex": false}], "startsAt": "2020-01-01T00:00:00Z",
        "endsAt": "2099-01-01T00:00:00Z", "createdBy": "me", "comment": "planned"}"#;
    let set = server.post("/api/v2/silences", &json, silence);
    assert_eq!(set.status, 200, "{}", set.body);
    let id = set.json()["silenceID"].as_str().unwrap().to_owned();
    let alerts = server.get("/api/v2/alerts").json();
    assert_eq!(alerts[0]["status"]["silencedBy"][0], id.as_str(), "{alerts}");
    let bad = server.post("/api/v2/alerts", &json, br#"[{"labels": {}}]"#);
    assert_eq!(bad.status, 400);
}
