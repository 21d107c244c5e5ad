//! Traffic per interface, from `/proc/net/dev` (and `rx_nohandler`, which only sysfs has).

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

const COLUMNS: [&str; 16] = [
    "receive_bytes",
    "receive_packets",
    "receive_errs",
    "receive_drop",
    "receive_fifo",
    "receive_frame",
    "receive_compressed",
    "receive_multicast",
    "transmit_bytes",
    "transmit_packets",
    "transmit_errs",
    "transmit_drop",
    "transmit_fifo",
    "transmit_colls",
    "transmit_carrier",
    "transmit_compressed",
];

/// Interface and its sixteen counters; loopback is left out, as node_exporter is run by default.
pub(super) fn parse(text: &str) -> Result<Vec<(String, Vec<f64>)>, HostError> {
    let mut interfaces = Vec::new();
    for line in text.lines().skip(2) {
        // The name may contain colons (aliases); the counters cannot.
        let Some((name, rest)) = line.rsplit_once(':') else {
            continue;
        };
        let name = name.trim();
        if name == "lo" {
            continue;
        }
        let mut fields = rest.split_ascii_whitespace();
        let mut values = Vec::with_capacity(COLUMNS.len());
        for _ in COLUMNS {
            values.push(number(fields.next(), "a counter of an interface")?);
        }
        interfaces.push((name.to_owned(), values));
    }
    Ok(interfaces)
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let interfaces = parse(&state.root.read("proc/net/dev")?)?;
    for (column, name) in COLUMNS.iter().enumerate() {
        let name = format!("node_network_{name}_total");
        let mut family = page.counter(&name, "Counter of a network interface.");
        for (device, values) in &interfaces {
            family.set(&[("device", device)], values[column]);
        }
    }
    let mut unhandled = page.counter(
        "node_network_receive_nohandler_total",
        "Packets received that no protocol wanted.",
    );
    for (device, _) in &interfaces {
        let path = format!("sys/class/net/{device}/statistics/rx_nohandler");
        if let Some(count) = state.root.read_line(&path).and_then(|l| l.parse().ok()) {
            unhandled.set(&[("device", device)], count);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_interfaces_but_loopback() {
        let text = "Inter-| Receive | Transmit\n face |bytes\n    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0\n\
                    eth0:1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\neth0:1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n";
        let interfaces = parse(text).unwrap();
        assert_eq!(interfaces[0].0, "eth0");
        assert_eq!(interfaces[0].1[15], 16.0);
        assert_eq!(interfaces[1].0, "eth0:1");
        assert!(parse("a\nb\neth0: 1 2 3").is_err());
    }
}
