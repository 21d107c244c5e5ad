//! What looking costs: HTTP checks, each every 10 s over a connection of its own, against a server on this machine.
//!
//! blackbox_exporter is driven at the same rate over `/probe`, by connections that are kept, as a Prometheus would. What it
//! costs that Prometheus to ask, to read the answers and to keep them is not counted, though Lapwing's own figure holds the
//! keeping. Punctuality is measured from outside: how far two looks at one path are from 10 s apart.

use std::fmt::Write as _;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::Entry;
use super::options::Options;
use super::servers::{Running, SERVERS};
use super::table::{Row, render};
use crate::clock;
use crate::load::{self, Answering, Usage};
use crate::shell::{self, Guard};

pub(super) const HEALTH: Entry = Entry {
    name: "health",
    measures: "--checks HTTP checks every 10 s: CPU, memory, punctuality",
    how: "the release binary and prometheus-blackbox-exporter in turn, in real time (a minute each)",
    run,
};

const INTERVAL: Duration = Duration::from_secs(10);
/// The first round makes series and warms connections up.
const ROUNDS_UNTIMED: u32 = 1;
const ROUNDS_TIMED: u32 = 4;
const PEER: &str = "prometheus-blackbox-exporter";
/// Kept connections to the peer; one look takes it about a millisecond.
const DRIVERS: usize = 8;
const READY_TIMEOUT: Duration = Duration::from_secs(60);

/// CPU s per 10 s, resident MiB, peak MiB, 99th percentile of the distance in ms, % of looks that did not come.
type Column = [f64; 5];

fn run(options: &Options) -> Result<()> {
    let checks = options.checks;
    println!("{checks} HTTP checks every {} s", INTERVAL.as_secs());
    let wanted = |name: &str| options.servers.is_empty() || options.servers.iter().any(|n| n == name);
    let mut columns: Vec<(&str, Column)> = Vec::new();
    if wanted("lapwing") {
        columns.push(("lapwing", ours(checks)?));
    }
    if options.servers.is_empty() {
        match theirs(checks) {
            Ok(column) => columns.push(("blackbox", column)),
            Err(error) => println!("SKIPPED {PEER}: {error:#}"),
        }
    }
    let what = [
        "CPU s per 10 s",
        "resident MiB",
        "resident peak MiB",
        "distance from the slot, p99 ms",
        "looks that did not come, %",
    ];
    let rows: Vec<Row> = what
        .iter()
        .enumerate()
        .map(|(i, what)| Row {
            what: (*what).to_owned(),
            values: columns.iter().map(|(_, c)| Some(c[i])).collect(),
        })
        .collect();
    let names: Vec<&str> = columns.iter().map(|(n, _)| *n).collect();
    println!("\n{}", render(&names, &rows, names.first() == Some(&"lapwing")));
    Ok(())
}

fn ours(checks: usize) -> Result<Column> {
    let targets = Answering::serve(checks)?;
    let lapwing = SERVERS
        .iter()
        .find(|s| s.name == "lapwing")
        .context("no server of ours")?;
    let running = Running::start_with(lapwing, &|data| configure(data, &targets, checks))?;
    println!("lapwing: looking");
    measure(checks, &targets, &|| running.usage())
}

fn configure(data: &Path, targets: &Answering, checks: usize) -> Result<Vec<String>> {
    let mut text = "host: { enabled: false }\ndiscover: { local: false }\nchecks:\n".to_owned();
    for i in 0..checks {
        let url = targets.url(i);
        let _ = writeln!(
            text,
            "  - {{ name: c{i}, interval: 10s, timeout: 5s, http: {{ url: '{url}' }} }}"
        );
    }
    let config = data.with_extension("yml");
    std::fs::write(&config, text).context("write a configuration")?;
    Ok(vec![format!("--config={}", config.display())])
}

fn theirs(checks: usize) -> Result<Column> {
    let program = shell::find(PEER).context("it is not installed")?;
    let scratch = tempfile::tempdir().context("make a folder")?;
    let config = scratch.path().join("blackbox.yml");
    let module = "modules: { m: { prober: http, timeout: 5s, http: { preferred_ip_protocol: ip4 } } }\n";
    std::fs::write(&config, module).context("write a configuration")?;
    let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
    let peer = Guard::start(
        Command::new(program)
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address={address}"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null()),
    )?;
    let begun = clock::now();
    while ureq::get(format!("http://{address}/-/healthy")).call().is_err() {
        if begun.elapsed() > READY_TIMEOUT {
            bail!("it does not become ready");
        }
        clock::wait(Duration::from_millis(20));
    }
    println!("blackbox: looking");
    let targets = Arc::new(Answering::serve(checks)?);
    let drive = Driving::start(&address, &targets, checks);
    let column = measure(checks, &targets, &|| load::usage(peer.pid()));
    drop(drive);
    column
}

/// Asks the peer about every target once in 10 s, evenly; ends with this value.
struct Driving(Arc<AtomicBool>);

impl Driving {
    fn start(address: &str, targets: &Arc<Answering>, checks: usize) -> Driving {
        let is_over = Arc::new(AtomicBool::new(false));
        let next = Arc::new(AtomicUsize::new(0));
        let begun = clock::now();
        for _ in 0..DRIVERS {
            let (address, targets) = (address.to_owned(), targets.clone());
            let (is_over, next) = (is_over.clone(), next.clone());
            std::thread::spawn(move || {
                let agent = ureq::Agent::new_with_defaults();
                while !is_over.load(Ordering::Relaxed) {
                    let turn = next.fetch_add(1, Ordering::Relaxed);
                    let due = INTERVAL.mul_f64(turn as f64 / checks as f64);
                    clock::wait(due.saturating_sub(begun.elapsed()));
                    let target = targets.url(turn % checks);
                    let url = format!("http://{address}/probe?module=m&target={target}");
                    // A look that fails is among those that did not come.
                    let _ = agent
                        .get(url)
                        .call()
                        .and_then(|mut a| a.body_mut().read_to_string());
                }
            });
        }
        Driving(is_over)
    }
}

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

fn measure(checks: usize, targets: &Answering, usage: &dyn Fn() -> Result<Usage>) -> Result<Column> {
    clock::wait(INTERVAL * ROUNDS_UNTIMED);
    targets.take();
    let before = usage()?.cpu_s;
    clock::wait(INTERVAL * ROUNDS_TIMED);
    let after = usage()?;
    let asked = targets.take();
    let came: usize = asked.iter().map(Vec::len).sum();
    Ok([
        (after.cpu_s - before) / f64::from(ROUNDS_TIMED),
        after.resident_bytes as f64 / 1_048_576.0,
        after.resident_peak_bytes as f64 / 1_048_576.0,
        p99_ms(&asked),
        (100.0 - 100.0 * came as f64 / (checks * ROUNDS_TIMED as usize) as f64).max(0.0),
    ])
}

/// How far two looks in a row at one path are from one interval apart.
fn p99_ms(asked: &[Vec<Instant>]) -> f64 {
    let mut distances: Vec<f64> = asked
        .iter()
        .flat_map(|times| times.windows(2))
        .map(|pair| pair[1].duration_since(pair[0]).abs_diff(INTERVAL).as_secs_f64() * 1000.0)
        .collect();
    distances.sort_by(f64::total_cmp);
    let at = distances.len().saturating_sub(1) * 99 / 100;
    distances.get(at).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lateness_is_the_distance_from_the_interval() {
        let start = clock::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let asked = [vec![at(0), at(10_000), at(20_004)], vec![at(5), at(9_990)]];
        assert_eq!(p99_ms(&asked).round(), 4.0);
        assert!(p99_ms(&[vec![at(1)]]).is_nan());
    }
}
