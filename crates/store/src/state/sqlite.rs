//! State in SQLite: write-ahead log, `synchronous=FULL`.
//!
//! Crash argument: a commit appends its pages to SQLite's own log and syncs it before it returns; a torn tail of that log
//! fails its checksums and is ignored when the database is opened again. So after kill -9 or a power cut the database is as
//! the last successful `commit` left it. With `synchronous=FULL` (not `NORMAL`) that holds for power cuts too.
//!
//! What changes and what was decided is written as whole sets (`current`, `history`), because SQLite writes whole pages: rows of
//! their own, each at the place of its key, would be seven hundred pages for one request of 256 alerts.
//!
//! Invariant: after a failed commit nothing more is written (`Poisoned`), because a failed sync may have thrown pages away
//! that a later sync would not report again. A full disk alone is different: nothing was synced, the transaction is rolled back,
//! and the next commit is tried as if nothing had been. What could not be refused meanwhile (time went on) is owed: it waits in
//! memory and is written before all else.

use super::current::{self, Current};
use super::history::{self, History};
use super::queries::{DecisionQuery, LedgerQuery, rows};
use super::{StateError, StateStore, schema};
use lapwing_types::{Decision, LedgerEntry, LedgerEvent, StateBatch, StateKind};
use rusqlite::types::Value;
use rusqlite::{Connection, ErrorCode, Row, params, params_from_iter};
use std::collections::HashSet;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub struct SqliteState {
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    current: Current,
    history: History,
    /// A transaction failed, and what `current` and `history` noted of it is not so.
    is_index_stale: bool,
    /// Why the last commit came to nothing.
    failure: Option<String>,
    is_poisoned: bool,
    owed: StateBatch,
}

/// Of decisions, and of entries in the ledger, that wait for room; older ones are let go of.
const OWED_ENTRIES_MAX: usize = 10_000;

/// Pages in the log (16 MiB of them) before it is moved into the database: a page that changes with every commit is moved once.
const LOG_PAGES_MAX: i64 = 4_096;
/// What of the log's file stays when it starts anew.
const LOG_KEPT_BYTES: i64 = 4 << 20;

fn failed(what: &'static str) -> impl Fn(rusqlite::Error) -> StateError {
    move |source| StateError::Database { what, source }
}

impl SqliteState {
    /// Opens or creates the database, and brings it up to date.
    pub fn open(path: &Path) -> Result<Self, StateError> {
        let connection = Connection::open(path).map_err(|source| StateError::Open {
            path: path.to_owned(),
            source,
        })?;
        SqliteState::prepare(connection)
    }

    fn prepare(mut connection: Connection) -> Result<Self, StateError> {
        let wrong = failed("preparing the state database");
        connection
            .pragma_update(None, "journal_mode", "WAL")
            .map_err(&wrong)?;
        connection
            .pragma_update(None, "synchronous", "FULL")
            .map_err(&wrong)?;
        connection
            .pragma_update(None, "busy_timeout", 5_000)
            .map_err(&wrong)?;
        connection
            .pragma_update(None, "wal_autocheckpoint", LOG_PAGES_MAX)
            .map_err(&wrong)?;
        connection
            .pragma_update(None, "journal_size_limit", LOG_KEPT_BYTES)
            .map_err(&wrong)?;
        schema::migrate(&mut connection)?;
        Ok(SqliteState {
            inner: Mutex::new(Inner {
                current: Current::open(&connection).map_err(&wrong)?,
                history: History::open(&connection).map_err(&wrong)?,
                connection,
                is_index_stale: false,
                failure: None,
                is_poisoned: false,
                owed: StateBatch::default(),
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for SqliteState {
    fn load(&self, kind: StateKind) -> Result<Vec<(String, String)>, StateError> {
        let inner = self.lock();
        let found = current::load(&inner.connection, kind.as_str()).map_err(failed("reading state"))?;
        Ok(found.into_iter().collect())
    }

    fn commit(&self, batch: &StateBatch) -> Result<(), StateError> {
        self.lock().commit(batch)
    }

    fn commit_or_owe(&self, batch: StateBatch) -> Result<(), StateError> {
        let mut inner = self.lock();
        inner.commit(&batch).inspect_err(|_| inner.owe(batch))
    }

    fn failure(&self) -> Option<String> {
        self.lock().failure.clone()
    }

    fn decisions(&self, query: &DecisionQuery) -> Result<Vec<Decision>, StateError> {
        let inner = self.lock();
        history::decisions(&inner.connection, query).map_err(failed("reading decisions"))
    }

    fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerEntry>, StateError> {
        let mut filter = Filter::new(query.from_ms, query.until_ms);
        let texts = [
            ("delivery = ?", &query.delivery),
            ("group_key = ?", &query.group_key),
            ("receiver = ?", &query.receiver),
        ];
        for (condition, text) in texts {
            if let Some(text) = text {
                filter.add(condition, text.clone());
            }
        }
        let sql = filter.sql(
            "SELECT at_ms, delivery, event, group_key, receiver, channel, attempt, detail FROM ledger",
            query.limit,
        );
        self.select(&sql, &filter, ledger_entry)
    }

    fn forget_before(&self, before_ms: i64) -> Result<u64, StateError> {
        let mut inner = self.lock();
        let result = inner.forget_before(before_ms);
        inner.is_index_stale |= result.is_err();
        result.map_err(failed("forgetting old history"))
    }
}

impl SqliteState {
    /// Rows whose words this version does not know are left out: a newer program wrote them.
    fn select<T>(
        &self,
        sql: &str,
        filter: &Filter,
        read: fn(&Row<'_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, StateError> {
        let wrong = failed("reading history");
        let inner = self.lock();
        let mut statement = inner.connection.prepare_cached(sql).map_err(&wrong)?;
        let found = statement
            .query_map(params_from_iter(filter.values.iter()), read)
            .map_err(&wrong)?;
        let mut all = Vec::new();
        for row in found {
            all.extend(row.map_err(&wrong)?);
        }
        Ok(all)
    }
}

struct Filter {
    conditions: Vec<&'static str>,
    values: Vec<Value>,
}

impl Filter {
    fn new(from_ms: Option<i64>, until_ms: Option<i64>) -> Self {
        let mut filter = Filter {
            conditions: Vec::new(),
            values: Vec::new(),
        };
        if let Some(ms) = from_ms {
            filter.add("at_ms >= ?", ms);
        }
        if let Some(ms) = until_ms {
            filter.add("at_ms <= ?", ms);
        }
        filter
    }

    fn add(&mut self, condition: &'static str, value: impl Into<Value>) {
        self.conditions.push(condition);
        self.values.push(value.into());
    }

    fn sql(&self, select: &str, limit: usize) -> String {
        let condition = if self.conditions.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.conditions.join(" AND "))
        };
        format!(
            "{select}{condition} ORDER BY at_ms DESC, id DESC LIMIT {}",
            rows(limit)
        )
    }
}

impl Inner {
    fn commit(&mut self, batch: &StateBatch) -> Result<(), StateError> {
        if batch.is_empty() && self.owed.is_empty() {
            return Ok(());
        }
        if self.is_poisoned {
            let reason = self.failure.clone().unwrap_or_default();
            return Err(StateError::Poisoned { reason });
        }
        match self.write(batch) {
            Ok(()) => {
                self.failure = None;
                Ok(())
            }
            Err(source) => {
                self.failure = Some(source.to_string());
                self.is_index_stale = true;
                self.is_poisoned = !is_disk_full(&source);
                Err(StateError::Database {
                    what: "writing state",
                    source,
                })
            }
        }
    }

    /// What is owed, and then this.
    fn write(&mut self, batch: &StateBatch) -> rusqlite::Result<()> {
        self.renew_index()?;
        let transaction = self.connection.transaction()?;
        for batch in [&self.owed, batch] {
            self.current.write(&transaction, &batch.changes)?;
            self.history.write(&transaction, &batch.decisions)?;
            log(&transaction, &batch.ledger)?;
        }
        transaction.commit()?;
        self.owed = StateBatch::default();
        Ok(())
    }

    /// Of each row the last word alone: what is owed does not outgrow what there is.
    fn owe(&mut self, batch: StateBatch) {
        if self.is_poisoned {
            return;
        }
        self.owed.merge(batch);
        let StateBatch {
            changes,
            decisions,
            ledger,
        } = &mut self.owed;
        let mut said = HashSet::new();
        changes.reverse();
        changes.retain(|change| said.insert((change.kind, change.key.clone())));
        changes.reverse();
        decisions.drain(..decisions.len().saturating_sub(OWED_ENTRIES_MAX));
        ledger.drain(..ledger.len().saturating_sub(OWED_ENTRIES_MAX));
    }

    fn renew_index(&mut self) -> rusqlite::Result<()> {
        if self.is_index_stale {
            self.current = Current::open(&self.connection)?;
            self.history = History::open(&self.connection)?;
            self.is_index_stale = false;
        }
        Ok(())
    }

    fn forget_before(&mut self, before_ms: i64) -> rusqlite::Result<u64> {
        self.renew_index()?;
        let transaction = self.connection.transaction()?;
        let decisions = self.history.forget_before(&transaction, before_ms)?;
        let entries = transaction.execute("DELETE FROM ledger WHERE at_ms < ?1", [before_ms])?;
        transaction.commit()?;
        Ok(decisions + entries as u64)
    }
}

/// Without room for its shared memory, which is a file as well, SQLite speaks of input and output.
pub(super) fn is_disk_full(error: &rusqlite::Error) -> bool {
    error.sqlite_error().is_some_and(|error| {
        error.code == ErrorCode::DiskFull || error.extended_code == rusqlite::ffi::SQLITE_IOERR_SHMSIZE
    })
}

fn log(connection: &Connection, entries: &[LedgerEntry]) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT INTO ledger (at_ms, delivery, event, group_key, receiver, channel, attempt, detail) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )?;
    for e in entries {
        insert.execute(params![
            e.at_ms,
            e.delivery,
            e.event.as_str(),
            e.group_key,
            e.receiver,
            e.channel,
            e.attempt,
            e.detail
        ])?;
    }
    Ok(())
}

fn ledger_entry(row: &Row<'_>) -> rusqlite::Result<Option<LedgerEntry>> {
    let event: String = row.get(2)?;
    let Some(event) = LedgerEvent::parse(&event) else {
        return Ok(None);
    };
    Ok(Some(LedgerEntry {
        at_ms: row.get(0)?,
        delivery: row.get(1)?,
        event,
        group_key: row.get(3)?,
        receiver: row.get(4)?,
        channel: row.get(5)?,
        attempt: row.get(6)?,
        detail: row.get(7)?,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::StateChange;

    fn silence(key: &str, json: &str) -> StateBatch {
        StateBatch {
            changes: vec![StateChange {
                kind: StateKind::Silence,
                key: key.to_owned(),
                json: Some(json.to_owned()),
            }],
            ..StateBatch::default()
        }
    }

    /// Longer than a page of the database, and not to be packed.
    fn long() -> String {
        let numbers = (0..4_000u64).map(|n| xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes()).to_string());
        numbers.collect()
    }

    #[test]
    fn a_full_disk_refuses_what_needs_room_and_is_forgotten_when_there_is_some() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.db");
        let state = SqliteState::open(&path).unwrap();
        let limit = |pages: i64| {
            let inner = state.lock();
            inner
                .connection
                .pragma_update(None, "max_page_count", pages)
                .unwrap();
        };
        state.commit(&silence("before", "1")).unwrap();
        limit(1);
        assert!(state.commit(&silence("refused", &long())).is_err());
        assert!(state.failure().unwrap().contains("full"));
        assert!(state.commit_or_owe(silence("owed", &long())).is_err());
        assert!(state.commit_or_owe(silence("owed", "2")).is_err());
        limit(1 << 20);
        state.commit(&silence("after", "3")).unwrap();
        assert_eq!(state.failure(), None);
        let expect = [("after", "3"), ("before", "1"), ("owed", "2")];
        let expect = expect.map(|(key, json)| (key.to_owned(), json.to_owned()));
        assert_eq!(state.load(StateKind::Silence).unwrap(), expect);
        drop(state);
        let again = SqliteState::open(&path).unwrap();
        again.commit(&StateBatch::default()).unwrap();
        assert_eq!(again.load(StateKind::Silence).unwrap(), expect);
    }
}
