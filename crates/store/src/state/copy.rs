//! A copy of the state database, taken beside the process that has it open, and whether one is whole.
//!
//! The copy is what one read transaction sees, so it is as some commit left it; writers do not wait for it. It is one file,
//! synced when this returns, with nothing left to replay.

use super::StateError;
use rusqlite::{Connection, OpenFlags};
use std::fs::File;
use std::path::Path;

/// Copies a whole database to a file that does not exist yet.
pub fn copy_database(from: &Path, to: &Path) -> Result<(), StateError> {
    let connection = open(from)?;
    let target = to.display().to_string();
    connection
        .execute("VACUUM INTO ?1", [target])
        .map_err(|source| StateError::Database {
            what: "copying the state database",
            source,
        })?;
    File::open(to)
        .and_then(|file| file.sync_all())
        .map_err(|source| StateError::Sync {
            path: to.to_owned(),
            source,
        })
}

/// What is wrong with a database, each a line; nothing when it is whole.
pub fn check_database(path: &Path) -> Result<Vec<String>, StateError> {
    let wrong = |source| StateError::Database {
        what: "reading through the state database",
        source,
    };
    let connection = open(path)?;
    // SQLite takes an empty file for a database of nothing; ours has its tables from the first start on.
    let count = "SELECT count(*) FROM sqlite_master";
    let tables: i64 = connection.query_row(count, [], |row| row.get(0)).map_err(wrong)?;
    if tables == 0 {
        return Ok(vec!["there is not one table in it".to_owned()]);
    }
    let mut statement = connection.prepare("PRAGMA integrity_check(20)").map_err(wrong)?;
    let lines = statement
        .query_map([], |row| row.get::<_, String>(0))
        .map_err(wrong)?;
    let found = lines.collect::<Result<Vec<_>, _>>().map_err(wrong)?;
    Ok(found.into_iter().filter(|line| line != "ok").collect())
}

fn open(path: &Path) -> Result<Connection, StateError> {
    Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(|source| StateError::Open {
        path: path.to_owned(),
        source,
    })
}
