//! One entry of `scrape_configs`, with Prometheus's keys and defaults.

use super::error::JobError;
use crate::discovery::DiscoveryConfig;
use crate::http::{Bytes, HttpConfig, Millis, loose};
use crate::relabel::RelabelConfig;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A page larger than this is refused where the config sets no `body_size_limit`: kube-state-metrics of a cluster with
/// 100 000 pods stays below it.
pub(super) const BODY_BYTES_MAX_DEFAULT: u64 = 256 << 20;

/// What `global` gives to jobs that do not say otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ScrapeDefaults {
    pub interval_ms: i64,
    pub timeout_ms: i64,
}

impl Default for ScrapeDefaults {
    fn default() -> Self {
        ScrapeDefaults {
            interval_ms: 15_000,
            timeout_ms: 10_000,
        }
    }
}

/// Limits of 0 are none.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct ScrapeConfig {
    #[serde(deserialize_with = "loose::text")]
    pub job_name: String,
    pub scrape_interval: Option<Millis>,
    pub scrape_timeout: Option<Millis>,
    pub scheme: String,
    pub metrics_path: String,
    #[serde(deserialize_with = "loose::lists")]
    pub params: BTreeMap<String, Vec<String>>,
    pub honor_labels: bool,
    pub honor_timestamps: bool,
    pub track_timestamps_staleness: bool,
    pub scrape_protocols: Option<Vec<ScrapeProtocol>>,
    /// For a body whose content type is absent or none of ours.
    pub fallback_scrape_protocol: Option<ScrapeProtocol>,
    pub scrape_native_histograms: bool,
    /// Keep the classic buckets of a histogram that has native ones, or was made one.
    pub always_scrape_classic_histograms: bool,
    /// Make native histograms with custom bounds of classic ones.
    pub convert_classic_histograms_to_nhcb: bool,
    pub enable_compression: bool,
    pub extra_scrape_metrics: bool,
    pub body_size_limit: Bytes,
    #[serde(deserialize_with = "loose::count")]
    pub sample_limit: u64,
    #[serde(deserialize_with = "loose::count")]
    pub label_limit: u64,
    #[serde(deserialize_with = "loose::count")]
    pub label_name_length_limit: u64,
    #[serde(deserialize_with = "loose::count")]
    pub label_value_length_limit: u64,
    #[serde(deserialize_with = "loose::count")]
    pub target_limit: u64,
    /// Dropped targets that the targets' page keeps.
    #[serde(deserialize_with = "loose::count")]
    pub keep_dropped_targets: u64,
    pub metric_name_validation_scheme: NameValidation,
    /// `None`: as the validation suggests.
    pub metric_name_escaping_scheme: Option<NameEscaping>,
    pub relabel_configs: Vec<RelabelConfig>,
    pub metric_relabel_configs: Vec<RelabelConfig>,
    #[serde(flatten)]
    pub discovery: DiscoveryConfig,
    #[serde(flatten)]
    pub http: HttpConfig,
}

impl Default for ScrapeConfig {
    fn default() -> Self {
        ScrapeConfig {
            job_name: String::new(),
            scrape_interval: None,
            scrape_timeout: None,
            scheme: "http".to_owned(),
            metrics_path: "/metrics".to_owned(),
            params: BTreeMap::new(),
            honor_labels: false,
            honor_timestamps: true,
            track_timestamps_staleness: false,
            scrape_protocols: None,
            fallback_scrape_protocol: None,
            scrape_native_histograms: false,
            always_scrape_classic_histograms: false,
            convert_classic_histograms_to_nhcb: false,
            enable_compression: true,
            extra_scrape_metrics: false,
            body_size_limit: Bytes(0),
            sample_limit: 0,
            label_limit: 0,
            label_name_length_limit: 0,
            label_value_length_limit: 0,
            target_limit: 0,
            keep_dropped_targets: 0,
            metric_name_validation_scheme: NameValidation::default(),
            metric_name_escaping_scheme: None,
            relabel_configs: Vec::new(),
            metric_relabel_configs: Vec::new(),
            discovery: DiscoveryConfig::default(),
            http: HttpConfig::default(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ScrapeProtocol {
    PrometheusProto,
    #[serde(rename = "OpenMetricsText1.0.0")]
    OpenMetricsText1_0_0,
    #[serde(rename = "OpenMetricsText0.0.1")]
    OpenMetricsText0_0_1,
    #[serde(rename = "PrometheusText1.0.0")]
    PrometheusText1_0_0,
    #[serde(rename = "PrometheusText0.0.4")]
    PrometheusText0_0_4,
}

/// Which names the target is asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameValidation {
    #[default]
    Utf8,
    /// Letters, digits, `_` and `:` only; others are asked for in an escaped form.
    Legacy,
}

/// How the target is asked to spell names beyond the legacy ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NameEscaping {
    #[serde(rename = "allow-utf-8")]
    AllowUtf8,
    Underscores,
    Dots,
    Values,
}

impl NameEscaping {
    fn as_str(self) -> &'static str {
        match self {
            NameEscaping::AllowUtf8 => "allow-utf-8",
            NameEscaping::Underscores => "underscores",
            NameEscaping::Dots => "dots",
            NameEscaping::Values => "values",
        }
    }
}

impl ScrapeProtocol {
    /// Whether a list of them can be asked for: of at least one, and each once.
    pub fn check_all(protocols: &[ScrapeProtocol]) -> Result<(), JobError> {
        if protocols.is_empty() {
            return Err(JobError::NoProtocol);
        }
        let twice = |i: usize| protocols[..i].contains(&protocols[i]);
        match (0..protocols.len()).find(|i| twice(*i)) {
            Some(i) => Err(JobError::ProtocolTwice {
                protocol: protocols[i].name(),
            }),
            None => Ok(()),
        }
    }

    /// As it is typed.
    fn name(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => "PrometheusProto",
            ScrapeProtocol::OpenMetricsText1_0_0 => "OpenMetricsText1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "OpenMetricsText0.0.1",
            ScrapeProtocol::PrometheusText1_0_0 => "PrometheusText1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "PrometheusText0.0.4",
        }
    }

    /// Older formats know nothing of escaping.
    fn can_escape(self) -> bool {
        matches!(
            self,
            ScrapeProtocol::PrometheusProto
                | ScrapeProtocol::OpenMetricsText1_0_0
                | ScrapeProtocol::PrometheusText1_0_0
        )
    }

    pub(super) fn media_type(self) -> &'static str {
        match self {
            ScrapeProtocol::PrometheusProto => {
                "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"
            }
            ScrapeProtocol::OpenMetricsText1_0_0 => "application/openmetrics-text;version=1.0.0",
            ScrapeProtocol::OpenMetricsText0_0_1 => "application/openmetrics-text;version=0.0.1",
            ScrapeProtocol::PrometheusText1_0_0 => "text/plain;version=1.0.0",
            ScrapeProtocol::PrometheusText0_0_4 => "text/plain;version=0.0.4",
        }
    }
}

impl ScrapeConfig {
    /// In order of preference; protobuf leads only where native histograms are wanted, as only it carries them.
    pub(super) fn protocols(&self) -> Vec<ScrapeProtocol> {
        if let Some(protocols) = &self.scrape_protocols {
            return protocols.clone();
        }
        let mut protocols = vec![
            ScrapeProtocol::OpenMetricsText1_0_0,
            ScrapeProtocol::OpenMetricsText0_0_1,
            ScrapeProtocol::PrometheusText1_0_0,
            ScrapeProtocol::PrometheusText0_0_4,
        ];
        if self.scrape_native_histograms {
            protocols.insert(0, ScrapeProtocol::PrometheusProto);
        }
        protocols
    }

    pub(super) fn accept_header(&self) -> String {
        let protocols = self.protocols();
        let escaping = self
            .metric_name_escaping_scheme
            .unwrap_or(match self.metric_name_validation_scheme {
                NameValidation::Utf8 => NameEscaping::AllowUtf8,
                NameValidation::Legacy => NameEscaping::Underscores,
            });
        let mut header = String::new();
        for (i, protocol) in protocols.iter().enumerate() {
            let weight = 0.1 * (protocols.len() - i + 1) as f64;
            header.push_str(protocol.media_type());
            if protocol.can_escape() {
                header.push_str(";escaping=");
                header.push_str(escaping.as_str());
            }
            header.push_str(&format!(";q={weight:.1},"));
        }
        header.push_str("*/*;q=0.1");
        header
    }

    pub(super) fn body_bytes_max(&self) -> u64 {
        match self.body_size_limit.0 {
            0 => BODY_BYTES_MAX_DEFAULT,
            limit => limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefers_as_prometheus_does() {
        let mut config = ScrapeConfig::default();
        assert_eq!(
            config.accept_header(),
            "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
             application/openmetrics-text;version=0.0.1;q=0.4,\
             text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1"
        );
        config.scrape_native_histograms = true;
        assert_eq!(config.protocols()[0], ScrapeProtocol::PrometheusProto);
        config.scrape_protocols = Some(vec![ScrapeProtocol::PrometheusText0_0_4]);
        assert_eq!(config.accept_header(), "text/plain;version=0.0.4;q=0.2,*/*;q=0.1");
        config.scrape_protocols = Some(vec![ScrapeProtocol::PrometheusText1_0_0]);
        config.metric_name_validation_scheme = NameValidation::Legacy;
        let header = "text/plain;version=1.0.0;escaping=underscores;q=0.2,*/*;q=0.1";
        assert_eq!(config.accept_header(), header);
    }

    #[test]
    fn limits_may_be_typed_as_people_write_large_numbers() {
        let read = |text: &str| serde_json::from_str::<ScrapeConfig>(text);
        let config = read(r#"{"sample_limit": 1e3, "target_limit": 7}"#).unwrap();
        assert_eq!((config.sample_limit, config.target_limit), (1000, 7));
        for wrong in ["1.5", "-1", "-1e3", "1e300", "\"many\""] {
            let text = format!("{{\"sample_limit\": {wrong}}}");
            assert!(read(&text).is_err(), "{wrong}");
        }
    }
}
