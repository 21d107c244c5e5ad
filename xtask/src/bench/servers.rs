//! The servers of a contest: how each is started, and a running one that ends with the value that holds it.

use std::io::Read;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::shell::{self, Guard};
use crate::{clock, load};

/// One contestant. All of them take remote write at `/api/v1/write` and answer Prometheus's query API.
pub(super) struct Server {
    pub(super) name: &'static str,
    program: fn() -> Result<PathBuf>,
    arguments: fn(data: &Path, address: &str) -> Result<Vec<String>>,
    /// Where it takes OTLP metrics.
    pub(super) otlp: &'static str,
    /// How it is told to scrape what this file says; none when it reads the file anyway.
    scrape: Option<&'static str>,
    /// A path that answers 2xx when the server is ready.
    ready: &'static str,
    /// A path that makes buffered samples visible, where a server needs to be asked.
    flush: Option<&'static str>,
}

/// Ours first.
pub(super) const SERVERS: &[Server] = &[
    Server {
        name: "lapwing",
        program: build_ours,
        arguments: our_arguments,
        otlp: "/v1/metrics",
        scrape: Some("--config="),
        ready: "/-/ready",
        flush: None,
    },
    Server {
        name: "prometheus",
        program: || current_prometheus().map_or_else(|| installed("prometheus"), Ok),
        arguments: prometheus_arguments,
        otlp: "/api/v1/otlp/v1/metrics",
        scrape: None,
        ready: "/-/ready",
        flush: None,
    },
    Server {
        name: "victoria-metrics",
        program: || installed("victoria-metrics"),
        arguments: victoria_arguments,
        otlp: "/opentelemetry/v1/metrics",
        scrape: Some("-promscrape.config="),
        ready: "/health",
        flush: Some("/internal/force_flush"),
    },
];

/// Takes alerts and no samples: a peer of the storm alone.
pub(super) const ALERTMANAGER: Server = Server {
    name: "alertmanager",
    program: || installed("prometheus-alertmanager").or_else(|_| installed("alertmanager")),
    arguments: alertmanager_arguments,
    otlp: "",
    scrape: None,
    ready: "/-/ready",
    flush: None,
};

pub(super) fn is_known(name: &str) -> bool {
    SERVERS.iter().chain([&ALERTMANAGER]).any(|s| s.name == name)
}

const START_TIMEOUT: Duration = Duration::from_secs(120);
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(5);

fn installed(program: &str) -> Result<PathBuf> {
    shell::find(program).with_context(|| format!("{program} is not installed"))
}

/// What `--lapwing` named: said once, before anything is started.
static BUILT: OnceLock<PathBuf> = OnceLock::new();

pub(super) fn use_built(path: &Path) {
    BUILT.get_or_init(|| path.to_owned());
}

fn build_ours() -> Result<PathBuf> {
    if let Some(path) = BUILT.get() {
        return std::path::absolute(path).context("find the given lapwing");
    }
    shell::run(shell::cargo().args(["build", "--quiet", "--release", "-p", "lapwing-server"]))?;
    Ok(shell::target_dir().join("release/lapwing"))
}

fn our_arguments(data: &Path, address: &str) -> Result<Vec<String>> {
    Ok(words(&["serve", "--data", &text(data), "--listen", address]))
}

/// The one of today, where the tests' own set-up brought it.
fn current_prometheus() -> Option<PathBuf> {
    crate::test::newer_program("prometheus-3")
}

fn prometheus_arguments(data: &Path, address: &str) -> Result<Vec<String>> {
    let config = data.with_extension("yml");
    if !config.exists() {
        std::fs::write(&config, "global: {}\n").context("write an empty prometheus.yml")?;
    }
    Ok(vec![
        format!("--config.file={}", text(&config)),
        format!("--storage.tsdb.path={}", text(data)),
        format!("--web.listen-address={address}"),
        "--storage.tsdb.retention.time=100y".to_owned(),
        "--web.enable-remote-write-receiver".to_owned(),
        "--log.level=error".to_owned(),
    ])
}

fn alertmanager_arguments(data: &Path, address: &str) -> Result<Vec<String>> {
    Ok(vec![
        format!("--config.file={}", text(&data.with_extension("yml"))),
        format!("--storage.path={}", text(data)),
        format!("--web.listen-address={address}"),
        "--cluster.listen-address=".to_owned(),
        "--log.level=error".to_owned(),
    ])
}

fn victoria_arguments(data: &Path, address: &str) -> Result<Vec<String>> {
    Ok(vec![
        format!("-storageDataPath={}", text(data)),
        format!("-httpListenAddr={address}"),
        "-retentionPeriod=100y".to_owned(),
        "-search.latencyOffset=0s".to_owned(),
        "-search.maxUniqueTimeseries=2000000".to_owned(),
        "-loggerLevel=ERROR".to_owned(),
    ])
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn words(list: &[&str]) -> Vec<String> {
    list.iter().map(|w| (*w).to_owned()).collect()
}

/// A started server with its own data folder, both gone when this is dropped.
pub(super) struct Running {
    pub(super) server: &'static Server,
    pub(super) address: String,
    program: PathBuf,
    guard: Guard,
    /// Arguments beside the server's own.
    more: Vec<String>,
    scratch: tempfile::TempDir,
}

impl Running {
    /// Starts a server on a free port with an empty data folder and waits until it is ready.
    pub(super) fn start(server: &'static Server) -> Result<Running> {
        Running::start_with(server, &|_| Ok(Vec::new()))
    }

    /// The same with a section `scrape_configs`, and nothing else to measure.
    pub(super) fn start_scraping(server: &'static Server, jobs: &str) -> Result<Running> {
        Running::start_with(server, &|data| {
            let config = data.with_extension("yml");
            let quiet = if server.name == "lapwing" {
                "host: { enabled: false }\ndiscover: { local: false }\n"
            } else {
                ""
            };
            std::fs::write(&config, format!("{quiet}{jobs}")).context("write a configuration")?;
            let flag = server.scrape.map(|flag| format!("{flag}{}", text(&config)));
            Ok(flag.into_iter().collect())
        })
    }

    /// The same with files written beside the data folder, and the arguments that name them.
    pub(super) fn start_with(
        server: &'static Server,
        configure: &dyn Fn(&Path) -> Result<Vec<String>>,
    ) -> Result<Running> {
        let program = (server.program)()?;
        let scratch = tempfile::Builder::new()
            .prefix("lapwing-bench-")
            .tempdir()
            .context("make a data folder")?;
        // Asking for port 0 and letting go of it leaves a short gap in which another could take it; then starting fails.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let data = scratch.path().join("data");
        std::fs::create_dir(&data)?;
        let more = configure(&data)?;
        let guard = launch(server, &program, (&data, &address), &more)?;
        let mut running = Running {
            server,
            address,
            program,
            guard,
            more,
            scratch,
        };
        running.wait_ready()?;
        Ok(running)
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    pub(super) fn usage(&self) -> Result<load::Usage> {
        load::usage(self.guard.pid())
    }

    pub(super) fn disk_bytes(&self) -> u64 {
        load::disk_bytes(&self.scratch.path().join("data"))
    }

    /// Makes everything written visible to queries.
    pub(super) fn flush(&self) -> Result<()> {
        if let Some(path) = self.server.flush {
            ureq::get(self.url(path))
                .call()
                .with_context(|| format!("flush {}", self.server.name))?;
        }
        Ok(())
    }

    /// Asks the server to end, waits for it, and leaves its data.
    pub(super) fn stop(&mut self) -> Result<()> {
        shell::run(Command::new("kill").args(["-TERM", &self.guard.pid().to_string()]))?;
        let start = clock::now();
        while self.guard.ended()?.is_none() {
            if start.elapsed() > STOP_TIMEOUT {
                bail!("{} did not end within {STOP_TIMEOUT:?}", self.server.name);
            }
            clock::wait(POLL);
        }
        Ok(())
    }

    /// Kills the server as a crash would, starts it on the same data, and says how long it took to be ready.
    pub(super) fn crash_and_return(&mut self) -> Result<Duration> {
        self.guard.kill()?;
        let start = clock::now();
        self.guard = launch(
            self.server,
            &self.program,
            (&self.scratch.path().join("data"), &self.address),
            &self.more,
        )?;
        self.wait_ready()?;
        Ok(start.elapsed())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let start = clock::now();
        loop {
            if ureq::get(self.url(self.server.ready)).call().is_ok() {
                return Ok(());
            }
            if let Some(status) = self.guard.ended()? {
                bail!(
                    "{} ended before it was ready ({status}): {}",
                    self.server.name,
                    self.last_words()
                );
            }
            if start.elapsed() > START_TIMEOUT {
                bail!(
                    "{} was not ready within {START_TIMEOUT:?}: {}",
                    self.server.name,
                    self.last_words()
                );
            }
            clock::wait(POLL);
        }
    }

    /// The end of what the server logged.
    fn last_words(&self) -> String {
        let mut log = Vec::new();
        let file = std::fs::File::open(self.scratch.path().join("data.log"));
        let _ = file.map(|mut f| f.read_to_end(&mut log));
        let text = String::from_utf8_lossy(&log);
        let lines: Vec<&str> = text.lines().rev().take(3).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join(" | ")
    }
}

fn launch(server: &Server, program: &Path, (data, address): (&Path, &str), more: &[String]) -> Result<Guard> {
    let log = std::fs::File::create(data.with_extension("log")).context("make a log file")?;
    let mut command = Command::new(program);
    command
        .args((server.arguments)(data, address)?)
        .args(more)
        .stdin(Stdio::null());
    Guard::start(command.stdout(log.try_clone()?).stderr(log))
}
