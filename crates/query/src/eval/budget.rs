//! What a query has taken: samples and bytes, against its limits.

use super::grid::Grid;
use crate::error::QueryError;
use crate::result::QueryStats;
use std::sync::atomic::{AtomicU64, Ordering};

#[derive(Debug)]
pub(super) struct Budget {
    samples_max: u64,
    memory_max_bytes: u64,
    samples_held: AtomicU64,
    samples_peak: AtomicU64,
    memory_held: AtomicU64,
    memory_peak: AtomicU64,
    samples_total: AtomicU64,
    series: AtomicU64,
}

impl Budget {
    pub(super) fn new(samples_max: u64, memory_max_bytes: u64) -> Self {
        Budget {
            samples_max,
            memory_max_bytes,
            samples_held: AtomicU64::new(0),
            samples_peak: AtomicU64::new(0),
            memory_held: AtomicU64::new(0),
            memory_peak: AtomicU64::new(0),
            samples_total: AtomicU64::new(0),
            series: AtomicU64::new(0),
        }
    }

    /// A result that stays until the end of the query.
    pub(super) fn hold(&self, grid: &Grid) -> Result<(), QueryError> {
        let samples = grid.samples();
        let bytes = grid.cells.len() as u64 * 8 + grid.rows.len() as u64 * 32;
        self.samples_held.fetch_add(samples, Ordering::Relaxed);
        self.memory_held.fetch_add(bytes, Ordering::Relaxed);
        self.pass(0, 0)
    }

    /// Whether so much more may be held for a moment.
    pub(super) fn pass(&self, samples: u64, bytes: u64) -> Result<(), QueryError> {
        let samples = self.samples_held.load(Ordering::Relaxed).saturating_add(samples);
        let bytes = self.memory_held.load(Ordering::Relaxed).saturating_add(bytes);
        self.samples_peak.fetch_max(samples, Ordering::Relaxed);
        self.memory_peak.fetch_max(bytes, Ordering::Relaxed);
        if samples > self.samples_max {
            return Err(QueryError::TooManySamples);
        }
        if bytes > self.memory_max_bytes {
            return Err(QueryError::Memory {
                max_bytes: self.memory_max_bytes,
            });
        }
        Ok(())
    }

    pub(super) fn count(&self, samples: u64) {
        self.samples_total.fetch_add(samples, Ordering::Relaxed);
    }

    pub(super) fn count_series(&self, series: u64) {
        self.series.fetch_add(series, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> QueryStats {
        QueryStats {
            samples_total: self.samples_total.load(Ordering::Relaxed),
            samples_peak: self.samples_peak.load(Ordering::Relaxed),
            series: self.series.load(Ordering::Relaxed),
            memory_peak_bytes: self.memory_peak.load(Ordering::Relaxed),
        }
    }
}
