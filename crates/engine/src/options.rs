//! What an engine is started with.

use crate::clock::Clock;
use crate::health::HealthOptions;
use crate::paging::PagingOptions;
use crate::queries::QueryLimits;
use crate::sdk::Sdk;
use lapwing_collect::scrape::{ScrapeConfig, ScrapeDefaults};
use lapwing_store::metrics::MetricsOptions;
use lapwing_wire::otlp::OtlpOptions;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

#[derive(Clone, Debug)]
pub struct EngineOptions {
    pub clock: Clock,
    /// None keeps everything in memory.
    pub data: Option<PathBuf>,
    pub metrics: MetricsOptions,
    pub queries: QueryLimits,
    pub otlp: OtlpOptions,
    pub paging: PagingOptions,
    pub health: Arc<HealthOptions>,
    /// How long what batch jobs pushed stands; `None` keeps it until it is deleted.
    pub pushed_ttl_ms: Option<i64>,
    pub scrape_jobs: Vec<ScrapeConfig>,
    pub scrape_defaults: ScrapeDefaults,
    /// Whether to look for model servers and exporters on this host.
    pub find_local: bool,
    /// Where they are looked for beside the well-known ports.
    pub find_local_ports: Vec<u16>,
    /// Only asks what a directory holds: without rules in force, their state must be left as it is.
    pub asks_only: bool,
    /// The port that Lapwing itself listens on: never scraped as if it were another's.
    pub own_port: Option<u16>,
    /// How often this host is measured; None leaves it alone.
    pub host_interval: Option<Duration>,
    /// What the program around the engine is watched with already; None makes a new one.
    pub sdk: Option<Sdk>,
    /// How often that is kept.
    pub sdk_interval: Duration,
    /// How often Lapwing's own numbers are kept; None keeps none.
    pub own_interval: Option<Duration>,
}

impl Default for EngineOptions {
    fn default() -> Self {
        EngineOptions {
            clock: Clock::system(),
            data: None,
            metrics: MetricsOptions::default(),
            queries: QueryLimits::default(),
            otlp: OtlpOptions::default(),
            paging: PagingOptions::default(),
            health: Arc::default(),
            pushed_ttl_ms: None,
            scrape_jobs: Vec::new(),
            scrape_defaults: ScrapeDefaults::default(),
            find_local: false,
            find_local_ports: Vec::new(),
            asks_only: false,
            own_port: None,
            host_interval: Some(Duration::from_secs(15)),
            sdk: None,
            sdk_interval: Duration::from_secs(5),
            own_interval: Some(Duration::from_secs(15)),
        }
    }
}
