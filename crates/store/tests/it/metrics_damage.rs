//! Damage anywhere in a block: what is read is right, what is missing is listed, and work goes on.
//!
//! The oracle is the list of all samples. For each place, a copy of the store gets one flipped bit (or its file ends there); then
//! every sample must either be read as it was or lie in a stretch that the store says is lost.

use crate::fault_fs::Rng;
use lapwing_store::metrics::block::{Block, PageCache};
use lapwing_store::metrics::{LostStretch, MetricsOptions, MetricsStore};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, Matcher};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

const T0: i64 = 43_200_000 * 39_352;
const STEP_MS: i64 = 15_000;
const SERIES: usize = 40;

type Samples = BTreeMap<Labels, Vec<(i64, u64)>>;

fn options() -> MetricsOptions {
    MetricsOptions {
        window_ms: 600_000,
        window_slack_ms: 30_000,
        ooo_window_ms: 900_000,
        // A pass takes two rounds.
        scrub_bytes_per_s: 1 << 20,
        ..MetricsOptions::default()
    }
}

fn labels(number: usize) -> Labels {
    let (name, host) = (format!("metric_{}", number % 4), format!("host-{number:03}"));
    Labels::from_pairs([("__name__", name.as_str()), ("host", host.as_str())]).unwrap()
}

fn value(number: usize, step: i64) -> f64 {
    ((step * 37 + number as i64 * 11) % 1_009) as f64 / 7.0
}

fn scrape(store: &MetricsStore, steps: std::ops::Range<i64>) -> Vec<String> {
    let mut failures = Vec::new();
    for step in steps {
        let t_ms = T0 + step * STEP_MS;
        let mut appender = store.appender("test", t_ms);
        for number in 0..SERIES {
            let found = appender.series(&labels(number)).unwrap();
            appender.push(found, t_ms, value(number, step));
        }
        appender.commit().unwrap();
        if step % 5 == 0 {
            failures.extend(store.maintain(t_ms).failures);
        }
    }
    failures
}

fn truth(steps: i64) -> Samples {
    let of = |number| (0..steps).map(move |step| (T0 + step * STEP_MS, value(number, step).to_bits()));
    (0..SERIES)
        .map(|number| (labels(number), of(number).collect()))
        .collect()
}

fn read(store: &MetricsStore, matchers: Vec<Matcher>) -> Samples {
    let selection = Selection {
        matchers,
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let snapshot = store.snapshot();
    snapshot.label_names(&selection).unwrap();
    snapshot.label_values("host", &selection).unwrap();
    let selected = snapshot.select(&selection).unwrap();
    let read = selected.into_iter().map(|one| {
        let mut points = SeriesPoints::default();
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        let values = points.values.iter().map(|v| v.to_bits());
        (one.labels, points.times_ms.iter().copied().zip(values).collect())
    });
    read.collect()
}

/// A store with blocks of two sizes, and its blocks with their ranges.
fn prepare(dir: &Path, steps: i64) -> Vec<(PathBuf, (i64, i64))> {
    let store = MetricsStore::open(dir, options(), T0).unwrap();
    assert_eq!(scrape(&store, 0..steps), Vec::<String>::new());
    drop(store);
    let mut blocks: Vec<_> = std::fs::read_dir(dir.join("blocks"))
        .unwrap()
        .map(|e| e.unwrap().path())
        .collect();
    blocks.sort();
    let ranged = blocks.into_iter().map(|path| {
        let block = Block::open(&path, &PageCache::new(1 << 20)).unwrap();
        (path, (block.meta().min_ms, block.meta().max_ms))
    });
    ranged.collect()
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).unwrap();
        }
    }
}

/// Everything is there as it was, or listed as lost.
fn check(store: &MetricsStore, truth: &Samples, range: (i64, i64), hurt: Hurt, what: &str) {
    let found = read(store, vec![]);
    store.maintain(T0);
    let stats = store.stats();
    // A block that ends before its index can be opened no more; one flipped bit never does that.
    let unreadable = !stats.blocks_unreadable.is_empty();
    assert!(
        !unreadable || matches!(hurt, Hurt::CutOff),
        "{what}: {:?}",
        stats.blocks_unreadable
    );
    let lost: Vec<&LostStretch> = stats.lost.iter().flat_map(|l| &l.stretches).collect();
    let excused = |labels: &Labels, t_ms: i64| {
        let in_block = (range.0..=range.1).contains(&t_ms);
        in_block
            && (unreadable
                || lost.iter().any(|l| {
                    l.series.as_ref().is_none_or(|s| s == labels) && (l.start_ms..=l.end_ms).contains(&t_ms)
                }))
    };
    for (labels, samples) in truth {
        let read: BTreeMap<i64, u64> = found.get(labels).into_iter().flatten().copied().collect();
        for (t_ms, bits) in samples {
            match read.get(t_ms) {
                Some(read) => assert_eq!(read, bits, "{what}: {labels} at {t_ms}"),
                None => assert!(excused(labels, *t_ms), "{what}: {labels} at {t_ms} is missing"),
            }
        }
        assert!(
            read.len() <= samples.len(),
            "{what}: samples of {labels} that never were"
        );
    }
    assert!(
        found.keys().all(|l| truth.contains_key(l)),
        "{what}: a series that never was"
    );
    // What matchers select is part of it, however the index was hurt.
    for (labels, samples) in read(store, vec![Matcher::equal("__name__", "metric_2")]) {
        assert!(labels.metric_name() == Some("metric_2"), "{what}");
        assert!(samples.iter().all(|s| truth[&labels].contains(s)), "{what}");
    }
}

#[derive(Clone, Copy)]
enum Hurt {
    Flipped,
    CutOff,
}

fn damage_everywhere(places: u64, hurt: Hurt) {
    let dir = tempfile::tempdir().unwrap();
    let (whole, steps) = (dir.path().join("whole"), 330);
    let blocks = prepare(&whole, steps);
    let truth = truth(steps);
    let mut rng = Rng(20_261_121);
    println!("seed {}", rng.0);
    let largest = blocks.iter().max_by_key(|b| b.1.1 - b.1.0).unwrap();
    let smallest = blocks.iter().min_by_key(|b| b.1.1 - b.1.0).unwrap();
    for (path, range) in [largest, smallest] {
        let bytes = std::fs::read(path.join("pages")).unwrap();
        for place in 0..places {
            let at = (bytes.len() as u64 * place / places + rng.below(bytes.len() as u64 / places)) as usize;
            let target = dir
                .path()
                .join(format!("{}-{place}", path.file_name().unwrap().display()));
            copy(&whole, &target);
            let mut hurt_bytes = bytes.clone();
            match hurt {
                Hurt::Flipped => hurt_bytes[at] ^= 1 << rng.below(8),
                Hurt::CutOff => hurt_bytes.truncate(at),
            }
            std::fs::write(
                target.join(path.strip_prefix(&whole).unwrap()).join("pages"),
                hurt_bytes,
            )
            .unwrap();
            let what = format!("byte {at} of {} in {}", bytes.len(), path.display());
            let store = MetricsStore::open(&target, options(), T0).unwrap();
            check(&store, &truth, *range, hurt, &what);
            let verified = store.verify().unwrap();
            assert!(!verified.is_whole(), "{what}: verify sees nothing");
            drop(store);
            std::fs::remove_dir_all(target).unwrap();
        }
    }
}

#[test]
fn a_flipped_bit_anywhere_in_a_block_loses_only_what_is_listed() {
    damage_everywhere(48, Hurt::Flipped);
}

#[test]
fn a_block_that_ends_early_loses_only_what_is_listed() {
    damage_everywhere(24, Hurt::CutOff);
}

#[test]
fn damage_is_found_in_the_background_and_holds_nothing_up() {
    let dir = tempfile::tempdir().unwrap();
    let blocks = prepare(dir.path(), 500);
    // In the first page, which holds values.
    let (path, range) = blocks.first().unwrap();
    let mut bytes = std::fs::read(path.join("pages")).unwrap();
    bytes[60] ^= 16;
    std::fs::write(path.join("pages"), bytes).unwrap();
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    assert_eq!(store.stats().pages_quarantined, []);
    let now_ms = T0 + 500 * STEP_MS;
    assert_eq!(store.maintain(now_ms).scrubbed_bytes, 0);
    let report = store.maintain(now_ms + 10_000);
    assert!(report.scrubbed_bytes > 0);
    assert_eq!(report.blocks_newly_damaged, 1);
    let stats = store.stats();
    assert_eq!(stats.pages_quarantined.len(), 1);
    assert!(stats.lost[0].count > 0);
    let stretch = &stats.lost[0].stretches[0];
    assert!(stretch.start_ms >= range.0 && stretch.end_ms <= range.1 && stretch.series.is_some());
    // A pass a day, and no damage reported twice.
    let again = store.maintain(now_ms + 20_000);
    assert_eq!((again.scrubbed_bytes, again.blocks_newly_damaged), (0, 0));
    assert!(store.maintain(now_ms + 86_410_000).scrubbed_bytes > 0);
    // Blocks are merged beside the damaged one, which stays, until retention takes it.
    let failures = scrape(&store, 500..1_400);
    assert_eq!(failures, Vec::<String>::new());
    assert!(
        path.is_dir() && store.numbers().blocks < 16,
        "{} blocks",
        store.numbers().blocks
    );
    let mut found = read(&store, vec![]);
    let newer = found.remove(&labels(7)).unwrap();
    assert!(newer.iter().filter(|s| s.0 > range.1).count() as i64 >= 1_400 - 1 - (range.1 - T0) / STEP_MS);
    // Deleting reaches what can still be read of it.
    store
        .delete(&[Matcher::equal("host", "host-007")], i64::MIN, i64::MAX)
        .unwrap();
    assert!(!read(&store, vec![]).contains_key(&labels(7)));
}

#[test]
fn a_merge_that_meets_damage_goes_on_without_that_block() {
    let dir = tempfile::tempdir().unwrap();
    // One window's block, which is to be merged with three others.
    let blocks = prepare(dir.path(), 60);
    let (path, _) = blocks.first().unwrap();
    let mut bytes = std::fs::read(path.join("pages")).unwrap();
    bytes[60] ^= 16;
    std::fs::write(path.join("pages"), bytes).unwrap();
    let unscrubbed = MetricsOptions {
        scrub_bytes_per_s: 0,
        ..options()
    };
    let store = MetricsStore::open(dir.path(), unscrubbed, T0).unwrap();
    let failures = scrape(&store, 60..900);
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert!(
        failures[0].contains("merging") && failures[0].contains("damaged"),
        "{failures:?}"
    );
    let stats = store.stats();
    assert!(
        path.is_dir() && stats.numbers.blocks < 12,
        "{} blocks",
        stats.numbers.blocks
    );
    assert_eq!(stats.pages_quarantined.len(), 1);
    assert!(stats.lost[0].count > 0);
    let found = read(&store, vec![]);
    assert!(found.values().all(|samples| samples.len() >= 840));
}

#[test]
fn a_checkpoint_without_its_end_is_damage_and_says_where() {
    let (dir, copied) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    prepare(dir.path(), 200);
    MetricsStore::open(dir.path(), options(), T0)
        .unwrap()
        .checkpoint()
        .unwrap();
    assert!(MetricsStore::verify_dir(dir.path()).unwrap().is_whole());
    copy(dir.path(), copied.path());
    let checkpoints = std::fs::read_dir(copied.path().join("checkpoint")).unwrap();
    let path = checkpoints.map(|e| e.unwrap().path()).next().unwrap();
    let is_damaged = || {
        let found = MetricsStore::verify_dir(copied.path()).unwrap().damaged;
        assert_eq!((&found[0].path, found[0].start, found[0].end), (&path, 0, 0));
        // What blocks have is not lost.
        assert!(found[0].lost_from_ms.is_some_and(|t_ms| t_ms > T0), "{found:?}");
        let store = MetricsStore::open(copied.path(), options(), T0).unwrap();
        assert_eq!(store.open_report().damaged, found);
        assert_eq!(store.damage().log_ranges, 1);
    };
    std::fs::write(&path, b"").unwrap();
    is_damaged();
    std::fs::remove_file(&path).unwrap();
    is_damaged();
}

/// Opens a store once for each number: it writes that sample, into a segment of its own.
fn a_segment_each(dir: &Path, numbers: std::ops::Range<usize>) {
    for number in numbers {
        let store = MetricsStore::open(dir, options(), T0).unwrap();
        let t_ms = T0 + number as i64 * STEP_MS;
        let mut appender = store.appender("test", t_ms);
        let series = appender.series(&labels(number)).unwrap();
        appender.push(series, t_ms, 1.0);
        appender.commit().unwrap();
    }
}

#[test]
fn a_segment_that_is_missing_is_damage_and_says_where() {
    for (has_checkpoint, taken) in [(false, 1), (true, 0), (true, 1)] {
        let dir = tempfile::tempdir().unwrap();
        if has_checkpoint {
            a_segment_each(dir.path(), 0..1);
            let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
            store.checkpoint().unwrap();
        }
        a_segment_each(dir.path(), 1..4);
        assert!(MetricsStore::verify_dir(dir.path()).unwrap().is_whole());
        let mut segments: Vec<PathBuf> = std::fs::read_dir(dir.path().join("wal"))
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        segments.sort();
        std::fs::remove_file(&segments[taken]).unwrap();
        let found = MetricsStore::verify_dir(dir.path()).unwrap().damaged;
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!((&found[0].path, found[0].end), (&segments[taken], 0));
        assert!(found[0].lost_to_ms.is_some_and(|t_ms| t_ms > T0), "{found:?}");
        let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
        assert_eq!(store.open_report().damaged, found);
        assert!(!read(&store, vec![]).is_empty(), "the rest is there");
    }
}
