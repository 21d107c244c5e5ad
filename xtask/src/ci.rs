//! `cargo xtask ci`: everything a change has to pass, in the order in which a failure is cheapest to read.

use std::time::Duration;

use anyhow::{Result, bail};

use crate::Command;
use crate::{clock, shell, test, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    summary: "everything a change has to pass: test, fmt, clippy, tidy, deny",
    help: "usage: cargo xtask ci [--skip STAGE ...] [STAGE ...]

  STAGE          test, fmt, clippy, tidy or deny; all of them when none is named
  --skip STAGE   all but this one

Every stage runs even if an earlier one failed; the last lines say how long each took and what came of it.",
    run,
};

struct Stage {
    name: &'static str,
    run: fn() -> Result<()>,
}

const STAGES: &[Stage] = &[
    Stage {
        name: "test",
        run: || (test::COMMAND.run)(&[]),
    },
    Stage {
        name: "fmt",
        run: || shell::run(shell::cargo().args(["fmt", "--all", "--check"])),
    },
    Stage {
        name: "clippy",
        run: clippy,
    },
    Stage {
        name: "tidy",
        run: || (tidy::COMMAND.run)(&[]),
    },
    Stage {
        name: "deny",
        run: deny,
    },
];

fn run(args: &[String]) -> Result<()> {
    let (mut only, mut without) = (Vec::new(), Vec::new());
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--skip" => without.extend(words.next()),
            _ => only.push(word),
        }
    }
    if let Some(unknown) = only
        .iter()
        .chain(&without)
        .find(|n| STAGES.iter().all(|s| s.name != n.as_str()))
    {
        bail!("no stage `{unknown}`: see `cargo xtask ci --help`");
    }
    let named = |list: &[&String], stage: &Stage| list.iter().any(|n| n.as_str() == stage.name);
    let mut results = Vec::new();
    for stage in STAGES
        .iter()
        .filter(|s| (only.is_empty() || named(&only, s)) && !named(&without, s))
    {
        println!("== {} ==", stage.name);
        let start = clock::now();
        let result = (stage.run)();
        if let Err(error) = &result {
            eprintln!("error: {error:#}");
        }
        results.push((stage.name, start.elapsed(), result.is_ok()));
    }
    println!();
    for (name, took, passed) in &results {
        println!(
            "{name:<8} {:>8}  {}",
            seconds(*took),
            if *passed { "passed" } else { "FAILED" }
        );
    }
    let failed: Vec<&str> = results
        .iter()
        .filter(|(_, _, passed)| !passed)
        .map(|(name, _, _)| *name)
        .collect();
    if !failed.is_empty() {
        bail!("ci: {} failed", failed.join(", "));
    }
    Ok(())
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn clippy() -> Result<()> {
    shell::run(shell::cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--keep-going",
        "--",
        "-D",
        "warnings",
    ]))
}

/// Licences, bans and sources need only the checkout; advisories need a database that only a network brings.
fn deny() -> Result<()> {
    if !shell::has("cargo-deny") {
        println!("SKIPPED deny: cargo-deny is not installed (`cargo install cargo-deny`)");
        return Ok(());
    }
    shell::run(shell::cargo().args([
        "deny",
        "--log-level",
        "error",
        "check",
        "licenses",
        "bans",
        "sources",
    ]))?;
    let database = std::env::var_os("CARGO_HOME")
        .map(std::path::PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| std::path::Path::new(&home).join(".cargo")))
        .map(|home| home.join("advisory-dbs"));
    if !database.is_some_and(|dir| std::fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some())) {
        println!(
            "SKIPPED deny advisories: the advisory database is not on this machine (`cargo deny fetch` brings it)"
        );
        return Ok(());
    }
    shell::run(shell::cargo().args(["deny", "--log-level", "error", "--offline", "check", "advisories"]))
}
