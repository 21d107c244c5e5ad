//! A checked job: everything its targets share.

use super::config::{ScrapeConfig, ScrapeDefaults, ScrapeProtocol};
use super::error::JobError;
use crate::http::{FetchError, Fetched, HttpClient, HttpConfig, HttpConfigError, Request};
use crate::relabel::RelabelRules;
use lapwing_types::LabelLimits;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, OnceLock};

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

/// A client whose files are not there yet; looked for with each request until they are.
struct LateClient {
    config: HttpConfig,
    client: OnceLock<HttpClient>,
}

impl Fetch for LateClient {
    fn fetch<'a>(&'a self, request: &'a Request<'a>) -> FetchFuture<'a> {
        Box::pin(async move {
            if let Some(client) = self.client.get() {
                return client.get(request).await;
            }
            let client = HttpClient::new(&self.config).map_err(|error| FetchError::Tls {
                detail: match std::error::Error::source(&error) {
                    Some(source) => format!("{error}: {source}"),
                    None => error.to_string(),
                },
            })?;
            self.client.get_or_init(|| client).get(request).await
        })
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
        let fetch: Arc<dyn Fetch> = match HttpClient::new(&config.http) {
            Ok(client) => Arc::new(client),
            // A file may come later, as a volume that is mounted late: until then this job's scrapes fail, and nothing else.
            Err(HttpConfigError::Read { .. }) => Arc::new(LateClient {
                config: config.http.clone(),
                client: OnceLock::new(),
            }),
            Err(error) => return Err(error.into()),
        };
        Self::with_fetch(config, defaults, fetch)
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
        if let Some(protocols) = &config.scrape_protocols {
            ScrapeProtocol::check_all(protocols)?;
        }
        // Rules may make something else of an address, as they do for probes of whole URLs.
        let mut targets = config.discovery.static_configs.iter().flat_map(|g| &g.targets);
        if let Some(target) = targets.find(|t| t.contains('/') && config.relabel_configs.is_empty()) {
            let target = target.clone();
            return Err(JobError::Address { target });
        }
        let found = config.discovery.check();
        found.map_err(|reason| JobError::Discovery { reason })?;
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
