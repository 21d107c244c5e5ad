//! Small facts of the kernel: open files, entropy, run queues, memory errors.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

/// Allocated and largest number of open files; the middle field is always 0 since Linux 2.6.
pub(super) fn parse_filefd(text: &str) -> Result<(f64, f64), HostError> {
    let mut fields = text.split_ascii_whitespace();
    let allocated = number(fields.next(), "a count of open files")?;
    let max = number(fields.nth(1), "a count of open files")?;
    Ok((allocated, max))
}

pub(super) fn collect_filefd(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let (allocated, max) = parse_filefd(&state.root.read("proc/sys/fs/file-nr")?)?;
    page.gauge("node_filefd_allocated", "Open files on the host.")
        .set(&[], allocated);
    page.gauge("node_filefd_maximum", "Files that may be open on the host.")
        .set(&[], max);
    Ok(())
}

pub(super) fn collect_entropy(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let available = state.root.read("proc/sys/kernel/random/entropy_avail")?;
    let size = state.root.read("proc/sys/kernel/random/poolsize")?;
    page.gauge("node_entropy_available_bits", "Entropy at hand.")
        .set(&[], number(Some(available.trim()), "bits of entropy")?);
    page.gauge("node_entropy_pool_size_bits", "Entropy that fits into the pool.")
        .set(&[], number(Some(size.trim()), "bits of entropy")?);
    Ok(())
}

/// Per CPU: seconds running, seconds waiting (both in ns since Linux 2.6.23), time slices.
pub(super) fn parse_schedstat(text: &str) -> Result<Vec<(&str, [f64; 3])>, HostError> {
    let mut cpus = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let Some(cpu) = fields.next().and_then(|f| f.strip_prefix("cpu")) else {
            continue;
        };
        let mut fields = fields.skip(6);
        let running = number(fields.next(), "a number in /proc/schedstat")? / 1e9;
        let waiting = number(fields.next(), "a number in /proc/schedstat")? / 1e9;
        let slices = number(fields.next(), "a number in /proc/schedstat")?;
        cpus.push((cpu, [running, waiting, slices]));
    }
    Ok(cpus)
}

pub(super) fn collect_schedstat(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let text = state.root.read("proc/schedstat")?;
    let cpus = parse_schedstat(&text)?;
    let names = [
        ("node_schedstat_running_seconds_total", "Seconds a CPU ran tasks."),
        (
            "node_schedstat_waiting_seconds_total",
            "Seconds tasks waited for a CPU.",
        ),
        ("node_schedstat_timeslices_total", "Time slices a CPU gave."),
    ];
    for (i, (name, help)) in names.into_iter().enumerate() {
        let mut family = page.counter(name, help);
        for (cpu, values) in &cpus {
            family.set(&[("cpu", cpu)], values[i]);
        }
    }
    Ok(())
}

/// Memory errors per controller, from the kernel's EDAC drivers; a host without them has no such series.
pub(super) fn collect_edac(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let folder = "sys/devices/system/edac/mc";
    let controllers: Vec<String> = state
        .root
        .list(folder)
        .into_iter()
        .filter(|n| n.starts_with("mc"))
        .collect();
    let files = [
        (
            "ce_count",
            "node_edac_correctable_errors_total",
            "Memory errors that were corrected.",
        ),
        (
            "ue_count",
            "node_edac_uncorrectable_errors_total",
            "Memory errors that were not.",
        ),
    ];
    for (file, name, help) in files {
        let mut family = page.counter(name, help);
        for controller in &controllers {
            let path = format!("{folder}/{controller}/{file}");
            if let Some(count) = state.root.read_line(&path).and_then(|l| l.parse().ok()) {
                family.set(&[("controller", &controller[2..])], count);
            }
        }
    }
    Ok(())
}

/// Which clocks the kernel could run on, and which it does.
pub(super) fn collect_clocksource(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let base = "sys/devices/system/clocksource";
    let files = [
        (
            "available_clocksource",
            "node_time_clocksource_available_info",
            "A clock that the kernel could run on.",
        ),
        (
            "current_clocksource",
            "node_time_clocksource_current_info",
            "The clock that the kernel runs on.",
        ),
    ];
    for (file, name, help) in files {
        let mut family = page.gauge(name, help);
        for folder in state.root.list(base) {
            let Some(device) = folder.strip_prefix("clocksource") else {
                continue;
            };
            let line = state.root.read_line(&format!("{base}/{folder}/{file}"));
            for clock in line.as_deref().unwrap_or("").split_ascii_whitespace() {
                family.set(&[("clocksource", clock), ("device", device)], 1.0);
            }
        }
    }
    Ok(())
}

pub(super) fn collect_selinux(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let is_on = state.root.join("sys/fs/selinux/enforce").exists();
    page.gauge("node_selinux_enabled", "Whether SELinux is on.")
        .set(&[], f64::from(u8::from(is_on)));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_files() {
        assert_eq!(parse_filefd("671\t0\t2466177\n").unwrap(), (671.0, 2_466_177.0));
        assert!(parse_filefd("671").is_err());
    }

    #[test]
    fn run_queues() {
        let text = "version 15\ntimestamp 1\ncpu0 0 0 0 0 0 0 2000000000 500000000 77\ndomain0 3 0 0\n";
        assert_eq!(parse_schedstat(text).unwrap(), [("0", [2.0, 0.5, 77.0])]);
        assert!(parse_schedstat("cpu0 1 2 3").is_err());
    }
}
