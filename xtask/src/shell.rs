//! Other programs: finding them, running them, and ending exactly those that were started here.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};

/// The root of the checkout: the folder above `xtask/`.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or(Path::new("."))
}

/// The cargo that runs this chore, so that a pinned toolchain stays pinned.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    command
}

/// Where cargo writes; `CARGO_TARGET_DIR` moves it out of the checkout.
pub(crate) fn target_dir() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |dir| root().join(dir))
}

/// The full path of `program`, if one of the usual folders has it.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let extra = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path)
        .chain(extra)
        .map(|dir| dir.join(program))
        .find(|file| file.is_file())
}

pub(crate) fn has(program: &str) -> bool {
    find(program).is_some()
}

/// Under `CI=true` nothing may be skipped.
pub(crate) fn in_ci() -> bool {
    std::env::var("CI").is_ok_and(|value| value == "true" || value == "1")
}

/// Runs a command with our own output and fails if it does.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// What a command prints to its standard output; fails if the command does.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let shown = show(command);
    let out = command
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("start `{shown}`"))?;
    if !out.status.success() {
        bail!("`{shown}` failed ({})", out.status);
    }
    String::from_utf8(out.stdout).with_context(|| format!("read what `{shown}` printed"))
}

fn show(command: &Command) -> String {
    let mut text = Path::new(command.get_program())
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    for arg in command.get_args() {
        text.push(' ');
        text.push_str(&arg.to_string_lossy());
    }
    text
}

/// A process that ends when this value goes out of scope, whatever happened in between.
pub(crate) struct Guard(Child);

impl Guard {
    pub(crate) fn start(command: &mut Command) -> Result<Guard> {
        let shown = show(command);
        Ok(Guard(
            command.spawn().with_context(|| format!("start `{shown}`"))?,
        ))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.0.id()
    }

    /// The exit status, if the process has already ended.
    pub(crate) fn ended(&mut self) -> Result<Option<std::process::ExitStatus>> {
        self.0.try_wait().context("look at a started process")
    }
}

impl Guard {
    /// Ends the process at once, as a crash would, and waits until it is gone.
    pub(crate) fn kill(&mut self) -> Result<()> {
        self.0.kill().context("kill a started process")?;
        self.0.wait().context("wait for a killed process")?;
        Ok(())
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // A process that has already ended is what is wanted here, so the result says nothing.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
