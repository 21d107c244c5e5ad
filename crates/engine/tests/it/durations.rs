//! Which durations a file may hold: ours and theirs must say the same of each.
//!
//! Needs: promtool, amtool

use lapwing_judge::rules::{RulesOptions, check_expr, load_rule_file};
use lapwing_notify::config::load_notify_config;
use std::path::Path;
use std::process::{Command, Output};

/// What people write, what they write by mistake, and the edges of the grammar.
const TEXTS: &[&str] = &[
    "0",
    "0s",
    "00",
    "0m",
    "5",
    "05",
    "5s",
    "05s",
    "500ms",
    "1m",
    "90m",
    "1h30m",
    "1h30m10s500ms",
    "1d",
    "1w",
    "1y",
    "1y2w3d4h5m6s7ms",
    "1d12h",
    "30m1h",
    "1m1m",
    "1s1ms",
    "1ms1s",
    "1.5h",
    "0.5s",
    ".5s",
    "1.",
    "1h1.5m",
    "-5m",
    "+5m",
    "- 5m",
    "5 m",
    "1h 30m",
    " 5m",
    "5m ",
    "5M",
    "5H",
    "5min",
    "5mins",
    "5sec",
    "1hour",
    "1us",
    "1ns",
    "1µs",
    "1mo",
    "1Y",
    "m",
    "h30m",
    "1e3s",
    "1_000s",
    "0x5s",
    "five",
    "1m30",
    "1d0h",
    "0d",
    "292y",
    "293y",
    "106751d",
    "106752d",
    "99999999999999y",
    "99999999999999999999s",
    "9223372036854775807ms",
    "٣m",
    "１m",
];

/// `None` when the program is not there.
fn ask(program: &str, arguments: &[&str], file: &Path, text: &str) -> Option<Output> {
    std::fs::write(file, text).unwrap();
    Command::new(program).args(arguments).arg(file).output().ok()
}

/// For each text: a file that holds it, what they say of it, and what we say.
fn compare(program: &str, arguments: &[&str], file_of: &dyn Fn(&str) -> String, ours: &dyn Fn(&str) -> bool) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file.yml");
    let mut differ = Vec::new();
    let mut accepted = 0;
    for text in TEXTS {
        let yaml = file_of(text);
        let Some(output) = ask(program, arguments, &file, &yaml) else {
            eprintln!("SKIPPED durations: {program} is not installed");
            return;
        };
        let theirs = output.status.success();
        accepted += usize::from(theirs);
        if theirs != ours(&yaml) {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            differ.push(format!("{text:?}: {program} takes it: {theirs} ({said})"));
        }
    }
    assert!(differ.is_empty(), "{differ:#?}");
    assert!(
        (10..TEXTS.len() - 10).contains(&accepted),
        "{accepted} of {} are taken",
        TEXTS.len()
    );
}

#[test]
fn rule_files_take_the_durations_that_promtool_takes() {
    for place in ["for", "keep_firing_for"] {
        let file_of = |text: &str| {
            format!("groups: [{{ name: g, rules: [{{ alert: A, expr: up, {place}: \"{text}\" }}] }}]\n")
        };
        let ours = |yaml: &str| load_rule_file("f", yaml, &RulesOptions::default(), &check_expr).is_ok();
        compare("promtool", &["check", "rules"], &file_of, &ours);
    }
}

#[test]
fn routes_take_the_durations_that_amtool_takes() {
    let file_of = |text: &str| {
        format!("route: {{ receiver: r, group_wait: \"{text}\" }}\nreceivers: [{{ name: r }}]\n")
    };
    let ours = |yaml: &str| load_notify_config(yaml, &[], "").is_ok();
    compare("amtool", &["check-config"], &file_of, &ours);
}
