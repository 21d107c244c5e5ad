//! Functions over ranges: one pass per series, with a window that slides over its samples.
//!
//! A window is open on the left: it holds the samples with `start < t <= end`. `anchored` and `smoothed` selectors also see
//! samples outside of it, up to the lookback away.

mod counter;
mod edges;
mod extended;
mod histogram;
mod order;
mod over_time;
mod plan;
mod rate;
mod smoothed;
mod trend;

pub(super) use extended::extend_points;
pub(super) use plan::RatePlan;

use super::grid::{Cell, Grid, Row, cell};
use super::profile::Seen;
use super::source::{Column, Scratch, metric_name, read};
use super::subquery::row_points;
use super::{Evaluated, Evaluator, Steps};
use crate::annotation::Annotations;
use crate::error::QueryError;
use crate::promql::{Call, Expr, ExprKind, Function, MatrixSelector, Span, ValueType};
use lapwing_store::SeriesPoints;
use lapwing_types::{FloatHistogram, Labels};
use std::sync::Arc;

/// Where a range function looks, for one step.
#[derive(Clone, Copy, Debug)]
pub(super) struct WindowSpec {
    pub(super) range_ms: i64,
    pub(super) offset_ms: i64,
    pub(super) at_ms: Option<i64>,
    pub(super) anchored: bool,
    pub(super) smoothed: bool,
    pub(super) lookback_ms: i64,
}

impl WindowSpec {
    /// Start (exclusive) and end (inclusive).
    pub(super) fn window(&self, step_ms: i64) -> (i64, i64) {
        let end = self.at_ms.unwrap_or(step_ms).saturating_sub(self.offset_ms);
        (end.saturating_sub(self.range_ms), end)
    }

    /// How far samples are seen before the start and after the end.
    fn margins(&self) -> (i64, i64) {
        match (self.anchored, self.smoothed) {
            (true, _) => (self.lookback_ms, 0),
            (_, true) => (self.lookback_ms, self.lookback_ms),
            _ => (0, 0),
        }
    }

    /// The samples that matter for all steps, both ends included.
    pub(super) fn needed(&self, steps: Steps) -> (i64, i64) {
        let (before, after) = self.margins();
        let first = self.window(steps.start_ms).0.saturating_sub(before);
        let last = self.window(steps.last_ms()).1.saturating_add(after);
        (first.saturating_add(1), last)
    }
}

/// The samples of one series in one window.
pub(super) struct Window<'a> {
    pub(super) times: &'a [i64],
    pub(super) values: &'a [f64],
    /// When the counters behind the floats began; shorter than `values` where that is not known.
    pub(super) starts: &'a [i64],
    pub(super) histograms: &'a [(i64, Arc<FloatHistogram>)],
    pub(super) histogram_starts: &'a [i64],
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    /// Nothing at this time or before can be seen; extended selectors look back behind their window.
    pub(super) seen_from_ms: i64,
    pub(super) eval_ms: i64,
    pub(super) range_ms: i64,
    pub(super) anchored: bool,
    pub(super) smoothed: bool,
    /// Positions of resets among the series' floats, when they were looked for, and the position of the first float
    /// of this window.
    resets: Option<&'a [usize]>,
    first: usize,
}

impl<'a> Window<'a> {
    /// All samples of a series that were read for one step, without their starts.
    fn of(spec: &WindowSpec, eval_ms: i64, points: &'a SeriesPoints) -> Self {
        let (start_ms, end_ms) = spec.window(eval_ms);
        Window {
            times: &points.times_ms,
            values: &points.values,
            starts: &[],
            histograms: &points.histograms,
            histogram_starts: &[],
            start_ms,
            end_ms,
            seen_from_ms: start_ms.saturating_sub(spec.margins().0),
            eval_ms,
            range_ms: spec.range_ms,
            anchored: spec.anchored,
            smoothed: spec.smoothed,
            resets: None,
            first: 0,
        }
    }
}

/// What a function gives for a window.
pub(super) enum Out {
    None,
    Float(f64),
    Histogram(FloatHistogram),
}

/// What a function knows besides its window.
pub(super) struct Context<'a> {
    pub(super) function: Function,
    pub(super) span: Span,
    pub(super) labels: &'a Labels,
    pub(super) notes: &'a mut Annotations,
    /// Scalar arguments at this step.
    pub(super) params: [f64; 2],
    pub(super) floats: &'a mut Vec<f64>,
}

impl Context<'_> {
    pub(super) fn note(&mut self, f: impl FnOnce(&mut Annotations, &str, Span)) {
        f(self.notes, metric_name(self.labels), self.span);
    }
}

/// The starts that are known within a span of samples.
fn known(starts: &[i64], (low, high): (usize, usize)) -> &[i64] {
    &starts[low.min(starts.len())..high.min(starts.len())]
}

pub(super) fn is_window_function(function: Function) -> bool {
    function.signature().args.contains(&ValueType::Matrix)
}

/// The argument that is a range vector, without parentheses.
pub(super) fn matrix_argument(call: &Call) -> &Expr {
    let index = match call.function {
        Function::QuantileOverTime => 1,
        _ => 0,
    };
    call.args[index].unwrap_parens()
}

/// A call's function with its scalar arguments at every step.
struct Prepared {
    function: Function,
    span: Span,
    params: Vec<Vec<f64>>,
}

impl Evaluator<'_> {
    pub(super) fn window_spec(&self, matrix: &MatrixSelector) -> Evaluated<WindowSpec> {
        Ok(WindowSpec {
            range_ms: self.duration_ms(&matrix.range, false)?,
            offset_ms: self.offset_ms(&matrix.vector.offset)?,
            at_ms: self.at_ms(matrix.vector.at),
            anchored: matrix.vector.anchored,
            smoothed: matrix.vector.smoothed,
            lookback_ms: self.options.lookback_ms,
        })
    }

    fn prepare(&self, call: &Call, steps: Steps) -> Evaluated<Prepared> {
        let mut params = Vec::new();
        for arg in &call.args {
            if arg.value_type() == ValueType::Scalar {
                params.push(self.scalar(arg, steps)?);
            }
        }
        let prepared = Prepared {
            function: call.function,
            span: call.args[0].unwrap_parens().span,
            params,
        };
        Ok(prepared)
    }

    pub(super) fn stream_window(
        &self,
        call: &Call,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let argument = matrix_argument(call);
        let ExprKind::Matrix(matrix) = &argument.kind else {
            return sink(self.window_over_subquery(call, steps)?);
        };
        extended::check_function(call.function, matrix)?;
        let prepared = self.prepare(call, steps)?;
        let spec = self.window_spec(matrix)?;
        let (from, to) = spec.needed(steps);
        let tier = self.window_tier(Some(call.function), spec.range_ms);
        let series = self.measured_selection(
            argument,
            || self.select(&matrix.vector.matchers, (from, to), tier),
            |series| series.len(),
        )?;
        let single_name = super::source::has_single_name(&matrix.vector);
        let mut sink = |mut grid: Grid| {
            grid.single_name = single_name;
            sink(grid)
        };
        let finds_hints = self.finds_hints();
        let seen = Seen::default();
        self.batches(series.len(), steps, &mut sink, |index, scratch, out| {
            let one = &series[index];
            let samples_before = scratch.samples;
            read(one, from, to, &mut scratch.points)?;
            if finds_hints {
                super::hints::find_hints(&mut scratch.points.histograms);
            }
            let points = std::mem::take(&mut scratch.points);
            let result = self.column(&prepared, (&spec, steps), (&one.labels, &points), (scratch, out));
            seen.add(scratch.samples - samples_before, points.len());
            scratch.points = points;
            result?;
            Ok(Row {
                labels: one.labels.clone(),
                drop_name: drops_name(call.function),
            })
        })?;
        self.measured_reading(argument, &seen);
        Ok(())
    }

    /// A range function over a subquery, or `absent_over_time` over anything.
    pub(super) fn window_over_subquery(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let ExprKind::Subquery(subquery) = &matrix_argument(call).kind else {
            return Err(QueryError::execution("argument is not a range vector"));
        };
        let prepared = self.prepare(call, steps)?;
        let inner_steps = self.subquery_steps(subquery, steps)?;
        let inner = self.without_hints(|| self.vector(&subquery.expr, inner_steps))?;
        let spec = WindowSpec {
            range_ms: self.duration_ms(&subquery.range, false)?,
            offset_ms: self.offset_ms(&subquery.offset)?,
            at_ms: self.at_ms(subquery.at),
            anchored: false,
            smoothed: false,
            lookback_ms: self.options.lookback_ms,
        };
        let mut out: Option<Grid> = None;
        let mut sink = |batch: Grid| {
            match &mut out {
                Some(grid) => grid.append(batch),
                None => out = Some(batch),
            }
            Ok(())
        };
        self.batches(inner.len(), steps, &mut sink, |row, scratch, out| {
            let mut points = std::mem::take(&mut scratch.points);
            row_points(&inner, row, inner_steps, &mut points);
            let labels = &inner.rows[row].labels;
            let result = self.column(&prepared, (&spec, steps), (labels, &points), (scratch, out));
            scratch.points = points;
            result?;
            Ok(Row {
                labels: labels.clone(),
                // As in Prometheus: what was to be dropped inside is forgotten, and `last_over_time` gives the name back.
                drop_name: drops_name(call.function),
            })
        })?;
        let mut grid = out.unwrap_or_else(|| Grid::new(steps.count));
        grid.single_name = inner.single_name;
        if call.function == Function::AbsentOverTime {
            // Only whether there is anything counts, so equal labels do no harm.
            return Ok(grid);
        }
        self.settle(grid, true)
    }

    /// One series' column: the window slides over its samples.
    fn column(
        &self,
        prepared: &Prepared,
        (spec, steps): (&WindowSpec, Steps),
        (labels, points): (&Labels, &SeriesPoints),
        (scratch, out): (&mut Scratch, &mut Column<'_>),
    ) -> Evaluated<()> {
        self.budget.pass(points.len() as u64, points.len() as u64 * 16)?;
        if let Some(kind) = plan::kind_of(prepared.function)
            && self.is_plain(spec, points)
        {
            scratch.samples += scratch.rates.fit(&points.times_ms, (spec, steps), kind);
            let gave_float = scratch.rates.fill(&points.values, spec, kind, out.cells);
            if gave_float && kind.is_counter {
                self.note_possible_gauge(labels, prepared.span, &mut scratch.annotations);
            }
            return Ok(());
        }
        let (starts, histogram_starts): (&[i64], &[i64]) = match self.options.start_timestamps {
            true => (&points.starts_ms, &points.histogram_starts_ms),
            false => (&[], &[]),
        };
        let overlaps = match rate::wants_resets(prepared.function) {
            true => rate::overlaps(points, (starts, histogram_starts)),
            false => Vec::new(),
        };
        let resets = (steps.count > 2 && rate::wants_resets(prepared.function))
            .then(|| rate::resets(&points.times_ms, &points.values, starts));
        let (before, after) = spec.margins();
        let (mut low, mut high) = (0, 0);
        let (mut histogram_low, mut histogram_high) = (0, 0);
        let mut gave_float = false;
        let mut order = order::Order::new(prepared.function, steps.count, &points.values);
        for step in 0..steps.count {
            let eval_ms = steps.at(step);
            let (start_ms, end_ms) = spec.window(eval_ms);
            let (from, to) = (start_ms.saturating_sub(before), end_ms.saturating_add(after));
            advance(&mut low, from, |i| points.times_ms.get(i).copied());
            advance(&mut high, to, |i| points.times_ms.get(i).copied());
            advance(&mut histogram_low, from, |i| {
                points.histograms.get(i).map(|h| h.0)
            });
            advance(&mut histogram_high, to, |i| points.histograms.get(i).map(|h| h.0));
            let window = Window {
                times: &points.times_ms[low..high],
                values: &points.values[low..high],
                starts: known(starts, (low, high)),
                histograms: &points.histograms[histogram_low..histogram_high],
                histogram_starts: known(histogram_starts, (histogram_low, histogram_high)),
                resets: resets.as_deref(),
                first: low,
                ..Window::of(spec, eval_ms, points)
            };
            if window.times.is_empty() && window.histograms.is_empty() {
                continue;
            }
            scratch.samples += window.times.len() as u64;
            scratch.samples += window
                .histograms
                .iter()
                .map(|h| h.1.size_samples() as u64)
                .sum::<u64>();
            if !window.histograms.is_empty() {
                order.disable();
            }
            let mut context = Context {
                function: prepared.function,
                span: prepared.span,
                labels,
                notes: &mut scratch.annotations,
                params: [param(prepared, 0, step), param(prepared, 1, step)],
                floats: &mut scratch.floats,
            };
            let given = match order.value(&points.values, (low, high), &mut context) {
                Some(value) => value,
                None => value(&window, &mut context)?,
            };
            let gives = !matches!(given, Out::None);
            if gives && overlaps.iter().any(|o| o.0 > start_ms && o.1 <= end_ms) {
                context.note(|notes, name, span| notes.starts_overlap(name, span));
            }
            match given {
                Out::None => {}
                Out::Float(value) => {
                    gave_float = true;
                    out.cells[step] = super::grid::sanitized(value);
                }
                Out::Histogram(histogram) => out.set_histogram(step, Arc::new(histogram)),
            }
        }
        if gave_float && matches!(prepared.function, Function::Rate | Function::Increase) {
            self.note_possible_gauge(labels, prepared.span, &mut scratch.annotations);
        }
        Ok(())
    }

    /// Floats alone, of which nobody said when they began to count, and nothing is looked at outside of the windows.
    fn is_plain(&self, spec: &WindowSpec, points: &SeriesPoints) -> bool {
        let no_starts = !self.options.start_timestamps || points.starts_ms.is_empty();
        no_starts && points.histograms.is_empty() && !spec.anchored && !spec.smoothed
    }

    fn note_possible_gauge(&self, labels: &Labels, span: Span, notes: &mut Annotations) {
        let name = metric_name(labels);
        if name.is_empty() {
            return;
        }
        if self.options.type_and_unit_labels {
            let kind = labels.get("__type__").unwrap_or("");
            if kind != "counter" && kind != "histogram" {
                notes.possible_non_counter_type(name, kind, span);
            }
        } else if !["_total", "_sum", "_count", "_bucket"]
            .iter()
            .any(|s| name.ends_with(s))
        {
            notes.possible_non_counter(name, span);
        }
    }

    /// 1 at the steps where no series has a sample in its range.
    pub(super) fn absent_over_time(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let argument = matrix_argument(call);
        let mut seen = vec![false; steps.count];
        let mut mark = |grid: Grid| {
            for row in 0..grid.len() {
                for (value, flag) in grid.column(row).iter().zip(&mut seen) {
                    *flag |= cell(*value) != Cell::Absent;
                }
            }
            Ok(())
        };
        match &argument.kind {
            ExprKind::Matrix(_) => self.stream_window(call, steps, &mut mark)?,
            _ => mark(self.window_over_subquery(call, steps)?)?,
        }
        let mut grid = Grid::new(steps.count);
        if seen.iter().any(|s| !s) {
            let labels = super::call::labels_of_absent(argument);
            let row = grid.push_row(labels, false);
            for (step, seen) in seen.iter().enumerate() {
                if !seen {
                    grid.set(row, step, 1.0);
                }
            }
        }
        Ok(grid)
    }
}

fn param(prepared: &Prepared, index: usize, step: usize) -> f64 {
    prepared.params.get(index).map_or(f64::NAN, |p| p[step])
}

/// Moves an index past the samples at or before a time.
#[inline]
fn advance(index: &mut usize, time: i64, at: impl Fn(usize) -> Option<i64>) {
    while at(*index).is_some_and(|t| t <= time) {
        *index += 1;
    }
}

/// These two show a sample itself, so it keeps its name.
fn drops_name(function: Function) -> bool {
    !matches!(function, Function::LastOverTime | Function::FirstOverTime)
}

fn value(window: &Window<'_>, context: &mut Context<'_>) -> Evaluated<Out> {
    Ok(match context.function {
        Function::Rate => rate::rate(window, context, rate::Kind::RATE),
        Function::Increase => rate::rate(window, context, rate::Kind::INCREASE),
        Function::Delta => rate::rate(window, context, rate::Kind::DELTA),
        Function::Irate => counter::last_two(window, context, true),
        Function::Idelta => counter::last_two(window, context, false),
        Function::Resets => counter::resets(window),
        Function::Changes => counter::changes(window),
        Function::Deriv => trend::deriv(window, context),
        Function::PredictLinear => trend::predict_linear(window, context),
        Function::DoubleExponentialSmoothing => trend::double_exponential_smoothing(window, context)?,
        _ => over_time::value(window, context),
    })
}
