//! Who is blamed when things fail one after the other: the page waits for the cause, and names it.
//!
//! The rule of these tests has no `for`: whatever is not excused at once is told at once.

use crate::fake_model::{Model, Mood};
use crate::health::serve;
use crate::health_pages::{page_of, telling, text};
use crate::paging::receiver;
use crate::support::Server;
use serde_json::Value;
use std::sync::mpsc::Receiver;

/// A gateway that takes sixty bad looks to be found failing and one good look to be well, and two checks below it that take two
/// and five; what each of them is asked is a server of its own.
struct House {
    gateway: Model,
    below: Model,
    server: Server,
    pages: Receiver<String>,
    _dir: tempfile::TempDir,
}

impl House {
    fn start() -> House {
        let dir = tempfile::tempdir().unwrap();
        let (gateway, below) = (Model::start(), Model::start());
        let (hook, pages) = receiver();
        let timing = "interval: 200ms, timeout: 30s";
        let child = |name: &str| {
            format!(
                "  - {{ name: {name}, {timing}, failures: 2, passes: 5, depends_on: gateway, http: {{ url: '{}/{name}' }} }}\n",
                below.url
            )
        };
        let config = format!(
            "{}host: {{ enabled: false }}\ndiscover: {{ local: false }}\nrules:\n  - {{ name: down, severity: critical, condition: \
             'lapwing_health_state{{scope=\"check\"}} >= 2 unless on (check) lapwing_health_suppressed{{scope=\"check\"}} == 1' }}\n\
             checks:\n  - {{ name: gateway, {timing}, failures: 60, passes: 1, http: {{ url: '{}/' }} }}\n{}{}",
            telling(&hook),
            gateway.url,
            child("search"),
            child("basket")
        );
        let server = serve(dir.path(), &config);
        server.until("/api/v1/health", |a| a.json()["data"]["state"] == "healthy");
        House {
            gateway,
            below,
            server,
            pages,
            _dir: dir,
        }
    }

    /// Waits until a check is as wanted.
    fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) {
        self.server.until("/api/v1/health", |a| {
            let tree = a.json();
            let checks = tree["data"]["checks"].as_array().unwrap();
            checks.iter().any(|c| c["name"] == name && wanted(c))
        });
    }

    fn until_is(&self, name: &str, state: &str) {
        self.until(name, |c| c["state"] == state);
    }

    /// The gateway has begun to fail, and what is below it has failed.
    fn fail_below_first(&self) {
        self.gateway.is(Mood::Broken);
        self.until("gateway", |c| c["verdict"] == "fail");
        self.below.is(Mood::Broken);
        for name in ["search", "basket"] {
            self.until(name, |c| c["state"] == "unhealthy" && c["suppressed"] == true);
        }
    }

    fn next_page(&self, status: &str) -> Value {
        page_of(&self.pages, "down", status)
    }

    /// Every page is in the ledger, whoever read it.
    fn told_of_nobody_below(&self) {
        let ledger = self.server.get("/api/v1/ledger").body;
        let is_named = ["search", "basket"].iter().any(|name| ledger.contains(name));
        assert!(!is_named, "{ledger}");
    }
}

#[test]
fn a_child_that_fails_first_waits_for_its_cause() {
    let house = House::start();
    house.fail_below_first();
    let waits = "check/search: check/gateway has begun to fail as well, and is decided first";
    house
        .server
        .until("/api/v1/decisions?alertname=check_failing", |a| {
            a.body.contains(waits)
        });

    let page = house.next_page("firing");
    assert_eq!(page["labels"]["check"], "gateway", "{page:#}");
    assert_eq!(
        text(&page, "consequences"),
        "check/basket, check/search",
        "{page:#}"
    );
    for name in ["search", "basket"] {
        house.until(name, |c| {
            c["consequence_of"] == "check/gateway" && c["suppressed"] == true
        });
        // It had failed, and was diagnosed, before its cause was known.
        let events = format!("/api/v1/health/events?subject=check/{name}");
        house.server.until(&events, |a| {
            a.json()["data"][0]["diagnosis"]["cause"] == "check/gateway"
        });
    }

    // The gateway is well before what is below it is: that is no news.
    house.gateway.is(Mood::Well);
    let page = house.next_page("resolved");
    assert_eq!(page["labels"]["check"], "gateway", "{page:#}");
    house.below.is(Mood::Well);
    for name in ["search", "basket"] {
        house.until_is(name, "healthy");
    }
    house.told_of_nobody_below();
}

#[test]
fn a_child_whose_parent_only_wavered_speaks_for_itself() {
    let house = House::start();
    house.fail_below_first();
    house.told_of_nobody_below();
    house.gateway.is(Mood::Well);
    let mut told =
        [house.next_page("firing"), house.next_page("firing")].map(|p| p["labels"]["check"].clone());
    told.sort_by_key(Value::to_string);
    assert_eq!(told, ["basket", "search"]);
    house.below.is(Mood::Well);
    for _ in 0..2 {
        house.next_page("resolved");
    }
    let ledger = house.server.get("/api/v1/ledger").body;
    assert!(!ledger.contains("gateway"), "{ledger}");
}
