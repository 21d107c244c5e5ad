//! What each node of an expression cost: for `explain`.
//!
//! A node is known by its address, which is fixed while the tree is evaluated. Costs include those of the nodes below. A node
//! that streams is charged for the time between asking for its first batch and its last, less the time its consumer took.

use super::grid::Grid;
use super::{Evaluated, Evaluator};
use crate::explain::{Explain, Explained};
use crate::promql::{Expr, ExprKind};
use hashbrown::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

#[derive(Clone, Copy, Debug, Default)]
struct Cost {
    series: u64,
    samples: u64,
    bytes: u64,
    nanos: u64,
}

#[derive(Default)]
struct Ledger {
    costs: HashMap<usize, Cost>,
    /// Nodes being measured, innermost last.
    open: Vec<usize>,
}

pub(super) struct Profile {
    explain: Explain,
    ledger: Mutex<Ledger>,
}

fn key(expr: &Expr) -> usize {
    std::ptr::from_ref(expr) as usize
}

impl Profile {
    pub(super) fn new(explain: Explain) -> Self {
        Profile {
            explain,
            ledger: Mutex::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// False when this very node is being measured already, a level up.
    fn open(&self, expr: &Expr) -> bool {
        let mut ledger = self.lock();
        let is_new = ledger.open.last() != Some(&key(expr));
        if is_new {
            ledger.open.push(key(expr));
        }
        is_new
    }

    fn close(&self, expr: &Expr, cost: Cost) {
        let mut ledger = self.lock();
        ledger.open.pop();
        let sum = ledger.costs.entry(key(expr)).or_default();
        sum.series += cost.series;
        sum.samples += cost.samples;
        sum.bytes += cost.bytes;
        sum.nanos += cost.nanos;
    }

    /// The tree with its costs. A node that was not evaluated by itself, such as the selector below `rate`, shows what it
    /// was told to have selected.
    pub(super) fn tree(&self, expr: &Expr) -> Explained {
        let ledger = self.lock();
        Explained::of(expr, &|node| {
            // A subquery is the evaluation of what is inside of it.
            let node = match &node.kind {
                ExprKind::Subquery(subquery) => subquery.expr.unwrap_parens(),
                _ => node,
            };
            let cost = ledger.costs.get(&key(node)).copied().unwrap_or_default();
            (cost.series, cost.samples, cost.bytes, cost.nanos)
        })
    }
}

/// What windows saw of the series of a range selector, counted by the threads that read them.
#[derive(Default)]
pub(super) struct Seen {
    samples: AtomicU64,
    bytes: AtomicU64,
}

impl Seen {
    pub(super) fn add(&self, samples: u64, points: usize) {
        self.samples.fetch_add(samples, Ordering::Relaxed);
        self.bytes.fetch_add(points as u64 * 16, Ordering::Relaxed);
    }
}

fn weight(grid: &Grid) -> (u64, u64) {
    let rows = grid.rows.len() as u64;
    (rows, grid.cells.len() as u64 * 8 + rows * 32)
}

impl Evaluator<'_> {
    /// Measures the evaluation of a node that gives its whole result at once.
    pub(super) fn measured<T>(
        &self,
        expr: &Expr,
        work: impl FnOnce() -> Evaluated<T>,
        size: impl Fn(&T) -> (u64, u64),
    ) -> Evaluated<T> {
        let Some(profile) = self.profile.as_ref().filter(|p| p.open(expr)) else {
            return work();
        };
        let (from, samples) = (profile.explain.nanos(), self.budget.stats().samples_total);
        let done = work();
        let (series, bytes) = done.as_ref().map_or((0, 0), size);
        profile.close(
            expr,
            Cost {
                series,
                bytes,
                samples: self.budget.stats().samples_total - samples,
                nanos: profile.explain.nanos().saturating_sub(from),
            },
        );
        done
    }

    pub(super) fn measured_grid(
        &self,
        expr: &Expr,
        work: impl FnOnce() -> Evaluated<Grid>,
    ) -> Evaluated<Grid> {
        self.measured(expr, work, weight)
    }

    /// The same for a node that hands batches to `sink`.
    pub(super) fn measured_stream(
        &self,
        expr: &Expr,
        sink: &mut dyn FnMut(Grid) -> Evaluated<()>,
        work: impl FnOnce(&mut dyn FnMut(Grid) -> Evaluated<()>) -> Evaluated<()>,
    ) -> Evaluated<()> {
        let Some(profile) = self.profile.as_ref().filter(|p| p.open(expr)) else {
            return work(sink);
        };
        let now = || (profile.explain.nanos(), self.budget.stats().samples_total);
        let (from, samples) = now();
        let mut cost = Cost::default();
        let mut consumed = (0, 0);
        let done = work(&mut |batch| {
            let (series, bytes) = weight(&batch);
            cost.series += series;
            cost.bytes += bytes;
            let before = now();
            let done = sink(batch);
            let after = now();
            consumed.0 += after.0.saturating_sub(before.0);
            consumed.1 += after.1 - before.1;
            done
        });
        let (to, samples_after) = now();
        cost.nanos = to.saturating_sub(from).saturating_sub(consumed.0);
        cost.samples = samples_after - samples - consumed.1;
        profile.close(expr, cost);
        done
    }

    /// A selector below a range function: what it found, and how long finding took.
    pub(super) fn measured_selection<T>(
        &self,
        expr: &Expr,
        work: impl FnOnce() -> Evaluated<T>,
        count: impl Fn(&T) -> usize,
    ) -> Evaluated<T> {
        self.measured(expr, work, |found| (count(found) as u64, 0))
    }

    /// What was then read of it.
    pub(super) fn measured_reading(&self, expr: &Expr, seen: &Seen) {
        if let Some(profile) = &self.profile {
            let mut ledger = profile.lock();
            let cost = ledger.costs.entry(key(expr)).or_default();
            cost.samples += seen.samples.load(Ordering::Relaxed);
            cost.bytes += seen.bytes.load(Ordering::Relaxed);
        }
    }
}
