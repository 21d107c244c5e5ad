//! Operators between two values.

use super::grid::{Cell, Grid, cell, is_absent};
use super::trim::trimmed;
use crate::annotation::{Annotations, HistogramWork};
use crate::promql::{BinaryOp, Span, UnaryOp};
use crate::result::SampleValue;
use lapwing_types::{FloatHistogram, Reconciled, ResetHint};
use std::sync::Arc;

fn truth(holds: bool) -> f64 {
    if holds { 1.0 } else { 0.0 }
}

/// Between two scalars.
pub(super) fn scalar_op(op: BinaryOp, a: f64, b: f64) -> f64 {
    match compare(op, a, b) {
        Some(holds) => truth(holds),
        None => arithmetic(op, a, b).unwrap_or(f64::NAN),
    }
}

fn compare(op: BinaryOp, a: f64, b: f64) -> Option<bool> {
    Some(match op {
        BinaryOp::Equal => a == b,
        BinaryOp::NotEqual => a != b,
        BinaryOp::Greater => a > b,
        BinaryOp::Less => a < b,
        BinaryOp::GreaterEqual => a >= b,
        BinaryOp::LessEqual => a <= b,
        _ => return None,
    })
}

#[inline]
fn arithmetic(op: BinaryOp, a: f64, b: f64) -> Option<f64> {
    Some(match op {
        BinaryOp::Add => a + b,
        BinaryOp::Sub => a - b,
        BinaryOp::Mul => a * b,
        BinaryOp::Div => a / b,
        BinaryOp::Mod => a % b,
        BinaryOp::Pow => a.powf(b),
        BinaryOp::Atan2 => a.atan2(b),
        _ => return None,
    })
}

/// The larger of two, NaN when either is, except beside +Inf.
pub(super) fn go_max(a: f64, b: f64) -> f64 {
    if a == f64::INFINITY || b == f64::INFINITY {
        f64::INFINITY
    } else if a.is_nan() || b.is_nan() {
        f64::NAN
    } else if a == 0.0 && b == 0.0 {
        if a.is_sign_negative() { b } else { a }
    } else if a > b {
        a
    } else {
        b
    }
}

/// The smaller of two, NaN when either is, except beside -Inf.
pub(super) fn go_min(a: f64, b: f64) -> f64 {
    -go_max(-a, -b)
}

pub(super) enum Operand<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

impl Operand<'_> {
    fn kind(&self) -> &'static str {
        match self {
            Operand::Float(_) => "float",
            Operand::Histogram(_) => "histogram",
        }
    }
}

/// The result, and whether a comparison keeps it; nothing where the operator does not fit the values.
pub(super) fn combine(
    op: BinaryOp,
    left: &Operand<'_>,
    right: &Operand<'_>,
    span: Span,
    notes: &mut Annotations,
) -> Option<(SampleValue, bool)> {
    use Operand::{Float, Histogram};
    let kept = |h: FloatHistogram| Some((SampleValue::Histogram(Arc::new(h)), true));
    let changed = |h: &FloatHistogram, f: &dyn Fn(&mut FloatHistogram)| {
        let mut out = h.clone();
        f(&mut out);
        out.compact();
        kept(out)
    };
    match (left, right) {
        (Float(a), Float(b)) => {
            if let Some(value) = arithmetic(op, *a, *b) {
                return Some((SampleValue::Float(value), true));
            }
            if let Some(holds) = compare(op, *a, *b) {
                return Some((SampleValue::Float(*a), holds));
            }
        }
        (Float(factor), Histogram(h)) if op == BinaryOp::Mul => return changed(h, &|h| h.scale(*factor)),
        (Histogram(h), Float(factor)) => match op {
            BinaryOp::Mul => return changed(h, &|h| h.scale(*factor)),
            BinaryOp::Div => return changed(h, &|h| h.divide(*factor)),
            BinaryOp::TrimUpper => return kept(trimmed(h, *factor, true)),
            BinaryOp::TrimLower => return kept(trimmed(h, *factor, false)),
            _ => {}
        },
        (Histogram(a), Histogram(b)) => match op {
            BinaryOp::Add | BinaryOp::Sub => return histogram_sum(op, (a, b), span, notes),
            BinaryOp::Equal => return Some((SampleValue::Histogram((*a).clone()), a.same_as(b))),
            BinaryOp::NotEqual => return Some((SampleValue::Histogram((*a).clone()), !a.same_as(b))),
            _ => {}
        },
        _ => {}
    }
    notes.incompatible_types(left.kind(), op.as_str(), right.kind(), span);
    None
}

fn histogram_sum(
    op: BinaryOp,
    (a, b): (&FloatHistogram, &FloatHistogram),
    span: Span,
    notes: &mut Annotations,
) -> Option<(SampleValue, bool)> {
    let mut out = a.clone();
    let (result, work) = if op == BinaryOp::Add {
        (out.add(b), HistogramWork::Addition)
    } else {
        (out.subtract(b), HistogramWork::Subtraction)
    };
    let Ok(Reconciled {
        reset_collision,
        custom_bounds,
    }) = result
    else {
        notes.incompatible_layout(op.as_str(), span);
        return None;
    };
    if op == BinaryOp::Sub {
        out.reset_hint = ResetHint::Gauge;
    }
    if reset_collision {
        notes.reset_collision(work, span);
    }
    if custom_bounds {
        notes.bounds_reconciled(work, span);
    }
    out.compact();
    Some((SampleValue::Histogram(Arc::new(out)), true))
}

/// An operator between a vector and a scalar, over whole columns.
pub(super) struct ScalarOp<'a> {
    pub(super) op: BinaryOp,
    /// One value per step.
    pub(super) scalar: &'a [f64],
    pub(super) scalar_is_left: bool,
    pub(super) return_bool: bool,
    pub(super) span: Span,
}

impl ScalarOp<'_> {
    pub(super) fn apply(&self, grid: &mut Grid, notes: &mut Annotations) {
        if self.op.changes_meaning() || self.return_bool {
            grid.rows.iter_mut().for_each(|row| row.drop_name = true);
        }
        for row in 0..grid.len() {
            for step in 0..grid.steps {
                let value = grid.at(row, step);
                match cell(value) {
                    Cell::Absent => {}
                    Cell::Float(v) => grid.set(row, step, self.float(v, self.scalar[step], notes)),
                    Cell::Histogram(index) => self.histogram(grid, (row, step), index, notes),
                }
            }
        }
    }

    fn float(&self, vector: f64, scalar: f64, notes: &mut Annotations) -> f64 {
        let (a, b) = if self.scalar_is_left {
            (scalar, vector)
        } else {
            (vector, scalar)
        };
        if let Some(holds) = compare(self.op, a, b) {
            return match (self.return_bool, holds) {
                (true, holds) => truth(holds),
                (false, true) => vector,
                (false, false) => super::grid::ABSENT,
            };
        }
        match arithmetic(self.op, a, b) {
            Some(value) => value,
            None => {
                notes.incompatible_types("float", self.op.as_str(), "float", self.span);
                super::grid::ABSENT
            }
        }
    }

    fn histogram(&self, grid: &mut Grid, (row, step): (usize, usize), index: usize, notes: &mut Annotations) {
        let histogram = grid.histograms[index].clone();
        let (vector, scalar) = (Operand::Histogram(&histogram), Operand::Float(self.scalar[step]));
        let result = if self.scalar_is_left {
            combine(self.op, &scalar, &vector, self.span, notes)
        } else {
            combine(self.op, &vector, &scalar, self.span, notes)
        };
        grid.set(row, step, super::grid::ABSENT);
        if let Some((value, true)) = result {
            grid.set_value(row, step, value);
        }
    }
}

pub(super) fn apply_sign(grid: &mut Grid, op: UnaryOp) {
    if op == UnaryOp::Plus {
        return;
    }
    grid.rows.iter_mut().for_each(|row| row.drop_name = true);
    for value in &mut grid.cells {
        if !is_absent(*value) && matches!(cell(*value), Cell::Float(_)) {
            *value = -*value;
        }
    }
    for histogram in &mut grid.histograms {
        let mut negated = (**histogram).clone();
        negated.scale(-1.0);
        *histogram = Arc::new(negated);
    }
}
