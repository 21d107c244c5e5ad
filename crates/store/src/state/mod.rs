//! State that must not be lost: rule timers, alerts, silences, acks, what we owe to whom, and why it was decided so.
//!
//! One trait, [`StateStore`]; one transaction per tick, synced when [`StateStore::commit`] returns. What leaves the
//! process (a page) leaves after the commit that says so.
//!
//! Useful for: surviving kill -9, reload and upgrade; "why was I, or was I not, paged?".
//! Not for: samples (`metrics`), and not for deciding anything.

mod copy;
mod current;
mod history;
mod memory;
mod pack;
mod queries;
mod schema;
mod sqlite;
#[cfg(test)]
mod tests;

pub use copy::{check_database, copy_database};
pub use memory::MemoryState;
pub use queries::{DecisionQuery, LedgerQuery};
pub use sqlite::SqliteState;

use lapwing_types::{Decision, LedgerEntry, StateBatch, StateKind};
use std::path::PathBuf;

/// Where state is kept.
pub trait StateStore: Send + Sync {
    /// All rows of a kind, as key and JSON, ascending by key.
    fn load(&self, kind: StateKind) -> Result<Vec<(String, String)>, StateError>;

    /// All or nothing, with what is owed; synced to disk when this returns. After a failure nothing may be sent on the strength of
    /// state that might not be there: for want of room the next commit is tried anew, after anything else the store is poisoned.
    fn commit(&self, batch: &StateBatch) -> Result<(), StateError>;

    /// As [`StateStore::commit`], for what has happened already: where there is no room, it is owed and written with the next
    /// commit, be that an empty one.
    fn commit_or_owe(&self, batch: StateBatch) -> Result<(), StateError>;

    /// Why the last commit came to nothing; `None` where it was kept.
    fn failure(&self) -> Option<String>;

    /// Decision records, the newest first.
    fn decisions(&self, query: &DecisionQuery) -> Result<Vec<Decision>, StateError>;

    /// The notification ledger's history, the newest first.
    fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerEntry>, StateError>;

    /// Removes decisions and ledger entries older than this; returns how many.
    fn forget_before(&self, before_ms: i64) -> Result<u64, StateError>;
}

#[derive(Debug, thiserror::Error)]
pub enum StateError {
    #[error("opening the state database {path}")]
    Open {
        path: PathBuf,
        #[source]
        source: rusqlite::Error,
    },
    #[error("syncing {path}")]
    Sync {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("{what}")]
    Database {
        what: &'static str,
        #[source]
        source: rusqlite::Error,
    },
    #[error(
        "the state database has schema {found}, this program knows up to {known}: it was written by a newer one"
    )]
    TooNew { found: i64, known: i64 },
    #[error("the state database failed earlier ({reason}); nothing is written to it until a restart")]
    Poisoned { reason: String },
}

impl StateError {
    /// Whether it was for want of room alone: trying again helps once there is some.
    pub fn is_disk_full(&self) -> bool {
        match self {
            StateError::Open { source, .. } | StateError::Database { source, .. } => {
                sqlite::is_disk_full(source)
            }
            StateError::Sync { source, .. } => crate::metrics::is_disk_full(source),
            _ => false,
        }
    }

    /// Whether the file is no whole database, so that starting again will not help.
    pub fn is_damage(&self) -> bool {
        use rusqlite::ErrorCode::{DatabaseCorrupt, NotADatabase};
        let (StateError::Open { source, .. } | StateError::Database { source, .. }) = self else {
            return false;
        };
        matches!(source.sqlite_error_code(), Some(DatabaseCorrupt | NotADatabase))
    }
}
