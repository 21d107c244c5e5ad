//! Interrupts, context switches, forks, processes and the time of boot, from `/proc/stat`.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Stat {
    pub(super) interrupts: f64,
    pub(super) switches: f64,
    pub(super) boot_s: f64,
    pub(super) forks: f64,
    pub(super) running: f64,
    pub(super) blocked: f64,
}

pub(super) fn parse(text: &str) -> Result<Stat, HostError> {
    let mut stat = Stat::default();
    for line in text.lines() {
        let mut fields = line.split_ascii_whitespace();
        let place = match fields.next() {
            Some("intr") => &mut stat.interrupts,
            Some("ctxt") => &mut stat.switches,
            Some("btime") => &mut stat.boot_s,
            Some("processes") => &mut stat.forks,
            Some("procs_running") => &mut stat.running,
            Some("procs_blocked") => &mut stat.blocked,
            _ => continue,
        };
        *place = number(fields.next(), "a number in /proc/stat")?;
    }
    Ok(stat)
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let stat = parse(&state.root.read("proc/stat")?)?;
    page.counter("node_intr_total", "Interrupts served.")
        .set(&[], stat.interrupts);
    page.counter("node_context_switches_total", "Context switches.")
        .set(&[], stat.switches);
    page.counter("node_forks_total", "Processes started.")
        .set(&[], stat.forks);
    page.gauge(
        "node_boot_time_seconds",
        "When the host booted, in seconds since 1970.",
    )
    .set(&[], stat.boot_s);
    page.gauge("node_procs_running", "Tasks that can run.")
        .set(&[], stat.running);
    page.gauge("node_procs_blocked", "Tasks that wait for a disk.")
        .set(&[], stat.blocked);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_number_of_each_line() {
        let stat = parse(
            "cpu 1 2\nintr 10 1 2 3\nctxt 20\nbtime 30\nprocesses 40\nprocs_running 5\nprocs_blocked 6\n",
        );
        let expect = Stat {
            interrupts: 10.0,
            switches: 20.0,
            boot_s: 30.0,
            forks: 40.0,
            running: 5.0,
            blocked: 6.0,
        };
        assert_eq!(stat.unwrap(), expect);
        assert!(parse("btime soon").is_err());
    }
}
