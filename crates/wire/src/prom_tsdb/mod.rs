//! A Prometheus data directory, read for import. Bytes in, series out; whoever calls reads the files.
//!
//! ```text
//! DATA/<ULID>/index             [`BlockIndex`]: label sets, and where their chunks are
//! DATA/<ULID>/chunks/000001     [`parse_chunk`] at an offset that the index names, [`decode_chunk`]
//! DATA/<ULID>/tombstones        [`Tombstones`]: what was deleted
//! DATA/wal/checkpoint.N/000000  [`WalReader`], first
//! DATA/wal/000000 …             [`WalReader`], then, in order
//! DATA/chunks_head/000001       [`head_chunks`], once the log has told the series' names
//! ```
//!
//! The log and `chunks_head` overlap: samples in both are identical duplicates. Every checksum is verified; a damaged
//! chunk or record is an error of its own, and the next one can be read.

mod block;
mod chunks;
mod cursor;
mod error;
mod index;
mod tombstones;
mod wal;
mod wal_record;

pub use crate::chunk::ChunkSamples;
pub use block::{BlockReader, Segment};
pub use chunks::{HeadChunk, decode_chunk, head_chunks, parse_chunk};
pub use error::TsdbError;
pub use index::{BlockIndex, ChunkRef, IndexedSeries};
pub use tombstones::Tombstones;
pub use wal::WalReader;
