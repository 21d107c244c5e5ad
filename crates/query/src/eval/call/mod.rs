//! Functions over instant vectors.

mod dates;
mod elementwise;
mod histograms;
mod labels;
mod sorting;

pub(crate) use dates::civil;
pub(super) use elementwise::{is_elementwise, is_histogram_number};
pub(super) use labels::labels_of_absent;

use super::grid::{Row, is_absent};
use super::source::{SampleTime, time_column};
use super::{Evaluated, Evaluator, Grid, Steps, window};
use crate::error::QueryError;
use crate::promql::{Call, ExprKind, Function};
use lapwing_types::Labels;

impl Evaluator<'_> {
    /// Calls that are not computed series by series.
    pub(super) fn call(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        match call.function {
            Function::AbsentOverTime => self.absent_over_time(call, steps),
            function if window::is_window_function(function) => self.window_over_subquery(call, steps),
            Function::Absent => self.absent(call, steps),
            Function::Vector_ => {
                let values = self.scalar(&call.args[0], steps)?;
                Ok(single_row(values))
            }
            Function::LabelReplace => self.label_replace(call, steps),
            Function::LabelJoin => self.label_join(call, steps),
            Function::Sort | Function::SortDesc | Function::SortByLabel | Function::SortByLabelDesc => {
                self.sort(call, steps)
            }
            Function::HistogramQuantile | Function::HistogramQuantiles | Function::HistogramFraction => {
                self.histogram_function(call, steps)
            }
            Function::Info => self.info(call, steps),
            // Only what a selector finds has a start.
            Function::StartTimestamp => Ok(Grid::new(steps.count)),
            _ if call.args.is_empty() => Ok(single_row(
                steps
                    .times()
                    .map(|t| dates::value(call.function, t.div_euclid(1000)))
                    .collect(),
            )),
            _ if is_elementwise(call) => {
                let map = self.elementwise(call, steps)?;
                let argument = || self.vector(&call.args[0], steps);
                let mut grid = match is_histogram_number(call.function) {
                    true => self.with_hints(argument)?,
                    false => argument()?,
                };
                map.apply(&mut grid, steps);
                grid.drop_empty_rows();
                self.settle(grid, false)
            }
            other => Err(QueryError::execution(format!(
                "{} is not a vector function",
                other.name()
            ))),
        }
    }

    /// 1 at the steps where the vector is empty.
    fn absent(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let grid = self.vector(&call.args[0], steps)?;
        let missing: Vec<bool> = (0..steps.count)
            .map(|step| (0..grid.len()).all(|row| is_absent(grid.at(row, step))))
            .collect();
        let mut out = Grid::new(steps.count);
        if missing.contains(&true) {
            let row = out.push_row(labels_of_absent(call.args[0].unwrap_parens()), false);
            for (step, _) in missing.iter().enumerate().filter(|(_, m)| **m) {
                out.set(row, step, 1.0);
            }
        }
        Ok(out)
    }

    /// `timestamp` of a selector shows the times of the samples themselves; `start_timestamp` when what they count began.
    pub(super) fn stream_timestamp(
        &self,
        call: &Call,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let ExprKind::Vector(selector) = &call.args[0].unwrap_parens().kind else {
            return Err(QueryError::execution(
                "timestamp of something that is no selector",
            ));
        };
        let which = match call.function {
            Function::StartTimestamp if !self.options.start_timestamps => return Ok(()),
            Function::StartTimestamp => SampleTime::Began,
            _ => SampleTime::Taken,
        };
        let times = self.instant_times(selector)?;
        let (from, to) = times.needed(steps);
        let series = self.select(&selector.matchers, (from, to), self.instant_tier())?;
        let single_name = super::source::has_single_name(selector);
        let mut sink = |mut grid: Grid| {
            grid.single_name = single_name;
            sink(grid)
        };
        self.batches(series.len(), steps, &mut sink, |index, scratch, out| {
            let one = &series[index];
            time_column((one, which), times, steps, scratch, out)?;
            Ok(Row {
                labels: one.labels.clone(),
                drop_name: true,
            })
        })
    }
}

fn single_row(values: Vec<f64>) -> Grid {
    let mut grid = Grid::new(values.len());
    grid.push_row(Labels::empty(), false);
    grid.cells = values.into_iter().map(super::grid::sanitized).collect();
    grid
}
