//! Lossless columns: slices of numbers to bytes and back. No disk, no clock, no labels.
//!
//! - `bits`: fixed-width bit packing.
//! - `ints`: a column of integers: order of differences, base, divisor, patched packing, or an entropy stage.
//! - `cold`: that entropy stage, and classic-histogram buckets differenced along `le`.
//! - `quotient`: floats that are an integer over a common divisor (decimals, ratios).
//! - [`values`]: a column of floats. `values::encode(&[f64], Effort, &mut Vec<u8>)`, `values::decode(&[u8], n, &mut Vec<f64>)`.
//! - [`times`]: a column of timestamps.
//! - [`histogram`]: a column of native histograms.
//!
//! Every decoder is given the number of items it must yield, bounds what it allocates by that number and by
//! [`COLUMN_LEN_MAX`], and answers hostile bytes with an error. A decoder reads what it needs from the front of its
//! slice and says how many bytes that was, so that columns stand back to back without lengths between them.

pub(crate) mod bits;
pub mod cold;
pub mod histogram;
pub(crate) mod ints;
pub(crate) mod quotient;
pub mod times;
pub mod values;

/// Items in one column: a day of samples per second fits three times over; a hostile count costs at most 2 MiB.
pub const COLUMN_LEN_MAX: usize = 1 << 18;

/// How hard an encoder tries. The decoder needs no word of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effort {
    /// Bit packing alone: some 15 ns per sample.
    Fast,
    /// Also the entropy stage: some 60 ns per sample, a quarter smaller.
    Small,
}
