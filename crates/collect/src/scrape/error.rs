//! Why a job, a target or a scrape came to nothing.

use crate::http::{FetchError, HttpConfigError, UnitError};
use crate::relabel::RelabelError;
use crate::sink::SinkError;
use lapwing_types::{LimitExceeded, format_duration_ms};
use lapwing_wire::text::ParseError;

/// Why a job's configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum JobError {
    #[error("job_name is empty")]
    NoName,
    #[error("scrape_interval must be above 0")]
    NoInterval,
    #[error("scrape_timeout ({timeout_ms} ms) is longer than scrape_interval ({interval_ms} ms)")]
    TimeoutTooLong { timeout_ms: i64, interval_ms: i64 },
    #[error("scheme is {scheme:?}, but must be http or https")]
    Scheme { scheme: String },
    #[error("scrape_protocols is empty; leave it out for the usual ones")]
    NoProtocol,
    #[error("scrape_protocols names {protocol} twice")]
    ProtocolTwice { protocol: &'static str },
    #[error(
        "{target:?} is not a valid hostname: write host:port; the scheme has a key of its own (scheme: https), the path too (metrics_path)"
    )]
    Address { target: String },
    #[error("{reason}")]
    Discovery { reason: String },
    #[error("relabel_configs")]
    Relabel(#[source] RelabelError),
    #[error("metric_relabel_configs")]
    MetricRelabel(#[source] RelabelError),
    #[error("HTTP options")]
    Http(#[from] HttpConfigError),
}

/// Why a discovered target cannot be scraped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    #[error("no __address__")]
    NoAddress,
    #[error("__scheme__ is {scheme:?}, but must be http or https")]
    Scheme { scheme: String },
    #[error("{label}: {reason}")]
    Duration { label: &'static str, reason: UnitError },
    #[error("timeout of {} is longer than the interval of {}", format_duration_ms(*timeout_ms), format_duration_ms(*interval_ms))]
    TimeoutTooLong { timeout_ms: i64, interval_ms: i64 },
    #[error("not a URL: {url:?}")]
    Url { url: String },
}

/// Why a scrape failed; its `up` is 0.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScrapeError {
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error("content type {content_type:?} is no format of metrics, and no fallback_scrape_protocol is set")]
    ContentType { content_type: String },
    #[error("{0}")]
    Parse(ParseError),
    #[error("the page is not valid protobuf: {detail}")]
    ParseProtobuf { detail: String },
    #[error("more than {limit} samples (sample_limit)")]
    SampleLimit { limit: u64 },
    #[error("missing metric name: {series} (metric_relabel_configs took it away)")]
    NoName { series: String },
    #[error("invalid metric name or label names: {series} (metric_name_validation_scheme is legacy)")]
    NotLegacy { series: String },
    #[error("series {series}: {exceeded}")]
    LabelLimit { series: String, exceeded: LimitExceeded },
    #[error("job has {targets} targets, but target_limit is {limit}")]
    TargetLimit { targets: u64, limit: u64 },
    #[error(transparent)]
    Sink(#[from] SinkError),
    /// A defect of ours: the page's reader ended without an answer.
    #[error("the scrape was aborted")]
    Aborted,
}

impl ScrapeError {
    /// One word, for labels and for the API.
    pub fn reason(&self) -> &'static str {
        match self {
            ScrapeError::Fetch(fetch) => fetch.reason(),
            ScrapeError::ContentType { .. } => "content_type",
            ScrapeError::Parse(_) | ScrapeError::ParseProtobuf { .. } => "parse",
            ScrapeError::SampleLimit { .. } => "sample_limit",
            ScrapeError::NoName { .. } | ScrapeError::NotLegacy { .. } => "name",
            ScrapeError::LabelLimit { .. } => "label_limit",
            ScrapeError::TargetLimit { .. } => "target_limit",
            ScrapeError::Sink(_) => "sink",
            ScrapeError::Aborted => "aborted",
        }
    }
}
