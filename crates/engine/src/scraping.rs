//! Pulling: scrape jobs with their discovery, and what is found on this host without being told.

use crate::clock::{Clock, process_nanos};
use lapwing_collect::discovery::{
    Candidate, DiscoveryManager, DiscoveryStatus, Found, LOCAL_CANDIDATES, find_local,
};
use lapwing_collect::http::{HttpClient, HttpConfig};
use lapwing_collect::scrape::{Job, JobError, ScrapeConfig, ScrapeDefaults, Scraper, ScraperOptions};
use lapwing_collect::{BatchSink, KnownSample, SinkError};
use lapwing_store::metrics::{Appender, MetricsStore};
use lapwing_types::WriteBatch;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

/// The job under which what was found on this host is scraped.
pub const LOCAL_JOB: &str = "local";

/// What is pulled, and how it goes.
pub struct Scraping {
    scraper: Scraper,
    discovery: DiscoveryManager,
    local: Mutex<Vec<Found>>,
    local_job: Arc<Job>,
    finder: HttpClient,
}

#[derive(Debug, thiserror::Error)]
pub enum ScrapingError {
    #[error("scrape job {job:?}")]
    Job {
        job: String,
        #[source]
        source: JobError,
    },
    #[error("discovery of scrape job {job:?}: {reason}")]
    Discovery { job: String, reason: String },
    #[error("discovery of {name}: {reason}")]
    Alertmanagers { name: String, reason: String },
    #[error("two scrape jobs are called {job:?}")]
    Twice { job: String },
}

impl Scraping {
    /// Starts with no jobs; needs a tokio runtime around it.
    pub(crate) fn start(store: &MetricsStore, clock: &Clock) -> Result<Self, ScrapingError> {
        let sink = Arc::new(StoreSink(store.clone()));
        let hands = clock.clone();
        let tell: lapwing_collect::Clock = Arc::new(move || hands.now_ms());
        let mut options = ScraperOptions::new(sink, tell.clone());
        if !clock.is_simulated() {
            options.stopwatch = Arc::new(process_nanos);
        }
        let scraper = Scraper::start(options);
        let local_config = ScrapeConfig {
            job_name: LOCAL_JOB.to_owned(),
            ..ScrapeConfig::default()
        };
        let job_failed = |source| ScrapingError::Job {
            job: LOCAL_JOB.to_owned(),
            source,
        };
        Ok(Scraping {
            discovery: DiscoveryManager::new(scraper.clone(), tell),
            scraper,
            local: Mutex::default(),
            local_job: Arc::new(Job::new(local_config, ScrapeDefaults::default()).map_err(job_failed)?),
            finder: HttpClient::new(&HttpConfig::default()).map_err(|e| job_failed(e.into()))?,
        })
    }

    /// Makes the jobs exactly these. Nothing changes unless all of them are right.
    pub fn set_jobs(&self, configs: &[ScrapeConfig], defaults: ScrapeDefaults) -> Result<(), ScrapingError> {
        let mut names = BTreeSet::new();
        let mut jobs = Vec::with_capacity(configs.len());
        for config in configs {
            let name = config.job_name.clone();
            if !names.insert(name.clone()) || name == LOCAL_JOB {
                return Err(ScrapingError::Twice { job: name });
            }
            let job = Job::new(config.clone(), defaults)
                .map_err(|source| ScrapingError::Job { job: name, source })?;
            jobs.push(Arc::new(job));
        }
        for gone in self.discovery.job_names().iter().filter(|n| !names.contains(*n)) {
            self.discovery.remove_job(gone);
            self.scraper.remove_job(gone);
        }
        for job in &jobs {
            self.discovery
                .set_job(job)
                .map_err(|e| ScrapingError::Discovery {
                    job: job.name().to_owned(),
                    reason: e.to_string(),
                })?;
        }
        Ok(())
    }

    /// Looks at these ports of this host and scrapes whom it recognises. What `configured` jobs scrape
    /// already is left to them.
    pub(crate) async fn find_local(&self, candidates: &[Candidate], now_ms: i64) {
        let taken: BTreeSet<String> = self
            .scraper
            .targets()
            .iter()
            .filter(|t| t.job != LOCAL_JOB)
            .map(|t| t.target.url.clone())
            .collect();
        let mut found = find_local(&self.finder, "127.0.0.1", candidates, now_ms).await;
        found.retain(|f| !taken.contains(&f.url));
        let mut before = self.local.lock().unwrap_or_else(PoisonError::into_inner);
        for new in found.iter().filter(|f| !before.iter().any(|b| b.url == f.url)) {
            tracing::info!(
                "found {} at {} ({}); `discover: {{ local: false }}` turns this off",
                new.name,
                new.url,
                new.why
            );
        }
        // One that does not answer now may be restarting: it stays a target, so that its `up` says so.
        let silent: Vec<Found> = before
            .iter()
            .filter(|b| !found.iter().any(|f| f.url == b.url))
            .cloned()
            .collect();
        found.extend(silent);
        let targets: Vec<_> = found.iter().map(Found::target).collect();
        self.scraper.set_targets(&self.local_job, &targets);
        *before = found;
    }

    /// Ends the scraping of what was found on this host.
    pub(crate) fn forget_local(&self) {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.scraper.remove_job(LOCAL_JOB);
    }

    /// Who was found on this host.
    pub fn found(&self) -> Vec<Found> {
        self.local.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether every target was scraped at least once since the start.
    pub fn is_scraped(&self) -> bool {
        self.scraper.targets().iter().all(|t| t.last.is_some())
    }

    pub fn scraper(&self) -> &Scraper {
        &self.scraper
    }

    pub fn discovery_statuses(&self) -> Vec<DiscoveryStatus> {
        self.discovery.statuses()
    }

    pub(crate) async fn stop(&self) {
        // Not by removing the jobs: that would end every series, and a restart is not the end of a target.
        self.discovery.stop();
        self.scraper.stop().await;
    }
}

/// The well-known ports and those that were named, each once and never our own.
pub(crate) fn local_candidates(named: &[u16], own_port: Option<u16>) -> Vec<Candidate> {
    let named = named.iter().map(|port| Candidate {
        port: *port,
        path: "/metrics",
    });
    let mut ports = BTreeSet::from_iter(own_port);
    LOCAL_CANDIDATES
        .into_iter()
        .chain(named)
        .filter(|c| ports.insert(c.port))
        .collect()
}

/// Scraped batches go the same way as everything that arrives.
struct StoreSink(MetricsStore);

impl BatchSink for StoreSink {
    fn write(&self, source: &str, batch: WriteBatch, now_ms: i64) -> Result<(), SinkError> {
        let mut appender = self.0.appender(source, now_ms);
        appender.append_batch(&batch);
        committed(appender)
    }

    fn write_page(
        &self,
        source: &str,
        known: &mut dyn Iterator<Item = KnownSample<'_>>,
        rest: WriteBatch,
        now_ms: i64,
    ) -> Result<(), SinkError> {
        let mut appender = self.0.appender(source, now_ms);
        for KnownSample { key, labels, sample } in known {
            let found = match appender.lookup_raw(key) {
                Some(found) => found,
                // A refusal is noted by the appender itself.
                None => match appender.bind_raw(key, labels) {
                    Ok(bound) => bound,
                    Err(_) => continue,
                },
            };
            appender.push(found, sample.t_ms, sample.value);
        }
        appender.append_batch(&rest);
        committed(appender)
    }
}

fn committed(appender: Appender) -> Result<(), SinkError> {
    let outcome = appender.commit().map_err(|e| SinkError::Unavailable {
        reason: e.to_string(),
    })?;
    match outcome.refused.first() {
        None => Ok(()),
        Some(first) => Err(SinkError::Refused {
            refused: outcome.refused_count as u64,
            reason: first.to_string(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_collect::SeriesKey;
    use lapwing_store::metrics::MetricsOptions;
    use lapwing_types::{Labels, Sample, SeriesWrite};

    /// One page at a time; gives how many series the store has then.
    fn write(sink: &StoreSink, t_ms: i64, known: &[(u8, &str)], rest: WriteBatch) -> usize {
        let known: Vec<(SeriesKey, Labels)> = known
            .iter()
            .map(|(key, name)| ([*key; 17], Labels::from_pairs([("__name__", name)]).unwrap()))
            .collect();
        let mut known = known.iter().map(|(key, labels)| KnownSample {
            key,
            labels,
            sample: Sample { t_ms, value: 1.0 },
        });
        sink.write_page("job", &mut known, rest, t_ms).unwrap();
        sink.0.stats().numbers.head_series
    }

    #[test]
    fn a_known_key_is_its_series_whatever_the_labels_say() {
        let sink = StoreSink(MetricsStore::in_memory(MetricsOptions::default()));
        assert_eq!(
            write(&sink, 1000, &[(1, "a"), (2, "b")], WriteBatch::default()),
            2
        );
        let ends = WriteBatch {
            series: vec![SeriesWrite {
                labels: Labels::from_pairs([("__name__", "b")]).unwrap(),
                samples: vec![Sample {
                    t_ms: 2000,
                    value: lapwing_types::stale_nan(),
                }],
                ..SeriesWrite::default()
            }],
            ..WriteBatch::default()
        };
        assert_eq!(write(&sink, 2000, &[(1, "never looked at")], ends), 2);
        assert_eq!(
            write(&sink, 3000, &[(3, "a"), (2, "b")], WriteBatch::default()),
            2,
            "two keys, one series"
        );
    }

    #[test]
    fn what_the_store_refuses_is_named() {
        let options = MetricsOptions::default();
        let sink = StoreSink(MetricsStore::in_memory(options));
        let labels = Labels::from_pairs([("__name__", "a")]).unwrap();
        let future = Sample {
            t_ms: i64::MAX / 2,
            value: 1.0,
        };
        let known = KnownSample {
            key: &[1; 17],
            labels: &labels,
            sample: future,
        };
        let refused = sink.write_page("job", &mut [known].into_iter(), WriteBatch::default(), 0);
        assert!(
            matches!(refused, Err(SinkError::Refused { refused: 1, .. })),
            "{refused:?}"
        );
    }
}
