//! What the engine asks for every few seconds: windows that are over become blocks, blocks become larger ones or go, ended
//! series leave, the log is cut by a checkpoint, memory is measured.
//!
//! Nothing here stops appends for longer than one shard's lock. One round does at most one flush and one merge or tier.
//!
//! A series leaves the head in three steps, since an appender may hold a reference to it and a snapshot may read it:
//! 1. it is taken out of every look-up, so that the same labels would get a new slot;
//! 2. when every appender and snapshot of that time is gone, it is removed (or found again, should it have been
//!    written to in between), and the log is told, so that a replay need not hold it either;
//! 3. its slot is used again only after the next checkpoint, when no log record speaks of it any more.

use super::blocks::{Levels, LiveBlock};
use super::checkpoint;
use super::compact::{self, Replacement, due, expired};
use super::core::Core;
use super::debris::remove_debris;
use super::families;
use super::flush::{Flushed, drop_flushed, write_blocks};
use super::head::ghost::Deletion;
use super::head::series::NEVER_MS;
use super::head::shard_of;
use super::leap::Leap;
use super::log::frame::{self, Kind};
use super::log::record::put_gone;
use super::manifest::Manifest;
use super::refusal::OpenError;
use super::scrub::Scrub;
use super::stats::memory;
use super::tiers::{self, Look, Tiers};
use super::vfs::Vfs;
use lapwing_types::Matcher;
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// The horizon may go back and forth between a writer of the past and the rest; up to the same end is flushed at most this often.
const SAME_FLUSH_MS: i64 = 5 * 60_000;
const LAST_FLUSHES: usize = 32;

/// What one round did.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MaintenanceReport {
    pub series_removed: usize,
    pub blocks_written: usize,
    pub chunks_dropped: usize,
    pub blocks_merged: usize,
    pub blocks_expired: usize,
    /// Blocks of downsampled tiers.
    pub tiers_written: usize,
    pub checkpoint_bytes: Option<u64>,
    /// Read only to see whether it is still what was written.
    pub scrubbed_bytes: u64,
    /// Blocks in which damage was found since the last round; what is lost stands in the statistics.
    pub blocks_newly_damaged: usize,
    /// What did not work, in words; it is tried again in the next round.
    pub failures: Vec<String>,
    /// The next round would find more to do at once.
    pub has_more: bool,
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
    /// Number of the next block; those of removed blocks are not used again.
    next_block: u64,
    flushes: u32,
    /// Everything in order before this was flushed.
    flushed_until_ms: Option<i64>,
    /// Everything in order before this is in named blocks.
    named_until_ms: Option<i64>,
    /// Ends and times of the last flushes.
    last_flushes: VecDeque<(i64, i64)>,
    /// Written and visible, but still in the head as well.
    flushed: Option<Flushed>,
    /// Step 1 is done for these, at this mark.
    leaving: Option<(Vec<u32>, u64)>,
    tiers: Tiers,
    scrub: Scrub,
    leap: Leap,
    /// What was deleted, and the slots that hold what someone may still look at.
    deleted: Vec<(Arc<Deletion>, Vec<u32>)>,
    /// Step 2 is done for these.
    unreleased: Vec<u32>,
}

impl Upkeep {
    pub(crate) fn new(manifest: Manifest) -> Self {
        let numbers = manifest.blocks.iter().filter_map(|name| name.parse::<u64>().ok());
        let next_block = numbers.max().map_or(1, |n| n + 1).max(manifest.next_block);
        Upkeep {
            manifest,
            next_block,
            ..Upkeep::default()
        }
    }

    pub(crate) fn round(&mut self, core: &Core, disk: Option<&Disk>, now_ms: i64) -> MaintenanceReport {
        let mut report = MaintenanceReport {
            series_removed: self.remove_left(core),
            ..MaintenanceReport::default()
        };
        self.forget_deleted(core);
        self.begin_leaving(core, now_ms);
        forget_the_future(core, now_ms);
        let is_believed = self.leap.is_believed(core, now_ms);
        match disk {
            None => {
                report.chunks_dropped = if is_believed { forget_old(core, now_ms) } else { 0 };
                core.index.write().release(&std::mem::take(&mut self.unreleased));
            }
            Some(disk) => {
                if let Err(error) = self.round_on_disk(core, disk, (now_ms, is_believed), &mut report) {
                    report.failures.push(in_words(&error));
                }
            }
        }
        if disk.is_some() {
            report.scrubbed_bytes = self.scrub.step(core, now_ms);
            report.blocks_newly_damaged = core.losses.update(&core.blocks.list());
        }
        let did_something = report.blocks_written + report.blocks_merged + report.tiers_written > 0;
        report.has_more = report.failures.is_empty() && (did_something || self.flushed.is_some());
        core.renew_ranks();
        let max_bytes = families::max_bytes(core.limits().memory_limit_bytes);
        let index = core.index.read();
        core.metadata.write().forget_unused(&index, max_bytes);
        drop(index);
        core.raw_cache.freeze();
        core.counters
            .memory_bytes
            .store(memory(core).total_bytes(), Ordering::Relaxed);
        report
    }

    fn round_on_disk(
        &mut self,
        core: &Core,
        disk: &Disk,
        (now_ms, is_believed): (i64, bool),
        report: &mut MaintenanceReport,
    ) -> Result<(), OpenError> {
        self.end_flush(core, disk, report)?;
        self.flush(core, disk, now_ms, &mut report.failures)?;
        // At once where nobody reads: merging takes seconds, in which the head would hold all of it as well.
        self.end_flush(core, disk, report)?;
        self.tidy_blocks(core, disk, (now_ms, is_believed), report)?;
        let log_bytes = core.log.as_ref().map_or(0, |l| l.status().size_since_cut_bytes);
        if log_bytes > core.options.log_size_max_bytes {
            report.checkpoint_bytes = Some(self.checkpoint(core, disk)?);
        }
        Ok(())
    }

    /// What was flushed leaves the head, when no snapshot from before is left.
    fn end_flush(
        &mut self,
        core: &Core,
        disk: &Disk,
        report: &mut MaintenanceReport,
    ) -> Result<(), OpenError> {
        if let Some(done) = self.flushed.take_if(|f| core.isolation.all_gone_before(f.mark)) {
            report.chunks_dropped += drop_flushed(core, self.flushes);
            report.blocks_written += done.blocks.len();
            self.named_until_ms = self.flushed_until_ms;
            self.manifest
                .blocks
                .extend(done.blocks.into_iter().map(|b| b.name));
            report.checkpoint_bytes = Some(self.checkpoint(core, disk)?);
        }
        Ok(())
    }

    /// Fewer and larger blocks, tiers of what is settled, and nothing older than it should be. What fails here must not keep old
    /// blocks from going: on a full disk that is what makes room.
    fn tidy_blocks(
        &mut self,
        core: &Core,
        disk: &Disk,
        (now_ms, is_believed): (i64, bool),
        report: &mut MaintenanceReport,
    ) -> Result<(), OpenError> {
        let improved = self.improve_blocks(core, disk, now_ms, report);
        let failed = improved.is_err();
        let named = self.named(core);
        let look = Look {
            core,
            list: &named,
            settled_ms: self.settled_ms(core, &named, now_ms),
            now_ms,
        };
        let kept_back = |b: &LiveBlock| !failed && self.tiers.wants(look, b);
        let stays = |b: &LiveBlock| !self.manifest.blocks.contains(&b.name) || kept_back(b);
        let old_by_ms = is_believed.then_some(now_ms);
        let gone = expired(core, old_by_ms, &stays);
        if !gone.is_empty() {
            let count = gone.len();
            let new = Vec::new();
            self.replace(core, disk, Replacement { gone, new })?;
            report.blocks_expired = count;
        }
        improved
    }

    fn improve_blocks(
        &mut self,
        core: &Core,
        disk: &Disk,
        now_ms: i64,
        report: &mut MaintenanceReport,
    ) -> Result<(), OpenError> {
        let levels = Levels {
            window_ms: core.options.window_ms,
        };
        let named: Vec<LiveBlock> = self.named(core);
        let settled_ms = self.settled_ms(core, &named, now_ms);
        if let Some(inputs) = due(&named, levels, settled_ms) {
            return self.merge(core, disk, &inputs, report);
        }
        let look = Look {
            core,
            list: &named,
            settled_ms,
            now_ms,
        };
        let unnamed = self.flushed.as_ref().map_or(&[][..], |f| &f.blocks);
        if let Some(due) = self.tiers.due(look, unnamed) {
            let made = self.tiers.make(core, disk, &due, &mut self.next_block)?;
            report.tiers_written = usize::from(made.is_some());
            let new: Vec<LiveBlock> = made.into_iter().collect();
            return self.replace(
                core,
                disk,
                Replacement {
                    gone: Vec::new(),
                    new,
                },
            );
        }
        match tiers::due_for_merging(core, &named, unnamed, settled_ms) {
            Some(inputs) => self.merge(core, disk, &inputs, report),
            None => Ok(()),
        }
    }

    fn merge(
        &mut self,
        core: &Core,
        disk: &Disk,
        inputs: &[LiveBlock],
        report: &mut MaintenanceReport,
    ) -> Result<(), OpenError> {
        let replacement = compact::merge(core, disk, inputs, None, &mut self.next_block)?;
        report.blocks_merged = inputs.len();
        self.replace(core, disk, replacement)
    }

    /// Samples before this are in named blocks, and no late ones are taken any more. Until something was flushed since the start,
    /// the newest sample says how far that was; while the first flush is under way nobody knows.
    fn settled_ms(&self, core: &Core, named: &[LiveBlock], now_ms: i64) -> i64 {
        let options = &core.options;
        let done_ms = self.named_until_ms.unwrap_or_else(|| {
            if self.flushed.is_some() {
                return NEVER_MS;
            }
            let blocks_ms = named.iter().map(|b| b.block.meta().max_ms).max();
            let newest_ms = core
                .newest_ms
                .load(Ordering::Acquire)
                .max(blocks_ms.unwrap_or(NEVER_MS));
            newest_ms.saturating_sub(options.window_slack_ms)
        });
        let done_ms = done_ms.min(core.latest_ms(now_ms));
        done_ms.saturating_sub(options.ooo_window_ms)
    }

    /// Live blocks that the manifest names; those of a flush under way are left alone.
    fn named(&self, core: &Core) -> Vec<LiveBlock> {
        core.blocks
            .list()
            .iter()
            .filter(|b| self.manifest.blocks.contains(&b.name))
            .cloned()
            .collect()
    }

    /// Whether a round would find something that should not wait: a window to be written, or one to leave the head.
    pub(crate) fn is_due(&self, core: &Core, now_ms: i64) -> bool {
        self.flushed.is_some() || self.due_flush_ms(core, now_ms).is_some()
    }

    /// Until when windows are over for everybody at work, if that was not flushed yet. When memory gets short, nobody is
    /// waited for.
    fn due_flush_ms(&self, core: &Core, now_ms: i64) -> Option<i64> {
        let options = &core.options;
        let newest_ms = core.newest_by(now_ms);
        let is_short = core.memory_bytes() > core.limits().memory_limit_bytes / 2;
        let horizon_ms = match is_short {
            true => newest_ms,
            false => core.pace.horizon_ms(newest_ms, now_ms),
        };
        let over_ms = horizon_ms
            .saturating_sub(options.window_slack_ms)
            .div_euclid(options.window_ms);
        let until_ms = over_ms.saturating_mul(options.window_ms);
        let is_due = newest_ms > NEVER_MS && self.flushed_until_ms != Some(until_ms);
        let is_again = self
            .last_flushes
            .iter()
            .any(|(until, at_ms)| *until == until_ms && now_ms.saturating_sub(*at_ms) < SAME_FLUSH_MS);
        (self.flushed.is_none() && is_due && (!is_again || is_short)).then_some(until_ms)
    }

    /// Writes what is over.
    fn flush(
        &mut self,
        core: &Core,
        disk: &Disk,
        now_ms: i64,
        failures: &mut Vec<String>,
    ) -> Result<(), OpenError> {
        let Some(until_ms) = self.due_flush_ms(core, now_ms) else {
            return Ok(());
        };
        self.last_flushes.push_back((until_ms, now_ms));
        if self.last_flushes.len() > LAST_FLUSHES {
            self.last_flushes.pop_front();
        }
        self.flushes += 1;
        let blocks = write_blocks(
            core,
            disk,
            (until_ms, self.flushes),
            &mut self.next_block,
            failures,
        )?;
        self.flushed_until_ms = Some(until_ms);
        if blocks.is_empty() {
            self.named_until_ms = self.flushed_until_ms;
        } else {
            // A commit under way may stand in the blocks by half: they become visible once it is whole.
            core.isolation.await_open_commits();
            core.blocks.replace(&[], blocks.clone());
            self.flushed = Some(Flushed {
                mark: core.isolation.mark(),
                blocks,
            });
        }
        Ok(())
    }

    /// While the log is read: there is more in memory than may be, and what is over becomes blocks, which stay unnamed until the
    /// next checkpoint (a crash before it finds all of it in the log again). Nobody looks yet. Returns how many blocks there are
    /// more; what fails here is tried again by a round.
    pub(crate) fn relieve(&mut self, core: &Core, disk: &Disk) -> usize {
        core.counters
            .memory_bytes
            .store(memory(core).total_bytes(), Ordering::Relaxed);
        let mut report = MaintenanceReport::default();
        // Unheard: the clock of the log is the newest sample.
        let now_ms = core.newest_ms.load(Ordering::Acquire);
        self.flushed_until_ms = None;
        let flushed = self.flush(core, disk, now_ms, &mut report.failures);
        let _ = flushed.and_then(|()| self.end_flush(core, disk, &mut report));
        (self.flushed_until_ms, self.named_until_ms) = (None, None);
        self.last_flushes.clear();
        report.blocks_written
    }

    /// While the log is read: series that had left when it was written, and of which nothing is in memory any more, leave again.
    pub(crate) fn leave_again(&mut self, core: &Core, gone: &mut Vec<(u32, u32)>) {
        let mut left = Vec::new();
        gone.retain(|(slot, generation)| {
            let mut shard = core.shards[shard_of(*slot)].lock();
            match shard.get(*slot) {
                Some(series) if series.generation == *generation => {
                    let stays = series.has_samples();
                    if !stays {
                        shard.clear(*slot);
                        left.push(*slot);
                    }
                    stays
                }
                _ => false,
            }
        });
        core.index.write().remove(&left);
        self.unreleased.extend(left);
    }

    /// Slots without a series that the log still speaks of.
    pub(crate) fn unreleased(&self) -> &[u32] {
        &self.unreleased
    }

    pub(crate) fn take_number(&mut self) -> u64 {
        self.next_block += 1;
        self.next_block - 1
    }

    /// Blocks that were made elsewhere: named, then visible.
    pub(crate) fn adopt(&mut self, core: &Core, disk: &Disk, new: Vec<LiveBlock>) -> Result<(), OpenError> {
        if new.is_empty() {
            return Ok(());
        }
        let gone = Vec::new();
        self.replace(core, disk, Replacement { gone, new })
    }

    /// New blocks in place of old ones: visible, then named, then the old directories go.
    fn replace(&mut self, core: &Core, disk: &Disk, replacement: Replacement) -> Result<(), OpenError> {
        let Replacement { gone, new } = replacement;
        let mut next = self.manifest.clone();
        next.blocks.retain(|name| !gone.contains(name));
        next.blocks.extend(new.iter().map(|b| b.name.clone()));
        next.next_block = self.next_block;
        next.write(&*disk.fs, &disk.dir)?;
        self.manifest = next;
        core.blocks.replace(&gone, new);
        self.remove_debris(core, disk);
        Ok(())
    }

    /// A file that stays is debris, which the next start removes.
    fn remove_debris(&self, core: &Core, disk: &Disk) {
        let mut live = self.manifest.clone();
        live.blocks.extend(core.blocks.names());
        let _ = remove_debris(&*disk.fs, &disk.dir, &live);
    }

    /// New segment, checkpoint, manifest, and only then the older files go.
    pub(crate) fn checkpoint(&mut self, core: &Core, disk: &Disk) -> Result<u64, OpenError> {
        let Some(log) = &core.log else { return Ok(0) };
        let fs = &*disk.fs;
        let first_segment = log.cut().map_err(|source| OpenError::Log {
            path: disk.dir.join("wal"),
            source,
        })?;
        let number = self.manifest.checkpoint.map_or(1, |n| n + 1);
        let size_bytes = checkpoint::write(core, fs, &disk.dir, number)?;
        let next = Manifest {
            checkpoint: Some(number),
            first_segment,
            next_block: self.next_block,
            ..self.manifest.clone()
        };
        next.write(fs, &disk.dir)?;
        self.manifest = next;
        core.index.write().release(&std::mem::take(&mut self.unreleased));
        self.remove_debris(core, disk);
        Ok(size_bytes)
    }

    /// Deletes from head and blocks; one manifest names the result. Whoever looks since before goes on seeing what is deleted.
    pub(crate) fn delete(
        &mut self,
        core: &Core,
        disk: Option<&Disk>,
        matchers: &[Matcher],
        range: (i64, i64),
    ) -> Result<usize, OpenError> {
        let deletion = Deletion::new(range);
        let slots = core.index.read().select(matchers);
        let mut removed = 0;
        for slot in &slots {
            let mut shard = core.shards[shard_of(*slot)].lock();
            if let Some((series, sealer)) = shard.with_sealer(*slot) {
                removed += series.delete(&deletion, sealer);
            }
        }
        self.deleted.push((Arc::clone(&deletion), slots));
        let result = match disk {
            Some(disk) => self.delete_from_blocks(core, disk, matchers, &deletion),
            None => Ok(()),
        };
        // Also where it failed: the head has let go.
        end_deletion(core, &deletion, Replacement::default());
        self.forget_deleted(core);
        result.map(|()| removed)
    }

    fn delete_from_blocks(
        &mut self,
        core: &Core,
        disk: &Disk,
        matchers: &[Matcher],
        deletion: &Deletion,
    ) -> Result<(), OpenError> {
        // What a flush copied is in both places: it is as if it had not been flushed yet.
        if let Some(undone) = self.flushed.take() {
            let names: Vec<String> = undone.blocks.iter().map(|b| b.name.clone()).collect();
            core.blocks.replace(&names, Vec::new());
            // Due again at once.
            self.flushed_until_ms = None;
            self.last_flushes.pop_back();
        }
        let tombstone = compact::tombstone(matchers, deletion.range());
        let replacement = compact::delete(core, disk, &tombstone, &mut self.next_block)?;
        self.manifest
            .blocks
            .retain(|name| !replacement.gone.contains(name));
        self.manifest
            .blocks
            .extend(replacement.new.iter().map(|b| b.name.clone()));
        end_deletion(core, deletion, replacement);
        // Of a commit under way the head may have lost a sample that the log learns of only now: it must not stand behind the cut.
        core.isolation.await_open_commits();
        // The log before still holds them: the checkpoint takes its place, and its manifest names the blocks.
        self.checkpoint(core, disk).map(drop)
    }

    /// Lets go of what was deleted, when nobody is left who came before.
    fn forget_deleted(&mut self, core: &Core) {
        let is_over = |deletion: &Deletion| core.isolation.all_gone_before(deletion.mark());
        self.deleted.retain(|(deletion, slots)| {
            if !is_over(deletion) {
                return true;
            }
            for slot in slots {
                let mut shard = core.shards[shard_of(*slot)].lock();
                if let Some(series) = shard.get_mut(*slot) {
                    series.drop_ghosts(&is_over);
                }
            }
            false
        });
    }

    fn begin_leaving(&mut self, core: &Core, now_ms: i64) {
        if self.leaving.is_some() {
            return;
        }
        let options = &core.options;
        let newest_ms = core.newest_by(now_ms);
        let horizon_ms = core.pace.horizon_ms(newest_ms, now_ms);
        let ended_before_ms = horizon_ms.saturating_sub(options.ooo_window_ms.max(options.window_ms));
        let mut ended = Vec::new();
        for (number, shard) in core.shards.iter().enumerate() {
            let shard = shard.lock();
            let latest_ms = core.latest_ms(now_ms);
            // What was only of the future is deleted or in a block: the present begins anew.
            let is_over = |t_ms: i64| t_ms < ended_before_ms || t_ms > latest_ms;
            let gone = shard
                .iter(number)
                .filter(|(_, s)| !s.has_samples() && is_over(s.newest_ms()));
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
        let Some((slots, _)) = self
            .leaving
            .take_if(|(_, mark)| core.isolation.all_gone_before(*mark))
        else {
            return 0;
        };
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
        if let Some(log) = core.log.as_ref().filter(|_| !removed.is_empty()) {
            let gone: Vec<(u32, u32)> = removed.iter().map(|s| (*s, index.generation(*s))).collect();
            let mut record = Vec::new();
            let at = frame::begin(&mut record, Kind::Gone);
            put_gone(&mut record, &gone);
            frame::finish(&mut record, at);
            log.define(&record);
        }
        index.remove(&removed);
        let count = removed.len();
        self.unreleased.extend(removed);
        count
    }
}

/// Blocks in the place of others, and the head without what was deleted: for everybody at once.
fn end_deletion(core: &Core, deletion: &Deletion, replacement: Replacement) {
    let Replacement { gone, new } = replacement;
    core.blocks
        .replace_and(&gone, new, || deletion.end(core.isolation.mark()));
}

/// The newest sample lies further ahead than the clock allows. It may be deleted by now.
fn forget_the_future(core: &Core, now_ms: i64) {
    let newest_ms = core.newest_ms.load(Ordering::Acquire);
    if newest_ms <= core.latest_ms(now_ms) {
        return;
    }
    let newest_of = |(number, shard): (usize, &parking_lot::Mutex<super::head::shard::Shard>)| {
        let shard = shard.lock();
        shard.iter(number).map(|(_, s)| s.newest_kept_ms()).max()
    };
    let kept_ms = core.shards.iter().enumerate().filter_map(newest_of).max();
    // Unless another one came meanwhile.
    let kept_ms = kept_ms.unwrap_or(NEVER_MS);
    let _ = (core.newest_ms).compare_exchange(newest_ms, kept_ms, Ordering::AcqRel, Ordering::Acquire);
}

/// A store in memory has no blocks: what is beyond retention just goes.
fn forget_old(core: &Core, now_ms: i64) -> usize {
    let Some(age_ms) = core.limits().retention.age_ms else {
        return 0;
    };
    let oldest_ms = now_ms.saturating_sub(age_ms);
    let mut dropped = 0;
    for (number, shard) in core.shards.iter().enumerate() {
        let mut shard = shard.lock();
        for (_, series) in shard.iter_mut(number) {
            dropped += series.forget_before(oldest_ms);
        }
    }
    core.times.forget_unused();
    dropped
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
