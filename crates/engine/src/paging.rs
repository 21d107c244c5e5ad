//! From a rule to a page: rules are evaluated, what they found is written down, and only then does anything leave.
//!
//! Invariants: the samples of a tick go to the metrics store before its state is committed; nothing is sent before the
//! commit that says so has been synced; a commit that fails stops all sending. The two locks are taken in the order
//! `judging`, `dispatch`, and never across an await.

use crate::clock::Clock;
use crate::meter::{Counter, Latency, Meter};
use lapwing_judge::rules::{QueryEvaluator, RuleGroup, Rules, RulesOptions, RulesState};
use lapwing_notify::channels::{Sent, Transport};
use lapwing_notify::config::NotifyConfig;
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::message::Notification;
use lapwing_query::QueryOptions;
use lapwing_store::metrics::MetricsStore;
use lapwing_store::state::{StateError, StateStore};
use lapwing_types::{Alert, StateBatch, StateKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// Pages in flight at once: a storm to many receivers must not open thousands of sockets.
const SENDS_MAX: usize = 64;

#[derive(Clone, Debug)]
pub struct PagingOptions {
    pub groups: Vec<RuleGroup>,
    pub rules: RulesOptions,
    pub notify: Arc<NotifyConfig>,
}

impl Default for PagingOptions {
    /// No rules, and a receiver that tells nobody.
    fn default() -> Self {
        PagingOptions {
            groups: Vec::new(),
            rules: RulesOptions::default(),
            notify: Arc::new(NotifyConfig::quiet()),
        }
    }
}

/// A cheap handle.
#[derive(Clone)]
pub struct Paging {
    shared: Arc<Shared>,
}

struct Shared {
    state: Arc<dyn StateStore>,
    judging: Mutex<Judging>,
    dispatch: Mutex<Dispatcher>,
    transport: Transport,
    /// Something new may be due.
    wake: Notify,
    sends: Arc<Semaphore>,
    evaluations: Counter,
    failures: Counter,
    tick_seconds: Latency,
    delivered: Counter,
    undelivered: Counter,
}

struct Judging {
    rules: Rules,
    state: RulesState,
}

#[derive(Debug, thiserror::Error)]
#[error("cannot read the state of rules and alerts")]
pub struct PagingError(#[from] StateError);

impl Paging {
    /// Takes up every timer, alert and delivery exactly where it stood.
    pub(crate) fn start(
        state: Arc<dyn StateStore>,
        options: &PagingOptions,
        clock: &Clock,
        meter: &Meter,
    ) -> Result<Self, PagingError> {
        let now_ms = clock.now_ms();
        let (mut rules_state, mut wrong) =
            RulesState::load(state.load(StateKind::RuleGroup)?, state.load(StateKind::Rule)?);
        rules_state.resume(now_ms, &options.rules);
        let mut rows = std::collections::BTreeMap::new();
        for kind in StateKind::ALL {
            rows.insert(kind, state.load(kind)?);
        }
        let (dispatch_state, more) = DispatchState::load(|kind| rows.remove(&kind).unwrap_or_default());
        wrong.extend(more);
        for error in wrong {
            tracing::error!(%error, "a row of state was passed over");
        }
        let counter = |name, help| meter.counter(name, help, &[]);
        let shared = Shared {
            state,
            judging: Mutex::new(Judging {
                rules: Rules::new(options.groups.clone(), options.rules.clone()),
                state: rules_state,
            }),
            dispatch: Mutex::new(Dispatcher::new(options.notify.clone(), dispatch_state, now_ms)),
            transport: Transport::new(),
            wake: Notify::new(),
            sends: Arc::new(Semaphore::new(SENDS_MAX)),
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
        };
        Ok(Paging {
            shared: Arc::new(shared),
        })
    }

    /// Evaluates what is due and writes down what was found. Called on a blocking thread.
    pub(crate) fn tick(&self, store: &MetricsStore, now_ms: i64) {
        let watch = crate::clock::Stopwatch::start();
        let mut judging = self.judging();
        let Judging { rules, state } = &mut *judging;
        let snapshot = store.snapshot();
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let options = QueryOptions {
            threads: 1,
            ..QueryOptions::default()
        };
        let mut evaluator = QueryEvaluator::new(&snapshot, options, threads);
        let tick = rules.tick(now_ms, &mut evaluator, state);
        self.shared.evaluations.add(tick.evaluations);
        self.shared.failures.add(tick.failures);
        let mut appender = store.appender("rules", now_ms);
        appender.append_batch(&tick.samples);
        if let Err(error) = appender.commit() {
            // The state is not committed either: the next tick after a restart evaluates these slots again.
            tracing::error!(%error, "what rules recorded could not be kept");
        }
        let mut batch = StateBatch {
            changes: state.take_changes(),
            decisions: tick.decisions,
            ledger: Vec::new(),
        };
        let mut dispatch = self.dispatch();
        dispatch.apply_events(&tick.events, now_ms);
        batch.merge(dispatch.take_batch());
        self.commit(&batch);
        drop(dispatch);
        drop(judging);
        if tick.evaluations > 0 {
            self.shared.tick_seconds.observe_s(watch.elapsed_s());
        }
        if !tick.events.is_empty() {
            self.shared.wake.notify_one();
        }
    }

    /// Sends what is due, each page on a task of its own, after the commit that says so.
    pub(crate) async fn dispatch_due(&self, clock: &Clock) {
        let due = {
            let mut dispatch = self.dispatch();
            let due = dispatch.due(clock.now_ms());
            let batch = dispatch.take_batch();
            if self.commit(&batch) { due } else { Vec::new() }
        };
        for notification in due {
            let (paging, clock) = (self.clone(), clock.clone());
            tokio::spawn(async move { paging.send(notification, &clock).await });
        }
    }

    async fn send(&self, notification: Notification, clock: &Clock) {
        let Ok(_slot) = self.shared.sends.acquire().await else {
            return;
        };
        let templates = self.dispatch().config().templates.clone();
        let (sent, failed_templates) = self.shared.transport.send(&notification, &templates).await;
        match &sent {
            Sent::Delivered { .. } => self.shared.delivered.inc(),
            Sent::Later { reason, .. } | Sent::Refused { reason } => {
                self.shared.undelivered.inc();
                tracing::warn!(
                    receiver = notification.receiver,
                    channel = notification.channel.kind(),
                    attempt = notification.attempt,
                    reason,
                    "a page was not delivered"
                );
            }
        }
        let mut dispatch = self.dispatch();
        dispatch.outcome(&notification.id, sent, &failed_templates, clock.now_ms());
        let batch = dispatch.take_batch();
        self.commit(&batch);
        drop(dispatch);
        self.shared.wake.notify_one();
    }

    /// Alerts that another program found.
    pub fn receive(&self, alerts: Vec<Alert>, now_ms: i64) -> bool {
        let kept = self.change(|dispatch| dispatch.apply_alerts(alerts, now_ms)).1;
        self.shared.wake.notify_one();
        kept
    }

    /// Changes dispatch and syncs what follows; false when that failed and nothing will leave because of it.
    pub fn change<T>(&self, change: impl FnOnce(&mut Dispatcher) -> T) -> (T, bool) {
        let mut dispatch = self.dispatch();
        let result = change(&mut dispatch);
        let batch = dispatch.take_batch();
        let kept = self.commit(&batch);
        drop(dispatch);
        self.shared.wake.notify_one();
        (result, kept)
    }

    /// Reads dispatch as it stands.
    pub fn look<T>(&self, look: impl FnOnce(&Dispatcher) -> T) -> T {
        look(&self.dispatch())
    }

    /// Reads rules and their state as they stand.
    pub fn look_at_rules<T>(&self, look: impl FnOnce(&Rules, &RulesState) -> T) -> T {
        let judging = self.judging();
        look(&judging.rules, &judging.state)
    }

    pub fn state_store(&self) -> &Arc<dyn StateStore> {
        &self.shared.state
    }

    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    fn commit(&self, batch: &StateBatch) -> bool {
        if batch.is_empty() {
            return true;
        }
        match self.shared.state.commit(batch) {
            Ok(()) => true,
            Err(error) => {
                tracing::error!(%error, "state could not be written; nothing is sent on the strength of it");
                false
            }
        }
    }

    fn judging(&self) -> MutexGuard<'_, Judging> {
        self.shared.judging.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn dispatch(&self) -> MutexGuard<'_, Dispatcher> {
        self.shared
            .dispatch
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
