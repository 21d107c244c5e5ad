//! Escalation: when nobody acknowledges, the next in the chain is told. Stops on ack, returns when the ack is forgotten,
//! ends with the alert. Its step is a row, so a restart changes nothing.

use super::delivery::{Intent, Why};
use super::dispatcher::Dispatcher;
use lapwing_types::{Alert, DecisionReason, DecisionStep};
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
}

impl Dispatcher {
    pub(super) fn start_escalations(&mut self, group: &str, firing: &[Alert], now_ms: i64) {
        let config = self.config.clone();
        for chain in &config.extras.escalations {
            let key = format!("{}\n{group}", chain.name);
            let concerned = firing
                .iter()
                .any(|a| chain.matchers.iter().all(|m| m.matches_labels(&a.labels)));
            let Some(first) = chain.steps.first().filter(|_| concerned) else {
                continue;
            };
            if self.state.escalations.contains(&key) {
                continue;
            }
            let begun = Escalation {
                group: group.to_owned(),
                chain: chain.name.clone(),
                step: 0,
                repeated: 0,
                next_ms: now_ms + first.after_ms,
            };
            self.state.escalations.insert(key, begun);
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
        let firing: Vec<Alert> = group
            .members
            .iter()
            .filter_map(|p| self.state.alerts.get(&p.to_string()))
            .filter(|row| !row.is_resolved)
            .map(|row| row.alert.clone())
            .filter(|a| chain.matchers.iter().all(|m| m.matches_labels(&a.labels)))
            .collect();
        if firing.is_empty() {
            return None;
        }
        let unheard: Vec<Alert> = firing
            .into_iter()
            .filter(|a| !self.is_acked(a, now_ms) && self.silences_of(&a.labels, now_ms).is_empty())
            .collect();
        if unheard.is_empty() {
            // Someone has it; look again when an ack may have been forgotten.
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
            let intent = Intent {
                group_key: now.group.clone(),
                group_labels: group.labels.clone(),
                receiver: name.clone(),
                channel: index,
                kind: channel.kind(),
                alerts: unheard.clone(),
                why: Why::Escalation,
                fallback_of: Vec::new(),
                news: BTreeSet::new(),
            };
            self.intend(intent, now_ms);
        }
        for alert in &unheard {
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
