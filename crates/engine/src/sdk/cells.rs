//! Numbers that many threads add to without meeting: each thread has its own cell, readers add the cells up.
//!
//! A cell is made when the first thread that maps to it records, so that a metric of one thread costs one cell. Whole numbers
//! are added as integers, which no thread can lose; the rest by compare-and-swap, which only contends within one cell.

use std::cell::Cell;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

/// More threads than this share cells; they are still right, only slower.
const CELLS: usize = 16;
/// Whole numbers up to here are exact as floats.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

thread_local! {
    static CELL: Cell<usize> = const { Cell::new(usize::MAX) };
}

fn own_cell() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    CELL.with(|cell| {
        if cell.get() == usize::MAX {
            cell.set(NEXT.fetch_add(1, Relaxed) % CELLS);
        }
        cell.get()
    })
}

fn add_float(bits: &AtomicU64, value: f64) {
    let mut old = bits.load(Relaxed);
    while let Err(now) =
        bits.compare_exchange_weak(old, (f64::from_bits(old) + value).to_bits(), Relaxed, Relaxed)
    {
        old = now;
    }
}

/// A cache line to itself (two, because processors fetch them in pairs).
#[derive(Debug, Default)]
#[repr(align(128))]
struct Padded<T>(T);

/// What a recording call did with its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recorded {
    Yes,
    /// A counter does not go down.
    Negative,
    /// Not a number: it would make every later sum one.
    NotANumber,
}

#[derive(Debug, Default)]
struct NumberCell {
    whole: AtomicU64,
    rest_bits: AtomicU64,
}

/// Only goes up. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<[OnceLock<Box<Padded<NumberCell>>>; CELLS]>);

impl Counter {
    pub fn inc(&self) {
        self.own().whole.fetch_add(1, Relaxed);
    }

    pub fn add(&self, value: f64) -> Recorded {
        if value.is_nan() {
            return Recorded::NotANumber;
        }
        if value < 0.0 {
            return Recorded::Negative;
        }
        if value <= EXACT_MAX && value.fract() == 0.0 {
            self.own().whole.fetch_add(value as u64, Relaxed);
        } else {
            add_float(&self.own().rest_bits, value);
        }
        Recorded::Yes
    }

    #[cfg(feature = "metrics")]
    pub(super) fn add_whole(&self, value: u64) {
        self.own().whole.fetch_add(value, Relaxed);
    }

    /// Raises it to what somebody else counted, never lowers it. One cell holds the whole of such a counter, so that two who raise it
    /// at once do not both add.
    #[cfg(feature = "metrics")]
    pub(super) fn raise_to(&self, value: u64) {
        let others = self.0[1..].iter().filter_map(OnceLock::get);
        let elsewhere: u64 = others.map(|cell| cell.0.whole.load(Relaxed)).sum();
        let first = &self.0[0].get_or_init(Box::default).0;
        first.whole.fetch_max(value.saturating_sub(elsewhere), Relaxed);
    }

    pub fn value(&self) -> f64 {
        let cells = self.0.iter().filter_map(OnceLock::get);
        let (whole, rest) = cells.fold((0u64, 0.0), |(whole, rest), cell| {
            (
                whole.wrapping_add(cell.0.whole.load(Relaxed)),
                rest + f64::from_bits(cell.0.rest_bits.load(Relaxed)),
            )
        });
        whole as f64 + rest
    }

    pub(super) fn reset(&self) {
        for cell in self.0.iter().filter_map(OnceLock::get) {
            cell.0.whole.store(0, Relaxed);
            cell.0.rest_bits.store(0, Relaxed);
        }
    }

    fn own(&self) -> &NumberCell {
        &self.0[own_cell()].get_or_init(Box::default).0
    }
}

/// A number that is set. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<AtomicU64>);

impl Gauge {
    pub fn set(&self, value: f64) {
        self.0.store(value.to_bits(), Relaxed);
    }

    pub fn add(&self, value: f64) -> Recorded {
        if value.is_nan() {
            return Recorded::NotANumber;
        }
        add_float(&self.0, value);
        Recorded::Yes
    }

    pub fn value(&self) -> f64 {
        f64::from_bits(self.0.load(Relaxed))
    }

    pub(super) fn reset(&self) {
        self.0.store(0, Relaxed);
    }
}

#[derive(Debug)]
struct HistogramCell {
    counts: Box<[AtomicU64]>,
    sum_bits: AtomicU64,
}

#[derive(Debug)]
struct HistogramState {
    bounds: Arc<[f64]>,
    cells: [OnceLock<Box<Padded<HistogramCell>>>; CELLS],
}

/// Counts values by buckets. A cheap handle.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<HistogramState>);

impl Histogram {
    pub(super) fn new(bounds: Arc<[f64]>) -> Self {
        Histogram(Arc::new(HistogramState {
            bounds,
            cells: Default::default(),
        }))
    }

    pub fn observe(&self, value: f64) -> Recorded {
        if value.is_nan() {
            return Recorded::NotANumber;
        }
        let state = &*self.0;
        let bucket = state.bounds.partition_point(|bound| *bound < value);
        let cell = &state.cells[own_cell()]
            .get_or_init(|| Box::new(Padded(HistogramCell::new(state.bounds.len()))))
            .0;
        cell.counts[bucket].fetch_add(1, Relaxed);
        add_float(&cell.sum_bits, value);
        Recorded::Yes
    }

    /// The same value as often as this.
    #[cfg(feature = "metrics")]
    pub(super) fn observe_times(&self, value: f64, times: u64) {
        if value.is_nan() || times == 0 {
            return;
        }
        let state = &*self.0;
        let bucket = state.bounds.partition_point(|bound| *bound < value);
        let cell = &state.cells[own_cell()]
            .get_or_init(|| Box::new(Padded(HistogramCell::new(state.bounds.len()))))
            .0;
        cell.counts[bucket].fetch_add(times, Relaxed);
        add_float(&cell.sum_bits, value * times as f64);
    }

    pub fn bounds(&self) -> &[f64] {
        &self.0.bounds
    }

    /// Counts per bucket, not cumulative, the last one for what is above all bounds; and the sum.
    pub fn read(&self) -> (Vec<u64>, f64) {
        let mut counts = vec![0; self.0.bounds.len() + 1];
        let mut sum = 0.0;
        for cell in self.0.cells.iter().filter_map(OnceLock::get) {
            for (total, own) in counts.iter_mut().zip(&cell.0.counts) {
                *total += own.load(Relaxed);
            }
            sum += f64::from_bits(cell.0.sum_bits.load(Relaxed));
        }
        (counts, sum)
    }

    pub(super) fn reset(&self) {
        for cell in self.0.cells.iter().filter_map(OnceLock::get) {
            cell.0.counts.iter().for_each(|count| count.store(0, Relaxed));
            cell.0.sum_bits.store(0, Relaxed);
        }
    }
}

impl HistogramCell {
    fn new(bounds: usize) -> Self {
        HistogramCell {
            counts: (0..=bounds).map(|_| AtomicU64::new(0)).collect(),
            sum_bits: AtomicU64::new(0),
        }
    }
}

/// The newest values of which a summary tells quantiles.
const SUMMARY_VALUES_MAX: usize = 1024;

#[derive(Debug, Default)]
struct SummaryState {
    newest: VecDeque<f64>,
    count: u64,
    sum: f64,
}

/// Count, sum, and true quantiles of the newest values. A cheap handle.
#[derive(Clone, Debug, Default)]
pub struct Summary(Arc<Mutex<SummaryState>>);

impl Summary {
    pub fn observe(&self, value: f64) -> Recorded {
        if value.is_nan() {
            return Recorded::NotANumber;
        }
        let mut state = self.lock();
        if state.newest.len() == SUMMARY_VALUES_MAX {
            state.newest.pop_front();
        }
        state.newest.push_back(value);
        state.count += 1;
        state.sum += value;
        Recorded::Yes
    }

    /// Count, sum, and the newest values in ascending order.
    pub fn read(&self) -> (u64, f64, Vec<f64>) {
        let state = self.lock();
        let newest = lapwing_judge::quantile::sorted(state.newest.iter().copied());
        (state.count, state.sum, newest)
    }

    pub(super) fn reset(&self) {
        *self.lock() = SummaryState::default();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, SummaryState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_lose_nothing() {
        let (counter, histogram) = (Counter::default(), Histogram::new(Arc::from([0.5, 1.0])));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for i in 0..1000 {
                        counter.inc();
                        counter.add(0.5);
                        histogram.observe(f64::from(i % 3) * 0.5);
                    }
                });
            }
        });
        assert_eq!(counter.value(), 12_000.0);
        let (counts, sum) = histogram.read();
        assert_eq!(counts.iter().sum::<u64>(), 8000);
        assert_eq!((counts[2], sum), (0, 8.0 * (333.0 * 1.5)));
    }

    #[test]
    fn bad_values_are_refused_and_change_nothing() {
        let counter = Counter::default();
        assert_eq!(counter.add(-1.0), Recorded::Negative);
        assert_eq!(counter.add(f64::NAN), Recorded::NotANumber);
        assert_eq!(counter.value(), 0.0);
        let histogram = Histogram::new(Arc::from([1.0]));
        assert_eq!(histogram.observe(f64::NAN), Recorded::NotANumber);
        assert_eq!(histogram.observe(1.0), Recorded::Yes);
        assert_eq!(histogram.read().0, [1, 0]);
        assert_eq!(Gauge::default().add(f64::NAN), Recorded::NotANumber);
    }

    #[test]
    fn a_summary_keeps_the_newest() {
        let summary = Summary::default();
        (0..2000).for_each(|i| {
            summary.observe(f64::from(i));
        });
        let (count, _, newest) = summary.read();
        assert_eq!((count, newest.len(), newest[0]), (2000, 1024, 976.0));
    }
}
