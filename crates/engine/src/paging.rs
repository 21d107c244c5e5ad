//! From a rule to a page: rules are evaluated, what they found is written down, and only then does anything leave.
//!
//! Invariants: the samples of a tick go to the metrics store before its state is committed (when the store takes none,
//! alerting goes on without them); nothing is sent before the commit that says so has been synced; a commit that fails
//! stops all sending. The two locks are taken in the order
//! `judging`, `dispatch`, and never across an await.

use crate::clock::Clock;
use crate::health::Health;
use crate::meter::{Counter, Latency, Meter};
use lapwing_judge::rules::{QueryEvaluator, RuleGroup, Rules, RulesOptions, RulesState};
use lapwing_notify::channels::{Sent, Transport};
use lapwing_notify::config::NotifyConfig;
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::forward::{ForwardTarget, Forwarder};
use lapwing_notify::message::Notification;
use lapwing_query::QueryOptions;
use lapwing_store::metrics::MetricsStore;
use lapwing_store::state::{StateError, StateStore};
use lapwing_types::{Alert, Labels, StateBatch, StateKind};
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

impl PagingOptions {
    /// What hands alerts on to other Alertmanagers.
    pub(crate) fn forwarder(&self) -> Forwarder {
        let (targets, labels) = self.forward_to();
        Forwarder::new(targets, labels)
    }

    /// The Alertmanagers that alerts are handed on to, and the labels that are put on them.
    pub(crate) fn forward_to(&self) -> (Vec<ForwardTarget>, Labels) {
        let targets = self.notify.extras.alertmanagers.clone();
        let external = self.rules.external_labels.iter();
        let labels = Labels::from_pairs(external.map(|(n, v)| (n.as_str(), v.as_str())));
        (targets, labels.unwrap_or_default())
    }
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
    /// After a start, silence means nothing until the sources were heard again; `None` once that is over.
    waits_for_sources: Option<Wait>,
}

#[derive(Clone, Copy, Debug)]
struct Wait {
    /// Rules were away for longer than a sample counts: what is pushed may have to come again, and only time tells.
    was_long_away: bool,
}

/// As long as PromQL looks back for a sample, less a scrape interval.
const AWAY_MS_MAX: i64 = 240_000;

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
        let rules = Rules::new(options.groups.clone(), options.rules.clone());
        let last_slots = rules
            .groups()
            .iter()
            .filter_map(|g| rules_state.last_slot_ms(&g.file, &g.name));
        // Nothing to resume on the very first start.
        let waits_for_sources = last_slots.max().map(|last_ms| Wait {
            was_long_away: now_ms - last_ms > AWAY_MS_MAX,
        });
        if waits_for_sources.is_some() {
            rules_state.resume(now_ms, &options.rules);
        }
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
        let mut dispatcher = Dispatcher::new(options.notify.clone(), dispatch_state, now_ms);
        // A kill between the two commits of a tick must not leave dispatch with an alert that no rule knows.
        dispatcher.reconcile(&rules.firing(&rules_state), now_ms);
        let shared = Shared {
            state,
            judging: Mutex::new(Judging {
                rules,
                state: rules_state,
                waits_for_sources,
            }),
            dispatch: Mutex::new(dispatcher),
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

    /// Other rules, routes and receivers from now on. Timers, alerts, silences and deliveries stay; what of them no rule or
    /// route knows any more ends with the next tick.
    pub(crate) fn reload(&self, options: &PagingOptions, now_ms: i64) {
        let mut judging = self.judging();
        judging.rules = Rules::new(options.groups.clone(), options.rules.clone());
        let mut dispatch = self.dispatch();
        dispatch.reload(options.notify.clone(), now_ms);
        let batch = dispatch.take_batch();
        self.commit(&batch);
        drop(dispatch);
        drop(judging);
        self.shared.wake.notify_one();
    }

    /// Evaluates what is due and writes down what was found. Called on a blocking thread.
    /// `is_scraped` says whether every target was scraped once since the start; `health` adds what it knows to what is told.
    /// True when slots are left that were due.
    pub(crate) fn tick(
        &self,
        (store, health): (&MetricsStore, &Health),
        is_scraped: bool,
        now_ms: i64,
    ) -> bool {
        let watch = crate::clock::Stopwatch::start();
        let mut judging = self.judging();
        let Judging {
            rules,
            state,
            waits_for_sources,
        } = &mut *judging;
        if is_scraped && waits_for_sources.is_some_and(|w| !w.was_long_away) {
            state.sources_ready(now_ms);
            *waits_for_sources = None;
        }
        let snapshot = store.snapshot();
        let threads = std::thread::available_parallelism().map_or(2, std::num::NonZero::get);
        let options = QueryOptions {
            threads: 1,
            ..QueryOptions::default()
        };
        let elapsed = || watch.elapsed_s();
        let mut evaluator = QueryEvaluator::new(&snapshot, options, threads).timed(&elapsed);
        let mut tick = rules.tick(now_ms, &mut evaluator, state);
        for event in &mut tick.events {
            health.annotate(event, now_ms);
        }
        self.shared.evaluations.add(tick.evaluations);
        self.shared.failures.add(tick.failures);
        let mut appender = store.appender("rules", now_ms);
        appender.append_batch(&tick.samples);
        if let Err(error) = appender.commit() {
            // Told all the same: a full disk must not silence an alert. What was recorded at this slot is missing.
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
        tick.more
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
