//! One request's samples, shard by shard: judged, kept in the head, and written down in the same pass.
//!
//! The head learns of a sample before the log does. Should the log fail, the request is not acknowledged though its samples
//! can be read; when it comes again they are identical duplicates, which are logged again and acknowledged then.

use super::core::Core;
use super::families::{self, shortened};
use super::head::SHARDS;
use super::head::histogram_bytes::put_histogram;
use super::head::isolation::CommitTicket;
use super::head::series::{Bounds, Judgement, NEVER_MS};
use super::head::shard::Shard;
use super::log::frame::{self, Kind};
use super::log::record::{SampleDeltas, SectionKind, begin_section, end_section, next_section, put_labels};
use super::refusal::{AppendError, AppendOutcome, Refusal, Refused};
use crate::bytes::{Reader, put_bytes, put_f64, put_text, put_varint, put_zigzag};
use lapwing_types::{Exemplar, Histogram, Labels, METRIC_NAME, Metadata};
use std::sync::atomic::Ordering;

#[derive(Default)]
pub(crate) struct PendingBatch {
    pub(crate) shards: [PendingShard; SHARDS],
    pub(crate) metadata: Vec<(String, Metadata)>,
}

/// Slots and what is for them, in the order of arrival.
#[derive(Default)]
pub(crate) struct PendingShard {
    pub(crate) samples: Vec<(u32, i64, f64)>,
    pub(crate) histograms: Vec<(u32, i64, Histogram)>,
    pub(crate) exemplars: Vec<(u32, i64, Exemplar)>,
    /// Slot, time of the sample, start.
    pub(crate) starts: Vec<(u32, i64, i64)>,
}

impl PendingShard {
    fn is_empty(&self) -> bool {
        self.samples.is_empty()
            && self.histograms.is_empty()
            && self.exemplars.is_empty()
            && self.starts.is_empty()
    }
}

/// Gives the time of the newest sample beside the outcome.
pub(crate) fn commit(
    core: &Core,
    pending: PendingBatch,
    outcome: AppendOutcome,
    now_ms: i64,
) -> Result<(AppendOutcome, i64), AppendError> {
    keep(core, pending, outcome, now_ms)?.write_down(core)
}

/// A request that the head knows and the log does not yet; its commit is under way until it is written down.
#[must_use]
pub(crate) struct Kept {
    ticket: CommitTicket,
    record: Vec<u8>,
    outcome: AppendOutcome,
    newest_ms: i64,
}

/// The first half: what the head takes, it has.
pub(crate) fn keep(
    core: &Core,
    pending: PendingBatch,
    outcome: AppendOutcome,
    now_ms: i64,
) -> Result<Kept, AppendError> {
    if core.closed.load(Ordering::Acquire) {
        return Err(AppendError::Closed);
    }
    let ticket = core.isolation.begin_commit();
    let samples: usize = pending.shards.iter().map(|s| s.samples.len()).sum();
    let mut record = Vec::with_capacity(64 + samples * 8);
    frame::begin(&mut record, Kind::Commit);
    let mut pass = Pass {
        core,
        ticket,
        bounds: bounds(core, ticket, now_ms),
        record,
        outcome,
        refused: Vec::new(),
        newest_ms: NEVER_MS,
    };
    for (number, batch) in pending.shards.into_iter().enumerate() {
        if !batch.is_empty() {
            pass.shard(number, batch);
        }
    }
    pass.metadata(pending.metadata);
    pass.name_refused();
    let Pass {
        record,
        outcome,
        newest_ms,
        ..
    } = pass;
    core.newest_ms.fetch_max(newest_ms, Ordering::AcqRel);
    core.counters
        .samples
        .fetch_add(outcome.samples as u64, Ordering::Relaxed);
    core.counters
        .histograms
        .fetch_add(outcome.histograms as u64, Ordering::Relaxed);
    core.counters
        .exemplars
        .fetch_add(outcome.exemplars as u64, Ordering::Relaxed);
    // About three bytes each until `maintain` measures.
    core.counters
        .memory_bytes
        .fetch_add(outcome.samples as u64 * 3, Ordering::Relaxed);
    Ok(Kept {
        ticket,
        record,
        outcome,
        newest_ms,
    })
}

impl Kept {
    /// The second half: one record of the log. With it the commit ends, whatever became of it.
    pub(crate) fn write_down(self, core: &Core) -> Result<(AppendOutcome, i64), AppendError> {
        let Kept {
            ticket,
            mut record,
            outcome,
            newest_ms,
        } = self;
        let logged = match &core.log {
            Some(log) if record.len() > frame::HEADER_BYTES => {
                frame::finish(&mut record, 0);
                log.commit(&record, || learnt(&record[frame::HEADER_BYTES..]))
            }
            _ => Ok(()),
        };
        core.isolation.end_commit(ticket);
        logged.map(|()| (outcome, newest_ms))
    }
}

/// Of a request that could not be written, what the head knows now and will not write when it hears it again, as a record.
fn learnt(payload: &[u8]) -> Vec<u8> {
    let mut record = Vec::new();
    let at = frame::begin(&mut record, Kind::Commit);
    let mut reader = Reader::new(payload);
    while let Ok(Some(section)) = next_section(&mut reader) {
        if matches!(section.kind, SectionKind::Starts | SectionKind::Metadata) {
            let start = begin_section(&mut record, section.kind, section.shard);
            record.extend_from_slice(section.body.rest());
            end_section(&mut record, start);
        }
    }
    if record.len() == at + frame::HEADER_BYTES {
        return Vec::new();
    }
    frame::finish(&mut record, at);
    record
}

fn bounds(core: &Core, ticket: CommitTicket, now_ms: i64) -> Bounds {
    let options = &core.options;
    let newest_ms = core.newest_by(now_ms);
    Bounds {
        latest_ms: core.latest_ms(now_ms),
        has_one_kind: true,
        oldest_ms: match core.limits().retention.age_ms {
            Some(age_ms) => newest_ms.saturating_sub(age_ms.max(options.ooo_window_ms)),
            None => NEVER_MS,
        },
        ooo_window_ms: options.ooo_window_ms,
        exemplars_max: options.exemplars_max_per_series,
        commit: ticket.number,
    }
}

struct Pass<'c> {
    core: &'c Core,
    ticket: CommitTicket,
    bounds: Bounds,
    record: Vec<u8>,
    outcome: AppendOutcome,
    /// Named once no shard is locked.
    refused: Vec<(u32, i64, Refusal)>,
    newest_ms: i64,
}

impl Pass<'_> {
    fn shard(&mut self, number: usize, batch: PendingShard) {
        let core = self.core;
        let limit = core.limits().memory_limit_bytes;
        if core.memory_bytes() > limit + limit / 8 {
            for (slot, t_ms, _) in &batch.samples {
                self.refuse(*slot, *t_ms, Refusal::MemoryLimit { limit_bytes: limit });
            }
            for (slot, t_ms, _) in &batch.histograms {
                self.refuse(*slot, *t_ms, Refusal::MemoryLimit { limit_bytes: limit });
            }
            return;
        }
        let mut shard = core.shards[number].lock();
        shard.settle(self.ticket);
        self.samples(number, &mut shard, &batch.samples);
        self.histograms(number, &mut shard, &batch.histograms);
        self.exemplars(number, &mut shard, batch.exemplars);
        self.starts(number, &mut shard, &batch.starts);
    }

    fn samples(&mut self, number: usize, shard: &mut Shard, samples: &[(u32, i64, f64)]) {
        let section = begin_section(&mut self.record, SectionKind::Samples, number);
        let mut deltas = SampleDeltas::default();
        for (slot, t_ms, value) in samples {
            shard.step_back(*slot, self.bounds.latest_ms);
            let Some((series, sealer)) = shard.with_sealer(*slot) else {
                self.refuse(*slot, *t_ms, Refusal::StaleReference);
                continue;
            };
            let previous_t_ms = series.last_t_ms;
            let judgement = series.append((*t_ms, *value), &self.bounds, sealer);
            shard.remember(*slot, self.bounds.commit, previous_t_ms, judgement);
            if self.accepts(judgement, *slot, *t_ms) {
                deltas.put(&mut self.record, *slot, *t_ms, *value);
                self.outcome.samples += 1;
            }
        }
        end_section(&mut self.record, section);
    }

    fn histograms(&mut self, number: usize, shard: &mut Shard, histograms: &[(u32, i64, Histogram)]) {
        let section = begin_section(&mut self.record, SectionKind::Histograms, number);
        for (slot, t_ms, histogram) in histograms {
            let Some(series) = shard.get_mut(*slot) else {
                self.refuse(*slot, *t_ms, Refusal::StaleReference);
                continue;
            };
            let judgement = series.append_histogram(*t_ms, histogram, &self.bounds);
            if self.accepts(judgement, *slot, *t_ms) {
                put_varint(&mut self.record, u64::from(*slot));
                put_zigzag(&mut self.record, *t_ms);
                put_histogram(&mut self.record, histogram);
                self.outcome.histograms += 1;
            }
        }
        end_section(&mut self.record, section);
    }

    fn exemplars(&mut self, number: usize, shard: &mut Shard, exemplars: Vec<(u32, i64, Exemplar)>) {
        let section = begin_section(&mut self.record, SectionKind::Exemplars, number);
        for (slot, t_ms, exemplar) in exemplars {
            let Some(series) = shard.get_mut(slot) else {
                continue;
            };
            put_varint(&mut self.record, u64::from(slot));
            put_zigzag(&mut self.record, t_ms);
            put_exemplar(&mut self.record, &exemplar);
            series.append_exemplar(t_ms, exemplar, &self.bounds);
            self.outcome.exemplars += 1;
        }
        end_section(&mut self.record, section);
    }

    fn starts(&mut self, number: usize, shard: &mut Shard, starts: &[(u32, i64, i64)]) {
        let section = begin_section(&mut self.record, SectionKind::Starts, number);
        for (slot, t_ms, start_ms) in starts {
            let Some(series) = shard.get_mut(*slot) else {
                continue;
            };
            for (from_ms, start_ms) in series.note_start(*t_ms, *start_ms) {
                put_varint(&mut self.record, u64::from(*slot));
                put_zigzag(&mut self.record, from_ms);
                put_zigzag(&mut self.record, start_ms);
            }
        }
        end_section(&mut self.record, section);
    }

    /// Only what is new is written: sources repeat their metadata with every scrape. One that knows nothing (a page of
    /// federation) does not take away what another said.
    fn metadata(&mut self, metadata: Vec<(String, Metadata)>) {
        let changed: Vec<(String, Metadata)> = {
            let known = self.core.metadata.read();
            metadata
                .into_iter()
                .map(|(family, m)| (family, shortened(m)))
                .filter(|(family, m)| match known.get(family) {
                    None => true,
                    Some(before) => before != m && *m != Metadata::default(),
                })
                .collect()
        };
        if changed.is_empty() {
            return;
        }
        let section = begin_section(&mut self.record, SectionKind::Metadata, 0);
        let max_bytes = families::max_bytes(self.core.limits().memory_limit_bytes);
        for (family, metadata) in changed {
            let at = self.record.len();
            put_metadata(&mut self.record, &family, &metadata);
            let labels = Labels::from_pairs([(METRIC_NAME, family.as_str())]).unwrap_or_default();
            let too_long = self.core.options.label_limits.check(&labels);
            let kept = match too_long.map_err(Refusal::LabelLimit) {
                Err(reason) => Err(reason),
                Ok(()) => {
                    let mut known = self.core.metadata.write();
                    let is_kept = known.insert_within(max_bytes, family, metadata);
                    is_kept.then_some(()).ok_or(Refusal::MetadataLimit { max_bytes })
                }
            };
            if let Err(reason) = kept {
                self.record.truncate(at);
                self.refuse_family(labels, reason);
            }
        }
        end_section(&mut self.record, section);
    }

    #[inline]
    fn accepts(&mut self, judgement: Judgement, slot: u32, t_ms: i64) -> bool {
        match judgement {
            Judgement::InOrder | Judgement::Late | Judgement::Identical => {
                self.newest_ms = self.newest_ms.max(t_ms);
                true
            }
            Judgement::TooOld if t_ms < self.bounds.oldest_ms => {
                let age_ms = self.core.limits().retention.age_ms.unwrap_or(0);
                self.refuse(slot, t_ms, Refusal::BeyondRetention { age_ms });
                false
            }
            Judgement::TooOld => {
                let window_ms = self.core.options.ooo_window_ms;
                self.refuse(slot, t_ms, Refusal::TooOld { window_ms });
                false
            }
            Judgement::Conflict => {
                self.refuse(slot, t_ms, Refusal::DuplicateWithOtherValue);
                false
            }
        }
    }

    #[cold]
    fn refuse(&mut self, slot: u32, t_ms: i64, reason: Refusal) {
        self.core.count_refusal(&reason);
        self.outcome.refused_count += 1;
        if self.outcome.refused.len() + self.refused.len() < self.core.options.refused_max_reported {
            self.refused.push((slot, t_ms, reason));
        }
    }

    #[cold]
    fn refuse_family(&mut self, labels: Labels, reason: Refusal) {
        self.core.count_refusal(&reason);
        self.outcome.refused_count += 1;
        if self.outcome.refused.len() + self.refused.len() < self.core.options.refused_max_reported {
            let t_ms = None;
            self.outcome.refused.push(Refused { labels, t_ms, reason });
        }
    }

    fn name_refused(&mut self) {
        if self.refused.is_empty() {
            return;
        }
        let index = self.core.index.read();
        for (slot, t_ms, reason) in self.refused.drain(..) {
            let labels = index.labels(slot);
            self.outcome.refused.push(Refused {
                labels,
                t_ms: Some(t_ms),
                reason,
            });
        }
    }
}

pub(crate) fn put_exemplar(out: &mut Vec<u8>, exemplar: &Exemplar) {
    put_f64(out, exemplar.value);
    match exemplar.t_ms {
        Some(t_ms) => {
            out.push(1);
            put_zigzag(out, t_ms);
        }
        None => out.push(0),
    }
    put_labels(out, &exemplar.labels);
}

pub(crate) fn put_metadata(out: &mut Vec<u8>, family: &str, metadata: &Metadata) {
    put_text(out, family);
    put_bytes(out, metadata.kind.as_str().as_bytes());
    put_text(out, &metadata.help);
    put_text(out, &metadata.unit);
}
