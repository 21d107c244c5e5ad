//! What an engine does by itself, as a list of jobs in the order in which they start.

use crate::engine::Engine;
use crate::jobs::Jobs;
use crate::options::EngineOptions;
use lapwing_collect::host::HostCollector;
use lapwing_collect::process::ProcessCollector;
use lapwing_types::WriteBatch;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How often the store is asked to flush, compact and forget: often enough that a closed window leaves memory within
/// seconds, and cheap when there is nothing to do.
const MAINTENANCE_PERIOD: Duration = Duration::from_secs(5);

pub(crate) fn start(engine: &Engine, options: &EngineOptions) -> Jobs {
    let mut jobs = Jobs::new(engine.meter());
    start_maintenance(&mut jobs, engine);
    if let Some(period) = options.own_interval {
        start_own(&mut jobs, engine, period);
    }
    if let Some(period) = options.host_interval {
        start_host(&mut jobs, engine, period);
    }
    jobs
}

fn start_maintenance(jobs: &mut Jobs, engine: &Engine) {
    let engine = engine.clone();
    jobs.every("maintain", MAINTENANCE_PERIOD, move || {
        let engine = engine.clone();
        async move {
            let (store, now_ms) = (engine.store().clone(), engine.now_ms());
            match engine.compute_queries(move || store.maintain(now_ms)).await {
                Ok(report) => report
                    .failures
                    .iter()
                    .for_each(|failure| tracing::error!("store maintenance: {failure}")),
                Err(error) => tracing::error!(%error, "store maintenance was cut off"),
            }
        }
    });
}

/// Lapwing's own series, labelled as a scrape of itself would label them.
fn start_own(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let engine = engine.clone();
    let process = Arc::new(Mutex::new(ProcessCollector::own()));
    jobs.every("own_metrics", period, move || {
        let (engine, process) = (engine.clone(), process.clone());
        async move {
            let now_ms = engine.now_ms();
            let mut batch = engine.meter().gather(now_ms, &[]);
            let mut process = process.lock().unwrap_or_else(PoisonError::into_inner);
            let own = process.collect(now_ms);
            batch.series.extend(own.series);
            batch.metadata.extend(own.metadata);
            keep(&engine, "lapwing", batch, now_ms);
        }
    });
}

fn start_host(jobs: &mut Jobs, engine: &Engine, period: Duration) {
    let engine = engine.clone();
    let host = Arc::new(Mutex::new(HostCollector::new("/".into())));
    jobs.every("host", period, move || {
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
                Ok(batch) => keep(&engine, "host", batch, now_ms),
                Err(error) => tracing::error!(%error, "measuring the host was cut off"),
            }
        }
    });
}

/// Appends what a job of the engine itself measured, under `job` and `instance` labels like any scrape.
fn keep(engine: &Engine, job: &str, mut batch: WriteBatch, now_ms: i64) {
    let instance = crate::hostname();
    for series in &mut batch.series {
        let mut builder = series.labels.to_builder();
        builder.set("job", job).set("instance", instance.as_str());
        series.labels = builder.build();
    }
    let mut appender = engine.store().appender(job, now_ms);
    appender.append_batch(&batch);
    match appender.commit() {
        Ok(outcome) if outcome.refused_count == 0 => {}
        Ok(outcome) => tracing::warn!(
            job,
            refused = outcome.refused_count,
            "own samples were refused, the first: {}",
            outcome.refused.first().map(ToString::to_string).unwrap_or_default()
        ),
        Err(error) => tracing::error!(job, %error, "own samples could not be kept"),
    }
}
