//! `sort` and its kin. Only an instant vector has an order.

use super::super::grid::{Cell, cell};
use super::super::quantile::nan_first;
use super::super::{Evaluated, Evaluator, Grid, Steps};
use super::labels::text_arguments;
use crate::promql::{Call, Function};
use std::cmp::Ordering;

impl Evaluator<'_> {
    pub(super) fn sort(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let grid = self.vector(&call.args[0], steps)?;
        let by_value = matches!(call.function, Function::Sort | Function::SortDesc);
        let mut order: Vec<usize> = (0..grid.len()).collect();
        if by_value {
            let is_float = |row: &usize| {
                (0..steps.count).any(|step| matches!(cell(grid.at(*row, step)), Cell::Float(_)))
            };
            order.retain(is_float);
        }
        if steps.count == 1 {
            let names = text_arguments(&call.args[1..]);
            order.sort_by(|a, b| match call.function {
                Function::Sort => by_number(grid.at(*a, 0), grid.at(*b, 0), false),
                Function::SortDesc => by_number(grid.at(*a, 0), grid.at(*b, 0), true),
                Function::SortByLabel => by_labels(&grid, *a, *b, &names),
                _ => by_labels(&grid, *b, *a, &names),
            });
        }
        Ok(in_order(grid, &order, by_value))
    }
}

/// NaN is last in both directions.
fn by_number(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (false, false) if descending => nan_first(&b, &a),
        (false, false) => nan_first(&a, &b),
        (a_nan, b_nan) => a_nan.cmp(&b_nan),
    }
}

fn by_labels(grid: &Grid, a: usize, b: usize, names: &[&str]) -> Ordering {
    let (a, b) = (&grid.rows[a].labels, &grid.rows[b].labels);
    for name in names {
        let (x, y) = (a.get(name).unwrap_or(""), b.get(name).unwrap_or(""));
        if x != y {
            return natural(x, y);
        }
    }
    a.cmp(b)
}

/// Runs of digits compare as numbers, everything else as text.
fn natural(a: &str, b: &str) -> Ordering {
    let (a_parts, b_parts) = (runs(a), runs(b));
    for (x, y) in a_parts.iter().zip(&b_parts) {
        let order = match (x.parse::<i64>(), y.parse::<i64>()) {
            (Ok(m), Ok(n)) => m.cmp(&n),
            _ => x.cmp(y),
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    a_parts.len().cmp(&b_parts.len())
}

fn runs(text: &str) -> Vec<&str> {
    let mut out = Vec::new();
    let mut start = 0;
    let bytes = text.as_bytes();
    for i in 1..bytes.len() {
        if bytes[i].is_ascii_digit() != bytes[i - 1].is_ascii_digit() {
            out.push(&text[start..i]);
            start = i;
        }
    }
    if start < text.len() {
        out.push(&text[start..]);
    }
    out
}

fn in_order(grid: Grid, order: &[usize], floats_only: bool) -> Grid {
    let mut out = Grid::new(grid.steps);
    out.single_name = grid.single_name;
    for row in order {
        let to = out.push_row(grid.rows[*row].labels.clone(), grid.rows[*row].drop_name);
        for step in 0..grid.steps {
            let value = grid.at(*row, step);
            if !floats_only || matches!(cell(value), Cell::Float(_)) {
                out.set(to, step, value);
            }
        }
    }
    out.histograms = grid.histograms;
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_inside_text_count() {
        let check = |a: &str, b: &str| assert_eq!(natural(a, b), Ordering::Less, "{a} before {b}");
        check("host2", "host10");
        check("host2a", "host2b");
        check("a", "b");
        check("1", "1a");
        check("", "a");
    }
}
