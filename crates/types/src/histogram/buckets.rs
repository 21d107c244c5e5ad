//! The grid: where a bucket begins and ends, and a histogram seen as a list of buckets.
//!
//! Exponential schemas divide each power of two into 2^schema buckets; bucket 0 ends at 1. Custom schemas list their
//! upper bounds; the bucket after the last bound is open upward.

use super::bounds::{FINEST_SCHEMA, FRACTIONS};
use super::{CUSTOM_BUCKETS_SCHEMA, FloatHistogram, Span, span_indexes};

/// One bucket with its bounds spelled out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bucket {
    pub index: i32,
    pub lower: f64,
    pub upper: f64,
    pub count: f64,
    /// Exponential buckets below zero include their lower bound, the zero bucket both, and so does one that is open downward.
    pub lower_inclusive: bool,
    pub upper_inclusive: bool,
}

/// The upper bound of bucket `index` on the positive side.
pub fn bucket_bound(index: i32, schema: i32, custom_bounds: &[f64]) -> f64 {
    if schema == CUSTOM_BUCKETS_SCHEMA {
        return match usize::try_from(index) {
            Err(_) => f64::NEG_INFINITY,
            Ok(at) => custom_bounds.get(at).copied().unwrap_or(f64::INFINITY),
        };
    }
    let schema = schema.clamp(-8, FINEST_SCHEMA);
    if schema < 0 {
        // Not computed as a float, so that the last bucket ends exactly at the largest finite number.
        return power_of_two(1.0, i64::from(index) << -schema);
    }
    let within = index & ((1 << schema) - 1);
    let fraction = FRACTIONS[(within << (FINEST_SCHEMA - schema)) as usize];
    power_of_two(fraction, i64::from(index >> schema) + 1)
}

/// `fraction` × 2^exponent. The last bucket before the overflow bucket ends at the largest finite number.
fn power_of_two(fraction: f64, exponent: i64) -> f64 {
    let is_last = (fraction == 0.5 && exponent == 1025) || (fraction == 1.0 && exponent == 1024);
    if is_last {
        return f64::MAX;
    }
    // In two steps, so that neither factor leaves the range of floats before the product does.
    let exponent = exponent.clamp(-2200, 2200) as i32;
    let half = exponent / 2;
    fraction * 2f64.powi(half) * 2f64.powi(exponent - half)
}

/// The bucket at a lower schema into which a bucket falls.
pub(super) fn coarser_index(index: i32, from_schema: i32, to_schema: i32) -> i32 {
    // From 31 on it is bucket 0 or 1, as far as bits go.
    let shift = from_schema.saturating_sub(to_schema).clamp(0, 31);
    ((index - 1) >> shift) + 1
}

/// One side as (index, count) pairs, ascending.
pub(super) fn pairs_of(spans: &[Span], counts: &[f64]) -> Vec<(i32, f64)> {
    span_indexes(spans).zip(counts.iter().copied()).collect()
}

/// The inverse of [`pairs_of`]; neighbours share a span.
pub(super) fn spans_of(pairs: &[(i32, f64)]) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0i32;
    for (index, _) in pairs {
        match spans.last_mut() {
            Some(span) if *index == next => span.length += 1,
            _ => spans.push(Span {
                offset: *index - next,
                length: 1,
            }),
        }
        next = *index + 1;
    }
    (spans, pairs.iter().map(|(_, c)| *c).collect())
}

impl FloatHistogram {
    pub fn uses_custom_buckets(&self) -> bool {
        self.schema == CUSTOM_BUCKETS_SCHEMA
    }

    pub fn zero_bucket(&self) -> Bucket {
        Bucket {
            index: 0,
            lower: -self.zero_threshold,
            upper: self.zero_threshold,
            count: self.zero_count,
            lower_inclusive: true,
            upper_inclusive: true,
        }
    }

    /// Ascending, away from zero.
    pub fn positive_buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        span_indexes(&self.positive_spans)
            .zip(&self.positive)
            .map(|(index, count)| {
                let lower = bucket_bound(index - 1, self.schema, &self.custom_bounds);
                Bucket {
                    index,
                    lower,
                    upper: bucket_bound(index, self.schema, &self.custom_bounds),
                    count: *count,
                    lower_inclusive: lower == f64::NEG_INFINITY,
                    upper_inclusive: true,
                }
            })
    }

    /// Descending, away from zero.
    pub fn negative_buckets(&self) -> impl Iterator<Item = Bucket> + '_ {
        span_indexes(&self.negative_spans)
            .zip(&self.negative)
            .map(|(index, count)| Bucket {
                index,
                lower: -bucket_bound(index, self.schema, &[]),
                upper: -bucket_bound(index - 1, self.schema, &[]),
                count: *count,
                lower_inclusive: true,
                upper_inclusive: false,
            })
    }

    /// All buckets from the lowest to the highest. A bucket that overlaps the zero bucket is cut off at its threshold;
    /// the zero bucket is listed only when something is in it.
    pub fn all_buckets(&self) -> Vec<Bucket> {
        let threshold = self.zero_threshold;
        let mut out: Vec<Bucket> = self.negative_buckets().collect();
        out.reverse();
        if self.zero_count > 0.0 {
            out.push(self.zero_bucket());
        }
        out.extend(self.positive_buckets());
        for bucket in &mut out {
            if bucket.upper < 0.0 && bucket.upper > -threshold {
                bucket.upper = -threshold;
            } else if bucket.lower > 0.0 && bucket.lower < threshold {
                bucket.lower = threshold;
            }
        }
        out
    }

    /// Custom buckets as a classic histogram counts them: upper bounds, and how much lies at or below each; +Inf is the last.
    pub fn cumulative_custom_buckets(&self) -> Vec<(f64, f64)> {
        let bounds = self.custom_bounds.iter().copied().chain([f64::INFINITY]);
        let mut buckets: Vec<(f64, f64)> = bounds.map(|bound| (bound, 0.0)).collect();
        for (index, count) in span_indexes(&self.positive_spans).zip(&self.positive) {
            let place = usize::try_from(index)
                .ok()
                .and_then(|index| buckets.get_mut(index));
            if let Some(bucket) = place {
                bucket.1 += count;
            }
        }
        let mut below = 0.0;
        for bucket in &mut buckets {
            below += bucket.1;
            bucket.1 = below;
        }
        buckets
    }

    /// Drops empty buckets and joins what becomes adjacent.
    pub fn compact(&mut self) {
        let populated = |spans: &[Span], counts: &[f64]| {
            let mut pairs = pairs_of(spans, counts);
            pairs.retain(|(_, c)| *c != 0.0);
            spans_of(&pairs)
        };
        if !self.positive_spans.is_empty() || !self.positive.is_empty() {
            (self.positive_spans, self.positive) = populated(&self.positive_spans, &self.positive);
        }
        if !self.negative_spans.is_empty() || !self.negative.is_empty() {
            (self.negative_spans, self.negative) = populated(&self.negative_spans, &self.negative);
        }
    }

    /// The same histogram at a lower resolution; a schema that is not lower leaves it as it is.
    pub fn reduce_resolution(&mut self, schema: i32) {
        if schema >= self.schema || self.uses_custom_buckets() {
            return;
        }
        let from = self.schema;
        let merge = |spans: &[Span], counts: &[f64]| {
            let mut out: Vec<(i32, f64)> = Vec::new();
            for (index, count) in pairs_of(spans, counts) {
                let index = coarser_index(index, from, schema);
                match out.last_mut() {
                    Some(last) if last.0 == index => last.1 += count,
                    _ => out.push((index, count)),
                }
            }
            spans_of(&out)
        };
        (self.positive_spans, self.positive) = merge(&self.positive_spans, &self.positive);
        (self.negative_spans, self.negative) = merge(&self.negative_spans, &self.negative);
        self.schema = schema;
    }

    /// Same layout and same counts; layouts that differ only in how spans are cut are the same.
    pub fn same_as(&self, other: &FloatHistogram) -> bool {
        self.schema == other.schema
            && self.zero_threshold == other.zero_threshold
            && self.zero_count == other.zero_count
            && self.count.to_bits() == other.count.to_bits()
            && self.sum.to_bits() == other.sum.to_bits()
            && self.custom_bounds == other.custom_bounds
            && pairs_of(&self.positive_spans, &self.positive)
                == pairs_of(&other.positive_spans, &other.positive)
            && pairs_of(&self.negative_spans, &self.negative)
                == pairs_of(&other.negative_spans, &other.negative)
    }

    /// What a histogram costs a query, in samples of one float each (16 bytes).
    pub fn size_samples(&self) -> usize {
        let buckets = self.positive.len() + self.negative.len() + self.custom_bounds.len();
        let spans = self.positive_spans.len() + self.negative_spans.len();
        (200 + 8 * buckets + 8 * spans) / 16
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_follow_the_schema() {
        let bound = |index, schema| bucket_bound(index, schema, &[]);
        assert_eq!(bound(0, 0), 1.0);
        assert_eq!(bound(1, 0), 2.0);
        assert_eq!(bound(-1, 0), 0.5);
        assert_eq!(bound(1, -1), 4.0);
        assert!((bound(1, 1) - std::f64::consts::SQRT_2).abs() < 1e-15);
        assert_eq!(bound(1024, 0), f64::MAX);
        assert_eq!(bound(1025, 0), f64::INFINITY);
        assert_eq!(bound(-1074, 0), 5e-324);
        assert_eq!(bound(256, -2), f64::MAX);
        assert_eq!(bound(2, 2), bound(1, 1));
        assert_eq!(bucket_bound(-1, CUSTOM_BUCKETS_SCHEMA, &[1.0]), f64::NEG_INFINITY);
        assert_eq!(bucket_bound(0, CUSTOM_BUCKETS_SCHEMA, &[1.0]), 1.0);
        assert_eq!(bucket_bound(1, CUSTOM_BUCKETS_SCHEMA, &[1.0]), f64::INFINITY);
    }

    #[test]
    fn the_zero_bucket_holds_both_its_bounds() {
        for zero_threshold in [0.0, 0.5] {
            let h = FloatHistogram {
                zero_threshold,
                zero_count: 1.0,
                ..FloatHistogram::default()
            };
            let zero = h.zero_bucket();
            assert!(zero.lower_inclusive && zero.upper_inclusive, "{zero_threshold}");
        }
    }

    #[test]
    fn custom_buckets_include_their_upper_bound_on_either_side_of_zero() {
        let h = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_bounds: [-5.0, 5.0].into(),
            positive_spans: vec![Span { offset: 0, length: 3 }],
            positive: vec![1.0, 2.0, 4.0],
            ..FloatHistogram::default()
        };
        let shown = h.all_buckets();
        let shown = shown
            .iter()
            .map(|b| (b.lower, b.upper, b.lower_inclusive, b.upper_inclusive));
        let (low, high) = (f64::NEG_INFINITY, f64::INFINITY);
        let expect = [
            (low, -5.0, true, true),
            (-5.0, 5.0, false, true),
            (5.0, high, false, true),
        ];
        assert_eq!(shown.collect::<Vec<_>>(), expect);
    }

    #[test]
    fn custom_buckets_add_up() {
        let h = FloatHistogram {
            schema: CUSTOM_BUCKETS_SCHEMA,
            custom_bounds: [0.5, 1.0, 2.0].into(),
            positive_spans: vec![Span { offset: 0, length: 1 }, Span { offset: 1, length: 2 }],
            positive: vec![1.0, 2.0, 4.0],
            count: 7.0,
            ..FloatHistogram::default()
        };
        assert_eq!(
            h.cumulative_custom_buckets(),
            [(0.5, 1.0), (1.0, 1.0), (2.0, 3.0), (f64::INFINITY, 7.0)]
        );
    }

    #[test]
    fn compaction_drops_empty_buckets() {
        let mut h = FloatHistogram {
            positive_spans: vec![Span { offset: 0, length: 4 }],
            positive: vec![1.0, 0.0, 0.0, 2.0],
            ..FloatHistogram::default()
        };
        h.compact();
        assert_eq!(h.positive, [1.0, 2.0]);
        assert_eq!(
            h.positive_spans,
            [Span { offset: 0, length: 1 }, Span { offset: 2, length: 1 }]
        );
    }

    #[test]
    fn a_lower_schema_merges_neighbours() {
        let mut h = FloatHistogram {
            schema: 1,
            positive_spans: vec![Span { offset: 0, length: 4 }],
            positive: vec![1.0, 2.0, 3.0, 4.0],
            ..FloatHistogram::default()
        };
        h.reduce_resolution(0);
        assert_eq!((h.schema, h.positive.as_slice()), (0, [1.0, 5.0, 4.0].as_slice()));
        assert_eq!(h.positive_spans, [Span { offset: 0, length: 3 }]);
    }
}
