//! OTLP into the store: translation needs the running totals of delta series, which one lock orders.

use lapwing_store::metrics::{AppendError, MetricsStore};
use lapwing_wire::otlp::{DeltaState, MetricsRequest, OtlpOptions, Rejection, translate};
use std::sync::{Arc, Mutex, PoisonError};

/// A total takes about 300 bytes: these stay below 100 MiB.
const DELTA_SERIES_MAX: usize = 300_000;

pub(crate) struct OtlpIngest {
    options: Mutex<Arc<OtlpOptions>>,
    deltas: Mutex<DeltaState>,
}

impl OtlpIngest {
    pub(crate) fn new(options: OtlpOptions) -> Self {
        OtlpIngest {
            options: Mutex::new(Arc::new(options)),
            deltas: Mutex::new(DeltaState::new(DELTA_SERIES_MAX)),
        }
    }

    pub(crate) fn set_options(&self, options: OtlpOptions) {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Totals move on only once their samples are kept, so that a request which failed may come again.
    pub(crate) fn keep(
        &self,
        store: &MetricsStore,
        request: &MetricsRequest<'_>,
        now_ms: i64,
    ) -> Result<Vec<Rejection>, AppendError> {
        let options = self
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let mut deltas = self.deltas.lock().unwrap_or_else(PoisonError::into_inner);
        let translated = translate(request, &options, &deltas);
        let mut appender = store.appender("otlp", now_ms);
        appender.append_batch(&translated.batch);
        let outcome = appender.commit()?;
        deltas.apply(translated.delta_changes);
        for refused in &outcome.refused {
            tracing::debug!(labels = %refused.labels, reason = %refused.reason, "an OTLP sample was refused");
        }
        Ok(translated.rejections)
    }
}
