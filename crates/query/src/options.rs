//! What a query may use, and how to stop it.

use crate::error::QueryError;
use crate::explain::Explain;
use crate::promql::ParseOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

const RUNNING: u8 = 0;
const CANCELLED: u8 = 1;
const TIMED_OUT: u8 = 2;

/// Stops a running query from another thread; the first reason given stays.
#[derive(Clone, Debug, Default)]
pub struct Interrupt(Arc<AtomicU8>);

impl Interrupt {
    pub fn cancel(&self) {
        self.set(CANCELLED);
    }

    /// The owner of the clock calls this when the query's time is up.
    pub fn time_out(&self) {
        self.set(TIMED_OUT);
    }

    fn set(&self, reason: u8) {
        // A second reason is of no interest, so a lost exchange is fine.
        let _ = self
            .0
            .compare_exchange(RUNNING, reason, Ordering::Relaxed, Ordering::Relaxed);
    }

    pub(crate) fn check(&self) -> Result<(), QueryError> {
        match self.0.load(Ordering::Relaxed) {
            RUNNING => Ok(()),
            CANCELLED => Err(QueryError::Cancelled),
            _ => Err(QueryError::Timeout),
        }
    }
}

#[derive(Clone, Debug)]
pub struct QueryOptions {
    /// How long after its last sample a series still has a value.
    pub lookback_ms: i64,
    /// The step of a subquery that names none.
    pub subquery_step_ms: i64,
    /// Samples held in memory at once.
    pub samples_max: u64,
    pub memory_max_bytes: u64,
    /// Series that one selector may match.
    pub series_max: Option<usize>,
    /// Experimental functions and aggregators, and fill modifiers.
    pub experimental: bool,
    /// Names are dropped at the end of the evaluation rather than by each function.
    pub delayed_name_removal: bool,
    /// A counter that says when it began is taken to have reset there, and to have been zero.
    pub start_timestamps: bool,
    /// `__type__` says whether a series is a counter.
    pub type_and_unit_labels: bool,
    /// Threads that one query may work with.
    pub threads: usize,
    pub interrupt: Interrupt,
    /// Asks what each node of the expression costs.
    pub explain: Option<Explain>,
}

impl Default for QueryOptions {
    /// Prometheus's own defaults; the memory limit is what 50 million samples take.
    fn default() -> Self {
        QueryOptions {
            lookback_ms: 5 * 60 * 1000,
            subquery_step_ms: 60 * 1000,
            samples_max: 50_000_000,
            memory_max_bytes: 50_000_000 * 16,
            series_max: None,
            experimental: false,
            delayed_name_removal: false,
            start_timestamps: false,
            type_and_unit_labels: false,
            threads: 2,
            interrupt: Interrupt::default(),
            explain: None,
        }
    }
}

impl QueryOptions {
    pub(crate) fn parse_options(&self) -> ParseOptions {
        ParseOptions::all(self.experimental)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::promql::parse_with;

    #[test]
    fn only_what_is_experimental_waits_for_the_switch() {
        let check = |text: &str, always: bool| {
            for experimental in [false, true] {
                let options = QueryOptions {
                    experimental,
                    ..QueryOptions::default()
                };
                let is_read = parse_with(text, &options.parse_options()).is_ok();
                assert_eq!(is_read, always || experimental, "{text}");
            }
        };
        check("rate(a[5m] anchored)", true);
        check("a smoothed", true);
        check("a[5m + step()] offset -(1m * 2)", true);
        check("sort_by_label(a, \"b\")", false);
        check("limitk(1, a)", false);
        check("a + fill(0) b", false);
    }
}
