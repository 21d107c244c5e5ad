//! `*_over_time`: one number for all samples of a window.

use super::{Context, Out, Window};
use crate::annotation::HistogramWork;
use crate::eval::kahan::{Mean, Sum};
use crate::eval::quantile::{nan_first, quantile_of, quantile_of_sorted};
use crate::promql::Function;
use lapwing_types::{CompensatedSum, FloatHistogram, IncompatibleSchemas, ResetHint};
use std::sync::Arc;

pub(super) fn value(window: &Window<'_>, context: &mut Context<'_>) -> Out {
    let seconds = |ms: i64| Out::Float(ms as f64 / 1000.0);
    match context.function {
        Function::CountOverTime => Out::Float((window.times.len() + window.histograms.len()) as f64),
        Function::PresentOverTime | Function::AbsentOverTime => Out::Float(1.0),
        Function::LastOverTime => last(window),
        Function::FirstOverTime => first(window),
        Function::TsOfFirstOverTime => seconds(first_time(window)),
        Function::TsOfLastOverTime => seconds(last_time(window)),
        Function::SumOverTime | Function::AvgOverTime => sum_or_average(window, context),
        _ => floats_only(window, context),
    }
}

fn first_time(window: &Window<'_>) -> i64 {
    let float = window.times.first().copied().unwrap_or(i64::MAX);
    let histogram = window.histograms.first().map_or(i64::MAX, |h| h.0);
    float.min(histogram)
}

fn last_time(window: &Window<'_>) -> i64 {
    let float = window.times.last().copied().unwrap_or(0);
    let histogram = window.histograms.last().map_or(0, |h| h.0);
    float.max(histogram)
}

fn last(window: &Window<'_>) -> Out {
    match (window.times.last(), window.histograms.last()) {
        (Some(t), Some((ht, h))) if t <= ht => Out::Histogram((**h).clone()),
        (None, Some((_, h))) => Out::Histogram((**h).clone()),
        _ => window.values.last().map_or(Out::None, |v| Out::Float(*v)),
    }
}

fn first(window: &Window<'_>) -> Out {
    match (window.times.first(), window.histograms.first()) {
        (Some(t), Some((ht, h))) if t >= ht => Out::Histogram((**h).clone()),
        (None, Some((_, h))) => Out::Histogram((**h).clone()),
        _ => window.values.first().map_or(Out::None, |v| Out::Float(*v)),
    }
}

fn sum_or_average(window: &Window<'_>, context: &mut Context<'_>) -> Out {
    let is_average = context.function == Function::AvgOverTime;
    match (window.values, window.histograms) {
        ([first, rest @ ..], []) if is_average => {
            let mut mean = Mean::starting(*first);
            rest.iter().for_each(|v| mean.add(*v));
            Out::Float(mean.value())
        }
        (values, []) => {
            let mut sum = Sum::default();
            values.iter().for_each(|v| sum.add(*v));
            Out::Float(sum.total())
        }
        ([], histograms) => histogram_sum(histograms, context, is_average),
        _ => {
            context.note(|notes, name, span| notes.mixed_floats_histograms(name, span));
            Out::None
        }
    }
}

fn histogram_sum(
    histograms: &[(i64, Arc<FloatHistogram>)],
    context: &mut Context<'_>,
    is_average: bool,
) -> Out {
    let hints = |hint| histograms.iter().any(|(_, h)| h.reset_hint == hint);
    let mut bounds_reconciled = false;
    let total = if is_average {
        histogram_average(histograms, &mut bounds_reconciled)
    } else {
        let mut sum = CompensatedSum::new(&histograms[0].1);
        histograms[1..]
            .iter()
            .try_for_each(|(_, h)| {
                bounds_reconciled |= sum.add(h)?.custom_bounds;
                Ok(())
            })
            .map(|()| sum.total())
    };
    let Ok(total) = total else {
        context.note(|notes, name, span| notes.mixed_schemas(name, span));
        return Out::None;
    };
    if hints(ResetHint::Reset) && hints(ResetHint::NotReset) {
        context.note(|notes, _, span| notes.reset_collision(HistogramWork::Aggregation, span));
    }
    if bounds_reconciled {
        context.note(|notes, _, span| notes.bounds_reconciled(HistogramWork::Aggregation, span));
    }
    Out::Histogram(total)
}

/// The sum divided by the count, or, once the sum would leave the range of floats, a running mean.
fn histogram_average(
    histograms: &[(i64, Arc<FloatHistogram>)],
    bounds_reconciled: &mut bool,
) -> Result<FloatHistogram, IncompatibleSchemas> {
    let mut sum = CompensatedSum::new(&histograms[0].1);
    let mut is_running = false;
    for (before, (_, h)) in histograms.iter().enumerate().skip(1) {
        let count = (before + 1) as f64;
        if !is_running {
            let mut next = sum.clone();
            *bounds_reconciled |= next.add(h)?.custom_bounds;
            if !next.overflows() {
                sum = next;
                continue;
            }
            is_running = true;
            sum.divide(before as f64);
        }
        sum.scale((count - 1.0) / count);
        let mut part = (**h).clone();
        part.divide(count);
        *bounds_reconciled |= sum.add(&part)?.custom_bounds;
    }
    if !is_running {
        sum.divide(histograms.len() as f64);
    }
    Ok(sum.total())
}

/// These look at floats and say when they passed over histograms.
fn floats_only(window: &Window<'_>, context: &mut Context<'_>) -> Out {
    let values = window.values;
    if values.is_empty() {
        return Out::None;
    }
    if context.function == Function::QuantileOverTime {
        let q = context.params[0];
        if q.is_nan() || !(0.0..=1.0).contains(&q) {
            context.note(|notes, _, span| notes.invalid_quantile(q, span));
        }
    }
    if !window.histograms.is_empty() {
        context.note(|notes, name, span| notes.ignored_in_range(name, span));
    }
    Out::Float(match context.function {
        Function::MinOverTime => extreme(values, |v, best| v < best),
        Function::MaxOverTime => extreme(values, |v, best| v > best),
        Function::TsOfMinOverTime => time_of_extreme(window, |v, best| v <= best),
        Function::TsOfMaxOverTime => time_of_extreme(window, |v, best| v >= best),
        Function::StdvarOverTime => variance(values),
        Function::StddevOverTime => variance(values).sqrt(),
        Function::QuantileOverTime => {
            context.floats.clear();
            context.floats.extend_from_slice(values);
            quantile_of(context.params[0], context.floats)
        }
        _ => median_absolute_deviation(values, context.floats),
    })
}

fn extreme(values: &[f64], better: impl Fn(f64, f64) -> bool) -> f64 {
    values.iter().copied().fold(
        values[0],
        |best, v| if better(v, best) || best.is_nan() { v } else { best },
    )
}

fn time_of_extreme(window: &Window<'_>, better: impl Fn(f64, f64) -> bool) -> f64 {
    let mut best = (window.values[0], window.times[0]);
    for (value, t_ms) in window.values.iter().zip(window.times) {
        if better(*value, best.0) || best.0.is_nan() {
            best = (*value, *t_ms);
        }
    }
    best.1 as f64 / 1000.0
}

fn variance(values: &[f64]) -> f64 {
    let (mut mean, mut squares) = (Sum::default(), Sum::default());
    let mut count = 0.0;
    for value in values {
        count += 1.0;
        let delta = value - (mean.sum + mean.lost);
        mean.add(delta / count);
        squares.add(delta * (value - (mean.sum + mean.lost)));
    }
    (squares.sum + squares.lost) / count
}

fn median_absolute_deviation(values: &[f64], buffer: &mut Vec<f64>) -> f64 {
    if values.iter().any(|v| v.is_nan()) {
        return f64::NAN;
    }
    buffer.clear();
    buffer.extend_from_slice(values);
    buffer.sort_unstable_by(nan_first);
    let median = quantile_of_sorted(0.5, buffer);
    for value in buffer.iter_mut() {
        *value = (*value - median).abs();
    }
    buffer.sort_unstable_by(nan_first);
    quantile_of_sorted(0.5, buffer)
}
