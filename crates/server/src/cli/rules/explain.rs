//! `lapwing rules explain`: each own rule and the PromQL that it became.

use super::{Exit, load};
use lapwing_judge::rules::{Explained, explain};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(super) struct ExplainArgs {
    /// The configuration [default: lapwing.yml, or the built-in packs]
    config: Option<PathBuf>,
    /// Only this rule
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &ExplainArgs) -> Exit {
    let config = match load(args.config.as_deref()) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    let wanted = config.alerting.own_rules.iter();
    let wanted = wanted.filter(|r| args.rule.as_ref().is_none_or(|name| *name == r.name));
    let explained: Vec<Explained> = wanted.filter_map(|rule| explain(rule).ok()).collect();
    if explained.is_empty() {
        eprintln!(
            "lapwing: no own rule{}",
            args.rule
                .as_deref()
                .map(|n| format!(" is called {n:?}"))
                .unwrap_or_default()
        );
        return Exit::Usage;
    }
    if args.json {
        println!("{}", serde_json::json!(explained));
        return Exit::Fine;
    }
    for rule in &explained {
        print!("{}", text(rule));
    }
    Exit::Fine
}

fn text(rule: &Explained) -> String {
    let mut lines = vec![format!(
        "{} ({}, for {}, no data: {:?})",
        rule.name,
        rule.severity.as_str(),
        rule.for_,
        rule.no_data
    )];
    if !rule.condition.is_empty() {
        lines.push(format!("  written   {}", rule.condition));
    }
    for name in &rule.names {
        lines.push(format!("  where     {name}"));
    }
    for record in &rule.records {
        lines.push(format!("  records   {} = {}", record.name, record.promql));
    }
    lines.push(format!("  PromQL    {}", rule.promql));
    if let Some(compares) = &rule.compares {
        lines.push(format!("  fires     {compares}"));
    }
    if let Some(recovers) = &rule.recovers {
        lines.push(format!("  ends      {recovers}"));
    }
    for also in &rule.also {
        lines.push(format!("  also      {}: {}", also.name, also.promql));
    }
    lines.join("\n") + "\n\n"
}
