//! An open block: which series it has, and their samples.
//!
//! In memory: the label names, a table of pages (some 24 bytes per 32 KiB of data) and what the shared cache holds. A block
//! is immutable, so an open one answers consistently for as long as someone holds it, also after its files are deleted.

use super::cache::PageCache;
use super::columns_writer::TimesEntry;
use super::entry::{ChunkKind, ChunkRef, Place};
use super::error::BlockError;
use super::extras;
use super::index::{Index, PairCursor, TimesCursor};
use super::meta::BlockMeta;
use super::pages::{PageFile, PageKind};
use super::select::select;
use super::walk::Walk;
use super::writer::FILE_NAME;
use crate::bytes::Reader;
use crate::metrics::codec::{cold, histogram, times, values};
use crate::metrics::columns::SeriesColumns;
use crate::metrics::tier::TierPoint;
use lapwing_types::{Exemplar, Labels, Matcher};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Position of a series in the label order of its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SeriesId(pub u32);

/// A series of a block: who it is, and where its chunks in the selected range stand.
#[derive(Clone, Debug)]
pub struct BlockSeries {
    pub id: SeriesId,
    pub labels: Labels,
    pub(super) chunks: Vec<SelectedChunk>,
}

/// A chunk, and where its times stand: the selection looks that up, and many reads follow it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SelectedChunk {
    pub(super) chunk: ChunkRef,
    /// None for extras, and where the entry is damaged, which reading then finds.
    pub(super) times: Option<TimesEntry>,
}

/// A series and its exemplars, each with the time of its sample.
pub type SeriesExemplars = (Labels, Vec<(i64, Exemplar)>);

pub struct Block {
    dir: PathBuf,
    pub(super) file: PageFile,
    pub(super) index: Arc<Index>,
    pub(super) meta: BlockMeta,
}

impl Block {
    /// Opens a block directory; all blocks that share a cache share its budget.
    pub fn open(dir: &Path, cache: &Arc<PageCache>) -> Result<Self, BlockError> {
        let file = PageFile::open(&dir.join(FILE_NAME), cache)?;
        let (page, bytes) = file.read_either(PageKind::Meta)?;
        let meta =
            BlockMeta::read_from(&mut Reader::new(&bytes), file.size_bytes).map_err(file.malformed(page))?;
        // An entry takes at least three bytes: a larger count would make every selection allocate without bound.
        let series_len = u32::try_from(meta.series)
            .ok()
            .filter(|len| u64::from(*len) <= file.size_bytes / 3)
            .ok_or_else(|| file.damaged(page, "count of series"))?;
        let index = Index::open(&file, series_len)?;
        Ok(Block {
            dir: dir.to_owned(),
            file,
            index: Arc::new(index),
            meta,
        })
    }

    /// The same block through another cache: who reads all of it once must not push out what others ask for again.
    pub(super) fn through(&self, cache: &Arc<PageCache>) -> Self {
        Block {
            dir: self.dir.clone(),
            file: self.file.through(cache),
            index: Arc::clone(&self.index),
            meta: self.meta.clone(),
        }
    }

    pub fn dir(&self) -> &Path {
        &self.dir
    }

    pub fn meta(&self) -> &BlockMeta {
        &self.meta
    }

    /// Memory of its own, beside the shared cache.
    pub fn heap_bytes(&self) -> usize {
        self.index.heap_bytes() + self.file.pages_len() as usize * 24
    }

    /// Reads one page past the cache; returns its length, or nothing behind the last one.
    pub fn check_page(&self, page: u32) -> Result<Option<u64>, BlockError> {
        if page >= self.file.pages_len() {
            return Ok(None);
        }
        self.file
            .read_uncached(page)
            .map(|bytes| Some(bytes.len() as u64))
    }

    /// Whether any page was found damaged.
    pub fn has_faults(&self) -> bool {
        self.file.has_faults()
    }

    /// Pages found damaged so far (by checksum or content), and why.
    pub fn quarantined(&self) -> Vec<(u32, &'static str)> {
        self.file.quarantined()
    }

    /// Series that satisfy all matchers and have a chunk in the range (both ends included), ascending by labels.
    pub fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
    ) -> Result<Vec<BlockSeries>, BlockError> {
        let mut out = Vec::new();
        self.for_each_selected(matchers, (start_ms, end_ms), |series| out.push(series))?;
        Ok(out)
    }

    /// As [`Block::select`], one series at a time. What is damaged is left out.
    pub fn for_each_selected(
        &self,
        matchers: &[Matcher],
        range: (i64, i64),
        mut visit: impl FnMut(BlockSeries),
    ) -> Result<(), BlockError> {
        if range.1 < self.meta.min_ms || range.0 > self.meta.max_ms {
            return Ok(());
        }
        let mut walk = Walk::new(self, range);
        let (ids, by_labels) = self.candidates(matchers)?;
        for id in ids {
            let Some(Some(series)) = readable(walk.series(id))? else {
                continue;
            };
            if !by_labels || matchers.iter().all(|m| m.matches_labels(&series.labels)) {
                visit(series);
            }
        }
        Ok(())
    }

    /// Series that may match, and whether their labels must be looked at: where a posting list or a value is damaged, all
    /// series are candidates, so that only those are missing whose own entry or labels are.
    pub(super) fn candidates(&self, matchers: &[Matcher]) -> Result<(Vec<u32>, bool), BlockError> {
        match readable(select(&self.file, &self.index, matchers))? {
            Some(ids) => Ok((ids, false)),
            None => Ok(((0..self.index.series_len).collect(), true)),
        }
    }

    /// All series in label order, with all chunks.
    pub fn series(&self) -> impl Iterator<Item = Result<BlockSeries, BlockError>> + '_ {
        self.series_by_id().map(|(_, series)| series)
    }

    pub(super) fn series_by_id(
        &self,
    ) -> impl Iterator<Item = (SeriesId, Result<BlockSeries, BlockError>)> + '_ {
        let mut walk = Walk::new(self, (i64::MIN, i64::MAX));
        (0..self.index.series_len)
            .filter_map(move |id| walk.series(id).transpose().map(|series| (SeriesId(id), series)))
    }

    /// Decodes one chunk alone.
    pub(super) fn read_one(&self, labels: &Labels, chunk: ChunkRef) -> Result<(), BlockError> {
        let series = BlockSeries {
            id: SeriesId(0),
            labels: labels.clone(),
            chunks: vec![SelectedChunk { chunk, times: None }],
        };
        self.read(&series, (i64::MIN, i64::MAX), &mut SeriesColumns::default())
    }

    /// Appends the samples of the range (both ends included) to `out`, ascending. After an error `out` holds what stood
    /// before the damage.
    pub fn read(
        &self,
        series: &BlockSeries,
        (start_ms, end_ms): (i64, i64),
        out: &mut SeriesColumns,
    ) -> Result<(), BlockError> {
        let mut table = TimesCursor::new(&self.file, &self.index);
        for part in &series.chunks {
            self.read_part(part, &mut table, (start_ms, end_ms), out)?;
        }
        Ok(())
    }

    /// As [`Block::read`], but what is damaged is left out; returns how many chunks that were. Fails only where the device does.
    pub fn salvage(
        &self,
        series: &BlockSeries,
        range: (i64, i64),
        out: &mut SeriesColumns,
    ) -> Result<usize, BlockError> {
        self.salvage_chunks(&series.chunks, range, out)
    }

    pub(crate) fn salvage_chunks(
        &self,
        chunks: &[SelectedChunk],
        range: (i64, i64),
        out: &mut SeriesColumns,
    ) -> Result<usize, BlockError> {
        let mut table = TimesCursor::new(&self.file, &self.index);
        let mut lost = 0;
        for part in chunks {
            match self.read_part(part, &mut table, range, out) {
                Err(BlockError::Damaged { .. }) => lost += 1,
                other => other?,
            }
        }
        Ok(lost)
    }

    /// One chunk's part of the range: wholly, or nothing and an error.
    fn read_part(
        &self,
        SelectedChunk { chunk, times }: &SelectedChunk,
        table: &mut TimesCursor<'_>,
        (start_ms, end_ms): (i64, i64),
        out: &mut SeriesColumns,
    ) -> Result<(), BlockError> {
        if chunk.kind == ChunkKind::Extras {
            let mut extra = SeriesColumns::default();
            self.with_column(chunk.place, |bytes| {
                extras::decode(bytes, (start_ms, end_ms), &mut extra)
            })?;
            out.exemplars.append(&mut extra.exemplars);
            out.start_times_ms.append(&mut extra.start_times_ms);
            return Ok(());
        }
        let entry = match times {
            Some(entry) => *entry,
            None => table.get(chunk.times)?,
        };
        if entry.max_ms < start_ms || entry.min_ms > end_ms {
            return Ok(());
        }
        let times_ms = self.times(&entry)?;
        let from = first_from(&times_ms, start_ms);
        let behind_ms = end_ms.checked_add(1);
        let to = behind_ms.map_or(times_ms.len(), |t_ms| first_from(&times_ms, t_ms));
        if from < to {
            self.read_chunk(chunk, &times_ms, from..to, out)?;
        }
        Ok(())
    }

    /// A timestamp column. The series that share it stand side by side, so it is kept.
    fn times(&self, entry: &TimesEntry) -> Result<Arc<[i64]>, BlockError> {
        let Place { page, offset, .. } = entry.place;
        let count = entry.count as usize;
        if let Some(times_ms) = self.file.cached_times(page, offset).filter(|t| t.len() == count) {
            return Ok(times_ms);
        }
        let mut times_ms = Vec::new();
        self.with_column(entry.place, |bytes| {
            times::decode(bytes, count, &mut times_ms).map(drop)
        })?;
        let times_ms: Arc<[i64]> = Arc::from(times_ms);
        self.file.keep_times(page, offset, &times_ms);
        Ok(times_ms)
    }

    /// Exemplars of the series that match, each with the time of its sample; series without one are left out.
    pub fn exemplars(
        &self,
        matchers: &[Matcher],
        range: (i64, i64),
    ) -> Result<Vec<SeriesExemplars>, BlockError> {
        let mut found = Vec::new();
        if self.meta.exemplars == 0 {
            return Ok(found);
        }
        for series in self.select(matchers, range.0, range.1)? {
            let mut out = SeriesColumns::default();
            for part in series.chunks.iter().filter(|p| p.chunk.kind == ChunkKind::Extras) {
                let read = self.with_column(part.chunk.place, |bytes| extras::decode(bytes, range, &mut out));
                readable(read)?;
            }
            if !out.exemplars.is_empty() {
                found.push((series.labels, out.exemplars));
            }
        }
        Ok(found)
    }

    /// Names of labels on series that match, ascending. Without matchers the block answers as a whole, whatever part of its
    /// time is asked for: to look at each series would cost a thousand times as much, and hide nothing but what ended lately.
    pub fn label_names(&self, matchers: &[Matcher], range: (i64, i64)) -> Result<Vec<String>, BlockError> {
        if matchers.is_empty() {
            return Ok(self.index.names().iter().map(|n| n.text.to_string()).collect());
        }
        let mut seen = vec![false; self.index.names().len()];
        for pair in self.pairs_of(matchers, range)? {
            let at = self.index.names().partition_point(|n| n.pairs.end <= pair);
            if let Some(seen) = seen.get_mut(at) {
                *seen = true;
            }
        }
        let names = self.index.names().iter().zip(seen);
        Ok(names
            .filter(|(_, seen)| *seen)
            .map(|(n, _)| n.text.to_string())
            .collect())
    }

    /// Visits the values of one label on series that match, ascending; without matchers as [`Block::label_names`] does.
    pub fn for_each_value(
        &self,
        name: &str,
        matchers: &[Matcher],
        range: (i64, i64),
        mut visit: impl FnMut(&str),
    ) -> Result<(), BlockError> {
        let Some(name) = self.index.name(name) else {
            return Ok(());
        };
        let mut cursor = PairCursor::new(&self.file, &self.index);
        let mut one = |pair: u32| -> Result<(), BlockError> {
            if let Some(value) = readable(cursor.value(pair))? {
                visit(value);
            }
            Ok(())
        };
        if matchers.is_empty() {
            return name.pairs.clone().try_for_each(one);
        }
        let pairs = self.pairs_of(matchers, range)?;
        pairs
            .into_iter()
            .filter(|p| name.pairs.contains(p))
            .try_for_each(&mut one)
    }

    /// The label pairs of the series that match and have samples in the range, ascending.
    fn pairs_of(&self, matchers: &[Matcher], range: (i64, i64)) -> Result<Vec<u32>, BlockError> {
        let mut walk = Walk::new(self, range);
        let mut seen = hashbrown::HashSet::new();
        let (ids, by_labels) = self.candidates(matchers)?;
        for id in ids {
            if !readable(walk.chunks(id))?.unwrap_or(false) {
                continue;
            }
            if by_labels {
                let Some(Some(series)) = readable(walk.series(id))? else {
                    continue;
                };
                if !matchers.iter().all(|m| m.matches_labels(&series.labels)) {
                    continue;
                }
            }
            if let Some((pairs, _)) = readable(walk.series.get(id))? {
                seen.extend(pairs.iter().copied());
            }
        }
        let mut pairs: Vec<u32> = seen.into_iter().collect();
        pairs.sort_unstable();
        Ok(pairs)
    }

    fn read_chunk(
        &self,
        chunk: &ChunkRef,
        times_ms: &[i64],
        range: Range<usize>,
        out: &mut SeriesColumns,
    ) -> Result<(), BlockError> {
        let count = times_ms.len();
        match chunk.kind {
            ChunkKind::Floats => {
                let start = out.values.len();
                if let Err(error) = self.read_floats(chunk, count, &range, &mut out.values) {
                    out.values.truncate(start);
                    return Err(error);
                }
                out.times_ms.extend_from_slice(&times_ms[range]);
            }
            ChunkKind::Histograms => {
                let mut histograms = Vec::new();
                self.with_column(chunk.place, |bytes| {
                    histogram::decode(bytes, count, &mut histograms).map(drop)
                })?;
                let stamped = times_ms.iter().copied().zip(histograms);
                out.histograms.extend(stamped.skip(range.start).take(range.len()));
            }
            ChunkKind::Tier => {
                let mut columns: [Vec<f64>; 6] = Default::default();
                self.with_column(chunk.place, |mut bytes| {
                    for column in &mut columns {
                        let taken = values::decode(bytes, count, column)?;
                        bytes = &bytes[taken..];
                    }
                    Ok(())
                })?;
                let [min, max, sum, counts, last, increase] = columns;
                out.tier.extend(range.map(|i| TierPoint {
                    t_ms: times_ms[i],
                    min: min[i],
                    max: max[i],
                    sum: sum[i],
                    count: counts[i] as u64,
                    last: last[i],
                    increase: increase[i],
                }));
            }
            ChunkKind::Extras => {}
        }
        Ok(())
    }

    fn read_floats(
        &self,
        chunk: &ChunkRef,
        count: usize,
        range: &Range<usize>,
        out: &mut Vec<f64>,
    ) -> Result<(), BlockError> {
        let start = out.len();
        match chunk.member {
            None => self.with_column(chunk.place, |bytes| values::decode(bytes, count, out).map(drop))?,
            Some(0) => self.with_column(chunk.place, |bytes| cold::decode_total(bytes, count, out))?,
            Some(member) => {
                let group = self.group(chunk.place, count)?;
                let first = member as usize * count;
                let own = group
                    .get(first..first + count)
                    .ok_or_else(|| self.file.damaged(chunk.place.page, "member of a bucket group"))?;
                out.extend_from_slice(&own[range.clone()]);
                return Ok(());
            }
        }
        out.truncate(start + range.end);
        out.drain(start..start + range.start);
        Ok(())
    }

    /// All members of a bucket group. Whoever asks for one bucket asks for its neighbours next, so they are kept.
    fn group(&self, place: Place, count: usize) -> Result<Arc<[f64]>, BlockError> {
        if let Some(group) = self.file.cached_group(place.page, place.offset) {
            return Ok(group);
        }
        let mut members = Vec::new();
        self.with_column(place, |bytes| cold::decode_buckets(bytes, count, &mut members))?;
        let group: Arc<[f64]> = Arc::from(members);
        self.file.keep_group(place.page, place.offset, &group);
        Ok(group)
    }

    fn with_column<T>(
        &self,
        place: Place,
        decode: impl FnOnce(&[u8]) -> Result<T, crate::metrics::Malformed>,
    ) -> Result<T, BlockError> {
        let page = self.file.read(place.page)?;
        let (start, len) = (place.offset as usize, place.len as usize);
        let column = page
            .get(start..start + len)
            .ok_or_else(|| self.file.damaged(place.page, "place of a column"))?;
        decode(column).map_err(self.file.malformed(place.page))
    }
}

/// What is damaged is as if it were not there: the page is quarantined and listed, and the rest serves.
pub(super) fn readable<T>(read: Result<T, BlockError>) -> Result<Option<T>, BlockError> {
    match read {
        Ok(value) => Ok(Some(value)),
        Err(BlockError::Damaged { .. }) => Ok(None),
        Err(other) => Err(other),
    }
}

/// Where the first time stands that is not before `t_ms`. Scrapes come evenly, so the search begins where it would be if they
/// were exactly so: a column is read from one or two places instead of six.
fn first_from(times_ms: &[i64], t_ms: i64) -> usize {
    let (Some(first), Some(last)) = (times_ms.first(), times_ms.last()) else {
        return 0;
    };
    if t_ms <= *first {
        return 0;
    }
    if t_ms > *last {
        return times_ms.len();
    }
    let before = |t: &i64| *t < t_ms;
    let share = t_ms.abs_diff(*first) as f64 / last.abs_diff(*first) as f64;
    let guess = ((times_ms.len() - 1) as f64 * share) as usize;
    let near = guess.saturating_sub(1)..(guess + 3).min(times_ms.len());
    match times_ms.get(near.clone()) {
        Some([low, .., high]) if before(low) && !before(high) => {
            near.start + times_ms[near].partition_point(before)
        }
        _ => times_ms.partition_point(before),
    }
}

#[cfg(test)]
mod tests {
    use super::first_from;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_guess_finds_what_a_search_finds(first in any::<i64>(), steps in proptest::collection::vec(prop_oneof![4 => Just(15_000i64), 4 => 14_900..15_100i64, 1 => 1..1i64 << 50], 0..200), to in any::<prop::sample::Index>(), off in -2i64..3) {
            let mut times_ms = vec![first / 2];
            for step in steps {
                times_ms.push(times_ms[times_ms.len() - 1] + step);
            }
            for t_ms in [i64::MIN, i64::MAX, first, to.get(&times_ms) + off] {
                prop_assert_eq!(first_from(&times_ms, t_ms), times_ms.partition_point(|t| *t < t_ms));
            }
        }
    }
}
