//! What an engine does by itself, as a list of jobs in the order in which they start.

use crate::compute::Background;
use crate::engine::Engine;
use crate::jobs::Jobs;
use crate::options::EngineOptions;
use crate::scraping::local_candidates;
use crate::upkeep::UpkeepNumbers;
use lapwing_collect::gpu::{GpuCollector, GpuError, GpuOptions, NvmlSource};
use lapwing_collect::host::HostCollector;
use lapwing_types::WriteBatch;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the store is asked whether a window is over, or a round left more to do: what is in a block leaves memory within a
/// second or two.
const MAINTENANCE_LOOK: Duration = Duration::from_millis(500);
/// Every so many looks there is a round in any case: series that ended leave, memory is measured, blocks are scrubbed.
const LOOKS_PER_ROUND: u32 = 10;
/// A model server takes minutes to load its weights; half a minute more until it is seen is not noticed.
const LOCAL_PERIOD: Duration = Duration::from_secs(30);

pub(crate) fn start(engine: &Engine, options: &EngineOptions, upkeep: Background) -> Jobs {
    let mut jobs = Jobs::new(engine.meter());
    if options.asks_only {
        return jobs;
    }
    // A hand-turned clock stands still between its turns; `Engine::advance` does what is due.
    if engine.clock().is_simulated() {
        return jobs;
    }
    start_sdk(&mut jobs, engine, options.sdk_interval);
    start_maintenance(&mut jobs, engine, upkeep);
    start_rules(&mut jobs, engine);
    start_dispatch(&mut jobs, engine);
    start_forgetting(&mut jobs, engine);
    crate::health::start(&mut jobs, engine);
    crate::health::start_probes(&mut jobs, engine);
    crate::forward::start(&mut jobs, engine);
    start_pushed(&mut jobs, engine);
    if let Some(period) = options.own_interval {
        start_own(&mut jobs, engine, period);
    }
    jobs
}

/// What of the jobs hangs on the configuration; they are started anew when one of these differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SourceOptions {
    host_interval: Option<Duration>,
    pub(crate) find_local: bool,
    find_local_ports: Vec<u16>,
    own_port: Option<u16>,
}

impl SourceOptions {
    pub(crate) fn of(options: &EngineOptions) -> Self {
        SourceOptions {
            host_interval: options.host_interval,
            find_local: options.find_local,
            find_local_ports: options.find_local_ports.clone(),
            own_port: options.own_port,
        }
    }
}

/// The jobs that look at this machine.
pub(crate) fn start_sources(engine: &Engine, options: &SourceOptions) -> Jobs {
    let mut jobs = Jobs::new(engine.meter());
    if let Some(period) = options.host_interval {
        start_host(&mut jobs, engine, period);
        start_gpus(&mut jobs, engine, period);
    }
    if options.find_local {
        start_local_discovery(&mut jobs, engine, options);
    }
    jobs
}

fn start_sdk(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let engine = engine.clone();
    jobs.every("sdk", period, move || {
        let engine = engine.clone();
        async move {
            let inner = engine.clone();
            if let Err(error) = engine.compute_ingest(move || inner.gather_sdk()).await {
                tracing::error!(%error, "gathering the program's own metrics was cut off");
            }
        }
    });
}

fn start_maintenance(jobs: &mut Jobs, engine: &Engine, upkeep: Background) {
    let engine = engine.clone();
    let numbers = Arc::new(UpkeepNumbers::new(engine.meter()));
    let has_more = Arc::new(AtomicBool::new(false));
    let mut looks = 0u32;
    jobs.every("maintain", MAINTENANCE_LOOK, move || {
        let is_turn = looks.is_multiple_of(LOOKS_PER_ROUND);
        looks = looks.wrapping_add(1);
        let (engine, numbers, upkeep) = (engine.clone(), numbers.clone(), upkeep.clone());
        let has_more = has_more.clone();
        async move {
            let (store, now_ms) = (engine.store().clone(), engine.now_ms());
            if !is_turn && !has_more.load(Ordering::Relaxed) && !store.is_maintenance_due(now_ms) {
                return;
            }
            let round = move || {
                let report = store.maintain(now_ms);
                numbers.note(&store, &report);
                report
            };
            match upkeep.run(round).await {
                Ok(report) => {
                    has_more.store(report.has_more, Ordering::Relaxed);
                    for failure in &report.failures {
                        tracing::error!("store maintenance: {failure}");
                    }
                }
                Err(error) => tracing::error!(%error, "store maintenance was cut off"),
            }
        }
    });
}

/// Rules are due at their own slots; a second is the finest interval that Prometheus files use in practice.
const RULES_PERIOD: Duration = Duration::from_secs(1);
/// Dispatch looks at what it has this often when nothing is due and nothing else happens: clocks may be set.
const DISPATCH_PERIOD: Duration = Duration::from_millis(500);
/// What is due again at once waits this long, so that a state that cannot be written does not keep a processor busy.
const DISPATCH_PAUSE: Duration = Duration::from_millis(5);

fn start_rules(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("rules", RULES_PERIOD, move || {
        let engine = engine.clone();
        async move {
            let (paging, store, now_ms) = (engine.paging().clone(), engine.store().clone(), engine.now_ms());
            let health = engine.health().clone();
            let is_scraped = engine.scraping().is_scraped();
            // Missed slots are caught up at once, a bounded number per turn of the locks.
            let tick = move || while paging.tick((&store, &health), is_scraped, now_ms) {};
            if let Err(error) = engine.compute_queries(tick).await {
                tracing::error!(%error, "a tick of the rules was cut off");
            }
        }
    });
}

fn start_dispatch(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.spawn("dispatch", move |mut stopped| async move {
        loop {
            let next_ms = engine.paging().dispatch_due(engine.clock()).await;
            let until_due = next_ms.map(|at_ms| (at_ms - engine.now_ms()).max(0).unsigned_abs());
            let pause = until_due.map_or(DISPATCH_PERIOD, Duration::from_millis);
            tokio::select! {
                () = engine.paging().woken() => {}
                () = tokio::time::sleep(pause.clamp(DISPATCH_PAUSE, DISPATCH_PERIOD)) => {}
                _ = stopped.wait_for(|stop| *stop) => break,
            }
        }
        engine.paging().settle();
    });
}

/// How often old rows of the record are let go: they cost disk, and nothing else.
const FORGETTING_PERIOD: Duration = Duration::from_secs(3600);

fn start_forgetting(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("forget_history", FORGETTING_PERIOD, move || {
        let engine = engine.clone();
        async move {
            let (paging, now_ms) = (engine.paging().clone(), engine.now_ms());
            let forget = move || paging.forget_history(now_ms);
            if let Err(error) = engine.compute_queries(forget).await {
                tracing::error!(%error, "letting go of old decisions was cut off");
            }
        }
    });
}

/// Pushed groups get a sample as often as scraped targets do by default.
const PUSHED_PERIOD: Duration = Duration::from_secs(15);

fn start_pushed(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("pushed", PUSHED_PERIOD, move || {
        let engine = engine.clone();
        async move {
            let (inner, now_ms) = (engine.clone(), engine.now_ms());
            let turn = move || inner.pushed().turn(inner.store(), now_ms);
            match engine.compute_ingest(turn).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::error!(%error, "pushed groups got no sample"),
                Err(error) => tracing::error!(%error, "the turn of pushed groups was cut off"),
            }
        }
    });
}

/// Lapwing's own series, labelled as a scrape of itself would label them.
fn start_own(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let engine = engine.clone();
    let labels = vec![
        ("instance".to_owned(), crate::hostname()),
        ("job".to_owned(), "lapwing".to_owned()),
    ];
    jobs.every_and_soon("own_metrics", period, move || {
        let (engine, labels) = (engine.clone(), labels.clone());
        async move {
            let (inner, now_ms) = (engine.clone(), engine.now_ms());
            let gather = move || inner.own_metrics(now_ms, &labels);
            match engine.compute_queries(gather).await {
                Ok(batch) => keep(&engine, "lapwing", &batch, now_ms),
                Err(error) => tracing::error!(%error, "gathering Lapwing's own series was cut off"),
            }
        }
    });
}

fn start_host(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let engine = engine.clone();
    let labels = vec![
        ("instance".to_owned(), crate::hostname()),
        ("job".to_owned(), "node".to_owned()),
    ];
    let host = HostCollector::new("/".into()).with_labels(labels);
    let host = Arc::new(Mutex::new(host));
    jobs.every_and_soon("host", period, move || {
        let (engine, host) = (engine.clone(), host.clone());
        async move {
            let now_ms = engine.now_ms();
            let collected = engine
                .compute_ingest(move || {
                    let mut host = host.lock().unwrap_or_else(PoisonError::into_inner);
                    host.collect(now_ms)
                })
                .await;
            match collected {
                Ok(batch) => keep(&engine, "node", &batch, now_ms),
                Err(error) => tracing::error!(%error, "measuring the host was cut off"),
            }
        }
    });
}

/// GPUs through the driver's own library; a machine without one is the ordinary case and nothing is said.
fn start_gpus(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let source = match NvmlSource::load() {
        Ok(source) => source,
        Err(GpuError::NoLibrary) => return,
        Err(error) => {
            tracing::warn!(%error, "there is a GPU driver, but it does not answer: GPUs are not measured");
            return;
        }
    };
    let options = GpuOptions {
        root: "/".into(),
        labels: vec![
            ("hostname".to_owned(), crate::hostname()),
            ("instance".to_owned(), crate::hostname()),
            ("job".to_owned(), "gpu".to_owned()),
        ],
        expected: None,
    };
    let gpus = Arc::new(Mutex::new(GpuCollector::new(Box::new(source), options)));
    let engine = engine.clone();
    jobs.every("gpu", period, move || {
        let (engine, gpus) = (engine.clone(), gpus.clone());
        async move {
            let now_ms = engine.now_ms();
            let collected = engine
                .compute_ingest(move || {
                    gpus.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .collect(now_ms)
                })
                .await;
            match collected {
                Ok(batch) => keep(&engine, "gpu", &batch, now_ms),
                Err(error) => tracing::error!(%error, "measuring the GPUs was cut off"),
            }
        }
    });
}

fn start_local_discovery(jobs: &mut Jobs, engine: &Engine, options: &SourceOptions) {
    let ports = local_candidates(&options.find_local_ports, options.own_port);
    let (engine, candidates) = (engine.clone(), Arc::new(ports));
    jobs.every("find_local", LOCAL_PERIOD, move || {
        let (engine, candidates) = (engine.clone(), candidates.clone());
        async move { engine.scraping().find_local(&candidates, engine.now_ms()).await }
    });
}

/// Appends what a job of the engine itself measured.
fn keep(engine: &Engine, source: &str, batch: &WriteBatch, now_ms: i64) {
    let mut appender = engine.store().appender(source, now_ms);
    appender.append_batch(batch);
    match appender.commit() {
        Ok(outcome) => {
            if let Some(first) = outcome.refused.first() {
                tracing::warn!(
                    source,
                    refused = outcome.refused_count,
                    "own samples were refused, the first: {}: {}",
                    first.labels,
                    first.reason
                );
            }
        }
        Err(error) => tracing::error!(source, %error, "own samples could not be kept"),
    }
}
