//! What has the same value at every step, and so is evaluated once.

use crate::promql::{Expr, ExprKind, Function};

/// Functions whose value depends on the time of evaluation even when their arguments do not.
fn depends_on_time(function: Function) -> bool {
    matches!(
        function,
        Function::DaysInMonth
            | Function::DayOfMonth
            | Function::DayOfWeek
            | Function::DayOfYear
            | Function::Hour
            | Function::Minute
            | Function::Month
            | Function::Year
            | Function::PredictLinear
            | Function::Time
            | Function::Timestamp
    )
}

pub(super) fn is_invariant(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) => true,
        ExprKind::Vector(selector) => selector.at.is_some(),
        ExprKind::Matrix(matrix) => matrix.vector.at.is_some(),
        ExprKind::Subquery(subquery) => subquery.at.is_some(),
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => is_invariant(inner),
        ExprKind::Binary(binary) => is_invariant(&binary.left) && is_invariant(&binary.right),
        // As in Prometheus the parameter is not asked: with a fixed vector, that of the first step holds for all.
        ExprKind::Aggregate(aggregate) => is_invariant(&aggregate.expr),
        ExprKind::Call(call) => !depends_on_time(call.function) && call.args.iter().all(is_invariant),
    }
}
