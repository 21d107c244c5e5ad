//! `explain`: the tree of an expression with what each node cost.

use crate::promql::{Expr, ExprKind};

/// Asks for an explanation. The clock is the caller's: nanoseconds from any beginning.
#[derive(Clone, Copy)]
pub struct Explain {
    pub nanos: fn() -> u64,
}

impl Explain {
    pub(crate) fn nanos(&self) -> u64 {
        (self.nanos)()
    }
}

impl std::fmt::Debug for Explain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Explain")
    }
}

/// One node. Samples and time include those of the nodes below it.
#[derive(Clone, Debug, Default, PartialEq, serde::Serialize)]
pub struct Explained {
    /// What kind of node: `selector`, `range selector`, `call`, `aggregation`, `operator`, …
    pub kind: &'static str,
    pub expr: String,
    /// How it is worked out: batch by batch, or as a whole.
    pub plan: &'static str,
    /// Series that came out of it; for a selector, series found.
    pub series: u64,
    /// Samples looked at.
    pub samples: u64,
    /// Bytes of the result that it handed on; for a range selector, of the samples that were read of it.
    pub bytes: u64,
    pub time_ms: f64,
    pub children: Vec<Explained>,
}

impl Explained {
    /// `cost` gives series, samples, bytes and nanoseconds of a node.
    pub(crate) fn of(expr: &Expr, cost: &dyn Fn(&Expr) -> (u64, u64, u64, u64)) -> Self {
        if let ExprKind::Paren(inner) = &expr.kind {
            return Explained::of(inner, cost);
        }
        let (series, samples, bytes, nanos) = cost(expr);
        Explained {
            kind: kind(expr),
            expr: expr.to_string(),
            plan: crate::eval::plan(expr),
            series,
            samples,
            bytes,
            time_ms: nanos as f64 / 1e6,
            children: children(expr)
                .into_iter()
                .map(|child| Explained::of(child, cost))
                .collect(),
        }
    }
}

fn kind(expr: &Expr) -> &'static str {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) => "literal",
        ExprKind::Vector(_) => "selector",
        ExprKind::Matrix(_) => "range selector",
        ExprKind::Subquery(_) => "subquery",
        ExprKind::Call(_) => "call",
        ExprKind::Aggregate(_) => "aggregation",
        ExprKind::Binary(_) | ExprKind::Unary(..) => "operator",
        ExprKind::Paren(_) => "parentheses",
    }
}

fn children(expr: &Expr) -> Vec<&Expr> {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) | ExprKind::Vector(_) | ExprKind::Matrix(_) => Vec::new(),
        ExprKind::Subquery(subquery) => vec![&subquery.expr],
        ExprKind::Call(call) => call.args.iter().collect(),
        ExprKind::Aggregate(aggregate) => aggregate.parameter.iter().chain([&aggregate.expr]).collect(),
        ExprKind::Binary(binary) => vec![&binary.left, &binary.right],
        ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => vec![inner],
    }
}
