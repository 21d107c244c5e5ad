//! Other models and checks come into force without a restart: what stays keeps its state, what is gone ends its series.

use crate::fake_model::{Model, Mood};
use crate::health::model_state;
use crate::support::Server;
use serde_json::Value;
use std::path::Path;

fn check_line(name: &str, url: &str, more: &str) -> String {
    format!(
        "  - {{ name: {name}, interval: 200ms, timeout: 5s, failures: 3, http: {{ url: '{url}/' }}{more} }}\n"
    )
}

fn write(dir: &Path, text: &str) -> String {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, text).unwrap();
    format!("--config={}", file.display())
}

fn reload(server: &Server, dir: &Path, text: &str) {
    write(dir, text);
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn check_of(server: &Server, name: &str) -> Option<Value> {
    let tree = server.get("/api/v1/health").json();
    let checks = tree["data"]["checks"].as_array().unwrap().clone();
    checks.into_iter().find(|c| c["name"] == name)
}

fn until_check(server: &Server, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    server.until("/api/v1/health", |_| {
        check_of(server, name).is_some_and(|c| wanted(&c))
    });
    check_of(server, name).unwrap()
}

/// Until so many series are found: what ends is written with the next batch.
fn until_count(server: &Server, expr: &str, wanted: usize) {
    let text = url::form_urlencoded::byte_serialize(expr.as_bytes()).collect::<String>();
    server.until(&format!("/api/v1/query?query={text}"), |a| {
        let found = a.json()["data"]["result"].as_array().map(Vec::len);
        found == Some(wanted)
    });
}

#[test]
fn added_changed_and_removed_checks_take_effect_and_the_rest_keep_their_state() {
    let dir = tempfile::tempdir().unwrap();
    let (model, other) = (Model::start(), Model::start());
    let stays = check_line("stays", &model.url, "");
    let first = format!(
        "checks:\n{stays}{}{}",
        check_line("goes", &model.url, ""),
        check_line("turns", &model.url, "")
    );
    let server = Server::start(&dir.path().join("data"), &[&write(dir.path(), &first)]);
    for name in ["stays", "goes", "turns"] {
        until_check(&server, name, |c| c["state"] == "healthy");
    }
    let since = check_of(&server, "stays").unwrap()["since_ms"].clone();
    server.until("/api/v1/query?query=probe_success", |a| a.body.contains("goes"));

    model.is(Mood::Broken);
    until_check(&server, "turns", |c| c["state"] == "unhealthy");
    let second = format!(
        "checks:\n{stays}{}{}",
        check_line("turns", &other.url, ", labels: { team: b }"),
        check_line("comes", &other.url, "")
    );
    reload(&server, dir.path(), &second);
    until_check(&server, "comes", |c| c["state"] == "healthy");
    // A page is not taken back by an edit: the new target has to earn it.
    until_check(&server, "turns", |c| c["state"] == "healthy");
    let events = server.get("/api/v1/health/events?subject=check/turns").json();
    let newest = &events["data"][0];
    assert_eq!(
        (&newest["from"], &newest["to"]),
        (&"unhealthy".into(), &"healthy".into()),
        "{events}"
    );
    assert!(check_of(&server, "goes").is_none());
    server.until("/api/v1/query?query=probe_success", |a| {
        a.body.contains("comes") && a.body.contains("\"team\":\"b\"")
    });
    // The old labels ended, every series of what is gone did, and its history stays.
    until_count(&server, "probe_success{check='turns'}", 1);
    until_count(&server, "{check='goes'}", 0);
    until_count(&server, "last_over_time(probe_success{check='goes'}[5m])", 1);

    let stays = until_check(&server, "stays", |c| c["state"] == "unhealthy");
    assert_ne!(stays["since_ms"], since);
    reload(
        &server,
        dir.path(),
        &format!("{second}store: {{ retention: 12d }}\n"),
    );
    assert_eq!(check_of(&server, "stays").unwrap()["since_ms"], stays["since_ms"]);
    reload(&server, dir.path(), "{}\n");
    server.until("/api/v1/health", |a| a.json()["data"]["state"] == "unknown");
    until_count(&server, "{check!=''}", 0);
}

#[test]
fn models_come_and_go_by_a_changed_file_and_by_sighup() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Model::start(), Model::start());
    let model = |name: &str, url: &str, more: &str| {
        format!(
            "  - name: {name}\n    endpoints: ['{url}']\n{more}    health: {{ interval: 200ms, timeout: 5s, failures: 2 }}\n"
        )
    };
    // Without anything to watch at the start.
    let server = Server::start(&dir.path().join("data"), &[&write(dir.path(), "{}\n")]);
    write(dir.path(), &format!("models:\n{}", model("chat", &one.url, "")));
    server.hang_up();
    server.until("/api/v1/models", |a| a.body.contains("\"chat\""));
    let before = model_state(&server, "chat", "healthy");

    let both = format!(
        "models:\n{}{}",
        model("chat", &one.url, "    owner: ann\n"),
        model("embed", &two.url, "    depends_on: chat\n")
    );
    write(dir.path(), &both);
    server.until("/api/v1/models", |a| a.body.contains("\"embed\""));
    model_state(&server, "embed", "healthy");
    let after = model_state(&server, "chat", "healthy");
    assert_eq!(
        (&after["owner"], &after["since_ms"]),
        (&"ann".into(), &before["since_ms"])
    );
    one.is(Mood::Broken);
    two.is(Mood::Broken);
    model_state(&server, "chat", "critical");
    server.until("/api/v1/models/embed", |a| {
        a.json()["data"]["consequence_of"] == "model/chat"
    });

    write(dir.path(), &format!("models:\n{}", model("embed", &two.url, "")));
    server.until("/api/v1/models", |a| !a.body.contains("\"chat\""));
    server.until("/api/v1/models/embed", |a| {
        a.json()["data"]["consequence_of"].is_null()
    });
    server.until("/api/v1/query?query=%7Bmodel%3D%22chat%22%7D", |a| {
        a.json()["data"]["result"] == Value::Array(vec![])
    });
    let events = server.get("/api/v1/health/events?subject=model/chat").json();
    assert_eq!(events["data"][0]["to"], "removed", "{events}");
    server.kill();
    // A model that comes back is judged anew, not by what a row says of its former life.
    let server = Server::start(&dir.path().join("data"), &[&write(dir.path(), &both)]);
    one.is(Mood::Well);
    model_state(&server, "chat", "healthy");
}
