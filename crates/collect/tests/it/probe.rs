//! Probes against peers that misbehave: each look ends in time, with a named reason.

use crate::server::Server;
use lapwing_collect::probe::{Look, Probe, probe};
use lapwing_types::{ProbeOutcome, ProbeReason, Verdict};
use serde_json::{Value, json};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

/// A look at a loopback peer takes milliseconds; a hung one ends at this.
pub(crate) const TIMEOUT_MS: i64 = 1000;
/// January 2027: within the life of the tests' certificates.
pub(crate) const NOW_MS: i64 = 1_800_000_000_000;

/// A clock that goes a microsecond further each time it is read; that looks end in time is seen to by tokio's.
pub(crate) fn nanos() -> u64 {
    static READ: AtomicU64 = AtomicU64::new(0);
    READ.fetch_add(1000, Ordering::SeqCst)
}

pub(crate) async fn look(what: Value) -> ProbeOutcome {
    look_for(what, TIMEOUT_MS).await
}

pub(crate) async fn look_for(what: Value, timeout_ms: i64) -> ProbeOutcome {
    let what: Probe = serde_json::from_value(what).unwrap();
    what.check().unwrap();
    let look = Look::new(None, timeout_ms, NOW_MS, nanos);
    let limit = std::time::Duration::from_millis(timeout_ms.unsigned_abs() + 5000);
    let ended = tokio::time::timeout(limit, probe(&what, &look)).await;
    ended.unwrap_or_else(|_| panic!("{what:?} outlived its timeout"))
}

pub(crate) async fn check(what: Value, verdict: Verdict, reason: Option<ProbeReason>) -> ProbeOutcome {
    let outcome = look(what.clone()).await;
    assert_eq!(
        (outcome.verdict, outcome.reason),
        (verdict, reason),
        "{what}: {outcome:?}"
    );
    outcome
}

async fn fails(what: Value, reason: ProbeReason) -> ProbeOutcome {
    check(what, Verdict::Fail, Some(reason)).await
}

pub(crate) fn measured(outcome: &ProbeOutcome, name: &str) -> Option<f64> {
    outcome.series.iter().find(|s| s.name == name).map(|s| s.value)
}

#[tokio::test]
async fn http_peers_that_misbehave() {
    let at = |server: Server| async move { format!("http://{}/", server.start().await) };
    let silent = Server {
        silent: true,
        ..Server::default()
    };
    let hung = fails(
        json!({ "http": { "url": at(silent).await } }),
        ProbeReason::Timeout,
    )
    .await;
    assert!(hung.detail.contains("processing"), "{hung:?}");
    let endless = Server {
        endless: true,
        ..Server::default()
    };
    let bounded = json!({ "http": { "url": at(endless).await, "body_max": "16KB" } });
    fails(bounded, ProbeReason::TooLarge).await;
    let circle = Server {
        redirect_to_self: true,
        ..Server::default()
    };
    fails(
        json!({ "http": { "url": at(circle).await } }),
        ProbeReason::Redirects,
    )
    .await;
    let cut = Server {
        cut: true,
        ..Server::default()
    };
    fails(json!({ "http": { "url": at(cut).await } }), ProbeReason::Closed).await;
    let broken = Server {
        status: 500,
        ..Server::default()
    };
    let url = at(broken).await;
    fails(json!({ "http": { "url": url } }), ProbeReason::Status).await;
    check(
        json!({ "http": { "url": url, "expect": { "status": ["5xx"] } } }),
        Verdict::Pass,
        None,
    )
    .await;
    fails(
        json!({ "http": { "url": "http://127.0.0.1:1/" } }),
        ProbeReason::Refused,
    )
    .await;
    fails(
        json!({ "http": { "url": "http://no-such-host.invalid/" } }),
        ProbeReason::Dns,
    )
    .await;
}

#[tokio::test]
async fn conditions_of_http_each_have_their_reason() {
    let server = Server {
        content_type: "application/json",
        body: br#"{"ok": true, "load": 0.5}"#.to_vec(),
        ..Server::default()
    };
    let url = format!("http://{}/", server.start().await);
    let with = |expect: Value| json!({ "http": { "url": url, "expect": expect } });
    let passed = check(
        with(json!({ "json": { "ok": true, "load": "< 0.6" }, "headers": { "content-type": "json" } })),
        Verdict::Pass,
        None,
    )
    .await;
    let phases: Vec<&str> = passed.phases.iter().map(|(p, _)| p.as_str()).collect();
    assert_eq!(phases, ["resolve", "connect", "processing", "transfer"]);
    assert_eq!(measured(&passed, "probe_http_status_code"), Some(200.0));
    fails(with(json!({ "json": { "ok": false } })), ProbeReason::JsonPath).await;
    fails(with(json!({ "contains": "no such words" })), ProbeReason::Body).await;
    fails(with(json!({ "headers": { "x-none": "." } })), ProbeReason::Header).await;
    fails(with(json!({ "latency": "0ms" })), ProbeReason::Latency).await;
    check(
        with(json!({ "degraded_above": "0ms" })),
        Verdict::Degraded,
        Some(ProbeReason::Latency),
    )
    .await;
}

#[tokio::test]
async fn steps_carry_values_on() {
    let server = Server::with_routes(&[
        ("/login", r#"{"token": "t-1"}"#.to_owned()),
        ("/predict?t=t-1", r#"{"label": "cat"}"#.to_owned()),
    ]);
    let url = format!("http://{}", server.start().await);
    let steps = json!([
        { "path": "/login", "json": { "user": "x" }, "save": { "token": "json token" } },
        { "path": "/predict?t={{token}}", "expect": { "json": { "label": "cat" } } },
    ]);
    check(
        json!({ "http": { "url": url, "steps": steps } }),
        Verdict::Pass,
        None,
    )
    .await;
}

#[tokio::test]
async fn certificates_that_are_bad_are_named() {
    let port = Server::default().start_tls().await;
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem");
    let url = format!("https://localhost:{port}/");
    let tls = |more: Value| json!({ "http": { "url": url, "tls": more } });
    let good = check(tls(json!({ "ca_file": ca })), Verdict::Pass, None).await;
    let ends_s = measured(&good, "probe_ssl_earliest_cert_expiry").unwrap();
    assert!(ends_s > NOW_MS as f64 / 1000.0, "{good:?}");
    fails(tls(json!({})), ProbeReason::CertificateUntrusted).await;
    let other = json!({ "ca_file": ca, "server_name": "other.example" });
    fails(tls(other), ProbeReason::CertificateName).await;
    check(tls(json!({ "insecure_skip_verify": true })), Verdict::Pass, None).await;
    let soon = json!({ "tls": { "address": format!("localhost:{port}"), "warn_days": 1e6, "tls": { "ca_file": ca } } });
    check(soon, Verdict::Degraded, Some(ProbeReason::CertificateExpiring)).await;
    let what: Probe = serde_json::from_value(tls(json!({ "ca_file": ca }))).unwrap();
    let later_ms = ends_s as i64 * 1000 + 2000;
    let late = probe(&what, &Look::new(None, TIMEOUT_MS, later_ms, nanos)).await;
    assert_eq!(late.reason, Some(ProbeReason::CertificateExpired), "{late:?}");
    let plain = says(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    fails(json!({ "tls": { "address": plain } }), ProbeReason::Tls).await;
}

/// A certificate that ends within a thousand centuries, and a server that fails: the smaller trouble does not hide the larger.
#[tokio::test]
async fn a_certificate_that_ends_soon_does_not_hide_a_server_that_fails() {
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem");
    for (status, verdict, reason) in [
        (200, Verdict::Degraded, ProbeReason::CertificateExpiring),
        (500, Verdict::Fail, ProbeReason::Status),
    ] {
        let server = Server {
            status,
            ..Server::default()
        };
        let url = format!("https://localhost:{}/", server.start_tls().await);
        let http = json!({ "http": { "url": url, "tls": { "ca_file": ca, "warn_days": 1e6 } } });
        check(http, verdict, Some(reason)).await;
    }
}

/// The test's clock goes on with every question: any look takes longer than no time.
#[tokio::test]
async fn whatever_is_looked_at_may_be_too_slow() {
    let address = Server::default().start().await;
    let login = || Server::with_routes(&[("/a", "{}".to_owned()), ("/b", "{}".to_owned())]);
    let slow_step = |path: &str| json!({ "path": path, "expect": { "degraded_above": "0ms" } });
    let steps = |url: &str, last: Value| json!({ "http": { "url": url, "steps": [slow_step("/a"), last] } });
    let own = |allowed: &str| json!({ "http": { "url": format!("http://{address}/"), "expect": { "degraded_above": allowed } } });
    let (slow, failed) = (
        (Verdict::Degraded, Some(ProbeReason::Latency)),
        (Verdict::Fail, Some(ProbeReason::JsonPath)),
    );
    let url = || async { format!("http://{}", login().start().await) };
    let wrong = json!({ "path": "/b", "expect": { "json": { "ok": true } } });
    for (what, allowed_ms, expect) in [
        (json!({ "tcp": { "address": address } }), Some(0), slow),
        (
            json!({ "tcp": { "address": address } }),
            Some(60_000),
            (Verdict::Pass, None),
        ),
        (
            json!({ "tcp": { "address": address } }),
            None,
            (Verdict::Pass, None),
        ),
        (json!({ "command": { "argv": ["true"] } }), Some(0), slow),
        (
            json!({ "command": { "argv": ["sh", "-c", "exit 2"] } }),
            Some(0),
            (Verdict::Fail, Some(ProbeReason::ExitCode)),
        ),
        (own("0ms"), Some(60_000), slow),
        (own("1m"), Some(0), (Verdict::Pass, None)),
        // The first step is slow, and the second is asked nevertheless.
        (steps(&url().await, json!({ "path": "/b" })), None, slow),
        (steps(&url().await, wrong), None, failed),
    ] {
        let probed: Probe = serde_json::from_value(what.clone()).unwrap();
        let mut look = Look::new(None, TIMEOUT_MS, NOW_MS, nanos);
        look.degraded_above_ms = allowed_ms;
        let outcome = probe(&probed, &look).await;
        assert_eq!((outcome.verdict, outcome.reason), expect, "{what}: {outcome:?}");
        if expect == slow {
            assert!(outcome.detail.contains(" ms, 0 are allowed"), "{outcome:?}");
        }
    }
}

#[tokio::test]
async fn a_command_that_forks_is_ended_with_all_its_children() {
    let dir = tempfile::tempdir().unwrap();
    let mark = dir.path().join("mark");
    let script = format!("(sleep 3; echo late > {}) & sleep 30", mark.display());
    let forks = json!({ "command": { "argv": ["sh", "-c", script] } });
    let outcome = look_for(forks, 300).await;
    assert_eq!(outcome.reason, Some(ProbeReason::Timeout), "{outcome:?}");
    // One that leaves a child behind, which holds its output open, is done when it is done.
    let leaves = json!({ "command": { "argv": ["sh", "-c", "sleep 30 & echo done"] } });
    check(leaves, Verdict::Pass, None).await;
    tokio::time::sleep(std::time::Duration::from_millis(3500)).await;
    assert!(!mark.exists(), "the child outlived the command");
}

#[tokio::test]
async fn a_command_is_not_given_our_environment() {
    assert!(std::env::var_os("CARGO_MANIFEST_DIR").is_some() || std::env::var_os("HOME").is_some());
    let asked = json!({ "command": { "argv": ["env"], "env": { "MINE": "1" } } });
    let outcome = check(asked, Verdict::Pass, None).await;
    let said = &outcome.notes.iter().find(|(n, _)| *n == "output").unwrap().1;
    let mut names: Vec<&str> = said.lines().filter_map(|l| l.split('=').next()).collect();
    names.retain(|n| !matches!(*n, "PWD" | "SHLVL" | "_"));
    names.sort_unstable();
    assert_eq!(names, ["LANG", "MINE", "PATH"]);
    let code = |code: i32| json!({ "command": { "argv": ["sh", "-c", format!("exit {code}")] } });
    check(code(1), Verdict::Degraded, Some(ProbeReason::ExitCode)).await;
    fails(code(2), ProbeReason::ExitCode).await;
    fails(
        json!({ "command": { "argv": ["/no/such/program"] } }),
        ProbeReason::NotFound,
    )
    .await;
}

/// Says this to whoever connects, whatever is asked, and stays silent afterwards.
async fn says(bytes: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let _ = stream.write_all(bytes).await;
                let mut sink = [0; 1024];
                while stream.read(&mut sink).await.is_ok_and(|n| n > 0) {}
            });
        }
    });
    address
}

#[tokio::test]
async fn peers_that_speak_another_language() {
    let address = says(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\n").await;
    for kind in ["redis", "smtp", "postgres", "mysql", "grpc"] {
        let outcome = look(json!({ kind: { "address": address } })).await;
        assert_eq!(outcome.verdict, Verdict::Fail, "{kind}: {outcome:?}");
    }
    let silent = says(b"").await;
    for kind in ["redis", "smtp", "postgres", "mysql", "grpc"] {
        let outcome = look_for(json!({ kind: { "address": silent } }), 200).await;
        assert_eq!(outcome.reason, Some(ProbeReason::Timeout), "{kind}: {outcome:?}");
    }
    let ws = json!({ "websocket": { "url": format!("ws://{}", says(b"HTTP/1.1 200 OK\r\n\r\n").await) } });
    fails(ws, ProbeReason::Status).await;
    let banner = says(b"SSH-2.0-x\r\n").await;
    let talk = |expect: &str| json!({ "tcp": { "address": banner, "talk": [{ "expect": expect }] } });
    check(talk("^SSH-2.0-"), Verdict::Pass, None).await;
    check(talk("^220 "), Verdict::Fail, Some(ProbeReason::Timeout)).await;
}

#[tokio::test]
async fn artifacts_are_there_whole_and_new() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("weights");
    let of = |more: Value| {
        let mut settings = json!({ "file": file });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "artifact": settings })
    };
    fails(of(json!({})), ProbeReason::NotFound).await;
    std::fs::write(&file, "abc").unwrap();
    let right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    check(of(json!({ "sha256": right, "size_min": 3 })), Verdict::Pass, None).await;
    fails(of(json!({ "sha256": "0".repeat(64) })), ProbeReason::Artifact).await;
    fails(of(json!({ "size_min": 4 })), ProbeReason::Artifact).await;
}

#[tokio::test]
async fn model_servers_by_their_own_protocols() {
    let server = || {
        Server::with_routes(&[
            ("/v2/health/ready", "{}".to_owned()),
            ("/v2/models/m/ready", "{}".to_owned()),
            (
                "/v2/models/m/infer",
                r#"{"outputs": [{"data": [1.0, 0.1]}]}"#.to_owned(),
            ),
            ("/v2/models/m", r#"{"versions": ["1", "2"]}"#.to_owned()),
        ])
    };
    let asked = |url: String, max: f64| {
        json!({ "kserve_v2": { "url": url, "model": "m", "input": { "inputs": [] }, "output": "outputs[0].data",
                "expect": { "embedding": { "vector": [1.0, 0.0], "distance_max": max } } } })
    };
    let url = format!("http://{}", server().start().await);
    let passed = check(asked(url, 0.1), Verdict::Pass, None).await;
    assert_eq!(passed.version.as_deref(), Some("2"));
    let url = format!("http://{}", server().start().await);
    fails(asked(url, 0.0001), ProbeReason::Answer).await;
    let golden = Server::with_routes(&[("/predict", r#"{"price": 10.04}"#.to_owned())]);
    let url = format!("http://{}", golden.start().await);
    let what = json!({ "golden": { "url": url, "path": "/predict", "input": { "x": 1 }, "output": "price",
                       "expect": { "number": { "value": 10.0, "tolerance": 0.05 } } } });
    check(what, Verdict::Pass, None).await;
}

#[tokio::test]
async fn this_host_and_its_loopback() {
    let outcome = look(json!({ "resources": { "cpu": null } })).await;
    let used = measured(&outcome, "probe_resource_used_percent").unwrap();
    assert!((0.0..=100.0).contains(&used), "{outcome:?}");
    // Where the kernel forbids pinging, the target is not blamed.
    let ping = look(json!({ "icmp": { "host": "127.0.0.1" } })).await;
    let expected = [
        (Verdict::Pass, None),
        (Verdict::Unjudged, Some(ProbeReason::NotPermitted)),
    ];
    assert!(expected.contains(&(ping.verdict, ping.reason)), "{ping:?}");
    let unit = look(json!({ "systemd": { "unit": "no-such-unit.service" } })).await;
    assert!(
        matches!(
            unit.reason,
            Some(ProbeReason::NotFound | ProbeReason::NotPermitted)
        ),
        "{unit:?}"
    );
    let none = json!({ "container": { "name": "x", "socket": "/no/such/socket" } });
    check(none, Verdict::Unjudged, Some(ProbeReason::NotPermitted)).await;
}
