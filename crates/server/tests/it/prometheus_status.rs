//! The Prometheus API beside queries: pages of other sites, methods, notifications, features, blocks, relabelling.

use crate::support::{Answer, Server, now_ms, series};
use lapwing_types::WriteBatch;
use serde_json::json;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};

fn start(dir: &Path, config: &str) -> (Server, PathBuf) {
    let file = dir.join("lapwing.yml");
    let quiet = "host: { enabled: false }\ndiscover: { local: false }\n";
    std::fs::write(&file, format!("{quiet}{config}")).unwrap();
    let server = Server::start(&dir.join("data"), &[&format!("--config={}", file.display())]);
    (server, file)
}

const QUERY: &str = "/api/v1/query?query=1";

fn from(server: &Server, method: &str, path: &str, origin: &str) -> Answer {
    server.request(method, path, &[("Origin", origin)], b"")
}

fn allowed(answer: &Answer) -> Option<&str> {
    answer.header("access-control-allow-origin")
}

#[test]
fn pages_of_other_sites_may_read_when_the_configuration_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(
        dir.path(),
        "web: { cors_origin: 'https?://(a|b)\\.example', tokens: [{ role: admin, secret: s }] }\n",
    );
    // A browser asks first, and without a token.
    let asked = from(&server, "OPTIONS", "/api/v1/query", "https://a.example");
    assert_eq!(asked.status, 204);
    assert_eq!(allowed(&asked), Some("https://a.example"));
    assert_eq!(
        asked.header("access-control-allow-methods"),
        Some("GET, POST, OPTIONS")
    );
    assert_eq!(
        asked.header("access-control-allow-headers"),
        Some("Accept, Authorization, Content-Type, Origin")
    );
    assert_eq!(asked.header("access-control-allow-credentials"), None);
    // Without a token there is no answer, and the page may know why.
    let refused = from(&server, "GET", QUERY, "http://b.example");
    assert_eq!(
        (refused.status, allowed(&refused)),
        (401, Some("http://b.example"))
    );
    let token = [("Origin", "http://b.example"), ("Authorization", "Bearer s")];
    let answered = server.request("GET", QUERY, &token, b"");
    assert_eq!(
        (answered.status, allowed(&answered)),
        (200, Some("http://b.example"))
    );
    assert_eq!(answered.header("access-control-expose-headers"), Some("Date"));
    assert!(
        answered
            .headers
            .contains(&("vary".to_owned(), "Origin".to_owned())),
        "{answered:?}"
    );
    let other = from(&server, "OPTIONS", "/api/v1/query", "https://a.example.evil");
    assert_eq!((other.status, allowed(&other)), (204, None));
    // What is not the API is not for others to read.
    assert_eq!(
        allowed(&from(&server, "GET", "/-/healthy", "https://a.example")),
        None
    );
}

#[test]
fn pages_of_other_sites_may_read_nothing_by_themselves() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path(), "");
    for method in ["GET", "OPTIONS"] {
        let answer = from(&server, method, QUERY, "https://a.example");
        assert_eq!(allowed(&answer), None, "{method}");
        assert_eq!(answer.header("access-control-allow-methods"), None, "{method}");
    }
}

#[test]
fn a_method_that_is_not_there_names_those_that_are() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path(), "");
    let answer = server.request("DELETE", "/api/v1/query", &[], b"");
    assert_eq!(answer.status, 405);
    assert_eq!(answer.header("allow"), Some("GET,HEAD,POST"));
    assert_eq!(
        answer.body,
        "DELETE is not allowed on /api/v1/query; allowed: GET, HEAD, POST\n"
    );
    let answer = server.get("/-/reload");
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (405, "GET is not allowed on /-/reload; allowed: POST, PUT\n")
    );
}

/// The next event of a stream.
fn event(stream: &mut impl BufRead) -> serde_json::Value {
    let mut line = String::new();
    while stream.read_line(&mut line).unwrap() > 0 {
        if let Some(data) = line.strip_prefix("data: ") {
            return serde_json::from_str(data).unwrap();
        }
        line.clear();
    }
    panic!("the stream ended");
}

#[test]
fn a_failed_reload_is_notified_until_one_succeeds() {
    let dir = tempfile::tempdir().unwrap();
    let (server, file) = start(dir.path(), "");
    let active = || server.get("/api/v1/notifications").json()["data"].clone();
    assert_eq!(active(), json!([]));
    let good = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, "web: { listen: nowhere }\n").unwrap();
    assert_eq!(server.post("/-/reload", &[], b"").status, 500);
    let said = active();
    assert_eq!(said[0]["text"], "Configuration reload has failed.", "{said}");
    assert_eq!(said[0]["active"], true);
    let mut live = TcpStream::connect(server.url.trim_start_matches("http://")).unwrap();
    live.write_all(b"GET /api/v1/notifications/live HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut live = BufReader::new(live);
    assert_eq!(event(&mut live), said[0]);
    std::fs::write(&file, good).unwrap();
    assert_eq!(server.post("/-/reload", &[], b"").status, 200);
    let over = event(&mut live);
    assert_eq!(
        (&over["text"], &over["active"]),
        (&said[0]["text"], &json!(false))
    );
    assert_eq!(active(), json!([]));
    assert!(server.tell_to_stop());
    let last = event(&mut live);
    assert!(last["text"].as_str().unwrap().contains("shutting down"), "{last}");
}

#[test]
fn features_and_blocks_are_told() {
    let dir = tempfile::tempdir().unwrap();
    let (server, _) = start(dir.path(), "web: { admin_api: false }\n");
    let data = server.get("/api/v1/features").json()["data"].clone();
    assert_eq!(data["api"]["admin"], false, "{data}");
    assert_eq!(data["promql_functions"]["rate"], true);
    assert_eq!(data["promql_functions"]["info"], false);
    assert_eq!(data["promql_operators"]["limitk"], false);
    assert_eq!(data["promql_operators"]["topk"], true);
    assert_eq!(data["promql"]["anchored"], true);

    assert_eq!(
        server.get("/api/v1/status/tsdb/blocks").json()["data"],
        json!({ "blocks": [] })
    );
    drop(server);
    // History goes into blocks at once.
    let text = "# TYPE level gauge\nlevel 1 1700000000\nlevel 2 1700000060\n# EOF\n";
    std::fs::write(dir.path().join("old.txt"), text).unwrap();
    let imported = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["import", "openmetrics", "--quiet"])
        .arg(dir.path().join("old.txt"))
        .arg("--data")
        .arg(dir.path().join("data"))
        .status();
    assert!(imported.unwrap().success());
    let (server, _) = start(dir.path(), "store: { retention: 100y }\n");
    let blocks = server.get("/api/v1/status/tsdb/blocks").json()["data"]["blocks"].clone();
    assert_eq!(blocks[0]["minTime"], 1_700_000_000_000_i64, "{blocks}");
    assert_eq!(blocks[0]["maxTime"], 1_700_000_060_001_i64);
    assert_eq!(
        blocks[0]["stats"],
        json!({ "numSamples": 2, "numFloatSamples": 2, "numHistogramSamples": 0, "numSeries": 1 })
    );
    assert_eq!(blocks[0]["compaction"]["sources"], json!([blocks[0]["ulid"]]));
    let batch = WriteBatch {
        series: vec![series(&[("__name__", "level")], &[(now_ms(), 1.0)])],
        ..WriteBatch::default()
    };
    assert_eq!(server.remote_write(&batch).unwrap().status, 204);
}

#[test]
fn relabelling_is_shown_as_prometheus_shows_it() {
    let dir = tempfile::tempdir().unwrap();
    let config = "scrape_configs:\n- job_name: pool\n  static_configs: [{ targets: ['127.0.0.1:1'] }]\n  relabel_configs:\n  \
                  - { source_labels: [__address__], regex: '(.+):.+', target_label: host }\n  \
                  - { action: drop, source_labels: [host, gone], separator: '/', regex: 'h/yes' }\n  \
                  - { target_label: never, replacement: reached }\n- job_name: nobody\n";
    let (server, _) = start(dir.path(), config);
    // A pool is one also while nobody is in it.
    let pools = server.get("/api/v1/scrape_pools").json();
    assert_eq!(pools["data"], json!({ "scrapePools": ["nobody", "pool"] }));
    let targets = server.get("/api/v1/targets").json();
    assert_eq!(
        targets["data"]["droppedTargetCounts"],
        json!({ "nobody": 0, "pool": 0 })
    );
    let steps = |pool: &str, labels: &str| {
        let labels: String = url::form_urlencoded::byte_serialize(labels.as_bytes()).collect();
        server.get(&format!(
            "/api/v1/targets/relabel_steps?scrapePool={pool}&labels={labels}"
        ))
    };
    let dropped = steps("pool", r#"{"__address__":"h:1","gone":"yes"}"#).json();
    assert_eq!(
        dropped["data"]["steps"],
        json!([
            {
                "rule": {
                    "sourceLabels": ["__address__"], "separator": ";", "regex": "(.+):.+",
                    "targetLabel": "host", "replacement": "$1", "action": "replace",
                },
                "output": { "__address__": "h:1", "gone": "yes", "host": "h" },
                "keep": true,
            },
            {
                "rule": {
                    "sourceLabels": ["host", "gone"], "separator": "/", "regex": "h/yes",
                    "replacement": "$1", "action": "drop",
                },
                "output": {},
                "keep": false,
            },
        ])
    );
    let kept = steps("pool", r#"{"__address__":"h:1"}"#).json();
    assert_eq!(kept["data"]["steps"][2]["output"]["never"], "reached", "{kept}");
    for (pool, labels, words) in [
        ("other", "{}", "scrape pool \"other\" not found"),
        ("", "{}", "no scrapePool parameter provided"),
        ("pool", "", "no labels parameter provided"),
        ("pool", "{", "invalid labels parameter"),
    ] {
        let refused = steps(pool, labels);
        assert_eq!(refused.status, 400, "{pool} {labels}");
        assert!(
            refused.body.contains(&words.replace('"', "\\\"")),
            "{}",
            refused.body
        );
    }
}
