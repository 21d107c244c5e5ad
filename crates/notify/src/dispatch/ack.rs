//! Acknowledgement: a person has it. Repeats and escalation stop; a forgotten ack ends and both go on.

use super::dispatcher::Dispatcher;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Fingerprint};
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Ack {
    pub fingerprint: Fingerprint,
    /// Of this firing, not of the next one.
    pub starts_at_ms: i64,
    pub by: String,
    pub comment: String,
    pub at_ms: i64,
    pub expires_at_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AckError {
    #[error("no firing alert {fingerprint}")]
    NotFiring { fingerprint: Fingerprint },
    #[error("an ack needs a name")]
    NoName,
}

impl Dispatcher {
    pub fn acknowledge(
        &mut self,
        fingerprint: Fingerprint,
        (by, comment): (&str, &str),
        expires_at_ms: Option<i64>,
        now_ms: i64,
    ) -> Result<(), AckError> {
        if by.trim().is_empty() {
            return Err(AckError::NoName);
        }
        let key = fingerprint.to_string();
        let row = self.state.alerts.get(&key).filter(|a| !a.is_resolved);
        let alert = row
            .map(|r| r.alert.clone())
            .ok_or(AckError::NotFiring { fingerprint })?;
        let ack = Ack {
            fingerprint,
            starts_at_ms: alert.starts_at_ms,
            by: by.to_owned(),
            comment: comment.to_owned(),
            at_ms: now_ms,
            expires_at_ms,
        };
        self.state.acks.insert(key, ack);
        let why = (DecisionReason::Acknowledged, format!("by {by}: {comment}"));
        self.decide(now_ms, &alert, DecisionStep::Ack, why);
        Ok(())
    }

    pub fn unacknowledge(&mut self, fingerprint: Fingerprint) -> bool {
        self.state.acks.remove(&fingerprint.to_string()).is_some()
    }

    pub fn ack_of(&self, alert: &Alert, now_ms: i64) -> Option<&Ack> {
        let ack = self.state.acks.get(&alert.fingerprint().to_string())?;
        let holds = ack.starts_at_ms == alert.starts_at_ms && ack.expires_at_ms.is_none_or(|e| e > now_ms);
        holds.then_some(ack)
    }

    pub(super) fn is_acked(&self, alert: &Alert, now_ms: i64) -> bool {
        self.ack_of(alert, now_ms).is_some()
    }

    pub(super) fn expire_acks(&mut self, now_ms: i64) {
        let over: Vec<Fingerprint> = self
            .state
            .acks
            .values()
            .filter(|a| a.expires_at_ms.is_some_and(|e| e <= now_ms))
            .map(|a| a.fingerprint)
            .collect();
        for fingerprint in over {
            let key = fingerprint.to_string();
            let ack = self.state.acks.remove(&key);
            let Some(row) = self.state.alerts.get(&key).filter(|a| !a.is_resolved) else {
                continue;
            };
            let alert = row.alert.clone();
            let by = ack.map(|a| a.by).unwrap_or_default();
            let why = (
                DecisionReason::AckExpired,
                format!("the ack by {by} was forgotten"),
            );
            self.decide(now_ms, &alert, DecisionStep::Ack, why);
            self.tell_again(fingerprint, now_ms);
        }
    }

    /// The groups of a forgotten alert repeat at once.
    fn tell_again(&mut self, fingerprint: Fingerprint, now_ms: i64) {
        let keys: Vec<String> = self
            .state
            .groups
            .iter()
            .filter(|(_, g)| g.members.contains(&fingerprint))
            .map(|(k, _)| k.to_owned())
            .collect();
        for key in keys {
            if let Some(group) = self.state.groups.get_mut(&key) {
                group.next_flush_ms = now_ms;
                for lane in group.lanes.values_mut() {
                    lane.told_at_ms = Some(i64::MIN / 2);
                }
            }
        }
    }
}
