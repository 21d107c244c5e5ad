//! `lapwing doctor`: looks at everything that a start with the same flags would meet, and says what to do.
//!
//! What is looked at stands in [`crate::doctor`]; the API tells the same of a Lapwing that runs.

use super::Exit;
use super::serve::{self, ServeArgs};
use crate::config;
use crate::doctor::{Finding, Place, Verdict, examine};

#[derive(Debug, clap::Args)]
pub(crate) struct DoctorArgs {
    #[command(flatten)]
    serve: ServeArgs,
    /// As JSON
    #[arg(long)]
    json: bool,
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
        Ok(runtime) => {
            let place = Place {
                is_in_memory: args.serve.is_in_memory(),
                is_running: false,
            };
            let mut findings = vec![Finding::fine(
                "config",
                format!("{} file(s) read, no mistakes", loaded.files.len()),
            )];
            findings.extend(runtime.block_on(examine(&config, place)));
            findings
        }
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
