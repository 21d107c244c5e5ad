//! One object that owns clock, store, queries and jobs, and the order in which they start and stop.

use crate::clock::Clock;
use crate::compute::{Background, Compute, ComputeError};
use crate::forward::Forwarding;
use crate::health::{Health, HealthError};
use crate::jobs::Jobs;
use crate::journals::{Baselines, OperationJournal};
use crate::layout;
use crate::meter::Meter;
use crate::options::EngineOptions;
use crate::otlp::{OtlpFailure, OtlpIngest, OtlpKept};
use crate::own::OwnSeries;
use crate::paging::{Paging, PagingError};
use crate::pushed::Pushed;
use crate::queries::Queries;
use crate::scraping::{Scraping, ScrapingError};
use crate::sdk::Sdk;
use crate::work::SourceOptions;
use lapwing_collect::discovery::DiscoveryStatus;
use lapwing_judge::performance::Operation;
use lapwing_store::JournalError;
use lapwing_store::metrics::{AppendError, MetricsStore, OpenError, OpenReport};
use lapwing_store::state::{MemoryState, SqliteState, StateError, StateStore};
use lapwing_types::WriteBatch;
use lapwing_wire::otlp::MetricsRequest;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tracing::warn;

/// Lapwing, running. A cheap handle; [`Engine::stop`] ends it for all clones.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
}

struct Shared {
    clock: Clock,
    started_ms: i64,
    store: MetricsStore,
    meter: Meter,
    own: OwnSeries,
    queries: Queries,
    otlp: OtlpIngest,
    scraping: Scraping,
    paging: Paging,
    health: Health,
    forwarding: Forwarding,
    pushed: Pushed,
    sdk: Sdk,
    operations: OperationJournal,
    baselines: Baselines,
    ingest_pool: Compute,
    read_pool: Compute,
    jobs: Mutex<Option<Jobs>>,
    sources: Mutex<Option<(SourceOptions, Jobs)>>,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("cannot open the store of metrics in {path}")]
    Store {
        path: std::path::PathBuf,
        #[source]
        source: OpenError,
    },
    #[error("cannot open the state database")]
    State(#[source] StateError),
    /// Starting without it is the operator's choice: it says which alerts were told, and what is silenced.
    #[error(
        "the state database {path} is damaged\n`lapwing verify` says what is; bring it back with `lapwing restore`, or move it away \
         to start without the alerts and silences of before"
    )]
    StateDamaged {
        path: std::path::PathBuf,
        #[source]
        source: StateError,
    },
    #[error("cannot start a thread")]
    Thread(#[source] std::io::Error),
    #[error("cannot open the running totals of delta series")]
    Totals(#[source] JournalError),
    #[error("cannot open what programs told of their operations")]
    Operations(#[source] JournalError),
    #[error(transparent)]
    Paging(#[from] PagingError),
    #[error(transparent)]
    Health(#[from] HealthError),
    #[error(transparent)]
    Scraping(#[from] ScrapingError),
}

#[derive(Debug, thiserror::Error)]
pub enum StopError {
    #[error("cannot close the store of metrics")]
    Store(#[source] AppendError),
}

impl Engine {
    /// Opens the store, then starts the jobs that feed it. Needs a tokio runtime around it.
    pub fn start(options: &EngineOptions) -> Result<Self, StartError> {
        let clock = options.clock.clone();
        let meter = Meter::new();
        let store = open_store(options, clock.now_ms())?;
        let queries = Queries::new(store.clone(), clock.clone(), &options.queries, &meter);
        let scraping = Scraping::start(&store, &clock)?;
        scraping.set_jobs(&options.scrape_jobs, options.scrape_defaults)?;
        let totals = options.data.as_ref().map(|dir| dir.join(layout::OTLP_TOTALS));
        let otlp = OtlpIngest::open(options.otlp.clone(), totals.as_deref()).map_err(StartError::Totals)?;
        let state = open_state(options)?;
        let pushed = Pushed::load(state.clone(), options.pushed_ttl_ms, &meter).map_err(StartError::State)?;
        let paging = Paging::start((state, &queries), &options.paging, &clock, &meter)?;
        let forwarding = Forwarding::new(&clock, &meter);
        forwarding.reload(&options.paging)?;
        let health = Health::new(
            &options.health,
            paging.state_store().clone(),
            &meter,
            clock.now_ms(),
        )?;
        let cores = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let sdk = options.sdk.clone().unwrap_or_else(|| Sdk::new(clock.clone()));
        let (operations, baselines) = open_journals(options, &sdk).map_err(StartError::Operations)?;
        let ingest_pool = Compute::new("ingest", cores);
        let read_pool = Compute::new("read", cores.max(4));
        let own = OwnSeries::new(&meter, &[("ingest", &ingest_pool), ("read", &read_pool)]);
        let engine = Engine {
            shared: Arc::new(Shared {
                started_ms: clock.now_ms(),
                sdk,
                operations,
                baselines,
                clock,
                store,
                queries,
                scraping,
                paging,
                health,
                forwarding,
                pushed,
                otlp,
                ingest_pool,
                read_pool,
                own,
                jobs: Mutex::new(None),
                sources: Mutex::new(None),
                meter,
            }),
        };
        let upkeep = Background::start("lapwing-upkeep").map_err(StartError::Thread)?;
        let jobs = crate::work::start(&engine, options, upkeep);
        *engine.lock_jobs() = Some(jobs);
        let sources = SourceOptions::of(options);
        let jobs = crate::work::start_sources(&engine, &sources);
        *engine.lock_sources() = Some((sources, jobs));
        Ok(engine)
    }

    /// Ends the jobs, the last started first, then closes the store: what was acknowledged is kept.
    pub async fn stop(&self) -> Result<(), StopError> {
        let sources = self.lock_sources().take();
        if let Some((_, jobs)) = sources {
            jobs.stop().await;
        }
        let jobs = self.lock_jobs().take();
        if let Some(jobs) = jobs {
            jobs.stop().await;
        }
        self.shared.forwarding.stop();
        self.shared.scraping.stop().await;
        // What the program did since the last turn.
        self.gather_sdk();
        self.shared.store.close().map_err(StopError::Store)
    }

    pub fn now_ms(&self) -> i64 {
        self.shared.clock.now_ms()
    }

    pub fn started_ms(&self) -> i64 {
        self.shared.started_ms
    }

    pub fn clock(&self) -> &Clock {
        &self.shared.clock
    }

    pub fn store(&self) -> &MetricsStore {
        &self.shared.store
    }

    pub fn queries(&self) -> &Queries {
        &self.shared.queries
    }

    pub fn paging(&self) -> &Paging {
        &self.shared.paging
    }

    pub fn health(&self) -> &Health {
        &self.shared.health
    }

    pub fn forwarding(&self) -> &Forwarding {
        &self.shared.forwarding
    }

    /// How each discovery fares: those of scrape jobs, then those of Alertmanagers.
    pub fn discovery_statuses(&self) -> Vec<DiscoveryStatus> {
        let mut all = self.scraping().discovery_statuses();
        all.extend(self.forwarding().discovery_statuses());
        all
    }

    pub fn scraping(&self) -> &Scraping {
        &self.shared.scraping
    }

    pub fn pushed(&self) -> &Pushed {
        &self.shared.pushed
    }

    /// What the program around this engine is watched with, and the operations that other programs told of.
    pub fn sdk(&self) -> &Sdk {
        &self.shared.sdk
    }

    pub(crate) fn known_baselines(&self) -> &Baselines {
        &self.shared.baselines
    }

    /// Keeps operations that another program tells of. Where there is a data directory they are with the kernel when this returns, unless the
    /// disk takes nothing: then they are in memory, and written once it does.
    pub fn keep_operations(&self, operations: Vec<Operation>) {
        let tracker = self.shared.sdk.tracker();
        operations.into_iter().for_each(|o| tracker.keep(o));
        self.write_operations();
    }

    fn write_operations(&self) {
        if let Err(error) = self.shared.operations.write(self.shared.sdk.tracker()) {
            tracing::error!(%error, "operations could not be written down; they are in memory, and are tried again");
        }
    }

    /// Keeps the numbers of [`Engine::sdk`] as they stand now: a job does so regularly, and whoever asks right after recording may.
    pub fn gather_sdk(&self) {
        let _gate = crate::sdk::fork_gate();
        let now_ms = self.now_ms();
        self.write_operations();
        let batch = self.shared.sdk.gather(now_ms, &[]);
        if batch.series.is_empty() {
            return;
        }
        let mut appender = self.shared.store.appender("sdk", now_ms);
        appender.append_batch(&batch);
        if let Err(error) = appender.commit() {
            tracing::error!(%error, "the program's own metrics could not be kept");
        }
    }

    pub fn meter(&self) -> &Meter {
        &self.shared.meter
    }

    /// Keeps what an OTLP request carries; the rejections go into its answer.
    pub fn keep_otlp(&self, source: &str, request: &MetricsRequest<'_>) -> Result<OtlpKept, OtlpFailure> {
        self.shared
            .otlp
            .keep(&self.shared.store, source, request, self.now_ms())
    }

    /// Lapwing's own series as they stand at `now_ms`, each with `labels`.
    pub fn own_metrics(&self, now_ms: i64, labels: &[(String, String)]) -> WriteBatch {
        self.shared.own.gather(self, now_ms, labels)
    }

    /// Decoding and appending; as many at once as there are cores.
    pub async fn compute_ingest<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        self.shared.ingest_pool.run(work).await
    }

    /// Reading that is not a PromQL query: labels, series, administration.
    pub async fn compute_queries<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        self.shared.read_pool.run(work).await
    }

    /// As [`Engine::compute_queries`], for what is over in a fraction of a millisecond.
    pub async fn compute_small_queries<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ComputeError> {
        self.shared.read_pool.run_here(work).await
    }

    /// Exchanges everything that a configuration governs but where data is kept and how safely, which need a restart.
    /// Nothing changes unless all of it is right. Alerts, timers and deliveries stay as they are.
    pub async fn reload(&self, options: &EngineOptions) -> Result<(), ScrapingError> {
        let shared = &self.shared;
        shared
            .scraping
            .set_jobs(&options.scrape_jobs, options.scrape_defaults)?;
        shared.forwarding.reload(&options.paging)?;
        shared.store.set_limits(options.metrics.limits());
        shared.queries.set_limits(&options.queries);
        shared.pushed.set_default_ttl(options.pushed_ttl_ms);
        shared.otlp.set_options(options.otlp.clone());
        shared.paging.reload(&options.paging, self.now_ms());
        shared.health.reload(&options.health, self.now_ms());
        let wanted = SourceOptions::of(options);
        let before = {
            let mut sources = self.lock_sources();
            match &*sources {
                Some((running, _)) if *running != wanted => sources.take(),
                // Stopped meanwhile, or nothing to change.
                _ => None,
            }
        };
        if let Some((_, jobs)) = before {
            jobs.stop().await;
            if !wanted.find_local {
                shared.scraping.forget_local();
            }
            let jobs = crate::work::start_sources(self, &wanted);
            *self.lock_sources() = Some((wanted, jobs));
        }
        Ok(())
    }

    fn lock_sources(&self) -> std::sync::MutexGuard<'_, Option<(SourceOptions, Jobs)>> {
        self.shared.sources.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lock_jobs(&self) -> std::sync::MutexGuard<'_, Option<Jobs>> {
        self.shared.jobs.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn open_store(options: &EngineOptions, now_ms: i64) -> Result<MetricsStore, StartError> {
    match &options.data {
        None => Ok(MetricsStore::in_memory(options.metrics.clone())),
        Some(dir) => {
            let path = dir.join(layout::METRICS);
            let store = MetricsStore::open(&path, options.metrics.clone(), now_ms)
                .map_err(|source| StartError::Store { path, source })?;
            say_damage(store.open_report());
            Ok(store)
        }
    }
}

fn say_damage(report: &OpenReport) {
    for range in &report.damaged {
        let (from_ms, to_ms) = (range.lost_from_ms, range.lost_to_ms);
        tracing::error!(
            path = %range.path.display(), start = range.start, end = range.end, from_ms, to_ms,
            "bytes of the store are damaged: samples of about these times are lost"
        );
    }
    for (path, reason) in &report.blocks_unreadable {
        tracing::error!(path = %path.display(), %reason, "a block of samples cannot be opened");
    }
    if report.records_unusable > 0 {
        let records = report.records_unusable;
        tracing::error!(records, "records of the log make no sense and were passed over");
    }
}

/// Whoever only asks leaves them as they are.
fn open_journals(options: &EngineOptions, sdk: &Sdk) -> Result<(OperationJournal, Baselines), JournalError> {
    match &options.data {
        Some(dir) if !options.asks_only => Ok((
            OperationJournal::open(&dir.join(layout::OPERATIONS), sdk.tracker())?,
            Baselines::open(&dir.join(layout::BASELINES))?,
        )),
        _ => Ok(Default::default()),
    }
}

/// SQLite takes a file of no bytes, which a file system may leave after a power cut, for a new database.
fn warn_of_lost_state(dir: &Path, state: &Path) {
    let is_empty = std::fs::metadata(state).map_or(true, |found| found.len() == 0);
    // These journals are made after the first database.
    if is_empty && dir.join(layout::OPERATIONS).exists() {
        warn!(
            "the state database {} is empty or gone: alerts, silences and acknowledgements of before are not known; \
             `lapwing restore` brings them back from a backup",
            state.display()
        );
    }
}

fn open_state(options: &EngineOptions) -> Result<Arc<dyn StateStore>, StartError> {
    match &options.data {
        None => Ok(Arc::new(MemoryState::new())),
        Some(dir) => {
            let path = dir.join(layout::STATE);
            warn_of_lost_state(dir, &path);
            let opened = SqliteState::open(&path).map_err(|source| match source.is_damage() {
                true => StartError::StateDamaged { path, source },
                false => StartError::State(source),
            })?;
            Ok(Arc::new(opened))
        }
    }
}
