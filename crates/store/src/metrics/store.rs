//! The handle of a store: opened once per directory, cloned freely.

use super::appender::Appender;
use super::core::Core;
use super::log::writer::Log;
use super::options::MetricsOptions;
use super::refusal::{AppendError, OpenError, io_error};
use super::replay::{OpenReport, Sources, replay};
use super::snapshot::Snapshot;
use super::stats::{StoreStats, collect, memory};
use super::vfs::{RealFs, Vfs};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// A cheap handle; the store closes when the last one and everything made from it is gone, or by `close`.
#[derive(Clone)]
pub struct MetricsStore {
    shared: Arc<Shared>,
}

struct Shared {
    core: Arc<Core>,
    report: OpenReport,
    /// Held for as long as the store is open.
    _lock: Option<File>,
}

impl MetricsStore {
    /// Opens (or creates) the store in a directory. Damage does not keep it from opening: see [`OpenReport`].
    pub fn open(dir: &Path, options: MetricsOptions, now_ms: i64) -> Result<MetricsStore, OpenError> {
        MetricsStore::open_on(Arc::new(RealFs), dir, options, now_ms)
    }

    /// Opens a store whose log, checkpoint and manifest go through a given file system.
    pub fn open_on(
        fs: Arc<dyn Vfs>,
        dir: &Path,
        options: MetricsOptions,
        _now_ms: i64,
    ) -> Result<MetricsStore, OpenError> {
        fs.create_dir_all(dir).map_err(io_error("creating", dir))?;
        let lock = take_lock(dir)?;
        let log_dir = dir.join("wal");
        let mut core = Core::new(options, None);
        let mut report = OpenReport::default();
        let sources = Sources {
            checkpoint: None,
            log_dir: &log_dir,
            first_segment: 0,
        };
        let next = replay(&core, &*fs, &sources, &mut report)?;
        let log = Log::start(fs, &log_dir, core.options.durability, next)
            .map_err(io_error("starting the log in", &log_dir))?;
        core.log = Some(log);
        Ok(MetricsStore::assemble(core, report, Some(lock)))
    }

    /// A store without any files, with the same behaviour otherwise.
    pub fn in_memory(options: MetricsOptions) -> MetricsStore {
        MetricsStore::assemble(Core::new(options, None), OpenReport::default(), None)
    }

    fn assemble(core: Core, report: OpenReport, lock: Option<File>) -> MetricsStore {
        core.counters
            .memory_bytes
            .store(memory(&core).total_bytes(), Ordering::Relaxed);
        MetricsStore {
            shared: Arc::new(Shared {
                core: Arc::new(core),
                report,
                _lock: lock,
            }),
        }
    }

    /// What opening found: how much was replayed, and what was damaged.
    pub fn open_report(&self) -> &OpenReport {
        &self.shared.report
    }

    /// Starts one request's writing. `source` is who it comes from: series are counted by it.
    pub fn appender(&self, source: &str, now_ms: i64) -> Appender {
        Appender::new(self.shared.core.clone(), source, now_ms)
    }

    /// A view of everything committed by now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.core.clone())
    }

    pub fn stats(&self) -> StoreStats {
        collect(&self.shared.core)
    }

    /// Makes everything written durable and refuses further writes.
    pub fn close(&self) -> Result<(), AppendError> {
        self.shared.core.closed.store(true, Ordering::Release);
        self.shared.core.log.as_ref().map_or(Ok(()), Log::close)
    }
}

fn take_lock(dir: &Path) -> Result<File, OpenError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(io_error("creating", &path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(OpenError::Locked { path }),
        Err(std::fs::TryLockError::Error(source)) => Err(OpenError::Io {
            action: "locking",
            path,
            source,
        }),
    }
}
