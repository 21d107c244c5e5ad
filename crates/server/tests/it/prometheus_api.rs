//! Parts of the Prometheus API that need a running server with a target and rules.

use crate::support::{Server, now_ms};
use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

const PAGE: &str = "# HELP queue_depth Requests that wait.\n# TYPE queue_depth gauge\nqueue_depth 3\n\
                    # HELP done_total Requests done.\n# TYPE done_total counter\ndone_total 7\n";

/// An exporter that answers every request with [`PAGE`].
fn exporter() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut reader = BufReader::new(stream);
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|n| n > 2) {
                line.clear();
            }
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/plain; version=0.0.4\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                PAGE.len()
            );
            let _ = reader.get_mut().write_all((head + PAGE).as_bytes());
        }
    });
    address
}

fn start(dir: &std::path::Path, config: &str) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, config).unwrap();
    Server::start(&dir.join("data"), &[&format!("--config={}", file.display())])
}

#[test]
fn metadata_of_targets_can_be_asked_by_target_and_by_metric() {
    let dir = tempfile::tempdir().unwrap();
    let exporter = exporter();
    let server = start(
        dir.path(),
        &format!(
            "scrape_configs:\n  - job_name: app\n    scrape_interval: 1s\n    static_configs: [{{ targets: ['{exporter}'] }}]\n"
        ),
    );
    let all = server
        .until("/api/v1/targets/metadata", |a| a.body.contains("queue_depth"))
        .json();
    assert_eq!(all["data"].as_array().unwrap().len(), 2, "{all}");
    assert_eq!(all["data"][0]["metric"], "done_total");
    assert_eq!(all["data"][1]["target"]["job"], "app");

    let one = server
        .get("/api/v1/targets/metadata?metric=queue_depth&match_target=%7Bjob%3D%22app%22%7D")
        .json();
    assert_eq!(one["data"][0]["help"], "Requests that wait.");
    assert_eq!(one["data"][0]["type"], "gauge");
    assert_eq!(one["data"][0].get("metric"), None);

    let count = |path: &str| server.get(path).json()["data"].as_array().unwrap().len();
    // A target is told whole or not at all, as there.
    assert_eq!(count("/api/v1/targets/metadata?limit=1"), 2);
    assert_eq!(count("/api/v1/targets/metadata?limit=0"), 0);
    assert_eq!(
        count("/api/v1/targets/metadata?match_target=%7Bjob%3D%22b%22%7D"),
        0
    );
    assert_eq!(
        server.get("/api/v1/targets/metadata?match_target=%7B").status,
        400
    );
}

#[test]
fn rules_come_in_pages_and_by_label() {
    let dir = tempfile::tempdir().unwrap();
    let groups: String = ["a", "b", "c"]
        .iter()
        .map(|name| {
            format!("  - name: {name}\n    rules: [{{ alert: High_{name}, expr: up > 5, labels: {{ team: {name} }} }}]\n")
        })
        .collect();
    std::fs::write(dir.path().join("rules.yml"), format!("groups:\n{groups}")).unwrap();
    let server = start(dir.path(), "rule_files: [rules.yml]\n");
    let names = |path: &str| -> (Vec<String>, Option<String>) {
        let answer = server.get(path).json();
        let groups = answer["data"]["groups"].as_array().unwrap();
        let names = groups.iter().map(|g| g["name"].as_str().unwrap().to_owned());
        let token = answer["data"]["groupNextToken"].as_str().map(str::to_owned);
        (names.collect(), token)
    };
    let only = "&file[]=rules.yml";
    let file = server.get("/api/v1/rules").json()["data"]["groups"]
        .as_array()
        .unwrap()
        .iter()
        .find(|g| g["name"] == "a")
        .map(|g| g["file"].as_str().unwrap().to_owned())
        .unwrap();
    let only = only.replace("rules.yml", &file);
    let (first, token) = names(&format!("/api/v1/rules?group_limit=2{only}"));
    assert_eq!(first, ["a", "b"]);
    let token = token.unwrap();
    let (second, none) = names(&format!(
        "/api/v1/rules?group_limit=2&group_next_token={token}{only}"
    ));
    assert_eq!((second, none), (vec!["c".to_owned()], None));
    let (of_b, _) = names("/api/v1/rules?match[]=%7Bteam%3D%22b%22%7D");
    assert_eq!(of_b, ["b"]);
    for bad in [
        "group_limit=0",
        "group_next_token=x",
        "group_limit=1&group_next_token=x",
        "match[]=%7B",
    ] {
        assert_eq!(server.get(&format!("/api/v1/rules?{bad}")).status, 400, "{bad}");
    }
}

#[test]
fn a_query_is_explained_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(dir.path(), "");
    server.until("/api/v1/query?query=node_load1", |a| {
        a.body.contains("node_load1")
    });
    // The second that the sample came in may not be over.
    let now_s = now_ms() / 1000 + 1;
    let answer = server
        .get(&format!(
            "/api/v1/query_range?query=sum(node_load1)&start={}&end={now_s}&step=15&explain=1",
            now_s - 60
        ))
        .json();
    let tree = &answer["data"]["explain"];
    assert_eq!(tree["kind"], "aggregation", "{answer}");
    assert_eq!(tree["children"][0]["expr"], "node_load1");
    assert_eq!(tree["children"][0]["series"], 1);
    assert!(tree["time_ms"].as_f64().unwrap() > 0.0);

    let output = std::process::Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["query", "sum(node_load1)", "--explain", "--server", &server.url])
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{text}");
    assert!(
        text.contains("  node_load1") && text.contains("folds batches"),
        "{text}"
    );
}
