//! `anchored` and `smoothed`: windows that also look at samples just outside of them.
//!
//! Anchored takes the newest sample at or before the window's start as its beginning; smoothed interpolates at both ends.

use super::rate::Kind;
use super::{Context, Out, Window, WindowSpec};
use crate::annotation::HistogramWork;
use crate::error::QueryError;
use crate::eval::Evaluated;
use crate::promql::{Function, MatrixSelector};
use lapwing_store::SeriesPoints;
use lapwing_types::{FloatHistogram, IncompatibleSchemas, ResetHint};
use std::sync::Arc;

/// Which functions know what to do with samples outside of their window.
pub(super) fn check_function(function: Function, matrix: &MatrixSelector) -> Evaluated<()> {
    let changes = matches!(function, Function::Rate | Function::Increase | Function::Delta);
    let counts = matches!(function, Function::Resets | Function::Changes);
    let name = function.name();
    if matrix.vector.anchored && !changes && !counts {
        return Err(QueryError::execution(format!(
            "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with {name}"
        )));
    }
    if matrix.vector.smoothed && !changes {
        return Err(QueryError::execution(format!(
            "smoothed modifier can only be used with: delta, increase, rate - not with {name}"
        )));
    }
    Ok(())
}

/// Between two samples; after a reset a counter began at zero.
pub(super) fn between((t1, v1): (i64, f64), (t2, v2): (i64, f64), t_ms: i64, is_counter: bool) -> f64 {
    let from = if is_counter && v2 < v1 { 0.0 } else { v1 };
    from + (v2 - from) * (t_ms - t1) as f64 / (t2 - t1) as f64
}

type Point = (i64, Arc<FloatHistogram>);

/// Between two histograms; `reconciled` is told when their custom bounds had to be.
pub(super) fn histogram_between(
    ((t1, h1), (t2, h2)): (&Point, &Point),
    t_ms: i64,
    is_counter: bool,
    reconciled: &mut dyn FnMut(HistogramWork),
) -> Result<FloatHistogram, IncompatibleSchemas> {
    let fraction = (t_ms - t1) as f64 / (t2 - t1) as f64;
    let mut out = (**h2).clone();
    if t_ms == *t1 {
        return Ok((**h1).clone());
    }
    if t_ms == *t2 {
        return Ok(out);
    }
    if h1.uses_custom_buckets() != h2.uses_custom_buckets() {
        return Err(IncompatibleSchemas);
    }
    if is_counter && h2.is_reset_after(h1) {
        out.scale(fraction);
        return Ok(out);
    }
    if out.subtract(h1)?.custom_bounds {
        reconciled(HistogramWork::Subtraction);
    }
    out.scale(fraction);
    if out.add(h1)?.custom_bounds {
        reconciled(HistogramWork::Addition);
    }
    Ok(out)
}

/// The first and the last sample to use; nothing when the window is empty.
fn ends(
    times: impl Fn(usize) -> i64,
    count: usize,
    window: (i64, i64),
    smoothed: bool,
) -> Option<(usize, usize)> {
    let (start, end) = window;
    let mut last = count.checked_sub(1)?;
    let search = |until: usize, f: &dyn Fn(i64) -> bool| (0..until).find(|i| f(times(*i))).unwrap_or(until);
    let first = search(last, &|t| t > start).saturating_sub(1);
    if smoothed {
        last = search(last, &|t| t >= end);
    }
    let outside = times(last) <= start || (smoothed && times(first) > end);
    (!outside).then_some((first, last))
}

pub(super) fn rate(window: &Window<'_>, context: &mut Context<'_>, kind: Kind) -> Out {
    if window.histograms.is_empty() {
        return float_rate(window, kind).map_or(Out::None, Out::Float);
    }
    histogram_rate(window, context, kind).map_or(Out::None, Out::Histogram)
}

fn float_rate(window: &Window<'_>, kind: Kind) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    let range = (window.start_ms, window.end_ms);
    let (mut first, last) = ends(|i| times[i], times.len(), range, window.smoothed)?;
    let point = |i: usize| (times[i], values[i]);
    let mut left = values[first];
    if window.smoothed && times[first] < window.start_ms && first + 1 < times.len() {
        left = between(point(first), point(first + 1), window.start_ms, kind.is_counter);
    }
    let mut right = values[last];
    if window.smoothed && last > 0 && times[last] > window.end_ms {
        right = between(point(last - 1), point(last), window.end_ms, kind.is_counter);
    }
    let mut result = right - left;
    if kind.is_counter {
        if times[first] <= window.start_ms {
            first += 1;
        }
        let end = if times[last] >= window.end_ms {
            last
        } else {
            last + 1
        };
        let mut previous = left;
        for value in values.get(first..end).unwrap_or(&[]) {
            if *value < previous {
                result += previous;
            }
            previous = *value;
        }
        if right < previous {
            result += previous;
        }
    }
    if kind.is_rate {
        result /= window.range_ms as f64 / 1000.0;
    }
    Some(result)
}

/// Histogram work inside one window, with its sentences.
struct Work<'a, 'b> {
    window: &'a Window<'a>,
    context: &'a mut Context<'b>,
    is_counter: bool,
}

impl Work<'_, '_> {
    fn schemas(&mut self) {
        self.context
            .note(|notes, name, span| notes.mixed_schemas(name, span));
    }

    fn done(&mut self, work: HistogramWork, bounds_reconciled: bool) {
        if bounds_reconciled {
            self.context
                .note(|notes, _, span| notes.bounds_reconciled(work, span));
        }
    }

    fn subtract(
        &mut self,
        from: &mut FloatHistogram,
        other: &FloatHistogram,
    ) -> Result<(), IncompatibleSchemas> {
        let done = from.subtract(other)?;
        self.done(HistogramWork::Subtraction, done.custom_bounds);
        Ok(())
    }

    fn add(&mut self, to: &mut FloatHistogram, other: &FloatHistogram) -> Result<(), IncompatibleSchemas> {
        let done = to.add(other)?;
        self.done(HistogramWork::Addition, done.custom_bounds);
        Ok(())
    }

    fn between(&mut self, at: usize, t_ms: i64) -> Result<FloatHistogram, IncompatibleSchemas> {
        let points = self.window.histograms;
        let is_counter = self.is_counter;
        histogram_between((&points[at], &points[at + 1]), t_ms, is_counter, &mut |work| {
            self.done(work, true);
        })
    }

    /// What resets between the two ends hide.
    fn lost_to_resets(
        &mut self,
        (first, last): (usize, usize),
        left: &FloatHistogram,
        right: &FloatHistogram,
    ) -> Result<Option<FloatHistogram>, IncompatibleSchemas> {
        let points = self.window.histograms;
        let mut from = first + 1;
        let mut previous = left;
        let spans_reset = self.window.smoothed
            && points[first].0 < self.window.start_ms
            && points
                .get(first + 1)
                .is_some_and(|next| next.1.is_reset_after(&points[first].1));
        if spans_reset {
            // The interpolation at the left end has made up for this one.
            previous = &points[first + 1].1;
            from += 1;
        }
        if from > last {
            return Ok(None);
        }
        let mut lost: Option<FloatHistogram> = None;
        let mut add = |work: &mut Self, h: &FloatHistogram| match &mut lost {
            Some(lost) => work.add(lost, h),
            None => {
                lost = Some(h.clone());
                Ok(())
            }
        };
        for (_, point) in &points[from..last] {
            if point.is_reset_after(previous) {
                add(self, previous)?;
            }
            previous = point;
        }
        if right.is_reset_after(previous) {
            add(self, previous)?;
        }
        Ok(lost)
    }

    fn change(&mut self, (first, last): (usize, usize)) -> Result<FloatHistogram, IncompatibleSchemas> {
        let points = self.window.histograms;
        let (start, end) = (self.window.start_ms, self.window.end_ms);
        let left = if self.window.smoothed && points[first].0 < start && first + 1 < points.len() {
            self.between(first, start)?
        } else {
            (*points[first].1).clone()
        };
        let right = if self.window.smoothed && last > 0 && points[last].0 > end {
            self.between(last - 1, end)?
        } else {
            (*points[last].1).clone()
        };
        let gauges = [&left, &right].map(|h| h.reset_hint == ResetHint::Gauge);
        if !self.is_counter && gauges.contains(&false) {
            self.context
                .note(|notes, name, span| notes.not_a_gauge(name, span));
        }
        let mut result = right.clone();
        self.subtract(&mut result, &left)?;
        if self.is_counter
            && let Some(lost) = self.lost_to_resets((first, last), &left, &right)?
        {
            self.add(&mut result, &lost)?;
        }
        Ok(result)
    }
}

fn histogram_rate(window: &Window<'_>, context: &mut Context<'_>, kind: Kind) -> Option<FloatHistogram> {
    let points = window.histograms;
    let range = (window.start_ms, window.end_ms);
    let (first, last) = ends(|i| points[i].0, points.len(), range, window.smoothed)?;
    let mut work = Work {
        window,
        context,
        is_counter: kind.is_counter,
    };
    let custom = points[first].1.uses_custom_buckets();
    for (_, point) in &points[first..=last] {
        if point.uses_custom_buckets() != custom {
            work.schemas();
            return None;
        }
        if kind.is_counter && point.reset_hint == ResetHint::Gauge {
            work.context
                .note(|notes, name, span| notes.not_a_counter(name, span));
        }
    }
    let Ok(mut result) = work.change((first, last)) else {
        work.schemas();
        return None;
    };
    if kind.is_rate {
        result.divide(window.range_ms as f64 / 1000.0);
    }
    result.reset_hint = ResetHint::Gauge;
    result.compact();
    Some(result)
}

/// The samples of a range vector shown as such: extended selectors have one exactly at each end.
pub(in crate::eval) fn extend_points(
    points: SeriesPoints,
    spec: &WindowSpec,
    (start, end): (i64, i64),
) -> Evaluated<SeriesPoints> {
    if !spec.anchored && !spec.smoothed {
        return Ok(points);
    }
    if !points.histograms.is_empty() {
        return Err(QueryError::execution(
            "anchored modifier is not supported with histograms",
        ));
    }
    let (times, values) = (&points.times_ms, &points.values);
    let mut out = SeriesPoints::default();
    let Some((mut first, last)) = ends(|i| times[i], times.len(), (start, end), spec.smoothed) else {
        return Ok(out);
    };
    let point = |i: usize| (times[i], values[i]);
    let interpolates = |outside: bool| spec.smoothed && outside;
    let left = if interpolates(times[first] < start && first + 1 < times.len()) {
        between(point(first), point(first + 1), start, false)
    } else {
        values[first]
    };
    let right = if interpolates(last > 0 && times[last] > end) {
        between(point(last - 1), point(last), end, false)
    } else {
        values[last]
    };
    if times[first] <= start {
        first += 1;
    }
    let stop = if times[last] >= end { last } else { last + 1 };
    out.times_ms.push(start);
    out.values.push(left);
    for i in first..stop {
        out.times_ms.push(times[i]);
        out.values.push(values[i]);
    }
    out.times_ms.push(end);
    out.values.push(right);
    Ok(out)
}
