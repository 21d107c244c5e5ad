//! Remote write as its specification wants it: status codes, headers, partial failures.

use crate::support::{Server, now_ms, series};
use lapwing_types::WriteBatch;

const PROTOBUF: (&str, &str) = ("Content-Type", "application/x-protobuf");
const SNAPPY: (&str, &str) = ("Content-Encoding", "snappy");

#[test]
fn what_was_written_is_counted_and_can_be_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let t = now_ms();
    let batch = WriteBatch {
        series: vec![
            series(&[("__name__", "a"), ("x", "1")], &[(t - 1000, 1.0), (t, 2.0)]),
            series(&[("__name__", "a"), ("x", "2")], &[(t, 3.5)]),
        ],
        metadata: vec![],
    };
    let answer = server.remote_write(&batch).unwrap();
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(
        answer.header("x-prometheus-remote-write-samples-written"),
        Some("3")
    );
    let result = server.query("sum(a)", t as f64 / 1000.0);
    assert_eq!(result[0]["value"][1], "5.5");
}

#[test]
fn one_bad_series_costs_only_itself() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let t = now_ms();
    let batch = WriteBatch {
        series: vec![
            series(&[("__name__", "good")], &[(t, 1.0)]),
            series(&[("__name__", "future")], &[(t + 100 * 24 * 3_600_000, 1.0)]),
            series(&[("__name__", "also_good")], &[(t, 1.0)]),
        ],
        metadata: vec![],
    };
    let answer = server.remote_write(&batch).unwrap();
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("future"), "{}", answer.body);
    assert_eq!(
        answer.header("x-prometheus-remote-write-samples-written"),
        Some("2")
    );
    let result = server.query(r#"count({__name__=~"good|also_good"})"#, t as f64 / 1000.0);
    assert_eq!(result[0]["value"][1], "2");
}

#[test]
fn what_is_not_remote_write_is_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let garbage = snap::raw::Encoder::new()
        .compress_vec(b"\x0a\xff\xff\xff\xff")
        .unwrap();
    // A snappy head that claims 4 GiB.
    let bomb = [0xff, 0xff, 0xff, 0xff, 0x0f, 0x00];
    for (headers, body, status) in [
        (vec![("Content-Type", "text/plain"), SNAPPY], &b""[..], 415),
        (vec![PROTOBUF, ("Content-Encoding", "gzip")], &b""[..], 415),
        (vec![PROTOBUF, SNAPPY], &b"not snappy"[..], 400),
        (vec![PROTOBUF, SNAPPY], &garbage[..], 400),
        (vec![PROTOBUF, SNAPPY], &bomb[..], 413),
    ] {
        let answer = server.post("/api/v1/write", &headers, body);
        assert_eq!(answer.status, status, "{headers:?}: {}", answer.body);
    }
}
