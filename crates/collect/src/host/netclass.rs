//! State of each interface, from `/sys/class/net`.
//!
//! A host of containers has hundreds of interfaces with twenty files each, so what only a change of the link or an
//! administrator alters (speed, addresses, kind) is read anew when the carrier changed or after [`STATIC_AGE_MS`].

use super::collector::HostState;
use super::root::{HostError, Root};
use crate::page::Page;
use lapwing_types::MetricKind;
use std::collections::HashMap;

const STATIC_AGE_MS: i64 = 5 * 60 * 1000;

/// File, name without `node_network_`, kind.
const STATIC_FILES: [(&str, &str); 11] = [
    ("addr_assign_type", "address_assign_type"),
    ("dev_id", "device_id"),
    ("flags", "flags"),
    ("ifindex", "iface_id"),
    ("iflink", "iface_link"),
    ("link_mode", "iface_link_mode"),
    ("mtu", "mtu_bytes"),
    ("name_assign_type", "name_assign_type"),
    ("netdev_group", "net_dev_group"),
    ("tx_queue_len", "transmit_queue_length"),
    ("type", "protocol_type"),
];
const LIVE_FILES: [(&str, &str, MetricKind); 5] = [
    ("carrier", "carrier", MetricKind::Gauge),
    ("carrier_changes", "carrier_changes_total", MetricKind::Counter),
    (
        "carrier_up_count",
        "carrier_up_changes_total",
        MetricKind::Counter,
    ),
    (
        "carrier_down_count",
        "carrier_down_changes_total",
        MetricKind::Counter,
    ),
    ("dormant", "dormant", MetricKind::Gauge),
];
const CARRIER_CHANGES: usize = 1;

#[derive(Default)]
pub(super) struct NetClass {
    known: HashMap<String, Static>,
}

#[derive(Clone, Debug, PartialEq)]
struct Static {
    read_ms: i64,
    carrier_changes: Option<f64>,
    values: [Option<f64>; STATIC_FILES.len()],
    speed_bytes: Option<f64>,
    address: String,
    broadcast: String,
    duplex: String,
    ifalias: String,
}

struct Interface {
    device: String,
    operstate: String,
    live: [Option<f64>; LIVE_FILES.len()],
    fixed: Static,
}

/// Numbers in sysfs are decimal or `0x` hexadecimal.
fn parse_number(text: &str) -> Option<f64> {
    match text.strip_prefix("0x") {
        Some(hex) => u64::from_str_radix(hex, 16).ok().map(|n| n as f64),
        None => text.parse::<i64>().ok().map(|n| n as f64),
    }
}

fn read_number(root: &Root, device: &str, file: &str) -> Option<f64> {
    parse_number(&root.read_line(&format!("sys/class/net/{device}/{file}"))?)
}

fn read_static(root: &Root, device: &str, now_ms: i64, carrier_changes: Option<f64>) -> Static {
    let text = |file: &str| {
        root.read_line(&format!("sys/class/net/{device}/{file}"))
            .unwrap_or_default()
    };
    Static {
        read_ms: now_ms,
        carrier_changes,
        values: STATIC_FILES.map(|(file, _)| read_number(root, device, file)),
        // The kernel says -1 Mbit/s for "not known"; node_exporter passes that on.
        speed_bytes: read_number(root, device, "speed").map(|mbit| mbit * 1_000_000.0 / 8.0),
        address: text("address"),
        broadcast: text("broadcast"),
        duplex: text("duplex"),
        ifalias: text("ifalias"),
    }
}

impl NetClass {
    fn read(&mut self, root: &Root, now_ms: i64) -> Vec<Interface> {
        let names = root.list("sys/class/net");
        self.known.retain(|device, _| names.contains(device));
        let mut interfaces = Vec::with_capacity(names.len());
        for device in names {
            let Some(operstate) = root.read_line(&format!("sys/class/net/{device}/operstate")) else {
                continue; // bonding_masters and the like are files, not interfaces.
            };
            let live = LIVE_FILES.map(|(file, _, _)| read_number(root, &device, file));
            let changes = live[CARRIER_CHANGES];
            let fresh = self.known.get(&device).filter(|s| {
                s.carrier_changes == changes && (0..STATIC_AGE_MS).contains(&(now_ms - s.read_ms))
            });
            let fixed = match fresh {
                Some(known) => known.clone(),
                None => read_static(root, &device, now_ms, changes),
            };
            self.known.insert(device.clone(), fixed.clone());
            interfaces.push(Interface {
                device,
                operstate,
                live,
                fixed,
            });
        }
        interfaces
    }
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let interfaces = state.netclass.read(&state.root, page.now_ms());
    let mut family = |name: &str, kind: MetricKind, value: &dyn Fn(&Interface) -> Option<f64>| {
        let name = format!("node_network_{name}");
        let mut family = page.family(&name, kind, "Property of a network interface.");
        for interface in &interfaces {
            if let Some(value) = value(interface) {
                family.set(&[("device", &interface.device)], value);
            }
        }
    };
    for (i, (_, name, kind)) in LIVE_FILES.iter().enumerate() {
        family(name, *kind, &|n| n.live[i]);
    }
    for (i, (_, name)) in STATIC_FILES.iter().enumerate() {
        family(name, MetricKind::Gauge, &|n| n.fixed.values[i]);
    }
    family("speed_bytes", MetricKind::Gauge, &|n| n.fixed.speed_bytes);
    family("up", MetricKind::Gauge, &|n| {
        Some(if n.operstate == "up" { 1.0 } else { 0.0 })
    });
    let mut info = page.gauge("node_network_info", "What an interface is, in labels; always 1.");
    for n in &interfaces {
        let labels = [
            ("address", n.fixed.address.as_str()),
            ("broadcast", &n.fixed.broadcast),
            ("device", &n.device),
            ("duplex", &n.fixed.duplex),
            ("ifalias", &n.fixed.ifalias),
            ("operstate", &n.operstate),
        ];
        info.set(&labels, 1.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_and_unknown_numbers() {
        assert_eq!(parse_number("0x1003"), Some(4099.0));
        assert_eq!(parse_number("-1"), Some(-1.0));
        assert_eq!(parse_number("unknown"), None);
    }

    #[test]
    fn fixed_facts_are_read_again_when_the_link_changed() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("sys/class/net/eth0");
        std::fs::create_dir_all(&folder).unwrap();
        let write = |file: &str, text: &str| std::fs::write(folder.join(file), text).unwrap();
        write("operstate", "up\n");
        write("carrier_changes", "1\n");
        write("speed", "1000\n");
        let root = Root::new(dir.path().to_owned());
        let mut class = NetClass::default();
        let speed = |class: &mut NetClass, now_ms| class.read(&root, now_ms)[0].fixed.speed_bytes;
        assert_eq!(speed(&mut class, 0), Some(125e6));
        write("speed", "100\n");
        assert_eq!(speed(&mut class, 1000), Some(125e6), "not read again yet");
        write("carrier_changes", "2\n");
        assert_eq!(speed(&mut class, 2000), Some(12.5e6), "the link changed");
        write("speed", "10\n");
        assert_eq!(
            speed(&mut class, 2000 + STATIC_AGE_MS),
            Some(1.25e6),
            "it grew old"
        );
    }
}
