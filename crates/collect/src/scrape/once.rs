//! One scrape of one target: fetch, read, report, write.
//!
//! 1. The page is fetched within the target's timeout and the job's bound on bodies.
//! 2. On a blocking thread (a page of 10 000 series takes milliseconds) it is read; series that it no longer has get a
//!    staleness marker; `up` and its companions are added.
//! 3. All of that goes to the sink as one batch, so that a crash keeps the whole scrape or nothing of it.
//!
//! A scrape that fails for whatever reason writes `up` 0 and ends every series of the target. Ends that the sink did
//! not take wait for the next batch.

use super::cache::SeriesCache;
use super::classic::ClassicCache;
use super::config::ScrapeProtocol;
use super::error::ScrapeError;
use super::job::Job;
use super::page::{PageBatch, PageCounts, PageReader, end_series, known};
use super::report::{Extra, report, report_series};
use super::target::Target;
use crate::http::{FetchError, Fetched, Request};
use crate::sink::{BatchSink, Clock, SinkError, Stopwatch};
use lapwing_types::{Labels, Metadata, WriteBatch};
use lapwing_wire::text::{Exposition, Format, from_content_type};
use std::collections::HashMap;
use std::sync::Arc;

/// A scrape that starts so much after its slot at most carries the slot's time, so that intervals are even and
/// timestamps compress; 1 % of a one-second interval.
const SLOT_TOLERANCE_MS: i64 = 10;

/// What one target's scrapes remember.
#[derive(Debug, Default)]
pub struct ScrapeState {
    pub(super) cache: SeriesCache,
    pub(super) classic: ClassicCache,
    pub(super) metadata: Arc<HashMap<String, Metadata>>,
    pub(super) scrapes: u64,
    /// Ends that could not be written yet.
    pending_ends: Vec<Labels>,
}

/// How a scrape went.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScrapeSummary {
    pub error: Option<ScrapeError>,
    pub t_ms: i64,
    pub duration_ms: f64,
    pub samples_scraped: u64,
    pub samples_kept: u64,
    pub series_added: u64,
    pub duplicates: u64,
    /// Samples that the store refused, for reasons of their own.
    pub refused: u64,
    /// Why the page was kept in part only: how many samples are missing, and which is the first and why.
    pub warnings: Vec<String>,
    pub body_bytes: u64,
}

/// Of the labels of a series in a warning.
const SHOWN_CHARS_MAX: usize = 512;

/// What every scrape needs besides its target.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) sink: Arc<dyn BatchSink>,
    pub(super) clock: Clock,
    pub(super) stopwatch: Stopwatch,
    /// Bounds the pages being read at once.
    pub(super) readers: Arc<tokio::sync::Semaphore>,
}

/// Who is scraped in whose name.
#[derive(Clone)]
pub(super) struct Subject {
    pub(super) job: Arc<Job>,
    pub(super) target: Arc<Target>,
    /// The job is over its limit of targets: it is not asked, and says so.
    pub(super) blocked: Option<ScrapeError>,
}

pub(super) async fn scrape_once(
    subject: &Subject,
    mut state: Box<ScrapeState>,
    slot_ms: i64,
    around: &Surroundings,
) -> (Box<ScrapeState>, ScrapeSummary) {
    let (now_ms, started_ns) = ((around.clock)(), (around.stopwatch)());
    let late_ms = now_ms - slot_ms;
    let on_time = (0..=SLOT_TOLERANCE_MS.min(subject.target.interval_ms / 100)).contains(&late_ms);
    let t_ms = if on_time { slot_ms } else { now_ms };
    let fetched = match &subject.blocked {
        Some(error) => Err(error.clone()),
        None => fetch(subject, now_ms).await.map_err(ScrapeError::Fetch),
    };
    let permit = around.readers.clone().acquire_owned().await;
    let (subject, sink) = (subject.clone(), around.sink.clone());
    let at = Moment {
        t_ms,
        started_ns,
        stopwatch: around.stopwatch.clone(),
    };
    let read = tokio::task::spawn_blocking(move || {
        let summary = read_and_write(&subject, &mut state, fetched, &at, sink.as_ref());
        drop(permit);
        (state, summary)
    });
    match read.await {
        Ok(done) => done,
        Err(_) => {
            let summary = ScrapeSummary {
                error: Some(ScrapeError::Aborted),
                t_ms,
                ..ScrapeSummary::default()
            };
            (Box::default(), summary)
        }
    }
}

async fn fetch(subject: &Subject, now_ms: i64) -> Result<Fetched, FetchError> {
    let (job, target) = (&subject.job, &subject.target);
    let timeout_s = (target.timeout_ms as f64 / 1000.0).to_string();
    let mut headers = vec![
        ("accept", job.accept.as_str()),
        ("x-prometheus-scrape-timeout-seconds", &timeout_s),
    ];
    if !job.config.enable_compression {
        headers.push(("accept-encoding", "identity"));
    }
    let request = Request {
        url: &target.url,
        headers: &headers,
        timeout_ms: target.timeout_ms,
        body_bytes_max: job.config.body_bytes_max(),
        now_ms,
    };
    job.fetch.fetch(&request).await
}

/// When it was, and how to know how long it took.
struct Moment {
    t_ms: i64,
    started_ns: u64,
    stopwatch: Stopwatch,
}

fn read_and_write(
    subject: &Subject,
    state: &mut ScrapeState,
    fetched: Result<Fetched, ScrapeError>,
    at: &Moment,
    sink: &dyn BatchSink,
) -> ScrapeSummary {
    state.scrapes += 1;
    let mut summary = ScrapeSummary {
        t_ms: at.t_ms,
        ..ScrapeSummary::default()
    };
    let too_large = matches!(&fetched, Err(ScrapeError::Fetch(FetchError::BodyTooLarge { .. })));
    let (PageBatch { rows, mut rest, .. }, mut ended) = match fetched {
        Ok(fetched) => {
            summary.body_bytes = fetched.body.len() as u64;
            read_page(subject, state, &fetched, &mut summary)
        }
        Err(error) => {
            summary.error = Some(error);
            (PageBatch::default(), state.cache.end_all(true))
        }
    };
    ended.append(&mut state.pending_ends);
    end_series(&mut rest, ended.iter().cloned(), at.t_ms);
    summary.duration_ms = (at.stopwatch)().saturating_sub(at.started_ns) as f64 / 1e6;
    let extra = subject.job.config.extra_scrape_metrics.then_some(Extra {
        sample_limit: subject.job.config.sample_limit,
        body_bytes: if too_large {
            -1.0
        } else {
            summary.body_bytes as f64
        },
    });
    let is_whole = summary.error.is_none();
    let report = report(&subject.target, &summary, at.t_ms, extra);
    rest.series.extend(report.series);
    let mut floats = known(&rows, &state.cache);
    let written = sink.write_page(subject.job.name(), &mut floats, rest, at.t_ms);
    drop(floats);
    match written {
        Ok(()) => {}
        Err(error @ SinkError::Refused { refused, .. }) => {
            summary.refused = refused;
            summary.warnings.push(error.to_string());
        }
        Err(error) => {
            state.pending_ends = ended;
            summary.error.get_or_insert(ScrapeError::Sink(error));
        }
    }
    if is_whole && summary.samples_scraped > 0 {
        state.cache.forget_unseen(state.scrapes);
    }
    summary
}

/// What the page brings and what it ends; for a bad page, the end of everything.
fn read_page(
    subject: &Subject,
    state: &mut ScrapeState,
    fetched: &Fetched,
    summary: &mut ScrapeSummary,
) -> (PageBatch, Vec<Labels>) {
    let scrape = state.scrapes;
    let reader = PageReader::new(&subject.job, &subject.target.labels, summary.t_ms, state);
    let (read, counts) = match exposition(&fetched.content_type, subject.job.config.fallback_scrape_protocol)
    {
        Some(Exposition::Text) => reader.read_text(&fetched.body, Format::Prometheus),
        Some(Exposition::OpenMetrics) => reader.read_text(&fetched.body, Format::OpenMetrics),
        Some(Exposition::Protobuf) => reader.read_protobuf(&fetched.body),
        None => {
            let content_type = fetched.content_type.chars().take(100).collect();
            (
                Err(ScrapeError::ContentType { content_type }),
                PageCounts::default(),
            )
        }
    };
    summary.samples_scraped = counts.scraped;
    summary.samples_kept = counts.kept;
    summary.series_added = counts.added;
    match read {
        Ok(batch) => {
            summary.duplicates = counts.duplicates;
            if let Some(labels) = &counts.twice {
                let series: String = labels.to_string().chars().take(SHOWN_CHARS_MAX).collect();
                summary.warnings.push(format!(
                    "{} samples were left out: {series} stands more than once on the page",
                    counts.duplicates
                ));
            }
            if let Some((labels, reason)) = &counts.left_classic {
                let series: String = labels.to_string().chars().take(SHOWN_CHARS_MAX).collect();
                summary.warnings.push(format!(
                    "{} classic histograms stayed as they are: {series}: {reason}",
                    counts.classic
                ));
            }
            (batch, state.cache.end_page(scrape))
        }
        Err(error) => {
            summary.error = Some(error);
            (PageBatch::default(), state.cache.end_all(false))
        }
    }
}

/// A body without a type is taken for text, which is what a hand-written exporter sends.
fn exposition(content_type: &str, fallback: Option<ScrapeProtocol>) -> Option<Exposition> {
    from_content_type(content_type).or(match fallback {
        Some(protocol) => from_content_type(protocol.media_type()),
        None if content_type.is_empty() => Some(Exposition::Text),
        None => None,
    })
}

/// The target is gone for good: all its series end, those about the scrapes too.
pub(super) fn end_target(subject: &Subject, state: &mut ScrapeState, now_ms: i64) -> WriteBatch {
    let mut batch = WriteBatch::default();
    end_series(&mut batch, state.cache.end_all(false), now_ms);
    end_series(&mut batch, std::mem::take(&mut state.pending_ends), now_ms);
    let reports = report_series(&subject.target, subject.job.config.extra_scrape_metrics);
    end_series(&mut batch, reports, now_ms);
    batch
}
