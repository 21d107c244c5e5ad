//! `lapwing silence`: keep alerts quiet for a while, and see beforehand what that hides.

use super::Exit;
use super::alerts::matcher_of;
use super::remote::{Call, RemoteError, ServerArgs};
use crate::http::parse_time_ms;
use comfy_table::{ContentArrangement, Table, presets};
use lapwing_notify::config::parse_matchers;
use lapwing_notify::dispatch::{SilenceMatcher, SilenceView};
use lapwing_types::{MatchOp, parse_duration_ms};
use serde::Deserialize;
use serde_json::json;
use std::collections::BTreeMap;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing silence preview HighLoss model=chat                     what it would hide\n  \
    lapwing silence add HighLoss model=chat --for 2h --comment 'new weights'\n  \
    lapwing silence add severity=~'info|warning' --until 2026-12-01T06:00:00Z --comment move\n  \
    lapwing silence add DiskFull --until-resolved --comment 'disk ordered'\n  \
    lapwing silence list                                            those that hold or will\n  \
    lapwing silence expire ID\n\n\
    A bare word is an alert's name; matchers are as in PromQL and amtool: = != =~ !~. All of them have to hold.\n\
    Exit codes: 0 done, 1 refused, 2 a matcher or a time is wrong, 3 unreachable, 4 no such silence")]
pub(crate) struct SilenceArgs {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Verb {
    /// Set one; prints its ID
    Add(AddArgs),
    /// Show those that hold or will; all of these matchers have to be in them
    List(ListArgs),
    /// End some
    Expire(ExpireArgs),
    /// Say which firing alerts one would hide
    Preview(PreviewArgs),
}

#[derive(Clone, Debug, clap::Args)]
struct AddArgs {
    /// What to hide
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// How long
    #[arg(long = "for", value_name = "DURATION", default_value = "1h")]
    for_: String,
    /// Until when, instead: RFC 3339 or seconds since 1970
    #[arg(long, value_name = "TIME", conflicts_with = "for_")]
    until: Option<String>,
    /// From when on [default: now]
    #[arg(long, value_name = "TIME")]
    from: Option<String>,
    /// It ends by itself when nothing that it hides fires any more
    #[arg(long)]
    until_resolved: bool,
    /// Why
    #[arg(long, value_name = "TEXT", required = true)]
    comment: String,
    /// Who sets it; a token's own name counts over it
    #[arg(long, visible_alias = "author", value_name = "NAME", env = "USER")]
    by: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct ListArgs {
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Those that are over, too
    #[arg(long)]
    expired: bool,
    /// Print them as JSON, as API v2 shows them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct ExpireArgs {
    #[arg(value_name = "ID", required = true)]
    ids: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Clone, Debug, clap::Args)]
struct PreviewArgs {
    #[arg(value_name = "MATCHER", required = true)]
    matchers: Vec<String>,
    /// Print the answer as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// What went wrong before anything was asked, or after.
enum Failure {
    Usage(String),
    Remote(RemoteError),
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Failure::Remote(error)
    }
}

impl From<String> for Failure {
    fn from(message: String) -> Self {
        Failure::Usage(message)
    }
}

pub(crate) fn run(args: &SilenceArgs) -> Exit {
    let done = match &args.verb {
        Verb::Add(args) => add(args),
        Verb::List(args) => list(args),
        Verb::Expire(args) => expire(args),
        Verb::Preview(args) => preview(args),
    };
    match done {
        Ok(()) => Exit::Fine,
        Err(Failure::Remote(error)) => error.complain(),
        Err(Failure::Usage(message)) => {
            eprintln!("lapwing: {message}");
            Exit::Usage
        }
    }
}

fn add(args: &AddArgs) -> Result<(), Failure> {
    let now_ms = lapwing::Clock::system().now_ms();
    let from_ms = args.from.as_deref().map_or(Ok(now_ms), parse_time_ms)?;
    let until_ms = match &args.until {
        Some(text) => parse_time_ms(text)?,
        None => {
            let for_ms = parse_duration_ms(&args.for_).map_err(|e| format!("--for: {e}"))?;
            from_ms.saturating_add(for_ms)
        }
    };
    if until_ms <= from_ms.max(now_ms) {
        return Err("it would be over before it begins".to_owned().into());
    }
    let mut silence = silence_of(&args.matchers, (from_ms, until_ms))?;
    silence.comment.clone_from(&args.comment);
    silence.created_by = args.by.clone().unwrap_or_default();
    silence.until_resolved = args.until_resolved;
    let hidden = ask_preview(&args.server, &silence)?;
    let call = Call::post("/api/v2/silences", json!(silence));
    let answer: serde_json::Value = args.server.ask(call)?;
    eprint!("{}", hidden.shown());
    println!("{}", answer["silenceID"].as_str().unwrap_or_default());
    Ok(())
}

fn silence_of(words: &[String], (from_ms, until_ms): (i64, i64)) -> Result<SilenceView, String> {
    let mut matchers = Vec::new();
    for word in words {
        let parsed = parse_matchers(&matcher_of(word)).map_err(|e| format!("{word:?}: {e}"))?;
        matchers.extend(parsed.into_iter().map(|m| SilenceMatcher {
            is_regex: matches!(m.op, MatchOp::Regex | MatchOp::NotRegex),
            is_equal: matches!(m.op, MatchOp::Equal | MatchOp::Regex),
            name: m.name,
            value: m.value,
        }));
    }
    let time = |ms| jiff::Timestamp::from_millisecond(ms).map(|t| t.to_string());
    Ok(SilenceView {
        id: None,
        status: None,
        updated_at: None,
        comment: String::new(),
        created_by: String::new(),
        starts_at: time(from_ms).map_err(|e| e.to_string())?,
        ends_at: time(until_ms).map_err(|e| e.to_string())?,
        matchers,
        annotations: BTreeMap::new(),
        until_resolved: false,
    })
}

#[derive(Debug, Deserialize)]
struct Hidden {
    hidden: Vec<HiddenAlert>,
    warning: Option<String>,
}

#[derive(Debug, Deserialize)]
struct HiddenAlert {
    labels: BTreeMap<String, String>,
}

/// Of more, the number says enough.
const SHOWN_MAX: usize = 20;

impl Hidden {
    fn shown(&self) -> String {
        let mut out = match self.hidden.len() {
            0 => "hides nothing that fires now\n".to_owned(),
            1 => "hides 1 alert that fires now:\n".to_owned(),
            n => format!("hides {n} alerts that fire now:\n"),
        };
        for alert in self.hidden.iter().take(SHOWN_MAX) {
            let labels: Vec<String> = alert.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            out.push_str(&format!("  {}\n", labels.join(" ")));
        }
        if self.hidden.len() > SHOWN_MAX {
            out.push_str(&format!("  and {} more\n", self.hidden.len() - SHOWN_MAX));
        }
        if let Some(warning) = &self.warning {
            out.push_str(&format!("warning: it {warning}\n"));
        }
        out
    }
}

fn ask_preview(server: &ServerArgs, silence: &SilenceView) -> Result<Hidden, RemoteError> {
    server.ask(Call::post("/api/v1/silences/preview", json!(silence)))
}

fn preview(args: &PreviewArgs) -> Result<(), Failure> {
    let now_ms = lapwing::Clock::system().now_ms();
    let silence = silence_of(&args.matchers, (now_ms, now_ms + 3_600_000))?;
    if args.json {
        let answer = args
            .server
            .tell(Call::post("/api/v1/silences/preview", json!(silence)))?;
        println!("{answer}");
    } else {
        print!("{}", ask_preview(&args.server, &silence)?.shown());
    }
    Ok(())
}

fn expire(args: &ExpireArgs) -> Result<(), Failure> {
    for id in &args.ids {
        let escaped: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
        args.server
            .tell(Call::delete(format!("/api/v2/silence/{escaped}")))?;
        println!("{id} is over");
    }
    Ok(())
}

fn list(args: &ListArgs) -> Result<(), Failure> {
    let mut call = Call::get("/api/v2/silences");
    for word in &args.matchers {
        call = call.with("filter", matcher_of(word));
    }
    let mut silences: Vec<SilenceView> = args.server.ask(call)?;
    silences.retain(|s| args.expired || state_of(s) != "expired");
    if args.json {
        println!("{}", serde_json::to_string_pretty(&silences).unwrap_or_default());
        return Ok(());
    }
    if silences.is_empty() {
        println!("no silence holds");
        return Ok(());
    }
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["STATE", "MATCHERS", "ENDS", "BY", "COMMENT", "ID"]);
    for silence in &silences {
        let ends = short_time(&silence.ends_at);
        table.add_row([
            state_of(silence).to_owned(),
            silence.matchers.iter().map(shown).collect::<Vec<_>>().join(" "),
            if silence.until_resolved {
                format!("{ends} or when resolved")
            } else {
                ends
            },
            silence.created_by.clone(),
            silence.comment.clone(),
            silence.id.clone().unwrap_or_default(),
        ]);
    }
    println!("{table}");
    Ok(())
}

fn state_of(silence: &SilenceView) -> &str {
    let status = silence.status.as_ref();
    status.and_then(|s| s.get("state")).map_or("", String::as_str)
}

fn shown(matcher: &SilenceMatcher) -> String {
    let op = match (matcher.is_regex, matcher.is_equal) {
        (false, true) => "=",
        (false, false) => "!=",
        (true, true) => "=~",
        (true, false) => "!~",
    };
    format!("{}{op}{:?}", matcher.name, matcher.value)
}

fn short_time(text: &str) -> String {
    let time = text.parse::<jiff::Timestamp>();
    time.map_or_else(
        |_| text.to_owned(),
        |t| t.strftime("%Y-%m-%d %H:%M UTC").to_string(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_become_matchers() {
        let words = ["HighLoss", "model!=chat", "severity=~a|b", "zone!~x.*"].map(str::to_owned);
        let silence = silence_of(&words, (0, 1_000)).unwrap();
        let all: Vec<String> = silence.matchers.iter().map(shown).collect();
        assert_eq!(
            all,
            [
                "alertname=\"HighLoss\"",
                "model!=\"chat\"",
                "severity=~\"a|b\"",
                "zone!~\"x.*\""
            ]
        );
        assert!(silence_of(&["a=~(".to_owned()], (0, 1)).is_err());
    }

    #[test]
    fn what_is_hidden_is_counted_and_warned_of() {
        let alert = || HiddenAlert {
            labels: BTreeMap::from([("alertname".to_owned(), "x".to_owned())]),
        };
        let hidden = Hidden {
            hidden: (0..22).map(|_| alert()).collect(),
            warning: Some("hides 1 critical of 22 alerts".to_owned()),
        };
        let shown = hidden.shown();
        assert!(
            shown.starts_with("hides 22 alerts that fire now:\n  alertname=x\n"),
            "{shown}"
        );
        assert!(
            shown.ends_with("  and 2 more\nwarning: it hides 1 critical of 22 alerts\n"),
            "{shown}"
        );
    }
}
