//! The tables, and how an older database becomes today's.
//!
//! `PRAGMA user_version` holds the version. Each migration runs in one transaction with its version's increase, so a crash
//! leaves either the old shape or the new one. A newer version than ours is refused and left alone.
//!
//! ```text
//! state_set     id, kind, body                  what is (see `current`); what a row says belongs to the room that wrote it
//! decision_set  first, from_ms, marks, body ...  what was decided and why (see `history`); only added to
//! ledger        id, at_ms, delivery, ...         what became of each page; only added to
//! ```

use super::StateError;
use super::current::Current;
use super::history::History;
use lapwing_types::{Decision, DecisionReason, DecisionStep, Fingerprint};
use rusqlite::{Connection, Row, Transaction};

/// How one version becomes the next.
type Migration = fn(&Transaction<'_>) -> rusqlite::Result<()>;

/// One entry per version, ascending; never changed once released.
const MIGRATIONS: [Migration; 2] = [|t| t.execute_batch(ROWS), into_sets];

/// The first schema.
pub(super) const ROWS: &str = "
CREATE TABLE state (
  kind    TEXT NOT NULL,
  key     TEXT NOT NULL,
  json    TEXT NOT NULL,
  version INTEGER NOT NULL DEFAULT 1,
  PRIMARY KEY (kind, key)
) WITHOUT ROWID, STRICT;
CREATE TABLE decision (
  id          INTEGER PRIMARY KEY,
  at_ms       INTEGER NOT NULL,
  fingerprint INTEGER NOT NULL,
  alertname   TEXT NOT NULL,
  step        TEXT NOT NULL,
  reason      TEXT NOT NULL,
  detail      TEXT NOT NULL
) STRICT;
CREATE INDEX decision_by_alert ON decision (fingerprint, at_ms);
CREATE INDEX decision_by_time ON decision (at_ms);
CREATE TABLE ledger (
  id        INTEGER PRIMARY KEY,
  at_ms     INTEGER NOT NULL,
  delivery  TEXT NOT NULL,
  event     TEXT NOT NULL,
  group_key TEXT NOT NULL,
  receiver  TEXT NOT NULL,
  channel   TEXT NOT NULL,
  attempt   INTEGER NOT NULL,
  detail    TEXT NOT NULL
) STRICT;
CREATE INDEX ledger_by_delivery ON ledger (delivery);
CREATE INDEX ledger_by_time ON ledger (at_ms);
";

const SETS: &str = "
CREATE TABLE state_set (
  id   INTEGER PRIMARY KEY,
  kind TEXT NOT NULL,
  body BLOB NOT NULL
) STRICT;
CREATE TABLE decision_set (
  first    INTEGER PRIMARY KEY,
  last     INTEGER NOT NULL,
  from_ms  INTEGER NOT NULL,
  until_ms INTEGER NOT NULL,
  count    INTEGER NOT NULL,
  level    INTEGER NOT NULL,
  marks    BLOB NOT NULL,
  body     BLOB NOT NULL
) STRICT;
CREATE INDEX decision_set_by_time ON decision_set (until_ms);
";

/// Rows of their own become sets.
fn into_sets(transaction: &Transaction<'_>) -> rusqlite::Result<()> {
    transaction.execute_batch(SETS)?;
    let mut current = Current::default();
    let mut kinds = transaction.prepare("SELECT DISTINCT kind FROM state")?;
    let kinds = kinds.query_map([], |row| row.get::<_, String>(0))?;
    for kind in kinds.collect::<rusqlite::Result<Vec<_>>>()? {
        let mut rows = transaction.prepare("SELECT key, json FROM state WHERE kind = ?1 ORDER BY key")?;
        let rows = rows.query_map([&kind], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let rows: Vec<(String, String)> = rows.collect::<rusqlite::Result<_>>()?;
        let rows: Vec<(&str, Option<&str>)> = rows.iter().map(|(k, j)| (&**k, Some(&**j))).collect();
        current.write_kind(transaction, &kind, &rows)?;
    }
    let mut history = History::open(transaction)?;
    let mut statement = transaction
        .prepare("SELECT at_ms, fingerprint, alertname, step, reason, detail FROM decision ORDER BY id")?;
    let mut found = statement.query([])?;
    let mut part = Vec::new();
    while let Some(row) = found.next()? {
        part.extend(decision(row)?);
        if part.len() == DECISIONS_AT_ONCE {
            history.write(transaction, &part)?;
            part.clear();
        }
    }
    history.write(transaction, &part)?;
    drop(found);
    drop(statement);
    transaction.execute_batch("DROP TABLE state; DROP TABLE decision;")
}

const DECISIONS_AT_ONCE: usize = 4_096;

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

pub(super) fn migrate(connection: &mut Connection) -> Result<(), StateError> {
    let failed = |source| StateError::Database {
        what: "bringing the state database up to date",
        source,
    };
    let known = MIGRATIONS.len() as i64;
    let found: i64 = connection
        .query_row("PRAGMA user_version", [], |row| row.get(0))
        .map_err(failed)?;
    if found > known {
        return Err(StateError::TooNew { found, known });
    }
    for version in found..known {
        let step = MIGRATIONS[usize::try_from(version).unwrap_or(0)];
        let transaction = connection.transaction().map_err(failed)?;
        step(&transaction).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", version + 1)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
