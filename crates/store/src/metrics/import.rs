//! History from elsewhere: samples of any age and in any order, made into blocks directly.
//!
//! Neither log nor head is involved, and the out-of-order window does not apply: retention alone says how old is too old, and
//! what is older than it is still condensed into tiers. Samples are gathered in memory up to a bound, sorted, and written as one
//! block per half day; the manifest then names them at once. So a crash leaves what was gathered before, and doing the whole
//! import again is safe: equal samples vanish when they are read and when blocks are merged. Where a source says when its counter
//! began, each of its samples takes that along, whatever comes between them later.

use super::appender::HISTOGRAM_BUCKETS_MAX;
use super::appender::{buckets, check_exemplar};
use super::block::BlockWriter;
use super::blocks::{Levels, LiveBlock, block_error, block_name, block_path};
use super::columns::SeriesColumns;
use super::core::Core;
use super::flush::put_in_order;
use super::head::histogram_bytes::put_histogram;
use super::maintain::{Disk, Upkeep};
use super::refusal::{OpenError, Refusal, Refused, io_error};
use crate::source::UNKNOWN_START;
use lapwing_types::{Histogram, Labels, ResetHint, SeriesWrite};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::hash::{BuildHasher, RandomState};

/// Samples held before blocks are written: some 130 MiB.
const PENDING_MAX: usize = 8 << 20;
/// A native histogram takes about as much as this many floats.
const HISTOGRAM_COST: usize = 16;

/// What became of an import.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImportReport {
    pub series: usize,
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
    pub blocks: usize,
    /// First and last time of any sample.
    pub min_ms: Option<i64>,
    pub max_ms: Option<i64>,
    /// Older than retention keeps samples: only downsampled tiers will be left of these.
    pub samples_beyond_retention: u64,
    /// The first refused ones; `refused_count` counts all.
    pub refused: Vec<Refused>,
    pub refused_count: u64,
}

/// Takes series one after the other; [`Importer::finish`] writes the rest and reports.
pub struct Importer<'s> {
    core: &'s Core,
    disk: &'s Disk,
    upkeep: &'s Mutex<Upkeep>,
    now_ms: i64,
    /// By half day, then by labels.
    pending: BTreeMap<i64, BTreeMap<Labels, SeriesColumns>>,
    pending_samples: usize,
    /// Hashes of the series seen.
    seen: hashbrown::HashSet<u64>,
    hasher: RandomState,
    report: ImportReport,
}

impl<'s> Importer<'s> {
    pub(crate) fn new(core: &'s Core, disk: &'s Disk, upkeep: &'s Mutex<Upkeep>, now_ms: i64) -> Self {
        Importer {
            core,
            disk,
            upkeep,
            now_ms,
            pending: BTreeMap::new(),
            pending_samples: 0,
            seen: hashbrown::HashSet::new(),
            hasher: RandomState::new(),
            report: ImportReport::default(),
        }
    }

    /// Length of the ranges that become one block each; whoever can brings the samples of one after the other.
    pub fn range_ms(&self) -> i64 {
        self.levels().large_ms()
    }

    fn levels(&self) -> Levels {
        Levels {
            window_ms: self.core.options.window_ms,
        }
    }

    /// Takes what one source says of one series; what cannot be kept is refused by name, and the rest is kept.
    pub fn add(&mut self, write: SeriesWrite) -> Result<(), OpenError> {
        if write.samples.is_empty() && write.histograms.is_empty() && write.exemplars.is_empty() {
            return Ok(());
        }
        if let Err(reason) = self.core.check_labels(&write.labels) {
            self.refuse(&write.labels, None, reason);
            return Ok(());
        }
        self.seen.insert(self.hasher.hash_one(&write.labels));
        let mut last_ms = None;
        let start_ms = write.start_ms.filter(|s| *s != UNKNOWN_START);
        let range_ms = self.range_ms();
        let mut samples = write.samples;
        samples.retain(|sample| self.admits(&write.labels, sample.t_ms));
        for run in samples.chunk_by(|a, b| a.t_ms.div_euclid(range_ms) == b.t_ms.div_euclid(range_ms)) {
            let Some(last) = run.last() else { continue };
            last_ms = last_ms.max(Some(last.t_ms));
            let columns = self.columns(&write.labels, last.t_ms);
            columns.times_ms.extend(run.iter().map(|s| s.t_ms));
            columns.values.extend(run.iter().map(|s| s.value));
            columns.start_times_ms.extend(
                start_ms
                    .iter()
                    .flat_map(|start_ms| run.iter().map(|s| (s.t_ms, *start_ms))),
            );
            self.pending_samples += run.len() * if start_ms.is_some() { 2 } else { 1 };
            self.report.samples += run.len() as u64;
        }
        for (t_ms, histogram) in write.histograms {
            let size = buckets(&histogram);
            if let Err(error) = histogram.validate() {
                self.refuse(&write.labels, Some(t_ms), Refusal::InvalidHistogram(error));
            } else if size > HISTOGRAM_BUCKETS_MAX {
                let max = HISTOGRAM_BUCKETS_MAX;
                self.refuse(
                    &write.labels,
                    Some(t_ms),
                    Refusal::HistogramTooLarge { buckets: size, max },
                );
            } else if self.admits(&write.labels, t_ms) {
                last_ms = last_ms.max(Some(t_ms));
                let columns = self.columns(&write.labels, t_ms);
                columns.histograms.push((t_ms, histogram.into()));
                columns
                    .start_times_ms
                    .extend(start_ms.map(|start_ms| (t_ms, start_ms)));
                self.pending_samples += HISTOGRAM_COST;
                self.report.histograms += 1;
            }
        }
        for exemplar in write.exemplars {
            // An exemplar alone has no place: it belongs to a sample of its series.
            let Some(t_ms) = exemplar.t_ms.or(last_ms) else {
                continue;
            };
            if let Err(reason) = check_exemplar(&exemplar) {
                self.refuse(&write.labels, Some(t_ms), reason);
            } else if self.admits(&write.labels, t_ms) {
                self.columns(&write.labels, t_ms).exemplars.push((t_ms, exemplar));
                self.report.exemplars += 1;
            }
        }
        if self.pending_samples >= PENDING_MAX {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes what was gathered, and makes it visible.
    pub fn flush(&mut self) -> Result<(), OpenError> {
        let parent = self.disk.dir.join("blocks");
        self.disk
            .fs
            .create_dir_all(&parent)
            .map_err(io_error("creating", &parent))?;
        // Held throughout: blocks that nobody has named yet would be debris to a round of upkeep.
        let mut upkeep = self.upkeep.lock();
        let mut written = Vec::new();
        for (_, series) in std::mem::take(&mut self.pending) {
            let name = block_name(upkeep.take_number());
            written.extend(self.write_block(&name, series)?);
        }
        self.pending_samples = 0;
        self.report.blocks += written.len();
        upkeep.adopt(self.core, self.disk, written)
    }

    pub fn finish(mut self) -> Result<ImportReport, OpenError> {
        self.flush()?;
        self.report.series = self.seen.len();
        Ok(self.report)
    }

    fn write_block(
        &mut self,
        name: &str,
        series: BTreeMap<Labels, SeriesColumns>,
    ) -> Result<Option<LiveBlock>, OpenError> {
        let path = block_path(&self.disk.dir, name);
        let options = self.levels().options(self.range_ms());
        let mut writer =
            BlockWriter::create(&path, options).map_err(block_error("creating", path.clone()))?;
        for (labels, mut columns) in series {
            self.refuse_conflicts(&labels, &mut columns);
            put_in_order(&mut columns);
            one_kind_per_time(&mut columns);
            // A start holds until another is told.
            columns.start_times_ms.dedup_by_key(|(_, start_ms)| *start_ms);
            writer
                .add_series(&labels, &columns)
                .map_err(block_error("writing", path.clone()))?;
        }
        let meta = writer.finish().map_err(block_error("finishing", path.clone()))?;
        if meta.series == 0 {
            return Ok(None);
        }
        let live = self.core.blocks.open(&self.disk.dir, name);
        live.map(Some).map_err(block_error("opening", path))
    }

    /// Of two values for one time the first stays, and a histogram before a float.
    fn refuse_conflicts(&mut self, labels: &Labels, columns: &mut SeriesColumns) {
        let floats = columns.times_ms.iter().copied();
        let mut floats: Vec<(i64, f64)> = floats.zip(columns.values.iter().copied()).collect();
        floats.sort_by_key(|(t_ms, _)| *t_ms);
        columns.histograms.sort_by_key(|(t_ms, _)| *t_ms);
        let histograms = std::mem::take(&mut columns.histograms);
        for same in histograms.chunk_by(|a, b| a.0 == b.0) {
            let ((_, first), others) = (&same[0], &same[1..]);
            for (t_ms, _) in others
                .iter()
                .filter(|other| value_of(&other.1) != value_of(first))
            {
                self.report.histograms -= 1;
                self.refuse(labels, Some(*t_ms), Refusal::DuplicateWithOtherValue);
            }
        }
        for same in floats.chunk_by(|a, b| a.0 == b.0) {
            let (t_ms, first) = same[0];
            let is_histogram = histograms.binary_search_by_key(&t_ms, |h| h.0).is_ok();
            let conflicts = |value: f64| is_histogram || value.to_bits() != first.to_bits();
            for _ in same.iter().filter(|(_, value)| conflicts(*value)) {
                self.report.samples -= 1;
                self.refuse(labels, Some(t_ms), Refusal::DuplicateWithOtherValue);
            }
        }
        columns.histograms = histograms;
    }

    fn columns(&mut self, labels: &Labels, t_ms: i64) -> &mut SeriesColumns {
        let range = t_ms.div_euclid(self.range_ms());
        let of_range = self.pending.entry(range).or_default();
        of_range.entry(labels.clone()).or_default()
    }

    fn admits(&mut self, labels: &Labels, t_ms: i64) -> bool {
        let options = &self.core.options;
        let max_ms = options.future_max_ms;
        if t_ms > self.now_ms.saturating_add(max_ms) {
            self.refuse(labels, Some(t_ms), Refusal::Future { max_ms });
            return false;
        }
        let oldest_ms = options
            .retention
            .age_ms
            .map(|age| self.now_ms.saturating_sub(age));
        if oldest_ms.is_some_and(|oldest| t_ms < oldest) {
            self.report.samples_beyond_retention += 1;
        }
        self.report.min_ms = Some(self.report.min_ms.map_or(t_ms, |min| min.min(t_ms)));
        self.report.max_ms = self.report.max_ms.max(Some(t_ms));
        true
    }

    fn refuse(&mut self, labels: &Labels, t_ms: Option<i64>, reason: Refusal) {
        self.report.refused_count += 1;
        if self.report.refused.len() < self.core.options.refused_max_reported {
            let labels = labels.clone();
            self.report.refused.push(Refused { labels, t_ms, reason });
        }
    }
}

/// A time stands among floats or among histograms: where a source has both, the histogram stays.
fn one_kind_per_time(columns: &mut SeriesColumns) {
    if columns.histograms.is_empty() || columns.times_ms.is_empty() {
        return;
    }
    let SeriesColumns {
        times_ms,
        values,
        histograms,
        ..
    } = columns;
    let is_float = |t_ms: &i64| histograms.binary_search_by_key(t_ms, |h| h.0).is_err();
    let mut kept = times_ms.iter().map(is_float).collect::<Vec<_>>().into_iter();
    values.retain(|_| kept.next().unwrap_or(true));
    times_ms.retain(is_float);
}
/// All that a histogram says, bit for bit, but for its place among others: a block and the log hint at resets each in its own way.
fn value_of(histogram: &Histogram) -> Vec<u8> {
    let mut bytes = Vec::new();
    let plain = Histogram {
        reset_hint: ResetHint::Unknown,
        ..histogram.clone()
    };
    put_histogram(&mut bytes, &plain);
    bytes
}
