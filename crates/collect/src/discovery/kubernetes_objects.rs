//! Objects of Kubernetes' API made into targets, with Prometheus's `__meta_kubernetes_` labels.

use super::config::KubernetesRole;
use super::group::TargetGroup;
use super::json::{label_name, list, text};
use super::kubernetes::Kind;
use super::kubernetes_slices::{service_of, slice_targets};
use lapwing_types::{Labels, LabelsBuilder};
use serde_json::Value;
use std::collections::HashMap;

const P: &str = "__meta_kubernetes_";

/// All that is known, by kind.
#[derive(Default)]
pub(super) struct Objects<'a> {
    pods: Vec<&'a Value>,
    services: Vec<&'a Value>,
    endpoints: Vec<&'a Value>,
    slices: Vec<&'a Value>,
    nodes: Vec<&'a Value>,
    ingresses: Vec<&'a Value>,
    namespaces: Vec<&'a Value>,
}

impl<'a> Objects<'a> {
    pub(super) fn of_kind(&mut self, kind: Kind) -> &mut Vec<&'a Value> {
        match kind {
            Kind::Pods => &mut self.pods,
            Kind::Services => &mut self.services,
            Kind::Endpoints => &mut self.endpoints,
            Kind::Slices => &mut self.slices,
            Kind::Nodes => &mut self.nodes,
            Kind::Ingresses => &mut self.ingresses,
            Kind::Namespaces => &mut self.namespaces,
        }
    }
}

/// One group per object of the role's kind, with what was fetched of nodes and namespaces besides.
pub(super) fn groups(role: KubernetesRole, objects: &Objects<'_>) -> Vec<TargetGroup> {
    let mut groups = of_role(role, objects);
    if role != KubernetesRole::Node {
        attach(
            &mut groups,
            &objects.nodes,
            (
                "node",
                &[
                    "pod_node_name",
                    "endpoint_node_name",
                    "endpointslice_endpoint_node_name",
                ],
            ),
        );
        attach(&mut groups, &objects.namespaces, ("namespace", &["namespace"]));
    }
    groups
}

/// Gives targets the labels and annotations of the object that the first of `by` names.
fn attach(groups: &mut [TargetGroup], objects: &[&Value], (word, by): (&str, &[&str])) {
    if objects.is_empty() {
        return;
    }
    let known: HashMap<&str, &Value> = objects.iter().map(|o| (text(o, "/metadata/name"), *o)).collect();
    for target in groups.iter_mut().flat_map(|g| &mut g.targets) {
        let named = by.iter().find_map(|label| target.get(&format!("{P}{label}")));
        let Some(object) = named.and_then(|name| known.get(name)) else {
            continue;
        };
        let mut builder = target.to_builder();
        if word == "namespace" {
            // Its name stands in `__meta_kubernetes_namespace` already.
            labels_and_annotations(&mut builder, object, word);
        } else {
            common(&mut builder, object, word);
        }
        *target = builder.build();
    }
}

fn of_role(role: KubernetesRole, objects: &Objects<'_>) -> Vec<TargetGroup> {
    match role {
        KubernetesRole::Pod => each(&objects.pods, "pod", pod_targets),
        KubernetesRole::Service => each(&objects.services, "svc", service_targets),
        KubernetesRole::Node => each(&objects.nodes, "node", node_targets),
        KubernetesRole::Ingress => each(&objects.ingresses, "ingress", ingress_targets),
        KubernetesRole::Endpoints | KubernetesRole::EndpointSlice => behind_services(role, objects),
    }
}

/// Endpoints know their services and pods by name.
fn behind_services(role: KubernetesRole, objects: &Objects<'_>) -> Vec<TargetGroup> {
    let by_name = |all: &[&'_ Value]| -> HashMap<String, usize> {
        all.iter().enumerate().map(|(i, o)| (full_name(o), i)).collect()
    };
    let (pods, services) = (by_name(&objects.pods), by_name(&objects.services));
    let service = |name: &str| services.get(name).map(|i| objects.services[*i]);
    let pod_of = |namespace: &str, name: &str| {
        let i = pods.get(&format!("{namespace}/{name}"))?;
        Some(objects.pods[*i])
    };
    if role == KubernetesRole::EndpointSlice {
        return each(&objects.slices, "endpointslice", |s| {
            let namespace = text(s, "/metadata/namespace");
            slice_targets(s, service(&service_of(s)), &|name| pod_of(namespace, name))
        });
    }
    each(&objects.endpoints, "endpoints", |e| {
        let namespace = text(e, "/metadata/namespace");
        endpoint_targets(e, service(&full_name(e)), &|name| pod_of(namespace, name))
    })
}

fn each(objects: &[&Value], kind: &str, targets: impl Fn(&Value) -> Vec<Labels>) -> Vec<TargetGroup> {
    let group = |o: &&Value| TargetGroup {
        source: format!("{kind}/{}", full_name(o)),
        targets: targets(o),
    };
    objects.iter().map(group).collect()
}

pub(super) fn full_name(object: &Value) -> String {
    format!(
        "{}/{}",
        text(object, "/metadata/namespace"),
        text(object, "/metadata/name")
    )
}

/// Name, labels and annotations of an object, each key with a companion that says it is present.
pub(super) fn common(builder: &mut LabelsBuilder, object: &Value, role: &str) {
    builder.set(&format!("{P}{role}_name"), text(object, "/metadata/name"));
    labels_and_annotations(builder, object, role);
}

fn labels_and_annotations(builder: &mut LabelsBuilder, object: &Value, role: &str) {
    for (at, word) in [
        ("/metadata/labels", "label"),
        ("/metadata/annotations", "annotation"),
    ] {
        for (name, value) in object
            .pointer(at)
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let value = value.as_str().unwrap_or("");
            builder.set(&label_name(&format!("{P}{role}_{word}_"), name), value);
            builder.set(&label_name(&format!("{P}{role}_{word}present_"), name), "true");
        }
    }
}

pub(super) fn set(builder: &mut LabelsBuilder, name: &str, value: &str) {
    builder.set(&format!("{P}{name}"), value);
}

pub(super) fn number(value: &Value, pointer: &str) -> Option<u64> {
    value.pointer(pointer).and_then(Value::as_u64)
}

pub(super) fn host_port(host: &str, port: u64) -> String {
    if host.contains(':') {
        format!("[{host}]:{port}")
    } else {
        format!("{host}:{port}")
    }
}

pub(super) fn items<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).map_or(&[], list)
}

fn pod_labels(builder: &mut LabelsBuilder, pod: &Value) {
    common(builder, pod, "pod");
    set(builder, "pod_ip", text(pod, "/status/podIP"));
    set(builder, "pod_phase", text(pod, "/status/phase"));
    set(builder, "pod_node_name", text(pod, "/spec/nodeName"));
    set(builder, "pod_host_ip", text(pod, "/status/hostIP"));
    set(builder, "pod_uid", text(pod, "/metadata/uid"));
    let ready = items(pod, "/status/conditions")
        .iter()
        .find(|c| text(c, "/type") == "Ready");
    let ready = ready.map_or_else(|| "unknown".to_owned(), |c| text(c, "/status").to_lowercase());
    set(builder, "pod_ready", &ready);
    let owner = items(pod, "/metadata/ownerReferences");
    if let Some(owner) = owner
        .iter()
        .find(|o| o.pointer("/controller") == Some(&Value::Bool(true)))
    {
        set(builder, "pod_controller_kind", text(owner, "/kind"));
        set(builder, "pod_controller_name", text(owner, "/name"));
    }
}

fn container_labels(builder: &mut LabelsBuilder, pod: &Value, container: &Value, init: bool) {
    let name = text(container, "/name");
    set(builder, "pod_container_name", name);
    set(builder, "pod_container_image", text(container, "/image"));
    set(builder, "pod_container_init", if init { "true" } else { "false" });
    let statuses = if init {
        "/status/initContainerStatuses"
    } else {
        "/status/containerStatuses"
    };
    if let Some(status) = items(pod, statuses).iter().find(|s| text(s, "/name") == name) {
        set(builder, "pod_container_id", text(status, "/containerID"));
    }
}

fn port_labels(builder: &mut LabelsBuilder, port: &Value, number: u64) {
    set(builder, "pod_container_port_name", text(port, "/name"));
    set(builder, "pod_container_port_number", &number.to_string());
    let protocol = match text(port, "/protocol") {
        "" => "TCP",
        protocol => protocol,
    };
    set(builder, "pod_container_port_protocol", protocol);
}

/// One target per declared port of each container; one without a port for a container that declares none.
fn pod_targets(pod: &Value) -> Vec<Labels> {
    let ip = text(pod, "/status/podIP");
    if ip.is_empty() {
        return Vec::new(); // Not scheduled yet.
    }
    let mut base = LabelsBuilder::new();
    set(&mut base, "namespace", text(pod, "/metadata/namespace"));
    pod_labels(&mut base, pod);
    let mut targets = Vec::new();
    for (at, init) in [("/spec/containers", false), ("/spec/initContainers", true)] {
        for container in items(pod, at) {
            let mut labels = base.clone();
            container_labels(&mut labels, pod, container, init);
            let ports: Vec<(&Value, u64)> = items(container, "/ports")
                .iter()
                .filter_map(|p| Some((p, number(p, "/containerPort")?)))
                .collect();
            if ports.is_empty() {
                labels.set("__address__", ip);
                targets.push(labels.build());
            }
            for (port, number) in ports {
                let mut labels = labels.clone();
                port_labels(&mut labels, port, number);
                labels.set("__address__", host_port(ip, number));
                targets.push(labels.build());
            }
        }
    }
    targets
}

fn service_targets(service: &Value) -> Vec<Labels> {
    let (name, namespace) = (
        text(service, "/metadata/name"),
        text(service, "/metadata/namespace"),
    );
    let mut base = LabelsBuilder::new();
    set(&mut base, "namespace", namespace);
    common(&mut base, service, "service");
    let kind = text(service, "/spec/type");
    set(&mut base, "service_type", kind);
    match kind {
        "ExternalName" => set(
            &mut base,
            "service_external_name",
            text(service, "/spec/externalName"),
        ),
        _ => set(&mut base, "service_cluster_ip", text(service, "/spec/clusterIP")),
    }
    if kind == "LoadBalancer" {
        set(
            &mut base,
            "service_loadbalancer_ip",
            text(service, "/spec/loadBalancerIP"),
        );
    }
    let mut targets = Vec::new();
    for port in items(service, "/spec/ports") {
        let Some(number) = number(port, "/port") else {
            continue;
        };
        let mut labels = base.clone();
        set(&mut labels, "service_port_name", text(port, "/name"));
        set(&mut labels, "service_port_number", &number.to_string());
        set(&mut labels, "service_port_protocol", text(port, "/protocol"));
        labels.set("__address__", format!("{name}.{namespace}.svc:{number}"));
        targets.push(labels.build());
    }
    targets
}

fn node_targets(node: &Value) -> Vec<Labels> {
    let mut labels = LabelsBuilder::new();
    common(&mut labels, node, "node");
    set(&mut labels, "node_provider_id", text(node, "/spec/providerID"));
    let addresses = items(node, "/status/addresses");
    for address in addresses.iter().rev() {
        let name = label_name("node_address_", text(address, "/type"));
        set(&mut labels, &name, text(address, "/address"));
    }
    let order = [
        "InternalIP",
        "InternalDNS",
        "ExternalIP",
        "ExternalDNS",
        "LegacyHostIP",
        "Hostname",
    ];
    let best = order
        .iter()
        .find_map(|kind| addresses.iter().find(|a| text(a, "/type") == *kind));
    let Some(best) = best else {
        return Vec::new();
    };
    let port = number(node, "/status/daemonEndpoints/kubeletEndpoint/Port").unwrap_or(10250);
    labels.set("__address__", host_port(text(best, "/address"), port));
    labels.set("instance", text(node, "/metadata/name"));
    vec![labels.build()]
}

fn ingress_targets(ingress: &Value) -> Vec<Labels> {
    let mut base = LabelsBuilder::new();
    set(&mut base, "namespace", text(ingress, "/metadata/namespace"));
    common(&mut base, ingress, "ingress");
    set(
        &mut base,
        "ingress_class_name",
        text(ingress, "/spec/ingressClassName"),
    );
    let secured = |host: &str| {
        let hosts = items(ingress, "/spec/tls")
            .iter()
            .flat_map(|t| items(t, "/hosts"));
        hosts
            .filter_map(Value::as_str)
            .any(|h| h == host || is_wildcard_of(h, host))
    };
    let mut targets = Vec::new();
    for rule in items(ingress, "/spec/rules") {
        let host = text(rule, "/host");
        let scheme = if secured(host) { "https" } else { "http" };
        let paths: Vec<&str> = items(rule, "/http/paths")
            .iter()
            .map(|p| text(p, "/path"))
            .collect();
        for path in if paths.is_empty() { vec!["/"] } else { paths } {
            let mut labels = base.clone();
            set(&mut labels, "ingress_scheme", scheme);
            set(&mut labels, "ingress_host", host);
            set(
                &mut labels,
                "ingress_path",
                if path.is_empty() { "/" } else { path },
            );
            labels.set("__address__", host);
            targets.push(labels.build());
        }
    }
    targets
}

/// `*.example.com` covers one part in front.
fn is_wildcard_of(pattern: &str, host: &str) -> bool {
    let rest = host.split_once('.').map(|(_, rest)| rest);
    pattern
        .strip_prefix("*.")
        .is_some_and(|suffix| rest == Some(suffix))
}

pub(super) type FindPod<'f, 'a> = dyn Fn(&str) -> Option<&'a Value> + 'f;

fn endpoint_targets<'a>(endpoints: &Value, service: Option<&Value>, pod: &FindPod<'_, 'a>) -> Vec<Labels> {
    let mut base = LabelsBuilder::new();
    set(&mut base, "namespace", text(endpoints, "/metadata/namespace"));
    common(&mut base, endpoints, "endpoints");
    if let Some(service) = service {
        common(&mut base, service, "service");
    }
    let mut targets = Vec::new();
    for subset in items(endpoints, "/subsets") {
        for port in items(subset, "/ports") {
            let Some(number) = number(port, "/port") else {
                continue;
            };
            for (at, ready) in [("/addresses", "true"), ("/notReadyAddresses", "false")] {
                for address in items(subset, at) {
                    let ip = text(address, "/ip");
                    let mut labels = base.clone();
                    labels.set("__address__", host_port(ip, number));
                    set(&mut labels, "endpoint_port_name", text(port, "/name"));
                    set(&mut labels, "endpoint_port_protocol", text(port, "/protocol"));
                    set(&mut labels, "endpoint_ready", ready);
                    set(&mut labels, "endpoint_node_name", text(address, "/nodeName"));
                    set(&mut labels, "endpoint_hostname", text(address, "/hostname"));
                    let kind = text(address, "/targetRef/kind");
                    set(&mut labels, "endpoint_address_target_kind", kind);
                    let name = text(address, "/targetRef/name");
                    set(&mut labels, "endpoint_address_target_name", name);
                    if let Some(pod) = Some(name).filter(|_| kind == "Pod").and_then(pod) {
                        add_pod(&mut labels, pod, number);
                    }
                    targets.push(labels.build());
                }
            }
        }
    }
    targets
}

/// The pod behind an endpoint, and the container that declares the port.
pub(super) fn add_pod(labels: &mut LabelsBuilder, pod: &Value, port_number: u64) {
    pod_labels(labels, pod);
    for container in items(pod, "/spec/containers") {
        let declared = items(container, "/ports");
        if let Some(port) = declared
            .iter()
            .find(|p| number(p, "/containerPort") == Some(port_number))
        {
            container_labels(labels, pod, container, false);
            port_labels(labels, port, port_number);
            return;
        }
    }
}
