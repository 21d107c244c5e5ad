//! Windows become blocks, blocks become larger ones, old ones go; readers never notice.

use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention};
use lapwing_store::{Selection, SeriesPoints, SeriesSource, UNKNOWN_START};
use lapwing_types::{Counts, Exemplar, Histogram, Labels, Matcher, ResetHint, Span};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// A multiple of half a day, so that windows and ranges begin here.
const T0: i64 = 43_200_000 * 39_352;
const STEP_MS: i64 = 15_000;

fn options() -> MetricsOptions {
    MetricsOptions {
        window_ms: 600_000,
        window_slack_ms: 30_000,
        ooo_window_ms: 900_000,
        ..MetricsOptions::default()
    }
}

fn labels(number: usize) -> Labels {
    let value = format!("s{number:02}");
    Labels::from_pairs([("__name__", "m"), ("i", value.as_str())]).unwrap()
}

fn value(number: usize, step: i64) -> f64 {
    (step * 3 + number as i64) as f64 / 8.0
}

fn scrape(store: &MetricsStore, series: usize, step: i64) {
    let mut appender = store.appender("test", T0 + step * STEP_MS);
    for number in 0..series {
        let found = appender.series(&labels(number)).unwrap();
        appender.push(found, T0 + step * STEP_MS, value(number, step));
    }
    assert_eq!(appender.commit().unwrap().refused_count, 0);
}

fn read(store: &MetricsStore) -> Vec<(Labels, SeriesPoints)> {
    let all = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let selected = store.snapshot().select(&all).unwrap();
    let read = selected.into_iter().map(|s| {
        let mut points = SeriesPoints::default();
        s.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        (s.labels, points)
    });
    read.collect()
}

fn check(store: &MetricsStore, series: usize, steps: i64) {
    let found = read(store);
    assert_eq!(found.len(), series);
    for (number, (found, points)) in found.into_iter().enumerate() {
        assert_eq!(found, labels(number));
        let times: Vec<i64> = (0..steps).map(|step| T0 + step * STEP_MS).collect();
        let values: Vec<f64> = (0..steps).map(|step| value(number, step)).collect();
        assert_eq!(points.times_ms, times);
        assert_eq!(points.values, values);
    }
}

#[test]
fn readers_see_every_sample_while_windows_become_blocks() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    let (mut written, mut merged) = (0, 0);
    for step in 0..1_300 {
        scrape(&store, 5, step);
        if step % 7 == 0 {
            let report = store.maintain(T0 + step * STEP_MS);
            assert_eq!(report.failures, Vec::<String>::new());
            written += report.blocks_written;
            merged += report.blocks_merged;
        }
        if step % 97 == 0 {
            check(&store, 5, step + 1);
        }
    }
    let stats = store.stats();
    assert!(
        written >= 30 && merged >= 24,
        "{written} blocks were written, {merged} merged"
    );
    assert!(
        stats.numbers.blocks < 14,
        "{} blocks are left",
        stats.numbers.blocks
    );
    assert!(
        stats.head_chunks <= 15,
        "{} chunks are in the head",
        stats.head_chunks
    );
    assert!(store.verify().unwrap().is_whole());
    drop(store);
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    assert_eq!(
        store.open_report().debris_removed,
        Vec::<std::path::PathBuf>::new()
    );
    check(&store, 5, 1_300);
    let removed = store
        .delete(
            &[Matcher::equal("i", "s02")],
            T0 + 10 * STEP_MS,
            T0 + 1_290 * STEP_MS,
        )
        .unwrap();
    assert!(removed > 0);
    let left: Vec<i64> = read(&store)[2]
        .1
        .times_ms
        .iter()
        .map(|t| (t - T0) / STEP_MS)
        .collect();
    assert_eq!(left, (0..10).chain(1_291..1_300).collect::<Vec<i64>>());
    let (copy, back) = (dir.path().join("copy"), dir.path().join("back"));
    store.backup(&copy).unwrap();
    MetricsStore::restore(&copy, &back).unwrap();
    assert_eq!(
        read(&MetricsStore::open(&back, options(), T0).unwrap()),
        read(&store)
    );
}

#[test]
fn a_snapshot_outlives_the_flush_of_what_it_reads() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    for step in 0..50 {
        scrape(&store, 2, step);
    }
    let snapshot = store.snapshot();
    let all = Selection {
        matchers: vec![],
        start_ms: 0,
        end_ms: i64::MAX,
        series_max: None,
    };
    let before = snapshot.select(&all).unwrap();
    for step in 50..100 {
        scrape(&store, 2, step);
        store.maintain(T0 + step * STEP_MS);
    }
    assert_eq!(store.numbers().blocks, 1);
    for selected in [before, snapshot.select(&all).unwrap()] {
        let mut points = SeriesPoints::default();
        selected[1].reader.read(0, i64::MAX, &mut points).unwrap();
        assert_eq!(points.len(), 50);
    }
    drop(snapshot);
    let dropped: usize = (0..3)
        .map(|_| store.maintain(T0 + 100 * STEP_MS).chunks_dropped)
        .sum();
    assert_eq!(dropped, 4);
    check(&store, 2, 100);
}

#[test]
fn old_blocks_go_and_ended_series_leave() {
    let dir = tempfile::tempdir().unwrap();
    let retention = Retention {
        age_ms: Some(3_600_000),
        size_bytes: None,
    };
    let store = MetricsStore::open(
        dir.path(),
        MetricsOptions {
            retention,
            ..options()
        },
        T0,
    )
    .unwrap();
    scrape(&store, 20, 0);
    let mut removed = 0;
    for step in 1..600 {
        scrape(&store, 2, step);
        removed += store.maintain(T0 + step * STEP_MS).series_removed;
    }
    assert_eq!((removed, store.numbers().head_series), (18, 2));
    let found = read(&store);
    assert_eq!(found.len(), 2);
    let oldest_ms = found[0].1.times_ms[0];
    assert!(oldest_ms > T0 + 600_000, "the first windows are gone");
    scrape(&store, 20, 600);
    assert_eq!(read(&store).len(), 20);
}

fn histogram(n: u64) -> Histogram {
    Histogram {
        reset_hint: ResetHint::Unknown,
        schema: 2,
        zero_threshold: 1e-9,
        sum: n as f64 * 1.5,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        negative_spans: vec![],
        counts: Counts::Int {
            count: 3 * n + 1,
            zero: 1,
            positive: vec![n, 2 * n],
            negative: vec![],
        },
        custom_bounds: Arc::from([]),
    }
}

/// A counter that begins anew every forty samples, among others every sample with a start of its own, one that tells none, and
/// a histogram that begins anew as the first.
#[test]
fn starts_come_back_from_head_log_block_and_merged_block() {
    let dir = tempfile::tempdir().unwrap();
    let name = |n: usize| Labels::from_pairs([("__name__", ["a", "b", "c", "d"][n])]).unwrap();
    let start_of = |n: usize, step: i64| match n {
        0 | 3 => T0 + step.div_euclid(40) * 40 * STEP_MS - 1,
        1 => T0 + step * STEP_MS - 7,
        _ => UNKNOWN_START,
    };
    let check = |store: &MetricsStore, steps: i64| {
        let found = read(store);
        assert_eq!(found.len(), 4);
        for (n, (labels, points)) in found.iter().enumerate() {
            assert_eq!(*labels, name(n));
            assert_eq!(points.len() as i64, steps);
            if n == 3 {
                let told: Vec<i64> = (0..steps).map(|step| start_of(n, step)).collect();
                assert_eq!(points.histogram_starts_ms, told);
                continue;
            }
            for step in 0..steps {
                let start = Some(start_of(n, step)).filter(|s| *s != UNKNOWN_START);
                assert_eq!(
                    points.start_of(step as usize),
                    start,
                    "{labels} step {step} of {steps}"
                );
            }
        }
    };
    let mut store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    for step in 0..700 {
        let t_ms = T0 + step * STEP_MS;
        let mut appender = store.appender("test", t_ms);
        for n in 0..4 {
            let series = appender.series(&name(n)).unwrap();
            match n {
                3 => appender.push_histogram(series, t_ms, histogram(step as u64)),
                _ => appender.push(series, t_ms, step as f64),
            };
            if start_of(n, step) != UNKNOWN_START {
                appender.push_start(series, t_ms, start_of(n, step));
            }
        }
        assert_eq!(appender.commit().unwrap().refused_count, 0);
        store.maintain(t_ms);
        if step % 100 == 50 {
            check(&store, step + 1);
            drop(store);
            store = MetricsStore::open(dir.path(), options(), t_ms).unwrap();
            check(&store, step + 1);
        }
    }
    assert!(store.numbers().blocks > 0);
}

/// A start that was told long ago holds until another is told: that alone makes no block for the time between two samples.
#[test]
fn between_two_samples_far_apart_no_blocks_are_written() {
    let dir = tempfile::tempdir().unwrap();
    let far_ms = 300 * 86_400_000;
    let options = MetricsOptions {
        ooo_window_ms: 2 * far_ms,
        retention: Retention {
            age_ms: None,
            size_bytes: None,
        },
        ..options()
    };
    let store = MetricsStore::open(dir.path(), options, T0).unwrap();
    let labels = labels(1);
    let mut expect = SeriesPoints::default();
    for t_ms in [-far_ms, -far_ms / 2, 0, 15_000, 30_000, 3_600_000].map(|t| T0 + t) {
        expect.times_ms.push(t_ms);
        expect.values.push(t_ms as f64);
        expect.starts_ms.push(T0 - far_ms - 1);
    }
    // The oldest come last.
    for at in [2, 3, 4, 0, 1, 5] {
        let t_ms = expect.times_ms[at];
        let mut appender = store.appender("test", T0 + 3_660_000);
        let series = appender.series(&labels).unwrap();
        appender.push(series, t_ms, expect.values[at]);
        appender.push_start(series, t_ms, expect.starts_ms[at]);
        let outcome = appender.commit().unwrap();
        assert_eq!(outcome.refused_count, 0, "{:?}", outcome.refused);
    }
    for minute in 61..200 {
        store.maintain(T0 + minute * 60_000);
    }
    let blocks = store.numbers().blocks;
    assert!((2..=4).contains(&blocks), "{blocks} blocks");
    assert_eq!(read(&store), [(labels, expect)]);
}

/// The numbers of label pairs and the slots of series go from one to the next; what blocks were found to share with the head
/// must not be taken for what stands there now.
#[test]
fn who_takes_the_place_of_another_is_not_taken_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    let mut expect: BTreeMap<Labels, SeriesPoints> = BTreeMap::new();
    let mut slots_max = 0;
    for step in 0..900 {
        let t_ms = T0 + step * STEP_MS;
        // Two series that stay, and one of each of five pods that live for half an hour at a time.
        let pods = (0..5).map(|n| format!("p{}-{n}", (step + 20 * n) / 120));
        let of_pods = pods.map(|pod| Labels::from_pairs([("__name__", "m"), ("pod", pod.as_str())]).unwrap());
        let mut appender = store.appender("test", t_ms);
        for series in of_pods.chain((0..2).map(labels)) {
            let found = appender.series(&series).unwrap();
            appender.push(found, t_ms, step as f64);
            let points = expect.entry(series).or_default();
            points.times_ms.push(t_ms);
            points.values.push(step as f64);
        }
        assert_eq!(appender.commit().unwrap().refused_count, 0);
        store.maintain(t_ms);
        slots_max = slots_max.max(store.numbers().head_series);
        if step % 15 == 14 {
            let found = read(&store);
            assert!(found.iter().map(|(l, _)| l).eq(expect.keys()), "step {step}");
            assert!(found.iter().map(|(_, p)| p).eq(expect.values()), "step {step}");
            let pods: BTreeSet<&str> = expect.keys().filter_map(|l| l.get("pod")).collect();
            let of_all = Selection {
                matchers: vec![],
                start_ms: T0,
                end_ms: t_ms,
                series_max: None,
            };
            let named = store.snapshot().label_values("pod", &of_all).unwrap();
            assert!(named.iter().eq(pods.iter()), "step {step}");
        }
    }
    assert!(
        slots_max < expect.len(),
        "series left the head, and others took their slots"
    );
}

#[test]
fn histograms_and_exemplars_come_back_from_log_checkpoint_and_block() {
    let dir = tempfile::tempdir().unwrap();
    let trace = |n: i64| Exemplar {
        labels: Labels::from_pairs([("trace_id", format!("t{n}"))]).unwrap(),
        value: n as f64,
        t_ms: Some(T0 + n * STEP_MS),
    };
    let mut store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    for step in 0..120 {
        let mut appender = store.appender("test", T0 + step * STEP_MS);
        let found = appender.series(&labels(1)).unwrap();
        appender.push_histogram(found, T0 + step * STEP_MS, histogram(step as u64));
        if step % 10 == 0 {
            appender.push_exemplar(found, trace(step));
        }
        let outcome = appender.commit().unwrap();
        assert_eq!((outcome.histograms, outcome.refused_count), (1, 0));
        match step {
            60 => drop(store.checkpoint().unwrap()),
            75 => {
                drop(store);
                store = MetricsStore::open(dir.path(), options(), T0).unwrap();
            }
            _ => drop(store.maintain(T0 + step * STEP_MS)),
        }
    }
    assert!(store.numbers().blocks > 0);
    let found = read(&store);
    assert_eq!(found[0].1.histograms.len(), 120);
    for (step, (t_ms, found)) in found[0].1.histograms.iter().enumerate() {
        assert_eq!(*t_ms, T0 + step as i64 * STEP_MS);
        assert_eq!(**found, histogram(step as u64).to_float());
    }
    let all = Selection {
        matchers: vec![],
        start_ms: 0,
        end_ms: i64::MAX,
        series_max: None,
    };
    let exemplars = store.snapshot().exemplars(&all).unwrap();
    assert_eq!(
        exemplars,
        [(labels(1), (0..12).map(|n| trace(n * 10)).collect::<Vec<_>>())]
    );
}

#[test]
fn a_histogram_that_no_block_could_hold_is_refused() {
    let store = MetricsStore::in_memory(options());
    let histogram = Histogram {
        reset_hint: ResetHint::Unknown,
        schema: 0,
        zero_threshold: 0.0,
        sum: 1.0,
        positive_spans: vec![Span {
            offset: 0,
            length: 10_000,
        }],
        negative_spans: vec![],
        counts: Counts::Float {
            count: 0.0,
            zero: 0.0,
            positive: vec![0.0; 10_000],
            negative: vec![],
        },
        custom_bounds: Arc::from([]),
    };
    let mut appender = store.appender("test", T0);
    let found = appender.series(&labels(1)).unwrap();
    appender.push_histogram(found, T0, histogram);
    let outcome = appender.commit().unwrap();
    assert_eq!(
        (outcome.histograms, outcome.refused[0].reason.code()),
        (0, "histogram_too_large")
    );
}

#[test]
fn a_flipped_bit_in_the_log_loses_one_record_and_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    for step in 0..30 {
        scrape(&store, 3, step);
    }
    drop(store);
    let path = dir.path().join("wal").join("00000001.wal");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    std::fs::write(&path, bytes).unwrap();
    let before = MetricsStore::verify_dir(dir.path()).unwrap();
    assert_eq!(before.damaged.len(), 1);
    let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
    let [damage] = &store.open_report().damaged[..] else {
        panic!("{:?}", store.open_report())
    };
    let (from, to) = (damage.lost_from_ms.unwrap(), damage.lost_to_ms.unwrap());
    assert_eq!(to - from, 2 * STEP_MS);
    let found = read(&store);
    assert!(
        found
            .iter()
            .all(|(_, points)| points.len() == 29 && !points.times_ms.contains(&(from + STEP_MS)))
    );
    assert_eq!(store.stats().damaged.len(), 1);
}
