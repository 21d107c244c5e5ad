//! `lapwing backup`, `restore` and `verify`: of a Lapwing that runs and of one that does not, whole and damaged.

use crate::support::{Server, now_ms};
use std::path::Path;
use std::process::{Command, Output};

fn lapwing(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(args)
        .env_remove("LAPWING_SERVER")
        .output()
        .unwrap()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn check(output: &Output, code: i32, expect: &[&str]) {
    let said = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert_eq!(output.status.code(), Some(code), "{said}");
    for part in expect {
        assert!(said.contains(part), "{part:?} is not in: {said}");
    }
}

fn push(server: &Server, value: f64) {
    let body = format!(r#"{{"name": "loss", "value": {value}}}"#);
    let json = [("Content-Type", "application/json")];
    let answer = server.post("/api/v1/push", &json, body.as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.body);
}

fn last(server: &Server) -> String {
    let found = server.query("last_over_time(loss[1h])", now_ms() as f64 / 1000.0);
    found[0]["value"][1].as_str().unwrap().to_owned()
}

#[test]
fn a_backup_of_a_running_lapwing_is_whole_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, back) = (
        dir.path().join("data"),
        dir.path().join("copy"),
        dir.path().join("back"),
    );
    let server = Server::start(&data, &[]);
    push(&server, 0.25);
    server.silence("HighLoss", "before");
    let running = [
        "backup",
        text(&copy),
        "--data",
        text(&data),
        "--server",
        &server.url,
    ];
    check(&lapwing(&running), 0, &[text(&copy)]);
    push(&server, 0.5);
    server.silence("HighLoss", "after");
    // The server's own copy is gone again, and nothing half-made lies about.
    assert_eq!(std::fs::read_dir(data.join("snapshots")).unwrap().count(), 0);
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2);
    check(&lapwing(&running), 1, &["exists already"]);
    check(
        &lapwing(&["verify", text(&data)]),
        1,
        &["a running Lapwing writes there"],
    );
    check(&lapwing(&["verify", text(&copy)]), 0, &["all is whole"]);
    server.kill();

    check(
        &lapwing(&["restore", text(&copy), "--data", text(&data)]),
        1,
        &["exists already"],
    );
    check(&lapwing(&["restore", text(&copy), "--data", text(&back)]), 0, &[]);
    let server = Server::start(&back, &[]);
    assert_eq!((last(&server).as_str(), server.silences()), ("0.25", 1));
    push(&server, 0.75);
    assert!(server.terminate());
    // What was restored and went on is a thing of its own: the backup is as it was.
    check(&lapwing(&["verify", text(&copy)]), 0, &["all is whole"]);
    let server = Server::start(&copy, &[]);
    assert_eq!(last(&server), "0.25");
}

#[test]
fn a_backup_needs_no_server_and_a_server_that_is_not_there_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy) = (dir.path().join("data"), dir.path().join("copy"));
    let nothing = ["backup", text(&copy), "--data", text(&data)];
    check(&lapwing(&nothing), 4, &["there is no data of Lapwing in"]);
    check(
        &lapwing(&["verify", text(&data)]),
        4,
        &["there is no data of Lapwing in"],
    );
    check(
        &lapwing(&["restore", text(&data), "--data", text(&copy)]),
        1,
        &["no metrics of Lapwing"],
    );
    let server = Server::start(&data, &[]);
    push(&server, 0.25);
    let elsewhere = [
        "backup",
        text(&copy),
        "--data",
        text(&data),
        "--server",
        "http://127.0.0.1:1",
    ];
    check(
        &lapwing(&elsewhere),
        3,
        &["it has to take the copy itself", "cannot reach"],
    );
    let other = Server::start(&dir.path().join("other"), &[]);
    let wrong = [
        "backup",
        text(&copy),
        "--data",
        text(&data),
        "--server",
        &other.url,
    ];
    check(&lapwing(&wrong), 1, &["another one was asked"]);
    server.kill();
    check(&lapwing(&["backup", text(&copy), "--data", text(&data)]), 0, &[]);
    let server = Server::start(&copy, &[]);
    assert_eq!(last(&server), "0.25");
}

#[test]
fn verify_names_what_is_damaged_and_a_damaged_backup_is_not_restored() {
    let dir = tempfile::tempdir().unwrap();
    let (data, back) = (dir.path().join("data"), dir.path().join("back"));
    let page = dir.path().join("page.om");
    let end_s = now_ms() / 1_000 - 86_400;
    let line = |i: i64| {
        format!(
            "level{{host=\"a\"}} {} {}\n",
            i * 7_919 % 1_009,
            end_s - (200 - i) * 15
        )
    };
    let lines: String = (0..200).map(line).collect();
    std::fs::write(&page, format!("# TYPE level gauge\n{lines}# EOF\n")).unwrap();
    check(
        &lapwing(&["import", "openmetrics", text(&page), "--data", text(&data)]),
        0,
        &[],
    );
    let server = Server::start(&data, &[]);
    server.silence("HighLoss", "kept");
    assert!(server.terminate());
    check(
        &lapwing(&["verify", text(&data)]),
        0,
        &["and the database of states: all is whole"],
    );

    let blocks = std::fs::read_dir(data.join("metrics/blocks")).unwrap();
    let path = blocks.map(|b| b.unwrap().path().join("pages")).next().unwrap();
    let whole = std::fs::read(&path).unwrap();
    let mut hurt = whole.clone();
    hurt[60] ^= 4;
    std::fs::write(&path, hurt).unwrap();
    let said = ["DAMAGED", "LOST     level{host=\"a\"} from 20", "is damaged"];
    check(&lapwing(&["verify", text(&data)]), 1, &said);
    let report = lapwing(&["verify", "--json", text(&data)]);
    let report: serde_json::Value = serde_json::from_slice(&report.stdout).unwrap();
    assert_eq!(
        (&report["whole"], &report["lost"][0]["series"]),
        (&false.into(), &"level{host=\"a\"}".into())
    );
    check(
        &lapwing(&["restore", text(&data), "--data", text(&back)]),
        1,
        &["is damaged", "serves the rest"],
    );
    assert!(!back.exists() && std::fs::read_dir(dir.path()).unwrap().count() == 2);

    // A copy of it is made, and says what it lacks.
    let (copy, later) = (dir.path().join("copy"), dir.path().join("later"));
    let damaged = ["LOST     level{host=\"a\"} from 20", "everything else is there"];
    check(
        &lapwing(&["backup", text(&copy), "--data", text(&data)]),
        1,
        &damaged,
    );
    let server = Server::start(&data, &[]);
    let running = [
        "backup",
        text(&later),
        "--data",
        text(&data),
        "--server",
        &server.url,
    ];
    check(&lapwing(&running), 1, &damaged);
    server.kill();
    for copy in [copy, later] {
        let server = Server::start(&copy, &[]);
        assert_eq!(server.silences(), 1);
    }

    std::fs::write(&path, whole).unwrap();
    let database = data.join("state.db");
    let mut bytes = std::fs::read(&database).unwrap();
    let len = bytes.len();
    bytes[4_096.min(len / 2)..].fill(0xee);
    std::fs::write(&database, bytes).unwrap();
    check(&lapwing(&["verify", text(&data)]), 1, &["DAMAGED  state.db: "]);
    check(
        &lapwing(&["restore", text(&data), "--data", text(&back)]),
        1,
        &["state"],
    );
}
