//! Three benches over one scene: start a server, send it the fleet's samples, ask it, crash it.
//!
//! The servers run one after the other, never at once, each with the same samples bit for bit. Every row is "smaller is
//! better". Nothing here passes or fails: a number on a shared machine is a hint, a ratio of one run is an argument.

use std::time::Duration;

use anyhow::{Result, bail};

use super::options::Options;
use super::queries::{self, QUERIES, Window};
use super::servers::{Running, SERVERS, Server};
use super::table::{Row, render};
use super::{Entry, doors};
use crate::load::{Fleet, SERIES_PER_HOST, Sender};
use crate::{clock, shell};

const HOW: &str = "the release binary and each peer in turn, over HTTP";

pub(super) const INGEST: Entry = Entry {
    name: "ingest",
    measures: "remote write: server CPU per million samples, wall time, memory, bytes per sample on disk; the CPU of OTLP and of scraping",
    how: HOW,
    run: |options| contest(options, Part::Ingest),
};

pub(super) const STORE: Entry = Entry {
    name: "store",
    measures: "what ingest measures, then the time to come back after SIGKILL, then the store's own benches",
    how: "the release binary and each peer in turn, over HTTP; then cargo bench -p lapwing-store --bench store, with as many series and steps",
    run: |options| {
        contest(options, Part::Store)?;
        if shell::root().join("crates/store/benches").is_dir() {
            let series = options.hosts * SERIES_PER_HOST;
            let mut store = shell::cargo();
            store.args(["bench", "-p", "lapwing-store", "--bench", "store", "--"]);
            store.args([series.to_string(), options.steps.to_string()]);
            shell::run(&mut store)?;
        }
        Ok(())
    },
};

pub(super) const QUERY: Entry = Entry {
    name: "query",
    measures: "PromQL over HTTP: latency (p50, p99) of the queries that dashboards, alert rules and explorers ask",
    how: HOW,
    run: |options| contest(options, Part::Query),
};

#[derive(Clone, Copy, PartialEq)]
enum Part {
    Ingest,
    Store,
    Query,
}

const SEED: u64 = 0x1a_9419;
const STEP_MS: i64 = 15_000;
/// How long a server may tidy up in the background before its memory counts as steady.
const SETTLE: Duration = Duration::from_secs(3);

/// What one server came to, row by row, and how many series each query returned.
type Column = Vec<(String, f64, Option<usize>)>;

fn contest(options: &Options, part: Part) -> Result<()> {
    println!(
        "{} series x {} samples, {:.1} million in all, seed {SEED:#x}",
        options.hosts * SERIES_PER_HOST,
        options.steps,
        options.samples() as f64 / 1e6
    );
    let mut columns: Vec<(&Server, Column)> = Vec::new();
    let chosen = |s: &&Server| options.servers.is_empty() || options.servers.iter().any(|n| n == s.name);
    for server in SERVERS.iter().filter(chosen) {
        match measure(server, options, part) {
            Ok(column) => columns.push((server, column)),
            Err(error) => println!("SKIPPED {}: {error:#}", server.name),
        }
    }
    let Some((_, longest)) = columns.iter().max_by_key(|(_, c)| c.len()) else {
        bail!("no server could be measured");
    };
    let rows: Vec<Row> = longest
        .iter()
        .map(|(what, _, _)| Row {
            what: what.clone(),
            values: columns
                .iter()
                .map(|(_, c)| c.iter().find(|(w, _, _)| w == what).map(|(_, v, _)| *v))
                .collect(),
        })
        .collect();
    let names: Vec<&str> = columns.iter().map(|(s, _)| s.name).collect();
    println!(
        "\n{}",
        render(&names, &rows, names.first() == Some(&SERVERS[0].name))
    );
    for (what, _, _) in longest {
        let series = |c: &Column| c.iter().find(|(w, _, _)| w == what).and_then(|(_, _, n)| *n);
        let counts: Vec<usize> = columns.iter().filter_map(|(_, c)| series(c)).collect();
        if counts.windows(2).any(|w| w[0] != w[1]) {
            println!("answers differ: {what}: {counts:?} series");
        } else if counts.iter().all(|n| *n == 0) && !counts.is_empty() {
            println!("nothing was found, so nothing was measured: {what}");
        }
    }
    Ok(())
}

fn measure(server: &'static Server, options: &Options, part: Part) -> Result<Column> {
    let mut running = Running::start(server)?;
    println!("{}: writing", server.name);
    let mut column = Column::new();
    let window = write(&running, options, &mut column)?;
    if part == Part::Query {
        println!("{}: asking", server.name);
        column.clear();
        let agent = ureq::Agent::new_with_defaults();
        let before = running.usage()?.cpu_s;
        for query in QUERIES {
            match queries::ask(&agent, &running.url(""), query, window, options.repeat) {
                Ok(answer) => {
                    let series = Some(answer.series);
                    column.push((format!("{}, p50 ms", query.name), answer.p50_ms, series));
                    column.push((format!("{}, p99 ms", query.name), answer.p99_ms, series));
                }
                Err(error) => println!("{}: {}: {error:#}", server.name, query.name),
            }
        }
        column.push((
            "all of them, server CPU s".to_owned(),
            running.usage()?.cpu_s - before,
            None,
        ));
        return Ok(column);
    }
    if part == Part::Store {
        println!("{}: crashing", server.name);
        let back = running.crash_and_return()?;
        column.push(("ready after SIGKILL, s".to_owned(), back.as_secs_f64(), None));
        let memory = running.usage()?;
        column.push((
            "resident after SIGKILL, MiB".to_owned(),
            mebibytes(memory.resident_bytes),
            None,
        ));
    }
    running.stop()?;
    let per_sample = running.disk_bytes() as f64 / options.samples() as f64;
    column.push((
        "disk after a clean stop, bytes per sample".to_owned(),
        per_sample,
        None,
    ));
    if part == Part::Ingest {
        let costs = doors::measure(server, options, SEED);
        column.extend(
            costs
                .into_iter()
                .map(|(what, cost)| (what.to_owned(), cost, None)),
        );
    }
    Ok(column)
}

/// Sends every sample, host by host and step by step, so that the last one is of this minute.
fn write(running: &Running, options: &Options, column: &mut Column) -> Result<Window> {
    let mut fleet = Fleet::new(options.hosts, SEED);
    let mut sender = Sender::new(running.url("/api/v1/write"), &fleet);
    let end_ms = clock::unix_ms() / STEP_MS * STEP_MS;
    let start_ms = end_ms - (options.steps as i64 - 1) * STEP_MS;
    let before = running.usage()?;
    let start = clock::now();
    for step in 0..options.steps {
        let time_ms = start_ms + step as i64 * STEP_MS;
        for host in 0..options.hosts {
            let values = fleet.step(host);
            sender.send(host, values, time_ms)?;
        }
    }
    let wall = start.elapsed();
    running.flush()?;
    clock::wait(SETTLE);
    let after = running.usage()?;
    let millions = options.samples() as f64 / 1e6;
    column.push((
        "server CPU s per million samples".to_owned(),
        (after.cpu_s - before.cpu_s) / millions,
        None,
    ));
    column.push((
        "wall s per million samples, one sender".to_owned(),
        wall.as_secs_f64() / millions,
        None,
    ));
    column.push(("resident, MiB".to_owned(), mebibytes(after.resident_bytes), None));
    column.push((
        "resident peak, MiB".to_owned(),
        mebibytes(after.resident_peak_bytes),
        None,
    ));
    Ok(Window {
        start_s: start_ms as f64 / 1e3,
        end_s: end_ms as f64 / 1e3,
    })
}

fn mebibytes(bytes: u64) -> f64 {
    bytes as f64 / f64::from(1 << 20)
}
