//! What has to wait for a block that is written but not named yet, since someone still reads what it was made of: tiers of its
//! range, retention, and whatever is newer than it. And tiers that were made twice, when something is deleted.

use lapwing_store::metrics::block::BlockMeta;
use lapwing_store::metrics::{MetricsLimits, MetricsOptions, MetricsStore, Retention, Snapshot, TierPolicy};
use lapwing_store::{Selection, SeriesPoints, SeriesSource, TierColumn, TierHint};
use lapwing_types::{Labels, Matcher, Sample, SeriesWrite};
use std::ops::Range;
use std::path::Path;

const SECOND_MS: i64 = 1_000;
/// A range of the largest blocks, with windows of ten seconds.
const RANGE_MS: i64 = 240 * SECOND_MS;
const T0: i64 = RANGE_MS * 7_083_333;
const BUCKET_MS: i64 = 30 * SECOND_MS;
/// Whoever wrote nothing for so long is waited for no longer.
const SILENCE_MS: i64 = 301 * SECOND_MS;
/// More rounds than there is to do.
const ROUNDS: usize = 30;

fn options(has_tier: bool) -> MetricsOptions {
    let tier = TierPolicy {
        resolution_ms: BUCKET_MS,
        age_ms: None,
    };
    MetricsOptions {
        window_ms: 10 * SECOND_MS,
        window_slack_ms: 2 * SECOND_MS,
        ooo_window_ms: 20 * SECOND_MS,
        retention: Retention {
            age_ms: None,
            size_bytes: None,
        },
        tiers: has_tier.then_some(tier).into_iter().collect(),
        ..MetricsOptions::default()
    }
}

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name)]).unwrap()
}

fn at(second: i64) -> i64 {
    T0 + second * SECOND_MS
}

/// One sample a second, whose value is the second.
fn write(store: &MetricsStore, name: &str, seconds: Range<i64>) {
    for second in seconds {
        let mut appender = store.appender(name, at(second));
        let series = appender.series(&labels(name)).unwrap();
        appender.push(series, at(second), second as f64);
        assert_eq!(appender.commit().unwrap().refused_count, 0);
    }
}

/// Some rounds of upkeep: tiers written, blocks expired.
fn rounds(store: &MetricsStore, now_ms: i64) -> (usize, usize) {
    let (mut tiers, mut expired) = (0, 0);
    for _ in 0..ROUNDS {
        let report = store.maintain(now_ms);
        assert_eq!(report.failures, Vec::<String>::new());
        tiers += report.tiers_written;
        expired += report.blocks_expired;
    }
    (tiers, expired)
}

fn retain(store: &MetricsStore, options: &MetricsOptions, retention: Retention) {
    store.set_limits(MetricsLimits {
        retention,
        ..options.limits()
    });
}

/// Seconds (or ends of buckets in seconds) and values of a series.
fn read(snapshot: &Snapshot, name: &str) -> Vec<(i64, f64)> {
    let selection = Selection {
        matchers: vec![Matcher::equal("__name__", name)],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let hint = TierHint {
        column: TierColumn::Last,
        every_ms: BUCKET_MS,
    };
    let mut points = SeriesPoints::default();
    for one in snapshot.select_as(&selection, hint).unwrap() {
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
    }
    let seconds = points.times_ms.iter().map(|t| (t - T0) / SECOND_MS);
    seconds.zip(points.values).collect()
}

fn plain(seconds: Range<i64>) -> Vec<(i64, f64)> {
    seconds.map(|s| (s, s as f64)).collect()
}

/// The tiers of a range.
fn tiers_of(store: &MetricsStore, range: i64) -> Vec<BlockMeta> {
    let (after_ms, until_ms) = (T0 + range * RANGE_MS, T0 + (range + 1) * RANGE_MS);
    let blocks = store.blocks().into_iter().map(|(_, meta)| meta);
    let is_of =
        |meta: &BlockMeta| meta.resolution_ms > 0 && meta.max_ms > after_ms && meta.max_ms <= until_ms;
    blocks.filter(is_of).collect()
}

fn reopen(dir: &Path, options: &MetricsOptions) -> MetricsStore {
    let store = MetricsStore::open(dir, options.clone(), T0).unwrap();
    assert_eq!(store.open_report().blocks_unreadable, vec![]);
    store
}

#[test]
fn a_range_with_samples_in_an_unnamed_block_waits_for_its_tier() {
    let dir = tempfile::tempdir().unwrap();
    let store = reopen(dir.path(), &options(true));
    write(&store, "live", 0..1_020);
    let first = store.maintain(at(1_020));
    assert_eq!(first.tiers_written, 0, "merging comes first: {first:?}");
    // Four ranges are settled when someone brings the past of the second one.
    write(&store, "past", 240..480);
    write(&store, "live", 1_020..1_040);
    let reader = store.snapshot();
    let now_ms = at(1_040) + SILENCE_MS;
    assert_eq!(rounds(&store, now_ms).0, 3, "of the others");
    assert_eq!(tiers_of(&store, 1), vec![]);
    drop(reader);
    assert_eq!(rounds(&store, now_ms).0, 1);
    let series: Vec<u64> = tiers_of(&store, 1).iter().map(|meta| meta.series).collect();
    assert_eq!(series, [2], "the past as well");
}

/// A first range in named blocks, and what comes behind it in one that is not: the sample that ends the first range stands there.
fn held_behind_the_first_range(store: &MetricsStore) {
    write(store, "live", 0..243);
    rounds(store, at(243) + SILENCE_MS);
    write(store, "live", 243..300);
}

fn the_first_range_ends_with_its_last_sample(store: &MetricsStore, options: &MetricsOptions) {
    let now_ms = at(300) + SILENCE_MS;
    let reader = store.snapshot();
    assert_eq!(rounds(store, now_ms).0, 0, "its last bucket is not named yet");
    drop(reader);
    assert_eq!(rounds(store, now_ms).0, 1);
    let age_ms = Some(20 * SECOND_MS);
    let size_bytes = None;
    retain(store, options, Retention { age_ms, size_bytes });
    assert_ne!(rounds(store, now_ms).1, 0);
    let found = read(&store.snapshot(), "live");
    assert!(found.contains(&(210, 210.0)), "the samples are gone: {found:?}");
    assert!(found.contains(&(240, 240.0)), "{found:?}");
}

#[test]
fn a_range_is_settled_only_once_what_ends_it_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(true);
    let store = reopen(dir.path(), &options);
    held_behind_the_first_range(&store);
    the_first_range_ends_with_its_last_sample(&store, &options);
}

#[test]
fn a_range_is_settled_only_once_what_ends_it_is_named_after_a_restart_as_well() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(true);
    let store = reopen(dir.path(), &options);
    held_behind_the_first_range(&store);
    drop(store);
    let store = reopen(dir.path(), &options);
    the_first_range_ends_with_its_last_sample(&store, &options);
}

#[test]
fn what_is_not_named_yet_does_not_expire() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(false);
    options.retention.age_ms = Some(100 * SECOND_MS);
    let store = reopen(dir.path(), &options);
    write(&store, "live", 0..200);
    let reader = store.snapshot();
    rounds(&store, at(200));
    assert_ne!(store.blocks(), vec![]);
    assert_eq!(rounds(&store, at(1_000)).1, 0);
    assert_eq!(read(&reader, "live"), plain(0..200));
    drop(reader);
    assert_ne!(rounds(&store, at(1_000)).1, 0);
    drop(store);
    // No name stands for a block that went before it was named.
    let store = reopen(dir.path(), &options);
    assert!(
        read(&store.snapshot(), "live")
            .iter()
            .all(|(second, _)| *second >= 190)
    );
}

#[test]
fn of_what_is_too_old_the_newer_waits_for_the_older() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(false);
    let store = reopen(dir.path(), &options);
    let now_ms = at(500) + SILENCE_MS;
    write(&store, "live", 0..500);
    rounds(&store, now_ms);
    drop(store);
    // What is flushed next is the past alone: its block begins later than the one around it, and ends sooner.
    let store = reopen(dir.path(), &options);
    let named = store.blocks().len();
    write(&store, "past", 20..40);
    let reader = store.snapshot();
    rounds(&store, now_ms + SILENCE_MS);
    assert_eq!(store.blocks().len(), named + 1);
    let (age_ms, size_bytes) = (Some(100 * SECOND_MS), None);
    retain(&store, &options, Retention { age_ms, size_bytes });
    let (_, expired) = rounds(&store, now_ms + SILENCE_MS);
    assert_eq!(expired, 0, "all of it is too old, and has to wait");
    assert_eq!(read(&store.snapshot(), "live"), plain(0..500));
    drop(reader);
    rounds(&store, now_ms + SILENCE_MS);
    assert_eq!(read(&store.snapshot(), "past"), vec![]);
    assert!(read(&store.snapshot(), "live").len() <= 20, "what is in memory");
}

#[test]
fn where_room_is_short_the_oldest_go_until_one_has_to_stay() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(false);
    let store = reopen(dir.path(), &options);
    write(&store, "oldest", 0..240);
    write(&store, "newest", 480..740);
    rounds(&store, at(740) + SILENCE_MS);
    write(&store, "between", 240..480);
    write(&store, "newest", 740..760);
    let reader = store.snapshot();
    let now_ms = at(760) + 2 * SILENCE_MS;
    rounds(&store, now_ms);
    let (age_ms, size_bytes) = (None, Some(1));
    retain(&store, &options, Retention { age_ms, size_bytes });
    assert_ne!(rounds(&store, now_ms).1, 0);
    let now = store.snapshot();
    assert_eq!(read(&now, "oldest"), vec![]);
    assert_eq!(read(&now, "between"), plain(240..480));
    assert_eq!(read(&now, "newest"), plain(480..760));
    drop((now, reader));
    rounds(&store, now_ms);
    assert_eq!(read(&store.snapshot(), "between"), vec![]);
    assert!(read(&store.snapshot(), "newest").len() <= 20, "what is in memory");
}

#[test]
fn of_two_tiers_the_newer_is_right_also_after_the_older_was_deleted_from() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(true);
    let store = reopen(dir.path(), &options);
    write(&store, "other", 0..240);
    write(&store, "corrected", 0..300);
    let now_ms = at(300) + SILENCE_MS;
    assert_eq!(rounds(&store, now_ms).0, 1);
    let (age_ms, size_bytes) = (Some(20 * SECOND_MS), None);
    retain(&store, &options, Retention { age_ms, size_bytes });
    assert_ne!(rounds(&store, now_ms).1, 0, "of the samples nothing is left");
    let mut importer = store.import(now_ms).unwrap();
    let sample = Sample {
        t_ms: at(235),
        value: -7.0,
    };
    let late = SeriesWrite {
        labels: labels("corrected"),
        samples: vec![sample],
        ..SeriesWrite::default()
    };
    importer.add(late).unwrap();
    importer.finish().unwrap();
    assert_eq!(store.maintain(now_ms).tiers_written, 1);
    assert_eq!(tiers_of(&store, 0).len(), 2, "the next round makes one of them");
    let expect = |store: &MetricsStore| {
        let found = read(&store.snapshot(), "corrected");
        assert!(found.contains(&(210, 210.0)), "of the older tier: {found:?}");
        assert!(found.contains(&(240, -7.0)), "of the newer: {found:?}");
    };
    expect(&store);
    let name = Matcher::equal("__name__", "other");
    store.delete(&[name], at(0), at(240)).unwrap();
    assert_eq!(read(&store.snapshot(), "other"), vec![]);
    expect(&store);
    drop(store);
    let store = reopen(dir.path(), &options);
    expect(&store);
    rounds(&store, now_ms);
    assert_eq!(tiers_of(&store, 0).len(), 1);
    expect(&store);
    assert_eq!(read(&store.snapshot(), "other"), vec![]);
}

#[test]
fn tiers_of_a_range_with_samples_in_an_unnamed_block_stay_apart() {
    let dir = tempfile::tempdir().unwrap();
    let options = options(true);
    let store = reopen(dir.path(), &options);
    write(&store, "live", 0..300);
    let now_ms = at(300) + SILENCE_MS;
    rounds(&store, now_ms);
    // The tier is made a second time, with samples from elsewhere; before the two become one, someone brings more.
    let mut importer = store.import(now_ms).unwrap();
    let elsewhere = SeriesWrite {
        labels: labels("elsewhere"),
        samples: vec![Sample {
            t_ms: at(100),
            value: 1.0,
        }],
        ..SeriesWrite::default()
    };
    importer.add(elsewhere).unwrap();
    importer.finish().unwrap();
    assert!((0..ROUNDS).any(|_| store.maintain(now_ms).tiers_written == 1));
    write(&store, "past", 30..60);
    write(&store, "live", 300..320);
    let reader = store.snapshot();
    let now_ms = now_ms + SILENCE_MS;
    rounds(&store, now_ms);
    assert_eq!(tiers_of(&store, 0).len(), 2);
    drop(reader);
    assert_eq!(rounds(&store, now_ms).0, 1);
    let tiers: Vec<u64> = tiers_of(&store, 0).iter().map(|meta| meta.series).collect();
    assert_eq!(tiers, [3], "with the past");
}
