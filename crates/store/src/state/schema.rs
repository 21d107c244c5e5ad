//! The tables, and how an older database becomes today's.
//!
//! `PRAGMA user_version` holds the version. Each migration runs in one transaction with its version's increase, so a crash
//! leaves either the old shape or the new one. A newer version than ours is refused and left alone.
//!
//! ```text
//! state     (kind, key) → json, version     what is; the shape of json belongs to the room that wrote it
//! decision  id, at_ms, fingerprint, ...     what was decided and why; only added to
//! ledger    id, at_ms, delivery, ...        what became of each page; only added to
//! ```

use super::StateError;
use rusqlite::Connection;

/// One entry per version, ascending; never changed once released.
const MIGRATIONS: [&str; 1] = ["
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
"];

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
        let steps = MIGRATIONS[usize::try_from(version).unwrap_or(0)];
        let transaction = connection.transaction().map_err(failed)?;
        transaction.execute_batch(steps).map_err(failed)?;
        transaction
            .pragma_update(None, "user_version", version + 1)
            .map_err(failed)?;
        transaction.commit().map_err(failed)?;
    }
    Ok(())
}
