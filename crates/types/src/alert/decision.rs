//! The answer to "why was I, or was I not, paged?": one row per step that an alert took.

use crate::Fingerprint;
use serde::{Deserialize, Serialize};

/// An enum whose words stand in the API and in the database; a storm writes hundreds of thousands of them.
macro_rules! words {
    ($(#[$about:meta])* pub enum $name:ident { $($(#[$why:meta])* $variant:ident = $word:literal,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$why])* #[serde(rename = $word)] $variant,)+
        }

        impl $name {
            /// The word in the API and in the database.
            pub fn as_str(self) -> &'static str {
                match self {
                    $($name::$variant => $word,)+
                }
            }

            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some($name::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

words! {
    /// Where on its way the alert was.
    pub enum DecisionStep {
        /// What health knows, before any rule.
        Health = "health",
        Rule = "rule",
        Receive = "receive",
        Route = "route",
        Group = "group",
        Inhibit = "inhibit",
        Silence = "silence",
        Time = "time",
        Ack = "ack",
        Cooldown = "cooldown",
        Flap = "flap",
        Storm = "storm",
        Dedupe = "dedupe",
        Escalate = "escalate",
        Send = "send",
    }
}

words! {
    /// What was decided there. Each is a word an operator can search for.
    pub enum DecisionReason {
        /// It fails because something fails that it depends on.
        DependencyFailed = "dependency_failed",
        PlannedWork = "planned_work",
        Pending = "pending",
        PendingEnded = "pending_ended",
        Firing = "firing",
        Resolved = "resolved",
        RuleRemoved = "rule_removed",
        Kept = "kept",
        Held = "held",
        /// The sender did not repeat the alert in time.
        SenderSilent = "sender_silent",
        RouteMatched = "route_matched",
        GroupOpened = "group_opened",
        GroupJoined = "group_joined",
        Inhibited = "inhibited",
        Silenced = "silenced",
        OutsideActiveTime = "outside_active_time",
        MutedByTime = "muted_by_time",
        Acknowledged = "acknowledged",
        AckExpired = "ack_expired",
        CoolingDown = "cooling_down",
        Flapping = "flapping",
        StormCollapsed = "storm_collapsed",
        AlreadyNotified = "already_notified",
        ResolvedNotWanted = "resolved_not_wanted",
        NeverNotified = "never_notified",
        Notify = "notify",
        RepeatDue = "repeat_due",
        Escalated = "escalated",
        SendIntended = "send_intended",
        Delivered = "delivered",
        RetryLater = "retry_later",
        FallbackUsed = "fallback_used",
        DeadLetter = "dead_letter",
        TemplateFailed = "template_failed",
    }
}

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
        assert_eq!(serde_json::to_string(&DecisionStep::Send).unwrap(), "\"send\"");
    }
}
