//! CPU time by mode, from `/proc/stat`; and `cpu_usage`, the share of the time since the last reading not spent idle.
//!
//! A few ticks of the kernel are no measure, and several may read one collector: a reading sooner than [`SPAN_S_MIN`] after the last
//! measure tells that measure again, and does not begin a new one. How much time passed is what `/proc/stat` itself counts.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

/// The kernel counts in USER_HZ, which is 100 on every architecture that Lapwing builds for.
const TICKS_PER_SECOND: f64 = 100.0;
const MODES: [&str; 8] = [
    "user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal",
];
/// What a share is measured over at least, of every CPU: 50 ticks, so that one of them is 2 %.
const SPAN_S_MIN: f64 = 0.5;
const IDLE: usize = 3;
const IOWAIT: usize = 4;

/// Seconds in each of [`MODES`], then guest and guest_nice (both also contained in user and nice).
pub(super) type CpuTimes = [f64; 10];

/// The share of time between two readings, for readers who may come too soon after each other.
#[derive(Debug, Default)]
pub(super) struct CpuShare {
    before: Option<CpuTimes>,
    /// Over [`SPAN_S_MIN`] or more.
    measured: Option<f64>,
}

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

impl CpuShare {
    /// Before the first whole measure, what there is of it.
    fn read(&mut self, cpus: &Cpus) -> Option<f64> {
        let Some(before) = &self.before else {
            self.before = Some(cpus.all);
            return None;
        };
        let passed: f64 = (0..MODES.len()).map(|i| (cpus.all[i] - before[i]).max(0.0)).sum();
        let share = usage(before, &cpus.all);
        if passed < SPAN_S_MIN * cpus.each.len().max(1) as f64 {
            return self.measured.or(share);
        }
        self.before = Some(cpus.all);
        self.measured = share;
        share
    }
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
    if let Some(share) = state.cpu_share.read(&cpus) {
        page.gauge(
            "cpu_usage",
            "Share of all CPU time not idle since the last reading, 0 to 1.",
        )
        .set(&[], share);
    }
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

    #[test]
    fn whoever_reads_too_soon_is_told_the_last_share_and_spoils_no_other() {
        let mut share = CpuShare::default();
        let mut read = |busy: u32, idle: u32| {
            let page = format!("cpu  {busy} 0 0 {idle}\ncpu0 0 0 0 0\ncpu1 0 0 0 0\n");
            let found = share.read(&parse(&page).unwrap());
            found.map(|share| (share * 100.0).round())
        };
        assert_eq!(read(1000, 1000), None);
        assert_eq!(read(1001, 1000), Some(100.0), "a tick, and all there is");
        assert_eq!(read(1010, 1030), Some(25.0), "from the first reading on");
        assert_eq!(read(1040, 1160), Some(20.0), "a second of two CPUs");
        assert_eq!(read(1042, 1160), Some(20.0), "two ticks are no measure");
        assert_eq!(read(1200, 1200), Some(80.0), "since the last measure");
    }
}
