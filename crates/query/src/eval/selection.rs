//! Series of a selector, selected once per query.

use super::{Evaluated, Evaluator};
use crate::promql::Function;
use lapwing_store::{SelectedSeries, Selection, TierColumn, TierHint};
use lapwing_types::Matcher;
use std::sync::{Arc, Mutex};

/// Windows shorter than a downsampled bucket still find this many points in it.
const POINTS_PER_WINDOW: i64 = 4;
/// A counter's edges are extrapolated by up to half the usual distance between samples, which downsampled ones exceed: with
/// points this dense no more than that part of a window can be missed where buckets and samples meet.
const COUNTS_PER_WINDOW: i64 = 64;

struct Known {
    selection: Selection,
    tier: TierHint,
    series: Arc<Vec<SelectedSeries>>,
}

/// The same selector over the same time gives the same list.
#[derive(Default)]
pub(super) struct SelectionCache {
    known: Mutex<Vec<Known>>,
}

impl Evaluator<'_> {
    /// For who looks for the newest sample within the lookback.
    pub(super) fn instant_tier(&self) -> TierHint {
        TierHint {
            column: TierColumn::Last,
            every_ms: self.options.lookback_ms,
        }
    }

    /// For who looks at windows: what the function wants of a bucket, and some points in each window.
    pub(super) fn window_tier(&self, function: Option<Function>, range_ms: i64) -> TierHint {
        let column = match function {
            Some(Function::Rate | Function::Increase | Function::Irate) => TierColumn::Counter,
            Some(Function::MinOverTime) => TierColumn::Min,
            Some(Function::MaxOverTime) => TierColumn::Max,
            Some(Function::AvgOverTime | Function::SumOverTime | Function::CountOverTime) => {
                TierColumn::Average
            }
            _ => TierColumn::Last,
        };
        TierHint {
            column,
            every_ms: match column {
                TierColumn::Counter => range_ms / COUNTS_PER_WINDOW,
                _ => range_ms / POINTS_PER_WINDOW,
            },
        }
    }

    pub(super) fn select(
        &self,
        matchers: &[Matcher],
        (start_ms, end_ms): (i64, i64),
        tier: TierHint,
    ) -> Evaluated<Arc<Vec<SelectedSeries>>> {
        let lock = || {
            self.selections
                .known
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        let is_same = |known: &&Known| {
            let of = &known.selection;
            of.matchers == matchers && (of.start_ms, of.end_ms) == (start_ms, end_ms) && known.tier == tier
        };
        if let Some(known) = lock().iter().find(is_same) {
            return Ok(known.series.clone());
        }
        let selection = Selection {
            matchers: matchers.to_vec(),
            start_ms,
            end_ms,
            series_max: self.options.series_max,
        };
        let series = Arc::new(self.source.select_as(&selection, tier)?);
        self.budget.count_series(series.len() as u64);
        self.budget.pass(0, series.len() as u64 * 64)?;
        lock().push(Known {
            selection,
            tier,
            series: series.clone(),
        });
        Ok(series)
    }
}
