//! OTLP into the store, series by series as they are translated: one that came before is found by its key and costs no labels.
//!
//! Only requests with delta points wait for each other: the first such point takes the lock of the running totals, which is held
//! until the request is kept.
//!
//! Totals outlive the process: what a request changes in them is appended to a journal before its samples are. So a kill in
//! between leaves totals that know of deltas whose samples are missing; the sender, who was not acknowledged, sends
//! them again, they are refused as not newer, and the next sample holds their sum. Never the other way round, which
//! `rate()` would take for a restart of the counter.

use crate::journals::open_journal;
use lapwing_store::metrics::{AppendError, AppendOutcome, Appender, MetricsStore, Refused, SeriesRef};
use lapwing_store::{Journal, JournalError};
use lapwing_types::{Exemplar, Histogram, Labels};
use lapwing_wire::otlp::{
    DeltaBook, DeltaState, MetricsRequest, OtlpError, OtlpOptions, RejectReason, Rejection, SeriesSink,
    ToldFamilies, translate_into,
};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// A total takes about 300 bytes: these stay below 100 MiB.
const DELTA_SERIES_MAX: usize = 300_000;
/// A journal that is this many times as long as the totals in it is written anew.
const JOURNAL_GROWTH_MAX: u64 = 4;
/// Below this it is not worth it.
const JOURNAL_BYTES_MIN: u64 = 4 << 20;
/// A delta series that was not heard of for a day is forgotten when the journal is written anew.
const FORGET_MS: i64 = 24 * 3_600_000;

pub(crate) struct OtlpIngest {
    options: Mutex<Arc<OtlpOptions>>,
    deltas: Mutex<Deltas>,
    told: Mutex<ToldFamilies>,
}

struct Deltas {
    book: DeltaBook,
    /// Absent for an engine in memory.
    journal: Option<Journal>,
    /// Of the journal when it was last written as a whole.
    whole_bytes: u64,
}

/// The totals, for as long as a request with deltas is being kept.
struct Held<'i>(MutexGuard<'i, Deltas>);

impl AsMut<DeltaBook> for Held<'_> {
    fn as_mut(&mut self) -> &mut DeltaBook {
        &mut self.0.book
    }
}

/// The way into the store, as translation sees it.
struct StoreSink(Appender);

/// What became of a request.
#[derive(Clone, Debug, Default)]
pub struct OtlpKept {
    pub samples: usize,
    /// For the answer's `partial_success`. A histogram that the store refused in part counts once per refused series.
    pub rejections: Vec<Rejection>,
}

/// Why nothing of a request was kept; sending it again is safe.
#[derive(Debug, thiserror::Error)]
pub enum OtlpFailure {
    /// Sending it again is safe but in vain.
    #[error("the request does not decode")]
    Request(#[from] OtlpError),
    #[error("the running totals of delta series could not be written down")]
    Totals(#[from] JournalError),
    #[error("nothing could be kept: {}", .0.reason)]
    Full(Box<Refused>),
    #[error("the samples could not be kept")]
    Store(#[from] AppendError),
}

impl OtlpIngest {
    /// `journal` is where totals are kept; damage in it is said and costs what is damaged.
    pub(crate) fn open(options: OtlpOptions, journal: Option<&Path>) -> Result<Self, JournalError> {
        let mut totals = DeltaState::new(DELTA_SERIES_MAX);
        let journal = match journal {
            None => None,
            Some(path) => {
                let (journal, records) = open_journal(path)?;
                for record in records {
                    if let Err(error) = totals.absorb(&record) {
                        tracing::error!(%error, "running totals of delta series were passed over");
                    }
                }
                Some(journal)
            }
        };
        Ok(OtlpIngest {
            options: Mutex::new(Arc::new(options)),
            deltas: Mutex::new(Deltas {
                book: DeltaBook::new(totals),
                whole_bytes: journal.as_ref().map_or(0, Journal::size_bytes),
                journal,
            }),
            told: Mutex::default(),
        })
    }

    pub(crate) fn set_options(&self, options: OtlpOptions) {
        *self.options.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(options);
    }

    /// Totals move on in memory only once their samples are kept, so that a request which failed may come again.
    pub(crate) fn keep(
        &self,
        store: &MetricsStore,
        source: &str,
        request: &MetricsRequest<'_>,
        now_ms: i64,
    ) -> Result<OtlpKept, OtlpFailure> {
        let options = self
            .options
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let open = || Held(self.deltas.lock().unwrap_or_else(PoisonError::into_inner));
        let mut sink = StoreSink(store.appender(source, now_ms));
        let mut taken = translate_into(request, &options, open, &mut sink)?;
        let StoreSink(mut appender) = sink;
        self.told().retain_untold(&mut taken.families);
        for (family, metadata) in taken.families.iter().filter_map(|f| f.metadata(&options)) {
            appender.metadata(&family, metadata);
        }
        if let Some(Held(deltas)) = &mut taken.deltas {
            deltas.write_down(&DeltaState::changes_to_bytes(&taken.delta_changes), now_ms)?;
        }
        let outcome = appender.commit()?;
        if outcome.is_for_later()
            && taken.rejections.is_empty()
            && let Some(first) = outcome.refused.first()
        {
            return Err(OtlpFailure::Full(Box::new(first.clone())));
        }
        if let Some(Held(mut deltas)) = taken.deltas {
            deltas.book.totals.apply(taken.delta_changes);
        }
        self.told().tell(&taken.families);
        let mut rejections = taken.rejections;
        rejections.extend(not_kept(&outcome));
        Ok(OtlpKept {
            samples: outcome.samples + outcome.histograms,
            rejections,
        })
    }

    fn told(&self) -> MutexGuard<'_, ToldFamilies> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl SeriesSink for StoreSink {
    type Series = SeriesRef;

    #[inline]
    fn known(&mut self, key: &[u8]) -> Option<SeriesRef> {
        self.0.lookup_raw(key)
    }

    fn bind(&mut self, key: &[u8], labels: &Labels) -> Option<SeriesRef> {
        // A refusal is noted by the appender itself, with its reason.
        self.0.bind_raw(key, labels).ok()
    }

    #[inline]
    fn sample(&mut self, series: SeriesRef, t_ms: i64, value: f64) {
        self.0.push(series, t_ms, value);
    }

    fn histogram(&mut self, series: SeriesRef, t_ms: i64, histogram: Histogram) {
        self.0.push_histogram(series, t_ms, histogram);
    }

    fn exemplar(&mut self, series: SeriesRef, exemplar: Exemplar) {
        self.0.push_exemplar(series, exemplar);
    }

    fn start(&mut self, series: SeriesRef, t_ms: i64, start_ms: i64) {
        self.0.push_start(series, t_ms, start_ms);
    }
}

impl Deltas {
    fn write_down(&mut self, changes: &[u8], now_ms: i64) -> Result<(), JournalError> {
        let Some(journal) = &mut self.journal else {
            return Ok(());
        };
        if journal.size_bytes() > (self.whole_bytes * JOURNAL_GROWTH_MAX).max(JOURNAL_BYTES_MIN) {
            self.book.totals.forget_before(now_ms - FORGET_MS);
            journal.replace(&self.book.totals.to_bytes())?;
            self.whole_bytes = journal.size_bytes();
        }
        journal.append(changes)
    }
}

/// What the store refused, by metric and reason.
fn not_kept(outcome: &AppendOutcome) -> Vec<Rejection> {
    let mut all: BTreeMap<(String, String), Rejection> = BTreeMap::new();
    for refused in &outcome.refused {
        let metric = refused.labels.metric_name().unwrap_or("").to_owned();
        let reason = refused.reason.to_string();
        let same = all
            .entry((metric.clone(), reason.clone()))
            .or_insert_with(|| Rejection {
                metric,
                first: refused.series(),
                reason: RejectReason::NotKept { reason },
                points_count: 0,
            });
        same.points_count += 1;
    }
    let unnamed = outcome.refused_count.saturating_sub(outcome.refused.len()) as u64;
    let others = (unnamed > 0).then(|| Rejection {
        metric: "others".to_owned(),
        first: String::new(),
        reason: RejectReason::NotKept {
            reason: "as the ones before".to_owned(),
        },
        points_count: unnamed,
    });
    all.into_values().chain(others).collect()
}
