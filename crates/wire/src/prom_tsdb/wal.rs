//! Segments of the write-ahead log (and of its checkpoints): pages of 32 KiB, records in fragments.
//!
//! Fragment: kind and compression (1 byte), length (u16), CRC-32C, data. A fragment never crosses a page; kind 0 says
//! that the rest of the page is empty. A torn end of the last segment is an error that comes after everything before it.

use super::cursor::Cursor;
use super::error::TsdbError;
use super::tombstones::Tombstones;
use super::wal_record;
use lapwing_types::{Labels, WriteBatch};
use std::collections::HashMap;

const PAGE_BYTES: usize = 32 * 1024;
const HEAD_BYTES: usize = 7;
const KIND_MASK: u8 = 0b111;
const SNAPPY: u8 = 0b1000;
const ZSTD: u8 = 0b1_0000;
/// Prometheus cuts its records far below; the bound stops a damaged head from reserving memory.
const RECORD_BYTES_MAX: usize = 64 << 20;

/// Reads segments in order and remembers the series that they name.
#[derive(Debug, Default)]
pub struct WalReader {
    series: HashMap<u64, Labels>,
    deleted: Tombstones,
    valid_from_ms: Option<i64>,
    /// Samples of series that no record named: their checkpoint is missing or damaged.
    pub orphans_count: u64,
}

impl WalReader {
    pub fn new() -> Self {
        WalReader::default()
    }

    pub fn labels(&self, series_id: u64) -> Option<&Labels> {
        self.series.get(&series_id)
    }

    /// Whether [`WalReader::deletions`] has said so of a sample.
    pub fn is_deleted(&self, series_id: u64, t_ms: i64) -> bool {
        self.deleted.is_deleted(series_id, t_ms)
    }

    /// Samples before this are in blocks, and count as those say: what was deleted there still stands in the log. Prometheus does the
    /// same when it starts.
    pub fn valid_from(&mut self, from_ms: Option<i64>) {
        self.valid_from_ms = from_ms;
    }

    /// Whether [`WalReader::valid_from`] lets an in-order sample of this time count.
    pub fn is_valid(&self, t_ms: i64) -> bool {
        self.valid_from_ms.is_none_or(|from_ms| t_ms >= from_ms)
    }

    /// Late samples have a log of their own, which neither deletions nor what blocks have reach.
    pub fn late_samples_follow(&mut self) {
        self.deleted = Tombstones::default();
        self.valid_from_ms = None;
    }

    /// Looks for what was deleted, in a pass before that of [`WalReader::segment`]: what a segment deletes stands in it and in the
    /// ones before.
    pub fn deletions(&mut self, bytes: &[u8]) -> Result<(), TsdbError> {
        let deleted = &mut self.deleted;
        records(bytes, |record| {
            wal_record::deletions(record, |id, range| deleted.add(id, range))
        })
    }

    /// Hands each record of a segment that holds samples or metadata to `sink`, as a batch. Stops at the first damage;
    /// what came before it has been handed over. Within one series, times may step back by a few samples: Prometheus
    /// writes a scrape's floats, histograms and staleness markers as records of their own.
    pub fn segment(&mut self, bytes: &[u8], mut sink: impl FnMut(WriteBatch)) -> Result<(), TsdbError> {
        records(bytes, |record| self.record(record, &mut sink))
    }

    fn record(&mut self, record: &[u8], sink: &mut impl FnMut(WriteBatch)) -> Result<(), TsdbError> {
        let decoded = wal_record::decode(record)?;
        self.series.extend(decoded.series);
        let mut batch = WriteBatch::default();
        for (id, mut write) in decoded.points {
            match self.series.get(&id) {
                Some(labels) => {
                    let is_kept = |t_ms: i64| self.is_valid(t_ms) && !self.deleted.is_deleted(id, t_ms);
                    write.samples.retain(|s| is_kept(s.t_ms));
                    write.histograms.retain(|h| is_kept(h.0));
                    write.labels = labels.clone();
                    batch.series.push(write);
                }
                None => self.orphans_count += 1,
            }
        }
        for (id, metadata) in decoded.metadata {
            if let Some(labels) = self.series.get(&id) {
                let family =
                    crate::remote_write::family_name(labels.metric_name().unwrap_or(""), metadata.kind);
                batch.metadata.push((family.to_owned(), metadata));
            }
        }
        if !batch.series.is_empty() || !batch.metadata.is_empty() {
            sink(batch);
        }
        Ok(())
    }
}

/// The records of a segment, whole and decompressed, up to the first damage.
fn records(bytes: &[u8], mut take: impl FnMut(&[u8]) -> Result<(), TsdbError>) -> Result<(), TsdbError> {
    let mut at = 0;
    let mut record = Vec::new();
    // Not whether `record` is empty: of a page with room for the head alone, the first fragment has no data.
    let mut is_begun = false;
    let mut decompressor = crate::snappy::Decompressor::new();
    while at < bytes.len() {
        let page_left = PAGE_BYTES - at % PAGE_BYTES;
        let kind = bytes[at] & KIND_MASK;
        if kind == 0 || page_left < HEAD_BYTES {
            at += page_left;
            continue;
        }
        let flags = bytes[at];
        let fragment = read_fragment(bytes, at, page_left)?;
        // 1: whole, 2: first, 3: middle, 4: last.
        match (kind, is_begun) {
            (1 | 2, false) | (3 | 4, true) => record.extend_from_slice(fragment),
            _ => return Err(TsdbError::FragmentOrder { kind, offset: at }),
        }
        at += HEAD_BYTES + fragment.len();
        is_begun = kind == 2 || kind == 3;
        if !is_begun {
            let plain = if flags & ZSTD != 0 {
                return Err(TsdbError::Zstd);
            } else if flags & SNAPPY != 0 {
                let plain = decompressor.decompress(&record, RECORD_BYTES_MAX);
                plain.map_err(|_| TsdbError::Snappy)?
            } else {
                &record
            };
            take(plain)?;
            record.clear();
        }
    }
    match is_begun {
        false => Ok(()),
        true => Err(TsdbError::Truncated { what: "log" }),
    }
}

fn read_fragment(bytes: &[u8], at: usize, page_left: usize) -> Result<&[u8], TsdbError> {
    let page_end = (at + page_left).min(bytes.len());
    let mut head = Cursor::new(&bytes[at + 1..page_end], "log");
    let length = head.u16()?;
    let checksum = head.u32()?;
    let data = head.take(u64::from(length))?;
    Cursor::new(&checksum.to_be_bytes(), "log record").checksum(data, at)?;
    Ok(data)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crc32c::crc32c;

    /// As Prometheus writes: a page with room for the head of a fragment takes one, be there room for data or not.
    fn append(segment: &mut Vec<u8>, record: &[u8]) {
        let mut rest = record;
        let mut is_first = true;
        loop {
            let left = PAGE_BYTES - segment.len() % PAGE_BYTES;
            if left < HEAD_BYTES {
                segment.resize(segment.len() + left, 0);
                continue;
            }
            let (now, later) = rest.split_at(rest.len().min(left - HEAD_BYTES));
            let kind = match (is_first, later.is_empty()) {
                (true, true) => 1,
                (true, false) => 2,
                (false, false) => 3,
                (false, true) => 4,
            };
            segment.push(kind);
            segment.extend(u16::try_from(now.len()).unwrap().to_be_bytes());
            segment.extend(crc32c(now).to_be_bytes());
            segment.extend(now);
            if later.is_empty() {
                return;
            }
            (rest, is_first) = (later, false);
        }
    }

    #[test]
    fn a_record_is_whole_wherever_in_a_page_it_begins() {
        for left in 0..=2 * HEAD_BYTES {
            let written = [
                vec![1; PAGE_BYTES - HEAD_BYTES - left],
                vec![2; 20],
                vec![3; 2 * PAGE_BYTES],
                vec![4],
            ];
            let mut segment = Vec::new();
            written.iter().for_each(|record| append(&mut segment, record));
            let mut read = Vec::new();
            let outcome = records(&segment, |record| {
                read.push(record.to_vec());
                Ok(())
            });
            assert_eq!(outcome, Ok(()), "{left} bytes are left of the page");
            assert_eq!(read, written, "{left} bytes are left of the page");
        }
    }
}
