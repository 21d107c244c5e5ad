//! The past is loaded while others write the present: nothing is refused, and windows leave the head as whole ones.

use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::Labels;

const HOUR_MS: i64 = 3_600_000;
const STEP_MS: i64 = 15_000;
/// The present, at the beginning of a window.
const NOW_MS: i64 = HOUR_MS * 472_224;

fn options() -> MetricsOptions {
    MetricsOptions {
        retention: Retention {
            age_ms: Some(48 * HOUR_MS),
            ..Retention::default()
        },
        ..MetricsOptions::default()
    }
}

fn write(store: &MetricsStore, source: &str, t_ms: i64, now_ms: i64) -> usize {
    let mut appender = store.appender(source, now_ms);
    for number in 0..20 {
        let number = number.to_string();
        let labels = Labels::from_pairs([("__name__", source), ("i", number.as_str())]).unwrap();
        let series = appender.series(&labels).unwrap();
        appender.push(series, t_ms, (t_ms / STEP_MS) as f64);
    }
    let outcome = appender.commit().unwrap();
    assert!(
        outcome
            .refused
            .iter()
            .all(|r| r.reason.code() == "beyond_retention"),
        "{:?}",
        outcome.refused.first()
    );
    outcome.refused_count
}

fn times(store: &MetricsStore, name: &str) -> Vec<Vec<i64>> {
    let selection = Selection {
        matchers: vec![lapwing_types::Matcher::equal("__name__", name)],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let selected = store.snapshot().select(&selection).unwrap();
    let read = selected.into_iter().map(|one| {
        let mut points = SeriesPoints::default();
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        points.times_ms
    });
    read.collect()
}

#[test]
fn a_day_can_be_loaded_beside_the_present() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), NOW_MS).unwrap();
    let steps = 24 * HOUR_MS / STEP_MS;
    // Half an hour of the day in each second of ours.
    let per_second = HOUR_MS / 2 / STEP_MS;
    let (mut now_ms, mut blocks) = (NOW_MS, 0);
    let mut most_chunks = 0;
    for step in 0..steps {
        assert_eq!(
            write(&store, "load", NOW_MS + (step - steps) * STEP_MS, now_ms),
            0
        );
        if step % per_second == 0 {
            now_ms += 1_000;
            write(&store, "host", now_ms, now_ms);
        }
        if step % (5 * per_second) == 0 {
            let report = store.maintain(now_ms);
            assert_eq!(report.failures, Vec::<String>::new());
            blocks += report.blocks_written;
            most_chunks = most_chunks.max(store.stats().head_chunks);
        }
    }
    // Ten flushes of two hours and a half, each of which touches at most two of the ranges that blocks keep to.
    assert!((8..=20).contains(&blocks), "{blocks} blocks");
    // 20 series, at most four windows of which are open or on their way out, four chunks each.
    assert!(most_chunks <= 20 * 24, "{most_chunks} chunks in the head");
    let expected: Vec<i64> = (0..steps).map(|step| NOW_MS + (step - steps) * STEP_MS).collect();
    let check = |store: &MetricsStore| {
        let read = times(store, "load");
        assert_eq!(read.len(), 20);
        assert!(read.iter().all(|times| *times == expected));
        assert_eq!(times(store, "host")[0].len(), 48);
    };
    check(&store);
    // When the load has been silent for a while, its last windows go too.
    for minute in 1..30 {
        write(&store, "host", now_ms + minute * 60_000, now_ms + minute * 60_000);
        store.maintain(now_ms + minute * 60_000);
    }
    assert!(store.stats().head_chunks <= 40, "{:?}", store.stats());
    drop(store);
    let store = MetricsStore::open(dir.path(), options(), now_ms).unwrap();
    assert_eq!(times(&store, "load").len(), 20);
    assert!(times(&store, "load").iter().all(|times| *times == expected));
}

#[test]
fn what_retention_would_remove_at_once_is_refused_by_name() {
    let store = MetricsStore::in_memory(options());
    write(&store, "host", NOW_MS, NOW_MS);
    assert_eq!(write(&store, "load", NOW_MS - 49 * HOUR_MS, NOW_MS), 20);
    assert_eq!(write(&store, "load", NOW_MS - 47 * HOUR_MS, NOW_MS), 0);
}

#[test]
fn one_name_for_a_writer_of_the_past_and_one_of_the_present() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), options(), NOW_MS).unwrap();
    let mut blocks = 0;
    for second in 0..600 {
        let now_ms = NOW_MS + second * 1_000;
        // The same door for both; their series differ.
        for (name, t_ms) in [("old", now_ms - 10 * HOUR_MS), ("new", now_ms)] {
            let mut appender = store.appender("remote_write", now_ms);
            let labels = Labels::from_pairs([("__name__", name)]).unwrap();
            let series = appender.series(&labels).unwrap();
            appender.push(series, t_ms, 1.0);
            assert_eq!(appender.commit().unwrap().refused_count, 0);
        }
        if second % 5 == 0 {
            blocks += store.maintain(now_ms).blocks_written;
        }
    }
    assert!(blocks <= 6, "{blocks} blocks in ten minutes");
    assert_eq!(times(&store, "old")[0].len(), 600);
    assert_eq!(times(&store, "new")[0].len(), 600);
}
