//! State in SQLite: write-ahead log, `synchronous=FULL`.
//!
//! Crash argument: a commit appends its pages to SQLite's own log and syncs it before it returns; a torn tail of that log
//! fails its checksums and is ignored when the database is opened again. So after kill -9 or a power cut the database is as
//! the last successful `commit` left it. With `synchronous=FULL` (not `NORMAL`) that holds for power cuts too.
//!
//! Invariant: after a failed commit nothing more is written (`Poisoned`), because a failed sync may have thrown pages away
//! that a later sync would not report again.

use super::queries::{DecisionQuery, LedgerQuery, rows};
use super::{StateError, StateStore, schema};
use lapwing_types::{
    Decision, DecisionReason, DecisionStep, Fingerprint, LedgerEntry, LedgerEvent, StateBatch, StateKind,
};
use rusqlite::types::Value;
use rusqlite::{Connection, Row, params, params_from_iter};
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

pub struct SqliteState {
    inner: Mutex<Inner>,
}

struct Inner {
    connection: Connection,
    poisoned: Option<String>,
}

/// The version of rows written by this program.
const ROW_VERSION: i64 = 1;

/// The pages that a storm touches again and again: SQLite's own 2 MiB would be read and written anew with every commit.
const CACHE_KIBIBYTES: i64 = 8 << 10;
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
            .pragma_update(None, "cache_size", -CACHE_KIBIBYTES)
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
                connection,
                poisoned: None,
            }),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl StateStore for SqliteState {
    fn load(&self, kind: StateKind) -> Result<Vec<(String, String)>, StateError> {
        let wrong = failed("reading state");
        let inner = self.lock();
        let mut statement = inner
            .connection
            .prepare_cached("SELECT key, json FROM state WHERE kind = ?1 ORDER BY key")
            .map_err(&wrong)?;
        let found = statement
            .query_map([kind.as_str()], |row| Ok((row.get(0)?, row.get(1)?)))
            .map_err(&wrong)?;
        found.collect::<Result<_, _>>().map_err(&wrong)
    }

    fn commit(&self, batch: &StateBatch) -> Result<(), StateError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut inner = self.lock();
        if let Some(reason) = &inner.poisoned {
            return Err(StateError::Poisoned {
                reason: reason.clone(),
            });
        }
        write(&mut inner.connection, batch).map_err(|source| {
            inner.poisoned = Some(source.to_string());
            StateError::Database {
                what: "writing state",
                source,
            }
        })
    }

    fn decisions(&self, query: &DecisionQuery) -> Result<Vec<Decision>, StateError> {
        let mut filter = Filter::new(query.from_ms, query.until_ms);
        if let Some(print) = query.fingerprint {
            filter.add("fingerprint = ?", print.0.cast_signed());
        }
        if let Some(name) = &query.alertname {
            filter.add("alertname = ?", name.clone());
        }
        let sql = filter.sql(
            "SELECT at_ms, fingerprint, alertname, step, reason, detail FROM decision",
            query.limit,
        );
        self.select(&sql, &filter, decision)
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
        let wrong = failed("forgetting old history");
        let inner = self.lock();
        let mut gone = 0;
        for sql in [
            "DELETE FROM decision WHERE at_ms < ?1",
            "DELETE FROM ledger WHERE at_ms < ?1",
        ] {
            gone += inner.connection.execute(sql, [before_ms]).map_err(&wrong)?;
        }
        Ok(gone as u64)
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

fn write(connection: &mut Connection, batch: &StateBatch) -> rusqlite::Result<()> {
    let transaction = connection.transaction()?;
    {
        let mut put = transaction.prepare_cached(
            "INSERT INTO state (kind, key, json, version) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT (kind, key) DO UPDATE SET json = excluded.json, version = excluded.version",
        )?;
        let mut remove = transaction.prepare_cached("DELETE FROM state WHERE kind = ?1 AND key = ?2")?;
        for change in &batch.changes {
            match &change.json {
                Some(json) => put.execute(params![change.kind.as_str(), change.key, json, ROW_VERSION])?,
                None => remove.execute(params![change.kind.as_str(), change.key])?,
            };
        }
        let mut decide = transaction.prepare_cached(
            "INSERT INTO decision (at_ms, fingerprint, alertname, step, reason, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?;
        for d in &batch.decisions {
            decide.execute(params![
                d.at_ms,
                d.fingerprint.0.cast_signed(),
                d.alertname,
                d.step.as_str(),
                d.reason.as_str(),
                d.detail
            ])?;
        }
        let mut log = transaction.prepare_cached(
            "INSERT INTO ledger (at_ms, delivery, event, group_key, receiver, channel, attempt, detail) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        for e in &batch.ledger {
            log.execute(params![
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
    }
    transaction.commit()
}

fn decision(row: &Row<'_>) -> rusqlite::Result<Option<Decision>> {
    let (step, reason): (String, String) = (row.get(3)?, row.get(4)?);
    let (Some(step), Some(reason)) = (DecisionStep::parse(&step), DecisionReason::parse(&reason)) else {
        return Ok(None);
    };
    Ok(Some(Decision {
        at_ms: row.get(0)?,
        fingerprint: Fingerprint(row.get::<_, i64>(1)?.cast_unsigned()),
        alertname: row.get(2)?,
        step,
        reason,
        detail: row.get(5)?,
    }))
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
