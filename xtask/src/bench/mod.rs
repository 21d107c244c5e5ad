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
  --servers A,B    of lapwing, prometheus, victoria-metrics (those that are installed)
  --full           100 000 series, 1 440 steps: what the budgets speak of (minutes per server)

Servers are started on free loopback ports with empty data folders and ended afterwards. The lapwing binary is built in
release mode first. Numbers of one run compare only with each other.",
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
    (entry.run)(&Options::parse(&args[1..])?)
}
