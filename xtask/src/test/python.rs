//! The tests of the Python package: its extension module is built into a venv below the target folder, then pytest runs, then the stubs are
//! compared with the module and checked by a type checker.
//!
//! What cannot be set up is named and counts as skipped; the peers of integrations are optional, and pytest names the tests without them.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use super::needs::Setup;
use super::runner::Tally;
use crate::shell;

/// What the tests cannot do without, and what they do more with.
const PACKAGES: &[&str] = &["maturin>=1.9,<2", "pytest", "numpy"];
const PEERS: &[&str] = &[
    "fastapi",
    "httpx",
    "flask",
    "grpcio",
    "prometheus_client",
    "structlog",
    "ipython",
    "pandas",
    "pyarrow",
    "mypy",
    "pyright",
];

pub(super) fn run(setup: Setup) -> Tally {
    println!("\nPython:");
    match tests(setup) {
        Ok(tally) => tally,
        Err(error) => Tally {
            skips: vec![format!("SKIPPED sdk/python: {error:#}")],
            // A test that could not be set up is skipped, and under CI=true that is a failure.
            succeeded: true,
            passed: 1,
            ..Tally::default()
        },
    }
}

fn tests(setup: Setup) -> Result<Tally> {
    let sdk = shell::root().join("sdk/python");
    let venv = prepare(setup)?;
    build(&sdk, &venv, "dev")?;
    let python = venv.join("bin/python");
    let mut tally = pytest(&sdk, &python)?;
    let checks: [(&str, &str, &[&str]); 2] = [
        (
            "stubtest",
            "mypy",
            &["-m", "mypy.stubtest", "lapwing._native", "--concise"],
        ),
        (
            "pyright",
            "pyright",
            &["-m", "pyright", "--warnings", "python/lapwing", "tests/typed.py"],
        ),
    ];
    for (name, module, args) in checks {
        let there = Command::new(&python)
            .args(["-c", &format!("import {module}")])
            .stderr(Stdio::null())
            .status();
        if !there.is_ok_and(|s| s.success()) {
            tally.passed += 1;
            tally.skips.push(format!(
                "SKIPPED {name}: the package {module} could not be installed"
            ));
            continue;
        }
        let status = Command::new(&python)
            .args(args)
            .current_dir(&sdk)
            // No cache: it would lie in the checkout, and one that was cut off makes the next run fail.
            .env("MYPY_CACHE_DIR", "/dev/null")
            .status()
            .with_context(|| format!("run {name}"))?;
        if status.success() {
            tally.passed += 1;
        } else {
            println!("{name} failed");
            tally.failed += 1;
            tally.succeeded = false;
        }
    }
    Ok(tally)
}

/// A venv of its own: building needs other packages than the other tests do.
pub(crate) fn prepare(setup: Setup) -> Result<PathBuf> {
    let venv = shell::target_dir().join("sdk-venv");
    let stamp = venv.join("packages.txt");
    let list = [PACKAGES, PEERS].concat().join("\n");
    if std::fs::read_to_string(&stamp).is_ok_and(|have| have == list) {
        return Ok(venv);
    }
    if setup == Setup::OnlyLook {
        bail!("--no-setup");
    }
    if !shell::has("python3") {
        bail!("there is no python3");
    }
    shell::run(Command::new("python3").args(["-m", "venv"]).arg(&venv))
        .context("make a venv (Debian: python3-venv)")?;
    pip(&venv, PACKAGES)?;
    // One by one: a peer that cannot be had must not cost the others.
    let mut is_whole = true;
    for peer in PEERS {
        if let Err(error) = pip(&venv, &[peer]) {
            println!("{peer} cannot be installed: {error:#}");
            is_whole = false;
        }
    }
    // What is missing now may be there the next time.
    if is_whole {
        std::fs::write(&stamp, list).context("note what the venv holds")?;
    }
    Ok(venv)
}

pub(crate) fn pip(venv: &Path, packages: &[&str]) -> Result<()> {
    let mut pip = Command::new(venv.join("bin/pip"));
    shell::run(
        pip.args(["install", "--quiet", "--disable-pip-version-check"])
            .args(packages),
    )
}

/// The extension module into the venv, from this checkout.
pub(crate) fn build(sdk: &Path, venv: &Path, profile: &str) -> Result<()> {
    println!("building the extension module ({profile})");
    let mut maturin = Command::new(venv.join("bin/maturin"));
    shell::run(
        maturin
            .args(["develop", "--quiet", "--profile", profile])
            .current_dir(sdk)
            .env("VIRTUAL_ENV", venv)
            .env("CARGO_TARGET_DIR", shell::target_dir()),
    )
}

fn pytest(sdk: &Path, python: &Path) -> Result<Tally> {
    let output = Command::new(python)
        .args(["-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider"])
        .current_dir(sdk)
        .stderr(Stdio::inherit())
        .output()
        .context("run pytest")?;
    let text = String::from_utf8_lossy(&output.stdout);
    print!("{text}");
    Ok(tally_of(&text, output.status.success()))
}

/// The last line counts; `SKIPPED [1] tests/x.py:3: reason` names.
fn tally_of(text: &str, succeeded: bool) -> Tally {
    let mut tally = Tally {
        succeeded,
        ..Tally::default()
    };
    for line in text.lines() {
        if let Some(skip) = line.strip_prefix("SKIPPED ") {
            let (_, place) = skip.split_once("] ").unwrap_or(("", skip));
            tally.skips.push(format!("SKIPPED sdk/python/{place}"));
        }
    }
    let last = text
        .lines()
        .rev()
        .find(|l| l.contains(" passed") || l.contains(" failed") || l.contains(" error"));
    let words: Vec<&str> = last
        .unwrap_or("")
        .split([' ', ','])
        .filter(|w| !w.is_empty())
        .collect();
    for pair in words.windows(2) {
        let Ok(number) = pair[0].parse::<usize>() else {
            continue;
        };
        match pair[1] {
            "passed" => tally.passed += number,
            "failed" | "error" | "errors" => tally.failed += number,
            // To the other runners a skipped test has passed, and the tally takes it off again.
            "skipped" => tally.passed += number,
            _ => {}
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pytest_is_counted() {
        let text = "..s\nSKIPPED [1] tests/test_a.py:3: could not import 'flask'\n1 failed, 192 passed, 1 skipped in 3.2s\n";
        let tally = tally_of(text, false);
        assert_eq!((tally.passed, tally.failed), (193, 1));
        assert_eq!(
            tally.skips,
            ["SKIPPED sdk/python/tests/test_a.py:3: could not import 'flask'"]
        );
    }
}
