//! Writes the index of a block.
//!
//! Label pairs are numbered by name, then value: a label set is an ascending list of numbers, and the values of one name
//! are a range of them, which is what `=~` with a prefix scans. Series arrive before the numbers are known, so their pairs
//! are kept under provisional numbers (four bytes per label) until all have been seen.
//!
//! Layout of the pages, after the u32 first id that all but `Names` and `Postings` begin with:
//!
//! ```text
//! Names      names varint, then per name, ascending: name text, pairs varint
//! Pairs      count u32, ends u32 × count (from the start of the entries), then per pair:
//!            page of its postings varint, offset varint, value text (to its end)
//! Postings   per pair: series varint, then runs of at most 65536 series numbers as `ints` lays them out
//! Series     count u32, starts u32 per 16 entries (from the start of the entries), then entries (see `entry`)
//! TimeTable  count u32, then per timestamp column: page, offset, length, count u32, min, max i64
//! ```

use super::columns_writer::{OpenPage, TimesEntry};
use super::entry::{ChunkRef, Previous, PreviousChunk, RESTART};
use super::error::BlockError;
use super::pages::{PAGE_LEN_TARGET, PageKind, PageWriter};
use crate::bytes::{put_text, put_varint};
use crate::metrics::codec::{Effort, ints};
use hashbrown::HashMap;
use lapwing_types::Labels;
use std::collections::BTreeMap;

/// Series numbers in one run of a posting list.
pub(super) const POSTINGS_RUN: usize = 1 << 16;
/// Entries of the time table in one page.
pub(super) const TIMES_PER_PAGE: usize = 512;
pub(super) const TIMES_ENTRY_LEN: usize = 32;
/// Bytes of a page of series, and of pairs: small, because look-ups read one at a time.
const INDEX_PAGE_TARGET: usize = PAGE_LEN_TARGET / 4;
pub(super) const SERIES_MAX: u64 = u32::MAX as u64;

#[derive(Default)]
pub(super) struct IndexWriter {
    /// Name to value to provisional number.
    names: BTreeMap<Box<str>, HashMap<Box<str>, u32>>,
    pairs_len: u32,
    /// Provisional pair numbers of all series, and how many each has.
    series_pairs: Vec<u32>,
    series_pairs_len: Vec<u16>,
    /// The second halves of all entries, and how long each is.
    chunks: Vec<u8>,
    chunks_len: Vec<u32>,
    previous_chunk: PreviousChunk,
}

impl IndexWriter {
    pub(super) fn add(&mut self, labels: &Labels, chunks: &[ChunkRef]) -> Result<(), BlockError> {
        if self.chunks_len.len() as u64 >= SERIES_MAX {
            return Err(BlockError::TooLarge {
                what: "series",
                max: SERIES_MAX,
            });
        }
        let mut count = 0;
        for (name, value) in labels {
            if !self.names.contains_key(name) {
                self.names.insert(Box::from(name), HashMap::new());
            }
            let Some(values) = self.names.get_mut(name) else {
                continue;
            };
            let number = match values.get(value) {
                Some(number) => *number,
                None => {
                    values.insert(Box::from(value), self.pairs_len);
                    self.pairs_len += 1;
                    self.pairs_len - 1
                }
            };
            self.series_pairs.push(number);
            count += 1;
        }
        self.series_pairs_len.push(count);
        if self.chunks_len.len().is_multiple_of(RESTART) {
            self.previous_chunk = PreviousChunk::default();
        }
        let start = self.chunks.len();
        self.previous_chunk.put(chunks, &mut self.chunks);
        self.chunks_len.push((self.chunks.len() - start) as u32);
        Ok(())
    }

    /// Writes all but the names.
    pub(super) fn finish(mut self, times: &[TimesEntry], pages: &mut PageWriter) -> Result<(), BlockError> {
        let final_of = self.final_numbers();
        for pair in &mut self.series_pairs {
            *pair = final_of[*pair as usize];
        }
        self.write_series(pages)?;
        let postings = self.write_postings(pages)?;
        self.write_pairs(&postings, pages)?;
        write_times(times, pages)
    }

    /// From provisional to final number.
    fn final_numbers(&self) -> Vec<u32> {
        let mut final_of = vec![0; self.pairs_len as usize];
        let mut next = 0;
        for values in self.names.values() {
            for (_, number) in sorted(values) {
                final_of[number as usize] = next;
                next += 1;
            }
        }
        final_of
    }

    fn write_series(&self, pages: &mut PageWriter) -> Result<(), BlockError> {
        let (mut pair_at, mut chunk_at) = (0, 0);
        let mut page = SeriesPage::default();
        let mut previous = Previous::default();
        for (id, pairs) in self.series_pairs_len.iter().enumerate() {
            let (pairs, chunks) = (usize::from(*pairs), self.chunks_len[id] as usize);
            if page.count.is_multiple_of(RESTART) {
                if page.entries.len() >= INDEX_PAGE_TARGET {
                    page.write(pages)?;
                }
                if page.count == 0 {
                    page.first_id = id as u32;
                }
                page.starts.push(page.entries.len() as u32);
                previous.reset();
            }
            previous.put_pairs(&self.series_pairs[pair_at..pair_at + pairs], &mut page.entries);
            page.entries
                .extend_from_slice(&self.chunks[chunk_at..chunk_at + chunks]);
            page.count += 1;
            pair_at += pairs;
            chunk_at += chunks;
        }
        page.write(pages)
    }

    /// Where the posting list of each pair stands.
    fn write_postings(&self, pages: &mut PageWriter) -> Result<Vec<(u32, u32)>, BlockError> {
        // Counting sort: series numbers by pair, each list ascending because series are walked in order.
        let mut ends = vec![0usize; self.pairs_len as usize + 1];
        for pair in &self.series_pairs {
            ends[*pair as usize + 1] += 1;
        }
        for i in 1..ends.len() {
            ends[i] += ends[i - 1];
        }
        let mut next = ends.clone();
        let mut lists = vec![0u32; self.series_pairs.len()];
        let mut at = 0;
        for (id, len) in self.series_pairs_len.iter().enumerate() {
            for pair in &self.series_pairs[at..at + usize::from(*len)] {
                lists[next[*pair as usize]] = id as u32;
                next[*pair as usize] += 1;
            }
            at += usize::from(*len);
        }
        let mut page = OpenPage::new(PageKind::Postings);
        let mut places = Vec::with_capacity(self.pairs_len as usize);
        let (mut encoded, mut run) = (Vec::new(), Vec::new());
        for range in ends.windows(2) {
            let list = &lists[range[0]..range[1]];
            encoded.clear();
            put_varint(&mut encoded, list.len() as u64);
            for part in list.chunks(POSTINGS_RUN) {
                run.clear();
                run.extend(part.iter().map(|id| i64::from(*id)));
                ints::encode(&run, Effort::Fast, &mut encoded);
            }
            let place = page.put(&encoded, pages)?;
            places.push((place.page, place.offset));
        }
        page.flush(pages)?;
        Ok(places)
    }

    fn write_pairs(&self, postings: &[(u32, u32)], pages: &mut PageWriter) -> Result<(), BlockError> {
        let mut id = 0u32;
        let mut page = SeriesPage::default();
        for values in self.names.values() {
            for (value, _) in sorted(values) {
                let (postings_page, offset) = postings[id as usize];
                put_varint(&mut page.entries, u64::from(postings_page));
                put_varint(&mut page.entries, u64::from(offset));
                page.entries.extend_from_slice(value.as_bytes());
                page.starts.push(page.entries.len() as u32);
                page.count += 1;
                id += 1;
                if page.entries.len() >= INDEX_PAGE_TARGET {
                    page.write_as(PageKind::Pairs, pages)?;
                    page.first_id = id;
                }
            }
        }
        page.write_as(PageKind::Pairs, pages)
    }

    /// The content of the page of names, once all series are in.
    pub(super) fn names_page(&self) -> Vec<u8> {
        let mut content = Vec::new();
        put_varint(&mut content, self.names.len() as u64);
        for (name, values) in &self.names {
            put_text(&mut content, name);
            put_varint(&mut content, values.len() as u64);
        }
        content
    }
}

/// A page of entries with a table of offsets in front: of series (where every sixteenth starts) or pairs (where each ends).
#[derive(Default)]
struct SeriesPage {
    first_id: u32,
    count: usize,
    starts: Vec<u32>,
    entries: Vec<u8>,
}

impl SeriesPage {
    fn write(&mut self, pages: &mut PageWriter) -> Result<(), BlockError> {
        self.write_as(PageKind::Series, pages)
    }

    fn write_as(&mut self, kind: PageKind, pages: &mut PageWriter) -> Result<(), BlockError> {
        if self.count == 0 {
            return Ok(());
        }
        let mut content = Vec::with_capacity(8 + self.starts.len() * 4 + self.entries.len());
        content.extend_from_slice(&self.first_id.to_le_bytes());
        content.extend_from_slice(&(self.count as u32).to_le_bytes());
        content.extend(self.starts.iter().flat_map(|s| s.to_le_bytes()));
        content.extend_from_slice(&self.entries);
        *self = SeriesPage::default();
        let number = pages.reserve();
        pages.write(number, kind, &content)
    }
}

fn write_times(times: &[TimesEntry], pages: &mut PageWriter) -> Result<(), BlockError> {
    for (at, part) in times.chunks(TIMES_PER_PAGE).enumerate() {
        let mut content = Vec::with_capacity(8 + part.len() * TIMES_ENTRY_LEN);
        content.extend_from_slice(&((at * TIMES_PER_PAGE) as u32).to_le_bytes());
        content.extend_from_slice(&(part.len() as u32).to_le_bytes());
        for entry in part {
            for word in [entry.place.page, entry.place.offset, entry.place.len, entry.count] {
                content.extend_from_slice(&word.to_le_bytes());
            }
            content.extend_from_slice(&entry.min_ms.to_le_bytes());
            content.extend_from_slice(&entry.max_ms.to_le_bytes());
        }
        let number = pages.reserve();
        pages.write(number, PageKind::TimeTable, &content)?;
    }
    Ok(())
}

fn sorted(values: &HashMap<Box<str>, u32>) -> Vec<(&str, u32)> {
    let mut sorted: Vec<(&str, u32)> = values.iter().map(|(v, n)| (v.as_ref(), *n)).collect();
    sorted.sort_unstable();
    sorted
}
