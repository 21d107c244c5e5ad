//! The queries that took longest of late: one row per expression, the worst of its runs, and how often it was asked.
//!
//! Bounded twice: so many rows, and none older than a day. When it is full, the quickest of the rows makes room.

use std::sync::{Mutex, PoisonError};

const ROWS_MAX: usize = 50;
const KEPT_MS: i64 = 24 * 3_600_000;
/// An expression is shown, not run again: the rest of a longer one is left out.
const EXPR_CHARS_MAX: usize = 4_000;

/// What one expression cost, over all of its runs of the last day.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct SlowQuery {
    pub expr: String,
    pub runs: u64,
    /// With the time that it waited for its turn.
    pub worst_s: f64,
    pub worst_at_ms: i64,
    pub last_s: f64,
    pub last_ms: i64,
    /// Why the last run gave nothing.
    pub failure: Option<String>,
}

#[derive(Debug, Default)]
pub(crate) struct SlowQueries {
    rows: Mutex<Vec<SlowQuery>>,
}

impl SlowQueries {
    pub(crate) fn note(&self, expr: &str, took_s: f64, failure: Option<String>, now_ms: i64) {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner);
        rows.retain(|row| now_ms - row.last_ms < KEPT_MS);
        let cut = expr
            .char_indices()
            .nth(EXPR_CHARS_MAX)
            .map_or(expr.len(), |(at, _)| at);
        let expr = &expr[..cut];
        if let Some(row) = rows.iter_mut().find(|row| row.expr == expr) {
            row.runs += 1;
            if took_s > row.worst_s {
                (row.worst_s, row.worst_at_ms) = (took_s, now_ms);
            }
            (row.last_s, row.last_ms, row.failure) = (took_s, now_ms, failure);
            return;
        }
        if rows.len() >= ROWS_MAX {
            let quickest = (0..rows.len()).min_by(|a, b| rows[*a].worst_s.total_cmp(&rows[*b].worst_s));
            match quickest {
                Some(at) if rows[at].worst_s < took_s => drop(rows.swap_remove(at)),
                _ => return,
            }
        }
        rows.push(SlowQuery {
            expr: expr.to_owned(),
            runs: 1,
            worst_s: took_s,
            worst_at_ms: now_ms,
            last_s: took_s,
            last_ms: now_ms,
            failure,
        });
    }

    /// The slowest first.
    pub(crate) fn list(&self, now_ms: i64) -> Vec<SlowQuery> {
        let mut rows = self.rows.lock().unwrap_or_else(PoisonError::into_inner).clone();
        rows.retain(|row| now_ms - row.last_ms < KEPT_MS);
        rows.sort_by(|a, b| b.worst_s.total_cmp(&a.worst_s));
        rows
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_stay_and_the_oldest_go() {
        let slow = SlowQueries::default();
        for i in 0..200 {
            slow.note(&format!("q{i}"), f64::from(i), None, i64::from(i));
        }
        let rows = slow.list(200);
        assert_eq!(rows.len(), ROWS_MAX);
        assert_eq!((rows[0].expr.as_str(), rows[49].expr.as_str()), ("q199", "q150"));
        slow.note("q199", 1.0, Some("timed out".to_owned()), 300);
        let first = &slow.list(300)[0];
        assert_eq!((first.runs, first.worst_s, first.worst_at_ms), (2, 199.0, 199));
        assert_eq!((first.last_s, first.failure.as_deref()), (1.0, Some("timed out")));
        assert_eq!(
            slow.list(KEPT_MS + 250).len(),
            1,
            "only what was asked within the day"
        );
    }

    #[test]
    fn a_long_expression_is_cut_between_two_characters() {
        let slow = SlowQueries::default();
        slow.note(&"ä".repeat(10_000), 1.0, None, 0);
        assert_eq!(slow.list(0)[0].expr.chars().count(), EXPR_CHARS_MAX);
    }
}
