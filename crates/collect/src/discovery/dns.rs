//! Targets from DNS: A and AAAA through the system's resolver, SRV, MX and NS by a query of our own.

use super::config::{DnsConfig, DnsKind};
use super::error::DiscoveryError;
use super::group::TargetGroup;
use super::provider::{Answer, Provider};
use super::records::{self, Record, RecordKind};
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
        let of_own = match self.config.kind {
            DnsKind::Srv => Some(RecordKind::Srv),
            DnsKind::Mx => Some(RecordKind::Mx),
            DnsKind::Ns => Some(RecordKind::Ns),
            DnsKind::A | DnsKind::Aaaa => None,
        };
        if let Some(kind) = of_own {
            let records = records::query(name, kind, &self.resolv_conf).await?;
            let target = |record| record_target(name, kind, record, self.config.port);
            return Ok(records.iter().map(target).collect());
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

fn record_target(name: &str, kind: RecordKind, record: &Record, port: u16) -> Labels {
    let host = record.target.trim_end_matches('.');
    let port = record.port.unwrap_or(port).to_string();
    let address = format!("{host}:{port}");
    let target = match kind {
        RecordKind::Srv => "__meta_dns_srv_record_target",
        RecordKind::Mx => "__meta_dns_mx_record_target",
        RecordKind::Ns => "__meta_dns_ns_record_target",
    };
    let mut pairs = vec![
        ("__address__", address.as_str()),
        ("__meta_dns_name", name),
        (target, &record.target),
    ];
    if kind == RecordKind::Srv {
        pairs.push(("__meta_dns_srv_record_port", &port));
    }
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
        let (folder, server) = records::tests::name_server(&[("b.example", 9101), ("a.example", 9100)]).await;
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

    #[tokio::test]
    async fn hosts_of_mail_and_of_names_have_the_port_that_is_configured() {
        let (folder, server) = records::tests::name_server(&[("b.example", 9), ("a.example", 9)]).await;
        for (kind, word) in [(DnsKind::Mx, "mx"), (DnsKind::Ns, "ns")] {
            let mut provider = DnsProvider::new(DnsConfig {
                names: vec!["example".to_owned()],
                kind,
                port: 9153,
                ..DnsConfig::default()
            });
            provider.resolv_conf = folder.path().join("resolv.conf");
            let groups = provider.refresh().await.unwrap();
            let label = format!("__meta_dns_{word}_record_target");
            let expect = [("a.example:9153", "a.example."), ("b.example:9153", "b.example.")].map(
                |(address, target)| {
                    let pairs = [
                        ("__address__", address),
                        ("__meta_dns_name", "example"),
                        (label.as_str(), target),
                    ];
                    Labels::from_pairs(pairs).unwrap()
                },
            );
            assert_eq!(groups[0].targets, expect);
        }
        server.abort();
    }
}
