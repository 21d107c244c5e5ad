//! Probes against more real servers (a name server, MariaDB, WebSocket), and modules of blackbox_exporter beside it.
//!
//! Needs: dnsmasq, mariadbd, my_print_defaults, nginx, prometheus-blackbox-exporter, python:websockets

use crate::probe::{NOW_MS, check, look, nanos};
use crate::probe_servers::{
    Started, free_port, has_module, nginx, peer_series, probe_at, python, start, until_up,
};
use lapwing_collect::probe::{Look, Module, probe};
use lapwing_types::{ProbeOutcome, ProbeReason, Verdict};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

fn dnsmasq(test: &str, port: u16) -> Option<Started> {
    let port = format!("--port={port}");
    start(
        test,
        "dnsmasq",
        &[
            "--keep-in-foreground",
            "--no-resolv",
            "--no-hosts",
            "--conf-file=/dev/null",
            "--pid-file=",
            "--user=root",
            "--listen-address=127.0.0.1",
            "--bind-interfaces",
            &port,
            "--address=/db.internal/10.1.2.3",
            "--address=/db.internal/10.1.2.4",
            "--address=/db.internal/fd00::3",
            "--txt-record=note.internal,all is well",
            "--mx-host=internal,mail.internal,10",
            "--srv-host=_chat._tcp.internal,chat.internal,8000,1,2",
            "--cname=alias.internal,other.internal",
            "--host-record=other.internal,10.9.9.9",
            "--local=/internal/",
        ],
    )
}

#[tokio::test]
async fn a_name_server() {
    let port = free_port();
    let Some(server) = dnsmasq("a_name_server", port) else {
        return;
    };
    let of = |name: &str, more: Value| {
        let mut settings = json!({ "server": format!("127.0.0.1:{port}"), "name": name });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "dns": settings })
    };
    until_up(of("db.internal", json!({ "tcp": true }))).await;
    for (name, more) in [
        ("db.internal", json!({ "answers": "^10\\.1\\.2\\.3$" })),
        (
            "db.internal",
            json!({ "tcp": true, "all_match": "^10\\.1\\.2\\." }),
        ),
        ("db.internal", json!({ "type": "AAAA", "answers": "^fd00::3$" })),
        (
            "db.internal",
            json!({ "answers": "db.internal.\t.*\tIN\tA\t10.1.2.4" }),
        ),
        (
            "note.internal",
            json!({ "type": "TXT", "answers": "^all is well$" }),
        ),
        (
            "internal",
            json!({ "type": "MX", "answers": "^10 mail\\.internal\\.$" }),
        ),
        (
            "_chat._tcp.internal",
            json!({ "type": "SRV", "answers": "^1 2 8000 chat\\.internal\\.$" }),
        ),
        (
            "alias.internal",
            json!({ "answers": ["^other\\.internal\\.$", "^10\\.9\\.9\\.9$"] }),
        ),
        ("nobody.internal", json!({ "rcode": "NXDOMAIN" })),
        (
            "nobody.internal",
            json!({ "rcode": ["NOERROR", "NXDOMAIN"], "may_be_empty": true }),
        ),
    ] {
        check(of(name, more), Verdict::Pass, None).await;
    }
    for (name, more, reason) in [
        ("nobody.internal", json!({}), ProbeReason::Dns),
        (
            "db.internal",
            json!({ "answers": "^192\\." }),
            ProbeReason::Answer,
        ),
        ("db.internal", json!({ "none_match": "4$" }), ProbeReason::Answer),
        ("db.internal", json!({ "all_match": "3$" }), ProbeReason::Answer),
        (
            "db.internal",
            json!({ "not_all_match": "^10" }),
            ProbeReason::Answer,
        ),
        ("note.internal", json!({}), ProbeReason::Empty),
    ] {
        check(of(name, more), Verdict::Fail, Some(reason)).await;
    }
    drop(server);
    let gone = look(of("db.internal", json!({ "tcp": true }))).await;
    assert_eq!(gone.reason, Some(ProbeReason::Refused), "{gone:?}");
}

#[tokio::test]
async fn mariadb() {
    let dir = tempfile::Builder::new()
        .prefix("maria")
        .tempdir_in("/tmp")
        .unwrap();
    let data = dir.path().join("data");
    let is_root = rustix::process::getuid().is_root();
    let user: &[&str] = if is_root { &["--user=root"] } else { &[] };
    let made = Command::new("mariadb-install-db")
        .args([
            "--no-defaults",
            "--skip-test-db",
            "--auth-root-authentication-method=normal",
        ])
        .args(user)
        .arg(format!("--datadir={}", data.display()))
        .output();
    let said = match made {
        Ok(made) if made.status.success() => None,
        Ok(made) => Some(String::from_utf8_lossy(&made.stderr).into_owned()),
        Err(error) => Some(error.to_string()),
    };
    if let Some(said) = said {
        assert!(
            std::env::var_os("CI").is_none(),
            "mariadb-install-db does not work: {said}"
        );
        eprintln!("SKIPPED mariadb: mariadb-install-db does not work here: {said}");
        return;
    }
    let init = dir.path().join("init.sql");
    std::fs::write(&init, "CREATE USER 'probe'@'%' IDENTIFIED BY 'hush';\n").unwrap();
    let port = free_port();
    let mut args: Vec<String> = [
        "--no-defaults".to_owned(),
        format!("--datadir={}", data.display()),
        format!("--socket={}/s", dir.path().display()),
        format!("--pid-file={}/pid", dir.path().display()),
        format!("--init-file={}", init.display()),
        format!("--port={port}"),
        "--bind-address=127.0.0.1".to_owned(),
        "--skip-name-resolve".to_owned(),
        "--innodb-buffer-pool-size=16M".to_owned(),
    ]
    .into();
    args.extend(user.iter().map(|u| (*u).to_owned()));
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let Some(server) = start("mariadb", "mariadbd", &args) else {
        return;
    };
    let at = |more: Value| probe_at("mysql", &port.to_string(), more);
    let greeted = until_up(at(json!({}))).await;
    assert_eq!(greeted.verdict, Verdict::Pass, "{greeted:?}");
    let version = greeted.notes.iter().find(|(n, _)| *n == "server_version");
    assert!(version.is_some_and(|(_, v)| v.contains("MariaDB")), "{greeted:?}");
    check(
        at(json!({ "user": "probe", "password": "hush" })),
        Verdict::Pass,
        None,
    )
    .await;
    for wrong in [
        json!({ "user": "probe", "password": "wrong" }),
        json!({ "user": "probe" }),
        json!({ "user": "nobody", "password": "hush" }),
    ] {
        check(at(wrong), Verdict::Fail, Some(ProbeReason::Auth)).await;
    }
    let tls = at(json!({ "user": "probe", "password": "hush", "tls": {} }));
    check(tls, Verdict::Fail, Some(ProbeReason::Tls)).await;
    drop(server);
    check(at(json!({})), Verdict::Fail, Some(ProbeReason::Refused)).await;
}

#[tokio::test]
async fn websocket() {
    if !has_module("websocket", "websockets") {
        return;
    }
    const SERVER: &str = "
import asyncio, sys, websockets
async def echo(ws):
    async for message in ws:
        await ws.send('pong' if message == 'ping' else 'what?')
async def liar(reader, writer):
    await reader.readuntil(b'\\r\\n\\r\\n')
    writer.write(b'HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\n'
                 b'Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\\r\\n\\r\\n')
    await writer.drain()
async def main():
    await asyncio.start_server(liar, '127.0.0.1', int(sys.argv[2]))
    async with websockets.serve(echo, '127.0.0.1', int(sys.argv[1])):
        await asyncio.Future()
asyncio.run(main())
";
    let (port, lying) = (free_port().to_string(), free_port().to_string());
    let Some(_server) = start("websocket", &python(), &["-c", SERVER, &port, &lying]) else {
        return;
    };
    let of = |port: &str, send: &str| json!({ "websocket": { "url": format!("ws://127.0.0.1:{port}/"), "send": send, "expect": { "equals": "pong" } } });
    let up = until_up(of(&port, "ping")).await;
    assert_eq!(up.verdict, Verdict::Pass, "{up:?}");
    check(of(&port, "else"), Verdict::Fail, Some(ProbeReason::Answer)).await;
    let lied = check(of(&lying, "ping"), Verdict::Fail, Some(ProbeReason::Protocol)).await;
    assert!(lied.detail.contains("not an answer to ours"), "{lied:?}");
}

/// JSON is YAML, so that the peer and we read the very same text.
fn modules(tls_ca: &str) -> Value {
    let http = |more: Value| {
        let mut settings = json!({ "preferred_ip_protocol": "ip4", "tls_config": { "ca_file": tls_ca } });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "prober": "http", "timeout": "5s", "http": settings })
    };
    let dns = |more: Value| {
        let mut settings =
            json!({ "preferred_ip_protocol": "ip4", "query_name": "db.internal", "query_type": "A" });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "prober": "dns", "timeout": "5s", "dns": settings })
    };
    let tcp = |more: Value| {
        let mut settings = json!({ "preferred_ip_protocol": "ip4" });
        settings
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        json!({ "prober": "tcp", "timeout": "5s", "tcp": settings })
    };
    let mut all = json!({
        "plain": http(json!({})),
        "found": http(json!({ "valid_status_codes": [404] })),
        "still": http(json!({ "no_follow_redirects": true, "valid_status_codes": [302] })),
        "body_bad": http(json!({ "fail_if_body_matches_regexp": ["all w.ll"] })),
        "body_good": http(json!({ "fail_if_body_not_matches_regexp": ["all w.ll"] })),
        "header_bad": http(json!({ "fail_if_header_matches": [{ "header": "Server", "regexp": "nginx" }] })),
        "header_good": http(json!({ "fail_if_header_not_matches": [
            { "header": "Server", "regexp": "nginx" }, { "header": "X-None", "regexp": "x", "allow_missing": true }] })),
        "header_two_bad": http(json!({ "fail_if_header_matches": [{ "header": "X-A", "regexp": "^two$", "allow_missing": true }] })),
        "header_two_good": http(json!({ "fail_if_header_not_matches": [
            { "header": "X-A", "regexp": "^two$" }, { "header": "X-A", "regexp": "^one$" }] })),
        "body_far": http(json!({ "fail_if_body_matches_regexp": ["all.well\\n$"] })),
        "body_short": http(json!({ "body_size_limit": "1000B" })),
        "packed_untold": http(json!({ "compression": "gzip" })),
        "packed": http(json!({ "compression": "gzip", "headers": { "Accept-Encoding": "br, gzip;q=0.5" }, "fail_if_body_not_matches_regexp": ["all well", "^[^x]*$"] })),
        "packed_kept": http(json!({ "headers": { "Accept-Encoding": "gzip" }, "fail_if_body_not_matches_regexp": ["all well"] })),
        "named": http(json!({ "headers": { "Host": "localhost" } })),
        "header_lacks": http(json!({ "fail_if_header_not_matches": [{ "header": "X-None", "regexp": "x" }] })),
        "no_tls": http(json!({ "fail_if_ssl": true })),
        "needs_tls": http(json!({ "fail_if_not_ssl": true })),
        "old_http": http(json!({ "valid_http_versions": ["HTTP/1.0"] })),
        "post": http(json!({ "method": "POST", "body": "x=1", "headers": { "X-A": "b" } })),
        "connect": tcp(json!({})),
        "tls": tcp(json!({ "tls": true, "tls_config": { "ca_file": tls_ca, "server_name": "localhost" } })),
        "talk": tcp(json!({ "tls": true, "tls_config": { "insecure_skip_verify": true }, "query_response": [
            { "send": "GET / HTTP/1.0\n" }, { "send": "" }, { "expect": "^HTTP/1.1 ([0-9]+)" }, { "expect": "^all (well)" }] })),
        "talk_bad": tcp(json!({ "tls": true, "tls_config": { "insecure_skip_verify": true }, "query_response": [
            { "send": "GET / HTTP/1.0\n" }, { "send": "" }, { "expect": "^HTTP/3" }] })),
    });
    let more = json!({
        "dns": dns(json!({})),
        "dns_tcp": dns(json!({ "transport_protocol": "tcp" })),
        "dns_none": dns(json!({ "query_name": "nobody.internal" })),
        "dns_nx": dns(json!({ "query_name": "nobody.internal", "valid_rcodes": ["NXDOMAIN"] })),
        "dns_soa": dns(json!({ "query_type": "SOA", "query_name": "internal", "recursion_desired": false })),
        "dns_quoted": dns(json!({ "query_type": "TXT", "query_name": "note.internal", "query_class": "IN",
            "validate_answer_rrs": { "fail_if_not_matches_regexp": ["TXT\t\"all is well\"$"] } })),
        "dns_all": dns(json!({ "validate_answer_rrs": { "fail_if_all_match_regexp": ["10\\.1\\.2\\."] } })),
        "dns_not_all": dns(json!({ "validate_answer_rrs": { "fail_if_all_match_regexp": ["10\\.1\\.2\\.4$"] } })),
        "dns_either": dns(json!({ "validate_answer_rrs": { "fail_if_none_matches_regexp": ["10\\.1\\.2\\.4$", "x"] } })),
        "dns_beside": dns(json!({ "validate_authority_rrs": { "fail_if_none_matches_regexp": ["."] } })),
        "ping": { "prober": "icmp", "timeout": "5s", "icmp": { "preferred_ip_protocol": "ip4", "ttl": 9, "dont_fragment": true, "payload_size": 1472 } },
        "dns_good": dns(json!({ "validate_answer_rrs": { "fail_if_not_matches_regexp": ["db.internal.\t.*\tIN\tA\t10\\.1.*"] } })),
        "dns_bad": dns(json!({ "validate_answer_rrs": { "fail_if_matches_regexp": ["10\\.1\\.2\\.4$"] } })),
    });
    let more = more.as_object().unwrap().clone();
    all.as_object_mut().unwrap().extend(more);
    all
}

/// Names that mean a duration.
fn is_compared(name: &str) -> bool {
    let is_moment = name.ends_with("_timestamp_seconds");
    let is_timed = name.ends_with("_seconds") || name.contains("_seconds{");
    !is_timed || is_moment
}

async fn ours(module: &Module, target: &str) -> ProbeOutcome {
    let what = module.probe(target).unwrap();
    let mut look = Look::new(None, 5000, NOW_MS, nanos);
    look.ip = module.ip_preference().unwrap();
    look.source_ip = module.source_ip();
    look.tells_all = true;
    probe(&what, &look).await
}

#[tokio::test]
async fn modules_do_what_they_do_in_blackbox_exporter() {
    let test = "modules_do_what_they_do_in_blackbox_exporter";
    let dir = tempfile::tempdir().unwrap();
    let (port, peer_port, dns_port) = (free_port(), free_port(), free_port());
    let Some(_nginx) = nginx(dir.path(), port) else {
        return;
    };
    let Some(_dnsmasq) = dnsmasq(test, dns_port) else {
        return;
    };
    let written = modules(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/tls/ca.pem"));
    let file = dir.path().join("blackbox.yml");
    std::fs::write(&file, json!({ "modules": written }).to_string()).unwrap();
    let listen = format!("--web.listen-address=127.0.0.1:{peer_port}");
    let config = format!("--config.file={}", file.display());
    let Some(_peer) = start(test, "prometheus-blackbox-exporter", &[&listen, &config]) else {
        return;
    };
    for at in [port, peer_port, dns_port] {
        until_up(json!({ "tcp": { "address": format!("127.0.0.1:{at}") } })).await;
    }
    let read: BTreeMap<String, Module> = serde_json::from_value(written).unwrap();
    for (name, module) in read {
        let module = module.beside(Path::new("/"));
        assert_eq!(module.check(), Ok(()), "{name}");
        let targets: Vec<String> = match module.prober.as_str() {
            "http" => ["/", "/there", "/gone", "/twice", "/cookie", "/big"]
                .map(|p| format!("https://localhost:{port}{p}"))
                .into(),
            "dns" => vec![format!("127.0.0.1:{dns_port}")],
            "icmp" => vec!["127.0.0.1".to_owned(), "localhost".to_owned()],
            _ => vec![format!("127.0.0.1:{port}"), "127.0.0.1:1".to_owned()],
        };
        for target in targets {
            let mine = ours(&module, &target).await;
            let asked = format!("http://127.0.0.1:{peer_port}/probe?module={name}&target={target}");
            let theirs: BTreeMap<String, f64> = peer_series(&asked).await.into_iter().collect();
            let is_success = theirs.get("probe_success") == Some(&1.0);
            assert_eq!(
                mine.is_success(),
                is_success,
                "{name} of {target}: {mine:?}\n{theirs:#?}"
            );
            for series in mine
                .series
                .iter()
                .filter(|s| s.labels.is_empty() && is_compared(s.name))
            {
                let Some(value) = theirs.get(series.name) else {
                    continue;
                };
                // Go shuts the body of a redirect that is not followed; ours is read and judged. Of a body that is not packed, though it
                // should be, it tells the length; ours ends there.
                if matches!(name.as_str(), "still" | "packed_untold")
                    && series.name == "probe_http_uncompressed_body_length"
                {
                    continue;
                }
                // There, a cookie set by the address is not one of the name: it is sent on once more.
                if target.ends_with("/cookie") && series.name == "probe_http_redirects" {
                    continue;
                }
                // The peer leaves what it did not come to at 0.
                if *value != 0.0 || is_success {
                    assert_eq!(*value, series.value, "{} by {name} of {target}", series.name);
                }
            }
        }
    }
}
