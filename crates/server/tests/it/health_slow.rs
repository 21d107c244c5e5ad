//! Real servers that answer rightly and too late: degraded with both times named, told of, left alone by repairs, well again.
//!
//! Needs: redis-server, nginx, dnsmasq, python:aiosmtpd, python:grpcio-health-checking, psql

use crate::health::serve;
use crate::health_pages::text;
use crate::health_postgres::Postgres;
use crate::health_servers::{Real, paged, servers, states, telling_of_checks};
use crate::held_up::{Gate, tcp_way, udp_way};
use crate::paging::receiver;
use std::collections::BTreeSet;
use std::time::Duration;

/// A second more than is allowed, and far from the timeout: no hiccup of a busy machine makes the one or the other of it.
const HELD: Duration = Duration::from_secs(4);
const ALLOWED: &str = "3s";
const TIMEOUT: &str = "60s";

/// One way to look at a server; `PORT` stands for where.
struct Look {
    name: &'static str,
    probe: String,
    port: u16,
}

/// Every server that is there by the probe made for it, and by the plainer ones that it answers, too.
fn looks(real: &[Real], postgres: Option<&Postgres>, tls: &str) -> Vec<Look> {
    let of = |name: &'static str, probe: &str, port: u16| Look {
        name,
        probe: probe.to_owned(),
        port,
    };
    let mut looks: Vec<Look> = real.iter().map(|r| of(r.name, &r.probe, r.port)).collect();
    let at = |name: &str| real.iter().find(|r| r.name == name).map(|r| r.port);
    if let Some(port) = at("redis") {
        let talk = "tcp: { address: '127.0.0.1:PORT', talk: [{ send: PING, expect: PONG }] }";
        looks.push(of("tcp", talk, port));
    }
    if let Some(port) = at("nginx") {
        let handshake = format!("tls: {{ address: 'localhost:PORT', tls: {{ ca_file: {tls}/ca.pem }} }}");
        looks.push(of("tls", &handshake, port));
    }
    if let Some(port) = at("dns") {
        let over_tcp = "dns: { server: '127.0.0.1:PORT', name: db.internal, tcp: true }";
        looks.push(of("dns_tcp", over_tcp, port));
    }
    if let Some(postgres) = postgres {
        let query = "postgres: { address: '127.0.0.1:PORT', user: ann, database: postgres, query: 'SELECT 40 + 2', expect: '42' }";
        looks.push(of("postgres", query, postgres.port));
    }
    looks
}

#[test]
fn real_servers_that_are_slow_are_degraded_and_told_of() {
    let dir = tempfile::tempdir().unwrap();
    let tls = concat!(env!("CARGO_MANIFEST_DIR"), "/../collect/tests/data/tls");
    let (hook, pages) = receiver();
    let real = servers(dir.path(), tls);
    let postgres = Postgres::start();
    if postgres.is_none() {
        eprintln!("SKIPPED health_slow for postgres: there is no postgresql");
    }
    let gate = Gate::default();
    let looks = looks(&real, postgres.as_ref(), tls);
    let mut config = telling_of_checks(&hook);
    for look in &looks {
        let port = match look.name {
            "dns" => udp_way(look.port, &gate),
            _ => tcp_way(look.port, &gate),
        };
        // Told to act on what is unhealthy: it must not.
        config.push_str(&format!(
            "  - {{ name: {}, interval: 500ms, timeout: {TIMEOUT}, degraded_above: {ALLOWED}, failures: 2, passes: 2, {}, \
             recovery: [{{ on: unhealthy, name: again, action: {{ command: ['true'] }} }}] }}\n",
            look.name,
            look.probe.replace("PORT", &port.to_string())
        ));
    }
    let server = serve(dir.path(), &config);
    let names: BTreeSet<&str> = looks.iter().map(|l| l.name).collect();
    states(&server, &names, "healthy");

    gate.hold(Some(HELD));
    let told = paged(&pages, ("soon", "firing"), names.clone());
    for (name, alert) in &told {
        let why = text(alert, "diagnosis");
        assert!(
            why.contains(&format!("{name} is degraded: latency: it took "))
                && why.contains("3000 are allowed")
                && why.contains("last good"),
            "{alert:#}"
        );
    }
    states(&server, &names, "degraded");
    // A look that came back counts as one that did, and says how long it took.
    let slow = "/api/v1/query?query=count(probe_duration_seconds%20%3E%203%20and%20probe_success%20==%201)";
    let all = names.len().to_string();
    server.until(slow, |a| {
        a.json()["data"]["result"][0]["value"][1] == all.as_str()
    });

    gate.hold(None);
    paged(&pages, ("soon", "resolved"), names.clone());
    states(&server, &names, "healthy");
    let audit = server.get("/api/v1/health/repairs").json();
    assert_eq!(
        audit["data"],
        serde_json::json!([]),
        "what is slow is not restarted"
    );
}
