//! What people changed of late: the first question after "what broke?" is "what did somebody do?".
//!
//! A start, another configuration, a model made over the API, and a server that says another version than before; kept over
//! restarts, for the change that broke something is often the last thing that the process saw.

use super::board::Board;
use super::spec::{CheckSpec, HealthOptions, ModelSpec};
use lapwing_types::format_duration_ms;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Enough for a day of deployments.
const CHANGES_MAX: usize = 200;
/// One change of the configuration names at most so many things.
const NAMED_MAX: usize = 8;
/// A diagnosis tells those of the last hour, the newest of them.
const TOLD_BEFORE_MS: i64 = 3_600_000;
const TOLD_MAX: usize = 5;

/// One of them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Change {
    pub(super) at_ms: i64,
    /// `model/NAME` or `check/NAME`; what concerns everything has none.
    #[serde(default)]
    pub(super) of: Option<String>,
    pub(super) text: String,
}

impl Board {
    pub(super) fn record_change(&mut self, change: Change) {
        let id = self.take_id();
        self.rows.insert(
            format!("change/{id:016}"),
            serde_json::to_value(&change).unwrap_or_default(),
        );
        self.changes.push_back(change);
        if self.changes.len() > CHANGES_MAX {
            self.forget("change/", CHANGES_MAX);
            self.changes.pop_front();
        }
    }

    /// Another list of what is watched came into force.
    pub(super) fn note_exchange(&mut self, before: &HealthOptions, now_ms: i64) {
        let said = said_of(before, &self.options);
        if said.is_empty() {
            return;
        }
        let is_start = before.checks.is_empty() && before.models.is_empty();
        let text = match is_start {
            true => "Lapwing began to watch".to_owned(),
            false => format!("what is watched was changed: {}", said.join(", ")),
        };
        self.record_change(Change {
            at_ms: now_ms,
            of: None,
            text,
        });
    }

    /// A server says another version than it said before.
    pub(super) fn note_version(&mut self, i: usize, version: &str, now_ms: i64) {
        let live = &mut self.checks[i];
        let before = live.version.replace(version.to_owned());
        let of = live.node.clone();
        let Some(before) = before.filter(|b| b != version) else {
            return;
        };
        let text = format!("{of} says version {version}, it was {before}");
        self.record_change(Change {
            at_ms: now_ms,
            of: Some(of),
            text,
        });
    }

    /// What changed before this moment, of these nodes or of everything, the newest first.
    pub(super) fn changes_before(&self, nodes: &BTreeSet<String>, at_ms: i64) -> Vec<String> {
        let concerns = |change: &Change| change.of.as_ref().is_none_or(|of| nodes.contains(of));
        self.changes
            .iter()
            .rev()
            .filter(|c| c.at_ms <= at_ms && at_ms - c.at_ms < TOLD_BEFORE_MS && concerns(c))
            .take(TOLD_MAX)
            .map(|c| {
                let ago = format_duration_ms((at_ms - c.at_ms) / 1000 * 1000);
                format!("{ago} before: {}", c.text)
            })
            .collect()
    }
}

fn said_of(before: &HealthOptions, after: &HealthOptions) -> Vec<String> {
    fn models(options: &HealthOptions) -> BTreeMap<&str, &ModelSpec> {
        options.models.iter().map(|m| (m.name.as_str(), m)).collect()
    }
    // Checks of a model follow from it; naming both would say everything twice.
    fn checks(options: &HealthOptions) -> BTreeMap<&str, &CheckSpec> {
        let alone = options.checks.iter().filter(|c| c.model.is_none());
        alone.map(|c| (c.name.as_str(), c)).collect()
    }
    let mut said = differences("model", &models(before), &models(after));
    said.extend(differences("check", &checks(before), &checks(after)));
    let more = said.len().saturating_sub(NAMED_MAX);
    said.truncate(NAMED_MAX);
    said.extend((more > 0).then(|| format!("{more} more")));
    said
}

fn differences<T: PartialEq>(
    kind: &str,
    before: &BTreeMap<&str, &T>,
    after: &BTreeMap<&str, &T>,
) -> Vec<String> {
    let gone = before.keys().filter(|name| !after.contains_key(*name));
    let came_or_changed = after.iter().filter_map(|(name, is)| match before.get(name) {
        None => Some(format!("{kind} {name} added")),
        Some(was) if was != is => Some(format!("{kind} {name} changed")),
        Some(_) => None,
    });
    gone.map(|name| format!("{kind} {name} removed"))
        .chain(came_or_changed)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn model(name: &str, version: &str) -> ModelSpec {
        ModelSpec {
            name: name.to_owned(),
            version: Some(version.to_owned()),
            ..ModelSpec::default()
        }
    }

    fn house(models: Vec<ModelSpec>) -> HealthOptions {
        HealthOptions {
            models,
            ..HealthOptions::default()
        }
    }

    #[test]
    fn a_change_of_the_configuration_names_what_it_changed() {
        let before = house(vec![model("chat", "1"), model("old", "1"), model("same", "1")]);
        let after = house(vec![model("chat", "2"), model("new", "1"), model("same", "1")]);
        assert_eq!(
            said_of(&before, &after),
            ["model old removed", "model chat changed", "model new added"]
        );
        assert!(said_of(&after, &after).is_empty());
        let many = (0..20).map(|n| model(&format!("m{n:02}"), "1")).collect();
        let said = said_of(&house(Vec::new()), &house(many));
        assert_eq!(
            (said.len(), said.last().unwrap().as_str()),
            (NAMED_MAX + 1, "12 more")
        );
    }

    #[test]
    fn what_changed_is_told_for_an_hour_to_whom_it_concerns() {
        let options = std::sync::Arc::new(house(vec![model("chat", "1")]));
        let (mut board, _) = Board::new(options, Vec::new(), 0);
        let change = |at_ms: i64, of: &str| Change {
            at_ms,
            of: Some(of.to_owned()),
            text: format!("{of} changed"),
        };
        board.record_change(change(60_000, "check/a"));
        board.record_change(change(61_000, "check/b"));
        let told = |board: &Board, at_ms| board.changes_before(&["check/a".to_owned()].into(), at_ms);
        assert_eq!(
            told(&board, 120_000),
            ["1m before: check/a changed", "2m before: Lapwing began to watch"]
        );
        assert_eq!(told(&board, 59_000).len(), 1, "what comes later is no cause");
        assert!(told(&board, 60_000 + TOLD_BEFORE_MS).is_empty());
        let kept: Vec<(String, String)> = board
            .rows
            .iter()
            .map(|(key, row)| (key.to_owned(), row.to_string()))
            .collect();
        let (again, _) = Board::new(board.options.clone(), kept, 130_000);
        assert_eq!(told(&again, 131_000).len(), 3, "it outlives a restart");
        for n in 0..2 * CHANGES_MAX as i64 {
            board.record_change(change(n, "check/a"));
        }
        let rows = board.rows.keys().filter(|k| k.starts_with("change/")).count();
        assert_eq!((board.changes.len(), rows), (CHANGES_MAX, CHANGES_MAX));
    }
}
