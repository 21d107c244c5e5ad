//! A window of time, from the answers to range queries: conditions that have to hold all the time, and the values of a canary.
//!
//! Answers are lists of series as Prometheus's API has them, `[{"metric": …, "values": [[t, v], …]}]`; whether `t` counts seconds or
//! milliseconds makes no difference, only that equal instants are equal.

use super::compare::Condition;
use serde_json::Value;
use std::collections::BTreeSet;

/// So many instants of a window are asked for, where that leaves a second between them: enough for a noise model, and quick.
const INSTANTS: i64 = 60;
const STEP_MS_MIN: i64 = 1_000;

/// What a range query asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GateWindow {
    pub start_ms: i64,
    pub end_ms: i64,
    pub step_ms: i64,
}

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum WindowError {
    #[error("{name} is {count} series, and a gate compares one: aggregate it, such as avg({expr})")]
    Many {
        name: String,
        expr: String,
        count: usize,
    },
    #[error("{name}: the answer is no list of series")]
    Shape { name: String },
}

impl GateWindow {
    /// The last `length_ms` before `end_ms`.
    pub fn before(end_ms: i64, length_ms: i64) -> Self {
        let step_ms = (length_ms / INSTANTS).max(STEP_MS_MIN);
        GateWindow {
            start_ms: end_ms - length_ms.max(0) / step_ms * step_ms,
            end_ms,
            step_ms,
        }
    }

    /// How many instants that is.
    fn instants(&self) -> usize {
        usize::try_from((self.end_ms - self.start_ms) / self.step_ms.max(1) + 1).unwrap_or(1)
    }
}

/// Whether something fulfilled the condition at every instant. An instant without data is one at which it did not hold.
pub fn held(expr: &str, window: GateWindow, answer: &Value) -> Condition {
    let series = answer.as_array().map_or(&[][..], Vec::as_slice);
    let points = series
        .iter()
        .filter_map(|s| s["values"].as_array())
        .flatten()
        .map(|point| point[0].to_string());
    let (met, asked) = (points.collect::<BTreeSet<_>>().len(), window.instants());
    Condition {
        expr: expr.to_owned(),
        holds: met >= asked,
        detail: match met {
            0 => "no series fulfils it at any time of the window".to_owned(),
            _ if met >= asked => format!("held at all {asked} instants of the window"),
            _ => format!("held at {met} of {asked} instants of the window"),
        },
    }
}

/// The values of one metric over the window; none where there is no series.
pub fn measured(name: &str, expr: &str, answer: &Value) -> Result<Vec<f64>, WindowError> {
    let series = answer.as_array().ok_or_else(|| WindowError::Shape {
        name: name.to_owned(),
    })?;
    if series.len() > 1 {
        return Err(WindowError::Many {
            name: name.to_owned(),
            expr: expr.to_owned(),
            count: series.len(),
        });
    }
    let points = series.iter().filter_map(|s| s["values"].as_array()).flatten();
    let number = |v: &Value| v.as_f64().or_else(|| v.as_str().and_then(|t| t.parse().ok()));
    Ok(points.filter_map(|point| number(&point[1])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_window_has_sixty_steps_or_one_a_second() {
        let hour = GateWindow::before(7_200_000, 3_600_000);
        assert_eq!(
            (hour.start_ms, hour.step_ms, hour.instants()),
            (3_600_000, 60_000, 61)
        );
        let short = GateWindow::before(100_000, 10_500);
        assert_eq!(
            (short.start_ms, short.step_ms, short.instants()),
            (90_000, 1_000, 11)
        );
        assert_eq!(GateWindow::before(5, 0).instants(), 1);
    }

    #[test]
    fn a_condition_holds_all_the_time_or_not_at_all() {
        let window = GateWindow::before(10_000, 2_000);
        let check = |answer: Value, holds: bool, says: &str| {
            let found = held("x < 1", window, &answer);
            assert_eq!(found.holds, holds, "{found:?}");
            assert!(found.detail.contains(says), "{found:?}");
        };
        check(
            json!([{"metric": {}, "values": [[8, "1"], [9, "1"], [10, "1"]]}]),
            true,
            "all 3",
        );
        // One series or the other, but always one.
        check(
            json!([{"metric": {"a": "1"}, "values": [[8, "1"], [9, "1"]]}, {"metric": {"a": "2"}, "values": [[9, "1"], [10, "1"]]}]),
            true,
            "all 3",
        );
        check(
            json!([{"metric": {}, "values": [[8, "1"], [10, "1"]]}]),
            false,
            "2 of 3",
        );
        check(json!([]), false, "no series");
        check(json!("nonsense"), false, "no series");
    }

    #[test]
    fn values_are_those_of_one_series() {
        let one = json!([{"metric": {}, "values": [[8, "1.5"], [9, 2.5], [10, "NaN"]]}]);
        let found = measured("latency", "l", &one).unwrap();
        assert_eq!(found[..2], [1.5, 2.5]);
        assert!(found[2].is_nan());
        assert_eq!(measured("latency", "l", &json!([])), Ok(Vec::new()));
        let two = json!([{"values": []}, {"values": []}]);
        assert!(
            measured("latency", "l", &two)
                .unwrap_err()
                .to_string()
                .contains("avg(l)")
        );
        assert!(measured("latency", "l", &json!(3)).is_err());
    }
}
