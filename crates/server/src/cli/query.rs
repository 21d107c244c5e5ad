//! `lapwing query`: a question in PromQL, of a running server or of a data directory, answered as a table, CSV, JSON, a
//! plot in the terminal or a picture in a file.

mod answer;
mod explained;
mod plot;
mod source;

use super::remote::ServerArgs;
use super::{Exit, complain};
use crate::http::parse_time_ms;
use answer::Answer;
pub(super) use source::{AskError, Question, ask, ask_for_pieces, seconds};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing query up\n  \
    lapwing query 'topk(5, rate(node_cpu_seconds_total[5m]))' --format csv\n  \
    lapwing query cpu_usage --since 1h --plot\n  \
    lapwing query cpu_usage --since 1d --picture cpu.pdf\n  \
    lapwing query 'sum(rate(x[5m]))' --explain            (what each part costs)\n  \
    lapwing query up --data ./lapwing-data          (without a server)")]
pub(crate) struct QueryArgs {
    /// The PromQL expression
    expr: String,
    #[command(flatten)]
    server: ServerArgs,
    /// Read a data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// The instant to ask about: seconds since 1970 or RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", conflicts_with_all = ["since", "start"])]
    at: Option<String>,
    /// A range query over this long until now (or --end)
    #[arg(long, value_name = "DURATION")]
    since: Option<String>,
    /// A range query from here
    #[arg(long, value_name = "TIME", conflicts_with = "since")]
    start: Option<String>,
    /// The range's end [default: now]
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// The range's step [default: a hundredth of the range, at least 1s]
    #[arg(long, value_name = "DURATION")]
    step: Option<String>,
    /// How to print the answer
    #[arg(long, value_enum, default_value = "table")]
    format: Format,
    /// The same as --format json
    #[arg(long)]
    json: bool,
    /// The same as --format plot
    #[arg(long)]
    plot: bool,
    /// Draw the answer into this file as well: .svg, .png or .pdf
    #[arg(long, value_name = "FILE")]
    picture: Option<PathBuf>,
    /// Show what each part of the expression cost instead of the answer
    #[arg(long, conflicts_with_all = ["plot", "format", "picture"])]
    explain: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    Table,
    Csv,
    Json,
    Plot,
}

/// As many steps as a terminal has columns, roughly.
const STEPS_DEFAULT: i64 = 100;

pub(crate) fn run(args: &QueryArgs) -> Exit {
    let now_ms = lapwing::Clock::system().now_ms();
    if let Some(Err(message)) = args.picture.as_deref().map(plot::kind_of) {
        eprintln!("lapwing: {message}");
        return Exit::Usage;
    }
    let question = match question_of(args, now_ms) {
        Ok(question) => question,
        Err(message) => {
            eprintln!("lapwing: {message}");
            return Exit::Usage;
        }
    };
    let asked = ask(
        (&args.server.url(), args.server.token()),
        args.data.as_deref(),
        &question,
    );
    let body = match asked {
        Ok(body) => body,
        Err(error) => {
            let exit = error.exit();
            complain(&error.into());
            return exit;
        }
    };
    show(args, &body)
}

/// How many series an expression returns now, asked of a server; why it could not be asked.
pub(super) fn ask_instant(server: &str, token: Option<&str>, expr: &str) -> Result<usize, String> {
    let question = Question::instant(expr, lapwing::Clock::system().now_ms());
    let body = source::ask_server(server, token, &question).map_err(|e| e.to_string())?;
    let answer: serde_json::Value = serde_json::from_str(&body).map_err(|e| e.to_string())?;
    Ok(answer["data"]["result"].as_array().map_or(0, Vec::len))
}

/// The series of a range query, asked of a server; why it could not be asked.
pub(super) fn ask_range(
    server: &str,
    token: Option<&str>,
    (expr, start_ms, end_ms, step_ms): (&str, i64, i64, i64),
) -> Result<serde_json::Value, AskError> {
    let question = Question::range(expr, start_ms, end_ms, step_ms);
    let body = source::ask_server(server, token, &question)?;
    let mut answer: serde_json::Value = serde_json::from_str(&body).unwrap_or_default();
    Ok(answer["data"]["result"].take())
}

fn show(args: &QueryArgs, body: &str) -> Exit {
    let format = match (args.json, args.plot) {
        (true, _) => Format::Json,
        (_, true) => Format::Plot,
        _ => args.format,
    };
    let answer = match Answer::parse(body) {
        Ok(answer) => answer,
        Err(error) => {
            eprintln!("lapwing: the answer could not be read: {error}");
            return Exit::Failed;
        }
    };
    if args.explain && !args.json {
        return match explained::table(body) {
            Some(table) => {
                print!("{table}");
                Exit::Fine
            }
            None => {
                eprintln!("lapwing: this server does not explain queries");
                Exit::Failed
            }
        };
    }
    for note in &answer.notes {
        eprintln!("note: {note}");
    }
    match format {
        Format::Json => println!("{body}"),
        Format::Csv => print!("{}", answer.csv()),
        // A head without rows says nothing that "no data" does not.
        Format::Table if answer.is_empty() => {}
        Format::Table => print!("{}", answer.table()),
        Format::Plot => print!("{}", plot::plot(&args.expr, &answer)),
    }
    if let Some(path) = args.picture.as_deref().filter(|_| !answer.is_empty())
        && let Err(error) = plot::picture(&args.expr, &answer, path)
    {
        complain(&error.into());
        return Exit::Failed;
    }
    if answer.is_empty() {
        if format != Format::Json {
            eprintln!("no data");
        }
        return Exit::NoData;
    }
    Exit::Fine
}

fn question_of(args: &QueryArgs, now_ms: i64) -> Result<Question, String> {
    let time = |text: &Option<String>| text.as_deref().map(parse_time_ms).transpose();
    let duration = |name: &str, text: &Option<String>| {
        text.as_deref()
            .map(|t| {
                lapwing_types::parse_duration_ms(t)
                    .ok()
                    .filter(|ms| *ms > 0)
                    .ok_or_else(|| format!("{name}: not a duration: {t:?} (write 15s, 5m, 1h30m)"))
            })
            .transpose()
    };
    let end_ms = time(&args.end)?.unwrap_or(now_ms);
    let start_ms = match (time(&args.start)?, duration("--since", &args.since)?) {
        (Some(start_ms), _) => Some(start_ms),
        (None, Some(since_ms)) => Some(end_ms - since_ms),
        (None, None) if args.plot || args.format == Format::Plot || args.picture.is_some() => {
            Some(end_ms - 3_600_000)
        }
        (None, None) => None,
    };
    let Some(start_ms) = start_ms else {
        let question = Question::instant(&args.expr, time(&args.at)?.unwrap_or(now_ms));
        return Ok(question.explained(args.explain));
    };
    if start_ms > end_ms {
        return Err("the range ends before it starts".to_owned());
    }
    let step_ms = duration("--step", &args.step)?
        .unwrap_or_else(|| ((end_ms - start_ms) / STEPS_DEFAULT / 1000 * 1000).max(1000));
    Ok(Question::range(&args.expr, start_ms, end_ms, step_ms).explained(args.explain))
}
