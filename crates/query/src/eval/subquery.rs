//! A vector expression over its own, finer steps, as a range vector.

use super::grid::{Cell, Grid, cell};
use super::{Evaluated, Evaluator, Steps};
use crate::promql::Subquery;
use lapwing_store::SeriesPoints;
use lapwing_types::{FloatHistogram, ResetHint};
use std::sync::Arc;

impl Evaluator<'_> {
    /// Steps are multiples of the subquery's step since 1970, the first of them after the start of the first range.
    pub(super) fn subquery_steps(&self, subquery: &Subquery, outer: Steps) -> Evaluated<Steps> {
        let range_ms = self.duration_ms(&subquery.range, false)?;
        let step_ms = match &subquery.step {
            Some(step) => self.duration_ms(step, false)?.max(1),
            None => self.options.subquery_step_ms,
        };
        let offset_ms = self.offset_ms(&subquery.offset)?;
        let (first, last, end) = match self.at_ms(subquery.at) {
            Some(at) => (at, at, at),
            None => (outer.start_ms, outer.last_ms(), outer.end_ms),
        };
        let after = first.saturating_sub(offset_ms).saturating_sub(range_ms);
        // Division towards zero, then one step on when that is not yet after the start.
        let mut start = step_ms * (after / step_ms);
        if start <= after {
            start = start.saturating_add(step_ms);
        }
        let steps = Steps {
            end_ms: end.saturating_sub(offset_ms),
            ..Steps::new(start, last.saturating_sub(offset_ms), step_ms)
        };
        self.budget.pass(steps.count as u64, 0)?;
        Ok(steps)
    }
}

/// One row as samples of a series. Counter reset hints speak of neighbours that a subquery may have skipped or repeated,
/// so they are forgotten.
pub(super) fn row_points(grid: &Grid, row: usize, steps: Steps, out: &mut SeriesPoints) {
    out.clear();
    for (value, t_ms) in grid.column(row).iter().zip(steps.times()) {
        match cell(*value) {
            Cell::Absent => {}
            Cell::Float(v) => {
                out.times_ms.push(t_ms);
                out.values.push(v);
            }
            Cell::Histogram(index) => out.histograms.push((t_ms, without_hint(&grid.histograms[index]))),
        }
    }
}

fn without_hint(histogram: &Arc<FloatHistogram>) -> Arc<FloatHistogram> {
    match histogram.reset_hint {
        ResetHint::Unknown | ResetHint::Gauge => histogram.clone(),
        ResetHint::Reset | ResetHint::NotReset => Arc::new(FloatHistogram {
            reset_hint: ResetHint::Unknown,
            ..(**histogram).clone()
        }),
    }
}
