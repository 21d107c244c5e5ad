//! `lapwing alertmanager` in the place of an Alertmanager: its flags, its file, its clients.
//!
//! Needs: prometheus, prometheus-alertmanager, amtool

use crate::door::Door;
use crate::support::{Peer, Server, free_port};
use std::path::Path;
use std::process::Command;

fn command(dir: &Path, flags: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command
        .arg("alertmanager")
        .arg(format!(
            "--config.file={}",
            dir.join("alertmanager.yml").display()
        ))
        .arg(format!("--storage.path={}", dir.join("data").display()))
        .arg("--web.listen-address=127.0.0.1:0")
        .arg("--cluster.listen-address=")
        .args(flags);
    command
}

fn webhook() -> Door {
    Door::open(|_, _| String::new())
}

fn write(dir: &Path, config: &str) {
    std::fs::write(dir.join("alertmanager.yml"), config).unwrap();
}

fn config(url: &str) -> String {
    format!(
        "global: {{ resolve_timeout: 5m, smtp_smarthost: 'localhost:25', smtp_from: 'am@example.org' }}\n\
         templates: ['templates/*.tmpl']\n\
         route:\n  receiver: team\n  group_by: [alertname]\n  group_wait: 0s\n  group_interval: 5s\n  repeat_interval: 4h\n  \
         routes: [{{ matchers: ['severity=\"page\"'], receiver: pager, continue: false }}]\n\
         inhibit_rules: [{{ source_matchers: ['severity=\"page\"'], target_matchers: ['severity=\"info\"'], equal: [job] }}]\n\
         receivers:\n  - name: team\n    webhook_configs: [{{ url: '{url}hook-token' }}]\n  - name: pager\n"
    )
}

#[test]
fn prometheus_and_amtool_see_an_alertmanager() {
    let dir = tempfile::tempdir().unwrap();
    let door = webhook();
    write(dir.path(), &config(&door.url));
    let flags = [
        "--web.external-url=http://am.example/alerts",
        "--data.retention=240h",
    ];
    let server = Server::spawn(&mut command(dir.path(), &flags));
    let base = format!("{}/alerts", server.url);
    assert_eq!(server.get("/alerts/-/healthy").status, 200);
    assert_eq!(server.get("/alerts/-/ready").status, 200);

    std::fs::write(
        dir.path().join("rules.yml"),
        "groups: [{ name: g, interval: 1s, rules: [{ alert: AlwaysOn, expr: vector(1), labels: { severity: warning } }] }]\n",
    )
    .unwrap();
    let target = server.url.trim_start_matches("http://");
    std::fs::write(
        dir.path().join("prometheus.yml"),
        format!(
            "global: {{ evaluation_interval: 1s }}\nrule_files: [rules.yml]\nalerting: {{ alertmanagers: [{{ path_prefix: /alerts, \
             static_configs: [{{ targets: ['{target}'] }}] }}] }}\n"
        ),
    )
    .unwrap();
    let arguments = [
        format!("--config.file={}", dir.path().join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", dir.path().join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{}", free_port()),
        // What is sent before it has found us is lost, and said again after this; and an alert ends by itself after four of
        // these, so a machine that stands still for seconds must not end it.
        "--rules.alert.resend-delay=5s".to_owned(),
    ];
    let Some(_prometheus) = Peer::start("prometheus", &arguments) else {
        eprintln!("SKIPPED prometheus_and_amtool_see_an_alertmanager: prometheus is not installed");
        return;
    };
    let told = door.wait_for("/hook-token").text();
    assert!(
        told.contains("AlwaysOn") && told.contains("\"externalURL\":\"http://am.example/alerts\""),
        "{told}"
    );

    let metrics = server.get("/alerts/metrics").body;
    for wanted in [
        "alertmanager_alerts{state=\"active\"} 1",
        "alertmanager_config_last_reload_successful 1",
        "alertmanager_notifications_total{integration=\"webhook\",receiver_name=\"team\"} ",
        "alertmanager_notifications_failed_total{integration=\"webhook\",reason=\"other\",receiver_name=\"team\"} 0",
        "alertmanager_cluster_members 1",
    ] {
        assert!(metrics.contains(wanted), "no {wanted} in {metrics}");
    }
    assert!(
        metrics.contains("alertmanager_alerts_received_total{status=\"firing\"} "),
        "{metrics}"
    );
    amtool(&base);
    assert!(server.terminate());
}

fn amtool(base: &str) {
    let run = |args: &[&str]| {
        let url = format!("--alertmanager.url={base}");
        let output = Command::new("amtool").arg(url).args(args).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(
            output.status.success(),
            "amtool {args:?}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
        Some(text)
    };
    let Some(alerts) = run(&["alert", "query", "-o", "extended"]) else {
        eprintln!("SKIPPED amtool: it is not installed");
        return;
    };
    assert!(alerts.contains("AlwaysOn"), "{alerts}");
    let check = |args: &[&str], wanted: &str| {
        let text = run(args).unwrap_or_default();
        assert!(text.contains(wanted), "amtool {args:?}: no {wanted:?} in {text}");
        text
    };
    check(&["config", "show"], "smtp_smarthost");
    check(&["config", "routes", "show"], "pager");
    check(&["config", "routes", "test", "severity=page"], "pager");
    check(&["cluster", "show"], "disabled");
    let id = check(
        &[
            "silence",
            "add",
            "alertname=AlwaysOn",
            "--comment=known",
            "--author=ann",
        ],
        "-",
    );
    check(&["silence", "query", "-o", "json"], id.trim());
    check(&["alert", "query", "--silenced", "-o", "simple"], "AlwaysOn");
}

#[test]
fn a_bad_file_keeps_the_old_one_on_hangup_and_on_request() {
    let dir = tempfile::tempdir().unwrap();
    let door = webhook();
    write(dir.path(), &config(&door.url));
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let receivers = |server: &Server| server.get("/api/v2/receivers").body;
    let both = r#"[{"name":"pager","labels":{"name":"pager"}},{"name":"team","labels":{"name":"team"}}]"#;
    assert_eq!(receivers(&server), both);
    write(
        dir.path(),
        &config(&door.url).replace("name: pager", "name: night"),
    );
    server.hang_up();
    server.until("/metrics", |a| {
        a.body.contains("alertmanager_config_last_reload_successful 0")
    });
    let answer = server.post("/-/reload", &[], b"");
    assert_eq!(answer.status, 500);
    assert!(
        answer.body.contains("undefined receiver \"pager\""),
        "{}",
        answer.body
    );
    assert_eq!(receivers(&server), both);
    let right = config(&door.url).replace("pager", "night");
    write(dir.path(), &right);
    server.hang_up();
    server.until("/api/v2/receivers", |a| a.body.contains("night"));
    server.until("/metrics", |a| {
        a.body.contains("alertmanager_config_last_reload_successful 1")
    });
    // The status shows the file without its secrets.
    let status = server.get("/api/v2/status").body;
    assert!(
        status.contains("/<secret>") && !status.contains("hook-token"),
        "{status}"
    );
}

#[test]
fn the_silences_of_the_alertmanager_before_hold_on() {
    let dir = tempfile::tempdir().unwrap();
    let door = webhook();
    write(dir.path(), &config(&door.url));
    let Some((before, url)) =
        alertmanager_before(dir.path(), "the_silences_of_the_alertmanager_before_hold_on")
    else {
        return;
    };
    let body = r#"{"matchers": [{"name": "alertname", "value": "High.*", "isRegex": true, "isEqual": true},
        {"name": "zone", "value": "x", "isRegex": false, "isEqual": false}],
        "startsAt": "2020-01-01T00:00:00Z", "endsAt": "2999-01-01T00:00:00Z", "createdBy": "ann", "comment": "new weights"}"#;
    let answer = post_when_up(&format!("{url}/api/v2/silences"), body);
    let answer: serde_json::Value = serde_json::from_str(&answer.expect("it takes the silence")).unwrap();
    let id = answer["silenceID"].as_str().unwrap();
    before.terminate();

    let server = Server::spawn(&mut command(dir.path(), &[]));
    let kept = server.get(&format!("/api/v2/silence/{id}")).body;
    for wanted in [
        "\"state\":\"active\"",
        "High.*",
        "\"isEqual\":false",
        "ann",
        "new weights",
        "2999-01-01",
    ] {
        assert!(kept.contains(wanted), "no {wanted} in {kept}");
    }
    let json = [("Content-Type", "application/json")];
    let hidden = br#"[{"labels": {"alertname": "HighLoss"}}]"#;
    assert_eq!(server.post("/api/v2/alerts", &json, hidden).status, 200);
    let alerts = server.get("/api/v2/alerts").body;
    assert!(alerts.contains(&format!("\"silencedBy\":[\"{id}\"]")), "{alerts}");
    // An ended one does not come back with the next start.
    assert_eq!(
        server
            .request("DELETE", &format!("/api/v2/silence/{id}"), &[], b"")
            .status,
        200
    );
    assert!(server.terminate());
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let kept = server.get(&format!("/api/v2/silence/{id}")).body;
    assert!(kept.contains("expired"), "{kept}");
}

/// A real Alertmanager on the file and the folder that Lapwing is to take over, and where it listens.
fn alertmanager_before(dir: &Path, test: &str) -> Option<(Peer, String)> {
    let address = format!("127.0.0.1:{}", free_port());
    let arguments = [
        format!("--config.file={}", dir.join("alertmanager.yml").display()),
        format!("--storage.path={}", dir.join("data").display()),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let peer = Peer::start("prometheus-alertmanager", &arguments);
    if peer.is_none() {
        eprintln!("SKIPPED {test}: prometheus-alertmanager is not installed");
    }
    Some((peer?, format!("http://{address}")))
}

/// Posts to the API of whoever listens there, as soon as somebody does.
fn post_when_up(url: &str, body: &str) -> Option<String> {
    for _ in 0..600 {
        let sent = ureq::post(url)
            .header("Content-Type", "application/json")
            .send(body);
        match sent {
            Ok(mut response) => return response.body_mut().read_to_string().ok(),
            Err(_) => std::thread::park_timeout(std::time::Duration::from_millis(100)),
        }
    }
    None
}

#[test]
fn what_the_alertmanager_before_told_is_not_told_again() {
    let dir = tempfile::tempdir().unwrap();
    let door = webhook();
    write(
        dir.path(),
        &config(&door.url).replace("group_interval: 5s", "group_interval: 1s"),
    );
    let Some((before, url)) =
        alertmanager_before(dir.path(), "what_the_alertmanager_before_told_is_not_told_again")
    else {
        return;
    };
    let one = |name: &str, ends: &str| {
        format!(r#"{{"labels": {{"alertname": "{name}"}}, "startsAt": "2020-01-01T00:00:00Z"{ends}}}"#)
    };
    let both = format!("[{}, {}]", one("Slow", ""), one("Full", ""));
    post_when_up(&format!("{url}/api/v2/alerts"), &both).expect("it takes alerts");
    let pages = std::cell::RefCell::new(Vec::new());
    let told = |name: &str, status: &str| {
        let mut pages = pages.borrow_mut();
        pages.extend(door.news().iter().map(crate::door::Heard::text));
        let is_it = |p: &&String| p.contains(name) && p.contains(&format!("\"status\":\"{status}\""));
        pages.iter().filter(is_it).count()
    };
    let until = |wanted: &dyn Fn() -> bool| {
        let watch = lapwing::clock::Stopwatch::start();
        while !wanted() {
            assert!(watch.elapsed_s() < 60.0, "{:#?}", pages.borrow());
            std::thread::park_timeout(std::time::Duration::from_millis(50));
        }
    };
    until(&|| told("Slow", "firing") == 1 && told("Full", "firing") == 1);
    // Whom it has told it notes down when the answer is there, a little after the door has heard.
    until(&|| {
        let page = ureq::get(format!("{url}/metrics")).call();
        let page = page.ok().and_then(|mut p| p.body_mut().read_to_string().ok());
        page.is_some_and(|p| p.contains("alertmanager_notifications_total{integration=\"webhook\"} 2"))
    });
    before.terminate();

    let server = Server::spawn(&mut command(dir.path(), &[]));
    let json = [("Content-Type", "application/json")];
    let ended = one("Full", r#", "endsAt": "2020-01-02T00:00:00Z""#);
    let body = format!("[{}, {ended}, {}]", one("Slow", ""), one("New", ""));
    assert_eq!(server.post("/api/v2/alerts", &json, body.as_bytes()).status, 200);
    // One goes on, one ended meanwhile, one is new.
    until(&|| told("New", "firing") == 1 && told("Full", "resolved") == 1);
    let body = format!("[{}]", one("Slow", r#", "endsAt": "2020-01-02T00:00:00Z""#));
    assert_eq!(server.post("/api/v2/alerts", &json, body.as_bytes()).status, 200);
    until(&|| told("Slow", "resolved") == 1);
    assert_eq!(
        (told("Slow", "firing"), told("Full", "firing")),
        (1, 1),
        "{:#?}",
        pages.borrow()
    );
}

#[test]
fn every_listen_address_is_listened_on() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n",
    );
    let also = format!("127.0.0.1:{}", free_port());
    let server = Server::spawn(&mut command(
        dir.path(),
        &[&format!("--web.listen-address={also}")],
    ));
    assert_eq!(server.get("/-/ready").status, 200);
    let answer = ureq::get(format!("http://{also}/api/v2/status")).call().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(server.tell_to_stop());
}

#[test]
fn mistakes_start_nothing_and_have_a_place() {
    let dir = tempfile::tempdir().unwrap();
    let said = |text: &str, flags: &[&str]| {
        write(dir.path(), text);
        let output = command(dir.path(), flags).output().unwrap();
        assert_eq!(output.status.code(), Some(2));
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let good = "route: { receiver: t }\nreceivers: [{ name: t }]\n";
    assert!(said(good, &["--storage.pathh=x"]).contains("did you mean --storage.path?"));
    let text = said(
        "route:\n  receiver: t\nreceivers:\n  - name: t\n    slack_config: []\n",
        &[],
    );
    assert!(
        text.contains("alertmanager.yml:5") && text.contains("did you mean \"slack_configs\""),
        "{text}"
    );
    let text = said(
        "route: { receiver: t }\nreceivers:\n  - name: t\n    slack_configs: [{ channel: x }]\n",
        &[],
    );
    assert!(
        text.contains("alertmanager.yml:4:21") && text.contains("no Slack API URL"),
        "{text}"
    );
    let text = said("receivers: [{ name: t }]\n", &[]);
    assert!(text.contains("no route provided"), "{text}");
}

#[test]
fn the_api_takes_and_gives_what_the_peers_does() {
    let dir = tempfile::tempdir().unwrap();
    write(
        dir.path(),
        "route: { receiver: a, routes: [{ matchers: ['team=b'], receiver: b }] }\n\
         receivers: [{ name: a }, { name: b, labels: { tier: '1' } }]\n",
    );
    let server = Server::spawn(&mut command(dir.path(), &[]));
    let json = [("content-type", "application/json")];
    let post = |path: &str, body: &str| server.post(path, &json, body.as_bytes());

    // A bad one takes nothing from the others, and what is null is not there.
    let said = post(
        "/api/v2/alerts",
        r#"[{"labels":{"alertname":"good","team":"b","x":null},"annotations":null,"startsAt":"","generatorURL":null},
            {"labels":{"":"x"}}, {"labels":{"a":""}}]"#,
    );
    assert_eq!(said.status, 400);
    assert!(
        said.body.contains("at least one label pair required"),
        "{}",
        said.body
    );
    let alerts = server.get("/api/v2/alerts?receiver_matchers=tier=1").json();
    assert_eq!(alerts.as_array().unwrap().len(), 1);
    assert_eq!(alerts[0]["labels"]["alertname"], "good");
    assert_eq!(
        server.get("/api/v2/alerts?receiver=a&active=TRUE").body.trim(),
        "[]"
    );
    assert_eq!(post("/api/v2/alerts", "null").status, 200);
    let said = post("/api/v2/alerts", "{}");
    assert_eq!(said.json()["code"], u64::from(said.status));
    let receivers = server.get("/api/v2/receivers").json();
    assert_eq!(
        receivers[1]["labels"],
        serde_json::json!({ "name": "b", "tier": "1" })
    );

    let silence = |name: &str, ends: &str| {
        let body = format!(
            r#"{{"matchers":[{{"name":"{name}","value":"x","isRegex":false,"isEqual":null}}],"startsAt":"2020-01-01T00:00:00Z",
                "endsAt":"{ends}","createdBy":"me","comment":"c"}}"#
        );
        let answer = post("/api/v2/silences", &body);
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["silenceID"].as_str().unwrap().to_owned()
    };
    let first = silence("one", "2099-01-01T00:00:00Z");
    let second = silence("two", "2098-01-01T00:00:00Z");
    let ids = |query: &str| -> Vec<String> {
        let all = server.get(&format!("/api/v2/silences{query}")).json();
        let id = |s: &serde_json::Value| s["id"].as_str().unwrap().to_owned();
        all.as_array().unwrap().iter().map(id).collect()
    };
    assert_eq!(ids(""), [second.clone(), first.clone()]);
    // A silence says nothing about other labels: they are empty to it.
    assert_eq!(ids("?filter=one!=y&filter=other!=z"), [second, first.clone()]);
    assert_eq!(ids("?filter=one=x"), [first]);
    assert!(server.tell_to_stop());
}
