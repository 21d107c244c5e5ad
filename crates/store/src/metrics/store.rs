//! The handle of a store: opened once per directory, cloned freely.

use super::appender::Appender;
use super::backup::{self, BackupReport};
use super::block::BlockMeta;
use super::blocks::block_path;
use super::checkpoint::checkpoint_path;
use super::core::Core;
use super::debris::remove_debris;
use super::import::Importer;
use super::log::replay::begin_behind_blocks;
use super::log::writer::Log;
use super::maintain::{Disk, MaintenanceReport, Upkeep, in_words};
use super::manifest::Manifest;
use super::options::{MetricsLimits, MetricsOptions};
use super::refusal::{AppendError, OpenError, io_error};
use super::replay::{OpenReport, Sources, replay};
use super::snapshot::Snapshot;
use super::stats::{DamageCount, StoreNumbers, StoreStats, collect, memory, numbers};
use super::verify::{self, VerifyReport};
use super::vfs::{RealFs, Vfs};
use lapwing_types::Matcher;
use parking_lot::Mutex;
use std::fs::File;
use std::path::{Path, PathBuf};
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
    /// Absent for a store in memory.
    disk: Option<Disk>,
    upkeep: Mutex<Upkeep>,
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
        let manifest = Manifest::read_or_begin(&*fs, dir)?;
        let mut report = OpenReport {
            debris_removed: remove_debris(&*fs, dir, &manifest)?,
            ..OpenReport::default()
        };
        let disk = Disk {
            fs,
            dir: dir.to_owned(),
        };
        let sources = Sources {
            disk: &disk,
            checkpoint: manifest.checkpoint.map(|n| checkpoint_path(dir, n)),
            log_dir: &log_dir,
            first_segment: manifest.first_segment,
        };
        let mut upkeep = Upkeep::new(manifest.clone());
        let next = replay(&core, &sources, &mut upkeep, &mut report)?;
        let log = Log::start(disk.fs.clone(), &log_dir, core.options.durability, next)
            .map_err(io_error("starting the log in", &log_dir))?;
        core.log = Some(log);
        core.lock = Some(lock);
        for name in &manifest.blocks {
            match core.blocks.open(dir, name) {
                Ok(block) => core.blocks.replace(&[], vec![block]),
                // The rest serves; the directory stays for whoever can mend it.
                Err(error) => report
                    .blocks_unreadable
                    .push((block_path(dir, name), in_words(&error))),
            }
        }
        let blocks = core.blocks.list();
        let newest_ms = blocks.iter().map(|b| b.block.meta().max_ms).max();
        begin_behind_blocks(&mut report.damaged, newest_ms);
        if report.blocks_written > 0 {
            // So that the next start need not do it again; without room for a checkpoint, it will.
            let _ = upkeep.checkpoint(&core, &disk);
        }
        Ok(MetricsStore::assemble(core, report, Some(disk), upkeep))
    }

    /// A store without any files, with the same behaviour otherwise.
    pub fn in_memory(options: MetricsOptions) -> MetricsStore {
        MetricsStore::assemble(
            Core::new(options, None),
            OpenReport::default(),
            None,
            Upkeep::default(),
        )
    }

    fn assemble(core: Core, report: OpenReport, disk: Option<Disk>, upkeep: Upkeep) -> MetricsStore {
        core.renew_ranks();
        core.counters
            .memory_bytes
            .store(memory(&core).total_bytes(), Ordering::Relaxed);
        MetricsStore {
            shared: Arc::new(Shared {
                core: Arc::new(core),
                report,
                disk,
                upkeep: Mutex::new(upkeep),
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

    /// Takes effect with the next series, commit and maintenance; nothing that is kept already is refused afterwards.
    pub fn set_limits(&self, limits: MetricsLimits) {
        self.shared.core.set_limits(limits);
    }

    /// A view of everything committed by now.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.core.clone())
    }

    /// One round of upkeep: to be called every few seconds. Appends and reads go on meanwhile.
    pub fn maintain(&self, now_ms: i64) -> MaintenanceReport {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        upkeep.lock().round(core, disk.as_ref(), now_ms)
    }

    /// Whether a round of upkeep should not wait for its turn: a window is over, or in a block and still in memory. Cheap.
    pub fn is_maintenance_due(&self, now_ms: i64) -> bool {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        disk.is_some() && upkeep.try_lock().is_some_and(|u| u.is_due(core, now_ms))
    }

    /// Writes the whole head down, so that the log before it can go; returns the size of what was written.
    pub fn checkpoint(&self) -> Result<u64, OpenError> {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        disk.as_ref()
            .map_or(Ok(0), |disk| upkeep.lock().checkpoint(core, disk))
    }

    /// Deletes samples of the series that match; returns how many went from the head. Snapshots taken before still see
    /// them. Durable when it returns.
    pub fn delete(&self, matchers: &[Matcher], start_ms: i64, end_ms: i64) -> Result<usize, OpenError> {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        upkeep
            .lock()
            .delete(core, disk.as_ref(), matchers, (start_ms, end_ms))
    }

    /// Starts taking history from elsewhere, past the log and the out-of-order window.
    pub fn import(&self, now_ms: i64) -> Result<Importer<'_>, OpenError> {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        let disk = disk.as_ref().ok_or(OpenError::NoDirectory)?;
        Ok(Importer::new(core, disk, upkeep, now_ms))
    }

    /// Writes a copy that `open` takes, as of now, into a directory that does not exist yet. Files that never change are
    /// linked, not copied, where the file system can.
    pub fn backup(&self, to: &Path) -> Result<BackupReport, OpenError> {
        let Shared {
            core, disk, upkeep, ..
        } = &*self.shared;
        match disk {
            Some(disk) => backup::backup(core, disk, &mut upkeep.lock(), to),
            None => Err(OpenError::NoDirectory),
        }
    }

    /// Puts a verified backup in the place where a store will be opened; `to` must not hold one.
    pub fn restore(from: &Path, to: &Path) -> Result<BackupReport, OpenError> {
        backup::restore(&RealFs, from, to)
    }

    /// Reads every checksum of every file and says what is damaged.
    pub fn verify(&self) -> Result<VerifyReport, OpenError> {
        match &self.shared.disk {
            Some(disk) => verify::verify(&*disk.fs, &disk.dir),
            None => Ok(VerifyReport::default()),
        }
    }

    /// As [`MetricsStore::verify`], for a directory that no process has open; a backup may lie where nothing can be written.
    pub fn verify_dir(dir: &Path) -> Result<VerifyReport, OpenError> {
        let path = dir.join("lock");
        let _held = match File::open(&path) {
            Ok(file) => Some(held(file, path)?),
            Err(_) => None,
        };
        verify::verify(&RealFs, dir)
    }

    /// What costs little to tell.
    pub fn numbers(&self) -> StoreNumbers {
        numbers(&self.shared.core)
    }

    /// The live blocks by name, the oldest first.
    pub fn blocks(&self) -> Vec<(String, BlockMeta)> {
        let blocks = self.shared.core.blocks.list();
        blocks
            .iter()
            .map(|b| (b.name.clone(), b.block.meta().clone()))
            .collect()
    }

    pub fn stats(&self) -> StoreStats {
        let mut stats = collect(&self.shared.core);
        stats.damaged.clone_from(&self.shared.report.damaged);
        stats
            .blocks_unreadable
            .clone_from(&self.shared.report.blocks_unreadable);
        stats
    }

    /// How much is damaged, without the details: cheap enough to ask every few seconds.
    pub fn damage(&self) -> DamageCount {
        let core = &self.shared.core;
        let blocks = core.blocks.list();
        DamageCount {
            pages_quarantined: blocks.iter().map(|b| b.block.quarantined().len()).sum(),
            blocks_unreadable: self.shared.report.blocks_unreadable.len(),
            log_ranges: self.shared.report.damaged.len(),
            lost_stretches: core.losses.count(),
        }
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
    held(file, path)
}

fn held(file: File, path: PathBuf) -> Result<File, OpenError> {
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

#[cfg(test)]
mod tests {
    use super::super::commit::{Kept, PendingBatch, keep};
    use super::super::head::shard_of;
    use super::super::refusal::AppendOutcome;
    use super::*;
    use crate::source::{Selection, SeriesPoints, SeriesSource};
    use lapwing_types::Labels;

    const T0: i64 = 1_700_000_000_000;
    /// More than enough for a thread that has nothing to wait for.
    const YIELDS: usize = 100_000;

    fn labels() -> Labels {
        Labels::from_pairs([("__name__", "m")]).unwrap()
    }

    /// The first half of a request with one sample.
    fn one_sample(core: &Core, t_ms: i64) -> Kept {
        let slot = core.find_or_create(&labels(), "test").unwrap();
        let mut pending = PendingBatch::default();
        pending.shards[shard_of(slot)].samples.push((slot, t_ms, 1.0));
        keep(core, pending, AppendOutcome::default(), T0).unwrap()
    }

    fn times(store: &MetricsStore) -> Vec<i64> {
        let everything = Selection {
            matchers: vec![],
            start_ms: i64::MIN,
            end_ms: i64::MAX,
            series_max: None,
        };
        let mut points = SeriesPoints::default();
        for one in store.snapshot().select(&everything).unwrap() {
            one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        }
        points.times_ms
    }

    #[test]
    fn what_is_deleted_between_head_and_log_does_not_come_back() {
        let dir = tempfile::tempdir().unwrap();
        let open = || MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
        let store = open();
        let core = &*store.shared.core;
        let log = core.log.as_ref().unwrap();
        one_sample(core, T0).write_down(core).unwrap();
        let segment = log.status().segment;
        let under_way = one_sample(core, T0 + 1_000);
        std::thread::scope(|scope| {
            let deletion = scope.spawn(|| store.delete(&[], T0, T0 + 1_000).unwrap());
            while !times(&store).is_empty() && !deletion.is_finished() {
                std::thread::yield_now();
            }
            // Were the log cut now, what is under way would stand behind the cut.
            for _ in 0..YIELDS {
                if log.status().segment > segment {
                    break;
                }
                std::thread::yield_now();
            }
            under_way.write_down(core).unwrap();
            assert_eq!(deletion.join().unwrap(), 2, "the head had both");
        });
        assert!(log.status().segment > segment, "the log is cut");
        one_sample(core, T0 + 2_000).write_down(core).unwrap();
        assert_eq!(times(&store), [T0 + 2_000]);
        // Nobody says a word to the store before it is gone.
        drop(store);
        assert_eq!(times(&open()), [T0 + 2_000]);
    }
}
