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
    let (code, text) = said(&["--web.enable-lifecylce"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("did you mean --web.enable-lifecycle?"), "{text}");
    std::fs::write(
        dir.path().join("prometheus.yml"),
        "scrape_configs: [{ job_nam: x }]\n",
    )
    .unwrap();
    let (code, text) = said(&[]);
    assert_eq!(code, Some(2));
    assert!(text.contains("prometheus.yml:1:20"), "{text}");
}
