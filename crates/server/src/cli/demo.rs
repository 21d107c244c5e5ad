//! `lapwing demo`: three models, a day of history and incidents, live, in a directory of its own.

use super::serve::LogFormat;
use super::{Exit, complain};
use crate::config::{self, Config, Loaded, Origins, Watched, WebConfig};
use crate::demo::{Page, Stage, Story, World, fill, play_programs, write_files};
use crate::launch::{Signals, cannot_listen, serve};
use crate::live::Started;
use anyhow::Context;
use lapwing::clock::Stopwatch;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::sync::mpsc;

#[derive(Debug, clap::Args)]
#[command(
    after_help = "The history is invented from the seed; the rules that judge it, the pages and the decisions are real. \
    Pages arrive on this terminal. Everything is removed when the demo ends, unless --dir names a place."
)]
pub(crate) struct DemoArgs {
    /// Where to listen [default: 127.0.0.1:9595, or any free port where that is taken]
    #[arg(long, value_name = "ADDR", value_parser = super::address)]
    listen: Option<SocketAddr>,
    /// Another seed, another day
    #[arg(long, value_name = "N", default_value_t = 7)]
    seed: u64,
    /// Keep configuration and data in this new directory
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
}

pub(crate) fn run(args: &DemoArgs) -> Exit {
    super::serve::start_logging("warn", LogFormat::Text);
    // Before a history is invented: that takes a while.
    let listen = match free_address(args.listen) {
        Ok(listen) => listen,
        Err(error) => {
            complain(&error);
            return Exit::Failed;
        }
    };
    let dir = match &args.dir {
        Some(dir) => dir.clone(),
        None => std::env::temp_dir().join(format!("lapwing-demo-{}", std::process::id())),
    };
    if let Err(error) = std::fs::create_dir(&dir) {
        eprintln!("lapwing: cannot make a new directory {}: {error}", dir.display());
        if error.kind() == std::io::ErrorKind::AlreadyExists {
            eprintln!(
                "  --dir names one that is not there yet; what an earlier demo left in it is served by: cd {0} && lapwing",
                dir.display()
            );
        }
        return Exit::Usage;
    }
    let played = tokio::runtime::Builder::new_multi_thread()
        .thread_name("lapwing")
        .enable_all()
        .build()
        .context("cannot start the runtime")
        .and_then(|runtime| runtime.block_on(play(args.seed, listen, &dir)));
    if args.dir.is_none()
        && let Err(error) = std::fs::remove_dir_all(&dir)
    {
        eprintln!("lapwing: {} could not be removed: {error}", dir.display());
    }
    match played {
        Ok(()) => Exit::Fine,
        Err(error) => {
            complain(&error);
            Exit::Failed
        }
    }
}

/// The address that was asked for, which has to be free; where none was, any free port is as good.
fn free_address(asked: Option<SocketAddr>) -> anyhow::Result<SocketAddr> {
    let usual = SocketAddr::from(([127, 0, 0, 1], 9595));
    let wanted = asked.unwrap_or(usual);
    let web = WebConfig {
        listen: wanted,
        ..WebConfig::default()
    };
    if web.refusal().is_some() {
        anyhow::bail!(
            "{wanted} can be reached from other machines, and the demo asks nobody for a token: listen on 127.0.0.1"
        );
    }
    match std::net::TcpListener::bind(wanted) {
        Ok(free) => Ok(free.local_addr()?),
        Err(error) if asked.is_none() && error.kind() == std::io::ErrorKind::AddrInUse => {
            let any = std::net::TcpListener::bind(("127.0.0.1", 0)).context("there is no free port")?;
            let address = any.local_addr()?;
            println!(
                "port {} is taken, so the demo is on port {}",
                usual.port(),
                address.port()
            );
            Ok(address)
        }
        Err(error) => Err(cannot_listen(wanted, &error)),
    }
}

async fn play(seed: u64, listen: SocketAddr, dir: &Path) -> anyhow::Result<()> {
    let watch = Stopwatch::start();
    let stage = tokio::net::TcpListener::bind(("127.0.0.1", 0))
        .await
        .context("cannot listen for the made-up servers")?;
    let address = stage
        .local_addr()
        .context("cannot tell the address listened on")?;
    let clock = lapwing::Clock::system();
    let started_ms = clock.now_ms();
    let path = write_files(dir, address, started_ms).context("cannot write the configuration")?;
    let loaded = {
        let (data, path) = (dir.join("data"), path);
        move || load(&path, &data, listen)
    };
    let (config, watched, origins) = read(loaded())?;

    let story = Story::new(seed, started_ms);
    let mut world = World::new(story);
    let filled = fill(&config.store.data, &config, story, &mut world).context("cannot invent the history")?;
    println!(
        "a day of three models: {} samples, {} pages, made in {:.1} s; configuration and data are in {}",
        filled.samples,
        filled.pages,
        watch.elapsed_s(),
        dir.display()
    );
    let pages = Stage::start(stage, world, clock.clone());
    tokio::spawn(print_pages(pages));
    let started = Started {
        config,
        watched,
        origins,
        load: Box::new(loaded),
        is_in_memory: false,
    };
    serve(started, Signals::take()?, |url| {
        println!("open {url}   (Ctrl-C ends the demo)");
        tokio::spawn(play_programs(url.to_owned(), story, clock));
    })
    .await
}

/// The demo's own file, with its directory and address on top; they hold over reloads.
fn load(path: &Path, data: &Path, listen: SocketAddr) -> Loaded {
    let mut loaded = config::load(path, &|_| None);
    if let (Some(config), Some(origins)) = (&mut loaded.config, &mut loaded.origins) {
        config.store.data = data.to_owned();
        origins.flag("store.data", data.display().to_string(), "--dir");
        config.web.listen = listen;
        origins.flag("web.listen", listen.to_string(), "--listen");
    }
    loaded
}

fn read(loaded: Loaded) -> anyhow::Result<(Config, Watched, Option<Arc<Origins>>)> {
    let mistakes = config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok());
    let config = loaded
        .config
        .with_context(|| format!("the demo's own configuration is wrong:\n{mistakes}"))?;
    if let Some(refusal) = config.web.refusal() {
        anyhow::bail!("refusing to start: {refusal}");
    }
    Ok((config, loaded.watched, loaded.origins.map(Arc::new)))
}

async fn print_pages(mut pages: mpsc::UnboundedReceiver<Page>) {
    while let Some(page) = pages.recv().await {
        for alert in &page.alerts {
            println!("page to {}: {}: {alert}", page.receiver, page.status);
        }
    }
}
