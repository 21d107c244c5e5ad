//! Anomaly rules as recorded series: a baseline, its robust deviation, and the score, which is above 1 where something
//! is anomalous. All three can be drawn, and another rule may read them.
//!
//! score = |x − median| / (1.4826 · MAD + 1 % of |median|) / sensitivity
//!
//! The last term keeps a series that never moves from being anomalous at its first breath: less than `sensitivity` per
//! cent of the median never is.

use super::shapes::{AnomalyMethod, AnomalyShape, Direction};
use super::trend::{duration, expression, window};

/// Series that a compiled rule writes, told apart by this label.
pub(super) const RULE_LABEL: &str = "lapwing_rule";
pub(super) const BASELINE: &str = "lapwing_baseline";
pub(super) const DEVIATION: &str = "lapwing_baseline_deviation";
pub(super) const SCORE: &str = "lapwing_anomaly_score";
/// From the median absolute deviation to the standard deviation of a normal distribution.
const MAD_TO_SIGMA: &str = "1.4826";
const SENSITIVITY: f64 = 3.5;
const POINTS_MIN: u32 = 30;
/// A median of fewer peers is one of them.
const PEERS_MIN: u32 = 3;
const WEEKS: u32 = 4;
const WEEKS_MAX: u32 = 12;
const WEEK_MS: i64 = 7 * 24 * 3_600_000;
const HOUR_MS: i64 = 3_600_000;

/// What is recorded, in order, and the expression that alerts above 1.
pub(super) struct Compiled {
    pub(super) records: Vec<(&'static str, String)>,
    pub(super) score: String,
}

pub(super) fn compile(rule: &str, shape: &AnomalyShape, matchers: &str) -> Result<Compiled, String> {
    let x = expression(&shape.of, matchers)?;
    let sensitivity = shape.sensitivity.unwrap_or(SENSITIVITY);
    if !(sensitivity > 0.0 && sensitivity.is_finite()) {
        return Err("'sensitivity' must be a number above 0; 3.5 is usual".to_owned());
    }
    misplaced(shape)?;
    let own = |name: &str| format!("{name}{{{RULE_LABEL}={rule:?}}}");
    let (median, deviation, matching) = match shape.method {
        AnomalyMethod::RobustZ => robust_z(shape, &x)?,
        AnomalyMethod::Seasonal => seasonal(shape, &x, &own(BASELINE))?,
        AnomalyMethod::Peers => peers(shape, &x, &own(BASELINE)),
    };
    let difference = match shape.direction {
        Direction::Both => format!("abs(({x}) - {matching} {})", own(BASELINE)),
        Direction::Up => format!("(({x}) - {matching} {})", own(BASELINE)),
        Direction::Down => format!("-(({x}) - {matching} {})", own(BASELINE)),
    };
    let scale = format!(
        "clamp_min({MAD_TO_SIGMA} * {} + 0.01 * abs({}), 1e-9)",
        own(DEVIATION),
        own(BASELINE)
    );
    let score = format!("{difference} / {matching} {scale} / {sensitivity}");
    Ok(Compiled {
        records: vec![(BASELINE, median), (DEVIATION, deviation), (SCORE, score)],
        score: format!("max without ({RULE_LABEL}) ({})", own(SCORE)),
    })
}

fn misplaced(shape: &AnomalyShape) -> Result<(), String> {
    let fields = [
        ("over", shape.over.is_some(), AnomalyMethod::RobustZ, "robust_z"),
        (
            "weeks",
            shape.weeks.is_some(),
            AnomalyMethod::Seasonal,
            "seasonal",
        ),
        ("by", !shape.by.is_empty(), AnomalyMethod::Peers, "peers"),
    ];
    for (field, is_set, method, name) in fields {
        if is_set && shape.method != method {
            return Err(format!("'{field}' belongs to 'method: {name}'"));
        }
    }
    Ok(())
}

fn robust_z(shape: &AnomalyShape, x: &str) -> Result<(String, String, String), String> {
    let w = window(x, duration(shape.over.as_deref(), "over", 24 * HOUR_MS)?);
    Ok((
        format!("quantile_over_time(0.5, {w}) and count_over_time({w}) >= {POINTS_MIN}"),
        format!("mad_over_time({w})"),
        format!("ignoring ({RULE_LABEL})"),
    ))
}

/// The hour around this time of the week, in each of the weeks before.
fn seasonal(shape: &AnomalyShape, x: &str, baseline: &str) -> Result<(String, String, String), String> {
    let weeks = shape.weeks.unwrap_or(WEEKS);
    if !(2..=WEEKS_MAX).contains(&weeks) {
        return Err(format!("'weeks' must be from 2 to {WEEKS_MAX}"));
    }
    let w = window(x, HOUR_MS);
    let each_week = |function: &str| {
        let week = |n: u32| {
            let ago_s = (i64::from(n) * WEEK_MS - HOUR_MS / 2) / 1000;
            format!("label_replace({function}{w} offset {ago_s}s), \"lapwing_week\", \"{n}\", \"\", \"\")")
        };
        (1..=weeks).map(week).collect::<Vec<String>>().join(" or ")
    };
    // Medians of the hour, not means: a step at the full hour stays a step.
    let (middles, swings) = (each_week("quantile_over_time(0.5, "), each_week("mad_over_time("));
    let across = |of: &str| format!("quantile without (lapwing_week) (0.5, {of})");
    let apart = format!("abs(({middles}) - ignoring (lapwing_week, {RULE_LABEL}) group_left () {baseline})");
    Ok((
        format!(
            "{} and count without (lapwing_week) ({middles}) >= 2",
            across(&middles)
        ),
        // How far the weeks lie apart, and how far the values within the hour do.
        format!("{} + {}", across(&apart), across(&swings)),
        format!("ignoring ({RULE_LABEL})"),
    ))
}

fn peers(shape: &AnomalyShape, x: &str, baseline: &str) -> (String, String, String) {
    let by = shape.by.join(", ");
    let matching = format!("on ({by}) group_left ()");
    (
        format!("quantile by ({by}) (0.5, {x}) and count by ({by}) ({x}) >= {PEERS_MIN}"),
        format!("quantile by ({by}) (0.5, abs(({x}) - {matching} {baseline}))"),
        matching,
    )
}
