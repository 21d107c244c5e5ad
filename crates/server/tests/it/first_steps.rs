//! What a newcomer sees in the first minute.

use crate::support::Server;

#[test]
fn the_host_and_lapwing_itself_are_there_without_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(server.get("/-/healthy").status, 200);
    assert_eq!(server.get("/-/ready").status, 200);
    // A share of CPU time needs two readings, a second apart.
    server.until("/api/v1/label/__name__/values", |answer| {
        ["node_load1", "process_resident_memory_bytes", "cpu_usage"]
            .iter()
            .all(|name| answer.body.contains(name))
    });
    let metrics = server.get("/metrics");
    assert!(
        metrics.body.contains("lapwing_job_runs_total"),
        "{}",
        metrics.body
    );
}

/// Every queue, limit, error and latency of its own, to whoever scrapes it and in its own store.
#[test]
fn lapwing_tells_of_itself_in_series() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let push = |body: &[u8]| {
        server
            .post("/api/v1/push", &[("Content-Type", "application/json")], body)
            .status
    };
    assert_eq!(push(br#"{"name": "loss", "value": 0.25}"#), 200);
    assert_eq!(push(b"{"), 400);
    assert_eq!(server.get("/api/v1/query?query=loss").status, 200);
    let page = server.get("/metrics").body;
    let value = |series: &str| -> f64 {
        let line = page
            .lines()
            .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
        let text = line.unwrap_or_else(|| panic!("{series} is not in\n{page}"));
        text.parse().unwrap()
    };
    let of_push = |code| format!("lapwing_http_requests_total{{code=\"{code}\",handler=\"/api/v1/push\"}}");
    assert_eq!(value(&of_push(200)), 1.0);
    assert_eq!(value(&of_push(400)), 1.0);
    assert_eq!(
        value("lapwing_http_request_duration_seconds_count{handler=\"/api/v1/push\"}"),
        2.0
    );
    assert_eq!(value("lapwing_http_requests_in_flight"), 1.0);
    assert!(value("lapwing_store_series") >= 1.0);
    assert!(value("lapwing_store_kept_total{kind=\"float\"}") >= 1.0);
    assert!(value("lapwing_store_memory_bytes{part=\"index\"}") > 0.0);
    assert!(value("lapwing_store_memory_limit_bytes") > 0.0);
    assert_eq!(value("lapwing_store_refused_total{reason=\"series_max\"}"), 0.0);
    assert_eq!(value("lapwing_store_log_failed"), 0.0);
    assert_eq!(value("lapwing_queries_waiting"), 0.0);
    assert!(value("lapwing_query_duration_seconds_count") >= 1.0);
    assert!(
        value("lapwing_pool_slots_free{pool=\"ingest\"}") <= value("lapwing_pool_slots{pool=\"ingest\"}")
    );
    assert!(value("process_resident_memory_bytes") > 1e6);
    let version = format!("lapwing_build_info{{version=\"{}\"}}", env!("CARGO_PKG_VERSION"));
    assert_eq!(value(&version), 1.0);
    server.until("/api/v1/label/__name__/values", |answer| {
        answer.body.contains("lapwing_store_series") && answer.body.contains("lapwing_http_requests_total")
    });
}

#[test]
fn curl_can_push_and_ask_again_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let body = br#"{"name": "loss", "value": 0.25, "type": "gauge", "labels": {"model": "chat"}, "description": "training loss"}"#;
    let answer = server.post("/api/v1/push", &[("Content-Type", "application/json")], body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(server.terminate(), "a clean stop");
    let server = Server::start(dir.path(), &[]);
    let result = server.query(
        "last_over_time(loss[5m])",
        crate::support::now_ms() as f64 / 1000.0,
    );
    assert_eq!(result[0]["metric"]["model"], "chat", "{result}");
    assert_eq!(result[0]["value"][1], "0.25");
    let metadata = server.get("/api/v1/metadata?metric=loss").json();
    assert_eq!(metadata["data"]["loss"][0]["help"], "training loss");
}

#[test]
fn an_open_address_without_a_token_is_refused_with_the_line_to_add() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["serve", "--memory", "--listen", "0.0.0.0:0"])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2));
    assert!(text.contains("tokens:"), "{text}");
}

#[test]
fn bad_questions_get_prometheus_answers() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    for (path, status, class) in [
        ("/api/v1/query", 400, "bad_data"),
        ("/api/v1/query?query=sum(", 400, "bad_data"),
        ("/api/v1/query?query=up&time=yesterday", 400, "bad_data"),
        (
            "/api/v1/query_range?query=up&start=10&end=0&step=1",
            400,
            "bad_data",
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=10&step=0",
            400,
            "bad_data",
        ),
        (
            "/api/v1/query_range?query=up&start=0&end=1e9&step=1",
            400,
            "bad_data",
        ),
        ("/api/v1/series", 400, "bad_data"),
        ("/api/v1/series?match[]={", 400, "bad_data"),
    ] {
        let answer = server.get(path);
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        assert_eq!(answer.json()["errorType"], class, "{path}");
    }
}

#[test]
fn a_snapshot_can_be_started_from_and_deletion_takes_effect() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let push = |value: f64| {
        let body = format!(r#"{{"name": "loss", "value": {value}, "labels": {{"model": "chat"}}}}"#);
        let answer = server.post(
            "/api/v1/push",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        );
        assert_eq!(answer.status, 200, "{}", answer.body);
    };
    push(0.25);
    let taken = server.post("/api/v1/admin/tsdb/snapshot", &[], b"");
    assert_eq!(taken.status, 200, "{}", taken.body);
    let name = taken.json()["data"]["name"].as_str().unwrap().to_owned();
    let deleted = server.post("/api/v1/admin/tsdb/delete_series?match[]=loss", &[], b"");
    assert_eq!(deleted.status, 204, "{}", deleted.body);
    let now_s = || crate::support::now_ms() as f64 / 1000.0;
    assert_eq!(
        server.query("last_over_time(loss[5m])", now_s()),
        serde_json::json!([])
    );

    let copy = Server::start(&dir.path().join("snapshots").join(name), &[]);
    let result = copy.query("last_over_time(loss[5m])", now_s());
    assert_eq!(result[0]["value"][1], "0.25", "{result}");
}
