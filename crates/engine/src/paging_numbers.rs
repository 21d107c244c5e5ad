//! What paging says of itself in numbers: under our own names, and under Alertmanager's, which dashboards and alert rules of
//! those who had one ask for.
//!
//! Counters are counted where things happen; gauges are read off dispatch when somebody looks.

use crate::meter::{Counter, Gauge, Latency, Meter};
use lapwing_notify::channels::Sent;
use lapwing_notify::config::NotifyConfig;
use lapwing_notify::dispatch::{Dispatcher, SilenceState};
use lapwing_notify::message::Notification;
use lapwing_types::{Alert, Decision, DecisionReason};

pub(crate) struct PagingNumbers {
    meter: Meter,
    pub(crate) evaluations: Counter,
    pub(crate) failures: Counter,
    pub(crate) tick_seconds: Latency,
    delivered: Counter,
    undelivered: Counter,
    received_firing: Counter,
    received_resolved: Counter,
    alerts_active: Gauge,
    alerts_suppressed: Gauge,
    silences: [(SilenceState, Gauge); 3],
    groups: Gauge,
    dead_letters: Gauge,
    state_failed: Gauge,
}

impl PagingNumbers {
    pub(crate) fn new(meter: &Meter) -> Self {
        let counter = |name, help| meter.counter(name, help, &[]);
        let received = |status| {
            let help = "Alerts that other programs sent.";
            meter.counter("alertmanager_alerts_received_total", help, &[("status", status)])
        };
        let alerts = |state| {
            let help = "Alerts that have not ended, by state.";
            meter.gauge("alertmanager_alerts", help, &[("state", state)])
        };
        let silences = [SilenceState::Active, SilenceState::Pending, SilenceState::Expired].map(|state| {
            let labels = [("state", state.as_str())];
            (
                state,
                meter.gauge("alertmanager_silences", "Silences by state.", &labels),
            )
        });
        // There is no cluster; who asks whether it is whole hears of one member that is well.
        for (name, value) in [
            ("alertmanager_cluster_enabled", 0.0),
            ("alertmanager_cluster_members", 1.0),
            ("alertmanager_cluster_failed_peers", 0.0),
        ] {
            meter
                .gauge(name, "There is no cluster: this process alone.", &[])
                .set(value);
        }
        PagingNumbers {
            meter: meter.clone(),
            evaluations: counter("lapwing_rule_evaluations_total", "Evaluations of rules."),
            failures: counter(
                "lapwing_rule_evaluation_failures_total",
                "Evaluations of rules that failed.",
            ),
            tick_seconds: meter.latency(
                "lapwing_rule_tick_duration_seconds",
                "Time one tick of all due rules took.",
                &[],
            ),
            delivered: counter("lapwing_pages_delivered_total", "Pages that a receiver took."),
            undelivered: counter("lapwing_pages_failed_total", "Attempts that no receiver took."),
            received_firing: received("firing"),
            received_resolved: received("resolved"),
            alerts_active: alerts("active"),
            alerts_suppressed: alerts("suppressed"),
            silences,
            groups: meter.gauge(
                "alertmanager_dispatcher_aggregation_groups",
                "Groups of alerts that are open.",
                &[],
            ),
            dead_letters: meter.gauge(
                "lapwing_pages_dead",
                "Pages that nobody took and that are not tried again.",
                &[],
            ),
            state_failed: meter.gauge(
                "lapwing_state_failed",
                "1 while the state database cannot be written: no page leaves until it can.",
                &[],
            ),
        }
    }

    /// What is configured, and a series per channel, so that the first failure is an increase and not a beginning.
    pub(crate) fn note_config(&self, config: &NotifyConfig) {
        let set = |name, help, value: f64| self.meter.gauge(name, help, &[]).set(value);
        let channels = config
            .receivers
            .values()
            .map(|r| r.slots().count())
            .sum::<usize>();
        set(
            "alertmanager_receivers",
            "Receivers that are configured.",
            config.receivers.len() as f64,
        );
        set(
            "alertmanager_integrations",
            "Channels that are configured.",
            channels as f64,
        );
        set(
            "alertmanager_inhibition_rules",
            "Inhibition rules that are configured.",
            config.inhibit_rules.len() as f64,
        );
        // 48 bits, as there: a float holds them exactly.
        let hash = xxhash_rust::xxh3::xxh3_64(config.original.as_bytes()) & 0xffff_ffff_ffff;
        set(
            "alertmanager_config_hash",
            "Changes with the configuration.",
            hash as f64,
        );
        for (name, receiver) in &config.receivers {
            for (_, channel) in receiver.slots() {
                self.of_channel(channel.kind(), name);
                self.failed(channel.kind(), name, REASONS[0]);
            }
        }
    }

    fn of_channel(&self, kind: &str, receiver: &str) -> Counter {
        let labels = [("integration", kind), ("receiver_name", receiver)];
        let help = "Attempts to notify, by channel.";
        self.meter
            .counter("alertmanager_notifications_total", help, &labels)
    }

    fn failed(&self, kind: &str, receiver: &str, reason: &str) -> Counter {
        let labels = [
            ("integration", kind),
            ("receiver_name", receiver),
            ("reason", reason),
        ];
        let help = "Attempts to notify that failed, by channel.";
        self.meter
            .counter("alertmanager_notifications_failed_total", help, &labels)
    }

    pub(crate) fn note_received(&self, alerts: &[Alert], now_ms: i64) {
        let resolved = alerts.iter().filter(|a| a.is_resolved_at(now_ms)).count() as u64;
        self.received_resolved.add(resolved);
        self.received_firing.add(alerts.len() as u64 - resolved);
    }

    pub(crate) fn note_sent(&self, notification: &Notification, sent: &Sent, seconds: f64) {
        let kind = notification.channel.kind();
        self.of_channel(kind, &notification.receiver).inc();
        let help = "Time an attempt to notify took, by channel.";
        self.meter
            .latency(
                "alertmanager_notification_latency_seconds",
                help,
                &[("integration", kind)],
            )
            .observe_s(seconds);
        let reason = match sent {
            Sent::Delivered { .. } => return self.delivered.inc(),
            Sent::Later { .. } => REASONS[0],
            Sent::Refused { .. } => REASONS[1],
        };
        self.undelivered.inc();
        self.failed(kind, &notification.receiver, reason).inc();
    }

    /// Counted when it begins, and not at each look at the group.
    pub(crate) fn note_decisions(&self, decisions: &[Decision]) {
        for decision in decisions {
            let reason = match decision.reason {
                DecisionReason::Silenced => "silence",
                DecisionReason::Inhibited => "inhibition",
                DecisionReason::MutedByTime => "mute_time_interval",
                DecisionReason::OutsideActiveTime => "active_time_interval",
                _ => continue,
            };
            let help = "Times that an alert began to be kept quiet.";
            self.meter
                .counter(
                    "alertmanager_notifications_suppressed_total",
                    help,
                    &[("reason", reason)],
                )
                .inc();
        }
    }

    /// Reads off what stands now.
    pub(crate) fn note_state(&self, has_failed: bool) {
        self.state_failed.set(f64::from(u8::from(has_failed)));
    }

    pub(crate) fn look_at(&self, dispatch: &Dispatcher, now_ms: i64) {
        let (active, suppressed) = dispatch.count_alerts(now_ms);
        self.alerts_active.set(active as f64);
        self.alerts_suppressed.set(suppressed as f64);
        for (state, gauge) in &self.silences {
            gauge.set(dispatch.count_silences(*state, now_ms) as f64);
        }
        self.groups.set(dispatch.count_groups() as f64);
        self.dead_letters.set(dispatch.dead_letters().len() as f64);
    }
}

/// As Alertmanager words them: an answer that may come right, and one that will not.
const REASONS: [&str; 2] = ["other", "clientError"];
