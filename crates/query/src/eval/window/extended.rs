//! `anchored` and `smoothed`: windows that also look at samples just outside of them.
//!
//! Anchored takes the newest sample at or before the window's start as its beginning; smoothed interpolates at both ends.

use super::edges::{Counted, Edge, Ends};
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

pub(super) fn rate(window: &Window<'_>, context: &mut Context<'_>, kind: Kind) -> Out {
    if window.histograms.is_empty() {
        return float_rate(window, kind).map_or(Out::None, Out::Float);
    }
    histogram_rate(window, context, kind).map_or(Out::None, Out::Histogram)
}

fn float_rate(window: &Window<'_>, kind: Kind) -> Option<f64> {
    let (times, values) = (window.times, window.values);
    let counted = Counted {
        time: &|i| times[i],
        count: times.len(),
        starts: kind.starts(window.starts),
    };
    let ends = Ends::of(window, &counted)?;
    let point = |i: usize| (times[i], values[i]);
    let line = |later: usize, t_ms| between(point(later - 1), point(later), t_ms, kind.is_counter);
    let is_between = window.smoothed && times[ends.first] < window.start_ms;
    let left = match ends.at_start {
        Edge::Begun(part) => values[ends.next] * part,
        Edge::Untold if is_between => line(ends.next, window.start_ms),
        Edge::Untold | Edge::Held => values[ends.first],
    };
    let right = match ends.at_end {
        Edge::Begun(part) => values[ends.last] * part,
        Edge::Held => values[ends.last - 1],
        Edge::Untold if ends.is_beyond => line(ends.last, window.end_ms),
        Edge::Untold => values[ends.last],
    };
    let mut result = right - left;
    if kind.is_counter {
        let mut previous = left;
        for i in ends.inside() {
            if values[i] < previous || ends.begins_at(i, &counted) {
                result += previous;
            }
            previous = values[i];
        }
        if right < previous || ends.begins_at_end() {
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

    /// What resets between the two ends hide. The last sample never stands in the loop: what is at the right end is a copy of
    /// it, or has its hint, and would be a reset after itself.
    fn lost_to_resets(
        &mut self,
        (ends, counted): (&Ends, &Counted<'_>),
        left: &FloatHistogram,
        right: &FloatHistogram,
    ) -> Result<Option<FloatHistogram>, IncompatibleSchemas> {
        let points = self.window.histograms;
        let (mut from, mut previous) = (ends.first + 1, left);
        if self.starts_behind_reset(ends) {
            // What stands at the left end has made up for this one.
            previous = &points[ends.next].1;
            from = ends.next + 1;
        }
        if from > ends.last {
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
        for (i, (_, point)) in points.iter().enumerate().take(ends.last).skip(from) {
            if point.is_reset_after(previous) || ends.begins_at(i, counted) {
                add(self, previous)?;
            }
            previous = point;
        }
        let begins = match ends.is_beyond {
            true => ends.begins_at_end(),
            false => ends.begins_at(ends.last, counted),
        };
        if ends.at_end != Edge::Held && (begins || right.is_reset_after(previous)) {
            add(self, previous)?;
        }
        Ok(lost)
    }

    /// Whether the counter at the left end is already the one of the first sample in the window.
    fn starts_behind_reset(&self, ends: &Ends) -> bool {
        let points = self.window.histograms;
        match ends.at_start {
            Edge::Begun(_) => true,
            Edge::Held => false,
            Edge::Untold => {
                self.window.smoothed
                    && points[ends.first].0 < self.window.start_ms
                    && points[ends.next].1.is_reset_after(&points[ends.first].1)
            }
        }
    }

    fn part(&self, at: usize, part: f64) -> FloatHistogram {
        let mut histogram = (*self.window.histograms[at].1).clone();
        histogram.scale(part);
        histogram
    }

    fn change(&mut self, ends: &Ends, counted: &Counted<'_>) -> Result<FloatHistogram, IncompatibleSchemas> {
        let points = self.window.histograms;
        let is_between = self.window.smoothed && points[ends.first].0 < self.window.start_ms;
        let left = match ends.at_start {
            Edge::Begun(part) => self.part(ends.next, part),
            Edge::Untold if is_between => self.between(ends.first, self.window.start_ms)?,
            Edge::Untold | Edge::Held => (*points[ends.first].1).clone(),
        };
        let right = match ends.at_end {
            Edge::Begun(part) => self.part(ends.last, part),
            Edge::Held => (*points[ends.last - 1].1).clone(),
            Edge::Untold if ends.is_beyond => self.between(ends.last - 1, self.window.end_ms)?,
            Edge::Untold => (*points[ends.last].1).clone(),
        };
        let gauges = [&left, &right].map(|h| h.reset_hint == ResetHint::Gauge);
        if !self.is_counter && gauges.contains(&false) {
            self.context
                .note(|notes, name, span| notes.not_a_gauge(name, span));
        }
        let mut result = right.clone();
        self.subtract(&mut result, &left)?;
        if self.is_counter
            && let Some(lost) = self.lost_to_resets((ends, counted), &left, &right)?
        {
            self.add(&mut result, &lost)?;
        }
        Ok(result)
    }
}

fn histogram_rate(window: &Window<'_>, context: &mut Context<'_>, kind: Kind) -> Option<FloatHistogram> {
    let points = window.histograms;
    let counted = Counted {
        time: &|i| points[i].0,
        count: points.len(),
        starts: kind.starts(window.histogram_starts),
    };
    let ends = Ends::of(window, &counted)?;
    let mut work = Work {
        window,
        context,
        is_counter: kind.is_counter,
    };
    let custom = points[ends.first].1.uses_custom_buckets();
    for (_, point) in &points[ends.first..=ends.last] {
        if point.uses_custom_buckets() != custom {
            work.schemas();
            return None;
        }
        if kind.is_counter && point.reset_hint == ResetHint::Gauge {
            work.context
                .note(|notes, name, span| notes.not_a_counter(name, span));
        }
    }
    let Ok(mut result) = work.change(&ends, &counted) else {
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
    step_ms: i64,
) -> Evaluated<SeriesPoints> {
    if !spec.anchored && !spec.smoothed {
        return Ok(points);
    }
    if !points.histograms.is_empty() {
        let modifier = match spec.anchored {
            true => "anchored",
            false => "smoothed",
        };
        return Err(QueryError::execution(format!(
            "{modifier} modifier is not supported with histograms"
        )));
    }
    let (times, values) = (&points.times_ms, &points.values);
    let counted = Counted {
        time: &|i| times[i],
        count: times.len(),
        starts: &[],
    };
    let window = Window::of(spec, step_ms, &points);
    let mut out = SeriesPoints::default();
    let Some(ends) = Ends::of(&window, &counted) else {
        return Ok(out);
    };
    let point = |i: usize| (times[i], values[i]);
    let line = |later: usize, t_ms| between(point(later - 1), point(later), t_ms, false);
    let left = match spec.smoothed && times[ends.first] < window.start_ms {
        true => line(ends.next, window.start_ms),
        false => values[ends.first],
    };
    let right = match ends.is_beyond {
        true => line(ends.last, window.end_ms),
        false => values[ends.last],
    };
    let is_end = |i: &usize| times[*i] == window.end_ms;
    let inside = || ends.inside().filter(|i| !is_end(i));
    out.times_ms.push(window.start_ms);
    out.times_ms.extend(inside().map(|i| times[i]));
    out.times_ms.push(window.end_ms);
    out.values.push(left);
    out.values.extend(inside().map(|i| values[i]));
    out.values.push(right);
    Ok(out)
}
