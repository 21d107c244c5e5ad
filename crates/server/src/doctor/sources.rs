//! Every source: the jobs of the configuration are run for a moment, in memory, and their targets asked once.

use super::Finding;
use crate::config::Config;
use lapwing::clock::Stopwatch;
use lapwing::{Engine, EngineOptions};
use lapwing_collect::http::Millis;
use std::time::Duration;

/// So short that every target has its turn at once.
const INTERVAL_MS: i64 = 3_000;
/// For discovery to answer, and every target after it.
const PATIENCE: Duration = Duration::from_secs(12);
const LOOK_AGAIN: Duration = Duration::from_millis(100);
/// Findings of targets that are down; more are counted.
const NAMED_MAX: usize = 50;

pub(super) async fn examine(config: &Config) -> Vec<Finding> {
    if config.scrape_configs.is_empty() {
        return vec![Finding::fine("sources", "no scrape_configs, so nobody is asked")];
    }
    let mut jobs = config.scrape_configs.clone();
    for job in &mut jobs {
        job.scrape_interval = Some(Millis(INTERVAL_MS));
        job.scrape_timeout = None;
    }
    let options = EngineOptions {
        scrape_jobs: jobs,
        host_interval: None,
        own_interval: None,
        ..EngineOptions::default()
    };
    let engine = match Engine::start(&options) {
        Ok(engine) => engine,
        Err(error) => {
            let said = crate::http::with_causes(&error);
            return vec![Finding::error("sources", said, "put the job right")];
        }
    };
    let watch = Stopwatch::start();
    while watch.elapsed() < PATIENCE && !is_settled(&engine) {
        tokio::time::sleep(LOOK_AGAIN).await;
    }
    let findings = findings_of(&engine);
    let _ = engine.stop().await;
    findings
}

fn is_settled(engine: &Engine) -> bool {
    let answered = engine
        .discovery_statuses()
        .iter()
        .all(|s| s.last_success_ms.is_some() || s.failures > 0);
    answered && engine.scraping().is_scraped()
}

fn findings_of(engine: &Engine) -> Vec<Finding> {
    let mut findings = Vec::new();
    for status in engine.discovery_statuses() {
        let who = format!("job {}, {}", status.job, status.provider);
        match &status.last_error {
            Some(error) => findings.push(Finding::error(
                "discovery",
                format!("{who}: {error}"),
                "look at the address and the rights of this discovery",
            )),
            None if status.last_success_ms.is_none() => findings.push(Finding::warning(
                "discovery",
                format!("{who}: no answer within {} s", PATIENCE.as_secs()),
                "look at the address of this discovery",
            )),
            None => {}
        }
    }
    let targets = engine.scraping().scraper().targets();
    let mut up = 0;
    for status in &targets {
        let url = &status.target.url;
        let error = match (&status.last, &status.last_error) {
            (Some(last), None) => {
                up += 1;
                findings.extend(last.warnings.iter().map(|warning| {
                    Finding::warning(
                        "sources",
                        format!("job {}: {url}: {warning}", status.job),
                        format!("the rest of the page is kept; see what it says: curl {url}"),
                    )
                }));
                continue;
            }
            (_, Some(error)) => crate::http::with_causes(error),
            (None, None) => "no answer yet".to_owned(),
        };
        findings.push(Finding::error(
            "sources",
            format!("job {}: {url}: {error}", status.job),
            format!("see what it says: curl -v {url}"),
        ));
    }
    let hidden = findings.len().saturating_sub(NAMED_MAX);
    findings.truncate(NAMED_MAX);
    if hidden > 0 {
        findings.push(Finding::error(
            "sources",
            format!("and {hidden} more like these"),
            "put these right and ask again",
        ));
    }
    findings.push(Finding::fine(
        "sources",
        format!("{up} of {} targets answer", targets.len()),
    ));
    findings
}
