//! What a scrape says about itself: `up` and its companions, under Prometheus's names.

use super::once::ScrapeSummary;
use super::target::Target;
use crate::page::{BaseLabels, Page};
use lapwing_types::{Labels, WriteBatch};
use std::sync::Arc;

fn base(target: &Target) -> BaseLabels {
    let pairs: Vec<(String, String)> = target
        .labels
        .iter()
        .map(|(n, v)| (n.to_owned(), v.to_owned()))
        .collect();
    Arc::from(pairs)
}

/// `up`, duration and counts; with `extra`, the limits that were in force too.
pub(super) fn report(
    target: &Target,
    summary: &ScrapeSummary,
    t_ms: i64,
    extra: Option<Extra>,
) -> WriteBatch {
    let mut page = Page::new(t_ms, base(target), false);
    let up = if summary.error.is_none() { 1.0 } else { 0.0 };
    page.gauge("up", "").set(&[], up);
    page.gauge("scrape_duration_seconds", "")
        .set(&[], summary.duration_ms / 1000.0);
    page.gauge("scrape_samples_scraped", "")
        .set(&[], summary.samples_scraped as f64);
    page.gauge("scrape_samples_post_metric_relabeling", "")
        .set(&[], summary.samples_kept as f64);
    page.gauge("scrape_series_added", "")
        .set(&[], summary.series_added as f64);
    if let Some(extra) = extra {
        page.gauge("scrape_timeout_seconds", "")
            .set(&[], target.timeout_ms as f64 / 1000.0);
        page.gauge("scrape_sample_limit", "")
            .set(&[], extra.sample_limit as f64);
        page.gauge("scrape_body_size_bytes", "")
            .set(&[], extra.body_bytes);
    }
    page.into_batch()
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Extra {
    pub(super) sample_limit: u64,
    /// −1 when the body was larger than its limit, as Prometheus says it.
    pub(super) body_bytes: f64,
}

/// The label sets of [`report`], to end them when the target is gone.
pub(super) fn report_series(target: &Target, extra: bool) -> Vec<Labels> {
    let extra = extra.then_some(Extra {
        sample_limit: 0,
        body_bytes: 0.0,
    });
    let batch = report(target, &ScrapeSummary::default(), 0, extra);
    batch.series.into_iter().map(|s| s.labels).collect()
}
