//! Writes a block: series in, in ascending order of their labels, then `finish`.
//!
//! Memory while writing: four bytes per label and some six per chunk, ten megabytes of columns that may come again, the distinct
//! label texts, and of cold blocks the series of one classic histogram.

use super::buckets::{Pending, PendingSeries};
use super::columns_writer::ColumnsWriter;
use super::entry::{CHUNKS_MAX, ChunkKind, ChunkRef};
use super::error::BlockError;
use super::extras;
use super::index_writer::IndexWriter;
use super::meta::{BlockMeta, BlockOptions};
use super::pages::{PageKind, PageWriter};
use crate::metrics::codec::{Effort, histogram, values};
use crate::metrics::columns::SeriesColumns;
use crate::metrics::tier::TierPoint;
use lapwing_types::{Histogram, Labels};
use std::fs::File;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(super) const FILE_NAME: &str = "pages";
/// Histograms in one chunk: with the most buckets they still fit what the decoder accepts.
const HISTOGRAMS_MAX: usize = 512;

pub struct BlockWriter {
    dir: PathBuf,
    options: BlockOptions,
    pages: PageWriter,
    columns: ColumnsWriter,
    index: IndexWriter,
    meta: BlockMeta,
    last: Option<Labels>,
    pending: Pending,
}

impl BlockWriter {
    /// Creates the directory, which must not exist.
    pub fn create(dir: &Path, options: BlockOptions) -> Result<Self, BlockError> {
        std::fs::create_dir(dir).map_err(BlockError::io("creating", dir))?;
        Ok(BlockWriter {
            dir: dir.to_owned(),
            options,
            pages: PageWriter::create(&dir.join(FILE_NAME))?,
            columns: ColumnsWriter::new(options.effort),
            index: IndexWriter::default(),
            meta: BlockMeta::new(options.resolution_ms),
            last: None,
            pending: Pending::default(),
        })
    }

    /// Series come in ascending order of their labels; one without anything to keep is left out.
    pub fn add_series(&mut self, labels: &Labels, columns: &SeriesColumns) -> Result<(), BlockError> {
        if self.last.as_ref().is_some_and(|last| last >= labels) {
            return Err(BlockError::Order {
                labels: labels.clone(),
            });
        }
        if !well_formed(columns) {
            return Err(BlockError::Columns {
                labels: labels.clone(),
            });
        }
        self.last = Some(labels.clone());
        if columns.is_empty() {
            return Ok(());
        }
        self.count(columns);
        let plain = self.chunks_beside_floats(columns)?;
        let windows = windows_of(&columns.times_ms, &self.options);
        if self.options.effort == Effort::Small {
            if !self.pending.belongs(labels) {
                self.flush_pending()?;
            }
            if labels.get("le").is_some() {
                self.pending.push(PendingSeries {
                    labels: labels.clone(),
                    times_ms: columns.times_ms.clone(),
                    values: columns.values.clone(),
                    windows,
                    plain,
                });
                return Ok(());
            }
        }
        let mut chunks = Vec::with_capacity(windows.len() + plain.len());
        for window in windows {
            chunks.push(self.float_chunk(&columns.times_ms[window.clone()], &columns.values[window])?);
        }
        chunks.extend(plain);
        self.index.add(labels, &chunks)
    }

    /// Writes index and meta and syncs file and directory. The caller makes the block live by naming it.
    pub fn finish(mut self) -> Result<BlockMeta, BlockError> {
        self.flush_pending()?;
        self.columns.flush(&mut self.pages)?;
        // The pages that all others depend on are small, and stand before the index and behind it.
        let (names, mut about) = (self.index.names_page(), Vec::new());
        self.meta.write_to(&mut about);
        write_both(&mut self.pages, &names, &about)?;
        self.index.finish(&self.columns.times_table, &mut self.pages)?;
        write_both(&mut self.pages, &names, &about)?;
        self.meta.size_bytes = self.pages.finish()?;
        let parent = self.dir.parent().unwrap_or(&self.dir);
        for dir in [self.dir.as_path(), parent] {
            File::open(dir)
                .and_then(|dir| dir.sync_all())
                .map_err(BlockError::io("syncing", dir))?;
        }
        Ok(self.meta)
    }

    fn float_chunk(&mut self, times_ms: &[i64], values: &[f64]) -> Result<ChunkRef, BlockError> {
        let times = self.columns.times(times_ms, &mut self.pages)?;
        let (place, member) = self.columns.values(values, &mut self.pages)?;
        Ok(ChunkRef {
            kind: ChunkKind::Floats,
            times,
            place,
            member,
        })
    }

    fn flush_pending(&mut self) -> Result<(), BlockError> {
        let pending = std::mem::take(&mut self.pending);
        pending.write(&mut self.columns, &mut self.index, &mut self.pages)
    }

    fn count(&mut self, columns: &SeriesColumns) {
        self.meta.series += 1;
        self.meta.samples += columns.times_ms.len() as u64;
        self.meta.histograms += columns.histograms.len() as u64;
        self.meta.exemplars += columns.exemplars.len() as u64;
        self.meta.tier_points += columns.tier.len() as u64;
        let ends = |first: Option<i64>, last: Option<i64>| first.into_iter().chain(last);
        let floats = &columns.times_ms;
        self.meta
            .widen(ends(floats.first().copied(), floats.last().copied()));
        let histograms = &columns.histograms;
        self.meta.widen(ends(
            histograms.first().map(|h| h.0),
            histograms.last().map(|h| h.0),
        ));
        let tier = &columns.tier;
        self.meta
            .widen(ends(tier.first().map(|p| p.t_ms), tier.last().map(|p| p.t_ms)));
    }

    fn chunks_beside_floats(&mut self, columns: &SeriesColumns) -> Result<Vec<ChunkRef>, BlockError> {
        let mut chunks = Vec::new();
        let mut encoded = Vec::new();
        let times: Vec<i64> = columns.histograms.iter().map(|h| h.0).collect();
        let mut options = self.options;
        options.chunk_samples_max = options.chunk_samples_max.min(HISTOGRAMS_MAX);
        for window in windows_of(&times, &options) {
            let part: Vec<Arc<Histogram>> = columns.histograms[window.clone()]
                .iter()
                .map(|h| Arc::clone(&h.1))
                .collect();
            encoded.clear();
            histogram::encode(&part, self.columns.effort(), &mut encoded).map_err(|_| {
                BlockError::TooLarge {
                    what: "buckets in one histogram",
                    max: histogram::BUCKETS_MAX as u64,
                }
            })?;
            chunks.push(self.encoded_chunk(ChunkKind::Histograms, &times[window], &encoded)?);
        }
        let times: Vec<i64> = columns.tier.iter().map(|p| p.t_ms).collect();
        for window in windows_of(&times, &self.options) {
            encoded.clear();
            encode_tier(&columns.tier[window.clone()], self.columns.effort(), &mut encoded);
            chunks.push(self.encoded_chunk(ChunkKind::Tier, &times[window], &encoded)?);
        }
        if !columns.exemplars.is_empty() || !columns.start_times_ms.is_empty() {
            encoded.clear();
            extras::encode(columns, &mut encoded);
            chunks.push(self.encoded_chunk(ChunkKind::Extras, &[], &encoded)?);
        }
        Ok(chunks)
    }

    fn encoded_chunk(
        &mut self,
        kind: ChunkKind,
        times_ms: &[i64],
        encoded: &[u8],
    ) -> Result<ChunkRef, BlockError> {
        let times = match times_ms {
            [] => 0,
            _ => self.columns.times(times_ms, &mut self.pages)?,
        };
        Ok(ChunkRef {
            kind,
            times,
            place: self.columns.put(encoded, &mut self.pages)?,
            member: None,
        })
    }
}

fn write_both(pages: &mut PageWriter, names: &[u8], about: &[u8]) -> Result<(), BlockError> {
    for (kind, content) in [(PageKind::Names, names), (PageKind::Meta, about)] {
        let number = pages.reserve();
        pages.write(number, kind, content)?;
    }
    Ok(())
}

/// Six columns, one after the other: min, max, sum, count, last, increase.
fn encode_tier(points: &[TierPoint], effort: Effort, out: &mut Vec<u8>) {
    let columns: [fn(&TierPoint) -> f64; 6] = [
        |p| p.min,
        |p| p.max,
        |p| p.sum,
        |p| p.count as f64,
        |p| p.last,
        |p| p.increase,
    ];
    for column in columns {
        let column: Vec<f64> = points.iter().map(column).collect();
        values::encode(&column, effort, out);
    }
}

/// Cuts ascending times at multiples of the window, and where a window holds too many.
fn windows_of(times_ms: &[i64], options: &BlockOptions) -> Vec<Range<usize>> {
    let window_ms = options.window_ms.max(1);
    let mut windows = Vec::new();
    let mut start = 0;
    while start < times_ms.len() {
        let window = times_ms[start].div_euclid(window_ms);
        let len = times_ms[start..].partition_point(|t| t.div_euclid(window_ms) == window);
        let parts = len.div_ceil(options.chunk_samples_max.clamp(1, HARD_SAMPLES_MAX));
        let part_len = len.div_ceil(parts);
        let end = start + len;
        while start < end {
            let part_end = (start + part_len).min(end);
            windows.push(start..part_end);
            start = part_end;
        }
    }
    windows
}

/// What a decoder accepts in any case.
const HARD_SAMPLES_MAX: usize = 1 << 16;

fn well_formed(columns: &SeriesColumns) -> bool {
    columns.times_ms.len() == columns.values.len()
        && columns.times_ms.len() / 2 < CHUNKS_MAX * HARD_SAMPLES_MAX
        && columns.times_ms.is_sorted_by(|a, b| a < b)
        && columns.histograms.is_sorted_by(|a, b| a.0 < b.0)
        && columns.tier.is_sorted_by(|a, b| a.t_ms < b.t_ms)
        && columns.exemplars.is_sorted_by(|a, b| a.0 <= b.0)
        && columns.start_times_ms.is_sorted_by(|a, b| a.0 <= b.0)
}
