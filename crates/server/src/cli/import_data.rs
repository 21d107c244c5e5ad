//! `lapwing import tsdb DIR` and `lapwing import openmetrics FILE`: history from elsewhere, so that nobody starts from zero.
//!
//! Runs on a data directory that no Lapwing has open. What could not be carried over is said at the end, by name; doing the
//! same import again changes nothing.

mod openmetrics;
mod tsdb;

use super::{Exit, complain};
use anyhow::Context;
use lapwing::Clock;
use lapwing::layout::METRICS;
use lapwing_store::metrics::{ImportReport, Importer, MetricsOptions, MetricsStore, OpenError};
use lapwing_types::{Metadata, SeriesWrite};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum ImportData {
    /// The data directory of a Prometheus: blocks, chunks of the head and log
    Tsdb(ImportArgs),
    /// Text with timestamps, as `promtool tsdb dump-openmetrics` writes it
    Openmetrics(ImportArgs),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ImportArgs {
    /// Where the history is
    #[arg(value_name = "PATH")]
    from: PathBuf,
    /// Lapwing's data directory
    #[arg(long, value_name = "DIR", default_value = "lapwing-data")]
    data: PathBuf,
    /// Print the report as JSON
    #[arg(long)]
    json: bool,
    /// Say nothing while at it
    #[arg(long, short)]
    quiet: bool,
}

/// What an import is made of besides the store's part.
struct Import<'s> {
    importer: Importer<'s>,
    metadata: BTreeMap<String, Metadata>,
    /// What did not carry over, and why; each once, with how often.
    notes: BTreeMap<String, u64>,
    quiet: bool,
}

impl Import<'_> {
    fn add(&mut self, write: SeriesWrite) -> Result<(), OpenError> {
        self.importer.add(write)
    }

    fn note(&mut self, what: impl Into<String>) {
        *self.notes.entry(what.into()).or_default() += 1;
    }

    fn progress(&self, line: &str) {
        if !self.quiet {
            eprintln!("{line}");
        }
    }
}

pub(crate) fn run(what: &ImportData) -> Exit {
    let (ImportData::Tsdb(args) | ImportData::Openmetrics(args)) = what;
    match import(what, args) {
        Ok((report, notes)) => {
            if args.json {
                println!("{}", as_json(&report, &notes));
            } else {
                print!("{}", as_text(&report, &notes));
            }
            if report.samples + report.histograms == 0 {
                Exit::NoData
            } else {
                Exit::Fine
            }
        }
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

fn import(what: &ImportData, args: &ImportArgs) -> anyhow::Result<(ImportReport, BTreeMap<String, u64>)> {
    let now_ms = Clock::system().now_ms();
    let dir = args.data.join(METRICS);
    let store = MetricsStore::open(&dir, MetricsOptions::default(), now_ms).map_err(|error| {
        let held = matches!(error, OpenError::Locked { .. });
        let error = anyhow::Error::new(error);
        if held {
            error.context("a running Lapwing has the data directory open: stop it for the time of the import")
        } else {
            error.context(format!("cannot open {}", dir.display()))
        }
    })?;
    let mut import = Import {
        importer: store.import(now_ms)?,
        metadata: BTreeMap::new(),
        notes: BTreeMap::new(),
        quiet: args.quiet,
    };
    match what {
        ImportData::Tsdb(_) => tsdb::read(&args.from, &mut import),
        ImportData::Openmetrics(_) => openmetrics::read(&args.from, &mut import, now_ms),
    }
    .with_context(|| format!("cannot import {}", args.from.display()))?;
    let Import {
        importer,
        metadata,
        notes,
        ..
    } = import;
    let report = importer.finish()?;
    keep_metadata(&store, metadata, now_ms)?;
    store.checkpoint()?;
    store.close()?;
    Ok((report, notes))
}

fn keep_metadata(
    store: &MetricsStore,
    metadata: BTreeMap<String, Metadata>,
    now_ms: i64,
) -> anyhow::Result<()> {
    let mut appender = store.appender("import", now_ms);
    for (family, about) in metadata {
        appender.metadata(&family, about);
    }
    appender.commit()?;
    Ok(())
}

fn as_text(report: &ImportReport, notes: &BTreeMap<String, u64>) -> String {
    let time = |t_ms: Option<i64>| {
        let stamp = t_ms.and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok());
        stamp.map_or_else(|| "-".to_owned(), |t| t.to_string())
    };
    let mut text = format!(
        "{} series, {} samples, {} histograms, {} exemplars\nfrom {} to {}\n",
        report.series,
        report.samples,
        report.histograms,
        report.exemplars,
        time(report.min_ms),
        time(report.max_ms),
    );
    if report.samples_beyond_retention > 0 {
        text.push_str(&format!(
            "{} samples are older than retention keeps: Lapwing condenses them into its tiers and lets them go\n",
            report.samples_beyond_retention
        ));
    }
    if report.refused_count > 0 {
        text.push_str(&format!("{} did not carry over:\n", report.refused_count));
        for refused in &report.refused {
            text.push_str(&format!("  {refused}\n"));
        }
    }
    for (note, count) in notes {
        text.push_str(&format!("{note}{}\n", times(*count)));
    }
    text
}

fn times(count: u64) -> String {
    match count {
        1 => String::new(),
        many => format!(" ({many} times)"),
    }
}

fn as_json(report: &ImportReport, notes: &BTreeMap<String, u64>) -> serde_json::Value {
    serde_json::json!({
        "series": report.series,
        "samples": report.samples,
        "histograms": report.histograms,
        "exemplars": report.exemplars,
        "blocks": report.blocks,
        "min_ms": report.min_ms,
        "max_ms": report.max_ms,
        "samples_beyond_retention": report.samples_beyond_retention,
        "refused_count": report.refused_count,
        "refused": report.refused.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "notes": notes,
    })
}

/// Names in a directory, ascending; none when it does not exist.
fn names(dir: &Path) -> anyhow::Result<Vec<String>> {
    if !dir.is_dir() {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for entry in std::fs::read_dir(dir).with_context(|| format!("cannot list {}", dir.display()))? {
        found.extend(entry?.file_name().into_string());
    }
    found.sort();
    Ok(found)
}
