//! `lapwing doctor`: looks at everything that a start with the same flags would meet, and says what to do.
//!
//! Nothing is changed and nobody is paged: targets are asked once, receivers are only connected to. One file per kind of
//! thing that is looked at; a new check is one function and one line in [`examine`].

mod machine;
mod receivers;
mod sources;

use super::Exit;
use super::serve::{self, ServeArgs};
use crate::config::{self, Config};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Verdict {
    Fine,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(super) struct Finding {
    check: &'static str,
    verdict: Verdict,
    message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<String>,
}

impl Finding {
    fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Finding {
            check,
            verdict: Verdict::Fine,
            message: message.into(),
            advice: None,
        }
    }

    fn warning(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding {
            check,
            verdict: Verdict::Warning,
            message: message.into(),
            advice: Some(advice.into()),
        }
    }

    fn error(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding {
            verdict: Verdict::Error,
            ..Finding::warning(check, message, advice)
        }
    }
}

/// 0 when nothing is an error, 1 when something is, 2 when the configuration is.
pub(crate) fn run(args: &DoctorArgs) -> Exit {
    let loaded = serve::load(&serve::settled(&args.serve));
    let report = config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok());
    let Some(config) = loaded.config else {
        eprint!("{report}");
        let wrong = Finding::error(
            "config",
            "the configuration has mistakes",
            "put right what `lapwing check` names, then ask again",
        );
        show(&[wrong], args.json);
        return Exit::Usage;
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let findings = match runtime {
        Ok(runtime) => runtime.block_on(examine(&config, loaded.files.len(), args.serve.is_in_memory())),
        Err(error) => vec![Finding::error(
            "threads",
            format!("no threads can be started: {error}"),
            "raise the limit of processes (ulimit -u)",
        )],
    };
    show(&findings, args.json);
    if findings.iter().any(|f| f.verdict == Verdict::Error) {
        Exit::Failed
    } else {
        Exit::Fine
    }
}

async fn examine(config: &Config, files: usize, is_in_memory: bool) -> Vec<Finding> {
    let mut findings = vec![Finding::fine(
        "config",
        format!("{files} file(s) read, no mistakes"),
    )];
    findings.push(machine::clock());
    if !is_in_memory {
        findings.push(machine::disk(&config.store.data));
    }
    findings.push(machine::open_files(config.limits.connections_max));
    findings.push(machine::memory(config));
    findings.push(machine::port(config).await);
    findings.push(machine::gpu());
    findings.extend(sources::examine(config).await);
    findings.extend(receivers::examine(config).await);
    findings
}

fn show(findings: &[Finding], json: bool) {
    if json {
        let worst = findings.iter().map(|f| f.verdict).max().unwrap_or(Verdict::Fine);
        println!(
            "{}",
            serde_json::json!({ "verdict": worst, "findings": findings })
        );
        return;
    }
    for finding in findings {
        let word = match finding.verdict {
            Verdict::Fine => "fine   ",
            Verdict::Warning => "warning",
            Verdict::Error => "ERROR  ",
        };
        println!("{word}  {:<9} {}", finding.check, finding.message);
        if let Some(advice) = &finding.advice {
            println!("{:>20}do: {advice}", "");
        }
    }
}

/// The nearest folder that exists, for a data directory that is made only at the first start.
fn existing(path: &Path) -> &Path {
    let mut here = path;
    while !here.exists() {
        match here.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => here = parent,
            _ => return Path::new("."),
        }
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_will_hold_the_data_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert_eq!(existing(Path::new("not-there-yet")), Path::new("."));
    }

    #[test]
    fn a_finding_as_json_leaves_out_what_it_has_not() {
        let fine = serde_json::to_value(Finding::fine("clock", "ticks")).unwrap();
        assert_eq!(
            fine,
            serde_json::json!({ "check": "clock", "verdict": "fine", "message": "ticks" })
        );
    }
}
