//! `lapwing rules`: what each became, what is wrong with them, what they would have done.

mod backtest;
mod explain;
mod lint;

pub(super) use lint::static_findings;

use super::Exit;
use super::remote::ServerArgs;
use crate::config::{self, Config};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct RulesArgs {
    #[command(subcommand)]
    command: RulesCommand,
}

#[derive(Debug, clap::Subcommand)]
enum RulesCommand {
    /// Show what each own rule became in PromQL
    Explain(explain::ExplainArgs),
    /// Look for rules that cannot work, with what a server or a data directory has
    Lint(lint::LintArgs),
    /// Show how often rules would have fired, and the pages that would have left
    Backtest(backtest::BacktestArgs),
}

/// Where series are: shared by the commands that ask for them.
#[derive(Debug, clap::Args)]
struct WhereArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Read a data directory instead of asking a server
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
}

pub(crate) fn run(args: &RulesArgs) -> Exit {
    match &args.command {
        RulesCommand::Explain(args) => explain::run(args),
        RulesCommand::Lint(args) => lint::run(args),
        RulesCommand::Backtest(args) => backtest::run(args),
    }
}

/// The configuration, or everything that is wrong with it; without a file the built-in packs.
fn load(path: Option<&Path>) -> Result<Config, Exit> {
    let path = match path {
        Some(path) => path.to_owned(),
        None if Path::new("lapwing.yml").exists() => PathBuf::from("lapwing.yml"),
        None => return Ok(Config::default()),
    };
    let loaded = config::load(&path, &|name| std::env::var(name).ok());
    match loaded.config {
        Some(config) => Ok(config),
        None => {
            eprint!(
                "{}",
                config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok())
            );
            Err(Exit::Usage)
        }
    }
}
