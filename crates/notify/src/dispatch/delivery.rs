//! Deliveries: what has to arrive. A row from the intent to the receiver's yes, the fallback's yes, or the dead letters.
//!
//! Invariants:
//! - One lane (a group's page to one channel) is told in order: only its oldest delivery is ever under way.
//! - A delivery that waits takes newer news of its lane in, but never in a way that a firing page is lost.
//! - Attempts back off exponentially with jitter up to a bound, or as the receiver said (`Retry-After`); the time of the
//!   next attempt is part of the row, so a restart neither hurries nor forgets.

use super::dispatcher::Dispatcher;
use crate::channels::Sent;
use crate::config::RetryOptions;
use crate::message::Notification;
use lapwing_types::{
    Alert, DecisionReason, DecisionStep, Fingerprint, Labels, LedgerEntry, LedgerEvent, Severity,
};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet, VecDeque};

/// So many attempts are under way at once.
const IN_FLIGHT_MAX: usize = 64;
/// More than this waiting in one lane are folded together, whatever they say.
const LANE_LEN_MAX: usize = 16;
/// Dead letters that are kept to be looked at.
const DEAD_MAX: usize = 1000;
/// Decision records name the alerts of one page up to here.
const DECISIONS_PER_PAGE_MAX: usize = 1000;
/// What a dead letter itself is told as.
const FAILED_ALERT: &str = "LapwingNotificationFailed";

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Why {
    Firing,
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
}

impl Delivery {
    fn lane(&self) -> String {
        lane_key(&self.group_key, &self.receiver, self.channel)
    }

    pub(crate) fn wakes_at_ms(&self) -> Option<i64> {
        (self.status == DeliveryStatus::Waiting).then_some(self.next_attempt_ms)
    }

    fn severity(&self) -> Severity {
        self.alerts.iter().map(Alert::severity).max().unwrap_or_default()
    }

    fn is_about_failure(&self) -> bool {
        self.alerts.iter().all(|a| a.name() == FAILED_ALERT)
    }
}

impl Dispatcher {
    /// Writes down that this has to arrive.
    pub(super) fn intend(&mut self, intent: Intent, now_ms: i64) {
        let lane = lane_key(&intent.group_key, &intent.receiver, intent.channel);
        let waiting = self.lanes.get(&lane).map_or(0, VecDeque::len);
        let tail = self
            .lanes
            .get(&lane)
            .and_then(VecDeque::back)
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
        };
        match tail {
            Some(old) if waiting > LANE_LEN_MAX || can_merge(&old, &made) => {
                made.alerts = merged(&old.alerts, made.alerts);
                made.fallback_of.extend(old.fallback_of.iter().cloned());
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
        self.lanes
            .entry(made.lane())
            .or_default()
            .push_back(made.id.clone());
        self.state.deliveries.insert(made.id.clone(), made);
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
    fn drop_delivery(&mut self, id: &str) -> Option<Delivery> {
        self.leave_lane(id);
        self.state.deliveries.remove(id)
    }

    fn leave_lane(&mut self, id: &str) {
        let Some(lane) = self.state.deliveries.get(id).map(Delivery::lane) else {
            return;
        };
        if let Some(queue) = self.lanes.get_mut(&lane) {
            queue.retain(|other| other != id);
            if queue.is_empty() {
                self.lanes.remove(&lane);
            }
        }
    }

    pub(super) fn index_lanes(&mut self) {
        for (id, delivery) in self.state.deliveries.iter() {
            if delivery.status != DeliveryStatus::Dead {
                let queue = self.lanes.entry(delivery.lane()).or_default();
                queue.push_back(id.to_owned());
            }
        }
    }

    /// The oldest delivery of each lane whose time has come, the worst first.
    pub(super) fn take_due_deliveries(&mut self, now_ms: i64) -> Vec<Notification> {
        let mut under_way = 0;
        let mut due: Vec<(std::cmp::Reverse<Severity>, i64, &str)> = Vec::new();
        let heads = self.lanes.values().filter_map(VecDeque::front);
        for delivery in heads.filter_map(|id| self.state.deliveries.get(id)) {
            match delivery.status {
                DeliveryStatus::InFlight => under_way += 1,
                DeliveryStatus::Waiting if delivery.next_attempt_ms <= now_ms => {
                    let worst_first = std::cmp::Reverse(delivery.severity());
                    due.push((worst_first, delivery.next_attempt_ms, &delivery.id));
                }
                _ => {}
            }
        }
        let free = IN_FLIGHT_MAX.saturating_sub(under_way);
        if due.len() > free {
            due.select_nth_unstable(free);
            due.truncate(free);
        }
        due.sort_unstable();
        let ids: Vec<String> = due.into_iter().map(|(_, _, id)| id.to_owned()).collect();
        ids.into_iter()
            .filter_map(|id| self.start_attempt(&id, now_ms))
            .collect()
    }

    fn start_attempt(&mut self, id: &str, now_ms: i64) -> Option<Notification> {
        let config = self.config.clone();
        let delivery = self.state.deliveries.get(id)?.clone();
        let receiver = config.receivers.get(&delivery.receiver);
        let channel = receiver
            .and_then(|r| r.channels.get(delivery.channel))
            .filter(|c| c.kind() == delivery.kind);
        let Some(channel) = channel else {
            let reason = "its receiver is no longer configured".to_owned();
            self.refused(id, reason, now_ms);
            return None;
        };
        let row = self.state.deliveries.get_mut(id)?;
        row.status = DeliveryStatus::InFlight;
        row.attempts += 1;
        if row.why == Why::Storm {
            row.alerts = merged(&std::mem::take(&mut row.alerts), Vec::new());
        }
        let row = row.clone();
        self.log(&row, LedgerEvent::Attempted, String::new(), now_ms);
        Some(Notification {
            id: row.id,
            attempt: row.attempts,
            receiver: row.receiver,
            channel: channel.clone(),
            group_key: row.group_key,
            group_labels: row.group_labels,
            alerts: row.alerts,
            reason: format!("{:?}", row.why).to_lowercase(),
            now_ms,
            external_url: config.external_url.clone(),
        })
    }

    /// What became of an attempt. An id that is not under way any more is ignored.
    pub fn outcome(&mut self, id: &str, sent: Sent, failed_templates: &[String], now_ms: i64) {
        let Some(delivery) = self.state.deliveries.get(id).cloned() else {
            return;
        };
        if delivery.status != DeliveryStatus::InFlight {
            return;
        }
        for failure in failed_templates {
            for alert in delivery.alerts.iter().take(1) {
                let why = (DecisionReason::TemplateFailed, failure.clone());
                self.decide(now_ms, alert, DecisionStep::Send, why);
            }
        }
        match sent {
            Sent::Delivered { detail } => self.delivered(&delivery, detail, now_ms),
            Sent::Refused { reason } => self.refused(id, reason, now_ms),
            Sent::Later {
                reason,
                retry_after_ms,
            } => self.later(&delivery, (reason, retry_after_ms), now_ms),
        }
    }

    fn delivered(&mut self, delivery: &Delivery, detail: String, now_ms: i64) {
        self.log(delivery, LedgerEvent::Delivered, detail, now_ms);
        self.record(delivery, DecisionReason::Delivered, now_ms);
        self.drop_delivery(&delivery.id);
        for original in &delivery.fallback_of {
            let Some(row) = self.state.deliveries.get_mut(original) else {
                continue;
            };
            row.covered = true;
            if row.status == DeliveryStatus::Waiting {
                let row = row.clone();
                self.drop_delivery(original);
                self.log(
                    &row,
                    LedgerEvent::Superseded,
                    format!("the fallback {} took it", delivery.id),
                    now_ms,
                );
            }
        }
    }

    fn later(&mut self, delivery: &Delivery, (reason, retry_after_ms): (String, Option<i64>), now_ms: i64) {
        let retry = self.config.extras.retry;
        self.log(delivery, LedgerEvent::Failed, reason.clone(), now_ms);
        if delivery.covered {
            self.drop_delivery(&delivery.id);
            return;
        }
        let age_ms = now_ms - delivery.created_ms;
        if age_ms >= retry.give_up_after_ms {
            self.bury(&delivery.id, reason, now_ms);
            return;
        }
        let wait_ms = backoff_ms(&delivery.id, delivery.attempts, &retry).max(retry_after_ms.unwrap_or(0));
        if let Some(row) = self.state.deliveries.get_mut(&delivery.id) {
            row.status = DeliveryStatus::Waiting;
            row.next_attempt_ms = now_ms + wait_ms;
            row.last_error.clone_from(&reason);
        }
        if delivery.attempts == 1 {
            self.record(delivery, DecisionReason::RetryLater, now_ms);
        }
        if age_ms >= retry.fallback_after_ms {
            self.fall_back(delivery, now_ms);
        }
    }

    /// Trying again would not help: the fallback receiver is told; without one it is a dead letter.
    fn refused(&mut self, id: &str, reason: String, now_ms: i64) {
        let Some(delivery) = self.state.deliveries.get(id).cloned() else {
            return;
        };
        self.log(&delivery, LedgerEvent::Failed, reason.clone(), now_ms);
        self.fall_back(&delivery, now_ms);
        self.bury(id, reason, now_ms);
    }

    fn fall_back(&mut self, delivery: &Delivery, now_ms: i64) {
        let config = self.config.clone();
        let name = config.extras.fallback_receiver.as_ref();
        let Some(fallback) = name.and_then(|n| config.receivers.get(n)) else {
            return;
        };
        // A fallback's own failure does not fall back on itself.
        if delivery.fell_back || !delivery.fallback_of.is_empty() || delivery.receiver == fallback.name {
            return;
        }
        if let Some(row) = self.state.deliveries.get_mut(&delivery.id) {
            row.fell_back = true;
        }
        self.log(delivery, LedgerEvent::FellBack, fallback.name.clone(), now_ms);
        self.record(delivery, DecisionReason::FallbackUsed, now_ms);
        for (channel, made) in fallback.channels.iter().enumerate() {
            let intent = Intent {
                group_key: delivery.group_key.clone(),
                group_labels: delivery.group_labels.clone(),
                receiver: fallback.name.clone(),
                channel,
                kind: made.kind(),
                alerts: delivery.alerts.clone(),
                why: Why::Fallback,
                fallback_of: vec![delivery.id.clone()],
            };
            self.intend(intent, now_ms);
        }
    }

    /// A dead letter stays to be looked at, and is itself an alert.
    fn bury(&mut self, id: &str, reason: String, now_ms: i64) {
        self.leave_lane(id);
        let Some(row) = self.state.deliveries.get_mut(id) else {
            return;
        };
        row.status = DeliveryStatus::Dead;
        row.last_error = reason;
        let delivery = row.clone();
        self.log(
            &delivery,
            LedgerEvent::DeadLetter,
            delivery.last_error.clone(),
            now_ms,
        );
        self.record(&delivery, DecisionReason::DeadLetter, now_ms);
        let dead: Vec<String> = self
            .state
            .deliveries
            .iter()
            .filter(|(_, d)| d.status == DeliveryStatus::Dead)
            .map(|(k, _)| k.to_owned())
            .collect();
        for oldest in dead.iter().take(dead.len().saturating_sub(DEAD_MAX)) {
            self.state.deliveries.remove(oldest);
        }
        if !delivery.is_about_failure() {
            self.apply_alerts([failure_alert(&delivery, now_ms)], now_ms);
        }
    }

    /// What was under way when the process ended may or may not have arrived: it is sent again.
    pub(super) fn recover_deliveries(&mut self, now_ms: i64) {
        let interrupted: Vec<String> = self
            .state
            .deliveries
            .iter()
            .filter(|(_, d)| d.status == DeliveryStatus::InFlight)
            .map(|(k, _)| k.to_owned())
            .collect();
        for id in interrupted {
            if let Some(row) = self.state.deliveries.get_mut(&id) {
                row.status = DeliveryStatus::Waiting;
                row.next_attempt_ms = now_ms;
                let row = row.clone();
                self.log(&row, LedgerEvent::Interrupted, "sent again".to_owned(), now_ms);
            }
        }
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

    fn log(&mut self, delivery: &Delivery, event: LedgerEvent, detail: String, at_ms: i64) {
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

    fn record(&mut self, delivery: &Delivery, reason: DecisionReason, now_ms: i64) {
        let detail = format!(
            "{:?} by {} to {}, delivery {}",
            delivery.why, delivery.kind, delivery.receiver, delivery.id
        );
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

fn lane_key(group_key: &str, receiver: &str, channel: usize) -> String {
    format!("{group_key}\n{receiver}\n{channel}")
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

fn firing(alerts: &[Alert]) -> HashSet<Fingerprint> {
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

/// Doubling, with a fifth of jitter that is the same for the same attempt.
fn backoff_ms(id: &str, attempts: u32, retry: &RetryOptions) -> i64 {
    let doublings = attempts.saturating_sub(1).min(30);
    let base = retry
        .first_ms
        .saturating_mul(1i64 << doublings)
        .min(retry.most_ms);
    let hash = xxhash_rust::xxh3::xxh3_64(format!("{id}{attempts}").as_bytes());
    let fifth = base / 5;
    base - fifth + i64::try_from(hash % u64::try_from(2 * fifth + 1).unwrap_or(1)).unwrap_or(0)
}

fn failure_alert(delivery: &Delivery, now_ms: i64) -> Alert {
    let pairs = [
        ("alertname", FAILED_ALERT),
        ("channel", delivery.kind.as_str()),
        ("receiver", delivery.receiver.as_str()),
        ("severity", "critical"),
    ];
    let mut annotations = Labels::empty().to_builder();
    annotations.set(
        "summary",
        format!(
            "a page about {} could not be delivered to {} by {}",
            delivery.group_labels, delivery.receiver, delivery.kind
        ),
    );
    annotations.set("description", delivery.last_error.clone());
    Alert {
        labels: Labels::from_sorted(pairs.into_iter().filter(|(_, v)| !v.is_empty())),
        annotations: annotations.build(),
        starts_at_ms: now_ms,
        ends_at_ms: Some(now_ms + 3_600_000),
        expires: true,
        updated_at_ms: now_ms,
        generator_url: String::new(),
    }
}
