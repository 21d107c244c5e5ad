//! `lapwing rules lint`: rules that are PromQL and still cannot work; and the part of it that `lapwing check` does without asking
//! anybody.

use super::{Exit, WhereArgs, load};
use crate::cli::complain;
use crate::cli::query::{AskError, Question, ask};
use crate::config::{Config, Diagnostic, Level, render};
use lapwing_judge::lint::{Facts, MetricFact, lint};
use lapwing_judge::rules::{RuleGroup, RuleKind};
use lapwing_query::promql::parse;
use lapwing_types::MetricKind;
use std::collections::BTreeSet;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct LintArgs {
    /// The configuration [default: lapwing.yml]
    config: Option<PathBuf>,
    #[command(flatten)]
    place: WhereArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &LintArgs) -> Exit {
    let config = match load(args.config.as_deref()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let facts = match facts(&args.place) {
        Ok(facts) => facts,
        Err(error) => {
            let exit = match &error {
                AskError::Unreachable { .. } => Exit::Unreachable,
                _ => Exit::Failed,
            };
            complain(&error.into());
            return exit;
        }
    };
    let found = findings(&config.alerting.paging.groups, &facts);
    if args.json {
        println!("{}", serde_json::json!({ "findings": found }));
    } else if found.is_empty() {
        println!("nothing to say about these rules");
    } else {
        print!("{}", render(&found, |f| std::fs::read_to_string(f).ok()));
    }
    if found.is_empty() {
        Exit::Fine
    } else {
        Exit::Failed
    }
}

/// What can be said of a configuration without knowing any series.
pub(crate) fn static_findings(config: &Config) -> Vec<Diagnostic> {
    findings(&config.alerting.paging.groups, &Facts::default())
}

fn findings(groups: &[RuleGroup], facts: &Facts) -> Vec<Diagnostic> {
    let records = groups.iter().flat_map(|g| &g.rules);
    let records = records.filter(|r| matches!(r.kind, RuleKind::Recording));
    let recorded: BTreeSet<String> = records.map(|r| r.name.clone()).collect();
    let mut found = Vec::new();
    // A pack is quiet where nothing is measured: that its metrics are missing is no news.
    for group in groups.iter().filter(|g| !g.file.starts_with("packs/")) {
        for rule in &group.rules {
            let Ok(expr) = parse(&rule.expr) else { continue };
            for finding in lint(&expr, facts, &recorded) {
                found.push(Diagnostic {
                    level: Level::Warning,
                    file: group.file.clone(),
                    line: usize::try_from(rule.line).unwrap_or(1).max(1),
                    column: 1,
                    path: rule.name.clone(),
                    message: finding.message,
                    hint: finding.hint,
                });
            }
        }
    }
    found
}

/// Names and kinds of what a source has.
fn facts(place: &WhereArgs) -> Result<Facts, AskError> {
    let get = |path| {
        ask(
            (&place.server.url(), place.server.token()),
            place.data.as_deref(),
            &Question::get(path, Vec::new()),
        )
    };
    let mut facts = Facts::default();
    let names = json(&get("/api/v1/label/__name__/values")?);
    for name in names["data"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|n| n.as_str())
    {
        facts.add(name, MetricFact::default());
    }
    let metadata = json(&get("/api/v1/metadata")?);
    for (name, entries) in metadata["data"].as_object().into_iter().flatten() {
        let kind = match entries[0]["type"].as_str() {
            Some("counter") => Some(MetricKind::Counter),
            Some("gauge") => Some(MetricKind::Gauge),
            Some("histogram") => Some(MetricKind::Histogram),
            Some("summary") => Some(MetricKind::Summary),
            _ => None,
        };
        facts.add(name, MetricFact { kind, range: None });
        if matches!(kind, Some(MetricKind::Histogram | MetricKind::Summary)) {
            for suffix in ["_bucket", "_count", "_sum"] {
                facts.add(&format!("{name}{suffix}"), MetricFact { kind, range: None });
            }
        }
    }
    Ok(facts)
}

fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or_default()
}
