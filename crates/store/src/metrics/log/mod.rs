//! The write-ahead log: what was accepted, in the order in which it may be needed again.
//!
//! - `frame`: checksummed records in a file, and how to find them again behind damage.
//! - `record`: what a record says (series definitions, one request's samples).
//! - `writer`: appending, segments, group commit, a full disk, a failed sync.
//! - `replay`: reading all of it back, with a report of what was lost.

pub(crate) mod frame;
pub(crate) mod record;
pub(crate) mod replay;
pub(crate) mod writer;

/// Name of a segment file.
pub(crate) fn segment_name(number: u64) -> String {
    format!("{number:08}.wal")
}

pub(crate) fn segment_number(name: &str) -> Option<u64> {
    name.strip_suffix(".wal")?.parse().ok()
}
