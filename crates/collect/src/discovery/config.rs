//! The `…_sd_configs` of a scrape job.

use super::group::StaticConfig;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DiscoveryConfig {
    pub static_configs: Vec<StaticConfig>,
}
