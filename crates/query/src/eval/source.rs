//! From samples to columns: instant selectors, and the batches in which series are read on several threads.

use super::grid::{ABSENT, Grid, Row, histogram_cell, is_absent, sanitized};
use super::hints::find_hints;
use super::{Evaluated, Evaluator, Steps};
use crate::annotation::Annotations;
use crate::error::QueryError;
use crate::promql::{MatrixSelector, VectorSelector};
use crate::result::Series;
use lapwing_store::{SelectedSeries, SeriesPoints, UNKNOWN_START};
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME, MatchOp, is_stale};
use std::ops::Range;
use std::sync::Arc;

/// Cells of one batch: 8 MiB, so that a batch stays near the processor and few are alive at once.
const BATCH_CELLS: usize = 1 << 20;
/// Series of one batch at most.
const BATCH_SERIES: usize = 16 * 1024;
/// Fewer series than this per thread are not worth a thread.
const THREAD_SERIES_MIN: usize = 512;

/// What one thread reuses from series to series.
#[derive(Default)]
pub(super) struct Scratch {
    pub(super) points: SeriesPoints,
    pub(super) annotations: Annotations,
    pub(super) floats: Vec<f64>,
    pub(super) rates: super::window::RatePlan,
    pub(super) samples: u64,
}

/// The column being computed.
pub(super) struct Column<'a> {
    pub(super) cells: &'a mut [f64],
    pub(super) histograms: &'a mut Vec<Arc<FloatHistogram>>,
}

impl Column<'_> {
    pub(super) fn set_histogram(&mut self, step: usize, histogram: Arc<FloatHistogram>) {
        self.cells[step] = histogram_cell(self.histograms.len());
        self.histograms.push(histogram);
    }
}

/// The times that an instant selector looks at, for one step.
#[derive(Clone, Copy)]
pub(super) struct InstantTimes {
    pub(super) at_ms: Option<i64>,
    pub(super) offset_ms: i64,
    pub(super) lookback_ms: i64,
}

impl InstantTimes {
    pub(super) fn reference(&self, step_ms: i64) -> i64 {
        self.at_ms.unwrap_or(step_ms).saturating_sub(self.offset_ms)
    }

    /// The samples that matter for all steps, both ends included.
    pub(super) fn needed(&self, steps: Steps) -> (i64, i64) {
        let first = self.reference(steps.start_ms);
        let last = self.reference(steps.last_ms());
        (first.saturating_sub(self.lookback_ms) + 1, last)
    }
}

impl Evaluator<'_> {
    pub(super) fn instant_times(&self, selector: &VectorSelector) -> Evaluated<InstantTimes> {
        Ok(InstantTimes {
            at_ms: self.at_ms(selector.at),
            offset_ms: self.offset_ms(&selector.offset)?,
            lookback_ms: self.options.lookback_ms,
        })
    }

    /// Batches of series, each computed by `column` on as many threads as are worth it, handed to `sink` in order.
    pub(super) fn batches<F>(
        &self,
        count: usize,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
        column: F,
    ) -> Evaluated<()>
    where
        F: Fn(usize, &mut Scratch, &mut Column<'_>) -> Evaluated<Row> + Sync,
    {
        let per_batch = (BATCH_CELLS / steps.count.max(1)).clamp(1, BATCH_SERIES);
        let mut start = 0;
        while start < count {
            self.check_interrupt()?;
            let end = (start + per_batch).min(count);
            self.budget.pass(0, ((end - start) * steps.count * 8) as u64)?;
            for grid in self.batch(start..end, steps, &column)? {
                sink(grid)?;
            }
            start = end;
        }
        Ok(())
    }

    /// A grid per thread, in order.
    fn batch<F>(&self, range: Range<usize>, steps: Steps, column: &F) -> Evaluated<Vec<Grid>>
    where
        F: Fn(usize, &mut Scratch, &mut Column<'_>) -> Evaluated<Row> + Sync,
    {
        let threads = self.options.threads.min(range.len() / THREAD_SERIES_MIN).max(1);
        if threads == 1 {
            return Ok(vec![self.part(range, steps, column)?]);
        }
        let per_thread = range.len().div_ceil(threads);
        let parts: Vec<Range<usize>> = (0..threads)
            .map(|i| {
                let start = range.start + i * per_thread;
                start..(start + per_thread).min(range.end)
            })
            .collect();
        std::thread::scope(|scope| {
            let running: Vec<_> = parts
                .into_iter()
                .map(|part| scope.spawn(|| self.part(part, steps, column)))
                .collect();
            running
                .into_iter()
                .map(|thread| {
                    thread
                        .join()
                        .unwrap_or_else(|_| Err(QueryError::execution("a thread of the query panicked")))
                })
                .collect()
        })
    }

    fn part<F>(&self, range: Range<usize>, steps: Steps, column: &F) -> Evaluated<Grid>
    where
        F: Fn(usize, &mut Scratch, &mut Column<'_>) -> Evaluated<Row>,
    {
        let mut grid = Grid::new(steps.count);
        grid.rows.reserve(range.len());
        grid.cells.reserve(range.len() * steps.count);
        let mut scratch = Scratch::default();
        for index in range {
            let from = grid.cells.len();
            grid.cells.resize(from + steps.count, ABSENT);
            let mut out = Column {
                cells: &mut grid.cells[from..],
                histograms: &mut grid.histograms,
            };
            let row = column(index, &mut scratch, &mut out)?;
            if grid.cells[from..].iter().all(|v| is_absent(*v)) {
                grid.cells.truncate(from);
            } else {
                grid.rows.push(row);
            }
        }
        self.budget.count(scratch.samples);
        if !scratch.annotations.is_empty() {
            self.annotate(|all| all.merge(scratch.annotations));
        }
        Ok(grid)
    }

    pub(super) fn stream_instant(
        &self,
        selector: &VectorSelector,
        steps: Steps,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let times = self.instant_times(selector)?;
        let (from, to) = times.needed(steps);
        let series = self.select(&selector.matchers, (from, to), self.instant_tier())?;
        let single_name = has_single_name(selector);
        let mut sink = |mut grid: Grid| {
            grid.single_name = single_name;
            sink(grid)
        };
        let finds_hints = self.finds_hints();
        self.batches(series.len(), steps, &mut sink, |index, scratch, out| {
            let one = &series[index];
            let (from, to) = times.needed(steps);
            scratch.points.clear();
            if steps.count == 1 && !finds_hints {
                one.reader.read_last(from, to, &mut scratch.points)?;
            } else {
                one.reader.read(from, to, &mut scratch.points)?;
            }
            if finds_hints {
                find_hints(&mut scratch.points.histograms);
            }
            instant_column(times, steps, scratch, out);
            Ok(Row {
                labels: one.labels.clone(),
                drop_name: false,
            })
        })
    }

    /// The samples of a range selector themselves.
    pub(super) fn matrix_selector_value(
        &self,
        matrix: &MatrixSelector,
        steps: Steps,
    ) -> Evaluated<Vec<Series>> {
        let spec = self.window_spec(matrix)?;
        let (from, to) = spec.needed(steps);
        let mut out = Vec::new();
        let tier = self.window_tier(None, spec.range_ms);
        for one in self.select(&matrix.vector.matchers, (from, to), tier)?.iter() {
            self.check_interrupt()?;
            let mut points = SeriesPoints::default();
            read(one, from, to, &mut points)?;
            let points = super::window::extend_points(points, &spec, steps.start_ms)?;
            self.budget.count(points.len() as u64);
            self.budget.pass(points.len() as u64, points.len() as u64 * 16)?;
            if !points.is_empty() {
                out.push(Series {
                    labels: one.labels.clone(),
                    floats: points.times_ms.into_iter().zip(points.values).collect(),
                    histograms: points.histograms,
                });
            }
        }
        Ok(out)
    }
}

/// The selector asks for one metric by name.
pub(super) fn has_single_name(selector: &VectorSelector) -> bool {
    selector
        .matchers
        .iter()
        .any(|m| m.name == METRIC_NAME && m.op == MatchOp::Equal && !m.value.is_empty())
}

/// The samples of a series without staleness markers.
pub(super) fn read(one: &SelectedSeries, from: i64, to: i64, points: &mut SeriesPoints) -> Evaluated<()> {
    points.clear();
    one.reader.read(from, to, points)?;
    drop_stale(points);
    Ok(())
}

fn drop_stale(points: &mut SeriesPoints) {
    let mut starts = points.histogram_starts_ms.iter();
    let mut kept = Vec::new();
    points.histograms.retain(|(_, h)| {
        let start = starts.next();
        let is_kept = !is_stale(h.sum);
        kept.extend(start.filter(|_| is_kept));
        is_kept
    });
    points.histogram_starts_ms = kept;
    let Some(first) = points.values.iter().position(|v| v.is_nan()) else {
        return;
    };
    let mut to = first;
    for i in first..points.values.len() {
        let value = points.values[i];
        if !is_stale(value) {
            points.values[to] = sanitized(value);
            points.times_ms[to] = points.times_ms[i];
            if let Some(start_ms) = points.starts_ms.get(i).copied() {
                points.starts_ms[to] = start_ms;
            }
            to += 1;
        }
    }
    points.values.truncate(to);
    points.times_ms.truncate(to);
    points.starts_ms.truncate(to);
}

fn instant_column(times: InstantTimes, steps: Steps, scratch: &mut Scratch, out: &mut Column<'_>) {
    let points = &scratch.points;
    let (mut float, mut histogram) = (0, 0);
    for step in 0..steps.count {
        let reference = times.reference(steps.at(step));
        while points.times_ms.get(float).is_some_and(|t| *t <= reference) {
            float += 1;
        }
        while points
            .histograms
            .get(histogram)
            .is_some_and(|(t, _)| *t <= reference)
        {
            histogram += 1;
        }
        let oldest = reference.saturating_sub(times.lookback_ms);
        match newest(points, float, histogram, oldest) {
            Some(Newest::Float(value)) if !is_stale(value) => {
                out.cells[step] = sanitized(value);
                scratch.samples += 1;
            }
            Some(Newest::Histogram(h)) if !is_stale(h.sum) => {
                scratch.samples += h.size_samples() as u64;
                out.set_histogram(step, h.clone());
            }
            _ => {}
        }
    }
}

enum Newest<'a> {
    Float(f64),
    Histogram(&'a Arc<FloatHistogram>),
}

/// The newest of the first `float` floats and `histogram` histograms, when it is younger than `oldest`.
fn newest(points: &SeriesPoints, float: usize, histogram: usize, oldest: i64) -> Option<Newest<'_>> {
    let float = float
        .checked_sub(1)
        .map(|i| (points.times_ms[i], points.values[i]));
    let histogram = histogram.checked_sub(1).map(|i| &points.histograms[i]);
    match (float, histogram) {
        (Some((t, _)), Some((ht, h))) if *ht > t => (*ht > oldest).then_some(Newest::Histogram(h)),
        (None, Some((ht, h))) => (*ht > oldest).then_some(Newest::Histogram(h)),
        (Some((t, v)), _) => (t > oldest).then_some(Newest::Float(v)),
        (None, None) => None,
    }
}

/// What is asked about the sample that an instant selector finds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SampleTime {
    Taken,
    /// When what it counts began; zero where that is not known.
    Began,
}

/// A time of the sample that an instant selector finds, in seconds: what `timestamp` and `start_timestamp` show.
pub(super) fn time_column(
    (one, which): (&SelectedSeries, SampleTime),
    times: InstantTimes,
    steps: Steps,
    scratch: &mut Scratch,
    out: &mut Column<'_>,
) -> Evaluated<()> {
    let (from, to) = times.needed(steps);
    scratch.points.clear();
    one.reader.read(from, to, &mut scratch.points)?;
    let points = &scratch.points;
    for step in 0..steps.count {
        let reference = times.reference(steps.at(step));
        let float = points.times_ms.partition_point(|t| *t <= reference);
        let histogram = points.histograms.partition_point(|(t, _)| *t <= reference);
        let oldest = reference.saturating_sub(times.lookback_ms);
        let (is_stale, index, time_ms, starts) = match newest(points, float, histogram, oldest) {
            None => continue,
            Some(Newest::Float(v)) => {
                let index = float - 1;
                (is_stale(v), index, points.times_ms[index], &points.starts_ms)
            }
            Some(Newest::Histogram(h)) => {
                let index = histogram - 1;
                let starts = &points.histogram_starts_ms;
                (is_stale(h.sum), index, points.histograms[index].0, starts)
            }
        };
        if is_stale {
            continue;
        }
        let shown_ms = match which {
            SampleTime::Taken => time_ms,
            SampleTime::Began => starts.get(index).copied().unwrap_or(UNKNOWN_START),
        };
        out.cells[step] = shown_ms as f64 / 1000.0;
        scratch.samples += 1;
    }
    Ok(())
}

/// The labels of a series by its place, for messages.
pub(super) fn metric_name(labels: &Labels) -> &str {
    labels.metric_name().unwrap_or("")
}
