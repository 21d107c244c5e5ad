//! The head: series that are being written, and what of them is not in blocks yet.
//!
//! - `index`: label pairs, their series, and which slot holds which series (one index for all shards).
//! - `ranks`: the order of series by their labels.
//! - `postings`: sets of slots, and the four matchers over them.
//! - `raw_cache`: from the bytes a series arrives with to its slot.
//! - `shard`, `series`, `chunk`, `sealed`, `extra`: the samples. `ghost`: those that were deleted under someone's eyes.
//! - `isolation`: which commits a snapshot may see.
//!
//! Slots are numbered as series appear, and slot `n` lives in shard `n % SHARDS`: shards are balanced whatever the
//! labels are, and the log's records stay valid on a machine with another number of cores.

pub(crate) mod chunk;
pub(crate) mod extra;
pub(crate) mod ghost;
pub(crate) mod histogram_bytes;
pub(crate) mod index;
pub(crate) mod isolation;
pub(crate) mod postings;
pub(crate) mod ranks;
pub(crate) mod raw_cache;
pub(crate) mod sealed;
pub(crate) mod series;
pub(crate) mod shard;

/// Enough that a few dozen cores rarely wait for each other; a constant because slots in log and checkpoint depend on it.
pub(crate) const SHARDS: usize = 16;

#[inline]
pub(crate) fn shard_of(slot: u32) -> usize {
    slot as usize % SHARDS
}

#[inline]
pub(crate) fn position_in_shard(slot: u32) -> usize {
    slot as usize / SHARDS
}
