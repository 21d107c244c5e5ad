//! A running sum of histograms that keeps what rounding would lose (Neumaier's variant of Kahan's summation).
//!
//! Invariant: `lost` has the bucket layout of `sum`; each of its numbers is the correction of the one beside it.

use super::FloatHistogram;
use super::arithmetic::{IncompatibleSchemas, Reconciled};

/// `sum + lost` is the total.
#[derive(Clone, Debug, PartialEq)]
pub struct CompensatedSum {
    sum: FloatHistogram,
    lost: FloatHistogram,
}

impl CompensatedSum {
    pub fn new(first: &FloatHistogram) -> Self {
        let mut lost = first.clone();
        clear(&mut lost);
        CompensatedSum {
            sum: first.clone(),
            lost,
        }
    }

    pub fn add(&mut self, other: &FloatHistogram) -> Result<Reconciled, IncompatibleSchemas> {
        if self.same_layout(other) {
            let reset_collision = self.sum.reconcile_hint(other.reset_hint);
            self.add_aligned(other);
            return Ok(Reconciled {
                reset_collision,
                custom_bounds: false,
            });
        }
        // The plain sum shows the layout of the result; then each part is brought to it by adding it to nothing.
        let mut plain = self.sum.clone();
        let reconciled = plain.add(other)?;
        let mut nothing = plain.clone();
        clear(&mut nothing);
        let in_layout = |part: &FloatHistogram| -> Result<FloatHistogram, IncompatibleSchemas> {
            let mut out = nothing.clone();
            out.add(part)?;
            Ok(out)
        };
        let (sum, lost, theirs) = (in_layout(&self.sum)?, in_layout(&self.lost)?, in_layout(other)?);
        *self = CompensatedSum { sum, lost };
        self.sum.reset_hint = plain.reset_hint;
        if self.same_layout(&theirs) && self.same_layout(&self.lost) {
            self.add_aligned(&theirs);
        } else {
            // The corrections reach into a bucket that the sum no longer has: fold them in and go on without.
            plain.add(&self.lost)?;
            *self = CompensatedSum::new(&plain);
        }
        Ok(reconciled)
    }

    fn add_aligned(&mut self, other: &FloatHistogram) {
        let (sum, lost) = (&mut self.sum, &mut self.lost);
        neumaier(&mut sum.count, &mut lost.count, other.count);
        neumaier(&mut sum.sum, &mut lost.sum, other.sum);
        neumaier(&mut sum.zero_count, &mut lost.zero_count, other.zero_count);
        for ((s, l), o) in sum
            .positive
            .iter_mut()
            .zip(&mut lost.positive)
            .zip(&other.positive)
        {
            neumaier(s, l, *o);
        }
        for ((s, l), o) in sum
            .negative
            .iter_mut()
            .zip(&mut lost.negative)
            .zip(&other.negative)
        {
            neumaier(s, l, *o);
        }
    }

    pub fn scale(&mut self, factor: f64) {
        self.sum.scale(factor);
        self.lost.scale(factor);
    }

    pub fn divide(&mut self, divisor: f64) {
        self.sum.divide(divisor);
        self.lost.divide(divisor);
    }

    /// Whether a number has left the range of floats.
    pub fn overflows(&self) -> bool {
        let h = &self.sum;
        [h.count, h.sum, h.zero_count]
            .iter()
            .chain(&h.positive)
            .chain(&h.negative)
            .any(|v| v.is_infinite())
    }

    /// The total, corrections included.
    pub fn total(&self) -> FloatHistogram {
        let mut out = self.sum.clone();
        let fold = |value: &mut f64, lost: f64| {
            if value.is_finite() {
                *value += lost;
            }
        };
        fold(&mut out.count, self.lost.count);
        fold(&mut out.sum, self.lost.sum);
        fold(&mut out.zero_count, self.lost.zero_count);
        for (value, lost) in out.positive.iter_mut().zip(&self.lost.positive) {
            fold(value, *lost);
        }
        for (value, lost) in out.negative.iter_mut().zip(&self.lost.negative) {
            fold(value, *lost);
        }
        out
    }

    /// Whether another histogram can be added bucket by bucket.
    fn same_layout(&self, other: &FloatHistogram) -> bool {
        self.sum.schema == other.schema
            && self.sum.zero_threshold == other.zero_threshold
            && self.sum.custom_bounds == other.custom_bounds
            && self.sum.positive_spans == other.positive_spans
            && self.sum.negative_spans == other.negative_spans
    }
}

fn clear(h: &mut FloatHistogram) {
    h.positive.fill(0.0);
    h.negative.fill(0.0);
    (h.count, h.sum, h.zero_count) = (0.0, 0.0, 0.0);
}

fn neumaier(sum: &mut f64, lost: &mut f64, add: f64) {
    let total = *sum + add;
    if total.is_infinite() {
        *lost = 0.0;
    } else if sum.abs() >= add.abs() {
        *lost += (*sum - total) + add;
    } else {
        *lost += (add - total) + *sum;
    }
    *sum = total;
}

#[cfg(test)]
mod tests {
    use super::super::Span;
    use super::*;

    fn one(offset: i32, count: f64) -> FloatHistogram {
        FloatHistogram {
            count,
            sum: count,
            positive_spans: vec![Span { offset, length: 1 }],
            positive: vec![count],
            ..FloatHistogram::default()
        }
    }

    #[test]
    fn small_numbers_survive_large_ones() {
        let mut sum = CompensatedSum::new(&one(0, 1.0));
        for h in [one(0, 1e100), one(3, 1.0), one(0, 1.0), one(0, -1e100)] {
            sum.add(&h).unwrap();
        }
        let total = sum.total();
        assert_eq!(
            (total.count, total.positive.as_slice()),
            (3.0, [2.0, 1.0].as_slice())
        );
    }

    #[test]
    fn infinity_is_not_turned_into_nan() {
        let mut sum = CompensatedSum::new(&one(0, f64::MAX));
        sum.add(&one(0, f64::MAX)).unwrap();
        assert!(sum.overflows());
        assert_eq!(sum.total().count, f64::INFINITY);
    }
}
