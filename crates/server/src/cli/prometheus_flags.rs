//! The flags of Prometheus 3: what each means here, and what `/api/v1/status/flags` says of all of them.

use super::peer_flags::Flags;
use super::peer_flags::Meaning::{self, IdleSwitch, IdleValue, Switch, Value};
use crate::config::Config;
use crate::config::RETENTION_MS;
use lapwing_types::{format_duration_ms, format_size_bytes};
use std::collections::BTreeMap;

pub(super) const FLAGS: [(&str, Meaning); 74] = [
    ("agent", Switch),
    ("alertmanager.drain-notification-queue-on-shutdown", IdleSwitch),
    ("alertmanager.notification-batch-size", IdleValue),
    ("alertmanager.notification-queue-capacity", IdleValue),
    ("auto-gomaxprocs", IdleSwitch),
    ("auto-gomemlimit", IdleSwitch),
    ("auto-gomemlimit.ratio", IdleValue),
    ("config.auto-reload-interval", IdleValue),
    ("config.file", Value),
    ("enable-feature", Value),
    ("help", Switch),
    ("log.format", Value),
    ("log.level", Value),
    ("query.lookback-delta", Value),
    ("query.max-concurrency", Value),
    ("query.max-samples", Value),
    ("query.timeout", Value),
    ("rules.alert.for-grace-period", IdleValue),
    ("rules.alert.for-outage-tolerance", IdleValue),
    ("rules.alert.resend-delay", IdleValue),
    ("rules.max-concurrent-evals", IdleValue),
    ("scrape.adjust-timestamps", IdleSwitch),
    ("scrape.discovery-reload-interval", IdleValue),
    ("scrape.name-escaping-scheme", IdleValue),
    ("scrape.timestamp-tolerance", IdleValue),
    ("storage.agent.no-lockfile", IdleSwitch),
    ("storage.agent.path", IdleValue),
    ("storage.agent.retention.max-time", IdleValue),
    ("storage.agent.retention.min-time", IdleValue),
    ("storage.agent.wal-compression", IdleSwitch),
    ("storage.agent.wal-compression-type", IdleValue),
    ("storage.agent.wal-segment-size", IdleValue),
    ("storage.agent.wal-truncate-frequency", IdleValue),
    ("storage.remote.flush-deadline", IdleValue),
    ("storage.remote.read-concurrent-limit", IdleValue),
    ("storage.remote.read-max-bytes-in-frame", IdleValue),
    ("storage.remote.read-sample-limit", IdleValue),
    ("storage.tsdb.allow-overlapping-blocks", IdleSwitch),
    ("storage.tsdb.allow-overlapping-compaction", IdleSwitch),
    ("storage.tsdb.block-reload-interval", IdleValue),
    ("storage.tsdb.delay-compact-file.path", IdleValue),
    ("storage.tsdb.delayed-compaction.max-percent", IdleValue),
    ("storage.tsdb.head-chunks-write-queue-size", IdleValue),
    ("storage.tsdb.max-block-chunk-segment-size", IdleValue),
    ("storage.tsdb.max-block-duration", IdleValue),
    ("storage.tsdb.min-block-duration", IdleValue),
    ("storage.tsdb.no-lockfile", IdleSwitch),
    ("storage.tsdb.path", Value),
    ("storage.tsdb.retention", Value),
    ("storage.tsdb.retention.percentage", IdleValue),
    ("storage.tsdb.retention.size", Value),
    ("storage.tsdb.retention.time", Value),
    ("storage.tsdb.samples-per-chunk", IdleValue),
    ("storage.tsdb.wal-compression", IdleSwitch),
    ("storage.tsdb.wal-compression-type", IdleValue),
    ("storage.tsdb.wal-segment-size", IdleValue),
    ("version", Switch),
    ("web.config.file", Value),
    ("web.console.libraries", IdleValue),
    ("web.console.templates", IdleValue),
    ("web.cors.origin", Value),
    ("web.enable-admin-api", Switch),
    ("web.enable-lifecycle", Switch),
    ("web.enable-otlp-receiver", Switch),
    ("web.enable-remote-write-receiver", Switch),
    ("web.external-url", Value),
    ("web.listen-address", Value),
    ("web.max-connections", Value),
    ("web.max-notifications-subscribers", IdleValue),
    ("web.page-title", IdleValue),
    ("web.read-timeout", Value),
    ("web.remote-write-receiver.accepted-protobuf-messages", IdleValue),
    ("web.route-prefix", Value),
    ("web.user-assets", IdleValue),
];

/// What Prometheus says of those that nobody gave. Not among them: what counts here, of which the configuration knows.
const DEFAULTS: [(&str, &str); 52] = [
    ("agent", "false"),
    ("alertmanager.drain-notification-queue-on-shutdown", "true"),
    ("alertmanager.notification-batch-size", "256"),
    ("alertmanager.notification-queue-capacity", "10000"),
    ("auto-gomaxprocs", "true"),
    ("auto-gomemlimit", "true"),
    ("auto-gomemlimit.ratio", "0.9"),
    ("config.auto-reload-interval", "30s"),
    ("enable-feature", ""),
    ("log.format", "logfmt"),
    ("log.level", "info"),
    ("rules.alert.for-grace-period", "10m"),
    ("rules.alert.for-outage-tolerance", "1h"),
    ("rules.alert.resend-delay", "1m"),
    ("rules.max-concurrent-evals", "4"),
    ("scrape.adjust-timestamps", "true"),
    ("scrape.discovery-reload-interval", "5s"),
    ("scrape.timestamp-tolerance", "2ms"),
    ("storage.agent.no-lockfile", "false"),
    ("storage.agent.path", "data-agent/"),
    ("storage.agent.retention.max-time", "0s"),
    ("storage.agent.retention.min-time", "0s"),
    ("storage.agent.wal-compression", "true"),
    ("storage.agent.wal-compression-type", "snappy"),
    ("storage.agent.wal-segment-size", "0B"),
    ("storage.agent.wal-truncate-frequency", "0s"),
    ("storage.remote.flush-deadline", "1m"),
    ("storage.remote.read-concurrent-limit", "10"),
    ("storage.remote.read-max-bytes-in-frame", "1048576"),
    ("storage.remote.read-sample-limit", "50000000"),
    ("storage.tsdb.allow-overlapping-compaction", "true"),
    ("storage.tsdb.delayed-compaction.max-percent", "10"),
    ("storage.tsdb.head-chunks-write-queue-size", "0"),
    ("storage.tsdb.max-block-chunk-segment-size", "0B"),
    ("storage.tsdb.max-block-duration", "1d12h"),
    ("storage.tsdb.min-block-duration", "2h"),
    ("storage.tsdb.no-lockfile", "false"),
    ("storage.tsdb.samples-per-chunk", "120"),
    ("storage.tsdb.wal-compression", "true"),
    ("storage.tsdb.wal-compression-type", "snappy"),
    ("storage.tsdb.wal-segment-size", "0B"),
    ("web.config.file", ""),
    ("web.console.libraries", "console_libraries"),
    ("web.console.templates", "consoles"),
    ("web.enable-admin-api", "false"),
    ("web.enable-lifecycle", "false"),
    ("web.enable-otlp-receiver", "false"),
    ("web.enable-remote-write-receiver", "false"),
    ("web.max-notifications-subscribers", "16"),
    (
        "web.page-title",
        "Prometheus Time Series Collection and Processing Server",
    ),
    (
        "web.remote-write-receiver.accepted-protobuf-messages",
        "prometheus.WriteRequest,io.prometheus.write.v2.Request",
    ),
    ("web.user-assets", ""),
];

/// Every flag, as it was given or as it is without that.
pub(super) fn in_force(flags: &Flags, config: &Config) -> BTreeMap<&'static str, String> {
    let mut shown: BTreeMap<&'static str, String> = DEFAULTS
        .iter()
        .map(|(name, value)| (*name, (*value).to_owned()))
        .collect();
    let (web, store, query) = (&config.web, &config.store, &config.limits.query);
    let listen: Vec<String> = web.addresses().map(|a| a.to_string()).collect();
    // A size alone is the only end.
    let by_age = if store.retention_bytes.is_none() {
        RETENTION_MS
    } else {
        0
    };
    let of_config = [
        ("config.file", "prometheus.yml".to_owned()),
        ("query.lookback-delta", format_duration_ms(query.lookback_ms)),
        ("query.max-concurrency", query.concurrency_max.to_string()),
        ("query.max-samples", query.samples_max.to_string()),
        ("query.timeout", format_duration_ms(query.timeout_ms)),
        ("storage.tsdb.path", store.data.display().to_string()),
        (
            "storage.tsdb.retention.size",
            format_size_bytes(store.retention_bytes.unwrap_or(0)),
        ),
        (
            "storage.tsdb.retention.time",
            format_duration_ms(store.retention_ms.unwrap_or(by_age)),
        ),
        ("web.cors.origin", String::new()),
        ("web.external-url", String::new()),
        ("web.listen-address", listen.join(",")),
        ("web.max-connections", config.limits.connections_max.to_string()),
        (
            "web.read-timeout",
            format_duration_ms(config.limits.body_timeout_ms),
        ),
        ("web.route-prefix", format!("{}/", web.route_prefix)),
    ];
    shown.extend(of_config);
    for (name, meaning) in FLAGS {
        match meaning {
            Switch | IdleSwitch => {
                let given = flags.switch(name);
                shown.extend(given.map(|is_on| (name, is_on.to_string())));
            }
            Value | IdleValue if !flags.all(name).is_empty() && name != "web.listen-address" => {
                shown.insert(name, flags.all(name).join(","));
            }
            Value | IdleValue => {}
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_stand_in_order_so_that_help_reads_well() {
        assert!(FLAGS.is_sorted_by_key(|(name, _)| *name));
        assert!(DEFAULTS.is_sorted_by_key(|(name, _)| *name));
        let is_known = |name: &str| FLAGS.iter().any(|(known, _)| *known == name);
        assert!(DEFAULTS.iter().all(|(name, _)| is_known(name)));
    }
}
