//! The classic series of a histogram, gathered into one native histogram with custom buckets.

use crate::text::format_float;
use lapwing_types::{CUSTOM_BUCKETS_SCHEMA, Counts, Histogram, ResetHint, Span};

/// Above this not every integer is a float: such counts are kept as floats.
const INTEGER_MAX: f64 = 9_007_199_254_740_992.0;

/// Which part of its histogram a series is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ClassicPart {
    Bucket { upper_bound: f64 },
    Sum,
    Count,
}

/// Why what was gathered is no histogram.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ClassicError {
    #[error("it has neither buckets nor a count")]
    Empty,
    #[error("its bucket le={} counts {count}", format_float(*upper_bound))]
    NoCount { upper_bound: f64, count: f64 },
    #[error("its bucket le={} counts {count}, and the one below it {below}", format_float(*upper_bound))]
    Falls {
        upper_bound: f64,
        count: f64,
        below: f64,
    },
    #[error("its bucket le={} counts {one} and again {other}", format_float(*upper_bound))]
    Twice { upper_bound: f64, one: f64, other: f64 },
    #[error("it counts {count}, and its buckets {in_buckets}")]
    Differs { count: f64, in_buckets: f64 },
}

/// What was gathered so far. Buckets count what lies below them too, and may come in any order.
#[derive(Clone, Debug, Default)]
pub struct ClassicHistogram {
    buckets: Vec<(f64, f64)>,
    count: Option<f64>,
    sum: f64,
}

impl ClassicHistogram {
    pub fn add(&mut self, part: ClassicPart, value: f64) {
        match part {
            ClassicPart::Bucket { upper_bound } => self.buckets.push((upper_bound, value)),
            ClassicPart::Sum => self.sum = value,
            ClassicPart::Count => self.count = Some(value),
        }
    }

    /// Without a count the last bucket says it; without a bucket up to infinity the count does.
    pub fn into_custom(mut self) -> Result<Histogram, ClassicError> {
        self.buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
        let last = self.buckets.last().copied();
        let count = self.count.or(last.map(|(_, count)| count));
        let count = count.ok_or(ClassicError::Empty)?;
        if last.is_none_or(|(upper_bound, _)| upper_bound != f64::INFINITY) {
            self.buckets.push((f64::INFINITY, count));
        }
        let (bounds, counts) = apart(&self.buckets)?;
        let in_buckets = self.buckets.last().map_or(0.0, |(_, count)| *count);
        if in_buckets != count {
            return Err(ClassicError::Differs { count, in_buckets });
        }
        let is_integer = |v: &f64| v.fract() == 0.0 && *v <= INTEGER_MAX;
        let counts = if is_integer(&count) && counts.iter().all(is_integer) {
            Counts::Int {
                count: count as u64,
                zero: 0,
                positive: counts.iter().map(|v| *v as u64).collect(),
                negative: Vec::new(),
            }
        } else {
            Counts::Float {
                count,
                zero: 0.0,
                positive: counts,
                negative: Vec::new(),
            }
        };
        Ok(custom(&bounds, self.sum, counts))
    }
}

/// Finite bounds, and what each bucket counts by itself; the last one reaches to infinity.
fn apart(buckets: &[(f64, f64)]) -> Result<(Vec<f64>, Vec<f64>), ClassicError> {
    let (mut bounds, mut counts) = (Vec::new(), Vec::new());
    let (mut before_bound, mut below) = (None, 0.0);
    for &(upper_bound, count) in buckets {
        if !(count >= 0.0 && count.is_finite()) {
            return Err(ClassicError::NoCount { upper_bound, count });
        }
        if before_bound.replace(upper_bound) == Some(upper_bound) {
            if count != below {
                return Err(ClassicError::Twice {
                    upper_bound,
                    one: below,
                    other: count,
                });
            }
            continue;
        }
        if count < below {
            return Err(ClassicError::Falls {
                upper_bound,
                count,
                below,
            });
        }
        counts.push(count - below);
        if upper_bound != f64::INFINITY {
            bounds.push(upper_bound);
        }
        below = count;
    }
    Ok((bounds, counts))
}

/// With one bucket up to each bound and one above the last.
pub(crate) fn custom(bounds: &[f64], sum: f64, counts: Counts) -> Histogram {
    Histogram {
        reset_hint: ResetHint::Unknown,
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        sum,
        positive_spans: vec![Span {
            offset: 0,
            length: bounds.len() as u32 + 1,
        }],
        negative_spans: Vec::new(),
        counts,
        custom_bounds: bounds.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn gathered(buckets: &[(f64, f64)], count: Option<f64>) -> Result<Histogram, ClassicError> {
        let mut classic = ClassicHistogram::default();
        for &(upper_bound, count) in buckets {
            classic.add(ClassicPart::Bucket { upper_bound }, count);
        }
        classic.add(ClassicPart::Sum, 7.5);
        if let Some(count) = count {
            classic.add(ClassicPart::Count, count);
        }
        classic.into_custom()
    }

    proptest! {
        #[test]
        fn buckets_hold_what_they_were_given(
            counts in proptest::collection::vec(0u64..1000, 1..20), with_inf: bool, with_count: bool, turned: bool,
        ) {
            let mut total = 0;
            let cumulative = counts.iter().enumerate().map(|(at, more)| {
                total += more;
                let last = at + 1 == counts.len();
                (if last { f64::INFINITY } else { at as f64 - 3.5 }, total as f64)
            });
            let mut buckets: Vec<(f64, f64)> = cumulative.collect();
            if turned {
                buckets.reverse();
            }
            // Whoever says no count must show the last bucket.
            if !with_inf && with_count {
                buckets.retain(|(bound, _)| *bound != f64::INFINITY);
            }
            let found = gathered(&buckets, with_count.then_some(total as f64)).unwrap();
            let expect = Counts::Int { count: total, zero: 0, positive: counts.clone(), negative: Vec::new() };
            prop_assert_eq!(&found.counts, &expect);
            let bounds: Vec<f64> = (0..counts.len() - 1).map(|at| at as f64 - 3.5).collect();
            prop_assert_eq!(&*found.custom_bounds, &bounds[..]);
            prop_assert_eq!((found.sum, found.schema), (7.5, CUSTOM_BUCKETS_SCHEMA));
        }
    }

    #[test]
    fn fractions_are_floats() {
        let found = gathered(&[(1.0, 0.5), (f64::INFINITY, 2.0)], None).unwrap();
        assert!(
            matches!(found.counts, Counts::Float { count: 2.0, ref positive, .. } if *positive == [0.5, 1.5])
        );
    }

    #[test]
    fn what_is_no_histogram_says_why() {
        let said = |buckets: &[(f64, f64)], count| gathered(buckets, count).unwrap_err().to_string();
        assert_eq!(said(&[], None), "it has neither buckets nor a count");
        assert_eq!(said(&[(1.0, -2.0)], None), "its bucket le=1 counts -2");
        assert_eq!(said(&[(1.0, f64::NAN)], None), "its bucket le=1 counts NaN");
        assert_eq!(
            said(&[(2.0, 3.0), (1.0, 5.0)], None),
            "its bucket le=2 counts 3, and the one below it 5"
        );
        assert_eq!(
            said(&[(1.0, 3.0), (1.0, 5.0)], None),
            "its bucket le=1 counts 3 and again 5"
        );
        assert_eq!(
            said(&[(1.0, 3.0), (f64::INFINITY, 5.0)], Some(6.0)),
            "it counts 6, and its buckets 5"
        );
        assert!(
            gathered(&[(1.0, 3.0), (1.0, 3.0)], Some(4.0)).is_ok(),
            "the same again is no harm"
        );
    }
}
