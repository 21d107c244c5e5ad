//! What a bench can be told on the command line, with bounds, so that a slip of a digit does not fill a disk.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::servers::is_known;
use crate::load::SERIES_PER_HOST;

/// Samples in all; 100 000 series of a day at 15 s is 576 million.
const SAMPLES_MAX: usize = 2_000_000_000;
/// Labels and texts of one alert are about a kilobyte.
const ALERTS_MAX: usize = 1_000_000;

/// Ten thousand new connections a second on one machine.
const CHECKS_MAX: usize = 100_000;

#[derive(Debug, PartialEq)]
pub(super) struct Options {
    pub(super) hosts: usize,
    pub(super) steps: usize,
    pub(super) repeat: usize,
    /// Of the storm.
    pub(super) alerts: usize,
    pub(super) checks: usize,
    /// Names of servers; empty means all that are installed.
    pub(super) servers: Vec<String>,
    /// A lapwing that is built already.
    pub(super) lapwing: Option<PathBuf>,
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Options> {
        let mut options = Options {
            hosts: 200,
            steps: 240,
            repeat: 10,
            alerts: 50_000,
            checks: 10_000,
            servers: Vec::new(),
            lapwing: None,
        };
        let mut words = args.iter().filter(|a| *a != "--");
        while let Some(word) = words.next() {
            let mut value = || words.next().with_context(|| format!("{word} needs a value"));
            match word.as_str() {
                "--series" => options.hosts = number(value()?)?.div_ceil(SERIES_PER_HOST),
                "--steps" => options.steps = number(value()?)?,
                "--alerts" => options.alerts = number(value()?)?.min(ALERTS_MAX),
                "--repeat" => options.repeat = number(value()?)?,
                "--checks" => options.checks = number(value()?)?.min(CHECKS_MAX),
                "--servers" => options.servers = value()?.split(',').map(str::to_owned).collect(),
                "--lapwing" => options.lapwing = Some(PathBuf::from(value()?)),
                "--full" => (options.hosts, options.steps) = (1_000, 1_440),
                _ => bail!("no option `{word}`: see `cargo xtask bench --help`"),
            }
        }
        if let Some(unknown) = options.servers.iter().find(|n| !is_known(n)) {
            bail!("no server `{unknown}`: see `cargo xtask bench --help`");
        }
        if let Some(path) = options.lapwing.as_ref().filter(|p| !p.is_file()) {
            bail!("no program at {}", path.display());
        }
        if options.samples() > SAMPLES_MAX {
            bail!("{} samples, {SAMPLES_MAX} are allowed", options.samples());
        }
        Ok(options)
    }

    /// Whether this server is to be measured.
    pub(super) fn wants(&self, server: &str) -> bool {
        self.servers.is_empty() || self.servers.iter().any(|n| n == server)
    }

    pub(super) fn samples(&self) -> usize {
        self.hosts
            .saturating_mul(SERIES_PER_HOST)
            .saturating_mul(self.steps)
    }
}

fn number(text: &str) -> Result<usize> {
    let number: usize = text
        .replace('_', "")
        .parse()
        .with_context(|| format!("`{text}` is not a number"))?;
    if number == 0 {
        bail!("0 measures nothing");
    }
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Options> {
        Options::parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options_are_read_and_bounded() {
        let options =
            parse("--series 1_050 --steps 8 --repeat 3 --servers lapwing,prometheus").expect("valid");
        assert_eq!(
            (
                options.hosts,
                options.steps,
                options.repeat,
                options.servers.len()
            ),
            (11, 8, 3, 2)
        );
        assert_eq!(parse("--full").expect("valid").samples(), 144_000_000);
        for bad in [
            "--series",
            "--series x",
            "--steps 0",
            "--servers nagios",
            "--fast",
            "--lapwing /no/such/program",
            "--full --steps 99999999",
        ] {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }
}
