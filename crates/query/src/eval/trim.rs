//! `</` and `>/`: the observations of a native histogram on one side of a value.
//!
//! A bucket that the value cuts is divided by interpolation. The new sum takes every kept observation to lie in the middle of
//! what is left of its bucket; when nothing is removed, the histogram stays as it is.

use super::quantile::share_below;
use lapwing_types::{Bucket, FloatHistogram};

/// What is left of a bucket: how many observations, and where their middle is.
struct Left {
    count: f64,
    middle: f64,
}

struct Cut {
    value: f64,
    /// Keep what lies below.
    below: bool,
}

impl Cut {
    /// An exponential or finite custom bucket, or the zero bucket.
    fn closed(&self, b: &Bucket, linear: bool) -> Left {
        let middle = |lower: f64, upper: f64| {
            if linear {
                (lower + upper) / 2.0
            } else {
                (lower * upper).abs().sqrt().copysign(lower + upper)
            }
        };
        let whole = || Left {
            count: b.count,
            middle: middle(b.lower, b.upper),
        };
        let nothing = || Left {
            count: 0.0,
            middle: 0.0,
        };
        if self.value >= b.upper {
            return if self.below { whole() } else { nothing() };
        }
        if self.value <= b.lower {
            return if self.below { nothing() } else { whole() };
        }
        let share = share_below(b, self.value, linear);
        if self.below {
            Left {
                count: b.count * share,
                middle: middle(b.lower, self.value),
            }
        } else {
            Left {
                count: b.count * (1.0 - share),
                middle: middle(self.value, b.upper),
            }
        }
    }

    /// A custom bucket; the outermost ones have no end. The lowest is taken to begin at 0 where it ends above.
    fn custom(&self, b: &Bucket) -> Left {
        let all = |middle: f64| Left {
            count: b.count,
            middle,
        };
        let nothing = Left {
            count: 0.0,
            middle: 0.0,
        };
        let (value, open_below, open_above) =
            (self.value, b.lower == f64::NEG_INFINITY, b.upper == f64::INFINITY);
        match (open_below, open_above) {
            (true, true) => match (self.below, value) {
                (true, f64::INFINITY) | (false, f64::NEG_INFINITY) => all(0.0),
                _ => nothing,
            },
            (true, false) => {
                let from_zero = b.upper > 0.0;
                let lower = if from_zero { 0.0 } else { b.upper };
                let whole = all((lower + b.upper) / 2.0);
                match (self.below, from_zero) {
                    (false, _) if value == f64::NEG_INFINITY => whole,
                    (true, _) if value >= b.upper => whole,
                    (_, true) if value >= 0.0 => self.closed(&Bucket { lower: 0.0, ..*b }, true),
                    (true, false) if value > f64::NEG_INFINITY => all(value),
                    _ => nothing,
                }
            }
            (false, true) => match self.below {
                true if value == f64::INFINITY => all(b.lower),
                true => nothing,
                false if value <= b.lower => all(b.lower),
                false if value < f64::INFINITY => all(value),
                false => nothing,
            },
            (false, false) => self.closed(b, true),
        }
    }
}

/// The observations below `value` (or above it).
pub(super) fn trimmed(h: &FloatHistogram, value: f64, below: bool) -> FloatHistogram {
    let cut = Cut { value, below };
    let custom = h.uses_custom_buckets();
    let mut out = h.clone();
    let (mut kept, mut sum, mut removed) = (0.0, 0.0, 0.0);
    let mut take = |left: &Left, had: f64| {
        kept += left.count;
        if left.count != 0.0 {
            sum += left.count * left.middle;
        }
        removed += had - left.count;
        left.count
    };
    for (slot, bucket) in out.positive.iter_mut().zip(h.positive_buckets()) {
        let left = if custom {
            cut.custom(&bucket)
        } else {
            cut.closed(&bucket, false)
        };
        *slot = take(&left, bucket.count);
    }
    for (slot, bucket) in out.negative.iter_mut().zip(h.negative_buckets()) {
        *slot = take(&cut.closed(&bucket, false), bucket.count);
    }
    if h.zero_count > 0.0 {
        let mut zero = h.zero_bucket();
        let (has_positive, has_negative) = (!h.positive.is_empty(), !h.negative.is_empty());
        if has_positive && !has_negative {
            zero.lower = 0.0;
        } else if has_negative && !has_positive {
            zero.upper = 0.0;
        }
        out.zero_count = take(&cut.closed(&zero, true), zero.count);
    }
    if removed == 0.0 {
        return h.clone();
    }
    out.count = kept;
    out.sum = if kept == 0.0 { 0.0 } else { sum };
    out.compact();
    out
}
