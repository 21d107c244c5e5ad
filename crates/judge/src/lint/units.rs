//! In what an expression is measured, where its names tell: seconds, bytes, a share.
//!
//! Prometheus writes the unit last (`_seconds`, `_bytes`, `_ratio`; `_total`, `_sum` and `_bucket` behind it). What is
//! multiplied has an unknown unit, so whoever converts by hand is left alone.

use lapwing_query::promql::{AggregateOp, Binary, BinaryOp, Expr, ExprKind};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Bytes,
    /// 0 to 1.
    Ratio,
    /// 0 to 100.
    Percent,
    Celsius,
    Joules,
    Watts,
    /// Seconds since 1970.
    Timestamp,
    /// How many.
    Count,
    BytesPerSecond,
    CountPerSecond,
    /// Seconds of something per second: how many at once.
    AtOnce,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Unit::Seconds => "seconds",
            Unit::Milliseconds => "milliseconds",
            Unit::Microseconds => "microseconds",
            Unit::Bytes => "bytes",
            Unit::Ratio => "a ratio (0 to 1)",
            Unit::Percent => "per cent (0 to 100)",
            Unit::Celsius => "degrees",
            Unit::Joules => "joules",
            Unit::Watts => "watts",
            Unit::Timestamp => "seconds since 1970",
            Unit::Count => "a number of things",
            Unit::BytesPerSecond => "bytes per second",
            Unit::CountPerSecond => "things per second",
            Unit::AtOnce => "seconds per second",
        })
    }
}

/// The last words of a name and what they say. The longer ones stand before those that they end in.
const ENDINGS: &[(&str, Unit)] = &[
    ("_timestamp_seconds", Unit::Timestamp),
    ("_milliseconds", Unit::Milliseconds),
    ("_microseconds", Unit::Microseconds),
    ("_seconds", Unit::Seconds),
    ("_ms", Unit::Milliseconds),
    ("_us", Unit::Microseconds),
    ("_bytes", Unit::Bytes),
    ("_ratio", Unit::Ratio),
    ("_percentage", Unit::Percent),
    ("_percent", Unit::Percent),
    ("_celsius", Unit::Celsius),
    ("_joules", Unit::Joules),
    ("_watts", Unit::Watts),
];

pub(super) fn of_name(name: &str) -> Option<Unit> {
    if name.ends_with("_count") {
        return Some(Unit::Count);
    }
    let base = ["_total", "_bucket", "_sum"]
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix));
    let ending = ENDINGS.iter().find(|(e, _)| base.unwrap_or(name).ends_with(e));
    // A counter without a unit counts things.
    ending
        .map(|(_, unit)| *unit)
        .or_else(|| name.ends_with("_total").then_some(Unit::Count))
}

pub(super) fn of(expr: &Expr) -> Option<Unit> {
    match &expr.kind {
        ExprKind::Paren(inner) | ExprKind::Unary(_, inner) => of(inner),
        ExprKind::Vector(selector) => of_name(selector.name.as_deref()?),
        ExprKind::Matrix(matrix) => of_name(matrix.vector.name.as_deref()?),
        ExprKind::Subquery(subquery) => of(&subquery.expr),
        ExprKind::Aggregate(a) => match a.op {
            AggregateOp::Count | AggregateOp::CountValues | AggregateOp::Group | AggregateOp::Stdvar => None,
            _ => of(&a.expr),
        },
        ExprKind::Call(call) => {
            let argument = |i: usize| call.args.get(i).and_then(of);
            match call.function.signature().name {
                "avg_over_time" | "max_over_time" | "min_over_time" | "last_over_time" | "sum_over_time"
                | "stddev_over_time" | "mad_over_time" | "increase" | "delta" | "idelta" | "abs" | "ceil"
                | "floor" | "round" | "clamp" | "clamp_max" | "clamp_min" | "predict_linear" | "sort"
                | "sort_desc" | "label_replace" | "label_join" => argument(0),
                "quantile_over_time" => argument(1),
                "histogram_quantile" => call.args.get(1).and_then(of_buckets),
                "rate" | "irate" | "deriv" => per_second(argument(0)?),
                "time" => Some(Unit::Timestamp),
                _ => None,
            }
        }
        ExprKind::Binary(binary) => of_binary(binary),
        ExprKind::Number { .. } | ExprKind::Str(_) => None,
    }
}

/// What the buckets hold, however they are counted.
fn of_buckets(expr: &Expr) -> Option<Unit> {
    match &expr.kind {
        ExprKind::Paren(inner) => of_buckets(inner),
        ExprKind::Vector(selector) => of_name(selector.name.as_deref()?),
        ExprKind::Matrix(matrix) => of_name(matrix.vector.name.as_deref()?),
        ExprKind::Aggregate(a) => of_buckets(&a.expr),
        ExprKind::Call(call) => call.args.first().and_then(of_buckets),
        _ => None,
    }
}

fn per_second(unit: Unit) -> Option<Unit> {
    match unit {
        Unit::Seconds => Some(Unit::AtOnce),
        Unit::Bytes => Some(Unit::BytesPerSecond),
        Unit::Count => Some(Unit::CountPerSecond),
        Unit::Joules => Some(Unit::Watts),
        _ => None,
    }
}

fn of_binary(binary: &Binary) -> Option<Unit> {
    let (left, right) = (of(&binary.left), of(&binary.right));
    match binary.op {
        BinaryOp::Sub if left == Some(Unit::Timestamp) && right == left => Some(Unit::Seconds),
        BinaryOp::Add | BinaryOp::Sub if left == right => left,
        BinaryOp::And | BinaryOp::Unless => left,
        BinaryOp::Or if left == right => left,
        BinaryOp::Div => match (left?, right?) {
            // Two rates of a summary: the mean.
            (Unit::AtOnce, Unit::CountPerSecond) | (Unit::Seconds, Unit::Count) => Some(Unit::Seconds),
            (Unit::BytesPerSecond, Unit::CountPerSecond) | (Unit::Bytes, Unit::Count) => Some(Unit::Bytes),
            _ => None,
        },
        op if op.is_comparison() && !binary.return_bool => left,
        _ => None,
    }
}

/// Both are known and cannot be compared or added. A number of things, or of how many at once, may be compared with anything.
pub(super) fn clash(left: Unit, right: Unit) -> bool {
    left != right
        && ![Unit::Count, Unit::AtOnce]
            .iter()
            .any(|u| [left, right].contains(u))
}

/// A share of a whole, written as a division.
pub(super) fn is_share(expr: &Expr) -> bool {
    let ExprKind::Binary(binary) = &expr.kind else {
        return matches!(&expr.kind, ExprKind::Paren(inner) if is_share(inner));
    };
    let whole = name_of(&binary.right).unwrap_or("").to_ascii_lowercase();
    let is_whole = ["total_bytes", "size_bytes", "limit_bytes", "capacity_bytes"]
        .iter()
        .any(|ending| whole.ends_with(ending));
    binary.op == BinaryOp::Div && is_whole && of(&binary.left) == Some(Unit::Bytes)
}

fn name_of(expr: &Expr) -> Option<&str> {
    match &expr.kind {
        ExprKind::Paren(inner) => name_of(inner),
        ExprKind::Vector(selector) => selector.name.as_deref(),
        ExprKind::Aggregate(a) => name_of(&a.expr),
        _ => None,
    }
}

/// What a person waits for. Jobs and backups may take hours, these do not.
const WAITED_FOR: &[(&str, f64)] = &[
    ("time_to_first", 100.0),
    ("ttft", 100.0),
    ("inter_token", 100.0),
    ("per_output_token", 100.0),
    ("latency", 500.0),
    ("response_time", 500.0),
    ("request_duration", 500.0),
    ("queue_time", 1_000.0),
];

/// The least number of seconds that nobody means, for what this expression measures.
pub(super) fn seconds_nobody_means(expr: &Expr) -> Option<f64> {
    let text = expr.to_string();
    let found = WAITED_FOR.iter().find(|(word, _)| text.contains(word));
    found.map(|(_, limit)| *limit)
}
