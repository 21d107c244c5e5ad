//! Has this channel heard it already?

use super::state::Lane;
use super::suppress::Weighed;
use lapwing_types::{Alert, DecisionReason, Fingerprint};

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
    pub(super) weighed: &'a Weighed,
    pub(super) send_resolved: bool,
    pub(super) repeat_interval_ms: i64,
    /// Everything that fires is acknowledged.
    pub(super) all_acked: bool,
    pub(super) now_ms: i64,
}

pub(super) fn dedupe(q: &Question<'_>) -> Telling {
    let weighed = q.weighed;
    let told = |print: &Fingerprint| q.lane.firing.contains(print);
    let is_new = weighed.firing_prints.iter().any(|print| !told(print));
    let of_resolved = |wanted: &dyn Fn(&Fingerprint) -> bool| -> Vec<Alert> {
        let both = weighed.resolved.iter().zip(&weighed.resolved_prints);
        both.filter(|(_, print)| wanted(print))
            .map(|(alert, _)| alert.clone())
            .collect()
    };
    // It lasted long enough to deserve a page, and got none.
    let missed = of_resolved(&|print| !told(print) && weighed.deserving.contains(print));
    let ended = of_resolved(&|print| told(print) || weighed.deserving.contains(print));
    let is_due = q
        .lane
        .told_at_ms
        .is_some_and(|told_at| told_at + q.repeat_interval_ms <= q.now_ms);
    let answer = if is_new || !missed.is_empty() {
        Answer::Tell(DecisionReason::Notify)
    } else if !ended.is_empty() && q.send_resolved {
        Answer::Tell(DecisionReason::Resolved)
    } else if !ended.is_empty() && weighed.firing.is_empty() {
        Answer::Not(DecisionReason::ResolvedNotWanted)
    } else if weighed.firing.is_empty() {
        Answer::Not(DecisionReason::NeverNotified)
    } else if is_due && q.all_acked {
        Answer::Not(DecisionReason::Acknowledged)
    } else if is_due {
        Answer::Tell(DecisionReason::RepeatDue)
    } else {
        Answer::Not(DecisionReason::AlreadyNotified)
    };
    let mut alerts = weighed.firing.clone();
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
    for print in &q.weighed.resolved_prints {
        lane.firing.remove(print);
    }
    if told {
        lane.firing.extend(&q.weighed.firing_prints);
        lane.told_at_ms = Some(q.now_ms);
    }
    lane
}
