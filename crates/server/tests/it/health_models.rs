//! Models over the API, other model servers than OpenAI's, objectives beside availability, and who said what.

use crate::fake_model::{Model, Mood};
use crate::health::{model_state, serve};
use crate::support::{Answer, Server};
use serde_json::{Value, json};

const YAML: [(&str, &str); 1] = [("Content-Type", "application/yaml")];
const TIMING: &str = "health: { interval: 200ms, timeout: 5s, failures: 2, passes: 2";

fn put(server: &Server, document: &str) -> Answer {
    server.post("/api/v1/models", &YAML, document.as_bytes())
}

fn steps(server: &Server) -> Vec<String> {
    let audit = server.get("/api/v1/health/repairs").json();
    let entries = audit["data"].as_array().unwrap().clone();
    let said = entries.iter().rev();
    said.map(|e| format!("{} {} by {}", e["target"], e["step"], e["by"]).replace('"', ""))
        .collect()
}

#[test]
fn a_model_is_made_judged_kept_replaced_and_retired_over_the_api() {
    let dir = tempfile::tempdir().unwrap();
    let (model, other) = (Model::start(), Model::start());
    let configured = format!("models:\n  - {{ name: fixed, endpoints: ['{}'] }}\n", other.url);
    let server = serve(dir.path(), &configured);
    let document = format!(
        "models:\n  - name: chat\n    endpoints: ['{}']\n    {TIMING} }}\n",
        model.url
    );
    let made = put(&server, &document);
    assert_eq!(
        made.json()["data"],
        json!({ "name": "chat", "step": "created" }),
        "{}",
        made.body
    );
    assert_eq!(model_state(&server, "chat", "healthy")["origin"], "api");
    model.is(Mood::Broken);
    let before = model_state(&server, "chat", "critical");
    server.until(
        "/api/v1/query?query=lapwing_health_state%7Bmodel%3D%22chat%22%2Cscope%3D%22model%22%7D",
        |a| a.body.contains("\"3\""),
    );

    // It was on the disk before it was answered.
    server.kill();
    let server = serve(dir.path(), &configured);
    let after = model_state(&server, "chat", "critical");
    assert_eq!(after["since_ms"], before["since_ms"], "the same failure goes on");
    let replaced = put(&server, &format!("{document}    owner: ann\nby: eve\n"));
    assert_eq!(replaced.json()["data"]["step"], "replaced", "{}", replaced.body);
    let now = model_state(&server, "chat", "critical");
    assert_eq!(
        (&now["owner"], &now["since_ms"]),
        (&"ann".into(), &before["since_ms"])
    );

    // A series ends when the process that wrote it knows of it, so there has to be a look first.
    server.until("/api/v1/models/chat", |a| {
        a.json()["data"]["endpoints"][0]["checks"][0]["last_ms"].is_i64()
    });
    let gone = server.request("DELETE", "/api/v1/models/chat", &[], b"");
    assert_eq!(gone.status, 200, "{}", gone.body);
    assert_eq!(server.get("/api/v1/models/chat").status, 404);
    assert_eq!(
        server.request("DELETE", "/api/v1/models/chat", &[], b"").status,
        404
    );
    server.until("/api/v1/query?query=%7Bmodel%3D%22chat%22%7D", |a| {
        a.json()["data"]["result"] == json!([])
    });
    assert_eq!(
        steps(&server),
        ["created by someone", "replaced by eve", "retired by someone"].map(|s| format!("model/chat {s}"))
    );
}

#[test]
fn what_is_no_model_is_refused_with_words() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(
        dir.path(),
        "models:\n  - { name: fixed, endpoints: ['http://127.0.0.1:1'] }\n",
    );
    for (document, why) in [
        (
            "name: fixed\nendpoints: ['http://a']\n",
            "stands in the configuration",
        ),
        (
            "name: chat\nendpoins: ['http://a']\n",
            "did you mean \\\"endpoints\\\"",
        ),
        ("name: chat\nendpoints: ['ftp://a']\n", "is not an http URL"),
        ("endpoints: ['http://a']\n", "name"),
        (
            "name: chat\nendpoints: ['http://a']\ndepends_on: nobody\n",
            "nobody",
        ),
        ("name: chat\nhealth: { interval: 1ms }\n", "ten times a second"),
        ("models: [{ name: a }, { name: b }]\n", "one model at a time"),
        ("name: [\n", "1:"),
        ("adopt: 'http://127.0.0.1:1'\n", "no model server was discovered"),
    ] {
        let refused = put(&server, document);
        assert!(
            matches!(refused.status, 400 | 404) && refused.body.contains(why),
            "{document}: {} {}",
            refused.status,
            refused.body
        );
    }
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    assert_eq!(server.post("/api/v1/models", &form, b"name=chat").status, 400);
    let deleted = server.request("DELETE", "/api/v1/models/fixed", &[], b"");
    assert!(
        deleted.status == 400 && deleted.body.contains("configuration"),
        "{}",
        deleted.body
    );
    assert_eq!(steps(&server), Vec::<String>::new());
    let probes = "probes: [{ http: { path: /a } }, { http: { path: /b } }]";
    let twice = put(
        &server,
        &format!("name: two\nendpoints: ['http://127.0.0.1:1']\n{TIMING}, {probes} }}\n"),
    );
    assert_eq!(twice.status, 200, "{}", twice.body);
    let checks = server.get("/api/v1/models/two").json()["data"]["endpoints"][0]["checks"].clone();
    assert_eq!(checks.as_array().unwrap().len(), 2, "{checks}");
}

#[test]
fn triton_kserve_and_torchserve_are_asked_in_their_own_words() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let of = |name: &str, probe: &str| {
        format!(
            "  - name: {name}\n    endpoints: ['{}']\n    {TIMING}, probes: [{probe}] }}\n",
            model.url
        )
    };
    let infer = "model: sum, input: { inputs: [] }, output: 'outputs[0].data', expect: { embedding: { vector: [4], distance_max: 0.01 } }";
    let number = "expect: { number: { value: 4, tolerance: 0.1 } }";
    let config = format!(
        "models:\n{}{}{}",
        of(
            "triton",
            &format!("triton: {{ {infer} }}").replace(
                "expect: { embedding: { vector: [4], distance_max: 0.01 } }",
                "expect: { contains: '4' }"
            )
        ),
        of(
            "kserve",
            &format!(
                "kserve_v2: {{ model: sum, input: {{ inputs: [] }}, output: 'outputs[0].data[0]', {number} }}"
            )
        ),
        of(
            "torchserve",
            &format!("torchserve: {{ model: sum, input: {{ data: [2, 2] }}, {number} }}")
        ),
    );
    let server = serve(dir.path(), &config);
    let all = ["triton", "kserve", "torchserve"];
    for name in all {
        model_state(&server, name, "healthy");
    }
    let version =
        |name: &str| model_state(&server, name, "healthy")["endpoints"][0]["checks"][0]["version"].clone();
    assert_eq!((version("triton"), version("kserve")), (json!("v2"), json!("v2")));
    for (mood, reasons) in [
        (Mood::Wrong, ["answer"; 3]),
        (Mood::Empty, ["empty", "json_path", "empty"]),
        (Mood::Broken, ["status"; 3]),
        (Mood::Hung, ["timeout"; 3]),
    ] {
        model.is(mood);
        for (name, reason) in all.into_iter().zip(reasons) {
            model_state(&server, name, "critical");
            // On a busy machine a look may time out in between: what the others say counts.
            server.until(&format!("/api/v1/models/{name}"), |a| {
                a.json()["data"]["endpoints"][0]["checks"][0]["reason"] == reason
            });
        }
        model.is(Mood::Well);
        for name in all {
            model_state(&server, name, "healthy");
        }
    }
}

fn objective<'v>(found: &'v Value, name: &str) -> &'v Value {
    let all = found["data"]["objectives"].as_array().unwrap();
    let one = all.iter().find(|o| o["objective"] == name);
    one.unwrap_or_else(|| panic!("no objective {name} in {found}"))
}

#[test]
fn latency_and_quality_are_promises_too() {
    let dir = tempfile::tempdir().unwrap();
    let (model, asked) = (Model::start(), Model::start());
    let config = format!(
        "models:\n  - name: looked\n    endpoints: ['{}']\n    objectives: {{ p95_latency: 1s, quality: 90%, availability: 99% }}\n    \
         health:\n      interval: 200ms\n      timeout: 5s\n      probes: [{{ openai_chat: {{ model: chat, prompt: '2+2?', expect: {{ contains: '4' }} }} }}]\n  \
         - name: told\n    endpoints: ['{}']\n    objectives: {{ p95_latency: 1s, quality: 90%, latency_from: 'vector(0.8)', quality_from: 'vector(0.95)' }}\n    {TIMING} }}\n",
        model.url, asked.url
    );
    let server = serve(dir.path(), &config);
    model_state(&server, "looked", "healthy");
    let attained = |model: &str, name: &str, wanted: &dyn Fn(f64) -> bool| {
        let path = format!("/api/v1/models/{model}/objectives?window=1h");
        let found = server.until(&path, |a| {
            let found = a.json();
            let all = found["data"]["objectives"].as_array().unwrap().clone();
            all.iter()
                .any(|o| o["objective"] == name && o["attained"].as_f64().is_some_and(wanted))
        });
        objective(&found.json(), name).clone()
    };
    // A share of 0.8 of what must be 0.95: four times the budget.
    let told = attained("told", "latency", &|v| v == 0.8);
    assert!((told["burn"].as_f64().unwrap() - 4.0).abs() < 1e-6, "{told}");
    assert!(told["error_budget_remaining"].as_f64().unwrap() < 0.0, "{told}");
    let told = attained("told", "quality", &|v| v == 0.95);
    assert!((told["burn"].as_f64().unwrap() - 0.5).abs() < 1e-6, "{told}");

    attained("looked", "quality", &|v| v == 1.0);
    attained("looked", "latency", &|v| v == 1.0);
    // Slow and right, then fast and wrong: each counts against its own promise.
    model.is(Mood::Slow);
    attained("looked", "latency", &|v| v < 1.0);
    model.is(Mood::Wrong);
    attained("looked", "quality", &|v| v < 1.0);
    assert_eq!(server.get("/api/v1/models/nobody/objectives").status, 404);
    assert_eq!(server.get("/api/v1/models/told/objectives?window=x").status, 400);
    server.until(
        "/api/v1/query?query=lapwing_model_error_budget_burn%7Bmodel%3D%22told%22%7D",
        |a| a.body.contains("\"objective\":\"latency\"") && a.body.contains("\"window\":\"1h\""),
    );
}

#[test]
fn what_is_approved_and_noted_bears_the_callers_name() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let config = format!(
        "web:\n  tokens:\n    - {{ name: ann, role: operate, secret: open-sesame-1 }}\n    - {{ name: reader, role: read, secret: open-sesame-2 }}\n\
         status: {{ title: Our models }}\nmodels:\n  - name: chat\n    endpoints: ['{0}']\n    {TIMING} }}\n    \
         recovery: [{{ on: critical, name: again, approval: true, action: {{ http: '{0}/restart' }} }}]\n",
        model.url
    );
    let server = serve(dir.path(), &config);
    let with = |token: &'static str| {
        [
            ("Authorization", token),
            ("Content-Type", "application/x-www-form-urlencoded"),
        ]
    };
    let (ann, reader) = (with("Bearer open-sesame-1"), with("Bearer open-sesame-2"));
    let page = server.get("/status").json();
    assert_eq!(page["title"], "Our models");
    model.is(Mood::Broken);
    let until = |path: &str, wanted: &str| {
        let watch = lapwing::clock::Stopwatch::start();
        loop {
            let answer = server.request("GET", path, &reader[..1], b"");
            if answer.body.contains(wanted) {
                return answer;
            }
            assert!(watch.elapsed().as_secs() < 120, "{path}: {}", answer.body);
            std::thread::park_timeout(std::time::Duration::from_millis(20));
        }
    };
    until("/api/v1/health/repairs", "approval_asked");
    let form = b"target=model/chat&action=again&by=somebody-else";
    let path = "/api/v1/health/repairs/approve";
    assert_eq!(server.post(path, &[], form).status, 401);
    assert_eq!(server.post(path, &reader, form).status, 403);
    assert_eq!(model.restarts(), 0);
    assert_eq!(server.post(path, &ann, form).status, 200);
    let audit = until("/api/v1/health/repairs", "\"by\":\"ann\"");
    assert!(!audit.body.contains("somebody-else"), "{}", audit.body);
    until("/api/v1/health/repairs", "worked");
    let note = server.post("/api/v1/health/notes", &ann, b"text=It is over&model=chat&by=eve");
    assert_eq!(note.json()["data"]["by"], "ann", "{}", note.body);
    let page = server.get("/status").json();
    assert_eq!(page["notes"][0]["text"], "It is over", "{page}");
}
