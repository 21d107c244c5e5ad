//! What is: rows by kind and key, written one after the other as they change.
//!
//! Each kind has a log of its own, a ring of *change sets*: what one commit changed of that kind, in one value of the
//! table `state_set`. The newest word about a key is the one that holds. A commit therefore touches the pages that it adds
//! and no others, however many rows there are.
//!
//! Invariants:
//! - Sets are let go of from the oldest on, and only after every row of theirs that still holds was written again behind the
//!   newest. So a removed row can be forgotten with the set that says so: nothing older is left that it would hide.
//! - A kind's log is never longer than twice what holds and [`SLACK_BYTES`], but for what one commit may carry.
//! - The index is a matter of memory alone: it is made anew from the sets at a start.
//!
//! Crash argument: all of this happens inside the transaction of the commit.

use super::pack::{pack, unpack};
use crate::bytes::{Malformed, Reader, put_text, put_varint};
use lapwing_types::StateChange;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, HashMap, VecDeque};

/// What a log may hold beyond twice what holds.
const SLACK_BYTES: u64 = 1 << 20;
/// A set is closed at this size: it is the unit in which the oldest are let go of.
const SET_BYTES_MAX: usize = 256 << 10;
/// Of old sets, a commit works through so much more than it writes itself.
const WORK_BYTES: u64 = 256 << 10;

/// A row as it is kept; without JSON it is gone.
type Row<'a> = (&'a str, Option<&'a str>);

/// The logs of all kinds, those of a newer program included.
#[derive(Default)]
pub(super) struct Current {
    logs: BTreeMap<String, Log>,
}

#[derive(Default)]
struct Log {
    /// Where the newest word about each key stands. Keys are hashed: 128 bits of fifty thousand keys never meet.
    places: HashMap<u128, Place>,
    /// Ascending.
    sets: VecDeque<Set>,
    written_bytes: u64,
    holding_bytes: u64,
}

#[derive(Clone, Copy)]
struct Place {
    set: i64,
    bytes: u32,
}

struct Set {
    id: i64,
    bytes: u64,
    /// Rows of it that hold.
    holding: u32,
}

fn hash(key: &str) -> u128 {
    xxhash_rust::xxh3::xxh3_128(key.as_bytes())
}

impl Current {
    /// Reads the index off the sets.
    pub(super) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let mut current = Current::default();
        let mut statement = connection.prepare("SELECT id, kind, body FROM state_set ORDER BY id")?;
        let mut found = statement.query([])?;
        while let Some(row) = found.next()? {
            let (id, kind): (i64, String) = (row.get(0)?, row.get(1)?);
            let bytes = unpack(row.get_ref(2)?.as_blob()?).unwrap_or_default();
            let log = current.logs.entry(kind).or_default();
            log.add_set(id, bytes.len() as u64);
            for (key, json) in rows_of(&bytes).unwrap_or_default() {
                log.place((key, json), id);
            }
        }
        Ok(current)
    }

    /// Writes what changed, and lets go of old sets where a log has become too long.
    pub(super) fn write(&mut self, connection: &Connection, changes: &[StateChange]) -> rusqlite::Result<()> {
        let mut by_kind: BTreeMap<&str, Vec<Row<'_>>> = BTreeMap::new();
        for change in changes {
            let rows = by_kind.entry(change.kind.as_str()).or_default();
            rows.push((&change.key, change.json.as_deref()));
        }
        for (kind, rows) in by_kind {
            self.write_kind(connection, kind, &rows)?;
        }
        Ok(())
    }

    pub(super) fn write_kind(
        &mut self,
        connection: &Connection,
        kind: &str,
        rows: &[Row<'_>],
    ) -> rusqlite::Result<()> {
        let log = self.logs.entry(kind.to_owned()).or_default();
        let first_new = log.sets.len();
        let before = log.written_bytes;
        log.append(connection, kind, rows)?;
        let work = 2 * (log.written_bytes - before) + WORK_BYTES;
        log.let_go(connection, kind, (first_new, work))
    }
}

impl Log {
    fn append(&mut self, connection: &Connection, kind: &str, rows: &[Row<'_>]) -> rusqlite::Result<()> {
        let mut insert = connection.prepare_cached("INSERT INTO state_set (kind, body) VALUES (?1, ?2)")?;
        let mut bytes = Vec::new();
        let mut begun = 0;
        for (at, (key, json)) in rows.iter().enumerate() {
            put_varint(&mut bytes, u64::from(json.is_some()));
            put_text(&mut bytes, key);
            put_text(&mut bytes, json.unwrap_or(""));
            if bytes.len() < SET_BYTES_MAX && at + 1 < rows.len() {
                continue;
            }
            insert.execute(params![kind, pack(&bytes)])?;
            let id = connection.last_insert_rowid();
            self.add_set(id, bytes.len() as u64);
            rows[begun..=at].iter().for_each(|row| self.place(*row, id));
            begun = at + 1;
            bytes.clear();
        }
        Ok(())
    }

    fn add_set(&mut self, id: i64, bytes: u64) {
        self.written_bytes += bytes;
        self.sets.push_back(Set {
            id,
            bytes,
            holding: 0,
        });
    }

    /// This set has the newest word about a row.
    fn place(&mut self, (key, json): Row<'_>, set: i64) {
        let key = hash(key);
        let old = self.places.remove(&key);
        if let Some(old) = old {
            self.holding_bytes -= u64::from(old.bytes);
            self.count(old.set, -1);
        }
        if let Some(json) = json {
            let bytes = u32::try_from(json.len()).unwrap_or(u32::MAX);
            self.places.insert(key, Place { set, bytes });
            self.holding_bytes += u64::from(bytes);
            self.count(set, 1);
        }
    }

    fn count(&mut self, set: i64, by: i32) {
        let at = self.sets.partition_point(|s| s.id < set);
        if let Some(found) = self.sets.get_mut(at).filter(|s| s.id == set) {
            found.holding = found.holding.saturating_add_signed(by);
        }
    }

    /// The oldest sets go, while the log is too long and there is work left to be done in this commit.
    fn let_go(
        &mut self,
        connection: &Connection,
        kind: &str,
        (mut old_sets, mut work): (usize, u64),
    ) -> rusqlite::Result<()> {
        let mut carried: Vec<(String, String)> = Vec::new();
        while self.written_bytes > 2 * self.holding_bytes + SLACK_BYTES && old_sets > 0 && work > 0 {
            let Some(oldest) = self.sets.pop_front() else {
                break;
            };
            old_sets -= 1;
            work = work.saturating_sub(oldest.bytes);
            self.written_bytes -= oldest.bytes;
            if oldest.holding > 0 {
                let bytes = read_set(connection, oldest.id)?.unwrap_or_default();
                let holds = |key: &str| self.places.get(&hash(key)).is_some_and(|p| p.set == oldest.id);
                for (key, json) in rows_of(&bytes).unwrap_or_default() {
                    if let Some(json) = json.filter(|_| holds(key)) {
                        carried.push((key.to_owned(), json.to_owned()));
                    }
                }
            }
            let mut remove = connection.prepare_cached("DELETE FROM state_set WHERE id = ?1")?;
            remove.execute([oldest.id])?;
        }
        let carried: Vec<Row<'_>> = carried.iter().map(|(k, j)| (&**k, Some(&**j))).collect();
        self.append(connection, kind, &carried)
    }
}

/// All rows of a kind that hold. A set that is damaged is a row that does not read, named after it: whoever loads reports it.
pub(super) fn load(connection: &Connection, kind: &str) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut statement =
        connection.prepare_cached("SELECT id, body FROM state_set WHERE kind = ?1 ORDER BY id")?;
    let mut found = statement.query([kind])?;
    let mut all = BTreeMap::new();
    while let Some(row) = found.next()? {
        let bytes = unpack(row.get_ref(1)?.as_blob()?);
        let Some(rows) = bytes.as_deref().and_then(|bytes| rows_of(bytes).ok()) else {
            all.insert(format!("change set {}", row.get::<_, i64>(0)?), String::new());
            continue;
        };
        for (key, json) in rows {
            match json {
                Some(json) => all.insert(key.to_owned(), json.to_owned()),
                None => all.remove(key),
            };
        }
    }
    Ok(all)
}

fn read_set(connection: &Connection, id: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut read = connection.prepare_cached("SELECT body FROM state_set WHERE id = ?1")?;
    let body: Option<Vec<u8>> = read.query_row([id], |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| unpack(&body)))
}

fn rows_of(bytes: &[u8]) -> Result<Vec<Row<'_>>, Malformed> {
    let mut reader = Reader::new(bytes);
    let mut rows = Vec::new();
    while !reader.is_empty() {
        let holds = reader.varint()? == 1;
        let (key, json) = (reader.text()?, reader.text()?);
        rows.push((key, holds.then_some(json)));
    }
    Ok(rows)
}
