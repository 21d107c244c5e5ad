//! `lapwing verify`: reads every checksum of a data directory or a backup, and says what is lost, by series and time.

use super::{Exit, complain};
use lapwing::layout::{JOURNALS, METRICS, STATE};
use lapwing_store::Journal;
use lapwing_store::metrics::{LostStretch, MetricsStore, OpenError, VerifyReport};
use lapwing_store::state::{StateError, check_database};
use serde_json::json;
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing verify                    the data in ./lapwing-data, of a Lapwing that does not run\n  \
    lapwing verify /backup/monday     a backup\n\n\
    What a running Lapwing has found stands in GET /api/v1/status/tsdb under damage.\n\n\
    Exit codes: 0 all is whole, 1 something is damaged, 4 there is no data")]
pub(crate) struct VerifyArgs {
    /// A data directory or a backup
    #[arg(value_name = "DIR", default_value = "lapwing-data")]
    dir: PathBuf,
    /// As JSON
    #[arg(long)]
    json: bool,
}

/// What reading everything found.
struct Found {
    metrics: VerifyReport,
    /// Absent where there is no database of states.
    state: Option<Vec<String>>,
    /// Journals that were read, and the bytes of each that are no record.
    journals: Vec<(PathBuf, Vec<Range<u64>>)>,
}

impl Found {
    fn is_whole(&self) -> bool {
        self.metrics.is_whole()
            && self.state.as_ref().is_none_or(Vec::is_empty)
            && self.journals.iter().all(|(_, damaged)| damaged.is_empty())
    }

    /// Losses that are named, and how many there are beyond them.
    fn lost(&self) -> (impl Iterator<Item = &LostStretch>, u64) {
        let blocks = &self.metrics.lost;
        let beyond = blocks.iter().map(|b| b.count - b.stretches.len() as u64).sum();
        (blocks.iter().flat_map(|b| &b.stretches), beyond)
    }
}

pub(crate) fn run(args: &VerifyArgs) -> Exit {
    if !args.dir.join(METRICS).is_dir() {
        eprintln!("lapwing: there is no data of Lapwing in {}", args.dir.display());
        return Exit::NoData;
    }
    let found = match read_through(&args.dir) {
        Ok(found) => found,
        Err(error) => {
            let held = matches!(error.downcast_ref(), Some(OpenError::Locked { .. }));
            complain(&match held {
                true => error.context("a running Lapwing writes there: take a backup and verify that"),
                false => error,
            });
            return Exit::Failed;
        }
    };
    match args.json {
        true => println!("{}", as_json(&found)),
        false => print!("{}", as_text(&found)),
    }
    match found.is_whole() {
        true => Exit::Fine,
        false => Exit::Failed,
    }
}

/// What is damaged in a copy that was just made, on standard error.
pub(super) fn say_damage(dir: &Path) -> Exit {
    match read_through(dir) {
        Ok(found) if found.is_whole() => Exit::Fine,
        Ok(found) => {
            eprint!("{}", as_text(&found));
            eprintln!(
                "lapwing: {} is as damaged as what it was copied from; everything else is there",
                dir.display()
            );
            Exit::Failed
        }
        Err(error) => {
            complain(&error.context("the copy cannot be read through"));
            Exit::Failed
        }
    }
}

fn read_through(dir: &Path) -> anyhow::Result<Found> {
    let journals = journals_of(dir)?;
    let state = state_of(&dir.join(STATE), !journals.is_empty());
    Ok(Found {
        journals,
        metrics: MetricsStore::verify_dir(&dir.join(METRICS))?,
        state: state.unwrap_or_else(|error| Some(vec![format!("{:#}", anyhow::Error::new(error))])),
    })
}

/// An import makes metrics alone; where a Lapwing has run, there are journals, and a database beside them.
fn state_of(path: &Path, has_run: bool) -> Result<Option<Vec<String>>, StateError> {
    match (path.exists(), has_run) {
        (true, _) => check_database(path).map(Some),
        (false, true) => Ok(Some(vec!["it is missing".to_owned()])),
        (false, false) => Ok(None),
    }
}

fn journals_of(dir: &Path) -> anyhow::Result<Vec<(PathBuf, Vec<Range<u64>>)>> {
    let paths = JOURNALS
        .iter()
        .map(|name| dir.join(name))
        .filter(|path| path.exists());
    paths
        .map(|path| {
            let damaged = Journal::check(&path)?;
            Ok((path, damaged))
        })
        .collect()
}

fn as_text(found: &Found) -> String {
    let metrics = &found.metrics;
    let mut text = String::new();
    for range in &metrics.damaged {
        let _ = writeln!(
            text,
            "DAMAGED  {}: {}, with samples {}",
            range.path.display(),
            bytes_of(range.start, range.end),
            span(range.lost_from_ms, range.lost_to_ms)
        );
    }
    for (path, reason) in &metrics.blocks_damaged {
        let _ = writeln!(text, "DAMAGED  {}: {reason}", path.display());
    }
    let (lost, beyond) = found.lost();
    for lost in lost {
        let series = lost
            .series
            .as_ref()
            .map_or_else(|| "a series".to_owned(), ToString::to_string);
        let span = span(Some(lost.start_ms), Some(lost.end_ms));
        let _ = writeln!(text, "LOST     {series} {span}: {}", lost.reason);
    }
    if beyond > 0 {
        let _ = writeln!(text, "LOST     {beyond} stretches more");
    }
    for line in found.state.iter().flatten() {
        let _ = writeln!(text, "DAMAGED  {STATE}: {line}");
    }
    for (path, damaged) in &found.journals {
        for range in damaged {
            let bytes = bytes_of(range.start, range.end);
            let _ = writeln!(text, "DAMAGED  {}: {bytes} are no record", path.display());
        }
    }
    let (files, records) = (metrics.files, metrics.records);
    let state = match found.state {
        Some(_) => " and the database of states",
        None => "",
    };
    let journals = match found.journals.len() {
        0 => String::new(),
        count => format!(", {count} journals"),
    };
    let verdict = match found.is_whole() {
        true => ": all is whole",
        false => "",
    };
    let _ = writeln!(
        text,
        "read {files} files of metrics, {records} records of the log{journals}{state}{verdict}"
    );
    text
}

fn span(from_ms: Option<i64>, to_ms: Option<i64>) -> String {
    let time = |t_ms: Option<i64>| t_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
    match (time(from_ms), time(to_ms)) {
        (Some(from), Some(to)) => format!("from {from} to {to}"),
        (Some(from), None) => format!("from {from} on"),
        (None, Some(to)) => format!("until {to}"),
        (None, None) => "of unknown times".to_owned(),
    }
}

fn bytes_of(start: u64, end: u64) -> String {
    match start == end {
        true => format!("everything from byte {start} on is missing"),
        false => format!("bytes {start} to {end}"),
    }
}

fn as_json(found: &Found) -> serde_json::Value {
    let (lost, beyond) = found.lost();
    let lost: Vec<_> = lost
        .map(|l| {
            json!({
                "block": l.block,
                "series": l.series.as_ref().map(ToString::to_string),
                "start_ms": l.start_ms,
                "end_ms": l.end_ms,
                "reason": l.reason,
            })
        })
        .collect();
    let ranges = found.metrics.damaged.iter().map(|r| {
        json!({
            "file": r.path,
            "start_byte": r.start,
            "end_byte": r.end,
            "lost_from_ms": r.lost_from_ms,
            "lost_to_ms": r.lost_to_ms,
        })
    });
    let blocks = found.metrics.blocks_damaged.iter();
    let damaged = |(path, damaged): &(PathBuf, Vec<Range<u64>>)| {
        let ranges = damaged
            .iter()
            .map(|r| json!({ "start_byte": r.start, "end_byte": r.end }));
        json!({ "file": path, "ranges": ranges.collect::<Vec<_>>() })
    };
    let journals = found.journals.iter().map(damaged);
    json!({
        "whole": found.is_whole(),
        "files": found.metrics.files,
        "records": found.metrics.records,
        "ranges": ranges.collect::<Vec<_>>(),
        "blocks": blocks.map(|(path, reason)| json!({ "block": path, "reason": reason })).collect::<Vec<_>>(),
        "lost": lost,
        "lost_beyond": beyond,
        "state": found.state,
        "journals": journals.collect::<Vec<_>>(),
    })
}
