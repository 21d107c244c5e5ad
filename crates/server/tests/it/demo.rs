//! The demo tells one story on every page: what its rules found is in the series, in the alerts, in the record of
//! decisions and in the ledger.

use crate::support::Server;
use serde_json::Value;

fn words(rows: &Value, part: &str) -> Vec<String> {
    let rows = rows.as_array().expect("a list");
    rows.iter()
        .map(|row| row[part].as_str().unwrap_or("").to_owned())
        .collect()
}

#[test]
fn a_day_of_incidents_was_judged_and_told() {
    let parent = tempfile::tempdir().expect("a folder");
    let server = Server::start_demo(&parent.path().join("demo"));

    // Every incident left its alert in the series.
    let names = server.get("/api/v1/label/alertname/values").json();
    let names: Vec<&str> = names["data"]
        .as_array()
        .expect("names")
        .iter()
        .filter_map(Value::as_str)
        .collect();
    for name in [
        "CacheAlmostFull",
        "ChatSlow",
        "EmbedErrors",
        "EngineWedged",
        "GpuFault",
        "TargetDown",
    ] {
        assert!(names.contains(&name), "{name} never fired: {names:?}");
    }

    // What is wrong now is firing, what somebody knows of is silenced.
    let alerts = server.get("/api/v2/alerts").json();
    let of = |name: &str| {
        let all = alerts.as_array().expect("alerts");
        all.iter().find(|a| a["labels"]["alertname"] == name).cloned()
    };
    assert_eq!(of("EmbedErrors").expect("it fires")["status"]["state"], "active");
    let known = of("TargetDown").expect("it fires");
    assert_eq!(known["status"]["state"], "suppressed", "{known}");
    assert!(of("EngineWedged").is_none(), "it recovered");

    // Who was told, who could not be, and why.
    let ledger = server.get("/api/v1/ledger?limit=1000").json();
    let events = words(&ledger, "event");
    assert!(events.iter().any(|e| e == "delivered") && events.iter().any(|e| e == "dead_letter"));
    let receivers = words(&ledger, "receiver");
    for receiver in ["console", "oncall", "search-team", "archive"] {
        assert!(
            receivers.iter().any(|r| r == receiver),
            "{receiver} was never told"
        );
    }
    let decisions = server.get("/api/v1/decisions?limit=5000").json();
    let reasons = words(&decisions, "reason");
    for reason in [
        "firing",
        "resolved",
        "silenced",
        "notify",
        "delivered",
        "dead_letter",
    ] {
        assert!(reasons.iter().any(|r| r == reason), "no decision says {reason}");
    }

    // The history goes back a day, and the present is scraped.
    let now_s = server.get("/api/v1/status/runtimeinfo").json()["data"]["serverTime"].clone();
    assert!(now_s.is_string());
    let day = server
        .get("/api/v1/query?query=count_over_time(vllm:num_requests_running[25h])%20%3E%202500")
        .json();
    assert_eq!(day["data"]["result"].as_array().map(Vec::len), Some(1), "{day}");
    server.until("/api/v1/targets", |answer| {
        let targets = answer.json();
        let health = words(&targets["data"]["activeTargets"], "health");
        health.iter().filter(|h| *h == "up").count() == 5 && health.iter().any(|h| h == "down")
    });
    assert!(server.terminate(), "it ends by itself when told");
}
