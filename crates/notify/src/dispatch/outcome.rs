//! What became of a delivery: taken, tried again later, handed to the fallback, or a dead letter (which is told too).

use super::delivery::{Delivery, DeliveryStatus, FAILED_ALERT, Intent, Why, firing};
use super::dispatcher::Dispatcher;
use crate::channels::Sent;
use crate::config::RetryOptions;
use lapwing_types::{Alert, DecisionReason, DecisionStep, Labels, LedgerEvent};
use std::collections::BTreeSet;

/// Dead letters that are kept to be looked at.
const DEAD_MAX: usize = 1000;

impl Dispatcher {
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
        let asked_ms = retry_after_ms.unwrap_or(0);
        let mut wait_ms = backoff_ms(&delivery.id, delivery.attempts, &retry).max(asked_ms);
        // The fallback receiver is told when its time has come, and not an attempt later; at once where the receiver itself
        // says that it takes nothing until then.
        let to_fallback_ms = retry.fallback_after_ms - age_ms;
        let falls_back = asked_ms.max(1) > to_fallback_ms;
        if !falls_back {
            wait_ms = wait_ms.min(to_fallback_ms);
        }
        self.state.under_way.remove(&delivery.id);
        if let Some(row) = self.state.deliveries.get_mut(&delivery.id) {
            row.status = DeliveryStatus::Waiting;
            row.next_attempt_ms = now_ms + wait_ms;
            row.last_error.clone_from(&reason);
        }
        self.requeue(&delivery.id);
        if delivery.attempts == 1 {
            self.record_with(delivery, (DecisionReason::RetryLater, &reason), now_ms);
        }
        if falls_back {
            self.fall_back(delivery, now_ms);
        }
    }

    /// Trying again would not help: the fallback receiver is told; without one it is a dead letter.
    pub(super) fn refused(&mut self, id: &str, reason: String, now_ms: i64) {
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
        // Whoever was told that it began is told of its end by the group.
        let begun = firing(&delivery.alerts);
        if begun.is_empty() {
            return;
        }
        if let Some(row) = self.state.deliveries.get_mut(&delivery.id) {
            row.fell_back = true;
        }
        self.log(delivery, LedgerEvent::FellBack, fallback.name.clone(), now_ms);
        self.record(delivery, DecisionReason::FallbackUsed, now_ms);
        let groups = self.groups_of(delivery);
        let over = self.over_since(delivery, &groups, now_ms);
        for (channel, made) in fallback.slots() {
            let mut news = BTreeSet::new();
            for group in &groups {
                news.extend(self.note_told(group, (&fallback.name, made.kind(), channel), &begun));
            }
            let intent = Intent {
                group_key: delivery.group_key.clone(),
                group_labels: delivery.group_labels.clone(),
                receiver: fallback.name.clone(),
                channel,
                kind: made.kind(),
                alerts: delivery.alerts.clone(),
                why: Why::Fallback,
                fallback_of: vec![delivery.id.clone()],
                news,
            };
            self.intend(intent.clone(), now_ms);
            if !over.is_empty() && made.sends_resolved() {
                let end = Intent {
                    alerts: over.clone(),
                    why: Why::Resolved,
                    fallback_of: Vec::new(),
                    news: BTreeSet::new(),
                    ..intent
                };
                self.intend(end, now_ms);
            }
        }
    }

    /// A dead letter stays to be looked at, and is itself an alert.
    fn bury(&mut self, id: &str, reason: String, now_ms: i64) {
        self.leave_lane(id);
        self.state.under_way.remove(id);
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
        let why = (DecisionReason::DeadLetter, delivery.last_error.as_str());
        self.record_with(&delivery, why, now_ms);
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
        let ids: Vec<String> = self.state.under_way.keys().map(str::to_owned).collect();
        for id in ids {
            let attempts = self.state.under_way.remove(&id);
            if let (Some(row), Some(attempts)) = (self.state.deliveries.get_mut(&id), attempts) {
                row.status = DeliveryStatus::InFlight;
                row.attempts = attempts;
            }
        }
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
                self.requeue(&id);
                self.log(&row, LedgerEvent::Interrupted, "sent again".to_owned(), now_ms);
            }
        }
    }
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
