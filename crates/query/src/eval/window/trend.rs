//! Straight lines and smoothing over a window's floats.

use super::{Context, Out, Window};
use crate::error::QueryError;
use crate::eval::kahan::Sum;

/// Slope and value at a time, by least squares.
fn regression(window: &Window<'_>, at_ms: i64) -> (f64, f64) {
    let first = window.values[0];
    let mut is_constant = true;
    let (mut x_sum, mut y_sum, mut xy_sum, mut xx_sum) =
        (Sum::default(), Sum::default(), Sum::default(), Sum::default());
    for (t_ms, y) in window.times.iter().zip(window.values) {
        is_constant &= *y == first;
        let x = (t_ms - at_ms) as f64 / 1000.0;
        x_sum.add(x);
        y_sum.add(*y);
        xy_sum.add(x * y);
        xx_sum.add(x * x);
    }
    // The first value equals itself even where NaN does not.
    is_constant |= window.values.len() == 1;
    if is_constant {
        return if first.is_infinite() {
            (f64::NAN, f64::NAN)
        } else {
            (0.0, first)
        };
    }
    let n = window.values.len() as f64;
    let total = |s: Sum| s.sum + s.lost;
    let (x, y, xy, xx) = (total(x_sum), total(y_sum), total(xy_sum), total(xx_sum));
    let slope = (xy - x * y / n) / (xx - x * x / n);
    (slope, y / n - slope * x / n)
}

/// Fewer than two floats have no trend.
fn enough(window: &Window<'_>, context: &mut Context<'_>) -> bool {
    let floats = window.values.len();
    if floats > 0 && !window.histograms.is_empty() {
        context.note(|notes, name, span| notes.ignored_in_range(name, span));
    }
    floats >= 2
}

pub(super) fn deriv(window: &Window<'_>, context: &mut Context<'_>) -> Out {
    if !enough(window, context) {
        return Out::None;
    }
    // A time near the samples keeps the numbers small.
    Out::Float(regression(window, window.times[0]).0)
}

pub(super) fn predict_linear(window: &Window<'_>, context: &mut Context<'_>) -> Out {
    if !enough(window, context) {
        return Out::None;
    }
    let (slope, intercept) = regression(window, window.eval_ms);
    Out::Float(slope * context.params[0] + intercept)
}

pub(super) fn double_exponential_smoothing(
    window: &Window<'_>,
    context: &mut Context<'_>,
) -> Result<Out, QueryError> {
    let [smoothing, trend] = context.params;
    for (name, factor) in [("smoothing", smoothing), ("trend", trend)] {
        if factor <= 0.0 || factor >= 1.0 {
            let short = if name == "smoothing" { "sf" } else { "tf" };
            return Err(QueryError::execution(format!(
                "invalid {name} factor. Expected: 0 < {short} < 1, got: {factor:.6}"
            )));
        }
    }
    if !enough(window, context) {
        return Ok(Out::None);
    }
    let values = window.values;
    let (mut before, mut level) = (0.0, values[0]);
    let mut slope = values[1] - values[0];
    for (i, value) in values.iter().enumerate().skip(1) {
        if i > 1 {
            slope = trend * (level - before) + (1.0 - trend) * slope;
        }
        let next = smoothing * value + (1.0 - smoothing) * (level + slope);
        before = level;
        level = next;
    }
    Ok(Out::Float(level))
}
