//! `discover:` what Lapwing looks for without being told.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::Node;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct DiscoverConfig {
    /// Model servers and exporters on this host, by their well-known ports.
    pub(crate) local: bool,
}

impl Default for DiscoverConfig {
    fn default() -> Self {
        DiscoverConfig { local: true }
    }
}

impl DiscoverConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = DiscoverConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "discover", notes);
        let config = DiscoverConfig {
            local: map.bool("local", notes).unwrap_or(default.local),
        };
        map.finish(notes);
        config
    }
}
