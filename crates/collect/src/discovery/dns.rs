//! Targets from DNS: A and AAAA through the system's resolver, SRV by a query of our own.

use super::config::{DnsConfig, DnsKind};
use super::error::DiscoveryError;
use super::group::TargetGroup;
use super::provider::{Answer, Provider};
use super::srv::{self, Srv};
use lapwing_types::Labels;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// For one name.
const LOOKUP_WAIT: Duration = Duration::from_secs(10);

pub(super) struct DnsProvider {
    config: DnsConfig,
    resolv_conf: PathBuf,
}

impl DnsProvider {
    pub(super) fn new(config: DnsConfig) -> Self {
        DnsProvider {
            config,
            resolv_conf: PathBuf::from("/etc/resolv.conf"),
        }
    }

    async fn refresh(&self) -> Result<Vec<TargetGroup>, DiscoveryError> {
        let mut groups = Vec::new();
        for name in &self.config.names {
            let failed = |detail: String| DiscoveryError::Dns {
                name: name.clone(),
                detail,
            };
            let lookup = tokio::time::timeout(LOOKUP_WAIT, self.look_up(name)).await;
            let targets = lookup
                .map_err(|_| failed(format!("no answer within {} s", LOOKUP_WAIT.as_secs())))?
                .map_err(failed)?;
            groups.push(TargetGroup {
                source: name.clone(),
                targets,
            });
        }
        Ok(groups)
    }

    async fn look_up(&self, name: &str) -> Result<Vec<Labels>, String> {
        if self.config.kind == DnsKind::Srv {
            let records = srv::query(name, &self.resolv_conf).await?;
            return Ok(records.iter().map(|r| srv_target(name, r)).collect());
        }
        let found = tokio::net::lookup_host((name, self.config.port)).await;
        let mut addresses: Vec<SocketAddr> = found.map_err(|e| e.to_string())?.collect();
        addresses.retain(|a| a.is_ipv4() == (self.config.kind == DnsKind::A));
        addresses.sort();
        addresses.dedup();
        Ok(addresses.iter().map(|a| address_target(name, a)).collect())
    }
}

fn address_target(name: &str, address: &SocketAddr) -> Labels {
    let address = address.to_string();
    let pairs = [("__address__", address.as_str()), ("__meta_dns_name", name)];
    Labels::from_pairs(pairs).unwrap_or_default()
}

fn srv_target(name: &str, record: &Srv) -> Labels {
    let host = record.target.trim_end_matches('.');
    let (address, port) = (format!("{host}:{}", record.port), record.port.to_string());
    let pairs = [
        ("__address__", address.as_str()),
        ("__meta_dns_name", name),
        ("__meta_dns_srv_record_target", &record.target),
        ("__meta_dns_srv_record_port", &port),
    ];
    Labels::from_pairs(pairs).unwrap_or_default()
}

impl Provider for DnsProvider {
    fn next(&mut self, _now_ms: i64) -> Answer<'_> {
        Box::pin(self.refresh())
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(self.config.refresh_interval.0.max(1000))
    }

    fn name(&self) -> String {
        format!("dns {}", self.config.names.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_of_loopback() {
        let config = DnsConfig {
            names: vec!["localhost".to_owned()],
            kind: DnsKind::A,
            port: 9100,
            ..DnsConfig::default()
        };
        let groups = DnsProvider::new(config).refresh().await.unwrap();
        assert_eq!(
            groups[0].targets[0].to_string(),
            r#"{__address__="127.0.0.1:9100", __meta_dns_name="localhost"}"#
        );
    }

    #[tokio::test]
    async fn service_records_name_their_ports() {
        let (folder, server) = srv::tests::name_server(&[("b.example", 9101), ("a.example", 9100)]).await;
        let mut provider = DnsProvider::new(DnsConfig {
            names: vec!["_m._tcp.example".to_owned()],
            ..DnsConfig::default()
        });
        provider.resolv_conf = folder.path().join("resolv.conf");
        let groups = provider.refresh().await.unwrap();
        let addresses: Vec<&str> = groups[0]
            .targets
            .iter()
            .filter_map(|t| t.get("__address__"))
            .collect();
        assert_eq!(addresses, ["a.example:9100", "b.example:9101"]);
        server.abort();
    }
}
