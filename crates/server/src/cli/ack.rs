//! `lapwing ack`: somebody has it. Repeats and escalation stop, until it ends or the acknowledgement does.

use super::Exit;
use super::alerts::{AlertRow, pick, state_of, table};
use super::remote::{Call, RemoteError, ServerArgs};
use super::shown::shown;
use lapwing_types::parse_duration_ms;
use serde_json::json;

#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing ack 0c1d2e3f4a5b6c7d --comment 'restarting the pod'\n  \
    lapwing ack HighLoss model=chat --for 1h         after an hour it pages again, if it still fires\n  \
    lapwing ack --all severity=warning               several at once\n  \
    lapwing ack 0c1d2e --undo                        give it back\n\n\
    Exit codes: 0 done, 1 refused, 2 it is not clear which alert is meant, 3 unreachable, 4 no such alert fires")]
pub(crate) struct AckArgs {
    /// Matchers, names, or the beginning of an ID, as `lapwing alerts` takes them
    #[arg(value_name = "ALERT", required = true)]
    alerts: Vec<String>,
    /// What you are doing about it
    #[arg(long, value_name = "TEXT", default_value = "")]
    comment: String,
    /// How long it holds: 30m, 2h [default: until the alert ends]
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    for_ms: Option<i64>,
    /// Who has it; a token's own name counts over it
    #[arg(long, value_name = "NAME", env = "USER")]
    by: Option<String>,
    /// All that match, where several do
    #[arg(long)]
    all: bool,
    /// Take the acknowledgement back
    #[arg(long, conflicts_with_all = ["comment", "for_ms"])]
    undo: bool,
    #[command(flatten)]
    server: ServerArgs,
}

fn duration(text: &str) -> Result<i64, String> {
    match parse_duration_ms(text) {
        Ok(ms) if ms > 0 => Ok(ms),
        Ok(_) => Err("longer than nothing".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

pub(crate) fn run(args: &AckArgs) -> Exit {
    let rows = match pick(&args.server, &args.alerts) {
        Ok(rows) => rows,
        Err(error) => return error.complain(),
    };
    let now_ms = lapwing::Clock::system().now_ms();
    if rows.is_empty() {
        eprintln!("lapwing: no alert that fires matches {}", args.alerts.join(" "));
        return Exit::NoData;
    }
    if rows.len() > 1 && !args.all {
        eprintln!(
            "lapwing: several match; name one by its ID, or all of them with --all\n{}",
            table(&rows, now_ms)
        );
        return Exit::Usage;
    }
    for row in &rows {
        match one(args, row, now_ms) {
            Ok(said) => println!("{said}"),
            Err(error) => {
                let is_refused = matches!(error, RemoteError::Refused { status: 400, .. });
                let exit = error.complain();
                if is_refused && !args.undo && args.by.as_deref().unwrap_or("").trim().is_empty() {
                    eprintln!("  hint: say who has it with --by NAME ($USER is not set here)");
                }
                return exit;
            }
        }
    }
    Exit::Fine
}

fn one(args: &AckArgs, row: &AlertRow, now_ms: i64) -> Result<String, RemoteError> {
    let path = format!("/api/v1/alerts/{}/ack", row.fingerprint);
    if args.undo {
        args.server.tell(Call::delete(path))?;
        return Ok(format!(
            "{} pages again ({} before)",
            shown(row.name()),
            state_of(row)
        ));
    }
    let until = args
        .for_ms
        .and_then(|ms| jiff::Timestamp::from_millisecond(now_ms.saturating_add(ms)).ok());
    let mut body = json!({ "by": args.by.clone().unwrap_or_default(), "comment": args.comment });
    if let Some(until) = until {
        body["expires_at"] = json!(until.to_string());
    }
    args.server.tell(Call::post(path, body))?;
    let until = until.map_or_else(
        || "until it ends".to_owned(),
        |t| format!("until {}", t.strftime("%Y-%m-%d %H:%M UTC")),
    );
    Ok(format!("{} is acknowledged {until}", shown(row.name())))
}
