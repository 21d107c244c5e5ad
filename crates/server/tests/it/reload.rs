//! Another configuration takes the place of the one in force: by a changed file, SIGHUP and `POST /-/reload`; one with a
//! mistake changes nothing and says so.

use crate::support::{Server, now_ms};
use std::path::{Path, PathBuf};

fn write(dir: &Path, text: &str) -> PathBuf {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, text).unwrap();
    file
}

fn start(dir: &Path, text: &str) -> Server {
    let file = write(dir, text);
    Server::start(&dir.join("data"), &["--config", file.to_str().unwrap()])
}

fn in_force(server: &Server, needle: &str) {
    server.until("/api/v1/status/config", |answer| answer.body.contains(needle));
}

#[test]
fn every_way_of_reloading_takes_up_the_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "store: { retention: 10d }\n");
    in_force(&server, "retention: 10d");
    write(dir.path(), "store: { retention: 11d }\n");
    in_force(&server, "retention: 11d");

    write(dir.path(), "store: { retention: 12d }\n");
    server.hang_up();
    in_force(&server, "retention: 12d");

    write(dir.path(), "store: { retention: 13d }\n");
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    in_force(&server, "retention: 13d");
}

#[test]
fn a_bad_file_changes_nothing_and_says_so_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "store: { retention: 10d }\n");
    write(dir.path(), "store: { retentoin: 11d }\n");
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("did you mean \"retention\"?"),
        "{}",
        answer.body
    );
    in_force(&server, "retention: 10d");
    let info = server.get("/api/v1/status/runtimeinfo").json();
    assert_eq!(info["data"]["reloadConfigSuccess"], false, "{info}");
    assert!(
        info["data"]["reloadConfigError"]
            .as_str()
            .unwrap()
            .contains("retentoin")
    );
    let metrics = server.get("/metrics").body;
    for line in [
        "lapwing_config_last_reload_successful 0",
        "prometheus_config_last_reload_successful 0",
    ] {
        assert!(metrics.contains(line), "{line}");
    }

    write(dir.path(), "store: { retention: 12d }\n");
    in_force(&server, "retention: 12d");
    server.until("/metrics", |a| {
        a.body.contains("lapwing_config_last_reload_successful 1")
    });
}

#[test]
fn what_needs_a_restart_is_named_and_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "store: { durability: process }\n");
    write(dir.path(), "store: { durability: disk, retention: 9d }\n");
    let answer = server.post("/-/reload", &[], b"");
    assert!(answer.body.contains("store.durability"), "{}", answer.body);
    in_force(&server, "durability: process");
    in_force(&server, "retention: 9d");
}

#[test]
fn rules_scrapes_limits_and_tokens_are_exchanged_and_alerts_stay() {
    let dir = tempfile::tempdir().unwrap();
    let rules = "global: { evaluation_interval: 1s }\nrules: [{ name: high, condition: loss > 0.5 }]\n";
    let server = start(dir.path(), rules);
    let push = |name: &str| {
        let body = format!(r#"{{"name": "{name}", "value": 0.9}}"#);
        server.post(
            "/api/v1/push",
            &[("Content-Type", "application/json")],
            body.as_bytes(),
        )
    };
    assert_eq!(push("loss").status, 200);
    let firing = server.until("/api/v1/alerts", |a| a.body.contains("firing"));
    let active_at = firing.json()["data"]["alerts"][0]["activeAt"].clone();

    let own = server.url.trim_start_matches("http://").to_owned();
    write(
        dir.path(),
        &format!(
            "{rules}  # the same rule, and more\nstore: {{ series_limit: 1 }}\n\
             scrape_configs: [{{ job_name: me, scrape_interval: 1s, static_configs: [{{ targets: ['{own}'] }}] }}]\n"
        ),
    );
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 200, "{}", answer.body);
    server.until("/api/v1/targets", |a| {
        a.body.contains("\"health\":\"up\"") && a.body.contains("\"me\"")
    });
    let alerts = server.get("/api/v1/alerts").json();
    assert_eq!(alerts["data"]["alerts"][0]["activeAt"], active_at, "{alerts}");
    let refused = push("another");
    assert_eq!(refused.status, 400, "{}", refused.body);
    assert!(refused.body.contains("more than 1 series"), "{}", refused.body);

    write(dir.path(), "web: { tokens: [{ role: read, secret: s3cret }] }\n");
    server.until("/api/v1/status/config", |a| a.status == 401);
    let t_s = now_ms() / 1000;
    assert_eq!(
        server.get(&format!("/api/v1/query?query=up&time={t_s}")).status,
        401
    );
}
