//! `lapwing serve`: from arguments to a running program, and back down again.

use super::{Exit, complain};
use crate::config::{self, Config};
use crate::http::{self, AppState, ListenerLimits};
use anyhow::Context;
use lapwing::Engine;
use std::net::SocketAddr;
use std::path::PathBuf;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

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
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// How much to say: error, warn, info, debug, trace, or per module
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    log_level: String,
    /// How to say it
    #[arg(long, value_enum, default_value = "text")]
    log_format: LogFormat,
}

#[derive(Clone, Copy, Debug, Default, clap::ValueEnum)]
enum LogFormat {
    #[default]
    Text,
    Json,
}

/// The file that is read when none is named, if it is there.
const DEFAULT_CONFIG: &str = "lapwing.yml";

pub(crate) fn run(args: &ServeArgs) -> Exit {
    start_logging(&args.log_level, matches!(args.log_format, LogFormat::Json));
    let config = match read_config(args) {
        Ok(config) => config,
        Err(exit) => return exit,
    };
    if let Some(refusal) = config.web.refusal() {
        eprintln!("lapwing: refusing to start: {refusal}");
        return Exit::Usage;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lapwing")
        .enable_all()
        .build();
    let served = runtime
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(serve_config(config, args.memory, |_| {})));
    match served {
        Ok(()) => Exit::Fine,
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

/// Start order, and the reverse on the way down: store, jobs, doors; doors close first, the store last.
/// `is_ready` is told the address once.
pub(super) async fn serve_config(
    config: Config,
    memory: bool,
    is_ready: impl FnOnce(&str),
) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let listener = http::bind(config.web.listen)
        .await
        .with_context(|| format!("cannot listen on {}", config.web.listen))?;
    let address = listener
        .local_addr()
        .context("cannot tell the address listened on")?;
    let engine = Engine::start(&config.engine_options(memory)).context("cannot start")?;
    let (stop, stopped) = watch::channel(false);
    let state = AppState::new(engine.clone(), config, stopped.clone());
    let doors = tokio::spawn(http::serve(
        listener,
        http::router(state),
        ListenerLimits::default(),
        stopped,
    ));
    tracing::info!(
        "lapwing {} is ready on http://{address}",
        env!("CARGO_PKG_VERSION")
    );
    is_ready(&format!("http://{address}"));

    let reason = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    };
    tracing::info!("stopping on {reason}");
    let _ = stop.send(true);
    doors.await.context("the HTTP server failed")?;
    engine.stop().await.context("cannot stop cleanly")?;
    tracing::info!("stopped; everything acknowledged is kept");
    Ok(())
}

fn read_config(args: &ServeArgs) -> Result<Config, Exit> {
    let path = match &args.config {
        Some(path) => Some(path.clone()),
        None => Some(PathBuf::from(DEFAULT_CONFIG)).filter(|p| p.exists()),
    };
    let mut config = match path {
        None => Config::default(),
        Some(path) => {
            let loaded = config::load(&path, &|name| std::env::var(name).ok());
            eprint!(
                "{}",
                config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok())
            );
            let Some(config) = loaded.config else {
                eprintln!(
                    "lapwing: {} was not accepted; nothing was started",
                    path.display()
                );
                return Err(Exit::Usage);
            };
            config
        }
    };
    if let Some(data) = &args.data {
        config.store.data.clone_from(data);
    }
    if let Some(listen) = args.listen {
        config.web.listen = listen;
    }
    Ok(config)
}

pub(super) fn start_logging(level: &str, as_json: bool) {
    let filter = tracing_subscriber::EnvFilter::try_new(level)
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_target(false);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = if as_json {
        builder.json().try_init()
    } else {
        builder.try_init()
    };
}
