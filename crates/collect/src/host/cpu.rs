//! CPU time by mode, from `/proc/stat`; and `cpu_usage`, the share of the time since the last reading not spent idle.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

/// The kernel counts in USER_HZ, which is 100 on every architecture that Lapwing builds for.
const TICKS_PER_SECOND: f64 = 100.0;
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
const IDLE: usize = 3;
const IOWAIT: usize = 4;

/// Seconds in each of [`MODES`], then guest and guest_nice (both also contained in user and nice).
pub(super) type CpuTimes = [f64; 10];

#[derive(Debug, Default, PartialEq)]
pub(super) struct Cpus {
    pub(super) all: CpuTimes,
    /// By number, as the kernel lists them.
    pub(super) each: Vec<(String, CpuTimes)>,
}

pub(super) fn parse(text: &str) -> Result<Cpus, HostError> {
    let mut cpus = Cpus::default();
    for line in text.lines().filter(|l| l.starts_with("cpu")) {
        let mut fields = line.split_ascii_whitespace();
        let name = fields.next().unwrap_or("");
        let mut times = [0.0; 10];
        for (i, time) in times.iter_mut().enumerate() {
            match fields.next() {
                None if i > IDLE => break, // Old kernels list fewer modes.
                field => *time = number(field, "ticks of a CPU")? / TICKS_PER_SECOND,
            }
        }
        match &name[3..] {
            "" => cpus.all = times,
            number => cpus.each.push((number.to_owned(), times)),
        }
    }
    Ok(cpus)
}

/// Share of the time between two readings not spent idle or waiting for disks; `None` when no time passed.
pub(super) fn usage(before: &CpuTimes, after: &CpuTimes) -> Option<f64> {
    let passed = |i: usize| (after[i] - before[i]).max(0.0);
    let total: f64 = (0..MODES.len()).map(passed).sum();
    let idle = passed(IDLE) + passed(IOWAIT);
    (total > 0.0).then(|| ((total - idle) / total).clamp(0.0, 1.0))
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let cpus = parse(&state.root.read("proc/stat")?)?;
    let mut seconds = page.counter("node_cpu_seconds_total", "Seconds each CPU spent in each mode.");
    for (cpu, times) in &cpus.each {
        for (mode, time) in MODES.iter().zip(times) {
            seconds.set(&[("cpu", cpu), ("mode", mode)], *time);
        }
    }
    let mut guest = page.counter(
        "node_cpu_guest_seconds_total",
        "Seconds each CPU spent running guests, by their mode.",
    );
    for (cpu, times) in &cpus.each {
        guest.set(&[("cpu", cpu), ("mode", "user")], times[8]);
        guest.set(&[("cpu", cpu), ("mode", "nice")], times[9]);
    }
    if let Some(share) = state.cpu_before.and_then(|before| usage(&before, &cpus.all)) {
        page.gauge(
            "cpu_usage",
            "Share of all CPU time not idle since the last reading, 0 to 1.",
        )
        .set(&[], share);
    }
    state.cpu_before = Some(cpus.all);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_all_modes_and_tolerates_old_kernels() {
        let cpus = parse("cpu  100 0 50 850 0 0 0 0 0 0\ncpu0 100 200 300 400 500 600 700 800 900 1000\ncpu7 1 2 3 4\nintr 5\n")
            .unwrap();
        assert_eq!(cpus.all[0], 1.0);
        let expect: CpuTimes = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0];
        assert_eq!(cpus.each[0], ("0".to_owned(), expect));
        assert_eq!(cpus.each[1].0, "7");
        assert_eq!(cpus.each[1].1[3], 0.04);
        assert!(parse("cpu0 1 2 x 4").is_err());
        assert!(parse("cpu0 1 2").is_err());
    }

    #[test]
    fn usage_is_a_share_between_readings() {
        let mut before = [0.0; 10];
        let mut after = [0.0; 10];
        assert_eq!(usage(&before, &after), None);
        (after[0], after[IDLE], after[IOWAIT]) = (25.0, 50.0, 25.0);
        assert_eq!(usage(&before, &after), Some(0.25));
        before[IOWAIT] = 99.0; // iowait may run backwards
        assert_eq!(usage(&before, &after), Some(25.0 / 75.0));
    }
}
