//! Questions in PromQL: how many at once, how long each may take, which are running, and how to end one.
//!
//! A query runs on the query pool over a snapshot. Its interrupt is flipped by whichever comes first: its deadline, a
//! person, or the client's leaving (dropping the future). One that is over before a thread of the pool had woken up runs
//! where it is asked.

use crate::clock::{Clock, Stopwatch, process_nanos};
use crate::compute::{Compute, ComputeError};
use crate::meter::{Counter, Latency, Meter};
use crate::slow_queries::{SlowQueries, SlowQuery};
use lapwing_query::promql::Reading;
use lapwing_query::{Explain, Interrupt, Query, QueryEngine, QueryError, QueryOptions, QueryResult};
use lapwing_store::Selection;
use lapwing_store::metrics::{MetricsStore, Snapshot};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Threads of one query at most: the other cores are for the next one.
const THREADS_MAX: usize = 4;
/// A query that reads and makes no more points than this in all is small: some hundred microseconds.
const SMALL_POINTS_MAX: i64 = 4096;
/// Its series are looked for in no more places than this: each may be a page from the disk.
const SMALL_PLACES_MAX: usize = 64;
/// Longer expressions are not small, and are read where they are answered: reading takes time too.
const SMALL_EXPR_LEN_MAX: usize = 400;
/// How often samples are expected to come, for want of a look at them.
const USUAL_STEP_MS: i64 = 15_000;

#[derive(Clone, Debug)]
pub struct QueryRequest {
    pub expr: String,
    pub lookback_ms: Option<i64>,
    pub timeout_ms: Option<i64>,
    /// Wants to know what each node of the expression cost.
    pub explain: bool,
}

#[derive(Clone, Copy, Debug)]
pub struct StepRange {
    pub start_ms: i64,
    pub end_ms: i64,
    pub step_ms: i64,
}

#[derive(Clone, Debug)]
pub struct QueryLimits {
    pub concurrency_max: usize,
    /// Queries that may wait for a turn; more are told to come again.
    pub waiting_max: usize,
    pub timeout_ms: i64,
    pub options: QueryOptions,
}

impl Default for QueryLimits {
    fn default() -> Self {
        QueryLimits {
            concurrency_max: 20,
            waiting_max: 200,
            timeout_ms: 120_000,
            options: QueryOptions {
                threads: std::thread::available_parallelism().map_or(2, |n| n.get().min(THREADS_MAX)),
                ..QueryOptions::default()
            },
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum QueryFailure {
    #[error("too many queries are waiting; try again later")]
    Busy,
    #[error("the query was cut off by an error inside Lapwing; it is in the log")]
    Panicked,
    #[error("the engine is stopping")]
    Stopping,
    #[error(transparent)]
    Query(#[from] QueryError),
}

/// An answer, and how long it took to come.
#[derive(Clone, Debug)]
pub struct Answered {
    pub result: QueryResult,
    /// Waiting for a turn.
    pub queue_s: f64,
    pub eval_s: f64,
}

/// One row of the list of running queries.
#[derive(Clone, Debug, serde::Serialize)]
pub struct RunningQuery {
    pub id: u64,
    pub expr: String,
    pub started_ms: i64,
    pub age_ms: i64,
}

/// A cheap handle.
#[derive(Clone)]
pub struct Queries {
    shared: Arc<Shared>,
}

struct Shared {
    store: MetricsStore,
    clock: Clock,
    engine: QueryEngine,
    bounds: Mutex<Bounds>,
    next_id: AtomicU64,
    waiting: AtomicU64,
    running: Mutex<BTreeMap<u64, Entry>>,
    slow: SlowQueries,
    seconds: Latency,
    failures: Counter,
}

/// What a query is run within; exchanged as a whole, so that running queries keep theirs.
#[derive(Clone)]
struct Bounds {
    pool: Compute,
    limits: Arc<QueryLimits>,
}

impl Bounds {
    fn new(limits: &QueryLimits) -> Self {
        Bounds {
            pool: Compute::new("query", limits.concurrency_max),
            limits: Arc::new(limits.clone()),
        }
    }
}

struct Entry {
    expr: String,
    started_ms: i64,
    interrupt: Interrupt,
}

impl Queries {
    pub(crate) fn new(store: MetricsStore, clock: Clock, limits: &QueryLimits, meter: &Meter) -> Self {
        Queries {
            shared: Arc::new(Shared {
                store,
                clock,
                engine: QueryEngine::new(),
                bounds: Mutex::new(Bounds::new(limits)),
                next_id: AtomicU64::new(1),
                waiting: AtomicU64::new(0),
                running: Mutex::default(),
                slow: SlowQueries::default(),
                seconds: meter.latency(
                    "lapwing_query_duration_seconds",
                    "Time one PromQL query took.",
                    &[],
                ),
                failures: meter.counter("lapwing_query_failures_total", "PromQL queries that failed.", &[]),
            }),
        }
    }

    /// For the queries that come from now on.
    pub(crate) fn set_limits(&self, limits: &QueryLimits) {
        *self.shared.bounds.lock().unwrap_or_else(PoisonError::into_inner) = Bounds::new(limits);
    }

    pub async fn instant(&self, request: QueryRequest, at_ms: i64) -> Result<Answered, QueryFailure> {
        let at = StepRange {
            start_ms: at_ms,
            end_ms: at_ms,
            step_ms: 1,
        };
        self.run(request, at, move |query, snapshot, options| {
            query.instant(snapshot, at_ms, options)
        })
        .await
    }

    pub async fn range(&self, request: QueryRequest, range: StepRange) -> Result<Answered, QueryFailure> {
        self.run(request, range, move |query, snapshot, options| {
            let steps = (range.start_ms, range.end_ms, range.step_ms);
            query.range(snapshot, steps, options)
        })
        .await
    }

    pub fn running(&self) -> Vec<RunningQuery> {
        let now_ms = self.shared.clock.now_ms();
        self.lock()
            .iter()
            .map(|(id, entry)| RunningQuery {
                id: *id,
                expr: entry.expr.clone(),
                started_ms: entry.started_ms,
                age_ms: now_ms - entry.started_ms,
            })
            .collect()
    }

    /// How many of the listed wait for a turn.
    pub fn waiting(&self) -> u64 {
        self.shared.waiting.load(Ordering::Relaxed)
    }

    /// Those of the last day that took longest.
    pub fn slow(&self) -> Vec<SlowQuery> {
        self.shared.slow.list(self.shared.clock.now_ms())
    }

    /// False when no such query is running.
    pub fn kill(&self, id: u64) -> bool {
        match self.lock().get(&id) {
            Some(entry) => {
                entry.interrupt.cancel();
                true
            }
            None => false,
        }
    }

    /// Whether a query is over in less time than it takes to wake another thread.
    fn is_small(&self, query: &Query, range: StepRange, options: &QueryOptions) -> bool {
        let snapshot = self.shared.store.snapshot();
        let span_ms = range.end_ms.saturating_sub(range.start_ms);
        let steps = span_ms / range.step_ms.max(1) + 1;
        let points_of = |reading: Reading<'_>| {
            let back_ms = match reading.range {
                _ if reading.in_subquery => return None,
                Some(range) => range.literal_ms()?,
                None => options.lookback_ms,
            };
            let (series, blocks) = snapshot.reach(&Selection {
                matchers: reading.matchers.to_vec(),
                start_ms: range.start_ms.saturating_sub(back_ms),
                end_ms: range.end_ms,
                series_max: None,
            });
            let samples = span_ms.saturating_add(back_ms) / USUAL_STEP_MS;
            let points = samples.saturating_add(steps).saturating_mul(series as i64);
            (series.saturating_mul(blocks) <= SMALL_PLACES_MAX).then_some(points)
        };
        let mut points = query.expr().readings().into_iter().map(points_of);
        let points = points.try_fold(steps, |sum, points| Some(sum.saturating_add(points?)));
        points.is_some_and(|points| points <= SMALL_POINTS_MAX)
    }

    async fn run<F>(&self, request: QueryRequest, range: StepRange, work: F) -> Result<Answered, QueryFailure>
    where
        F: FnOnce(&Query, &Snapshot, &QueryOptions) -> Result<QueryResult, QueryError> + Send + 'static,
    {
        let shared = &self.shared;
        let Bounds { pool, limits } = shared
            .bounds
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        if pool.free() == 0 && shared.waiting.load(Ordering::Relaxed) >= limits.waiting_max as u64 {
            return Err(QueryFailure::Busy);
        }
        let asked = Stopwatch::start();
        let interrupt = Interrupt::default();
        let listed = self.list(&request.expr, &interrupt);
        let mut options = limits.options.clone();
        options.interrupt = interrupt.clone();
        if let Some(lookback_ms) = request.lookback_ms {
            options.lookback_ms = lookback_ms;
        }
        options.explain = request.explain.then_some(Explain { nanos: process_nanos });
        let timeout_ms = request
            .timeout_ms
            .unwrap_or(limits.timeout_ms)
            .clamp(1, limits.timeout_ms);
        let expr = request.expr.clone();
        let read = (expr.len() <= SMALL_EXPR_LEN_MAX).then(|| shared.engine.parse(&expr, &options));
        // With no time at all nothing is begun.
        if request.timeout_ms.is_some_and(|ms| ms <= 0) && !matches!(read, Some(Err(_))) {
            shared.failures.inc();
            return Err(QueryError::Timeout.into());
        }
        let small = match &read {
            Some(Ok(query)) => self.is_small(query, range, &options),
            // What cannot be read is soon answered.
            Some(Err(_)) => true,
            None => false,
        };
        let evaluation = {
            let shared = shared.clone();
            let waiting = Waiting::new(&shared);
            async move {
                let inner = shared.clone();
                let evaluate = move || {
                    drop(waiting);
                    let queue_s = asked.elapsed_s();
                    let watch = Stopwatch::start();
                    let query = read.unwrap_or_else(|| inner.engine.parse(&request.expr, &options))?;
                    let snapshot = inner.store.snapshot();
                    let result = work(&query, &snapshot, &options)?;
                    Ok(Answered {
                        result,
                        queue_s,
                        eval_s: watch.elapsed_s(),
                    })
                };
                match small {
                    true => pool.run_here(evaluate).await,
                    false => pool.run(evaluate).await,
                }
            }
        };
        let deadline = tokio::time::sleep(Duration::from_millis(timeout_ms as u64));
        let outcome = await_with_deadline(evaluation, deadline, &interrupt).await;
        drop(listed);
        let took_s = asked.elapsed_s();
        shared.seconds.observe_s(took_s);
        let flat = match outcome {
            Ok(result) => result.map_err(QueryFailure::Query),
            Err(ComputeError::Panicked) => Err(QueryFailure::Panicked),
            Err(ComputeError::Stopping) => Err(QueryFailure::Stopping),
            Err(ComputeError::NoThread { .. }) => Err(QueryFailure::Busy),
        };
        if flat.is_err() {
            shared.failures.inc();
        }
        let failure = flat.as_ref().err().map(ToString::to_string);
        shared.slow.note(&expr, took_s, failure, shared.clock.now_ms());
        flat
    }

    /// Puts the query on the list; it leaves, interrupted, when the guard goes.
    fn list(&self, expr: &str, interrupt: &Interrupt) -> Listed {
        let id = self.shared.next_id.fetch_add(1, Ordering::Relaxed);
        let entry = Entry {
            expr: expr.to_owned(),
            started_ms: self.shared.clock.now_ms(),
            interrupt: interrupt.clone(),
        };
        self.lock().insert(id, entry);
        Listed {
            queries: self.clone(),
            id,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<u64, Entry>> {
        self.shared.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn await_with_deadline<T>(
    evaluation: impl Future<Output = T>,
    deadline: tokio::time::Sleep,
    interrupt: &Interrupt,
) -> T {
    tokio::pin!(evaluation, deadline);
    tokio::select! {
        result = &mut evaluation => result,
        () = &mut deadline => {
            interrupt.time_out();
            evaluation.await
        }
    }
}

/// A query that is listed; when the client leaves, this is dropped and the evaluation ends at its next check.
struct Listed {
    queries: Queries,
    id: u64,
}

impl Drop for Listed {
    fn drop(&mut self) {
        if let Some(entry) = self.queries.lock().remove(&self.id) {
            entry.interrupt.cancel();
        }
    }
}

/// Counts one query among those that wait for a slot, until it is dropped.
struct Waiting(Arc<Shared>);

impl Waiting {
    fn new(shared: &Arc<Shared>) -> Self {
        shared.waiting.fetch_add(1, Ordering::Relaxed);
        Waiting(shared.clone())
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
