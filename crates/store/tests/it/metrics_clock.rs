//! A clock that is wrong for some seconds costs what it brought, and nothing of before or after.

use lapwing_store::metrics::{AppendOutcome, MetricsOptions, MetricsStore};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, Matcher};

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;
const NOW_MS: i64 = HOUR_MS * 472_224;
const AHEAD_MS: i64 = 30 * DAY_MS;

fn write(store: &MetricsStore, name: &str, t_ms: i64, now_ms: i64) -> AppendOutcome {
    let mut appender = store.appender("test", now_ms);
    let series = appender
        .series(&Labels::from_pairs([("__name__", name)]).unwrap())
        .unwrap();
    appender.push(series, t_ms, (t_ms / 1_000) as f64);
    appender.commit().unwrap()
}

fn times(store: &MetricsStore, name: &str) -> Vec<i64> {
    let selection = Selection {
        matchers: vec![Matcher::equal("__name__", name)],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let mut points = SeriesPoints::default();
    for one in store.snapshot().select(&selection).unwrap() {
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
    }
    points.times_ms
}

/// An hour of samples, five seconds of a clock that is a month ahead, with upkeep all along.
fn leapt(store: &MetricsStore) {
    for second in (-3_600..=0).step_by(15) {
        let now_ms = NOW_MS + second * 1_000;
        assert_eq!(write(store, "up", now_ms, now_ms).refused, []);
        store.maintain(now_ms);
    }
    for second in 0..5 {
        let now_ms = NOW_MS + AHEAD_MS + second * 1_000;
        assert_eq!(write(store, "up", now_ms, now_ms).refused, []);
        store.maintain(now_ms);
    }
}

/// The present is taken at its usual pace; late samples and what is too old are judged as ever.
fn goes_on(store: &MetricsStore, from_ms: i64) {
    for second in (15..3 * 3_600).step_by(15) {
        let now_ms = from_ms + second * 1_000;
        assert_eq!(write(store, "up", now_ms, now_ms).refused, [], "{second}");
        let report = store.maintain(now_ms);
        assert_eq!(report.failures, Vec::<String>::new());
    }
    let now_ms = from_ms + 3 * HOUR_MS;
    assert_eq!(write(store, "up", now_ms - HOUR_MS / 2 + 1, now_ms).refused, []);
    let refused = write(store, "up", now_ms - 2 * HOUR_MS + 1, now_ms).refused;
    assert_eq!(refused[0].reason.code(), "too_old");
    let refused = write(store, "old", now_ms - 16 * DAY_MS, now_ms).refused;
    assert_eq!(refused[0].reason.code(), "beyond_retention");
}

#[test]
fn a_clock_that_was_ahead_for_seconds_leaves_the_present_open() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), MetricsOptions::default(), NOW_MS).unwrap();
    leapt(&store);
    let before = times(&store, "up");
    assert_eq!(before.len(), 241 + 5, "nothing went for its age");
    assert_eq!(store.numbers().newest_ms, Some(NOW_MS + AHEAD_MS + 4_000));
    goes_on(&store, NOW_MS);
    assert_eq!(times(&store, "up").len(), before.len() + 719 + 1);
    // Windows of the present leave the head though the newest sample is of next month.
    assert!(store.stats().head_min_ms > NOW_MS + HOUR_MS);
}

#[test]
fn a_clock_that_was_ahead_leaves_the_present_open_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let open = || MetricsStore::open(dir.path(), MetricsOptions::default(), NOW_MS).unwrap();
    leapt(&open());
    let store = open();
    goes_on(&store, NOW_MS);
    drop(store);
    let store = open();
    assert_eq!(times(&store, "up").len(), 241 + 5 + 719 + 1);
    assert_eq!(
        write(&store, "up", NOW_MS + 4 * HOUR_MS, NOW_MS + 4 * HOUR_MS).refused,
        []
    );
}

#[test]
fn what_came_from_the_future_can_be_deleted_and_is_forgotten() {
    let dir = tempfile::tempdir().unwrap();
    let open = || MetricsStore::open(dir.path(), MetricsOptions::default(), NOW_MS).unwrap();
    let store = open();
    leapt(&store);
    store
        .delete(&[], NOW_MS + HOUR_MS, NOW_MS + 2 * AHEAD_MS)
        .unwrap();
    store.maintain(NOW_MS + 5_000);
    assert_eq!(store.numbers().newest_ms, Some(NOW_MS));
    drop(store);
    let store = open();
    assert_eq!(store.numbers().newest_ms, Some(NOW_MS));
    goes_on(&store, NOW_MS + 10_000);
    assert_eq!(times(&store, "up").len(), 241 + 719 + 1);
}

#[test]
fn a_leap_of_the_clock_deletes_nothing_before_it_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let options = MetricsOptions {
        tiers: Vec::new(),
        ..MetricsOptions::default()
    };
    let store = MetricsStore::open(dir.path(), options, NOW_MS).unwrap();
    leapt(&store);
    let later_ms = NOW_MS + AHEAD_MS;
    let expired = |now_ms| {
        write(&store, "up", now_ms, now_ms);
        store.maintain(now_ms).blocks_expired
    };
    for second in (10..3_600).step_by(10) {
        assert_eq!(expired(later_ms + second * 1_000), 0, "{second}");
    }
    // A machine that slept for a month: its time counts in the end.
    let mut gone = 0;
    for second in (3_600..3_700).step_by(10) {
        let now_ms = later_ms + second * 1_000;
        write(&store, "up", now_ms, now_ms);
        gone += store.maintain(now_ms).blocks_expired;
    }
    assert!(gone > 0);
    assert!(times(&store, "up")[0] > NOW_MS);
}
