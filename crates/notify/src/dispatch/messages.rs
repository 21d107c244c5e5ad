//! Messages that can be changed where they stand: the first page of a group posts one, later pages change it.
//!
//! Invariant: a message is only continued while something that it shows as firing still fires, or to say that it is over.
//! Whatever begins afterwards is a new message, because an edit wakes nobody. So a row that was left behind (the end was
//! not wanted, the group moved) can never swallow a page.

use super::delivery::{Delivery, Why};
use super::dispatcher::Dispatcher;
use crate::message::{Continued, Posted};
use lapwing_types::Fingerprint;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// A message that nobody continued for so long is not looked for any more.
const KEPT_MS: i64 = 30 * 24 * 3_600_000;

/// One firing of one alert.
type Firing = (Fingerprint, i64);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct KeptMessage {
    posted: Posted,
    /// What it shows as firing.
    firing: BTreeSet<Firing>,
    updated_ms: i64,
}

impl Dispatcher {
    /// The message that a delivery continues.
    pub(super) fn continued(&self, delivery: &Delivery) -> Option<Continued> {
        let message = self.state.messages.get(&delivery.lane())?;
        let firing = firing(delivery);
        let all: BTreeSet<Firing> = delivery
            .alerts
            .iter()
            .map(|a| (a.fingerprint(), a.starts_at_ms))
            .collect();
        let wanted = if firing.is_empty() { &all } else { &firing };
        if wanted.is_disjoint(&message.firing) {
            return None;
        }
        let reminds = !matches!(delivery.why, Why::Firing | Why::Added | Why::Resolved);
        Some(Continued {
            posted: message.posted.clone(),
            has_news: !firing.is_subset(&message.firing) || (reminds && !firing.is_empty()),
        })
    }

    /// A receiver says where the message of a delivery stands. To be called before its outcome is.
    pub fn posted(&mut self, delivery: &str, posted: Posted, now_ms: i64) {
        let Some(delivery) = self.state.deliveries.get(delivery) else {
            return;
        };
        let (lane, firing) = (delivery.lane(), firing(delivery));
        if firing.is_empty() {
            self.state.messages.remove(&lane);
            return;
        }
        let message = KeptMessage {
            posted,
            firing,
            updated_ms: now_ms,
        };
        self.state.messages.insert(lane, message);
    }

    pub(super) fn forget_messages(&mut self, now_ms: i64) {
        let old: Vec<String> = self
            .state
            .messages
            .iter()
            .filter(|(_, m)| now_ms - m.updated_ms > KEPT_MS)
            .map(|(lane, _)| lane.to_owned())
            .collect();
        for lane in old {
            self.state.messages.remove(&lane);
        }
    }
}

fn firing(delivery: &Delivery) -> BTreeSet<Firing> {
    let open = delivery.alerts.iter().filter(|a| a.ends_at_ms.is_none());
    open.map(|a| (a.fingerprint(), a.starts_at_ms)).collect()
}
