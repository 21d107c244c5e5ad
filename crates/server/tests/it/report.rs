//! `lapwing report` against a real server: documents that are whole or not there, and what operations came to. And the scripts of
//! `lapwing completion`, read by a real shell.

use crate::door::Door;
use crate::support::{Answer, Said, Server, free_port, said_by};
use serde_json::json;
use std::path::Path;
use std::process::{Command, Stdio};

/// As somebody types it in this folder, five hours and a half ahead of UTC.
fn lapwing(dir: &Path, server: &str, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lapwing"));
    command
        .args(words)
        .current_dir(dir)
        .env("LAPWING_URL", server)
        .env_remove("LAPWING_TOKEN")
        .env("TZ", "IST-5:30");
    command
}

#[track_caller]
fn check(command: &mut Command, code: i32, wanted: &[&str]) -> Said {
    let said = said_by(command);
    assert_eq!(said.code, Some(code), "{command:?}: {}{}", said.out, said.err);
    for word in wanted {
        let is_said = said.out.contains(word) || said.err.contains(word);
        assert!(is_said, "{command:?}: no {word:?} in {}{}", said.out, said.err);
    }
    said
}

fn names(dir: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(dir).unwrap();
    let mut names: Vec<String> = entries
        .map(|e| e.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[track_caller]
fn has_pages(pdf: &[u8]) {
    assert!(pdf.starts_with(b"%PDF-1.7"), "{}", String::from_utf8_lossy(pdf));
    let text = String::from_utf8_lossy(pdf);
    assert!(text.contains("/Type /Page\n") && text.trim_end().ends_with("%%EOF"));
}

/// The answers of a door may be nothing of Lapwing.
fn says(answer: &'static str) -> Door {
    Door::open(move |_, _| answer.to_owned())
}

#[test]
fn a_dashboard_becomes_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let (paper, url) = (dir.path().join("paper"), server.url.as_str());
    std::fs::create_dir_all(paper.join("sub")).unwrap();
    let run = |words: &[&str]| lapwing(&paper, url, &[&["report", "dashboard"], words].concat());

    let list = check(&mut run(&[]), 0, &["BOARD", "TITLE"]);
    assert!(
        list.out.lines().any(|l| l.contains("host") && l.contains("Host")),
        "{}",
        list.out
    );
    check(&mut run(&["host"]), 0, &["wrote host.pdf (", "KiB)"]);
    has_pages(&std::fs::read(paper.join("host.pdf")).unwrap());

    let range = ["--start", "1700000000", "--end", "2023-11-15T00:00:00Z"];
    for (words, file) in [
        (&["host", "--output", "sub"][..], "sub/host.pdf"),
        (&["host", "--utc", "-o", "utc.pdf"], "utc.pdf"),
        (
            &["vllm", "--theme", "dark", "--var", "model=a", "--var", "model=b"],
            "vllm.pdf",
        ),
    ] {
        check(&mut run(&[words, &range].concat()), 0, &["wrote", file]);
        has_pages(&std::fs::read(paper.join(file)).unwrap());
    }
    check(&mut run(&["gpu", "--since", "6h"]), 0, &["wrote gpu.pdf"]);
    // Over standard output comes the same as into a file: nothing but the document.
    let piped = run(&[&["host", "--utc", "--output", "-"], &range[..]].concat())
        .stderr(Stdio::null())
        .output()
        .unwrap();
    assert_eq!(piped.stdout, std::fs::read(paper.join("utc.pdf")).unwrap());
    assert_ne!(
        piped.stdout,
        std::fs::read(paper.join("sub/host.pdf")).unwrap(),
        "the reader's times are not those of UTC"
    );
    assert_eq!(
        names(&paper),
        ["gpu.pdf", "host.pdf", "sub", "utc.pdf", "vllm.pdf"]
    );
}

const BOARD: &str = "title: Mine\nvariables: [{ name: model, label: model }]\npanels: [{ title: Up, queries: [{ expr: up }] }]\n";

#[test]
fn a_dashboard_may_be_a_file_of_this_machine() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let run = |words: &[&str]| {
        lapwing(
            dir.path(),
            &server.url,
            &[&["report", "dashboard"], words].concat(),
        )
    };
    std::fs::write(dir.path().join("board.yml"), BOARD).unwrap();
    check(
        &mut run(&["board.yml", "--var", "model=a"]),
        0,
        &["wrote board.pdf"],
    );
    has_pages(&std::fs::read(dir.path().join("board.pdf")).unwrap());
    std::fs::write(dir.path().join("bad.yml"), "title: Mine\npannels: []\n").unwrap();
    for (words, wanted) in [
        (&["./none.yml"][..], &["cannot read ./none.yml"][..]),
        (&["bad.yml"], &["bad.yml is no dashboard", "pannels"]),
        (
            &["board.yml", "--var", "modle=a"],
            &["no variable \"modle\"", "did you mean \"model\"?"],
        ),
        (&["board.yml", "--var", "model"], &["write NAME=VALUE"]),
        (&["board.yml", "--since", "0s"], &["write 30m"]),
        (
            &["board.yml", "--start", "2", "--end", "1"],
            &["ends before it starts"],
        ),
        (&["--since", "1d"], &["<BOARD>"]),
    ] {
        check(&mut run(words), 2, wanted);
    }
    assert_eq!(names(dir.path()), ["bad.yml", "board.pdf", "board.yml", "data"]);
}

/// Each failure says what to do, and leaves the former file as it was and nothing beside it.
#[test]
fn a_document_that_fails_leaves_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(&dir.path().join("data"), &[]);
    let paper = dir.path().join("paper");
    std::fs::create_dir(&paper).unwrap();
    std::fs::write(paper.join("host.pdf"), "former").unwrap();
    let run = |url: &str, words: &[&str]| lapwing(&paper, url, &[&["report", "dashboard"], words].concat());
    let unknown = &[
        "no dashboard \"hots\"; did you mean \"host\"?",
        "there are: gpu, host,",
    ];
    check(
        &mut run(&server.url, &["hots", "--output", "host.pdf"]),
        4,
        unknown,
    );
    let nobody = format!("http://127.0.0.1:{}", free_port());
    check(&mut run(&nobody, &["host"]), 3, &["cannot reach", "--server"]);
    let listing =
        r#"{"status":"success","data":{"dashboards":[{"id":"host","board":{"title":"Host","panels":[]}}]}}"#;
    check(&mut run(&says(listing).url, &["host"]), 1, &["is no PDF"]);
    check(
        &mut run(&says("<html>").url, &["host"]),
        1,
        &["not Lapwing's answer"],
    );
    let no_folder = ["host", "--output", "no-such/host.pdf"];
    check(
        &mut run(&server.url, &no_folder),
        1,
        &["cannot write no-such/host.pdf"],
    );
    assert_eq!(names(&paper), ["host.pdf"]);
    assert_eq!(std::fs::read(paper.join("host.pdf")).unwrap(), b"former");
}

#[test]
fn operations_are_told_in_words_or_for_machines() {
    let dir = tempfile::tempdir().unwrap();
    let server = Server::start(dir.path(), &[]);
    let run = |words: &[&str]| {
        lapwing(
            dir.path(),
            &server.url,
            &[&["report", "performance"], words].concat(),
        )
    };
    check(&mut run(&[]), 4, &["Performance from", "no operation ended"]);
    let empty = check(&mut run(&["--json"]), 4, &[]);
    let empty: serde_json::Value = serde_json::from_str(&empty.out).unwrap();
    assert_eq!(
        (&empty["total_operations"], &empty["success_rate"]),
        (&json!(0), &json!(null))
    );

    let told: Vec<serde_json::Value> = (0..10)
        .map(|i| {
            json!({
                "id": format!("op-{i}"), "type": "request", "name": "fetch", "started_ms": crate::support::now_ms() - 60_000,
                "duration_s": 40.0, "success": i > 0, "error": if i > 0 { None } else { Some("mirror gone") },
            })
        })
        .collect();
    let headers = [("Content-Type", "application/json")];
    let kept: Answer = server.post("/api/v1/operations", &headers, json!(told).to_string().as_bytes());
    assert_eq!(kept.status, 200, "{}", kept.body);
    let words = [
        "10 operations",
        "90 % went well",
        "fetch",
        "mirror gone",
        "What to do",
        "took longer than 30 s",
    ];
    let said = check(&mut run(&["--hours", "0.5"]), 0, &words);
    assert!(said.out.contains("IST"), "the reader's zone: {}", said.out);
    let said = check(&mut run(&["--utc"]), 0, &["UTC"]);
    assert!(!said.out.contains("IST"), "{}", said.out);
    let json = check(&mut run(&["--json"]), 0, &[]);
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json["total_operations"], &json["failed_operations"]),
        (&json!(10), &json!(1))
    );
    check(&mut run(&["--hours", "-1"]), 2, &["a number of hours above 0"]);
}

/// bash reads what is written for it, and completes a command of ours.
#[test]
fn bash_completes_commands() {
    let ours = Command::new(env!("CARGO_BIN_EXE_lapwing"))
        .args(["completion", "bash"])
        .output()
        .unwrap();
    assert!(ours.status.success());
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("lapwing.bash");
    std::fs::write(&file, &ours.stdout).unwrap();
    let asked = format!(
        "source {} && COMP_WORDS=(lapwing rep) COMP_CWORD=1 && _lapwing lapwing rep lapwing && echo \"${{COMPREPLY[@]}}\"",
        file.display()
    );
    let Ok(bash) = Command::new("bash").args(["-c", &asked]).output() else {
        assert!(std::env::var_os("CI").is_none(), "bash is not installed");
        eprintln!("SKIPPED bash_completes_commands: bash is not installed");
        return;
    };
    let (out, err) = (
        String::from_utf8_lossy(&bash.stdout),
        String::from_utf8_lossy(&bash.stderr),
    );
    assert_eq!((out.trim(), err.trim()), ("report", ""));
}
