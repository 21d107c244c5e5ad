//! Writers, late samples, deletion, retention, merging and tiers at once, in real threads, under the eyes of readers.
//!
//! Every value is a function of its series and its time, so each reader knows what must be there:
//! 1. a snapshot answers the same twice, bit by bit, however old it has become;
//! 2. what was acknowledged, is not deleted and lies inside retention is there, and requests are there wholly or not at all;
//! 3. a deletion is there wholly or not at all, and what it took never comes back, not even in a tier;
//! 4. where samples are gone, what the tiers say is what the samples would have said.
//!
//! After the last of them the store is opened again and holds what it held.

use crate::fault_fs::Rng;
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention, Snapshot, TierPolicy};
use lapwing_store::{Selection, SeriesPoints, SeriesSource, TierColumn, TierHint};
use lapwing_types::{Labels, Matcher};
use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

/// Where a large range of blocks begins; samples stand a millisecond behind the full second, at odd times.
const T0: i64 = 240_000 * 7_083_333;
const STEP_MS: i64 = 1_000;
const STEPS: i64 = 1_700;
const WRITERS: usize = 2;
/// How far the writers may be ahead of upkeep.
const AHEAD: i64 = 12;
const AGE_MS: i64 = 500_000;
const SHORT_MS: i64 = 30_000;
const LONG_MS: i64 = 120_000;
/// By so much a late sample is late.
const LATE: i64 = 9;
/// Snapshots that a reader holds on to.
const HELD: usize = 2;
const READERS: usize = 2;
/// Rounds of upkeep for each look of each reader, and how far time goes on from one to the next: several in each window.
const ROUNDS_PER_LOOK: i64 = 4;
const ROUND_MS: i64 = 3_000;
const COLUMNS: [TierColumn; 4] = [
    TierColumn::Last,
    TierColumn::Min,
    TierColumn::Max,
    TierColumn::Counter,
];
const KINDS: [&str; 5] = ["counter", "gauge", "late", "deleted", "edge"];

fn time(step: i64) -> i64 {
    T0 + step * STEP_MS + 1
}

/// The last step at or before a time.
fn step_at(t_ms: i64) -> i64 {
    (t_ms - 1 - T0).div_euclid(STEP_MS)
}

fn value(kind: usize, writer: usize, step: i64) -> f64 {
    match kind {
        0 => ((step + 13 * writer as i64) % 97 * 3) as f64,
        _ => (Rng(step as u64 * 31 + kind as u64 * 7 + writer as u64).below(10_000) as f64) / 10.0,
    }
}

fn labels(kind: usize, writer: usize) -> Labels {
    let writer = writer.to_string();
    Labels::from_pairs([("__name__", KINDS[kind]), ("writer", writer.as_str())]).unwrap()
}

/// The steps of a series once its writer has come to `last`.
fn steps(kind: usize, last: i64) -> Vec<i64> {
    let last_even = last - last.rem_euclid(2);
    let written = |step: &i64| kind != 2 || step % 2 == 0 || *step <= last_even - LATE;
    (0..=last).filter(written).collect()
}

/// The first and the last step of a deletion, and whether it is done.
type Deleted = (i64, i64, bool);

struct Stage {
    store: MetricsStore,
    has_age: bool,
    /// Acknowledged steps by writer.
    acked: [AtomicI64; WRITERS],
    /// The time of the last upkeep that was begun.
    clock_ms: AtomicI64,
    looks: [AtomicI64; READERS],
    deletions: Mutex<Vec<Deleted>>,
    is_over: AtomicBool,
    has_failed: AtomicBool,
}

/// Whoever panics lets the others go.
struct Alarm<'s>(&'s Stage);

impl Drop for Alarm<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.has_failed.store(true, Ordering::Release);
        }
    }
}

/// Times and bits, by kind and writer.
type Seen = BTreeMap<(usize, usize), Vec<(i64, u64)>>;

fn look(snapshot: &Snapshot, column: TierColumn) -> Seen {
    let selection = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let hint = TierHint {
        column,
        every_ms: LONG_MS,
    };
    let mut seen = Seen::new();
    for selected in snapshot.select_as(&selection, hint).unwrap() {
        let mut points = SeriesPoints::default();
        selected.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        let mut last = SeriesPoints::default();
        selected.reader.read_last(i64::MIN, i64::MAX, &mut last).unwrap();
        assert_eq!(last.times_ms.last(), points.times_ms.last());
        // One whose first sample the snapshot does not see yet.
        if points.is_empty() {
            continue;
        }
        assert!(points.times_ms.is_sorted_by(|a, b| a < b));
        let name = selected.labels.metric_name().unwrap();
        let kind = KINDS.iter().position(|k| *k == name).unwrap();
        let writer = selected.labels.get("writer").unwrap().parse().unwrap();
        let bits = points.values.iter().map(|v| v.to_bits());
        let before = seen.insert(
            (kind, writer),
            points.times_ms.iter().copied().zip(bits).collect(),
        );
        assert!(before.is_none(), "each series once");
    }
    seen
}

fn of_column(column: TierColumn, values: &[f64]) -> Option<f64> {
    match column {
        TierColumn::Min => values.iter().copied().reduce(f64::min),
        TierColumn::Max => values.iter().copied().reduce(f64::max),
        _ => values.last().copied(),
    }
}

/// As `increase` of PromQL counts, without extrapolation.
fn increase(values: &[f64]) -> f64 {
    let pairs = values.windows(2);
    pairs.map(|w| if w[1] < w[0] { w[1] } else { w[1] - w[0] }).sum()
}

impl Stage {
    fn is_going_on(&self) -> bool {
        !self.has_failed.load(Ordering::Acquire)
    }

    fn await_until(&self, condition: impl Fn() -> bool) {
        while self.is_going_on() && !condition() {
            std::thread::yield_now();
        }
    }

    fn all_acked(&self) -> i64 {
        let acked = self.acked.iter().map(|a| a.load(Ordering::Acquire));
        acked.min().unwrap()
    }

    fn write(&self, writer: usize) {
        let _alarm = Alarm(self);
        for step in 0..STEPS {
            self.await_until(|| time(step - AHEAD) <= self.clock_ms.load(Ordering::Acquire));
            let mut appender = self.store.appender("test", time(step));
            for kind in 0..KINDS.len() {
                let found = appender.series(&labels(kind, writer)).unwrap();
                if kind != 2 || step % 2 == 0 {
                    appender.push(found, time(step), value(kind, writer, step));
                }
                if kind == 2 && step % 2 == 0 && step >= LATE {
                    appender.push(found, time(step - LATE), value(kind, writer, step - LATE));
                }
            }
            assert_eq!(appender.commit().unwrap().refused_count, 0);
            self.acked[writer].store(step, Ordering::Release);
        }
    }

    fn maintain(&self) {
        let _alarm = Alarm(self);
        let mut rounds = 0;
        while self.is_going_on() && self.all_acked() < STEPS - 1 {
            self.await_until(|| {
                let looks = self.looks.iter().map(|l| l.load(Ordering::Acquire)).min();
                looks >= Some(rounds / ROUNDS_PER_LOOK)
            });
            let before_ms = self.clock_ms.load(Ordering::Acquire);
            let now_ms = time(self.all_acked()).min(before_ms + ROUND_MS).max(before_ms);
            self.clock_ms.store(now_ms, Ordering::Release);
            let report = self.store.maintain(now_ms);
            assert_eq!(report.failures, Vec::<String>::new());
            rounds += 1;
        }
    }

    fn delete(&self, seed: u64) {
        let _alarm = Alarm(self);
        let mut rng = Rng(seed);
        let mut from = 30;
        while self.is_going_on() && from < STEPS - 40 {
            self.await_until(|| self.all_acked() >= from);
            let acked = self.all_acked();
            let end = acked - rng.below(600.min(acked as u64)) as i64;
            let start = end - rng.below(60) as i64;
            let number = {
                let mut deletions = self.deletions.lock().unwrap();
                deletions.push((start, end, false));
                deletions.len() - 1
            };
            self.delete_steps(3, start, end);
            self.deletions.lock().unwrap()[number].2 = true;
            // Under the hands of the writers: what becomes of it is settled when both are done.
            self.delete_steps(4, acked - 5, acked + 3);
            from = acked + 60 + rng.below(60) as i64;
        }
    }

    fn delete_steps(&self, kind: usize, start: i64, end: i64) {
        let name = Matcher::equal("__name__", KINDS[kind]);
        self.store.delete(&[name], time(start), time(end)).unwrap();
    }

    fn read(&self, reader: usize) {
        let _alarm = Alarm(self);
        let mut held: VecDeque<(Snapshot, TierColumn, Seen)> = VecDeque::new();
        let mut number = 0;
        while self.is_going_on() && !self.is_over.load(Ordering::Acquire) {
            let column = COLUMNS[number % COLUMNS.len()];
            number += 1;
            let (snapshot, seen) = self.check(column);
            held.push_back((snapshot, column, seen));
            for (snapshot, column, seen) in &held {
                let again = look(snapshot, *column);
                for (series, before) in seen {
                    let now = again.get(series).map_or(&[][..], |p| p);
                    let differs = before.iter().zip(now).position(|(a, b)| a != b);
                    assert!(
                        before == now,
                        "a snapshot sees the same twice: {} of {}, {} and {} samples, {differs:?} {:?} {:?}",
                        KINDS[series.0],
                        series.1,
                        before.len(),
                        now.len(),
                        before
                            .iter()
                            .filter(|p| !now.contains(p))
                            .take(3)
                            .map(|p| p.0 - T0)
                            .collect::<Vec<_>>(),
                        now.iter()
                            .filter(|p| !before.contains(p))
                            .take(3)
                            .map(|p| p.0 - T0)
                            .collect::<Vec<_>>()
                    );
                }
                assert_eq!(again.len(), seen.len());
            }
            if held.len() > HELD {
                held.pop_front();
            }
            self.looks[reader].fetch_add(1, Ordering::AcqRel);
        }
    }

    fn check(&self, column: TierColumn) -> (Snapshot, Seen) {
        let deletions = || self.deletions.lock().unwrap().clone();
        let done: Vec<_> = deletions().into_iter().filter(|d| d.2).collect();
        let acked = [0, 1].map(|w: usize| self.acked[w].load(Ordering::Acquire));
        let snapshot = self.store.snapshot();
        let begun = deletions();
        let oldest_ms = self.clock_ms.load(Ordering::Acquire) - AGE_MS;
        let seen = look(&snapshot, column);
        let nothing = Vec::new();
        let of = |kind, writer| seen.get(&(kind, writer)).unwrap_or(&nothing);
        let under_way: Vec<_> = begun
            .iter()
            .filter(|b| done.iter().all(|d| d.0 != b.0 || d.1 != b.1))
            .collect();
        let mut found = vec![(0, 0); under_way.len()];
        for (writer, acked) in acked.into_iter().enumerate() {
            let counter = of(0, writer);
            let last = counter.last().map_or(-1, |s| step_at(s.0));
            assert!(last >= acked, "step {acked} was acknowledged, seen is {last}");
            let first_ms = counter
                .iter()
                .map(|s| s.0)
                .find(|t| t % 2 != 0)
                .unwrap_or(i64::MAX);
            if self.has_age {
                assert!(
                    first_ms <= oldest_ms.max(time(0)) + STEP_MS || last < 0,
                    "from {first_ms}"
                );
            }
            let whole_ms = if self.has_age {
                oldest_ms.max(first_ms)
            } else {
                first_ms
            };
            for (kind, name) in KINDS.into_iter().enumerate() {
                let samples: BTreeMap<i64, u64> = of(kind, writer)
                    .iter()
                    .copied()
                    .filter(|(t, _)| t % 2 != 0)
                    .collect();
                for (t_ms, bits) in &samples {
                    let expect = value(kind, writer, step_at(*t_ms)).to_bits();
                    assert_eq!((*t_ms, *bits), (time(step_at(*t_ms)), expect), "{name}");
                }
                let all = steps(kind, last);
                let written = all.iter().filter(|s| samples.contains_key(&time(**s))).count();
                assert_eq!(
                    written,
                    samples.len(),
                    "{name} of {writer}: half a request until {last}"
                );
                // Late ones stand in blocks of their own, which retention by size takes sooner; at the edge anything goes.
                if kind == 4 || (kind == 2 && !self.has_age) {
                    continue;
                }
                let from_ms = if kind < 2 { first_ms } else { whole_ms };
                for step in all.into_iter().filter(|s| time(*s) >= from_ms) {
                    let is_there = samples.contains_key(&time(step));
                    let covers = |d: &&Deleted| kind == 3 && (d.0..=d.1).contains(&step);
                    if done.iter().any(|d| covers(&d)) {
                        assert!(!is_there, "step {step} of {writer} was deleted");
                        continue;
                    }
                    let mut by: Vec<usize> =
                        (0..under_way.len()).filter(|d| covers(&under_way[*d])).collect();
                    match (by.pop(), by.is_empty()) {
                        (None, _) => assert!(is_there, "step {step} of {name} of {writer}"),
                        (Some(only), true) if is_there => found[only].0 += 1,
                        (Some(only), true) => found[only].1 += 1,
                        _ => {}
                    }
                }
            }
            self.check_tiers(&seen, (writer, last), column, (&done, &begun));
        }
        for (there, gone) in found {
            assert!(
                there == 0 || gone == 0,
                "half a deletion: {there} are there, {gone} are not"
            );
        }
        (snapshot, seen)
    }

    fn check_tiers(
        &self,
        seen: &Seen,
        (writer, last): (usize, i64),
        column: TierColumn,
        (done, begun): (&[Deleted], &[Deleted]),
    ) {
        for kind in [0, 1, 3] {
            let Some(points) = seen.get(&(kind, writer)) else {
                continue;
            };
            if kind != 3 {
                let holes = points.windows(2).map(|w| w[1].0 - w[0].0);
                assert!(
                    holes.max() <= Some(LONG_MS + STEP_MS),
                    "a hole in {}",
                    KINDS[kind]
                );
                let first_ms = points[0].0;
                assert!(first_ms <= time(0) + LONG_MS, "all before {first_ms} is gone");
            }
            if column == TierColumn::Counter {
                if kind == 0 {
                    self.check_growth(points, (writer, last));
                }
                continue;
            }
            for (end_ms, bits) in points.iter().filter(|p| p.0 % 2 == 0) {
                let possible = [SHORT_MS, LONG_MS].map(|length_ms| {
                    let (first, last) = (step_at(end_ms - length_ms) + 1, step_at(*end_ms));
                    let overlaps = |d: &&Deleted| kind == 3 && d.0 <= last && d.1 >= first;
                    if begun.iter().filter(overlaps).count() > done.iter().filter(overlaps).count() {
                        return true;
                    }
                    let stays = |step: &i64| kind != 3 || !done.iter().any(|d| (d.0..=d.1).contains(step));
                    let values: Vec<f64> = (first.max(0)..=last)
                        .filter(stays)
                        .map(|s| value(kind, writer, s))
                        .collect();
                    of_column(column, &values).map(f64::to_bits) == Some(*bits)
                });
                assert!(
                    possible.contains(&true),
                    "{} of {writer}: {column:?} until {end_ms} is {}",
                    KINDS[kind],
                    f64::from_bits(*bits)
                );
            }
        }
    }

    /// From each bucket on, the counter grew by as much as its samples did.
    fn check_growth(&self, points: &[(i64, u64)], (writer, last): (usize, i64)) {
        let values: Vec<f64> = points.iter().map(|p| f64::from_bits(p.1)).collect();
        for (at, (t_ms, _)) in points.iter().enumerate().rev().filter(|(_, p)| p.0 % 2 == 0) {
            let samples: Vec<f64> = (step_at(*t_ms)..=last).map(|s| value(0, writer, s)).collect();
            let (found, expect) = (increase(&values[at..]), increase(&samples));
            assert!(
                (found - expect).abs() < 1e-6,
                "from {t_ms}: {found} instead of {expect}, {:?}",
                points[at..]
                    .iter()
                    .take(4)
                    .map(|p| (
                        (p.0 - T0) as f64 / 1e3,
                        f64::from_bits(p.1),
                        value(0, writer, step_at(p.0))
                    ))
                    .collect::<Vec<_>>()
            );
        }
    }
}

fn options(retention: Retention) -> MetricsOptions {
    let tier = |resolution_ms, age_ms| TierPolicy {
        resolution_ms,
        age_ms,
    };
    MetricsOptions {
        window_ms: 10_000,
        window_slack_ms: 2_000,
        ooo_window_ms: 20_000,
        log_size_max_bytes: 20_000,
        retention,
        tiers: vec![tier(SHORT_MS, Some(2 * AGE_MS)), tier(LONG_MS, None)],
        ..MetricsOptions::default()
    }
}

fn run(retention: Retention, seed: u64) {
    println!("seed {seed}");
    let dir = tempfile::tempdir().unwrap();
    let stage = Stage {
        store: MetricsStore::open(dir.path(), options(retention), T0).unwrap(),
        has_age: retention.age_ms.is_some(),
        acked: [const { AtomicI64::new(-1) }; WRITERS],
        clock_ms: AtomicI64::new(T0),
        looks: [const { AtomicI64::new(0) }; READERS],
        deletions: Mutex::new(Vec::new()),
        is_over: AtomicBool::new(false),
        has_failed: AtomicBool::new(false),
    };
    std::thread::scope(|scope| {
        let stage = &stage;
        let at_work: Vec<_> = (0..WRITERS)
            .map(|writer| scope.spawn(move || stage.write(writer)))
            .chain([
                scope.spawn(|| stage.maintain()),
                scope.spawn(|| stage.delete(seed)),
            ])
            .collect();
        for reader in 0..READERS {
            scope.spawn(move || stage.read(reader));
        }
        let ended: Vec<_> = at_work.into_iter().map(|w| w.join()).collect();
        stage.is_over.store(true, Ordering::Release);
        assert!(ended.iter().all(Result::is_ok));
    });
    stage.clock_ms.store(time(STEPS), Ordering::Release);
    for _ in 0..50 {
        stage.store.maintain(time(STEPS));
    }
    for column in COLUMNS {
        stage.check(column);
    }
    let stats = stage.store.stats();
    assert!(stats.tier_blocks > 0);
    let first_ms = look(&stage.store.snapshot(), TierColumn::Last)[&(1, 0)][0].0;
    assert_eq!(first_ms % 2, 0, "retention has taken samples");
    let before = COLUMNS.map(|column| look(&stage.store.snapshot(), column));
    drop(stage);
    let store = MetricsStore::open(dir.path(), options(retention), time(STEPS)).unwrap();
    let after = COLUMNS.map(|column| look(&store.snapshot(), column));
    assert!(before == after, "what was held is held");
}

#[test]
fn what_goes_by_age_or_is_deleted_goes_under_no_ones_eyes() {
    let retention = Retention {
        age_ms: Some(AGE_MS),
        size_bytes: None,
    };
    run(retention, 4711);
}

#[test]
fn what_goes_for_want_of_room_goes_under_no_ones_eyes() {
    let retention = Retention {
        age_ms: None,
        size_bytes: Some(42_000),
    };
    run(retention, 815);
}
