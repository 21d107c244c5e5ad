//! StatsD over UDP and TCP ends as series.

use crate::support::{Server, now_ms};
use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};

/// A port that is free now; what takes it in between is found out by the test's failing to see its lines.
fn free() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// Totals go on after a stop: a counter that began at zero would look like a reset to whoever reads it raw.
#[test]
fn totals_go_on_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let address = free();
    let file = dir.path().join("lapwing.yml");
    let text = format!("receive: {{ statsd: {{ tcp: '{address}', flush_interval: 200ms }} }}\n");
    std::fs::write(&file, text).unwrap();
    let data = dir.path().join("data");
    let args = ["--config", file.to_str().unwrap()];
    for (is_killed, expect) in [(false, "3"), (true, "6"), (false, "9")] {
        let server = Server::start(&data, &args);
        let mut tcp = loop {
            match TcpStream::connect(address) {
                Ok(stream) => break stream,
                Err(_) => std::thread::yield_now(),
            }
        };
        tcp.write_all(b"jobs.done:3|c|#kind:train\njobs.time:320|ms\n")
            .unwrap();
        let value = |expr: &str| server.query(expr, now_ms() as f64 / 1000.0)[0]["value"][1].clone();
        let watch = lapwing::clock::Stopwatch::start();
        while value("jobs_done{kind='train'}") != expect {
            assert!(watch.elapsed_s() < 60.0, "{expect}: {}", value("jobs_done"));
        }
        let watch = lapwing::clock::Stopwatch::start();
        let count = expect.parse::<u32>().unwrap() / 3;
        while value("histogram_count(jobs_time)") != count.to_string().as_str() {
            assert!(
                watch.elapsed_s() < 60.0,
                "{count}: {}",
                value("histogram_count(jobs_time)")
            );
        }
        if is_killed {
            server.kill();
        } else {
            assert!(server.terminate());
        }
    }
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
