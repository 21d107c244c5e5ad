//! InfiniBand and RoCE ports, from `/sys/class/infiniband`: the wires between GPUs of different hosts.

use super::collector::HostState;
use super::root::{HostError, Root};
use crate::page::Page;
use lapwing_types::MetricKind::{Counter, Gauge};

const FOLDER: &str = "sys/class/infiniband";

/// File below the port, name without `node_infiniband_`, factor (data is counted in words of four bytes).
const COUNTERS: [(&str, &str, f64); 16] = [
    ("counters/port_rcv_data", "port_data_received_bytes_total", 4.0),
    (
        "counters/port_xmit_data",
        "port_data_transmitted_bytes_total",
        4.0,
    ),
    ("counters/port_rcv_packets", "port_packets_received_total", 1.0),
    (
        "counters/port_xmit_packets",
        "port_packets_transmitted_total",
        1.0,
    ),
    ("counters/port_rcv_errors", "port_errors_received_total", 1.0),
    (
        "counters/port_rcv_constraint_errors",
        "port_constraint_errors_received_total",
        1.0,
    ),
    (
        "counters/port_xmit_constraint_errors",
        "port_constraint_errors_transmitted_total",
        1.0,
    ),
    (
        "counters/port_xmit_discards",
        "port_discards_transmitted_total",
        1.0,
    ),
    ("counters/port_xmit_wait", "port_transmit_wait_total", 1.0),
    ("counters/link_downed", "link_downed_total", 1.0),
    ("counters/link_error_recovery", "link_error_recovery_total", 1.0),
    (
        "counters/multicast_rcv_packets",
        "multicast_packets_received_total",
        1.0,
    ),
    (
        "counters/multicast_xmit_packets",
        "multicast_packets_transmitted_total",
        1.0,
    ),
    (
        "counters/unicast_rcv_packets",
        "unicast_packets_received_total",
        1.0,
    ),
    (
        "counters/unicast_xmit_packets",
        "unicast_packets_transmitted_total",
        1.0,
    ),
    ("counters/VL15_dropped", "vl15_dropped_total", 1.0),
];

/// `4: ACTIVE`: the number leads.
pub(super) fn parse_state(text: &str) -> Option<f64> {
    text.split(':').next()?.trim().parse().ok()
}

/// `100 Gb/sec (4X EDR)` in bytes per second.
pub(super) fn parse_rate(text: &str) -> Option<f64> {
    let gigabits: f64 = text.split_ascii_whitespace().next()?.parse().ok()?;
    Some(gigabits * 1e9 / 8.0)
}

type Parse = fn(&str) -> Option<f64>;

fn ports(root: &Root) -> Vec<(String, String)> {
    let devices = root.list(FOLDER);
    let each = devices.into_iter().flat_map(|device| {
        let ports = root.list(&format!("{FOLDER}/{device}/ports"));
        ports.into_iter().map(move |port| (device.clone(), port))
    });
    each.collect()
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let root = &state.root;
    let ports = ports(root);
    let read = |(device, port): &(String, String), file: &str| {
        root.read_line(&format!("{FOLDER}/{device}/ports/{port}/{file}"))
    };
    for (file, name, factor) in COUNTERS {
        let name = format!("node_infiniband_{name}");
        let mut family = page.family(&name, Counter, "Counter of an InfiniBand port.");
        for at in &ports {
            // A port that does not count something says so with an error or "N/A (no PMA)".
            if let Some(count) = read(at, file).and_then(|l| l.parse::<f64>().ok()) {
                family.set(&[("device", &at.0), ("port", &at.1)], count * factor);
            }
        }
    }
    let gauges: [(&str, &str, Parse); 3] = [
        ("state", "node_infiniband_state_id", parse_state),
        ("phys_state", "node_infiniband_physical_state_id", parse_state),
        ("rate", "node_infiniband_rate_bytes_per_second", parse_rate),
    ];
    for (file, name, parse) in gauges {
        let mut family = page.family(name, Gauge, "State of an InfiniBand port.");
        for at in &ports {
            if let Some(value) = read(at, file).as_deref().and_then(parse) {
                family.set(&[("device", &at.0), ("port", &at.1)], value);
            }
        }
    }
    let mut info = page.gauge(
        "node_infiniband_info",
        "What an InfiniBand device is, in labels; always 1.",
    );
    for device in root.list(FOLDER) {
        let read = |file: &str| {
            root.read_line(&format!("{FOLDER}/{device}/{file}"))
                .unwrap_or_default()
        };
        let (board, firmware, kind) = (read("board_id"), read("fw_ver"), read("hca_type"));
        let labels = [
            ("board_id", board.as_str()),
            ("device", &device),
            ("firmware_version", &firmware),
            ("hca_type", &kind),
        ];
        info.set(&labels, 1.0);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::HostCollector;
    use super::*;

    #[test]
    fn states_and_rates() {
        assert_eq!(parse_state("4: ACTIVE"), Some(4.0));
        assert_eq!(parse_rate("100 Gb/sec (4X EDR)"), Some(12.5e9));
        assert_eq!(parse_rate("2.5 Gb/sec (1X SDR)"), Some(312.5e6));
        assert_eq!((parse_state(""), parse_rate("N/A")), (None, None));
    }

    #[test]
    fn ports_of_a_host() {
        let dir = tempfile::tempdir().unwrap();
        let port = dir.path().join(FOLDER).join("mlx5_0/ports/1");
        std::fs::create_dir_all(port.join("counters")).unwrap();
        std::fs::write(port.join("counters/port_rcv_data"), "1000\n").unwrap();
        std::fs::write(port.join("counters/VL15_dropped"), "N/A (no PMA)\n").unwrap();
        std::fs::write(port.join("state"), "4: ACTIVE\n").unwrap();
        let batch = HostCollector::new(dir.path().to_owned())
            .with_labels(Vec::new())
            .collect(1);
        let shown: Vec<String> = batch
            .series
            .iter()
            .filter(|s| s.labels.metric_name().is_some_and(|n| n.contains("infiniband")))
            .map(|s| format!("{} {}", s.labels, s.samples[0].value))
            .collect();
        assert_eq!(
            shown,
            [
                r#"node_infiniband_port_data_received_bytes_total{device="mlx5_0", port="1"} 4000"#,
                r#"node_infiniband_state_id{device="mlx5_0", port="1"} 4"#,
                r#"node_infiniband_info{device="mlx5_0"} 1"#,
            ]
        );
    }
}
