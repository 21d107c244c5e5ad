//! Functions that look at one value at a time.

use super::super::grid::{ABSENT, Cell, Grid, cell};
use super::super::kahan::Sum;
use super::super::{Evaluated, Evaluator, Steps, element};
use super::dates;
use crate::promql::{Call, Function, ValueType};
use lapwing_types::FloatHistogram;

/// A function with the values of its scalar arguments at every step.
pub(in crate::eval) struct ElementMap {
    function: Function,
    params: Vec<Vec<f64>>,
}

pub(in crate::eval) fn is_elementwise(call: &Call) -> bool {
    let first_is_vector = call
        .args
        .first()
        .is_some_and(|arg| arg.value_type() == ValueType::Vector);
    first_is_vector
        && (math(call.function, 0.0).is_some()
            || dates::is_date(call.function)
            || is_histogram_function(call.function)
            || matches!(
                call.function,
                Function::Clamp
                    | Function::ClampMax
                    | Function::ClampMin
                    | Function::Round
                    | Function::Timestamp
            ))
}

/// Only needs a histogram's count and sum.
pub(in crate::eval) fn is_histogram_number(function: Function) -> bool {
    matches!(
        function,
        Function::HistogramAvg | Function::HistogramCount | Function::HistogramSum
    )
}

fn is_histogram_function(function: Function) -> bool {
    matches!(
        function,
        Function::HistogramAvg
            | Function::HistogramCount
            | Function::HistogramSum
            | Function::HistogramStddev
            | Function::HistogramStdvar
    )
}

impl Evaluator<'_> {
    pub(in crate::eval) fn elementwise(&self, call: &Call, steps: Steps) -> Evaluated<ElementMap> {
        let params = call.args[1..]
            .iter()
            .map(|arg| self.scalar(arg, steps))
            .collect::<Evaluated<Vec<_>>>()?;
        Ok(ElementMap {
            function: call.function,
            params,
        })
    }
}

impl ElementMap {
    pub(in crate::eval) fn apply(&self, grid: &mut Grid, steps: Steps) {
        let wants_histograms = is_histogram_function(self.function);
        grid.rows.iter_mut().for_each(|row| row.drop_name = true);
        for row in 0..grid.len() {
            for step in 0..grid.steps {
                let value = match cell(grid.at(row, step)) {
                    Cell::Absent => continue,
                    _ if self.function == Function::Timestamp => steps.at(step) as f64 / 1000.0,
                    Cell::Float(_) if wants_histograms => ABSENT,
                    Cell::Float(value) => self.float(value, step),
                    Cell::Histogram(index) if wants_histograms => {
                        histogram(self.function, &grid.histograms[index])
                    }
                    Cell::Histogram(_) => ABSENT,
                };
                grid.set(row, step, value);
            }
        }
    }

    fn param(&self, index: usize, step: usize, default: f64) -> f64 {
        self.params.get(index).map_or(default, |p| p[step])
    }

    fn float(&self, value: f64, step: usize) -> f64 {
        match self.function {
            Function::Clamp => clamp(value, self.param(0, step, 0.0), self.param(1, step, 0.0)),
            Function::ClampMax => clamp(value, f64::NEG_INFINITY, self.param(0, step, 0.0)),
            Function::ClampMin => clamp(value, self.param(0, step, 0.0), f64::INFINITY),
            Function::Round => {
                // The inverse loses fewer digits than dividing by the step.
                let inverse = 1.0 / self.param(0, step, 1.0);
                (value * inverse + 0.5).floor() / inverse
            }
            function if dates::is_date(function) => dates::value(function, dates::whole_seconds(value)),
            function => math(function, value).unwrap_or(f64::NAN),
        }
    }
}

fn clamp(value: f64, low: f64, high: f64) -> f64 {
    if high < low {
        return ABSENT;
    }
    element::go_max(low, element::go_min(high, value))
}

fn math(function: Function, v: f64) -> Option<f64> {
    Some(match function {
        Function::Abs => v.abs(),
        Function::Acos => v.acos(),
        Function::Acosh => v.acosh(),
        Function::Asin => v.asin(),
        Function::Asinh => v.asinh(),
        Function::Atan => v.atan(),
        Function::Atanh => v.atanh(),
        Function::Ceil => v.ceil(),
        Function::Cos => v.cos(),
        Function::Cosh if v.abs() > 21.0 => v.abs().exp() * 0.5,
        Function::Cosh => v.cosh(),
        Function::Deg => v * 180.0 / std::f64::consts::PI,
        Function::Exp => v.exp(),
        Function::Floor => v.floor(),
        Function::Ln => v.ln(),
        Function::Log10 => v.log10(),
        Function::Log2 => crate::eval::quantile::log2(v),
        Function::Rad => v * std::f64::consts::PI / 180.0,
        Function::Sgn if v < 0.0 => -1.0,
        Function::Sgn if v > 0.0 => 1.0,
        Function::Sgn => v,
        Function::Sin => v.sin(),
        // Overflows where the exponential does, as in Go.
        Function::Sinh if v.abs() > 21.0 => (v.abs().exp() * 0.5).copysign(v),
        Function::Sinh => v.sinh(),
        Function::Sqrt => v.sqrt(),
        Function::Tan => v.tan(),
        Function::Tanh => v.tanh(),
        _ => return None,
    })
}

fn histogram(function: Function, h: &FloatHistogram) -> f64 {
    match function {
        Function::HistogramCount => h.count,
        Function::HistogramSum => h.sum,
        Function::HistogramAvg => h.sum / h.count,
        Function::HistogramStdvar => variance(h),
        _ => variance(h).sqrt(),
    }
}

/// Observations are taken to lie in the middle of their bucket: arithmetic for custom buckets, geometric for exponential
/// ones, zero in the zero bucket.
fn variance(h: &FloatHistogram) -> f64 {
    let mean = h.sum / h.count;
    let mut sum = Sum::default();
    for bucket in h.all_buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        let middle = if h.uses_custom_buckets() {
            (bucket.upper + bucket.lower) / 2.0
        } else if bucket.lower <= 0.0 && bucket.upper >= 0.0 {
            0.0
        } else {
            let middle = (bucket.upper * bucket.lower).sqrt();
            if bucket.upper < 0.0 { -middle } else { middle }
        };
        let delta = middle - mean;
        sum.add(bucket.count * delta * delta);
    }
    (sum.sum + sum.lost) / h.count
}
