//! OTLP deltas add up over a restart, and what the store refuses is in the answer.

use crate::support::{Answer, Server, now_ms};

fn send(server: &Server, name: &str, t_ms: i64, value: f64) -> Answer {
    let body = serde_json::json!({ "resourceMetrics": [{
        "resource": { "attributes": [{ "key": "service.name", "value": { "stringValue": "train" } }] },
        "scopeMetrics": [{ "metrics": [{
            "name": name,
            "sum": {
                "aggregationTemporality": 1, "isMonotonic": true,
                "dataPoints": [{ "timeUnixNano": format!("{t_ms}000000"), "startTimeUnixNano": format!("{}000000", t_ms - 1000), "asDouble": value }],
            },
        }] }],
    }] });
    let headers = [("Content-Type", "application/json")];
    server.post("/v1/metrics", &headers, body.to_string().as_bytes())
}

#[test]
fn delta_totals_go_on_after_a_kill() {
    let dir = tempfile::tempdir().unwrap();
    let t_ms = now_ms() - 60_000;
    let server = Server::start(dir.path(), &[]);
    assert_eq!(send(&server, "steps", t_ms, 5.0).body, "{}");
    server.kill();
    let server = Server::start(dir.path(), &[]);
    assert_eq!(send(&server, "steps", t_ms + 10_000, 2.0).body, "{}");
    assert!(server.terminate());
    let server = Server::start(dir.path(), &[]);
    assert_eq!(send(&server, "steps", t_ms + 20_000, 1.0).body, "{}");
    let result = server.query("steps_total", (t_ms + 20_000) as f64 / 1000.0);
    assert_eq!(result[0]["value"][1], "8", "{result}");
    // The same once more does not count twice, and says so.
    let again = send(&server, "steps", t_ms + 20_000, 1.0).json();
    assert_eq!(again["partialSuccess"]["rejectedDataPoints"], "1", "{again}");
}

#[test]
fn what_the_store_refuses_is_a_partial_success() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let answer = send(&server, "steps", now_ms() + 3_600_000, 5.0);
    assert_eq!(answer.status, 200);
    let partial = &answer.json()["partialSuccess"];
    assert!(
        partial["errorMessage"]
            .as_str()
            .unwrap()
            .contains("in the future"),
        "{partial}"
    );
}
