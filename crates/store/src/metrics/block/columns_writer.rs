//! Puts columns into data pages, equal ones once.
//!
//! The series of one target share their timestamps, and many series share their values (a counter that never moved, the
//! `_count` of a histogram and its last bucket): a column whose content has been seen is referred to again. Content is
//! recognized by a 128-bit hash of it; two different columns with one hash would take an adversary who breaks XXH3, and
//! length and both ends are compared too.

use super::entry::Place;
use super::error::BlockError;
use super::pages::{PAGE_LEN_TARGET, PageKind, PageWriter};
use crate::metrics::codec::{Effort, times, values};
use hashbrown::HashMap;
use lapwing_types::Generations;
use xxhash_rust::xxh3::xxh3_128;

/// A shorter column costs less than the reference to another place.
const KNOWN_LEN_MIN: usize = 16;
/// Value columns that are remembered in one generation: with the one before some 10 MiB.
const KNOWN_MAX: u64 = 7 << 13;

/// A timestamp column and what can be known of it without decoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TimesEntry {
    pub(super) place: Place,
    pub(super) count: u32,
    pub(super) min_ms: i64,
    pub(super) max_ms: i64,
}

impl TimesEntry {
    /// Whether any of its times may lie in the range, both ends included.
    pub(super) fn overlaps(&self, (start_ms, end_ms): (i64, i64)) -> bool {
        self.max_ms >= start_ms && self.min_ms <= end_ms
    }
}

/// Where the values of a chunk stand; a member of a group has its number.
pub(super) type Values = (Place, Option<u32>);

pub(super) struct ColumnsWriter {
    effort: Effort,
    values: OpenPage,
    times: OpenPage,
    pub(super) times_table: Vec<TimesEntry>,
    times_by_content: HashMap<u128, u32>,
    /// Where value columns stand. Those that repeat (a histogram's count is its greatest bucket) do so within some thousand series,
    /// and a block may have millions.
    values_by_content: Generations<u128, Values>,
    groups_by_content: HashMap<(u128, usize), Place>,
    raw: Vec<u8>,
    encoded: Vec<u8>,
}

/// A page that is being filled.
pub(super) struct OpenPage {
    kind: PageKind,
    number: Option<u32>,
    content: Vec<u8>,
}

impl OpenPage {
    pub(super) fn new(kind: PageKind) -> Self {
        OpenPage {
            kind,
            number: None,
            content: Vec::new(),
        }
    }

    pub(super) fn put(&mut self, column: &[u8], pages: &mut PageWriter) -> Result<Place, BlockError> {
        let page = match self.number {
            Some(number) => number,
            None => *self.number.insert(pages.reserve()),
        };
        let place = Place {
            page,
            offset: self.content.len() as u32,
            len: column.len() as u32,
        };
        self.content.extend_from_slice(column);
        if self.content.len() >= PAGE_LEN_TARGET {
            self.flush(pages)?;
        }
        Ok(place)
    }

    pub(super) fn flush(&mut self, pages: &mut PageWriter) -> Result<(), BlockError> {
        if let Some(number) = self.number.take() {
            pages.write(number, self.kind, &self.content)?;
            self.content.clear();
        }
        Ok(())
    }
}

impl ColumnsWriter {
    pub(super) fn new(effort: Effort) -> Self {
        ColumnsWriter {
            effort,
            values: OpenPage::new(PageKind::Values),
            times: OpenPage::new(PageKind::Times),
            times_table: Vec::new(),
            times_by_content: HashMap::new(),
            values_by_content: Generations::new(KNOWN_MAX),
            groups_by_content: HashMap::new(),
            raw: Vec::new(),
            encoded: Vec::new(),
        }
    }

    pub(super) fn effort(&self) -> Effort {
        self.effort
    }

    /// The number of a timestamp column with this content, which is not empty.
    pub(super) fn times(&mut self, times_ms: &[i64], pages: &mut PageWriter) -> Result<u32, BlockError> {
        let hash = self.hash(times_ms.iter().map(|t| *t as u64));
        let (min_ms, max_ms) = (times_ms[0], times_ms[times_ms.len() - 1]);
        if let Some(known) = self.times_by_content.get(&hash) {
            let entry = &self.times_table[*known as usize];
            if (entry.count as usize, entry.min_ms, entry.max_ms) == (times_ms.len(), min_ms, max_ms) {
                return Ok(*known);
            }
        }
        self.encoded.clear();
        // Shared by many series, it costs next to no space, but every read of any of them decodes it: never entropy coded.
        times::encode(times_ms, Effort::Fast, &mut self.encoded);
        let place = self.times.put(&self.encoded, pages)?;
        let number = self.times_table.len() as u32;
        self.times_table.push(TimesEntry {
            place,
            count: times_ms.len() as u32,
            min_ms,
            max_ms,
        });
        self.times_by_content.insert(hash, number);
        Ok(number)
    }

    pub(super) fn values(&mut self, column: &[f64], pages: &mut PageWriter) -> Result<Values, BlockError> {
        let hash = self.hash(column.iter().map(|v| v.to_bits()));
        if let Some(known) = self.values_by_content.get(&hash) {
            return Ok(*known);
        }
        self.encoded.clear();
        values::encode(column, self.effort, &mut self.encoded);
        let place = self.values.put(&self.encoded, pages)?;
        if self.encoded.len() >= KNOWN_LEN_MIN {
            self.values_by_content.insert(hash, (place, None), 1);
        }
        Ok((place, None))
    }

    /// Lets later columns with this content refer to a member of a group.
    pub(super) fn know(&mut self, column: &[f64], values: Values) {
        let hash = self.hash(column.iter().map(|v| v.to_bits()));
        if self.values_by_content.get(&hash).is_none() {
            self.values_by_content.insert(hash, values, 1);
        }
    }

    /// A bucket group, for `count` samples per member; one with the same content is referred to again.
    pub(super) fn group(
        &mut self,
        encoded: &[u8],
        count: usize,
        pages: &mut PageWriter,
    ) -> Result<Place, BlockError> {
        let key = (xxh3_128(encoded), count);
        if let Some(known) = self.groups_by_content.get(&key) {
            return Ok(*known);
        }
        let place = self.values.put(encoded, pages)?;
        self.groups_by_content.insert(key, place);
        Ok(place)
    }

    /// A column that is encoded already.
    pub(super) fn put(&mut self, encoded: &[u8], pages: &mut PageWriter) -> Result<Place, BlockError> {
        self.values.put(encoded, pages)
    }

    pub(super) fn flush(&mut self, pages: &mut PageWriter) -> Result<(), BlockError> {
        self.values.flush(pages)?;
        self.times.flush(pages)
    }

    fn hash(&mut self, words: impl Iterator<Item = u64>) -> u128 {
        self.raw.clear();
        for word in words {
            self.raw.extend_from_slice(&word.to_le_bytes());
        }
        xxh3_128(&self.raw)
    }
}
