//! From the numbers of series to what they are: their label pairs, their labels, where their chunks stand.
//!
//! A selection of many series first comes as a [`Found`]: numbers of pairs and no text, because most readers know the same
//! series from elsewhere by then, and to write out labels costs more than to find them.

use super::entry::ChunkKind;
use super::error::BlockError;
use super::index::{PairCursor, SeriesCursor, TimesCursor};
use super::reader::{Block, BlockSeries, SelectedChunk, SeriesId, readable};
use lapwing_types::{Labels, Matcher};

/// Goes through series in ascending order.
pub(super) struct Walk<'b> {
    block: &'b Block,
    pub(super) series: SeriesCursor<'b>,
    pairs: PairCursor<'b>,
    times: TimesCursor<'b>,
    range: (i64, i64),
    text: String,
}

impl<'b> Walk<'b> {
    pub(super) fn new(block: &'b Block, range: (i64, i64)) -> Self {
        Walk {
            block,
            series: SeriesCursor::new(&block.file, &block.index),
            pairs: PairCursor::new(&block.file, &block.index),
            times: TimesCursor::new(&block.file, &block.index),
            range,
            text: String::new(),
        }
    }

    /// Whether a series has a chunk of samples in the range.
    pub(super) fn chunks(&mut self, id: u32) -> Result<bool, BlockError> {
        let (_, chunks) = self.series.get(id)?;
        for chunk in chunks.iter().filter(|c| c.kind != ChunkKind::Extras) {
            if readable(self.times.get(chunk.times))?.is_some_and(|entry| entry.overlaps(self.range)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Appends the chunks of a series in the range; its pairs, or nothing when it has none there.
    fn find(&mut self, id: u32, kept: &mut Vec<SelectedChunk>) -> Result<Option<&[u32]>, BlockError> {
        let meta = &self.block.meta;
        let whole = self.range.0 <= meta.min_ms && self.range.1 >= meta.max_ms;
        let first = kept.len();
        let (pairs, chunks) = self.series.get(id)?;
        for chunk in chunks {
            let times = match chunk.kind {
                ChunkKind::Extras => None,
                _ => match readable(self.times.get(chunk.times))? {
                    Some(entry) if !entry.overlaps(self.range) => continue,
                    // A chunk whose times are lost has no place in any range.
                    None if !whole => continue,
                    times => times,
                },
            };
            kept.push(SelectedChunk { chunk: *chunk, times });
        }
        if kept[first..].iter().all(|p| p.chunk.kind == ChunkKind::Extras) && !whole {
            kept.truncate(first);
            return Ok(None);
        }
        Ok(Some(pairs))
    }

    pub(super) fn series(&mut self, id: u32) -> Result<Option<BlockSeries>, BlockError> {
        let mut chunks = Vec::new();
        if self.find(id, &mut chunks)?.is_none() {
            return Ok(None);
        }
        let (pairs, _) = self.series.get(id)?;
        let labels = labels_of(self.block, pairs, (&mut self.pairs, &mut self.text))?;
        Ok(Some(BlockSeries {
            id: SeriesId(id),
            labels,
            chunks,
        }))
    }
}

/// The series of a selection, ascending by labels, and where their chunks stand.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pairs: Vec<u32>,
    chunks: Vec<SelectedChunk>,
    /// By series: where its pairs and its chunks end.
    ends: Vec<(u32, u32)>,
}

impl Found {
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// Numbers of the label pairs of a series, in the order of the names.
    pub(crate) fn pairs(&self, at: usize) -> &[u32] {
        &self.pairs[self.start(at).0 as usize..self.ends[at].0 as usize]
    }

    pub(crate) fn chunks(&self, at: usize) -> &[SelectedChunk] {
        &self.chunks[self.start(at).1 as usize..self.ends[at].1 as usize]
    }

    /// The pairs of all series, one after the other.
    pub(crate) fn all_pairs(&self) -> &[u32] {
        &self.pairs
    }

    fn start(&self, at: usize) -> (u32, u32) {
        at.checked_sub(1).map_or((0, 0), |before| self.ends[before])
    }
}

impl Block {
    /// As [`Block::select`], without the labels. What is damaged is left out.
    pub(crate) fn find(&self, matchers: &[Matcher], range: (i64, i64)) -> Result<Found, BlockError> {
        let mut found = Found::default();
        if range.1 < self.meta.min_ms || range.0 > self.meta.max_ms {
            return Ok(found);
        }
        let mut walk = Walk::new(self, range);
        let (ids, by_labels) = self.candidates(matchers)?;
        for id in ids {
            if by_labels {
                let series = readable(walk.series(id))?.flatten();
                if !series.is_some_and(|s| matchers.iter().all(|m| m.matches_labels(&s.labels))) {
                    continue;
                }
            }
            let first = found.chunks.len();
            match readable(walk.find(id, &mut found.chunks))? {
                Some(Some(pairs)) => {
                    found.pairs.extend_from_slice(pairs);
                    found
                        .ends
                        .push((found.pairs.len() as u32, found.chunks.len() as u32));
                }
                _ => found.chunks.truncate(first),
            }
        }
        Ok(found)
    }

    /// How many label pairs the block has.
    pub(crate) fn pairs_len(&self) -> usize {
        self.index
            .names()
            .last()
            .map_or(0, |name| name.pairs.end as usize)
    }

    /// Numbers of the pairs of one name.
    pub(crate) fn pairs_named(&self, name: &str) -> Vec<u32> {
        self.index
            .name(name)
            .map_or_else(Vec::new, |name| name.pairs.clone().collect())
    }

    /// Visits name and value of pairs, which ascend; those that are damaged are left out.
    pub(crate) fn for_each_pair(
        &self,
        pairs: &[u32],
        mut visit: impl FnMut(u32, &str, &str),
    ) -> Result<(), BlockError> {
        let mut cursor = PairCursor::new(&self.file, &self.index);
        for pair in pairs {
            let Some(name) = self.index.name_of(*pair) else {
                continue;
            };
            if let Some(value) = readable(cursor.value(*pair))? {
                visit(*pair, &name.text, value);
            }
        }
        Ok(())
    }

    /// The labels of some of the series that were found, each visited with its number; what is damaged is left out.
    pub(crate) fn for_each_labels(
        &self,
        found: &Found,
        of: impl Iterator<Item = u32>,
        mut visit: impl FnMut(u32, Labels),
    ) -> Result<(), BlockError> {
        let mut cursor = PairCursor::new(&self.file, &self.index);
        let mut text = String::new();
        for at in of {
            let labels = labels_of(self, found.pairs(at as usize), (&mut cursor, &mut text));
            if let Some(labels) = readable(labels)? {
                visit(at, labels);
            }
        }
        Ok(())
    }
}

/// Values are copied to `text` first, because each may stand in another page.
pub(super) fn labels_of(
    block: &Block,
    pairs: &[u32],
    (cursor, text): (&mut PairCursor<'_>, &mut String),
) -> Result<Labels, BlockError> {
    text.clear();
    let mut parts = Vec::with_capacity(pairs.len());
    for pair in pairs {
        let name = block
            .index
            .name_of(*pair)
            .ok_or_else(|| block.file.damaged(0, "label pair without a name"))?;
        let start = text.len();
        text.push_str(cursor.value(*pair)?);
        parts.push((&*name.text, start..text.len()));
    }
    // A damaged index that passed its checksum must not break the invariants of a label set.
    if !parts.is_sorted_by(|a, b| a.0 < b.0) || parts.iter().any(|(n, v)| n.is_empty() || v.is_empty()) {
        return Err(block.file.damaged(0, "label set"));
    }
    Ok(Labels::from_sorted(
        parts.iter().map(|(name, value)| (*name, &text[value.clone()])),
    ))
}
