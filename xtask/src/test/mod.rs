//! `cargo xtask test`: sets up what the tests need, then runs all of them.
//!
//! 1. [`needs`] finds out which programs and Python packages the tests name, and installs what is missing where it can.
//! 2. [`runner`] runs cargo-nextest if it is there, else `cargo test`, then the doc tests, and counts.
//! 3. [`python`] builds the Python package and runs its tests.
//! 4. What is missing is named test by test; under `CI=true` that is a failure.

mod needs;
mod newer;
pub(crate) mod python;
mod runner;

pub(crate) use needs::Setup;

use std::path::PathBuf;

use anyhow::{Result, bail};

use crate::Command;
use crate::shell;

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "set up what the tests need and run all of them",
    help: "usage: cargo xtask test [--no-setup] [-- ARGS]

  --no-setup   install nothing; tests whose peers are missing are named and skipped
  ARGS         go to `cargo nextest run` or `cargo test`, such as `-p lapwing-store`

A test file that needs a program says so in its head: `//! Needs: prometheus, python:pytest`. What the machine lacks is
installed from Debian's packages when this runs as root there, Python packages go into target/venv. What cannot be
installed is named with the tests that need it. With CI=true in the environment a skipped test is a failure.",
    run,
};

/// A peer that tests know by this need, if it is there already.
pub(crate) fn newer_program(need: &str) -> Option<PathBuf> {
    let newer = newer::NEWER.iter().find(|n| n.need == need)?;
    newer::find(newer, Setup::OnlyLook).ok()
}

fn run(args: &[String]) -> Result<()> {
    let split = args.iter().position(|a| a == "--").unwrap_or(args.len());
    let (own, passed_on) = (&args[..split], args.get(split + 1..).unwrap_or(&[]));
    if let Some(unknown) = own.iter().find(|a| *a != "--no-setup") {
        bail!("no option `{unknown}`: see `cargo xtask test --help`");
    }
    let setup = if own.is_empty() {
        needs::Setup::Install
    } else {
        needs::Setup::OnlyLook
    };
    let house = needs::prepare(setup)?;
    let mut tally = runner::run(&house.env, passed_on)?;
    // Arguments for the Rust runner mean that only some of its tests are wanted.
    if passed_on.is_empty() {
        let more = python::run(setup);
        tally.passed += more.passed;
        tally.failed += more.failed;
        tally.skips.extend(more.skips);
        tally.succeeded &= more.succeeded;
    }
    println!();
    for lack in &house.lacks {
        println!(
            "SKIPPED {}: {} is missing ({})",
            lack.needed_by.join(", "),
            lack.what,
            lack.why
        );
    }
    for skip in &tally.skips {
        println!("{skip}");
    }
    for flaky in &tally.flaky {
        println!("{flaky}");
    }
    // To the runner a skipped test has passed.
    println!(
        "{} passed, {} failed, {} skipped",
        tally.passed.saturating_sub(tally.skips.len()),
        tally.failed,
        tally.skips.len()
    );
    if !tally.succeeded {
        bail!("tests failed");
    }
    if tally.passed == 0 && passed_on.is_empty() {
        bail!("no test ran");
    }
    if shell::in_ci() && !(tally.skips.is_empty() && house.lacks.iter().all(|l| l.is_extra)) {
        bail!("under CI=true nothing may be skipped");
    }
    Ok(())
}
