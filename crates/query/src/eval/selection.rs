//! Series of a selector, selected once per query.

use super::{Evaluated, Evaluator};
use lapwing_store::{SelectedSeries, Selection};
use lapwing_types::Matcher;
use std::sync::{Arc, Mutex};

#[derive(Clone, PartialEq)]
struct Key {
    matchers: Vec<Matcher>,
    start_ms: i64,
    end_ms: i64,
}

/// The same selector over the same time gives the same list.
#[derive(Default)]
pub(super) struct SelectionCache {
    known: Mutex<Vec<(Key, Arc<Vec<SelectedSeries>>)>>,
}

impl Evaluator<'_> {
    pub(super) fn select(
        &self,
        matchers: &[Matcher],
        start_ms: i64,
        end_ms: i64,
    ) -> Evaluated<Arc<Vec<SelectedSeries>>> {
        let key = Key {
            matchers: matchers.to_vec(),
            start_ms,
            end_ms,
        };
        let lock = || {
            self.selections
                .known
                .lock()
                .unwrap_or_else(std::sync::PoisonError::into_inner)
        };
        if let Some((_, series)) = lock().iter().find(|(k, _)| *k == key) {
            return Ok(series.clone());
        }
        let series = Arc::new(self.source.select(&Selection {
            matchers: key.matchers.clone(),
            start_ms,
            end_ms,
            series_max: self.options.series_max,
        })?);
        self.budget.count_series(series.len() as u64);
        self.budget.pass(0, series.len() as u64 * 64)?;
        lock().push((key, series.clone()));
        Ok(series)
    }
}
