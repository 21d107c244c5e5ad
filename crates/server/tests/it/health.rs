//! Models and checks against servers that fail, degrade and recover: states, pages, repairs, exit codes.

use crate::fake_model::{Model, Mood};
use crate::support::Server;
use std::path::Path;
use std::process::Command;

pub(crate) fn serve(dir: &Path, config: &str) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    Server::start(&dir.join("data"), &[&format!("--config={}", file.display())])
}

pub(crate) fn model_state(server: &Server, name: &str, state: &str) -> serde_json::Value {
    let answer = server.until(&format!("/api/v1/models/{name}"), |a| {
        a.json()["data"]["state"] == state
    });
    answer.json()["data"].clone()
}

/// Looks are frequent, for a test waits for streaks of them; their timeout is generous, for a machine under load answers late. It is
/// waited for only where a model hangs.
pub(crate) fn chat(model: &Model, more: &str) -> String {
    format!(
        "models:\n  - name: chat\n    endpoints: ['{}']\n    health:\n      interval: 200ms\n      timeout: 5s\n      \
         failures: 2\n      passes: 2\n      probes:\n        - openai_chat: {{ model: chat, prompt: '2+2?', \
         expect: {{ contains: '4' }} }}\n{more}",
        model.url
    )
}

#[test]
fn a_model_that_answers_is_not_yet_a_model_that_works() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), &chat(&model, ""));
    model_state(&server, "chat", "healthy");
    for (mood, reason) in [
        (Mood::Wrong, "answer"),
        (Mood::Empty, "empty"),
        (Mood::Broken, "status"),
        (Mood::Hung, "timeout"),
    ] {
        model.is(mood);
        model_state(&server, "chat", "critical");
        // On a busy machine a look may time out in between: what the others say counts.
        server.until("/api/v1/models/chat", |a| {
            a.json()["data"]["endpoints"][0]["checks"][0]["reason"] == reason
        });
        assert_eq!(server.get("/health").status, 503);
        model.is(Mood::Well);
        model_state(&server, "chat", "healthy");
    }
    let events = server.get("/api/v1/health/events?subject=model/chat").json();
    assert!(events["data"].as_array().unwrap().len() >= 9, "{events}");
    let badge = server.get("/badge/chat.svg");
    assert!(badge.body.contains("chat: healthy"), "{}", badge.body);
    assert_eq!(server.get("/status").json()["models"][0]["name"], "chat");
    server.until("/api/v1/query?query=probe_success", |a| {
        a.body.contains("\"check\":\"chat/")
    });
    server.until(
        "/api/v1/query?query=probe_model_time_to_first_token_seconds",
        |a| a.body.contains("\"model\":\"chat\""),
    );
    server.until("/api/v1/query?query=lapwing_model_available", |a| {
        a.body.contains("\"chat\"")
    });
}

#[test]
fn the_command_line_says_it_with_its_exit_code() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), &chat(&model, ""));
    model_state(&server, "chat", "healthy");
    let ask = |url: &str, more: &[&str]| {
        let asked = Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(["health", "--server", url])
            .args(more)
            .output()
            .unwrap();
        (
            asked.status.code(),
            String::from_utf8_lossy(&asked.stdout).into_owned(),
        )
    };
    let (code, said) = ask(&server.url, &[]);
    assert_eq!(code, Some(0), "{said}");
    model.is(Mood::Broken);
    model_state(&server, "chat", "critical");
    let (code, said) = ask(&server.url, &[]);
    assert_eq!(code, Some(1), "{said}");
    assert!(
        said.starts_with("critical\n") && said.contains("status 500"),
        "{said}"
    );
    let (code, said) = ask(&server.url, &["--json"]);
    let json: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!((code, &json["state"]), (Some(1), &serde_json::json!("critical")));
    assert_eq!(ask(&server.url, &["nobody"]).0, Some(4));
    assert_eq!(ask("http://127.0.0.1:1", &[]).0, Some(3));
}

#[test]
fn a_repair_is_done_once_verified_and_written_down() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let more = format!(
        "    recovery: [{{ on: critical, name: again, action: {{ http: '{}/restart' }}, limit: 2 per hour, cooldown: 1h }}]\n",
        model.url
    );
    let server = serve(dir.path(), &chat(&model, &more));
    model_state(&server, "chat", "healthy");
    model.is(Mood::Wrong);
    server.until("/api/v1/health/repairs", |a| a.body.contains("worked"));
    assert_eq!(model.restarts(), 1);
    model_state(&server, "chat", "healthy");
    let audit = server.get("/api/v1/health/repairs").json();
    let steps: Vec<&str> = audit["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| e["step"].as_str().unwrap())
        .collect();
    assert_eq!(steps, ["worked", "action_done", "start"], "{audit}");
    model.is(Mood::Wrong);
    model_state(&server, "chat", "critical");
    assert_eq!(model.restarts(), 1, "cooling down");
    server.kill();
    let server = serve(dir.path(), &chat(&model, &more));
    model_state(&server, "chat", "critical");
    let audit = server.get("/api/v1/health/repairs").json();
    assert_eq!(
        audit["data"].as_array().unwrap().len(),
        3,
        "what was done is remembered: {audit}"
    );
}

#[test]
fn a_repair_with_approval_waits_for_a_person() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let more = format!(
        "    recovery: [{{ on: unhealthy, name: again, approval: true, action: {{ http: '{}/restart' }} }}]\n",
        model.url
    );
    let server = serve(dir.path(), &chat(&model, &more));
    model.is(Mood::Wrong);
    server.until("/api/v1/health/repairs", |a| a.body.contains("approval_asked"));
    assert_eq!(model.restarts(), 0);
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let path = "/api/v1/health/repairs/approve";
    let refused = server.post(path, &form, b"target=model/chat&action=nothing");
    assert_eq!(refused.status, 404, "{}", refused.body);
    let said = server.post(path, &form, b"target=model/chat&action=again&by=ann");
    assert_eq!(said.json()["data"][0], "start", "{}", said.body);
    server.until("/api/v1/health/repairs", |a| {
        a.body.contains("\"by\":\"ann\"") && a.body.contains("worked")
    });
}

#[test]
fn a_shard_on_old_weights_does_not_serve() {
    let dir = tempfile::tempdir().unwrap();
    let (one, two) = (Model::start(), Model::start());
    let config = format!(
        "models:\n  - name: chat\n    expected_version: v2\n    endpoints: ['{}', '{}']\n    health:\n      \
         interval: 200ms\n      timeout: 5s\n      failures: 2\n      probes:\n        \
         - http: {{ path: /version, version: version }}\n",
        one.url, two.url
    );
    let server = serve(dir.path(), &config);
    model_state(&server, "chat", "healthy");
    // That a shard has still to confirm its first word is no failure.
    let events = server.get("/api/v1/health/events?subject=model/chat").json();
    let begun: Vec<&serde_json::Value> = events["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|e| &e["from"])
        .collect();
    assert_eq!(begun, ["unknown"], "{events}");
    two.is(Mood::OldWeights);
    let view = model_state(&server, "chat", "degraded");
    let states: Vec<&str> = view["shards"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["state"].as_str().unwrap())
        .collect();
    assert!(states.contains(&"stale") && states.contains(&"healthy"), "{view}");
    // The first thing that somebody asks: what is different now?
    server.until("/api/v1/health/events?subject=model/chat", |a| {
        let changed = a.json()["data"][0]["diagnosis"]["changed"].clone();
        changed
            .as_str()
            .is_some_and(|text| text.contains("says version v1, it was v2"))
    });
    one.is(Mood::Broken);
    model_state(&server, "chat", "critical");
    two.is(Mood::Well);
    model_state(&server, "chat", "degraded");
    server.until("/api/v1/query?query=lapwing_fleet_serving_shards", |a| {
        a.body.contains("\"1\"")
    });
}

#[test]
fn a_parent_that_fails_names_its_children_as_consequences() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let config = format!(
        "checks:\n  - {{ name: gateway, interval: 200ms, timeout: 5s, failures: 2, http: {{ url: '{0}/' }} }}\n  \
         - {{ name: search, interval: 200ms, timeout: 5s, failures: 8, depends_on: gateway, http: {{ url: '{0}/s' }} }}\n",
        model.url
    );
    let server = serve(dir.path(), &config);
    server.until("/api/v1/health", |a| a.json()["data"]["state"] == "healthy");
    model.is(Mood::Broken);
    let tree = server.until("/api/v1/health", |a| {
        a.body.contains("\"consequence_of\":\"check/gateway\"")
    });
    let checks = tree.json()["data"]["checks"].clone();
    let root = checks
        .as_array()
        .unwrap()
        .iter()
        .find(|c| c["name"] == "gateway")
        .unwrap();
    assert!(root["consequence_of"].is_null(), "{checks}");
    server.until(
        "/api/v1/query?query=lapwing_health_suppressed%7Bcheck%3D%22search%22%7D",
        |a| a.body.contains("\"1\""),
    );
    // Why was nobody paged about it? There never was an alert, and the record says why.
    let record = server.until("/api/v1/decisions?alertname=check_failing", |a| {
        a.body.contains("dependency_failed")
    });
    assert!(
        record.body.contains("check/search: because check/gateway fails"),
        "{}",
        record.body
    );
    let events = server.until("/api/v1/health/events?subject=check/gateway", |a| {
        a.json()["data"][0]["diagnosis"]["looks"].is_object()
    });
    assert!(events.body.contains("status 500"), "{}", events.body);
    let root = &events.json()["data"][0]["diagnosis"];
    let changed = root["changed"].as_str().unwrap_or("");
    assert!(changed.contains("Lapwing began to watch"), "{root}");
    assert!(
        root["host"]["disk_used_ratio"].as_f64().is_some_and(|v| v > 0.0),
        "{root}"
    );
    let below = server.until("/api/v1/health/events?subject=check/search", |a| {
        a.json()["data"][0]["diagnosis"]["looks"].is_object()
    });
    let below = &below.json()["data"][0]["diagnosis"];
    assert_eq!(below["cause"], "check/gateway", "{below}");
    assert!(
        below["host"].is_null(),
        "the store is asked about causes: {below}"
    );
}

#[test]
fn a_job_that_does_not_report_is_overdue() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path(), "checks:\n  - { name: nightly, check_in: 6s }\n");
    let state = |wanted: &'static str| {
        server.until("/api/v1/health", move |a| {
            a.json()["data"]["checks"][0]["state"] == wanted
        })
    };
    assert_eq!(server.post("/api/v1/checkin/nobody", &[], b"").status, 404);
    assert_eq!(server.post("/api/v1/checkin/nightly", &[], b"").status, 200);
    state("healthy");
    let late = state("unhealthy");
    assert_eq!(late.json()["data"]["checks"][0]["reason"], "overdue");
    server.post("/api/v1/checkin/nightly", &[], b"");
    state("healthy");
    server.post("/api/v1/checkin/nightly?status=fail", &[], b"");
    state("unhealthy");
}

#[test]
fn blackbox_scrape_jobs_keep_working() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let server = serve(dir.path(), "");
    let page = server.get(&format!("/probe?module=http_2xx&target={}/version", model.url));
    assert_eq!(page.status, 200);
    for line in [
        "probe_success 1",
        "probe_http_status_code 200",
        "probe_http_duration_seconds{phase=\"connect\"}",
        "# HELP probe_success Displays whether or not the probe was a success\n# TYPE probe_success gauge",
        "probe_http_duration_seconds{phase=\"tls\"} 0",
        "probe_ip_addr_hash 3668918509",
    ] {
        assert!(page.body.contains(line), "{line}: {}", page.body);
    }
    let gone = server.get("/probe?target=127.0.0.1:1");
    for line in [
        "probe_success 0",
        "probe_http_status_code 0",
        "probe_ip_protocol 4",
    ] {
        assert!(gone.body.contains(line), "{line}: {}", gone.body);
    }
    let debug = server.get("/probe?debug=true&hostname=model.example&target=127.0.0.1:1");
    for line in [
        "probe failed: refused",
        "\nprobe_success 0\n",
        "Module configuration:",
    ] {
        assert!(debug.body.contains(line), "{line}: {}", debug.body);
    }
    model.is(Mood::Broken);
    let page = server.get(&format!("/probe?module=http_2xx&target={}/version", model.url));
    assert!(page.body.contains("probe_success 0"), "{}", page.body);
    assert_eq!(server.get("/probe?module=nothing&target=x").status, 400);
}
