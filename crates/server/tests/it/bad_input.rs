//! What is wrong in a request, by each door: the answer names the series and the reason, and what is good in it is kept.
//!
//! One table of mistakes, and for each door how it says them; what a door cannot say (a Pushgateway takes no times) is left out.

use crate::door::Door;
use crate::support::{Answer, Server, now_ms, series};
use lapwing_types::{SeriesWrite, WriteBatch};
use lapwing_wire::remote_write::{encode_v1, encode_v2};
use serde_json::{Value, json};
use std::fmt::Write as _;

/// A sample as a sender says it; without a time where the door takes none.
struct Said {
    name: String,
    text: String,
    value: f64,
    t_ms: Option<i64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mistake {
    Future,
    Name,
    LabelLimit,
    Twice,
}

use Mistake::{Future, LabelLimit, Name, Twice};

impl Mistake {
    /// Two good samples with the bad between them.
    fn request(self, door: &str, t_ms: i64) -> Vec<Said> {
        let good = |name: &str, value: f64| Said {
            name: format!("{door}_{name}"),
            text: "short".to_owned(),
            value,
            t_ms: Some(t_ms),
        };
        let bad = good("bad", 1.0);
        let bad = match self {
            Future => vec![Said {
                t_ms: Some(t_ms + 7_200_000),
                ..bad
            }],
            Name => vec![Said {
                name: format!("{door}_bad\u{1}"),
                ..bad
            }],
            LabelLimit => vec![Said {
                text: "v".repeat(100_000),
                ..bad
            }],
            Twice => vec![bad, good("bad", 2.0)],
        };
        let (first, last) = (
            good(&format!("first_{self:?}"), 1.0),
            good(&format!("last_{self:?}"), 1.0),
        );
        std::iter::once(first).chain(bad).chain([last]).collect()
    }

    fn reason(self) -> &'static str {
        match self {
            Future => "in the future",
            Name => "not valid",
            LabelLimit => "over the limits",
            Twice => "another value stands at the same time",
        }
    }
}

/// Sends the mistakes one request each, and looks at the answer and at what is kept.
fn check(server: &Server, door: &str, mistakes: &[Mistake], status: u16, send: impl Fn(&[Said]) -> Answer) {
    let t_ms = now_ms() - 1_000;
    for mistake in mistakes {
        let answer = send(&mistake.request(door, t_ms));
        let what = format!("{door}, {mistake:?}: {}", answer.body);
        assert_eq!(answer.status, status, "{what}");
        assert!(answer.body.contains(&format!("{door}_bad")), "{what}");
        assert!(answer.body.contains(mistake.reason()), "{what}");
        assert!(answer.body.len() < 5_000, "{what}");
        let kept = format!("count({{__name__=~\"{door}_(first|last)_{mistake:?}\"}})");
        let found = server.query(&kept, now_ms() as f64 / 1_000.0);
        assert_eq!(found[0]["value"][1], "2", "{what}");
    }
}

fn written(said: &[Said]) -> WriteBatch {
    let write = |s: &Said| -> SeriesWrite {
        series(
            &[("__name__", &s.name), ("text", &s.text)],
            &[(s.t_ms.unwrap(), s.value)],
        )
    };
    WriteBatch {
        series: said.iter().map(write).collect(),
        metadata: vec![],
    }
}

fn page(said: &[Said], with_times: bool) -> String {
    let mut page = String::new();
    for s in said {
        let t = s
            .t_ms
            .filter(|_| with_times)
            .map_or_else(String::new, |t| t.to_string());
        writeln!(page, "{}{{text=\"{}\"}} {} {t}", s.name, s.text, s.value).unwrap();
    }
    page
}

fn otlp(said: &[Said]) -> Value {
    let metric = |s: &Said| {
        json!({ "name": s.name, "gauge": { "dataPoints": [{
            "attributes": [{ "key": "text", "value": { "stringValue": s.text } }],
            "timeUnixNano": format!("{}000000", s.t_ms.unwrap()),
            "asDouble": s.value,
        }] } })
    };
    let metrics: Vec<Value> = said.iter().map(metric).collect();
    json!({ "resourceMetrics": [{ "scopeMetrics": [{ "metrics": metrics }] }] })
}

#[test]
fn each_door_names_what_is_wrong_and_keeps_what_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let snappy = ("Content-Encoding", "snappy");
    let packed = |bytes: &[u8]| snap::raw::Encoder::new().compress_vec(bytes).unwrap();
    let all = [Future, Name, LabelLimit, Twice];
    check(&server, "rw1", &all, 400, |said| {
        let v1 = ("Content-Type", "application/x-protobuf");
        server.post(
            "/api/v1/write",
            &[v1, snappy],
            &packed(&encode_v1(&written(said))),
        )
    });
    check(&server, "rw2", &all, 400, |said| {
        let v2 = (
            "Content-Type",
            "application/x-protobuf;proto=io.prometheus.write.v2.Request",
        );
        server.post(
            "/api/v1/write",
            &[v2, snappy],
            &packed(&encode_v2(&written(said))),
        )
    });
    let json_type = ("Content-Type", "application/json");
    // Names are made valid on their way in; what is refused is a partial success.
    check(&server, "otlp", &[Future, LabelLimit, Twice], 200, |said| {
        server.post("/v1/metrics", &[json_type], otlp(said).to_string().as_bytes())
    });
    check(&server, "push", &all, 400, |said| {
        let item = |s: &Said| json!({ "name": s.name, "value": s.value, "labels": { "text": s.text }, "timestamp_ms": s.t_ms });
        let items: Vec<Value> = said.iter().map(item).collect();
        server.post("/api/v1/push", &[json_type], json!(items).to_string().as_bytes())
    });
    check(&server, "lines", &all, 400, |said| {
        let line = |s: &Said| json!({ "metric": { "__name__": s.name, "text": s.text }, "values": [s.value], "timestamps": [s.t_ms] });
        let lines: Vec<String> = said.iter().map(|s| line(s).to_string()).collect();
        server.post("/api/v1/import", &[json_type], lines.join("\n").as_bytes())
    });
    check(&server, "text", &[Future, LabelLimit, Twice], 400, |said| {
        server.post("/api/v1/import/prometheus", &[], page(said, true).as_bytes())
    });
    check(&server, "gateway", &[LabelLimit, Twice], 400, |said| {
        let path = format!("/metrics/job/{}", said[0].name);
        server.post(&path, &[], page(said, false).as_bytes())
    });
}

/// Mistakes that only a door's own decoder can see: the item or the line is named, and costs itself alone.
#[test]
fn a_mistake_in_one_item_costs_only_that_item() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let now = now_ms();
    let items = r#"[{"name":"one","value":1},{"name":"","value":1},{"name":"two","valeu":1},{"name":"three","value":1}]"#;
    let lines = format!(
        "{{\"metric\":{{\"__name__\":\"four\"}},\"values\":[1],\"timestamps\":[{now}]}}\nnot json\n\
         {{\"metric\":{{\"__name__\":\"five\"}},\"values\":[1],\"timestamps\":[]}}\n\
         {{\"metric\":{{\"__name__\":\"six\"}},\"values\":[1],\"timestamps\":[{now}]}}\n"
    );
    for (path, body, reasons) in [
        (
            "/api/v1/push",
            items,
            [
                "the name of item 2 is empty",
                "item 3 (\"two\") is not valid: unknown field `valeu`",
            ],
        ),
        (
            "/api/v1/import",
            &lines,
            [
                "line 2 is not a series in JSON",
                "line 3 has 1 values and 0 timestamps",
            ],
        ),
    ] {
        let answer = server.post(path, &[("Content-Type", "application/json")], body.as_bytes());
        assert_eq!(answer.status, 400, "{}", answer.body);
        let told = answer.json();
        assert_eq!(
            (&told["samples"], &told["refused_count"]),
            (&2.into(), &2.into()),
            "{told}"
        );
        for (said, reason) in told["refused"].as_array().unwrap().iter().zip(reasons) {
            assert!(said.as_str().unwrap().starts_with(reason), "{said}");
        }
    }
    // What is no JSON costs itself alone, too; what Python writes for a loss that is none is taken.
    let items = r#"[{"name":"seven","value":1},{"name":"huge","value":1e999},{"name":"loss","value":NaN}]"#;
    let answer = server.post(
        "/api/v1/push",
        &[("Content-Type", "application/json")],
        items.as_bytes(),
    );
    assert_eq!(answer.status, 400, "{}", answer.body);
    assert!(
        answer.body.contains("item 2 is not valid: number out of range"),
        "{}",
        answer.body
    );
    assert_eq!(server.value_of("loss"), "NaN");
    for name in ["one", "three", "four", "six", "seven"] {
        assert_eq!(server.value_of(name), "1", "{name}");
    }
    // A page of text is one thing: the line is named, and nothing of it is kept.
    let answer = server.post("/api/v1/import/prometheus", &[], b"eight 1\nnine{a= 1\n");
    assert_eq!(answer.status, 400);
    assert!(
        answer
            .body
            .contains("nothing is kept of the page: line 2, column 1"),
        "{}",
        answer.body
    );
}

#[test]
fn a_scrape_that_is_kept_in_part_says_what_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let target = Door::open(|_, _| {
        let mut said = Future.request("scraped", now_ms());
        said.extend(Twice.request("scraped", now_ms()));
        said.retain(|s| !s.name.contains("first_Twice"));
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for s in said {
            let late = s.t_ms.is_some_and(|t| t > now_ms());
            if late { with.push(s) } else { without.push(s) }
        }
        page(&with, true) + &page(&without, false)
    });
    let address = target.url.trim_start_matches("http://").trim_end_matches('/');
    let config = format!(
        "scrape_configs:\n  - job_name: half\n    scrape_interval: 1s\n    fallback_scrape_protocol: PrometheusText0.0.4\n    \
         static_configs: [{{ targets: ['{address}'] }}]\n"
    );
    let file = dir.path().join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    let server = Server::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
    let targets = server.until("/api/v1/targets", |a| a.body.contains("in the future"));
    let status = targets.json();
    let half = status["data"]["activeTargets"]
        .as_array()
        .unwrap()
        .iter()
        .find(|t| t["scrapePool"] == "half")
        .unwrap();
    assert_eq!(
        (&half["health"], &half["samplesRefused"]),
        (&"up".into(), &3.into()),
        "{half}"
    );
    // The one in the future, and the same series twice more.
    let warnings = half["warnings"].to_string();
    for part in ["scraped_bad{", "more than once on the page", "in the future"] {
        assert!(warnings.contains(part), "{half}");
    }
    for name in ["scraped_first_Future", "scraped_last_Twice"] {
        assert_eq!(server.value_of(name), "1", "{name}");
    }
}

#[test]
fn a_discovery_that_fails_is_named_beside_its_targets() {
    let dir = tempfile::tempdir().unwrap();
    let config = "scrape_configs:\n  - job_name: half\n    scrape_interval: 1s\n    static_configs: [{ targets: ['127.0.0.1:1'] }]\n    \
                  http_sd_configs: [{ url: 'http://127.0.0.1:1/sd' }]\n";
    let file = dir.path().join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    let server = Server::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
    let targets = server.until("/api/v1/targets?scrapePool=half", |a| {
        a.body.contains("discovery fails")
    });
    let data = &targets.json()["data"];
    let said = data["activeTargets"][0]["warnings"][0].as_str().unwrap();
    assert!(
        said.contains("discovery fails (http http://127.0.0.1:1/sd)") && said.contains("connection refused"),
        "{said}"
    );
    let look = &data["discovery"][0];
    assert_eq!(
        (&look["scrapePool"], &look["provider"], &look["lastSuccess"]),
        (
            &"half".into(),
            &"http http://127.0.0.1:1/sd".into(),
            &serde_json::Value::Null
        ),
        "{look}"
    );
    assert!(
        look["lastError"].as_str().unwrap().contains("connection refused"),
        "{look}"
    );
    assert_eq!(
        data["discovery"].as_array().unwrap().len(),
        1,
        "static targets need no looking"
    );
}
