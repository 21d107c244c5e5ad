//! No text of a kernel, however odd, makes a parser panic.

use super::{
    cgroup, cpu, disk, filesystem, infiniband, kernel, load, memory, netstat, network, pressure, stat, vmstat,
};
use proptest::prelude::*;

/// Lines of words that look like what parsers expect, in any order and number.
fn kernel_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "cpu[0-9]{0,2}",
        "(intr|ctxt|btime|some|full|total=|Tcp:|eth0:|nvme0n1p1|sda|MemTotal:|kB|0::|/|rw|é)",
        "-?[0-9]{1,20}",
        "[0-9a-f]{1,9}",
        "\\PC{0,6}",
    ];
    let line = proptest::collection::vec(word, 0..20).prop_map(|words| words.join(" "));
    proptest::collection::vec(line, 0..8).prop_map(|lines| lines.join("\n"))
}

proptest! {
    #[test]
    fn no_text_panics(text in kernel_text()) {
        let _ = cpu::parse(&text);
        let _ = memory::parse(&text).map(|fields| memory::usage(&fields));
        let _ = load::parse(&text);
        let _ = disk::parse(&text);
        let _ = disk::udev_value(&text, "ID_MODEL");
        let _ = filesystem::parse(&text);
        let _ = network::parse(&text);
        let _ = netstat::parse_pairs(&text);
        let _ = netstat::parse_snmp6(&text);
        let _ = netstat::parse_sockstat(&text);
        let _ = netstat::parse_softnet(&text);
        let _ = netstat::parse_arp(&text);
        let _ = pressure::parse(&text);
        let _ = stat::parse(&text);
        let _ = vmstat::parse(&text);
        let _ = kernel::parse_filefd(&text);
        let _ = kernel::parse_schedstat(&text);
        let _ = cgroup::parse_membership(&text, "memory");
        let _ = infiniband::parse_rate(&text);
        let _ = cgroup::flat_value(&text, "cpu");
    }
}
