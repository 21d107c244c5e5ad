//! StatsD over UDP and TCP ends as series.

use crate::support::{Server, now_ms};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

/// A port that is free now; what takes it in between is found out by the test's failing to see its lines.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

#[test]
fn counters_gauges_timers_sets_and_tags() {
    let dir = tempfile::tempdir().unwrap();
    let address = free();
    let file = dir.path().join("lapwing.yml");
    let text =
        format!("receive: {{ statsd: {{ udp: '{address}', tcp: '{address}', flush_interval: 200ms }} }}\n");
    std::fs::write(&file, text).unwrap();
    let server = Server::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);

    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let mut tcp = loop {
        match TcpStream::connect(address) {
            Ok(stream) => break stream,
            Err(_) => std::thread::yield_now(),
        }
    };
    tcp.write_all(b"api.requests:3|c|#env:prod\napi.load:0.5|g\n")
        .unwrap();
    let value = |expr: &str| server.query(expr, now_ms() as f64 / 1000.0)[0]["value"][1].clone();
    let until = |expr: &str, wanted: &str| {
        let watch = lapwing::clock::Stopwatch::start();
        while value(expr) != wanted {
            assert!(watch.elapsed_s() < 60.0, "{expr} is {}", value(expr));
        }
    };
    until("api_requests{env='prod'}", "3");
    until("api_load", "0.5");
    // UDP loses nothing on the way here, once someone listens.
    let mut sent = 0;
    while value("api_users").is_null() {
        udp.send_to(b"api.users:ann|s\napi.time:320|ms\nnot a line", address)
            .unwrap();
        sent += 1;
        assert!(sent < 1_000_000, "no datagram ever arrived");
    }
    until("histogram_count(api_time) > bool 0", "1");
    tcp.write_all(b"api.requests:2|c|@0.5|#env:prod\n").unwrap();
    until("api_requests{env='prod'}", "7");
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("lapwing_statsd_rejected_total{reason=\"malformed\"}"),
        "{metrics}"
    );
}
