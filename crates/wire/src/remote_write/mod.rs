//! Prometheus remote write, both versions, both directions.
//!
//! Reading order: [`v1`] (the hot path), [`v2`] (symbols), `histogram` (native histograms, shared), `encode_v1` and
//! `encode_v2` (what we send), `error`.
//!
//! A request is decoded series by series and borrows from the decompressed body. A series that does not decode is an
//! error that names it; the caller decides whether the rest of the request is kept.

mod encode_v1;
mod encode_v2;
mod error;
mod histogram;
mod parts;
pub mod v1;
pub mod v2;

pub(crate) use encode_v1::encode_labels;
pub(crate) use histogram::{absolute as absolute_counts, decode_span};
pub(crate) use parts::{family_name, label_set};

pub use encode_v1::{encode_series as encode_series_v1, encode_v1};
pub use encode_v2::encode_v2;
pub use error::RemoteWriteError;
pub use histogram::TimedHistogram;
