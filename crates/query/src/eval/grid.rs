//! Values of many series over the steps of an evaluation: one column of cells per series, all in one buffer.
//!
//! A cell is a float, a histogram or nothing. The latter two are NaNs with a payload that no computation produces: nothing
//! is [`ABSENT`], a histogram is its index beside [`HISTOGRAM_TAG`]. Values that come from outside pass through
//! [`sanitized`], so that no sample can be mistaken for either.

use super::steps::Steps;
use crate::error::QueryError;
use crate::result::{SampleValue, Series};
use hashbrown::HashMap;
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME};
use std::sync::Arc;

const ABSENT_BITS: u64 = 0x7ff4_0000_0000_0001;
const HISTOGRAM_TAG: u64 = 0x7ff5;
pub(crate) const ABSENT: f64 = f64::from_bits(ABSENT_BITS);

/// Labels that describe the metric rather than the series; functions drop them together.
pub(super) const METRIC_LABELS: [&str; 3] = [METRIC_NAME, "__type__", "__unit__"];

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Cell {
    Absent,
    Float(f64),
    /// Index into the grid's histograms.
    Histogram(usize),
}

#[inline]
pub(crate) fn cell(value: f64) -> Cell {
    if !value.is_nan() {
        return Cell::Float(value);
    }
    let bits = value.to_bits();
    if bits == ABSENT_BITS {
        Cell::Absent
    } else if bits >> 48 == HISTOGRAM_TAG {
        Cell::Histogram((bits & 0xffff_ffff_ffff) as usize)
    } else {
        Cell::Float(value)
    }
}

#[inline]
pub(crate) fn is_absent(value: f64) -> bool {
    value.to_bits() == ABSENT_BITS
}

pub(super) fn histogram_cell(index: usize) -> f64 {
    f64::from_bits((HISTOGRAM_TAG << 48) | index as u64)
}

/// A NaN from outside that looks like a mark becomes the ordinary NaN.
#[inline]
pub(super) fn sanitized(value: f64) -> f64 {
    match cell(value) {
        Cell::Float(v) => v,
        Cell::Absent | Cell::Histogram(_) => f64::NAN,
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) labels: Labels,
    /// The metric's name no longer fits the value; it goes when the evaluation's mode says so.
    pub(crate) drop_name: bool,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Grid {
    pub(crate) steps: usize,
    pub(crate) rows: Vec<Row>,
    pub(crate) cells: Vec<f64>,
    pub(crate) histograms: Vec<Arc<FloatHistogram>>,
    /// All rows have the same metric name, so dropping it makes no two of them equal.
    pub(crate) single_name: bool,
}

impl Grid {
    pub(crate) fn new(steps: usize) -> Self {
        Grid {
            steps,
            ..Grid::default()
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    #[inline]
    pub(crate) fn column(&self, row: usize) -> &[f64] {
        &self.cells[row * self.steps..(row + 1) * self.steps]
    }

    #[inline]
    pub(crate) fn column_mut(&mut self, row: usize) -> &mut [f64] {
        &mut self.cells[row * self.steps..(row + 1) * self.steps]
    }

    #[inline]
    pub(crate) fn at(&self, row: usize, step: usize) -> f64 {
        self.cells[row * self.steps + step]
    }

    pub(crate) fn value(&self, row: usize, step: usize) -> Option<SampleValue> {
        match cell(self.at(row, step)) {
            Cell::Absent => None,
            Cell::Float(v) => Some(SampleValue::Float(v)),
            Cell::Histogram(index) => Some(SampleValue::Histogram(self.histograms[index].clone())),
        }
    }

    /// An empty row; its index.
    pub(crate) fn push_row(&mut self, labels: Labels, drop_name: bool) -> usize {
        self.rows.push(Row { labels, drop_name });
        self.cells.resize(self.rows.len() * self.steps, ABSENT);
        self.rows.len() - 1
    }

    pub(crate) fn set(&mut self, row: usize, step: usize, value: f64) {
        self.cells[row * self.steps + step] = value;
    }

    pub(crate) fn set_histogram(&mut self, row: usize, step: usize, histogram: Arc<FloatHistogram>) {
        self.histograms.push(histogram);
        self.set(row, step, histogram_cell(self.histograms.len() - 1));
    }

    pub(crate) fn set_value(&mut self, row: usize, step: usize, value: SampleValue) {
        match value {
            SampleValue::Float(v) => self.set(row, step, v),
            SampleValue::Histogram(h) => self.set_histogram(row, step, h),
        }
    }

    /// Moves all rows of another grid behind the own ones.
    pub(crate) fn append(&mut self, mut other: Grid) {
        if self.rows.is_empty() {
            let steps = self.steps;
            *self = other;
            self.steps = steps;
            return;
        }
        if !other.histograms.is_empty() {
            let base = self.histograms.len();
            for value in &mut other.cells {
                if let Cell::Histogram(index) = cell(*value) {
                    *value = histogram_cell(base + index);
                }
            }
            self.histograms.append(&mut other.histograms);
        }
        self.rows.append(&mut other.rows);
        self.cells.append(&mut other.cells);
        self.single_name &= other.single_name;
    }

    /// Removes rows without any value.
    pub(crate) fn drop_empty_rows(&mut self) {
        let steps = self.steps;
        let keep: Vec<bool> = (0..self.len())
            .map(|row| self.column(row).iter().any(|v| !is_absent(*v)))
            .collect();
        if keep.iter().all(|k| *k) {
            return;
        }
        let mut to = 0;
        for (row, kept) in keep.iter().enumerate() {
            if *kept {
                if to != row {
                    self.cells.copy_within(row * steps..(row + 1) * steps, to * steps);
                }
                to += 1;
            }
        }
        self.cells.truncate(to * steps);
        let mut flags = keep.iter();
        self.rows.retain(|_| *flags.next().unwrap_or(&true));
    }

    /// Takes the metric's labels off the rows that are marked for it.
    pub(crate) fn drop_names(&mut self) {
        for row in &mut self.rows {
            if row.drop_name {
                row.labels = row.labels.drop(&METRIC_LABELS);
                row.drop_name = false;
            }
        }
    }

    /// Whether two rows could have become equal by losing their names.
    fn may_collide(&self) -> bool {
        if self.rows.len() < 2 {
            return false;
        }
        !self.single_name
            || self
                .rows
                .iter()
                .any(|row| row.labels.get("__type__").is_some() || row.labels.get("__unit__").is_some())
    }

    /// Drops marked names at once, and refuses or joins rows that are then equal.
    pub(crate) fn settle_names(mut self, strict: bool) -> Result<Grid, QueryError> {
        if !self.rows.iter().any(|row| row.drop_name) {
            return Ok(self);
        }
        let may_collide = self.may_collide();
        self.drop_names();
        if !may_collide {
            return Ok(self);
        }
        if strict && has_same_labels(&self) {
            return Err(QueryError::same_labels());
        }
        merge_same_labels(self)
    }

    /// Samples in the cells; a histogram counts by its size.
    pub(crate) fn samples(&self) -> u64 {
        let histograms: usize = self.histograms.iter().map(|h| h.size_samples()).sum();
        self.cells.len() as u64 + histograms as u64
    }

    pub(crate) fn into_series(self, steps: Steps) -> Vec<Series> {
        let mut out = Vec::with_capacity(self.len());
        for (row, meta) in self.rows.iter().enumerate() {
            let mut series = Series {
                labels: meta.labels.clone(),
                floats: Vec::new(),
                histograms: Vec::new(),
            };
            for (value, t_ms) in self.column(row).iter().zip(steps.times()) {
                match cell(*value) {
                    Cell::Absent => {}
                    Cell::Float(v) => series.floats.push((t_ms, v)),
                    Cell::Histogram(index) => series.histograms.push((t_ms, self.histograms[index].clone())),
                }
            }
            if !series.floats.is_empty() || !series.histograms.is_empty() {
                out.push(series);
            }
        }
        out.sort_by(|a, b| a.labels.cmp(&b.labels));
        out
    }
}

fn has_same_labels(grid: &Grid) -> bool {
    let mut seen = hashbrown::HashSet::with_capacity(grid.len());
    !grid.rows.iter().all(|row| seen.insert(&row.labels))
}

/// Joins rows with equal labels; two values at one step are an error.
pub(crate) fn merge_same_labels(grid: Grid) -> Result<Grid, QueryError> {
    if grid.len() < 2 || !has_same_labels(&grid) {
        return Ok(grid);
    }
    let mut out = Grid::new(grid.steps);
    let mut by_labels: HashMap<Labels, usize> = HashMap::with_capacity(grid.len());
    for (row, meta) in grid.rows.iter().enumerate() {
        let to = *by_labels
            .entry(meta.labels.clone())
            .or_insert_with(|| out.push_row(meta.labels.clone(), meta.drop_name));
        for step in 0..grid.steps {
            if is_absent(grid.at(row, step)) {
                continue;
            }
            if !is_absent(out.at(to, step)) {
                return Err(QueryError::same_labels());
            }
            // Histograms keep their index: the list is taken over as it is.
            out.set(to, step, grid.at(row, step));
        }
    }
    out.histograms = grid.histograms;
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_told_from_numbers() {
        assert_eq!(cell(1.5), Cell::Float(1.5));
        assert_eq!(cell(ABSENT), Cell::Absent);
        assert_eq!(cell(histogram_cell(7)), Cell::Histogram(7));
        assert!(matches!(cell(f64::NAN), Cell::Float(v) if v.is_nan()));
        assert!(matches!(cell(sanitized(histogram_cell(3))), Cell::Float(_)));
    }

    #[test]
    fn equal_rows_join_unless_they_overlap() {
        let labels = Labels::from_pairs([("a", "b")]).unwrap();
        let mut grid = Grid::new(2);
        let first = grid.push_row(labels.clone(), false);
        grid.set(first, 0, 1.0);
        let second = grid.push_row(labels, false);
        grid.set(second, 1, 2.0);
        let merged = merge_same_labels(grid.clone()).unwrap();
        assert_eq!(merged.column(0), [1.0, 2.0]);
        grid.set(second, 0, 3.0);
        assert!(merge_same_labels(grid).is_err());
    }
}
