//! From a rule to a page: rules are evaluated, what they found is written down, and only then does anything leave.
//!
//! Invariants: the samples of a tick go to the metrics store before its state is committed (when the store takes none,
//! alerting goes on without them); nothing is sent before the commit that says so has been synced; while commits fail
//! nothing is sent. What happened meanwhile is owed to the state store, and the pages that were due are held: both go with the first
//! commit that succeeds. The two locks are taken in the order
//! `judging`, `dispatch`, and never across an await.

use crate::alertmanagers::AlertmanagerGroup;
use crate::clock::Clock;
use crate::compute::Compute;
use crate::graph::Graphs;
use crate::health::Health;
use crate::meter::Meter;
use crate::paging_numbers::PagingNumbers;
use crate::queries::Queries;
use lapwing_judge::rules::{QueryEvaluator, RuleGroup, Rules, RulesOptions, RulesState};
use lapwing_notify::channels::{Album, Attempt, Sent, Transport};
use lapwing_notify::config::{NotifyConfig, PictureUse};
use lapwing_notify::dispatch::{DispatchState, Dispatcher, Round};
use lapwing_notify::forward::ForwardTarget;
use lapwing_notify::message::{Notification, Posted};
use lapwing_query::QueryOptions;
use lapwing_store::metrics::MetricsStore;
use lapwing_store::state::{StateError, StateStore};
use lapwing_types::{Alert, Labels, StateBatch, StateKind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, Semaphore};

/// Pages in flight at once: a storm to many receivers must not open thousands of sockets.
const SENDS_MAX: usize = 64;
/// Alerts in the groups that the first commit of several tells of: the first page leaves soon; and in the later ones, which are
/// worth more.
const ROUND_ALERTS: std::ops::Range<usize> = 100..3_200;

#[derive(Clone, Debug)]
pub struct PagingOptions {
    pub groups: Vec<RuleGroup>,
    pub rules: RulesOptions,
    pub notify: Arc<NotifyConfig>,
    /// Those of `alerting.alertmanagers` that are found as targets are.
    pub alertmanagers: Vec<AlertmanagerGroup>,
}

impl PagingOptions {
    /// The Alertmanagers with an address of their own, and the labels that are put on what all of them are told.
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
            alertmanagers: Vec::new(),
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
    /// What became of attempts, until the next round writes it down: in a storm one commit serves many.
    ended: Mutex<Vec<Ended>>,
    /// Pages of the round whose commit failed. It is the only one: no other is begun before what is owed is written.
    held: Mutex<Vec<Notification>>,
    /// Something new may be due.
    wake: Notify,
    sends: Arc<Semaphore>,
    /// Rounds of dispatch wait for a disk; queries must not keep them from their thread.
    writing: Compute,
    numbers: PagingNumbers,
    graphs: Graphs,
}

struct Ended {
    delivery: String,
    sent: Sent,
    posted: Option<Posted>,
    failed_templates: Vec<String>,
    at_ms: i64,
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

/// How long a round waits after one whose commit failed.
const RETRY_MS: i64 = 1_000;

/// As long as PromQL looks back for a sample, less a scrape interval.
const AWAY_MS_MAX: i64 = 240_000;

#[derive(Debug, thiserror::Error)]
#[error("cannot read the state of rules and alerts")]
pub struct PagingError(#[from] StateError);

impl Paging {
    /// Takes up every timer, alert and delivery exactly where it stood.
    pub(crate) fn start(
        (state, queries): (Arc<dyn StateStore>, &Queries),
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
        let numbers = PagingNumbers::new(meter);
        numbers.note_config(&options.notify);
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
            ended: Mutex::new(Vec::new()),
            held: Mutex::new(Vec::new()),
            wake: Notify::new(),
            sends: Arc::new(Semaphore::new(SENDS_MAX)),
            writing: Compute::new("pages", 1),
            numbers,
            graphs: Graphs::new(queries.clone()),
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
        self.shared.numbers.note_config(&options.notify);
        let batch = dispatch.take_batch();
        self.commit_or_owe(batch);
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
        self.shared.numbers.evaluations.add(tick.evaluations);
        self.shared.numbers.failures.add(tick.failures);
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
        self.commit_or_owe(batch);
        drop(dispatch);
        drop(judging);
        if tick.evaluations > 0 {
            self.shared.numbers.tick_seconds.observe_s(watch.elapsed_s());
        }
        if !tick.events.is_empty() {
            self.shared.wake.notify_one();
        }
        tick.more
    }

    /// Writes down what became of the pages under way, without sending more.
    pub(crate) fn settle(&self) {
        let mut dispatch = self.dispatch();
        self.take_outcomes(&mut dispatch);
        let batch = dispatch.take_batch();
        self.commit_or_owe(batch);
    }

    fn take_outcomes(&self, dispatch: &mut Dispatcher) {
        let ended = {
            let mut ended = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *ended)
        };
        for one in ended {
            if let Some(posted) = one.posted {
                dispatch.posted(&one.delivery, posted, one.at_ms);
            }
            dispatch.outcome(&one.delivery, one.sent, &one.failed_templates, one.at_ms);
        }
    }

    /// Sends what is due, each page on a task of its own, after the commit that says so and what became of those before. In a storm
    /// a part at a time, so that the first page leaves before the last is written down. Says when more is due.
    pub(crate) async fn dispatch_due(&self, clock: &Clock) -> Option<i64> {
        let mut most = ROUND_ALERTS.start;
        loop {
            let (paging, now_ms) = (self.clone(), clock.now_ms());
            let work = move || paging.round(most, now_ms);
            let Ok((round, next_ms)) = self.shared.writing.run(work).await else {
                return None;
            };
            for notification in round.notifications {
                let (paging, clock) = (self.clone(), clock.clone());
                tokio::spawn(async move { paging.send(notification, &clock).await });
            }
            if !round.has_more {
                return next_ms;
            }
            most = (most * 2).min(ROUND_ALERTS.end);
        }
    }

    fn round(&self, alerts_max: usize, now_ms: i64) -> (Round, Option<i64>) {
        let mut dispatch = self.dispatch();
        // Nothing else becomes due while the state cannot be written: it would be out of date when it leaves.
        let nothing = || (Round::default(), Some(now_ms + RETRY_MS));
        if let Err(error) = self.shared.state.commit(&StateBatch::default()) {
            tracing::debug!(%error, "state still cannot be written");
            return nothing();
        }
        self.take_outcomes(&mut dispatch);
        let mut round = dispatch.due_up_to(alerts_max, now_ms);
        let batch = dispatch.take_batch();
        let mut held = self.shared.held.lock().unwrap_or_else(PoisonError::into_inner);
        if !self.commit_or_owe(batch) {
            held.append(&mut round.notifications);
            return nothing();
        }
        held.append(&mut round.notifications);
        round.notifications = std::mem::take(&mut *held);
        (round, dispatch.next_wake_ms())
    }

    /// What became of it is noted before a picture follows.
    async fn send(&self, mut notification: Notification, clock: &Clock) {
        let Ok(slot) = self.shared.sends.acquire().await else {
            return;
        };
        if notification.channel.picture_use() == PictureUse::Inside {
            let picture = self.shared.graphs.draw(self, &notification).await;
            notification.picture = picture.map(Arc::new);
        }
        let config = self.dispatch().config().clone();
        let watch = crate::clock::Stopwatch::start();
        let Attempt {
            sent,
            failed_templates,
            posted,
            album,
        } = self.shared.transport.send(&notification, &config.templates).await;
        self.shared
            .numbers
            .note_sent(&notification, &sent, watch.elapsed_s());
        if let Sent::Later { reason, .. } | Sent::Refused { reason } = &sent {
            tracing::warn!(
                receiver = notification.receiver,
                channel = notification.channel.kind(),
                attempt = notification.attempt,
                reason,
                "a page was not delivered"
            );
        }
        let ended = Ended {
            delivery: notification.id.clone(),
            sent,
            posted,
            failed_templates,
            at_ms: clock.now_ms(),
        };
        self.note_ended(ended);
        drop(slot);
        if let Some(album) = album {
            self.follow(&album, &notification).await;
        }
    }

    fn note_ended(&self, ended: Ended) {
        let mut all = self.shared.ended.lock().unwrap_or_else(PoisonError::into_inner);
        all.push(ended);
        drop(all);
        self.shared.wake.notify_one();
    }

    async fn follow(&self, album: &Album, notification: &Notification) {
        let Some(picture) = self.shared.graphs.draw(self, notification).await else {
            return;
        };
        if let Err(reason) = self.shared.transport.attach(album, &picture).await {
            let receiver = &notification.receiver;
            tracing::warn!(receiver, reason, "a page arrived without its graph");
        }
    }

    /// Alerts that another program found. False when they could not be written down: its sender repeats them, and they are
    /// told when they can be.
    pub fn receive(&self, alerts: Vec<Alert>, now_ms: i64) -> bool {
        self.shared.numbers.note_received(&alerts, now_ms);
        let mut dispatch = self.dispatch();
        dispatch.apply_alerts(alerts, now_ms);
        let batch = dispatch.take_batch();
        let kept = self.commit_or_owe(batch);
        drop(dispatch);
        self.shared.wake.notify_one();
        kept
    }

    /// Changes silences or acknowledgements and syncs what follows; false when that failed, and then nothing was changed.
    pub fn change<T>(&self, change: impl FnOnce(&mut Dispatcher) -> T) -> (T, bool) {
        let mut dispatch = self.dispatch();
        let before = dispatch.wishes();
        let result = change(&mut dispatch);
        let batch = dispatch.take_batch();
        let kept = is_kept(&self.shared.state.commit(&batch));
        if kept {
            self.shared.numbers.note_decisions(&batch.decisions);
        } else {
            dispatch.restore(before);
        }
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

    /// Brings the gauges to where things stand, for whoever reads the meter next.
    pub(crate) fn refresh_numbers(&self, now_ms: i64) {
        self.look(|dispatch| self.shared.numbers.look_at(dispatch, now_ms));
        self.shared
            .numbers
            .note_state(self.shared.state.failure().is_some());
    }

    pub fn state_store(&self) -> &Arc<dyn StateStore> {
        &self.shared.state
    }

    /// Lets go of decisions and rows of the ledger that are older than the configuration wants.
    pub(crate) fn forget_history(&self, now_ms: i64) {
        let before_ms = now_ms - self.look(|d| d.config().extras.history_kept_ms);
        match self.shared.state.forget_before(before_ms) {
            Ok(0) => {}
            Ok(rows) => tracing::debug!(rows, "old decisions and rows of the ledger were let go"),
            Err(error) => tracing::error!(%error, "old decisions could not be let go"),
        }
    }

    pub(crate) async fn woken(&self) {
        self.shared.wake.notified().await;
    }

    fn commit_or_owe(&self, batch: StateBatch) -> bool {
        if batch.is_empty() {
            return true;
        }
        self.shared.numbers.note_decisions(&batch.decisions);
        is_kept(&self.shared.state.commit_or_owe(batch))
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

fn is_kept(result: &Result<(), StateError>) -> bool {
    if let Err(error) = result {
        let error: &(dyn std::error::Error + 'static) = error;
        tracing::error!(
            error,
            "state could not be written; nothing is sent on the strength of it"
        );
    }
    result.is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_notify::config::load_notify_config;
    use lapwing_notify::dispatch::{Silence, SilenceMatcher};
    use lapwing_store::metrics::MetricsOptions;
    use lapwing_store::state::{DecisionQuery, LedgerQuery, MemoryState};
    use lapwing_types::{Decision, LedgerEntry};
    use std::sync::atomic::{AtomicBool, Ordering};

    const T0: i64 = 1_700_000_000_000;

    /// State on a disk that may be full.
    #[derive(Default)]
    struct Disk {
        state: MemoryState,
        owed: Mutex<StateBatch>,
        is_full: AtomicBool,
    }

    impl StateStore for Disk {
        fn load(&self, kind: StateKind) -> Result<Vec<(String, String)>, StateError> {
            self.state.load(kind)
        }

        fn commit(&self, batch: &StateBatch) -> Result<(), StateError> {
            if let Some(reason) = self.failure() {
                return Err(StateError::Poisoned { reason });
            }
            let owed = std::mem::take(&mut *self.owed.lock().unwrap());
            self.state.commit(&owed)?;
            self.state.commit(batch)
        }

        fn commit_or_owe(&self, batch: StateBatch) -> Result<(), StateError> {
            let result = self.commit(&batch);
            result.inspect_err(|_| self.owed.lock().unwrap().merge(batch))
        }

        fn failure(&self) -> Option<String> {
            self.is_full.load(Ordering::Relaxed).then(|| "full".to_owned())
        }

        fn decisions(&self, query: &DecisionQuery) -> Result<Vec<Decision>, StateError> {
            self.state.decisions(query)
        }

        fn ledger(&self, query: &LedgerQuery) -> Result<Vec<LedgerEntry>, StateError> {
            self.state.ledger(query)
        }

        fn forget_before(&self, before_ms: i64) -> Result<u64, StateError> {
            self.state.forget_before(before_ms)
        }
    }

    fn paging_on(disk: &Arc<Disk>) -> Paging {
        let (clock, meter) = (Clock::simulated(T0), Meter::new());
        let store = MetricsStore::in_memory(MetricsOptions::default());
        let queries = Queries::new(
            store,
            clock.clone(),
            &crate::options::EngineOptions::default().queries,
            &meter,
        );
        let notify = "route: {receiver: w, group_by: [alertname], group_wait: 0s, group_interval: 1s}\n\
                      receivers: [{name: w, webhook_configs: [{url: 'http://127.0.0.1:9/'}]}]";
        let options = PagingOptions {
            notify: Arc::new(load_notify_config(notify, &[], "").unwrap()),
            ..PagingOptions::default()
        };
        Paging::start((disk.clone(), &queries), &options, &clock, &meter).unwrap()
    }

    fn alert(name: &str) -> Alert {
        Alert {
            labels: Labels::from_pairs([("alertname", name)]).unwrap(),
            starts_at_ms: T0,
            ends_at_ms: Some(T0 + 600_000),
            ..Alert::default()
        }
    }

    #[test]
    fn pages_that_fell_due_on_a_full_disk_leave_when_there_is_room() {
        let disk = Arc::new(Disk::default());
        let paging = paging_on(&disk);
        disk.is_full.store(true, Ordering::Relaxed);
        assert!(!paging.receive(vec![alert("a")], T0));
        let (round, next_ms) = paging.round(100, T0 + 1_000);
        assert!(round.notifications.is_empty() && next_ms == Some(T0 + 1_000 + RETRY_MS));
        disk.is_full.store(false, Ordering::Relaxed);
        assert_eq!(paging.round(100, T0 + 2_000).0.notifications.len(), 1);

        // Full between what is due and its commit: the page is held, and leaves once.
        paging.receive(vec![alert("b")], T0 + 3_000);
        let due = paging.dispatch().due_up_to(100, T0 + 4_000).notifications;
        assert_eq!(due.len(), 1);
        paging.shared.held.lock().unwrap().extend(due);
        assert_eq!(paging.round(100, T0 + 5_000).0.notifications.len(), 1);
        assert_eq!(paging.round(100, T0 + 6_000).0.notifications.len(), 0);
    }

    #[test]
    fn what_was_refused_on_a_full_disk_does_not_take_effect() {
        let disk = Arc::new(Disk::default());
        let paging = paging_on(&disk);
        let silence = || Silence {
            id: String::new(),
            matchers: vec![SilenceMatcher {
                name: "alertname".to_owned(),
                value: "a".to_owned(),
                is_regex: false,
                is_equal: true,
            }],
            starts_at_ms: T0,
            ends_at_ms: T0 + 600_000,
            updated_at_ms: T0,
            created_by: "test".to_owned(),
            comment: String::new(),
            annotations: std::collections::BTreeMap::new(),
            until_resolved: false,
        };
        let set = |now_ms| paging.change(|d| d.set_silence(silence(), now_ms));
        let silenced = || {
            let labels = alert("a").labels;
            paging.look(|d| d.silences_of(&labels, T0 + 1)).len()
        };
        disk.is_full.store(true, Ordering::Relaxed);
        assert!(!set(T0).1);
        assert_eq!(silenced(), 0);
        disk.is_full.store(false, Ordering::Relaxed);
        let (id, kept) = set(T0);
        assert!(kept);
        assert_eq!(silenced(), 1);
        disk.is_full.store(true, Ordering::Relaxed);
        let id = id.unwrap();
        assert!(!paging.change(|d| d.end_silence(&id, T0)).1);
        assert_eq!(silenced(), 1);
        assert_eq!(disk.load(StateKind::Silence).unwrap().len(), 1);
    }
}
