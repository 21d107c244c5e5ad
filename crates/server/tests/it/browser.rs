//! Needs: chromium, npm
//!
//! The web UI in a real browser: against its fake backend, and every page and journey against a real demo.

use crate::support::Server;
use std::path::PathBuf;
use std::process::Command;

fn ui() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../ui")
}

/// What is missing to run a browser test, if anything. Packages of npm are installed once, beside the sources.
fn lacking() -> Option<String> {
    let has = |program: &str| {
        Command::new(program)
            .arg("--version")
            .output()
            .is_ok_and(|o| o.status.success())
    };
    for program in ["node", "npm"] {
        if !has(program) {
            return Some(format!("{program} is not installed"));
        }
    }
    let chromium = std::env::var("CHROMIUM").unwrap_or_else(|_| "/usr/bin/chromium".to_owned());
    if !std::path::Path::new(&chromium).exists() {
        return Some("chromium is not installed".to_owned());
    }
    if ui().join("node_modules/playwright-core").exists() && ui().join("node_modules/axe-core").exists() {
        return None;
    }
    let installed = Command::new("npm")
        .args(["ci", "--no-audit", "--no-fund"])
        .current_dir(ui())
        .output();
    match installed {
        Ok(done) if done.status.success() => None,
        _ => Some("npm ci failed: is there a network?".to_owned()),
    }
}

fn run(test: &str, args: &[&str], demo: Option<&str>) {
    let mut command = Command::new("node");
    command
        .args(["--test", "--test-reporter=spec"])
        .args(args)
        .current_dir(ui());
    if let Some(url) = demo {
        command.env("LAPWING_DEMO", url);
    }
    let done = command.output().expect("node runs");
    let said = String::from_utf8_lossy(&done.stdout);
    println!("{said}");
    assert!(
        done.status.success(),
        "{test}: the browser found something:\n{said}"
    );
}

#[test]
fn pages_and_journeys_against_the_fake_backend() {
    if let Some(why) = lacking() {
        eprintln!("SKIPPED pages_and_journeys_against_the_fake_backend: {why}");
        return;
    }
    let areas =
        ["pages", "journeys", "panels", "keyboard", "speed"].map(|area| format!("tests/{area}.test.mjs"));
    run("fake", &areas.each_ref().map(String::as_str), None);
}

#[test]
fn pages_and_journeys_against_the_demo() {
    if let Some(why) = lacking() {
        eprintln!("SKIPPED pages_and_journeys_against_the_demo: {why}");
        return;
    }
    let parent = tempfile::tempdir().expect("a folder");
    let server = Server::start_demo(&parent.path().join("demo"));
    run("demo", &["tests/demo.test.mjs"], Some(&server.url));
    assert!(server.terminate(), "it ends by itself when told");
}

#[test]
fn the_built_files_keep_their_budget() {
    if Command::new("node").arg("--version").output().is_err() {
        eprintln!("SKIPPED the_built_files_keep_their_budget: node is not installed");
        return;
    }
    let done = Command::new("node")
        .arg("scripts/budget.mjs")
        .current_dir(ui())
        .output()
        .expect("node runs");
    let said = String::from_utf8_lossy(&done.stdout);
    println!("{said}");
    assert!(
        done.status.success(),
        "{said}{}",
        String::from_utf8_lossy(&done.stderr)
    );
}
