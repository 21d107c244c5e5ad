//! Trend rules as PromQL: the slope of a window relative to its mean, the time until a limit is reached, the change
//! against the same time yesterday or last week.

use super::condition::{Comparison, Condition};
use super::plain::read;
use super::shapes::{Share, TrendShape};
use lapwing_query::promql::{ExprKind, Offset, parse};
use lapwing_types::{format_duration_ms, parse_duration_ms};

/// A line through fewer points says nothing.
const POINTS_MIN: u32 = 10;
/// A window of a subquery is cut into so many steps.
const STEPS: i64 = 60;
/// No finer than samples usually come.
const STEP_MIN_MS: i64 = 15_000;
/// Means and limits nearer to zero than this are taken for this.
const TINY: &str = "1e-9";

pub(super) fn compile(shape: &TrendShape, matchers: &str) -> Result<Condition, String> {
    let x = expression(&shape.of, matchers)?;
    let share = match (shape.rises, shape.falls, shape.changes, shape.reaches) {
        (Some(s), None, None, None) => Wanted::Rises(s),
        (None, Some(s), None, None) => Wanted::Falls(s),
        (None, None, Some(s), None) => Wanted::Changes(s),
        (None, None, None, Some(limit)) => {
            return until_limit(shape, &x, limit);
        }
        _ => {
            return Err("a trend needs exactly one of 'rises', 'falls', 'changes' and 'reaches'".to_owned());
        }
    };
    if shape.within.is_some() {
        return Err("'within' belongs to 'reaches'".to_owned());
    }
    let change = match &shape.against {
        Some(ago) => against(shape, &x, ago)?,
        None => relative_slope(&x, duration(shape.over.as_deref(), "over", 3_600_000)?),
    };
    let (expr, op, Share(threshold)) = match share {
        Wanted::Rises(s) => (change, Comparison::Greater, s),
        Wanted::Falls(s) => (change, Comparison::Less, Share(-s.0)),
        Wanted::Changes(s) => (format!("abs({change})"), Comparison::Greater, s),
    };
    if threshold == 0.0 || !threshold.is_finite() {
        return Err("a trend of nothing is always there: give a share above 0, such as 10%".to_owned());
    }
    Ok(Condition::Threshold {
        expr,
        op,
        threshold,
        recover: None,
    })
}

enum Wanted {
    Rises(Share),
    Falls(Share),
    Changes(Share),
}

/// The expression that a shape speaks `of`, checked.
pub(super) fn expression(of: &str, matchers: &str) -> Result<String, String> {
    if of.trim().is_empty() {
        return Err("'of' says what to look at: a well-known name or PromQL".to_owned());
    }
    match read(of, matchers) {
        Ok((_, promql)) => Ok(promql),
        Err(problem) => Err(format!("'of:' {}", problem.reason)),
    }
}

pub(super) fn duration(text: Option<&str>, field: &str, default_ms: i64) -> Result<i64, String> {
    match text {
        None => Ok(default_ms),
        Some(text) => match parse_duration_ms(text) {
            Ok(ms) if ms > 0 => Ok(ms),
            Ok(_) => Err(format!("'{field}' must be longer than nothing")),
            Err(e) => Err(format!("'{field}': {e}")),
        },
    }
}

/// `x[1h]` of a plain selector, `(x)[1h:1m]` of anything else.
pub(super) fn window(x: &str, over_ms: i64) -> String {
    let over = format_duration_ms(over_ms);
    let is_plain = parse(x)
        .is_ok_and(|e| matches!(&e.kind, ExprKind::Vector(v) if v.offset == Offset::None && v.at.is_none()));
    if is_plain {
        return format!("{x}[{over}]");
    }
    format!("({x})[{over}:{}]", format_duration_ms(step_ms(over_ms)))
}

fn step_ms(over_ms: i64) -> i64 {
    (over_ms / STEPS / 1000 * 1000).max(STEP_MIN_MS)
}

fn seconds(ms: i64) -> String {
    (ms as f64 / 1000.0).to_string()
}

/// What the fitted line gains over the window, as a share of the window's mean.
fn relative_slope(x: &str, over_ms: i64) -> String {
    let w = window(x, over_ms);
    format!(
        "deriv({w}) * {} / clamp_min(abs(avg_over_time({w})), {TINY}) and count_over_time({w}) >= {POINTS_MIN}",
        seconds(over_ms)
    )
}

fn against(shape: &TrendShape, x: &str, ago: &str) -> Result<String, String> {
    let ago_ms = duration(Some(ago), "against", 0)?;
    let over_ms = duration(shape.over.as_deref(), "over", 900_000)?;
    if over_ms > ago_ms {
        return Err("'over' is longer than 'against': now and then would overlap".to_owned());
    }
    let (w, ago) = (window(x, over_ms), format_duration_ms(ago_ms));
    let (now, then) = (
        format!("avg_over_time({w})"),
        format!("avg_over_time({w} offset {ago})"),
    );
    Ok(format!("({now} - {then}) / clamp_min(abs({then}), {TINY})"))
}

/// Seconds until the fitted line reaches the limit; nothing where it leads away from it.
fn until_limit(shape: &TrendShape, x: &str, Share(limit): Share) -> Result<Condition, String> {
    let Some(within) = &shape.within else {
        return Err("'reaches' needs 'within', such as 'within: 24h'".to_owned());
    };
    if shape.against.is_some() {
        return Err("'against' does not go with 'reaches'".to_owned());
    }
    let within_ms = duration(Some(within), "within", 0)?;
    let w = window(x, duration(shape.over.as_deref(), "over", 3_600_000)?);
    Ok(Condition::Threshold {
        expr: format!("({limit} - ({x})) / deriv({w}) >= 0 and count_over_time({w}) >= {POINTS_MIN}"),
        op: Comparison::Less,
        threshold: within_ms as f64 / 1000.0,
        recover: None,
    })
}
