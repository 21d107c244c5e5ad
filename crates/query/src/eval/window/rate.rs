//! `rate`, `increase` and `delta`: the change over a window, extrapolated to its ends.

use super::histogram::histogram_rate;
use super::{Context, Out, Window, extended};
use crate::annotation::HistogramWork;
use crate::promql::Function;
use lapwing_store::{SeriesPoints, UNKNOWN_START};
use lapwing_types::FloatHistogram;

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

    /// Only counters begin.
    pub(super) fn starts(self, known: &[i64]) -> &[i64] {
        match self.is_counter {
            true => known,
            false => &[],
        }
    }
}

pub(super) fn wants_resets(function: Function) -> bool {
    matches!(function, Function::Rate | Function::Increase)
}

/// Positions at which a counter is lower than before, or says that it began anew.
pub(super) fn resets(times: &[i64], values: &[f64], starts: &[i64]) -> Vec<usize> {
    if starts.is_empty() {
        return falls(values);
    }
    (1..values.len())
        .filter(|i| values[*i] < values[*i - 1] || began_anew(|i| times[i], starts, *i))
        .collect()
}

/// Positions at which a value is lower than before. There are few: stretches without one are passed over as a whole.
fn falls(values: &[f64]) -> Vec<usize> {
    const STRETCH: usize = 32;
    let mut found = Vec::new();
    let mut first = 1;
    while first < values.len() {
        let end = (first + STRETCH).min(values.len());
        let (before, now) = (&values[first - 1..end - 1], &values[first..end]);
        if before.iter().zip(now).fold(false, |any, (b, n)| any | (n < b)) {
            found.extend((first..end).filter(|i| values[*i] < values[*i - 1]));
        }
        first = end;
    }
    found
}

/// Whether the counter behind the sample at `index` began after the sample before it. A start at the very time of the one before
/// is a reset only where that one knows an earlier start of its own: otherwise it marks a counter whose beginning is unknown.
pub(super) fn began_anew(time: impl Fn(usize) -> i64, starts: &[i64], index: usize) -> bool {
    let Some(start) = starts.get(index).copied().filter(|s| *s != UNKNOWN_START) else {
        return false;
    };
    let (before, before_start) = (time(index - 1), starts[index - 1]);
    if start == before {
        return before_start != UNKNOWN_START && before_start < before;
    }
    start > before && start < time(index)
}

/// Neighbours, by their times, of which the later one says that it counts from before the earlier one, yet not from where that
/// one does: somebody counted twice.
pub(super) fn overlaps(points: &SeriesPoints, (floats, histograms): (&[i64], &[i64])) -> Vec<(i64, i64)> {
    let of = |starts: &[i64], time: &dyn Fn(usize) -> i64| -> Vec<(i64, i64)> {
        (1..starts.len())
            .filter(|i| {
                let (before, start) = (starts[*i - 1], starts[*i]);
                start != UNKNOWN_START && start < time(*i - 1) && start != before
            })
            .map(|i| (time(i - 1), time(i)))
            .collect()
    };
    let mut found = of(floats, &|i| points.times_ms[i]);
    found.extend(of(histograms, &|i| points.histograms[i].0));
    found
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
                    if self.values[i] < self.values[i - 1] || self.float_began_anew(i) {
                        result += self.values[i - 1];
                    }
                }
            }
        }
        result
    }

    /// Whether the counter behind the float at `index` says that it began anew inside of the window. An anchored window has a
    /// sample from before it, and what lies between that one and the window's start is not the window's.
    pub(super) fn float_began_anew(&self, index: usize) -> bool {
        began_anew(|i| self.times[i], self.starts, index) && self.starts[index] > self.start_ms
    }

    /// Whether the histogram at `index` counts anew, as it or its start tells.
    pub(super) fn histogram_began_anew(&self, index: usize) -> bool {
        let (points, starts) = (self.histograms, self.histogram_starts);
        let begins = began_anew(|i| points[i].0, starts, index) && starts[index] > self.start_ms;
        begins || points[index].1.is_reset_after(&points[index - 1].1)
    }

    /// Where the counter behind the first sample was zero, if that is inside of the window.
    fn zero_ms(&self) -> Option<i64> {
        let (starts, first_ms) = match self.times.first() {
            Some(first_ms) => (self.starts, *first_ms),
            None => (self.histogram_starts, self.histograms.first()?.0),
        };
        let start = starts.first().copied().filter(|s| *s != UNKNOWN_START)?;
        (start > self.start_ms && start < first_ms).then_some(start)
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
    if floats.len() >= 2 || (zero_ms.is_some() && !floats.is_empty()) {
        let mut result = floats[floats.len() - 1] - floats[0];
        if kind.is_counter {
            result = window.add_lost_to_resets(result);
        }
        let times = (window.times[0], window.times[floats.len() - 1]);
        let start = floats[0];
        if let Some(zero_ms) = zero_ms {
            result += start;
            return Out::Float(result * factor_from_zero(window, kind, (zero_ms, times), floats.len() - 1));
        }
        let factor = factor(window, kind, times, floats.len() - 1, |interval| {
            (result > 0.0 && start >= 0.0).then(|| interval * (start / result))
        });
        return Out::Float(result * factor);
    }
    rate_of_histograms(window, context, kind, zero_ms).map_or(Out::None, Out::Histogram)
}

fn rate_of_histograms(
    window: &Window<'_>,
    context: &mut Context<'_>,
    kind: Kind,
    zero_ms: Option<i64>,
) -> Option<FloatHistogram> {
    let points = window.histograms;
    let last = points.len().checked_sub(1)?;
    if last == 0 && zero_ms.is_none() {
        return None;
    }
    let times = (points[0].0, points[last].0);
    let mut result = histogram_rate(window, kind.is_counter, context)?;
    let Some(zero_ms) = zero_ms else {
        let (start, total) = (points[0].1.count, result.count);
        let factor = factor(window, kind, times, last, |interval| {
            (total > 0.0 && start >= 0.0).then(|| interval * (start / total))
        });
        result.scale(factor);
        return Some(result);
    };
    match result.add(&points[0].1) {
        Err(_) => {
            context.note(|notes, name, span| notes.mixed_schemas(name, span));
            return None;
        }
        Ok(done) if done.custom_bounds => {
            context.note(|notes, _, span| notes.bounds_reconciled(HistogramWork::Addition, span));
        }
        Ok(_) => {}
    }
    result.scale(factor_from_zero(window, kind, (zero_ms, times), last));
    Some(result)
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
fn factor_from_zero(
    window: &Window<'_>,
    kind: Kind,
    (zero_ms, (first_ms, last_ms)): (i64, (i64, i64)),
    gaps: usize,
) -> f64 {
    let seconds = |ms: i64| ms as f64 / 1000.0;
    let average = match gaps {
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
