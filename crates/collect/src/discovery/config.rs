//! The `…_sd_configs` of a scrape job, with Prometheus's keys and defaults.

use super::group::StaticConfig;
use crate::http::{HttpConfig, Millis};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::fmt;
use std::path::PathBuf;

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveryConfig {
    pub static_configs: Vec<StaticConfig>,
    pub file_sd_configs: Vec<FileConfig>,
    pub http_sd_configs: Vec<HttpSdConfig>,
    pub dns_sd_configs: Vec<DnsConfig>,
    pub docker_sd_configs: Vec<DockerConfig>,
    pub kubernetes_sd_configs: Vec<KubernetesConfig>,
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
    /// Needed for A and AAAA, which name no port.
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
#[serde(rename_all = "UPPERCASE")]
pub enum DnsKind {
    #[default]
    Srv,
    A,
    Aaaa,
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
