//! Tree and data to values.
//!
//! 1. [`Evaluator::vector`] gives a [`Grid`]: one column of cells per series, one cell per step.
//! 2. What works series by series (selectors, range functions, element-wise functions and operators with scalars) is
//!    *streamed*: [`stream`] reads a batch of series, computes their columns, and hands the batch on. An aggregation folds
//!    batches into its groups and lets them go, so the whole matrix never exists.
//! 3. What does not depend on the step is evaluated once and repeated.
//!
//! Invariant: nothing here changes the tree, and a selector's time depends only on the steps it is evaluated for.

mod aggregate;
mod binary;
mod budget;
mod call;
mod durations;
mod element;
mod grid;
mod hints;
mod info;
mod invariant;
mod kahan;
mod profile;
mod quantile;
mod selection;
mod source;
mod steps;
mod stream;
mod subquery;
mod trim;
mod window;

pub(crate) use call::civil;
pub(crate) use grid::{Grid, merge_same_labels};
pub(crate) use steps::Steps;

use crate::annotation::Annotations;
use crate::error::QueryError;
use crate::explain::Explained;
use crate::options::QueryOptions;
use crate::promql::{At, Expr, ExprKind, Function, Offset, UnaryOp};
use crate::result::{QueryStats, Series};
use budget::Budget;
use hints::HintMode;
use lapwing_store::SeriesSource;
use profile::Profile;
use selection::SelectionCache;
use std::sync::Mutex;

type Evaluated<T> = Result<T, QueryError>;

/// One query's evaluation.
pub(crate) struct Evaluator<'a> {
    source: &'a dyn SeriesSource,
    options: &'a QueryOptions,
    /// The steps of the whole query, for `start()`, `end()` and `range()`.
    query: Steps,
    /// 0 for an instant query.
    query_step_ms: i64,
    budget: Budget,
    annotations: Mutex<Annotations>,
    selections: SelectionCache,
    hints: HintMode,
    profile: Option<Profile>,
}

impl<'a> Evaluator<'a> {
    pub(crate) fn new(
        source: &'a dyn SeriesSource,
        options: &'a QueryOptions,
        query: Steps,
        query_step_ms: i64,
    ) -> Self {
        Evaluator {
            source,
            options,
            query,
            query_step_ms,
            budget: Budget::new(options.samples_max, options.memory_max_bytes),
            annotations: Mutex::default(),
            selections: SelectionCache::default(),
            hints: HintMode::default(),
            profile: options.explain.map(Profile::new),
        }
    }

    /// What each node of the expression just evaluated cost, where that was asked for.
    pub(crate) fn explained(&self, expr: &Expr) -> Option<Explained> {
        Some(self.profile.as_ref()?.tree(expr))
    }

    pub(crate) fn annotations(&self, query: &str) -> (Vec<String>, Vec<String>) {
        self.lock_annotations().texts(query)
    }

    pub(crate) fn stats(&self) -> QueryStats {
        self.budget.stats()
    }

    fn lock_annotations(&self) -> std::sync::MutexGuard<'_, Annotations> {
        // A poisoned lock only means that another thread of this query panicked; the sentences are whole.
        self.annotations
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn annotate(&self, f: impl FnOnce(&mut Annotations)) {
        f(&mut self.lock_annotations());
    }

    fn check_interrupt(&self) -> Evaluated<()> {
        self.options.interrupt.check()
    }

    /// The value of a scalar expression at each step.
    pub(crate) fn scalar(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<f64>> {
        self.measured(
            expr,
            || self.scalar_of(expr, steps),
            |values| (1, values.len() as u64 * 8),
        )
    }

    fn scalar_of(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<f64>> {
        self.check_interrupt()?;
        match &expr.kind {
            ExprKind::Number { value, .. } => Ok(vec![*value; steps.count]),
            ExprKind::Paren(inner) => self.scalar(inner, steps),
            ExprKind::Unary(op, inner) => {
                let mut values = self.scalar(inner, steps)?;
                if *op == UnaryOp::Minus {
                    values.iter_mut().for_each(|v| *v = -*v);
                }
                Ok(values)
            }
            ExprKind::Binary(binary) => {
                let mut left = self.scalar(&binary.left, steps)?;
                let right = self.scalar(&binary.right, steps)?;
                for (l, r) in left.iter_mut().zip(right) {
                    *l = element::scalar_op(binary.op, *l, r);
                }
                Ok(left)
            }
            ExprKind::Call(call) => self.scalar_call(call, steps),
            _ => Err(QueryError::execution("expression is not a scalar")),
        }
    }

    fn scalar_call(&self, call: &crate::promql::Call, steps: Steps) -> Evaluated<Vec<f64>> {
        let constant = |value: f64| Ok(vec![value; steps.count]);
        let seconds = |ms: i64| ms as f64 / 1000.0;
        match call.function {
            Function::Pi => constant(std::f64::consts::PI),
            Function::Time => Ok(steps.times().map(seconds).collect()),
            Function::Start => constant(seconds(self.query.start_ms)),
            Function::End => constant(seconds(self.query.end_ms)),
            Function::Range => constant(seconds(self.query.end_ms - self.query.start_ms)),
            Function::Step => constant(seconds(self.query_step_ms)),
            Function::MinOf | Function::MaxOf => {
                let first = self.scalar(&call.args[0], steps)?;
                let second = self.scalar(&call.args[1], steps)?;
                let pick = if call.function == Function::MinOf {
                    element::go_min
                } else {
                    element::go_max
                };
                Ok(first.into_iter().zip(second).map(|(a, b)| pick(a, b)).collect())
            }
            Function::Scalar_ => {
                let grid = self.vector(&call.args[0], steps)?;
                Ok((0..steps.count).map(|step| only_float(&grid, step)).collect())
            }
            other => Err(QueryError::execution(format!("{} is not a scalar", other.name()))),
        }
    }

    /// The value of a vector expression over all steps.
    pub(crate) fn vector(&self, expr: &Expr, steps: Steps) -> Evaluated<Grid> {
        self.measured_grid(expr, || self.vector_of(expr, steps))
    }

    fn vector_of(&self, expr: &Expr, steps: Steps) -> Evaluated<Grid> {
        self.check_interrupt()?;
        if steps.count == 0 {
            return Ok(Grid::new(0));
        }
        if steps.count > 1 && invariant::is_invariant(expr) {
            let once = self.vector(expr, Steps::single(steps.start_ms))?;
            return self.repeat(once, steps);
        }
        if stream::is_streamable(expr) {
            let mut out: Option<Grid> = None;
            self.stream(expr, steps, &mut |batch| {
                match &mut out {
                    Some(grid) => grid.append(batch),
                    None => out = Some(batch),
                }
                Ok(())
            })?;
            let mut grid = out.unwrap_or_else(|| Grid::new(steps.count));
            grid.drop_empty_rows();
            self.budget.hold(&grid)?;
            return self.settle(grid, stream::drops_strictly(expr));
        }
        let grid = match &expr.kind {
            ExprKind::Paren(inner) => self.vector(inner, steps)?,
            ExprKind::Aggregate(aggregate) => self.aggregate(aggregate, expr.span, steps)?,
            ExprKind::Binary(binary) => self.binary(binary, expr.span, steps)?,
            ExprKind::Call(call) => self.call(call, steps)?,
            ExprKind::Unary(op, inner) => {
                let mut grid = self.vector(inner, steps)?;
                element::apply_sign(&mut grid, *op);
                self.settle(grid, false)?
            }
            _ => return Err(QueryError::execution("expression is not an instant vector")),
        };
        self.budget.hold(&grid)?;
        Ok(grid)
    }

    /// Names that functions took away go now, unless the mode lets them stay until the end.
    fn settle(&self, grid: Grid, strict: bool) -> Evaluated<Grid> {
        if self.options.delayed_name_removal {
            return Ok(grid);
        }
        grid.settle_names(strict)
    }

    /// One step's values at every step.
    fn repeat(&self, once: Grid, steps: Steps) -> Evaluated<Grid> {
        let mut out = Grid::new(steps.count);
        out.single_name = once.single_name;
        out.cells = once
            .cells
            .iter()
            .flat_map(|v| std::iter::repeat_n(*v, steps.count))
            .collect();
        out.rows = once.rows;
        out.histograms = once.histograms;
        self.budget.hold(&out)?;
        Ok(out)
    }

    /// A range vector as the answer itself.
    pub(crate) fn matrix_value(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Series>> {
        let size = |all: &Vec<Series>| {
            let bytes = all
                .iter()
                .map(|s| (s.floats.len() + s.histograms.len()) as u64 * 16);
            (all.len() as u64, bytes.sum())
        };
        self.measured(expr.unwrap_parens(), || self.matrix_of(expr, steps), size)
    }

    fn matrix_of(&self, expr: &Expr, steps: Steps) -> Evaluated<Vec<Series>> {
        match &expr.unwrap_parens().kind {
            ExprKind::Matrix(matrix) => self.matrix_selector_value(matrix, steps),
            ExprKind::Subquery(subquery) => {
                let inner = self.subquery_steps(subquery, steps)?;
                let mut grid = self.without_hints(|| self.vector(&subquery.expr, inner))?;
                if self.options.delayed_name_removal {
                    grid.drop_names();
                    grid = merge_same_labels(grid)?;
                }
                Ok(grid.into_series(inner))
            }
            _ => Err(QueryError::execution("expression is not a range vector")),
        }
    }

    fn offset_ms(&self, offset: &Offset) -> Evaluated<i64> {
        match offset {
            Offset::None => Ok(0),
            Offset::Ms(ms) => Ok(*ms),
            Offset::Expr(expr) => self.duration_ms(expr, true),
        }
    }

    fn at_ms(&self, at: Option<At>) -> Option<i64> {
        match at? {
            At::Ms(ms) => Some(ms),
            At::Start => Some(self.query.start_ms),
            At::End => Some(self.query.end_ms),
        }
    }
}

/// The value of the only float in a vector, NaN when there are none or several.
fn only_float(grid: &Grid, step: usize) -> f64 {
    let mut found = None;
    for row in 0..grid.len() {
        if let grid::Cell::Float(value) = grid::cell(grid.at(row, step)) {
            if found.is_some() {
                return f64::NAN;
            }
            found = Some(value);
        }
    }
    found.unwrap_or(f64::NAN)
}

/// How an expression is worked out.
pub(crate) fn plan(expr: &Expr) -> &'static str {
    match &expr.kind {
        ExprKind::Number { .. } | ExprKind::Str(_) => "constant",
        _ if invariant::is_invariant(expr) => "once",
        ExprKind::Matrix(_) => "sliding window",
        ExprKind::Aggregate(aggregate) => {
            match stream::is_streamable(aggregate.expr.unwrap_parens()) && !aggregate.op.selects() {
                true => "folds batches",
                false => "whole",
            }
        }
        _ if stream::is_streamable(expr) => "batches",
        _ => "whole",
    }
}
