//! Writers, readers and maintenance at once: a snapshot sees each request wholly or not at all, and the same twice.

use lapwing_store::metrics::{Durability, MetricsOptions, MetricsStore, Refusal};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, Matcher, Metadata, MetricKind};
use std::sync::atomic::{AtomicBool, Ordering};

const T0: i64 = 1_700_000_000_000;
const SERIES: usize = 40;
const COMMITS: i64 = 400;

fn labels(writer: usize, number: usize) -> Labels {
    let (writer, number) = (format!("w{writer}"), format!("{number}"));
    Labels::from_pairs([
        ("__name__", "m"),
        ("number", number.as_str()),
        ("writer", writer.as_str()),
    ])
    .unwrap()
}

fn write(store: &MetricsStore, writer: usize) {
    for commit in 0..COMMITS {
        let t_ms = T0 + commit * 1_000;
        let mut appender = store.appender("test", t_ms);
        for number in 0..SERIES {
            let raw = format!("{writer}/{number}");
            let found = match appender.lookup_raw(raw.as_bytes()) {
                Some(found) => found,
                None => appender
                    .bind_raw(raw.as_bytes(), &labels(writer, number))
                    .unwrap(),
            };
            appender.push(found, t_ms, commit as f64);
        }
        assert_eq!(appender.commit().unwrap().samples, SERIES);
    }
}

/// Number of samples and time of the last, by series of one writer.
fn look(source: &dyn SeriesSource, writer: usize) -> Vec<(usize, Option<i64>)> {
    let matchers = vec![Matcher::equal("writer", format!("w{writer}"))];
    let selection = Selection {
        matchers,
        start_ms: T0,
        end_ms: i64::MAX,
        series_max: None,
    };
    let selected = source.select(&selection).unwrap();
    let looked = selected.iter().map(|s| {
        let (mut points, mut last) = (SeriesPoints::default(), SeriesPoints::default());
        s.reader.read(T0, i64::MAX, &mut points).unwrap();
        s.reader.read_last(T0, i64::MAX, &mut last).unwrap();
        assert_eq!(points.times_ms.last(), last.times_ms.last());
        assert!(points.times_ms.is_sorted_by(|a, b| a < b));
        (points.len(), last.times_ms.last().copied())
    });
    looked.collect()
}

fn run(durability: Durability) {
    let dir = tempfile::tempdir().unwrap();
    let options = MetricsOptions {
        durability,
        window_ms: 60_000,
        window_slack_ms: 5_000,
        log_size_max_bytes: 100_000,
        ..MetricsOptions::default()
    };
    let store = MetricsStore::open(dir.path(), options.clone(), T0).unwrap();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let writers: Vec<_> = (0..2)
            .map(|writer| {
                scope.spawn({
                    let store = &store;
                    move || write(store, writer)
                })
            })
            .collect();
        for writer in 0..2 {
            let (store, done) = (&store, &done);
            scope.spawn(move || {
                while !done.load(Ordering::Relaxed) {
                    let snapshot = store.snapshot();
                    let seen = look(&snapshot, writer);
                    assert!(
                        seen.is_empty() || seen.len() == SERIES,
                        "{} series of {SERIES}",
                        seen.len()
                    );
                    assert!(
                        seen.windows(2).all(|w| w[0] == w[1]),
                        "half a request is seen: {seen:?}"
                    );
                    assert_eq!(look(&snapshot, writer), seen, "a snapshot sees the same twice");
                }
            });
        }
        let (store, done) = (&store, &done);
        scope.spawn(move || {
            while !done.load(Ordering::Relaxed) {
                assert_eq!(store.maintain(T0).failures, Vec::<String>::new());
            }
        });
        let ended: Vec<_> = writers.into_iter().map(|w| w.join()).collect();
        done.store(true, Ordering::Relaxed);
        assert!(ended.iter().all(Result::is_ok));
    });
    let all = vec![(COMMITS as usize, Some(T0 + (COMMITS - 1) * 1_000)); SERIES];
    assert_eq!(look(&store.snapshot(), 0), all);
    drop(store);
    let store = MetricsStore::open(dir.path(), options, T0).unwrap();
    assert_eq!(look(&store.snapshot(), 1), all);
}

#[test]
fn requests_are_seen_wholly_or_not_at_all() {
    run(Durability::Process);
}

#[test]
fn commits_that_share_a_sync_are_all_there() {
    run(Durability::Disk);
}

#[test]
fn limits_refuse_by_name_and_leave_the_rest() {
    let options = MetricsOptions {
        series_max: 5,
        series_max_per_source: 3,
        ..MetricsOptions::default()
    };
    let store = MetricsStore::in_memory(options);
    let mut refused = Vec::new();
    for (source, first) in [("a", 0), ("b", 10)] {
        let mut appender = store.appender(source, T0);
        for number in first..first + 4 {
            match appender.series(&labels(0, number)) {
                Ok(found) => appender.push(found, T0, 1.0),
                Err(reason) => refused.push(reason),
            }
        }
        assert!(appender.commit().unwrap().refused_count > 0);
    }
    let limit = Refusal::SeriesLimit {
        source_name: "a".into(),
        max: 3,
    };
    assert_eq!(
        refused,
        [
            limit,
            Refusal::SeriesMax { max: 5 },
            Refusal::SeriesMax { max: 5 }
        ]
    );
    assert_eq!(
        store.stats().series_by_source,
        [("a".to_owned(), 3), ("b".to_owned(), 2)]
    );
    let mut refused = store.numbers().refused;
    refused.retain(|(_, count)| *count > 0);
    assert_eq!(refused, [("series_limit", 1), ("series_max", 2)]);
}

#[test]
fn who_knows_nothing_of_a_metric_takes_nothing_away() {
    let store = MetricsStore::in_memory(MetricsOptions::default());
    let said = Metadata {
        kind: MetricKind::Gauge,
        help: "load".into(),
        unit: String::new(),
    };
    for metadata in [said.clone(), Metadata::default()] {
        let mut appender = store.appender("a", T0);
        appender.metadata("m", metadata);
        appender.commit().unwrap();
    }
    assert_eq!(store.snapshot().metadata(Some("m")), [("m".to_owned(), said)]);
}

#[test]
fn limits_change_while_the_store_runs() {
    let store = MetricsStore::in_memory(MetricsOptions {
        series_max: 1,
        ..MetricsOptions::default()
    });
    let mut appender = store.appender("a", T0);
    assert!(appender.series(&labels(0, 0)).is_ok());
    assert_eq!(appender.series(&labels(0, 1)), Err(Refusal::SeriesMax { max: 1 }));
    let more = MetricsOptions {
        series_max: 2,
        ..MetricsOptions::default()
    };
    store.set_limits(more.limits());
    assert!(appender.series(&labels(0, 1)).is_ok());
}

#[test]
fn a_spent_memory_budget_refuses_new_series_first() {
    let store = MetricsStore::in_memory(MetricsOptions {
        memory_limit_bytes: 40_000,
        ..MetricsOptions::default()
    });
    let mut appender = store.appender("test", T0);
    let results: Vec<_> = (0..200)
        .map(|number| appender.series(&labels(1, number)))
        .collect();
    let known = results.iter().take_while(|r| r.is_ok()).count();
    assert!(known > 20 && known < 100, "{known} series fit");
    assert_eq!(results[199], Err(Refusal::MemoryLimit { limit_bytes: 40_000 }));
    appender.push(results[0].clone().unwrap(), T0, 1.0);
    assert_eq!(appender.commit().unwrap().samples, 1);
}
