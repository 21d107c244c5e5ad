//! The `…_sd_configs` of a scrape job, with Prometheus's keys and defaults.

use super::group::StaticConfig;
use crate::http::{HttpConfig, Millis, loose};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveryConfig {
    #[serde(deserialize_with = "loose::or_nothing")]
    pub static_configs: Vec<StaticConfig>,
    #[serde(deserialize_with = "loose::or_nothing")]
    pub file_sd_configs: Vec<FileConfig>,
    #[serde(deserialize_with = "loose::or_nothing")]
    pub http_sd_configs: Vec<HttpSdConfig>,
    #[serde(deserialize_with = "loose::or_nothing")]
    pub dns_sd_configs: Vec<DnsConfig>,
    #[serde(deserialize_with = "loose::or_nothing")]
    pub docker_sd_configs: Vec<DockerConfig>,
    #[serde(deserialize_with = "loose::or_nothing")]
    pub kubernetes_sd_configs: Vec<KubernetesConfig>,
}

impl DiscoveryConfig {
    /// What of it can never find anything, and why.
    pub fn check(&self) -> Result<(), String> {
        if self.file_sd_configs.iter().any(|c| c.files.is_empty()) {
            return Err("file_sd_configs: files names no file".to_owned());
        }
        for config in &self.http_sd_configs {
            let url = url::Url::parse(&config.url).ok();
            if !url.is_some_and(|url| matches!(url.scheme(), "http" | "https")) {
                let url = &config.url;
                return Err(format!(
                    "http_sd_configs: url is {url:?}, but must be http://… or https://…"
                ));
            }
        }
        for config in &self.dns_sd_configs {
            if config.names.is_empty() {
                return Err("dns_sd_configs: names has no name".to_owned());
            }
            if config.kind != DnsKind::Srv && config.port == 0 {
                return Err(
                    "dns_sd_configs: port is missing; only records of the type SRV name one".to_owned(),
                );
            }
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FileConfig {
    /// `*`, `?` and `[ab]` may stand in a path.
    pub files: Vec<PathBuf>,
    /// Read again after so long even when no time of change moved.
    pub refresh_interval: Millis,
}

impl Default for FileConfig {
    fn default() -> Self {
        FileConfig {
            files: Vec::new(),
            refresh_interval: Millis(5 * 60_000),
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpSdConfig {
    pub url: String,
    pub refresh_interval: Millis,
    #[serde(flatten)]
    pub http: HttpConfig,
    #[serde(flatten)]
    pub rest: NoMore,
}

impl Default for HttpSdConfig {
    fn default() -> Self {
        HttpSdConfig {
            url: String::new(),
            refresh_interval: Millis(60_000),
            http: HttpConfig::default(),
            rest: NoMore,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DnsConfig {
    pub names: Vec<String>,
    #[serde(rename = "type")]
    pub kind: DnsKind,
    /// Needed for all kinds but SRV, which name no port.
    pub port: u16,
    pub refresh_interval: Millis,
}

impl Default for DnsConfig {
    fn default() -> Self {
        DnsConfig {
            names: Vec::new(),
            kind: DnsKind::Srv,
            port: 0,
            refresh_interval: Millis(30_000),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE", remote = "Self")]
pub enum DnsKind {
    #[default]
    Srv,
    A,
    Aaaa,
    Mx,
    Ns,
}

/// In whatever case it was typed, as Prometheus takes it.
impl<'de> Deserialize<'de> for DnsKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = String::deserialize(deserializer)?;
        DnsKind::deserialize(typed.to_uppercase().into_deserializer())
    }
}

impl Serialize for DnsKind {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        DnsKind::serialize(self, serializer)
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct DockerConfig {
    /// `unix:///var/run/docker.sock` or `http://host:port`.
    pub host: String,
    /// For containers that expose none.
    pub port: u16,
    pub host_networking_host: String,
    pub match_first_network: bool,
    /// Which containers the daemon lists; all that run without one.
    pub filters: Vec<DockerFilter>,
    pub refresh_interval: Millis,
    #[serde(flatten)]
    pub http: HttpConfig,
    #[serde(flatten)]
    pub rest: NoMore,
}

impl Default for DockerConfig {
    fn default() -> Self {
        DockerConfig {
            host: "unix:///var/run/docker.sock".to_owned(),
            port: 80,
            host_networking_host: "localhost".to_owned(),
            match_first_network: true,
            filters: Vec::new(),
            refresh_interval: Millis(60_000),
            http: HttpConfig::default(),
            rest: NoMore,
        }
    }
}

/// As the daemon's own interface has them: `label`, `name`, `network`, `status`, …
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DockerFilter {
    pub name: String,
    pub values: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KubernetesConfig {
    /// Empty: from inside a pod, with the pod's service account.
    pub api_server: String,
    pub role: KubernetesRole,
    pub namespaces: Namespaces,
    pub selectors: Vec<Selector>,
    pub attach_metadata: AttachMetadata,
    #[serde(flatten)]
    pub http: HttpConfig,
    #[serde(flatten)]
    pub rest: NoMore,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KubernetesRole {
    #[default]
    Pod,
    Service,
    Endpoints,
    EndpointSlice,
    Node,
    Ingress,
}

/// Empty: all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Namespaces {
    pub names: Vec<String>,
    /// The namespace of the pod that this runs in, beside those named.
    pub own_namespace: bool,
}

/// What is looked up for pods and endpoints besides.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AttachMetadata {
    /// Labels and annotations of the node that a pod runs on.
    pub node: bool,
    /// Labels and annotations of the namespace; with pods, services, endpoints and ingresses.
    pub namespace: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Selector {
    pub role: KubernetesRole,
    pub label: String,
    pub field: String,
}

/// Stands after all flattened parts of a block and refuses the keys that none of them took; serde's own refusal does
/// not work across flattened parts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NoMore;

impl Serialize for NoMore {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(std::iter::empty::<(&str, &str)>())
    }
}

impl<'de> Deserialize<'de> for NoMore {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Nothing;
        impl<'de> de::Visitor<'de> for Nothing {
            type Value = NoMore;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("no further keys")
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<NoMore, A::Error> {
                match map.next_key::<String>()? {
                    Some(key) => Err(de::Error::custom(format!("unknown key {key:?}"))),
                    None => Ok(NoMore),
                }
            }
        }
        deserializer.deserialize_map(Nothing)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_nothing_is_a_mistake() {
        let check = |text: &str| {
            let config: DiscoveryConfig = serde_json::from_str(text).unwrap();
            config.check().err().unwrap_or_default()
        };
        for (text, reason) in [
            (r#"{"file_sd_configs": [{}]}"#, "files names no file"),
            (r#"{"http_sd_configs": [{}]}"#, "url is \"\""),
            (
                r#"{"http_sd_configs": [{"url": "ftp://x"}]}"#,
                "url is \"ftp://x\"",
            ),
            (r#"{"dns_sd_configs": [{}]}"#, "names has no name"),
            (
                r#"{"dns_sd_configs": [{"names": ["x"], "type": "A"}]}"#,
                "port is missing",
            ),
            (
                r#"{"dns_sd_configs": [{"names": ["x"], "type": "MX"}]}"#,
                "port is missing",
            ),
        ] {
            assert!(check(text).contains(reason), "{text}: {}", check(text));
        }
        for text in [
            "{}",
            r#"{"file_sd_configs": [{"files": ["a.json"]}], "http_sd_configs": [{"url": "https://x/y"}]}"#,
            r#"{"dns_sd_configs": [{"names": ["x"]}, {"names": ["x"], "type": "AAAA", "port": 1}, {"names": ["x"], "type": "NS", "port": 53}]}"#,
        ] {
            assert_eq!(check(text), "");
        }
    }

    #[test]
    fn a_type_of_records_may_be_typed_in_any_case() {
        for (typed, kind, shown) in [
            ("mx", DnsKind::Mx, "MX"),
            ("Ns", DnsKind::Ns, "NS"),
            ("AAAA", DnsKind::Aaaa, "AAAA"),
        ] {
            let read: DnsKind = serde_json::from_value(typed.into()).unwrap();
            assert_eq!((read, serde_json::to_value(read).unwrap()), (kind, shown.into()));
        }
        let refused = serde_json::from_str::<DnsKind>("\"TXT\"")
            .unwrap_err()
            .to_string();
        assert!(
            refused.contains("expected one of `SRV`, `A`, `AAAA`, `MX`, `NS`"),
            "{refused}"
        );
    }
}
