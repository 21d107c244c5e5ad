//! Who can be scraped? Each kind of discovery gives groups of targets with Prometheus's `__meta_` labels.

mod config;
mod group;

pub use config::DiscoveryConfig;
pub use group::{StaticConfig, TargetGroup};
