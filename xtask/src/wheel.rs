//! `cargo xtask wheel`: the Python package as people install it, and whether it is whole.

use std::path::{Path, PathBuf};
use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use crate::test::{Setup, python};
use crate::{Command, shell};

pub(crate) const COMMAND: Command = Command {
    name: "wheel",
    summary: "build the Python wheel in release, install it into a fresh venv, and try it",
    help: "usage: cargo xtask wheel [--out DIR]

  --out DIR   where the wheel goes; target/wheels otherwise

The wheel is for this platform and Python 3.11 and later. What is tried: what it holds, its size, `lapwing --version`, `serve` and `demo`, an
engine in the process, and how long `import lapwing` takes.",
    run,
};

fn run(args: &[String]) -> Result<()> {
    let out = match args {
        [] => shell::target_dir().join("wheels"),
        [flag, dir] if flag == "--out" => std::path::absolute(dir)?,
        _ => bail!("usage: cargo xtask wheel [--out DIR]"),
    };
    let sdk = shell::root().join("sdk/python");
    let venv = python::prepare(Setup::Install)?;
    shell::run(
        Process::new(venv.join("bin/maturin"))
            .args(["build", "--release", "--out"])
            .arg(&out)
            .current_dir(&sdk)
            .env("VIRTUAL_ENV", &venv)
            .env("CARGO_TARGET_DIR", shell::target_dir()),
    )?;
    let wheel = newest_wheel(&out)?;
    let fresh = shell::target_dir().join("wheel-venv");
    shell::run(
        Process::new("python3")
            .args(["-m", "venv", "--clear"])
            .arg(&fresh),
    )
    .context("make a venv (Debian: python3-venv)")?;
    python::pip(&fresh, &["--no-deps", &wheel.to_string_lossy()])?;
    shell::run(
        Process::new(fresh.join("bin/python"))
            .arg(sdk.join("bench/wheel.py"))
            .arg(&wheel),
    )
}

fn newest_wheel(dir: &Path) -> Result<PathBuf> {
    let mut found: Vec<(std::time::SystemTime, PathBuf)> = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "whl") {
            found.push((path.metadata()?.modified()?, path));
        }
    }
    let newest = found.into_iter().max();
    Ok(newest
        .with_context(|| format!("no wheel in {}", dir.display()))?
        .1)
}
