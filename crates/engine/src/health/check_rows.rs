//! What is kept of checks over a crash. There are thousands, so it stands once: with what is live of each (`board`).
//!
//! Here are only rows that were read at the start and belong to no check yet, and, as text, those that are still to be written.

use super::board::CheckRow;
use lapwing_types::{StateChange, StateKind, StateRowError};
use std::collections::BTreeMap;

pub(super) const PREFIX: &str = "check/";

#[derive(Default)]
pub(super) struct CheckRows {
    unclaimed: BTreeMap<String, CheckRow>,
    /// By name; `None` takes the row away.
    unwritten: BTreeMap<String, Option<String>>,
}

impl CheckRows {
    /// Rows as the state store returned them; those that do not read are returned beside.
    pub(super) fn load(rows: Vec<(String, String)>) -> (Self, Vec<StateRowError>) {
        let (mut all, mut wrong) = (CheckRows::default(), Vec::new());
        for (key, json) in rows {
            let name = key.strip_prefix(PREFIX).unwrap_or(&key);
            match serde_json::from_str(&json) {
                Ok(row) => drop(all.unclaimed.insert(name.to_owned(), row)),
                Err(source) => wrong.push(StateRowError {
                    kind: StateKind::Health,
                    key,
                    source,
                }),
            }
        }
        (all, wrong)
    }

    /// What was kept of this check, once.
    pub(super) fn claim(&mut self, name: &str) -> Option<CheckRow> {
        self.unclaimed.remove(name)
    }

    /// Whatever was not claimed is of checks that are gone.
    pub(super) fn forget_unclaimed(&mut self) {
        for name in std::mem::take(&mut self.unclaimed).into_keys() {
            self.unwritten.insert(name, None);
        }
    }

    pub(super) fn put(&mut self, name: &str, row: &CheckRow) {
        // A row does not fail to serialise: it holds text and numbers only.
        self.unwritten
            .insert(name.to_owned(), serde_json::to_string(row).ok());
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.unwritten.insert(name.to_owned(), None);
    }

    pub(super) fn is_touched(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// What changed since the last call.
    pub(super) fn take_changes(&mut self) -> impl Iterator<Item = StateChange> + use<> {
        let unwritten = std::mem::take(&mut self.unwritten).into_iter();
        unwritten.map(|(name, json)| StateChange {
            kind: StateKind::Health,
            key: format!("{PREFIX}{name}"),
            json,
        })
    }
}
