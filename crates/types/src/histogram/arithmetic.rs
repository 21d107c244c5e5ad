//! Adding, subtracting and scaling histograms whose layouts may differ.
//!
//! 1. The counter reset hints are reconciled; a collision is reported.
//! 2. Exponential layouts agree on a zero bucket wide enough for both and on the lower schema; custom layouts agree on
//!    the bounds that both have.
//! 3. Buckets are merged by index. Empty buckets may remain; `compact` removes them.

use super::buckets::{coarser_index, pairs_of, spans_of};
use super::{Bucket, FloatHistogram, ResetHint, Span, bucket_bound};
use std::sync::Arc;

/// An exponential and a custom layout have no common grid.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("histograms have incompatible schemas")]
pub struct IncompatibleSchemas;

/// What had to be reconciled on the way to a sum or difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// One histogram says "reset", the other "not reset".
    pub reset_collision: bool,
    /// Custom bounds differed and were cut down to the common ones.
    pub custom_bounds: bool,
}

impl FloatHistogram {
    /// A negative factor makes a gauge of it.
    pub fn scale(&mut self, factor: f64) {
        self.map_counts(|c| c * factor);
        if factor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
    }

    /// Division by zero leaves no buckets.
    pub fn divide(&mut self, divisor: f64) {
        self.map_counts(|c| c / divisor);
        if divisor < 0.0 {
            self.reset_hint = ResetHint::Gauge;
        }
        if divisor == 0.0 {
            self.positive_spans.clear();
            self.negative_spans.clear();
            self.positive.clear();
            self.negative.clear();
        }
    }

    fn map_counts(&mut self, f: impl Fn(f64) -> f64) {
        self.zero_count = f(self.zero_count);
        self.count = f(self.count);
        self.sum = f(self.sum);
        for count in self.positive.iter_mut().chain(&mut self.negative) {
            *count = f(*count);
        }
    }

    pub fn add(&mut self, other: &FloatHistogram) -> Result<Reconciled, IncompatibleSchemas> {
        self.combine(other, 1.0)
    }

    pub fn subtract(&mut self, other: &FloatHistogram) -> Result<Reconciled, IncompatibleSchemas> {
        self.combine(other, -1.0)
    }

    fn combine(&mut self, other: &FloatHistogram, sign: f64) -> Result<Reconciled, IncompatibleSchemas> {
        if self.uses_custom_buckets() != other.uses_custom_buckets() {
            return Err(IncompatibleSchemas);
        }
        let mut reconciled = Reconciled {
            reset_collision: self.reconcile_hint(other.reset_hint),
            custom_bounds: false,
        };
        let sides = if self.uses_custom_buckets() {
            reconciled.custom_bounds = self.custom_bounds != other.custom_bounds;
            self.align_custom(other)
        } else {
            let (zero_count, sides) = self.align_exponential(other);
            self.zero_count += sign * zero_count;
            sides
        };
        self.count += sign * other.count;
        self.sum += sign * other.sum;
        merge_side(
            &mut self.positive_spans,
            &mut self.positive,
            &sides.positive,
            sign,
        );
        merge_side(
            &mut self.negative_spans,
            &mut self.negative,
            &sides.negative,
            sign,
        );
        Ok(reconciled)
    }

    /// Sets the hint of a sum; true when the two contradict each other.
    pub(super) fn reconcile_hint(&mut self, other: ResetHint) -> bool {
        use ResetHint::{Gauge, Unknown};
        match (self.reset_hint, other) {
            (own, theirs) if own == theirs => false,
            (Gauge, _) | (Unknown, Unknown | super::ResetHint::Reset | super::ResetHint::NotReset) => false,
            (_, Gauge) => {
                self.reset_hint = Gauge;
                false
            }
            (_, Unknown) => {
                self.reset_hint = Unknown;
                false
            }
            _ => {
                self.reset_hint = Unknown;
                true
            }
        }
    }

    /// Brings `self` to a layout that also holds `other`, and returns `other`'s zero count and buckets in it.
    pub(super) fn align_exponential(&mut self, other: &FloatHistogram) -> (f64, Sides) {
        let zero_count = self.reconcile_zero_buckets(other);
        if other.schema < self.schema {
            self.reduce_resolution(other.schema);
        }
        (zero_count, other.sides_at(self.schema, self.zero_threshold))
    }

    /// Brings `self` to the custom bounds that both have, and returns `other`'s buckets there.
    pub(super) fn align_custom(&mut self, other: &FloatHistogram) -> Sides {
        if self.custom_bounds == other.custom_bounds {
            return Sides {
                positive: pairs_of(&other.positive_spans, &other.positive),
                negative: Vec::new(),
            };
        }
        let common = common_bounds(&self.custom_bounds, &other.custom_bounds);
        let own = rebucket(self, &common);
        let theirs = rebucket(other, &common);
        (self.positive_spans, self.positive) = spans_of(&own);
        self.custom_bounds = Arc::from(common);
        Sides {
            positive: theirs,
            negative: Vec::new(),
        }
    }

    /// The buckets outside a zero bucket of the given threshold, at a schema that is at most the own one.
    pub(super) fn sides_at(&self, schema: i32, zero_threshold: f64) -> Sides {
        let side = |spans: &[Span], counts: &[f64]| {
            let mut out: Vec<(i32, f64)> = Vec::new();
            for (index, count) in pairs_of(spans, counts) {
                let index = coarser_index(index, self.schema, schema);
                if zero_threshold > 0.0 && bucket_bound(index, schema, &[]) <= zero_threshold {
                    continue;
                }
                match out.last_mut() {
                    Some(last) if last.0 == index => last.1 += count,
                    _ => out.push((index, count)),
                }
            }
            out
        };
        Sides {
            positive: side(&self.positive_spans, &self.positive),
            negative: side(&self.negative_spans, &self.negative),
        }
    }

    /// Widens the own zero bucket until it ends outside of every populated bucket of both; the other's zero count at
    /// that width is returned. A threshold of NaN, which cannot be compared, is let be.
    fn reconcile_zero_buckets(&mut self, other: &FloatHistogram) -> f64 {
        let (mut count, mut threshold) = (other.zero_count, other.zero_threshold);
        loop {
            if self.zero_threshold > threshold {
                (count, threshold) = other.zero_count_at(self.zero_threshold);
            } else if threshold > self.zero_threshold {
                (self.zero_count, self.zero_threshold) = self.zero_count_at(threshold);
                self.drop_buckets_in_zero();
            } else {
                return count;
            }
        }
    }

    /// The zero count with a larger threshold. A threshold inside a populated bucket is moved to that bucket's end.
    pub(super) fn zero_count_at(&self, larger: f64) -> (f64, f64) {
        let mut threshold = larger;
        if threshold == self.zero_threshold {
            return (self.zero_count, threshold);
        }
        'again: loop {
            let mut count = self.zero_count;
            for b in self.positive_buckets() {
                if b.lower >= threshold {
                    break;
                }
                count += b.count;
                if b.upper > threshold {
                    if b.count != 0.0 {
                        threshold = b.upper;
                    }
                    break;
                }
            }
            for b in self.negative_buckets() {
                if b.upper <= -threshold {
                    break;
                }
                count += b.count;
                if b.lower < -threshold {
                    if b.count != 0.0 {
                        // What was counted on the positive side is no longer right.
                        threshold = -b.lower;
                        continue 'again;
                    }
                    break;
                }
            }
            return (count, threshold);
        }
    }

    fn drop_buckets_in_zero(&mut self) {
        let threshold = self.zero_threshold;
        let inside = |b: &Bucket| b.lower < threshold && b.upper > -threshold;
        let positive = self.positive_buckets().take_while(inside).count();
        let negative = self.negative_buckets().take_while(inside).count();
        self.positive[..positive].fill(0.0);
        self.negative[..negative].fill(0.0);
        self.compact();
    }
}

/// Buckets of both signs, by index.
pub(super) struct Sides {
    pub(super) positive: Vec<(i32, f64)>,
    pub(super) negative: Vec<(i32, f64)>,
}

fn merge_side(spans: &mut Vec<Span>, counts: &mut Vec<f64>, other: &[(i32, f64)], sign: f64) {
    if other.is_empty() {
        return;
    }
    let own = pairs_of(spans, counts);
    if own.len() == other.len() && own.iter().zip(other).all(|(a, b)| a.0 == b.0) {
        for (count, (_, add)) in counts.iter_mut().zip(other) {
            *count += sign * add;
        }
        return;
    }
    let mut merged = Vec::with_capacity(own.len() + other.len());
    let (mut a, mut b) = (own.iter().peekable(), other.iter().peekable());
    loop {
        match (a.peek(), b.peek()) {
            (Some(x), Some(y)) if x.0 == y.0 => {
                merged.push((x.0, x.1 + sign * y.1));
                a.next();
                b.next();
            }
            (Some(x), Some(y)) if x.0 < y.0 => {
                merged.push(**x);
                a.next();
            }
            (Some(x), None) => {
                merged.push(**x);
                a.next();
            }
            (_, Some(y)) => {
                merged.push((y.0, sign * y.1));
                b.next();
            }
            (None, None) => break,
        }
    }
    (*spans, *counts) = spans_of(&merged);
}

/// The bounds that both lists have.
pub(super) fn common_bounds(a: &[f64], b: &[f64]) -> Vec<f64> {
    let (mut i, mut j) = (0, 0);
    let mut out = Vec::new();
    while i < a.len() && j < b.len() {
        if a[i] == b[j] {
            out.push(a[i]);
            i += 1;
            j += 1;
        } else if a[i] < b[j] {
            i += 1;
        } else {
            j += 1;
        }
    }
    out
}

/// Custom buckets moved into the coarser grid of `bounds`.
pub(super) fn rebucket(h: &FloatHistogram, bounds: &[f64]) -> Vec<(i32, f64)> {
    let mut out: Vec<(i32, f64)> = Vec::new();
    for (index, count) in pairs_of(&h.positive_spans, &h.positive) {
        let upper = bucket_bound(index, h.schema, &h.custom_bounds);
        let target = bounds.partition_point(|b| *b < upper) as i32;
        match out.last_mut() {
            Some(last) if last.0 == target => last.1 += count,
            _ => out.push((target, count)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::super::CUSTOM_BUCKETS_SCHEMA;
    use super::*;

    fn exponential(schema: i32, offset: i32, counts: &[f64]) -> FloatHistogram {
        FloatHistogram {
            schema,
            count: counts.iter().sum(),
            sum: 1.0,
            positive_spans: vec![Span {
                offset,
                length: counts.len() as u32,
            }],
            positive: counts.to_vec(),
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn buckets_meet_by_index() {
        let mut a = exponential(0, 0, &[1.0, 2.0]);
        a.add(&exponential(0, 1, &[10.0, 20.0])).unwrap();
        assert_eq!(a.positive, [1.0, 12.0, 20.0]);
        assert_eq!(a.positive_spans, [Span { offset: 0, length: 3 }]);
        a.subtract(&exponential(0, 5, &[1.0])).unwrap();
        assert_eq!(a.positive, [1.0, 12.0, 20.0, -1.0]);
        assert_eq!(a.positive_spans[1], Span { offset: 2, length: 1 });
    }

    #[test]
    fn the_lower_schema_wins() {
        let mut a = exponential(1, 1, &[1.0, 2.0]);
        a.add(&exponential(0, 1, &[4.0])).unwrap();
        assert_eq!((a.schema, a.positive.as_slice()), (0, [7.0].as_slice()));
    }

    #[test]
    fn a_wider_zero_bucket_swallows_what_it_touches() {
        let mut a = exponential(0, 0, &[3.0, 5.0]);
        let mut b = exponential(0, 2, &[1.0]);
        b.zero_threshold = 0.75;
        b.zero_count = 2.0;
        a.add(&b).unwrap();
        // 0.75 lies inside (0.5, 1], which is populated, so the zero bucket grows to 1.
        assert_eq!((a.zero_threshold, a.zero_count), (1.0, 5.0));
        assert_eq!(a.positive, [5.0, 1.0]);
    }

    #[test]
    fn custom_bounds_are_cut_to_the_common_ones() {
        let custom = |bounds: &[f64], counts: &[f64]| FloatHistogram {
            custom_bounds: Arc::from(bounds),
            ..exponential(CUSTOM_BUCKETS_SCHEMA, 0, counts)
        };
        let mut a = custom(&[1.0, 2.0, 3.0], &[1.0, 1.0, 1.0, 1.0]);
        let reconciled = a.add(&custom(&[2.0, 5.0], &[10.0, 20.0, 30.0])).unwrap();
        assert!(reconciled.custom_bounds);
        assert_eq!(*a.custom_bounds, [2.0]);
        assert_eq!(a.positive, [12.0, 52.0]);
        assert_eq!(a.add(&exponential(0, 0, &[1.0])), Err(IncompatibleSchemas));
    }

    /// No door lets these in; a log or a block may hold them nevertheless.
    #[test]
    fn arithmetic_ends_whatever_it_is_given() {
        let far = |offset| FloatHistogram {
            negative_spans: vec![Span { offset, length: 2 }],
            negative: vec![1.0, 2.0],
            ..exponential(8, offset, &[1.0, 2.0])
        };
        let mut odd = vec![
            exponential(0, 0, &[3.0, 5.0]),
            exponential(99, 0, &[1.0]),
            exponential(-99, 0, &[1.0]),
        ];
        odd.extend([i32::MIN, i32::MIN + 1, i32::MAX - 1, i32::MAX].map(far));
        let thresholds = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0, 0.75];
        odd.extend(thresholds.map(|zero_threshold| FloatHistogram {
            zero_threshold,
            zero_count: 1.0,
            ..far(-1)
        }));
        let bounds: [&[f64]; 3] = [&[f64::NAN], &[f64::INFINITY, 1.0], &[1.0, f64::NAN, 2.0]];
        odd.extend(bounds.map(|bounds| FloatHistogram {
            custom_bounds: Arc::from(bounds),
            ..exponential(CUSTOM_BUCKETS_SCHEMA, 0, &[1.0, 1.0])
        }));
        for a in &odd {
            for b in &odd {
                let mut sum = super::super::CompensatedSum::new(a);
                assert_eq!(sum.add(b).is_ok(), a.clone().subtract(b).is_ok(), "{a:?} {b:?}");
                a.is_reset_after(b);
            }
            a.all_buckets();
        }
    }

    #[test]
    fn contradicting_hints_are_reported() {
        let mut a = exponential(0, 0, &[1.0]);
        let mut b = a.clone();
        a.reset_hint = ResetHint::Reset;
        b.reset_hint = ResetHint::NotReset;
        assert!(a.add(&b).unwrap().reset_collision);
        assert_eq!(a.reset_hint, ResetHint::Unknown);
    }
}
