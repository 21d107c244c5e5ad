//! `irate`, `idelta`, `resets` and `changes`: what happens between neighbours.

use super::{Context, Out, Window};
use crate::annotation::HistogramWork;
use lapwing_types::{FloatHistogram, ResetHint};
use std::sync::Arc;

/// With its position among the window's samples of its kind.
#[derive(Clone)]
enum Value<'a> {
    Float(f64, usize),
    Histogram(&'a Arc<FloatHistogram>, usize),
}

impl<'a> Window<'a> {
    /// Floats and histograms in order of time, from the given positions on.
    fn values_from(&self, float: usize, histogram: usize) -> impl Iterator<Item = (i64, Value<'a>)> {
        let (times, values, histograms) = (self.times, self.values, self.histograms);
        let (mut float, mut histogram) = (float, histogram);
        std::iter::from_fn(move || {
            let next_float = times.get(float);
            let next_histogram = histograms.get(histogram);
            match (next_float, next_histogram) {
                (Some(t), other) if other.is_none_or(|h| *t < h.0) => {
                    float += 1;
                    Some((*t, Value::Float(values[float - 1], float - 1)))
                }
                (_, Some(h)) => {
                    histogram += 1;
                    Some((h.0, Value::Histogram(&h.1, histogram - 1)))
                }
                _ => None,
            }
        })
    }

    /// Where an anchored window begins: at the newest sample at or before its start. Nothing without a sample after it.
    fn anchor(&self) -> Option<(usize, usize)> {
        if !self.anchored {
            return Some((0, 0));
        }
        let floats = self.times.partition_point(|t| *t <= self.start_ms);
        let histograms = self.histograms.partition_point(|h| h.0 <= self.start_ms);
        if floats >= self.times.len() && histograms >= self.histograms.len() {
            return None;
        }
        let float_time = floats.checked_sub(1).map(|i| self.times[i]);
        let histogram_time = histograms.checked_sub(1).map(|i| self.histograms[i].0);
        Some(match (float_time, histogram_time) {
            (None, None) => (0, 0),
            (Some(_), None) => (floats - 1, histograms),
            (Some(f), Some(h)) if f >= h => (floats - 1, histograms),
            (_, Some(_)) => (floats, histograms - 1),
        })
    }

    fn count_pairs(&self, differs: impl Fn(&Value<'_>, &Value<'_>) -> bool) -> Out {
        let Some((float, histogram)) = self.anchor() else {
            return Out::None;
        };
        let mut count = 0u32;
        let mut previous: Option<Value<'_>> = None;
        for (_, value) in self.values_from(float, histogram) {
            if let Some(previous) = &previous
                && differs(previous, &value)
            {
                count += 1;
            }
            previous = Some(value);
        }
        Out::Float(f64::from(count))
    }
}

pub(super) fn resets(window: &Window<'_>) -> Out {
    window.count_pairs(|before, after| match (before, after) {
        (Value::Float(a, _), Value::Float(b, i)) => b < a || window.float_began_anew(*i),
        (Value::Histogram(..), Value::Histogram(_, i)) => window.histogram_began_anew(*i),
        _ => true,
    })
}

pub(super) fn changes(window: &Window<'_>) -> Out {
    window.count_pairs(|before, after| match (before, after) {
        (Value::Float(a, _), Value::Float(b, _)) => a != b && !(a.is_nan() && b.is_nan()),
        (Value::Histogram(a, _), Value::Histogram(b, _)) => !a.same_as(b),
        _ => true,
    })
}

/// The difference of the last two samples, per second for `irate`.
pub(super) fn last_two(window: &Window<'_>, context: &mut Context<'_>, is_rate: bool) -> Out {
    let skip_floats = window.times.len().saturating_sub(2);
    let skip_histograms = window.histograms.len().saturating_sub(2);
    let tail: Vec<(i64, Value<'_>)> = window.values_from(skip_floats, skip_histograms).collect();
    let [.., (before_ms, before), (after_ms, after)] = tail.as_slice() else {
        return Out::None;
    };
    if before_ms == after_ms {
        return Out::None;
    }
    let seconds = (after_ms - before_ms) as f64 / 1000.0;
    match (before, after) {
        (Value::Float(a, _), Value::Float(b, i)) => {
            // After a reset the counter began at nothing.
            let is_reset = is_rate && (b < a || window.float_began_anew(*i));
            let difference = if is_reset { *b } else { b - a };
            Out::Float(if is_rate { difference / seconds } else { difference })
        }
        (Value::Histogram(a, _), Value::Histogram(b, i)) => {
            let is_reset = is_rate && window.histogram_began_anew(*i);
            histogram_difference((a, b), context, (is_rate, is_reset), seconds)
        }
        _ => {
            context.note(|notes, name, span| notes.mixed_floats_histograms(name, span));
            Out::None
        }
    }
}

fn histogram_difference(
    (before, after): (&FloatHistogram, &FloatHistogram),
    context: &mut Context<'_>,
    (is_rate, is_reset): (bool, bool),
    seconds: f64,
) -> Out {
    let gauges = [before, after].map(|h| h.reset_hint == ResetHint::Gauge);
    if is_rate && gauges.contains(&true) {
        context.note(|notes, name, span| notes.not_a_counter(name, span));
    }
    if !is_rate && gauges.contains(&false) {
        context.note(|notes, name, span| notes.not_a_gauge(name, span));
    }
    let mut result = after.clone();
    if !is_reset {
        match result.subtract(before) {
            Err(_) => {
                context.note(|notes, name, span| notes.mixed_schemas(name, span));
                return Out::None;
            }
            Ok(done) if done.custom_bounds => {
                context.note(|notes, _, span| notes.bounds_reconciled(HistogramWork::Subtraction, span));
            }
            Ok(_) => {}
        }
    }
    result.reset_hint = ResetHint::Gauge;
    result.compact();
    if is_rate {
        result.divide(seconds);
    }
    Out::Histogram(result)
}
