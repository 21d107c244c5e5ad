//! What was decided and why: only added to, and read when somebody asks.
//!
//! The decisions of one commit are one value of the table `decision_set`, beside the time they span and *marks*: 32 bits of the
//! hash of each alert and each alert name in it. A question reads the marks, newest sets first, and opens only the sets that can
//! hold an answer. Sets of small commits are merged, [`MERGED_AT_ONCE`] at a time, until they are large: marks are few.
//!
//! Invariants: a decision has a number, in the order in which it came, that outlives merging; a decision whose words this
//! program does not know is kept and left out of answers (a newer program wrote it).

use super::pack::{pack, unpack};
use super::queries::{DecisionQuery, rows};
use crate::bytes::{Malformed, Reader, put_text, put_varint};
use lapwing_types::{Decision, DecisionReason, DecisionStep, Fingerprint};
use rusqlite::{Connection, OptionalExtension, params};
use std::cmp::Reverse;
use std::collections::BTreeSet;

/// So many small sets of one level become one of the next.
const MERGED_AT_ONCE: usize = 32;
/// A set of so many decisions is large: it is not merged any more.
const LARGE: u64 = 512;
/// So many decisions go into one set at most, where a single commit has that many.
const SET_MAX: usize = 8_192;

#[derive(Default)]
pub(super) struct History {
    /// The number of the next decision.
    next: u64,
    /// The small sets by level, ascending.
    small: Vec<Vec<i64>>,
}

/// A set before it is written.
#[derive(Default)]
struct Draft {
    first: u64,
    from_ms: i64,
    until_ms: i64,
    count: u64,
    marks: BTreeSet<u32>,
    bytes: Vec<u8>,
}

/// A decision as it stands in a set.
struct Kept<'a> {
    number: u64,
    at_ms: i64,
    print: Fingerprint,
    alertname: &'a str,
    step: &'a str,
    reason: &'a str,
    detail: &'a str,
    /// All of it.
    bytes: &'a [u8],
}

impl History {
    pub(super) fn open(connection: &Connection) -> rusqlite::Result<Self> {
        let mut history = History::default();
        let last: Option<i64> =
            connection.query_row("SELECT max(last) FROM decision_set", [], |row| row.get(0))?;
        history.next = last.map_or(1, |last| last.cast_unsigned() + 1);
        history.find_small(connection)?;
        Ok(history)
    }

    fn find_small(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        self.small.clear();
        let mut statement = connection
            .prepare_cached("SELECT first, level FROM decision_set WHERE count < ?1 ORDER BY first")?;
        let mut found = statement.query([LARGE.cast_signed()])?;
        while let Some(row) = found.next()? {
            self.note_small(row.get(0)?, row.get::<_, u8>(1)?);
        }
        Ok(())
    }

    fn note_small(&mut self, first: i64, level: u8) {
        let level = usize::from(level);
        if self.small.len() <= level {
            self.small.resize_with(level + 1, Vec::new);
        }
        self.small[level].push(first);
    }

    pub(super) fn write(&mut self, connection: &Connection, decisions: &[Decision]) -> rusqlite::Result<()> {
        for part in decisions.chunks(SET_MAX) {
            let mut draft = Draft::default();
            let mut bytes = Vec::new();
            for decision in part {
                bytes.clear();
                let kept = Kept::of(decision, self.next);
                kept.put(&mut bytes);
                draft.add(&Kept {
                    bytes: &bytes,
                    ..kept
                });
                self.next += 1;
            }
            self.insert(connection, &draft, 0)?;
        }
        self.merge(connection)
    }

    fn insert(&mut self, connection: &Connection, draft: &Draft, level: u8) -> rusqlite::Result<()> {
        let mut insert = connection.prepare_cached(
            "INSERT INTO decision_set (first, last, from_ms, until_ms, count, level, marks, body) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        )?;
        let marks: Vec<u8> = draft.marks.iter().flat_map(|mark| mark.to_le_bytes()).collect();
        let first = draft.first.cast_signed();
        insert.execute(params![
            first,
            (self.next - 1).cast_signed(),
            draft.from_ms,
            draft.until_ms,
            draft.count.cast_signed(),
            level,
            marks,
            pack(&draft.bytes)
        ])?;
        if draft.count < LARGE {
            self.note_small(first, level);
        }
        Ok(())
    }

    fn merge(&mut self, connection: &Connection) -> rusqlite::Result<()> {
        let mut level = 0;
        while let Some(small) = self.small.get_mut(level) {
            if small.len() < MERGED_AT_ONCE {
                level += 1;
                continue;
            }
            let mut draft = Draft::default();
            for first in std::mem::take(small) {
                // One that is damaged stays where it is, and answers nothing.
                let Some(bytes) = read_set(connection, first)? else {
                    continue;
                };
                Kept::all(&bytes)
                    .unwrap_or_default()
                    .iter()
                    .for_each(|kept| draft.add(kept));
                connection
                    .prepare_cached("DELETE FROM decision_set WHERE first = ?1")?
                    .execute([first])?;
            }
            level += 1;
            if draft.count > 0 {
                self.insert(connection, &draft, u8::try_from(level).unwrap_or(u8::MAX))?;
            }
        }
        Ok(())
    }

    /// How many went. A set that begins before and ends after is written anew.
    pub(super) fn forget_before(&mut self, connection: &Connection, before_ms: i64) -> rusqlite::Result<u64> {
        let sum = "SELECT coalesce(sum(count), 0) FROM decision_set WHERE until_ms < ?1";
        let mut gone = connection
            .query_row(sum, [before_ms], |row| row.get::<_, i64>(0))?
            .cast_unsigned();
        connection.execute("DELETE FROM decision_set WHERE until_ms < ?1", [before_ms])?;
        let mut statement = connection.prepare("SELECT first, level FROM decision_set WHERE from_ms < ?1")?;
        let found = statement.query_map([before_ms], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let partly: Vec<(i64, u8)> = found.collect::<rusqlite::Result<_>>()?;
        for (first, level) in partly {
            let Some(bytes) = read_set(connection, first)? else {
                continue;
            };
            let all = Kept::all(&bytes).unwrap_or_default();
            let mut draft = Draft::default();
            let stays = all.iter().filter(|kept| kept.at_ms >= before_ms);
            stays.for_each(|kept| draft.add(kept));
            gone += all.len() as u64 - draft.count;
            connection.execute("DELETE FROM decision_set WHERE first = ?1", [first])?;
            self.insert(connection, &draft, level)?;
        }
        self.find_small(connection)?;
        Ok(gone)
    }
}

impl Draft {
    fn add(&mut self, kept: &Kept<'_>) {
        if self.count == 0 {
            (self.first, self.from_ms, self.until_ms) = (kept.number, kept.at_ms, kept.at_ms);
        }
        self.first = self.first.min(kept.number);
        self.from_ms = self.from_ms.min(kept.at_ms);
        self.until_ms = self.until_ms.max(kept.at_ms);
        self.count += 1;
        self.marks.insert(mark_of_alert(kept.print));
        self.marks.insert(mark_of_name(kept.alertname));
        self.bytes.extend_from_slice(kept.bytes);
    }
}

fn mark_of_alert(print: Fingerprint) -> u32 {
    (print.0 >> 32) as u32
}

fn mark_of_name(name: &str) -> u32 {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes()) as u32
}

impl<'a> Kept<'a> {
    fn of(decision: &'a Decision, number: u64) -> Self {
        Kept {
            number,
            at_ms: decision.at_ms,
            print: decision.fingerprint,
            alertname: &decision.alertname,
            step: decision.step.as_str(),
            reason: decision.reason.as_str(),
            detail: &decision.detail,
            bytes: &[],
        }
    }

    fn put(&self, out: &mut Vec<u8>) {
        put_varint(out, self.number);
        put_varint(out, self.at_ms.cast_unsigned());
        put_varint(out, self.print.0);
        for text in [self.alertname, self.step, self.reason, self.detail] {
            put_text(out, text);
        }
    }

    fn all(bytes: &'a [u8]) -> Result<Vec<Self>, Malformed> {
        let mut reader = Reader::new(bytes);
        let mut all = Vec::new();
        while !reader.is_empty() {
            let begun = bytes.len() - reader.remaining();
            let mut kept = Kept {
                number: reader.varint()?,
                at_ms: reader.varint()?.cast_signed(),
                print: Fingerprint(reader.varint()?),
                alertname: reader.text()?,
                step: reader.text()?,
                reason: reader.text()?,
                detail: reader.text()?,
                bytes: &[],
            };
            kept.bytes = &bytes[begun..bytes.len() - reader.remaining()];
            all.push(kept);
        }
        Ok(all)
    }

    fn is_asked_for(&self, query: &DecisionQuery) -> bool {
        query.from_ms.is_none_or(|from| self.at_ms >= from)
            && query.until_ms.is_none_or(|until| self.at_ms <= until)
            && query.fingerprint.is_none_or(|print| print == self.print)
            && query.alertname.as_ref().is_none_or(|name| name == self.alertname)
    }

    fn decision(&self) -> Option<Decision> {
        Some(Decision {
            at_ms: self.at_ms,
            fingerprint: self.print,
            alertname: self.alertname.to_owned(),
            step: DecisionStep::parse(self.step)?,
            reason: DecisionReason::parse(self.reason)?,
            detail: self.detail.to_owned(),
        })
    }
}

/// The newest first; the later of two at the same instant first.
pub(super) fn decisions(connection: &Connection, query: &DecisionQuery) -> rusqlite::Result<Vec<Decision>> {
    let limit = rows(query.limit);
    let mut statement = connection.prepare_cached(
        "SELECT first, until_ms, marks FROM decision_set WHERE until_ms >= ?1 AND from_ms <= ?2 ORDER BY until_ms DESC",
    )?;
    let span = [
        query.from_ms.unwrap_or(i64::MIN),
        query.until_ms.unwrap_or(i64::MAX),
    ];
    let marks = [
        query.fingerprint.map(mark_of_alert),
        query.alertname.as_deref().map(mark_of_name),
    ];
    let mut sets = statement.query(span)?;
    let mut found: Vec<((i64, u64), Decision)> = Vec::new();
    while let Some(set) = sets.next()? {
        let until_ms: i64 = set.get(1)?;
        if found.len() == limit && found.last().is_some_and(|((at_ms, _), _)| *at_ms > until_ms) {
            break;
        }
        let of_set = set.get_ref(2)?.as_blob()?;
        let has = |mark: &u32| of_set.chunks_exact(4).any(|m| m == mark.to_le_bytes());
        if !marks.iter().flatten().all(has) {
            continue;
        }
        let bytes = read_set(connection, set.get(0)?)?.unwrap_or_default();
        let all = Kept::all(&bytes).unwrap_or_default();
        let asked_for = all.iter().filter(|kept| kept.is_asked_for(query));
        found.extend(asked_for.filter_map(|kept| Some(((kept.at_ms, kept.number), kept.decision()?))));
        found.sort_unstable_by_key(|(place, _)| Reverse(*place));
        found.truncate(limit);
    }
    Ok(found.into_iter().map(|(_, decision)| decision).collect())
}

fn read_set(connection: &Connection, first: i64) -> rusqlite::Result<Option<Vec<u8>>> {
    let mut read = connection.prepare_cached("SELECT body FROM decision_set WHERE first = ?1")?;
    let body: Option<Vec<u8>> = read.query_row([first], |row| row.get(0)).optional()?;
    Ok(body.and_then(|body| unpack(&body)))
}
