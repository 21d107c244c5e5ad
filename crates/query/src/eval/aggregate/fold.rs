//! One value per group and step, updated series by series.

use super::super::grid::{Cell, Grid, Row, cell};
use super::super::kahan::{Mean, Sum};
use super::super::quantile::quantile_of;
use super::groups::Grouping;
use crate::annotation::{Annotations, HistogramWork};
use crate::promql::{AggregateOp, Expr, Span};
use hashbrown::HashMap;
use lapwing_types::{CompensatedSum, FloatHistogram, ResetHint};
use std::sync::Arc;

/// The floats of one group at one step.
#[derive(Clone, Copy)]
enum Acc {
    Empty,
    Value(f64),
    Sum(Sum),
    Mean(Mean),
    /// Count, mean and sum of squared distances.
    Spread(f64, f64, f64),
}

/// The histograms of one group at one step.
struct HistogramAcc {
    sum: CompensatedSum,
    count: f64,
    is_running_mean: bool,
    saw_reset: bool,
    saw_not_reset: bool,
    incompatible: bool,
}

pub(super) struct Fold {
    op: AggregateOp,
    grouping: Grouping,
    steps: usize,
    span: Span,
    rows: Vec<Row>,
    accs: Vec<Acc>,
    lists: Vec<Vec<f64>>,
    histograms: HashMap<usize, HistogramAcc>,
}

impl Fold {
    pub(super) fn new(op: AggregateOp, grouping: Grouping, steps: usize, span: Span) -> Self {
        Fold {
            op,
            grouping,
            steps,
            span,
            rows: Vec::new(),
            accs: Vec::new(),
            lists: Vec::new(),
            histograms: HashMap::new(),
        }
    }

    pub(super) fn cells(&self) -> usize {
        self.accs.len() + self.lists.iter().map(Vec::len).sum::<usize>()
    }

    pub(super) fn add(&mut self, batch: &Grid, notes: &mut Annotations) {
        for (index, row) in batch.rows.iter().enumerate() {
            let (group, is_new) = self.grouping.group_of(row);
            if is_new {
                self.rows.push(Row {
                    labels: self.grouping.labels_of(row),
                    drop_name: false,
                });
                let cells = self.rows.len() * self.steps;
                self.accs.resize(cells, Acc::Empty);
                if self.op == AggregateOp::Quantile {
                    self.lists.resize_with(cells, Vec::new);
                }
            }
            self.rows[group].drop_name |= row.drop_name;
            let base = group * self.steps;
            for (step, value) in batch.column(index).iter().enumerate() {
                match cell(*value) {
                    Cell::Absent => {}
                    Cell::Float(v) => self.add_float(base + step, v),
                    Cell::Histogram(at) => {
                        let name = row.labels.metric_name().unwrap_or("");
                        self.add_histogram(base + step, &batch.histograms[at], name, notes);
                    }
                }
            }
        }
    }

    #[inline]
    fn add_float(&mut self, at: usize, value: f64) {
        let acc = &mut self.accs[at];
        match (self.op, &mut *acc) {
            (AggregateOp::Sum, Acc::Sum(sum)) => sum.add(value),
            (AggregateOp::Sum, _) => *acc = Acc::Sum(Sum::starting(value)),
            (AggregateOp::Avg, Acc::Mean(mean)) => mean.add(value),
            (AggregateOp::Avg, _) => *acc = Acc::Mean(Mean::starting(value)),
            (AggregateOp::Count, Acc::Value(count)) => *count += 1.0,
            (AggregateOp::Count | AggregateOp::Group, _) => *acc = Acc::Value(1.0),
            (AggregateOp::Min, Acc::Value(best)) => {
                if *best > value || best.is_nan() {
                    *best = value;
                }
            }
            (AggregateOp::Max, Acc::Value(best)) => {
                if *best < value || best.is_nan() {
                    *best = value;
                }
            }
            (AggregateOp::Stddev | AggregateOp::Stdvar, Acc::Spread(count, mean, squares)) => {
                *count += 1.0;
                let delta = value - *mean;
                *mean += delta / *count;
                *squares += delta * (value - *mean);
            }
            (AggregateOp::Stddev | AggregateOp::Stdvar, _) => {
                let squares = if value.is_finite() { 0.0 } else { f64::NAN };
                *acc = Acc::Spread(1.0, value, squares);
            }
            (AggregateOp::Quantile, _) => {
                self.lists[at].push(value);
                *acc = Acc::Value(0.0);
            }
            _ => *acc = Acc::Value(value),
        }
    }

    fn add_histogram(&mut self, at: usize, histogram: &FloatHistogram, name: &str, notes: &mut Annotations) {
        match self.op {
            AggregateOp::Sum | AggregateOp::Avg => {}
            AggregateOp::Count | AggregateOp::Group => return self.add_float(at, 0.0),
            op => return notes.ignored_in_aggregation(op.as_str(), self.span),
        }
        let is_average = self.op == AggregateOp::Avg;
        let span = self.span;
        let acc = match self.histograms.entry(at) {
            hashbrown::hash_map::Entry::Vacant(slot) => {
                slot.insert(HistogramAcc::starting(histogram));
                return;
            }
            hashbrown::hash_map::Entry::Occupied(slot) => slot.into_mut(),
        };
        if acc.incompatible {
            return;
        }
        match acc.add(histogram, is_average) {
            Ok(true) => notes.bounds_reconciled(HistogramWork::Aggregation, span),
            Ok(false) => {}
            Err(_) => {
                acc.incompatible = true;
                notes.mixed_schemas(name, span);
            }
        }
    }

    pub(super) fn finish(
        mut self,
        parameter: &[f64],
        argument: Option<&Expr>,
        notes: &mut Annotations,
    ) -> Grid {
        if self.op == AggregateOp::Quantile {
            note_quantiles(
                parameter,
                argument.map(|a| a.unwrap_parens().span).unwrap_or_default(),
                notes,
            );
        }
        let mut grid = Grid::new(self.steps);
        for (group, meta) in std::mem::take(&mut self.rows).into_iter().enumerate() {
            let row = grid.push_row(meta.labels, meta.drop_name);
            for step in 0..self.steps {
                let at = group * self.steps + step;
                let float = self.float(at, parameter.get(step));
                match (float, self.histograms.remove(&at)) {
                    (None, None) => {}
                    (Some(value), None) => grid.set(row, step, value),
                    (Some(_), Some(_)) => notes.mixed_in_aggregation(self.span),
                    (None, Some(acc)) => {
                        if let Some(histogram) = acc.finish(self.op, self.span, notes) {
                            grid.set_histogram(row, step, Arc::new(histogram));
                        }
                    }
                }
            }
        }
        grid.drop_empty_rows();
        grid
    }

    fn float(&mut self, at: usize, parameter: Option<&f64>) -> Option<f64> {
        Some(match self.accs[at] {
            Acc::Empty => return None,
            Acc::Value(_) if self.op == AggregateOp::Quantile => {
                quantile_of(parameter.copied().unwrap_or(f64::NAN), &mut self.lists[at])
            }
            Acc::Value(value) => value,
            Acc::Sum(sum) => sum.sum + sum.lost,
            Acc::Mean(mean) => mean.value(),
            Acc::Spread(count, _, squares) if self.op == AggregateOp::Stddev => (squares / count).sqrt(),
            Acc::Spread(count, _, squares) => squares / count,
        })
    }
}

fn note_quantiles(parameter: &[f64], span: Span, notes: &mut Annotations) {
    if parameter.iter().any(|q| q.is_nan()) {
        notes.invalid_quantile(f64::NAN, span);
    }
    let largest = parameter.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if largest > 1.0 {
        notes.invalid_quantile(largest, span);
    }
    let smallest = parameter.iter().copied().fold(f64::INFINITY, f64::min);
    if smallest < 0.0 {
        notes.invalid_quantile(smallest, span);
    }
}

impl HistogramAcc {
    fn starting(first: &FloatHistogram) -> Self {
        let mut acc = HistogramAcc {
            sum: CompensatedSum::new(first),
            count: 1.0,
            is_running_mean: false,
            saw_reset: false,
            saw_not_reset: false,
            incompatible: false,
        };
        acc.see(first);
        acc
    }

    fn see(&mut self, histogram: &FloatHistogram) {
        self.saw_reset |= histogram.reset_hint == ResetHint::Reset;
        self.saw_not_reset |= histogram.reset_hint == ResetHint::NotReset;
    }

    /// Whether custom bounds had to be reconciled.
    fn add(
        &mut self,
        histogram: &FloatHistogram,
        is_average: bool,
    ) -> Result<bool, lapwing_types::IncompatibleSchemas> {
        self.see(histogram);
        self.count += 1.0;
        if !is_average {
            return Ok(self.sum.add(histogram)?.custom_bounds);
        }
        if !self.is_running_mean {
            let mut next = self.sum.clone();
            let reconciled = next.add(histogram)?.custom_bounds;
            if !next.overflows() {
                self.sum = next;
                return Ok(reconciled);
            }
            self.is_running_mean = true;
            self.sum.divide(self.count - 1.0);
        }
        self.sum.scale((self.count - 1.0) / self.count);
        let mut part = histogram.clone();
        part.divide(self.count);
        Ok(self.sum.add(&part)?.custom_bounds)
    }

    fn finish(mut self, op: AggregateOp, span: Span, notes: &mut Annotations) -> Option<FloatHistogram> {
        if self.incompatible {
            return None;
        }
        if self.saw_reset && self.saw_not_reset {
            notes.reset_collision(HistogramWork::Aggregation, span);
        }
        if op == AggregateOp::Avg && !self.is_running_mean {
            self.sum.divide(self.count);
        }
        let mut total = self.sum.total();
        total.compact();
        Some(total)
    }
}
