//! The door: text in, answer out.

use crate::error::QueryError;
use crate::eval::{Evaluator, Grid, Steps, merge_same_labels};
use crate::options::QueryOptions;
use crate::promql::{Expr, ExprKind, ValueType, parse_with, shown};
use crate::result::{QueryResult, QueryValue, Sample, Series};
use lapwing_store::SeriesSource;

/// Points that one range query may ask for, as in Prometheus.
const STEPS_MAX: i64 = 10_000_000;

/// Longer expressions may make high trees, which are walked on a stack of their own.
const LONG_EXPRESSION: usize = 400;
const LONG_EXPRESSION_STACK_BYTES: usize = 64 << 20;

/// Evaluates queries. It holds nothing, so one serves any number of threads.
#[derive(Clone, Copy, Debug, Default)]
pub struct QueryEngine;

impl QueryEngine {
    pub fn new() -> Self {
        QueryEngine
    }

    /// Reads a query without answering it, for whoever looks at it before it is answered.
    pub fn parse(&self, text: &str, options: &QueryOptions) -> Result<Query, QueryError> {
        let expr = parse_with(text, &options.parse_options()).map_err(QueryError::Parse)?;
        Ok(Query {
            text: text.to_owned(),
            expr,
        })
    }

    /// Reads a query and answers it, as [`Query::instant`] does.
    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        at_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.parse(text, options)?.instant(source, at_ms, options)
    }

    /// Reads a query and answers it, as [`Query::range`] does.
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        text: &str,
        steps: (i64, i64, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        self.parse(text, options)?.range(source, steps, options)
    }
}

/// A query that was read: its tree, and its text for the positions of warnings.
#[derive(Clone, Debug)]
pub struct Query {
    text: String,
    expr: Expr,
}

impl Query {
    pub fn expr(&self) -> &Expr {
        &self.expr
    }

    pub fn instant(
        &self,
        source: &dyn SeriesSource,
        at_ms: i64,
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        on_fitting_stack(&self.text, || instant(source, self, at_ms, options))
    }

    /// Steps from start to end, both included.
    pub fn range(
        &self,
        source: &dyn SeriesSource,
        steps: (i64, i64, i64),
        options: &QueryOptions,
    ) -> Result<QueryResult, QueryError> {
        on_fitting_stack(&self.text, || range(source, self, steps, options))
    }
}

fn on_fitting_stack<F>(text: &str, query: F) -> Result<QueryResult, QueryError>
where
    F: FnOnce() -> Result<QueryResult, QueryError> + Send,
{
    if text.len() < LONG_EXPRESSION {
        return query();
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .stack_size(LONG_EXPRESSION_STACK_BYTES)
            .spawn_scoped(scope, query)
            .map_err(|e| QueryError::execution(format!("no thread for a long expression: {e}")))?;
        thread
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })
}

fn instant(
    source: &dyn SeriesSource,
    query: &Query,
    at_ms: i64,
    options: &QueryOptions,
) -> Result<QueryResult, QueryError> {
    let expr = &query.expr;
    let steps = Steps::single(at_ms);
    let evaluator = Evaluator::new(source, options, steps, 0);
    let value = match expr.value_type() {
        ValueType::Str => QueryValue::Str {
            t_ms: at_ms,
            value: string_value(expr),
        },
        ValueType::Scalar => QueryValue::Scalar {
            t_ms: at_ms,
            value: evaluator.scalar(expr, steps)?[0],
        },
        ValueType::Matrix => {
            let mut series = evaluator.matrix_value(expr, steps)?;
            series.sort_by(|a, b| a.labels.cmp(&b.labels));
            QueryValue::Matrix(series)
        }
        ValueType::Vector => {
            let grid = finish(evaluator.vector(expr, steps)?, options)?;
            QueryValue::Vector(samples(&grid, at_ms))
        }
    };
    Ok(answer(value, &evaluator, query))
}

fn range(
    source: &dyn SeriesSource,
    query: &Query,
    (start_ms, end_ms, step_ms): (i64, i64, i64),
    options: &QueryOptions,
) -> Result<QueryResult, QueryError> {
    let expr = &query.expr;
    if step_ms <= 0 {
        return Err(QueryError::BadData(
            "zero or negative query resolution step widths are not accepted".to_owned(),
        ));
    }
    if end_ms < start_ms {
        return Err(QueryError::BadData(
            "end timestamp must not be before start time".to_owned(),
        ));
    }
    if end_ms.saturating_sub(start_ms) / step_ms >= STEPS_MAX {
        return Err(QueryError::BadData(format!("more than {STEPS_MAX} steps")));
    }
    let steps = Steps::new(start_ms, end_ms, step_ms);
    let evaluator = Evaluator::new(source, options, steps, step_ms);
    let value = match expr.value_type() {
        ValueType::Scalar => {
            let values = evaluator.scalar(expr, steps)?;
            QueryValue::Matrix(vec![Series {
                labels: lapwing_types::Labels::empty(),
                floats: steps.times().zip(values).collect(),
                histograms: Vec::new(),
            }])
        }
        ValueType::Vector => {
            let grid = finish(evaluator.vector(expr, steps)?, options)?;
            QueryValue::Matrix(grid.into_series(steps))
        }
        other => {
            return Err(QueryError::BadData(format!(
                "invalid expression type {:?} for range query, must be Scalar or instant Vector",
                other.documented()
            )));
        }
    };
    Ok(answer(value, &evaluator, query))
}

fn string_value(expr: &Expr) -> String {
    match &expr.unwrap_parens().kind {
        ExprKind::Str(text) => shown(text),
        _ => String::new(),
    }
}

/// Names that were to be dropped at the end are dropped now.
fn finish(mut grid: Grid, options: &QueryOptions) -> Result<Grid, QueryError> {
    if options.delayed_name_removal {
        grid.drop_names();
        grid = merge_same_labels(grid)?;
    }
    Ok(grid)
}

fn samples(grid: &Grid, t_ms: i64) -> Vec<Sample> {
    grid.rows
        .iter()
        .enumerate()
        .filter_map(|(row, meta)| {
            Some(Sample {
                labels: meta.labels.clone(),
                t_ms,
                value: grid.value(row, 0)?,
            })
        })
        .collect()
}

fn answer(value: QueryValue, evaluator: &Evaluator<'_>, query: &Query) -> QueryResult {
    let (warnings, infos) = evaluator.annotations(&query.text);
    QueryResult {
        value,
        warnings,
        infos,
        stats: evaluator.stats(),
        explained: evaluator.explained(&query.expr),
    }
}
