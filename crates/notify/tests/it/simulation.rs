//! The worst hour of a bad day, a thousand times: random alerts, dead receivers, reloads, kills at every point of the protocol.
//!
//! Oracles:
//! - every firing interval longer than its `group_wait` was paged, or the receiver believed it firing all along;
//! - when all is over, whoever heard of a beginning heard of its end;
//! - with kills, the pages are the same as without them, but for repetitions of one delivery, and of these there are at most
//!   as many as deliveries were under way at a kill.
//!
//! A failing seed is printed; `LAPWING_SEED` runs it alone.

use crate::world::{START_MS, config};
use lapwing_notify::channels::Sent;
use lapwing_notify::config::NotifyConfig;
use lapwing_notify::dispatch::{DispatchState, Dispatcher};
use lapwing_notify::message::Notification;
use lapwing_types::{Alert, AlertEvent, AlertEventKind, Labels, RuleRef};
use rand::rngs::SmallRng;
use rand::{RngExt, SeedableRng};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

const STEP_MS: i64 = 5_000;
/// Forty minutes of trouble.
const STEPS: i64 = 480;
/// Enough for the last retry and the last flush; most days are over sooner.
const DRAIN_STEPS: i64 = 400;
const GROUP_WAIT_MS: i64 = 30_000;
const ALERTS: usize = 8;
/// In CI; `LAPWING_SEEDS` asks for more.
const SEEDS: u64 = 1_000;

const CONFIG: &str = r#"
route:
  receiver: chat
  group_by: [alertname]
  group_wait: 30s
  group_interval: 2m
  repeat_interval: 15m
  routes:
    - matchers: [severity=critical]
      receiver: pager
      continue: true
    - matchers: [severity=~".+"]
      receiver: chat
receivers:
  - name: chat
    webhook_configs: [{url: http://chat/}]
  - name: pager
    webhook_configs: [{url: http://pager/}]
"#;

/// Before what a round is cut off.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kill {
    Commit,
    Send,
    Outcome,
    LastCommit,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Page {
    at_ms: i64,
    receiver: String,
    firing: BTreeSet<usize>,
    resolved: BTreeSet<usize>,
}

#[derive(Clone, Copy)]
struct Trouble {
    kills: bool,
    outages: bool,
    reloads: bool,
}

/// What outlives a kill: the rows, and (in the same transaction) what the rules know.
#[derive(Default)]
struct Disk {
    rows: BTreeMap<(String, String), String>,
    known: [Option<i64>; ALERTS],
    intervals: Vec<(usize, i64, Option<i64>)>,
}

struct Run {
    dispatcher: Dispatcher,
    config: Arc<NotifyConfig>,
    disk: Disk,
    known: [Option<i64>; ALERTS],
    fresh: Vec<AlertEvent>,
    pages: Vec<Page>,
    delivered: HashMap<String, u32>,
    repetitions_allowed: usize,
    down: BTreeSet<&'static str>,
    now_ms: i64,
}

fn labels(i: usize) -> Labels {
    let severity = if i.is_multiple_of(3) {
        "critical"
    } else {
        "warning"
    };
    let (name, id) = (format!("A{}", i % 3), i.to_string());
    Labels::from_pairs([("alertname", name.as_str()), ("id", &id), ("severity", severity)]).unwrap()
}

fn event(i: usize, starts_at_ms: i64, ends_at_ms: Option<i64>) -> AlertEvent {
    let kind = if ends_at_ms.is_some() {
        AlertEventKind::Resolved
    } else {
        AlertEventKind::Firing
    };
    AlertEvent {
        at_ms: ends_at_ms.unwrap_or(starts_at_ms),
        kind,
        rule: RuleRef::default(),
        value: 1.0,
        alert: Alert {
            labels: labels(i),
            starts_at_ms,
            ends_at_ms,
            ..Alert::default()
        },
    }
}

impl Run {
    fn new() -> Run {
        let config = config(CONFIG);
        Run {
            dispatcher: Dispatcher::new(config.clone(), DispatchState::default(), START_MS),
            config,
            disk: Disk::default(),
            known: [None; ALERTS],
            fresh: Vec::new(),
            pages: Vec::new(),
            delivered: HashMap::new(),
            repetitions_allowed: 0,
            down: BTreeSet::new(),
            now_ms: START_MS,
        }
    }

    /// The rules look at the world.
    fn evaluate(&mut self, truth: &[bool; ALERTS]) {
        for (i, is_bad) in truth.iter().enumerate() {
            let made = match (self.known[i], is_bad) {
                (None, true) => {
                    self.known[i] = Some(self.now_ms);
                    event(i, self.now_ms, None)
                }
                (Some(since), false) => {
                    self.known[i] = None;
                    event(i, since, Some(self.now_ms))
                }
                _ => continue,
            };
            self.fresh.push(made);
        }
        let fresh = self.fresh.clone();
        self.dispatcher.apply_events(&fresh, self.now_ms);
    }

    fn commit(&mut self) {
        for change in self.dispatcher.take_batch().changes {
            let key = (change.kind.as_str().to_owned(), change.key);
            match change.json {
                Some(json) => self.disk.rows.insert(key, json),
                None => self.disk.rows.remove(&key),
            };
        }
        self.disk.known = self.known;
        for event in std::mem::take(&mut self.fresh) {
            let i: usize = event.alert.labels.get("id").unwrap().parse().unwrap();
            match event.alert.ends_at_ms {
                None => self.disk.intervals.push((i, event.at_ms, None)),
                Some(end_ms) => {
                    let open = self
                        .disk
                        .intervals
                        .iter_mut()
                        .rev()
                        .find(|(j, _, e)| *j == i && e.is_none());
                    open.unwrap().2 = Some(end_ms);
                }
            }
        }
    }

    fn restart(&mut self) {
        self.fresh.clear();
        self.known = self.disk.known;
        let rows = &self.disk.rows;
        let (state, errors) = DispatchState::load(|kind| {
            let of = rows.iter().filter(|((k, _), _)| k == kind.as_str());
            of.map(|((_, key), json)| (key.clone(), json.clone())).collect()
        });
        assert!(errors.is_empty());
        self.dispatcher = Dispatcher::new(self.config.clone(), state, self.now_ms);
    }

    /// One round of the engine, perhaps cut off; a killed process starts again at once.
    fn round(&mut self, truth: &[bool; ALERTS], kill: Option<Kill>) {
        self.evaluate(truth);
        let due = self.dispatcher.due(self.now_ms);
        if kill == Some(Kill::Commit) {
            self.restart();
            return self.round(truth, None);
        }
        self.commit();
        if kill == Some(Kill::Send) {
            self.repetitions_allowed += due.len();
            self.restart();
            return self.round(truth, None);
        }
        let under_way = due.len();
        for notification in due {
            let sent = self.receive(&notification);
            if kill != Some(Kill::Outcome) {
                self.dispatcher.outcome(&notification.id, sent, &[], self.now_ms);
            }
        }
        if matches!(kill, Some(Kill::Outcome | Kill::LastCommit)) {
            self.repetitions_allowed += under_way;
            self.restart();
            return self.round(truth, None);
        }
        self.commit();
    }

    fn receive(&mut self, n: &Notification) -> Sent {
        if self.down.contains(n.receiver.as_str()) {
            return Sent::Later {
                reason: "down".to_owned(),
                retry_after_ms: None,
            };
        }
        let ids = |firing: bool| {
            let of = n.alerts.iter().filter(|a| a.is_resolved_at(n.now_ms) != firing);
            of.map(|a| a.labels.get("id").unwrap().parse().unwrap()).collect()
        };
        let count = self.delivered.entry(n.id.clone()).or_default();
        *count += 1;
        if *count == 1 {
            let page = Page {
                at_ms: self.now_ms,
                receiver: n.receiver.clone(),
                firing: ids(true),
                resolved: ids(false),
            };
            self.pages.push(page);
        }
        Sent::Delivered {
            detail: String::new(),
        }
    }
}

fn simulate(seed: u64, trouble: Trouble) -> Run {
    let (mut input, mut fate) = (
        SmallRng::seed_from_u64(seed),
        SmallRng::seed_from_u64(seed ^ 0xdead_beef),
    );
    let mut run = Run::new();
    let mut truth = [false; ALERTS];
    let other = config(&CONFIG.replace("repeat_interval: 15m", "repeat_interval: 30m"));
    for step in 0..STEPS + DRAIN_STEPS {
        run.now_ms += STEP_MS;
        for (i, is_bad) in truth.iter_mut().enumerate() {
            // Some flap, some stay.
            let odds = [8, 30, 60, 200][i % 4];
            if step >= STEPS {
                *is_bad = false;
            } else if input.random_ratio(1, odds) {
                *is_bad = !*is_bad;
            }
        }
        for name in ["chat", "pager"] {
            let (breaks, heals) = (fate.random_ratio(1, 150), fate.random_ratio(1, 60));
            if trouble.outages && step < STEPS && breaks {
                run.down.insert(name);
            } else if heals || step >= STEPS {
                run.down.remove(name);
            }
        }
        if trouble.reloads && fate.random_ratio(1, 100) {
            run.config = if fate.random_ratio(1, 2) {
                other.clone()
            } else {
                config(CONFIG)
            };
            run.dispatcher.reload(run.config.clone(), run.now_ms);
        }
        let kinds = [Kill::Commit, Kill::Send, Kill::Outcome, Kill::LastCommit];
        let kill =
            (trouble.kills && fate.random_ratio(1, 20)).then(|| kinds[fate.random_range(0..kinds.len())]);
        run.round(&truth, kill);
        if step > STEPS && run.dispatcher.next_wake_ms().is_none() {
            break;
        }
    }
    run
}

fn receivers_of(i: usize) -> &'static [&'static str] {
    if i.is_multiple_of(3) {
        &["pager", "chat"]
    } else {
        &["chat"]
    }
}

fn check_every_interval_was_paged(seed: u64, run: &Run) {
    for (i, start_ms, end_ms) in &run.disk.intervals {
        let end_ms = end_ms.unwrap_or(run.now_ms);
        if end_ms - start_ms <= GROUP_WAIT_MS + STEP_MS {
            continue;
        }
        for receiver in receivers_of(*i) {
            let about =
                |p: &&Page| p.receiver == *receiver && (p.firing.contains(i) || p.resolved.contains(i));
            let told = run
                .pages
                .iter()
                .filter(about)
                .any(|p| p.at_ms >= *start_ms && p.firing.contains(i));
            let before = run.pages.iter().filter(about).rfind(|p| p.at_ms < *start_ms);
            let believed = before.is_some_and(|p| p.firing.contains(i));
            assert!(
                told || believed,
                "seed {seed}: nobody at {receiver} was paged for alert {i}, firing from {} s to {} s",
                (start_ms - START_MS) / 1000,
                (end_ms - START_MS) / 1000
            );
        }
    }
}

fn check_every_end_was_told(seed: u64, run: &Run) {
    for i in 0..ALERTS {
        for receiver in receivers_of(i) {
            let mut about = run.pages.iter().filter(|p| p.receiver == *receiver);
            let last = about.rfind(|p| p.firing.contains(&i) || p.resolved.contains(&i));
            assert!(
                last.is_none_or(|p| p.resolved.contains(&i)),
                "seed {seed}: {receiver} still believes that alert {i} fires"
            );
        }
    }
    assert!(run.dispatcher.pending().is_empty(), "seed {seed}");
}

fn check_repetitions(seed: u64, run: &Run) {
    let repeated: u32 = run.delivered.values().map(|n| n - 1).sum();
    assert!(
        repeated as usize <= run.repetitions_allowed,
        "seed {seed}: {repeated} repetitions, {} allowed",
        run.repetitions_allowed
    );
}

fn seeds() -> Vec<u64> {
    let number = |name: &str| std::env::var(name).ok().and_then(|s| s.parse::<u64>().ok());
    let count = number("LAPWING_SEEDS").unwrap_or(SEEDS);
    match number("LAPWING_SEED") {
        Some(seed) => vec![seed],
        None => (0..count).collect(),
    }
}

/// Days have nothing to do with each other: as many at once as there are processors. Returns the sum of what they say.
fn each_day(day: impl Fn(u64) -> usize + Sync) -> usize {
    let seeds = seeds();
    let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    std::thread::scope(|scope| {
        let share = |nth: usize| seeds.iter().copied().skip(nth).step_by(threads);
        let running: Vec<_> = (0..threads)
            .map(|nth| {
                scope.spawn({
                    let day = &day;
                    move || share(nth).map(day).sum::<usize>()
                })
            })
            .collect();
        let ended = running.into_iter().map(|t| t.join());
        ended
            .map(|sum| sum.expect("the seed stands in the message above"))
            .sum()
    })
}

#[test]
fn no_page_is_lost_on_any_bad_day() {
    let pages = each_day(|seed| {
        let trouble = Trouble {
            kills: true,
            outages: true,
            reloads: true,
        };
        let run = simulate(seed, trouble);
        check_every_interval_was_paged(seed, &run);
        check_every_end_was_told(seed, &run);
        check_repetitions(seed, &run);
        run.pages.len()
    });
    assert!(
        pages > seeds().len() * 10,
        "the days were too good: {pages} pages"
    );
}

#[test]
fn kills_change_no_page() {
    let quiet = Trouble {
        kills: false,
        outages: false,
        reloads: false,
    };
    let pages = each_day(|seed| {
        let calm = simulate(seed, quiet);
        let killed = simulate(seed, Trouble { kills: true, ..quiet });
        assert_eq!(calm.repetitions_allowed, 0);
        check_repetitions(seed, &killed);
        let expect: HashSet<Page> = calm.pages.into_iter().collect();
        let got: HashSet<Page> = killed.pages.into_iter().collect();
        let differ: Vec<_> = expect.symmetric_difference(&got).collect();
        assert!(differ.is_empty(), "seed {seed}: {differ:?}");
        expect.len()
    });
    assert!(
        pages > seeds().len() * 10,
        "the days were too good: {pages} pages"
    );
}
