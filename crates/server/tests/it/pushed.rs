//! Batch jobs push as they push to a Pushgateway, and what they left is there after a kill.

use crate::support::{Server, now_ms};

fn value(server: &Server, expr: &str) -> String {
    let result = server.query(expr, now_ms() as f64 / 1000.0);
    result[0]["value"][1].as_str().unwrap_or("none").to_owned()
}

#[test]
fn a_push_outlives_a_kill_until_it_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let page = b"# TYPE done gauge\n# HELP done when the backup ended\ndone 17\nrows 3\n";
    let path = "/metrics/job/backup/instance/db-1";
    assert_eq!(server.request("PUT", path, &[], page).status, 200);
    let merged = server.request("POST", path, &[], b"rows 4\n");
    assert_eq!(merged.status, 200, "{}", merged.body);
    server.kill();

    let server = Server::start(dir.path(), &[]);
    let groups = server.get("/api/v1/metrics").json();
    let group = &groups["data"][0];
    assert_eq!(group["labels"]["instance"], "db-1", "{groups}");
    assert_eq!(group["last_push_successful"], true);
    assert_eq!(group["done"]["help"], "when the backup ended");
    assert_eq!(group["rows"]["metrics"][0]["value"], "4");
    assert_eq!(value(&server, "done{job='backup'}"), "17");
    assert!(
        value(&server, "push_time_seconds{job='backup'}")
            .parse::<f64>()
            .unwrap()
            > 1.0e9
    );

    assert_eq!(server.request("DELETE", path, &[], b"").status, 202);
    assert_eq!(value(&server, "done{job='backup'}"), "none");
    assert_eq!(
        server.get("/api/v1/metrics").json()["data"],
        serde_json::json!([])
    );
}

#[test]
fn an_import_takes_lines_of_json_and_pages_of_text() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let import = |headers: &[(&str, &str)], body: &str| {
        let answer = server.post("/api/v1/import", headers, body.as_bytes());
        (answer.status, answer.body)
    };
    let form = [("content-type", "application/x-www-form-urlencoded")];
    let lines = format!(
        "{{\"metric\":{{\"__name__\":\"j\"}},\"values\":[1],\"timestamps\":[{}]}}\n",
        now_ms()
    );
    for (headers, body) in [
        (&form[..], lines.as_str()),
        (&[("content-type", "text/plain")], &lines),
        (&form, "# TYPE p gauge\np 2\n"),
        (
            &[("content-type", "application/openmetrics-text; version=1.0.0")],
            "{\"o\"} 3\n# EOF\n",
        ),
    ] {
        let (status, answer) = import(headers, body);
        assert_eq!(status, 200, "{body}{answer}");
    }
    for (expr, expect) in [("j", "1"), ("p", "2"), ("o", "3")] {
        assert_eq!(value(&server, expr), expect, "{expr}");
    }
    let (status, answer) = import(&form, "p 2\np two\n");
    assert_eq!(status, 400);
    assert!(answer.contains("line 2, column 3"), "{answer}");
}

#[test]
fn a_push_that_is_wrong_is_refused_with_its_reason() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    for (path, page, reason) in [
        ("/metrics/job/x/odd", "a 1\n", "no value"),
        ("/metrics/job/x", "a 1 1700000000000\n", "timestamp"),
        ("/metrics/job/x", "a one\n", "does not parse"),
        ("/metrics/job/x?ttl=soon", "a 1\n", "not a duration"),
    ] {
        let answer = server.request("PUT", path, &[], page.as_bytes());
        assert_eq!(answer.status, 400, "{path}");
        assert!(answer.body.contains(reason), "{path}: {}", answer.body);
    }
    // The same in base64, as clients write values with slashes.
    assert_eq!(
        server
            .request("PUT", "/metrics/job@base64/YS9i", &[], b"a 1\n")
            .status,
        200
    );
    assert_eq!(value(&server, "a{job='a/b'}"), "1");
}
