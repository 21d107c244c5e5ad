//! What can be computed series by series, and so in batches.

use super::grid::Grid;
use super::{Evaluated, Evaluator, Steps, call, element, invariant, window};
use crate::promql::{Binary, Call, Expr, ExprKind, Function, ValueType};

/// Whether [`Evaluator::stream`] computes the expression batch by batch.
pub(super) fn is_streamable(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Vector(_) => true,
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => {
            inner.value_type() == ValueType::Vector && is_streamable(inner)
        }
        ExprKind::Call(call) => streams(call),
        ExprKind::Binary(binary) => vector_side(binary).is_some_and(is_streamable),
        _ => false,
    }
}

fn streams(call: &Call) -> bool {
    if window::is_window_function(call.function) {
        let arg = window::matrix_argument(call);
        return call.function != Function::AbsentOverTime && matches!(arg.kind, ExprKind::Matrix(_));
    }
    is_time_of_samples(call) || (call::is_elementwise(call) && is_streamable(&call.args[0]))
}

/// The vector of an operation between a vector and a scalar.
fn vector_side(binary: &Binary) -> Option<&Expr> {
    match (binary.left.value_type(), binary.right.value_type()) {
        (ValueType::Vector, ValueType::Scalar) => Some(&binary.left),
        (ValueType::Scalar, ValueType::Vector) => Some(&binary.right),
        _ => None,
    }
}

/// Names are dropped by a function over ranges, which refuses equal results even where they do not overlap in time.
pub(super) fn drops_strictly(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => drops_strictly(inner),
        ExprKind::Call(call) if window::is_window_function(call.function) => true,
        ExprKind::Call(call) => call.args.first().is_some_and(drops_strictly),
        ExprKind::Binary(binary) => vector_side(binary).is_some_and(drops_strictly),
        _ => false,
    }
}

/// The selector at the bottom of a streamable expression asks for one metric by name.
pub(super) fn selects_one_name(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Vector(selector) => super::source::has_single_name(selector),
        ExprKind::Matrix(matrix) => super::source::has_single_name(&matrix.vector),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => selects_one_name(inner),
        ExprKind::Call(call) if window::is_window_function(call.function) => {
            selects_one_name(window::matrix_argument(call))
        }
        ExprKind::Call(call) => call.args.first().is_some_and(selects_one_name),
        ExprKind::Binary(binary) => vector_side(binary).is_some_and(selects_one_name),
        _ => false,
    }
}

impl Evaluator<'_> {
    /// Hands the columns of a streamable expression to `sink`, batch by batch. Names that functions drop are marked, not
    /// yet removed.
    pub(super) fn stream(
        &self,
        expr: &Expr,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        self.measured_stream(expr, sink, |sink| self.stream_of(expr, steps, sink))
    }

    fn stream_of(
        &self,
        expr: &Expr,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        if steps.count > 1 && invariant::is_invariant(expr) {
            let mut repeated = |once: Grid| sink(self.repeat(once, steps)?);
            return self.stream(expr, Steps::single(steps.start_ms), &mut repeated);
        }
        match &expr.kind {
            ExprKind::Vector(selector) if selector.smoothed => {
                self.stream_smoothed((selector, expr.span), steps, sink)
            }
            ExprKind::Vector(selector) => self.stream_instant(selector, steps, sink),
            ExprKind::Paren(inner) => self.stream(inner, steps, sink),
            ExprKind::Unary(op, inner) => self.stream(inner, steps, &mut |mut batch| {
                element::apply_sign(&mut batch, *op);
                sink(batch)
            }),
            ExprKind::Binary(binary) => {
                let scalar_is_left = binary.left.value_type() == ValueType::Scalar;
                let (scalar, vector) = match scalar_is_left {
                    true => (&binary.left, &binary.right),
                    false => (&binary.right, &binary.left),
                };
                let scalar = self.scalar(scalar, steps)?;
                let op = element::ScalarOp {
                    op: binary.op,
                    scalar: &scalar,
                    scalar_is_left,
                    return_bool: binary.return_bool,
                    span: expr.span,
                };
                self.stream(vector, steps, &mut |mut batch| {
                    self.annotate(|notes| op.apply(&mut batch, notes));
                    sink(batch)
                })
            }
            ExprKind::Call(call) if window::is_window_function(call.function) => {
                self.stream_window(call, steps, sink)
            }
            ExprKind::Call(call) if is_time_of_samples(call) => self.stream_timestamp(call, steps, sink),
            ExprKind::Call(call) => {
                let map = self.elementwise(call, steps)?;
                let mut mapped = |mut batch: Grid| {
                    map.apply(&mut batch, steps);
                    sink(batch)
                };
                match call::is_histogram_number(call.function) {
                    true => self.with_hints(|| self.stream(&call.args[0], steps, &mut mapped)),
                    false => self.stream(&call.args[0], steps, &mut mapped),
                }
            }
            _ => sink(self.vector(expr, steps)?),
        }
    }
}

/// Asks for times of the very samples that a selector finds.
fn is_time_of_samples(call: &Call) -> bool {
    matches!(call.function, Function::Timestamp | Function::StartTimestamp)
        && matches!(call.args[0].unwrap_parens().kind, ExprKind::Vector(_))
}
