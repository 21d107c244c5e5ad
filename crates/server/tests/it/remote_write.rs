//! Remote write as its specification wants it: status codes, headers, partial failures.

use crate::support::{Server, now_ms, series};
use lapwing_types::{SeriesWrite, WriteBatch};
use lapwing_wire::remote_write::encode_v2;

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

/// A counter that began anew without getting lower is told by its start alone, also after the process was killed.
#[test]
fn each_sample_keeps_the_start_that_came_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lapwing.yml");
    std::fs::write(&file, "limits: { query: { start_timestamps: true } }\n").unwrap();
    let data = dir.path().join("data");
    let start = || Server::start(&data, &["--config", file.to_str().unwrap()]);
    let server = start();
    let t = now_ms();
    let sent = [
        (-180, 4.0, -600),
        (-120, 8.0, -600),
        (-60, 8.0, -61),
        (0, 12.0, -61),
    ];
    let write = |name: &str, (at_s, value, start_s): (i64, f64, i64)| SeriesWrite {
        start_ms: name.starts_with("told").then_some(t + start_s * 1000),
        ..series(&[("__name__", name)], &[(t + at_s * 1000, value)])
    };
    // Each in a request of its own, then all in one.
    let mut requests: Vec<Vec<SeriesWrite>> =
        sent.iter().map(|s| vec![write("told_one_by_one", *s)]).collect();
    requests.push(sent.iter().map(|s| write("told_at_once", *s)).collect());
    requests.push(sent.iter().map(|s| write("untold", *s)).collect());
    for series in requests {
        let batch = WriteBatch {
            series,
            metadata: vec![],
        };
        let packed = snap::raw::Encoder::new()
            .compress_vec(&encode_v2(&batch))
            .unwrap();
        let v2 = (
            "Content-Type",
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        );
        let answer = server.post("/api/v1/write", &[v2, SNAPPY], &packed);
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
    let check = |server: &Server| {
        for (name, resets) in [("told_one_by_one", "1"), ("told_at_once", "1"), ("untold", "0")] {
            let result = server.query(&format!("resets({name}[4m])"), t as f64 / 1000.0);
            assert_eq!(result[0]["value"][1], resets, "{name}");
        }
    };
    check(&server);
    server.kill();
    check(&start());
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
fn what_goes_to_a_wrong_path_is_not_taken_for_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let answer = server.post("/prom/api/v1/write", &[], b"anything");
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.body,
        "nothing takes POST /prom/api/v1/write here; is the path right?\n"
    );
    assert!(
        server.get("/alerts").body.contains("<html"),
        "a page is still a page"
    );
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

#[test]
fn each_kind_of_bad_series_is_named_with_its_reason_and_the_good_ones_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let t = now_ms();
    let long = "v".repeat(100_000);
    let cases: [(&str, Vec<SeriesWrite>, &[&str]); 4] = [
        (
            "a future timestamp",
            vec![series(&[("__name__", "early_bird")], &[(t + 3_600_000, 1.0)])],
            &["early_bird", "in the future"],
        ),
        (
            "a name with a control character",
            vec![series(&[("__name__", "bad\u{1}name"), ("x", "1")], &[(t, 1.0)])],
            &["bad", "name", "not valid"],
        ),
        (
            "a label value over the limits",
            vec![series(&[("__name__", "verbose"), ("text", &long)], &[(t, 1.0)])],
            &["verbose", "over the limits", "text"],
        ),
        (
            "two values for one series and time",
            vec![
                series(&[("__name__", "twin")], &[(t, 1.0)]),
                series(&[("__name__", "twin")], &[(t, 2.0)]),
            ],
            &["twin", "another value stands at the same time"],
        ),
    ];
    for (number, (what, bad, expect)) in cases.into_iter().enumerate() {
        let (before, after) = (format!("before_{number}"), format!("after_{number}"));
        let mut batch = WriteBatch::default();
        batch.series.push(series(&[("__name__", &before)], &[(t, 1.0)]));
        batch.series.extend(bad);
        batch.series.push(series(&[("__name__", &after)], &[(t, 1.0)]));
        let answer = server.remote_write(&batch).unwrap();
        assert_eq!(answer.status, 400, "{what}: {}", answer.body);
        for part in expect {
            assert!(
                answer.body.contains(part),
                "{what}: {part:?} is not in {}",
                answer.body
            );
        }
        assert!(
            answer.body.len() < 10_000,
            "{what}: the answer has {} bytes",
            answer.body.len()
        );
        let kept = server.query(
            &format!("count({{__name__=~\"{before}|{after}\"}})"),
            t as f64 / 1000.0,
        );
        assert_eq!(kept[0]["value"][1], "2", "{what}");
    }
    // The first of the twins stands.
    assert_eq!(server.query("twin", t as f64 / 1000.0)[0]["value"][1], "1");
    let refused = server.get("/api/v1/status/tsdb").json()["data"]["refused"].clone();
    for code in [
        "future",
        "invalid_name",
        "label_limit",
        "duplicate_with_other_value",
    ] {
        assert_eq!(refused[code], 1, "{refused}");
    }
}
