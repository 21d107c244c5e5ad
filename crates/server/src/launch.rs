//! From a configuration to a running program, and back down again: the one place where start and stop order stand.

use crate::config::{self, Config, Origins, Watched, WebConfig};
use crate::http::{self, AppState, ListenerLimits};
use crate::live::{Live, LoadConfig, Started};
use crate::statsd;
use anyhow::Context;
use lapwing::Engine;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{oneshot, watch};

/// What to run.
pub(crate) struct Launch {
    pub(crate) load: LoadConfig,
    pub(crate) is_in_memory: bool,
    /// Stop when standard input ends, as a child does whose parent is gone.
    pub(crate) ends_with_stdin: bool,
}

/// Why nothing was started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    /// What is wrong was shown already.
    #[error("the configuration was not accepted; nothing was started")]
    Invalid,
    #[error("refusing to start: {0}")]
    Refused(String),
    #[error(transparent)]
    Failed(#[from] anyhow::Error),
}

impl Launch {
    /// Runs until told to stop.
    pub(crate) fn run(self) -> Result<(), LaunchError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .thread_name("lapwing")
            .enable_all()
            .build()
            .context("cannot start the runtime")?;
        let mut signals = {
            let _inside = runtime.enter();
            Signals::take()?
        };
        if self.ends_with_stdin {
            signals.parent_gone = Some(end_of_stdin()?);
        }
        let (config, watched, origins) = self.first_config()?;
        if let Some(refusal) = config.web.refusal() {
            return Err(LaunchError::Refused(refusal));
        }
        let started = Started {
            config,
            watched,
            origins,
            load: self.load,
            is_in_memory: self.is_in_memory,
        };
        Ok(runtime.block_on(serve(started, signals, |_| {}))?)
    }

    /// Says everything that is wrong on standard error.
    fn first_config(&self) -> Result<(Config, Watched, Option<Arc<Origins>>), LaunchError> {
        let loaded = (self.load)();
        let report = config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok());
        eprint!("{report}");
        match loaded.config {
            Some(config) => Ok((config, loaded.watched, loaded.origins.map(Arc::new))),
            None => Err(LaunchError::Invalid),
        }
    }
}

/// Taken before anything else is done: a signal that nobody waits for yet would end the process, and SIGHUP asks for a
/// reload only.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
    /// Told once, by the end of standard input.
    parent_gone: Option<oneshot::Receiver<()>>,
}

impl Signals {
    /// Within a runtime.
    pub(crate) fn take() -> anyhow::Result<Self> {
        Ok(Signals {
            terminate: signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?,
            interrupt: signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?,
            hangup: signal(SignalKind::hangup()).context("cannot wait for SIGHUP")?,
            parent_gone: None,
        })
    }
}

/// Start order: the port is taken, the store opened, jobs and doors started. On the way down: nobody new is let in and
/// requests in work are answered, then the configuration stands still, then the jobs end, and the store closes last, so
/// that whatever was acknowledged is kept. `is_ready` is told the address once.
pub(crate) async fn serve(
    started: Started,
    signals: Signals,
    is_ready: impl FnOnce(&str),
) -> anyhow::Result<()> {
    let Signals {
        mut terminate,
        mut interrupt,
        hangup,
        parent_gone,
    } = signals;
    let web = started.config.web.clone();
    let (listeners, bound) = listen(&web).await?;
    let scheme = if web.tls.is_some() { "https" } else { "http" };
    let [address, more @ ..] = &*bound else {
        anyhow::bail!("there is no address to listen on");
    };
    let limits = ListenerLimits {
        connections_max: started.config.limits.connections_max,
        ..ListenerLimits::default()
    };
    let options = started.config.engine_options(started.is_in_memory);
    let engine = Engine::start(&options).context("cannot start")?;
    let live = Live::new(&engine, started);
    let (stop, stopped) = watch::channel(false);
    let reloads = reload_when_told(live.clone(), engine.clone(), hangup, stopped.clone());
    let reloads = tokio::spawn(reloads);
    let counts = live.clone();
    let statsd = tokio::spawn(statsd::run(
        engine.clone(),
        move || counts.config().receive.statsd.clone(),
        stopped.clone(),
    ));
    let state = AppState::new(&engine, live.clone(), stopped.clone());
    let quit = state.quit.clone();
    let doors = tokio::spawn(http::serve(
        listeners,
        (http::router(state), live),
        limits,
        stopped,
    ));
    let also: String = more.iter().map(|a| format!(" and {scheme}://{a}")).collect();
    tracing::info!(
        "lapwing {} is ready on {scheme}://{address}{also}",
        env!("CARGO_PKG_VERSION")
    );
    is_ready(&format!("{scheme}://{address}"));

    let reason = tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
        () = told(parent_gone) => "the end of standard input",
        () = quit.notified() => "POST /-/quit",
    };
    tracing::info!("stopping on {reason}");
    let _ = stop.send(true);
    doors.await.context("the HTTP server failed")?;
    statsd.await.context("taking StatsD failed")?;
    reloads.await.context("the watch over the configuration failed")?;
    engine.stop().await.context("cannot stop cleanly")?;
    tracing::info!("stopped; everything acknowledged is kept");
    Ok(())
}

/// A thread of its own waits for the end of standard input, which the kernel tells when the last holder of the other end is gone, killed
/// ones included. What is written there is read and thrown away. The thread is left to the end of the process: nothing wakes a read.
fn end_of_stdin() -> anyhow::Result<oneshot::Receiver<()>> {
    let (ended, wait) = oneshot::channel();
    let work = move || {
        // An error is an end as well: a descriptor that was closed never says anything again.
        let _ = std::io::copy(&mut std::io::stdin().lock(), &mut std::io::sink());
        let _ = ended.send(());
    };
    std::thread::Builder::new()
        .name("lapwing-stdin".to_owned())
        .spawn(work)
        .context("cannot wait for the end of standard input")?;
    Ok(wait)
}

/// Never, where there is nobody to tell.
async fn told(gone: Option<oneshot::Receiver<()>>) {
    match gone {
        Some(gone) => drop(gone.await),
        None => std::future::pending().await,
    }
}

pub(crate) fn cannot_listen(address: impl std::fmt::Display, error: &std::io::Error) -> anyhow::Error {
    const CHOOSE: &str =
        "choose another with --listen (--web.listen-address in the place of a peer) or web.listen";
    let advice = match error.kind() {
        ErrorKind::AddrInUse => {
            format!("another program, perhaps another Lapwing, has that port: end it, or {CHOOSE}")
        }
        ErrorKind::AddrNotAvailable => format!("this machine has no such address: {CHOOSE}"),
        ErrorKind::PermissionDenied => {
            format!("ports below 1024 need a right (CAP_NET_BIND_SERVICE): {CHOOSE}")
        }
        _ => CHOOSE.to_owned(),
    };
    anyhow::anyhow!("cannot listen on {address}: {error}\n  {advice}")
}

/// Every address or none.
async fn listen(web: &WebConfig) -> anyhow::Result<(Vec<TcpListener>, Vec<SocketAddr>)> {
    let (mut listeners, mut bound) = (Vec::new(), Vec::new());
    for address in web.addresses() {
        let listener = http::bind(address).await;
        let listener = listener.map_err(|error| cannot_listen(address, &error))?;
        bound.push(
            listener
                .local_addr()
                .context("cannot tell the address listened on")?,
        );
        listeners.push(listener);
    }
    Ok((listeners, bound))
}

/// How often the files of the configuration are looked at. By asking, and not by inotify: it works on every file system,
/// through symbolic links that are exchanged (as Kubernetes does), and costs a few system calls.
const LOOK_PERIOD: Duration = Duration::from_secs(1);

/// Reloads on SIGHUP, and when a file changed and then stood still for one period.
async fn reload_when_told(
    live: Live,
    engine: Engine,
    mut hangup: Signal,
    mut stopped: watch::Receiver<bool>,
) {
    let mut last_seen = live.status().watched;
    loop {
        let trigger = tokio::select! {
            _ = hangup.recv() => "SIGHUP",
            () = tokio::time::sleep(LOOK_PERIOD) => "a changed file",
            _ = stopped.wait_for(|stop| *stop) => return,
        };
        let read = live.status().watched;
        let look = read.clone();
        let Ok(seen) = tokio::task::spawn_blocking(move || look.now()).await else {
            continue;
        };
        let stands_still = seen == last_seen;
        last_seen = seen;
        if trigger == "SIGHUP" || (stands_still && last_seen != read) {
            // What went wrong is in the log, the API and a metric; the next change is tried again.
            let _ = live.reload(&engine, trigger).await;
        }
    }
}
