//! The dispatcher: configuration, state, and what it has decided since the last commit.

use super::ack::Ack;
use super::inhibition::Inhibition;
use super::queue::Queue;
use super::silence::{CompiledSilences, Silence};
use super::state::DispatchState;
use crate::config::NotifyConfig;
use crate::message::Notification;
use lapwing_types::{
    Alert, Decision, DecisionReason, DecisionStep, Fingerprint, Kept, LedgerEntry, Severity, StateBatch,
};
use std::cmp::Reverse;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug)]
pub struct Dispatcher {
    pub(crate) config: Arc<NotifyConfig>,
    pub(crate) state: DispatchState,
    pub(crate) decisions: Vec<Decision>,
    pub(crate) ledger: Vec<LedgerEntry>,
    pub(crate) silences: CompiledSilences,
    pub(crate) inhibition: Inhibition,
    /// The last reason told per alert, by group, so that a record says what changed and not what stayed.
    pub(crate) last_reason: HashMap<Fingerprint, Vec<(String, DecisionReason)>>,
    /// When groups were opened lately, by receiver.
    pub(crate) opened: HashMap<String, Vec<i64>>,
    /// The worst that joined each group since it was last flushed: where not all can be told at once, that counts.
    pub(crate) worst: HashMap<String, Severity>,
    /// Deliveries that are not dead letters.
    pub(crate) queue: Queue,
    /// No alert ends by its deadline before this instant.
    pub(crate) expiry_ms: i64,
    /// When what is over and of no consequence is next thrown away.
    pub(crate) cleanup_ms: i64,
    pub(crate) sequence: u64,
}

/// What may leave, and whether groups are left that are due.
#[derive(Debug, Default)]
pub struct Round {
    pub notifications: Vec<Notification>,
    pub has_more: bool,
}

/// What [`Dispatcher::restore`] goes back to.
#[derive(Debug)]
pub struct Wishes {
    silences: Kept<Silence>,
    acks: Kept<Ack>,
}

impl Dispatcher {
    /// Takes up where the state stands: nothing is told that was told, deliveries in flight are tried again, and a
    /// sender's deadline that passed while we were away is extended by one resolve timeout.
    pub fn new(config: Arc<NotifyConfig>, state: DispatchState, now_ms: i64) -> Self {
        let mut dispatcher = Dispatcher {
            silences: CompiledSilences::default(),
            config,
            state,
            decisions: Vec::new(),
            ledger: Vec::new(),
            inhibition: Inhibition::default(),
            last_reason: HashMap::new(),
            opened: HashMap::new(),
            worst: HashMap::new(),
            queue: Queue::default(),
            expiry_ms: i64::MIN,
            cleanup_ms: i64::MIN,
            sequence: 0,
        };
        dispatcher.silences.rebuild(&dispatcher.state.silences);
        dispatcher.index_sources();
        dispatcher.index_lanes();
        dispatcher.recover_deliveries(now_ms);
        dispatcher.extend_deadlines(now_ms);
        dispatcher.regroup(now_ms);
        dispatcher
    }

    pub fn config(&self) -> &Arc<NotifyConfig> {
        &self.config
    }

    pub fn state(&self) -> &DispatchState {
        &self.state
    }

    /// A new configuration: alerts move to the groups it names; groups that stay keep their timers and their memory.
    pub fn reload(&mut self, config: Arc<NotifyConfig>, now_ms: i64) {
        self.config = config;
        self.index_sources();
        self.regroup(now_ms);
    }

    fn index_sources(&mut self) {
        self.inhibition = Inhibition::new(&self.config.inhibit_rules, &self.state.alerts);
    }

    /// Everything that is due: expiries, flushes, escalations, and the deliveries whose time has come. What is returned
    /// must not be sent before [`Dispatcher::take_batch`] is synced.
    pub fn due(&mut self, now_ms: i64) -> Vec<Notification> {
        self.due_up_to(usize::MAX, now_ms).notifications
    }

    /// The same for groups of so many alerts in all, the worst first: in a storm the first page need not wait until thousands of
    /// others are written down.
    pub fn due_up_to(&mut self, alerts_max: usize, now_ms: i64) -> Round {
        self.expire(now_ms);
        let mut due: Vec<(Reverse<Severity>, i64, usize, String)> = self
            .state
            .groups
            .iter()
            .filter(|(_, g)| g.next_flush_ms <= now_ms)
            .map(|(key, g)| {
                let worst = Reverse(self.worst_of(key));
                (worst, g.next_flush_ms, g.members.len(), key.to_owned())
            })
            .collect();
        due.sort_unstable();
        let mut alerts = 0;
        let mut has_more = false;
        for (_, _, members, key) in due {
            if alerts > 0 && alerts + members > alerts_max {
                has_more = true;
                break;
            }
            alerts += members.max(1);
            self.flush(&key, now_ms);
        }
        self.escalate(now_ms);
        Round {
            notifications: self.take_due_deliveries(now_ms),
            has_more,
        }
    }

    fn worst_of(&self, group: &str) -> Severity {
        self.worst.get(group).copied().unwrap_or_default()
    }

    /// When `due` may have something to do again, unless something new arrives. Never too late; too early where an alert was told
    /// to last longer.
    pub fn next_wake_ms(&self) -> Option<i64> {
        let groups = self.state.groups.values().map(|g| g.next_flush_ms);
        let acks = self.state.acks.values().filter_map(|a| a.expires_at_ms);
        let escalations = self.state.escalations.values().map(|e| e.next_ms);
        let alerts = Some(self.expiry_ms).filter(|at_ms| *at_ms < i64::MAX);
        groups
            .chain(acks)
            .chain(escalations)
            .chain(alerts)
            .chain(self.queue.next_ms())
            .min()
    }

    /// What people asked for as it stands: silences and acknowledgements.
    pub fn wishes(&self) -> Wishes {
        Wishes {
            silences: self.state.silences.clone(),
            acks: self.state.acks.clone(),
        }
    }

    /// Takes back what was asked for since, as if it had not been: for a request whose batch could not be kept.
    pub fn restore(&mut self, wishes: Wishes) {
        self.state.silences = wishes.silences;
        self.state.acks = wishes.acks;
        self.silences.rebuild(&self.state.silences);
    }

    /// What has to be synced before anything that `due` returned may leave.
    pub fn take_batch(&mut self) -> StateBatch {
        StateBatch {
            changes: self.state.take_changes(),
            decisions: std::mem::take(&mut self.decisions),
            ledger: std::mem::take(&mut self.ledger),
        }
    }

    pub(crate) fn decide(
        &mut self,
        at_ms: i64,
        alert: &Alert,
        step: DecisionStep,
        why: (DecisionReason, String),
    ) {
        self.decide_of(at_ms, (alert.fingerprint(), alert), step, why);
    }

    /// Where the fingerprint is at hand: a hash of every label is a good part of what an alert costs in a storm.
    pub(crate) fn decide_of(
        &mut self,
        at_ms: i64,
        (fingerprint, alert): (Fingerprint, &Alert),
        step: DecisionStep,
        why: (DecisionReason, String),
    ) {
        self.decisions.push(Decision {
            at_ms,
            fingerprint,
            alertname: alert.name().to_owned(),
            step,
            reason: why.0,
            detail: why.1,
        });
    }

    /// As [`Dispatcher::decide`], but only where the reason differs from the last one of this alert in this group.
    pub(crate) fn decide_once(
        &mut self,
        (at_ms, group): (i64, &str),
        alert: &Alert,
        step: DecisionStep,
        why: (DecisionReason, String),
    ) {
        let print = alert.fingerprint();
        let told = self.last_reason.entry(print).or_default();
        match told.iter_mut().find(|(g, _)| g == group) {
            Some((_, last)) if *last == why.0 => return,
            Some((_, last)) => *last = why.0,
            None => told.push((group.to_owned(), why.0)),
        }
        self.decide_of(at_ms, (print, alert), step, why);
    }

    /// An id that no other call returns: in the shape of a UUID, from what is being identified, the time and a counter.
    pub(crate) fn new_id(&mut self, what: &str, now_ms: i64) -> String {
        self.sequence += 1;
        let seed = format!("{what}\n{now_ms}\n{}", self.sequence);
        let h = xxhash_rust::xxh3::xxh3_128(seed.as_bytes());
        let hex = format!("{h:032x}");
        format!(
            "{}-{}-4{}-8{}-{}",
            &hex[..8],
            &hex[8..12],
            &hex[13..16],
            &hex[17..20],
            &hex[20..]
        )
    }
}
