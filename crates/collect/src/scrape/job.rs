//! A checked job: everything its targets share.

use super::config::{ScrapeConfig, ScrapeDefaults};
use super::error::JobError;
use crate::http::{FetchError, Fetched, HttpClient, Request};
use crate::relabel::RelabelRules;
use lapwing_types::LabelLimits;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

pub type FetchFuture<'a> = Pin<Box<dyn Future<Output = Result<Fetched, FetchError>> + Send + 'a>>;

/// The seam to the network; in tests a table of answers.
pub trait Fetch: Send + Sync {
    fn fetch<'a>(&'a self, request: &'a Request<'a>) -> FetchFuture<'a>;
}

impl Fetch for HttpClient {
    fn fetch<'a>(&'a self, request: &'a Request<'a>) -> FetchFuture<'a> {
        Box::pin(self.get(request))
    }
}

pub struct Job {
    pub config: ScrapeConfig,
    pub interval_ms: i64,
    pub timeout_ms: i64,
    pub(super) relabel: RelabelRules,
    pub(super) metric_relabel: RelabelRules,
    pub(super) label_limits: LabelLimits,
    pub(super) accept: String,
    pub(super) fetch: Arc<dyn Fetch>,
}

impl Job {
    pub fn new(config: ScrapeConfig, defaults: ScrapeDefaults) -> Result<Self, JobError> {
        let client = HttpClient::new(&config.http)?;
        Self::with_fetch(config, defaults, Arc::new(client))
    }

    /// As [`Job::new`], with another way to the network.
    pub fn with_fetch(
        config: ScrapeConfig,
        defaults: ScrapeDefaults,
        fetch: Arc<dyn Fetch>,
    ) -> Result<Self, JobError> {
        if config.job_name.is_empty() {
            return Err(JobError::NoName);
        }
        if !matches!(config.scheme.as_str(), "http" | "https") {
            let scheme = config.scheme;
            return Err(JobError::Scheme { scheme });
        }
        let interval_ms = config.scrape_interval.map_or(defaults.interval_ms, |i| i.0);
        if interval_ms <= 0 {
            return Err(JobError::NoInterval);
        }
        // A default longer than a job's own interval is shortened; one that was typed is a mistake.
        let timeout_ms = match config.scrape_timeout {
            Some(timeout) if timeout.0 > interval_ms => {
                let timeout_ms = timeout.0;
                return Err(JobError::TimeoutTooLong {
                    timeout_ms,
                    interval_ms,
                });
            }
            Some(timeout) if timeout.0 > 0 => timeout.0,
            _ => defaults.timeout_ms.min(interval_ms),
        };
        let limit = |limit: u64| if limit == 0 { usize::MAX } else { limit as usize };
        Ok(Job {
            relabel: RelabelRules::new(&config.relabel_configs).map_err(JobError::Relabel)?,
            metric_relabel: RelabelRules::new(&config.metric_relabel_configs)
                .map_err(JobError::MetricRelabel)?,
            label_limits: LabelLimits {
                labels_max: limit(config.label_limit),
                name_bytes_max: limit(config.label_name_length_limit),
                value_bytes_max: limit(config.label_value_length_limit),
            },
            accept: config.accept_header(),
            interval_ms,
            timeout_ms,
            fetch,
            config,
        })
    }

    pub fn name(&self) -> &str {
        &self.config.job_name
    }

    /// The rules for targets, for whoever explains them step by step.
    pub fn relabel_rules(&self) -> &RelabelRules {
        &self.relabel
    }

    pub fn metric_relabel_rules(&self) -> &RelabelRules {
        &self.metric_relabel
    }
}
