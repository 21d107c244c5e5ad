//! Who brings too much is told so by name, and everybody else goes on: a gzip bomb, a body without end, a trickle, a flood,
//! a request of too many labels, an endless page.

use crate::support::{Answer, Server};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

const CONFIG: &str = "limits: { body: 1MiB, unpacked_body: 4MiB, bodies: 8MiB, body_timeout: 1s }\n";

fn start(dir: &std::path::Path, text: &str) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, text).unwrap();
    Server::start(&dir.join("data"), &["--config", file.to_str().unwrap()])
}

fn push(server: &Server, name: &str) -> Answer {
    let body = format!(r#"{{"name": "{name}", "value": 1}}"#);
    server.post(
        "/api/v1/push",
        &[("Content-Type", "application/json")],
        body.as_bytes(),
    )
}

fn address(server: &Server) -> &str {
    server.url.trim_start_matches("http://")
}

#[test]
fn a_bomb_and_a_giant_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), CONFIG);
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    for _ in 0..64 {
        bomb.write_all(&vec![b'a'; 1 << 20]).unwrap();
    }
    let bomb = bomb.finish().unwrap();
    let gzip = [("Content-Encoding", "gzip")];
    let answer = server.post("/api/v1/import/prometheus", &gzip, &bomb);
    assert_eq!(answer.status, 413, "{}", answer.body);
    assert!(answer.body.contains("limits.unpacked_body"), "{}", answer.body);

    // A gigabyte is announced and refused before it is sent.
    let mut stream = TcpStream::connect(address(&server)).unwrap();
    stream
        .write_all(b"POST /api/v1/import HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\n\r\n")
        .unwrap();
    let mut head = [0; 64];
    let length = stream.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(head.starts_with("HTTP/1.1 413"), "{head}");
    assert_eq!(push(&server, "others").status, 200);
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("lapwing_receive_refused_total{protocol=\"import\",reason=\"too_large\"} 2"),
        "{metrics}"
    );
}

#[test]
fn a_trickle_is_cut_off_while_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), CONFIG);
    let mut trickle = TcpStream::connect(address(&server)).unwrap();
    trickle
        .write_all(b"POST /api/v1/import HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n{")
        .unwrap();
    assert_eq!(push(&server, "others").status, 200);
    let mut head = [0; 64];
    let length = trickle.read(&mut head).unwrap();
    let head = String::from_utf8_lossy(&head[..length]).into_owned();
    assert!(head.starts_with("HTTP/1.1 408"), "{head}");
}

/// Slow-loris: many connections whose request lines never end hold none of the others up, and are closed.
#[test]
fn heads_that_trickle_are_closed_while_others_are_served() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "limits: { connections: 64 }\n");
    // A head without end, nothing at all, and what may become HTTP/2.
    let begun = [
        &b"POST /api/v1/import HTTP/1.1\r\nhost: x\r\nx-"[..],
        b"",
        b"PRI * HTTP/2.0\r\n",
    ];
    let mut slow: Vec<TcpStream> = (0..33)
        .map(|i| {
            let mut stream = TcpStream::connect(address(&server)).unwrap();
            stream.write_all(begun[i % 3]).unwrap();
            stream
        })
        .collect();
    assert_eq!(push(&server, "others").status, 200);
    let watch = lapwing::clock::Stopwatch::start();
    for (i, stream) in slow.iter_mut().enumerate() {
        let _ = stream.write_all(if i % 3 == 0 { b"a" } else { b"" });
        let mut rest = Vec::new();
        // Closed by the server: the end, or a reset where our last byte was still on its way.
        let _ = stream.read_to_end(&mut rest);
        let said = String::from_utf8_lossy(&rest);
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 408"), "{said}");
    }
    assert!(watch.elapsed_s() < 60.0, "{}", watch.elapsed_s());
    assert_eq!(push(&server, "others").status, 200);
}

/// A body of a gigabyte in pieces of unknown number: cut off where the limit is, and not where it ends.
#[test]
fn a_giant_in_pieces_is_cut_off_at_the_limit() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), CONFIG);
    let mut stream = TcpStream::connect(address(&server)).unwrap();
    stream
        .write_all(b"POST /api/v1/import HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n")
        .unwrap();
    let piece = [b"100000\r\n".as_slice(), &vec![b'a'; 1 << 20], b"\r\n"].concat();
    let sent = (0..1024).take_while(|_| stream.write_all(&piece).is_ok()).count();
    assert!(sent < 100, "{sent} MiB were taken");
    let mut head = [0; 64];
    if let Ok(length) = stream.read(&mut head) {
        let head = String::from_utf8_lossy(&head[..length]).into_owned();
        assert!(head.is_empty() || head.starts_with("HTTP/1.1 413"), "{head}");
    }
    assert_eq!(push(&server, "others").status, 200);
    let metrics = server.get("/metrics").body;
    assert!(
        metrics.contains("lapwing_receive_refused_total{protocol=\"import\",reason=\"too_large\"} 1"),
        "{metrics}"
    );
}

#[test]
fn a_flood_waits_and_only_its_own_source() {
    let dir = tempfile::tempdir().unwrap();
    let text = "limits: { samples_per_second: 10 }\n\
                web: { tokens: [{ name: a, role: admin, secret: sa }, { name: b, role: admin, secret: sb }] }\n";
    let server = start(dir.path(), text);
    let page: String = (0..500).map(|i| format!("m{{i=\"{i}\"}} 1\n")).collect();
    let send = |token: &str| {
        let bearer = format!("Bearer {token}");
        server.post(
            "/api/v1/import/prometheus",
            &[("Authorization", bearer.as_str())],
            page.as_bytes(),
        )
    };
    assert_eq!(send("sa").status, 200);
    let refused = send("sa");
    assert_eq!(refused.status, 429, "{}", refused.body);
    assert!(refused.body.contains("limits.samples_per_second"));
    let wait: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((30..=40).contains(&wait), "{wait}");
    assert_eq!(send("sb").status, 200);
}

#[test]
fn a_request_of_a_million_labels_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "");
    let mut many = String::from("m{");
    for i in 0..1_000_000 {
        many.push_str(&format!("l{i}=\"v\","));
    }
    many.push_str("} 1\n");
    let answer = server.post("/api/v1/import/prometheus", &[], many.as_bytes());
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(answer.body.contains("label"), "{}", answer.body);
    assert_eq!(push(&server, "others").status, 200);

    // The same as one series of remote write, beside a good one.
    let t = crate::support::now_ms();
    let names: Vec<String> = (0..1_000_000).map(|i| format!("l{i}")).collect();
    let mut pairs: Vec<(&str, &str)> = names.iter().map(|n| (n.as_str(), "v")).collect();
    pairs.push(("__name__", "many"));
    let batch = lapwing_types::WriteBatch {
        series: vec![
            crate::support::series(&pairs, &[(t, 1.0)]),
            crate::support::series(&[("__name__", "one")], &[(t, 1.0)]),
        ],
        metadata: vec![],
    };
    let answer = server.remote_write(&batch).unwrap();
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.body.contains("1000001 labels"),
        "{}",
        &answer.body[..200.min(answer.body.len())]
    );
    assert!(answer.body.len() < 10_000, "{} bytes", answer.body.len());
    assert_eq!(server.value_of("one"), "1");
}

/// A target that never stops talking is given up on, and the one beside it is scraped.
#[test]
fn an_endless_page_ends_with_a_named_error() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endless = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                // An answer before the question would be another fault than the one that is meant.
                let mut asked = Vec::new();
                let mut byte = [0];
                while !asked.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
                    asked.push(byte[0]);
                }
                let head = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\n\r\n";
                let mut sent = stream.write_all(head);
                let line = b"endless_total 1\n".repeat(1000);
                while sent.is_ok() {
                    sent = stream.write_all(&line);
                }
            });
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let text = format!(
        "scrape_configs:\n  - job_name: endless\n    scrape_interval: 2s\n    scrape_timeout: 2s\n    body_size_limit: 5MB\n    \
         static_configs: [{{ targets: ['{endless}'] }}]\n"
    );
    let server = start(dir.path(), &text);
    let targets = server.until("/api/v1/targets", |a| a.body.contains("\"health\":\"down\""));
    let target = &targets.json()["data"]["activeTargets"][0];
    let error = target["lastError"].as_str().unwrap_or("");
    assert!(error.contains("body"), "{target}");
    assert_eq!(push(&server, "others").status, 200);
}
