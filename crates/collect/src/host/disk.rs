//! Block devices, from `/proc/diskstats`; what udev knows about them from `/run/udev/data`.

use super::collector::HostState;
use super::root::{HostError, Root, number};
use crate::page::Page;
use lapwing_types::MetricKind;

#[derive(Debug, PartialEq)]
pub(super) struct Disk {
    pub(super) major: String,
    pub(super) minor: String,
    pub(super) device: String,
    /// As the kernel lists them: 11 fields, 15 with discards (4.18), 17 with flushes (5.5).
    pub(super) fields: Vec<f64>,
}

/// Column, name without `node_disk_`, factor to seconds or bytes, help.
const COLUMNS: [(usize, &str, f64, &str); 17] = [
    (0, "reads_completed_total", 1.0, "Reads that succeeded."),
    (
        1,
        "reads_merged_total",
        1.0,
        "Reads that were merged with a neighbour.",
    ),
    (2, "read_bytes_total", 512.0, "Bytes read."),
    (3, "read_time_seconds_total", 0.001, "Seconds spent by all reads."),
    (4, "writes_completed_total", 1.0, "Writes that succeeded."),
    (
        5,
        "writes_merged_total",
        1.0,
        "Writes that were merged with a neighbour.",
    ),
    (6, "written_bytes_total", 512.0, "Bytes written."),
    (
        7,
        "write_time_seconds_total",
        0.001,
        "Seconds spent by all writes.",
    ),
    (8, "io_now", 1.0, "Requests in flight."),
    (
        9,
        "io_time_seconds_total",
        0.001,
        "Seconds with at least one request in flight.",
    ),
    (
        10,
        "io_time_weighted_seconds_total",
        0.001,
        "Seconds times requests in flight.",
    ),
    (11, "discards_completed_total", 1.0, "Discards that succeeded."),
    (
        12,
        "discards_merged_total",
        1.0,
        "Discards that were merged with a neighbour.",
    ),
    (13, "discarded_sectors_total", 1.0, "Sectors discarded."),
    (
        14,
        "discard_time_seconds_total",
        0.001,
        "Seconds spent by all discards.",
    ),
    (15, "flush_requests_total", 1.0, "Flushes that succeeded."),
    (
        16,
        "flush_requests_time_seconds_total",
        0.001,
        "Seconds spent by all flushes.",
    ),
];

pub(super) fn parse(text: &str) -> Result<Vec<Disk>, HostError> {
    let mut disks = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let (Some(major), Some(minor), Some(device)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        if is_partition_or_virtual(device) {
            continue;
        }
        let mut values = Vec::with_capacity(COLUMNS.len());
        for field in fields.take(COLUMNS.len()) {
            values.push(number(Some(field), "a counter of a disk")?);
        }
        disks.push(Disk {
            major: major.to_owned(),
            minor: minor.to_owned(),
            device: device.to_owned(),
            fields: values,
        });
    }
    Ok(disks)
}

/// ram0, loop1, fd0, sda1, hdb2, vda3, xvda1, nvme0n1p2: node_exporter's default exclusion.
pub(super) fn is_partition_or_virtual(device: &str) -> bool {
    let stem = device.trim_end_matches(|c: char| c.is_ascii_digit());
    if stem.len() == device.len() {
        return false;
    }
    if matches!(stem, "ram" | "loop" | "fd") {
        return true;
    }
    for prefix in ["xvd", "hd", "sd", "vd"] {
        if let Some(letter) = stem.strip_prefix(prefix) {
            return letter.len() == 1 && letter.as_bytes()[0].is_ascii_lowercase();
        }
    }
    let Some((controller, rest)) = stem.strip_prefix("nvme").and_then(|s| s.split_once('n')) else {
        return false;
    };
    let digits = |s: &str| !s.is_empty() && s.bytes().all(|b| b.is_ascii_digit());
    digits(controller) && rest.strip_suffix('p').is_some_and(digits)
}

/// The value of `E:KEY=` in a udev database entry.
pub(super) fn udev_value<'a>(text: &'a str, key: &str) -> &'a str {
    text.lines()
        .find_map(|l| l.strip_prefix("E:")?.strip_prefix(key)?.strip_prefix('='))
        .unwrap_or("")
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let disks = parse(&state.root.read("proc/diskstats")?)?;
    for (column, name, factor, help) in COLUMNS {
        let name = format!("node_disk_{name}");
        let kind = if column == 8 {
            MetricKind::Gauge
        } else {
            MetricKind::Counter
        };
        let mut family = page.family(&name, kind, help);
        for disk in &disks {
            if let Some(value) = disk.fields.get(column) {
                family.set(&[("device", &disk.device)], value * factor);
            }
        }
    }
    collect_info(&state.root, &disks, page);
    Ok(())
}

fn collect_info(root: &Root, disks: &[Disk], page: &mut Page) {
    let mut info = page.gauge(
        "node_disk_info",
        "What udev knows about a disk, in labels; always 1.",
    );
    for disk in disks {
        let entry = format!("run/udev/data/b{}:{}", disk.major, disk.minor);
        let text = root.read(&entry).unwrap_or_default();
        let labels = [
            ("device", disk.device.as_str()),
            ("major", &disk.major),
            ("minor", &disk.minor),
            ("model", udev_value(&text, "ID_MODEL")),
            ("path", udev_value(&text, "ID_PATH")),
            ("revision", udev_value(&text, "ID_REVISION")),
            ("serial", udev_value(&text, "ID_SERIAL_SHORT")),
            ("wwn", udev_value(&text, "ID_WWN")),
        ];
        info.set(&labels, 1.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_whole_disks_only() {
        for device in [
            "ram0",
            "loop7",
            "fd0",
            "sda1",
            "xvdb12",
            "vdc3",
            "hda2",
            "nvme0n1p2",
        ] {
            assert!(is_partition_or_virtual(device), "{device}");
        }
        for device in [
            "sda",
            "vda",
            "nvme0n1",
            "dm-0",
            "zram0",
            "md127",
            "sdaa1",
            "mmcblk0p1",
            "sr0",
        ] {
            assert!(!is_partition_or_virtual(device), "{device}");
        }
    }

    #[test]
    fn reads_old_and_new_kernels() {
        let disks = parse("   8 0 sda 1 2 3 4 5 6 7 8 9 10 11\n 8 1 sda1 1\n 254 0 vda 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17\n")
            .unwrap();
        assert_eq!(disks.len(), 2);
        assert_eq!((disks[0].device.as_str(), disks[0].fields.len()), ("sda", 11));
        assert_eq!(disks[1].fields.len(), 17);
        assert!(parse("8 0 sda 1 x").is_err());
        assert_eq!(
            udev_value("S:disk\nE:ID_MODEL=QEMU\nE:ID_MODEL_ENC=x\n", "ID_MODEL"),
            "QEMU"
        );
    }
}
