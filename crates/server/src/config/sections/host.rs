//! `host:` whether and how often this machine itself is measured.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::MapReader;
use crate::config::yaml::Node;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct HostConfig {
    pub(crate) enabled: bool,
    pub(crate) interval_ms: i64,
}

impl Default for HostConfig {
    fn default() -> Self {
        HostConfig {
            enabled: true,
            interval_ms: 15_000,
        }
    }
}

/// Below this, measuring the host would show mostly the measuring.
const INTERVAL_MS_MIN: i64 = 1_000;

impl HostConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = HostConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "host", notes);
        let config = HostConfig {
            enabled: map.bool("enabled", notes).unwrap_or(default.enabled),
            interval_ms: map.duration_ms("interval", notes).unwrap_or(default.interval_ms),
        };
        if config.interval_ms < INTERVAL_MS_MIN {
            notes.error(
                node.at,
                "host.interval",
                "the host is measured at most once a second",
            );
        }
        map.finish(notes);
        config
    }
}
