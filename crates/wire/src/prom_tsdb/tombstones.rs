//! A block's `tombstones`: which ranges of which series were deleted and not yet compacted away.
//!
//! Layout: magic, version, then (series id, first time, last time) as varints, then CRC-32C of those.

use super::cursor::Cursor;
use super::error::TsdbError;
use std::collections::HashMap;

const MAGIC: u32 = 0x0130_ba30;
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 5;

/// Deleted ranges by series id, both ends inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tombstones {
    ranges: HashMap<u64, Vec<(i64, i64)>>,
}

impl Tombstones {
    pub fn parse(bytes: &[u8]) -> Result<Self, TsdbError> {
        let mut cursor = Cursor::new(bytes, "tombstones");
        cursor.magic(MAGIC)?;
        cursor.version(VERSION)?;
        let (stones, checksum) = bytes[HEAD_BYTES..]
            .split_last_chunk::<4>()
            .ok_or(TsdbError::Truncated { what: "tombstones" })?;
        Cursor::new(checksum, "tombstones").checksum(stones, HEAD_BYTES)?;
        let mut tombstones = Tombstones::default();
        let mut cursor = Cursor::new(stones, "tombstones");
        while !cursor.is_at_end() {
            let id = cursor.uvarint()?;
            let range = (cursor.varint()?, cursor.varint()?);
            tombstones.add(id, range);
        }
        Ok(tombstones)
    }

    pub(super) fn add(&mut self, series_id: u64, range: (i64, i64)) {
        self.ranges.entry(series_id).or_default().push(range);
    }

    pub fn is_deleted(&self, series_id: u64, t_ms: i64) -> bool {
        let ranges = self.ranges.get(&series_id);
        ranges.is_some_and(|all| all.iter().any(|(first, last)| (*first..=*last).contains(&t_ms)))
    }
}
