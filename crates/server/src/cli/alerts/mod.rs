//! `lapwing alerts`: what fires, the worst first. Exit codes: 0 nothing that somebody should look at, 1 something fires,
//! 3 unreachable.

mod pick;

pub(crate) use pick::{AlertRow, is_fingerprint, matcher_of, pick};

use super::Exit;
use super::remote::ServerArgs;
use super::shown::shown_short;
use comfy_table::{ContentArrangement, Table, presets};
use lapwing_types::{Severity, format_duration_ms};
use std::collections::BTreeMap;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing alerts                              everything, the worst first\n  \
    lapwing alerts severity=critical            matchers as in PromQL and amtool: = != =~ !~\n  \
    lapwing alerts HighLoss model=chat          a bare word is an alert's name\n  \
    lapwing alerts --active                     without those silenced, inhibited, muted or acknowledged\n  \
    lapwing alerts --json | jq '.[].labels'\n\n\
    Then: `lapwing why ID` says who was told and why, `lapwing ack ID` that you have it, `lapwing silence add` keeps it quiet.\n\
    Exit codes: 0 nothing is active, 1 something is, 2 a matcher is wrong, 3 unreachable")]
pub(crate) struct AlertsArgs {
    /// Matchers, names, or the beginning of an ID
    #[arg(value_name = "MATCHER")]
    matchers: Vec<String>,
    /// Only those that keep somebody busy: not silenced, inhibited, muted or acknowledged
    #[arg(long)]
    active: bool,
    /// Only these and worse: info, warning, error, critical, emergency
    #[arg(long, value_name = "SEVERITY", value_parser = severity)]
    at_least: Option<Severity>,
    /// Print them as JSON, as API v2 shows them
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn severity(word: &str) -> Result<Severity, String> {
    Severity::parse(word).ok_or_else(|| "write info, warning, error, critical or emergency".to_owned())
}

pub(crate) fn run(args: &AlertsArgs) -> Exit {
    let mut rows = match pick(&args.server, &args.matchers) {
        Ok(rows) => rows,
        Err(error) => return error.complain(),
    };
    rows.retain(|row| args.at_least.is_none_or(|least| row.severity() >= least));
    rows.retain(|row| !args.active || is_active(row));
    let now_ms = lapwing::Clock::system().now_ms();
    if args.json {
        println!("{}", serde_json::to_string_pretty(&rows).unwrap_or_default());
    } else if rows.is_empty() {
        let about = if args.matchers.is_empty() { "" } else { " of these" };
        println!("nothing{about} fires");
    } else {
        println!("{}", table(&rows, now_ms));
    }
    if rows.iter().any(is_active) {
        Exit::Failed
    } else {
        Exit::Fine
    }
}

fn is_active(row: &AlertRow) -> bool {
    row.status.state == "active" && row.status.muted_by.is_empty() && row.acked_by.is_none()
}

/// What becomes of it, in a word or two.
pub(crate) fn state_of(row: &AlertRow) -> String {
    let status = &row.status;
    if let Some(by) = &row.acked_by {
        format!("acked by {}", shown_short(by))
    } else if !status.silenced_by.is_empty() {
        "silenced".to_owned()
    } else if !status.inhibited_by.is_empty() {
        "inhibited".to_owned()
    } else if !status.muted_by.is_empty() {
        "muted".to_owned()
    } else {
        "firing".to_owned()
    }
}

pub(crate) fn table(rows: &[AlertRow], now_ms: i64) -> Table {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["SEVERITY", "STATE", "ALERT", "FOR", "WHERE", "WHAT", "ID"]);
    for row in rows {
        table.add_row([
            row.severity().as_str().to_owned(),
            state_of(row),
            shown_short(row.name()),
            age(row.starts_at.as_millisecond(), now_ms),
            place(&row.labels),
            shown_short(about(row)),
            row.fingerprint.clone(),
        ]);
    }
    table
}

/// Two units are enough to know how long.
pub(crate) fn age(from_ms: i64, now_ms: i64) -> String {
    let ms = (now_ms - from_ms).max(0);
    let unit_ms = match ms {
        ms if ms >= 24 * 3_600_000 => 3_600_000,
        ms if ms >= 3_600_000 => 60_000,
        _ => 1_000,
    };
    format_duration_ms(ms / unit_ms * unit_ms)
}

fn place(labels: &BTreeMap<String, String>) -> String {
    let rest = labels
        .iter()
        .filter(|(name, _)| *name != "alertname" && *name != "severity");
    rest.map(|(name, value)| format!("{}={}", shown_short(name), shown_short(value)))
        .collect::<Vec<_>>()
        .join(" ")
}

fn about(row: &AlertRow) -> &str {
    ["summary", "description", "message"]
        .iter()
        .find_map(|name| row.annotations.get(*name))
        .map_or("", String::as_str)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_has_two_units() {
        for (ms, expect) in [
            (0, "0s"),
            (59_999, "59s"),
            (3_661_000, "1h1m"),
            (90_061_000, "1d1h"),
            (-5, "0s"),
        ] {
            assert_eq!(age(0, ms), expect);
        }
    }
}
