//! `lapwing routes`: where would this alert go, and why? Of a file, or of a running server with its silences and alerts.

mod draw;

use super::Exit;
use super::remote::{Call, RemoteError, ServerArgs};
use crate::config::{self, load_either};
use crate::http::parse_time_ms;
use lapwing_notify::dispatch::{DispatchState, Dispatcher, RouteView, Traced, trace_route};
use lapwing_types::Labels;
use serde_json::json;
use std::path::{Path, PathBuf};
use std::sync::Arc;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing routes show                                            the tree\n  \
    lapwing routes test alertname=HighLoss model=chat severity=critical\n  \
    lapwing routes test --config alertmanager.yml severity=page --expect pager\n  \
    lapwing routes test --server http://lapwing:9595 alertname=HighLoss   with the silences and alerts of now\n  \
    lapwing routes test --at 2026-12-24T03:00:00Z severity=critical       who is on call then\n\n\
    Without --config it is ./lapwing.yml, or ./alertmanager.yml; without these the running server is asked.\n\
    Exit codes: 0 fine, 1 not the receivers that --expect names, 2 a mistake in labels or configuration, 3 unreachable")]
pub(crate) struct RoutesArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// Draw the tree of routes
    Show(ShowArgs),
    /// Say where an alert with these labels would go
    Test(TestArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct Source {
    /// A lapwing.yml or an alertmanager.yml
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct ShowArgs {
    /// Print it as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

#[derive(Clone, Debug, clap::Args)]
struct TestArgs {
    /// The alert's labels
    #[arg(value_name = "NAME=VALUE", required = true)]
    labels: Vec<String>,
    /// At this time: RFC 3339 or seconds since 1970 [default: now; needs a file]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Fail unless it goes to exactly these receivers, separated by commas
    #[arg(long, value_name = "RECEIVERS", value_delimiter = ',')]
    expect: Vec<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Source,
}

/// Files that are looked for where none is named.
const DEFAULT_FILES: [&str; 2] = ["lapwing.yml", "alertmanager.yml"];

enum Failure {
    /// What is wrong was shown already.
    Shown,
    Usage(String),
    Remote(RemoteError),
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Usage(message)
    }
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Failure::Remote(error)
    }
}

pub(crate) fn run(args: &RoutesArgs) -> Exit {
    let done = match &args.verb {
        Verb::Show(args) => show(args).map(|()| Exit::Fine),
        Verb::Test(args) => test(args),
    };
    match done {
        Ok(exit) => exit,
        Err(Failure::Shown) => Exit::Usage,
        Err(Failure::Remote(error)) => error.complain(),
        Err(Failure::Usage(message)) => {
            eprintln!("lapwing: {message}");
            Exit::Usage
        }
    }
}

impl Source {
    /// The file that is meant; none where a server is to be asked.
    fn file(&self) -> Option<PathBuf> {
        if self.config.is_some() || self.server.is_named() {
            return self.config.clone();
        }
        let found = DEFAULT_FILES.iter().map(PathBuf::from).find(|f| f.exists());
        if let Some(file) = &found {
            eprintln!(
                "of {} (--config names another, --server asks a running one)",
                file.display()
            );
        }
        found
    }
}

/// Dispatch as that file would have it, without any alert.
fn dispatcher(file: &Path, now_ms: i64) -> Result<Dispatcher, Failure> {
    let (loaded, _) = load_either(file);
    eprint!(
        "{}",
        config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok())
    );
    let config = loaded.config.ok_or(Failure::Shown)?;
    let notify = Arc::clone(&config.alerting.paging.notify);
    Ok(Dispatcher::new(notify, DispatchState::default(), now_ms))
}

fn show(args: &ShowArgs) -> Result<(), Failure> {
    let now_ms = lapwing::Clock::system().now_ms();
    let tree: RouteView = match args.source.file() {
        Some(file) => trace_route(&dispatcher(&file, now_ms)?.config().route, None, true),
        None => args.source.server.ask(Call::get("/api/v1/routes"))?,
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&tree).unwrap_or_default());
    } else {
        print!("{}", draw::tree(&tree));
    }
    Ok(())
}

fn test(args: &TestArgs) -> Result<Exit, Failure> {
    let labels = labels_of(&args.labels)?;
    let traced: Traced = match args.source.file() {
        Some(file) => {
            let now_ms = match &args.at {
                Some(text) => parse_time_ms(text).map_err(|e| format!("--at: {e}"))?,
                None => lapwing::Clock::system().now_ms(),
            };
            dispatcher(&file, now_ms)?.trace(&labels, now_ms)
        }
        None if args.at.is_some() => {
            return Err(
                "--at needs a file: a server answers for now\n  hint: name one with --config"
                    .to_owned()
                    .into(),
            );
        }
        None => {
            let call = Call::post("/api/v1/routes/test", json!({ "labels": labels }));
            args.source.server.ask(call)?
        }
    };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&traced).unwrap_or_default());
    } else {
        print!("{}", draw::traced(&labels, &traced));
    }
    if !args.expect.is_empty() && args.expect != traced.receivers {
        eprintln!(
            "lapwing: expected {}, but it goes to {}",
            args.expect.join(", "),
            traced.receivers.join(", ")
        );
        return Ok(Exit::Failed);
    }
    Ok(Exit::Fine)
}

fn labels_of(words: &[String]) -> Result<Labels, String> {
    let mut pairs = Vec::new();
    for word in words {
        let (name, value) = word.split_once('=').ok_or_else(|| {
            format!("{word:?} is not a label\n  hint: write alertname=HighLoss severity=critical")
        })?;
        pairs.push((name, value.trim_matches('"')));
    }
    Labels::from_pairs(pairs).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_pairs() {
        let words = |all: &[&str]| all.iter().map(|w| (*w).to_owned()).collect::<Vec<_>>();
        let labels = labels_of(&words(&["a=1", "b=\"x y\"", "c=d=e"])).unwrap();
        assert_eq!(labels.to_string(), r#"{a="1", b="x y", c="d=e"}"#);
        assert!(
            labels_of(&words(&["HighLoss"]))
                .unwrap_err()
                .contains("alertname=HighLoss")
        );
        assert!(labels_of(&words(&["a=1", "a=2"])).is_err());
    }
}
