//! From a probe to a page: what the person who is woken reads, what was repaired meanwhile, and who is not blamed.

use crate::fake_model::{Model, Mood};
use crate::health::{model_state, serve};
use crate::paging::{PAGE_TIMEOUT, receiver};
use crate::support::Server;
use serde_json::Value;
use std::sync::mpsc::Receiver;

/// Alerts leave one by one and at once, so that each page is about one thing.
pub(crate) fn telling(url: &str) -> String {
    format!(
        "global: {{ evaluation_interval: 1s }}\n\
         route: {{ receiver: hook, group_by: ['...'], group_wait: 0s, group_interval: 1s }}\n\
         receivers: [{{ name: hook, webhook_configs: [{{ url: '{url}' }}] }}]\n"
    )
}

/// Pages until one is of this alert in this status; those in between are of other alerts.
pub(crate) fn page_of(pages: &Receiver<String>, alert: &str, status: &str) -> Value {
    let mut passed = Vec::new();
    loop {
        let page = pages
            .recv_timeout(PAGE_TIMEOUT)
            .unwrap_or_else(|_| panic!("no page says that {alert} is {status}, but {passed:#?}"));
        let page: Value = serde_json::from_str(&page).unwrap();
        let first = page["alerts"][0].clone();
        if first["labels"]["alertname"] == alert && first["status"] == status {
            return first;
        }
        passed.push(first);
    }
}

pub(crate) fn text<'v>(alert: &'v Value, annotation: &str) -> &'v str {
    alert["annotations"][annotation].as_str().unwrap_or("")
}

pub(crate) fn repair_steps(server: &Server) -> Vec<String> {
    let audit = server.get("/api/v1/health/repairs").json();
    let entries = audit["data"].as_array().unwrap().clone();
    let steps = entries
        .iter()
        .rev()
        .map(|e| e["step"].as_str().unwrap().to_owned());
    steps.collect()
}

#[test]
fn a_model_fails_in_every_way_and_its_owner_reads_why() {
    let dir = tempfile::tempdir().unwrap();
    let (model, shard) = (Model::start(), Model::start());
    let (url, pages) = receiver();
    let config = format!(
        "{}rules:\n  - {{ name: slow, condition: 'lapwing_health_state{{scope=\"model\"}} == 1', severity: warning }}\n\
         models:\n  - name: chat\n    endpoints: ['{}']\n    health:\n      interval: 200ms\n      timeout: 5s\n      \
         failures: 2\n      passes: 2\n      probes:\n        - openai_chat: {{ model: chat, prompt: '2+2?', \
         expect: {{ contains: '4', degraded_above: 1s }} }}\n    \
         recovery: [{{ on: critical, name: again, timeout: 170s, action: {{ http: '{}/restart' }}, limit: 2 per hour, cooldown: 1s, \
         backoff: 1s, verify_within: 60s }}]\n  \
         - name: shards\n    expected_version: v2\n    endpoints: ['{}']\n    health:\n      interval: 200ms\n      \
         timeout: 5s\n      failures: 2\n      probes: [{{ http: {{ path: /version, version: version }} }}]\n",
        telling(&url),
        model.url,
        model.url,
        shard.url
    );
    let server = serve(dir.path(), &config);
    model_state(&server, "chat", "healthy");
    model_state(&server, "shards", "healthy");

    model.is(Mood::Slow);
    let page = page_of(&pages, "slow", "firing");
    let why = text(&page, "diagnosis");
    assert!(
        why.contains("latency: it took") && why.contains("1000 are allowed"),
        "{page:#}"
    );
    model.is(Mood::Well);
    page_of(&pages, "slow", "resolved");

    // Wrong answers: told with the answer itself, repaired once, verified, over. A repair that helps at once would spare the page,
    // so each waits until it was told.
    model.hold_restarts();
    model.is(Mood::Wrong);
    let page = page_of(&pages, "model_critical", "firing");
    model.let_restart();
    let why = text(&page, "diagnosis");
    for part in ["chat/", "openai_chat", "answer:", "\"5\"", "last good"] {
        assert!(why.contains(part), "{part} is missing: {page:#}");
    }
    let page = page_of(&pages, "model_critical", "resolved");
    assert!(
        text(&page, "repairs").starts_with("again (http): start → action_done"),
        "{page:#}"
    );
    server.until("/api/v1/health/repairs", |a| a.body.contains("worked"));
    assert_eq!(model.restarts(), 1);

    // Hung: the second repair of this hour.
    model.hold_restarts();
    model.is(Mood::Hung);
    let page = page_of(&pages, "model_critical", "firing");
    model.let_restart();
    assert!(
        text(&page, "diagnosis").contains("timeout: not done within 5000 ms"),
        "{page:#}"
    );
    page_of(&pages, "model_critical", "resolved");
    server.until("/api/v1/health/repairs", |a| {
        a.body.matches("worked").count() == 2
    });

    // The budget is used up: a person is asked, and nothing is restarted.
    model.is(Mood::Broken);
    let page = page_of(&pages, "model_critical", "firing");
    assert!(text(&page, "diagnosis").contains("status 500"), "{page:#}");
    server.until("/api/v1/health/repairs", |a| a.body.contains("budget_used_up"));
    let steps = repair_steps(&server);
    assert_eq!(steps[steps.len() - 2..], ["refused", "escalated"], "{steps:?}");
    assert_eq!(model.restarts(), 2);
    model.is(Mood::Well);
    page_of(&pages, "model_critical", "resolved");

    // It answers and is well, and yet it serves what nobody asked for.
    shard.is(Mood::OldWeights);
    page_of(&pages, "fleet_exhausted", "firing");
    shard.is(Mood::Well);
    page_of(&pages, "fleet_exhausted", "resolved");
    let events = server.get("/api/v1/health/events?subject=model/chat").json();
    let told: Vec<&Value> = events["data"].as_array().unwrap().iter().collect();
    assert!(
        told.iter().all(|e| e["diagnosis"]["looks"].is_object()),
        "{events:#}"
    );
}

#[test]
fn a_parent_pages_once_and_names_what_follows_from_it() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let (url, pages) = receiver();
    let child = |name: &str| {
        format!(
            "  - {{ name: {name}, interval: 500ms, timeout: 5s, failures: 2, depends_on: gateway, http: {{ url: '{}/{name}' }} }}\n",
            model.url
        )
    };
    let config = format!(
        "{}checks:\n  - {{ name: gateway, interval: 500ms, timeout: 5s, failures: 2, http: {{ url: '{}/' }} }}\n{}{}",
        telling(&url),
        model.url,
        child("search"),
        child("basket")
    );
    let server = serve(dir.path(), &config);
    server.until("/api/v1/health", |a| a.json()["data"]["state"] == "healthy");
    model.is(Mood::Broken);
    let page = page_of(&pages, "check_failing", "firing");
    assert_eq!(page["labels"]["check"], "gateway", "{page:#}");
    assert_eq!(
        text(&page, "consequences"),
        "check/basket, check/search",
        "{page:#}"
    );
    let tree = server.get("/api/v1/health").json();
    for check in tree["data"]["checks"].as_array().unwrap() {
        let root = (check["name"] != "gateway").then_some("check/gateway");
        assert_eq!(check["consequence_of"].as_str(), root, "{check}");
        assert_eq!(check["suppressed"], root.is_some(), "{check}");
    }
    model.is(Mood::Well);
    let page = page_of(&pages, "check_failing", "resolved");
    assert_eq!(page["labels"]["check"], "gateway");
    // Whatever else came would have been passed over; the ledger has seen every page.
    let ledger = server.get("/api/v1/ledger").body;
    assert!(
        !ledger.contains("search") && !ledger.contains("basket"),
        "{ledger}"
    );
}

#[test]
fn with_its_own_network_down_lapwing_blames_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let (url, pages) = receiver();
    let far = |name: &str| {
        format!(
            "  - {{ name: {name}, interval: 1s, timeout: 5s, failures: 3, tcp: {{ address: '{name}.invalid:80' }} }}\n"
        )
    };
    let config = format!(
        "{}checks:\n{}{}{}",
        telling(&url),
        far("one"),
        far("two"),
        far("three")
    );
    let server = serve(dir.path(), &config);
    let page = page_of(&pages, "own_network_down", "firing");
    assert!(
        text(&page, "summary").contains("network of Lapwing itself"),
        "{page:#}"
    );
    let tree = server.until("/api/v1/health", |a| {
        let tree = a.json();
        let checks = tree["data"]["checks"].as_array().unwrap().clone();
        checks.iter().all(|c| c["reason"] == "own_network")
    });
    let tree = tree.json();
    assert_eq!(tree["data"]["own_network_down"], true);
    for check in tree["data"]["checks"].as_array().unwrap() {
        assert_eq!(check["state"], "unknown", "{check}");
        assert_eq!(check["verdict"], "unjudged", "{check}");
    }
    let alerts = server.get("/api/v1/alerts").body;
    assert!(!alerts.contains("check_failing"), "{alerts}");
}

/// As a machine does that gives Lapwing no time to run: what was under way when it was stopped has run out of time when it goes on.
#[test]
fn a_lapwing_that_did_not_get_to_run_blames_nobody() {
    let dir = tempfile::tempdir().unwrap();
    let model = Model::start();
    let config = format!(
        "checks: [{{ name: site, interval: 200ms, timeout: 8s, failures: 1, http: {{ url: '{}/', expect: {{ degraded_above: 5s }} }} }}]\n",
        model.url
    );
    let mut server = serve(dir.path(), &config);
    let is =
        |server: &Server, state: &str| server.until("/api/v1/health", |a| a.json()["data"]["state"] == state);
    is(&server, "healthy");
    model.is(Mood::Slow);
    model.wait_until_asked();
    server.pause(std::time::Duration::from_secs(10));
    server.until("/metrics", |a| {
        let discounted = a
            .body
            .lines()
            .filter(|l| l.starts_with("lapwing_probes_discounted_total"));
        discounted.into_iter().any(|l| !l.ends_with(" 0"))
    });
    let events = server.get("/api/v1/health/events").body;
    assert!(
        !events.contains("unhealthy") && !events.contains("degraded"),
        "{events}"
    );
    // It goes on to look, and who really hangs is found.
    model.is(Mood::Hung);
    let tree = is(&server, "unhealthy").json();
    let site = &tree["data"]["checks"][0];
    assert_eq!(site["reason"], "timeout", "{site}");
}
