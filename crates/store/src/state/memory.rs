//! State in memory: for `--memory`, where nothing is meant to survive, and as the model in tests.

use super::queries::{DecisionQuery, LedgerQuery, rows};
use super::{StateError, StateStore};
use lapwing_types::{Decision, LedgerEntry, StateBatch, StateKind};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Older history is dropped beyond this many entries.
const HISTORY_MAX: usize = 100_000;

#[derive(Default)]
pub struct MemoryState {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    rows: BTreeMap<StateKind, BTreeMap<String, String>>,
    decisions: VecDeque<Decision>,
    ledger: VecDeque<LedgerEntry>,
}

impl MemoryState {
    pub fn new() -> Self {
        MemoryState::default()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for MemoryState {
    fn load(&self, kind: StateKind) -> Result<Vec<(String, String)>, StateError> {
        let inner = self.lock();
        let rows = inner.rows.get(&kind);
        Ok(rows
            .into_iter()
            .flatten()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect())
    }

    fn commit(&self, batch: &StateBatch) -> Result<(), StateError> {
        let mut inner = self.lock();
        for change in &batch.changes {
            let rows = inner.rows.entry(change.kind).or_default();
            match &change.json {
                Some(json) => rows.insert(change.key.clone(), json.clone()),
                None => rows.remove(&change.key),
            };
        }
        inner.decisions.extend(batch.decisions.iter().cloned());
        inner.ledger.extend(batch.ledger.iter().cloned());
        while inner.decisions.len() > HISTORY_MAX {
            inner.decisions.pop_front();
        }
        while inner.ledger.len() > HISTORY_MAX {
            inner.ledger.pop_front();
        }
        Ok(())
    }

    fn commit_or_owe(&self, batch: StateBatch) -> Result<(), StateError> {
        self.commit(&batch)
    }

    fn failure(&self) -> Option<String> {
        None
    }

    fn decisions(&self, query: &DecisionQuery) -> Result<Vec<Decision>, StateError> {
        let inner = self.lock();
        let mut found: Vec<Decision> = inner
            .decisions
            .iter()
            .filter(|d| within(d.at_ms, query.from_ms, query.until_ms))
            .filter(|d| query.fingerprint.is_none_or(|f| f == d.fingerprint))
            .filter(|d| query.alertname.as_ref().is_none_or(|n| *n == d.alertname))
            .cloned()
            .collect();
        newest_first(&mut found, query.limit, |d| d.at_ms);
        Ok(found)
    }

    fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerEntry>, StateError> {
        let inner = self.lock();
        let is = |wanted: &Option<String>, value: &String| wanted.as_ref().is_none_or(|w| w == value);
        let mut found: Vec<LedgerEntry> = inner
            .ledger
            .iter()
            .filter(|e| within(e.at_ms, query.from_ms, query.until_ms))
            .filter(|e| is(&query.delivery, &e.delivery))
            .filter(|e| is(&query.group_key, &e.group_key) && is(&query.receiver, &e.receiver))
            .cloned()
            .collect();
        newest_first(&mut found, query.limit, |e| e.at_ms);
        Ok(found)
    }

    fn forget_before(&self, before_ms: i64) -> Result<u64, StateError> {
        let mut inner = self.lock();
        let before = inner.decisions.len() + inner.ledger.len();
        inner.decisions.retain(|d| d.at_ms >= before_ms);
        inner.ledger.retain(|e| e.at_ms >= before_ms);
        Ok((before - inner.decisions.len() - inner.ledger.len()) as u64)
    }
}

fn within(at_ms: i64, from_ms: Option<i64>, until_ms: Option<i64>) -> bool {
    from_ms.is_none_or(|from| at_ms >= from) && until_ms.is_none_or(|until| at_ms <= until)
}

fn newest_first<T>(found: &mut Vec<T>, limit: usize, at_ms: impl Fn(&T) -> i64) {
    found.reverse();
    found.sort_by_key(|t| std::cmp::Reverse(at_ms(t)));
    found.truncate(rows(limit));
}
