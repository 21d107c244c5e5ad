//! Everything that dispatch remembers, as rows that outlive the process.

use super::ack::Ack;
use super::cooldown::CooldownMemory;
use super::delivery::Delivery;
use super::escalate::Escalation;
use super::flap::FlapMemory;
use super::handover::Handover;
use super::messages::KeptMessage;
use super::silence::Silence;
use lapwing_types::{Alert, Fingerprint, Kept, Labels, StateChange, StateKind, StateRowError};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptAlert {
    pub(crate) alert: Alert,
    /// Its end was seen and acted upon; until then a deadline that passed while we were away does not count.
    #[serde(default)]
    pub(crate) is_resolved: bool,
    /// The longest of the firings before this one that no flush has seen yet: it may deserve a page of its own.
    #[serde(default)]
    pub(crate) unseen_ms: i64,
}

/// Alerts of one route with the same group labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Group {
    pub(crate) route: String,
    pub(crate) receiver: String,
    pub(crate) labels: Labels,
    pub(crate) members: BTreeSet<Fingerprint>,
    pub(crate) next_flush_ms: i64,
    #[serde(default)]
    pub(crate) was_flushed: bool,
    /// What each channel was told, by channel: those of the receiver, and those that escalation or the fallback told as well.
    #[serde(default)]
    pub(crate) lanes: BTreeMap<String, Lane>,
}

/// What one channel was told about one group. "Told" means: a delivery was written down, and it will arrive.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Lane {
    pub(crate) firing: BTreeSet<Fingerprint>,
    #[serde(default)]
    pub(crate) told_at_ms: Option<i64>,
}

#[derive(Clone, Debug)]
pub struct DispatchState {
    pub(crate) alerts: Kept<KeptAlert>,
    pub(crate) groups: Kept<Group>,
    pub(crate) deliveries: Kept<Delivery>,
    /// The attempts of those that are under way, by delivery: a page of many alerts need not be written again to leave.
    pub(crate) under_way: Kept<u32>,
    pub(crate) silences: Kept<Silence>,
    pub(crate) acks: Kept<Ack>,
    pub(crate) escalations: Kept<Escalation>,
    pub(crate) cooldowns: Kept<CooldownMemory>,
    pub(crate) flaps: Kept<FlapMemory>,
    pub(crate) messages: Kept<KeptMessage>,
    pub(crate) handovers: Kept<Handover>,
}

impl Default for DispatchState {
    fn default() -> Self {
        DispatchState::load(|_| Vec::new()).0
    }
}

impl DispatchState {
    /// `rows` gives the state store's rows of a kind, as key and JSON.
    pub fn load(mut rows: impl FnMut(StateKind) -> Vec<(String, String)>) -> (Self, Vec<StateRowError>) {
        let mut errors = Vec::new();
        macro_rules! load {
            ($kind:expr) => {{
                let (kept, wrong) = Kept::load($kind, rows($kind));
                errors.extend(wrong);
                kept
            }};
        }
        let state = DispatchState {
            alerts: load!(StateKind::Alert),
            groups: load!(StateKind::AlertGroup),
            deliveries: load!(StateKind::Delivery),
            under_way: load!(StateKind::UnderWay),
            silences: load!(StateKind::Silence),
            acks: load!(StateKind::Ack),
            escalations: load!(StateKind::Escalation),
            cooldowns: load!(StateKind::Cooldown),
            flaps: load!(StateKind::Flap),
            messages: load!(StateKind::Message),
            handovers: load!(StateKind::Handover),
        };
        (state, errors)
    }

    pub(crate) fn take_changes(&mut self) -> Vec<StateChange> {
        let mut changes = self.alerts.take_changes();
        changes.extend(self.groups.take_changes());
        changes.extend(self.deliveries.take_changes());
        changes.extend(self.under_way.take_changes());
        changes.extend(self.silences.take_changes());
        changes.extend(self.acks.take_changes());
        changes.extend(self.escalations.take_changes());
        changes.extend(self.cooldowns.take_changes());
        changes.extend(self.flaps.take_changes());
        changes.extend(self.messages.take_changes());
        changes.extend(self.handovers.take_changes());
        changes
    }
}

/// What a group calls a channel.
pub(crate) fn lane_name(receiver: &str, kind: &str, index: usize) -> String {
    format!("{receiver}/{kind}/{index}")
}

pub(crate) fn group_key(route: &str, labels: &Labels) -> String {
    format!("{route}:{labels}")
}
