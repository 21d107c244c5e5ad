//! Probes against real servers, installed from packages and started here.
//!
//! Needs: redis-server, nginx, psql, prometheus-blackbox-exporter, python:aiosmtpd, python:grpcio-health-checking

use crate::probe::{check, look_for, measured};
use lapwing_types::{ProbeOutcome, ProbeReason, Verdict};
use serde_json::{Value, json};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ends with the test.
pub(crate) struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}

/// A probe of this kind at this port of ours, with more settings.
pub(crate) fn probe_at(kind: &str, port: &str, mut settings: Value) -> Value {
    settings["address"] = json!(format!("127.0.0.1:{port}"));
    json!({ kind: settings })
}

/// Without the program the test is skipped by name; in CI that is a failure.
pub(crate) fn start(test: &str, program: &str, args: &[&str]) -> Option<Started> {
    let started = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn();
    match started {
        Ok(child) => Some(Started(child)),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "{program}: {error}");
            eprintln!("SKIPPED {test}: {program}: {error}");
            None
        }
    }
}

/// A server takes a moment to listen; a busy machine more.
pub(crate) async fn until_up(what: Value) -> ProbeOutcome {
    for _ in 0..300 {
        let outcome = look_for(what.clone(), 5000).await;
        if !matches!(outcome.reason, Some(ProbeReason::Refused | ProbeReason::Closed)) {
            return outcome;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} never came up");
}

#[tokio::test]
async fn redis() {
    let port = free_port().to_string();
    let args = [
        "--port",
        &port,
        "--save",
        "",
        "--requirepass",
        "hush",
        "--bind",
        "127.0.0.1",
    ];
    let Some(server) = start("redis", "redis-server", &args) else {
        return;
    };
    let at = |more: Value| probe_at("redis", &port, more);
    let up = until_up(at(json!({ "password": "hush" }))).await;
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    check(at(json!({})), Verdict::Fail, Some(ProbeReason::Auth)).await;
    check(
        at(json!({ "password": "wrong" })),
        Verdict::Fail,
        Some(ProbeReason::Auth),
    )
    .await;
    drop(server);
    check(
        at(json!({ "password": "hush" })),
        Verdict::Fail,
        Some(ProbeReason::Refused),
    )
    .await;
}

/// Debian puts the server's programs where no PATH leads.
fn postgres_programs() -> Option<PathBuf> {
    let found = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut dirs: Vec<PathBuf> = found.flatten().map(|e| e.path().join("bin")).collect();
    dirs.sort();
    dirs.into_iter().rev().find(|d| d.join("initdb").exists())
}

/// One of its hundred connections is ours; whatever time it takes is more than none.
async fn it_degrades(postgres: &Value) {
    for (more, verdict, reason) in [
        (
            json!({ "degraded_above": "1m", "connections": {} }),
            Verdict::Pass,
            None,
        ),
        (
            json!({ "degraded_above": "0s" }),
            Verdict::Degraded,
            Some(ProbeReason::Latency),
        ),
        (
            json!({ "connections": { "degraded": 0.5 } }),
            Verdict::Degraded,
            Some(ProbeReason::Threshold),
        ),
        (
            json!({ "degraded_above": "0s", "connections": { "degraded": 0.1, "unhealthy": 0.5 } }),
            Verdict::Fail,
            Some(ProbeReason::Threshold),
        ),
    ] {
        let mut probe = postgres.clone();
        let settings = probe["postgres"].as_object_mut().unwrap();
        settings.extend(more.as_object().unwrap().clone());
        check(probe, verdict, reason).await;
    }
}

#[tokio::test]
async fn postgres_with_scram() {
    let Some(programs) = postgres_programs() else {
        eprintln!("SKIPPED postgres_with_scram: there is no postgresql");
        return;
    };
    let dir = tempfile::Builder::new().prefix("pg").tempdir_in("/tmp").unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    let (data, secret) = (dir.path().join("data"), dir.path().join("secret"));
    std::fs::write(&secret, "hush").unwrap();
    // It refuses to run as root; then another user must be at hand.
    let as_other = rustix::process::getuid().is_root();
    let other = |program: &Path| {
        let mut command = Command::new(if as_other { Path::new("setpriv") } else { program });
        if as_other {
            command
                .args(["--reuid=postgres", "--regid=postgres", "--clear-groups"])
                .arg(program);
        }
        command
            .current_dir("/tmp")
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    };
    let made = other(&programs.join("initdb"))
        .args(["-U", "ann", "--auth=scram-sha-256", "--no-sync", "--pwfile"])
        .arg(&secret)
        .arg("-D")
        .arg(&data)
        .status();
    if !made.is_ok_and(|s| s.success()) {
        eprintln!("SKIPPED postgres_with_scram: initdb does not work here");
        return;
    }
    let port = free_port().to_string();
    let mut server = other(&programs.join("postgres"));
    server
        .args(["-p", &port, "-h", "127.0.0.1", "-k", "", "-D"])
        .arg(&data);
    let server = Started(server.spawn().unwrap());
    let at = |user: &str, password: &str, more: (&str, &str)| {
        json!({ "postgres": { "address": format!("127.0.0.1:{port}"), "user": user, "password": password,
                "database": "postgres", "query": more.0, "expect": more.1 } })
    };
    let mut up = until_up(at("ann", "hush", ("SELECT 41 + 1", "42"))).await;
    for _ in 0..100 {
        // It listens before it is ready, and says so.
        if !up.detail.contains("starting up") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        up = look_for(at("ann", "hush", ("SELECT 41 + 1", "42")), 5000).await;
    }
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    check(
        at("ann", "wrong", ("SELECT 1", "1")),
        Verdict::Fail,
        Some(ProbeReason::Auth),
    )
    .await;
    check(
        at("ann", "hush", ("SELECT 1", "2")),
        Verdict::Fail,
        Some(ProbeReason::Answer),
    )
    .await;
    check(
        at("ann", "hush", ("SELECT nothing", "2")),
        Verdict::Fail,
        Some(ProbeReason::Answer),
    )
    .await;
    it_degrades(&at("ann", "hush", ("SELECT 1", "1"))).await;
    drop(server);
}

pub(crate) fn python() -> String {
    std::env::var("LAPWING_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned())
}

pub(crate) fn has_module(test: &str, module: &str) -> bool {
    let import = format!("import {module}");
    let found = Command::new(python())
        .args(["-c", &import])
        .stderr(Stdio::null())
        .status();
    if found.is_ok_and(|s| s.success()) {
        return true;
    }
    eprintln!("SKIPPED {test}: python has no {module}");
    false
}

#[tokio::test]
async fn smtp() {
    if !has_module("smtp", "aiosmtpd") {
        return;
    }
    let port = free_port();
    let listen = format!("127.0.0.1:{port}");
    let args = ["-m", "aiosmtpd", "-n", "-l", &listen];
    let Some(server) = start("smtp", &python(), &args) else {
        return;
    };
    let what = json!({ "smtp": { "address": listen } });
    let up = until_up(what.clone()).await;
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    let tls = json!({ "smtp": { "address": format!("127.0.0.1:{port}"), "starttls": {} } });
    check(tls, Verdict::Fail, Some(ProbeReason::Tls)).await;
    drop(server);
    check(what, Verdict::Fail, Some(ProbeReason::Refused)).await;
}

#[tokio::test]
async fn grpc_health() {
    if !has_module("grpc_health", "grpc_health.v1.health") {
        return;
    }
    const SERVER: &str = "
import sys, grpc
from concurrent import futures
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
server = grpc.server(futures.ThreadPoolExecutor(2))
service = health.HealthServicer()
health_pb2_grpc.add_HealthServicer_to_server(service, server)
service.set('ill', health_pb2.HealthCheckResponse.NOT_SERVING)
server.add_insecure_port('127.0.0.1:' + sys.argv[1])
server.start()
server.wait_for_termination()
";
    let port = free_port().to_string();
    let Some(_server) = start("grpc_health", &python(), &["-c", SERVER, &port]) else {
        return;
    };
    let of =
        |service: &str| json!({ "grpc": { "address": format!("127.0.0.1:{port}"), "service": service } });
    let up = until_up(of("")).await;
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    check(of("ill"), Verdict::Fail, Some(ProbeReason::Answer)).await;
    check(of("none"), Verdict::Fail, Some(ProbeReason::NotFound)).await;
}

pub(crate) fn nginx(dir: &Path, port: u16) -> Option<Started> {
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls");
    let text = format!(
        "daemon off; master_process off; error_log {0}/error.log; pid {0}/pid; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};\n\
         uwsgi_temp_path {0}; scgi_temp_path {0};\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;\n\
         location / {{ return 200 'all well\\n'; }} location /gone {{ return 404; }}\n\
         location /there {{ return 302 /; }}\n\
         location /twice {{ add_header X-A one; add_header X-A two; return 200 'x'; }}\n\
         location /cookie {{ if ($cookie_a) {{ return 200 'in'; }} add_header Set-Cookie 'a=1' always; return 302 /cookie; }}\n\
         location /big {{ root {0}; default_type text/plain; gzip on; gzip_types text/plain; }} }} }}\n",
        dir.display()
    );
    std::fs::write(dir.join("big"), "all well\n".repeat(300_000)).unwrap();
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    start(
        "nginx_with_tls",
        "nginx",
        &["-c", file.to_str().unwrap(), "-p", dir.to_str().unwrap()],
    )
}

#[tokio::test]
async fn nginx_with_tls() {
    let dir = tempfile::tempdir().unwrap();
    let port = free_port();
    let Some(server) = nginx(dir.path(), port) else {
        return;
    };
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem");
    let at = |path: &str| {
        json!({ "http": { "url": format!("https://localhost:{port}{path}"), "tls": { "ca_file": ca },
                "expect": { "contains": "all well" } } })
    };
    let up = until_up(at("/")).await;
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    assert!(
        up.phases.iter().any(|(p, s)| p.as_str() == "tls" && *s > 0.0),
        "{up:?}"
    );
    let redirected = check(at("/there"), Verdict::Pass, None).await;
    assert_eq!(measured(&redirected, "probe_http_redirects"), Some(1.0));
    check(at("/gone"), Verdict::Fail, Some(ProbeReason::Status)).await;
    drop(server);
    check(at("/"), Verdict::Fail, Some(ProbeReason::Refused)).await;
}

/// The peer and we look at the same nginx, through the same conditions.
#[tokio::test]
async fn the_common_series_agree_with_blackbox_exporter() {
    let dir = tempfile::tempdir().unwrap();
    let (port, peer_port) = (free_port(), free_port());
    let Some(_nginx) = nginx(dir.path(), port) else {
        return;
    };
    let module = "modules: { m: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4, \
                  tls_config: { insecure_skip_verify: true } } } }\n";
    let file = dir.path().join("blackbox.yml");
    std::fs::write(&file, module).unwrap();
    let listen = format!("--web.listen-address=127.0.0.1:{peer_port}");
    let config = format!("--config.file={}", file.display());
    let test = "the_common_series_agree_with_blackbox_exporter";
    let Some(_peer) = start(test, "prometheus-blackbox-exporter", &[&listen, &config]) else {
        return;
    };
    for path in ["/", "/there", "/gone"] {
        let url = format!("https://localhost:{port}{path}");
        let ours = until_up(json!({ "http": { "url": url, "tls": { "insecure_skip_verify": true } } })).await;
        let asked = format!("http://127.0.0.1:{peer_port}/probe?module=m&target={url}");
        until_up(json!({ "tcp": { "address": format!("127.0.0.1:{peer_port}") } })).await;
        let theirs = peer_series(&asked).await;
        for name in [
            "probe_http_status_code",
            "probe_http_redirects",
            "probe_http_ssl",
            "probe_http_version",
            "probe_ip_protocol",
            "probe_ssl_earliest_cert_expiry",
            "probe_failed_due_to_regex",
        ] {
            let Some(mine) = measured(&ours, name) else {
                continue;
            };
            let line = theirs.iter().find(|(n, _)| n == name).map(|(_, v)| *v);
            assert_eq!(line, Some(mine), "{name} of {url}");
        }
        let success = theirs.iter().find(|(n, _)| n == "probe_success").unwrap().1;
        assert_eq!(success == 1.0, ours.is_success(), "{url}: {ours:?}");
    }
}

pub(crate) async fn peer_series(url: &str) -> Vec<(String, f64)> {
    let client =
        lapwing_collect::http::HttpClient::new(&lapwing_collect::http::HttpConfig::default()).unwrap();
    let request = lapwing_collect::http::Request {
        url,
        headers: &[],
        timeout_ms: 10_000,
        body_bytes_max: 1 << 20,
        now_ms: 0,
    };
    let page = client.get(&request).await.unwrap();
    String::from_utf8(page.body)
        .unwrap()
        .lines()
        .filter(|l| !l.starts_with('#'))
        .filter_map(|l| {
            let (name, value) = l.split_once(' ')?;
            Some((name.to_owned(), value.parse().ok()?))
        })
        .collect()
}
