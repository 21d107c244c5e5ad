//! What discovery says about itself, as series.

use super::manager::DiscoveryStatus;
use crate::page::Page;
use lapwing_types::WriteBatch;
use std::sync::Arc;

/// Failures and targets of each provider of discovery.
pub fn discovery_series(
    statuses: &[DiscoveryStatus],
    now_ms: i64,
    labels: &[(String, String)],
) -> WriteBatch {
    let mut page = Page::new(now_ms, Arc::from(labels), true);
    let mut failures = page.counter(
        "lapwing_discovery_failures_total",
        "Answers of a discovery that failed.",
    );
    for s in statuses {
        failures.set(
            &[("scrape_job", &s.job), ("provider", &s.provider)],
            s.failures as f64,
        );
    }
    let mut targets = page.gauge("lapwing_discovery_targets", "Targets that a discovery has found.");
    for s in statuses {
        targets.set(
            &[("scrape_job", &s.job), ("provider", &s.provider)],
            s.targets as f64,
        );
    }
    page.into_batch()
}
