//! Chunks as they lie in the files of a block (`chunks/`) and of the head (`chunks_head/`).
//!
//! In a block: length (varint), encoding, data, CRC-32C of encoding and data. In the head: series id, first and last
//! time, encoding, length, data, CRC-32C of all of it; the file may end in zeros that were reserved.

use super::cursor::Cursor;
use super::error::TsdbError;
use crate::chunk::{self, ChunkError, ChunkSamples};

const HEAD_MAGIC: u32 = 0x0130_bc91;
const HEAD_VERSION: u8 = 1;
/// Marks a chunk of samples that came out of order; the coding is the same.
const OUT_OF_ORDER: u8 = 0x80;

/// The encoding and data of the chunk that `bytes` begin with, checksum verified; `bytes` may go on. `offset` is
/// where it lies in its file, for the error.
pub fn parse_chunk(bytes: &[u8], offset: usize) -> Result<(u8, &[u8]), TsdbError> {
    let mut cursor = Cursor::new(bytes, "chunk");
    let length = cursor.uvarint()?;
    let start = cursor.position();
    let encoding = cursor.u8()?;
    let data = cursor.take(length)?;
    let covered = &bytes[start..cursor.position()];
    cursor.checksum(covered, offset)?;
    Ok((encoding, data))
}

/// Appends the samples of one chunk.
pub fn decode_chunk(encoding: u8, data: &[u8], out: &mut ChunkSamples) -> Result<(), ChunkError> {
    chunk::decode(encoding & !OUT_OF_ORDER, data, out)
}

/// A chunk that had left Prometheus' memory, but not yet for a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadChunk<'a> {
    /// As the log names the series.
    pub series_id: u64,
    pub min_ms: i64,
    pub max_ms: i64,
    pub encoding: u8,
    pub data: &'a [u8],
}

impl HeadChunk<'_> {
    /// Whether its samples came out of order.
    pub fn is_late(&self) -> bool {
        self.encoding & OUT_OF_ORDER != 0
    }
}

/// The chunks of one file of `chunks_head/`, up to the first damage. Where Prometheus was killed, the last one may be half there.
pub fn head_chunks(bytes: &[u8]) -> (Vec<HeadChunk<'_>>, Option<TsdbError>) {
    let mut chunks = Vec::new();
    let damage = read_head_chunks(bytes, &mut chunks).err();
    (chunks, damage)
}

fn read_head_chunks<'a>(bytes: &'a [u8], chunks: &mut Vec<HeadChunk<'a>>) -> Result<(), TsdbError> {
    let mut cursor = Cursor::new(bytes, "head chunk file");
    cursor.magic(HEAD_MAGIC)?;
    cursor.version(HEAD_VERSION)?;
    cursor.take(3)?;
    while !cursor.is_at_end() {
        let start = cursor.position();
        if bytes[start..].iter().all(|byte| *byte == 0) {
            break;
        }
        let series_id = cursor.u64()?;
        let min_ms = cursor.u64()? as i64;
        let max_ms = cursor.u64()? as i64;
        let encoding = cursor.u8()?;
        let length = cursor.uvarint()?;
        let data = cursor.take(length)?;
        let covered = &bytes[start..cursor.position()];
        cursor.checksum(covered, start)?;
        chunks.push(HeadChunk {
            series_id,
            min_ms,
            max_ms,
            encoding,
            data,
        });
    }
    Ok(())
}
