//! The answer to "why was I, or was I not, paged?": one row per step that an alert took.

use crate::Fingerprint;
use serde::{Deserialize, Serialize};

/// Where on its way the alert was.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionStep {
    /// What health knows, before any rule.
    Health,
    Rule,
    Receive,
    Route,
    Group,
    Inhibit,
    Silence,
    Time,
    Ack,
    Cooldown,
    Flap,
    Storm,
    Dedupe,
    Escalate,
    Send,
}

/// What was decided there. Each is a word an operator can search for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionReason {
    /// It fails because something fails that it depends on.
    DependencyFailed,
    PlannedWork,
    Pending,
    PendingEnded,
    Firing,
    Resolved,
    RuleRemoved,
    Kept,
    Held,
    /// The sender did not repeat the alert in time.
    SenderSilent,
    RouteMatched,
    GroupOpened,
    GroupJoined,
    Inhibited,
    Silenced,
    OutsideActiveTime,
    MutedByTime,
    Acknowledged,
    AckExpired,
    CoolingDown,
    Flapping,
    StormCollapsed,
    AlreadyNotified,
    ResolvedNotWanted,
    NeverNotified,
    Notify,
    RepeatDue,
    Escalated,
    SendIntended,
    Delivered,
    RetryLater,
    FallbackUsed,
    DeadLetter,
    TemplateFailed,
}

macro_rules! named {
    ($type:ty) => {
        impl $type {
            /// The word in the API and in the database.
            pub fn as_str(self) -> String {
                serde_json::to_value(self)
                    .ok()
                    .and_then(|v| v.as_str().map(str::to_owned))
                    .unwrap_or_default()
            }

            pub fn parse(word: &str) -> Option<Self> {
                serde_json::from_value(serde_json::Value::String(word.to_owned())).ok()
            }
        }
    };
}

named!(DecisionStep);
named!(DecisionReason);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    pub at_ms: i64,
    pub fingerprint: Fingerprint,
    pub alertname: String,
    pub step: DecisionStep,
    pub reason: DecisionReason,
    /// Which route, which silence, which receiver, which error.
    pub detail: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_round_trip() {
        assert_eq!(DecisionReason::CoolingDown.as_str(), "cooling_down");
        assert_eq!(
            DecisionReason::parse("cooling_down"),
            Some(DecisionReason::CoolingDown)
        );
        assert_eq!(DecisionStep::parse("nowhere"), None);
    }
}
