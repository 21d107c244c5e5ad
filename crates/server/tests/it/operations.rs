//! What programs did, told and asked over HTTP; the dashboard of seed 1.

use crate::support::Server;
use serde_json::json;

fn operation(nth: i64, kind: &str, name: &str, duration_s: f64, success: bool) -> serde_json::Value {
    json!({
        "id": format!("op-{nth}"), "type": kind, "name": name, "started_ms": crate::support::now_ms() - 60_000 + nth,
        "duration_s": duration_s, "success": success, "error": if success { None } else { Some("timeout") },
    })
}

fn keys(value: &serde_json::Value) -> Vec<&str> {
    let mut keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

#[test]
fn operations_become_reports_and_health() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let told: Vec<serde_json::Value> = (0..10)
        .map(|i| operation(i, "pipeline", "inference", 0.1, i > 5))
        .chain((10..20).map(|i| operation(i, "download_operation", "fetch", 40.0, true)))
        .collect();
    let headers = [("Content-Type", "application/json")];
    let answer = server.post("/api/v1/operations", &headers, json!(told).to_string().as_bytes());
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"kept":20}"#));

    let listed = server
        .get("/api/v1/operations?type=pipeline&failed=true&limit=2")
        .json();
    assert_eq!(listed["data"].as_array().unwrap().len(), 2);
    assert_eq!(listed["data"][0]["id"], "op-5");

    let report = server.get("/api/v1/performance/report?hours=1").json();
    assert_eq!(report["data"]["total_operations"], 20);
    assert_eq!(
        report["data"]["bottlenecks"][0]["kind"], "slow_operations",
        "{report}"
    );
    let lenient = server
        .get("/api/v1/performance/report?hours=1&slow_s=100&failure_share_max=1")
        .json();
    assert_eq!(lenient["data"]["bottlenecks"], json!([]));

    let health = server.get("/api/v1/pipelines").json();
    assert_eq!(health["data"]["overall_health"], "critical", "{health}");
    let baseline = br#"{"metric": "inference_latency", "value": 0.01}"#;
    assert_eq!(
        server
            .post("/api/v1/pipelines/baselines", &headers, baseline)
            .status,
        204
    );
    let health = server.get("/api/v1/pipelines").json();
    let reasons = health["data"]["pipelines"]["inference"]["reasons"]
        .as_array()
        .unwrap();
    assert!(
        reasons.iter().any(|r| r["reason"] == "slower_than_baseline"),
        "{health}"
    );

    for (path, body) in [
        ("/api/v1/operations", r#"[{"id": "x"}]"#),
        (
            "/api/v1/operations",
            r#"[{"id": "x", "type": "request", "name": "", "started_ms": 0, "duration_s": 1, "success": true}]"#,
        ),
        ("/api/v1/pipelines/baselines", r#"{"metric": "", "value": 1}"#),
    ] {
        assert_eq!(server.post(path, &headers, body.as_bytes()).status, 400, "{body}");
    }
    assert_eq!(server.get("/api/v1/performance/report?hours=-1").status, 400);
    assert_eq!(server.get("/api/v1/performance/report?slow_s=soon").status, 400);
}

/// What was acknowledged is there again, although the server was killed and had no time to write anything.
#[test]
fn operations_and_baselines_outlive_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let headers = [("Content-Type", "application/json")];
    let server = Server::start(dir.path(), &[]);
    let told: Vec<serde_json::Value> = (0..5)
        .map(|i| operation(i, "pipeline", "inference", 0.1, true))
        .collect();
    let answer = server.post("/api/v1/operations", &headers, json!(told).to_string().as_bytes());
    assert_eq!(answer.status, 200);
    for (metric, value) in [("inference_latency", 0.01), ("inference", 9.0)] {
        let body = json!({ "metric": metric, "value": value }).to_string();
        let answer = server.post("/api/v1/pipelines/baselines", &headers, body.as_bytes());
        assert_eq!(answer.status, 204);
    }
    let remove = |server: &Server, metric: &str| {
        let path = format!("/api/v1/pipelines/baselines?metric={metric}");
        server.request("DELETE", &path, &[], b"").status
    };
    assert_eq!(remove(&server, "inference"), 204);
    assert_eq!(remove(&server, "inference"), 404);
    server.kill();

    let server = Server::start(dir.path(), &[]);
    let kept = server.get("/api/v1/pipelines/baselines").json();
    assert_eq!(
        kept["data"],
        json!([{ "metric": "inference_latency", "value": 0.01, "direction": null }])
    );
    let health = server.get("/api/v1/pipelines").json();
    let inference = &health["data"]["pipelines"]["inference"];
    assert_eq!(inference["total_executions"], 5, "{health}");
    assert_eq!(
        inference["reasons"][0]["reason"], "slower_than_baseline",
        "{health}"
    );
    assert_eq!(
        server.get("/api/v1/operations?name=inference").json()["data"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
    assert_eq!(
        server
            .request("DELETE", "/api/v1/pipelines/baselines", &[], b"")
            .status,
        400
    );
}

#[test]
fn the_dashboard_has_exactly_the_fields_of_seed_1() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    server.until("/dashboard/metrics", |a| {
        a.status == 200 && a.json()["system_metrics"]["cpu_usage"].is_number()
    });
    let overview = server.get("/dashboard/overview").json();
    let expect = [
        "business_metrics",
        "model_performance",
        "recent_alerts",
        "system_health",
    ];
    assert_eq!(keys(&overview), expect);
    let metrics = server.get("/dashboard/metrics").json();
    assert_eq!(
        keys(&metrics),
        ["model_metrics", "request_metrics", "system_metrics"]
    );
    assert_eq!(
        keys(&metrics["request_metrics"]),
        ["average_latency", "error_rate", "p95_latency", "total_requests"]
    );
    assert_eq!(
        keys(&metrics["system_metrics"]),
        ["cpu_usage", "disk_usage", "gpu_usage", "memory_usage"]
    );
    assert_eq!(
        keys(&metrics["model_metrics"]),
        ["inference_time", "memory_usage", "throughput"]
    );
    let alerts = server.get("/dashboard/alerts").json();
    assert_eq!(
        keys(&alerts),
        ["active_alerts", "alert_history", "alert_statistics"]
    );
}
