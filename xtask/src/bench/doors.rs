//! The other ways in: OTLP over HTTP, and scraping one page of 10 000 series, each on a server of its own.
//!
//! Debian builds its Prometheus without OTLP, and its VictoriaMetrics is older than that door: with those two there is nothing to
//! compare, and the bench says so.

use std::time::Duration;

use anyhow::{Result, bail};

use super::options::Options;
use super::servers::{Running, Server};
use crate::clock;
use crate::load::{Fleet, OtlpSender, Page, SERIES_PER_HOST};

const STEP_MS: i64 = 15_000;
const PAGE_SERIES: usize = 10_000;
/// Scrapes that are measured, one a second; the first ones make the series and are not.
const SCRAPES: usize = 20;
const SCRAPES_BEFORE: usize = 3;
const PATIENCE: Duration = Duration::from_secs(120);
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// Server CPU seconds per million samples, by what was done.
pub(super) type Cost = (&'static str, f64);

/// A door that a server does not have is said and left out.
pub(super) fn measure(server: &'static Server, options: &Options, seed: u64) -> Vec<Cost> {
    let mut costs = Vec::new();
    for (what, result) in [
        (
            "OTLP: server CPU s per million samples",
            otlp(server, options, seed),
        ),
        ("scraping 10 000 series: server CPU s per million", scrape(server)),
    ] {
        match result {
            Ok(cost) => costs.push((what, cost)),
            Err(error) => println!("{}: {what}: {error:#}", server.name),
        }
    }
    costs
}

/// A quarter of the steps of remote write: enough, and the generator costs more.
fn otlp(server: &'static Server, options: &Options, seed: u64) -> Result<f64> {
    println!("{}: sending OTLP", server.name);
    let mut running = Running::start(server)?;
    let mut fleet = Fleet::new(options.hosts, seed);
    let sender = OtlpSender::new(running.url(server.otlp), &fleet);
    let steps = (options.steps / 4).max(1);
    let start_ms = clock::unix_ms() / STEP_MS * STEP_MS - (steps as i64 - 1) * STEP_MS;
    let before = running.usage()?.cpu_s;
    for step in 0..steps {
        for host in 0..options.hosts {
            let values = fleet.step(host);
            sender.send(host, values, start_ms + step as i64 * STEP_MS)?;
        }
    }
    running.flush()?;
    let used = running.usage()?.cpu_s - before;
    running.stop()?;
    Ok(used / ((options.hosts * SERIES_PER_HOST * steps) as f64 / 1e6))
}

fn scrape(server: &'static Server) -> Result<f64> {
    println!("{}: scraping", server.name);
    let page = Page::serve(PAGE_SERIES)?;
    let jobs = format!(
        "scrape_configs:\n  - job_name: bench\n    scrape_interval: 1s\n    scrape_timeout: 1s\n    static_configs: [{{ targets: ['{}'] }}]\n",
        page.address
    );
    let mut running = Running::start_scraping(server, &jobs)?;
    wait_for(&page, SCRAPES_BEFORE)?;
    let (served, before) = (page.served(), running.usage()?.cpu_s);
    wait_for(&page, served + SCRAPES)?;
    // The last one is on its way in.
    clock::wait(Duration::from_millis(500));
    let used = running.usage()?.cpu_s - before;
    let samples = (page.served() - served) * PAGE_SERIES;
    running.stop()?;
    Ok(used / (samples as f64 / 1e6))
}

fn wait_for(page: &Page, served: usize) -> Result<()> {
    let start = clock::now();
    while page.served() < served {
        if start.elapsed() > PATIENCE {
            bail!("only {} of {served} scrapes came", page.served());
        }
        clock::wait(LOOK_AGAIN);
    }
    Ok(())
}
