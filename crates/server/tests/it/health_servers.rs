//! Real servers that end, come back and degrade: the state, the page and the repair of each.
//!
//! Needs: redis-server, nginx, dnsmasq, python:aiosmtpd, python:grpcio-health-checking

use crate::health::serve;
use crate::health_pages::telling;
use crate::paging::{PAGE_TIMEOUT, receiver};
use crate::support::{Peer, Server, free_port};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::mpsc::Receiver;

/// A server of the test's own, always on the same port.
pub(crate) struct Real {
    pub(crate) name: &'static str,
    program: String,
    arguments: Vec<String>,
    pub(crate) port: u16,
    /// Its probe, as the configuration says it, with `PORT` in place of the port.
    pub(crate) probe: String,
    running: Option<Peer>,
}

impl Real {
    fn new(name: &'static str, (program, port): (&str, u16), arguments: &[&str], probe: &str) -> Real {
        Real {
            name,
            program: program.to_owned(),
            arguments: arguments.iter().map(|a| (*a).to_owned()).collect(),
            port,
            probe: probe.to_owned(),
            running: None,
        }
    }

    /// False when it is not installed.
    fn start(&mut self) -> bool {
        self.running = Peer::start(&self.program, &self.arguments);
        self.running.is_some()
    }
}

const GRPC: &str = "
import sys, grpc
from concurrent import futures
from grpc_health.v1 import health, health_pb2_grpc
server = grpc.server(futures.ThreadPoolExecutor(2))
health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
server.add_insecure_port('127.0.0.1:' + sys.argv[1])
server.start()
server.wait_for_termination()
";

fn nginx(dir: &Path, tls: &str, port: u16) -> String {
    let text = format!(
        "daemon off; master_process off; error_log {0}/error.log; pid {0}/pid; events {{}}\n\
         http {{ access_log off; client_body_temp_path {0}; proxy_temp_path {0}; fastcgi_temp_path {0};\n\
         uwsgi_temp_path {0}; scgi_temp_path {0};\n\
         server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {tls}/server.pem; ssl_certificate_key {tls}/server.key;\n\
         location / {{ return 200 'all well\\n'; }} }} }}\n",
        dir.display()
    );
    let file = dir.join("nginx.conf");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

fn has_module(python: &str, module: &str) -> bool {
    let found = std::process::Command::new(python)
        .args(["-c", &format!("import {module}")])
        .stderr(std::process::Stdio::null())
        .status();
    found.is_ok_and(|s| s.success())
}

/// Those that are installed; the others are named.
pub(crate) fn servers(dir: &Path, tls: &str) -> Vec<Real> {
    let python = std::env::var("LAPWING_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let [redis, http, dns, smtp, grpc] = [(); 5].map(|()| free_port());
    let text = |port: u16| port.to_string();
    let conf = nginx(dir, tls, http);
    let https = format!(
        "http: {{ url: 'https://localhost:PORT/', tls: {{ ca_file: {tls}/ca.pem }}, expect: {{ contains: all well }} }}"
    );
    let mut all = vec![
        Real::new(
            "redis",
            ("redis-server", redis),
            &["--port", &text(redis), "--save", "", "--bind", "127.0.0.1"],
            "redis: { address: '127.0.0.1:PORT' }",
        ),
        Real::new(
            "nginx",
            ("nginx", http),
            &["-c", &conf, "-p", &dir.display().to_string()],
            &https,
        ),
        Real::new(
            "dns",
            ("dnsmasq", dns),
            &[
                "--keep-in-foreground",
                "--no-resolv",
                "--no-hosts",
                "--conf-file=/dev/null",
                "--pid-file=",
                "--user=root",
                "--listen-address=127.0.0.1",
                "--bind-interfaces",
                &format!("--port={dns}"),
                "--address=/db.internal/10.1.2.3",
            ],
            "dns: { server: '127.0.0.1:PORT', name: db.internal, answers: '^10' }",
        ),
    ];
    if has_module(&python, "aiosmtpd") {
        let arguments = ["-m", "aiosmtpd", "-n", "-l", &format!("127.0.0.1:{smtp}")];
        let probe = "smtp: { address: '127.0.0.1:PORT' }";
        all.push(Real::new("smtp", (&python, smtp), &arguments, probe));
    }
    if has_module(&python, "grpc_health.v1.health") {
        let probe = "grpc: { address: '127.0.0.1:PORT' }";
        all.push(Real::new(
            "grpc",
            (&python, grpc),
            &["-c", GRPC, &text(grpc)],
            probe,
        ));
    }
    all.retain_mut(|server| {
        let is_there = server.start();
        assert!(
            is_there || std::env::var_os("CI").is_none(),
            "{} is not installed",
            server.program
        );
        if !is_there {
            eprintln!(
                "SKIPPED health_servers for {}: {} is not installed",
                server.name, server.program
            );
        }
        is_there
    });
    all
}

/// Whatever fails or is degraded is told to this hook, each by itself.
pub(crate) fn telling_of_checks(hook: &str) -> String {
    format!(
        "host: {{ enabled: false }}\ndiscover: {{ local: false }}\n{}rules:\n  \
         - {{ name: down, condition: 'lapwing_health_state{{scope=\"check\"}} >= 2', severity: critical }}\n  \
         - {{ name: soon, condition: 'lapwing_health_state{{scope=\"check\"}} == 1', severity: warning }}\nchecks:\n",
        telling(hook)
    )
}

fn config(dir: &Path, (hook, tls): (&str, &str), servers: &[Real], warn_days: u32) -> String {
    let mut text = telling_of_checks(hook);
    let timing = "interval: 500ms, timeout: 5s, failures: 2, passes: 2";
    for server in servers {
        // Whoever looks after the server sees the file and starts it again.
        let wish = dir.join(server.name).display().to_string();
        text.push_str(&format!(
            "  - {{ name: {}, {timing}, {}, recovery: [{{ on: unhealthy, name: again, limit: 1 per hour, verify_within: 120s, \
             action: {{ command: [touch, '{wish}'] }} }}] }}\n",
            server.name,
            server.probe.replace("PORT", &server.port.to_string())
        ));
    }
    if let Some(nginx) = servers.iter().find(|s| s.name == "nginx") {
        text.push_str(&format!(
            "  - {{ name: certificate, {timing}, tls: {{ address: 'localhost:{}', warn_days: {warn_days}, tls: {{ ca_file: {tls}/ca.pem }} }} }}\n",
            nginx.port
        ));
    }
    text
}

/// Pages until each of these checks had one of this alert in this status; those alerts, by check.
pub(crate) fn paged(
    pages: &Receiver<String>,
    (alert, status): (&str, &str),
    mut waiting: BTreeSet<&str>,
) -> BTreeMap<String, Value> {
    let mut told = BTreeMap::new();
    while !waiting.is_empty() {
        let page = pages
            .recv_timeout(PAGE_TIMEOUT)
            .unwrap_or_else(|_| panic!("nobody was told that {alert} is {status} for {waiting:?}"));
        let page: Value = serde_json::from_str(&page).unwrap();
        let first = &page["alerts"][0];
        let check = first["labels"]["check"].as_str().unwrap_or("");
        if first["labels"]["alertname"] == alert && first["status"] == status && waiting.remove(check) {
            told.insert(check.to_owned(), first.clone());
        }
    }
    told
}

pub(crate) fn states(server: &Server, names: &BTreeSet<&str>, state: &str) {
    server.until("/api/v1/health", |a| {
        let tree = a.json();
        let checks = tree["data"]["checks"].as_array().unwrap().clone();
        let is_one = |c: &Value| c["name"].as_str().is_some_and(|n| names.contains(n));
        checks.iter().filter(|c| is_one(c)).all(|c| c["state"] == state)
    });
}

#[test]
fn real_servers_end_are_repaired_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/../collect/tests/data/tls");
    let (hook, pages) = receiver();
    let mut real = servers(dir.path(), tls);
    let text = config(dir.path(), (&hook, tls), &real, 14);
    let server = serve(dir.path(), &text);
    let names: BTreeSet<&str> = real.iter().map(|r| r.name).collect();
    states(&server, &names, "healthy");

    for one in &mut real {
        one.running = None;
    }
    paged(&pages, ("down", "firing"), names.clone());
    states(&server, &names, "unhealthy");
    for one in &mut real {
        let wish = dir.path().join(one.name);
        server.until("/api/v1/health/repairs", |_| wish.exists());
        assert!(one.start(), "{} starts again", one.name);
    }
    states(&server, &names, "healthy");
    paged(&pages, ("down", "resolved"), names.clone());
    let is_done = |audit: &Value, name: &str| {
        let mine = audit["data"].as_array().unwrap().iter().rev();
        let target = format!("check/{name}");
        let mine = mine.filter(|e| e["target"] == target.as_str());
        let steps: Vec<&str> = mine.filter_map(|e| e["step"].as_str()).collect();
        steps == ["start", "action_done", "worked"]
    };
    server.until("/api/v1/health/repairs", |a| {
        let audit = a.json();
        names.iter().all(|name| is_done(&audit, name))
    });

    // A certificate of a hundred years, and an owner who wants more: degraded, and well again when that is taken back.
    if names.contains("nginx") {
        let certificate = BTreeSet::from(["certificate"]);
        states(&server, &certificate, "healthy");
        for (warn_days, state, status) in [(99_999, "degraded", "firing"), (14, "healthy", "resolved")] {
            let text = config(dir.path(), (&hook, tls), &real, warn_days);
            std::fs::write(dir.path().join("lapwing.yml"), text).unwrap();
            assert_eq!(server.post("/-/reload", &[], b"").status, 200);
            states(&server, &certificate, state);
            paged(&pages, ("soon", status), certificate.clone());
        }
    }
}
