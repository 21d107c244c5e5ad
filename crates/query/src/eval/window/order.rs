//! Statistics of a sliding window without looking at the whole window at every step: a queue of candidates for
//! minimum and maximum, a sorted copy for quantiles, running totals for sums and averages of whole numbers.
//!
//! Sums of whole numbers below 2^53 are exact in any order, so the running total gives the very bits that adding up each window
//! would; sums of other numbers are not, and are added up anew.
//!
//! Only for several steps over floats; the first window with a histogram ends it, because sentences are then due.

use super::{Context, Out};
use crate::eval::quantile::{nan_first, quantile_of_sorted};
use crate::promql::Function;
use std::cmp::Ordering;
use std::collections::VecDeque;

enum Kind {
    /// Positions whose values descend (or ascend) towards the end: the first is the extreme.
    Extreme {
        is_max: bool,
        candidates: VecDeque<usize>,
    },
    Sorted(Vec<f64>),
    /// The sum of all values before each position.
    Totals {
        totals: Vec<i64>,
        is_average: bool,
    },
}

/// Up to here every whole number is a float.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// The sum before each position; nothing when a value is no whole number or a sum may not be exact. A negative zero is none:
/// its sign would get lost.
fn running_totals(values: &[f64]) -> Option<Vec<i64>> {
    let mut totals = Vec::with_capacity(values.len() + 1);
    let (mut total, mut magnitude) = (0i64, 0.0);
    totals.push(0);
    for value in values {
        magnitude += value.abs();
        let is_exact = magnitude <= WHOLE_MAX && value.trunc() == *value;
        if !is_exact || (*value == 0.0 && value.is_sign_negative()) {
            return None;
        }
        total += *value as i64;
        totals.push(total);
    }
    Some(totals)
}

pub(super) struct Order {
    kind: Option<Kind>,
    low: usize,
    high: usize,
}

impl Order {
    pub(super) fn new(function: Function, steps: usize, values: &[f64]) -> Self {
        let kind = match function {
            _ if steps < 4 => None,
            Function::MinOverTime | Function::MaxOverTime => Some(Kind::Extreme {
                is_max: function == Function::MaxOverTime,
                candidates: VecDeque::new(),
            }),
            Function::QuantileOverTime => Some(Kind::Sorted(Vec::new())),
            Function::SumOverTime | Function::AvgOverTime => {
                running_totals(values).map(|totals| Kind::Totals {
                    totals,
                    is_average: function == Function::AvgOverTime,
                })
            }
            _ => None,
        };
        Order {
            kind,
            low: 0,
            high: 0,
        }
    }

    pub(super) fn disable(&mut self) {
        self.kind = None;
    }

    /// The value for the window of positions `low..high`; nothing when this function is not of this kind.
    pub(super) fn value(
        &mut self,
        values: &[f64],
        (low, high): (usize, usize),
        context: &mut Context<'_>,
    ) -> Option<Out> {
        let kind = self.kind.as_mut()?;
        match kind {
            Kind::Extreme { is_max, candidates } => {
                for (i, value) in values.iter().enumerate().take(high).skip(self.high) {
                    if value.is_nan() {
                        continue;
                    }
                    // Equal values stay: the first of them counts, which only zeroes of two signs can tell.
                    let beaten = |other: f64| if *is_max { other < *value } else { other > *value };
                    while candidates.back().is_some_and(|b| beaten(values[*b])) {
                        candidates.pop_back();
                    }
                    candidates.push_back(i);
                }
                while candidates.front().is_some_and(|f| *f < low) {
                    candidates.pop_front();
                }
                (self.low, self.high) = (low, high);
                // A window of nothing but NaN has the value NaN.
                Some(Out::Float(candidates.front().map_or(f64::NAN, |f| values[*f])))
            }
            Kind::Totals { totals, is_average } => {
                let sum = (totals[high] - totals[low]) as f64;
                let count = (high - low) as f64;
                Some(Out::Float(if *is_average { sum / count } else { sum }))
            }
            Kind::Sorted(sorted) => {
                if low >= self.high {
                    sorted.clear();
                    sorted.extend_from_slice(&values[low..high]);
                    sorted.sort_unstable_by(nan_first);
                } else {
                    for value in &values[self.low..low] {
                        let at = sorted.partition_point(|v| nan_first(v, value) == Ordering::Less);
                        sorted.remove(at);
                    }
                    for value in &values[self.high..high] {
                        let at = sorted.partition_point(|v| nan_first(v, value) == Ordering::Less);
                        sorted.insert(at, *value);
                    }
                }
                (self.low, self.high) = (low, high);
                let q = context.params[0];
                if q.is_nan() || !(0.0..=1.0).contains(&q) {
                    context.note(|notes, _, span| notes.invalid_quantile(q, span));
                }
                Some(Out::Float(quantile_of_sorted(q, sorted)))
            }
        }
    }
}
