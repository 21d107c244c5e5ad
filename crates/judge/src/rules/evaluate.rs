//! The seam to whoever answers PromQL.

use lapwing_types::{FloatHistogram, Labels, SeriesWrite};
use std::sync::Arc;

/// One element of an instant vector; a scalar has no labels.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluated {
    pub labels: Labels,
    pub value: f64,
    pub histogram: Option<Arc<FloatHistogram>>,
}

impl Evaluated {
    pub fn float(labels: Labels, value: f64) -> Self {
        Evaluated {
            labels,
            value,
            histogram: None,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("evaluating {expr:?}: {reason}")]
pub struct EvalError {
    pub expr: String,
    pub reason: String,
}

/// Answers over one snapshot of the store.
pub trait Evaluate {
    fn instant(&self, expr: &str, at_ms: i64) -> Result<Vec<Evaluated>, EvalError>;

    /// What will surely be asked, and does not depend on what this tick records: a chance to work in parallel.
    fn prepare(&mut self, _questions: Vec<(String, i64)>) {}

    /// Seconds since any fixed moment, where somebody lent a clock: how long a rule took is shown, and decides nothing.
    fn stopwatch_s(&self) -> f64 {
        0.0
    }

    /// What answering this took while it was prepared.
    fn prepared_s(&self, _expr: &str, _at_ms: i64) -> f64 {
        0.0
    }

    /// What rules of this tick recorded; later rules and later slots must see it, though the store does not have it
    /// yet.
    fn remember(&mut self, written: &[SeriesWrite]);
}
