//! Discovery end to end: answers of other programs' APIs become targets of the scraper.

use crate::server::Server;
use lapwing_collect::discovery::{AttachMetadata, FileConfig, KubernetesRole, Selector, StaticConfig};
use lapwing_collect::discovery::{
    DiscoveryConfig, DiscoveryManager, DockerConfig, HttpSdConfig, KubernetesConfig,
};
use lapwing_collect::scrape::{Job, ScrapeConfig, ScrapeDefaults, Scraper, ScraperOptions};
use lapwing_collect::{BatchSink, SinkError};
use lapwing_types::{Labels, WriteBatch};
use serde_json::json;
use std::sync::Arc;

struct Nowhere;

impl BatchSink for Nowhere {
    fn write(&self, _source: &str, _batch: WriteBatch, _now_ms: i64) -> Result<(), SinkError> {
        Ok(())
    }
}

fn manager() -> (DiscoveryManager, Scraper) {
    let clock: lapwing_collect::Clock = Arc::new(|| 0);
    let scraper = Scraper::start(ScraperOptions::new(Arc::new(Nowhere), clock.clone()));
    (DiscoveryManager::new(scraper.clone(), clock), scraper)
}

fn job(discovery: DiscoveryConfig) -> Arc<Job> {
    let config = ScrapeConfig {
        job_name: "j".to_owned(),
        discovery,
        ..ScrapeConfig::default()
    };
    Arc::new(Job::new(config, ScrapeDefaults::default()).unwrap())
}

/// What discovery said about each target, once these addresses are the job's.
async fn discovered(scraper: &Scraper, addresses: &[&str]) -> Vec<Labels> {
    loop {
        let found: Vec<Labels> = scraper
            .targets()
            .iter()
            .map(|t| t.target.discovered.clone())
            .collect();
        let mut shown: Vec<&str> = found.iter().filter_map(|l| l.get("__address__")).collect();
        shown.sort_unstable();
        if shown == addresses {
            return found;
        }
        tokio::task::yield_now().await;
    }
}

fn get<'a>(labels: &'a Labels, name: &str) -> &'a str {
    labels.get(&format!("__meta_{name}")).unwrap_or("")
}

#[tokio::test]
async fn static_file_and_http_together() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("a.yml"),
        "- targets: ['b:1']\n  labels: {team: x}\n",
    )
    .unwrap();
    let answer = json!([{"targets": ["c:1"], "labels": {"team": "y"}}]).to_string();
    let server = Server::with_routes(&[("/sd", answer)]).start().await;
    let (manager, scraper) = manager();
    let discovery = DiscoveryConfig {
        static_configs: vec![StaticConfig {
            targets: vec!["a:1".to_owned()],
            ..StaticConfig::default()
        }],
        file_sd_configs: vec![FileConfig {
            files: vec![folder.path().join("*.yml")],
            ..FileConfig::default()
        }],
        http_sd_configs: vec![HttpSdConfig {
            url: format!("http://{server}/sd"),
            ..HttpSdConfig::default()
        }],
        ..DiscoveryConfig::default()
    };
    manager.set_job(&job(discovery)).unwrap();
    let found = discovered(&scraper, &["a:1", "b:1", "c:1"]).await;
    assert!(get(&found[1], "filepath").ends_with("a.yml"));
    assert_eq!(get(&found[2], "url"), format!("http://{server}/sd"));
    assert_eq!(found[2].get("team"), Some("y"));
    assert!(manager.statuses().iter().all(|s| s.last_error.is_none()));
    manager.remove_job("j");
    discovered(&scraper, &[]).await;
}

#[tokio::test]
async fn a_failing_provider_does_not_hold_up_the_others() {
    let (manager, scraper) = manager();
    let discovery = DiscoveryConfig {
        static_configs: vec![StaticConfig {
            targets: vec!["a:1".to_owned()],
            ..StaticConfig::default()
        }],
        http_sd_configs: vec![HttpSdConfig {
            url: "http://127.0.0.1:1/sd".to_owned(),
            ..HttpSdConfig::default()
        }],
        ..DiscoveryConfig::default()
    };
    manager.set_job(&job(discovery)).unwrap();
    discovered(&scraper, &["a:1"]).await;
    let status = manager.statuses()[1].clone();
    assert_eq!(
        status.last_error.as_deref(),
        Some("fetching http://127.0.0.1:1/sd: connection refused")
    );
    assert_eq!(
        status.warning().as_deref(),
        Some(
            "discovery fails (http http://127.0.0.1:1/sd): fetching http://127.0.0.1:1/sd: connection refused; \
             it has not answered yet"
        )
    );
    assert_eq!(manager.statuses()[0].warning(), None);
}

#[tokio::test]
async fn two_discoveries_of_one_kind_stay_apart() {
    let folder = tempfile::tempdir().unwrap();
    let list = folder.path().join("a.yml");
    std::fs::write(&list, "- targets: ['a:1']\n").unwrap();
    let of = |label: &str| FileConfig {
        files: vec![folder.path().join(label)],
        ..FileConfig::default()
    };
    std::fs::write(folder.path().join("b.yml"), "- targets: ['b:1']\n").unwrap();
    let (manager, scraper) = manager();
    let discovery = DiscoveryConfig {
        file_sd_configs: vec![of("a.yml"), of("b.yml"), of("b.yml")],
        ..DiscoveryConfig::default()
    };
    manager.set_job(&job(discovery.clone())).unwrap();
    discovered(&scraper, &["a:1", "b:1"]).await;
    let names: std::collections::BTreeSet<String> =
        manager.statuses().into_iter().map(|s| s.provider).collect();
    assert_eq!(names.len(), 4, "{names:?}");
    // What stands between a reload and the first answer is of each its own.
    manager.set_job(&job(discovery)).unwrap();
    let standing = scraper.targets();
    let mut addresses: Vec<_> = standing
        .iter()
        .filter_map(|t| t.target.discovered.get("__address__"))
        .collect();
    addresses.sort_unstable();
    assert_eq!(addresses, ["a:1", "b:1"]);
}

#[tokio::test]
async fn docker_over_its_socket() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let containers = json!([{"Id": "c", "Names": ["/m"], "HostConfig": {"NetworkMode": "bridge"},
        "NetworkSettings": {"Networks": {"bridge": {"IPAddress": "172.17.0.2", "NetworkID": "n"}}},
        "Ports": [{"PrivatePort": 8000, "Type": "tcp"}]}]);
    let routes = [
        ("/networks", "[]".to_owned()),
        ("/containers/json", containers.to_string()),
    ];
    Server::with_routes(&routes).start_unix(&socket);
    let (manager, scraper) = manager();
    let discovery = DiscoveryConfig {
        docker_sd_configs: vec![DockerConfig {
            host: format!("unix://{}", socket.display()),
            ..DockerConfig::default()
        }],
        ..DiscoveryConfig::default()
    };
    manager.set_job(&job(discovery)).unwrap();
    let found = discovered(&scraper, &["172.17.0.2:8000"]).await;
    assert_eq!(get(&found[0], "docker_container_name"), "/m");
}

fn pod(name: &str, ip: &str, version: &str) -> serde_json::Value {
    json!({
        "metadata": {"name": name, "namespace": "ml", "uid": "u", "resourceVersion": version,
            "labels": {"app.kubernetes.io/name": "vllm"}, "annotations": {"prometheus.io/scrape": "true"},
            "ownerReferences": [{"kind": "ReplicaSet", "name": "rs", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "server", "image": "vllm:1",
            "ports": [{"name": "http", "containerPort": 8000, "protocol": "TCP"}]}]},
        "status": {"podIP": ip, "hostIP": "10.0.0.1", "phase": "Running",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [{"name": "server", "containerID": "containerd://x"}]}
    })
}

fn kubernetes(server: &str, role: KubernetesRole) -> DiscoveryConfig {
    DiscoveryConfig {
        kubernetes_sd_configs: vec![KubernetesConfig {
            api_server: format!("http://{server}"),
            role,
            selectors: vec![Selector {
                role: KubernetesRole::Pod,
                label: "tier=gpu".to_owned(),
                ..Selector::default()
            }],
            ..KubernetesConfig::default()
        }],
        ..DiscoveryConfig::default()
    }
}

fn listed(items: &[serde_json::Value]) -> String {
    json!({"metadata": {"resourceVersion": "100"}, "items": items}).to_string()
}

#[tokio::test]
async fn pods_are_listed_and_watched() {
    let event =
        |kind: &str, object: serde_json::Value| format!("{}\n", json!({"type": kind, "object": object}));
    let events = event("DELETED", pod("a", "10.1.0.1", "101")) + &event("ADDED", pod("c", "10.1.0.3", "102"));
    let gone = event("ERROR", json!({"code": 410}));
    let watch = |version: &str| {
        format!(
            "/api/v1/pods?watch=true&allowWatchBookmarks=true&timeoutSeconds=300&resourceVersion={version}&labelSelector=tier%3Dgpu"
        )
    };
    let server = Server::with_routes(&[
        (
            "/api/v1/pods?&labelSelector",
            listed(&[pod("a", "10.1.0.1", "9"), pod("b", "10.1.0.2", "9")]),
        ),
        (&watch("100"), events),
        (&watch("102"), gone),
        (
            "/api/v1/pods?&labelSelector",
            listed(&[pod("d", "10.1.0.4", "9")]),
        ),
    ]);
    let server = server.start().await;
    let (manager, scraper) = manager();
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::Pod)))
        .unwrap();
    let found = discovered(&scraper, &["10.1.0.1:8000", "10.1.0.2:8000"]).await;
    let labels = &found[0];
    for (name, expect) in [
        ("namespace", "ml"),
        ("pod_name", "a"),
        ("pod_label_app_kubernetes_io_name", "vllm"),
        ("pod_labelpresent_app_kubernetes_io_name", "true"),
        ("pod_annotation_prometheus_io_scrape", "true"),
        ("pod_container_name", "server"),
        ("pod_container_image", "vllm:1"),
        ("pod_container_id", "containerd://x"),
        ("pod_container_init", "false"),
        ("pod_container_port_name", "http"),
        ("pod_container_port_number", "8000"),
        ("pod_container_port_protocol", "TCP"),
        ("pod_controller_kind", "ReplicaSet"),
        ("pod_controller_name", "rs"),
        ("pod_ready", "true"),
        ("pod_phase", "Running"),
        ("pod_node_name", "n1"),
        ("pod_host_ip", "10.0.0.1"),
    ] {
        assert_eq!(get(labels, &format!("kubernetes_{name}")), expect, "{name}");
    }
    discovered(&scraper, &["10.1.0.2:8000", "10.1.0.3:8000"]).await;
    discovered(&scraper, &["10.1.0.4:8000"]).await;
}

#[tokio::test]
async fn endpoints_know_their_service_and_pods() {
    let endpoints = json!({"metadata": {"name": "chat", "namespace": "ml"}, "subsets": [{
        "addresses": [{"ip": "10.1.0.1", "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "a"}}],
        "notReadyAddresses": [{"ip": "10.1.0.9"}],
        "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}]}]});
    let service = json!({"metadata": {"name": "chat", "namespace": "ml", "labels": {"team": "x"}}});
    let server = Server::with_routes(&[
        ("/api/v1/endpoints?", listed(&[endpoints])),
        ("/api/v1/services?", listed(&[service])),
        ("/api/v1/pods?", listed(&[pod("a", "10.1.0.1", "9")])),
    ]);
    let server = server.start().await;
    let (manager, scraper) = manager();
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::Endpoints)))
        .unwrap();
    let found = discovered(&scraper, &["10.1.0.1:8000", "10.1.0.9:8000"]).await;
    for (name, expect) in [
        ("endpoints_name", "chat"),
        ("service_name", "chat"),
        ("service_label_team", "x"),
        ("endpoint_ready", "true"),
        ("endpoint_port_name", "http"),
        ("endpoint_address_target_name", "a"),
        ("pod_name", "a"),
        ("pod_container_name", "server"),
    ] {
        assert_eq!(get(&found[0], &format!("kubernetes_{name}")), expect, "{name}");
    }
    assert_eq!(get(&found[1], "kubernetes_endpoint_ready"), "false");
    assert_eq!(get(&found[1], "kubernetes_pod_name"), "");
}

#[tokio::test]
async fn endpoint_slices_name_their_service_by_label() {
    let slice = json!({"metadata": {"name": "chat-x1", "namespace": "ml", "labels": {"kubernetes.io/service-name": "chat"}},
        "addressType": "IPv4", "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
        "endpoints": [{"addresses": ["10.1.0.1"], "conditions": {"ready": true, "terminating": false}, "zone": "z1",
            "nodeName": "n1", "targetRef": {"kind": "Pod", "name": "a"}}]});
    let service = json!({"metadata": {"name": "chat", "namespace": "ml", "labels": {"team": "x"}}});
    let server = Server::with_routes(&[
        ("/apis/discovery.k8s.io/v1/endpointslices?", listed(&[slice])),
        ("/api/v1/services?", listed(&[service])),
        ("/api/v1/pods?", listed(&[pod("a", "10.1.0.1", "9")])),
    ]);
    let server = server.start().await;
    let (manager, scraper) = manager();
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::EndpointSlice)))
        .unwrap();
    let found = discovered(&scraper, &["10.1.0.1:8000"]).await;
    for (name, expect) in [
        ("endpointslice_name", "chat-x1"),
        ("endpointslice_address_type", "IPv4"),
        ("endpointslice_port", "8000"),
        ("endpointslice_endpoint_conditions_ready", "true"),
        ("endpointslice_endpoint_conditions_terminating", "false"),
        ("endpointslice_endpoint_zone", "z1"),
        ("endpointslice_address_target_name", "a"),
        ("service_label_team", "x"),
        ("pod_container_name", "server"),
    ] {
        assert_eq!(get(&found[0], &format!("kubernetes_{name}")), expect, "{name}");
    }
    let own = scraper.collect(5, &[("job".to_owned(), "lapwing".to_owned())]);
    let unknown = own
        .series
        .iter()
        .find(|s| s.labels.get("health") == Some("unknown"))
        .unwrap();
    assert_eq!(unknown.labels.get("scrape_job"), Some("j"));
    let looked = lapwing_collect::discovery::discovery_series(&manager.statuses(), 5, &[]);
    assert!(
        looked
            .series
            .iter()
            .any(|s| s.labels.metric_name() == Some("lapwing_discovery_targets"))
    );
    manager.stop();
    discovered(&scraper, &["10.1.0.1:8000"]).await;
}

#[tokio::test]
async fn nodes_and_namespaces_are_attached_on_request() {
    let node = json!({"metadata": {"name": "n1", "labels": {"gpu": "h200"}, "annotations": {"rack": "7"}}});
    let namespace = json!({"metadata": {"name": "ml", "labels": {"team": "x"}}});
    let server = Server::with_routes(&[
        (
            "/api/v1/pods?&labelSelector",
            listed(&[pod("a", "10.1.0.1", "9")]),
        ),
        ("/api/v1/nodes?", listed(&[node])),
        ("/api/v1/namespaces?", listed(&[namespace])),
    ]);
    let server = server.start().await;
    let (manager, scraper) = manager();
    let mut discovery = kubernetes(&server, KubernetesRole::Pod);
    discovery.kubernetes_sd_configs[0].attach_metadata = AttachMetadata {
        node: true,
        namespace: true,
    };
    manager.set_job(&job(discovery)).unwrap();
    let found = discovered(&scraper, &["10.1.0.1:8000"]).await;
    for (name, expect) in [
        ("pod_node_name", "n1"),
        ("node_name", "n1"),
        ("node_label_gpu", "h200"),
        ("node_labelpresent_gpu", "true"),
        ("node_annotation_rack", "7"),
        ("namespace", "ml"),
        ("namespace_label_team", "x"),
    ] {
        assert_eq!(get(&found[0], &format!("kubernetes_{name}")), expect, "{name}");
    }
}

#[tokio::test]
async fn services_nodes_and_ingresses() {
    let service = json!({"metadata": {"name": "chat", "namespace": "ml"},
        "spec": {"type": "ClusterIP", "clusterIP": "10.2.0.1", "ports": [{"name": "http", "port": 80, "protocol": "TCP"}]}});
    let node = json!({"metadata": {"name": "n1"}, "spec": {"providerID": "aws:///i-1"}, "status": {
        "addresses": [{"type": "Hostname", "address": "n1"}, {"type": "InternalIP", "address": "10.0.0.1"}],
        "daemonEndpoints": {"kubeletEndpoint": {"Port": 10250}}}});
    let ingress = json!({"metadata": {"name": "i", "namespace": "ml"}, "spec": {"ingressClassName": "nginx",
        "tls": [{"hosts": ["*.example.com"]}],
        "rules": [{"host": "chat.example.com", "http": {"paths": [{"path": "/v1"}]}}, {"host": "plain.org"}]}});
    let server = Server::with_routes(&[
        ("/api/v1/services?", listed(&[service])),
        ("/api/v1/nodes?", listed(&[node])),
        ("/apis/networking.k8s.io/v1/ingresses?", listed(&[ingress])),
    ]);
    let server = server.start().await;
    let (manager, scraper) = manager();
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::Service)))
        .unwrap();
    let found = discovered(&scraper, &["chat.ml.svc:80"]).await;
    assert_eq!(get(&found[0], "kubernetes_service_cluster_ip"), "10.2.0.1");
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::Node)))
        .unwrap();
    let found = discovered(&scraper, &["10.0.0.1:10250"]).await;
    assert_eq!(found[0].get("instance"), Some("n1"));
    assert_eq!(get(&found[0], "kubernetes_node_address_Hostname"), "n1");
    manager
        .set_job(&job(kubernetes(&server, KubernetesRole::Ingress)))
        .unwrap();
    let found = discovered(&scraper, &["chat.example.com", "plain.org"]).await;
    assert_eq!(get(&found[0], "kubernetes_ingress_scheme"), "https");
    assert_eq!(get(&found[0], "kubernetes_ingress_path"), "/v1");
    assert_eq!(get(&found[1], "kubernetes_ingress_scheme"), "http");
}
