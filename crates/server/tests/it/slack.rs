//! A bot in Slack, from a sample to the message, its graph, its change, and over a restart.

use crate::door::Door;
use crate::support::Server;
use std::path::Path;

fn slack() -> Door {
    Door::open(|path, own| match path {
        "/api/chat.postMessage" => r#"{"ok":true,"channel":"C1","ts":"17.5"}"#.to_owned(),
        "/api/files.getUploadURLExternal" => {
            format!(r#"{{"ok":true,"upload_url":"{own}upload","file_id":"F1"}}"#)
        }
        _ => r#"{"ok":true}"#.to_owned(),
    })
}

fn start(dir: &Path, door: &Door) -> Server {
    let file = dir.join("lapwing.yml");
    let config = format!(
        "host: {{ enabled: false }}\nglobal: {{ evaluation_interval: 1s }}\n\
         rules: [{{ name: loss_too_high, condition: loss > 0.5, severity: critical }}]\n\
         notify:\n  route: {{ receiver: team, group_wait: 0s, group_interval: 1s }}\n  \
         receivers: [{{ name: team, slack: [{{ bot_token: xoxb-1, channel: ops, send_resolved: true, \
         app_url: '{}api/chat.postMessage' }}] }}]\n",
        door.url
    );
    std::fs::write(&file, config).unwrap();
    Server::start(&dir.join("data"), &[&format!("--config={}", file.display())])
}

fn push(server: &Server, value: f64) {
    let body = format!(r#"{{"name": "loss", "value": {value}, "labels": {{"model": "chat"}}}}"#);
    let json = [("Content-Type", "application/json")];
    assert_eq!(server.post("/api/v1/push", &json, body.as_bytes()).status, 200);
}

#[test]
fn one_message_per_trouble_with_a_graph_and_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let door = slack();
    let server = start(dir.path(), &door);
    push(&server, 0.9);
    let page = door.wait_for("/api/chat.postMessage").text();
    assert!(
        page.contains("loss_too_high") && page.contains("\"channel\":\"ops\""),
        "{page}"
    );
    // The picture is real, and comes after the page.
    let picture = door.wait_for("/upload");
    assert!(
        picture.body.starts_with(b"\x89PNG"),
        "{} bytes",
        picture.body.len()
    );
    let shown = door.wait_for("/api/files.completeUploadExternal").text();
    assert!(
        shown.contains("\"thread_ts\":\"17.5\"") && shown.contains("against 0.5"),
        "{shown}"
    );

    server.kill();
    let server = start(dir.path(), &door);
    push(&server, 0.1);
    let change = door.wait_for("/api/chat.update").text();
    assert!(
        change.contains("\"ts\":\"17.5\"") && change.contains("RESOLVED"),
        "{change}"
    );
    let note = door.wait_for("/api/chat.postMessage").text();
    assert!(
        note.contains("Resolved after") && note.contains("\"thread_ts\":\"17.5\""),
        "{note}"
    );
    server.until("/api/v1/ledger", |a| {
        a.body.contains("message changed, said in its thread")
    });
}
