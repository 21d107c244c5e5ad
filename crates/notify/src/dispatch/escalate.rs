//! Escalation: when nobody acknowledges, the next in the chain is told. Stops on ack, returns when the ack is forgotten,
//! ends with the alert. Its step is a row, so a restart changes nothing.
//!
//! Alerts that a group tells at the same flush climb together; those that join later begin at the bottom, in a row of their own.

use super::delivery::{Intent, Why};
use super::dispatcher::Dispatcher;
use super::state::lane_name;
use super::suppress::Weighed;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Fingerprint};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Escalation {
    pub(crate) group: String,
    pub(crate) chain: String,
    pub(crate) step: usize,
    #[serde(default)]
    pub(crate) repeated: u32,
    pub(crate) next_ms: i64,
    /// Whose escalation this is. Empty in rows of versions that knew one row per group: everybody's.
    #[serde(default)]
    pub(crate) members: BTreeSet<Fingerprint>,
}

impl Escalation {
    fn is_of(&self, print: &Fingerprint) -> bool {
        self.members.is_empty() || self.members.contains(print)
    }
}

impl Dispatcher {
    pub(super) fn start_escalations(&mut self, group: &str, weighed: &Weighed, now_ms: i64) {
        let config = self.config.clone();
        for chain in &config.extras.escalations {
            let Some(first) = chain.steps.first() else {
                continue;
            };
            let begun = self.state.escalations.values();
            let begun: Vec<&Escalation> = begun
                .filter(|e| e.group == group && e.chain == chain.name)
                .collect();
            let firing = weighed.firing.iter().zip(&weighed.firing_prints);
            let members: BTreeSet<Fingerprint> = firing
                .filter(|(a, _)| chain.matchers.iter().all(|m| m.matches_labels(&a.labels)))
                .map(|(_, print)| *print)
                .filter(|print| !begun.iter().any(|e| e.is_of(print)))
                .collect();
            if members.is_empty() {
                continue;
            }
            let row = Escalation {
                group: group.to_owned(),
                chain: chain.name.clone(),
                step: 0,
                repeated: 0,
                next_ms: now_ms + first.after_ms,
                members,
            };
            let key = format!("{}\n{group}\n{now_ms}", chain.name);
            self.state.escalations.insert(key, row);
        }
    }

    /// Whoever left the group climbs no further, and begins anew when he comes back.
    pub(super) fn end_escalations(&mut self, group: &str, gone: &BTreeSet<Fingerprint>) {
        if gone.is_empty() {
            return;
        }
        let rows = self.state.escalations.iter();
        let touched: Vec<String> = rows
            .filter(|(_, e)| e.group == group && !e.members.is_disjoint(gone))
            .map(|(key, _)| key.to_owned())
            .collect();
        for key in touched {
            let Some(row) = self.state.escalations.get_mut(&key) else {
                continue;
            };
            row.members.retain(|print| !gone.contains(print));
            if row.members.is_empty() {
                self.state.escalations.remove(&key);
            }
        }
    }

    pub(super) fn escalate(&mut self, now_ms: i64) {
        let due: Vec<(String, Escalation)> = self
            .state
            .escalations
            .iter()
            .filter(|(_, e)| e.next_ms <= now_ms || !self.state.groups.contains(&e.group))
            .map(|(k, e)| (k.to_owned(), e.clone()))
            .collect();
        for (key, escalation) in due {
            match self.take_step(&escalation, now_ms) {
                Some(next) => self.state.escalations.insert(key, next),
                None => self.state.escalations.remove(&key),
            };
        }
    }

    /// Tells the step's receiver what fires unacknowledged; returns what comes next.
    fn take_step(&mut self, now: &Escalation, now_ms: i64) -> Option<Escalation> {
        let config = self.config.clone();
        let chain = config.extras.escalations.iter().find(|c| c.name == now.chain)?;
        let step = chain.steps.get(now.step)?;
        let group = self.state.groups.get(&now.group)?.clone();
        let firing: Vec<(Fingerprint, Alert)> = group
            .members
            .iter()
            .filter_map(|p| self.state.alerts.get(&p.to_string()).map(|row| (*p, row)))
            .filter(|(_, row)| !row.is_resolved)
            .map(|(print, row)| (print, row.alert.clone()))
            .filter(|(_, a)| chain.matchers.iter().all(|m| m.matches_labels(&a.labels)))
            .collect();
        if !firing.iter().any(|(print, _)| now.is_of(print)) {
            return None;
        }
        let route = config.route.find(&group.route);
        let by_time = route.and_then(|r| self.muted_by_time(r, now_ms));
        let mut open: Vec<(Fingerprint, Alert)> = firing
            .into_iter()
            .filter(|(_, a)| !self.is_acked(a, now_ms) && self.hidden(a, by_time.as_ref(), now_ms).is_none())
            .collect();
        open.sort_by(|(_, a), (_, b)| (a.starts_at_ms, &a.labels).cmp(&(b.starts_at_ms, &b.labels)));
        let unheard: Vec<&Alert> = open
            .iter()
            .filter(|(print, _)| now.is_of(print))
            .map(|(_, alert)| alert)
            .collect();
        if unheard.is_empty() {
            // Someone has it, or it is kept from everybody; look again when that may be over.
            return Some(Escalation {
                next_ms: now_ms + step.after_ms.min(60_000),
                ..now.clone()
            });
        }
        let found = config.extras.receiver_of(&step.whom, now_ms);
        let (name, who) = match (found, &config.extras.fallback_receiver) {
            (Some(found), _) => found,
            // Better the wrong person than nobody.
            (None, Some(fallback)) => (
                fallback.clone(),
                format!(
                    "{}: nobody is on call, so fallback receiver {fallback}",
                    step.whom
                ),
            ),
            (None, None) => (String::new(), format!("{}: nobody is on call", step.whom)),
        };
        let slots = config.receivers.get(&name).into_iter().flat_map(|r| r.slots());
        for (index, channel) in slots {
            let lane = group.lanes.get(&lane_name(&name, channel.kind(), index));
            let concerns =
                |print: &Fingerprint| now.is_of(print) || lane.is_some_and(|l| l.firing.contains(print));
            let told = open.iter().filter(|(print, _)| concerns(print)).cloned();
            let (prints, alerts): (BTreeSet<Fingerprint>, Vec<Alert>) = told.unzip();
            let news = self.note_told(&now.group, (&name, channel.kind(), index), &prints);
            let intent = Intent {
                group_key: now.group.clone(),
                group_labels: group.labels.clone(),
                receiver: name.clone(),
                channel: index,
                kind: channel.kind(),
                alerts,
                why: Why::Escalation,
                fallback_of: Vec::new(),
                news,
            };
            self.intend(intent, now_ms);
        }
        for alert in unheard {
            let detail = format!("chain {}, step {}, {who}", chain.name, now.step + 1);
            self.decide(
                now_ms,
                alert,
                DecisionStep::Escalate,
                (DecisionReason::Escalated, detail),
            );
        }
        if now.repeated < step.repeat {
            return Some(Escalation {
                repeated: now.repeated + 1,
                next_ms: now_ms + step.after_ms,
                ..now.clone()
            });
        }
        let following = chain.steps.get(now.step + 1);
        // The chain is done; the row stays until the alert ends, so that it does not begin anew.
        let wait_ms = following.map_or(i64::MAX / 4, |f| (f.after_ms - step.after_ms).max(1_000));
        Some(Escalation {
            step: now.step + 1,
            repeated: 0,
            next_ms: now_ms + wait_ms,
            ..now.clone()
        })
    }
}
