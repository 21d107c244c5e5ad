//! A model server that was found on this machine becomes a model: over the API, and by the lines that are offered for the file.

use crate::fake_model::{Model, Mood};
use crate::health::{model_state, serve};
use crate::support::{Answer, Server};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

const OFTEN: &str = "health: { interval: 200ms, timeout: 5s, failures: 2 }\n";

fn config(model: &Model, more: &str) -> String {
    format!(
        "host: {{ enabled: false }}\ndiscover: {{ ports: [{}] }}\n{more}",
        model.port()
    )
}

/// What is found at this address and is no model yet, as soon as it is.
fn discovered(server: &Server, model: &Model) -> Value {
    let is_it = |found: &Value| found["url"] == model_address(model);
    let of = |a: &Answer| a.json()["data"]["discovered"].as_array().cloned();
    let found = server.until("/api/v1/models", |a| {
        of(a).is_some_and(|all| all.iter().any(is_it))
    });
    let all = of(&found).unwrap();
    all.into_iter().find(|found| is_it(found)).unwrap()
}

fn model_address(model: &Model) -> String {
    format!("http://127.0.0.1:{}", model.port())
}

fn adopt(server: &Server, model: &Model, more: &str) -> String {
    let yaml = [("Content-Type", "application/yaml")];
    let document = format!("adopt: {}\nby: ann\n{more}", model_address(model));
    let made = server.post("/api/v1/models", &yaml, document.as_bytes());
    assert_eq!(made.status, 200, "{}", made.body);
    let made = made.json();
    assert_eq!(made["data"]["step"], "created", "{made}");
    made["data"]["name"].as_str().unwrap().to_owned()
}

fn encoded(name: &str) -> String {
    url::form_urlencoded::byte_serialize(name.as_bytes()).collect()
}

#[test]
fn a_discovered_server_is_adopted_and_watched_over_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let config = config(&model, "");
    let server = serve(dir.path(), &config);
    let found = discovered(&server, &model);
    let yaml = [("Content-Type", "application/yaml")];
    let wrong = format!("adopt: {}\nownr: ann\n", model_address(&model));
    let refused = server.post("/api/v1/models", &yaml, wrong.as_bytes());
    assert!(
        refused.status == 400 && refused.body.contains("did you mean"),
        "{}",
        refused.body
    );
    assert_eq!(
        (&found["name"], &found["engine"], &found["state"]),
        (
            &"org/chat-7b".into(),
            &"vllm".into(),
            &"discovered, not adopted".into()
        ),
        "{found}"
    );
    let name = adopt(&server, &model, "owner: team-chat\n");
    assert_eq!(name, "org/chat-7b");
    let view = model_state(&server, &encoded(&name), "healthy");
    assert_eq!(
        (&view["origin"], &view["engine"], &view["owner"]),
        (&"api".into(), &"vllm".into(), &"team-chat".into()),
        "{view}"
    );
    let list = server.get("/api/v1/models").json();
    assert!(
        list["data"]["discovered"]
            .as_array()
            .unwrap()
            .iter()
            .all(|f| f["url"] != model_address(&model).as_str()),
        "it is a model now: {list}"
    );
    let audit = server.get("/api/v1/health/repairs").json();
    assert_eq!(
        (&audit["data"][0]["step"], &audit["data"][0]["by"]),
        (&"created".into(), &"ann".into()),
        "{audit}"
    );
    assert!(
        server
            .get(&format!("/badge/{}.svg", encoded(&name)))
            .body
            .contains("healthy")
    );
    server.kill();

    let server = serve(dir.path(), &config);
    let view = model_state(&server, &encoded(&name), "healthy");
    assert_eq!(view["origin"], "api", "{view}");
    // What is a model already is no longer offered.
    let document = format!("adopt: {}\n", model_address(&model));
    let again = server.post("/api/v1/models", &yaml, document.as_bytes());
    assert_eq!(again.status, 404, "{}", again.body);
}

#[test]
fn an_adopted_server_that_goes_away_is_critical_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), &config(&model, ""));
    discovered(&server, &model);
    let name = adopt(&server, &model, &format!("name: chat\n{OFTEN}"));
    assert_eq!(name, "chat");
    model_state(&server, "chat", "healthy");
    model.is(Mood::Gone);
    let view = model_state(&server, "chat", "critical");
    assert_eq!(view["endpoints"][0]["checks"][0]["reason"], "refused", "{view}");
    let asked = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["health", "--server", &server.url])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&asked.stdout);
    assert_eq!(asked.status.code(), Some(1), "{said}");
    assert!(said.contains("chat") && said.contains("refused"), "{said}");
    assert_eq!(server.get("/health").status, 503);
    // Retired, it is offered anew: it was found, and may come back.
    let gone = server.request("DELETE", "/api/v1/models/chat", &[], b"");
    assert_eq!(gone.status, 200, "{}", gone.body);
    discovered(&server, &model);
}

/// Who adopts it before anybody noticed that it is gone gets a model that is known to fail, not one that is unknown.
#[test]
fn what_went_away_before_it_was_adopted_is_told_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), &config(&model, ""));
    discovered(&server, &model);
    model.is(Mood::Gone);
    adopt(&server, &model, &format!("name: chat\n{OFTEN}"));
    model_state(&server, "chat", "critical");
}

#[test]
fn the_lines_that_are_offered_are_lines_of_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), &config(&model, ""));
    let lines = discovered(&server, &model)["adopt"].as_str().unwrap().to_owned();
    let file = dir.path().join("lapwing.yml");
    std::fs::write(&file, config(&model, &lines)).unwrap();
    assert!(is_valid(&file), "{lines}");
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let view = model_state(&server, &encoded("org/chat-7b"), "healthy");
    assert_eq!(view["origin"], "config", "{view}");
}

fn is_valid(file: &Path) -> bool {
    let check = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .arg("check")
        .arg(file)
        .output()
        .unwrap();
    check.status.success()
}
