//! A group's timer is due: what does each channel of its receiver have to hear?

use super::dedupe::{Answer, Question, dedupe, remember};
use super::delivery::{Intent, Why};
use super::dispatcher::Dispatcher;
use super::state::{Group, lane_name};
use super::suppress::Weighed;
use crate::config::Route;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Fingerprint};
use std::collections::BTreeSet;

/// An ended alert that is silenced or muted waits this long for its last word.
const OWED_FOR_MS: i64 = 24 * 3_600_000;

impl Dispatcher {
    pub(super) fn flush(&mut self, key: &str, now_ms: i64) {
        let config = self.config.clone();
        self.worst.remove(key);
        let Some(group) = self.state.groups.get(key).cloned() else {
            return;
        };
        let Some(route) = config.route.find(&group.route) else {
            self.state.groups.remove(key);
            return;
        };
        let weighed = self.weigh((key, &group), route, now_ms);
        let mut next = group.clone();
        if !weighed.firing.is_empty() || !weighed.resolved.is_empty() {
            self.tell_channels((key, &group), &mut next, (route, &weighed), now_ms);
            self.tell_others((key, &group), &mut next, &weighed, now_ms);
        }
        let gone = self.leave(&mut next, &weighed, now_ms);
        self.end_escalations(key, &gone);
        next.was_flushed = true;
        next.next_flush_ms = now_ms + route.group_interval_ms;
        if let Some(again_ms) = weighed.again_at_ms {
            next.next_flush_ms = next.next_flush_ms.min(again_ms.max(now_ms + 1_000));
        }
        if next.members.is_empty() {
            self.state.groups.remove(key);
        } else {
            self.state.groups.insert(key, next);
        }
        if !weighed.resolved.is_empty() || !weighed.suppressed_resolved.is_empty() {
            self.forget_ended(&group.members);
        }
    }

    fn tell_channels(
        &mut self,
        (key, group): (&str, &Group),
        next: &mut Group,
        (route, weighed): (&Route, &Weighed),
        now_ms: i64,
    ) {
        let config = self.config.clone();
        let Some(receiver) = config.receivers.get(&group.receiver) else {
            return;
        };
        let all_acked = !weighed.firing.is_empty() && weighed.firing.iter().all(|a| self.is_acked(a, now_ms));
        for (index, channel) in receiver.slots() {
            let name = lane_name(&receiver.name, channel.kind(), index);
            let mut lane = group.lanes.get(&name).cloned().unwrap_or_default();
            self.take_over(&name, &group.labels, weighed, &mut lane);
            let question = Question {
                lane: &lane,
                weighed,
                send_resolved: channel.sends_resolved(),
                repeat_interval_ms: route.repeat_interval_ms,
                all_acked,
                now_ms,
            };
            let telling = dedupe(&question);
            let told = matches!(telling.answer, Answer::Tell(_));
            match telling.answer {
                Answer::Nothing => {}
                Answer::Not(reason) => {
                    let why = (reason, format!("channel {name}"));
                    for alert in weighed.firing.iter().chain(&weighed.resolved) {
                        self.decide_once((now_ms, key), alert, DecisionStep::Dedupe, why.clone());
                    }
                }
                Answer::Tell(reason) => {
                    let why = match reason {
                        DecisionReason::Resolved => Why::Resolved,
                        DecisionReason::RepeatDue => Why::Repeat,
                        _ if lane.firing.is_empty() => Why::Firing,
                        _ => Why::Added,
                    };
                    let firing = weighed.firing.iter().zip(&weighed.firing_prints);
                    let (new, news): (Vec<&Alert>, _) =
                        firing.filter(|(_, print)| !lane.firing.contains(print)).unzip();
                    let mut intent = Intent {
                        group_key: key.to_owned(),
                        group_labels: group.labels.clone(),
                        receiver: receiver.name.clone(),
                        channel: index,
                        kind: channel.kind(),
                        alerts: telling.alerts,
                        why,
                        fallback_of: Vec::new(),
                        news,
                    };
                    if !telling.missed.is_empty() {
                        let mut first = intent.clone();
                        first.why = Why::Firing;
                        first.alerts = weighed.firing.clone();
                        first
                            .alerts
                            .extend(telling.missed.iter().cloned().map(still_open));
                        self.intend(first, now_ms);
                    }
                    for alert in new.into_iter().chain(&telling.missed) {
                        self.decide_once(
                            (now_ms, key),
                            alert,
                            DecisionStep::Dedupe,
                            (reason, format!("channel {name}")),
                        );
                    }
                    let over =
                        telling.missed.is_empty() || intent.alerts.iter().any(|a| a.ends_at_ms.is_some());
                    if over && !intent.alerts.is_empty() {
                        if let Some(collapsed) = self.collapse(&intent, group.was_flushed, now_ms) {
                            intent = collapsed;
                        }
                        self.intend(intent, now_ms);
                    }
                }
            }
            next.lanes.insert(name, remember(&question, told));
        }
        for alert in &weighed.firing {
            self.start_cooldown(alert, now_ms);
        }
        self.start_escalations(key, weighed, now_ms);
    }

    /// Ended alerts leave the group, unless a channel that heard of their beginning has yet to hear of their end.
    fn leave(&self, next: &mut Group, weighed: &Weighed, now_ms: i64) -> BTreeSet<Fingerprint> {
        let mut gone: BTreeSet<Fingerprint> = weighed.unknown.iter().copied().collect();
        gone.extend(&weighed.resolved_prints);
        for print in &weighed.suppressed_resolved {
            let owed = next.lanes.values().any(|lane| lane.firing.contains(print));
            let row = self.state.alerts.get(&print.to_string());
            let ended_ms = row.and_then(|r| r.alert.ends_at_ms).unwrap_or(0);
            if !owed || now_ms - ended_ms > OWED_FOR_MS {
                gone.insert(*print);
            }
        }
        next.members.retain(|print| !gone.contains(print));
        for lane in next.lanes.values_mut() {
            lane.firing.retain(|print| !gone.contains(print));
        }
        gone
    }

    /// Alerts that left their last group.
    fn forget_ended(&mut self, candidates: &BTreeSet<Fingerprint>) {
        for print in candidates {
            let key = print.to_string();
            if !self.state.alerts.get(&key).is_some_and(|a| a.is_resolved) {
                continue;
            }
            let config = self.config.clone();
            let needed = self.state.alerts.get(&key).is_some_and(|row| {
                config.route.matching(&row.alert.labels).into_iter().any(|route| {
                    let labels = route.group_by.labels_of(&row.alert.labels);
                    let group = self
                        .state
                        .groups
                        .get(&super::state::group_key(&route.id, &labels));
                    group.is_some_and(|g| g.members.contains(print))
                })
            });
            if !needed {
                self.forget_alert(*print);
            }
        }
    }
}

/// As it was while it lasted.
fn still_open(mut alert: Alert) -> Alert {
    alert.ends_at_ms = None;
    alert
}
