//! Buckets on Prometheus' exponential grid: which one a value falls into, and sparse counts as spans.
//!
//! Bucket `i` of schema `s` holds values in (2^((i−1)/2^s), 2^(i/2^s)].

use lapwing_types::Span;
use std::collections::BTreeMap;

/// A gap of up to this many empty buckets is cheaper to write out than to open a span.
const GAP_FILLED_MAX: i32 = 2;

/// The bucket of a positive, finite value.
pub(crate) fn bucket_of(value: f64, schema: i32) -> i32 {
    (value.log2() * f64::from(schema).exp2()).ceil() as i32
}

/// Spans and the counts they stand for. Indexes must lie within ±2^30, so that no gap overflows.
pub(crate) fn spans(buckets: &BTreeMap<i32, u64>) -> (Vec<Span>, Vec<u64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut counts = Vec::with_capacity(buckets.len());
    let mut next = 0i32;
    for (index, count) in buckets {
        let gap = index - next;
        match spans.last_mut() {
            Some(span) if (0..=GAP_FILLED_MAX).contains(&gap) => {
                counts.resize(counts.len() + gap as usize, 0);
                span.length += gap as u32 + 1;
            }
            _ => spans.push(Span {
                offset: gap,
                length: 1,
            }),
        }
        counts.push(*count);
        next = index + 1;
    }
    (spans, counts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::span_indexes;

    #[test]
    fn upper_bounds_belong_to_their_bucket() {
        for (value, schema, expect) in [
            (1.0, 0, 0),
            (1.5, 0, 1),
            (2.0, 0, 1),
            (2.1, 0, 2),
            (0.5, 0, -1),
            (2.0, 3, 8),
            (f64::MAX, 3, 8192),
            (f64::MIN_POSITIVE / 8.0, 0, -1025),
        ] {
            assert_eq!(bucket_of(value, schema), expect, "{value} at {schema}");
        }
    }

    #[test]
    fn small_gaps_are_filled() {
        let buckets = BTreeMap::from([(-5, 1), (-2, 2), (3, 4)]);
        let (spans, counts) = spans(&buckets);
        assert_eq!(counts, [1, 0, 0, 2, 4]);
        assert_eq!(span_indexes(&spans).collect::<Vec<_>>(), [-5, -4, -3, -2, 3]);
    }
}
