//! Has this channel heard it already?

use super::state::Lane;
use lapwing_types::{Alert, DecisionReason, Fingerprint};
use std::collections::BTreeSet;

/// What a channel has to hear, in the order in which it must hear it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Telling {
    /// Fired and ended between two flushes: told as firing first, or nobody would ever have been paged for it.
    pub(super) missed: Vec<Alert>,
    /// All that fires, and what ended since.
    pub(super) alerts: Vec<Alert>,
    pub(super) answer: Answer,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Answer {
    Tell(DecisionReason),
    Not(DecisionReason),
    #[default]
    Nothing,
}

pub(super) struct Question<'a> {
    pub(super) lane: &'a Lane,
    pub(super) firing: &'a [Alert],
    pub(super) resolved: &'a [Alert],
    pub(super) send_resolved: bool,
    /// Which of the resolved ones deserve a page of their own.
    pub(super) deserving: &'a BTreeSet<Fingerprint>,
    pub(super) repeat_interval_ms: i64,
    /// Everything that fires is acknowledged.
    pub(super) all_acked: bool,
    pub(super) now_ms: i64,
}

pub(super) fn dedupe(q: &Question<'_>) -> Telling {
    let told = |alert: &&Alert| q.lane.firing.contains(&alert.fingerprint());
    let is_new = q.firing.iter().any(|a| !told(&a));
    // It lasted long enough to deserve a page, and got none.
    let missed: Vec<Alert> = q
        .resolved
        .iter()
        .filter(|a| !told(a))
        .filter(|a| q.deserving.contains(&a.fingerprint()))
        .cloned()
        .collect();
    let ended: Vec<Alert> = q
        .resolved
        .iter()
        .filter(|a| told(a) || q.deserving.contains(&a.fingerprint()))
        .cloned()
        .collect();
    let is_due = q
        .lane
        .told_at_ms
        .is_some_and(|told_at| told_at + q.repeat_interval_ms <= q.now_ms);
    let answer = if is_new || !missed.is_empty() {
        Answer::Tell(DecisionReason::Notify)
    } else if !ended.is_empty() && q.send_resolved {
        Answer::Tell(DecisionReason::Resolved)
    } else if !ended.is_empty() && q.firing.is_empty() {
        Answer::Not(DecisionReason::ResolvedNotWanted)
    } else if q.firing.is_empty() {
        Answer::Not(DecisionReason::NeverNotified)
    } else if is_due && q.all_acked {
        Answer::Not(DecisionReason::Acknowledged)
    } else if is_due {
        Answer::Tell(DecisionReason::RepeatDue)
    } else {
        Answer::Not(DecisionReason::AlreadyNotified)
    };
    let mut alerts = q.firing.to_vec();
    if q.send_resolved {
        alerts.extend(ended);
    }
    Telling {
        missed,
        alerts,
        answer,
    }
}

/// What the lane remembers afterwards.
pub(super) fn remember(q: &Question<'_>, told: bool) -> Lane {
    let mut lane = q.lane.clone();
    let ended: BTreeSet<Fingerprint> = q.resolved.iter().map(Alert::fingerprint).collect();
    lane.firing.retain(|print| !ended.contains(print));
    if told {
        lane.firing.extend(q.firing.iter().map(Alert::fingerprint));
        lane.told_at_ms = Some(q.now_ms);
    }
    lane
}
