//! What follows from a configuration: what the engine is started with, and what the API shows of it.

use super::sections::Config;
use lapwing::EngineOptions;
use lapwing_store::metrics::{Durability, MetricsOptions, Retention};
use lapwing_types::format_duration_ms;
use std::fmt::Write;
use std::time::Duration;

impl Config {
    pub(crate) fn engine_options(&self, memory: bool) -> EngineOptions {
        let host_interval = Duration::from_millis(self.host.interval_ms.unsigned_abs());
        EngineOptions {
            data: (!memory).then(|| self.store.data.clone()),
            metrics: self.metrics_options(),
            host_interval: self.host.enabled.then_some(host_interval),
            paging: self.alerting.paging.clone(),
            health: self.health.clone(),
            scrape_jobs: self.scrape_configs.clone(),
            scrape_defaults: self.global.scrape_defaults(),
            find_local: self.discover.local,
            find_local_ports: self.discover.ports.clone(),
            own_port: Some(self.web.listen.port()),
            queries: self.limits.query.engine_limits(),
            otlp: self.otlp.clone(),
            pushed_ttl_ms: self.receive.pushgateway_ttl_ms,
            ..EngineOptions::default()
        }
    }

    /// Puts back what a running program cannot change and names each key that was written otherwise.
    pub(crate) fn keep_what_needs_a_restart(&mut self, running: &Config) -> Vec<&'static str> {
        let mut changed = Vec::new();
        let mut keep = |differs: bool, key: &'static str| {
            if differs {
                changed.push(key);
            }
        };
        keep(self.store.data != running.store.data, "store.data");
        keep(
            self.store.durable_on_disk != running.store.durable_on_disk,
            "store.durability",
        );
        keep(
            self.store.out_of_order_window_ms != running.store.out_of_order_window_ms,
            "store.out_of_order_window",
        );
        keep(!self.web.addresses().eq(running.web.addresses()), "web.listen");
        keep(
            self.limits.connections_max != running.limits.connections_max,
            "limits.connections",
        );
        self.limits.connections_max = running.limits.connections_max;
        self.store.data.clone_from(&running.store.data);
        self.store.durable_on_disk = running.store.durable_on_disk;
        self.store.out_of_order_window_ms = running.store.out_of_order_window_ms;
        keep(
            self.web.route_prefix != running.web.route_prefix,
            "web.route_prefix",
        );
        self.web.route_prefix.clone_from(&running.web.route_prefix);
        self.web.listen = running.web.listen;
        self.web.listen_also.clone_from(&running.web.listen_also);
        changed
    }

    fn metrics_options(&self) -> MetricsOptions {
        let default = MetricsOptions::default();
        let count = |n: Option<u64>, default: usize| n.map_or(default, |n| n as usize);
        MetricsOptions {
            durability: if self.store.durable_on_disk {
                Durability::Disk
            } else {
                Durability::Process
            },
            memory_limit_bytes: self
                .store
                .memory_limit_bytes
                .unwrap_or(default.memory_limit_bytes),
            ooo_window_ms: self.store.out_of_order_window_ms,
            retention: Retention {
                age_ms: self.store.retention_ms,
                size_bytes: self.store.retention_bytes,
            },
            tiers: self.store.tiers.clone().unwrap_or(default.tiers),
            series_max: count(self.store.series_max, default.series_max),
            series_max_per_source: count(self.store.series_max_per_source, default.series_max_per_source),
            ..default
        }
    }

    /// The configuration in force as YAML, without secrets.
    pub(crate) fn shown(&self) -> String {
        let mut out = String::new();
        let mut line = |text: String| {
            let _ = writeln!(out, "{text}");
        };
        line("web:".to_owned());
        line(format!("  listen: {}", self.web.listen));
        for token in &self.web.tokens {
            line(format!("  # a token with the role {:?}", token.role));
        }
        line("store:".to_owned());
        line(format!("  data: {}", self.store.data.display()));
        let durability = if self.store.durable_on_disk {
            "disk"
        } else {
            "process"
        };
        line(format!("  durability: {durability}"));
        let retention = self.store.retention_ms.map(format_duration_ms);
        line(format!(
            "  retention: {}",
            retention.as_deref().unwrap_or("forever")
        ));
        line("  tiers:".to_owned());
        for tier in self.metrics_options().tiers {
            let keep = tier
                .age_ms
                .map_or_else(String::new, |ms| format!(", keep: {}", format_duration_ms(ms)));
            line(format!(
                "    - {{ every: {}{keep} }}",
                format_duration_ms(tier.resolution_ms)
            ));
        }
        line(format!(
            "  out_of_order_window: {}",
            format_duration_ms(self.store.out_of_order_window_ms)
        ));
        line("global:".to_owned());
        line(format!(
            "  scrape_interval: {}",
            format_duration_ms(self.global.scrape_interval_ms)
        ));
        line(format!(
            "  evaluation_interval: {}",
            format_duration_ms(self.global.evaluation_interval_ms)
        ));
        line(format!(
            "  rule_query_offset: {}",
            format_duration_ms(self.global.rule_query_offset_ms)
        ));
        if !self.global.external_labels.is_empty() {
            line("  external_labels:".to_owned());
        }
        for (name, value) in &self.global.external_labels {
            line(format!("    {name}: {value:?}"));
        }
        line("host:".to_owned());
        line(format!("  enabled: {}", self.host.enabled));
        line(format!(
            "  interval: {}",
            format_duration_ms(self.host.interval_ms)
        ));
        line("discover:".to_owned());
        line(format!("  local: {}", self.discover.local));
        line(format!("  ports: {:?}", self.discover.ports));
        out
    }
}
