//! `lapwing import`: takes over what other systems hold.
//!
//! Bare files are configuration; each other kind of thing is a sub-command of its own.

use super::{Exit, import_data};
use crate::config::{self, Level};
use std::io::Write;
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct ImportArgs {
    #[command(subcommand)]
    what: Option<ImportWhat>,
    #[command(flatten)]
    config: ConfigArgs,
}

#[derive(Debug, clap::Subcommand)]
enum ImportWhat {
    /// Make a lapwing.yml of prometheus.yml, alertmanager.yml, rule files and the like
    Config(ConfigArgs),
    #[command(flatten)]
    Data(import_data::ImportData),
}

#[derive(Debug, clap::Args)]
pub(crate) struct ConfigArgs {
    /// prometheus.yml, alertmanager.yml, rule files, or monitoring.yaml and alerting.yaml of the systems Lapwing replaces
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Where to write the result; without it, it is printed
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    /// Overwrite what is there
    #[arg(long)]
    force: bool,
}

pub(crate) fn run(args: &ImportArgs) -> Exit {
    match &args.what {
        None => import_config(&args.config),
        Some(ImportWhat::Config(args)) => import_config(args),
        Some(ImportWhat::Data(what)) => import_data::run(what),
    }
}

/// The result on standard output or in the file, the report on standard error.
fn import_config(args: &ConfigArgs) -> Exit {
    let beside = args
        .output
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or(Path::new(""));
    let imported = config::import(&args.files, beside);
    let source = |name: &str| match name == imported.yaml_name {
        true => Some(imported.yaml.clone()),
        false => std::fs::read_to_string(name).ok(),
    };
    eprint!("{}", config::render(&imported.report, source));
    let left = imported
        .report
        .iter()
        .filter(|d| d.level == Level::Warning)
        .count();
    if imported.has_errors() {
        eprintln!("nothing was written: the errors above have to be put right first");
        return Exit::Usage;
    }
    match &args.output {
        None => print!("{}", imported.yaml),
        Some(path) => {
            if let Err(error) = write(path, &imported.yaml, args.force) {
                eprintln!("lapwing: cannot write {}: {error}", path.display());
                if error.kind() == std::io::ErrorKind::AlreadyExists {
                    eprintln!("  --force overwrites it");
                }
                return Exit::Failed;
            }
            eprintln!("wrote {}", path.display());
        }
    }
    eprintln!("{left} thing(s) did not carry over or were changed");
    Exit::Fine
}

fn write(path: &Path, text: &str, force: bool) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true);
    } else {
        options.create_new(true);
    }
    options.open(path)?.write_all(text.as_bytes())
}
