//! Native histograms: buckets on an exponential (or custom) grid, in sparse spans.
//!
//! Two shapes: [`Histogram`] is what arrives and is kept, integer or float, bit for bit; [`FloatHistogram`] is what is
//! computed with. Bucket counts are absolute in both (the deltas of the wire format end at the border).
//!
//! [`buckets`] knows where buckets lie, [`arithmetic`] adds and scales, [`compensated`] sums without losing digits,
//! [`reset`] tells a restarted counter, [`text`] writes one down.

mod arithmetic;
mod bounds;
mod buckets;
mod compensated;
mod reset;
mod text;

pub use arithmetic::{IncompatibleSchemas, Reconciled};
pub use buckets::{Bucket, bucket_bound};
pub use compensated::CompensatedSum;
pub use text::format_number;

use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// The schema whose bucket bounds are listed rather than computed.
pub const CUSTOM_BUCKETS_SCHEMA: i32 = -53;

/// A run of buckets: `offset` empty ones after the previous span (or after index 0), then `length` present ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Span {
    pub offset: i32,
    pub length: u32,
}

/// What the source knows about a reset between this histogram and the one before it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum ResetHint {
    #[default]
    Unknown,
    Reset,
    NotReset,
    Gauge,
}

/// Bucket populations as the source counted them.
#[derive(Clone, Debug, PartialEq)]
pub enum Counts {
    Int {
        count: u64,
        zero: u64,
        positive: Vec<u64>,
        negative: Vec<u64>,
    },
    Float {
        count: f64,
        zero: f64,
        positive: Vec<f64>,
        negative: Vec<f64>,
    },
}

/// A native histogram as it arrived.
#[derive(Clone, Debug, PartialEq)]
pub struct Histogram {
    pub reset_hint: ResetHint,
    /// −4 ..= 8 for the exponential grid, [`CUSTOM_BUCKETS_SCHEMA`] for listed bounds.
    pub schema: i32,
    pub zero_threshold: f64,
    pub sum: f64,
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    pub counts: Counts,
    /// Upper bounds, ascending, without +Inf; empty unless the schema is custom.
    pub custom_bounds: Arc<[f64]>,
}

/// A native histogram to compute with.
#[derive(Clone, Debug, PartialEq)]
pub struct FloatHistogram {
    pub reset_hint: ResetHint,
    pub schema: i32,
    pub zero_threshold: f64,
    pub zero_count: f64,
    pub count: f64,
    pub sum: f64,
    pub positive_spans: Vec<Span>,
    pub negative_spans: Vec<Span>,
    pub positive: Vec<f64>,
    pub negative: Vec<f64>,
    pub custom_bounds: Arc<[f64]>,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum HistogramError {
    #[error("schema {schema} is not one of -4 to 8 or -53")]
    UnknownSchema { schema: i32 },
    #[error("{side} spans describe {spans} buckets, but {buckets} are given")]
    SpanMismatch {
        side: &'static str,
        spans: usize,
        buckets: usize,
    },
    #[error("{side} span {index} has a negative offset of {offset}")]
    NegativeOffset {
        side: &'static str,
        index: usize,
        offset: i32,
    },
    #[error("buckets hold {buckets} observations, the count says {count}")]
    CountMismatch { buckets: f64, count: f64 },
    #[error("bucket {index} of the {side} side holds {value}")]
    NegativeBucket {
        side: &'static str,
        index: usize,
        value: f64,
    },
    #[error("custom bounds are not ascending at position {index}")]
    BoundsOrder { index: usize },
    #[error("custom bound {index} is {value}, which is no finite number")]
    BoundNotFinite { index: usize, value: f64 },
    #[error("histogram with custom bounds has {what}")]
    CustomShape { what: &'static str },
    #[error("zero threshold {value} is not a finite number of at least 0")]
    ZeroThreshold { value: f64 },
    #[error("{side} spans reach beyond bucket {BUCKET_INDEX_MAX} or -{BUCKET_INDEX_MAX}")]
    IndexRange { side: &'static str },
}

/// No bucket lies further from bucket 0. The finest grid needs 275 000 for all floats there are; with this, neither neighbours
/// nor distances of buckets leave the range of their type.
const BUCKET_INDEX_MAX: i64 = 1 << 30;

impl Default for FloatHistogram {
    fn default() -> Self {
        FloatHistogram {
            reset_hint: ResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.0,
            zero_count: 0.0,
            count: 0.0,
            sum: 0.0,
            positive_spans: Vec::new(),
            negative_spans: Vec::new(),
            positive: Vec::new(),
            negative: Vec::new(),
            custom_bounds: Arc::from([]),
        }
    }
}

impl Histogram {
    pub fn is_float(&self) -> bool {
        matches!(self.counts, Counts::Float { .. })
    }

    pub fn to_float(&self) -> FloatHistogram {
        let (count, zero_count, positive, negative) = match &self.counts {
            Counts::Int {
                count,
                zero,
                positive,
                negative,
            } => (
                *count as f64,
                *zero as f64,
                positive.iter().map(|c| *c as f64).collect(),
                negative.iter().map(|c| *c as f64).collect(),
            ),
            Counts::Float {
                count,
                zero,
                positive,
                negative,
            } => (*count, *zero, positive.clone(), negative.clone()),
        };
        FloatHistogram {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            zero_count,
            count,
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            positive,
            negative,
            custom_bounds: self.custom_bounds.clone(),
        }
    }

    /// Refuses what no histogram can be; the store calls it before it keeps one.
    pub fn validate(&self) -> Result<(), HistogramError> {
        let custom = self.schema == CUSTOM_BUCKETS_SCHEMA;
        if !custom && !(-4..=8).contains(&self.schema) {
            return Err(HistogramError::UnknownSchema { schema: self.schema });
        }
        // Bounds are compared with it, and no comparison with NaN comes to an end.
        if !self.zero_threshold.is_finite() || self.zero_threshold < 0.0 {
            return Err(HistogramError::ZeroThreshold {
                value: self.zero_threshold,
            });
        }
        let float = self.to_float();
        check_side("positive", &float.positive_spans, &float.positive)?;
        check_side("negative", &float.negative_spans, &float.negative)?;
        if custom {
            self.validate_custom(&float)?;
        } else if !self.custom_bounds.is_empty() {
            return Err(HistogramError::CustomShape {
                what: "listed bounds but an exponential schema",
            });
        }
        if let Counts::Int { count, .. } = &self.counts {
            let buckets =
                float.zero_count + float.positive.iter().sum::<f64>() + float.negative.iter().sum::<f64>();
            // With a NaN sum, observations of NaN are counted but stand in no bucket.
            let wrong = if self.sum.is_nan() {
                buckets > *count as f64
            } else {
                buckets != *count as f64
            };
            if wrong {
                return Err(HistogramError::CountMismatch {
                    buckets,
                    count: *count as f64,
                });
            }
        }
        Ok(())
    }

    fn validate_custom(&self, float: &FloatHistogram) -> Result<(), HistogramError> {
        if let Some(index) = self.custom_bounds.iter().position(|b| !b.is_finite()) {
            let value = self.custom_bounds[index];
            return Err(HistogramError::BoundNotFinite { index, value });
        }
        if let Some(index) = self.custom_bounds.windows(2).position(|w| w[0] >= w[1]) {
            return Err(HistogramError::BoundsOrder { index: index + 1 });
        }
        if float.zero_count != 0.0 || self.zero_threshold != 0.0 {
            return Err(HistogramError::CustomShape {
                what: "a zero bucket",
            });
        }
        if !float.negative.is_empty() || !self.negative_spans.is_empty() {
            return Err(HistogramError::CustomShape {
                what: "negative buckets",
            });
        }
        let last = span_indexes(&self.positive_spans).last();
        if last.is_some_and(|i| i > self.custom_bounds.len() as i32) {
            return Err(HistogramError::CustomShape {
                what: "more buckets than bounds",
            });
        }
        Ok(())
    }
}

impl FloatHistogram {
    /// The same as it would have arrived, with float counts.
    pub fn to_histogram(&self) -> Histogram {
        Histogram {
            reset_hint: self.reset_hint,
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: self.positive_spans.clone(),
            negative_spans: self.negative_spans.clone(),
            counts: Counts::Float {
                count: self.count,
                zero: self.zero_count,
                positive: self.positive.clone(),
                negative: self.negative.clone(),
            },
            custom_bounds: self.custom_bounds.clone(),
        }
    }
}

/// The bucket indexes that spans stand for, in order; those of spans that are not valid end at the largest there may be.
pub fn span_indexes(spans: &[Span]) -> impl Iterator<Item = i32> + '_ {
    let mut next = 0i64;
    spans.iter().flat_map(move |span| {
        let first = next + i64::from(span.offset);
        next = first + i64::from(span.length);
        (first..next).map(|i| i.clamp(-BUCKET_INDEX_MAX, BUCKET_INDEX_MAX) as i32)
    })
}

fn check_side(side: &'static str, spans: &[Span], buckets: &[f64]) -> Result<(), HistogramError> {
    let mut end = 0i64;
    for (index, span) in spans.iter().enumerate() {
        if index > 0 && span.offset < 0 {
            return Err(HistogramError::NegativeOffset {
                side,
                index,
                offset: span.offset,
            });
        }
        let first = end + i64::from(span.offset);
        end = first + i64::from(span.length);
        if first < -BUCKET_INDEX_MAX || end > BUCKET_INDEX_MAX {
            return Err(HistogramError::IndexRange { side });
        }
    }
    let described: u64 = spans.iter().map(|s| u64::from(s.length)).sum();
    if described != buckets.len() as u64 {
        return Err(HistogramError::SpanMismatch {
            side,
            spans: described as usize,
            buckets: buckets.len(),
        });
    }
    match buckets.iter().position(|b| *b < 0.0) {
        Some(index) => Err(HistogramError::NegativeBucket {
            side,
            index,
            value: buckets[index],
        }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Histogram {
        Histogram {
            reset_hint: ResetHint::Unknown,
            schema: 0,
            zero_threshold: 0.001,
            sum: 12.5,
            positive_spans: vec![Span { offset: 0, length: 2 }, Span { offset: 1, length: 1 }],
            negative_spans: vec![],
            counts: Counts::Int {
                count: 7,
                zero: 1,
                positive: vec![1, 2, 3],
                negative: vec![],
            },
            custom_bounds: Arc::from([]),
        }
    }

    fn check(change: impl FnOnce(&mut Histogram), expect: &str) {
        let mut histogram = sample();
        change(&mut histogram);
        assert_eq!(histogram.validate().unwrap_err().to_string(), expect);
    }

    #[test]
    fn names_what_is_wrong() {
        assert_eq!(sample().validate(), Ok(()));
        check(|h| h.schema = 9, "schema 9 is not one of -4 to 8 or -53");
        check(
            |h| h.positive_spans[1].length = 2,
            "positive spans describe 4 buckets, but 3 are given",
        );
        check(
            |h| h.positive_spans[1].offset = -1,
            "positive span 1 has a negative offset of -1",
        );
        check(
            |h| {
                if let Counts::Int { count, .. } = &mut h.counts {
                    *count = 8;
                }
            },
            "buckets hold 7 observations, the count says 8",
        );
        check(
            |h| {
                h.schema = CUSTOM_BUCKETS_SCHEMA;
                h.custom_bounds = Arc::from([1.0, 1.0]);
            },
            "custom bounds are not ascending at position 1",
        );
        check(
            |h| h.positive_spans[0].offset = i32::MAX - 1,
            "positive spans reach beyond bucket 1073741824 or -1073741824",
        );
    }

    #[test]
    fn what_cannot_be_compared_is_no_bound() {
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.5] {
            let expect = format!("zero threshold {value} is not a finite number of at least 0");
            check(|h| h.zero_threshold = value, &expect);
        }
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            let expect = format!("custom bound 0 is {value}, which is no finite number");
            let custom = |h: &mut Histogram| {
                h.schema = CUSTOM_BUCKETS_SCHEMA;
                h.zero_threshold = 0.0;
                h.custom_bounds = Arc::from([value]);
            };
            check(custom, &expect);
        }
    }

    #[test]
    fn span_indexes_skip_the_gaps() {
        let spans = [
            Span {
                offset: -2,
                length: 2,
            },
            Span { offset: 3, length: 1 },
        ];
        assert_eq!(span_indexes(&spans).collect::<Vec<_>>(), [-2, -1, 3]);
    }
}
