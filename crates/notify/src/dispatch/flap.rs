//! Flap detection: an alert that begins and ends all the time is told once, and again when it has come to rest.

use super::dispatcher::Dispatcher;
use super::suppress::Suppression;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Fingerprint};
use serde::{Deserialize, Serialize};

/// When an alert began or ended, the newest last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct FlapMemory {
    changes_ms: Vec<i64>,
}

/// More than any threshold needs.
const CHANGES_MAX: usize = 100;

impl Dispatcher {
    pub(super) fn note_change(&mut self, print: Fingerprint, now_ms: i64) {
        if self.config.extras.flap.is_none() {
            return;
        }
        let memory = self.state.flaps.entry(&print.to_string(), FlapMemory::default);
        memory.changes_ms.push(now_ms);
        if memory.changes_ms.len() > CHANGES_MAX {
            memory.changes_ms.remove(0);
        }
    }

    /// Never keeps the first page back: only what was told already is held as it is.
    pub(super) fn flapping(&self, alert: &Alert, told: bool, now_ms: i64) -> Option<Suppression> {
        let options = self.config.extras.flap?;
        if !told {
            return None;
        }
        let memory = self.state.flaps.get(&alert.fingerprint().to_string())?;
        let from_ms = now_ms - options.window_ms;
        let recent: Vec<i64> = memory
            .changes_ms
            .iter()
            .copied()
            .filter(|t| *t > from_ms)
            .collect();
        if recent.len() < options.changes {
            return None;
        }
        // At rest once so much of the window has passed that fewer changes are left in it.
        let until_ms = recent[recent.len() - options.changes] + options.window_ms;
        Some(Suppression {
            step: DecisionStep::Flap,
            reason: DecisionReason::Flapping,
            detail: format!("{} changes within {} ms", recent.len(), options.window_ms),
            until_ms: Some(until_ms),
        })
    }

    pub(super) fn forget_flaps(&mut self, now_ms: i64) {
        let window_ms = self.config.extras.flap.map_or(0, |f| f.window_ms);
        let over: Vec<String> = self
            .state
            .flaps
            .iter()
            .filter(|(_, m)| m.changes_ms.last().is_none_or(|t| t + window_ms <= now_ms))
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in over {
            self.state.flaps.remove(&key);
        }
    }
}
