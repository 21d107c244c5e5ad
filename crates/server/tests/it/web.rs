//! What the web UI and people without scripts are given: pictures, plain pages, badges, events, routing.

use crate::support::Server;
use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};
use std::io::{BufRead, BufReader};

const CONFIG: &str = r#"
host: { enabled: false }
dashboards: { dir: boards }
notify:
  route:
    receiver: nobody
    group_by: [alertname]
    routes: [{ receiver: team, matchers: [team="a"] }]
  receivers: [{ name: nobody }, { name: team }]
"#;
const HOSTILE: &str = "<img src=x onerror=alert(1)>\u{202e}";

fn start(dir: &std::path::Path) -> Server {
    let config = dir.join("lapwing.yml");
    std::fs::write(&config, CONFIG).expect("a file");
    let server = Server::start(&dir.join("data"), &["--config", &config.display().to_string()]);
    let now_ms = lapwing::Clock::system().now_ms();
    let samples = (0..20).map(|i| Sample {
        t_ms: now_ms - i64::from(19 - i) * 15_000,
        value: f64::from(i),
    });
    let batch = WriteBatch {
        series: vec![SeriesWrite {
            labels: Labels::from_pairs([("__name__", "tokens_total"), ("model", HOSTILE)]).expect("labels"),
            samples: samples.collect(),
            ..SeriesWrite::default()
        }],
        ..WriteBatch::default()
    };
    let answer = server.remote_write(&batch).expect("it answers");
    assert!(answer.status < 300, "{}", answer.body);
    let alert = serde_json::json!([{
        "labels": { "alertname": "Slow", "severity": "critical", "model": HOSTILE, "team": "a" },
        "annotations": { "summary": HOSTILE },
    }]);
    let json = [("Content-Type", "application/json")];
    let answer = server.post("/api/v2/alerts", &json, alert.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    server
}

#[test]
fn pictures_pages_and_badges_show_hostile_names_as_text() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());

    let svg = server.get("/api/v1/render?query=tokens_total&threshold=10&title=tokens");
    assert_eq!(svg.status, 200, "{}", svg.body);
    assert_eq!(svg.header("content-type"), Some("image/svg+xml"));
    assert!(
        svg.body.contains("<path") && svg.body.contains("tokens"),
        "{}",
        svg.body
    );
    assert!(!svg.body.contains("<img"), "{}", svg.body);
    let wrong = server.get("/api/v1/render?query=tokens_total&format=gif");
    assert_eq!(wrong.status, 400, "{}", wrong.body);

    for path in [
        "/plain",
        "/plain/alerts",
        "/plain/query?query=tokens_total",
        "/status",
    ] {
        let page = server.request("GET", path, &[("Accept", "text/html")], b"");
        assert_eq!(page.status, 200, "{path}");
        assert!(
            page.body.contains("&lt;img src=x onerror"),
            "{path}: {}",
            page.body
        );
        assert!(
            !page.body.contains("<img src=x") && !page.body.contains('\u{202e}'),
            "{path}"
        );
        assert!(!page.body.contains("<script"), "{path}");
        let policy = page.header("content-security-policy").unwrap_or("");
        assert!(policy.starts_with("default-src 'none'"), "{path}: {policy}");
    }
    assert!(
        !server
            .request("GET", "/status", &[("Accept", "text/html")], b"")
            .body
            .contains("Slow"),
        "the public is not told names of alerts"
    );
    let badge = server.get("/badge/nobody.svg");
    assert!(badge.body.contains("unknown"), "{}", badge.body);
}

#[test]
fn where_an_alert_goes() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    let json = [("Content-Type", "application/json")];

    let asked = br#"{"labels":{"alertname":"Slow","team":"a"}}"#;
    let answer = server.post("/api/v1/routes/test", &json, asked).json();
    assert_eq!(answer["receivers"], serde_json::json!(["team"]), "{answer}");
    assert_eq!(answer["route"]["verdict"], "passed_on");
    assert_eq!(answer["route"]["routes"][0]["matchers"][0]["found"], "a");
    assert_eq!(server.get("/api/v1/routes").json()["verdict"], "untested");
}

#[test]
fn a_dashboard_is_read_checked_and_replaced() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    let listed = server.get("/api/v1/dashboards").json();
    let all = listed["data"]["dashboards"].as_array().expect("a list");
    assert!(
        all.iter()
            .any(|d| d["id"] == "vllm" && d["origin"] == "pack" && d["board"]["panels"].is_array())
    );
    assert_eq!(listed["data"]["writable"], true);

    let put = |path: &str, yaml: &str| {
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .build()
            .into();
        let mut answer = agent
            .put(format!("{}/api/v1/dashboards/{path}", server.url))
            .send(yaml)
            .expect("it answers");
        (
            answer.status().as_u16(),
            answer.body_mut().read_to_string().unwrap_or_default(),
        )
    };
    let good = "title: Mine\npanels: [{ title: a, queries: [{ expr: up }] }]\n";
    assert_eq!(put("mine?check=1", good).0, 200);
    assert!(
        !dir.path().join("boards/mine.yml").exists(),
        "a check writes nothing"
    );
    let (status, said) = put(
        "mine",
        "title: Mine\npanels: [{ title: a, queries: [{ expr: 'rate(' }] }]",
    );
    assert!(
        status == 400 && said.contains("panels[0].queries[0].expr"),
        "{said}"
    );
    assert_eq!(put("mine", good).0, 200);
    let kept = std::fs::read_to_string(dir.path().join("boards/mine.yml")).expect("the file");
    assert_eq!(kept, good);
    assert_eq!(put("..%2Fescape", good).0, 400);

    let json = [("Content-Type", "application/json")];
    let grafana = br#"{"title":"G","panels":[{"type":"timeseries","title":"t","targets":[{"expr":"up"}]},{"type":"news","title":"n"}]}"#;
    let imported = server.post("/api/v1/dashboards/import", &json, grafana).json();
    assert!(
        imported["data"]["yaml"]
            .as_str()
            .unwrap_or("")
            .contains("title: G"),
        "{imported}"
    );
    assert_eq!(imported["data"]["left_out"].as_array().map(Vec::len), Some(1));
}

#[test]
fn an_open_page_is_told_of_changes_and_holds_nothing_up() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    let response = ureq::get(format!("{}/api/v1/events", server.url))
        .call()
        .expect("it answers");
    let mut lines = BufReader::new(response.into_body().into_reader()).lines();
    let mut wait_for = |wanted: &str| {
        lines
            .by_ref()
            .map_while(Result::ok)
            .find(|line| line.contains(wanted))
            .unwrap_or_else(|| panic!("the stream ended without {wanted:?}"))
    };
    wait_for("event: hello");
    let silence = serde_json::json!({
        "matchers": [{ "name": "team", "value": "a", "isRegex": false, "isEqual": true }],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2090-01-01T00:00:00Z", "createdBy": "t", "comment": "t",
    });
    let json = [("Content-Type", "application/json")];
    let answer = server.post("/api/v2/silences", &json, silence.to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
    let told = wait_for("\"parts\":[\"");
    assert!(told.contains("silences") && told.contains("alerts"), "{told}");

    let watch = lapwing::clock::Stopwatch::start();
    assert!(server.terminate(), "it stops with a page open");
    assert!(
        watch.elapsed_s() < 8.0,
        "the open page held it up for the whole grace"
    );
}
