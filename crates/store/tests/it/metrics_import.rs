//! History from elsewhere against a plain map: in any order, in several goes, twice over, beside what is appended.

use crate::fault_fs::Rng;
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, Sample, SeriesWrite};
use std::collections::BTreeMap;

const HOUR_MS: i64 = 3_600_000;
const T0: i64 = 12 * HOUR_MS * 39_352;
const NOW: i64 = T0 + 80 * HOUR_MS;

type Model = BTreeMap<Labels, BTreeMap<i64, u64>>;

fn options() -> MetricsOptions {
    MetricsOptions {
        retention: Retention {
            age_ms: None,
            size_bytes: None,
        },
        tiers: Vec::new(),
        ..MetricsOptions::default()
    }
}

fn labels(number: u64) -> Labels {
    let host = format!("h{number}");
    Labels::from_pairs([("__name__", "m"), ("host", host.as_str())]).unwrap()
}

fn read(store: &MetricsStore) -> Model {
    let all = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let selected = store.snapshot().select(&all).unwrap();
    let read = selected.into_iter().map(|one| {
        let mut points = SeriesPoints::default();
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        let values = points.values.iter().map(|v| v.to_bits());
        (one.labels, points.times_ms.iter().copied().zip(values).collect())
    });
    read.collect()
}

/// Stretches of series in any order; a value is a function of series and time, so that overlaps agree.
fn history(rng: &mut Rng, model: &mut Model) -> Vec<SeriesWrite> {
    let mut writes = Vec::new();
    for _ in 0..120 {
        let number = rng.below(9);
        let start_ms = T0 + rng.below(70 * 60) as i64 * 60_000;
        let mut samples: Vec<Sample> = (0..1 + rng.below(200) as i64)
            .map(|i| start_ms + i * 60_000)
            .map(|t_ms| Sample {
                t_ms,
                value: ((t_ms / 60_000) % 977) as f64 + number as f64 / 4.0,
            })
            .collect();
        if rng.one_in(3) {
            samples.reverse();
        }
        let of_series = model.entry(labels(number)).or_default();
        of_series.extend(samples.iter().map(|s| (s.t_ms, s.value.to_bits())));
        writes.push(SeriesWrite {
            labels: labels(number),
            samples,
            ..SeriesWrite::default()
        });
    }
    writes
}

#[test]
fn history_in_any_order_is_there_once_however_often_it_came() {
    let dir = tempfile::tempdir().unwrap();
    let (mut rng, mut model) = (Rng(77), Model::new());
    println!("seed {}", rng.0);
    let writes = history(&mut rng, &mut model);
    let mut store = MetricsStore::open(dir.path(), options(), NOW).unwrap();
    let mut appender = store.appender("test", NOW);
    let found = appender.series(&labels(3)).unwrap();
    appender.push(found, NOW, 1.0);
    appender.commit().unwrap();
    model.entry(labels(3)).or_default().insert(NOW, 1.0f64.to_bits());
    for round in 0..2 {
        let mut importer = store.import(NOW).unwrap();
        for (i, write) in writes.iter().enumerate() {
            importer.add(write.clone()).unwrap();
            if i % 37 == 36 {
                importer.flush().unwrap();
            }
        }
        let report = importer.finish().unwrap();
        assert_eq!((report.series, report.refused_count), (9, 0));
        assert_eq!(read(&store), model, "round {round}");
        drop(store);
        store = MetricsStore::open(dir.path(), options(), NOW).unwrap();
        assert_eq!(
            store.open_report().debris_removed,
            Vec::<std::path::PathBuf>::new()
        );
        assert_eq!(read(&store), model, "round {round}, after a restart");
    }
    let before = store.numbers().blocks;
    let mut appender = store.appender("test", NOW + 5 * HOUR_MS);
    let found = appender.series(&labels(3)).unwrap();
    appender.push(found, NOW + 5 * HOUR_MS, 2.0);
    appender.commit().unwrap();
    model
        .entry(labels(3))
        .or_default()
        .insert(NOW + 5 * HOUR_MS, 2.0f64.to_bits());
    for round in 0..40 {
        let report = store.maintain(NOW + 5 * HOUR_MS + round * 5_000);
        assert_eq!(report.failures, Vec::<String>::new());
    }
    let stats = store.stats();
    assert!(
        before > 20 && stats.numbers.blocks <= 9,
        "{before} blocks became {}",
        stats.numbers.blocks
    );
    assert_eq!(read(&store), model);
    assert!(store.verify().unwrap().is_whole());
}

#[test]
fn each_sample_keeps_the_start_it_came_with() {
    let dir = tempfile::tempdir().unwrap();
    let (mut rng, mut model) = (Rng(12), BTreeMap::new());
    println!("seed {}", rng.0);
    let store = MetricsStore::open(dir.path(), options(), NOW).unwrap();
    let mut importer = store.import(NOW).unwrap();
    // Counters that restart every few hours, told of in stretches that come in any order and reach over the ends of blocks.
    for _ in 0..80 {
        let incarnation = rng.below(12) as i64;
        let start_ms = T0 + incarnation * 5 * HOUR_MS;
        let first_ms = start_ms + rng.below(4 * 60) as i64 * 60_000;
        let times_ms = (0..60).map(|i| first_ms + i * 60_000);
        let samples: Vec<Sample> = times_ms.map(|t_ms| Sample { t_ms, value: 1.0 }).collect();
        model.extend(samples.iter().map(|s| (s.t_ms, start_ms)));
        let write = SeriesWrite {
            labels: labels(1),
            samples,
            start_ms: Some(start_ms),
            ..SeriesWrite::default()
        };
        importer.add(write).unwrap();
        if rng.one_in(20) {
            importer.flush().unwrap();
        }
    }
    importer.finish().unwrap();
    let check = |store: &MetricsStore| {
        let all = Selection {
            matchers: vec![],
            start_ms: i64::MIN,
            end_ms: i64::MAX,
            series_max: None,
        };
        let mut points = SeriesPoints::default();
        for one in store.snapshot().select(&all).unwrap() {
            one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        }
        let found = (0..points.times_ms.len()).map(|at| (points.times_ms[at], points.start_of(at)));
        let expect = model.iter().map(|(t_ms, start_ms)| (*t_ms, Some(*start_ms)));
        assert!(found.eq(expect));
    };
    check(&store);
    for round in 0..40 {
        assert_eq!(store.maintain(NOW + round * 5_000).failures, Vec::<String>::new());
    }
    check(&store);
}

#[test]
fn what_cannot_be_kept_is_refused_by_name_and_the_rest_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), NOW).unwrap();
    let mut importer = store.import(NOW).unwrap();
    let write = |labels: Labels, times: &[i64]| SeriesWrite {
        labels,
        samples: times
            .iter()
            .map(|t_ms| Sample {
                t_ms: *t_ms,
                value: 1.0,
            })
            .collect(),
        ..SeriesWrite::default()
    };
    let long = "v".repeat(1 << 20);
    let too_long = Labels::from_pairs([("__name__", "m"), ("l", long.as_str())]).unwrap();
    importer.add(write(labels(1), &[T0, NOW + 24 * HOUR_MS])).unwrap();
    importer.add(write(too_long, &[T0])).unwrap();
    importer.add(write(Labels::empty(), &[T0])).unwrap();
    let report = importer.finish().unwrap();
    let codes: Vec<&str> = report.refused.iter().map(|r| r.reason.code()).collect();
    assert_eq!(codes, ["future", "label_limit", "empty_labels"]);
    assert_eq!((report.samples, report.series, report.blocks), (1, 1, 1));
    assert_eq!(read(&store)[&labels(1)].len(), 1);
    let error = MetricsStore::in_memory(options())
        .import(NOW)
        .map(drop)
        .unwrap_err();
    assert_eq!(error.to_string(), "a store in memory has no files");
}

#[test]
fn of_two_values_for_one_time_the_first_stays_and_the_others_are_named() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), NOW).unwrap();
    let mut importer = store.import(NOW).unwrap();
    for value in [1.0, 2.0, 1.0, 3.0] {
        let write = SeriesWrite {
            labels: labels(0),
            samples: vec![Sample { t_ms: T0, value }],
            ..SeriesWrite::default()
        };
        importer.add(write).unwrap();
    }
    let report = importer.finish().unwrap();
    assert_eq!((report.samples, report.refused_count), (2, 2));
    assert_eq!(report.refused[0].reason.code(), "duplicate_with_other_value");
    assert_eq!(
        (&report.refused[0].labels, report.refused[0].t_ms),
        (&labels(0), Some(T0))
    );
    let kept = BTreeMap::from([(labels(0), BTreeMap::from([(T0, 1.0f64.to_bits())]))]);
    assert_eq!(read(&store), kept);
}
