//! What programs did, and what is normal for their pipelines, over a restart: two journals in the data directory.
//!
//! `operations` gets one record per turn (and per request that brought operations, before it is answered); `baselines` one per baseline
//! that is set. Both hold JSON with a version, and are written anew, as one record, once they have grown to several times what is
//! in force. So a restart finds what a killed process had been told, and at most the last turn of what its own program did is missing.
//!
//! A disk that takes nothing costs what is written here and nothing else: paging has a database of its own.

use crate::sdk::Tracker;
use lapwing_judge::performance::Operation;
use lapwing_judge::pipelines::Baseline;
use lapwing_store::{Journal, JournalError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Of both records.
const VERSION: u32 = 1;
/// A journal smaller than this is not worth writing anew.
const REWRITE_BYTES_MIN: u64 = 4 << 20;
/// Baselines that one engine keeps.
const BASELINES_MAX: usize = 10_000;

#[derive(Serialize, Deserialize)]
struct Record<T> {
    version: u32,
    entries: Vec<T>,
}

/// Opens a journal; damage in it costs what is damaged, and is said.
pub(crate) fn open_journal(path: &Path) -> Result<(Journal, Vec<Vec<u8>>), JournalError> {
    let (journal, records) = Journal::open(path)?;
    for range in journal.damaged() {
        let (start, end) = (range.start, range.end);
        tracing::error!(path = %path.display(), start, end, "records of a journal are damaged and were passed over");
    }
    Ok((journal, records))
}

/// A journal, and how long it may become before it is written anew.
struct Book {
    journal: Journal,
    rewrite_at_bytes: u64,
    /// Its last record may be damaged: only writing it anew makes it whole.
    is_torn: bool,
}

impl Book {
    /// What it holds, oldest first; a record that cannot be read is passed over, and said.
    fn open<T: for<'a> Deserialize<'a>>(path: &Path) -> Result<(Self, Vec<T>), JournalError> {
        let (journal, records) = open_journal(path)?;
        let mut entries = Vec::new();
        for record in records {
            match serde_json::from_slice::<Record<T>>(&record) {
                Ok(record) if record.version == VERSION => entries.extend(record.entries),
                Ok(record) => {
                    tracing::error!(version = record.version, path = %path.display(), "a record of another version was passed over");
                }
                Err(error) => {
                    tracing::error!(%error, path = %path.display(), "a record could not be read and was passed over");
                }
            }
        }
        let book = Book {
            rewrite_at_bytes: REWRITE_BYTES_MIN,
            is_torn: false,
            journal,
        };
        Ok((book, entries))
    }

    /// Adds these, or writes `all` anew when that is due.
    fn write<T: Serialize>(&mut self, added: &[T], all: impl FnOnce() -> Vec<T>) -> Result<(), JournalError> {
        if !self.is_torn && self.journal.size_bytes() < self.rewrite_at_bytes {
            let written = self.journal.append(&payload(added));
            self.is_torn = written.is_err();
            return written;
        }
        self.journal.replace(&payload(&all()))?;
        self.is_torn = false;
        self.rewrite_at_bytes = (self.journal.size_bytes() * 3).max(REWRITE_BYTES_MIN);
        Ok(())
    }
}

fn payload<T: Serialize>(entries: &[T]) -> Vec<u8> {
    #[derive(Serialize)]
    struct Borrowed<'a, T> {
        version: u32,
        entries: &'a [T],
    }
    let record = Borrowed {
        version: VERSION,
        entries,
    };
    // Strings and numbers: writing them into memory does not fail.
    serde_json::to_vec(&record).unwrap_or_default()
}

/// Keeps a tracker's operations on disk, where there is one.
#[derive(Default)]
pub(crate) struct OperationJournal(Mutex<Option<(Book, u64)>>);

impl OperationJournal {
    /// Gives the tracker back what it had.
    pub(crate) fn open(path: &Path, tracker: &Tracker) -> Result<Self, JournalError> {
        let (book, entries) = Book::open::<Operation>(path)?;
        let seen = tracker.restore(entries);
        Ok(OperationJournal(Mutex::new(Some((book, seen)))))
    }

    /// Writes down what ended since the last call.
    pub(crate) fn write(&self, tracker: &Tracker) -> Result<(), JournalError> {
        let mut journal = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((book, seen)) = &mut *journal else {
            return Ok(());
        };
        let (fresh, seen_now) = tracker.after(*seen);
        if fresh.is_empty() && !book.is_torn {
            return Ok(());
        }
        // Seen only once it is written: after a failure it comes again, whole.
        book.write(&fresh, || tracker.since(i64::MIN))?;
        *seen = seen_now;
        Ok(())
    }
}

/// Why a baseline was not set.
#[derive(Debug, thiserror::Error)]
pub enum BaselineError {
    #[error("there are {max} baselines already: remove some")]
    TooMany { max: usize },
    #[error("the baseline could not be written down")]
    Unwritten(#[from] JournalError),
}

/// What is normal for pipelines, as told.
#[derive(Default)]
pub(crate) struct Baselines(Mutex<Known>);

#[derive(Default)]
struct Known {
    by_metric: BTreeMap<String, Baseline>,
    book: Option<Book>,
}

impl Baselines {
    pub(crate) fn open(path: &Path) -> Result<Self, JournalError> {
        let (book, entries) = Book::open::<Baseline>(path)?;
        let by_metric = entries.into_iter().map(|b| (b.metric.clone(), b)).collect();
        Ok(Baselines(Mutex::new(Known {
            by_metric,
            book: Some(book),
        })))
    }

    /// Written down, then in force.
    pub(crate) fn set(&self, baseline: Baseline) -> Result<(), BaselineError> {
        let mut known = self.lock();
        let Known { by_metric, book } = &mut *known;
        if by_metric.len() >= BASELINES_MAX && !by_metric.contains_key(&baseline.metric) {
            return Err(BaselineError::TooMany { max: BASELINES_MAX });
        }
        if let Some(book) = book {
            let added = std::slice::from_ref(&baseline);
            book.write(added, || {
                let others = by_metric.values().filter(|b| b.metric != baseline.metric);
                others.chain(added).cloned().collect()
            })?;
        }
        by_metric.insert(baseline.metric.clone(), baseline);
        Ok(())
    }

    /// Whether there was one.
    pub(crate) fn remove(&self, metric: &str) -> Result<bool, BaselineError> {
        let mut known = self.lock();
        let Known { by_metric, book } = &mut *known;
        if !by_metric.contains_key(metric) {
            return Ok(false);
        }
        if let Some(book) = book {
            // Only a whole record can say that something is no more.
            let others: Vec<Baseline> = by_metric
                .values()
                .filter(|b| b.metric != metric)
                .cloned()
                .collect();
            book.journal
                .replace(&payload(&others))
                .map_err(BaselineError::Unwritten)?;
            book.is_torn = false;
        }
        by_metric.remove(metric);
        Ok(true)
    }

    pub(crate) fn all(&self) -> Vec<Baseline> {
        self.lock().by_metric.values().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use crate::sdk::Sdk;

    fn operation(name: &str) -> Operation {
        Operation {
            id: name.to_owned(),
            kind: "pipeline".to_owned().into(),
            name: name.to_owned(),
            parent: None,
            started_ms: 1_000,
            duration_s: 0.5,
            success: true,
            error: None,
            resources: None,
            metadata: BTreeMap::new(),
        }
    }

    fn names(tracker: &Tracker) -> Vec<String> {
        tracker.since(0).into_iter().map(|o| o.name).collect()
    }

    fn baseline(metric: &str, value: f64) -> Baseline {
        Baseline {
            metric: metric.to_owned(),
            value,
            direction: None,
        }
    }

    #[test]
    fn operations_come_back_before_newer_ones_and_are_shipped_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operations");
        let before = Sdk::new(Clock::simulated(0));
        let journal = OperationJournal::open(&path, before.tracker()).unwrap();
        before.tracker().keep(operation("a"));
        journal.write(before.tracker()).unwrap();
        before.tracker().keep(operation("b"));
        journal.write(before.tracker()).unwrap();
        journal.write(before.tracker()).unwrap();

        let after = Sdk::new(Clock::simulated(0));
        after.tracker().keep(operation("early"));
        let journal = OperationJournal::open(&path, after.tracker()).unwrap();
        assert_eq!(names(after.tracker()), ["a", "b", "early"]);
        // A shipper has sent the old ones already, and the journal holds them.
        let shipped: Vec<String> = after.tracker().take_fresh().into_iter().map(|o| o.name).collect();
        assert_eq!(shipped, ["early"]);
        journal.write(after.tracker()).unwrap();
        let third = Sdk::new(Clock::simulated(0));
        OperationJournal::open(&path, third.tracker()).unwrap();
        assert_eq!(names(third.tracker()), ["a", "b", "early"]);
    }

    #[test]
    fn a_journal_that_grew_is_written_anew() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("operations");
        let sdk = Sdk::new(Clock::simulated(0));
        let journal = OperationJournal::open(&path, sdk.tracker()).unwrap();
        for _ in 0..20 {
            for _ in 0..3_000 {
                sdk.tracker().keep(operation("x"));
            }
            journal.write(sdk.tracker()).unwrap();
        }
        let size_bytes = std::fs::metadata(&path).unwrap().len();
        assert!(size_bytes < 2 * REWRITE_BYTES_MIN, "{size_bytes}");
        let again = Sdk::new(Clock::simulated(0));
        OperationJournal::open(&path, again.tracker()).unwrap();
        assert_eq!(again.tracker().since(0).len(), sdk.tracker().since(0).len());
    }

    #[test]
    fn baselines_come_back_and_what_was_removed_does_not() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baselines");
        let baselines = Baselines::open(&path).unwrap();
        for (metric, value) in [("a", 1.0), ("b", 2.0), ("a", 3.0), ("c", 4.0)] {
            baselines.set(baseline(metric, value)).unwrap();
        }
        assert!(baselines.remove("b").unwrap());
        assert!(!baselines.remove("b").unwrap());
        baselines.set(baseline("d", 5.0)).unwrap();
        let again = Baselines::open(&path).unwrap().all();
        assert_eq!(
            again,
            [baseline("a", 3.0), baseline("c", 4.0), baseline("d", 5.0)]
        );
    }

    #[test]
    fn there_are_only_so_many_baselines() {
        let baselines = Baselines::default();
        for i in 0..BASELINES_MAX {
            baselines.set(baseline(&i.to_string(), 1.0)).unwrap();
        }
        assert!(matches!(
            baselines.set(baseline("one more", 1.0)),
            Err(BaselineError::TooMany { .. })
        ));
        baselines.set(baseline("7", 2.0)).unwrap();
    }

    #[test]
    fn a_damaged_record_costs_itself() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("baselines");
        let (mut journal, _) = Journal::open(&path).unwrap();
        journal.append(b"not JSON").unwrap();
        journal.append(br#"{"version": 99, "entries": []}"#).unwrap();
        journal.append(&payload(&[baseline("a", 1.0)])).unwrap();
        drop(journal);
        assert_eq!(Baselines::open(&path).unwrap().all(), [baseline("a", 1.0)]);
    }
}
