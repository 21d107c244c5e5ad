//! A command: 0 passes, 1 is degraded (as monitoring plugins say it), anything else fails.
//!
//! It runs in a process group of its own, without our environment (which may hold secrets), with its input closed. What it
//! started ends with it: when it is done, or its time is over, the whole group is killed. Its output is read up to a bound and
//! thrown away beyond.

use super::expect::beginning;
use super::look::{Fault, Found, Look};
use lapwing_types::ProbeReason;
use rustix::process::{Pid, Signal, kill_process_group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::Command;

const OUTPUT_BYTES_MAX: usize = 64 << 10;
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// A grandchild may hold the pipe open after the command is done; its last words are waited for this long.
const LAST_WORDS: Duration = Duration::from_millis(200);

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CommandLine {
    /// The program and its arguments; no shell reads it.
    pub argv: Vec<String>,
    /// Beside PATH and LANG, all that it is given.
    pub env: BTreeMap<String, String>,
    /// The codes that mean degraded; 1 without it.
    pub degraded_codes: Option<Vec<i32>>,
    /// Text that its output must contain.
    pub contains: Option<String>,
}

pub struct Ended {
    /// `None` when a signal ended it.
    pub code: Option<i32>,
    pub output: String,
}

/// Kills the whole group when it is dropped, and so also when the look is cut off by its timeout.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl CommandLine {
    pub(super) fn check(&self) -> Result<(), String> {
        if self.argv.first().is_some_and(|a| !a.is_empty()) {
            Ok(())
        } else {
            Err("argv is empty".to_owned())
        }
    }

    pub(super) async fn look(&self, look: &Look) -> Found {
        let ended = run_command(look, self)
            .await
            .map_err(|why| Fault::new(ProbeReason::NotFound, why))?;
        look.note("output", ended.output.clone());
        let said = beginning(&ended.output);
        let degraded = self.degraded_codes.clone().unwrap_or_else(|| vec![1]);
        look.measure("probe_command_exit_code", ended.code.map_or(-1.0, f64::from));
        match ended.code {
            Some(0) => {}
            Some(code) if degraded.contains(&code) => {
                return Err(Fault::degraded(
                    ProbeReason::ExitCode,
                    format!("it ended with {code}: {said}"),
                ));
            }
            Some(code) => {
                return Err(Fault::new(
                    ProbeReason::ExitCode,
                    format!("it ended with {code}: {said}"),
                ));
            }
            None => {
                return Err(Fault::new(
                    ProbeReason::ExitCode,
                    format!("a signal ended it: {said}"),
                ));
            }
        }
        match &self.contains {
            Some(text) if !ended.output.contains(text) => {
                let detail = format!("its output does not contain {text:?}: {said}");
                Err(Fault::new(ProbeReason::Body, detail))
            }
            _ => Ok(()),
        }
    }
}

/// Runs it to its end; the caller sets the time limit, and dropping this future kills all of it.
pub async fn run_command(_look: &Look, line: &CommandLine) -> Result<Ended, String> {
    let (program, arguments) = line.argv.split_first().ok_or("there is no command")?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .env("LANG", "C.UTF-8")
        .envs(&line.env)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command
        .spawn()
        .map_err(|e| format!("cannot start {program}: {e}"))?;
    let pid = child.id().and_then(|id| Pid::from_raw(id.cast_signed()));
    let group = Group(pid);
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let reading = tokio::spawn(async move {
        let (out, err) = tokio::join!(read(out), read(err));
        [out, err].concat()
    });
    let status = child
        .wait()
        .await
        .map_err(|e| format!("cannot wait for {program}: {e}"))?;
    // The leader is gone: whatever it left behind goes too, and with it the other ends of the pipes.
    drop(group);
    let mut reading = reading;
    let output = match tokio::time::timeout(LAST_WORDS, &mut reading).await {
        Ok(read) => read.unwrap_or_default(),
        Err(_) => {
            reading.abort();
            Vec::new()
        }
    };
    Ok(Ended {
        code: status.code(),
        output: String::from_utf8_lossy(&output).trim().to_owned(),
    })
}

async fn read(from: Option<impl AsyncRead + Unpin>) -> Vec<u8> {
    let (mut kept, mut piece) = (Vec::new(), [0; 4096]);
    let Some(mut from) = from else { return kept };
    while let Ok(count @ 1..) = from.read(&mut piece).await {
        let room = OUTPUT_BYTES_MAX.saturating_sub(kept.len());
        kept.extend_from_slice(&piece[..count.min(room)]);
    }
    kept
}
