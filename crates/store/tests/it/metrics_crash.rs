//! Random operations, random crashes, and a plain map that knows what must be there.
//!
//! Floats, native histograms, start timestamps, exemplars and metadata are written, late and in order, deleted, outlived by
//! retention of either kind, downsampled, and backed up; the store goes on from a backup at times. What was acknowledged is there
//! after every restart, bit for bit; what is there was asked for; what has no room any more goes in whole blocks, the oldest
//! first. A failing run prints its seed; `LAPWING_SEED=n` runs that one alone, `LAPWING_SEEDS=n` as many.

use crate::fault_fs::{FaultFs, Rng};
use crate::live_blocks;
use lapwing_store::metrics::vfs::Vfs;
use lapwing_store::metrics::{
    AppendError, Durability, MaintenanceReport, MetricsOptions, MetricsStore, Retention, TierPolicy,
};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Counts, Exemplar, Histogram, Labels, Matcher, Metadata, MetricKind, ResetHint, Span};
use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// Samples stand at odd times, buckets of tiers at even ones.
const T0: i64 = 1_700_000_000_001;
const SEEDS: u64 = 400;
const OPERATIONS: u64 = 60;

/// Series below this are floats, of which the last two tell their starts; those from here on are histograms.
const HISTOGRAMS_FROM: u64 = 10;
const STARTS_FROM: u64 = 8;
const SERIES: u64 = 12;
/// With retention by age, samples older than this may go.
const RETAINED_MS: i64 = 240_000;
const TIER_MS: i64 = 30_000;
/// How densely buckets are filled in.
const FILLED_MS: i64 = TIER_MS / 2;
const SLACK_MS: i64 = 5_000;

/// Values by time, by series; of histograms their counts.
type Samples = BTreeMap<String, BTreeMap<i64, u64>>;

struct Run {
    rng: Rng,
    fs: FaultFs,
    dir: PathBuf,
    durability: Durability,
    store: Option<MetricsStore>,
    /// Acknowledged: must be there.
    owed: Samples,
    /// Asked for, but not acknowledged: may be there.
    possible: Samples,
    /// The request that a crash interrupted: there wholly or not at all.
    interrupted: Vec<(String, i64)>,
    /// Times of exemplars, by series; each has the labels of its time.
    exemplars: BTreeMap<String, Vec<i64>>,
    /// What was said last about a family and acknowledged; `None` where it was not.
    about: BTreeMap<String, Option<String>>,
    /// Retention by age.
    retains: bool,
    /// Retention by size: short windows, so that there are many blocks, and tiers of those that are gone.
    size_max_bytes: Option<u64>,
    /// Upkeep did not come to its end: blocks may have gone.
    is_unfinished: bool,
    is_full: bool,
    clock_ms: i64,
    /// Backups made so far.
    directories: u64,
}

fn series(number: u64) -> Labels {
    let (name, value) = (format!("m{}", number % 3), format!("v{number}"));
    Labels::from_pairs([("__name__", name.as_str()), ("i", value.as_str())]).unwrap()
}

/// The value of a series at a time is always the same, so that writing it again is a duplicate.
fn value(number: u64, t_ms: i64) -> f64 {
    let mut rng = Rng(number ^ t_ms as u64);
    if rng.one_in(8) {
        f64::from_bits(rng.next())
    } else {
        (rng.below(1000) as f64) / 10.0
    }
}

/// Of a series that tells it.
fn start(t_ms: i64) -> i64 {
    t_ms.div_euclid(50_000) * 50_000 - 1
}

fn number_of(labels: &str) -> u64 {
    let digits = labels
        .split("i=\"v")
        .nth(1)
        .and_then(|rest| rest.split('"').next());
    digits.and_then(|d| d.parse().ok()).unwrap()
}

fn count(number: u64, t_ms: i64) -> u64 {
    Rng(number ^ t_ms as u64).below(1_000)
}

fn histogram(count: u64) -> Histogram {
    Histogram {
        schema: 1,
        zero_threshold: 1e-9,
        sum: count as f64 * 0.5,
        counts: Counts::Int {
            zero: 0,
            count,
            positive: vec![count],
            negative: vec![],
        },
        positive_spans: vec![Span { offset: 2, length: 1 }],
        negative_spans: vec![],
        custom_bounds: Vec::new().into(),
        reset_hint: ResetHint::Unknown,
    }
}

fn all() -> Selection {
    Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    }
}

/// What a store holds, checked for what must hold of any: samples, and apart from them buckets of tiers.
fn read_both(store: &MetricsStore) -> (Samples, Samples) {
    let (mut found, mut buckets) = (Samples::new(), Samples::new());
    for selected in store.snapshot().select(&all()).unwrap() {
        let labels = selected.labels.to_string();
        let mut points = SeriesPoints::default();
        selected.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        assert!(
            points.times_ms.is_sorted_by(|a, b| a < b) && points.histograms.is_sorted_by(|a, b| a.0 < b.0),
            "times ascend without duplicates"
        );
        let mut last = SeriesPoints::default();
        selected.reader.read_last(i64::MIN, i64::MAX, &mut last).unwrap();
        assert_eq!(last.times_ms.last(), points.times_ms.last());
        assert_eq!(last.histograms.last(), points.histograms.last());
        let number = number_of(&labels);
        assert!(points.is_empty() || points.histograms.is_empty() == (number < HISTOGRAMS_FROM));
        for (at, t_ms) in points.times_ms.iter().enumerate().filter(|(_, t)| **t % 2 != 0) {
            let told = (number >= STARTS_FROM).then(|| start(*t_ms));
            assert_eq!(points.start_of(at), told, "the start of {labels} at {t_ms}");
        }
        let floats = points.values.iter().map(|v| v.to_bits());
        let mut samples: BTreeMap<i64, u64> = points.times_ms.iter().copied().zip(floats).collect();
        for (t_ms, histogram) in &points.histograms {
            assert_eq!(histogram.sum, histogram.count * 0.5);
            samples.insert(*t_ms, histogram.count as u64);
        }
        let (of_samples, of_buckets) = samples.into_iter().partition(|(t_ms, _)| t_ms % 2 != 0);
        buckets.insert(labels.clone(), of_buckets);
        assert!(found.insert(labels, of_samples).is_none(), "each series once");
    }
    (found, buckets)
}

fn read(store: &MetricsStore) -> Samples {
    read_both(store).0
}

impl Run {
    fn options(&self) -> MetricsOptions {
        let tier = TierPolicy {
            resolution_ms: TIER_MS,
            age_ms: None,
        };
        let is_short = self.size_max_bytes.is_some();
        MetricsOptions {
            retention: Retention {
                age_ms: self.retains.then_some(RETAINED_MS),
                size_bytes: self.size_max_bytes,
            },
            durability: self.durability,
            log_size_max_bytes: 400,
            window_ms: self.window_ms(),
            window_slack_ms: SLACK_MS,
            tiers: if self.retains { vec![] } else { vec![tier] },
            ooo_window_ms: if is_short { 40_000 } else { 120_000 },
            ..MetricsOptions::default()
        }
    }

    fn window_ms(&self) -> i64 {
        if self.size_max_bytes.is_some() {
            10_000
        } else {
            60_000
        }
    }

    fn open(&mut self) {
        let fs: Arc<dyn Vfs> = Arc::new(self.fs.clone());
        match MetricsStore::open_on(fs, &self.dir, self.options(), self.clock_ms) {
            Ok(store) => {
                assert_eq!(store.open_report().damaged, [], "a crash is no damage");
                assert_eq!(store.open_report().samples_without_series, 0);
                self.store = Some(store);
                self.check();
            }
            Err(error) => assert!(self.fs.is_crashed(), "opening failed: {error:?}"),
        }
    }

    fn restart(&mut self) {
        self.store = None;
        self.fs.restart(self.durability == Durability::Disk);
        if self.rng.one_in(4) {
            // It may stop again while it starts.
            self.fs.crash_after(self.rng.below(20));
            self.open();
            if self.store.is_some() && !self.fs.is_crashed() {
                return;
            }
            self.store = None;
            self.fs.restart(self.durability == Durability::Disk);
        }
        self.open();
    }

    fn check(&mut self) {
        if self.retains {
            self.let_go();
        }
        let Some(store) = &self.store else { return };
        let (found, buckets) = read_both(store);
        if std::mem::take(&mut self.is_unfinished) {
            self.let_go_of_blocks(&found);
        }
        self.check_buckets(&buckets);
        for (labels, owed) in &self.owed {
            for (t_ms, bits) in owed {
                let kept = found.get(labels).and_then(|s| s.get(t_ms));
                assert_eq!(kept, Some(bits), "{labels} at {t_ms} was acknowledged");
            }
        }
        for (labels, samples) in &found {
            for (t_ms, bits) in samples {
                let asked = [&self.owed, &self.possible]
                    .into_iter()
                    .any(|s| s.get(labels).and_then(|s| s.get(t_ms)) == Some(bits));
                assert!(asked, "nobody asked for {labels} at {t_ms}");
            }
        }
        let there = |(labels, t_ms): &(String, i64)| found.get(labels).is_some_and(|s| s.contains_key(t_ms));
        let count = self.interrupted.iter().filter(|s| there(s)).count();
        assert!(
            count == 0 || count == self.interrupted.len(),
            "half a request: {count} of {}",
            self.interrupted.len()
        );
        self.interrupted.clear();
        self.check_beside(&found);
    }

    /// Exemplars and metadata.
    fn check_beside(&self, found: &Samples) {
        let Some(store) = &self.store else { return };
        let snapshot = store.snapshot();
        for (labels, exemplars) in snapshot.exemplars(&all()).unwrap() {
            let asked = &self.exemplars[&labels.to_string()];
            for exemplar in exemplars {
                let t_ms = exemplar.t_ms.unwrap();
                assert!(
                    asked.contains(&t_ms),
                    "nobody asked for an exemplar of {labels} at {t_ms}"
                );
                assert_eq!(exemplar.labels.get("trace"), Some(t_ms.to_string().as_str()));
            }
        }
        for (family, help) in self.about.iter().filter_map(|(f, h)| Some((f, h.as_ref()?))) {
            // Metadata goes with the last series of its family.
            if found
                .iter()
                .any(|(l, s)| l.starts_with(family.as_str()) && !s.is_empty())
            {
                let kept = snapshot.metadata(Some(family));
                assert_eq!(kept.first().map(|k| &k.1.help), Some(help), "what {family} is");
            }
        }
    }

    /// What is older than retention may be there or not.
    fn let_go(&mut self) {
        let before_ms = self.clock_ms - RETAINED_MS;
        for (labels, samples) in &mut self.owed {
            let rest = samples.split_off(&before_ms);
            let gone = std::mem::replace(samples, rest);
            self.possible.entry(labels.clone()).or_default().extend(gone);
        }
    }

    fn maintain(&mut self) -> MaintenanceReport {
        let Some(store) = self.store.clone() else {
            return MaintenanceReport::default();
        };
        let Some(max_bytes) = self.size_max_bytes else {
            return store.maintain(self.clock_ms);
        };
        let before = live_blocks::named(&self.dir);
        let report = store.maintain(self.clock_ms);
        if self.fs.is_crashed() {
            self.is_unfinished = true;
            return report;
        }
        let after = live_blocks::named(&self.dir);
        if report.blocks_expired > 0 {
            self.let_go_of_blocks(&read(&store));
        }
        if report.failures.is_empty()
            && report.blocks_written + report.blocks_merged + report.tiers_written == 0
        {
            let gone = live_blocks::without(&before, &after);
            assert_eq!(gone.len(), report.blocks_expired);
            let last = gone
                .iter()
                .min_by_key(|b| (b.resolution_ms == 0, Reverse(b.max_ms), Reverse(b.size_bytes)));
            if let Some(last) = last {
                let rest = live_blocks::size_bytes(&after);
                assert!(
                    rest + last.size_bytes > max_bytes,
                    "there was room for the last that went"
                );
            }
        }
        self.check();
        report
    }

    /// Nothing is left to do: then what is kept fits.
    fn settle(&mut self) {
        let Some(max_bytes) = self.size_max_bytes else {
            return;
        };
        let mut idle = 0;
        for _ in 0..200 {
            let report = self.maintain();
            assert_eq!(report.failures, Vec::<String>::new());
            idle = if report.has_more || report.blocks_expired > 0 {
                0
            } else {
                idle + 1
            };
            if idle == 3 {
                let size_bytes = live_blocks::size_bytes(&live_blocks::named(&self.dir));
                assert!(size_bytes <= max_bytes, "{size_bytes} of {max_bytes} bytes");
                return;
            }
        }
        panic!("upkeep comes to no end");
    }

    /// What is not there any more went with whole blocks, of which none that remains is older; it may come back from the log.
    fn let_go_of_blocks(&mut self, found: &Samples) {
        let after = live_blocks::named(&self.dir);
        let samples = || after.iter().filter(|b| b.resolution_ms == 0);
        let oldest_ms = samples().map(|b| b.max_ms).min().unwrap_or(i64::MAX);
        let window_ms = self.window_ms();
        let flushed_ms = (self.clock_ms - SLACK_MS).div_euclid(window_ms) * window_ms;
        let mut lost = Vec::new();
        for (labels, samples) in &mut self.owed {
            let there = found.get(labels);
            for (t_ms, bits) in samples
                .iter()
                .filter(|(t, _)| there.is_none_or(|s| !s.contains_key(*t)))
            {
                lost.push((labels.clone(), *t_ms, *bits));
            }
        }
        for (labels, t_ms, bits) in lost {
            assert!(
                t_ms <= oldest_ms,
                "{labels} at {t_ms} went before a block until {oldest_ms}"
            );
            assert!(t_ms < flushed_ms, "{labels} at {t_ms} was in no block yet");
            self.owed.entry(labels.clone()).or_default().remove(&t_ms);
            self.possible.entry(labels).or_default().insert(t_ms, bits);
        }
        // A tier keeps single histograms, and shows them for as long as no late sample stands in a block of that time.
        let histograms = self
            .owed
            .iter_mut()
            .filter(|(l, _)| number_of(l) >= HISTOGRAMS_FROM);
        for (labels, owed) in histograms {
            let is_in_block = |t_ms: &i64| samples().any(|b| (b.min_ms..=b.max_ms).contains(t_ms));
            let in_tier: BTreeMap<i64, u64> = owed
                .extract_if(..flushed_ms, |t_ms, _| !is_in_block(t_ms))
                .collect();
            self.possible.entry(labels.clone()).or_default().extend(in_tier);
        }
    }

    /// The last value of a bucket is one that was asked for in it, or (where it is filled in) in the one before.
    fn check_buckets(&self, buckets: &Samples) {
        for (labels, buckets) in buckets {
            let asked = [&self.owed, &self.possible].map(|s| s.get(labels));
            for (end_ms, bits) in buckets {
                assert_eq!(end_ms % FILLED_MS, 0, "{labels}");
                let within = end_ms - TIER_MS - end_ms.rem_euclid(TIER_MS) + 1..=*end_ms;
                let known = asked
                    .iter()
                    .flatten()
                    .any(|s| s.range(within.clone()).any(|s| s.1 == bits));
                assert!(known, "nobody asked for the bucket of {labels} at {end_ms}");
            }
        }
    }

    /// A backup holds what the store holds; at times the store goes on from it.
    fn back_up(&mut self) {
        let Some(store) = self.store.clone() else { return };
        self.directories += 1;
        let parent = self.dir.parent().unwrap().to_owned();
        let copy = parent.join(format!("backup-{}", self.directories));
        let before = read(&store);
        if let Err(error) = store.backup(&copy) {
            assert!(self.fs.is_crashed() || self.is_full, "{error:?}");
            return;
        }
        assert!(MetricsStore::verify_dir(&copy).unwrap().is_whole());
        let back = parent.join(format!("store-{}", self.directories));
        MetricsStore::restore(&copy, &back).unwrap();
        let restored = MetricsStore::open(&back, self.options(), self.clock_ms).unwrap();
        assert_eq!(read(&restored), before, "a backup holds what the store held");
        drop(restored);
        if self.rng.one_in(3) {
            // Written by the real file system: to the faulty one all of it is on the device.
            self.store = None;
            self.dir = back;
            self.open();
        }
    }

    fn write(&mut self) {
        let Some(store) = self.store.clone() else { return };
        self.clock_ms += self.rng.below(10_000) as i64 * 2;
        let mut appender = store.appender("test", self.clock_ms);
        let mut asked: Vec<(String, i64, u64)> = Vec::new();
        for _ in 0..=self.rng.below(12) {
            let number = self.rng.below(SERIES);
            let late_ms = if self.rng.one_in(4) {
                self.rng.below(75_000) as i64 * 2
            } else {
                0
            };
            let t_ms = self.clock_ms - late_ms;
            let labels = series(number);
            let reference = appender.series(&labels).unwrap();
            let bits = if number < HISTOGRAMS_FROM {
                appender.push(reference, t_ms, value(number, t_ms));
                value(number, t_ms).to_bits()
            } else {
                let count = count(number, t_ms);
                appender.push_histogram(reference, t_ms, histogram(count));
                count
            };
            if (STARTS_FROM..HISTOGRAMS_FROM).contains(&number) {
                appender.push_start(reference, t_ms, start(t_ms));
            }
            if self.rng.one_in(6) {
                let trace = t_ms.to_string();
                let exemplar = Exemplar {
                    labels: Labels::from_pairs([("trace", trace.as_str())]).unwrap(),
                    value: 1.0,
                    t_ms: Some(t_ms),
                };
                appender.push_exemplar(reference, exemplar);
                self.exemplars.entry(labels.to_string()).or_default().push(t_ms);
            }
            asked.push((labels.to_string(), t_ms, bits));
        }
        let about = self.rng.one_in(5).then(|| {
            (
                format!("m{}", self.rng.below(3)),
                (self.clock_ms / 100_000).to_string(),
            )
        });
        if let Some((family, help)) = &about {
            let metadata = Metadata {
                kind: MetricKind::Gauge,
                help: help.clone(),
                unit: String::new(),
            };
            appender.metadata(family, metadata);
            self.about.insert(family.clone(), None);
        }
        match appender.commit() {
            Ok(outcome) => {
                self.about
                    .extend(about.map(|(family, help)| (family, Some(help))));
                for refused in &outcome.refused {
                    let key = (refused.labels.to_string(), refused.t_ms.unwrap());
                    asked.retain(|(labels, t_ms, _)| (labels, t_ms) != (&key.0, &key.1));
                }
                for (labels, t_ms, bits) in asked {
                    self.owed.entry(labels).or_default().insert(t_ms, bits);
                }
            }
            Err(error) => {
                let new = |s: &(String, i64, u64)| {
                    [&self.owed, &self.possible]
                        .into_iter()
                        .all(|m| m.get(&s.0).is_none_or(|m| !m.contains_key(&s.1)))
                };
                if self.fs.is_crashed() {
                    // Those that are too old are not in it; they cannot be told apart here.
                    let newest = asked.iter().filter(|s| s.1 == self.clock_ms);
                    self.interrupted = newest.filter(|s| new(s)).map(|s| (s.0.clone(), s.1)).collect();
                }
                for (labels, t_ms, bits) in asked {
                    self.possible.entry(labels).or_default().insert(t_ms, bits);
                }
                assert!(
                    self.fs.is_crashed() || matches!(error, AppendError::DiskFull),
                    "{error:?}"
                );
            }
        }
    }

    fn delete(&mut self) {
        let Some(store) = &self.store else { return };
        let (name, end_ms) = (
            format!("m{}", self.rng.below(3)),
            self.clock_ms - self.rng.below(60_000) as i64,
        );
        let start_ms = end_ms - self.rng.below(30_000) as i64;
        let done = store
            .delete(&[Matcher::equal("__name__", name.as_str())], start_ms, end_ms)
            .is_ok();
        for (labels, samples) in &mut self.owed {
            if labels.starts_with(&name) {
                let gone: Vec<(i64, u64)> = samples.range(start_ms..=end_ms).map(|(t, v)| (*t, *v)).collect();
                for (t_ms, bits) in gone {
                    samples.remove(&t_ms);
                    if !done {
                        self.possible
                            .entry(labels.clone())
                            .or_default()
                            .insert(t_ms, bits);
                    }
                }
            }
        }
        for (labels, samples) in &mut self.possible {
            if done && labels.starts_with(&name) {
                samples.retain(|t, _| !(start_ms..=end_ms).contains(t));
            }
        }
    }

    fn set_full(&mut self, is_full: bool) {
        self.is_full = is_full;
        self.fs.set_full(is_full);
    }

    fn step(&mut self) {
        match self.rng.below(21) {
            20 => self.back_up(),
            0 => self.fs.crash_after(self.rng.below(40)),
            1 => self.set_full(true),
            2 | 3 => self.set_full(false),
            4 => self.restart(),
            5 => self.delete(),
            6 => self.check(),
            7..=9 => drop(self.maintain()),
            _ => self.write(),
        }
        if self.fs.is_crashed() {
            self.restart();
        }
    }
}

fn run(seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let mut rng = Rng(seed);
    let durability = if rng.one_in(2) {
        Durability::Disk
    } else {
        Durability::Process
    };
    let retains = rng.one_in(3);
    let sizes = (!retains && rng.one_in(4)).then(|| 4_000 + rng.below(20_000));
    let mut run = Run {
        fs: FaultFs::new(rng.next()),
        rng,
        dir: dir.path().join("store-0"),
        retains,
        size_max_bytes: sizes,
        is_unfinished: false,
        durability,
        store: None,
        owed: Samples::new(),
        possible: Samples::new(),
        interrupted: Vec::new(),
        exemplars: BTreeMap::new(),
        about: BTreeMap::new(),
        is_full: false,
        clock_ms: T0,
        directories: 0,
    };
    run.open();
    let operations = if sizes.is_some() {
        OPERATIONS * 2
    } else {
        OPERATIONS
    };
    for _ in 0..operations {
        run.step();
    }
    run.restart();
    run.fs.restart(false);
    run.settle();
    run.check();
}

/// A quarter of the seeds, or what the environment says.
fn run_seeds(quarter: u64) {
    let number = |name: &str| std::env::var(name).ok().and_then(|v| v.parse::<u64>().ok());
    let seeds = match number("LAPWING_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("LAPWING_SEEDS").unwrap_or(SEEDS),
    };
    for seed in seeds.filter(|seed| seed % 4 == quarter) {
        if let Err(panic) = std::panic::catch_unwind(|| run(seed)) {
            eprintln!("the seed is {seed}");
            std::panic::resume_unwind(panic);
        }
    }
}

#[test]
fn nothing_acknowledged_is_lost_first_quarter() {
    run_seeds(0);
}

#[test]
fn nothing_acknowledged_is_lost_second_quarter() {
    run_seeds(1);
}

#[test]
fn nothing_acknowledged_is_lost_third_quarter() {
    run_seeds(2);
}

#[test]
fn nothing_acknowledged_is_lost_last_quarter() {
    run_seeds(3);
}

#[test]
fn a_failed_sync_poisons_the_log_until_it_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultFs::new(1);
    let options = || MetricsOptions {
        durability: Durability::Disk,
        ..MetricsOptions::default()
    };
    let store = MetricsStore::open_on(Arc::new(fs.clone()), dir.path(), options(), T0).unwrap();
    let write = |store: &MetricsStore, t_ms: i64| {
        let mut appender = store.appender("test", T0);
        let found = appender.series(&series(1)).unwrap();
        appender.push(found, t_ms, 1.0);
        appender.commit()
    };
    write(&store, T0).unwrap();
    fs.fail_syncs();
    assert!(matches!(write(&store, T0 + 1), Err(AppendError::Poisoned)));
    fs.restart(false);
    assert!(matches!(write(&store, T0 + 2), Err(AppendError::Poisoned)));
    assert!(store.numbers().log_poisoned);
    drop(store);
    let store = MetricsStore::open_on(Arc::new(fs), dir.path(), options(), T0).unwrap();
    write(&store, T0 + 2).unwrap();
}
