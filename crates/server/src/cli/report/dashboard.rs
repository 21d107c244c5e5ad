//! `lapwing report dashboard`: a dashboard as a PDF in a file, as the web UI saves it; without a name the list of them.
//!
//! A name is the id of one that the server has. What looks like a path is a file of this machine, sent along with the question.

use super::super::query::seconds;
use super::super::remote::{Call, RemoteError, ServerArgs};
use super::super::shown::{shown, shown_short};
use super::super::{Exit, complain};
use super::output::Output;
use super::{offset_s, zone};
use crate::config::did_you_mean;
use crate::dashboards::Board;
use crate::http::parse_time_ms;
use anyhow::{Context, anyhow};
use comfy_table::{ContentArrangement, Table, presets};
use lapwing_chart::Unit;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing report dashboard                                      list them\n  \
    lapwing report dashboard host                                 the last hour, as host.pdf\n  \
    lapwing report dashboard host --since 7d --theme dark --output week.pdf\n  \
    lapwing report dashboard vllm --var model=llama --var model=qwen --start 2026-11-01T00:00:00Z\n  \
    lapwing report dashboard ./board.yml --output - | lpr         a file that the server need not have\n\n\
    Times on paper are those of this machine's time zone; --utc writes UTC.\n\
    Exit codes: 0 written, 1 failed, 2 usage, 3 unreachable, 4 no such dashboard, 5 timeout")]
pub(super) struct DashboardArgs {
    /// The id of a dashboard, or a file (./board.yml); without it the dashboards are listed
    #[arg(value_name = "BOARD")]
    board: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// This long until now, or until --end [default: 1h]
    #[arg(long, value_name = "DURATION", value_parser = duration, conflicts_with = "start", requires = "board")]
    since: Option<i64>,
    /// From here: seconds since 1970 or RFC 3339
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms, requires = "board")]
    start: Option<i64>,
    /// Until here [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_time_ms, requires = "board")]
    end: Option<i64>,
    /// What is chosen of a variable; again for more of them, and for several values of one
    #[arg(long = "var", value_name = "NAME=VALUE", value_parser = pair, requires = "board")]
    variables: Vec<(String, String)>,
    /// Colours of the paper
    #[arg(long, value_enum, default_value = "light", requires = "board")]
    theme: Theme,
    /// The file, or a folder for it; `-` is standard output [default: BOARD.pdf]
    #[arg(long, short, value_name = "FILE", requires = "board")]
    output: Option<PathBuf>,
    /// Write times in UTC
    #[arg(long, requires = "board")]
    utc: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Theme {
    Light,
    Dark,
}

/// A document asks some hundred queries, one after another.
const TIMEOUT: Duration = Duration::from_secs(300);
/// How every PDF begins.
const PDF_HEAD: &[u8] = b"%PDF-";

#[derive(serde::Deserialize)]
struct Envelope {
    data: Listing,
}

#[derive(serde::Deserialize)]
struct Listing {
    dashboards: Vec<Listed>,
}

#[derive(serde::Deserialize)]
struct Listed {
    id: String,
    board: Option<Shown>,
    /// Why its file cannot be shown.
    error: Option<String>,
}

/// What of a dashboard is needed here; a newer server may say more.
#[derive(serde::Deserialize)]
struct Shown {
    title: String,
    #[serde(default)]
    variables: Vec<Named>,
}

#[derive(serde::Deserialize)]
struct Named {
    name: String,
}

/// What is to be drawn, and from where.
struct Wanted {
    /// What its file is called where nothing else is said, without the extension.
    name: String,
    variables: Vec<String>,
    /// Where the server does not have it.
    yaml: Option<String>,
}

enum Failure {
    Remote(RemoteError),
    Other(Exit, anyhow::Error),
}

impl From<RemoteError> for Failure {
    fn from(error: RemoteError) -> Self {
        Failure::Remote(error)
    }
}

pub(super) fn run(args: &DashboardArgs) -> Exit {
    let done = match &args.board {
        None => list(&args.server),
        Some(board) => write(args, board),
    };
    match done {
        Ok(()) => Exit::Fine,
        Err(Failure::Remote(error)) => error.complain(),
        Err(Failure::Other(exit, error)) => {
            complain(&error);
            exit
        }
    }
}

fn list(server: &ServerArgs) -> Result<(), Failure> {
    let mut table = Table::new();
    table
        .load_style(presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(["BOARD", "TITLE"]);
    for one in listed(server)? {
        let title = match (&one.board, &one.error) {
            (Some(board), _) => shown_short(&board.title),
            (None, why) => format!("cannot be read: {}", shown_short(why.as_deref().unwrap_or(""))),
        };
        table.add_row([shown_short(&one.id), title]);
    }
    println!("{table}");
    Ok(())
}

fn write(args: &DashboardArgs, board: &str) -> Result<(), Failure> {
    let usage = |why: anyhow::Error| Failure::Other(Exit::Usage, why);
    let now_ms = lapwing::Clock::system().now_ms();
    let end_ms = args.end.unwrap_or(now_ms);
    if args.start.is_some_and(|start_ms| start_ms > end_ms) {
        return Err(usage(anyhow!("the range ends before it starts")));
    }
    let output = |name: &str| Output::of(args.output.as_deref(), &format!("{name}.pdf"));
    if output("").is_terminal() {
        let why = "a PDF is nothing for a terminal: --output FILE keeps it, `--output - | lpr` sends it on";
        return Err(usage(anyhow!(why)));
    }
    let wanted = if is_path(board) {
        from_file(Path::new(board)).map_err(usage)?
    } else {
        from_server(&args.server, board)?
    };
    let names: Vec<&str> = wanted.variables.iter().map(String::as_str).collect();
    if let Some((name, _)) = args
        .variables
        .iter()
        .find(|(name, _)| !names.contains(&name.as_str()))
    {
        let why = no_such("variable", &format!(" in {board}"), name, &names);
        return Err(usage(anyhow!(why)));
    }
    let pdf = args.server.fetch(call(args, &wanted, end_ms))?;
    if !pdf.starts_with(PDF_HEAD) {
        let why = format!("what {} answered is no PDF; is it a Lapwing?", args.server.url());
        return Err(Failure::Other(Exit::Failed, anyhow!(why)));
    }
    let output = output(&wanted.name);
    let failed = |error: std::io::Error| {
        let to = match &output {
            Output::Stdout => "to standard output".to_owned(),
            Output::File(path) => path.display().to_string(),
        };
        let error = anyhow::Error::new(error).context(format!("cannot write {to}"));
        Failure::Other(Exit::Failed, error)
    };
    output.write(&pdf).map_err(failed)?;
    if let Output::File(path) = &output {
        println!(
            "wrote {} ({})",
            path.display(),
            Unit::Bytes.show(pdf.len() as f64)
        );
    }
    Ok(())
}

fn call(args: &DashboardArgs, wanted: &Wanted, end_ms: i64) -> Call {
    let mut call = match &wanted.yaml {
        Some(yaml) => Call::form("/api/v1/render/document").with("board", yaml),
        // An id is made of letters, digits, hyphens and underscores.
        None => Call::get(format!("/api/v1/dashboards/{}/pdf", wanted.name)),
    };
    if let Some(start_ms) = args.start {
        call = call.with("start", seconds(start_ms)).with("end", seconds(end_ms));
    } else if let Some(end_ms) = args.end {
        call = call.with("end", seconds(end_ms));
    }
    if let Some(since_ms) = args.since {
        call = call.with("since", format!("{since_ms}ms"));
    }
    for (name, value) in &args.variables {
        call = call.with(format!("var-{name}"), value);
    }
    let theme = match args.theme {
        Theme::Light => "light",
        Theme::Dark => "dark",
    };
    let offset_s = offset_s(&zone(args.utc), end_ms);
    call.with("theme", theme)
        .with("offset_s", offset_s.to_string())
        .within(TIMEOUT)
}

fn listed(server: &ServerArgs) -> Result<Vec<Listed>, RemoteError> {
    let envelope: Envelope = server.ask(Call::get("/api/v1/dashboards"))?;
    Ok(envelope.data.dashboards)
}

fn from_server(server: &ServerArgs, id: &str) -> Result<Wanted, Failure> {
    let mut all = listed(server)?;
    let Some(at) = all.iter().position(|l| l.id == id) else {
        let ids: Vec<&str> = all.iter().map(|l| l.id.as_str()).collect();
        let mut why = no_such("dashboard", "", id, &ids);
        if Path::new(id).is_file() {
            why.push_str(&format!("\n  hint: the file of this name is ./{id}"));
        }
        return Err(Failure::Other(Exit::NoData, anyhow!(why)));
    };
    let found = all.swap_remove(at);
    let Some(board) = found.board else {
        let why = shown(found.error.as_deref().unwrap_or(""));
        let error = anyhow!("{why}").context(format!("the dashboard {id} cannot be read by the server"));
        return Err(Failure::Other(Exit::Failed, error));
    };
    Ok(Wanted {
        name: found.id,
        variables: board.variables.into_iter().map(|v| v.name).collect(),
        yaml: None,
    })
}

fn from_file(path: &Path) -> anyhow::Result<Wanted> {
    let yaml = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let board = Board::read(&yaml).with_context(|| format!("{} is no dashboard", path.display()))?;
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Ok(Wanted {
        name: name.into_owned(),
        variables: board.variables.into_iter().map(|v| v.name).collect(),
        yaml: Some(yaml),
    })
}

/// No id has a dot or a slash in it.
fn is_path(board: &str) -> bool {
    board.contains(['/', '\\', '.'])
}

/// What was meant, perhaps, and what there is.
fn no_such(what: &str, place: &str, name: &str, known: &[&str]) -> String {
    let near = did_you_mean(name, known.iter().copied());
    let near = near.map_or_else(String::new, |near| format!("; did you mean {:?}?", shown(near)));
    let all: Vec<String> = known.iter().map(|name| shown(name)).collect();
    let all = match all.is_empty() {
        true => "there is none".to_owned(),
        false => format!("there are: {}", all.join(", ")),
    };
    format!("there is no {what} {:?}{place}{near}\n  {all}", shown(name))
}

fn duration(text: &str) -> Result<i64, String> {
    let ms = lapwing_types::parse_duration_ms(text).ok().filter(|ms| *ms > 0);
    ms.ok_or_else(|| "not a duration (write 30m, 6h, 7d, 1h30m)".to_owned())
}

fn pair(text: &str) -> Result<(String, String), String> {
    let pair = text.split_once('=').filter(|(name, _)| !name.is_empty());
    let (name, value) = pair.ok_or("write NAME=VALUE, for example model=llama")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_met_with_what_there_is() {
        let all = ["host", "llm"];
        assert_eq!(
            no_such("dashboard", "", "hots", &all),
            "there is no dashboard \"hots\"; did you mean \"host\"?\n  there are: host, llm"
        );
        assert_eq!(
            no_such("variable", " in host", "modle", &[]),
            "there is no variable \"modle\" in host\n  there is none"
        );
    }

    #[test]
    fn files_and_ids_are_told_apart() {
        for (board, expect) in [
            ("host", false),
            ("my-board_2", false),
            ("./host", true),
            ("boards/host", true),
            ("host.yml", true),
            ("../x.json", true),
        ] {
            assert_eq!(is_path(board), expect, "{board}");
        }
    }

    #[test]
    fn what_is_chosen_has_a_name() {
        let own = |name: &str, value: &str| Ok((name.to_owned(), value.to_owned()));
        assert_eq!(pair("a=b=c"), own("a", "b=c"));
        assert_eq!(pair("a="), own("a", ""));
        assert!(pair("a").is_err() && pair("=b").is_err());
        assert_eq!(duration("1h30m"), Ok(5_400_000));
        assert!(duration("0s").is_err() && duration("soon").is_err());
    }
}
