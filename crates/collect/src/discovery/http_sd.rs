//! Groups from an HTTP endpoint that answers as a file would, in JSON.

use super::config::HttpSdConfig;
use super::error::DiscoveryError;
use super::group::{StaticConfig, TargetGroup};
use super::provider::{Answer, BODY_BYTES_MAX, Provider};
use crate::http::{HttpClient, Request};

const TIMEOUT_MS: i64 = 30_000;

pub(super) struct HttpProvider {
    config: HttpSdConfig,
    client: HttpClient,
}

impl HttpProvider {
    pub(super) fn new(config: HttpSdConfig) -> Result<Self, DiscoveryError> {
        let client = HttpClient::new(&config.http)?;
        Ok(HttpProvider { config, client })
    }

    async fn refresh(&self, now_ms: i64) -> Result<Vec<TargetGroup>, DiscoveryError> {
        let url = &self.config.url;
        let interval_s = (self.config.refresh_interval.0 as f64 / 1000.0).to_string();
        let request = Request {
            url,
            headers: &[
                ("accept", "application/json"),
                ("x-prometheus-refresh-interval-seconds", &interval_s),
            ],
            timeout_ms: TIMEOUT_MS,
            body_bytes_max: BODY_BYTES_MAX,
            now_ms,
        };
        let fetched = self
            .client
            .get(&request)
            .await
            .map_err(|source| DiscoveryError::Fetch {
                url: url.clone(),
                source,
            })?;
        let groups: Vec<StaticConfig> =
            serde_json::from_slice(&fetched.body).map_err(|e| DiscoveryError::Invalid {
                what: format!("the answer of {url}"),
                detail: e.to_string(),
            })?;
        let group = |(i, g)| TargetGroup::of_static(&format!("{url}:{i}"), g, &[("__meta_url", url)]);
        Ok(groups.iter().enumerate().map(group).collect())
    }
}

impl Provider for HttpProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(self.refresh(now_ms))
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(self.config.refresh_interval.0.max(1000))
    }

    fn name(&self) -> String {
        format!("http {}", self.config.url)
    }
}
