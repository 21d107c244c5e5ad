//! `lapwing prometheus` in the place of a Prometheus: its flags, its files, its doors.

use crate::support::{Server, now_ms};
use base64::Engine as _;
use std::path::Path;
use std::process::Command;

fn command(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command
        .arg("prometheus")
        .arg(format!("--config.file={}", dir.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", dir.join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .args(flags);
    command
}

const CONFIG: &str = "global: { scrape_interval: 1s, sample_limit: 100, external_labels: { cluster: a } }\n\
    rule_files: ['rules/*.yml']\n\
    remote_write: [{ url: 'http://127.0.0.1:1/' }]\n\
    scrape_configs: [{ job_name: nobody, static_configs: [{ targets: ['127.0.0.1:1'] }] }]\n";

fn write(dir: &Path) {
    std::fs::create_dir(dir.join("rules")).unwrap();
    std::fs::write(dir.join("prometheus.yml"), CONFIG).unwrap();
    let rules = "groups: [{ name: g, interval: 1s, rules: [{ alert: Down, expr: 'up == 0' }] }]\n";
    std::fs::write(dir.join("rules/a.yml"), rules).unwrap();
}

#[test]
fn a_prometheus_yml_scrapes_and_judges_and_reloads() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let flags = ["--web.enable-lifecycle", "--enable-feature=old-ui"];
    let server = Server::spawn(&mut command(dir.path(), &flags));
    server.until("/api/v1/alerts", |a| a.body.contains("\"firing\""));
    let up = server.query("count(up)", now_ms() as f64 / 1000.0);
    assert_eq!(up[0]["value"][1], "1");
    // Doors that the flags did not open.
    assert_eq!(server.post("/api/v1/write", &[], b"").status, 404);
    let json = [("Content-Type", "application/json")];
    assert_eq!(server.post("/api/v1/otlp/v1/metrics", &json, b"{}").status, 404);
    assert_ne!(
        server
            .post("/api/v1/admin/tsdb/clean_tombstones", &[], b"")
            .status,
        204
    );
    let more = "groups: [{ name: h, rules: [{ record: x, expr: '1' }] }]\n";
    std::fs::write(dir.path().join("rules/b.yml"), more).unwrap();
    assert_eq!(server.post("/-/reload", &[], b"").status, 200);
    assert!(server.get("/api/v1/rules").body.contains("b.yml"));
    assert!(server.terminate());
}

#[test]
fn what_global_says_of_histograms_and_rules_holds_for_all_of_them() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let target = Server::start(&dir.path().join("target"), &[]);
    let config = format!(
        "global: {{ scrape_interval: 1s, evaluation_interval: 1s, rule_query_offset: 90s, \
         convert_classic_histograms_to_nhcb: true }}\n\
         rule_files: ['rules/*.yml']\n\
         scrape_configs: [{{ job_name: on, static_configs: [{{ targets: ['{address}'], labels: {{ version: 1.10, land: NO }} }}] }}, \
         {{ job_name: classic, convert_classic_histograms_to_nhcb: false, static_configs: [{{ targets: ['{address}'] }}] }}]\n",
        address = target.url.trim_start_matches("http://"),
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let rules = "groups: [{ name: g, rules: [{ record: then, expr: time() }] }]\n";
    std::fs::write(dir.path().join("rules/a.yml"), rules).unwrap();
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let family = "lapwing_http_request_duration_seconds";
    let native = format!("count(histogram_count({family}{{job=\"on\", version=\"1.10\", land=\"NO\"}}) > 0)");
    assert_ne!(server.value_of(&native), "0");
    let classic = format!("count by (job) ({family}_bucket{{job!=\"lapwing\"}})");
    assert_ne!(server.value_of(&classic), "0");
    let by_job = server.query(&classic, now_ms() as f64 / 1000.0);
    let jobs: Vec<_> = by_job
        .as_array()
        .unwrap()
        .iter()
        .map(|s| &s["metric"]["job"])
        .collect();
    assert_eq!(jobs, ["classic"]);
    let late_s = server.value_of("time() - then").parse::<f64>().unwrap();
    assert!(late_s > 89.0, "{late_s}");
}

#[test]
fn users_and_prefix_are_as_the_web_config_says() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let hash = bcrypt::hash("s3cret", 4).unwrap();
    let web = dir.path().join("web.yml");
    std::fs::write(&web, format!("basic_auth_users: {{ alice: '{hash}' }}\n")).unwrap();
    let web = format!("--web.config.file={}", web.display());
    let flags = [web.as_str(), "--web.external-url=http://example.org/prom/"];
    let server = Server::spawn(&mut command(dir.path(), &flags));
    let ask = |login: &str| {
        let basic = base64::engine::general_purpose::STANDARD.encode(login);
        let header = format!("Basic {basic}");
        let headers = [("Authorization", header.as_str())];
        server
            .request("GET", "/prom/api/v1/status/buildinfo", &headers, b"")
            .status
    };
    assert_eq!(ask("alice:s3cret"), 200);
    assert_eq!(ask("alice:s3cret"), 200);
    assert_eq!(ask("alice:wrong"), 401);
    assert_eq!(ask("bob:s3cret"), 401);
    assert_eq!(server.get("/prom/api/v1/status/buildinfo").status, 401);
    assert_eq!(server.get("/prom/-/healthy").status, 200);
}

#[test]
fn a_mistake_in_flag_or_file_starts_nothing() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let said = |flags: &[&str]| {
        let output = command(dir.path(), flags).output().unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let mistakes = [
        ("--web.enable-lifecylce", "did you mean --web.enable-lifecycle?"),
        (
            "--log.level=verbose",
            "--log.level is one of info, debug, warn, error and not \"verbose\"",
        ),
        (
            "--log.format=text",
            "--log.format is one of logfmt, json and not \"text\"",
        ),
    ];
    for (flag, answer) in mistakes {
        let (code, text) = said(&[flag]);
        assert_eq!(code, Some(2), "{flag}");
        assert!(text.contains(answer), "{text}");
    }
    std::fs::write(
        dir.path().join("prometheus.yml"),
        "scrape_configs: [{ job_nam: x }]\n",
    )
    .unwrap();
    let (code, text) = said(&[]);
    assert_eq!(code, Some(2));
    assert!(text.contains("prometheus.yml:1:20"), "{text}");
}

#[test]
fn the_api_says_what_runs_and_with_what_and_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let secret = CONFIG.replace("http://127.0.0.1:1/", "http://u:hush@127.0.0.1:1/");
    std::fs::write(dir.path().join("prometheus.yml"), secret).unwrap();
    let flags = [
        "--web.enable-lifecycle",
        "--query.timeout=30s",
        "--enable-feature=native-histograms",
    ];
    let server = Server::spawn(&mut command(dir.path(), &flags));
    let build = server.get("/api/v1/status/buildinfo").json()["data"].clone();
    assert_eq!(server.get("/version").json(), build);
    let told = server.get("/api/v1/status/flags").json()["data"].clone();
    let wanted = [
        ("query.timeout", "30s"),
        ("query.lookback-delta", "5m"),
        ("web.enable-lifecycle", "true"),
        ("web.enable-admin-api", "false"),
        ("enable-feature", "native-histograms"),
        ("storage.tsdb.min-block-duration", "2h"),
        ("storage.tsdb.retention.time", "15d"),
        ("web.route-prefix", "/"),
    ];
    for (name, value) in wanted {
        assert_eq!(told[name], value, "{name}");
    }
    assert!(server.get("/api/v1/status/runtimeinfo").json()["data"]["GOMEMLIMIT"].is_u64());
    let shown = server.get("/api/v1/status/config").json()["data"]["yaml"].clone();
    let shown = shown.as_str().unwrap();
    assert!(
        shown.contains("job_name: nobody") && shown.contains("cluster: a"),
        "{shown}"
    );
    assert!(
        shown.contains("u:<secret>@127.0.0.1") && !shown.contains("hush"),
        "{shown}"
    );
    let end = server.post("/-/quit", &[], b"");
    assert_eq!(
        (end.status, end.body.as_str()),
        (200, "Requesting termination... Goodbye!")
    );
    assert!(server.ends_well());
}

#[test]
fn only_who_starts_it_so_may_end_it_from_outside() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let shut = Server::spawn(&mut command(dir.path(), &[]));
    assert_eq!(shut.post("/-/quit", &[], b"").status, 403);
    let own = Server::start(&dir.path().join("own"), &[]);
    assert_eq!(own.post("/-/quit", &[], b"").status, 403);
    assert_eq!(own.get("/-/healthy").status, 200);
}

#[test]
fn alertmanagers_come_and_go_as_their_file_says() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let config = format!(
        "{CONFIG}alerting: {{ alertmanagers: [{{ file_sd_configs: [{{ files: ['am.json'] }}], relabel_configs: \
         [{{ source_labels: [stage], regex: old, action: drop }}] }}] }}\n"
    );
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let name = |first: &str| {
        let text = format!(
            r#"[{{ "targets": ["{first}"] }}, {{ "targets": ["127.0.0.1:2"], "labels": {{ "stage": "old" }} }}]"#
        );
        // In one step, so that no half is read.
        std::fs::write(dir.path().join("new"), text).unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join("am.json")).unwrap();
    };
    name("127.0.0.1:1");
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let path = "/api/v1/alertmanagers";
    let told = server.until(path, |a| a.body.contains("127.0.0.1:1/")).json();
    let (active, dropped) = (
        &told["data"]["activeAlertmanagers"],
        &told["data"]["droppedAlertmanagers"],
    );
    assert_eq!(active.as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(active[0]["url"], "http://127.0.0.1:1/api/v2/alerts");
    assert_eq!(
        *dropped,
        serde_json::json!([{ "url": "http://127.0.0.1:2/api/v2/alerts" }])
    );
    // The rule `up == 0` fires: whoever is named is told, or tried.
    server.until(path, |a| a.body.contains("lastError\":\""));
    name("127.0.0.1:3");
    let told = server.until(path, |a| a.body.contains("127.0.0.1:3/"));
    assert!(!told.body.contains("127.0.0.1:1/"), "{}", told.body);
}

#[test]
fn dropped_targets_show_all_that_their_rules_saw() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path());
    let config = "scrape_configs: [{ job_name: a, keep_dropped_targets: 1, static_configs: [{ targets: ['x:1', 'y:1'] }], \
                  relabel_configs: [{ source_labels: [job], regex: a, action: drop }] }, { job_name: b }]\n";
    std::fs::write(dir.path().join("prometheus.yml"), config).unwrap();
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let told = server.get("/api/v1/targets?scrapePool=a").json()["data"].clone();
    assert_eq!(told["droppedTargetCounts"], serde_json::json!({ "a": 2, "b": 0 }));
    let discovered = serde_json::json!({
        "__address__": "x:1", "__metrics_path__": "/metrics", "__scheme__": "http",
        "__scrape_interval__": "1m", "__scrape_timeout__": "10s", "job": "a",
    });
    assert_eq!(
        told["droppedTargets"],
        serde_json::json!([{ "discoveredLabels": discovered, "scrapePool": "a" }])
    );
}
