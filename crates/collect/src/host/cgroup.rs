//! Limits and use of the control group this process lives in, under cAdvisor's names with `id` set to its path.
//!
//! In a container `memory_usage` speaks of the host, which may have room when the container has none; these series
//! say how close the container is to its own limits. Both versions of cgroups are read; a host without limits has
//! no limit series.

use super::collector::HostState;
use super::root::{HostError, Root};
use crate::page::Page;

/// Where the files of one controller are, and the group's own path.
#[derive(Debug, PartialEq)]
pub(super) struct Group {
    pub(super) path: String,
    pub(super) version: u8,
}

/// The group of `controller` from `/proc/self/cgroup`: version 1 lists it by name, version 2 is the line `0::`.
pub(super) fn parse_membership(text: &str, controller: &str) -> Option<Group> {
    let mut unified = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (Some(_), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if controllers.split(',').any(|c| c == controller) {
            return Some(Group {
                path: path.to_owned(),
                version: 1,
            });
        }
        if controllers.is_empty() {
            unified = Some(Group {
                path: path.to_owned(),
                version: 2,
            });
        }
    }
    unified
}

/// The number after `key` in a file of `key value` lines.
pub(super) fn flat_value(text: &str, key: &str) -> Option<f64> {
    text.lines()
        .find_map(|l| l.strip_prefix(key)?.strip_prefix(' '))
        .and_then(|v| v.trim().parse().ok())
}

/// Version 2 says `max` and version 1 a number near 2^63 for "no limit".
pub(super) fn limit(text: &str) -> Option<f64> {
    text.trim()
        .parse::<f64>()
        .ok()
        .filter(|v| *v < (1u64 << 62) as f64)
}

/// Reads `file` of the group; a container sees its own group at the root of the tree whatever its path says.
fn read(root: &Root, folder: &str, group: &Group, file: &str) -> Option<String> {
    let inside = group.path.trim_end_matches('/');
    root.read(&format!("{folder}{inside}/{file}"))
        .or_else(|_| root.read(&format!("{folder}/{file}")))
        .ok()
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let membership = state.root.read("proc/self/cgroup")?;
    if let Some(group) = parse_membership(&membership, "memory") {
        collect_memory(&state.root, &group, page);
    }
    if let Some(group) = parse_membership(&membership, "cpu") {
        collect_cpu(&state.root, &group, page);
    }
    Ok(())
}

fn collect_memory(root: &Root, group: &Group, page: &mut Page) {
    let (folder, usage_file, limit_file) = match group.version {
        1 => (
            "sys/fs/cgroup/memory",
            "memory.usage_in_bytes",
            "memory.limit_in_bytes",
        ),
        _ => ("sys/fs/cgroup", "memory.current", "memory.max"),
    };
    let id = [("id", group.path.as_str())];
    let usage: Option<f64> = read(root, folder, group, usage_file).and_then(|t| t.trim().parse().ok());
    if let Some(usage) = usage {
        page.gauge(
            "container_memory_usage_bytes",
            "Memory charged to the group, caches included.",
        )
        .set(&id, usage);
        let stat = read(root, folder, group, "memory.stat").unwrap_or_default();
        let inactive =
            flat_value(&stat, "total_inactive_file").or_else(|| flat_value(&stat, "inactive_file"));
        page.gauge(
            "container_memory_working_set_bytes",
            "Memory of the group without file pages that can be dropped; what the limit kills by.",
        )
        .set(&id, (usage - inactive.unwrap_or(0.0)).max(0.0));
    }
    if let Some(limit) = read(root, folder, group, limit_file).as_deref().and_then(limit) {
        page.gauge("container_spec_memory_limit_bytes", "Memory the group may have.")
            .set(&id, limit);
    }
    let kills = match group.version {
        1 => read(root, folder, group, "memory.oom_control"),
        _ => read(root, folder, group, "memory.events"),
    };
    if let Some(kills) = kills.and_then(|t| flat_value(&t, "oom_kill")) {
        page.counter(
            "container_oom_events_total",
            "Times the kernel killed for memory in the group.",
        )
        .set(&id, kills);
    }
}

fn collect_cpu(root: &Root, group: &Group, page: &mut Page) {
    let folder = if group.version == 1 {
        "sys/fs/cgroup/cpu"
    } else {
        "sys/fs/cgroup"
    };
    let id = [("id", group.path.as_str())];
    let stat = read(root, folder, group, "cpu.stat").unwrap_or_default();
    let (throttled, factor) = match flat_value(&stat, "throttled_usec") {
        Some(micros) => (Some(micros), 1e-6),
        None => (flat_value(&stat, "throttled_time"), 1e-9),
    };
    let counters = [
        (
            "container_cpu_cfs_periods_total",
            flat_value(&stat, "nr_periods"),
            "Scheduling periods passed.",
        ),
        (
            "container_cpu_cfs_throttled_periods_total",
            flat_value(&stat, "nr_throttled"),
            "Periods in which the group ran into its CPU limit.",
        ),
        (
            "container_cpu_cfs_throttled_seconds_total",
            throttled.map(|t| t * factor),
            "Seconds the group was held back by its CPU limit.",
        ),
        (
            "container_cpu_usage_seconds_total",
            flat_value(&stat, "usage_usec").map(|t| t * 1e-6),
            "CPU seconds used by the group.",
        ),
    ];
    for (name, value, help) in counters {
        if let Some(value) = value {
            page.counter(name, help).set(&id, value);
        }
    }
    let (quota, period) = match group.version {
        1 => (
            read(root, folder, group, "cpu.cfs_quota_us"),
            read(root, folder, group, "cpu.cfs_period_us"),
        ),
        _ => {
            let max = read(root, folder, group, "cpu.max").unwrap_or_default();
            let mut words = max.split_ascii_whitespace().map(str::to_owned);
            (words.next(), words.next())
        }
    };
    let number = |t: Option<String>| t.and_then(|t| t.trim().parse::<f64>().ok()).filter(|v| *v > 0.0);
    if let (Some(quota), Some(period)) = (number(quota), number(period)) {
        page.gauge(
            "container_spec_cpu_quota",
            "CPU time per period the group may have, in µs.",
        )
        .set(&id, quota);
        page.gauge(
            "container_spec_cpu_period",
            "Length of a scheduling period, in µs.",
        )
        .set(&id, period);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_group_in_both_versions() {
        let old = "4:memory:/pod/a\n2:cpu,cpuacct:/b\n0::/\n";
        let group = |path: &str, version| {
            Some(Group {
                path: path.to_owned(),
                version,
            })
        };
        assert_eq!(parse_membership(old, "memory"), group("/pod/a", 1));
        assert_eq!(parse_membership(old, "cpu"), group("/b", 1));
        assert_eq!(
            parse_membership("0::/system.slice/x:y.service\n", "cpu"),
            group("/system.slice/x:y.service", 2)
        );
        assert_eq!(parse_membership("", "cpu"), None);
    }

    #[test]
    fn no_limit_is_no_number() {
        assert_eq!(limit("max\n"), None);
        assert_eq!(limit("9223372036854771712\n"), None);
        assert_eq!(limit("1073741824\n"), Some(1_073_741_824.0));
        assert_eq!(flat_value("low 0\noom_kill 3\noom 1\n", "oom_kill"), Some(3.0));
    }
}
