//! A copy of a whole data directory, taken while it is used, and putting one back.
//!
//! A data directory is the metrics, the state (alerts, silences, the ledger) and a few journals beside them. A backup has the
//! same layout and can be started from. It is gathered under another name and renamed at the end, so that an interrupted one is
//! never mistaken for a whole; a restore is gathered in the same way.

use crate::layout::{JOURNALS, METRICS, STATE};
use lapwing_store::metrics::{MetricsStore, OpenError, is_disk_full};
use lapwing_store::state::{StateError, check_database, copy_database};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

#[derive(Debug, thiserror::Error)]
pub enum BackupError {
    #[error("the metrics")]
    Metrics(#[source] OpenError),
    #[error("the state")]
    State(#[source] StateError),
    #[error("{path} is damaged: {reason}")]
    StateDamaged { path: PathBuf, reason: String },
    #[error("{path} exists already")]
    Exists { path: PathBuf },
    #[error("there are no metrics of Lapwing in {path}")]
    Nothing { path: PathBuf },
    #[error("cannot write {path}")]
    Io {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
}

impl BackupError {
    /// Whether it was for want of room alone.
    pub fn is_disk_full(&self) -> bool {
        match self {
            BackupError::Metrics(error) => error.is_disk_full(),
            BackupError::State(error) => error.is_disk_full(),
            BackupError::Io { source, .. } => is_disk_full(source),
            _ => false,
        }
    }
}

/// Copies what stands in `data`, whose metrics are open as `metrics`, to a directory that does not exist yet. Files that never
/// change are linked where both are on one file system.
pub fn back_up(data: &Path, metrics: &MetricsStore, to: &Path) -> Result<(), BackupError> {
    gather(data, to, |aside| {
        metrics.backup(&aside.join(METRICS)).map_err(BackupError::Metrics)
    })
}

/// Reads a backup through, and copies it to where a Lapwing will be started; nothing may be there yet.
pub fn restore(from: &Path, data: &Path) -> Result<(), BackupError> {
    if !from.join(METRICS).is_dir() {
        return Err(BackupError::Nothing {
            path: from.to_owned(),
        });
    }
    gather(from, data, |aside| {
        MetricsStore::restore(&from.join(METRICS), &aside.join(METRICS)).map_err(BackupError::Metrics)
    })
}

/// The metrics in the way of the caller, then all else.
fn gather<T>(
    from: &Path,
    to: &Path,
    copy_metrics: impl FnOnce(&Path) -> Result<T, BackupError>,
) -> Result<(), BackupError> {
    // An empty directory is as good as none, and often made for this.
    if to.exists() && fs::read_dir(to).map_err(wrong(to))?.next().is_some() {
        return Err(BackupError::Exists { path: to.to_owned() });
    }
    let mut name = OsString::from(".");
    name.push(to.file_name().unwrap_or_default());
    name.push(".lapwing-partial");
    let aside = to.with_file_name(name);
    // What an interrupted one left; whether this one ends well or not, it leaves nothing.
    let _ = fs::remove_dir_all(&aside);
    let gathered = fs::create_dir_all(&aside)
        .map_err(wrong(&aside))
        .and_then(|()| copy_metrics(&aside))
        .and_then(|_| copy_rest(from, &aside));
    if let Err(error) = gathered {
        let _ = fs::remove_dir_all(&aside);
        return Err(error);
    }
    fs::rename(&aside, to).map_err(wrong(to))?;
    let parent = to.parent().filter(|p| !p.as_os_str().is_empty());
    sync(parent.unwrap_or(Path::new("."))).map_err(wrong(to))
}

fn copy_rest(from: &Path, aside: &Path) -> Result<(), BackupError> {
    let state = from.join(STATE);
    if state.exists() {
        if let Some(reason) = check_database(&state).map_err(BackupError::State)?.pop() {
            return Err(BackupError::StateDamaged { path: state, reason });
        }
        copy_database(&state, &aside.join(STATE)).map_err(BackupError::State)?;
    }
    // One that is written to meanwhile ends within a record, which opening it passes over.
    for name in JOURNALS {
        let (journal, copy) = (from.join(name), aside.join(name));
        match fs::copy(&journal, &copy).and_then(|_| sync(&copy)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            done => done.map_err(wrong(&copy))?,
        }
    }
    sync(aside).map_err(wrong(aside))
}

fn wrong(path: &Path) -> impl FnOnce(io::Error) -> BackupError {
    let path = path.to_owned();
    move |source| BackupError::Io { path, source }
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}
