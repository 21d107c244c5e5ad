//! `selector smoothed`: at each step the value between the samples on both sides of it, no further away than the lookback.
//!
//! Nothing comes before the first sample; behind the last one its value stays for the lookback. Nobody says of floats that
//! they count something, so a fall is no reset; histograms say so themselves.

use super::extended::{between, histogram_between};
use super::metric_name;
use crate::annotation::Annotations;
use crate::eval::grid::{Row, sanitized};
use crate::eval::source::{Scratch, read};
use crate::eval::{Evaluated, Evaluator, Grid, Steps};
use crate::promql::{Span, VectorSelector};
use lapwing_store::SeriesPoints;
use lapwing_types::{FloatHistogram, IncompatibleSchemas, ResetHint};
use std::sync::Arc;

enum Smoothed {
    None,
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// The last sample before a time and the first one at or after it.
type Neighbours = (Option<usize>, Option<usize>);

fn neighbours<T>(points: &[T], time: impl Fn(&T) -> i64, (t_ms, lookback_ms): (i64, i64)) -> Neighbours {
    let next = points.partition_point(|p| time(p) < t_ms);
    let before = next
        .checked_sub(1)
        .filter(|i| time(&points[*i]) > t_ms.saturating_sub(lookback_ms));
    let is_near = |p: &T| time(p) <= t_ms.saturating_add(lookback_ms);
    (before, points.get(next).is_some_and(is_near).then_some(next))
}

impl Evaluator<'_> {
    pub(in crate::eval) fn stream_smoothed(
        &self,
        (selector, span): (&VectorSelector, Span),
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let times = self.instant_times(selector)?;
        let lookback_ms = self.options.lookback_ms;
        let (from, to) = times.needed(steps);
        let to = to.saturating_add(lookback_ms);
        let series = self.select(&selector.matchers, (from, to), self.instant_tier())?;
        self.batches(series.len(), steps, sink, |index, scratch, out| {
            let one = &series[index];
            read(one, from, to, &mut scratch.points)?;
            let Scratch {
                points,
                annotations,
                samples,
                ..
            } = scratch;
            let name = metric_name(&one.labels);
            for step in 0..steps.count {
                let at = (times.reference(steps.at(step)), lookback_ms);
                match smoothed(points, at, &mut |note| note(annotations, name, span)) {
                    Smoothed::None => {}
                    Smoothed::Float(value) => {
                        out.cells[step] = sanitized(value);
                        *samples += 1;
                    }
                    Smoothed::Histogram(histogram) => {
                        *samples += histogram.size_samples() as u64;
                        out.set_histogram(step, histogram);
                    }
                }
            }
            Ok(Row {
                labels: one.labels.clone(),
                drop_name: false,
            })
        })
    }
}

/// Adds a sentence about a metric to the annotations.
type Note<'a> = &'a mut dyn FnMut(&dyn Fn(&mut Annotations, &str, Span));

fn smoothed(points: &SeriesPoints, at: (i64, i64), note: Note<'_>) -> Smoothed {
    let floats = neighbours(&points.times_ms, |t| *t, at);
    let others = neighbours(&points.histograms, |h| h.0, at);
    match (floats, others) {
        ((None, None), others) => smoothed_histogram(points, others, at.0, note),
        (floats, (None, None)) => smoothed_float(points, floats, at.0),
        _ => {
            note(&|notes, name, span| notes.mixed_floats_histograms(name, span));
            Smoothed::None
        }
    }
}

fn smoothed_float(points: &SeriesPoints, around: Neighbours, t_ms: i64) -> Smoothed {
    let point = |i: usize| (points.times_ms[i], points.values[i]);
    match around {
        (_, Some(after)) if points.times_ms[after] == t_ms => Smoothed::Float(points.values[after]),
        (Some(before), Some(after)) => Smoothed::Float(between(point(before), point(after), t_ms, false)),
        (Some(before), None) => Smoothed::Float(points.values[before]),
        (None, _) => Smoothed::None,
    }
}

fn smoothed_histogram(points: &SeriesPoints, around: Neighbours, t_ms: i64, note: Note<'_>) -> Smoothed {
    let points = &points.histograms;
    match around {
        (_, Some(after)) if points[after].0 == t_ms => Smoothed::Histogram(Arc::clone(&points[after].1)),
        (Some(before), Some(after)) => {
            let ends = (&points[before], &points[after]);
            let is_counter = [before, after]
                .iter()
                .all(|i| points[*i].1.reset_hint != ResetHint::Gauge);
            let done = histogram_between(ends, t_ms, is_counter, &mut |work| {
                note(&|notes, _, span| notes.bounds_reconciled(work, span));
            });
            match done {
                Ok(histogram) => Smoothed::Histogram(Arc::new(histogram)),
                Err(IncompatibleSchemas) => {
                    note(&|notes, name, span| notes.mixed_schemas(name, span));
                    Smoothed::None
                }
            }
        }
        (Some(before), None) => Smoothed::Histogram(Arc::clone(&points[before].1)),
        (None, _) => Smoothed::None,
    }
}
