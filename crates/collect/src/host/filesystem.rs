//! File systems, from `/proc/1/mounts` and `statvfs`; and `disk_usage`, the share that `df` shows.

use super::collector::HostState;
use super::root::HostError;
use super::statvfs::{NoSize, Size};
use crate::page::Page;
use std::collections::HashSet;

#[derive(Debug, PartialEq)]
pub(super) struct Mount {
    pub(super) device: String,
    pub(super) mountpoint: String,
    pub(super) fstype: String,
    pub(super) readonly: bool,
}

/// Kinds that hold no files of their own.
const VIRTUAL: [&str; 27] = [
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
    "erofs",
    "efivarfs",
    "ramfs",
];

/// Mounts that a person would call a disk, each mount point once (the last mount there is the visible one).
pub(super) fn parse(text: &str) -> Vec<Mount> {
    let mut seen = HashSet::new();
    let mut mounts: Vec<Mount> = text
        .lines()
        .rev()
        .filter_map(parse_line)
        .filter(|m| seen.insert(m.mountpoint.clone()))
        .collect();
    mounts.reverse();
    mounts
}

fn parse_line(line: &str) -> Option<Mount> {
    let mut fields = line.split_ascii_whitespace();
    let (device, mountpoint, fstype, options) =
        (fields.next()?, fields.next()?, fields.next()?, fields.next()?);
    let mountpoint = unescape(mountpoint);
    if VIRTUAL.contains(&fstype) || is_system_folder(&mountpoint) {
        return None;
    }
    Some(Mount {
        device: unescape(device),
        mountpoint,
        fstype: fstype.to_owned(),
        readonly: options.split(',').any(|o| o == "ro"),
    })
}

/// node_exporter's default exclusion; `/mnt` and `/media`, which Debian adds to it, are where people mount their models.
fn is_system_folder(mountpoint: &str) -> bool {
    let inside = |folder: &str| {
        mountpoint
            .strip_prefix(folder)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    ["/dev", "/proc", "/run", "/sys"].into_iter().any(inside)
        || mountpoint.starts_with("/var/lib/docker/")
        || mountpoint.starts_with("/var/lib/containers/storage/")
}

/// The kernel writes blanks in paths as `\040` and the like.
fn unescape(text: &str) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let code = match (first, tail) {
            (b'\\', [a @ b'0'..=b'3', b @ b'0'..=b'7', c @ b'0'..=b'7', ..]) => {
                Some((a - b'0') * 64 + (b - b'0') * 8 + (c - b'0'))
            }
            _ => None,
        };
        out.push(code.unwrap_or(*first));
        rest = if code.is_some() { &tail[3..] } else { tail };
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// Used against what users can have; root's reserve counts as neither, as in `df`.
pub(super) fn usage(size: &Size) -> Option<f64> {
    let used = size.size_bytes - size.free_bytes;
    let total = used + size.avail_bytes;
    (total > 0.0).then(|| (used / total).clamp(0.0, 1.0))
}

type Value = fn(&Mount, &Result<Size, NoSize>) -> Option<f64>;

fn flag(yes: bool) -> Option<f64> {
    Some(if yes { 1.0 } else { 0.0 })
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let text = state
        .root
        .read("proc/1/mounts")
        .or_else(|_| state.root.read("proc/self/mounts"))?;
    let mounts = parse(&text);
    let sizes: Vec<Result<Size, NoSize>> = mounts
        .iter()
        .map(|m| state.statvfs.ask(&state.root.join(&m.mountpoint), &m.fstype))
        .collect();
    let mut family = |name: &str, help: &str, value: Value| {
        let mut family = page.gauge(name, help);
        for (mount, size) in mounts.iter().zip(&sizes) {
            if let Some(value) = value(mount, size) {
                let labels = [
                    ("device", mount.device.as_str()),
                    ("fstype", &mount.fstype),
                    ("mountpoint", &mount.mountpoint),
                ];
                family.set(&labels, value);
            }
        }
    };
    family(
        "node_filesystem_size_bytes",
        "Size of the file system.",
        |_, s| Some(s.ok()?.size_bytes),
    );
    family(
        "node_filesystem_free_bytes",
        "Free, root's reserve included.",
        |_, s| Some(s.ok()?.free_bytes),
    );
    family("node_filesystem_avail_bytes", "Free for users.", |_, s| {
        Some(s.ok()?.avail_bytes)
    });
    family("node_filesystem_files", "Inodes.", |_, s| Some(s.ok()?.files));
    family("node_filesystem_files_free", "Free inodes.", |_, s| {
        Some(s.ok()?.files_free)
    });
    family("node_filesystem_readonly", "1 when mounted read-only.", |m, _| {
        flag(m.readonly)
    });
    family(
        "node_filesystem_device_error",
        "1 when its size could not be read.",
        |_, s| flag(s.is_err()),
    );
    let mut shares = page.gauge(
        "disk_usage",
        "Share of a file system in use, as df shows it, 0 to 1.",
    );
    for (mount, size) in mounts.iter().zip(&sizes) {
        if let Some(share) = size.as_ref().ok().and_then(usage) {
            shares.set(
                &[("device", &mount.device), ("mountpoint", &mount.mountpoint)],
                share,
            );
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_disks_and_drops_the_kernels_own() {
        let mounts = parse(
            "/dev/vda / ext4 rw,relatime 0 0\nproc /proc proc rw 0 0\ntmpfs /run tmpfs rw 0 0\n\
             tmpfs /dev/shm tmpfs rw 0 0\n/dev/vdb /mnt/my\\040models xfs ro,noatime 0 0\n\
             /dev/vdc /mnt/my\\040models ext4 rw 0 0\n/dev/vdd /runtime ext4 rw 0 0\nbroken\n",
        );
        let shown: Vec<(&str, &str, bool)> = mounts
            .iter()
            .map(|m| (m.device.as_str(), m.mountpoint.as_str(), m.readonly))
            .collect();
        assert_eq!(
            shown,
            [
                ("/dev/vda", "/", false),
                ("/dev/vdc", "/mnt/my models", false),
                ("/dev/vdd", "/runtime", false)
            ]
        );
        assert_eq!(unescape("a\\134b\\0"), "a\\b\\0");
    }

    #[test]
    fn usage_is_what_df_shows() {
        let size = Size {
            size_bytes: 100.0,
            free_bytes: 40.0,
            avail_bytes: 20.0,
            files: 1.0,
            files_free: 1.0,
        };
        assert_eq!(usage(&size), Some(0.75));
    }
}
