//! A process that lives by the engine's protocol, its disk, and what befalls both.
//!
//! As in the engine: rules tick over a snapshot, what they record goes to the metrics store, what changed in rules and
//! dispatch goes to the state store in one commit, and only then is anything sent. What a kill leaves is the metrics store
//! (what it acknowledged is on disk) and the committed rows.

use lapwing_judge::rules::{
    QueryEvaluator, RuleGroup, Rules, RulesOptions, RulesState, check_expr, compile_own_rules,
    load_own_rules, load_rule_file,
};
use lapwing_notify::channels::Sent;
use lapwing_notify::config::{NotifyConfig, load_notify_config};
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::message::Notification;
use lapwing_query::QueryOptions;
use lapwing_store::metrics::{MetricsOptions, MetricsStore};
use lapwing_types::{
    AlertEvent, AlertEventKind, Labels, Sample, SeriesWrite, StateBatch, StateKind, WriteBatch,
};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, LazyLock};

pub(crate) const START_MS: i64 = 1_700_000_000_000;
pub(crate) const STEP_MS: i64 = 5_000;
pub(crate) const GROUP_WAIT_MS: i64 = 15_000;
/// Twenty minutes of trouble.
const STEPS: i64 = 240;
/// Enough for lookback, the last retry and the last flush; most days are over sooner.
const DRAIN_STEPS: i64 = 400;
const SERIES: usize = 5;
/// A source that falls silent does so for this long at most.
const SILENT_STEPS_MAX: u64 = 30;
/// A process that is killed on the worst days comes back after so many steps at most.
const AWAY_STEPS_MAX: u64 = 30;

const RULE_FILE: &str = "
groups:
  - name: g
    interval: 15s
    rules:
      - { record: 'id:load:avg', expr: 'avg_over_time(load[1m])' }
      - { alert: Busy, expr: load > 0.5, for: 30s, labels: { severity: warning } }
      - { alert: Hot, expr: 'id:load:avg > 0.6', keep_firing_for: 45s, labels: { severity: critical } }
";

const OWN_RULES: &str = "
rules:
  - { name: Stuck, condition: load > 60%, recover: 30%, for: 20s, severity: critical, no_data: alert }
";

const NOTIFY: &str = "
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 15s
  group_interval: 1m
  repeat_interval: 10m
  routes:
    - { matchers: [severity=critical], receiver: pager, continue: true }
    - { matchers: ['severity=~\".+\"'], receiver: chat }
receivers:
  - { name: chat, webhook_configs: [{ url: 'http://chat/' }] }
  - { name: pager, webhook_configs: [{ url: 'http://pager/' }] }
";

/// What befalls the process, beside what befalls the input.
#[derive(Clone, Copy, Default)]
pub(crate) struct Trouble {
    pub(crate) kills: bool,
    /// A killed process comes back later, and nobody took samples for it meanwhile.
    pub(crate) away: bool,
    pub(crate) outages: bool,
    pub(crate) reloads: bool,
}

/// Before what a round is cut off.
#[derive(Clone, Copy, PartialEq)]
enum Kill {
    Commit,
    Send,
    Outcome,
    LastCommit,
}

/// What rules found and the state store has.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) at_ms: i64,
    pub(crate) labels: String,
    pub(crate) is_end: bool,
}

/// What a receiver took.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Page {
    pub(crate) at_ms: i64,
    pub(crate) receiver: String,
    pub(crate) firing: BTreeSet<String>,
    pub(crate) resolved: BTreeSet<String>,
}

impl Page {
    pub(crate) fn is_about(&self, labels: &str) -> bool {
        self.firing.contains(labels) || self.resolved.contains(labels)
    }
}

struct Setup {
    groups: Vec<RuleGroup>,
    notify: Arc<NotifyConfig>,
}

impl Setup {
    fn new(notify: &str) -> Setup {
        let options = RulesOptions::default();
        let mut groups = load_rule_file("rules.yml", RULE_FILE, &options, &check_expr).expect("valid rules");
        let own = load_own_rules("lapwing.yml", OWN_RULES).expect("valid rules");
        let own = compile_own_rules("lapwing.yml", &own, &options).expect("valid rules");
        groups.push(RuleGroup {
            interval_ms: 10_000,
            ..own
        });
        let notify = load_notify_config(notify, &[], "http://lapwing:9595").expect("valid routes");
        Setup {
            groups,
            notify: Arc::new(notify),
        }
    }
}

/// The configuration, and another one that is as good.
static SETUPS: LazyLock<[Setup; 2]> = LazyLock::new(|| {
    let other = NOTIFY.replace("repeat_interval: 10m", "repeat_interval: 20m");
    [Setup::new(NOTIFY), Setup::new(&other)]
});

pub(crate) struct Day {
    setup: &'static Setup,
    rules: Rules,
    state: RulesState,
    dispatcher: Dispatcher,
    store: MetricsStore,
    rows: BTreeMap<(&'static str, String), String>,
    fresh: Vec<AlertEvent>,
    pub(crate) found: Vec<Found>,
    pub(crate) pages: Vec<Page>,
    copies: HashMap<String, usize>,
    pub(crate) repetitions_allowed: usize,
    pub(crate) kills: usize,
    down: BTreeSet<&'static str>,
    pub(crate) now_ms: i64,
}

impl Day {
    fn new() -> Day {
        let setup = &SETUPS[0];
        Day {
            setup,
            rules: Rules::new(setup.groups.clone(), RulesOptions::default()),
            state: RulesState::default(),
            dispatcher: Dispatcher::new(setup.notify.clone(), DispatchState::default(), START_MS),
            store: MetricsStore::in_memory(MetricsOptions::default()),
            rows: BTreeMap::new(),
            fresh: Vec::new(),
            found: Vec::new(),
            pages: Vec::new(),
            copies: HashMap::new(),
            repetitions_allowed: 0,
            kills: 0,
            down: BTreeSet::new(),
            now_ms: START_MS,
        }
    }

    pub(crate) fn receivers_of(labels: &str) -> &'static [&'static str] {
        if labels.contains("severity=\"critical\"") {
            &["pager", "chat"]
        } else {
            &["chat"]
        }
    }

    pub(crate) fn repetitions(&self) -> usize {
        self.copies.values().map(|n| n - 1).sum()
    }

    /// Nothing fires, and nobody has to be told anything.
    pub(crate) fn is_quiet(&self) -> bool {
        self.dispatcher.next_wake_ms().is_none() && self.rules.firing(&self.state).is_empty()
    }

    fn write(&mut self, batch: &WriteBatch) {
        let mut appender = self.store.appender("test", self.now_ms);
        appender.append_batch(batch);
        appender.commit().expect("memory takes everything");
    }

    /// As the engine does it; a tick that is cut off leaves its samples behind and nothing else.
    fn evaluate(&mut self) {
        loop {
            let snapshot = self.store.snapshot();
            let options = QueryOptions {
                threads: 1,
                ..QueryOptions::default()
            };
            let mut evaluator = QueryEvaluator::new(&snapshot, options, 1);
            let tick = self.rules.tick(self.now_ms, &mut evaluator, &mut self.state);
            assert_eq!(tick.failures, 0);
            self.write(&tick.samples);
            self.dispatcher.apply_events(&tick.events, self.now_ms);
            self.fresh.extend(tick.events);
            if !tick.more {
                return;
            }
        }
    }

    fn commit(&mut self) {
        let mut batch = StateBatch {
            changes: self.state.take_changes(),
            ..StateBatch::default()
        };
        batch.merge(self.dispatcher.take_batch());
        for change in batch.changes {
            let key = (change.kind.as_str(), change.key);
            match change.json {
                Some(json) => self.rows.insert(key, json),
                None => self.rows.remove(&key),
            };
        }
        let events = std::mem::take(&mut self.fresh);
        let is_turn = |e: &AlertEvent| e.kind.concerns_dispatch() && e.kind != AlertEventKind::Updated;
        let turns = events.into_iter().filter(is_turn);
        self.found.extend(turns.map(|e| Found {
            at_ms: e.at_ms,
            is_end: e.alert.ends_at_ms.is_some(),
            labels: e.alert.labels.to_string(),
        }));
    }

    fn die(&mut self) {
        self.kills += 1;
        self.fresh.clear();
    }

    /// `heard_ms` is when the sources were last heard: up to then absence ends nothing.
    fn start(&mut self, heard_ms: i64) {
        let rows = |kind: StateKind| -> Vec<(String, String)> {
            let of = self.rows.iter().filter(|((k, _), _)| *k == kind.as_str());
            of.map(|((_, key), json)| (key.clone(), json.clone())).collect()
        };
        let (state, mut wrong) = RulesState::load(rows(StateKind::RuleGroup), rows(StateKind::Rule));
        let (dispatch, more) = DispatchState::load(rows);
        wrong.extend(more);
        assert!(wrong.is_empty(), "{wrong:?}");
        self.rules = Rules::new(self.setup.groups.clone(), RulesOptions::default());
        self.state = state;
        self.state.resume(self.now_ms, self.rules.options());
        self.state.sources_ready(heard_ms);
        self.dispatcher = Dispatcher::new(self.setup.notify.clone(), dispatch, self.now_ms);
        self.dispatcher
            .reconcile(&self.rules.firing(&self.state), self.now_ms);
    }

    fn reload(&mut self, setup: &'static Setup) {
        self.setup = setup;
        self.rules = Rules::new(setup.groups.clone(), RulesOptions::default());
        self.dispatcher.reload(setup.notify.clone(), self.now_ms);
    }

    /// One round of the engine; false when it was cut off.
    fn round(&mut self, kill: Option<Kill>) -> bool {
        self.evaluate();
        let due = self.dispatcher.due(self.now_ms);
        if kill == Some(Kill::Commit) {
            return false;
        }
        self.commit();
        if kill.is_some() {
            self.repetitions_allowed += due.len();
        }
        if kill == Some(Kill::Send) {
            return false;
        }
        for notification in due {
            let sent = self.receive(&notification);
            if kill != Some(Kill::Outcome) {
                self.dispatcher.outcome(&notification.id, sent, &[], self.now_ms);
            }
        }
        if kill.is_some() {
            return false;
        }
        self.commit();
        true
    }

    fn receive(&mut self, n: &Notification) -> Sent {
        if self.down.contains(n.receiver.as_str()) {
            return Sent::Later {
                reason: "down".to_owned(),
                retry_after_ms: None,
            };
        }
        let names = |is_end: bool| {
            let of = n.alerts.iter().filter(|a| a.is_resolved_at(n.now_ms) == is_end);
            of.map(|a| a.labels.to_string()).collect()
        };
        let copies = self.copies.entry(n.id.clone()).or_default();
        *copies += 1;
        if *copies == 1 {
            self.pages.push(Page {
                at_ms: self.now_ms,
                receiver: n.receiver.clone(),
                firing: names(false),
                resolved: names(true),
            });
        }
        Sent::Delivered {
            detail: String::new(),
        }
    }
}

/// What is measured: some series flap, some stay, all fall silent now and then.
struct Input {
    dice: SmallRng,
    values: [f64; SERIES],
    silent_for: [u64; SERIES],
}

impl Input {
    fn next(&mut self, is_over: bool, now_ms: i64) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for i in 0..SERIES {
            let odds = [6, 15, 30, 60][i % 4];
            if self.dice.random_ratio(1, odds) {
                self.values[i] = f64::from(self.dice.random_range(0..11)) / 10.0;
            }
            if self.dice.random_ratio(1, 60) {
                self.silent_for[i] = self.dice.random_range(0..SILENT_STEPS_MAX);
            }
            if is_over {
                self.values[i] = 0.1;
            } else if self.silent_for[i] > 0 {
                self.silent_for[i] -= 1;
                continue;
            }
            let id = i.to_string();
            batch.series.push(SeriesWrite {
                labels: Labels::from_pairs([("__name__", "load"), ("id", &id)]).expect("valid labels"),
                samples: vec![Sample {
                    t_ms: now_ms,
                    value: self.values[i],
                }],
                ..SeriesWrite::default()
            });
        }
        batch
    }
}

/// The same seed is the same input, whatever the trouble.
pub(crate) fn live(seed: u64, trouble: Trouble) -> Day {
    let mut fate = SmallRng::seed_from_u64(seed ^ 0xdead_beef);
    let mut input = Input {
        dice: SmallRng::seed_from_u64(seed),
        values: [0.1; SERIES],
        silent_for: [0; SERIES],
    };
    let mut day = Day::new();
    let mut away_for = 0;
    for step in 0..STEPS + DRAIN_STEPS {
        day.now_ms += STEP_MS;
        let is_over = step >= STEPS;
        let batch = input.next(is_over, day.now_ms);
        for name in ["chat", "pager"] {
            let (breaks, heals) = (fate.random_ratio(1, 80), fate.random_ratio(1, 40));
            if trouble.outages && !is_over && breaks {
                day.down.insert(name);
            } else if heals || is_over {
                day.down.remove(name);
            }
        }
        if away_for > 0 {
            away_for -= 1;
            if away_for > 0 {
                continue;
            }
            day.start(day.now_ms);
        }
        day.write(&batch);
        if trouble.reloads && fate.random_ratio(1, 60) {
            let nth = usize::from(fate.random_ratio(1, 2));
            day.reload(&SETUPS[nth]);
        }
        let kinds = [Kill::Commit, Kill::Send, Kill::Outcome, Kill::LastCommit];
        let is_killed = trouble.kills && !is_over && fate.random_ratio(1, 15);
        let kill = is_killed.then(|| kinds[fate.random_range(0..kinds.len())]);
        if !day.round(kill) {
            day.die();
            if trouble.away {
                away_for = fate.random_range(1..=AWAY_STEPS_MAX);
            } else {
                // Started again within the same instant: what the sources said is known.
                day.start(day.now_ms - STEP_MS);
                day.round(None);
            }
        }
        if is_over && day.is_quiet() {
            break;
        }
    }
    day
}
