//! When an alerting rule counts as true, for which label sets.
//!
//! A Prometheus rule is a [`Condition::Filter`]: what the expression returns is true, what it does not return is not. A
//! condition of ours that compares with a number is a [`Condition::Threshold`]: the left side is evaluated alone, so
//! that "no data" can be told from "not above", and so that `recover` can be another threshold than the first.

use lapwing_query::promql::{self, Expr, ExprKind};
use serde::{Deserialize, Serialize};
use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Comparison {
    #[serde(rename = ">")]
    Greater,
    #[serde(rename = ">=")]
    GreaterEqual,
    #[serde(rename = "<")]
    Less,
    #[serde(rename = "<=")]
    LessEqual,
    #[serde(rename = "==")]
    Equal,
    #[serde(rename = "!=")]
    NotEqual,
}

impl Comparison {
    pub const ALL: [Comparison; 6] = [
        Comparison::GreaterEqual,
        Comparison::LessEqual,
        Comparison::Equal,
        Comparison::NotEqual,
        Comparison::Greater,
        Comparison::Less,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Comparison::Greater => ">",
            Comparison::GreaterEqual => ">=",
            Comparison::Less => "<",
            Comparison::LessEqual => "<=",
            Comparison::Equal => "==",
            Comparison::NotEqual => "!=",
        }
    }

    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Comparison::Greater => value > threshold,
            Comparison::GreaterEqual => value >= threshold,
            Comparison::Less => value < threshold,
            Comparison::LessEqual => value <= threshold,
            Comparison::Equal => value == threshold,
            Comparison::NotEqual => value != threshold,
        }
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    Filter {
        expr: String,
    },
    Threshold {
        /// The left side, in PromQL.
        expr: String,
        op: Comparison,
        threshold: f64,
        /// Once true, it stays true until the value is on the other side of this.
        recover: Option<f64>,
    },
}

/// What the absence of data means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NoData {
    /// Nothing is wrong.
    #[default]
    Ok,
    /// As it was.
    Keep,
    /// That itself is wrong: the alert fires, with its own name and labels.
    Alert,
}

/// What to draw of a condition: a value over time, and the number that it is held against.
#[derive(Clone, Debug, PartialEq)]
pub struct Drawn {
    pub expr: String,
    pub threshold: Option<f64>,
}

impl Drawn {
    /// The left side of a comparison with a number; what only returns something when it is true would be drawn with gaps.
    pub fn of_filter(expr: &str) -> Self {
        let split = || -> Option<Self> {
            let tree = promql::parse(expr).ok()?;
            let ExprKind::Binary(binary) = &unwrapped(&tree).kind else {
                return None;
            };
            let ExprKind::Number { value, .. } = unwrapped(&binary.right).kind else {
                return None;
            };
            let left = &binary.left.span;
            let text = expr.get(left.start..left.end)?;
            binary.op.is_comparison().then(|| Drawn {
                expr: text.to_owned(),
                threshold: Some(value),
            })
        };
        split().unwrap_or_else(|| Drawn {
            expr: expr.to_owned(),
            threshold: None,
        })
    }
}

fn unwrapped(mut expr: &Expr) -> &Expr {
    while let ExprKind::Paren(inner) = &expr.kind {
        expr = inner;
    }
    expr
}

impl Condition {
    pub fn drawn(&self) -> Drawn {
        match self {
            Condition::Filter { expr } => Drawn::of_filter(expr),
            Condition::Threshold { expr, threshold, .. } => Drawn {
                expr: expr.clone(),
                threshold: Some(*threshold),
            },
        }
    }

    pub fn expr(&self) -> &str {
        match self {
            Condition::Filter { expr } | Condition::Threshold { expr, .. } => expr,
        }
    }

    /// Whether a value makes the alert true, given whether it is so already.
    pub(crate) fn holds(&self, value: f64, active: bool) -> bool {
        match self {
            Condition::Filter { .. } => true,
            Condition::Threshold {
                op,
                threshold,
                recover,
                ..
            } => {
                op.holds(value, *threshold)
                    || (active && recover.is_some_and(|recover| op.holds(value, recover)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seed 0 tested `startswith(">")` before `">="`, so that both behaved as strict.
    #[test]
    fn what_is_drawn_is_the_left_side() {
        let check = |expr: &str, left: &str, threshold: Option<f64>| {
            let drawn = Drawn::of_filter(expr);
            assert_eq!(
                (drawn.expr.as_str(), drawn.threshold),
                (left, threshold),
                "{expr}"
            );
        };
        check("up == 0", "up", Some(0.0));
        check("(rate(x[5m]) / 3 >= (1e3))", "rate(x[5m]) / 3", Some(1000.0));
        check("a > b", "a > b", None);
        check("a > 1 and b < 2", "a > 1 and b < 2", None);
        check("not promql ((", "not promql ((", None);
    }

    #[test]
    fn greater_equal_and_less_equal_include_the_threshold() {
        assert!(Comparison::GreaterEqual.holds(80.0, 80.0) && Comparison::LessEqual.holds(80.0, 80.0));
        assert!(!Comparison::Greater.holds(80.0, 80.0) && !Comparison::Less.holds(80.0, 80.0));
        assert!(!Comparison::Greater.holds(f64::NAN, 0.0));
    }

    /// The sample code of seed 1 resolved at the threshold that fired, and flapped.
    #[test]
    fn recover_is_another_threshold() {
        let condition = Condition::Threshold {
            expr: "x".to_owned(),
            op: Comparison::Greater,
            threshold: 80.0,
            recover: Some(70.0),
        };
        assert!(condition.holds(81.0, false) && !condition.holds(75.0, false));
        assert!(condition.holds(75.0, true) && !condition.holds(70.0, true));
    }
}
