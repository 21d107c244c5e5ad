//! Runs the discoveries of every job and hands what they find to the scraper, or to whoever else wants to know.
//!
//! One task per provider: ask, wait, ask again. An answer that fails leaves the last good one in force, is counted and
//! shown; the pause after it grows up to [`BACKOFF_MAX_MS`], with no end to the trying.

use super::config::DiscoveryConfig;
use super::dns::DnsProvider;
use super::docker::DockerProvider;
use super::error::DiscoveryError;
use super::file::FileProvider;
use super::group::TargetGroup;
use super::http_sd::HttpProvider;
use super::kubernetes::KubernetesProvider;
use super::provider::{Provider, TARGETS_MAX};
use crate::scrape::{Job, Scraper};
use crate::sink::Clock;
use lapwing_types::Labels;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::task::JoinHandle;

const BACKOFF_MIN_MS: i64 = 1000;
const BACKOFF_MAX_MS: i64 = 60_000;

/// How one provider fares.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DiscoveryStatus {
    pub job: String,
    pub provider: String,
    pub targets: usize,
    pub last_success_ms: Option<i64>,
    pub last_error: Option<String>,
    pub failures: u64,
}

/// Whom to tell what was found; each time all of it.
pub type Tell = Arc<dyn Fn(&[Labels]) + Send + Sync>;

/// Keeps the providers of each name running; dropping it ends them all.
pub struct Discoveries {
    clock: Clock,
    named: Mutex<BTreeMap<String, Running>>,
}

/// The discoveries of scrape jobs, by the jobs' names.
pub struct DiscoveryManager {
    scraper: Scraper,
    discoveries: Discoveries,
}

struct Running {
    board: Arc<Board>,
    tasks: Vec<JoinHandle<()>>,
}

impl Drop for Running {
    fn drop(&mut self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

/// What the providers of one job have found so far.
struct Board {
    name: String,
    tell: Tell,
    found: Mutex<Vec<Found>>,
}

struct Found {
    /// `None` before the first answer.
    targets: Option<Vec<Labels>>,
    status: DiscoveryStatus,
}

impl DiscoveryStatus {
    /// What a person must know of the targets of its job while it fails.
    pub fn warning(&self) -> Option<String> {
        let error = self.last_error.as_ref()?;
        let stands = match self
            .last_success_ms
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        {
            Some(at) => format!("what stands is what it said at {at:.0}"),
            None => "it has not answered yet".to_owned(),
        };
        Some(format!("discovery fails ({}): {error}; {stands}", self.provider))
    }
}

impl DiscoveryManager {
    pub fn new(scraper: Scraper, clock: Clock) -> Self {
        DiscoveryManager {
            scraper,
            discoveries: Discoveries::new(clock),
        }
    }

    /// Starts the job, or restarts it with another configuration.
    pub fn set_job(&self, job: &Arc<Job>) -> Result<(), DiscoveryError> {
        let (scraper, told) = (self.scraper.clone(), job.clone());
        let tell: Tell = Arc::new(move |targets| scraper.set_targets(&told, targets));
        self.discoveries.set(job.name(), &job.config.discovery, tell)
    }

    /// Ends the job, its providers and its targets.
    pub fn remove_job(&self, name: &str) {
        self.discoveries.remove(name);
        self.scraper.remove_job(name);
    }

    /// Ends the looking, not the targets: what a process does that will be back.
    pub fn stop(&self) {
        self.discoveries.stop();
    }

    pub fn job_names(&self) -> Vec<String> {
        self.discoveries.names()
    }

    pub fn statuses(&self) -> Vec<DiscoveryStatus> {
        self.discoveries.statuses()
    }
}

impl Discoveries {
    pub fn new(clock: Clock) -> Self {
        Discoveries {
            clock,
            named: Mutex::default(),
        }
    }

    /// Starts the providers of a name, or restarts them with another configuration. What a provider had found stays in force until
    /// its successor of the same name answers, so that a reload ends no series.
    pub fn set(&self, name: &str, config: &DiscoveryConfig, tell: Tell) -> Result<(), DiscoveryError> {
        let providers = providers(config)?;
        let mut named = self.lock();
        let before = named.remove(name).map(|r| r.board.clone());
        let statics = statics(config);
        let mut found = vec![Found {
            status: DiscoveryStatus {
                job: name.to_owned(),
                provider: "static".to_owned(),
                targets: statics.len(),
                last_success_ms: Some((self.clock)()),
                ..DiscoveryStatus::default()
            },
            targets: Some(statics),
        }];
        for provider in &providers {
            let status = DiscoveryStatus {
                job: name.to_owned(),
                provider: own_name(&provider.name(), &found),
                ..DiscoveryStatus::default()
            };
            let targets = before.as_ref().and_then(|b| b.targets_of(&status.provider));
            found.push(Found { targets, status });
        }
        let board = Arc::new(Board {
            name: name.to_owned(),
            tell,
            found: Mutex::new(found),
        });
        board.publish();
        let tasks = providers
            .into_iter()
            .enumerate()
            .map(|(i, provider)| tokio::spawn(run(provider, i + 1, board.clone(), self.clock.clone())))
            .collect();
        named.insert(name.to_owned(), Running { board, tasks });
        Ok(())
    }

    pub fn remove(&self, name: &str) {
        self.lock().remove(name);
    }

    /// Ends all of the looking.
    pub fn stop(&self) {
        self.lock().clear();
    }

    pub fn names(&self) -> Vec<String> {
        self.lock().keys().cloned().collect()
    }

    pub fn statuses(&self) -> Vec<DiscoveryStatus> {
        self.lock().values().flat_map(|r| r.board.statuses()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Running>> {
        self.named.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Board {
    /// Notes an answer, and what was amiss with it all the same; false when it failed.
    fn note(
        &self,
        i: usize,
        (answer, complaint): (Result<Vec<TargetGroup>, DiscoveryError>, Option<DiscoveryError>),
        now_ms: i64,
    ) -> bool {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = &mut found[i];
        match answer {
            Ok(groups) => {
                match complaint {
                    Some(error) => self.note_failure(&mut entry.status, &error),
                    None => entry.status.last_error = None,
                }
                let targets: Vec<Labels> = groups.into_iter().flat_map(|g| g.targets).collect();
                entry.status.targets = targets.len();
                entry.targets = Some(targets);
                entry.status.last_success_ms = Some(now_ms);
                drop(found);
                self.publish();
                true
            }
            Err(error) => {
                self.note_failure(&mut entry.status, &error);
                let first = entry.status.failures == 1;
                drop(found);
                if first {
                    self.publish();
                }
                false
            }
        }
    }

    fn note_failure(&self, status: &mut DiscoveryStatus, error: &DiscoveryError) {
        let detail = std::error::Error::source(error).map_or(String::new(), |s| format!(": {s}"));
        let text = format!("{error}{detail}");
        // Once, and not with every look: the status repeats it for as long as it lasts.
        if status.last_error.as_ref() != Some(&text) {
            tracing::warn!(job = self.name, provider = status.provider, "{text}");
        }
        status.last_error = Some(text);
        status.failures += 1;
    }

    /// Hands over what is known, once every provider has answered or failed: half of a job's targets would end the
    /// series of the other half.
    fn publish(&self) {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if found.iter().all(|f| f.targets.is_some() || f.status.failures > 0) {
            let targets: Vec<Labels> = found
                .iter()
                .flat_map(|f| f.targets.iter().flatten().cloned())
                .collect();
            (self.tell)(&targets);
        }
    }

    fn statuses(&self) -> Vec<DiscoveryStatus> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found.iter().map(|f| f.status.clone()).collect()
    }

    fn targets_of(&self, provider: &str) -> Option<Vec<Labels>> {
        let found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        found
            .iter()
            .find(|f| f.status.provider == provider)?
            .targets
            .clone()
    }
}

async fn run(mut provider: Box<dyn Provider>, i: usize, board: Arc<Board>, clock: Clock) {
    let mut backoff_ms = BACKOFF_MIN_MS;
    loop {
        let answer = provider.next(clock()).await.and_then(bounded);
        let answer = (answer, provider.complaint());
        // Resolving thousands of targets takes longer than an async thread may be held.
        let (noting, now_ms) = (board.clone(), clock());
        let good = tokio::task::spawn_blocking(move || noting.note(i, answer, now_ms)).await;
        let Some(pause_ms) = provider.pause_ms() else {
            return;
        };
        let wait_ms = if matches!(good, Ok(true)) {
            backoff_ms = BACKOFF_MIN_MS;
            pause_ms
        } else {
            backoff_ms = (backoff_ms * 2).min(BACKOFF_MAX_MS);
            backoff_ms.min(pause_ms.max(BACKOFF_MIN_MS))
        };
        tokio::time::sleep(Duration::from_millis(wait_ms as u64)).await;
    }
}

/// Two that are called alike would share their series, and after a reload what was found.
fn own_name(name: &str, before: &[Found]) -> String {
    let is_taken = |name: &str| before.iter().any(|f| f.status.provider == name);
    let mut own = name.to_owned();
    let mut number = 2;
    while is_taken(&own) {
        own = format!("{name} ({number})");
        number += 1;
    }
    own
}

fn bounded(groups: Vec<TargetGroup>) -> Result<Vec<TargetGroup>, DiscoveryError> {
    let count = groups.iter().map(|g| g.targets.len()).sum();
    if count > TARGETS_MAX {
        return Err(DiscoveryError::TooMany {
            what: "the answer".to_owned(),
            count,
            max: TARGETS_MAX,
        });
    }
    Ok(groups)
}

fn statics(config: &DiscoveryConfig) -> Vec<Labels> {
    let groups = config.static_configs.iter();
    groups
        .flat_map(|g| TargetGroup::of_static("static", g, &[]).targets)
        .collect()
}

fn providers(config: &DiscoveryConfig) -> Result<Vec<Box<dyn Provider>>, DiscoveryError> {
    let mut all: Vec<Box<dyn Provider>> = Vec::new();
    for c in &config.file_sd_configs {
        all.push(Box::new(FileProvider::new(c.clone())));
    }
    for c in &config.http_sd_configs {
        all.push(Box::new(HttpProvider::new(c.clone())?));
    }
    for c in &config.dns_sd_configs {
        all.push(Box::new(DnsProvider::new(c.clone())));
    }
    for c in &config.docker_sd_configs {
        all.push(Box::new(DockerProvider::new(c.clone())?));
    }
    for c in &config.kubernetes_sd_configs {
        all.push(Box::new(KubernetesProvider::new(c.clone())?));
    }
    Ok(all)
}
