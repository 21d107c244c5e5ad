//! Replay needs no more memory than running did: by the store's own account, and by the kernel's of a process that does nothing
//! else.
//!
//! Each load runs in one process, which ends without closing its store, and is replayed in another: the same test, told by the
//! environment which part is its own.

use crate::fault_fs::Rng;
use lapwing_store::metrics::vfs::{RealFs, Vfs, VfsFile};
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Counts, Histogram, Labels, ResetHint, Span};
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

const T0: i64 = 1_700_000_000_000;
const MIB: u64 = 1 << 20;
const LIMIT_BYTES: u64 = 8 * MIB;
/// Of the account: what may come before it is measured again, and where half of what is left over may stand.
const ACCOUNT_SLACK_BYTES: u64 = LIMIT_BYTES / 4;
/// Of the process: what waits between threads, and what the allocator holds for each of them.
const PROCESS_SLACK_BYTES: u64 = 20 * MIB;
const PHASE: &str = "LAPWING_REPLAY_PHASE";

/// A file system where checkpoints have no room: the log grows for as long as the store runs. Perhaps blocks have none either.
struct NoCheckpoints {
    has_blocks: bool,
}

impl Vfs for NoCheckpoints {
    fn create(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        match path.extension().is_some_and(|e| e == "ckpt") {
            true => Err(io::ErrorKind::StorageFull.into()),
            false => RealFs.create(path),
        }
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn VfsFile>> {
        RealFs.open(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        RealFs.remove_dir_all(path)
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        if !self.has_blocks && path.ends_with("blocks") {
            return Err(io::ErrorKind::StorageFull.into());
        }
        RealFs.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<String>> {
        RealFs.list(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        RealFs.sync_dir(path)
    }

    fn hard_link(&self, from: &Path, to: &Path) -> io::Result<()> {
        RealFs.hard_link(from, to)
    }
}

/// What a store is loaded with: so many requests, one after the other.
struct Load {
    name: &'static str,
    requests: i64,
    has_checkpoints: bool,
    request: fn(&MetricsStore, i64),
}

const LOADS: [Load; 7] = [
    Load {
        name: "many small requests",
        requests: 20_000,
        has_checkpoints: true,
        request: |store, number| floats(store, number, 4, 100),
    },
    Load {
        name: "one huge request, sent again and again",
        requests: 25,
        has_checkpoints: true,
        request: |store, _| again(store, 200_000),
    },
    Load {
        name: "more series than there is room for",
        requests: 200,
        has_checkpoints: true,
        request: |store, number| new_series(store, number, 200),
    },
    Load {
        name: "late samples",
        requests: 600,
        has_checkpoints: true,
        request: late,
    },
    Load {
        name: "a log that no checkpoint cuts, of histograms",
        requests: 1_200,
        has_checkpoints: false,
        request: histograms,
    },
    Load {
        name: "a log that no checkpoint cuts, of late samples",
        requests: 3_000,
        has_checkpoints: false,
        request: late,
    },
    Load {
        name: "a log that no checkpoint cuts, of series that come and go",
        requests: 3_000,
        has_checkpoints: false,
        request: |store, number| short_lived(store, number, 40),
    },
];

fn labels(number: i64) -> Labels {
    let number = number.to_string();
    Labels::from_pairs([("__name__", "m"), ("number", number.as_str())]).unwrap()
}

/// Nothing makes it small.
fn noise(number: i64) -> f64 {
    f64::from_bits(Rng(number as u64).next() >> 2)
}

fn write(store: &MetricsStore, now_ms: i64, samples: impl Iterator<Item = (i64, i64)>) {
    let mut appender = store.appender("test", now_ms);
    for (series, t_ms) in samples {
        if let Ok(found) = appender.series(&labels(series)) {
            appender.push(found, t_ms, noise(series ^ t_ms));
        }
    }
    appender.commit().unwrap();
}

fn floats(store: &MetricsStore, number: i64, count: i64, requests_per_s: i64) {
    let t_ms = T0 + number * 1_000 / requests_per_s;
    write(
        store,
        t_ms,
        (0..count).map(|i| ((number * count + i) % count.max(400), t_ms)),
    );
}

fn again(store: &MetricsStore, count: usize) {
    let mut appender = store.appender("test", T0);
    let found: Vec<_> = (0..1_000).map(|i| appender.series(&labels(i)).unwrap()).collect();
    for (series, reference) in found.iter().enumerate().cycle().take(count) {
        appender.push(*reference, T0, noise(series as i64));
    }
    appender.commit().unwrap();
}

fn new_series(store: &MetricsStore, number: i64, count: i64) {
    let t_ms = T0 + number * 1_000;
    write(store, t_ms, (0..count).map(|i| (number * count + i, t_ms)));
}

/// Others every ten seconds.
fn short_lived(store: &MetricsStore, number: i64, count: i64) {
    let t_ms = T0 + number * 1_000;
    let mut appender = store.appender("test", t_ms);
    for i in 0..count {
        let name = format!("{:0>600}", number / 10 * count + i);
        let labels = Labels::from_pairs([("__name__", "m"), ("container", name.as_str())]).unwrap();
        if let Ok(found) = appender.series(&labels) {
            appender.push(found, t_ms, noise(i ^ t_ms));
        }
    }
    appender.commit().unwrap();
}

fn late(store: &MetricsStore, number: i64) {
    let t_ms = T0 + number * 1_000;
    let late_ms = |i: i64| t_ms - 500 - (i * 37 + number) % 90 * 1_000;
    write(store, t_ms, (0..60).flat_map(|i| [(i, t_ms), (i, late_ms(i))]));
}

fn histograms(store: &MetricsStore, number: i64) {
    let t_ms = T0 + number * 1_000;
    let mut rng = Rng(number as u64);
    let mut appender = store.appender("test", t_ms);
    for i in 0..100 {
        let positive: Vec<u64> = (0..40).map(|_| rng.below(1 << 30)).collect();
        let histogram = Histogram {
            reset_hint: ResetHint::Unknown,
            schema: 3,
            zero_threshold: 0.001,
            sum: number as f64,
            positive_spans: vec![Span {
                offset: 0,
                length: 40,
            }],
            negative_spans: vec![],
            counts: Counts::Int {
                count: positive.iter().sum(),
                zero: 0,
                positive,
                negative: vec![],
            },
            custom_bounds: Vec::new().into(),
        };
        let found = appender.series(&labels(i)).unwrap();
        appender.push_histogram(found, t_ms, histogram);
    }
    appender.commit().unwrap();
}

fn open(dir: &Path, load: &Load) -> MetricsStore {
    if load.has_checkpoints {
        open_on(Arc::new(RealFs), dir, LIMIT_BYTES)
    } else {
        open_on(Arc::new(NoCheckpoints { has_blocks: true }), dir, LIMIT_BYTES)
    }
}

fn open_on(fs: Arc<dyn Vfs>, dir: &Path, memory_limit_bytes: u64) -> MetricsStore {
    let options = MetricsOptions {
        memory_limit_bytes,
        window_ms: 60_000,
        window_slack_ms: 5_000,
        ooo_window_ms: 120_000,
        page_cache_bytes: 1 << 20,
        retention: Retention {
            age_ms: None,
            size_bytes: None,
        },
        tiers: vec![],
        ..MetricsOptions::default()
    };
    MetricsStore::open_on(fs, dir, options, T0).unwrap()
}

/// The most that this process ever had in memory.
fn process_peak_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|l| l.trim().split(' ').next()?.parse::<u64>().ok());
    kib.unwrap_or(0) * 1024
}

/// Everything that is in the store, series by series.
fn each_series(store: &MetricsStore, mut look: impl FnMut(&Labels, SeriesPoints)) {
    let everything = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    for selected in store.snapshot().select(&everything).unwrap() {
        let mut points = SeriesPoints::default();
        selected.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        look(&selected.labels, points);
    }
}

/// Number of samples, and a number that hangs on all of them.
fn contents(store: &MetricsStore) -> (usize, u64) {
    let (mut count, mut sum) = (0, 0u64);
    each_series(store, |_, points| {
        count += points.len();
        for (t_ms, value) in points.times_ms.iter().zip(&points.values) {
            sum = sum.wrapping_add(Rng(*t_ms as u64 ^ value.to_bits()).next());
        }
        for (t_ms, histogram) in &points.histograms {
            sum = sum.wrapping_add(Rng(*t_ms as u64 ^ histogram.count.to_bits()).next());
        }
    });
    (count, sum)
}

/// Samples of each series.
fn by_name(store: &MetricsStore) -> BTreeMap<String, Vec<(i64, u64)>> {
    let mut all = BTreeMap::new();
    each_series(store, |labels, points| {
        let bits = points.values.iter().map(|v| v.to_bits());
        let samples = points.times_ms.iter().copied().zip(bits).collect();
        assert!(all.insert(labels.to_string(), samples).is_none());
    });
    all
}

fn report(process_bytes: u64, account_bytes: u64, store: &MetricsStore) {
    let (count, sum) = contents(store);
    println!("\nmeasured {process_bytes} {account_bytes} {count} {sum}");
}

/// The part of a child: ends without a word to its store.
fn play(phase: &str, load: &Load, dir: &Path) {
    let store = open(dir, load);
    let mut account_bytes = store.open_report().memory_peak_bytes;
    if phase == "run" {
        for number in 0..load.requests {
            (load.request)(&store, number);
            if number % (load.requests / 60).max(1) == 0 {
                account_bytes = account_bytes.max(store.numbers().memory.total_bytes());
                store.maintain(T0 + number * 1_000);
            }
        }
        account_bytes = account_bytes.max(store.numbers().memory.total_bytes());
    }
    report(process_peak_bytes(), account_bytes, &store);
    std::process::exit(0);
}

/// Peak of the process, peak of the account, number and sum of samples.
fn child(phase: &str, number: usize, dir: &Path) -> [u64; 4] {
    let test = "metrics_replay::replay_takes_no_more_memory_than_running_did";
    let output = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(PHASE, format!("{phase} {number} {}", dir.display()))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let measured = text.lines().find_map(|l| l.strip_prefix("measured "));
    let Some(measured) = measured else {
        panic!(
            "{phase} {number}: {text}{}",
            String::from_utf8_lossy(&output.stderr)
        );
    };
    let numbers: Vec<u64> = measured.split(' ').map(|n| n.parse().unwrap()).collect();
    numbers.try_into().unwrap()
}

#[test]
fn replay_takes_no_more_memory_than_running_did() {
    if let Ok(phase) = std::env::var(PHASE) {
        let mut words = phase.splitn(3, ' ');
        let (phase, number) = (
            words.next().unwrap(),
            words.next().unwrap().parse::<usize>().unwrap(),
        );
        play(phase, &LOADS[number], Path::new(words.next().unwrap()));
    }
    for (number, load) in LOADS.iter().enumerate() {
        let dir = tempfile::tempdir().unwrap();
        let [ran_process, ran_account, held, sum] = child("run", number, dir.path());
        let [process, account, replayed, replayed_sum] = child("open", number, dir.path());
        println!(
            "{}: {held} samples; running {ran_process} and {ran_account} bytes, replay {process} and {account}",
            load.name
        );
        assert_eq!((replayed, replayed_sum), (held, sum), "{}", load.name);
        assert!(
            account <= ran_account.max(LIMIT_BYTES / 2) + ACCOUNT_SLACK_BYTES,
            "{}: replay accounts for {account} bytes, running for {ran_account}",
            load.name
        );
        assert!(
            process <= ran_process + PROCESS_SLACK_BYTES,
            "{}: replay took {process} bytes, running {ran_process}",
            load.name
        );
    }
}

#[test]
fn a_store_that_may_have_less_than_before_opens_with_what_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let load = &LOADS[3];
    let store = open(dir.path(), load);
    for number in 0..300 {
        (load.request)(&store, number);
    }
    let before = contents(&store);
    drop(store);
    let options = MetricsOptions {
        memory_limit_bytes: 100_000,
        window_ms: 60_000,
        window_slack_ms: 5_000,
        ..MetricsOptions::default()
    };
    let reopen = || MetricsStore::open(dir.path(), options.clone(), T0).unwrap();
    let store = reopen();
    assert!(store.open_report().blocks_written > 0);
    let replayed = store.open_report().samples_replayed;
    let peak_bytes = store.open_report().memory_peak_bytes;
    assert!(peak_bytes < 1_000_000, "{peak_bytes} bytes");
    assert_eq!(contents(&store), before);
    drop(store);
    let store = reopen();
    assert!(
        store.open_report().samples_replayed < replayed / 2,
        "a checkpoint has cut the log"
    );
    assert_eq!(contents(&store), before);
}

#[test]
fn a_series_that_left_keeps_its_samples_through_crashes() {
    let dir = tempfile::tempdir().unwrap();
    let load = &LOADS[6];
    let write = |store: &MetricsStore, numbers: Range<i64>| {
        for number in numbers {
            (load.request)(store, number);
            if number % 50 == 0 {
                store.maintain(T0 + number * 1_000);
            }
        }
        by_name(store)
    };
    let store = open(dir.path(), load);
    let before = write(&store, 0..1_500);
    drop(store);
    let store = open(dir.path(), load);
    assert!(store.open_report().blocks_written > 0, "memory was short");
    assert!(store.open_report().series < before.len() / 2, "most have left");
    assert_eq!(store.open_report().samples_without_series, 0);
    assert!(by_name(&store) == before);
    // The log still speaks of them, so that none of these may take the place of one.
    let before = write(&store, 1_500..1_800);
    drop(store);
    for (has_blocks, limit_bytes) in [(false, LIMIT_BYTES), (true, LIMIT_BYTES << 10)] {
        let store = open_on(Arc::new(NoCheckpoints { has_blocks }), dir.path(), limit_bytes);
        assert_eq!(store.open_report().blocks_written, 0);
        assert_eq!(store.open_report().series, before.len(), "none can leave");
        assert!(by_name(&store) == before);
    }
}
