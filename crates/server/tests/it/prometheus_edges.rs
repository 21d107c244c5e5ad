//! What the Prometheus API answers to unusual requests: as a Prometheus 3.5 does that was asked the same, beside it.

use crate::support::{Answer, Server, now_ms, series};
use lapwing_types::{Labels, Matcher, WriteBatch};
use lapwing_wire::remote_read::{Query, ReadRequest, ResponseType, StreamReader};
use std::io::{Read, Write};
use std::net::TcpStream;

const FORM: (&str, &str) = ("Content-Type", "Application/X-WWW-form-urlencoded; charset=utf-8");

/// A server with external labels and a minute of series; the time of the newest sample, in seconds.
fn filled(dir: &std::path::Path) -> (Server, i64) {
    let file = dir.join("lapwing.yml");
    std::fs::write(
        &file,
        "global: { external_labels: { region: eu, zone: z1 } }\nhost: { enabled: false }\n",
    )
    .unwrap();
    let server = Server::start(&dir.join("data"), &[&format!("--config={}", file.display())]);
    let now_s = now_ms() / 1000;
    let samples = [
        ((now_s - 60) * 1000, 1.0),
        ((now_s - 30) * 1000, 2.0),
        (now_s * 1000, 3.0),
    ];
    let rows = [
        [("__name__", "level"), ("job", "a"), ("site", "x")],
        [("__name__", "level"), ("job", "b"), ("region", "us")],
        [("__name__", "utf.8 name"), ("a b", "c d"), ("instance", "i:1")],
    ];
    let batch = WriteBatch {
        series: rows.iter().map(|pairs| series(pairs, &samples)).collect(),
        ..WriteBatch::default()
    };
    assert_eq!(server.remote_write(&batch).unwrap().status, 204);
    (server, now_s)
}

fn refused(answer: &Answer) -> (u16, String, String) {
    let json = answer.json();
    let text = |key: &str| json[key].as_str().unwrap_or("").to_owned();
    (answer.status, text("errorType"), text("error"))
}

fn count(answer: &Answer) -> usize {
    let json = answer.json();
    let list = if json["data"].is_array() {
        &json["data"]
    } else {
        &json["data"]["result"]
    };
    list.as_array().unwrap_or_else(|| panic!("{json}")).len()
}

#[test]
fn queries_take_what_prometheus_takes() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    let late = now_s + 200;
    let instant = |more: &str| server.get(&format!("/api/v1/query?query=level&time={late}&{more}"));
    assert_eq!(count(&instant("lookback_delta=100")), 0);
    // Nothing is asked for here, so that the usual lookback holds.
    assert_eq!(count(&instant("lookback_delta=0")), 2);
    assert_eq!(count(&instant("lookback_delta=-5")), 2);
    assert_eq!(count(&instant("limit=1")), 1);

    let body = format!("query=level&time={now_s}");
    assert_eq!(count(&server.post("/api/v1/query", &[FORM], body.as_bytes())), 2);

    // A time is rounded by its fraction alone.
    let time = |text: &str| {
        server
            .get(&format!("/api/v1/query?query=time()&time={text}"))
            .json()
    };
    assert_eq!(time("1.0005")["data"]["result"][1], "1");
    assert_eq!(time("0.9996")["data"]["result"][1], "1");
    assert_eq!(time("1e400")["errorType"], "bad_data");

    let range = |query: &str, step: &str| {
        let start_s = now_s - 60;
        server.get(&format!(
            "/api/v1/query_range?query={query}&start={start_s}&end={now_s}&step={step}"
        ))
    };
    let bad = |message: &str| (400, "bad_data".to_owned(), message.to_owned());
    assert_eq!(
        refused(&range("level[5m]", "15")),
        bad(
            "invalid parameter \"query\": invalid expression type \"range vector\" for range query, must be Scalar or instant Vector"
        )
    );
    // It is positive, but there would be too many.
    let (_, _, message) = refused(&range("level", "0.0001"));
    assert!(message.starts_with("exceeded maximum resolution"), "{message}");
    // Less than a nanosecond is nothing.
    let (_, _, message) = refused(&range("level", "1e-10"));
    assert!(
        message.starts_with("invalid parameter \"step\": zero or negative"),
        "{message}"
    );
    let (_, _, message) = refused(&range("level", "1e30"));
    assert!(
        message.ends_with("to a valid duration. It overflows int64"),
        "{message}"
    );
}

/// With no time at all there is no answer, whatever is asked.
#[test]
fn a_timeout_of_nothing_is_over_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = filled(dir.path());
    for timeout in ["0", "0s", "-1", "1e-10"] {
        for path in [
            "query?query=1",
            "query?query=level",
            "query_range?query=level&start=0&end=9&step=3",
        ] {
            let (status, class, _) = refused(&server.get(&format!("/api/v1/{path}&timeout={timeout}")));
            assert_eq!((status, class.as_str()), (503, "timeout"), "{path} {timeout}");
        }
        let (status, class, _) = refused(&server.get(&format!("/api/v1/query?query=(&timeout={timeout}")));
        assert_eq!((status, class.as_str()), (400, "bad_data"), "{timeout}");
    }
    assert_eq!(server.get("/api/v1/query?query=1&timeout=1m").status, 200);
    // An empty form leaves what the address says.
    let empty = server.post("/api/v1/query?query=1&timeout=1m", &[FORM], b"");
    assert_eq!(empty.status, 200, "{}", empty.body);
}

#[test]
fn names_and_values_are_asked_for_at_the_edges() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    // A range that ends before it starts is empty, but for exemplars a mistake.
    let reversed = format!("start={now_s}&end={}", now_s - 5);
    for path in [
        "series?match[]=level&",
        "labels?",
        "label/job/values?",
        "labels?match[]=level&",
    ] {
        let answer = server.get(&format!("/api/v1/{path}{reversed}"));
        assert_eq!(
            (answer.status, count(&answer)),
            (200, 0),
            "{path}: {}",
            answer.body
        );
    }
    let (status, kind, message) =
        refused(&server.get(&format!("/api/v1/query_exemplars?query=level&{reversed}")));
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    assert!(message.contains("end timestamp must not be before"), "{message}");

    for name in ["U__a_20_b", "a%20b"] {
        let answer = server.get(&format!("/api/v1/label/{name}/values"));
        assert_eq!(answer.json()["data"], serde_json::json!(["c d"]), "{name}");
    }
    let (status, kind, message) = refused(&server.get("/api/v1/label/%FF/values"));
    assert_eq!((status, kind.as_str()), (400, "bad_data"));
    assert!(message.starts_with("invalid label name"), "{message}");

    let (_, _, message) = refused(&server.get("/api/v1/targets/metadata?match_target={"));
    assert!(
        message.starts_with("invalid parameter \"match_target\""),
        "{message}"
    );
    assert_eq!(server.get("/api/v1/rules?exclude_alerts=maybe").status, 400);
    assert_eq!(server.get("/api/v1/rules?exclude_alerts=True").status, 200);
    assert_eq!(server.get("/api/v1/metadata?limit_per_metric=x").status, 400);
    let snapshot = server.post("/api/v1/admin/tsdb/snapshot?skip_head=maybe", &[], b"");
    assert_eq!(snapshot.status, 400, "{}", snapshot.body);
}

#[test]
fn external_labels_leave_the_house() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    // A series without an instance says so: whoever scrapes the page with its labels honoured would add ours otherwise.
    let page = server.get("/federate?match[]={__name__=~%22level|utf.*%22}").body;
    let expected = [
        "level{job=\"a\",region=\"eu\",site=\"x\",zone=\"z1\",instance=\"\"} 3 ",
        "level{job=\"b\",region=\"us\",zone=\"z1\",instance=\"\"} 3 ",
        "instance=\"i:1\",region=\"eu\",zone=\"z1\"} 3 ",
    ];
    for line in expected {
        assert!(page.contains(line), "{line}: {page}");
    }

    let read = |matchers: Vec<Matcher>| -> Vec<Labels> {
        let query = Query {
            matchers,
            start_ms: (now_s - 60) * 1000,
            end_ms: now_s * 1000,
        };
        let request = ReadRequest::new(vec![query], vec![ResponseType::StreamedXorChunks]);
        let packed = snap::raw::Encoder::new().compress_vec(&request.encode()).unwrap();
        let headers = [
            ("Content-Type", "application/x-protobuf"),
            ("Content-Encoding", "snappy"),
        ];
        let answer = server.post("/api/v1/read", &headers, &packed);
        let read = StreamReader::new(1 << 20).feed(&answer.bytes).unwrap();
        read.into_iter().map(|one| one.labels).collect()
    };
    let labels = |pairs: &[(&str, &str)]| Labels::from_pairs(pairs.iter().copied()).unwrap();
    let here = labels(&[
        ("__name__", "level"),
        ("job", "a"),
        ("region", "eu"),
        ("site", "x"),
        ("zone", "z1"),
    ]);
    let there = labels(&[
        ("__name__", "level"),
        ("job", "b"),
        ("region", "us"),
        ("zone", "z1"),
    ]);
    let level = Matcher::equal("__name__", "level");
    assert_eq!(read(vec![level.clone()]), [here.clone(), there.clone()]);
    assert_eq!(read(vec![level.clone(), Matcher::equal("region", "eu")]), [here]);
    assert_eq!(read(vec![level.clone(), Matcher::equal("region", "us")]), [there]);
    assert_eq!(read(vec![level, Matcher::equal("zone", "z2")]), []);
    assert_eq!(read(Vec::new()), []);
}

#[test]
fn a_query_ends_when_its_client_leaves_or_somebody_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    let (start_s, address) = (now_s - 10_000, server.url.trim_start_matches("http://"));
    let ask = || {
        let mut client = TcpStream::connect(address).unwrap();
        // Minutes of work.
        let query = "sum(quantile_over_time(0.5,(level*1)[6h:10ms]))";
        let path = format!("/api/v1/query_range?query={query}&start={start_s}&end={now_s}&step=1");
        write!(client, "GET {path} HTTP/1.1\r\nHost: {address}\r\n\r\n").unwrap();
        client
    };
    let running = || server.until("/api/v1/queries", |a| count(a) > 0).json()["data"][0].clone();

    let client = ask();
    assert!(running()["expr"].as_str().unwrap().starts_with("sum(quantile"));
    drop(client);
    server.until("/api/v1/queries", |a| count(a) == 0);
    // It did not come to its end.
    let ended = server.get("/api/v1/queries/slow").body;
    assert!(!ended.contains("quantile_over_time"), "{ended}");

    let mut client = ask();
    let id = running()["id"].clone();
    let killed = server.post(&format!("/api/v1/queries/{id}/kill"), &[], b"");
    assert_eq!(killed.json()["data"]["killed"], id);
    let mut answer = vec![0; 4096];
    let length = client.read(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer[..length]);
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("\"canceled\""),
        "{answer}"
    );
    assert_eq!(
        server
            .post(&format!("/api/v1/queries/{id}/kill"), &[], b"")
            .status,
        404
    );
}

#[test]
fn names_and_values_are_asked_for_a_stretch_of_time() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    let asked = |path: &str, (start, end): (i64, i64), matcher: &str| {
        let path = format!("/api/v1/{path}?start={start}&end={end}{matcher}");
        server.get(&path).json()["data"].as_array().map(Vec::len)
    };
    let level = "&match[]=level";
    for matcher in ["", level] {
        assert_eq!(asked("labels", (1, 2), matcher), Some(0));
        assert_eq!(asked("label/job/values", (1, 2), matcher), Some(0));
        assert_eq!(asked("labels", (now_s + 1000, now_s + 2000), matcher), Some(0));
    }
    assert_eq!(asked("labels", (now_s - 45, now_s - 20), level), Some(4));
    assert_eq!(
        asked("label/job/values", (now_s - 45, now_s - 20), level),
        Some(2)
    );
}

#[test]
fn an_address_may_have_its_quotes_as_they_are_typed() {
    let dir = tempfile::tempdir().unwrap();
    let (server, now_s) = filled(dir.path());
    let mut stream = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    let target = format!("/api/v1/query?time={now_s}&query=level{{job=\"a\"}}>=3");
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200 ") && answer.contains(",\"3\"]"),
        "{answer}"
    );
}

#[test]
fn limits_of_metadata_are_counts_of_metrics() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = filled(dir.path());
    let metrics = |limit: &str| {
        let path = format!("/api/v1/metadata?{limit}");
        server.get(&path).json()["data"]
            .as_object()
            .map(serde_json::Map::len)
    };
    server.until("/api/v1/metadata?metric=lapwing_build_info", |a| {
        a.body.contains("gauge")
    });
    let all = metrics("");
    assert!(all > Some(10));
    for (limit, expected) in [
        ("limit=3", Some(3)),
        ("limit=0", Some(0)),
        ("limit=-1", all),
        ("limit_per_metric=0", all),
    ] {
        assert_eq!(metrics(limit), expected, "{limit}");
    }
    let wrong = ("bad_data".to_owned(), "limit must be a number".to_owned());
    for path in ["metadata", "targets/metadata"] {
        let (status, class, message) = refused(&server.get(&format!("/api/v1/{path}?limit=x")));
        assert_eq!((status, (class, message)), (400, wrong.clone()), "{path}");
    }
}
