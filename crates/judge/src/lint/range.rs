//! Between which values an expression can lie, where that can be told.

use super::facts::Facts;
use lapwing_query::promql::{AggregateOp, Binary, BinaryOp, Expr, ExprKind, UnaryOp, VectorSelector};

pub(super) type Range = (f64, f64);

const FROM_ZERO: Range = (0.0, f64::INFINITY);

pub(super) fn of(expr: &Expr, facts: &Facts) -> Option<Range> {
    match &expr.kind {
        ExprKind::Number { value, .. } => Some((*value, *value)),
        ExprKind::Paren(inner) | ExprKind::Unary(UnaryOp::Plus, inner) => of(inner, facts),
        ExprKind::Unary(UnaryOp::Minus, inner) => of(inner, facts).map(|(lo, hi)| (-hi, -lo)),
        ExprKind::Vector(selector) => of_selector(selector, facts),
        ExprKind::Matrix(matrix) => of_selector(&matrix.vector, facts),
        ExprKind::Subquery(subquery) => of(&subquery.expr, facts),
        ExprKind::Aggregate(a) => match a.op {
            AggregateOp::Avg
            | AggregateOp::Max
            | AggregateOp::Min
            | AggregateOp::Quantile
            | AggregateOp::Topk
            | AggregateOp::Bottomk => of(&a.expr, facts),
            AggregateOp::Sum => of(&a.expr, facts).filter(|(lo, _)| *lo >= 0.0).map(|_| FROM_ZERO),
            AggregateOp::Count => Some((1.0, f64::INFINITY)),
            AggregateOp::Stddev | AggregateOp::Stdvar => Some(FROM_ZERO),
            _ => None,
        },
        ExprKind::Call(call) => {
            let argument = |i: usize| call.args.get(i).and_then(|a| of(a, facts));
            match call.function.signature().name {
                "avg_over_time" | "max_over_time" | "min_over_time" | "last_over_time" => argument(0),
                "quantile_over_time" => argument(1),
                "rate" | "increase" | "irate" | "count_over_time" | "changes" | "resets" => Some(FROM_ZERO),
                "absent" | "absent_over_time" => Some((1.0, 1.0)),
                _ => None,
            }
        }
        ExprKind::Binary(binary) => of_binary(binary, facts),
        ExprKind::Str(_) => None,
    }
}

fn of_selector(selector: &VectorSelector, facts: &Facts) -> Option<Range> {
    facts.range(selector.name.as_deref()?)
}

fn of_binary(binary: &Binary, facts: &Facts) -> Option<Range> {
    let (left, right) = (of(&binary.left, facts), of(&binary.right, facts));
    match binary.op {
        // The well-known names expand to `name or (expression)`: the expression is the name's by definition.
        BinaryOp::Or => match (left, right) {
            (Some(l), None) if is_well_known(&binary.left) => Some(l),
            (Some(l), Some(_)) if is_well_known(&binary.left) => Some(l),
            (Some(l), Some(r)) => Some((l.0.min(r.0), l.1.max(r.1))),
            _ => None,
        },
        BinaryOp::And | BinaryOp::Unless => left,
        op if op.is_comparison() => {
            if binary.return_bool {
                Some((0.0, 1.0))
            } else {
                left
            }
        }
        BinaryOp::Add => Some((left?.0 + right?.0, left?.1 + right?.1)),
        BinaryOp::Sub => Some((left?.0 - right?.1, left?.1 - right?.0)),
        BinaryOp::Mul | BinaryOp::Div => scaled(binary.op, left?, right?),
        _ => None,
    }
    .filter(|(lo, hi)| !lo.is_nan() && !hi.is_nan())
}

/// Times or divided by one positive number.
fn scaled(op: BinaryOp, left: Range, right: Range) -> Option<Range> {
    let single = |r: Range| (r.0 == r.1 && r.0 > 0.0).then_some(r.0);
    match (op, single(left), single(right)) {
        (BinaryOp::Mul, _, Some(n)) => Some((left.0 * n, left.1 * n)),
        (BinaryOp::Mul, Some(n), _) => Some((right.0 * n, right.1 * n)),
        (BinaryOp::Div, _, Some(n)) => Some((left.0 / n, left.1 / n)),
        _ => None,
    }
}

fn is_well_known(expr: &Expr) -> bool {
    let ExprKind::Vector(selector) = &expr.kind else {
        return false;
    };
    let known = crate::rules::WELL_KNOWN;
    selector
        .name
        .as_deref()
        .is_some_and(|n| known.iter().any(|w| w.name == n))
}
