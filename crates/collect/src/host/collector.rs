//! Runs every collector of the host once and makes one batch of what they found.
//!
//! A collector that fails costs only its own series: `node_scrape_collector_success` says which, and
//! [`HostCollector::failures`] says why. Cost: about 1 ms of CPU per collection on a small host (`tests/it/host.rs`
//! prints it); at one collection in 10 s that is 0.01 % of a core.

use super::cpu::CpuShare;
use super::netclass::NetClass;
use super::root::{HostError, Root};
use super::statvfs::Statvfs;
use super::{
    cgroup, cpu, disk, filesystem, hwmon, identity, infiniband, kernel, load, memory, netclass, netstat,
    network,
};
use super::{pressure, stat, thermal, vmstat};
use crate::page::{BaseLabels, Page};
use lapwing_types::WriteBatch;
use std::path::PathBuf;
use std::sync::Arc;

/// Kinds and help texts are repeated after so many collections, for a reader that came late.
const METADATA_EVERY: u64 = 60;

/// What a collector remembers between two collections.
pub(super) struct HostState {
    pub(super) root: Root,
    /// For `cpu_usage`, which is a difference.
    pub(super) cpu_share: CpuShare,
    pub(super) netclass: NetClass,
    pub(super) statvfs: Statvfs,
}

type Collect = fn(&mut HostState, &mut Page) -> Result<(), HostError>;

const COLLECTORS: &[(&str, Collect)] = &[
    ("cpu", cpu::collect),
    ("meminfo", memory::collect),
    ("loadavg", load::collect),
    ("diskstats", disk::collect),
    ("filesystem", filesystem::collect),
    ("netdev", network::collect),
    ("netclass", netclass::collect),
    ("netstat", netstat::collect_netstat),
    ("sockstat", netstat::collect_sockstat),
    ("softnet", netstat::collect_softnet),
    ("conntrack", netstat::collect_conntrack),
    ("arp", netstat::collect_arp),
    ("pressure", pressure::collect),
    ("stat", stat::collect),
    ("vmstat", vmstat::collect),
    ("filefd", kernel::collect_filefd),
    ("entropy", kernel::collect_entropy),
    ("schedstat", kernel::collect_schedstat),
    ("edac", kernel::collect_edac),
    ("thermal_zone", thermal::collect),
    ("hwmon", hwmon::collect),
    ("clocksource", kernel::collect_clocksource),
    ("selinux", kernel::collect_selinux),
    ("udp_queues", netstat::collect_udp_queues),
    ("infiniband", infiniband::collect),
    ("uname", identity::collect_uname),
    ("os", identity::collect_os),
    ("time", identity::collect_time),
    ("cgroup", cgroup::collect),
];

/// Reads the host; keeps what the next reading needs.
pub struct HostCollector {
    state: HostState,
    base: BaseLabels,
    collections: u64,
    failures: Vec<(&'static str, HostError)>,
}

impl HostCollector {
    /// `root` is where `/proc` and `/sys` are found: `/`, or the host's root as mounted into a container.
    /// Series carry `job="node"` and the host's name as `instance`, which is what node_exporter's dashboards ask for.
    pub fn new(root: PathBuf) -> Self {
        let root = Root::new(root);
        let instance = identity::host_name(&root).unwrap_or_else(|| "localhost".to_owned());
        let base = [
            ("job".to_owned(), "node".to_owned()),
            ("instance".to_owned(), instance),
        ];
        HostCollector {
            state: HostState {
                root,
                cpu_share: CpuShare::default(),
                netclass: NetClass::default(),
                statvfs: Statvfs::default(),
            },
            base: Arc::new(base),
            collections: 0,
            failures: Vec::new(),
        }
    }

    /// Other labels than `job` and `instance` of [`HostCollector::new`].
    pub fn with_labels(mut self, labels: Vec<(String, String)>) -> Self {
        self.base = labels.into();
        self
    }

    /// Reads everything once; blocking (files of /proc and /sys, no disk), so call it off the async threads.
    pub fn collect(&mut self, now_ms: i64) -> WriteBatch {
        let with_metadata = self.collections.is_multiple_of(METADATA_EVERY);
        self.collections += 1;
        self.failures.clear();
        let mut page = Page::new(now_ms, self.base.clone(), with_metadata);
        for (name, collect) in COLLECTORS {
            if let Err(error) = collect(&mut self.state, &mut page) {
                self.failures.push((name, error));
            }
        }
        let mut success = page.gauge(
            "node_scrape_collector_success",
            "Whether this collector could read its part of the host.",
        );
        for (name, _) in COLLECTORS {
            let failed = self.failures.iter().any(|(n, _)| n == name);
            success.set(&[("collector", name)], if failed { 0.0 } else { 1.0 });
        }
        page.into_batch()
    }

    /// Which collectors failed in the last collection, and why.
    pub fn failures(&self) -> &[(&'static str, HostError)] {
        &self.failures
    }
}
