//! Protocol counters and socket counts, from `/proc/net`.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;
use lapwing_types::MetricKind;
use std::collections::BTreeMap;

const PAGE_BYTES: f64 = 4096.0;

/// `/proc/net/snmp` and `/proc/net/netstat`: a line of names, then a line of values, each led by the protocol.
pub(super) fn parse_pairs(text: &str) -> Result<Vec<(String, f64)>, HostError> {
    let mut counters = Vec::new();
    let mut lines = text.lines();
    while let (Some(names), Some(values)) = (lines.next(), lines.next()) {
        let (Some((protocol, names)), Some((again, values))) =
            (names.split_once(':'), values.split_once(':'))
        else {
            return Err(HostError::parse("a protocol and its counters", names));
        };
        if protocol != again {
            return Err(HostError::parse("the values of the protocol named before", again));
        }
        for (name, value) in names
            .split_ascii_whitespace()
            .zip(values.split_ascii_whitespace())
        {
            counters.push((
                format!("{protocol}_{name}"),
                number(Some(value), "a protocol counter")?,
            ));
        }
    }
    Ok(counters)
}

/// `/proc/net/snmp6`: `Ip6InReceives 1`; the protocol ends with the 6.
pub(super) fn parse_snmp6(text: &str) -> Result<Vec<(String, f64)>, HostError> {
    let mut counters = Vec::new();
    for line in text.lines() {
        let mut words = line.split_ascii_whitespace();
        let Some((at, name)) = words.next().and_then(|n| Some((n.find('6')? + 1, n))) else {
            continue;
        };
        let (protocol, rest) = name.split_at(at);
        counters.push((
            format!("{protocol}_{rest}"),
            number(words.next(), "a protocol counter")?,
        ));
    }
    Ok(counters)
}

/// node_exporter's default choice among several hundred counters.
pub(super) fn is_wanted(name: &str) -> bool {
    if name.ends_with("_InErrors") || name.ends_with("_InErrs") {
        return true;
    }
    let Some((protocol, field)) = name.split_once('_') else {
        return false;
    };
    match protocol {
        "Ip" => field == "Forwarding",
        "Ip6" | "IpExt" => matches!(field, "InOctets" | "OutOctets"),
        "Icmp" | "Icmp6" => matches!(field, "InMsgs" | "OutMsgs"),
        "Tcp" => matches!(
            field,
            "ActiveOpens" | "InSegs" | "OutSegs" | "OutRsts" | "PassiveOpens" | "RetransSegs" | "CurrEstab"
        ),
        "TcpExt" => {
            field.starts_with("Listen")
                || field.starts_with("Syncookies")
                || matches!(field, "TCPSynRetrans" | "TCPTimeouts" | "TCPOFOQueue")
        }
        "Udp" | "Udp6" => matches!(
            field,
            "InDatagrams" | "OutDatagrams" | "NoPorts" | "RcvbufErrors" | "SndbufErrors"
        ),
        _ => false,
    }
}

pub(super) fn collect_netstat(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let mut counters = parse_pairs(&state.root.read("proc/net/snmp")?)?;
    counters.extend(parse_pairs(&state.root.read("proc/net/netstat")?)?);
    match state.root.read("proc/net/snmp6") {
        Ok(text) => counters.extend(parse_snmp6(&text)?),
        Err(HostError::Absent { .. }) => {} // No IPv6 here.
        Err(error) => return Err(error),
    }
    for (name, value) in counters.iter().filter(|(n, _)| is_wanted(n)) {
        let name = format!("node_netstat_{name}");
        page.family(&name, MetricKind::Unknown, "Protocol counter of the kernel.")
            .set(&[], *value);
    }
    Ok(())
}

/// `/proc/net/sockstat`: `TCP: inuse 1 orphan 0 mem 223`; memory is in pages and is given in bytes too.
pub(super) fn parse_sockstat(text: &str) -> Result<Vec<(String, f64)>, HostError> {
    let mut counts = Vec::new();
    for line in text.lines() {
        let Some((protocol, rest)) = line.split_once(':') else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        while let Some(key) = words.next() {
            let value = number(words.next(), "a count of sockets")?;
            counts.push((format!("{protocol}_{key}"), value));
            if key == "mem" {
                counts.push((format!("{protocol}_mem_bytes"), value * PAGE_BYTES));
            }
        }
    }
    Ok(counts)
}

pub(super) fn collect_sockstat(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let mut counts = parse_sockstat(&state.root.read("proc/net/sockstat")?)?;
    counts.extend(parse_sockstat(
        &state.root.read("proc/net/sockstat6").unwrap_or_default(),
    )?);
    for (name, value) in &counts {
        let name = format!("node_sockstat_{name}");
        page.gauge(&name, "Sockets, or their memory in pages or bytes.")
            .set(&[], *value);
    }
    Ok(())
}

/// `/proc/net/softnet_stat`: a line of hexadecimal numbers per CPU; processed, dropped, squeezed lead it, and newer
/// kernels give the CPU's own number in the thirteenth.
pub(super) fn parse_softnet(text: &str) -> Result<Vec<(String, [f64; 3])>, HostError> {
    let mut cpus = Vec::new();
    for (row, line) in text.lines().enumerate() {
        let mut fields = Vec::new();
        for field in line.split_ascii_whitespace() {
            let value = u32::from_str_radix(field, 16);
            fields.push(value.map_err(|_| HostError::parse("a hexadecimal count", field))?);
        }
        let [processed, dropped, squeezed, ..] = fields[..] else {
            return Err(HostError::parse("counts of a CPU's packets", line));
        };
        let cpu = fields.get(12).copied().unwrap_or(row as u32);
        cpus.push((cpu.to_string(), [processed, dropped, squeezed].map(f64::from)));
    }
    Ok(cpus)
}

pub(super) fn collect_softnet(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let cpus = parse_softnet(&state.root.read("proc/net/softnet_stat")?)?;
    let names = [
        ("node_softnet_processed_total", "Packets processed."),
        (
            "node_softnet_dropped_total",
            "Packets dropped because the queue was full.",
        ),
        (
            "node_softnet_times_squeezed_total",
            "Times a round ended with packets left.",
        ),
    ];
    for (i, (name, help)) in names.into_iter().enumerate() {
        let mut family = page.counter(name, help);
        for (cpu, values) in &cpus {
            family.set(&[("cpu", cpu)], values[i]);
        }
    }
    Ok(())
}

pub(super) fn collect_conntrack(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let count = state.root.read("proc/sys/net/netfilter/nf_conntrack_count")?;
    let max = state.root.read("proc/sys/net/netfilter/nf_conntrack_max")?;
    page.gauge("node_nf_conntrack_entries", "Connections tracked.")
        .set(&[], number(Some(count.trim()), "a count of connections")?);
    page.gauge(
        "node_nf_conntrack_entries_limit",
        "Connections that can be tracked.",
    )
    .set(&[], number(Some(max.trim()), "a count of connections")?);
    // Absent in a namespace of its own, where the counts above are not.
    if let Ok(text) = state.root.read("proc/net/stat/nf_conntrack") {
        for (column, sum) in parse_conntrack_stat(&text) {
            let name = format!("node_nf_conntrack_stat_{column}");
            page.gauge(&name, "Events of connection tracking since the start.")
                .set(&[], sum as f64);
        }
    }
    Ok(())
}

/// Columns that node_exporter shows.
const CONNTRACK_COLUMNS: [&str; 8] = [
    "found",
    "invalid",
    "ignore",
    "insert",
    "insert_failed",
    "drop",
    "early_drop",
    "search_restart",
];

/// A line of names, then a line of hexadecimal counts per CPU.
pub(super) fn parse_conntrack_stat(text: &str) -> Vec<(&str, u64)> {
    let mut lines = text.lines();
    let names: Vec<&str> = lines.next().unwrap_or("").split_ascii_whitespace().collect();
    let mut sums = vec![0u64; names.len()];
    for line in lines {
        for (sum, field) in sums.iter_mut().zip(line.split_ascii_whitespace()) {
            *sum = sum.saturating_add(u64::from_str_radix(field, 16).unwrap_or(0));
        }
    }
    let all = names.into_iter().zip(sums);
    all.filter(|(name, _)| CONNTRACK_COLUMNS.contains(name)).collect()
}

/// Bytes that wait in the queues of all sockets: to be sent, to be read.
pub(super) fn parse_udp_queues(text: &str) -> (u64, u64) {
    let mut total = (0u64, 0u64);
    for line in text.lines().skip(1) {
        let queues = line
            .split_ascii_whitespace()
            .nth(4)
            .and_then(|f| f.split_once(':'));
        if let Some((tx, rx)) = queues {
            total.0 = total.0.saturating_add(u64::from_str_radix(tx, 16).unwrap_or(0));
            total.1 = total.1.saturating_add(u64::from_str_radix(rx, 16).unwrap_or(0));
        }
    }
    total
}

pub(super) fn collect_udp_queues(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let v4 = parse_udp_queues(&state.root.read("proc/net/udp")?);
    // A kernel without IPv6 has no such file.
    let v6 = state
        .root
        .read("proc/net/udp6")
        .ok()
        .map(|text| parse_udp_queues(&text));
    let mut family = page.gauge("node_udp_queues", "Bytes that wait in the queues of UDP sockets.");
    for (ip, found) in [("v4", Some(v4)), ("v6", v6)] {
        if let Some((tx, rx)) = found {
            family.set(&[("ip", ip), ("queue", "tx")], tx as f64);
            family.set(&[("ip", ip), ("queue", "rx")], rx as f64);
        }
    }
    Ok(())
}

/// Neighbours per interface, from `/proc/net/arp`; the device stands last.
pub(super) fn parse_arp(text: &str) -> BTreeMap<String, f64> {
    let mut entries = BTreeMap::new();
    for line in text.lines().skip(1) {
        if let Some(device) = line.split_ascii_whitespace().nth(5) {
            *entries.entry(device.to_owned()).or_insert(0.0) += 1.0;
        }
    }
    entries
}

pub(super) fn collect_arp(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let entries = parse_arp(&state.root.read("proc/net/arp")?);
    let mut family = page.gauge("node_arp_entries", "Neighbours known per interface.");
    for (device, count) in &entries {
        family.set(&[("device", device)], *count);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_counts_are_summed() {
        let text = "entries  found new invalid\n00000010  0000000a 00000000 00000001\n00000010  00000006 00000000 00000002\n";
        assert_eq!(parse_conntrack_stat(text), [("found", 16), ("invalid", 3)]);
        let text = "  sl  local_address rem_address   st tx_queue rx_queue\n  1: 00:00 00:00 07 00000010:00000001 00:0\n  2: 00:00 00:00 07 00000000:00000002 00:0\n";
        assert_eq!(parse_udp_queues(text), (16, 3));
        assert_eq!(parse_udp_queues(""), (0, 0));
    }

    fn pairs(found: &[(String, f64)]) -> Vec<(&str, f64)> {
        found.iter().map(|(n, v)| (n.as_str(), *v)).collect()
    }

    #[test]
    fn protocols() {
        let found = parse_pairs("Tcp: MaxConn InSegs\nTcp: -1 7\n").unwrap();
        assert_eq!(pairs(&found), [("Tcp_MaxConn", -1.0), ("Tcp_InSegs", 7.0)]);
        assert!(parse_pairs("Tcp: A\nUdp: 1\n").is_err());
        let found = parse_snmp6("Ip6InOctets  \t 5\nUdpLite6InErrors 2\nnothing 1\n").unwrap();
        assert_eq!(pairs(&found), [("Ip6_InOctets", 5.0), ("UdpLite6_InErrors", 2.0)]);
    }

    #[test]
    fn chooses_as_node_exporter_does() {
        for name in [
            "Tcp_RetransSegs",
            "TcpExt_ListenDrops",
            "UdpLite_InErrors",
            "Ip_Forwarding",
            "Udp6_NoPorts",
        ] {
            assert!(is_wanted(name), "{name}");
        }
        for name in [
            "Tcp_RtoMin",
            "TcpExt_TCPTimeoutsX",
            "Ip_InReceives",
            "Icmp_InErrorsX",
            "plain",
        ] {
            assert!(!is_wanted(name), "{name}");
        }
    }

    #[test]
    fn sockets_packets_and_neighbours() {
        let found = parse_sockstat("sockets: used 20\nTCP: inuse 1 mem 2\n").unwrap();
        let expect = [
            ("sockets_used", 20.0),
            ("TCP_inuse", 1.0),
            ("TCP_mem", 2.0),
            ("TCP_mem_bytes", 8192.0),
        ];
        assert_eq!(pairs(&found), expect);
        let cpus = parse_softnet("13 1 2\n000000ff 0 0 0 0 0 0 0 0 0 0 0 00000007 0 0\n").unwrap();
        assert_eq!(
            cpus,
            [
                ("0".to_owned(), [19.0, 1.0, 2.0]),
                ("7".to_owned(), [255.0, 0.0, 0.0])
            ]
        );
        assert!(parse_softnet("zz 1 2").is_err());
        assert!(parse_softnet("1 2").is_err());
        let arp = parse_arp("IP address HW type\n10.0.0.1 0x1 0x2 aa * eth0\n10.0.0.2 0x1 0x2 ab * eth0\n");
        assert_eq!(arp["eth0"], 2.0);
    }
}
