//! `lapwing gate` as continuous integration calls it.

use std::path::Path;
use std::process::{Command, Output};

fn lapwing(dir: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .current_dir(dir)
        .arg("gate")
        .args(args)
        .output()
        .unwrap()
}

#[track_caller]
fn check(dir: &Path, args: &[&str], code: i32, says: &str) {
    let output = lapwing(dir, args);
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {text}");
    assert!(text.contains(says), "{args:?}: {text}");
}

#[test]
fn baselines_are_saved_pinned_and_compared_with() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    std::fs::write(dir.join("old.json"), r#"{"latency": 1.0, "throughput": 100}"#).unwrap();
    std::fs::write(dir.join("good.json"), r#"{"latency": 1.01, "throughput": 120}"#).unwrap();
    std::fs::write(dir.join("bad.json"), r#"{"latency": 1.5, "throughput": 50}"#).unwrap();
    std::fs::write(dir.join("wrong.json"), r#"{"latency": "fast"}"#).unwrap();
    check(dir, &["check", "good.json"], 4, "no baseline is called \"main\"");
    check(dir, &["list"], 4, "no baselines");
    check(dir, &["save", "main", "old.json", "--pin"], 0, "saved");
    check(dir, &["save", "main", "bad.json"], 2, "is pinned");
    check(dir, &["list"], 0, "main  2 metrics  pinned");
    check(dir, &["check", "good.json"], 0, "gate passed");
    check(
        dir,
        &["check", "bad.json", "--junit", "gate.xml"],
        1,
        "lower is better",
    );
    check(dir, &["check", "bad.json", "--relative", "0.6"], 0, "gate passed");
    check(
        dir,
        &[
            "check",
            "bad.json",
            "--baseline",
            "good.json",
            "--format",
            "markdown",
        ],
        1,
        "| ❌ |",
    );
    check(dir, &["check", "wrong.json"], 2, "\"latency\"");
    check(dir, &["save", "../x", "old.json"], 2, "no slashes");
    check(dir, &["unpin", "main"], 0, "");
    check(dir, &["save", "main", "bad.json"], 0, "saved");
    assert!(
        std::fs::read_to_string(dir.join("gate.xml"))
            .unwrap()
            .contains("failures=\"2\"")
    );
}

/// A gate that is open because it had nothing to look at, or took a name for what it is not, is worse than none.
#[test]
fn a_gate_does_not_pass_by_ignorance() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    for (file, text) in [
        ("base.json", r#"{"acc": 0.9, "zorp": 3}"#),
        ("acc.json", r#"{"acc": 0.1}"#),
        ("zorp.json", r#"{"zorp": 1}"#),
        ("empty.json", "{}"),
        ("other.json", r#"{"latency": [], "new": 1}"#),
        ("diverged.json", r#"{"acc": NaN}"#),
        ("word.json", r#"{"acc": "NaN"}"#),
    ] {
        std::fs::write(dir.join(file), text).unwrap();
    }
    check(dir, &["save", "main", "base.json"], 0, "saved");
    check(dir, &["check", "acc.json"], 1, "higher is better");
    check(
        dir,
        &["check", "zorp.json"],
        1,
        "which way is better is not known",
    );
    check(dir, &["check", "empty.json"], 4, "nothing was compared");
    check(dir, &["check", "other.json"], 4, "nothing was compared");
    check(dir, &["check", "diverged.json"], 2, "NaN");
    check(dir, &["check", "word.json"], 1, "not a finite number");
    check(dir, &["save", "nan", "word.json"], 2, "\"acc\"");
}

#[test]
fn a_condition_that_cannot_be_asked_does_not_hold() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("a.json"), r#"{"latency": 1.0}"#).unwrap();
    let nobody = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let server = format!("http://{nobody}");
    let args = [
        "check",
        "a.json",
        "--baseline",
        "a.json",
        "--condition",
        "up",
        "--server",
        &server,
    ];
    check(dir.path(), &args, 1, "could not be asked");
    let server = crate::support::Server::start(dir.path(), &[]);
    let args = [
        "check",
        "a.json",
        "--baseline",
        "a.json",
        "--condition",
        "vector(1) > 0",
        "--server",
        &server.url,
    ];
    check(dir.path(), &args, 0, "1 series");
}

/// A canary is compared with what it is to replace, over a window and not at one instant.
#[test]
fn a_canary_is_measured_over_a_window() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path();
    let server = crate::support::Server::start(dir, &[]);
    let asked = |more: &[&str], code, says: &str| {
        let args = [&["check", "--server", &server.url, "--window", "1m"], more].concat();
        check(dir, &args, code, says);
    };
    let (slow, quick) = ("latency=vector(2)", "latency=vector(1)");
    asked(
        &["--query", slow, "--baseline-query", quick],
        1,
        "lower is better",
    );
    asked(
        &["--query", quick, "--baseline-query", slow],
        0,
        "gate passed against \"the server\"",
    );
    asked(
        &["--query", "latency=absent_metric", "--baseline-query", quick],
        4,
        "no samples in the window",
    );
    asked(
        &["--query", "latency", "--baseline-query", quick],
        2,
        "NAME=PROMQL",
    );
    let two = r#"latency=label_replace(vector(1), "a", "1", "", "") or vector(2)"#;
    asked(
        &["--query", two, "--baseline-query", quick],
        2,
        "a gate compares one",
    );
    let same = ["--query", quick, "--baseline-query", quick];
    let with =
        |condition, code, says: &str| asked(&[&same[..], &["--condition", condition]].concat(), code, says);
    with("vector(1) > 0", 0, "held at all 61 instants");
    with("vector(time() % 20) < 10", 1, "of 61 instants");
    with("absent_metric < 1", 1, "no series fulfils it at any time");
    check(
        dir,
        &["check", "--window", "soon", "--query", quick],
        2,
        "--window soon",
    );
    let nobody = [
        "check",
        "--server",
        "http://127.0.0.1:9",
        "--query",
        quick,
        "--baseline-query",
        quick,
    ];
    check(dir, &nobody, 3, "cannot reach");
}
