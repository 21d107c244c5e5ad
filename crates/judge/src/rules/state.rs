//! What the rules remember. The durable part (`for` timers, firing, `keep_firing_for`, what was recorded last) lives in
//! [`Kept`] rows and is exactly where it was after a crash; the rest is seen again at the next evaluation.

use super::group::{RulesOptions, group_key};
use lapwing_types::{AlertState, Fingerprint, Kept, Labels, StateChange, StateKind, StateRowError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashMap, HashSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Instance {
    pub(crate) labels: Labels,
    /// As they were at the last change of state; the newest are in [`RuleStatus`].
    #[serde(default)]
    pub(crate) annotations: Labels,
    pub(crate) state: AlertState,
    pub(crate) active_at_ms: i64,
    #[serde(default)]
    pub(crate) fired_at_ms: Option<i64>,
    #[serde(default)]
    pub(crate) keep_since_ms: Option<i64>,
    /// It cannot be seen, and is kept as it is.
    #[serde(default)]
    pub(crate) held_since_ms: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct RuleMemory {
    #[serde(default)]
    pub(crate) instances: BTreeMap<Fingerprint, Instance>,
    /// Label sets that this rule has seen, for `no_data: keep|alert`.
    #[serde(default)]
    pub(crate) known: BTreeMap<Fingerprint, Known>,
    /// Series recorded at the last evaluation, so that one which vanishes is marked stale.
    #[serde(default)]
    pub(crate) recorded: Vec<Labels>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    pub(crate) labels: Labels,
    #[serde(default)]
    pub(crate) missing_since_ms: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct GroupMemory {
    pub(crate) last_slot_ms: i64,
    #[serde(default)]
    pub(crate) slots_skipped: u64,
}

/// What the last evaluation of a rule said; not kept.
#[derive(Clone, Debug, Default)]
pub(crate) struct RuleStatus {
    pub(crate) last_error: Option<String>,
    pub(crate) last_evaluation_ms: Option<i64>,
    pub(crate) took_s: f64,
    pub(crate) now: HashMap<Fingerprint, Now>,
}

#[derive(Clone, Debug)]
pub(crate) struct Now {
    pub(crate) value: f64,
    pub(crate) annotations: Labels,
}

#[derive(Clone, Debug)]
struct Resume {
    hold_until_ms: i64,
    /// Groups that were away for longer than the gap.
    long_away: HashSet<String>,
    known_groups: HashSet<String>,
}

/// How far a restart's silence counts at a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    No,
    /// What is absent is not resolved.
    Resolving,
    /// Nor does anything new fire.
    Everything,
}

/// All state of all rules.
#[derive(Clone, Debug)]
pub struct RulesState {
    pub(crate) groups: Kept<GroupMemory>,
    pub(crate) rules: Kept<RuleMemory>,
    pub(crate) status: HashMap<String, RuleStatus>,
    resume: Option<Resume>,
    /// The rules whose removed predecessors were already taken out.
    pub(crate) compared_with: Option<u64>,
}

impl Default for RulesState {
    fn default() -> Self {
        RulesState {
            groups: Kept::new(StateKind::RuleGroup),
            rules: Kept::new(StateKind::Rule),
            status: HashMap::new(),
            resume: None,
            compared_with: None,
        }
    }
}

impl RulesState {
    /// From rows of the state store: those of [`StateKind::RuleGroup`] and those of [`StateKind::Rule`].
    pub fn load(
        groups: impl IntoIterator<Item = (String, String)>,
        rules: impl IntoIterator<Item = (String, String)>,
    ) -> (Self, Vec<StateRowError>) {
        let (groups, mut errors) = Kept::load(StateKind::RuleGroup, groups);
        let (rules, more) = Kept::load(StateKind::Rule, rules);
        errors.extend(more);
        let state = RulesState {
            groups,
            rules,
            ..RulesState::default()
        };
        (state, errors)
    }

    /// To be called once after a start: until the sources were heard again, their silence means nothing.
    pub fn resume(&mut self, now_ms: i64, options: &RulesOptions) {
        let long_away = self
            .groups
            .iter()
            .filter(|(_, g)| now_ms - g.last_slot_ms > options.restart_gap_ms)
            .map(|(k, _)| k.to_owned())
            .collect();
        self.resume = Some(Resume {
            hold_until_ms: now_ms + options.restart_hold_ms,
            long_away,
            known_groups: self.groups.keys().map(str::to_owned).collect(),
        });
    }

    /// Every source was heard once since the start: the hold ends now.
    pub fn sources_ready(&mut self, now_ms: i64) {
        if let Some(resume) = &mut self.resume {
            resume.hold_until_ms = resume.hold_until_ms.min(now_ms);
        }
    }

    pub(crate) fn hold(&self, group: &str, slot_ms: i64) -> Hold {
        match &self.resume {
            Some(resume) if slot_ms <= resume.hold_until_ms => {
                if resume.long_away.contains(group) || !resume.known_groups.contains(group) {
                    Hold::Everything
                } else {
                    Hold::Resolving
                }
            }
            _ => Hold::No,
        }
    }

    /// Rows to sync since the last call.
    pub fn take_changes(&mut self) -> Vec<StateChange> {
        let mut changes = self.groups.take_changes();
        changes.extend(self.rules.take_changes());
        changes
    }

    /// The last slot evaluated for a group.
    pub fn last_slot_ms(&self, file: &str, group: &str) -> Option<i64> {
        self.groups.get(&group_key(file, group)).map(|g| g.last_slot_ms)
    }
}
