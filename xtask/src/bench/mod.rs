//! `cargo xtask bench`: Lapwing beside its peers, same machine, same data, same run. Prints ratios; never a pass or a fail.
//!
//! A new bench is one file with an [`Entry`] and one line in [`BENCHES`].

mod alerts;
mod contest;
mod doors;
mod health;
mod options;
mod queries;
mod sdk;
mod servers;
mod storm;
mod table;

use anyhow::{Result, bail};

use self::options::Options;
use crate::Command;

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "measure Lapwing beside its peers, or list the benches",
    help: "usage: cargo xtask bench [NAME] [OPTIONS]

Without NAME the benches are listed.

  --series N       active series, a multiple of 100        (20000)
  --steps N        samples of each series, 15 s apart      (240)
  --checks N       HTTP checks of `health`                 (10000)
  --repeat N       timed runs of each query                (10)
  --alerts N       alerts of the storm, in groups of 50    (50000)
  --servers A,B    of lapwing, prometheus, victoria-metrics, alertmanager (those that are installed)
  --lapwing PATH   a lapwing that is built already    (built in release mode)
  --full           100 000 series, 1 440 steps: what the budgets speak of (minutes per server)

Servers are started on free loopback ports with empty data folders and ended afterwards. Numbers of one run compare only with each other.",
    run,
};

struct Entry {
    name: &'static str,
    measures: &'static str,
    /// What is run for it.
    how: &'static str,
    run: fn(&Options) -> Result<()>,
}

const BENCHES: &[Entry] = &[
    contest::INGEST,
    contest::STORE,
    contest::QUERY,
    alerts::ALERTS,
    storm::STORM,
    health::HEALTH,
    sdk::SDK,
];

fn run(args: &[String]) -> Result<()> {
    let Some(name) = args.first() else {
        for entry in BENCHES {
            println!(
                "{:<8} {}\n{:<8} runs {}",
                entry.name, entry.measures, "", entry.how
            );
        }
        return Ok(());
    };
    let Some(entry) = BENCHES.iter().find(|e| e.name == name) else {
        bail!("no bench `{name}`: `cargo xtask bench` lists them");
    };
    let options = Options::parse(&args[1..])?;
    if let Some(path) = &options.lapwing {
        servers::use_built(path);
    }
    (entry.run)(&options)
}
