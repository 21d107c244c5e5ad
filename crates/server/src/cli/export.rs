//! `lapwing export`: every sample of what is asked for, as text that other programs read, of a server or of a data directory.

use super::query::{AskError, Question, ask_for_pieces, seconds};
use super::remote::ServerArgs;
use super::{Exit, complain};
use crate::http::parse_time_ms;
use lapwing_types::parse_duration_ms;
use std::fs::File;
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing export -o all.om\n  \
    lapwing export 'gpu_utilization{host=\"a\"}' --since 7d -o gpu.om\n  \
    lapwing export '{job=\"training\"}' --format jsonl | gzip > training.jsonl.gz\n  \
    lapwing export up --data /backup/monday        (without a server)\n\n\
    `lapwing import openmetrics` takes the text back, also with Prometheus's own tool; the JSON lines are those of VictoriaMetrics, and\n\
    POST /api/v1/import takes them. Native histograms have no form in text and stay behind; `lapwing backup` copies everything.\n\n\
    Exit codes: 0 done, 1 not done, 2 usage, 3 the server cannot be reached, 4 nothing matches")]
pub(crate) struct ExportArgs {
    /// Which series, as in PromQL; several are added up [default: all]
    #[arg(value_name = "SELECTOR")]
    selectors: Vec<String>,
    #[command(flatten)]
    server: ServerArgs,
    /// Read a data directory, or a backup, instead of asking a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Only samples of this long until now (or --end)
    #[arg(long, value_name = "DURATION", conflicts_with = "start")]
    since: Option<String>,
    /// Only samples from here on: seconds since 1970 or RFC 3339
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// Only samples up to here
    #[arg(long, value_name = "TIME")]
    end: Option<String>,
    /// How they are written
    #[arg(long, value_enum, default_value = "openmetrics")]
    format: Format,
    /// The file that is written; it is there when it is whole [default: standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// Text with types, units, exemplars and timestamps
    Openmetrics,
    /// A line of JSON for each series
    Jsonl,
}

const ALL: &str = "{__name__!=\"\"}";
/// All that OpenMetrics has to say where nothing matches.
const NOTHING: &[u8] = b"# EOF\n";

pub(crate) fn run(args: &ExportArgs) -> Exit {
    let now_ms = lapwing::Clock::system().now_ms();
    let question = match question_of(args, now_ms) {
        Ok(question) => question,
        Err(message) => {
            eprintln!("lapwing: {message}");
            return Exit::Usage;
        }
    };
    let written = match &args.output {
        Some(path) => to_file(args, &question, path),
        None => {
            let mut out = Counted::new(io::stdout().lock(), io::stdout().is_terminal());
            fetch(args, &question, &mut out).map(|()| out.is_something)
        }
    };
    match written {
        Ok(true) => Exit::Fine,
        Ok(false) => {
            eprintln!("no data");
            Exit::NoData
        }
        // As every tool of a pipe: whoever read it has enough.
        Err(AskError::Unwritten(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Failed,
        Err(error) => {
            let exit = error.exit();
            complain(&error.into());
            exit
        }
    }
}

fn question_of(args: &ExportArgs, now_ms: i64) -> Result<Question, String> {
    let time = |name: &str, text: &Option<String>| {
        let parsed = text.as_deref().map(parse_time_ms).transpose();
        parsed.map_err(|e| format!("{name}: {e}"))
    };
    let end_ms = time("--end", &args.end)?;
    let start_ms = match args.since.as_deref() {
        None => time("--start", &args.start)?,
        Some(since) => {
            let since_ms = parse_duration_ms(since).map_err(|e| format!("--since: {e}"))?;
            Some(end_ms.unwrap_or(now_ms) - since_ms)
        }
    };
    let all = [ALL.to_owned()];
    let selectors = if args.selectors.is_empty() {
        &all
    } else {
        &args.selectors[..]
    };
    let mut params: Vec<(&str, String)> = selectors.iter().map(|s| ("match[]", s.clone())).collect();
    params.extend(start_ms.map(|ms| ("start", seconds(ms))));
    params.extend(end_ms.map(|ms| ("end", seconds(ms))));
    let format = match args.format {
        Format::Openmetrics => "openmetrics",
        Format::Jsonl => "jsonl",
    };
    params.push(("format", format.to_owned()));
    Ok(Question::get("/api/v1/export", params))
}

fn fetch<W: Write>(args: &ExportArgs, question: &Question, out: &mut Counted<W>) -> Result<(), AskError> {
    let server = args.server.url();
    let whom = (server.as_str(), args.server.token());
    ask_for_pieces(whom, args.data.as_deref(), question, &mut |piece| out.take(piece))?;
    out.flush().map_err(AskError::Unwritten)
}

/// Half a file is never taken for a whole one: it gets its name at the end. Whether there is anything in it.
fn to_file(args: &ExportArgs, question: &Question, path: &Path) -> Result<bool, AskError> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    let partial = path.with_file_name(name);
    let file = File::create(&partial).map_err(AskError::Unwritten)?;
    let mut out = Counted::new(BufWriter::new(file), false);
    let done = fetch(args, question, &mut out).and_then(|()| {
        if !out.is_something {
            return Ok(false);
        }
        out.inner.get_ref().sync_all().map_err(AskError::Unwritten)?;
        std::fs::rename(&partial, path).map_err(AskError::Unwritten)?;
        Ok(true)
    });
    if !matches!(done, Ok(true)) {
        let _ = std::fs::remove_file(&partial);
    }
    done
}

/// Notes whether anything was written but the end of a page.
struct Counted<W> {
    inner: W,
    /// A person watches: each piece is shown at once.
    is_watched: bool,
    is_something: bool,
}

impl<W: Write> Counted<W> {
    fn new(inner: W, is_watched: bool) -> Self {
        Counted {
            inner,
            is_watched,
            is_something: false,
        }
    }

    fn take(&mut self, piece: &[u8]) -> io::Result<()> {
        self.is_something |= !piece.is_empty() && piece != NOTHING;
        self.inner.write_all(piece)?;
        if self.is_watched {
            self.inner.flush()
        } else {
            Ok(())
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}
