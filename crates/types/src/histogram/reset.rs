//! Whether a counter behind two histograms, one after the other, began again from nothing.

use super::arithmetic::{common_bounds, rebucket};
use super::{FloatHistogram, ResetHint};

impl FloatHistogram {
    /// True when a bucket holds less than before, or when the layout changed in a way that only a restart explains: a
    /// higher resolution, a narrower zero bucket, a zero bucket that now ends inside a populated bucket.
    pub fn is_reset_after(&self, previous: &FloatHistogram) -> bool {
        match self.reset_hint {
            ResetHint::Reset => return true,
            ResetHint::NotReset => return false,
            ResetHint::Unknown | ResetHint::Gauge => {}
        }
        if self.count < previous.count {
            return true;
        }
        if self.uses_custom_buckets() != previous.uses_custom_buckets() {
            return true;
        }
        if self.uses_custom_buckets() {
            let common = common_bounds(&self.custom_bounds, &previous.custom_bounds);
            return any_smaller(&rebucket(self, &common), &rebucket(previous, &common));
        }
        if self.schema > previous.schema || self.zero_threshold < previous.zero_threshold {
            return true;
        }
        let (zero_count, threshold) = previous.zero_count_at(self.zero_threshold);
        if threshold != self.zero_threshold || self.zero_count < zero_count {
            return true;
        }
        let now = self.sides_at(self.schema, self.zero_threshold);
        let before = previous.sides_at(self.schema, self.zero_threshold);
        any_smaller(&now.positive, &before.positive) || any_smaller(&now.negative, &before.negative)
    }
}

/// Whether any populated bucket of `before` holds less in `now`; both ascend by index.
fn any_smaller(now: &[(i32, f64)], before: &[(i32, f64)]) -> bool {
    let mut at = 0;
    before.iter().any(|(index, count)| {
        while now.get(at).is_some_and(|n| n.0 < *index) {
            at += 1;
        }
        match now.get(at) {
            Some((i, c)) if i == index => c < count,
            _ => *count != 0.0,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    fn of(schema: i32, counts: &[f64]) -> FloatHistogram {
        FloatHistogram {
            schema,
            count: counts.iter().sum(),
            positive_spans: vec![Span {
                offset: 1,
                length: counts.len() as u32,
            }],
            positive: counts.to_vec(),
            ..FloatHistogram::default()
        }
    }

    fn check(now: &FloatHistogram, before: &FloatHistogram, expect: bool) {
        assert_eq!(now.is_reset_after(before), expect, "{now:?} after {before:?}");
    }

    #[test]
    fn compares_bucket_by_bucket() {
        check(&of(0, &[1.0, 2.0]), &of(0, &[1.0, 2.0]), false);
        check(&of(0, &[0.0, 4.0]), &of(0, &[1.0, 2.0]), true);
        check(&of(0, &[3.0]), &of(0, &[1.0, 2.0]), true);
        check(&of(0, &[1.0, 2.0, 0.0]), &of(0, &[1.0]), false);
        check(&of(1, &[9.0]), &of(0, &[1.0]), true);
        check(&of(0, &[9.0]), &of(1, &[1.0, 2.0]), false);
    }

    #[test]
    fn a_hint_settles_it() {
        let mut now = of(0, &[9.0]);
        now.reset_hint = ResetHint::Reset;
        check(&now, &of(0, &[1.0]), true);
        now = of(0, &[1.0]);
        now.reset_hint = ResetHint::NotReset;
        check(&now, &of(0, &[9.0]), false);
    }
}
