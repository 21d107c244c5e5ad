//! Immutable blocks: a range of time of many series, written once, read often, checksummed throughout.
//!
//! A block is a directory with one file, `pages` (layout in `pages.rs`). What stands in its pages:
//!
//! - `writer`: [`BlockWriter`]: series in, in ascending order; `add_series`, then `finish`.
//! - `columns_writer`: value and timestamp columns into data pages, equal columns once.
//! - `buckets`: the series of one classic histogram as one column group (cold blocks).
//! - `extras`: exemplars and start times.
//! - `index_writer`, `entry`: series entries, label pairs, postings, the table of timestamp columns.
//! - `index`, `select`: the same read again, and the four matchers over it.
//! - `walk`: from numbers of series to their labels and chunks.
//! - `reader`: [`Block`]: `open`, `select`, `read`, `label_names`, `label_values`, `verify`.
//! - `verify`, `lost`: what can no longer be read, and whose it was.
//! - `merge`: several blocks into one. `downsample`: the same, with what `metrics::tier` leaves of the samples.
//! - `cache`: [`PageCache`], the byte budget that all open blocks share.
//!
//! A block is live once the manifest names its directory; one that is not named is debris of a crash. `finish` syncs the
//! file and the directory before it returns, so a named block is whole. A page whose checksum fails is quarantined: what
//! needs it answers [`BlockError::Damaged`] with the page's number, everything else keeps serving.

mod buckets;
mod cache;
mod columns_writer;
mod downsample;
mod entry;
mod error;
mod extras;
mod index;
mod index_writer;
mod lost;
mod merge;
mod meta;
mod pages;
mod reader;
mod select;
#[cfg(test)]
mod tests;
mod verify;
mod walk;
mod writer;

pub use cache::PageCache;
pub use downsample::{TierRange, downsample};
pub use error::BlockError;
pub(crate) use merge::merge_columns;
pub use merge::{OnDamage, Tombstone, merge};
pub use meta::{BlockMeta, BlockOptions};
pub(crate) use reader::SelectedChunk;
pub use reader::{Block, BlockSeries, SeriesExemplars, SeriesId};
pub use verify::{Loss, VerifyReport};
pub(crate) use walk::Found;
pub use writer::BlockWriter;
