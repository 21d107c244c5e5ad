//! Who was told of a group besides its receiver: those of an escalation, and the fallback receiver. Each of them is told of the
//! end, too.
//!
//! Invariant: whoever gets a page about something that fires stands in the lanes of its group from then on, so that the flush that
//! sees the end finds him.

use super::delivery::{Delivery, Intent, Why};
use super::dispatcher::Dispatcher;
use super::state::{Group, lane_name};
use super::suppress::Weighed;
use lapwing_types::{Alert, Fingerprint};
use std::collections::BTreeSet;

impl Dispatcher {
    /// The channels of everybody else hear of the end of what they heard of.
    pub(super) fn tell_others(
        &mut self,
        (key, group): (&str, &Group),
        next: &mut Group,
        weighed: &Weighed,
        now_ms: i64,
    ) {
        let config = self.config.clone();
        for receiver in config.receivers.values().filter(|r| r.name != group.receiver) {
            for (index, channel) in receiver.slots() {
                let name = lane_name(&receiver.name, channel.kind(), index);
                let Some(lane) = next.lanes.get_mut(&name) else {
                    continue;
                };
                let heard = |alerts: &[Alert], prints: &[Fingerprint]| -> Vec<Alert> {
                    let both = alerts.iter().zip(prints);
                    both.filter(|(_, print)| lane.firing.contains(print))
                        .map(|(alert, _)| alert.clone())
                        .collect()
                };
                let ended = heard(&weighed.resolved, &weighed.resolved_prints);
                if ended.is_empty() {
                    continue;
                }
                let mut alerts = heard(&weighed.firing, &weighed.firing_prints);
                alerts.extend(ended);
                lane.firing
                    .retain(|print| !weighed.resolved_prints.contains(print));
                if lane.firing.is_empty() {
                    next.lanes.remove(&name);
                }
                if !channel.sends_resolved() {
                    continue;
                }
                let intent = Intent {
                    group_key: key.to_owned(),
                    group_labels: group.labels.clone(),
                    receiver: receiver.name.clone(),
                    channel: index,
                    kind: channel.kind(),
                    alerts,
                    why: Why::Resolved,
                    fallback_of: Vec::new(),
                    news: BTreeSet::new(),
                };
                self.intend(intent, now_ms);
            }
        }
    }

    /// One channel more knows of these; returns of which it did not know.
    pub(super) fn note_told(
        &mut self,
        group: &str,
        (receiver, kind, index): (&str, &str, usize),
        prints: &BTreeSet<Fingerprint>,
    ) -> BTreeSet<Fingerprint> {
        let is_other = |g: &&Group| g.receiver != receiver && !g.members.is_disjoint(prints);
        if self.state.groups.get(group).filter(is_other).is_none() {
            return BTreeSet::new();
        }
        let Some(group) = self.state.groups.get_mut(group) else {
            return BTreeSet::new();
        };
        let lane = group.lanes.entry(lane_name(receiver, kind, index)).or_default();
        let known = |print: &&Fingerprint| group.members.contains(print);
        let added = prints.iter().filter(known).copied();
        added.filter(|print| lane.firing.insert(*print)).collect()
    }

    /// The groups whose alerts a delivery speaks of: a digest of a storm belongs to none, and speaks of many.
    pub(super) fn groups_of(&self, delivery: &Delivery) -> Vec<String> {
        if delivery.why != Why::Storm {
            return vec![delivery.group_key.clone()];
        }
        let prints: BTreeSet<Fingerprint> = delivery.alerts.iter().map(Alert::fingerprint).collect();
        let groups = self.state.groups.iter();
        groups
            .filter(|(_, g)| g.receiver == delivery.receiver && !g.members.is_disjoint(&prints))
            .map(|(key, _)| key.to_owned())
            .collect()
    }

    /// Of what fired when a delivery was written: what no group knows any more, so that no flush will tell its end.
    pub(super) fn over_since(&self, delivery: &Delivery, groups: &[String], now_ms: i64) -> Vec<Alert> {
        let is_known = |print: &Fingerprint| {
            let mut groups = groups.iter().filter_map(|key| self.state.groups.get(key));
            groups.any(|group| group.members.contains(print))
        };
        let open = delivery.alerts.iter().filter(|a| a.ends_at_ms.is_none());
        open.filter(|a| !is_known(&a.fingerprint()))
            .map(|a| Alert {
                ends_at_ms: Some(now_ms),
                ..a.clone()
            })
            .collect()
    }
}
