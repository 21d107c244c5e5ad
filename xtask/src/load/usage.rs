//! What a process used: CPU time and memory from /proc, bytes from its data folder. Linux only.

use std::path::Path;

use anyhow::{Context, Result};

/// Threads are counted, child processes are not.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) cpu_s: f64,
    pub(crate) resident_bytes: u64,
    pub(crate) resident_peak_bytes: u64,
}

pub(crate) fn usage(pid: u32) -> Result<Usage> {
    let read = |file: &str| {
        std::fs::read_to_string(format!("/proc/{pid}/{file}"))
            .with_context(|| format!("read /proc/{pid}/{file}"))
    };
    parse(&read("stat")?, &read("status")?).context("understand /proc")
}

/// The kernel counts CPU time in hundredths of a second on every Linux that Lapwing runs on.
const TICKS_PER_SECOND: f64 = 100.0;

fn parse(stat: &str, status: &str) -> Option<Usage> {
    // The program's name may hold spaces and parentheses, so counting begins behind the last one.
    let fields: Vec<&str> = stat[stat.rfind(')')? + 1..].split_whitespace().collect();
    let ticks = fields.get(11)?.parse::<f64>().ok()? + fields.get(12)?.parse::<f64>().ok()?;
    let bytes = |key: &str| -> Option<u64> {
        let line = status.lines().find_map(|l| l.strip_prefix(key))?;
        Some(line.split_whitespace().next()?.parse::<u64>().ok()? * 1024)
    };
    Some(Usage {
        cpu_s: ticks / TICKS_PER_SECOND,
        resident_bytes: bytes("VmRSS:")?,
        resident_peak_bytes: bytes("VmHWM:")?,
    })
}

/// The bytes of all files below a folder; files that vanish meanwhile count nothing.
pub(crate) fn disk_bytes(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else {
        return 0;
    };
    let sizes = entries
        .filter_map(Result::ok)
        .map(|entry| match entry.metadata() {
            Ok(meta) if meta.is_dir() => disk_bytes(&entry.path()),
            Ok(meta) => meta.len(),
            Err(_) => 0,
        });
    sizes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_understood() {
        let stat = "42 (a ) b) S 1 42 42 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 9 0 100 1 1";
        let status = "Name:\ta\nVmHWM:\t    2048 kB\nVmRSS:\t    1024 kB\n";
        let expect = Usage {
            cpu_s: 2.0,
            resident_bytes: 1 << 20,
            resident_peak_bytes: 2 << 20,
        };
        assert_eq!(parse(stat, status), Some(expect));
        assert_eq!(parse("nonsense", status), None);
        assert_eq!(parse(stat, "Name: a"), None);
    }
}
