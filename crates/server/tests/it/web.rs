//! What the web UI and people without scripts are given: pictures, plain pages, badges, events, routing.

use crate::support::Server;
use lapwing_types::{Labels, Sample, SeriesWrite, WriteBatch};
use std::io::{BufRead, BufReader};

const CONFIG: &str = r#"
host: { enabled: false }
dashboards: { dir: boards }
saved_rules: { dir: saved }
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
    let pdf = server.get("/api/v1/render?query=tokens_total&query=up&name=tokens&title=What%20was%20said&format=pdf&offset_s=7200");
    assert_eq!(pdf.status, 200, "{}", pdf.body);
    assert_eq!(pdf.header("content-type"), Some("application/pdf"));
    assert_eq!(
        pdf.header("content-disposition"),
        Some("inline; filename=\"What-was-said.pdf\"")
    );
    assert!(pdf.body.starts_with("%PDF-1.7"), "{}", pdf.body);
    for wrong in [
        "offset_s=90000",
        "format=doc",
        "query=up(",
        &"query=up&".repeat(20),
    ] {
        let answer = server.get(&format!("/api/v1/render?{wrong}&query=tokens_total&format=pdf"));
        assert_eq!(answer.status, 400, "{wrong}: {}", answer.body);
    }
    assert_eq!(
        pdf.header("content-security-policy"),
        None,
        "viewers are pages themselves"
    );
    assert!(svg.header("content-security-policy").is_some());
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

    // Two people: the second would overwrite what the first has saved.
    let seen = |id: &str| {
        let all = server.get("/api/v1/dashboards").json();
        let all = all["data"]["dashboards"].as_array().cloned().unwrap_or_default();
        all.into_iter().find(|d| d["id"] == id).unwrap_or_default()
    };
    let version = seen("mine")["version"].as_str().expect("a version").to_owned();
    let first = good.replace("Mine", "The first");
    assert_eq!(put(&format!("mine?version={version}"), &first).0, 200);
    let (status, said) = put(&format!("mine?version={version}"), good);
    assert!(
        status == 409 && said.contains("somebody else has changed"),
        "{status} {said}"
    );
    let (status, said) = put("mine?version=", good);
    assert!(
        status == 409 && said.contains("choose another name"),
        "{status} {said}"
    );
    assert_eq!(put("host?version=", good).0, 409, "it comes with Lapwing");
    assert_eq!(put("other?version=", good).0, 200);
    assert_eq!(seen("mine")["board"]["title"], "The first");

    let delete = |id: &str| {
        server
            .request("DELETE", &format!("/api/v1/dashboards/{id}"), &[], b"")
            .status
    };
    assert_eq!(put("host", good).0, 200);
    assert_eq!(
        (
            delete("host"),
            delete("host"),
            delete("nope"),
            delete("..%2Fmine")
        ),
        (200, 404, 404, 400)
    );
    assert_eq!(
        seen("host")["origin"],
        "pack",
        "the one of Lapwing stands there again"
    );

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

/// Every kind of panel, one that cannot be asked, and a variable of which one value must be chosen.
const BOARD_OF_ALL: &str = r#"
title: All of it
variables: [{ name: model, label: model, of: tokens_total, all: false }]
panels:
  - { title: Tokens, unit: tokens/s, queries: [{ expr: 'sum by (model) (rate(tokens_total{model=~"$model"}[$window]))' }], thresholds: [{ value: 3, tone: crit }] }
  - { title: Now, kind: stat, queries: [{ expr: 'tokens_total' }] }
  - { title: Gauge, kind: gauge, unit: ratio, queries: [{ expr: 'vector(0.97)' }], thresholds: [{ value: 0.95, tone: crit }] }
  - { title: Bars, kind: bar, queries: [{ expr: 'tokens_total', name: all }] }
  - { title: Table, kind: table, queries: [{ expr: 'absent(tokens_total)' }] }
  - { title: States, kind: states, queries: [{ expr: 'tokens_total > bool 0' }] }
  - { title: Heat, kind: heatmap, queries: [{ expr: 'histogram_quantile(0.9, rate(x_seconds_bucket[5m]))' }] }
  - { title: Cannot, queries: [{ expr: 'tokens_total + on () group_left vector(1) + on () tokens_total + on () ALERTS' }] }
  - { title: Words, kind: text, text: "Whom to ask" }
"#;

#[test]
fn a_dashboard_is_one_document() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    let check = |answer: &crate::support::Answer, name: &str| {
        assert_eq!(answer.status, 200, "{name}: {}", answer.body);
        assert_eq!(answer.header("content-type"), Some("application/pdf"), "{name}");
        let disposition = format!("inline; filename=\"{name}.pdf\"");
        assert_eq!(answer.header("content-disposition"), Some(disposition.as_str()));
        assert!(answer.body.starts_with("%PDF-1.7"), "{name}: {}", answer.body);
        let count = answer.body.split("/Count ").nth(1).unwrap_or("");
        let count: String = count.chars().take_while(char::is_ascii_digit).collect();
        assert!(
            count.parse::<u32>().is_ok_and(|pages| pages > 1),
            "{name}: {count:?} pages"
        );
    };
    check(
        &server.get("/api/v1/dashboards/host/pdf?since=6h&offset_s=7200&theme=dark"),
        "Host",
    );
    let form = [("Content-Type", "application/x-www-form-urlencoded")];
    let board: String = url::form_urlencoded::byte_serialize(BOARD_OF_ALL.as_bytes()).collect();
    let body = format!("board={board}&var-model=&since=1h");
    check(
        &server.post("/api/v1/render/document", &form, body.as_bytes()),
        "All-of-it",
    );
    for (wrong, status) in [
        ("/api/v1/dashboards/no-such/pdf", 404),
        ("/api/v1/dashboards/host/pdf?start=never", 400),
        ("/api/v1/dashboards/host/pdf?offset_s=90000", 400),
    ] {
        assert_eq!(server.get(wrong).status, status, "{wrong}");
    }
    let panels = "  - { title: p, queries: [{ expr: up }, { expr: up }, { expr: up }] }\n".repeat(150);
    let wall = format!("board=title: wall\npanels:\n{panels}");
    let refused = server.post("/api/v1/render/document", &form, wall.as_bytes());
    assert_eq!(refused.status, 400);
    assert!(
        refused.body.contains("a document takes 400 queries, not 450"),
        "{}",
        refused.body
    );
}

#[test]
fn a_rule_is_checked_saved_and_counts_at_once_or_nothing_changes() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    let put = |id: &str, yaml: &str| {
        let text = [("Content-Type", "text/plain")];
        let answer = server.request(
            "PUT",
            &format!("/api/v1/rules/saved/{id}"),
            &text,
            yaml.as_bytes(),
        );
        (answer.status, answer.body)
    };
    let rule = |name: &str| {
        format!("groups: [{{ name: saved, rules: [{{ alert: {name}, expr: 'tokens_total > 5' }}] }}]\n")
    };
    let file = dir.path().join("saved/hot.yml");
    assert_eq!(put("hot?check=1", &rule("Hot")).0, 200);
    assert!(!file.exists(), "a check writes nothing");
    for (yaml, expect) in [
        (
            "groups: [{ name: a, rules: [{ alert: A, expr: 'rate(' }] }]",
            "unclosed left parenthesis",
        ),
        (
            "groups: [{ name: a, rules: [{ record: 'a:b', expr: up }] }]",
            "no rule of these alerts",
        ),
    ] {
        let (status, said) = put("hot", yaml);
        assert!(status == 400 && said.contains(expect), "{status} {said}");
    }
    assert_eq!(put("..%2Fescape", &rule("Hot")).0, 400);

    let (status, said) = put("hot", &rule("Hot"));
    assert_eq!(status, 200, "{said}");
    server.until("/api/v1/rules", |answer| answer.body.contains("\"Hot\""));
    let listed = server.get("/api/v1/rules/saved").json();
    assert_eq!(listed["data"]["files"][0]["yaml"], rule("Hot"));

    // Something else is wrong by now: the click must not be lost in that, and the file is as it was.
    let config = dir.path().join("lapwing.yml");
    let good = std::fs::read_to_string(&config).expect("the file");
    std::fs::write(&config, format!("{good}nonsense: 1\n")).expect("a file");
    let (status, said) = put("hot", &rule("Hotter"));
    assert!(status == 400 && said.contains("nonsense"), "{status} {said}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), rule("Hot"));
    assert_eq!(put("new", &rule("New")).0, 400);
    assert!(!dir.path().join("saved/new.yml").exists());
}

#[test]
fn the_system_page_is_told_what_costs_and_where_each_value_comes_from() {
    let dir = tempfile::tempdir().expect("a folder");
    let server = start(dir.path());
    for expr in [
        "sum(tokens_total)",
        "sum(tokens_total)",
        "tokens_total%20%2B%20on()%20group_left%20up",
    ] {
        server.get(&format!("/api/v1/query?query={expr}"));
    }
    let slow = server.get("/api/v1/queries/slow").json();
    let rows = slow["data"].as_array().expect("rows");
    let found = |expr: &str| rows.iter().find(|row| row["expr"] == expr);
    assert_eq!(found("sum(tokens_total)").expect("it was asked")["runs"], 2);

    let settings = server.get("/api/v1/status/settings").json();
    let setting = |key: &str| {
        let all = settings["data"].as_array().expect("settings");
        all.iter()
            .find(|s| s["key"] == key)
            .unwrap_or_else(|| panic!("{key}"))
            .clone()
    };
    assert_eq!(setting("host.enabled")["value"], "false");
    let place = setting("host.enabled")["place"].to_string();
    assert!(place.contains("lapwing.yml:2"), "{place}");
    assert_eq!(setting("store.data")["origin"], "flag");
    assert_eq!(setting("global.scrape_interval")["origin"], "default");

    let doctor = server.get("/api/v1/status/doctor").json();
    let findings = doctor["data"]["findings"].as_array().expect("findings");
    assert_eq!(
        (findings[0]["check"].as_str(), findings[0]["verdict"].as_str()),
        (Some("config"), Some("fine"))
    );
    assert!(
        findings.iter().all(|f| f["check"] != "port"),
        "its own port is not in its way: {doctor}"
    );
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

#[test]
fn a_target_says_how_its_labels_came_about() {
    let dir = tempfile::tempdir().expect("a folder");
    let config = dir.path().join("lapwing.yml");
    let text = r"
host: { enabled: false }
scrape_configs:
  - job_name: app
    static_configs: [{ targets: ['127.0.0.1:1', '127.0.0.1:22'] }]
    relabel_configs:
      - { source_labels: [__address__], regex: '(.*):.*', target_label: machine }
      - { source_labels: [__address__], regex: '.*:22', action: drop }
";
    std::fs::write(&config, text).expect("a file");
    let server = Server::start(
        &dir.path().join("data"),
        &["--config", &config.display().to_string()],
    );
    let json = [("Content-Type", "application/json")];
    let ask = |job: &str, address: &str| {
        let body = serde_json::json!({ "job": job, "labels": { "__address__": address } });
        server.post("/api/v1/targets/relabel", &json, body.to_string().as_bytes())
    };
    let steps = ask("app", "127.0.0.1:22").json();
    assert_eq!(steps["data"][0]["outcome"], "changed", "{steps}");
    assert_eq!(steps["data"][0]["labels"]["machine"], "127.0.0.1");
    assert_eq!(steps["data"][1]["outcome"], "dropped");
    let rule = steps["data"][1]["rule"].as_str().unwrap_or("");
    assert!(rule.contains("drop") && !rule.contains("separator"), "{rule}");
    assert_eq!(
        ask("app", "127.0.0.1:1").json()["data"][1]["outcome"],
        "unchanged"
    );
    assert_eq!(ask("nobody", "x").status, 404);
    let dropped = server.until("/api/v1/targets?state=dropped", |a| {
        a.body.contains("127.0.0.1:22")
    });
    assert_eq!(dropped.json()["data"]["droppedTargets"][0]["scrapePool"], "app");
}
