//! `lapwing backup` and `lapwing restore`: all that Lapwing keeps, in a directory that can be started from.
//!
//! Where a Lapwing runs on the data, it takes the copy itself (`admin/tsdb/snapshot`), and this moves it to where it is wanted.

use super::remote::{Call, ServerArgs};
use super::{Exit, complain, verify};
use anyhow::{Context, bail};
use lapwing::backup::{self, BackupError};
use lapwing::layout::METRICS;
use lapwing_store::metrics::{MetricsOptions, MetricsStore, OpenError};
use serde::Deserialize;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    lapwing backup /backup/monday --data lapwing-data   of a Lapwing that runs on that directory, or of one that does not\n  \
    lapwing verify /backup/monday\n  \
    lapwing restore /backup/monday --data lapwing-data  where nothing is yet\n\n\
    Exit codes: 0 done, 1 not done, or with what is damaged, 3 the running Lapwing cannot be reached")]
pub(crate) struct BackupArgs {
    /// A directory that does not exist yet
    #[arg(value_name = "DIR")]
    to: PathBuf,
    /// Lapwing's data directory, on this machine
    #[arg(long, value_name = "DIR", default_value = "lapwing-data")]
    data: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, clap::Args)]
pub(crate) struct RestoreArgs {
    /// The backup
    #[arg(value_name = "DIR")]
    from: PathBuf,
    /// Where Lapwing will be started; nothing may be there yet
    #[arg(long, value_name = "DIR", default_value = "lapwing-data")]
    data: PathBuf,
}

#[derive(Deserialize)]
struct Taken {
    data: TakenName,
}

#[derive(Deserialize)]
struct TakenName {
    name: String,
}

pub(crate) fn back_up(args: &BackupArgs) -> Exit {
    let dir = args.data.join(METRICS);
    if !dir.is_dir() {
        eprintln!(
            "lapwing: there is no data of Lapwing in {}; --data names another directory",
            args.data.display()
        );
        return Exit::NoData;
    }
    let now_ms = lapwing::Clock::system().now_ms();
    let done = match MetricsStore::open(&dir, MetricsOptions::default(), now_ms) {
        Ok(store) => copy(&args.data, &store, &args.to),
        Err(OpenError::Locked { .. }) => {
            let taken: Taken = match args
                .server
                .ask(Call::post("/api/v1/admin/tsdb/snapshot", serde_json::json!({})))
            {
                Ok(taken) => taken,
                Err(error) => {
                    eprintln!(
                        "lapwing: a Lapwing runs on {}: it has to take the copy itself",
                        args.data.display()
                    );
                    return error.complain();
                }
            };
            copy_of_running(&args.data, &taken.data.name, &args.to, now_ms)
        }
        Err(error) => Err(anyhow::Error::new(error).context(format!("cannot open {}", dir.display()))),
    };
    if done.is_ok() && verify::say_damage(&args.to) == Exit::Failed {
        return Exit::Failed;
    }
    finish(done, &args.to)
}

pub(crate) fn restore(args: &RestoreArgs) -> Exit {
    let done = backup::restore(&args.from, &args.data).map_err(|error| {
        let damaged = matches!(
            error,
            BackupError::Metrics(OpenError::Damaged { .. }) | BackupError::StateDamaged { .. }
        );
        let error = anyhow::Error::new(error);
        match damaged {
            true => error.context("`lapwing verify` names what is lost; a Lapwing that is started on the backup itself serves the rest"),
            false => error,
        }
    });
    let (from, to) = (args.from.display(), args.data.display());
    let done = done.with_context(|| format!("cannot restore {from} to {to}"));
    finish(done, &args.data)
}

fn finish(done: anyhow::Result<()>, to: &Path) -> Exit {
    match done {
        Ok(()) => {
            println!("{}", to.display());
            Exit::Fine
        }
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

fn copy(data: &Path, store: &MetricsStore, to: &Path) -> anyhow::Result<()> {
    backup::back_up(data, store, to)
        .with_context(|| format!("cannot copy {} to {}", data.display(), to.display()))?;
    store.close().context("cannot close the metrics again")
}

/// The server's copy goes when it is where it was wanted, and also when it cannot be brought there.
fn copy_of_running(data: &Path, name: &str, to: &Path, now_ms: i64) -> anyhow::Result<()> {
    let taken = data.join("snapshots").join(name);
    if !taken.is_dir() {
        bail!(
            "the server that answered made {name}, but it is not in {}: another one was asked (--server names the right one)",
            data.display()
        );
    }
    let copied = MetricsStore::open(&taken.join(METRICS), MetricsOptions::default(), now_ms)
        .with_context(|| format!("cannot open {}", taken.display()))
        .and_then(|store| copy(&taken, &store, to));
    std::fs::remove_dir_all(&taken).with_context(|| format!("cannot remove {}", taken.display()))?;
    copied
}
