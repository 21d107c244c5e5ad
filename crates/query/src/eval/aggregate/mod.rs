//! Aggregations: series to groups.
//!
//! Operators that compute one value per group fold batches as they are read; those that pick series (`topk` and the like) and
//! `count_values` need them all.

mod fold;
mod groups;
mod select;
mod values;

use super::{Evaluated, Evaluator, Grid, Steps, stream};
use crate::promql::{Aggregate, AggregateOp, Span};
use fold::Fold;
use groups::Grouping;

impl Evaluator<'_> {
    pub(super) fn aggregate(&self, aggregate: &Aggregate, span: Span, steps: Steps) -> Evaluated<Grid> {
        match aggregate.op {
            AggregateOp::CountValues => self.count_values(aggregate, steps),
            op if op.selects() => self.select_series(aggregate, span, steps),
            _ => self.fold(aggregate, steps),
        }
    }

    fn parameter(&self, aggregate: &Aggregate, steps: Steps) -> Evaluated<Vec<f64>> {
        match &aggregate.parameter {
            Some(parameter) => self.scalar(parameter, steps),
            None => Ok(Vec::new()),
        }
    }

    fn fold(&self, aggregate: &Aggregate, steps: Steps) -> Evaluated<Grid> {
        let parameter = self.parameter(aggregate, steps)?;
        let inner = aggregate.expr.unwrap_parens();
        let grouping = Grouping::new(aggregate, self.options.delayed_name_removal);
        let mut fold = Fold::new(aggregate.op, grouping, steps.count, inner.span);
        // Without one metric name, dropping it may make series equal, which only the whole set can tell.
        let streams = stream::is_streamable(inner)
            && (self.options.delayed_name_removal || stream::selects_one_name(inner));
        if streams {
            self.stream(inner, steps, &mut |batch| {
                self.annotate(|notes| fold.add(&batch, notes));
                self.budget.pass(fold.cells() as u64, fold.cells() as u64 * 40)
            })?;
        } else {
            let grid = self.vector(inner, steps)?;
            self.annotate(|notes| fold.add(&grid, notes));
        }
        let mut out = None;
        self.annotate(|notes| out = Some(fold.finish(&parameter, aggregate.parameter.as_ref(), notes)));
        Ok(out.unwrap_or_else(|| Grid::new(steps.count)))
    }
}
