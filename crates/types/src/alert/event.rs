//! What a rule found out about one alert at one instant.

use crate::Alert;
use serde::{Deserialize, Serialize};

/// Which rule speaks.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RuleRef {
    pub file: String,
    pub group: String,
    pub rule: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertEventKind {
    /// Became true; `for` has begun.
    Pending,
    /// Was pending and is no longer true.
    PendingEnded,
    /// Became firing.
    Firing,
    /// Is still firing, with other annotations than before.
    Updated,
    /// Is no longer true, but `keep_firing_for` keeps it firing.
    Kept,
    /// Ended.
    Resolved,
    /// Ended because its rule, or the rule's group, is no longer in the configuration.
    RuleRemoved,
    /// No data, or data that begins anew after a restart: neither resolved nor advanced.
    Held,
}

impl AlertEventKind {
    /// Whether whoever must know has to hear of this.
    pub fn concerns_dispatch(self) -> bool {
        matches!(
            self,
            AlertEventKind::Firing
                | AlertEventKind::Updated
                | AlertEventKind::Resolved
                | AlertEventKind::RuleRemoved
        )
    }
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertEvent {
    pub at_ms: i64,
    pub kind: AlertEventKind,
    pub rule: RuleRef,
    pub alert: Alert,
    pub value: f64,
}
