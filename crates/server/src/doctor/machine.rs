//! The machine: its clock, disk, limits, memory, the port, the GPUs.

use super::{Finding, existing};
use crate::config::Config;
use lapwing_collect::gpu::{GpuError, NvmlSource};
use rustix::process::{Resource, getrlimit};
use std::path::Path;

/// 2025-01-01: no machine on which this runs was set to an earlier day on purpose.
const CLOCK_MIN_MS: i64 = 1_735_689_600_000;
const TIME_SERVICES: [&str; 5] = ["chronyd", "ntpd", "systemd-timesyn", "openntpd", "ptp4l"];

pub(super) fn clock() -> Finding {
    let now_ms = lapwing::Clock::system().now_ms();
    if now_ms < CLOCK_MIN_MS {
        return Finding::error(
            "clock",
            "the clock is years behind",
            "set it, or start a time service such as chrony",
        );
    }
    let is_said = Path::new("/run/systemd/timesync/synchronized").exists();
    let running = std::fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .flatten()
        .find_map(|entry| {
            let name = std::fs::read_to_string(entry.path().join("comm")).ok()?;
            TIME_SERVICES.iter().find(|s| name.trim() == **s)
        });
    match (is_said, running) {
        (true, _) => Finding::fine("clock", "kept by systemd-timesyncd"),
        (_, Some(service)) => Finding::fine("clock", format!("kept by {service}")),
        _ => Finding::warning(
            "clock",
            "no time service runs here",
            "samples of other machines are refused when clocks differ by minutes: start chrony, or in a container on its host",
        ),
    }
}

/// Less than this, and the log of an hour may not fit.
const FREE_BYTES_MIN: u64 = 1 << 30;

pub(super) fn disk(data: &Path) -> Finding {
    let dir = existing(data);
    let probe = dir.join(".lapwing-doctor");
    if let Err(error) = std::fs::write(&probe, b"x").and_then(|()| std::fs::remove_file(&probe)) {
        return Finding::error(
            "disk",
            format!("{} cannot be written to: {error}", dir.display()),
            "give this user the folder, or name another with --data",
        );
    }
    match rustix::fs::statvfs(dir) {
        Err(error) => Finding::warning(
            "disk",
            format!("the room in {} is not known: {error}", dir.display()),
            "look at it with df",
        ),
        Ok(found) => {
            let free_bytes = found.f_bavail * found.f_frsize;
            let share = found.f_bavail as f64 / (found.f_blocks as f64).max(1.0);
            let said = format!(
                "{:.1} GiB free for {}",
                free_bytes as f64 / (1u64 << 30) as f64,
                data.display()
            );
            if free_bytes < FREE_BYTES_MIN {
                Finding::error(
                    "disk",
                    said,
                    "make room, or set store.retention or store.retention_size lower",
                )
            } else if share < 0.1 {
                Finding::warning(
                    "disk",
                    format!("{said}, less than a tenth"),
                    "set store.retention_size, so that it never fills up",
                )
            } else {
                Finding::fine("disk", said)
            }
        }
    }
}

/// Beside connections: the files of the store, targets and receivers.
const FILES_BESIDE: u64 = 1000;

pub(super) fn open_files(connections_max: usize) -> Finding {
    let needed = connections_max as u64 + FILES_BESIDE;
    match getrlimit(Resource::Nofile).current {
        Some(limit) if limit < needed => Finding::warning(
            "files",
            format!("this process may open {limit} files; {connections_max} connections need {needed}"),
            format!(
                "LimitNOFILE={needed} in the unit file, or ulimit -n {needed}; or set limits.connections lower"
            ),
        ),
        Some(limit) => Finding::fine("files", format!("this process may open {limit} files")),
        None => Finding::fine("files", "this process may open any number of files"),
    }
}

pub(super) fn memory(config: &Config) -> Finding {
    let wanted = config.engine_options(true).metrics.memory_limit_bytes;
    let total = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        let line = text.lines().find(|l| l.starts_with("MemTotal:"))?.to_owned();
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    });
    match total.map(|kib| kib * 1024) {
        None => Finding::fine("memory", "the size of the memory is not known here"),
        Some(total) if wanted > total / 10 * 8 => Finding::warning(
            "memory",
            format!(
                "store.memory_limit is {} MiB, the machine has {}",
                wanted >> 20,
                total >> 20
            ),
            "set store.memory_limit to half of the machine's memory",
        ),
        Some(total) => Finding::fine(
            "memory",
            format!("store.memory_limit is {} of {} MiB", wanted >> 20, total >> 20),
        ),
    }
}

pub(super) async fn port(config: &Config) -> Finding {
    let web = &config.web;
    if let Some(refusal) = web.refusal() {
        let (what, todo) = refusal.split_once('\n').unwrap_or((&refusal, ""));
        return Finding::error("port", what, todo.trim());
    }
    match crate::http::bind(web.listen).await {
        Ok(_) => Finding::fine("port", format!("{} is free", web.listen)),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => Finding::warning(
            "port",
            format!("{} is taken", web.listen),
            "that is as it should be if Lapwing runs already; otherwise end what listens there, or set web.listen",
        ),
        Err(error) => Finding::error(
            "port",
            format!("{} cannot be listened on: {error}", web.listen),
            "name an address of this machine and a port above 1023 in web.listen",
        ),
    }
}

pub(super) fn gpu() -> Finding {
    match NvmlSource::load() {
        Ok(_) => Finding::fine("gpu", "NVML answers"),
        Err(GpuError::NoLibrary) => Finding::fine("gpu", "no NVIDIA driver here, so no GPUs are measured"),
        Err(error) => Finding::warning(
            "gpu",
            format!("there is a GPU driver, but it does not answer: {error}"),
            "run nvidia-smi; in a container, start it with the GPUs (--gpus all)",
        ),
    }
}
