//! Pressure stall information, from `/proc/pressure`: how long tasks waited for CPU, memory and disks.

use super::collector::HostState;
use super::root::{HostError, number};
use crate::page::Page;

#[derive(Debug, Default, PartialEq)]
pub(super) struct Stalls {
    /// Seconds in which at least one task waited.
    pub(super) some: Option<f64>,
    /// Seconds in which all of them did.
    pub(super) full: Option<f64>,
}

pub(super) fn parse(text: &str) -> Result<Stalls, HostError> {
    let mut stalls = Stalls::default();
    for line in text.lines() {
        let total = line
            .split_ascii_whitespace()
            .find_map(|f| f.strip_prefix("total="));
        let seconds = number(total, "total= of a pressure file")? / 1e6;
        if line.starts_with("some") {
            stalls.some = Some(seconds);
        } else if line.starts_with("full") {
            stalls.full = Some(seconds);
        }
    }
    Ok(stalls)
}

pub(super) fn collect(state: &mut HostState, page: &mut Page) -> Result<(), HostError> {
    let names = [
        ("cpu", "node_pressure_cpu_waiting_seconds_total", None),
        (
            "io",
            "node_pressure_io_waiting_seconds_total",
            Some("node_pressure_io_stalled_seconds_total"),
        ),
        (
            "memory",
            "node_pressure_memory_waiting_seconds_total",
            Some("node_pressure_memory_stalled_seconds_total"),
        ),
    ];
    for (resource, waiting, stalled) in names {
        let stalls = parse(&state.root.read(&format!("proc/pressure/{resource}"))?)?;
        if let Some(seconds) = stalls.some {
            page.counter(waiting, "Seconds in which some task waited for this.")
                .set(&[], seconds);
        }
        if let (Some(name), Some(seconds)) = (stalled, stalls.full) {
            page.counter(name, "Seconds in which every task waited for this.")
                .set(&[], seconds);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_become_seconds() {
        let stalls = parse(
            "some avg10=3.96 avg60=2.48 avg300=1.87 total=38422671\nfull avg10=0 avg60=0 avg300=0 total=0\n",
        );
        let expect = Stalls {
            some: Some(38.422671),
            full: Some(0.0),
        };
        assert_eq!(stalls.unwrap(), expect);
        assert_eq!(parse("").unwrap(), Stalls::default());
        assert!(parse("some avg10=1").is_err());
    }
}
