//! What scraping says about itself, as series.

use super::scraper::Scraper;
use super::status::Health;
use crate::page::Page;
use lapwing_types::WriteBatch;
use std::collections::BTreeMap;
use std::sync::Arc;

impl Scraper {
    /// Counts, failures by reason and targets by health, with `labels` on every series.
    pub fn collect(&self, now_ms: i64, labels: &[(String, String)]) -> WriteBatch {
        let stats = self.stats();
        let mut page = Page::new(now_ms, Arc::from(labels), true);
        let counters = [
            (
                "lapwing_scrapes_total",
                "Scrapes that ended, well or not.",
                stats.scrapes,
            ),
            (
                "lapwing_scrape_samples_total",
                "Samples scraped and kept by the rules.",
                stats.samples,
            ),
            (
                "lapwing_scrape_refused_samples_total",
                "Scraped samples that the store refused.",
                stats.refused,
            ),
            (
                "lapwing_scrape_duplicate_samples_total",
                "Samples of a series that its page had given before.",
                stats.duplicates,
            ),
            (
                "lapwing_scrape_missed_slots_total",
                "Scrapes not made, as the one before was under way or the process was not.",
                stats.missed_slots,
            ),
        ];
        for (name, help, value) in counters {
            page.counter(name, help).set(&[], value as f64);
        }
        page.gauge("lapwing_scrapes_in_flight", "Scrapes under way.")
            .set(&[], stats.in_flight as f64);
        let mut failures = page.counter("lapwing_scrape_failures_total", "Scrapes that failed, by reason.");
        for (reason, count) in &stats.failures {
            failures.set(&[("reason", reason)], *count as f64);
        }
        let mut by_health: BTreeMap<(String, &str), f64> = BTreeMap::new();
        for target in self.targets() {
            for health in [Health::Unknown, Health::Up, Health::Down] {
                let count = by_health
                    .entry((target.job.clone(), health.as_str()))
                    .or_default();
                *count += if target.health == health { 1.0 } else { 0.0 };
            }
        }
        let mut targets = page.gauge("lapwing_scrape_targets", "Targets of a job, by health.");
        for ((job, health), count) in &by_health {
            targets.set(&[("scrape_job", job), ("health", health)], *count);
        }
        page.into_batch()
    }
}
