//! State that must outlive the process: rows, what changed in them, and the batch that one transaction writes.
//!
//! The pure parts hold their state in [`Kept`] maps, which remember the keys touched since the last
//! [`Kept::take_changes`]. The engine collects those into one [`StateBatch`] per tick and has the state store sync it
//! *before* anything leaves the process. A row is JSON; its shape belongs to the room that wrote it, which must keep
//! reading what older versions wrote (`#[serde(default)]`).

use crate::Decision;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which room a row belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateKind {
    RuleGroup,
    Rule,
    Alert,
    AlertGroup,
    Delivery,
    /// Which attempts are under way: beside the delivery, whose page would be written again.
    UnderWay,
    Silence,
    Ack,
    Escalation,
    Cooldown,
    Flap,
    /// Messages at a receiver that later pages change.
    Message,
    Health,
    /// What another program had told before this one took its place.
    Handover,
    /// Groups pushed by batch jobs.
    Pushed,
}

impl StateKind {
    pub const ALL: [StateKind; 15] = [
        StateKind::RuleGroup,
        StateKind::Rule,
        StateKind::Alert,
        StateKind::AlertGroup,
        StateKind::Delivery,
        StateKind::UnderWay,
        StateKind::Silence,
        StateKind::Ack,
        StateKind::Escalation,
        StateKind::Cooldown,
        StateKind::Flap,
        StateKind::Message,
        StateKind::Health,
        StateKind::Handover,
        StateKind::Pushed,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            StateKind::RuleGroup => "rule_group",
            StateKind::Rule => "rule",
            StateKind::Alert => "alert",
            StateKind::AlertGroup => "alert_group",
            StateKind::Delivery => "delivery",
            StateKind::UnderWay => "under_way",
            StateKind::Silence => "silence",
            StateKind::Ack => "ack",
            StateKind::Escalation => "escalation",
            StateKind::Cooldown => "cooldown",
            StateKind::Flap => "flap",
            StateKind::Message => "message",
            StateKind::Health => "health",
            StateKind::Handover => "handover",
            StateKind::Pushed => "pushed",
        }
    }
}

/// One row to write, or (without JSON) to remove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateChange {
    pub kind: StateKind,
    pub key: String,
    pub json: Option<String>,
}

/// One line of the notification ledger's history; it is only ever added to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LedgerEntry {
    pub at_ms: i64,
    /// The delivery's id, which is also its idempotency key.
    pub delivery: String,
    pub event: LedgerEvent,
    pub group_key: String,
    pub receiver: String,
    pub channel: String,
    pub attempt: u32,
    pub detail: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LedgerEvent {
    Intended,
    Attempted,
    Delivered,
    Failed,
    Superseded,
    FellBack,
    DeadLetter,
    Interrupted,
}

impl LedgerEvent {
    pub fn as_str(self) -> &'static str {
        match self {
            LedgerEvent::Intended => "intended",
            LedgerEvent::Attempted => "attempted",
            LedgerEvent::Delivered => "delivered",
            LedgerEvent::Failed => "failed",
            LedgerEvent::Superseded => "superseded",
            LedgerEvent::FellBack => "fell_back",
            LedgerEvent::DeadLetter => "dead_letter",
            LedgerEvent::Interrupted => "interrupted",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
    }
}

/// Everything that one tick wants kept; written in one transaction.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StateBatch {
    pub changes: Vec<StateChange>,
    pub decisions: Vec<Decision>,
    pub ledger: Vec<LedgerEntry>,
}

impl StateBatch {
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty() && self.decisions.is_empty() && self.ledger.is_empty()
    }

    pub fn merge(&mut self, other: StateBatch) {
        self.changes.extend(other.changes);
        self.decisions.extend(other.decisions);
        self.ledger.extend(other.ledger);
    }
}

#[derive(Debug, thiserror::Error)]
#[error("row {key:?} of {kind} does not read as what it should be", kind = kind.as_str())]
pub struct StateRowError {
    pub kind: StateKind,
    pub key: String,
    #[source]
    pub source: serde_json::Error,
}

/// A map that knows which of its rows changed since they were last written down.
#[derive(Clone, Debug)]
pub struct Kept<V> {
    kind: StateKind,
    rows: BTreeMap<String, V>,
    touched: BTreeSet<String>,
}

impl<V: Serialize + DeserializeOwned> Kept<V> {
    pub fn new(kind: StateKind) -> Self {
        Kept {
            kind,
            rows: BTreeMap::new(),
            touched: BTreeSet::new(),
        }
    }

    /// Rows as the state store returned them; those that do not read are returned beside, never dropped in silence.
    pub fn load(
        kind: StateKind,
        rows: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<StateRowError>) {
        let mut kept = Kept::new(kind);
        let mut errors = Vec::new();
        for (key, json) in rows {
            match serde_json::from_str(&json) {
                Ok(value) => {
                    kept.rows.insert(key, value);
                }
                Err(source) => errors.push(StateRowError { kind, key, source }),
            }
        }
        (kept, errors)
    }

    pub fn get(&self, key: &str) -> Option<&V> {
        self.rows.get(key)
    }

    /// For changing a row: it counts as changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut V> {
        let row = self.rows.get_mut(key)?;
        if !self.touched.contains(key) {
            self.touched.insert(key.to_owned());
        }
        Some(row)
    }

    pub fn insert(&mut self, key: impl Into<String>, value: V) -> Option<V> {
        let key = key.into();
        self.touched.insert(key.clone());
        self.rows.insert(key, value)
    }

    /// Another value that needs not outlive the process: it is written with the next change of its row, if there is one.
    pub fn amend(&mut self, key: &str, value: V) {
        if let Some(row) = self.rows.get_mut(key) {
            *row = value;
        }
    }

    /// For changing a row in a way that needs not outlive the process, as [`Kept::amend`].
    pub fn get_amend(&mut self, key: &str) -> Option<&mut V> {
        self.rows.get_mut(key)
    }

    /// The row of this key, made with `make` where there was none; it counts as changed.
    pub fn entry(&mut self, key: &str, make: impl FnOnce() -> V) -> &mut V {
        self.touched.insert(key.to_owned());
        self.rows.entry(key.to_owned()).or_insert_with(make)
    }

    pub fn remove(&mut self, key: &str) -> Option<V> {
        let row = self.rows.remove(key)?;
        self.touched.insert(key.to_owned());
        Some(row)
    }

    pub fn contains(&self, key: &str) -> bool {
        self.rows.contains_key(key)
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &V)> {
        self.rows.iter().map(|(k, v)| (k.as_str(), v))
    }

    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.rows.keys().map(String::as_str)
    }

    pub fn values(&self) -> impl Iterator<Item = &V> {
        self.rows.values()
    }

    pub fn len(&self) -> usize {
        self.rows.len()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether anything changed since it was last written down.
    pub fn is_touched(&self) -> bool {
        !self.touched.is_empty()
    }

    /// What changed since the last call. A row that does not serialise cannot exist: rows hold text and numbers only.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        let touched = std::mem::take(&mut self.touched);
        touched
            .into_iter()
            .map(|key| StateChange {
                kind: self.kind,
                json: self.rows.get(&key).and_then(|v| serde_json::to_string(v).ok()),
                key,
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_changed_and_nothing_else() {
        let mut kept: Kept<u32> = Kept::new(StateKind::Handover);
        kept.insert("a", 1);
        kept.insert("b", 2);
        assert_eq!(kept.take_changes().len(), 2);
        assert!(kept.take_changes().is_empty());
        *kept.get_mut("a").unwrap() = 7;
        kept.remove("b");
        kept.remove("never there");
        kept.amend("a", 8);
        kept.amend("never there", 9);
        let changes = kept.take_changes();
        let expect = [("a", Some("8")), ("b", None)];
        assert_eq!(
            changes
                .iter()
                .map(|c| (c.key.as_str(), c.json.as_deref()))
                .collect::<Vec<_>>(),
            expect
        );
        kept.amend("a", 10);
        *kept.get_amend("a").unwrap() = 10;
        assert!(kept.take_changes().is_empty());
        assert_eq!((kept.get("a"), kept.contains("never there")), (Some(&10), false));
    }

    #[test]
    fn a_row_that_does_not_read_is_reported() {
        let rows = [("a".to_owned(), "1".to_owned()), ("b".to_owned(), "x".to_owned())];
        let (kept, errors) = Kept::<u32>::load(StateKind::Handover, rows);
        assert_eq!(kept.get("a"), Some(&1));
        assert_eq!(
            errors[0].to_string(),
            r#"row "b" of handover does not read as what it should be"#
        );
    }
}
