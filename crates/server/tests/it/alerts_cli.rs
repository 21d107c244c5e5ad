//! The commands about alerts, as somebody on call types them.

use crate::door::Door;
use crate::support::{Said, Server, said_by};
use std::path::Path;
use std::process::Command;

/// Runs `lapwing` with a server in its environment.
fn lapwing(server: &str, words: &[&str]) -> Said {
    said_by(
        Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(words)
            .env("LAPWING_SERVER", server)
            .env("LAPWING_TOKEN", "operate-token")
            .env("USER", "ann"),
    )
}

#[track_caller]
fn check(server: &str, words: &[&str], code: i32, wanted: &[&str]) -> String {
    let said = lapwing(server, words);
    assert_eq!(said.code, Some(code), "{words:?}: {}{}", said.out, said.err);
    for word in wanted {
        let is_said = said.out.contains(word) || said.err.contains(word);
        assert!(is_said, "{words:?}: no {word:?} in {}{}", said.out, said.err);
    }
    said.out
}

const CONFIG: &str = "host: { enabled: false }\n\
    web: { tokens: [{ name: night-shift, role: operate, secret: operate-token }] }\n\
    route: { receiver: team, group_wait: 0s }\n\
    receivers: [{ name: team }]\n";

fn serve(dir: &Path) -> Server {
    let file = dir.join("lapwing.yml");
    std::fs::write(&file, CONFIG).unwrap();
    Server::start(&dir.join("data"), &[&format!("--config={}", file.display())])
}

fn fire(server: &Server, severity: &str, name: &str) {
    let body = format!(
        r#"[{{"labels": {{"alertname": "{name}", "severity": "{severity}", "model": "chat"}}, "annotations": {{"summary": "{name} is bad"}}}}]"#
    );
    let headers = [
        ("Content-Type", "application/json"),
        ("Authorization", "Bearer operate-token"),
    ];
    assert_eq!(
        server.post("/api/v2/alerts", &headers, body.as_bytes()).status,
        200
    );
}

#[test]
fn from_what_fires_to_who_has_it() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    let url = server.url.as_str();
    check(url, &["alerts"], 0, &["nothing fires"]);
    fire(&server, "warning", "SlowAnswers");
    fire(&server, "critical", "HighLoss");
    let list = check(
        url,
        &["alerts"],
        1,
        &["HighLoss is bad", "model=chat", "SEVERITY"],
    );
    assert!(
        list.find("HighLoss") < list.find("SlowAnswers"),
        "the worst first: {list}"
    );
    let list = check(url, &["alerts", "SlowAnswers"], 1, &["SlowAnswers"]);
    assert!(!list.contains("HighLoss"), "{list}");
    check(url, &["alerts", "--at-least", "emergency"], 0, &["nothing"]);
    check(url, &["alerts", "model=~("], 2, &["bad matcher"]);
    let json: serde_json::Value =
        serde_json::from_str(&check(url, &["alerts", "HighLoss", "--json"], 1, &[])).unwrap();
    let id = json[0]["fingerprint"].as_str().unwrap();

    check(url, &["ack", "model=chat"], 2, &["several match", "--all"]);
    check(url, &["ack", "Nothing"], 4, &["no alert that fires matches"]);
    check(
        url,
        &["ack", &id[..8], "--comment", "on it", "--for", "1h"],
        0,
        &["HighLoss is acknowledged until"],
    );
    // Whoever has the token did it, whatever --by says.
    check(url, &["alerts", id], 0, &["acked by night-shift"]);
    check(url, &["why", id], 0, &["acknowledged", "by night-shift: on it"]);
    check(url, &["ack", id, "--undo"], 0, &["HighLoss pages again"]);
    check(url, &["alerts", id, "--active"], 1, &["firing"]);
    check(url, &["why", "HighLoss"], 0, &["In short:", "route_matched"]);
    check(
        url,
        &["why", "NeverHeardOf"],
        4,
        &["nothing is recorded about NeverHeardOf"],
    );
}

#[test]
fn a_silence_says_what_it_hides() {
    let dir = tempfile::tempdir().unwrap();
    let server = serve(dir.path());
    let url = server.url.as_str();
    fire(&server, "critical", "HighLoss");
    let preview = ["silence", "preview", "HighLoss", "model=chat"];
    check(
        url,
        &preview,
        0,
        &[
            "hides 1 alert that fires now",
            "warning: it hides 1 critical of 1 alerts",
        ],
    );
    check(
        url,
        &["silence", "preview", "Other"],
        0,
        &["hides nothing that fires now"],
    );
    let added = check(
        url,
        &[
            "silence",
            "add",
            "HighLoss",
            "--for",
            "2h",
            "--comment",
            "new weights",
        ],
        0,
        &["warning: it hides 1 critical"],
    );
    let id = added.trim();
    check(
        url,
        &["silence", "list"],
        0,
        &[id, "alertname=\"HighLoss\"", "night-shift", "new weights"],
    );
    check(url, &["alerts"], 0, &["silenced"]);
    check(url, &["silence", "expire", id], 0, &["is over"]);
    check(url, &["silence", "list"], 0, &["no silence holds"]);
    check(url, &["silence", "list", "--expired"], 0, &[id]);
    check(url, &["silence", "expire", "no-such-id"], 4, &["not found"]);
    check(
        url,
        &["silence", "add", "x=~.*", "--comment", "all"],
        2,
        &["must not match the empty string"],
    );
    check(
        url,
        &["silence", "add", "x", "--for", "soon", "--comment", "c"],
        2,
        &["--for"],
    );
    check(
        "http://127.0.0.1:1",
        &["silence", "list"],
        3,
        &["cannot reach http://127.0.0.1:1"],
    );
    let said = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["alerts", "--url", url])
        .output()
        .unwrap();
    assert_eq!(said.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&said.stderr).contains("LAPWING_TOKEN"));
}

#[test]
fn routes_are_drawn_and_followed_in_a_file_and_on_a_server() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("alertmanager.yml");
    let text = "route:\n  receiver: team\n  routes: [{ receiver: pager, matchers: ['severity=\"critical\"'] }]\n\
                receivers: [{ name: team }, { name: pager, webhook_configs: [{ url: 'http://127.0.0.1:1/' }] }]\n";
    std::fs::write(&file, text).unwrap();
    let config = format!("--config={}", file.display());
    check(
        "",
        &["routes", "show", &config],
        0,
        &["team", "└─ pager  {severity=\"critical\"}"],
    );
    let test = ["routes", "test", &config, "alertname=a", "severity=critical"];
    check("", &test, 0, &["goes to pager by webhook", "← taken here"]);
    let nobody = ["routes", "test", &config, "severity=info"];
    check(
        "",
        &nobody,
        0,
        &["goes to team, which has no channel: nobody is told"],
    );
    check("", &[&test[..], &["--expect", "pager"]].concat(), 0, &[]);
    check(
        "",
        &[&test[..], &["--expect", "team"]].concat(),
        1,
        &["expected team, but it goes to pager"],
    );
    check(
        "",
        &["routes", "test", &config, "HighLoss"],
        2,
        &["is not a label"],
    );
    std::fs::write(&file, text.replace("receiver: pager", "receiver: pagr")).unwrap();
    check("", &test, 2, &["undefined receiver \"pagr\""]);

    let server = serve(dir.path());
    fire(&server, "critical", "HighLoss");
    let asked = ["routes", "test", "--server", &server.url, "alertname=HighLoss"];
    check("", &asked, 0, &["goes to team"]);
}

#[test]
fn a_test_page_goes_the_real_way() {
    let dir = tempfile::tempdir().unwrap();
    let door = Door::open(|_, _| String::new());
    let file = dir.path().join("lapwing.yml");
    let text = format!(
        "notify:\n  route: {{ receiver: team }}\n  receivers:\n    - name: team\n      webhook: [{{ url: '{}hook' }}]\n    \
         - name: gone\n      webhook: [{{ url: 'http://127.0.0.1:1/' }}]\n    - name: nobody\n",
        door.url
    );
    std::fs::write(&file, text).unwrap();
    let config = format!("--config={}", file.display());
    let dry = check(
        "",
        &["notify-test", "team", &config, "--dry-run"],
        0,
        &["webhook of team, not sent"],
    );
    assert!(
        dry.contains("LapwingTest") && dry.contains("This is a test of Lapwing"),
        "{dry}"
    );
    check(
        "",
        &["notify-test", "team", &config],
        0,
        &["webhook of team: took it (HTTP 200)"],
    );
    assert!(
        door.wait_for("/hook")
            .text()
            .contains("This is a test of Lapwing")
    );
    check("", &["notify-test", "team", &config, "--resolved"], 0, &[]);
    assert!(door.wait_for("/hook").text().contains("\"status\":\"resolved\""));
    check(
        "",
        &["notify-test", "gone", &config],
        1,
        &["did not take it", "nothing listens there"],
    );
    check(
        "",
        &["notify-test", "tema", &config],
        2,
        &["did you mean \"team\"?"],
    );
    check("", &["notify-test", "nobody", &config], 2, &["has no channel"]);
    check(
        "",
        &["notify-test", "team", &config, "--channel", "slack"],
        2,
        &["it has: webhook"],
    );
}
