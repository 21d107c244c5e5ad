//! What judging costs: 10 000 alerting rules, each over one host's series, beside the arrival of 100 000 series every 15 s.
//!
//! CPU is read between the end of one arrival and the beginning of the next, so that it is the rules' and not the writes'.
//! Rules and samples are the same for each server, which runs alone.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::Entry;
use super::options::Options;
use super::servers::{Running, SERVERS, Server};
use super::storm;
use super::table::{Row, render};
use crate::clock;
use crate::load::{Fleet, SERIES_PER_HOST, Sender};

pub(super) const ALERTS: Entry = Entry {
    name: "alerts",
    measures: "10 000 alerting rules every 15 s over --series series: CPU per tick without the writes, memory; then the storm",
    how: "the release binary and prometheus in turn, in real time (two minutes each), then what `storm` runs",
    run,
};

const SEED: u64 = 0xa1e7;
const RULES: usize = 10_000;
const GROUPS: usize = 100;
const TICK: Duration = Duration::from_secs(15);
/// The first ticks fill caches and have no data for their windows.
const TICKS_UNTIMED: u32 = 3;
const TICKS_TIMED: u32 = 5;

fn run(options: &Options) -> Result<()> {
    println!(
        "{RULES} rules in {GROUPS} groups over {} series",
        options.hosts * SERIES_PER_HOST
    );
    let judges = SERVERS
        .iter()
        .filter(|s| s.name == "lapwing" || s.name == "prometheus");
    let mut columns = Vec::new();
    for server in judges.filter(|s| options.wants(s.name)) {
        match measure(server, options) {
            Ok(column) => columns.push((server.name, column)),
            Err(error) => println!("SKIPPED {}: {error:#}", server.name),
        }
    }
    if columns.is_empty() {
        bail!("no server could be measured");
    }
    let what = ["CPU s per tick", "resident MiB", "resident peak MiB"];
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
    storm::run(options)
}

fn measure(server: &'static Server, options: &Options) -> Result<[f64; 3]> {
    let hosts = options.hosts;
    let running = Running::start_with(server, &|data| configure(server.name, data, hosts))?;
    println!("{}: judging", server.name);
    let mut fleet = Fleet::new(hosts, SEED);
    let mut sender = Sender::new(running.url("/api/v1/write"), &fleet);
    let mut cpu_s = 0.0;
    for tick in 0..TICKS_UNTIMED + TICKS_TIMED {
        let begun = clock::now();
        let time_ms = clock::unix_ms();
        for host in 0..fleet.hosts() {
            let values = fleet.step(host).to_vec();
            sender.send(host, &values, time_ms)?;
        }
        let written = begun.elapsed();
        let before = running.usage()?.cpu_s;
        let rest = TICK
            .checked_sub(written)
            .context("the writes take longer than a tick: use fewer series")?;
        clock::wait(rest);
        if tick >= TICKS_UNTIMED {
            // Rules are spread over the interval: what fell into the writes is made up for.
            let share = rest.as_secs_f64() / TICK.as_secs_f64();
            cpu_s += (running.usage()?.cpu_s - before) / share;
        }
    }
    let usage = running.usage()?;
    judged(&running)?;
    Ok([
        cpu_s / f64::from(TICKS_TIMED),
        usage.resident_bytes as f64 / 1_048_576.0,
        usage.resident_peak_bytes as f64 / 1_048_576.0,
    ])
}

/// A server that passed its rules over would look very fast.
fn judged(running: &Running) -> Result<()> {
    let mut response = ureq::get(running.url("/api/v1/rules"))
        .call()
        .context("ask for the rules")?;
    let body = response
        .body_mut()
        .with_config()
        .limit(1 << 30)
        .read_to_string()?;
    let rules: serde_json::Value = serde_json::from_str(&body).context("read the rules")?;
    let groups = rules["data"]["groups"].as_array().cloned().unwrap_or_default();
    let healthy = groups
        .iter()
        .flat_map(|g| g["rules"].as_array().cloned().unwrap_or_default())
        .filter(|r| r["health"] == "ok" && r["name"].as_str().is_some_and(|n| n.starts_with('a')))
        .count();
    if healthy != RULES {
        bail!("{healthy} of {RULES} rules were evaluated without an error");
    }
    Ok(())
}

/// Writes the rules and says which more arguments name them.
fn configure(server: &str, data: &Path, hosts: usize) -> Result<Vec<String>> {
    let rules = data.with_extension("rules.yml");
    std::fs::write(&rules, rule_file(hosts)).context("write the rules")?;
    let ours = server == "lapwing";
    let config = data.with_extension(if ours { "lapwing.yml" } else { "yml" });
    let text = format!(
        "global: {{ evaluation_interval: 15s }}\nrule_files: [{:?}]\n",
        rules.display().to_string()
    );
    std::fs::write(&config, text).context("write the configuration")?;
    Ok(if ours {
        vec!["--config".to_owned(), config.display().to_string()]
    } else {
        Vec::new()
    })
}

/// Thresholds, ratios and rates as they are usual; hardly any of them fires.
fn rule_file(hosts: usize) -> String {
    let mut text = String::from("groups:\n");
    for group in 0..GROUPS {
        text.push_str(&format!("  - name: g{group}\n    rules:\n"));
        for nth in 0..RULES / GROUPS {
            let rule = group * (RULES / GROUPS) + nth;
            let host = format!("host-{:05}", rule % hosts);
            let expr = match rule % 3 {
                0 => format!("DCGM_FI_DEV_GPU_TEMP{{instance=\"{host}\"}} > 1000"),
                1 => format!(
                    "sum by (instance) (rate(node_cpu_seconds_total{{instance=\"{host}\",mode!=\"idle\"}}[1m])) > 1000"
                ),
                _ => format!("avg_over_time(DCGM_FI_DEV_GPU_UTIL{{instance=\"{host}\"}}[1m]) > 1000"),
            };
            text.push_str(&format!(
                "      - {{alert: 'a{rule}', expr: '{expr}', for: 1m}}\n"
            ));
        }
    }
    text
}
