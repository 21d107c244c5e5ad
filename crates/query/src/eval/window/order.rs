//! Order statistics of a sliding window without looking at the whole window at every step: a queue of candidates for
//! minimum and maximum, a sorted copy for quantiles.
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
}

pub(super) struct Order {
    kind: Option<Kind>,
    low: usize,
    high: usize,
}

impl Order {
    pub(super) fn new(function: Function, steps: usize) -> Self {
        let kind = match function {
            _ if steps < 4 => None,
            Function::MinOverTime | Function::MaxOverTime => Some(Kind::Extreme {
                is_max: function == Function::MaxOverTime,
                candidates: VecDeque::new(),
            }),
            Function::QuantileOverTime => Some(Kind::Sorted(Vec::new())),
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
                    let beaten = |other: f64| if *is_max { other <= *value } else { other >= *value };
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
