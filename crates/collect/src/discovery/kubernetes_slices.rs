//! EndpointSlices made into targets: what replaces Endpoints where services have many pods.

use super::json::text;
use super::kubernetes_objects::{FindPod, add_pod, common, full_name, host_port, items, number, set};
use lapwing_types::{Labels, LabelsBuilder};
use serde_json::Value;

/// The label by which a slice names its service.
const SERVICE_NAME: &str = "/metadata/labels/kubernetes.io~1service-name";

/// `namespace/name` of the service behind a slice.
pub(super) fn service_of(slice: &Value) -> String {
    let named = text(slice, SERVICE_NAME);
    if named.is_empty() {
        full_name(slice)
    } else {
        format!("{}/{named}", text(slice, "/metadata/namespace"))
    }
}

/// One target per address and port.
pub(super) fn slice_targets<'a>(
    slice: &Value,
    service: Option<&Value>,
    pod: &FindPod<'_, 'a>,
) -> Vec<Labels> {
    let mut base = LabelsBuilder::new();
    set(&mut base, "namespace", text(slice, "/metadata/namespace"));
    common(&mut base, slice, "endpointslice");
    set(
        &mut base,
        "endpointslice_address_type",
        text(slice, "/addressType"),
    );
    if let Some(service) = service {
        common(&mut base, service, "service");
    }
    let mut targets = Vec::new();
    for port in items(slice, "/ports") {
        let Some(port_number) = number(port, "/port") else {
            continue;
        };
        for endpoint in items(slice, "/endpoints") {
            for address in items(endpoint, "/addresses").iter().filter_map(Value::as_str) {
                let mut labels = base.clone();
                labels.set("__address__", host_port(address, port_number));
                set(&mut labels, "endpointslice_port", &port_number.to_string());
                set(&mut labels, "endpointslice_port_name", text(port, "/name"));
                set(
                    &mut labels,
                    "endpointslice_port_protocol",
                    text(port, "/protocol"),
                );
                endpoint_labels(&mut labels, endpoint);
                let name = text(endpoint, "/targetRef/name");
                let is_pod = text(endpoint, "/targetRef/kind") == "Pod";
                if let Some(pod) = Some(name).filter(|_| is_pod).and_then(pod) {
                    add_pod(&mut labels, pod, port_number);
                }
                targets.push(labels.build());
            }
        }
    }
    targets
}

fn endpoint_labels(labels: &mut LabelsBuilder, endpoint: &Value) {
    for condition in ["ready", "serving", "terminating"] {
        if let Some(yes) = endpoint
            .pointer(&format!("/conditions/{condition}"))
            .and_then(Value::as_bool)
        {
            let name = format!("endpointslice_endpoint_conditions_{condition}");
            set(labels, &name, &yes.to_string());
        }
    }
    let texts = [
        ("endpointslice_endpoint_hostname", "/hostname"),
        ("endpointslice_endpoint_node_name", "/nodeName"),
        ("endpointslice_endpoint_zone", "/zone"),
        ("endpointslice_address_target_kind", "/targetRef/kind"),
        ("endpointslice_address_target_name", "/targetRef/name"),
    ];
    for (name, at) in texts {
        set(labels, name, text(endpoint, at));
    }
}
