//! Reads the index of a block page by page (layout in `index_writer.rs`).
//!
//! In memory stay the label names and, per page, its first id; everything else comes through the page cache. Cursors
//! hold the page that they read last, because what is asked next usually stands in it too.

use super::columns_writer::TimesEntry;
use super::entry::{ChunkRef, Place, Previous, RESTART};
use super::error::BlockError;
use super::index_writer::{POSTINGS_RUN, TIMES_ENTRY_LEN};
use super::pages::{PageFile, PageKind};
use crate::bytes::Reader;
use crate::metrics::Malformed;
use crate::metrics::codec::ints;
use std::ops::Range;
use std::sync::Arc;

pub(super) struct Index {
    names: Vec<Name>,
    pairs: Vec<(u32, u32)>,
    series: Vec<(u32, u32)>,
    times: Vec<(u32, u32)>,
    pub(super) series_len: u32,
}

pub(super) struct Name {
    pub(super) text: Box<str>,
    /// Numbers of its pairs, ascending by value.
    pub(super) pairs: Range<u32>,
}

impl Index {
    pub(super) fn open(file: &PageFile, series_len: u32) -> Result<Self, BlockError> {
        let mut names = Vec::new();
        let (page, bytes) = file.read_either(PageKind::Names)?;
        read_names(&bytes, &mut names).map_err(file.malformed(page))?;
        // A pair takes at least four bytes of its page's table.
        if names
            .last()
            .is_some_and(|n| u64::from(n.pairs.end) > file.size_bytes / 4)
        {
            return Err(file.damaged(page, "count of label pairs"));
        }
        Ok(Index {
            names,
            pairs: file.of_kind(PageKind::Pairs),
            series: file.of_kind(PageKind::Series),
            times: file.of_kind(PageKind::TimeTable),
            series_len,
        })
    }

    pub(super) fn names(&self) -> &[Name] {
        &self.names
    }

    pub(super) fn name(&self, text: &str) -> Option<&Name> {
        let at = self.names.binary_search_by(|n| (*n.text).cmp(text)).ok()?;
        Some(&self.names[at])
    }

    /// Index into `names` of the name that a pair belongs to.
    pub(super) fn name_of(&self, pair: u32) -> Option<&Name> {
        let at = self.names.partition_point(|n| n.pairs.end <= pair);
        self.names.get(at)
    }

    pub(super) fn heap_bytes(&self) -> usize {
        let tables = self.pairs.len() + self.series.len() + self.times.len();
        let names: usize = self.names.iter().map(|n| n.text.len() + size_of::<Name>()).sum();
        names + tables * size_of::<(u32, u32)>()
    }
}

fn read_names(bytes: &[u8], names: &mut Vec<Name>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let count = reader.count(2)?;
    let mut next = 0u32;
    for _ in 0..count {
        let text = Box::from(reader.text()?);
        let len = reader.varint_u32()?;
        let end = next.checked_add(len).ok_or(Malformed { what: "pair numbers" })?;
        names.push(Name {
            text,
            pairs: next..end,
        });
        next = end;
    }
    if !names.is_sorted_by(|a, b| a.text < b.text) {
        return Err(Malformed {
            what: "order of names",
        });
    }
    Ok(())
}

/// A page with a table of u32 in front, held while a cursor stays in it.
struct TablePage {
    number: u32,
    first_id: u32,
    count: u32,
    bytes: Arc<[u8]>,
}

impl TablePage {
    fn holds(&self, id: u32) -> bool {
        id >= self.first_id && id - self.first_id < self.count
    }

    fn word(&self, at: usize) -> Option<u32> {
        let bytes = self.bytes.get(at..at + 4)?.first_chunk::<4>()?;
        Some(u32::from_le_bytes(*bytes))
    }
}

/// Finds and holds the page of one kind that has an id.
struct Pager<'b> {
    file: &'b PageFile,
    pages: &'b [(u32, u32)],
    page: Option<TablePage>,
}

impl<'b> Pager<'b> {
    fn new(file: &'b PageFile, pages: &'b [(u32, u32)]) -> Self {
        Pager {
            file,
            pages,
            page: None,
        }
    }

    fn seek(&mut self, id: u32) -> Result<&TablePage, BlockError> {
        if !self.page.as_ref().is_some_and(|page| page.holds(id)) {
            let at = self.pages.partition_point(|(first, _)| *first <= id);
            let (_, number) = *at
                .checked_sub(1)
                .and_then(|at| self.pages.get(at))
                .ok_or_else(|| self.file.damaged(0, "no page for an id"))?;
            let bytes = self.file.read(number)?;
            let mut page = TablePage {
                number,
                first_id: 0,
                count: 0,
                bytes,
            };
            (page.first_id, page.count) = page
                .word(0)
                .zip(page.word(4))
                .ok_or_else(|| self.file.damaged(number, "page head"))?;
            if !page.holds(id) {
                return Err(self.file.damaged(number, "it lacks an id"));
            }
            self.page = Some(page);
        }
        self.page
            .as_ref()
            .ok_or_else(|| self.file.damaged(0, "no page for an id"))
    }
}

/// Reads label pairs by number.
pub(super) struct PairCursor<'b> {
    pager: Pager<'b>,
}

impl<'b> PairCursor<'b> {
    pub(super) fn new(file: &'b PageFile, index: &'b Index) -> Self {
        PairCursor {
            pager: Pager::new(file, &index.pairs),
        }
    }

    /// The value of a pair, and where its postings stand.
    pub(super) fn get(&mut self, pair: u32) -> Result<(&str, (u32, u32)), BlockError> {
        let file = self.pager.file;
        let page = self.pager.seek(pair)?;
        let number = page.number;
        parse_pair(page, pair).map_err(file.malformed(number))
    }

    pub(super) fn value(&mut self, pair: u32) -> Result<&str, BlockError> {
        Ok(self.get(pair)?.0)
    }

    /// The first pair of the name whose value is not less than `value`.
    pub(super) fn lower_bound(&mut self, name: &Name, value: &str) -> Result<u32, BlockError> {
        let (mut low, mut high) = (name.pairs.start, name.pairs.end);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.value(middle)? < value {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        Ok(low)
    }

    pub(super) fn find(&mut self, name: &Name, value: &str) -> Result<Option<u32>, BlockError> {
        let at = self.lower_bound(name, value)?;
        let found = at < name.pairs.end && self.value(at)? == value;
        Ok(found.then_some(at))
    }

    /// Appends the numbers of the series that have a pair, ascending.
    pub(super) fn postings(
        &mut self,
        pair: u32,
        series_len: u32,
        out: &mut Vec<u32>,
    ) -> Result<(), BlockError> {
        let (_, (page, offset)) = self.get(pair)?;
        let file = self.pager.file;
        let bytes = file.read(page)?;
        let list = bytes
            .get(offset as usize..)
            .ok_or_else(|| file.damaged(page, "offset of postings"))?;
        parse_postings(list, series_len, out).map_err(file.malformed(page))
    }
}

fn parse_pair(page: &TablePage, pair: u32) -> Result<(&str, (u32, u32)), Malformed> {
    let bad = Malformed { what: "label pair" };
    let at = (pair - page.first_id) as usize;
    let entries = 8 + page.count as usize * 4;
    let start = match at {
        0 => 0,
        _ => page.word(8 + (at - 1) * 4).ok_or(bad)? as usize,
    };
    let end = page.word(8 + at * 4).ok_or(bad)? as usize;
    let entry = page
        .bytes
        .get(entries..)
        .and_then(|e| e.get(start..end))
        .ok_or(bad)?;
    let mut reader = Reader::new(entry);
    let postings = (reader.varint_u32()?, reader.varint_u32()?);
    let text = std::str::from_utf8(reader.rest()).map_err(|_| bad)?;
    Ok((text, postings))
}

fn parse_postings(bytes: &[u8], series_len: u32, out: &mut Vec<u32>) -> Result<(), Malformed> {
    let bad = Malformed { what: "postings" };
    let mut reader = Reader::new(bytes);
    let count = reader.varint_u32()?;
    if count > series_len {
        return Err(bad);
    }
    let mut left = count as usize;
    let mut run = Vec::new();
    let mut next = 0i64;
    while left > 0 {
        let len = left.min(POSTINGS_RUN);
        run.clear();
        let taken = ints::decode(reader.rest(), len, &mut run)?;
        reader.take(taken)?;
        for id in &run {
            if *id < next || *id >= i64::from(series_len) {
                return Err(bad);
            }
            out.push(*id as u32);
            next = id + 1;
        }
        left -= len;
    }
    Ok(())
}

/// Reads series entries by number; going up one by one costs least.
pub(super) struct SeriesCursor<'b> {
    pager: Pager<'b>,
    previous: Previous,
    chunks: Vec<ChunkRef>,
    /// The entry that stands in `previous` and `chunks`, and where the one after it begins.
    current: Option<(u32, usize)>,
}

impl<'b> SeriesCursor<'b> {
    pub(super) fn new(file: &'b PageFile, index: &'b Index) -> Self {
        SeriesCursor {
            pager: Pager::new(file, &index.series),
            previous: Previous::default(),
            chunks: Vec::new(),
            current: None,
        }
    }

    /// Pairs and chunks of a series.
    pub(super) fn get(&mut self, id: u32) -> Result<(&[u32], &[ChunkRef]), BlockError> {
        let file = self.pager.file;
        let page = self.pager.seek(id)?;
        let (number, at) = (page.number, (id - page.first_id) as usize);
        let restart = page.first_id + (at - at % RESTART) as u32;
        let entries = 8 + (page.count as usize).div_ceil(RESTART) * 4;
        let bad = || file.damaged(number, "series entry");
        // Continue from the entry before when it is of the same stretch between restarts.
        let (mut next, mut position) = match self.current {
            Some((current, position)) if current >= restart && current < id => (current + 1, position),
            _ => {
                let start = page.word(8 + at / RESTART * 4).ok_or_else(bad)?;
                self.previous.reset();
                (restart, entries + start as usize)
            }
        };
        self.current = None;
        while next <= id {
            let mut reader = Reader::new(page.bytes.get(position..).ok_or_else(bad)?);
            let len = reader.remaining();
            self.previous
                .take(&mut reader, &mut self.chunks)
                .map_err(file.malformed(number))?;
            position += len - reader.remaining();
            next += 1;
        }
        self.current = Some((id, position));
        Ok((self.previous.pairs(), &self.chunks))
    }
}

/// Reads the table of timestamp columns.
pub(super) struct TimesCursor<'b> {
    pager: Pager<'b>,
}

impl<'b> TimesCursor<'b> {
    pub(super) fn new(file: &'b PageFile, index: &'b Index) -> Self {
        TimesCursor {
            pager: Pager::new(file, &index.times),
        }
    }

    pub(super) fn get(&mut self, number: u32) -> Result<TimesEntry, BlockError> {
        let file = self.pager.file;
        let page = self.pager.seek(number)?;
        let at = 8 + (number - page.first_id) as usize * TIMES_ENTRY_LEN;
        parse_times(&page.bytes, at).ok_or_else(|| file.damaged(page.number, "timestamp column entry"))
    }
}

fn parse_times(bytes: &[u8], at: usize) -> Option<TimesEntry> {
    let entry = bytes.get(at..at.checked_add(TIMES_ENTRY_LEN)?)?;
    let word = |at: usize| Some(u32::from_le_bytes(*entry.get(at..)?.first_chunk::<4>()?));
    let long = |at: usize| Some(i64::from_le_bytes(*entry.get(at..)?.first_chunk::<8>()?));
    Some(TimesEntry {
        place: Place {
            page: word(0)?,
            offset: word(4)?,
            len: word(8)?,
        },
        count: word(12)?,
        min_ms: long(16)?,
        max_ms: long(24)?,
    })
}
