//! All targets, each on its time: the one place of scraping that waits.
//!
//! One task sleeps until the next slot and starts what is due, each scrape as a task of its own. Two scrapes of one
//! target never overlap: a slot that comes while the last scrape is under way is counted as missed. Bounds: fetches in
//! flight ([`ScraperOptions::fetches_max`], each one socket and one body), pages read at once (the CPU's part).
//!
//! A target that is removed has its series ended, at once or when the scrape under way is done; stopping the scraper
//! ends nothing, so that a restart leaves no gaps.

use super::error::ScrapeError;
use super::job::Job;
use super::once::{ScrapeState, ScrapeSummary, Subject, Surroundings, end_target, scrape_once};
use super::status::{DroppedTarget, Health, TargetStatus};
use super::target::{Target, with_defaults};
use crate::schedule::{Due, Schedule, TargetId};
use crate::sink::{BatchSink, Clock, Stopwatch};
use lapwing_types::{Labels, Metadata};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, Semaphore, watch};
use tokio::task::JoinSet;

/// The clock is looked at this often at least, so that a jump of it is noticed.
const SLEEP_MAX: Duration = Duration::from_secs(1);
/// Dropped targets kept per job for the targets' page where the job does not say; a cluster drops thousands.
const DROPPED_MAX: usize = 1000;

#[derive(Clone)]
pub struct ScraperOptions {
    pub sink: Arc<dyn BatchSink>,
    pub clock: Clock,
    /// How long a scrape takes is told by this one; by the clock where there is no better.
    pub stopwatch: Stopwatch,
    /// Derivation: 10 000 targets every 15 s, one in ten of them so slow that it takes its whole 10 s.
    pub fetches_max: usize,
    /// Pages read at once, each on a thread of its own.
    pub reads_max: usize,
}

impl ScraperOptions {
    pub fn new(sink: Arc<dyn BatchSink>, clock: Clock) -> Self {
        let cores = std::thread::available_parallelism().map_or(2, |n| n.get());
        let told = clock.clone();
        ScraperOptions {
            sink,
            clock,
            stopwatch: Arc::new(move || told().unsigned_abs().saturating_mul(1_000_000)),
            fetches_max: 1024,
            reads_max: cores,
        }
    }
}

/// Totals since the start.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ScraperStats {
    pub scrapes: u64,
    pub samples: u64,
    pub refused: u64,
    pub duplicates: u64,
    pub missed_slots: u64,
    pub in_flight: u64,
    /// By [`ScrapeError::reason`].
    pub failures: BTreeMap<&'static str, u64>,
}

/// A handle; cheap to clone. The scraping ends with [`Scraper::stop`].
#[derive(Clone)]
pub struct Scraper {
    shared: Arc<Shared>,
}

struct Shared {
    around: Surroundings,
    fetches: Arc<Semaphore>,
    changed: Notify,
    stop: watch::Sender<bool>,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    schedule: Schedule,
    entries: HashMap<TargetId, Entry>,
    dropped: BTreeMap<String, Dropped>,
    /// Work for the loop: targets that are gone and whose series are still to be ended.
    gone: Vec<(Subject, Box<ScrapeState>)>,
    stats: ScraperStats,
}

/// What a job does not scrape of what was found for it.
#[derive(Default)]
struct Dropped {
    count: usize,
    /// Some of them, at most [`DROPPED_MAX`] unless the job says otherwise.
    kept: Vec<DroppedTarget>,
}

struct Entry {
    subject: Subject,
    /// `None` while a scrape holds it.
    state: Option<Box<ScrapeState>>,
    last: Option<ScrapeSummary>,
    metadata: Arc<HashMap<String, Metadata>>,
    overlaps: u64,
}

impl Scraper {
    /// Starts the scraping task on the current tokio runtime; without targets it only waits.
    pub fn start(options: ScraperOptions) -> Self {
        let (stop, stopped) = watch::channel(false);
        let shared = Arc::new(Shared {
            around: Surroundings {
                sink: options.sink,
                clock: options.clock,
                stopwatch: options.stopwatch,
                readers: Arc::new(Semaphore::new(options.reads_max.max(1))),
            },
            fetches: Arc::new(Semaphore::new(options.fetches_max.max(1))),
            changed: Notify::new(),
            stop,
            inner: Mutex::default(),
        });
        tokio::spawn(run(shared.clone(), stopped));
        Scraper { shared }
    }

    /// Makes the job's targets exactly these. Targets that stay keep their slot and what is known about them.
    pub fn set_targets(&self, job: &Arc<Job>, discovered: &[Labels]) {
        let now_ms = (self.shared.around.clock)();
        let mut dropped = Dropped::default();
        let kept_max = match job.config.keep_dropped_targets {
            0 => DROPPED_MAX,
            limit => limit as usize,
        };
        let mut targets: HashMap<TargetId, Target> = HashMap::new();
        for labels in discovered {
            let error = match Target::resolve(labels, job) {
                Ok(Some(target)) => {
                    targets.insert(target.id, target);
                    continue;
                }
                Ok(None) => None,
                Err(error) => Some(error),
            };
            dropped.count += 1;
            if dropped.kept.len() < kept_max {
                dropped.kept.push(DroppedTarget {
                    job: job.name().to_owned(),
                    discovered: with_defaults(labels, job),
                    error,
                });
            }
        }
        let (count, limit) = (targets.len() as u64, job.config.target_limit);
        let blocked = (limit > 0 && count > limit).then_some(ScrapeError::TargetLimit {
            targets: count,
            limit,
        });
        let mut inner = self.shared.lock();
        inner.dropped.insert(job.name().to_owned(), dropped);
        let keep: HashSet<TargetId> = targets.keys().copied().collect();
        inner.remove_where(|id, entry| entry.subject.job.name() == job.name() && !keep.contains(id));
        for (id, target) in targets {
            inner.schedule.insert(id, target.interval_ms, now_ms);
            let subject = Subject {
                job: job.clone(),
                target: Arc::new(target),
                blocked: blocked.clone(),
            };
            inner.put(id, subject);
        }
        drop(inner);
        self.shared.changed.notify_one();
    }

    /// Ends the job and all of its series.
    pub fn remove_job(&self, job_name: &str) {
        let mut inner = self.shared.lock();
        inner.dropped.remove(job_name);
        inner.remove_where(|_, entry| entry.subject.job.name() == job_name);
        drop(inner);
        self.shared.changed.notify_one();
    }

    /// By job, then URL.
    pub fn targets(&self) -> Vec<TargetStatus> {
        let inner = self.shared.lock();
        let mut all: Vec<TargetStatus> = inner
            .entries
            .iter()
            .map(|(id, entry)| {
                let last_error = entry.last.as_ref().and_then(|l| l.error.clone());
                TargetStatus {
                    id: *id,
                    job: entry.subject.job.name().to_owned(),
                    target: entry.subject.target.clone(),
                    health: match (&entry.last, &last_error) {
                        (None, _) => Health::Unknown,
                        (Some(_), None) => Health::Up,
                        (Some(_), Some(_)) => Health::Down,
                    },
                    last_error,
                    last: entry.last.clone(),
                    missed: inner.schedule.missed(*id) + entry.overlaps,
                }
            })
            .collect();
        drop(inner);
        all.sort_by(|a, b| (&a.job, &a.target.url).cmp(&(&b.job, &b.target.url)));
        all
    }

    /// At most [`DROPPED_MAX`] per job.
    pub fn dropped_targets(&self) -> Vec<DroppedTarget> {
        let inner = self.shared.lock();
        inner.dropped.values().flat_map(|d| &d.kept).cloned().collect()
    }

    /// How many each job dropped, those among them that are not kept.
    pub fn dropped_counts(&self) -> BTreeMap<String, usize> {
        let inner = self.shared.lock();
        let counts = inner.dropped.iter().map(|(job, d)| (job.clone(), d.count));
        counts.collect()
    }

    /// What the target's last page said about its families.
    pub fn target_metadata(&self, id: TargetId) -> Option<Arc<HashMap<String, Metadata>>> {
        Some(self.shared.lock().entries.get(&id)?.metadata.clone())
    }

    pub fn stats(&self) -> ScraperStats {
        let inner = self.shared.lock();
        let mut stats = inner.stats.clone();
        stats.missed_slots += inner
            .entries
            .keys()
            .map(|id| inner.schedule.missed(*id))
            .sum::<u64>();
        stats.in_flight = inner.entries.values().filter(|e| e.state.is_none()).count() as u64;
        stats
    }

    /// No new scrape starts; returns when those under way have been written (each ends within its timeout).
    pub async fn stop(&self) {
        self.shared.stop.send_replace(true);
        self.shared.stop.closed().await;
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what is due and says how long to sleep.
    fn start_due(self: &Arc<Self>, last_ms: &mut i64, tasks: &mut JoinSet<()>) -> Duration {
        let now_ms = (self.around.clock)();
        let mut inner = self.lock();
        if now_ms < *last_ms {
            inner.schedule.rewind(now_ms);
        }
        *last_ms = now_ms;
        for (subject, state) in std::mem::take(&mut inner.gone) {
            let shared = self.clone();
            tasks.spawn_blocking(move || shared.end(&subject, state));
        }
        for due in inner.schedule.due(now_ms) {
            let Some(entry) = inner.entries.get_mut(&due.id) else {
                continue;
            };
            match entry.state.take() {
                Some(state) => {
                    tasks.spawn(scrape(self.clone(), entry.subject.clone(), state, due));
                }
                None => {
                    entry.overlaps += 1;
                    inner.stats.missed_slots += 1;
                }
            }
        }
        match inner.schedule.next_due_ms() {
            Some(next_ms) => Duration::from_millis((next_ms - now_ms).max(0) as u64).min(SLEEP_MAX),
            None => SLEEP_MAX,
        }
    }

    /// Puts the state back, or ends the series of a target that was removed meanwhile.
    fn finish(&self, subject: &Subject, state: Box<ScrapeState>, summary: ScrapeSummary) {
        let mut inner = self.lock();
        inner.stats.scrapes += 1;
        inner.stats.samples += summary.error.as_ref().map_or(summary.samples_kept, |_| 0);
        inner.stats.refused += summary.refused;
        inner.stats.duplicates += summary.duplicates;
        if let Some(error) = &summary.error {
            *inner.stats.failures.entry(error.reason()).or_default() += 1;
        }
        match inner.entries.get_mut(&subject.target.id) {
            Some(entry) => {
                entry.metadata = state.metadata.clone();
                // Once, and not with every scrape: the status repeats it for as long as it lasts.
                let was_whole = entry.last.as_ref().is_none_or(|l| l.warnings.is_empty());
                for warning in summary.warnings.iter().filter(|_| was_whole) {
                    tracing::warn!(url = subject.target.url, "a page is kept in part: {warning}");
                }
                entry.last = Some(summary);
                let same_rules = entry.subject.job.config == subject.job.config;
                entry.state = Some(if same_rules { state } else { Box::default() });
            }
            None => {
                inner.gone.push((subject.clone(), state));
                drop(inner);
                self.changed.notify_one();
            }
        }
    }

    fn end(&self, subject: &Subject, mut state: Box<ScrapeState>) {
        let now_ms = (self.around.clock)();
        let batch = end_target(subject, &mut state, now_ms);
        if let Err(error) = self.around.sink.write(subject.job.name(), batch, now_ms) {
            tracing::warn!(url = subject.target.url, %error, "series of a removed target could not be ended");
        }
    }
}

impl Inner {
    fn put(&mut self, id: TargetId, subject: Subject) {
        match self.entries.get_mut(&id) {
            Some(entry) => {
                // Other rules give other labels: what was learnt under the old ones is void.
                if entry.subject.job.config != subject.job.config && entry.state.is_some() {
                    entry.state = Some(Box::default());
                }
                entry.subject = subject;
            }
            None => {
                let entry = Entry {
                    subject,
                    state: Some(Box::default()),
                    last: None,
                    metadata: Arc::default(),
                    overlaps: 0,
                };
                self.entries.insert(id, entry);
            }
        }
    }

    fn remove_where(&mut self, gone: impl Fn(&TargetId, &Entry) -> bool) {
        let ids: Vec<TargetId> = self
            .entries
            .iter()
            .filter(|(id, entry)| gone(id, entry))
            .map(|(id, _)| *id)
            .collect();
        for id in ids {
            self.stats.missed_slots += self.schedule.remove(id).unwrap_or(0);
            if let Some(entry) = self.entries.remove(&id)
                && let Some(state) = entry.state
            {
                self.gone.push((entry.subject, state));
            }
        }
    }
}

async fn run(shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut tasks = JoinSet::new();
    let mut last_ms = i64::MIN;
    loop {
        let sleep = shared.start_due(&mut last_ms, &mut tasks);
        while tasks.try_join_next().is_some() {}
        tokio::select! {
            _ = stopped.wait_for(|stop| *stop) => break,
            () = shared.changed.notified() => {}
            () = tokio::time::sleep(sleep) => {}
        }
    }
    // Scrapes under way end within their timeouts; their samples are not thrown away.
    while tasks.join_next().await.is_some() {}
}

async fn scrape(shared: Arc<Shared>, subject: Subject, state: Box<ScrapeState>, due: Due) {
    let permit = shared.fetches.clone().acquire_owned().await;
    let (state, summary) = scrape_once(&subject, state, due.slot_ms, &shared.around).await;
    drop(permit);
    if let Some(error) = &summary.error {
        tracing::debug!(url = subject.target.url, %error, "scrape failed");
    }
    shared.finish(&subject, state, summary);
}
