//! Counter reset hints found out while reading, for what only looks at counts and sums.
//!
//! Under `histogram_count`, `histogram_sum` and `histogram_avg` Prometheus reads histograms without their buckets, and so has to
//! find resets as it reads; the hints then show in warnings about contradicting resets. Under a subquery, or a function that
//! needs buckets, it does not.

use super::{Evaluated, Evaluator};
use lapwing_types::{FloatHistogram, ResetHint};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// 0: as stored.
const FOUND: u8 = 1;
const NEVER: u8 = 2;

/// Holds for what is evaluated at the moment; only the thread that walks the tree changes it.
#[derive(Debug, Default)]
pub(super) struct HintMode(AtomicU8);

impl Evaluator<'_> {
    /// Evaluates with hints found out, unless something further up forbids it.
    pub(super) fn with_hints<T>(&self, f: impl FnOnce() -> Evaluated<T>) -> Evaluated<T> {
        let mode = self.hints.0.load(Ordering::Relaxed).max(FOUND);
        self.in_mode(mode, f)
    }

    /// Evaluates with hints as they are stored.
    pub(super) fn without_hints<T>(&self, f: impl FnOnce() -> Evaluated<T>) -> Evaluated<T> {
        self.in_mode(NEVER, f)
    }

    fn in_mode<T>(&self, mode: u8, f: impl FnOnce() -> Evaluated<T>) -> Evaluated<T> {
        let before = self.hints.0.swap(mode, Ordering::Relaxed);
        let result = f();
        self.hints.0.store(before, Ordering::Relaxed);
        result
    }

    pub(super) fn finds_hints(&self) -> bool {
        let mode = self.hints.0.load(Ordering::Relaxed);
        mode == FOUND
    }
}

/// Sets the hints that are unknown, from the second histogram on.
pub(super) fn find_hints(histograms: &mut [(i64, Arc<FloatHistogram>)]) {
    for i in 1..histograms.len() {
        let (before, from) = histograms.split_at_mut(i);
        let (before, (_, histogram)) = (&before[i - 1].1, &mut from[0]);
        if histogram.reset_hint == ResetHint::Unknown {
            let hint = if histogram.is_reset_after(before) {
                ResetHint::Reset
            } else {
                ResetHint::NotReset
            };
            *histogram = Arc::new(FloatHistogram {
                reset_hint: hint,
                ..(**histogram).clone()
            });
        }
    }
}
