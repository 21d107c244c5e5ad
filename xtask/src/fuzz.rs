//! `cargo xtask fuzz`: runs the fuzz targets below `fuzz/`, each for a bounded time.

use std::process::Command as Process;

use anyhow::{Context, Result, bail};

use crate::Command;
use crate::shell;

pub(crate) const COMMAND: Command = Command {
    name: "fuzz",
    summary: "list the fuzz targets, or run some for a bounded time",
    help: "usage: cargo xtask fuzz [TARGET ... | --all] [--seconds N]

  TARGET       a file fuzz/fuzz_targets/TARGET.rs; without any, the targets are listed
  --all        every target, one after the other
  --seconds N  how long each runs (60 when not given)

Needs cargo-fuzz; uses the nightly toolchain if there is one, else the stable one with RUSTC_BOOTSTRAP=1. What it finds
stays in fuzz/artifacts: add it to the tests of the decoder that it broke.",
    run,
};

const SECONDS_DEFAULT: u64 = 60;

fn run(args: &[String]) -> Result<()> {
    let targets = targets()?;
    let (mut chosen, mut seconds) = (Vec::new(), SECONDS_DEFAULT);
    let mut words = args.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "--all" => chosen.clone_from(&targets),
            "--seconds" => {
                let number = words.next().context("--seconds needs a number")?;
                seconds = number.parse().context("--seconds needs a number")?;
            }
            name if targets.iter().any(|t| t == name) => chosen.push(name.to_owned()),
            name => bail!("no fuzz target `{name}`: `cargo xtask fuzz` lists them"),
        }
    }
    if chosen.is_empty() {
        match targets.as_slice() {
            [] => println!("no fuzz targets yet: they belong in fuzz/fuzz_targets"),
            list => list.iter().for_each(|t| println!("{t}")),
        }
        return Ok(());
    }
    if !shell::has("cargo-fuzz") {
        bail!("cargo-fuzz is not installed: `cargo install cargo-fuzz`");
    }
    let nightly = has_nightly();
    for target in &chosen {
        println!("== {target}, {seconds} s ==");
        let mut command = if nightly {
            // Not the cargo that runs this chore: rustup's front door takes `+nightly`.
            let mut command = Process::new("cargo");
            command
                .arg("+nightly")
                .env_remove("RUSTUP_TOOLCHAIN")
                .env_remove("CARGO")
                .env_remove("RUSTC");
            command
        } else {
            let mut command = shell::cargo();
            command.env("RUSTC_BOOTSTRAP", "1");
            command
        };
        command
            .current_dir(shell::root())
            .args(["fuzz", "run", target, "--"]);
        shell::run(
            command
                .arg(format!("-max_total_time={seconds}"))
                .arg("-rss_limit_mb=4096")
                // Locals of threads that a target starts (parallel replay) outlive its run and are taken for leaks.
                .arg("-detect_leaks=0"),
        )?;
    }
    println!("{} targets, {seconds} s each, nothing found", chosen.len());
    Ok(())
}

fn targets() -> Result<Vec<String>> {
    let dir = shell::root().join("fuzz/fuzz_targets");
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut names = Vec::new();
    for entry in std::fs::read_dir(&dir).context("list fuzz/fuzz_targets")? {
        let path = entry?.path();
        if path.extension().is_some_and(|e| e == "rs") {
            names.extend(path.file_stem().map(|s| s.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

fn has_nightly() -> bool {
    let list = Process::new("rustup").args(["toolchain", "list"]).output();
    list.is_ok_and(|out| {
        String::from_utf8_lossy(&out.stdout)
            .lines()
            .any(|l| l.starts_with("nightly"))
    })
}
