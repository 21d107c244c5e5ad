//! Bringing the head back: checkpoint and log are read in order by one thread and applied by several.
//!
//! 1. The reading thread checks frames, puts definitions of series into the index, and hands each record to every worker.
//! 2. A worker owns some of the shards: it skips the sections of others. So each shard sees its records in order.
//! 3. What waits in queues is bounded in bytes, which bounds the memory that is taken beside the head itself.
//! 4. Whenever the head has become larger than it may be, the workers rest and windows that are over become blocks, as they did
//!    while the store ran: a log may be longer than what was in memory at any time, where checkpoints could not be written. For the
//!    same reason series leave of which the log says that they had left.
//!
//! Replay refuses nothing: what is in the log was accepted. A sample that is there already (from the checkpoint, or because
//! a client sent it twice) is dropped as the duplicate it is.

use super::checkpoint::{take_series, take_shard};
use super::core::Core;
use super::families::shortened;
use super::head::series::{Bounds, NEVER_MS};
use super::head::{SHARDS, histogram_bytes::take_histogram, shard_of};
use super::log::frame::Kind;
use super::log::record::{
    SampleDeltas, Section, SectionKind, next_section, take_definition, take_gone, take_labels,
};
use super::log::replay::{DamagedRange, read_checkpoint, read_segments, time_span};
use super::maintain::{Disk, Upkeep};
use super::refusal::{OpenError, io_error};
use super::stats::memory;
use super::vfs::Vfs;
use crate::bytes::{Malformed, Reader};
use lapwing_types::{Exemplar, Metadata, MetricKind};
use parking_lot::{Condvar, Mutex};
use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Records that may wait for a worker, and how long they may be together: one alone may be longer.
const QUEUE_RECORDS: usize = 32;
const QUEUE_BYTES: usize = 8 << 20;

/// As a running store, replay does not wait for more than this part of what is allowed before windows that are over go.
const SHORT_PART: u64 = 2;
/// Memory is measured whenever so small a part of what is allowed was read from the log.
const MEASURED_PARTS: u64 = 64;

/// Slots that replay accepts however few series are allowed now: more may have been once.
const SLOTS_FLOOR: usize = 1 << 24;

/// What opening found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenReport {
    pub series: usize,
    pub samples_replayed: u64,
    pub records_replayed: u64,
    /// Records whose checksum holds but whose content makes no sense, or speaks of a series that damage took away.
    pub records_unusable: u64,
    pub samples_without_series: u64,
    /// Of windows that were over, because memory was short.
    pub blocks_written: usize,
    /// The most that head and index took meanwhile.
    pub memory_peak_bytes: u64,
    /// A half-written record at the end of the log, cut off: the usual trace of a crash, and never acknowledged.
    pub torn_tail_bytes: u64,
    pub damaged: Vec<DamagedRange>,
    /// Blocks that could not be opened, and why; they stay where they are.
    pub blocks_unreadable: Vec<(PathBuf, String)>,
    /// Files that no manifest names: left by a crash, removed.
    pub debris_removed: Vec<PathBuf>,
}

/// A record on its way to the workers, which share it.
struct Record<'w> {
    kind: Kind,
    payload: Vec<u8>,
    waiting: &'w Waiting,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        *self.waiting.bytes.lock() -= self.payload.len();
        self.waiting.less.notify_all();
    }
}

/// What was read and is not applied yet.
#[derive(Default)]
struct Waiting {
    bytes: Mutex<usize>,
    less: Condvar,
}

impl Waiting {
    /// Waits until there is room for another record.
    fn add(&self, kind: Kind, payload: Vec<u8>) -> Record<'_> {
        let mut bytes = self.bytes.lock();
        while *bytes > 0 && *bytes + payload.len() > QUEUE_BYTES {
            self.less.wait(&mut bytes);
        }
        *bytes += payload.len();
        Record {
            kind,
            payload,
            waiting: self,
        }
    }

    fn await_none(&self) {
        let mut bytes = self.bytes.lock();
        while *bytes > 0 {
            self.less.wait(&mut bytes);
        }
    }
}

#[derive(Default)]
struct Progress {
    samples: AtomicU64,
    lost: AtomicU64,
    unusable: AtomicU64,
}

/// Where to read from, and where windows go that there is no room for.
pub(crate) struct Sources<'a> {
    pub(crate) disk: &'a Disk,
    pub(crate) checkpoint: Option<PathBuf>,
    pub(crate) log_dir: &'a Path,
    pub(crate) first_segment: u64,
}

/// Reads everything into an empty core; returns the number that the next segment may have.
pub(crate) fn replay(
    core: &Core,
    sources: &Sources<'_>,
    upkeep: &mut Upkeep,
    report: &mut OpenReport,
) -> Result<u64, OpenError> {
    let (progress, waiting) = (Progress::default(), Waiting::default());
    let workers = std::thread::available_parallelism()
        .map_or(1, usize::from)
        .min(SHARDS);
    let next = std::thread::scope(|scope| {
        let mut queues = Vec::with_capacity(workers);
        for worker in 0..workers {
            let (send, receive) = sync_channel::<Arc<Record<'_>>>(QUEUE_RECORDS);
            let progress = &progress;
            scope.spawn(move || apply_all(core, &receive, |shard| shard % workers == worker, progress));
            queues.push(send);
        }
        let budget = Budget {
            core,
            disk: sources.disk,
            upkeep,
            waiting: &waiting,
            unmeasured_bytes: 0,
            relieved_to_bytes: 0,
            peak_bytes: 0,
            blocks_written: 0,
            gone: Vec::new(),
        };
        read_all(core, sources, &queues, budget, report)
    })?;
    report.samples_replayed = progress.samples.load(Ordering::Relaxed);
    report.samples_without_series = progress.lost.load(Ordering::Relaxed);
    report.records_unusable += progress.unusable.load(Ordering::Relaxed);
    core.index.write().collect_free_slots(upkeep.unreleased());
    report.series = core.index.read().live();
    Ok(next)
}

/// The memory that replay may take.
struct Budget<'r> {
    core: &'r Core,
    disk: &'r Disk,
    upkeep: &'r mut Upkeep,
    waiting: &'r Waiting,
    /// Read since memory was measured.
    unmeasured_bytes: u64,
    /// What was left when room was last made.
    relieved_to_bytes: u64,
    peak_bytes: u64,
    blocks_written: usize,
    /// Series that had left at this place of the log, and whose samples may still be in memory.
    gone: Vec<(u32, u32)>,
}

impl Budget<'_> {
    /// A record of this length was handed on.
    fn charge(&mut self, bytes: usize) {
        let limit_bytes = self.core.limits().memory_limit_bytes;
        self.unmeasured_bytes += bytes as u64;
        if self.unmeasured_bytes >= limit_bytes / MEASURED_PARTS {
            self.measure(limit_bytes);
        }
    }

    /// Makes room where there is too little. Where that left too much (all of it is of windows that go on), it is tried again when
    /// there is much more.
    fn measure(&mut self, limit_bytes: u64) {
        self.unmeasured_bytes = 0;
        let used_bytes = memory(self.core).total_bytes();
        self.peak_bytes = self.peak_bytes.max(used_bytes);
        if used_bytes <= (limit_bytes / SHORT_PART).max(self.relieved_to_bytes + limit_bytes / 8) {
            return;
        }
        self.waiting.await_none();
        self.blocks_written += self.upkeep.relieve(self.core, self.disk);
        self.upkeep.leave_again(self.core, &mut self.gone);
        self.relieved_to_bytes = memory(self.core).total_bytes();
    }
}

fn read_all<'w>(
    core: &Core,
    sources: &Sources<'_>,
    queues: &[SyncSender<Arc<Record<'w>>>],
    mut budget: Budget<'w>,
    report: &mut OpenReport,
) -> Result<u64, OpenError> {
    let fs = &*sources.disk.fs;
    let waiting = budget.waiting;
    let mut records = 0;
    let mut unusable = 0;
    let mut apply = |kind: Kind, payload: Vec<u8>| {
        records += 1;
        let mut span = None;
        let length = payload.len();
        match kind {
            Kind::Series => unusable += u64::from(define(core, &payload).is_err()),
            Kind::Gone => match take_gone(&payload) {
                Ok(gone) => budget.gone.extend(gone),
                Err(_) => unusable += 1,
            },
            Kind::End | Kind::Header => {}
            Kind::Commit | Kind::State => {
                span = time_span(kind, &payload);
                let record = Arc::new(waiting.add(kind, payload));
                for queue in queues {
                    // A worker ends only when its queue does; a closed one means that it panicked, which scope reports.
                    let _ = queue.send(Arc::clone(&record));
                }
            }
        }
        budget.charge(length);
        span
    };
    if let Some(path) = &sources.checkpoint {
        report
            .damaged
            .extend(read_checkpoint(fs, path, &mut apply)?.damaged);
    }
    let first = (sources.first_segment, sources.checkpoint.is_some());
    let read = read_segments(fs, sources.log_dir, first, &mut apply)?;
    report.damaged.extend(read.damaged);
    if let Some((path, torn_at)) = read.torn {
        report.torn_tail_bytes = cut(fs, &path, torn_at)?;
    }
    report.records_replayed = records;
    report.records_unusable = unusable;
    waiting.await_none();
    budget.measure(core.limits().memory_limit_bytes);
    report.blocks_written = budget.blocks_written;
    report.memory_peak_bytes = budget.peak_bytes;
    let next = read.last.map_or(1, |last| last + 1);
    Ok(next.max(sources.first_segment))
}

fn cut(fs: &dyn Vfs, path: &Path, at: u64) -> Result<u64, OpenError> {
    let file = fs.open(path).map_err(io_error("opening", path))?;
    let length = file.size().map_err(io_error("reading", path))?;
    file.set_len(at)
        .map_err(io_error("cutting the torn tail of", path))?;
    file.sync().map_err(io_error("syncing", path))?;
    Ok(length - at)
}

fn define(core: &Core, payload: &[u8]) -> Result<(), Malformed> {
    let mut reader = Reader::new(payload);
    let mut index = core.index.write();
    while !reader.is_empty() {
        let definition = take_definition(&mut reader)?;
        let slot = definition.slot;
        // The slots of a record that is not ours could be anything, and each takes memory; ours are taken lowest first.
        let slots_max = core.options.series_max.saturating_mul(2).max(SLOTS_FLOOR);
        if slot as usize >= slots_max || definition.labels.is_empty() {
            return Err(Malformed { what: "slot" });
        }
        // Zero is a free slot, and the next life of this one must have a number.
        if definition.generation == 0 || definition.generation == u32::MAX {
            return Err(Malformed { what: "generation" });
        }
        let same = index.generation(slot) == definition.generation && index.labels(slot) == definition.labels;
        if !same {
            index.restore(
                (slot, definition.generation),
                &definition.labels,
                definition.source,
            );
            core.shards[shard_of(slot)]
                .lock()
                .place(slot, definition.generation);
        }
    }
    Ok(())
}

fn apply_all(
    core: &Core,
    records: &Receiver<Arc<Record<'_>>>,
    owns: impl Fn(usize) -> bool,
    progress: &Progress,
) {
    let bounds = Bounds {
        exemplars_max: core.options.exemplars_max_per_series,
        ..Bounds::OF_KEPT
    };
    let newest_ms = Cell::new(NEVER_MS);
    let apply = Apply {
        core,
        bounds,
        progress,
        newest_ms: &newest_ms,
    };
    for record in records {
        let result = match record.kind {
            Kind::Commit => apply.commit(&record.payload, &owns),
            Kind::State => apply.state(&record.payload, &owns),
            _ => Ok(()),
        };
        if result.is_err() && owns(0) {
            progress.unusable.fetch_add(1, Ordering::Relaxed);
        }
        core.newest_ms.fetch_max(newest_ms.get(), Ordering::AcqRel);
    }
}

struct Apply<'a> {
    core: &'a Core,
    bounds: Bounds,
    progress: &'a Progress,
    newest_ms: &'a Cell<i64>,
}

impl Apply<'_> {
    fn saw(&self, t_ms: i64) {
        self.newest_ms.set(self.newest_ms.get().max(t_ms));
    }

    fn commit(&self, payload: &[u8], owns: &impl Fn(usize) -> bool) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        while let Some(section) = next_section(&mut reader)? {
            if owns(section.shard) {
                self.section(section)?;
            }
        }
        Ok(())
    }

    fn state(&self, payload: &[u8], owns: &impl Fn(usize) -> bool) -> Result<(), Malformed> {
        let mut reader = Reader::new(payload);
        let number = take_shard(&mut reader)?;
        if !owns(number) {
            return Ok(());
        }
        let mut shard = self.core.shards[number].lock();
        let mut samples = 0;
        while !reader.is_empty() {
            let (slot, mut state) = take_series(&mut reader, shard.sealer_mut())?;
            let Some(series) = shard.get_mut(slot).filter(|_| shard_of(slot) == number) else {
                continue;
            };
            samples += state.open.count() + state.sealed.iter().map(|c| c.count()).sum::<usize>();
            self.saw(state.newest_kept_ms());
            state.generation = series.generation;
            *series = state;
        }
        self.progress.samples.fetch_add(samples as u64, Ordering::Relaxed);
        Ok(())
    }

    fn section(&self, mut section: Section<'_>) -> Result<(), Malformed> {
        let body = &mut section.body;
        if section.kind == SectionKind::Metadata {
            return self.metadata(body);
        }
        let mut shard = self.core.shards[section.shard].lock();
        let mut deltas = SampleDeltas::default();
        let (mut samples, mut lost) = (0, 0);
        while !body.is_empty() {
            let (slot, t_ms, value) = match section.kind {
                SectionKind::Samples => deltas.take(body)?,
                _ => (body.varint_u32()?, body.zigzag()?, 0.0),
            };
            let found = if shard_of(slot) == section.shard {
                shard.with_sealer(slot)
            } else {
                None
            };
            if found.is_none() {
                lost += 1;
            }
            let (series, sealer) = found.unzip();
            match section.kind {
                SectionKind::Samples => {
                    samples += 1;
                    if let (Some(series), Some(sealer)) = (series, sealer) {
                        series.append((t_ms, value), &self.bounds, sealer);
                    }
                }
                SectionKind::Histograms => {
                    let histogram = take_histogram(body)?;
                    series.map(|s| s.append_histogram(t_ms, &histogram, &self.bounds));
                }
                SectionKind::Exemplars => {
                    let exemplar = take_exemplar(body)?;
                    series.map(|s| s.append_exemplar(t_ms, exemplar, &self.bounds));
                }
                SectionKind::Starts => {
                    let start_ms = body.zigzag()?;
                    if let Some(series) = series {
                        series.extra_mut().starts.replay((t_ms, start_ms));
                    }
                    continue;
                }
                SectionKind::Metadata => continue,
            }
            self.saw(t_ms);
        }
        self.progress.samples.fetch_add(samples, Ordering::Relaxed);
        self.progress.lost.fetch_add(lost, Ordering::Relaxed);
        Ok(())
    }

    fn metadata(&self, body: &mut Reader<'_>) -> Result<(), Malformed> {
        while !body.is_empty() {
            let (family, metadata) = take_metadata(body)?;
            self.core.metadata.write().insert(family, shortened(metadata));
        }
        Ok(())
    }
}

pub(crate) fn take_exemplar(reader: &mut Reader<'_>) -> Result<Exemplar, Malformed> {
    let value = reader.f64()?;
    let t_ms = match reader.u8()? {
        0 => None,
        _ => Some(reader.zigzag()?),
    };
    Ok(Exemplar {
        labels: take_labels(reader)?,
        value,
        t_ms,
    })
}

fn take_metadata(reader: &mut Reader<'_>) -> Result<(String, Metadata), Malformed> {
    let family = reader.text()?.to_owned();
    let kind = MetricKind::parse(reader.text()?).ok_or(Malformed { what: "metric kind" })?;
    let help = reader.text()?.to_owned();
    let unit = reader.text()?.to_owned();
    Ok((family, Metadata { kind, help, unit }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_waits_is_bounded_in_bytes() {
        let waiting = Waiting::default();
        let (send, receive) = std::sync::mpsc::channel();
        let fitting = 8;
        std::thread::scope(|scope| {
            let waiting = &waiting;
            scope.spawn(move || {
                for _ in 0..20 * fitting {
                    let record = waiting.add(Kind::Commit, vec![0; QUEUE_BYTES / fitting]);
                    if send.send(record).is_err() {
                        return;
                    }
                }
                // Longer than all that may wait: it is let in alone.
                let _ = send.send(waiting.add(Kind::Commit, vec![0; QUEUE_BYTES + 1]));
            });
            for _ in 0..20 {
                let held: Vec<Record<'_>> = receive.iter().take(fitting).collect();
                // Time enough for one more, were there room.
                (0..1_000).for_each(|_| std::thread::yield_now());
                assert_eq!(*waiting.bytes.lock(), QUEUE_BYTES);
                drop(held);
            }
            assert_eq!(receive.recv().map(|r| r.payload.len()), Ok(QUEUE_BYTES + 1));
        });
        waiting.await_none();
    }
}
