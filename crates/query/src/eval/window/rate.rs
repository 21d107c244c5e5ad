//! `rate`, `increase` and `delta`: the change over a window, extrapolated to its ends.

use super::histogram::histogram_rate;
use super::{Context, Out, Window, extended};
use crate::promql::Function;
use lapwing_store::UNKNOWN_START;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) is_counter: bool,
    pub(super) is_rate: bool,
}

impl Kind {
    pub(super) const RATE: Kind = Kind {
        is_counter: true,
        is_rate: true,
    };
    pub(super) const INCREASE: Kind = Kind {
        is_counter: true,
        is_rate: false,
    };
    pub(super) const DELTA: Kind = Kind {
        is_counter: false,
        is_rate: false,
    };
}

pub(super) fn wants_resets(function: Function) -> bool {
    matches!(function, Function::Rate | Function::Increase)
}

/// Positions at which a counter is lower than before, or says that it began anew.
pub(super) fn resets(times: &[i64], values: &[f64], starts: &[i64]) -> Vec<usize> {
    (1..values.len())
        .filter(|i| values[*i] < values[*i - 1] || began_anew(times, starts, *i))
        .collect()
}

/// Whether the counter behind the float at `index` began after the float before it. A start at the very time of the float before
/// is a reset only where that float knows an earlier start of its own: otherwise it marks a counter whose beginning is unknown.
pub(super) fn began_anew(times: &[i64], starts: &[i64], index: usize) -> bool {
    let Some(start) = starts.get(index).copied().filter(|s| *s != UNKNOWN_START) else {
        return false;
    };
    let (before, before_start) = (times[index - 1], starts[index - 1]);
    if start == before {
        return before_start != UNKNOWN_START && before_start < before;
    }
    start > before && start < times[index]
}

impl Window<'_> {
    /// What resets inside the window hide, in the order in which they happened.
    fn add_lost_to_resets(&self, mut result: f64) -> f64 {
        match self.resets {
            Some(resets) => {
                let from = resets.partition_point(|i| *i <= self.first);
                for reset in resets[from..]
                    .iter()
                    .take_while(|i| **i < self.first + self.values.len())
                {
                    result += self.values[reset - self.first - 1];
                }
            }
            None => {
                for i in 1..self.values.len() {
                    if self.values[i] < self.values[i - 1] || began_anew(self.times, self.starts, i) {
                        result += self.values[i - 1];
                    }
                }
            }
        }
        result
    }

    /// Where the counter behind the first float was zero, if that is inside of the window.
    fn zero_ms(&self) -> Option<i64> {
        let start = self.starts.first().copied().filter(|s| *s != UNKNOWN_START)?;
        (start > self.start_ms && start < self.times[0]).then_some(start)
    }
}

pub(super) fn rate(window: &Window<'_>, context: &mut Context<'_>, kind: Kind) -> Out {
    let (floats, histograms) = (window.values, window.histograms);
    if !floats.is_empty() && !histograms.is_empty() {
        context.note(|notes, name, span| notes.mixed_floats_histograms(name, span));
        return Out::None;
    }
    if window.anchored || window.smoothed {
        return extended::rate(window, context, kind);
    }
    let zero_ms = match kind.is_counter {
        true => window.zero_ms(),
        false => None,
    };
    if floats.len() >= 2 || zero_ms.is_some() {
        let mut result = floats[floats.len() - 1] - floats[0];
        if kind.is_counter {
            result = window.add_lost_to_resets(result);
        }
        let times = (window.times[0], window.times[floats.len() - 1]);
        let start = floats[0];
        if let Some(zero_ms) = zero_ms {
            result += start;
            return Out::Float(result * factor_from_zero(window, kind, zero_ms));
        }
        let factor = factor(window, kind, times, floats.len() - 1, |interval| {
            (result > 0.0 && start >= 0.0).then(|| interval * (start / result))
        });
        return Out::Float(result * factor);
    }
    if histograms.len() >= 2 {
        let Some(mut result) = histogram_rate(histograms, kind.is_counter, context) else {
            return Out::None;
        };
        let last = histograms.len() - 1;
        let times = (histograms[0].0, histograms[last].0);
        let (start, total) = (histograms[0].1.count, result.count);
        let factor = factor(window, kind, times, last, |interval| {
            (total > 0.0 && start >= 0.0).then(|| interval * (start / total))
        });
        result.scale(factor);
        return Out::Histogram(result);
    }
    Out::None
}

/// By how much the change between the first and the last sample grows when it is extrapolated to the window's ends. Where
/// samples begin or end well inside the window, only half an average distance is added; a counter is not extrapolated to below
/// zero.
fn factor(
    window: &Window<'_>,
    kind: Kind,
    (first_ms, last_ms): (i64, i64),
    gaps: usize,
    seconds_to_zero: impl Fn(f64) -> Option<f64>,
) -> f64 {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let mut to_start = seconds(first_ms - window.start_ms);
    let mut to_end = seconds(window.end_ms - last_ms);
    let sampled = seconds(last_ms - first_ms);
    let average = sampled / gaps as f64;
    let threshold = average * 1.1;
    if to_start >= threshold {
        to_start = average / 2.0;
    }
    if kind.is_counter
        && let Some(to_zero) = seconds_to_zero(sampled)
        && to_zero < to_start
    {
        to_start = to_zero;
    }
    if to_end >= threshold {
        to_end = average / 2.0;
    }
    let factor = (sampled + to_start + to_end) / sampled;
    if kind.is_rate {
        factor / seconds(window.range_ms)
    } else {
        factor
    }
}

/// The same where the counter is known to have been zero inside of the window: nothing is guessed about the time before.
fn factor_from_zero(window: &Window<'_>, kind: Kind, zero_ms: i64) -> f64 {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let (first_ms, last_ms) = (window.times[0], window.times[window.times.len() - 1]);
    let average = match window.times.len() - 1 {
        0 => 0.0,
        gaps => seconds(last_ms - first_ms) / gaps as f64,
    };
    let mut to_end = seconds(window.end_ms - last_ms);
    if to_end >= average * 1.1 {
        to_end = average / 2.0;
    }
    let known = seconds(last_ms - zero_ms);
    let factor = (known + to_end) / known;
    match kind.is_rate {
        true => factor / seconds(window.range_ms),
        false => factor,
    }
}
