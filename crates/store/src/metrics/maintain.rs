//! What the engine asks for every few seconds: measuring memory, letting ended series go, writing checkpoints.
//!
//! Nothing here stops appends for longer than one shard's lock.
//!
//! A series leaves the head in three steps, since an appender may hold a reference to it and a snapshot may read it:
//! 1. it is taken out of every look-up, so that the same labels would get a new slot;
//! 2. when every appender and snapshot of that time is gone, it is removed (or found again, should it have been
//!    written to in between);
//! 3. its slot is used again only after the next checkpoint, when no log record speaks of it any more.

use super::checkpoint::{self, checkpoint_path};
use super::core::Core;
use super::head::series::NEVER_MS;
use super::head::shard_of;
use super::log::replay::{segment_path, segments};
use super::manifest::Manifest;
use super::refusal::OpenError;
use super::stats::memory;
use super::vfs::Vfs;
use lapwing_types::Matcher;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaintenanceReport {
    pub series_removed: usize,
    pub chunks_dropped: usize,
    pub checkpoint_bytes: Option<u64>,
    /// What did not work, in words; it is tried again in the next round.
    pub failures: Vec<String>,
}

/// The directory of a store.
pub(crate) struct Disk {
    pub(crate) fs: Arc<dyn Vfs>,
    pub(crate) dir: PathBuf,
}

/// What maintenance remembers between rounds.
#[derive(Default)]
pub(crate) struct Upkeep {
    pub(crate) manifest: Manifest,
    /// Step 1 is done for these, at this mark.
    leaving: Option<(Vec<u32>, u64)>,
    /// Step 2 is done for these.
    unreleased: Vec<u32>,
}

impl Upkeep {
    pub(crate) fn new(manifest: Manifest) -> Self {
        Upkeep {
            manifest,
            ..Upkeep::default()
        }
    }

    pub(crate) fn round(&mut self, core: &Core, disk: Option<&Disk>, now_ms: i64) -> MaintenanceReport {
        let mut report = MaintenanceReport::default();
        if disk.is_none() {
            report.chunks_dropped = forget_old(core, now_ms);
        }
        report.series_removed = self.remove_left(core);
        self.begin_leaving(core);
        match disk {
            None => core.index.write().release(&std::mem::take(&mut self.unreleased)),
            Some(disk) => {
                let log_bytes = core.log.as_ref().map_or(0, |l| l.status().size_since_cut_bytes);
                if log_bytes > core.options.log_size_max_bytes {
                    match self.checkpoint(core, disk) {
                        Ok(size_bytes) => report.checkpoint_bytes = Some(size_bytes),
                        Err(error) => report.failures.push(in_words(&error)),
                    }
                }
            }
        }
        core.counters
            .memory_bytes
            .store(memory(core).total_bytes(), Ordering::Relaxed);
        report
    }

    /// New segment, checkpoint, manifest, and only then the older files go.
    pub(crate) fn checkpoint(&mut self, core: &Core, disk: &Disk) -> Result<u64, OpenError> {
        let Some(log) = &core.log else { return Ok(0) };
        let fs = &*disk.fs;
        let first_segment = log.cut().map_err(|e| OpenError::Damaged {
            path: disk.dir.join("wal"),
            reason: in_words(&e),
        })?;
        let number = self.manifest.checkpoint.map_or(1, |n| n + 1);
        let size_bytes = checkpoint::write(core, fs, &disk.dir, number)?;
        let next = Manifest {
            checkpoint: Some(number),
            first_segment,
            ..self.manifest.clone()
        };
        next.write(fs, &disk.dir)?;
        self.manifest = next;
        core.index.write().release(&std::mem::take(&mut self.unreleased));
        // A file that stays is debris, which the next start removes.
        let _ = remove_debris(fs, &disk.dir, &self.manifest);
        Ok(size_bytes)
    }

    pub(crate) fn delete(
        &mut self,
        core: &Core,
        disk: Option<&Disk>,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
    ) -> Result<usize, OpenError> {
        let slots = core.index.read().select(matchers);
        let mut removed = 0;
        for slot in slots {
            let mut shard = core.shards[shard_of(slot)].lock();
            if let Some(series) = shard.get_mut(slot) {
                removed += series.delete(start_ms, end_ms, core.options.window_ms);
            }
        }
        // The log before still holds them: the checkpoint takes its place.
        if let Some(disk) = disk {
            self.checkpoint(core, disk)?;
        }
        Ok(removed)
    }

    fn begin_leaving(&mut self, core: &Core) {
        if self.leaving.is_some() {
            return;
        }
        let options = &core.options;
        let newest_ms = core.newest_ms.load(Ordering::Acquire);
        let ended_before_ms = newest_ms.saturating_sub(options.ooo_window_ms.max(options.window_ms));
        let mut ended = Vec::new();
        for (number, shard) in core.shards.iter().enumerate() {
            let shard = shard.lock();
            let gone = shard
                .iter(number)
                .filter(|(_, s)| !s.has_samples() && s.newest_ms() < ended_before_ms);
            // A series that never got a sample may be about to.
            ended.extend(
                gone.filter(|(_, s)| s.newest_ms() > NEVER_MS)
                    .map(|(slot, _)| slot),
            );
        }
        if ended.is_empty() {
            return;
        }
        core.index.write().detach(&ended);
        let gone: hashbrown::HashSet<u32> = ended.iter().copied().collect();
        core.raw_cache.forget(&|slot| gone.contains(&slot));
        self.leaving = Some((ended, core.isolation.mark()));
    }

    fn remove_left(&mut self, core: &Core) -> usize {
        let Some((slots, mark)) = self
            .leaving
            .take_if(|(_, mark)| core.isolation.all_gone_before(*mark))
        else {
            return 0;
        };
        debug_assert!(core.isolation.all_gone_before(mark));
        let mut index = core.index.write();
        let mut removed = Vec::with_capacity(slots.len());
        for slot in slots {
            let mut shard = core.shards[shard_of(slot)].lock();
            if shard.get(slot).is_some_and(|s| s.has_samples()) {
                index.attach(slot);
            } else {
                shard.clear(slot);
                removed.push(slot);
            }
        }
        index.remove(&removed);
        let count = removed.len();
        self.unreleased.extend(removed);
        count
    }
}

/// A store in memory has no blocks: what is beyond retention just goes.
fn forget_old(core: &Core, now_ms: i64) -> usize {
    let Some(age_ms) = core.options.retention.age_ms else {
        return 0;
    };
    let oldest_ms = now_ms.saturating_sub(age_ms);
    let mut dropped = 0;
    for (number, shard) in core.shards.iter().enumerate() {
        for (_, series) in shard.lock().iter_mut(number) {
            dropped += series.forget_before(oldest_ms);
        }
    }
    dropped
}

/// Removes what the manifest does not name.
pub(crate) fn remove_debris(
    fs: &dyn Vfs,
    dir: &std::path::Path,
    manifest: &Manifest,
) -> Result<Vec<PathBuf>, OpenError> {
    let mut debris = Vec::new();
    let log_dir = dir.join("wal");
    for number in segments(fs, &log_dir)? {
        if number < manifest.first_segment {
            debris.push(segment_path(&log_dir, number));
        }
    }
    let checkpoints = dir.join("checkpoint");
    let kept = manifest.checkpoint.map(|n| checkpoint_path(dir, n));
    for name in fs
        .list(&checkpoints)
        .map_err(super::refusal::io_error("listing", &checkpoints))?
    {
        let path = checkpoints.join(name);
        if kept.as_ref() != Some(&path) {
            debris.push(path);
        }
    }
    for path in &debris {
        fs.remove_file(path)
            .map_err(super::refusal::io_error("removing", path))?;
    }
    Ok(debris)
}

/// An error with its causes in one line.
pub(crate) fn in_words(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
