//! Why an alert of a group is not told just now. Each is a named reason in the decision record.

use super::dispatcher::Dispatcher;
use super::intake::lasted_ms;
use super::state::Group;
use crate::config::Route;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Fingerprint};
use std::collections::BTreeSet;

/// The alerts of a group, weighed.
#[derive(Default)]
pub(super) struct Weighed {
    pub(super) firing: Vec<Alert>,
    pub(super) resolved: Vec<Alert>,
    /// Of the same alerts in the same order.
    pub(super) firing_prints: Vec<Fingerprint>,
    pub(super) resolved_prints: Vec<Fingerprint>,
    pub(super) suppressed: BTreeSet<Fingerprint>,
    /// Of those suppressed: which have ended.
    pub(super) suppressed_resolved: BTreeSet<Fingerprint>,
    /// Of those resolved: which fired for longer than `group_wait`, and so deserve a page even when they are over.
    pub(super) deserving: BTreeSet<Fingerprint>,
    /// Members whose alert is no longer known.
    pub(super) unknown: Vec<Fingerprint>,
    /// Something suppressed may be told from here on.
    pub(super) again_at_ms: Option<i64>,
}

pub(super) struct Suppression {
    pub(super) step: DecisionStep,
    pub(super) reason: DecisionReason,
    pub(super) detail: String,
    pub(super) until_ms: Option<i64>,
}

impl Dispatcher {
    pub(super) fn weigh(&mut self, (key, group): (&str, &Group), route: &Route, now_ms: i64) -> Weighed {
        let mut weighed = Weighed::default();
        let (mut firing, mut resolved) = (Vec::new(), Vec::new());
        let by_time = self.muted_by_time(route, now_ms);
        for print in &group.members {
            let Some(row) = self.state.alerts.get(&print.to_string()) else {
                weighed.unknown.push(*print);
                continue;
            };
            let (alert, is_resolved) = (row.alert.clone(), row.is_resolved);
            let lasted_ms = row.unseen_ms.max(lasted_ms(&row.alert));
            let told = group.lanes.values().any(|lane| lane.firing.contains(print));
            let why = self
                .hidden(&alert, by_time.as_ref(), now_ms)
                .or_else(|| self.flapping(&alert, told, now_ms))
                .or_else(|| self.cooling_down(&alert, told, now_ms));
            match why {
                Some(why) => {
                    weighed.suppressed.insert(*print);
                    if is_resolved {
                        weighed.suppressed_resolved.insert(*print);
                    }
                    if let Some(until_ms) = why.until_ms {
                        let soonest = weighed.again_at_ms.unwrap_or(i64::MAX);
                        weighed.again_at_ms = Some(soonest.min(until_ms));
                    }
                    self.decide_once((now_ms, key), &alert, why.step, (why.reason, why.detail));
                }
                None if is_resolved => {
                    if lasted_ms >= route.group_wait_ms {
                        weighed.deserving.insert(*print);
                    }
                    resolved.push((alert, *print));
                }
                None => firing.push((alert, *print)),
            }
        }
        // The same order in every page, the oldest first.
        for list in [&mut firing, &mut resolved] {
            list.sort_by(|(a, _), (b, _)| (a.starts_at_ms, &a.labels).cmp(&(b.starts_at_ms, &b.labels)));
        }
        (weighed.firing, weighed.firing_prints) = firing.into_iter().unzip();
        (weighed.resolved, weighed.resolved_prints) = resolved.into_iter().unzip();
        weighed
    }

    /// What keeps an alert from everybody, whether they heard of it or not.
    pub(super) fn hidden(
        &self,
        alert: &Alert,
        by_time: Option<&(DecisionReason, String)>,
        now_ms: i64,
    ) -> Option<Suppression> {
        self.inhibited(alert)
            .or_else(|| by_time.map(|(reason, detail)| timed(*reason, detail)))
            .or_else(|| self.silenced(alert, now_ms))
    }

    pub(super) fn muted_by_time(&self, route: &Route, now_ms: i64) -> Option<(DecisionReason, String)> {
        let holds = |name: &String| {
            let interval = self.config.intervals.get(name);
            interval.is_some_and(|i| i.contains(now_ms))
        };
        if !route.active_time_intervals.is_empty() && !route.active_time_intervals.iter().any(holds) {
            let names = route.active_time_intervals.join(", ");
            return Some((
                DecisionReason::OutsideActiveTime,
                format!("outside of active time intervals {names}"),
            ));
        }
        let muting = route.mute_time_intervals.iter().find(|name| holds(name))?;
        Some((
            DecisionReason::MutedByTime,
            format!("inside of mute time interval {muting}"),
        ))
    }

    /// The names of the time intervals that mute a route now.
    pub(super) fn muting_intervals(&self, route: &Route, now_ms: i64) -> Vec<String> {
        match self.muted_by_time(route, now_ms) {
            None => Vec::new(),
            Some((DecisionReason::OutsideActiveTime, _)) => route.active_time_intervals.clone(),
            Some(_) => route
                .mute_time_intervals
                .iter()
                .filter(|n| self.config.intervals.get(*n).is_some_and(|i| i.contains(now_ms)))
                .cloned()
                .collect(),
        }
    }

    fn inhibited(&self, alert: &Alert) -> Option<Suppression> {
        let source = self
            .inhibition
            .source_of(&self.config.inhibit_rules, &alert.labels);
        source.map(|(source, rule)| Suppression {
            step: DecisionStep::Inhibit,
            reason: DecisionReason::Inhibited,
            detail: format!("by alert {source}, rule {rule}"),
            until_ms: None,
        })
    }

    fn silenced(&self, alert: &Alert, now_ms: i64) -> Option<Suppression> {
        let ids = self.silences_of(&alert.labels, now_ms);
        (!ids.is_empty()).then(|| Suppression {
            step: DecisionStep::Silence,
            reason: DecisionReason::Silenced,
            detail: format!("silence {}", ids.join(", ")),
            until_ms: None,
        })
    }
}

fn timed(reason: DecisionReason, detail: &str) -> Suppression {
    Suppression {
        step: DecisionStep::Time,
        reason,
        detail: detail.to_owned(),
        until_ms: None,
    }
}
