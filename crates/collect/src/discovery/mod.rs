//! Who can be scraped? Each kind of discovery gives groups of targets with Prometheus's `__meta_` labels.
//!
//! Reading order: config → one file per kind (`file`, `http_sd`, `dns` with `records`, `docker`, `kubernetes` with its
//! objects) → [`DiscoveryManager`], which runs them. Beside them `local`: what is found on this host with no
//! configuration at all.

mod config;
mod dns;
mod docker;
mod error;
mod file;
mod group;
mod http_sd;
mod json;
mod kubernetes;
mod kubernetes_objects;
mod kubernetes_slices;
mod local;
mod manager;
mod own;
mod provider;
mod records;

pub use config::{
    AttachMetadata, DiscoveryConfig, DnsConfig, DnsKind, DockerConfig, DockerFilter, FileConfig,
    HttpSdConfig, KubernetesConfig, KubernetesRole, Namespaces, NoMore, Selector,
};
pub use error::DiscoveryError;
pub use group::{StaticConfig, TargetGroup};
pub use local::{Candidate, Found, FoundKind, LOCAL_CANDIDATES, find_local, recognise};
pub use manager::{Discoveries, DiscoveryManager, DiscoveryStatus, Tell};
pub use own::discovery_series;
