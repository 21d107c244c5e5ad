//! `lapwing serve`: the arguments of a start.

use super::{Exit, complain};
use crate::config::{self, Loaded};
use crate::launch::{Launch, LaunchError};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct ServeArgs {
    /// Configuration: a file, or a directory of *.yml files [default: ./lapwing.yml if there is one]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where to keep the data [default: ./lapwing-data]
    #[arg(long, value_name = "DIR", conflicts_with = "memory")]
    data: Option<PathBuf>,
    /// Keep everything in memory; nothing survives the end of the program
    #[arg(long)]
    memory: bool,
    /// Where to listen [default: 127.0.0.1:9595]
    #[arg(long, value_name = "ADDR", value_parser = super::address)]
    listen: Option<SocketAddr>,
    /// Stop, in order, when standard input ends: for a program that starts Lapwing as its child and holds the other end of the
    /// pipe, so that the child ends with it however it ends
    #[arg(long)]
    exit_with_stdin: bool,
    #[command(flatten)]
    log: LogArgs,
}

#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct LogArgs {
    /// How much to say: error, warn, info, debug, trace, or per module
    #[arg(long, value_name = "LEVEL", default_value = "info", value_parser = log_level)]
    log_level: String,
    /// How to say it
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The file that is read when none is named, if it is there.
const DEFAULT_CONFIG: &str = "lapwing.yml";

pub(crate) fn run(args: &ServeArgs) -> Exit {
    start_logging(&args.log.log_level, args.log.log_format);
    let flags = settled(args);
    launch(Launch {
        load: Box::new(move || load(&flags)),
        is_in_memory: args.memory,
        ends_with_stdin: args.exit_with_stdin,
    })
}

impl ServeArgs {
    pub(super) fn is_in_memory(&self) -> bool {
        self.memory
    }
}

/// With the file that is meant where none is named. Once and for all: should it vanish later, that is a mistake, and not a
/// return to the defaults.
pub(super) fn settled(args: &ServeArgs) -> ServeArgs {
    let mut flags = args.clone();
    if flags.config.is_none() && Path::new(DEFAULT_CONFIG).exists() {
        flags.config = Some(PathBuf::from(DEFAULT_CONFIG));
    }
    flags
}

/// Runs it to its end and says why when that was not a good one.
pub(crate) fn launch(launch: Launch) -> Exit {
    match launch.run() {
        Ok(()) => Exit::Fine,
        Err(LaunchError::Failed(error)) => {
            complain(&error);
            Exit::Failed
        }
        Err(refused) => {
            eprintln!("lapwing: {refused}");
            Exit::Usage
        }
    }
}

/// The file, with what the command line says on top; flags hold over reloads.
pub(super) fn load(args: &ServeArgs) -> Loaded {
    let mut loaded = match &args.config {
        None => Loaded::defaults(),
        Some(path) => config::load(path, &|name| std::env::var(name).ok()),
    };
    if let (Some(config), Some(origins)) = (&mut loaded.config, &mut loaded.origins) {
        if let Some(data) = &args.data {
            config.store.data.clone_from(data);
            origins.flag("store.data", data.display().to_string(), "--data");
        }
        if let Some(listen) = args.listen {
            config.web.listen = listen;
            origins.flag("web.listen", listen.to_string(), "--listen");
        }
    }
    loaded
}

/// A word that is no level would be taken for the name of a module, and all others would fall silent.
fn log_level(text: &str) -> Result<String, String> {
    const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    let mut parts = text.split(',').map(str::trim);
    let wrong = parts.find(|part| !part.contains(['=', '[']) && !is_level(part));
    match wrong {
        Some(part) => Err(format!(
            "{part:?} is none of {}; a module is written MODULE=LEVEL",
            LEVELS.join(", ")
        )),
        None => tracing_subscriber::EnvFilter::try_new(text)
            .map(|_| text.to_owned())
            .map_err(|e| e.to_string()),
    }
}

pub(crate) fn start_logging(level: &str, format: LogFormat) {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        // Colours are for people in front of a terminal; in a file or a journal they are litter.
        .with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()) && std::env::var_os("NO_COLOR").is_none())
        .with_target(false);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_is_none_is_refused() {
        for good in [
            "info",
            "WARN",
            "lapwing_store=debug",
            "warn,lapwing_store=trace",
            "off",
        ] {
            assert!(log_level(good).is_ok(), "{good}");
        }
        for bad in ["", "verbose", "info,x", "a=b", "a=b=c"] {
            assert!(log_level(bad).is_err(), "{bad}");
        }
    }
}
