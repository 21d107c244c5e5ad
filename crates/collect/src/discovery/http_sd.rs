//! Groups from an HTTP endpoint that answers as a file would, in JSON.

use super::config::HttpSdConfig;
use super::error::DiscoveryError;
use super::group::{StaticConfig, TargetGroup};
use super::provider::{Answer, Provider, get_json, pause_of};
use crate::http::HttpClient;

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
        let headers = [
            ("accept", "application/json"),
            ("x-prometheus-refresh-interval-seconds", &interval_s),
        ];
        let groups: Option<Vec<StaticConfig>> = get_json(&self.client, url, &headers, now_ms).await?;
        let group = |(i, g)| TargetGroup::of_static(&format!("{url}:{i}"), g, &[("__meta_url", url)]);
        Ok(groups.iter().flatten().enumerate().map(group).collect())
    }
}

impl Provider for HttpProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(self.refresh(now_ms))
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(pause_of(self.config.refresh_interval))
    }

    fn name(&self) -> String {
        format!("http {}", self.config.url)
    }
}
