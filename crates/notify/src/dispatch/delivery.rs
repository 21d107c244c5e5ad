//! Deliveries: what has to arrive. A row from the intent to the receiver's yes, the fallback's yes, or the dead letters.
//!
//! Invariants:
//! - One lane (a group's page to one channel) is told in order: only its oldest delivery is ever under way.
//! - A delivery that waits takes newer news of its lane in, but never in a way that a firing page is lost.
//! - Attempts back off exponentially with jitter up to a bound, or as the receiver said (`Retry-After`); the time of the
//!   next attempt is part of the row, so a restart neither hurries nor forgets.

use super::dispatcher::Dispatcher;
use super::state::group_key;
use crate::config::Route;
use crate::message::Notification;
use lapwing_types::{
    Alert, DecisionReason, DecisionStep, Fingerprint, Labels, LedgerEntry, LedgerEvent, Severity,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// So many attempts are under way at once.
const IN_FLIGHT_MAX: usize = 64;
/// More than this waiting in one lane are folded together, whatever they say.
const LANE_LEN_MAX: usize = 16;
/// Decision records name the alerts of one page up to here.
const DECISIONS_PER_PAGE_MAX: usize = 1000;
/// Of what a receiver says, so much stands in a decision; all of it is in the ledger.
const SAID_CHARS_MAX: usize = 200;
/// What a dead letter itself is told as.
pub(super) const FAILED_ALERT: &str = "LapwingNotificationFailed";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    Firing,
    /// More fires than what it was told already.
    Added,
    Resolved,
    Repeat,
    Escalation,
    Storm,
    Fallback,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryStatus {
    #[default]
    Waiting,
    InFlight,
    Dead,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    pub id: String,
    pub group_key: String,
    pub group_labels: Labels,
    pub receiver: String,
    /// Its place among the receiver's channels of this kind.
    pub channel: usize,
    pub kind: String,
    pub alerts: Vec<Alert>,
    pub(crate) why: Why,
    pub created_ms: i64,
    pub next_attempt_ms: i64,
    #[serde(default)]
    pub attempts: u32,
    #[serde(default)]
    pub status: DeliveryStatus,
    #[serde(default)]
    pub last_error: String,
    #[serde(default)]
    pub fell_back: bool,
    /// The fallback receiver took it.
    #[serde(default)]
    pub covered: bool,
    /// The deliveries that this one stands in for.
    #[serde(default)]
    pub fallback_of: Vec<String>,
    /// Alerts of which its channel has not heard before.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub news: BTreeSet<Fingerprint>,
}

/// A delivery to be.
#[derive(Clone, Debug)]
pub(crate) struct Intent {
    pub(crate) group_key: String,
    pub(crate) group_labels: Labels,
    pub(crate) receiver: String,
    pub(crate) channel: usize,
    pub(crate) kind: &'static str,
    pub(crate) alerts: Vec<Alert>,
    pub(crate) why: Why,
    pub(crate) fallback_of: Vec<String>,
    pub(crate) news: BTreeSet<Fingerprint>,
}

impl Delivery {
    pub(super) fn lane(&self) -> String {
        lane_key(&self.group_key, &self.receiver, (&self.kind, self.channel))
    }

    pub(super) fn severity(&self) -> Severity {
        self.alerts.iter().map(Alert::severity).max().unwrap_or_default()
    }

    pub(super) fn is_about_failure(&self) -> bool {
        self.alerts.iter().all(|a| a.name() == FAILED_ALERT)
    }
}

impl Dispatcher {
    /// Writes down that this has to arrive.
    pub(super) fn intend(&mut self, intent: Intent, now_ms: i64) {
        let lane = lane_key(&intent.group_key, &intent.receiver, (intent.kind, intent.channel));
        let (waiting, newest) = self.queue.lane(&lane);
        let tail = newest
            .and_then(|id| self.state.deliveries.get(id))
            .filter(|d| d.status == DeliveryStatus::Waiting);
        let storm = tail.filter(|t| t.why == Why::Storm && t.attempts == 0);
        if let Some(id) = storm.filter(|_| intent.why == Why::Storm).map(|t| t.id.clone()) {
            // A storm of thousands only appends; what is said twice is folded when the digest leaves.
            if let Some(row) = self.state.deliveries.get_mut(&id) {
                row.alerts.extend(intent.alerts.into_iter().map(snapshot(now_ms)));
            }
            return;
        }
        let tail = tail.cloned();
        let alerts: Vec<Alert> = intent.alerts.into_iter().map(snapshot(now_ms)).collect();
        let mut made = Delivery {
            id: self.new_delivery_id(now_ms),
            group_key: intent.group_key,
            group_labels: intent.group_labels,
            receiver: intent.receiver,
            channel: intent.channel,
            kind: intent.kind.to_owned(),
            alerts,
            why: intent.why,
            created_ms: now_ms,
            next_attempt_ms: now_ms,
            attempts: 0,
            status: DeliveryStatus::Waiting,
            last_error: String::new(),
            fell_back: false,
            covered: false,
            fallback_of: intent.fallback_of,
            news: intent.news,
        };
        match tail {
            Some(old) if waiting > LANE_LEN_MAX || can_merge(&old, &made) => {
                made.alerts = merged(&old.alerts, made.alerts);
                made.fallback_of.extend(old.fallback_of.iter().cloned());
                made.news.extend(&old.news);
                made.created_ms = old.created_ms;
                made.next_attempt_ms = old.next_attempt_ms;
                made.attempts = old.attempts;
                // The fallback was told of the older content only.
                made.fell_back = old.fell_back && firing(&made.alerts).is_subset(&firing(&old.alerts));
                if made.fell_back {
                    self.cover_also(&old.id, &made.id);
                }
                made.last_error.clone_from(&old.last_error);
                self.drop_delivery(&old.id);
                self.log(&old, LedgerEvent::Superseded, format!("by {}", made.id), now_ms);
            }
            _ => {}
        }
        self.log(
            &made,
            LedgerEvent::Intended,
            format!("{:?}", made.why).to_lowercase(),
            now_ms,
        );
        self.record(&made, DecisionReason::SendIntended, now_ms);
        let id = made.id.clone();
        self.state.deliveries.insert(id.clone(), made);
        self.join_lane(&id);
    }

    /// Whoever stands in for one delivery stands in for the one that took its place.
    fn cover_also(&mut self, old: &str, new: &str) {
        let standing_in: Vec<String> = self
            .state
            .deliveries
            .iter()
            .filter(|(_, d)| d.fallback_of.iter().any(|id| id == old))
            .map(|(k, _)| k.to_owned())
            .collect();
        for id in standing_in {
            if let Some(row) = self.state.deliveries.get_mut(&id) {
                row.fallback_of.push(new.to_owned());
            }
        }
    }

    /// The row is gone, and its lane goes on.
    pub(super) fn drop_delivery(&mut self, id: &str) -> Option<Delivery> {
        self.leave_lane(id);
        self.state.under_way.remove(id);
        self.state.deliveries.remove(id)
    }

    /// The oldest delivery of each lane whose time has come, the worst first.
    pub(super) fn take_due_deliveries(&mut self, now_ms: i64) -> Vec<Notification> {
        let ids = self.queue.due(IN_FLIGHT_MAX, now_ms);
        ids.into_iter()
            .filter_map(|id| self.start_attempt(&id, now_ms))
            .collect()
    }

    fn start_attempt(&mut self, id: &str, now_ms: i64) -> Option<Notification> {
        if self.withdraw_silenced(id, now_ms) {
            return None;
        }
        let config = self.config.clone();
        let delivery = self.state.deliveries.get(id)?;
        let receiver = config.receivers.get(&delivery.receiver);
        let channel = receiver.and_then(|r| r.channel(&delivery.kind, delivery.channel));
        let Some(channel) = channel else {
            let reason = "its receiver is no longer configured".to_owned();
            self.refused(id, reason, now_ms);
            return None;
        };
        let row = if delivery.why == Why::Storm {
            let row = self.state.deliveries.get_mut(id)?;
            row.alerts = merged(&std::mem::take(&mut row.alerts), Vec::new());
            row
        } else {
            self.state.deliveries.get_amend(id)?
        };
        row.status = DeliveryStatus::InFlight;
        row.attempts += 1;
        let row = row.clone();
        self.state.under_way.insert(id, row.attempts);
        let continues = self.continued(&row);
        let group_key = shown_key(&config.route, &row);
        self.requeue(id);
        self.log(&row, LedgerEvent::Attempted, String::new(), now_ms);
        Some(Notification {
            id: row.id,
            attempt: row.attempts,
            receiver: row.receiver,
            channel: channel.clone(),
            group_key,
            group_labels: row.group_labels,
            alerts: row.alerts,
            reason: format!("{:?}", row.why).to_lowercase(),
            now_ms,
            external_url: config.external_url.clone(),
            picture: None,
            continues,
        })
    }

    pub fn dead_letters(&self) -> Vec<&Delivery> {
        let all = self.state.deliveries.values();
        all.filter(|d| d.status == DeliveryStatus::Dead).collect()
    }

    /// Deliveries on their way or waiting for their next attempt.
    pub fn pending(&self) -> Vec<&Delivery> {
        let all = self.state.deliveries.values();
        all.filter(|d| d.status != DeliveryStatus::Dead).collect()
    }

    pub(super) fn log(&mut self, delivery: &Delivery, event: LedgerEvent, detail: String, at_ms: i64) {
        self.ledger.push(LedgerEntry {
            at_ms,
            delivery: delivery.id.clone(),
            event,
            group_key: delivery.group_key.clone(),
            receiver: delivery.receiver.clone(),
            channel: delivery.kind.clone(),
            attempt: delivery.attempts,
            detail,
        });
    }

    pub(super) fn record(&mut self, delivery: &Delivery, reason: DecisionReason, now_ms: i64) {
        self.record_with(delivery, (reason, ""), now_ms);
    }

    /// And what the receiver or the network said.
    pub(super) fn record_with(
        &mut self,
        delivery: &Delivery,
        (reason, said): (DecisionReason, &str),
        now_ms: i64,
    ) {
        let mut detail = format!(
            "{:?} by {} to {}, delivery {}",
            delivery.why, delivery.kind, delivery.receiver, delivery.id
        );
        if !said.is_empty() {
            detail.push_str(": ");
            detail.extend(said.chars().take(SAID_CHARS_MAX));
        }
        for alert in delivery.alerts.iter().take(DECISIONS_PER_PAGE_MAX) {
            self.decide(now_ms, alert, DecisionStep::Send, (reason, detail.clone()));
        }
    }

    /// As a UUID of version 7: in the order of time, so that the rows are too.
    fn new_delivery_id(&mut self, now_ms: i64) -> String {
        self.sequence += 1;
        let tail = xxhash_rust::xxh3::xxh3_64(format!("{now_ms}\n{}", self.sequence).as_bytes());
        let ms = now_ms.unsigned_abs() & 0xffff_ffff_ffff;
        let (high, low) = (self.sequence >> 12 & 0xfff, self.sequence & 0xfff);
        format!(
            "{:08x}-{:04x}-7{high:03x}-8{low:03x}-{:012x}",
            ms >> 16,
            ms & 0xffff,
            tail & 0xffff_ffff_ffff
        )
    }
}

/// What receivers know the group by: Alertmanager's name of the route instead of ours.
fn shown_key(root: &Route, delivery: &Delivery) -> String {
    let labels = format!(":{}", delivery.group_labels);
    let id = delivery.group_key.strip_suffix(&labels);
    let route = id.and_then(|id| root.find(id));
    route.map_or_else(
        || delivery.group_key.clone(),
        |route| group_key(&route.key, &delivery.group_labels),
    )
}

fn lane_key(group_key: &str, receiver: &str, (kind, nth): (&str, usize)) -> String {
    format!("{group_key}\n{receiver}\n{kind}/{nth}")
}

/// In a page, an alert that fires has no end: a sender's deadline says nothing to a reader.
fn snapshot(now_ms: i64) -> impl Fn(Alert) -> Alert {
    move |mut alert| {
        if !alert.is_resolved_at(now_ms) {
            alert.ends_at_ms = None;
        }
        alert
    }
}

pub(super) fn firing(alerts: &[Alert]) -> BTreeSet<Fingerprint> {
    let open = alerts.iter().filter(|a| a.ends_at_ms.is_none());
    open.map(Alert::fingerprint).collect()
}

/// Whoever hears only the newer one misses nothing: all that fires in the older one fires in the newer one.
fn can_merge(old: &Delivery, new: &Delivery) -> bool {
    if new.why == Why::Storm && old.why == Why::Storm {
        return true;
    }
    let still = firing(&new.alerts);
    firing(&old.alerts).is_subset(&still)
}

/// The newer state of each alert; what the newer one does not mention stays.
fn merged(old: &[Alert], new: Vec<Alert>) -> Vec<Alert> {
    let both = old.iter().cloned().chain(new);
    let all: BTreeMap<Fingerprint, Alert> = both.map(|a| (a.fingerprint(), a)).collect();
    let mut all: Vec<Alert> = all.into_values().collect();
    all.sort_by_key(|a| (a.ends_at_ms.is_some(), a.starts_at_ms));
    all
}
