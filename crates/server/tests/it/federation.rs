//! What leaves by `/federate` arrives as it was: in each format, and on the way from a Lapwing to a real Prometheus and from there
//! to another Lapwing.
//!
//! Needs: prometheus-3

use crate::support::{Answer, Peer, Server, free_port, now_ms, series};
use lapwing_types::{Counts, Histogram, Labels, ResetHint, SeriesWrite, Span, WriteBatch, stale_nan};
use lapwing_wire::proto_exposition::{ExpositionOptions, parse_to_batch};
use serde_json::{Value, json};
use std::path::Path;

fn start(dir: &Path, config: &str) -> Server {
    std::fs::create_dir_all(dir).unwrap();
    let file = dir.join("lapwing.yml");
    let quiet = "host: { enabled: false }\ndiscover: { local: false }\n";
    std::fs::write(&file, format!("{quiet}{config}")).unwrap();
    Server::start(&dir.join("data"), &["--config", file.to_str().unwrap()])
}

fn native(reset_hint: ResetHint) -> Histogram {
    Histogram {
        reset_hint,
        schema: 2,
        zero_threshold: 0.001,
        sum: 12.5,
        positive_spans: vec![
            Span {
                offset: -3,
                length: 2,
            },
            Span { offset: 4, length: 1 },
        ],
        negative_spans: vec![Span { offset: 0, length: 1 }],
        counts: Counts::Int {
            count: 17,
            zero: 1,
            positive: vec![2, 3, 4],
            negative: vec![7],
        },
        custom_bounds: [].into(),
    }
}

fn custom() -> Histogram {
    Histogram {
        schema: -53,
        zero_threshold: 0.0,
        positive_spans: vec![Span { offset: 0, length: 3 }],
        negative_spans: Vec::new(),
        counts: Counts::Int {
            count: 9,
            zero: 0,
            positive: vec![2, 3, 4],
            negative: Vec::new(),
        },
        custom_bounds: [0.5, 2.0].into(),
        ..native(ResetHint::Unknown)
    }
}

fn histogram(pairs: &[(&str, &str)], t_ms: i64, histogram: Histogram) -> SeriesWrite {
    SeriesWrite {
        labels: Labels::from_pairs(pairs.iter().copied()).unwrap(),
        histograms: vec![(t_ms, histogram)],
        ..SeriesWrite::default()
    }
}

/// Everything there is, at times that are not round.
fn batch(now_ms: i64) -> WriteBatch {
    let t_ms = now_ms - 10_123;
    let ended = Histogram {
        sum: stale_nan(),
        ..native(ResetHint::Unknown)
    };
    let series = vec![
        series(
            &[("__name__", "level"), ("job", "a")],
            &[(t_ms - 1000, 1.0), (t_ms, -2.5)],
        ),
        series(
            &[("__name__", "level"), ("job", "a"), ("instance", "i:1")],
            &[(t_ms, f64::INFINITY)],
        ),
        series(
            &[("__name__", "level"), ("job", "a"), ("x", "ended")],
            &[(t_ms - 1, 1.0), (t_ms, stale_nan())],
        ),
        series(
            &[("__name__", "level"), ("job", "a"), ("x", "old")],
            &[(t_ms - 300_000, 1.0)],
        ),
        series(
            &[("__name__", "utf.8 name"), ("job", "a"), ("ä b", "c\"\\\nd")],
            &[(t_ms, 3.0)],
        ),
        series(&[("__name__", "turned"), ("job", "a")], &[(t_ms - 5, 3.0)]),
        histogram(
            &[("__name__", "turned"), ("job", "a")],
            t_ms,
            native(ResetHint::Unknown),
        ),
        histogram(
            &[("__name__", "size"), ("job", "a")],
            t_ms,
            native(ResetHint::Unknown),
        ),
        histogram(&[("__name__", "size"), ("job", "a"), ("x", "ended")], t_ms, ended),
        histogram(
            &[("__name__", "depth"), ("job", "a")],
            t_ms,
            native(ResetHint::Gauge),
        ),
        histogram(&[("__name__", "custom"), ("job", "a")], t_ms, custom()),
    ];
    WriteBatch {
        series,
        ..WriteBatch::default()
    }
}

const REGION: &str = "global: { external_labels: { region: eu } }\n";
const ALL_OF_A: &str = "/federate?match[]=%7Bjob%3D%22a%22%7D";

fn page(server: &Server, accept: &str) -> Answer {
    server.request("GET", ALL_OF_A, &[("Accept", accept)], b"")
}

#[test]
fn text_says_what_text_can_say() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), REGION);
    let now = now_ms();
    assert_eq!(server.remote_write(&batch(now)).unwrap().status, 204);
    let t_ms = now - 10_123;
    let plain = page(&server, "text/plain; escaping=allow-utf-8");
    let lines = [
        "# TYPE custom histogram",
        &format!("custom_bucket{{job=\"a\",le=\"0.5\",region=\"eu\",instance=\"\"}} 2 {t_ms}"),
        &format!("custom_bucket{{job=\"a\",le=\"2\",region=\"eu\",instance=\"\"}} 5 {t_ms}"),
        &format!("custom_bucket{{job=\"a\",le=\"+Inf\",region=\"eu\",instance=\"\"}} 9 {t_ms}"),
        &format!("custom_count{{job=\"a\",region=\"eu\",instance=\"\"}} 9 {t_ms}"),
        &format!("custom_sum{{job=\"a\",region=\"eu\",instance=\"\"}} 12.5 {t_ms}"),
        "# TYPE level untyped",
        &format!("level{{instance=\"i:1\",job=\"a\",region=\"eu\"}} +Inf {t_ms}"),
        &format!("level{{job=\"a\",region=\"eu\",instance=\"\"}} -2.5 {t_ms}"),
        "# TYPE \"utf.8 name\" untyped",
        &format!(
            "{{\"utf.8 name\",job=\"a\",region=\"eu\",\"ä b\"=\"c\\\"\\\\\\nd\",instance=\"\"}} 3 {t_ms}"
        ),
    ];
    assert_eq!(plain.body.lines().collect::<Vec<_>>(), lines);
    assert!(
        plain
            .header("content-type")
            .unwrap()
            .starts_with("text/plain; version=1.0.0")
    );
    let open = page(
        &server,
        "application/openmetrics-text; version=1.0.0; escaping=allow-utf-8",
    );
    let seconds = format!("{}.{:03}", t_ms / 1000, t_ms % 1000);
    assert!(
        open.body.contains(&format!("}} -2.5 {seconds}\n")),
        "{}",
        open.body
    );
    assert!(open.body.ends_with("# EOF\n"));
}

#[test]
fn protobuf_has_the_histograms_too() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), REGION);
    let now = now_ms();
    assert_eq!(server.remote_write(&batch(now)).unwrap().status, 204);
    // As a Prometheus asks that wants native histograms.
    let answer = page(
        &server,
        "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited;\
         escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
         text/plain;version=0.0.4;q=0.2,*/*;q=0.1",
    );
    assert_eq!(
        answer.header("content-type"),
        Some(
            "application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited; \
             escaping=allow-utf-8"
        )
    );
    let read = parse_to_batch(&answer.bytes, ExpositionOptions::at(0)).unwrap();
    let t_ms = now - 10_123;
    let found = |name: &str| {
        let is_it = |s: &&SeriesWrite| s.labels.metric_name() == Some(name);
        read.series.iter().filter(is_it).collect::<Vec<_>>()
    };
    for (name, hint) in [
        ("size", ResetHint::Unknown),
        ("turned", ResetHint::Unknown),
        ("depth", ResetHint::Gauge),
    ] {
        let [one] = found(name)[..] else {
            panic!("{name}: {:?}", found(name));
        };
        assert_eq!(one.labels.get("region"), Some("eu"), "{name}");
        let [(at_ms, histogram)] = &one.histograms[..] else {
            panic!("{name}: {one:?}");
        };
        assert_eq!(*at_ms, t_ms, "{name}");
        assert_eq!(histogram.to_float(), native(hint).to_float(), "{name}");
    }
    assert_eq!(found("level").len(), 2);
    assert_eq!(found("custom_bucket").len(), 3);
    assert_eq!(found("utf.8 name")[0].samples[0].value, 3.0);
    let names: Vec<&str> = read.metadata.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        ["custom", "depth", "level", "size", "turned", "utf.8 name"]
    );
}

/// Every series of the job with its newest sample and the time of it.
fn answers(server: &Server, at_s: i64) -> Vec<(Value, Value)> {
    let result = server.query("{job=\"a\"}[30s]", at_s as f64);
    let newest = |row: &Value| {
        let samples =
            ["values", "histograms"].map(|kind| row[kind].as_array().and_then(|a| a.last()).cloned());
        let mut samples: Vec<Value> = samples.into_iter().flatten().collect();
        samples.sort_by(|a, b| a[0].as_f64().partial_cmp(&b[0].as_f64()).unwrap());
        samples.pop().unwrap()
    };
    let rows = result.as_array().unwrap().iter();
    let mut rows: Vec<(Value, Value)> = rows.map(|row| (row["metric"].clone(), newest(row))).collect();
    rows.sort_by_key(|(metric, _)| metric.to_string());
    rows
}

#[test]
fn a_prometheus_on_the_way_changes_nothing() {
    let Some(program) = std::env::var_os("LAPWING_PROMETHEUS") else {
        eprintln!("SKIPPED a_prometheus_on_the_way_changes_nothing: prometheus 3 is not installed");
        return;
    };
    let dir = tempfile::tempdir().unwrap();
    let first = start(&dir.path().join("first"), REGION);
    let now = now_ms();
    assert_eq!(first.remote_write(&batch(now)).unwrap().status, 204);

    let job = |name: &str, address: &str, more: &str| {
        format!(
            "scrape_configs: [{{ job_name: {name}, scrape_interval: 250ms, scrape_timeout: 250ms, honor_labels: true, \
             metrics_path: /federate, params: {{ 'match[]': ['{{job=\"a\"}}'] }}, \
             static_configs: [{{ targets: ['{address}'] }}]{more} }}]\n"
        )
    };
    let file = dir.path().join("prometheus.yml");
    let from_first = job("from_first", first.url.trim_start_matches("http://"), "");
    std::fs::write(
        &file,
        format!("global: {{ external_labels: {{ cluster: p }} }}\n{from_first}"),
    )
    .unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        format!("--config.file={}", file.display()),
        format!("--storage.tsdb.path={}", dir.path().join("peer").display()),
        format!("--web.listen-address={address}"),
        "--enable-feature=native-histograms".to_owned(),
    ];
    let _peer = Peer::start(program, &arguments).unwrap();
    let last = start(
        &dir.path().join("last"),
        &job("from_peer", &address, ", scrape_native_histograms: true"),
    );
    let at_s = now / 1000;
    let expected: Vec<(Value, Value)> = answers(&first, at_s)
        .into_iter()
        .filter(|(metric, _)| metric["__name__"] != "custom" && metric["x"].is_null())
        .map(|(mut metric, value)| {
            metric["region"] = json!("eu");
            metric["cluster"] = json!("p");
            (metric, value)
        })
        .collect();
    assert_eq!(expected.len(), 6, "{expected:?}");
    let count = format!("/api/v1/query?time={at_s}&query=count(%7Bjob%3D%22a%22%7D)");
    last.until(&count, |a| a.json()["data"]["result"][0]["value"][1] == "11");
    let (classic, rest): (Vec<_>, Vec<_>) = answers(&last, at_s).into_iter().partition(|(metric, _)| {
        metric["le"].is_string()
            || metric["__name__"]
                .as_str()
                .is_some_and(|n| n.starts_with("custom"))
    });
    assert_eq!(rest, expected);
    // Custom buckets have no other way than the classic one.
    assert_eq!(classic.len(), 5, "{classic:?}");
}
