//! One measured value at one instant.

use crate::Histogram;
use std::sync::Arc;

/// The NaN that says "this series ended here", bit for bit the one Prometheus writes.
pub const STALE_NAN_BITS: u64 = 0x7ff0_0000_0000_0002;
/// The ordinary NaN of a computation.
pub const NORMAL_NAN_BITS: u64 = 0x7ff8_0000_0000_0001;

/// A float at an instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sample {
    pub t_ms: i64,
    pub value: f64,
}

/// What a sample may hold.
#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    Float(f64),
    Histogram(Arc<Histogram>),
}

pub fn stale_nan() -> f64 {
    f64::from_bits(STALE_NAN_BITS)
}

/// True for the staleness marker only, not for other NaNs.
pub fn is_stale(value: f64) -> bool {
    value.to_bits() == STALE_NAN_BITS
}

impl SampleValue {
    pub fn is_stale(&self) -> bool {
        match self {
            SampleValue::Float(v) => is_stale(*v),
            SampleValue::Histogram(h) => is_stale(h.sum),
        }
    }
}
