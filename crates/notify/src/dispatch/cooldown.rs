//! Cooldown: a second firing of the same alert soon after the first page is held back, by severity.
//!
//! "The same" leaves the severity out, so that a higher severity is seen as the same alert, and it is never held back by a
//! lower one's cooldown. Critical and emergency are never held back at all. Only a *new* firing is: what was told is
//! told to its end, so that resolution never waits for a cooldown.

use super::dispatcher::Dispatcher;
use super::suppress::Suppression;
use lapwing_types::{
    Alert, DecisionReason, DecisionStep, Fingerprint, SEVERITY_LABEL, Severity, parse_duration_ms,
};
use serde::{Deserialize, Serialize};

/// A rule's own cooldown, as an annotation.
const ANNOTATION: &str = "lapwing_cooldown";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct CooldownMemory {
    told_at_ms: i64,
    severity: Severity,
    /// Which firing was told: it may be told again (another channel, another route).
    starts_at_ms: i64,
    until_ms: i64,
}

fn key(alert: &Alert) -> String {
    Fingerprint::of(&alert.labels.drop(&[SEVERITY_LABEL])).to_string()
}

impl Dispatcher {
    fn cooldown_ms(&self, alert: &Alert) -> i64 {
        let severity = alert.severity();
        if severity >= Severity::Critical {
            return 0;
        }
        alert
            .annotations
            .get(ANNOTATION)
            .and_then(|text| parse_duration_ms(text).ok())
            .unwrap_or_else(|| self.config.extras.cooldown.of(severity))
    }

    pub(super) fn cooling_down(&self, alert: &Alert, told: bool, now_ms: i64) -> Option<Suppression> {
        if told || self.cooldown_ms(alert) == 0 {
            return None;
        }
        let memory = self.state.cooldowns.get(&key(alert))?;
        let is_other_firing = memory.starts_at_ms != alert.starts_at_ms;
        let holds = is_other_firing && now_ms < memory.until_ms && alert.severity() <= memory.severity;
        holds.then(|| Suppression {
            step: DecisionStep::Cooldown,
            reason: DecisionReason::CoolingDown,
            detail: format!(
                "told {} ms ago with severity {}, held back for {} ms more",
                now_ms - memory.told_at_ms,
                memory.severity,
                memory.until_ms - now_ms
            ),
            until_ms: Some(memory.until_ms),
        })
    }

    /// A firing was told: its cooldown begins.
    pub(super) fn start_cooldown(&mut self, alert: &Alert, now_ms: i64) {
        let cooldown_ms = self.cooldown_ms(alert);
        if cooldown_ms == 0 {
            return;
        }
        let key = key(alert);
        let same = self.state.cooldowns.get(&key);
        if same.is_some_and(|m| m.starts_at_ms == alert.starts_at_ms && m.severity == alert.severity()) {
            return;
        }
        let memory = CooldownMemory {
            told_at_ms: now_ms,
            severity: alert.severity(),
            starts_at_ms: alert.starts_at_ms,
            until_ms: now_ms + cooldown_ms,
        };
        self.state.cooldowns.insert(key, memory);
    }

    pub(super) fn forget_cooldowns(&mut self, now_ms: i64) {
        let over: Vec<String> = self
            .state
            .cooldowns
            .iter()
            .filter(|(_, m)| m.until_ms <= now_ms)
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in over {
            self.state.cooldowns.remove(&key);
        }
    }
}
