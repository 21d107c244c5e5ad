//! The way in: one appender per request, scrape or probe.
//!
//! Series are found first (by the bytes they arrived with where they are known, by labels otherwise), samples are
//! collected, and `commit` judges and writes them all at once: what was accepted is in one record of the log.

use super::codec::histogram::BUCKETS_MAX;
use super::commit::{PendingBatch, commit};
use super::core::Core;
use super::head::isolation::Visit;
use super::head::raw_cache::RawCursor;
use super::head::shard_of;
use super::refusal::{AppendError, AppendOutcome, Refusal, Refused};
use lapwing_types::{Counts, Exemplar, Histogram, Labels, Metadata, WriteBatch};
use std::sync::Arc;

/// Half of what a column of a block holds: what is admitted can always be flushed.
pub(crate) const HISTOGRAM_BUCKETS_MAX: usize = BUCKETS_MAX / 2;

/// A series, for as long as the appender that gave it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SeriesRef {
    pub(crate) slot: u32,
    /// Of the appender: a reference that outlived it is refused instead of meaning another series.
    visitor: u32,
}

pub struct Appender {
    core: Arc<Core>,
    source: String,
    now_ms: i64,
    visit: Visit,
    raw: RawCursor,
    pending: PendingBatch,
    outcome: AppendOutcome,
}

impl Appender {
    pub(crate) fn new(core: Arc<Core>, source: &str, now_ms: i64) -> Self {
        // The visit first: what it may still look up is not given to others before it ends.
        let visit = core.isolation.visit();
        let raw = core.raw_cache.cursor();
        let pending = PendingBatch::default();
        Appender {
            core,
            source: source.to_owned(),
            now_ms,
            visit,
            raw,
            pending,
            outcome: AppendOutcome::default(),
        }
    }

    /// The series that arrived with these bytes before; costs one hash and one look-up.
    #[inline]
    pub fn lookup_raw(&mut self, raw: &[u8]) -> Option<SeriesRef> {
        let slot = self.core.raw_cache.get(&mut self.raw, raw)?;
        Some(self.reference(slot))
    }

    /// Finds or creates the series, and remembers that these bytes mean it.
    pub fn bind_raw(&mut self, raw: &[u8], labels: &Labels) -> Result<SeriesRef, Refusal> {
        let found = self.series(labels)?;
        self.core.raw_cache.insert(raw, found.slot);
        Ok(found)
    }

    /// Finds or creates the series. A refusal is part of the outcome, too.
    pub fn series(&mut self, labels: &Labels) -> Result<SeriesRef, Refusal> {
        match self.core.find_or_create(labels, &self.source) {
            Ok(slot) => Ok(self.reference(slot)),
            Err(reason) => {
                self.refuse(labels.clone(), None, reason.clone());
                Err(reason)
            }
        }
    }

    #[inline]
    pub fn push(&mut self, series: SeriesRef, t_ms: i64, value: f64) {
        if self.admits(series, t_ms) {
            self.pending.shards[shard_of(series.slot)]
                .samples
                .push((series.slot, t_ms, value));
        }
    }

    pub fn push_histogram(&mut self, series: SeriesRef, t_ms: i64, histogram: Histogram) {
        if !self.admits(series, t_ms) {
            return;
        }
        match Appender::check_histogram(&histogram) {
            Ok(()) => {
                self.pending.shards[shard_of(series.slot)]
                    .histograms
                    .push((series.slot, t_ms, histogram));
            }
            Err(refusal) => self.refuse_slot(series.slot, t_ms, refusal),
        }
    }

    /// Whether a histogram such as this one is kept, whatever its series and its time.
    pub fn check_histogram(histogram: &Histogram) -> Result<(), Refusal> {
        let buckets = buckets(histogram);
        if buckets > HISTOGRAM_BUCKETS_MAX {
            let max = HISTOGRAM_BUCKETS_MAX;
            return Err(Refusal::HistogramTooLarge { buckets, max });
        }
        histogram.validate().map_err(Refusal::InvalidHistogram)
    }

    /// An exemplar without a time of its own takes that of the sample pushed before it for the same series.
    pub fn push_exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) {
        let shard = &self.pending.shards[shard_of(series.slot)];
        let last = match (shard.samples.last(), shard.histograms.last()) {
            (Some((slot, t_ms, _)), _) if *slot == series.slot => *t_ms,
            (_, Some((slot, t_ms, _))) if *slot == series.slot => *t_ms,
            _ => self.now_ms,
        };
        let t_ms = exemplar.t_ms.unwrap_or(last);
        if let Err(reason) = check_exemplar(&exemplar) {
            return self.refuse_slot(series.slot, t_ms, reason);
        }
        if self.admits(series, t_ms) {
            self.pending.shards[shard_of(series.slot)]
                .exemplars
                .push((series.slot, t_ms, exemplar));
        }
    }

    /// When the counter behind the sample at `t_ms` began, and behind those after it that say nothing else.
    pub fn push_start(&mut self, series: SeriesRef, t_ms: i64, start_ms: i64) {
        if series.visitor == self.visit.tag() {
            self.pending.shards[shard_of(series.slot)]
                .starts
                .push((series.slot, t_ms, start_ms));
        }
    }

    /// What is known about a metric family.
    pub fn metadata(&mut self, family: &str, metadata: Metadata) {
        self.pending.metadata.push((family.to_owned(), metadata));
    }

    /// Everything of a decoded batch; what is refused is in the outcome.
    pub fn append_batch(&mut self, batch: &WriteBatch) {
        for write in &batch.series {
            let Ok(series) = self.series(&write.labels) else {
                continue;
            };
            for sample in &write.samples {
                self.push(series, sample.t_ms, sample.value);
            }
            for (t_ms, histogram) in &write.histograms {
                self.push_histogram(series, *t_ms, histogram.clone());
            }
            for exemplar in &write.exemplars {
                self.push_exemplar(series, exemplar.clone());
            }
            if let (Some(start_ms), Some(t_ms)) = (write.start_ms, write.first_ms()) {
                self.push_start(series, t_ms, start_ms);
            }
        }
        for (family, metadata) in &batch.metadata {
            self.metadata(family, metadata.clone());
        }
    }

    /// Judges, keeps, logs. Once it returns an outcome, what it counts as written is as durable as was asked for.
    pub fn commit(self) -> Result<AppendOutcome, AppendError> {
        let Appender {
            core,
            source,
            now_ms,
            visit,
            pending,
            outcome,
            ..
        } = self;
        let result = commit(&core, pending, outcome, now_ms).map(|(outcome, newest_ms)| {
            core.pace.note(&source, newest_ms, now_ms);
            outcome
        });
        drop(visit);
        result
    }

    fn reference(&self, slot: u32) -> SeriesRef {
        SeriesRef {
            slot,
            visitor: self.visit.tag(),
        }
    }

    #[inline]
    fn admits(&mut self, series: SeriesRef, t_ms: i64) -> bool {
        let max_ms = self.core.options.future_max_ms;
        if series.visitor != self.visit.tag() {
            self.refuse(Labels::empty(), Some(t_ms), Refusal::StaleReference);
            return false;
        }
        if t_ms > self.now_ms.saturating_add(max_ms) {
            self.refuse_slot(series.slot, t_ms, Refusal::Future { max_ms });
            return false;
        }
        true
    }

    fn refuse_slot(&mut self, slot: u32, t_ms: i64, reason: Refusal) {
        let labels = self.core.index.read().labels(slot);
        self.refuse(labels, Some(t_ms), reason);
    }

    fn refuse(&mut self, labels: Labels, t_ms: Option<i64>, reason: Refusal) {
        self.core.count_refusal(&reason);
        self.outcome.refused_count += 1;
        if self.outcome.refused.len() < self.core.options.refused_max_reported {
            self.outcome.refused.push(Refused { labels, t_ms, reason });
        }
    }
}

/// As OpenMetrics has it: names and values of an exemplar's labels together.
const EXEMPLAR_CHARS_MAX: usize = 128;

/// Exemplars stay in memory, many per series: a trace's number is one, its text is not.
pub(crate) fn check_exemplar(exemplar: &Exemplar) -> Result<(), Refusal> {
    let length = |(name, value): (&str, &str)| name.chars().count() + value.chars().count();
    let chars = exemplar.labels.iter().map(length).sum();
    let max = EXEMPLAR_CHARS_MAX;
    if chars > max {
        return Err(Refusal::ExemplarTooLong { chars, max });
    }
    Ok(())
}

/// Everything that is stored per bucket, so that what is admitted fits a block.
pub(crate) fn buckets(histogram: &Histogram) -> usize {
    let populated = match &histogram.counts {
        Counts::Int {
            positive, negative, ..
        } => positive.len() + negative.len(),
        Counts::Float {
            positive, negative, ..
        } => positive.len() + negative.len(),
    };
    let spans = histogram.positive_spans.len() + histogram.negative_spans.len();
    populated.max(spans).max(histogram.custom_bounds.len())
}
