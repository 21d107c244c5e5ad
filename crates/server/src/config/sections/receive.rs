//! `receive:` which doors stand open for what others push, and how each behaves.

use crate::config::diagnostic::Diagnostics;
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::Node;
use crate::statsd::StatsdOptions;
use std::net::SocketAddr;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ReceiveConfig {
    pub(crate) remote_write: bool,
    pub(crate) otlp: bool,
    pub(crate) pushgateway: bool,
    /// Pushed groups are forgotten this long after their last push; `None` keeps them until they are deleted.
    pub(crate) pushgateway_ttl_ms: Option<i64>,
    pub(crate) statsd: StatsdOptions,
}

impl Default for ReceiveConfig {
    fn default() -> Self {
        ReceiveConfig {
            remote_write: true,
            otlp: true,
            pushgateway: true,
            pushgateway_ttl_ms: None,
            statsd: StatsdOptions::default(),
        }
    }
}

impl ReceiveConfig {
    pub(crate) fn read(node: Option<&Node>, notes: &mut Diagnostics) -> Self {
        let default = ReceiveConfig::default();
        let Some(node) = node else { return default };
        let mut map = MapReader::new(node, "receive", notes);
        let (pushgateway, pushgateway_ttl_ms) = read_pushgateway(map.node("pushgateway"), notes);
        let config = ReceiveConfig {
            remote_write: map.bool("remote_write", notes).unwrap_or(default.remote_write),
            otlp: map.bool("otlp", notes).unwrap_or(default.otlp),
            pushgateway,
            pushgateway_ttl_ms,
            statsd: map
                .node("statsd")
                .map_or(default.statsd, |n| read_statsd(n, notes)),
        };
        map.finish(notes);
        config
    }
}

fn read_pushgateway(node: Option<&Node>, notes: &mut Diagnostics) -> (bool, Option<i64>) {
    let Some(node) = node else { return (true, None) };
    let mut map = MapReader::new(node, "receive.pushgateway", notes);
    let enabled = map.bool("enabled", notes).unwrap_or(true);
    let ttl_ms = map.duration_ms("ttl", notes).filter(|ms| *ms > 0);
    map.finish(notes);
    (enabled, ttl_ms)
}

fn read_statsd(node: &Node, notes: &mut Diagnostics) -> StatsdOptions {
    let default = StatsdOptions::default();
    let mut map = MapReader::new(node, "receive.statsd", notes);
    let mut address = |key: &'static str, notes: &mut Diagnostics| -> Option<SocketAddr> {
        let path = map.path_of(key);
        let node = map.node(key)?;
        let text = text_of(node, &path, notes)?;
        let parsed = text.parse().ok();
        if parsed.is_none() {
            notes.error_with_hint(
                node.at,
                &path,
                format!("not an address and port: {text:?}"),
                "write 127.0.0.1:8125",
            );
        }
        parsed
    };
    let (udp, tcp) = (address("udp", notes), address("tcp", notes));
    let config = StatsdOptions {
        udp,
        tcp,
        flush_ms: map
            .duration_ms("flush_interval", notes)
            .filter(|ms| *ms > 0)
            .unwrap_or(default.flush_ms),
        idle_ms: map
            .duration_ms("forget_after", notes)
            .filter(|ms| *ms > 0)
            .unwrap_or(default.idle_ms),
        series_max: map
            .count("series_limit", notes)
            .map_or(default.series_max, |n| n as usize),
    };
    map.finish(notes);
    config
}
