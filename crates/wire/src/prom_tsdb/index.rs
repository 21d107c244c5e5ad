//! A block's `index`, format 2.
//!
//! Layout: magic, version, sections, table of contents (six offsets and a checksum, at the very end). The symbols are
//! numbered texts; a series is a length, its labels as pairs of symbols, its chunks as differences, a checksum, and
//! zeros up to the next multiple of 16. The sections for look-ups are not needed here: an import reads every series.

use super::cursor::Cursor;
use super::error::TsdbError;
use lapwing_types::Labels;

const MAGIC: u32 = 0xbaaa_d700;
const VERSION: u8 = 2;
const TOC_BYTES: usize = 6 * 8 + 4;
const SERIES_ALIGN: usize = 16;

/// Where a chunk is, and which times it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkRef {
    pub min_ms: i64,
    pub max_ms: i64,
    /// Of `chunks/`, counted from 0: file `000001` is segment 0.
    pub segment: u32,
    pub offset: u32,
}

#[derive(Clone, Debug, PartialEq)]
pub struct IndexedSeries {
    /// What tombstones call the series.
    pub id: u64,
    pub labels: Labels,
    pub chunks: Vec<ChunkRef>,
}

#[derive(Clone, Debug)]
pub struct BlockIndex<'a> {
    bytes: &'a [u8],
    symbols: Vec<&'a str>,
    series_start: usize,
    series_end: usize,
}

impl<'a> BlockIndex<'a> {
    pub fn parse(bytes: &'a [u8]) -> Result<Self, TsdbError> {
        let mut head = Cursor::new(bytes, "index");
        head.magic(MAGIC)?;
        head.version(VERSION)?;
        let toc_start = bytes
            .len()
            .checked_sub(TOC_BYTES)
            .ok_or(TsdbError::Truncated { what: "index" })?;
        let mut toc = Cursor::new(&bytes[toc_start..], "table of contents");
        let mut offsets = [0usize; 6];
        for offset in &mut offsets {
            *offset = usize::try_from(toc.u64()?).unwrap_or(usize::MAX).min(toc_start);
        }
        toc.checksum(&bytes[toc_start..bytes.len() - 4], toc_start)?;
        let [symbols, series, ..] = offsets;
        let after = offsets.into_iter().filter(|offset| *offset > series).min();
        Ok(BlockIndex {
            bytes,
            symbols: read_symbols(bytes, symbols)?,
            series_start: series,
            series_end: after.unwrap_or(toc_start),
        })
    }

    /// All series, in order of their labels. After an error the iterator ends: what follows cannot be found.
    pub fn series(&self) -> impl Iterator<Item = Result<IndexedSeries, TsdbError>> + '_ {
        let mut at = self.series_start;
        std::iter::from_fn(move || {
            while at < self.series_end {
                at = at.next_multiple_of(SERIES_ALIGN);
                // Padding before the next section.
                if self.bytes.get(at) == Some(&0) {
                    at += SERIES_ALIGN;
                    continue;
                }
                if at >= self.series_end {
                    return None;
                }
                let result = self.one_series(at);
                at = match &result {
                    Ok((_, end)) => *end,
                    Err(_) => usize::MAX,
                };
                return Some(result.map(|(series, _)| series));
            }
            None
        })
    }

    fn one_series(&self, at: usize) -> Result<(IndexedSeries, usize), TsdbError> {
        let mut cursor = Cursor::new(&self.bytes[at..], "series");
        let length = cursor.uvarint()?;
        let body_start = at + cursor.position();
        let body = cursor.take(length)?;
        cursor.checksum(body, body_start)?;
        let end = at + cursor.position();
        let mut body = Cursor::new(body, "series");
        let labels_count = body.uvarint()?;
        let mut pairs = Vec::new();
        for _ in 0..labels_count {
            let name = self.symbol(body.uvarint()?)?;
            pairs.push((name, self.symbol(body.uvarint()?)?));
        }
        let series = IndexedSeries {
            id: (at / SERIES_ALIGN) as u64,
            labels: Labels::from_pairs(pairs)?,
            chunks: read_chunk_refs(&mut body)?,
        };
        Ok((series, end))
    }

    fn symbol(&self, index: u64) -> Result<&'a str, TsdbError> {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.symbols.get(i).copied())
            .ok_or(TsdbError::SymbolBeyondEnd {
                index,
                count: self.symbols.len(),
            })
    }
}

fn read_symbols(bytes: &[u8], at: usize) -> Result<Vec<&str>, TsdbError> {
    let mut section = Cursor::new(&bytes[at..], "symbol table");
    let length = section.u32()?;
    let body = section.take(u64::from(length))?;
    section.checksum(body, at)?;
    let mut body = Cursor::new(body, "symbol table");
    let count = body.u32()?;
    let mut symbols = Vec::new();
    for _ in 0..count {
        symbols.push(body.text()?);
    }
    Ok(symbols)
}

fn read_chunk_refs(body: &mut Cursor<'_>) -> Result<Vec<ChunkRef>, TsdbError> {
    let count = body.uvarint()?;
    let mut chunks = Vec::new();
    let (mut time, mut reference) = (0i64, 0i64);
    for i in 0..count {
        let min_ms = if i == 0 {
            body.varint()?
        } else {
            time.wrapping_add(body.uvarint()? as i64)
        };
        let max_ms = min_ms.wrapping_add(body.uvarint()? as i64);
        reference = if i == 0 {
            body.uvarint()? as i64
        } else {
            reference.wrapping_add(body.varint()?)
        };
        time = max_ms;
        chunks.push(ChunkRef {
            min_ms,
            max_ms,
            segment: (reference as u64 >> 32) as u32,
            offset: reference as u32,
        });
    }
    Ok(chunks)
}
