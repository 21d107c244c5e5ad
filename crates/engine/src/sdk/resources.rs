//! What this process uses: read around an operation when it is asked for. Three small files of /proc, about 20 µs, and where there are
//! GPUs two questions to the driver for each.

use lapwing_judge::performance::ResourceSnapshot;

/// What the kernel calls a tick in /proc: fixed at 100 per second in its interface.
const TICKS_PER_SECOND: f64 = 100.0;

/// What cannot be read (another system, a sandbox) is absent.
pub fn process_resources(now_ms: i64) -> ResourceSnapshot {
    let read = |file: &str| std::fs::read_to_string(format!("/proc/self/{file}")).ok();
    let mut found = ResourceSnapshot {
        t_ms: now_ms,
        gpus: super::gpus::glance(),
        ..ResourceSnapshot::default()
    };
    if let Some(stat) = read("stat")
        && let Some((_, rest)) = stat.rsplit_once(')')
    {
        let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
        // The field after the program's name is the third of proc(5).
        let field = |n: usize| fields.get(n - 3).and_then(|f| f.parse::<f64>().ok());
        found.process_cpu_s = field(14)
            .zip(field(15))
            .map(|(user, system)| (user + system) / TICKS_PER_SECOND);
        found.process_threads = field(20);
        found.process_memory_bytes = field(24).map(|pages| pages * rustix::param::page_size() as f64);
    }
    if let Some(io) = read("io") {
        let value = |name: &str| {
            let line = io.lines().find_map(|l| l.strip_prefix(name));
            line.and_then(|v| v.trim().parse::<f64>().ok())
        };
        found.disk_read_bytes = value("rchar:");
        found.disk_written_bytes = value("wchar:");
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_uses_memory() {
        let found = process_resources(5);
        assert_eq!(found.t_ms, 5);
        assert!(found.process_memory_bytes.is_none_or(|b| b > 100_000.0));
        assert!(found.process_threads.is_none_or(|n| n >= 1.0));
    }
}
