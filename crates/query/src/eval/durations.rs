//! The value of a computed duration.

use super::{Evaluated, Evaluator};
use crate::error::QueryError;
use crate::promql::{BinaryOp, DurationExpr, DurationKind, Span};

impl Evaluator<'_> {
    /// In milliseconds; ranges and steps must be positive.
    pub(super) fn duration_ms(&self, duration: &DurationExpr, may_be_negative: bool) -> Evaluated<i64> {
        let seconds = self.duration_seconds(duration)?;
        let Span { start, end } = duration.span;
        if seconds <= 0.0 && !may_be_negative {
            return Err(QueryError::BadData(format!(
                "{start}:{end}: duration must be greater than 0"
            )));
        }
        if seconds.is_nan() || seconds.abs() >= 9.2e9 {
            return Err(QueryError::BadData(format!(
                "{start}:{end}: duration is out of range"
            )));
        }
        Ok((seconds * 1000.0).round() as i64)
    }

    fn duration_seconds(&self, duration: &DurationExpr) -> Evaluated<f64> {
        Ok(match &duration.kind {
            DurationKind::Literal { seconds, .. } => *seconds,
            DurationKind::Step => self.query_step_ms as f64 / 1000.0,
            DurationKind::Range => (self.query.end_ms - self.query.start_ms) as f64 / 1000.0,
            DurationKind::Negated(inner) => -self.duration_seconds(inner)?,
            DurationKind::Positive(inner) => self.duration_seconds(inner)?,
            DurationKind::MinOf(a, b) => self.duration_seconds(a)?.min(self.duration_seconds(b)?),
            DurationKind::MaxOf(a, b) => self.duration_seconds(a)?.max(self.duration_seconds(b)?),
            DurationKind::Binary(op, a, b) => {
                let (a, b) = (self.duration_seconds(a)?, self.duration_seconds(b)?);
                match op {
                    BinaryOp::Add => a + b,
                    BinaryOp::Sub => a - b,
                    BinaryOp::Mul => a * b,
                    BinaryOp::Div if b == 0.0 => {
                        return Err(QueryError::BadData("division by zero".to_owned()));
                    }
                    BinaryOp::Mod if b == 0.0 => {
                        return Err(QueryError::BadData("modulo by zero".to_owned()));
                    }
                    BinaryOp::Div => a / b,
                    BinaryOp::Mod => a % b,
                    _ => a.powf(b),
                }
            }
        })
    }
}
