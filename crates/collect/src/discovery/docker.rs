//! Containers of a Docker daemon, over its socket or HTTP.

use super::config::DockerConfig;
use super::error::DiscoveryError;
use super::group::TargetGroup;
use super::json::{label_name, list, text};
use super::provider::{Answer, Provider, get_json, pause_of};
use crate::http::HttpClient;
use lapwing_types::{Labels, LabelsBuilder};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};

pub(super) struct DockerProvider {
    config: DockerConfig,
    client: HttpClient,
    base_url: String,
}

impl DockerProvider {
    pub(super) fn new(config: DockerConfig) -> Result<Self, DiscoveryError> {
        let (client, base_url) = match config.host.strip_prefix("unix://") {
            Some(path) => {
                let client = HttpClient::over_unix_socket(&config.http, path.into())?;
                (client, "http://docker".to_owned())
            }
            None => {
                let base = config.host.replacen("tcp://", "http://", 1);
                (
                    HttpClient::new(&config.http)?,
                    base.trim_end_matches('/').to_owned(),
                )
            }
        };
        Ok(DockerProvider {
            config,
            client,
            base_url,
        })
    }

    async fn get(&self, path: &str, now_ms: i64) -> Result<Value, DiscoveryError> {
        get_json(&self.client, &format!("{}{path}", self.base_url), &[], now_ms).await
    }

    async fn refresh(&self, now_ms: i64) -> Result<Vec<TargetGroup>, DiscoveryError> {
        let networks = self.get("/networks", now_ms).await?;
        let containers = self.get(&containers_path(&self.config), now_ms).await?;
        Ok(vec![TargetGroup {
            source: "docker".to_owned(),
            targets: targets(&containers, &networks, &self.config),
        }])
    }
}

impl Provider for DockerProvider {
    fn next(&mut self, now_ms: i64) -> Answer<'_> {
        Box::pin(self.refresh(now_ms))
    }

    fn pause_ms(&self) -> Option<i64> {
        Some(pause_of(self.config.refresh_interval))
    }

    fn name(&self) -> String {
        format!("docker {}", self.config.host)
    }
}

/// With the filters as the daemon takes them: `{"name": ["value", …]}`.
fn containers_path(config: &DockerConfig) -> String {
    if config.filters.is_empty() {
        return "/containers/json".to_owned();
    }
    let mut by_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for filter in &config.filters {
        let values = by_name.entry(&filter.name).or_default();
        values.extend(filter.values.iter().map(String::as_str));
    }
    let filters = serde_json::json!(by_name).to_string();
    let query = url::form_urlencoded::Serializer::new(String::new())
        .append_pair("filters", &filters)
        .finish();
    format!("/containers/json?{query}")
}

fn targets(containers: &Value, networks: &Value, config: &DockerConfig) -> Vec<Labels> {
    let by_id: HashMap<&str, &Value> = list(networks).iter().map(|n| (text(n, "/Id"), n)).collect();
    list(containers)
        .iter()
        .flat_map(|c| container(c, &by_id, config))
        .collect()
}

fn container(container: &Value, networks: &HashMap<&str, &Value>, config: &DockerConfig) -> Vec<Labels> {
    let mut common = LabelsBuilder::new();
    common.set("__meta_docker_container_id", text(container, "/Id"));
    common.set("__meta_docker_container_name", text(container, "/Names/0"));
    let mode = text(container, "/HostConfig/NetworkMode");
    common.set("__meta_docker_container_network_mode", mode);
    set_labels(
        &mut common,
        "__meta_docker_container_label_",
        container.pointer("/Labels"),
    );
    let Some(attached) = container
        .pointer("/NetworkSettings/Networks")
        .and_then(Value::as_object)
    else {
        return Vec::new();
    };
    let mut targets = Vec::new();
    let mut names: Vec<&String> = attached.keys().collect();
    names.sort();
    let taken = if config.match_first_network {
        1
    } else {
        names.len()
    };
    for name in names.into_iter().take(taken) {
        let endpoint = &attached[name];
        let mut labels = common.clone();
        labels.set("__meta_docker_network_ip", text(endpoint, "/IPAddress"));
        if let Some(network) = networks.get(text(endpoint, "/NetworkID")) {
            labels.set("__meta_docker_network_id", text(network, "/Id"));
            labels.set("__meta_docker_network_name", text(network, "/Name"));
            labels.set("__meta_docker_network_scope", text(network, "/Scope"));
            for (label, at) in [("internal", "/Internal"), ("ingress", "/Ingress")] {
                let yes = network.pointer(at).and_then(Value::as_bool).unwrap_or(false);
                labels.set(&format!("__meta_docker_network_{label}"), yes.to_string());
            }
            set_labels(
                &mut labels,
                "__meta_docker_network_label_",
                network.pointer("/Labels"),
            );
        }
        targets.extend(
            ports(container, endpoint, mode, config)
                .into_iter()
                .map(|(address, pairs)| {
                    let mut labels = labels.clone();
                    for (name, value) in pairs {
                        labels.set(name, value);
                    }
                    labels.set("__address__", address);
                    labels.build()
                }),
        );
    }
    targets
}

type Port = (String, Vec<(&'static str, String)>);

/// One target per TCP port; for a container that exposes none, one at the configured port.
fn ports(container: &Value, endpoint: &Value, mode: &str, config: &DockerConfig) -> Vec<Port> {
    let ip = text(endpoint, "/IPAddress");
    let mut found: Vec<Port> = Vec::new();
    for port in container.pointer("/Ports").map_or(&[][..], list) {
        let Some(private) = port.pointer("/PrivatePort").and_then(Value::as_u64) else {
            continue;
        };
        if text(port, "/Type") != "tcp" {
            continue;
        }
        let mut pairs = vec![("__meta_docker_port_private", private.to_string())];
        if let Some(public) = port
            .pointer("/PublicPort")
            .and_then(Value::as_u64)
            .filter(|p| *p > 0)
        {
            pairs.push(("__meta_docker_port_public", public.to_string()));
            pairs.push(("__meta_docker_port_public_ip", text(port, "/IP").to_owned()));
        }
        let address = host_port(ip, private);
        // A port published for IPv4 and IPv6 is listed twice.
        if !found.iter().any(|(a, _)| *a == address) {
            found.push((address, pairs));
        }
    }
    if found.is_empty() {
        let host = if mode == "host" {
            &config.host_networking_host
        } else {
            ip
        };
        if !host.is_empty() {
            found.push((host_port(host, u64::from(config.port)), Vec::new()));
        }
    }
    found
}

fn host_port(host: &str, port: u64) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

fn set_labels(builder: &mut LabelsBuilder, prefix: &str, labels: Option<&Value>) {
    for (name, value) in labels.and_then(Value::as_object).into_iter().flatten() {
        builder.set(&label_name(prefix, name), value.as_str().unwrap_or(""));
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::DockerFilter;
    use super::*;
    use serde_json::json;

    #[test]
    fn filters_are_asked_for() {
        let filter = |name: &str, value: &str| DockerFilter {
            name: name.to_owned(),
            values: vec![value.to_owned()],
        };
        let mut config = DockerConfig::default();
        assert_eq!(containers_path(&config), "/containers/json");
        config.filters = vec![filter("label", "a=b"), filter("name", "x"), filter("label", "c")];
        let path = containers_path(&config);
        let url = url::Url::parse(&format!("http://docker{path}")).unwrap();
        let (key, value) = url.query_pairs().next().unwrap();
        assert_eq!(
            (&*key, &*value),
            ("filters", r#"{"label":["a=b","c"],"name":["x"]}"#)
        );
    }

    #[test]
    fn containers_become_targets() {
        let networks = json!([{"Id": "n1", "Name": "bridge", "Scope": "local", "Internal": false, "Ingress": false,
            "Labels": {"a.b": "c"}}]);
        let containers = json!([
            {"Id": "c1", "Names": ["/vllm"], "Labels": {"com.example.model": "chat"},
             "HostConfig": {"NetworkMode": "bridge"},
             "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2", "NetworkID": "n1"}}},
             "Ports": [{"PrivatePort": 8000, "PublicPort": 80, "IP": "0.0.0.0", "Type": "tcp"},
                       {"PrivatePort": 8000, "PublicPort": 80, "IP": "::", "Type": "tcp"},
                       {"PrivatePort": 53, "Type": "udp"}]},
            {"Id": "c2", "Names": ["/host"], "HostConfig": {"NetworkMode": "host"},
             "NetworkSettings": {"Networks": {"host": {"IPAddress": "", "NetworkID": "n2"}}}, "Ports": []}
        ]);
        let found = targets(&containers, &networks, &DockerConfig::default());
        assert_eq!(found.len(), 2);
        let get = |name: &str| found[0].get(name).unwrap_or("");
        assert_eq!(get("__address__"), "172.17.0.2:8000");
        assert_eq!(get("__meta_docker_container_name"), "/vllm");
        assert_eq!(get("__meta_docker_container_label_com_example_model"), "chat");
        assert_eq!(get("__meta_docker_network_name"), "bridge");
        assert_eq!(get("__meta_docker_network_label_a_b"), "c");
        assert_eq!(get("__meta_docker_network_internal"), "false");
        assert_eq!(get("__meta_docker_port_public"), "80");
        assert_eq!(found[1].get("__address__"), Some("localhost:80"));
        assert_eq!(targets(&json!("what"), &json!(7), &DockerConfig::default()), []);
    }
}
