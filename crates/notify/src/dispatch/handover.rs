//! What the Alertmanager that stood here before had told: without it, everything that fires would be told again at the change, and
//! what ended meanwhile would never be told as over.
//!
//! It knows alerts by a hash of their labels alone. So an entry waits until they come again: each one that it names counts as told
//! once, at the first flush that sees it.

use super::dispatcher::Dispatcher;
use super::state::Lane;
use super::suppress::Weighed;
use lapwing_types::{Alert, Labels};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// As long as Alertmanager itself remembers.
const KEPT_MS: i64 = 5 * 24 * 3_600_000;

/// What one channel had been told about one group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Handover {
    pub told_at_ms: i64,
    /// Hashes of the alerts that it was told to be firing.
    pub firing: BTreeSet<u64>,
}

impl Handover {
    /// The key of its row; `labels` are the group's, as [`Labels`] are shown.
    pub fn key(receiver: &str, (kind, nth): (&str, u64), labels: &str) -> String {
        format!("{receiver}/{kind}/{nth}:{labels}")
    }

    fn names(&self, alert: &Alert) -> bool {
        alert.starts_at_ms <= self.told_at_ms && self.firing.contains(&hash_of(&alert.labels))
    }
}

/// Alertmanager's: XXH64 over `name 0xff value 0xff` of each label in order.
fn hash_of(labels: &Labels) -> u64 {
    const SEPARATOR: u8 = 0xff;
    let mut bytes = Vec::with_capacity(labels.size_bytes());
    for (name, value) in labels {
        for part in [name, value] {
            bytes.extend_from_slice(part.as_bytes());
            bytes.push(SEPARATOR);
        }
    }
    xxhash_rust::xxh64::xxh64(&bytes, 0)
}

impl Dispatcher {
    /// Whether an alert that we never saw was told to be firing.
    pub(super) fn was_told_before(&self, alert: &Alert) -> bool {
        self.state.handovers.values().any(|h| h.names(alert))
    }

    /// What this channel (`receiver/kind/nth`) had been told of the group counts as told by us.
    pub(super) fn take_over(&mut self, channel: &str, labels: &Labels, weighed: &Weighed, lane: &mut Lane) {
        if self.state.handovers.is_empty() {
            return;
        }
        let key = format!("{channel}:{labels}");
        let Some(known) = self.state.handovers.get(&key).cloned() else {
            return;
        };
        let mut left = known.clone();
        let alerts = weighed.firing.iter().chain(&weighed.resolved);
        for alert in alerts.filter(|a| known.names(a)) {
            lane.firing.insert(alert.fingerprint());
            left.firing.remove(&hash_of(&alert.labels));
        }
        if left == known {
            return;
        }
        lane.told_at_ms = lane.told_at_ms.max(Some(known.told_at_ms));
        if left.firing.is_empty() {
            self.state.handovers.remove(&key);
        } else {
            self.state.handovers.insert(key, left);
        }
    }

    pub(super) fn forget_handovers(&mut self, now_ms: i64) {
        let old: Vec<String> = self
            .state
            .handovers
            .iter()
            .filter(|(_, h)| now_ms - h.told_at_ms > KEPT_MS)
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in old {
            self.state.handovers.remove(&key);
        }
    }
}
