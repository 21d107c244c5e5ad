//! `lapwing rules backtest`: how often rules would have fired, when, and the pages after grouping.

use super::{Exit, WhereArgs, load};
use crate::cli::complain;
use crate::cli::query::{AskError, Question, ask};
use lapwing_judge::rules::OwnRule;
use serde_json::{Value as Json, json};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing rules backtest --since 30d                         (every rule of ./lapwing.yml)\n  \
    lapwing rules backtest --rule gpu_hot --since 7d --step 1m\n  \
    lapwing rules backtest --condition 'cpu_usage > 90%' --for 5m --since 1d\n  \
    lapwing rules backtest --rule-file node.yml --data ./lapwing-data")]
pub(super) struct BacktestArgs {
    /// The configuration [default: lapwing.yml, or the built-in packs]
    config: Option<PathBuf>,
    /// Only this rule
    #[arg(long, value_name = "NAME")]
    rule: Option<String>,
    /// A condition that stands in no file yet
    #[arg(long, value_name = "CONDITION", conflicts_with_all = ["rule", "rule_file"])]
    condition: Option<String>,
    /// How long that condition has to hold
    #[arg(long = "for", value_name = "DURATION", requires = "condition")]
    for_: Option<String>,
    /// A Prometheus rule file instead of own rules
    #[arg(long, value_name = "FILE", conflicts_with = "rule")]
    rule_file: Option<PathBuf>,
    /// How far back
    #[arg(long, value_name = "DURATION", default_value = "1d")]
    since: String,
    /// Time between evaluations [default: 1m, or a 5000th of the window]
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    #[command(flatten)]
    place: WhereArgs,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
}

/// Intervals shown per rule; --json has them all.
const SHOWN_MAX: usize = 20;

pub(super) fn run(args: &BacktestArgs) -> Exit {
    let body = match body(args) {
        Ok(body) => body,
        Err(exit) => return exit,
    };
    let question = Question::post("/api/v1/rules/backtest", body.to_string());
    let place = &args.place;
    let asked = ask(
        (&place.server.url(), place.server.token()),
        place.data.as_deref(),
        &question,
    );
    let answer = match asked {
        Ok(answer) => answer,
        Err(error) => {
            let exit = match &error {
                AskError::Unreachable { .. } => Exit::Unreachable,
                AskError::Refused { class, .. } if class == "bad_data" => Exit::Usage,
                _ => Exit::Failed,
            };
            complain(&error.into());
            return exit;
        }
    };
    if args.json {
        println!("{answer}");
        return Exit::Fine;
    }
    let answer: Json = serde_json::from_str(&answer).unwrap_or_default();
    print!("{}", text(&answer["data"]));
    Exit::Fine
}

fn body(args: &BacktestArgs) -> Result<Json, Exit> {
    let mut body = json!({ "since": args.since });
    if let Some(step) = &args.step {
        body["step"] = json!(step);
    }
    if let Some(condition) = &args.condition {
        body["rule"] = json!({ "name": "condition", "condition": condition, "for": args.for_ });
        return Ok(body);
    }
    if let Some(file) = &args.rule_file {
        let text = std::fs::read_to_string(file).map_err(|e| {
            eprintln!("lapwing: cannot read {}: {e}", file.display());
            Exit::Usage
        })?;
        body["rule_file"] = json!(text);
        return Ok(body);
    }
    let config = load(args.config.as_deref())?;
    let wanted = config.alerting.own_rules.iter();
    let wanted: Vec<&OwnRule> = wanted
        .filter(|r| args.rule.as_ref().is_none_or(|name| *name == r.name))
        .collect();
    if wanted.is_empty() {
        eprintln!("lapwing: there is no such rule; `lapwing rules explain` lists them");
        return Err(Exit::Usage);
    }
    body["rules"] = json!(wanted);
    Ok(body)
}

fn text(data: &Json) -> String {
    let word = |value: &Json| value.as_str().unwrap_or("?").to_owned();
    let mut out = format!(
        "{} to {}, every {} s, {} evaluations\n",
        word(&data["start"]),
        word(&data["end"]),
        data["stepSeconds"],
        data["evaluations"]
    );
    let intervals = data["intervals"].as_array().cloned().unwrap_or_default();
    let mut rules: Vec<String> = intervals.iter().map(|i| word(&i["rule"])).collect();
    rules.sort();
    rules.dedup();
    if rules.is_empty() {
        out.push_str("nothing would have fired\n");
    }
    for rule in rules {
        let of: Vec<&Json> = intervals.iter().filter(|i| word(&i["rule"]) == rule).collect();
        let seconds: i64 = of.iter().filter_map(|i| i["seconds"].as_i64()).sum();
        let total = lapwing_types::format_duration_ms(seconds * 1000);
        out.push_str(&format!("\n{rule}: fired {} times, {total} in all\n", of.len()));
        for interval in of.iter().take(SHOWN_MAX) {
            let end = interval["end"].as_str().unwrap_or("still firing");
            out.push_str(&format!(
                "  {} .. {end}  {}\n",
                word(&interval["start"]),
                interval["labels"]
            ));
        }
        if of.len() > SHOWN_MAX {
            out.push_str(&format!(
                "  and {} more (--json shows all)\n",
                of.len() - SHOWN_MAX
            ));
        }
    }
    out.push_str(&format!("\n{} pages would have left\n", data["pagesCount"]));
    for page in data["pages"].as_array().into_iter().flatten().take(SHOWN_MAX) {
        out.push_str(&format!(
            "  {} to {} ({}): firing {} resolved {}\n",
            word(&page["at"]),
            word(&page["receiver"]),
            word(&page["channel"]),
            page["firing"],
            page["resolved"]
        ));
    }
    for (rule, reason) in data["failures"].as_object().into_iter().flatten() {
        out.push_str(&format!("failed: {rule}: {}\n", word(reason)));
    }
    out
}
