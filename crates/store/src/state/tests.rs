//! Both implementations keep the same promises; SQLite also keeps them over a reopening.

use super::{DecisionQuery, LedgerQuery, MemoryState, SqliteState, StateError, StateStore};
use lapwing_types::{
    Decision, DecisionReason, DecisionStep, Fingerprint, LedgerEntry, LedgerEvent, StateBatch, StateChange,
    StateKind,
};

fn batch(key: &str, json: Option<&str>, at_ms: i64) -> StateBatch {
    StateBatch {
        changes: vec![StateChange {
            kind: StateKind::Alert,
            key: key.to_owned(),
            json: json.map(str::to_owned),
        }],
        decisions: vec![Decision {
            at_ms,
            fingerprint: Fingerprint(u64::MAX),
            alertname: key.to_owned(),
            step: DecisionStep::Silence,
            reason: DecisionReason::Silenced,
            detail: "why".to_owned(),
        }],
        ledger: vec![LedgerEntry {
            at_ms,
            delivery: key.to_owned(),
            event: LedgerEvent::Delivered,
            group_key: "g".to_owned(),
            receiver: "r".to_owned(),
            channel: "webhook".to_owned(),
            attempt: 2,
            detail: String::new(),
        }],
    }
}

fn keeps_its_promises(store: &dyn StateStore) {
    store.commit(&batch("a", Some("1"), 10)).unwrap();
    store.commit(&batch("b", Some("2"), 20)).unwrap();
    store.commit(&batch("a", Some("3"), 30)).unwrap();
    store.commit(&batch("b", None, 40)).unwrap();
    assert_eq!(
        store.load(StateKind::Alert).unwrap(),
        [("a".to_owned(), "3".to_owned())]
    );
    assert!(store.load(StateKind::Silence).unwrap().is_empty());
    let query = DecisionQuery {
        fingerprint: Some(Fingerprint(u64::MAX)),
        alertname: Some("a".to_owned()),
        ..DecisionQuery::default()
    };
    let times: Vec<i64> = store.decisions(&query).unwrap().iter().map(|d| d.at_ms).collect();
    assert_eq!(times, [30, 10]);
    let query = LedgerQuery {
        receiver: Some("r".to_owned()),
        until_ms: Some(30),
        limit: 2,
        ..LedgerQuery::default()
    };
    let found = store.ledger(&query).unwrap();
    assert_eq!(found.iter().map(|e| e.at_ms).collect::<Vec<_>>(), [30, 20]);
    assert_eq!(found[0], batch("a", None, 30).ledger[0]);
    assert_eq!(store.forget_before(35).unwrap(), 6);
    assert_eq!(store.decisions(&DecisionQuery::default()).unwrap().len(), 1);
}

#[test]
fn both_stores_keep_the_same_promises() {
    keeps_its_promises(&MemoryState::new());
    let folder = tempfile::tempdir().unwrap();
    keeps_its_promises(&SqliteState::open(&folder.path().join("state.db")).unwrap());
}

#[test]
fn sqlite_is_where_it_was_after_a_reopening() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteState::open(&path).unwrap();
    store.commit(&batch("a", Some("1"), 10)).unwrap();
    // A kill: nobody closes anything, and the log is not folded back into the database.
    std::mem::forget(store);
    let store = SqliteState::open(&path).unwrap();
    assert_eq!(store.load(StateKind::Alert).unwrap().len(), 1);
    assert_eq!(store.ledger(&LedgerQuery::default()).unwrap().len(), 1);
}

#[test]
fn a_database_of_a_newer_program_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    drop(SqliteState::open(&path).unwrap());
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.pragma_update(None, "user_version", 99).unwrap();
    drop(raw);
    let error = SqliteState::open(&path).err().unwrap();
    assert!(matches!(error, StateError::TooNew { found: 99, known: 1 }));
}

#[test]
fn after_a_failed_commit_nothing_is_written_any_more() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteState::open(&path).unwrap();
    store.commit(&batch("a", Some("1"), 10)).unwrap();
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("DROP TABLE ledger").unwrap();
    assert!(store.commit(&batch("b", Some("1"), 20)).is_err());
    assert!(matches!(
        store.commit(&batch("c", Some("1"), 30)),
        Err(StateError::Poisoned { .. })
    ));
    assert_eq!(store.load(StateKind::Alert).unwrap().len(), 1, "all or nothing");
}
