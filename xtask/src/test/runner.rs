//! Runs the tests and counts them, whichever runner is there.
//!
//! A test that lacks a peer prints `SKIPPED name: reason` and returns, and runners hide what passing tests print. So they are
//! asked for it, and [`Filter`] keeps it off the screen except for those lines.

use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use anyhow::{Context, Result};

use crate::shell;

/// What came out of all runs together.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    pub(super) passed: usize,
    pub(super) failed: usize,
    /// Whole lines `SKIPPED name: reason`.
    pub(super) skips: Vec<String>,
    /// Whole lines `FLAKY 2/3 [0.5s] binary test`: passed, but not at once.
    pub(super) flaky: Vec<String>,
    pub(super) succeeded: bool,
}

pub(super) fn run(env: &[(String, PathBuf)], passed_on: &[String]) -> Result<Tally> {
    let nextest = shell::has("cargo-nextest");
    let mut command = shell::cargo();
    if nextest {
        command.args([
            "nextest",
            "run",
            "--no-fail-fast",
            "--status-level",
            "slow",
            "--success-output",
            "final",
            "--final-status-level",
            "flaky",
            "--hide-progress-bar",
        ]);
    } else {
        command.args(["test", "--no-fail-fast", "--tests"]);
    }
    let narrowed = passed_on
        .iter()
        .any(|a| a == "-p" || a == "--package" || a.starts_with("--package="));
    if !narrowed {
        command.arg("--workspace");
    }
    command.args(passed_on);
    if !nextest {
        command.args(["--", "--show-output"]);
    }
    command.envs(env.iter().map(|(k, v)| (k, v)));
    let mut tally = watch(
        &mut command,
        if nextest { Runner::Nextest } else { Runner::Plain },
    )?;
    if passed_on.is_empty() {
        let mut docs = shell::cargo();
        docs.args(["test", "--workspace", "--doc", "--no-fail-fast", "--quiet"])
            .envs(env.iter().map(|(k, v)| (k, v)));
        let doc_tally = watch(&mut docs, Runner::Plain)?;
        tally.passed += doc_tally.passed;
        tally.failed += doc_tally.failed;
        tally.skips.extend(doc_tally.skips);
        tally.succeeded &= doc_tally.succeeded;
    }
    tally.skips.sort();
    tally.skips.dedup();
    Ok(tally)
}

/// Runs a command, shows what matters of its output as it comes, and counts.
fn watch(command: &mut Command, runner: Runner) -> Result<Tally> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start the tests")?;
    let (send, lines) = mpsc::channel();
    let readers = [
        child.stdout.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
        child.stderr.take().map(|s| Box::new(s) as Box<dyn Read + Send>),
    ];
    for reader in readers.into_iter().flatten() {
        let send = send.clone();
        std::thread::spawn(move || {
            for line in BufReader::new(reader).split(b'\n').map_while(Result::ok) {
                if send.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                    return;
                }
            }
        });
    }
    drop(send);
    let mut filter = Filter {
        runner,
        tally: Tally::default(),
        hushed: false,
    };
    for line in lines {
        if filter.take(&line) == Show::Yes {
            println!("{line}");
        }
    }
    let status = child.wait().context("wait for the tests")?;
    filter.tally.succeeded = status.success();
    Ok(filter.tally)
}

#[derive(Debug, PartialEq, Eq)]
enum Show {
    Yes,
    No,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Runner {
    Nextest,
    Plain,
}

/// How the lines begin with which nextest names a test that did not pass.
const VERDICTS: &[&str] = &["FAIL ", "TIMEOUT ", "SIGABRT ", "SIGSEGV ", "SIGKILL ", "error:"];

/// Line by line: what to show, what to count.
struct Filter {
    runner: Runner,
    tally: Tally,
    /// Inside what passing tests printed.
    hushed: bool,
}

impl Filter {
    fn take(&mut self, line: &str) -> Show {
        let bare = without_colours(line);
        let text = bare.trim();
        if let Some(at) = text.find("SKIPPED ").filter(|at| *at == 0 && text.contains(": ")) {
            self.tally.skips.push(text[at..].to_owned());
            return Show::No;
        }
        let total = match self.runner {
            Runner::Nextest => text.starts_with("Summary ["),
            Runner::Plain => text.starts_with("test result: "),
        };
        if total {
            self.count(text);
            // After its summary nextest shows what passing tests printed; the plain runner does so before each total.
            self.hushed = self.runner == Runner::Nextest;
            return Show::Yes;
        }
        match text {
            "successes:" => self.hushed = true,
            "failures:" if self.runner == Runner::Plain => self.hushed = false,
            _ => {}
        }
        if self.hushed && self.runner == Runner::Nextest && text.starts_with("FLAKY ") {
            self.tally.flaky.push(text.to_owned());
        }
        let loud = self.runner == Runner::Nextest && VERDICTS.iter().any(|v| text.starts_with(v));
        if self.hushed && !loud { Show::No } else { Show::Yes }
    }

    /// Adds `12 passed` and `3 failed` (also `3 timed out`) wherever they stand in a line.
    fn count(&mut self, counts: &str) {
        let words: Vec<&str> = counts
            .split(|c: char| !c.is_alphanumeric())
            .filter(|w| !w.is_empty())
            .collect();
        for pair in words.windows(2) {
            let Ok(number) = pair[0].parse::<usize>() else {
                continue;
            };
            match pair[1] {
                "passed" => self.tally.passed += number,
                "failed" | "timed" | "exec" => self.tally.failed += number,
                _ => {}
            }
        }
    }
}

fn without_colours(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `shown` are the lines that reach the screen.
    fn check(runner: Runner, lines: &[&str], shown: &[&str], counts: (usize, usize), skips: &[&str]) {
        let mut filter = Filter {
            runner,
            tally: Tally::default(),
            hushed: false,
        };
        let seen: Vec<&str> = lines
            .iter()
            .filter(|l| filter.take(l) == Show::Yes)
            .copied()
            .collect();
        assert_eq!(seen, shown);
        assert_eq!((filter.tally.passed, filter.tally.failed), counts);
        assert_eq!(filter.tally.skips, skips);
    }

    #[test]
    fn nextest_is_counted_by_its_summary_and_hushed_after_it() {
        let summary = "     Summary [   0.51s] 3 tests run: 2 passed, 1 failed, 0 skipped";
        check(
            Runner::Nextest,
            &[
                "        PASS [   0.01s] a b::c",
                "test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.1s",
                summary,
                "  stdout ---",
                "    test result: ok. 1 passed; 0 failed; 0 ignored; finished in 0.1s",
                "    SKIPPED peer: prometheus is missing",
                "        FAIL [   0.02s] a b::d",
            ],
            &[
                "        PASS [   0.01s] a b::c",
                "test result: FAILED. 0 passed; 1 failed; 0 ignored; finished in 0.1s",
                summary,
                "        FAIL [   0.02s] a b::d",
            ],
            (2, 1),
            &["SKIPPED peer: prometheus is missing"],
        );
    }

    #[test]
    fn a_test_that_needed_a_second_try_is_remembered_once() {
        let mut filter = Filter {
            runner: Runner::Nextest,
            tally: Tally::default(),
            hushed: false,
        };
        let flaky = "FLAKY 2/3 [   0.02s] a b::d";
        for line in [
            "  TRY 1 FAIL [   0.01s] a b::d",
            "     Summary [   0.51s] 2 tests run: 2 passed (1 flaky), 0 skipped",
            &format!("   {flaky}"),
        ] {
            filter.take(line);
        }
        assert_eq!(filter.tally.flaky, [flaky]);
        assert_eq!((filter.tally.passed, filter.tally.failed), (2, 0));
    }

    #[test]
    fn the_plain_runner_is_counted_by_its_totals() {
        let (first, second) = (
            "test result: ok. 5 passed; 0 failed",
            "test result: FAILED. 1 passed; 2 failed",
        );
        check(
            Runner::Plain,
            &[
                "test a ... ok",
                "successes:",
                "noise",
                "SKIPPED x: no peer",
                first,
                "failures:",
                "why",
                second,
            ],
            &["test a ... ok", first, "failures:", "why", second],
            (6, 2),
            &["SKIPPED x: no peer"],
        );
    }

    #[test]
    fn colours_do_not_hide_a_total() {
        let line = "\u{1b}[32;1m     Summary\u{1b}[0m [0.5s] \u{1b}[1m7\u{1b}[0m tests run: \u{1b}[1m7\u{1b}[0m passed, 1 timed out";
        check(Runner::Nextest, &[line], &[line], (7, 1), &[]);
    }
}
