//! `topk`, `bottomk`, `limitk`, `limit_ratio`: some series of each group, as they are.

use super::super::grid::{Cell, cell, is_absent};
use super::super::quantile::nan_first;
use super::super::{Evaluated, Evaluator, Grid, Steps};
use super::groups::Grouping;
use crate::error::QueryError;
use crate::promql::{Aggregate, AggregateOp, Span};
use lapwing_types::Labels;

/// The largest float that a 64-bit integer can hold.
const INTEGER_MAX: f64 = 9_223_372_036_854_774_784.0;

impl Evaluator<'_> {
    pub(super) fn select_series(&self, aggregate: &Aggregate, span: Span, steps: Steps) -> Evaluated<Grid> {
        let parameter = self.parameter(aggregate, steps)?;
        let grid = self.vector(aggregate.expr.unwrap_parens(), steps)?;
        let argument = aggregate
            .parameter
            .as_ref()
            .map_or(span, |p| p.unwrap_parens().span);
        let op = aggregate.op;
        if !self.check_parameter(op, &parameter, argument)? {
            return Ok(Grid::new(steps.count));
        }
        let mut grouping = Grouping::new(aggregate, self.options.delayed_name_removal);
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for (index, row) in grid.rows.iter().enumerate() {
            let (group, is_new) = grouping.group_of(row);
            if is_new {
                groups.push(Vec::new());
            }
            groups[group].push(index);
        }
        let hashes: Vec<f64> = match op {
            AggregateOp::LimitRatio => grid.rows.iter().map(|row| ratio_offset(&row.labels)).collect(),
            _ => Vec::new(),
        };
        let picker = Picker {
            op,
            grid: &grid,
            hashes: &hashes,
        };
        let mut chosen: Vec<Vec<usize>> = vec![Vec::new(); steps.count];
        for (step, chosen) in chosen.iter_mut().enumerate() {
            for members in &groups {
                picker.pick(members, step, parameter[step], chosen);
            }
        }
        if picker.ignores_histograms() {
            self.annotate(|notes| notes.ignored_in_aggregation(op.as_str(), span));
        }
        Ok(only(grid, &chosen))
    }

    /// False when nothing can be chosen.
    fn check_parameter(&self, op: AggregateOp, parameter: &[f64], span: Span) -> Evaluated<bool> {
        let largest = parameter.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        let smallest = parameter.iter().copied().fold(f64::INFINITY, f64::min);
        let has_nan = parameter.iter().any(|p| p.is_nan());
        if op == AggregateOp::LimitRatio {
            if largest == 0.0 && smallest == 0.0 {
                return Ok(false);
            }
            if has_nan {
                return Err(QueryError::execution("Ratio value is NaN"));
            }
            if largest > 1.0 {
                self.annotate(|notes| notes.invalid_ratio(largest, 1.0, span));
            }
            if smallest < -1.0 {
                self.annotate(|notes| notes.invalid_ratio(smallest, -1.0, span));
            }
            return Ok(true);
        }
        if has_nan {
            return Err(QueryError::execution("Parameter value is NaN"));
        }
        if largest < 1.0 {
            return Ok(false);
        }
        let number = lapwing_types::format_number;
        if smallest <= -INTEGER_MAX {
            return Err(QueryError::execution(format!(
                "Scalar value {} underflows int64",
                number(smallest)
            )));
        }
        if largest >= INTEGER_MAX {
            return Err(QueryError::execution(format!(
                "Scalar value {} overflows int64",
                number(largest)
            )));
        }
        Ok(true)
    }
}

struct Picker<'a> {
    op: AggregateOp,
    grid: &'a Grid,
    hashes: &'a [f64],
}

impl Picker<'_> {
    fn ignores_histograms(&self) -> bool {
        matches!(self.op, AggregateOp::Topk | AggregateOp::Bottomk)
            && self
                .grid
                .cells
                .iter()
                .any(|v| matches!(cell(*v), Cell::Histogram(_)))
    }

    /// Appends what one group contributes at a step, in the order of the answer.
    fn pick(&self, members: &[usize], step: usize, parameter: f64, out: &mut Vec<usize>) {
        let present = members
            .iter()
            .copied()
            .filter(|row| !is_absent(self.grid.at(*row, step)));
        match self.op {
            AggregateOp::LimitRatio => {
                let ratio = parameter.clamp(-1.0, 1.0);
                out.extend(present.filter(|row| ratio != 0.0 && in_ratio(ratio, self.hashes[*row])));
            }
            AggregateOp::Limitk => out.extend(present.take(parameter.max(0.0) as usize)),
            _ => self.pick_extremes(present, step, parameter.max(0.0) as usize, out),
        }
    }

    fn pick_extremes(
        &self,
        present: impl Iterator<Item = usize>,
        step: usize,
        k: usize,
        out: &mut Vec<usize>,
    ) {
        if k == 0 {
            return;
        }
        let is_top = self.op == AggregateOp::Topk;
        let mut floats: Vec<(f64, usize)> = present
            .filter_map(|row| match cell(self.grid.at(row, step)) {
                Cell::Float(value) => Some((value, row)),
                _ => None,
            })
            .collect();
        // Best first; NaN is the worst of both; equal values in the order of their series.
        let order = |a: &(f64, usize), b: &(f64, usize)| {
            let by_value = match (a.0.is_nan(), b.0.is_nan()) {
                (false, false) if is_top => nan_first(&b.0, &a.0),
                (false, false) => nan_first(&a.0, &b.0),
                (a_nan, b_nan) => a_nan.cmp(&b_nan),
            };
            by_value.then_with(|| a.1.cmp(&b.1))
        };
        if floats.len() > k {
            floats.select_nth_unstable_by(k - 1, order);
            floats.truncate(k);
        }
        floats.sort_unstable_by(order);
        out.extend(floats.into_iter().map(|(_, row)| row));
    }
}

/// The chosen cells; rows in the order in which they were first chosen.
fn only(grid: Grid, chosen: &[Vec<usize>]) -> Grid {
    let mut out = Grid::new(grid.steps);
    let mut places: Vec<Option<usize>> = vec![None; grid.len()];
    for (step, rows) in chosen.iter().enumerate() {
        for row in rows {
            let meta = &grid.rows[*row];
            let to = *places[*row].get_or_insert_with(|| out.push_row(meta.labels.clone(), meta.drop_name));
            out.set(to, step, grid.at(*row, step));
        }
    }
    out.histograms = grid.histograms;
    out.single_name = grid.single_name;
    out
}

fn in_ratio(ratio: f64, offset: f64) -> bool {
    if ratio >= 0.0 {
        offset < ratio
    } else {
        offset >= 1.0 + ratio
    }
}

/// A number from 0 to 1 that is always the same for the same labels, and the same as in Prometheus: the XXH64 of its
/// packed label set.
fn ratio_offset(labels: &Labels) -> f64 {
    let mut packed = Vec::new();
    let mut push = |text: &str| {
        match u8::try_from(text.len()) {
            Ok(length) if length < 255 => packed.push(length),
            _ => {
                let length = (text.len() as u32).to_le_bytes();
                packed.push(255);
                packed.extend_from_slice(&length[..3]);
            }
        }
        packed.extend_from_slice(text.as_bytes());
    };
    for (name, value) in labels {
        push(name);
        push(value);
    }
    xxhash_rust::xxh64::xxh64(&packed, 0) as f64 / u64::MAX as f64
}
