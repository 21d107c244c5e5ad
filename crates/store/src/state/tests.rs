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
    assert!(matches!(error, StateError::TooNew { found: 99, known: 2 }));
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

/// An old database, as its program made it.
#[test]
fn rows_of_the_first_schema_are_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch(super::schema::ROWS).unwrap();
    raw.execute_batch(
        "INSERT INTO state VALUES ('alert', 'a', '1', 1), ('alert', 'b', '2', 1), ('silence', 's', '{}', 1);
         INSERT INTO decision (at_ms, fingerprint, alertname, step, reason, detail)
           VALUES (10, -1, 'a', 'send', 'delivered', 'x'), (20, 7, 'b', 'send', 'delivered', 'y'), (30, 7, 'b', 'of', 'tomorrow', '');
         INSERT INTO ledger (at_ms, delivery, event, group_key, receiver, channel, attempt, detail)
           VALUES (10, 'd', 'delivered', 'g', 'r', 'webhook', 1, '');
         PRAGMA user_version = 1;",
    )
    .unwrap();
    drop(raw);
    let store = SqliteState::open(&path).unwrap();
    let rows = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "2".to_owned())];
    assert_eq!(store.load(StateKind::Alert).unwrap(), rows);
    assert_eq!(store.load(StateKind::Silence).unwrap().len(), 1);
    assert_eq!(store.ledger(&LedgerQuery::default()).unwrap().len(), 1);
    let told: Vec<(u64, String)> = store
        .decisions(&DecisionQuery::default())
        .unwrap()
        .into_iter()
        .map(|d| (d.fingerprint.0, d.detail))
        .collect();
    assert_eq!(told, [(7, "y".to_owned()), (u64::MAX, "x".to_owned())]);
}

/// Many commits, small and large, with reopenings between them, against the store in memory.
#[test]
fn whatever_is_written_the_sets_say_the_same_as_memory() {
    const SEED: u64 = 20_261_121;
    let mut state = SEED;
    let mut dice = |sides: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) % sides
    };
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let (mut store, model) = (SqliteState::open(&path).unwrap(), MemoryState::new());
    for round in 0..400 {
        let mut all = StateBatch::default();
        let many = if dice(10) == 0 { 600 } else { 3 };
        for _ in 0..1 + dice(many) {
            let key = format!("alert {}", dice(300));
            // Long enough for old sets to go within this test.
            let json =
                (dice(3) > 0).then(|| format!("{round}{}", "x".repeat(usize::try_from(dice(900)).unwrap())));
            let mut one = batch(
                &key,
                json.as_deref(),
                1_000 * round + 7 - i64::try_from(dice(9)).unwrap(),
            );
            one.decisions[0].fingerprint = Fingerprint(dice(300) << 32 | 5);
            if dice(2) == 0 {
                one.changes[0].kind = StateKind::Delivery;
            }
            all.merge(one);
        }
        store.commit(&all).unwrap();
        model.commit(&all).unwrap();
        if dice(40) == 0 {
            drop(store);
            store = SqliteState::open(&path).unwrap();
        }
        if dice(60) == 0 {
            let before_ms = 1_000 * round - 100_000;
            assert_eq!(
                store.forget_before(before_ms).unwrap(),
                model.forget_before(before_ms).unwrap()
            );
        }
        let query = DecisionQuery {
            fingerprint: (dice(2) == 0).then(|| Fingerprint(dice(300) << 32 | 5)),
            alertname: (dice(2) == 0).then(|| format!("alert {}", dice(300))),
            from_ms: (dice(2) == 0).then(|| 1_000 * i64::try_from(dice(400)).unwrap()),
            until_ms: (dice(2) == 0).then(|| 1_000 * i64::try_from(dice(400)).unwrap()),
            limit: usize::try_from(dice(50)).unwrap(),
        };
        assert_eq!(
            store.decisions(&query).unwrap(),
            model.decisions(&query).unwrap(),
            "seed {SEED}, round {round}"
        );
        for kind in [StateKind::Alert, StateKind::Delivery]
            .into_iter()
            .filter(|_| round % 10 == 0)
        {
            assert_eq!(
                store.load(kind).unwrap(),
                model.load(kind).unwrap(),
                "seed {SEED}, round {round}"
            );
        }
    }
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    let count = |sql: &str| raw.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap();
    // More was written than the logs may hold, and small sets of decisions were merged.
    assert!(count("SELECT min(id) FROM state_set") > 1);
    assert!(count("SELECT max(level) FROM decision_set") > 0);
    assert!(count("SELECT count(*) FROM decision_set") < 200);
}

/// One set that does not read is one row that does not: the rest is there.
#[test]
fn a_damaged_set_is_reported_and_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteState::open(&path).unwrap();
    store.commit(&batch("a", Some("1"), 10)).unwrap();
    store.commit(&batch("b", Some("2"), 20)).unwrap();
    drop(store);
    let raw = rusqlite::Connection::open(&path).unwrap();
    raw.execute_batch("UPDATE state_set SET body = x'00' WHERE id = 1; UPDATE decision_set SET body = x'00' WHERE first = 1")
        .unwrap();
    drop(raw);
    let store = SqliteState::open(&path).unwrap();
    let (kept, errors) =
        lapwing_types::Kept::<u32>::load(StateKind::Alert, store.load(StateKind::Alert).unwrap());
    assert_eq!((kept.get("b"), kept.len()), (Some(&2), 1));
    assert!(errors[0].to_string().contains("change set 1"), "{}", errors[0]);
    assert_eq!(store.decisions(&DecisionQuery::default()).unwrap().len(), 1);
}

/// What a request of 256 alerts costs the disk: pages of the log, which are what a commit writes and syncs.
#[test]
fn a_request_of_alerts_writes_few_pages() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("state.db");
    let store = SqliteState::open(&path).unwrap();
    // Whoever reads keeps the log from beginning anew: it only grows.
    let reader = rusqlite::Connection::open(&path).unwrap();
    reader
        .execute_batch("BEGIN; SELECT count(*) FROM ledger")
        .unwrap();
    let log_bytes = || std::fs::metadata(path.with_extension("db-wal")).unwrap().len();
    let request = |nth: u64| {
        let mut all = StateBatch::default();
        for n in 0..256 {
            let print = Fingerprint((nth * 256 + n).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let json = format!(
                "{{\"alert\":{{\"labels\":{{\"alertname\":\"Alert{n}\",\"host\":\"host-{n:05}\",\"team\":\"team-{}\"}},\
                 \"annotations\":{{\"description\":\"A description that is as long as they usually are.\"}}}}}}",
                n % 10
            );
            for step in [DecisionStep::Receive, DecisionStep::Route, DecisionStep::Group] {
                let mut one = batch(&print.to_string(), None, 10);
                one.decisions[0].fingerprint = print;
                one.decisions[0].step = step;
                all.decisions.append(&mut one.decisions);
            }
            all.changes.push(StateChange {
                kind: StateKind::Alert,
                key: print.to_string(),
                json: Some(json),
            });
        }
        all
    };
    for nth in 0..20 {
        store.commit(&request(nth)).unwrap();
    }
    let before = log_bytes();
    for nth in 20..30 {
        store.commit(&request(nth)).unwrap();
    }
    let pages = (log_bytes() - before) / 4_096 / 10;
    assert!(pages <= 16, "{pages} pages per request");
}
