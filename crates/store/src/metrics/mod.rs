//! The metrics engine: samples, native histograms and exemplars of labelled series.
//!
//! Useful for: compressing columns, writing and reading immutable blocks, merging them, downsampling.
//! Not for: deciding what a value means.

mod bytes;
pub mod codec;
pub mod columns;

pub use bytes::Malformed;
