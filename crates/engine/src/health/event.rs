//! What happened to whose health, kept with what was known at that moment.

use lapwing_types::HealthState;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A change of a state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthEvent {
    pub id: u64,
    pub at_ms: i64,
    /// `check/NAME`, `model/NAME`, `shard/MODEL/ENDPOINT` or `system`.
    pub subject: String,
    pub from: String,
    pub to: String,
    #[serde(default)]
    pub reason: String,
    #[serde(default)]
    pub detail: String,
    /// What an engineer would ask first; filled within seconds of the change.
    #[serde(default)]
    pub diagnosis: Value,
}

impl HealthEvent {
    /// What it became is neither well nor unknown.
    pub(super) fn is_of_trouble(&self) -> bool {
        let good = [HealthState::Healthy, HealthState::Unknown];
        good.iter().all(|good| good.as_str() != self.to)
    }

    pub(super) fn of_state(subject: String, (from, to): (HealthState, HealthState), at_ms: i64) -> Self {
        HealthEvent {
            id: 0,
            at_ms,
            subject,
            from: from.to_string(),
            to: to.to_string(),
            reason: String::new(),
            detail: String::new(),
            diagnosis: Value::Null,
        }
    }
}

/// One step of a repair.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditEntry {
    pub at_ms: i64,
    /// `check/NAME` or `model/NAME`.
    pub target: String,
    pub action: String,
    /// A word of `judge::health::RecoveryEvent`.
    pub step: String,
    #[serde(default)]
    pub by: String,
    #[serde(default)]
    pub detail: String,
}

/// What a person wrote about an incident; shown on the status page.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthNote {
    pub at_ms: i64,
    pub by: String,
    pub text: String,
    #[serde(default)]
    pub model: Option<String>,
}
