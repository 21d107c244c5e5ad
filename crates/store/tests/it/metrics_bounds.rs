//! What is not a plain sample has bounds as well: help of families, exemplars, histograms that come late or twice.

use lapwing_store::metrics::{AppendOutcome, MetricsOptions, MetricsStore};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Counts, Exemplar, Histogram, Labels, Metadata, ResetHint, Span};
use std::sync::Arc;

const HOUR_MS: i64 = 3_600_000;
const T0: i64 = HOUR_MS * 472_224;

fn labels(name: &str) -> Labels {
    Labels::from_pairs([("__name__", name)]).unwrap()
}

fn float(store: &MetricsStore, t_ms: i64) -> AppendOutcome {
    let mut appender = store.appender("test", T0);
    let series = appender.series(&labels("m")).unwrap();
    appender.push(series, t_ms, 1.0);
    appender.commit().unwrap()
}

fn histogram(store: &MetricsStore, t_ms: i64) -> AppendOutcome {
    let mut appender = store.appender("test", T0);
    let series = appender.series(&labels("m")).unwrap();
    let value = Histogram {
        reset_hint: ResetHint::Unknown,
        schema: 2,
        zero_threshold: 1e-9,
        sum: 1.5,
        positive_spans: vec![Span { offset: 1, length: 2 }],
        negative_spans: vec![],
        counts: Counts::Int {
            count: 4,
            zero: 1,
            positive: vec![1, 2],
            negative: vec![],
        },
        custom_bounds: Arc::from([]),
    };
    appender.push_histogram(series, t_ms, value);
    appender.commit().unwrap()
}

/// The code of the one thing that was refused.
fn refused(outcome: &AppendOutcome) -> &'static str {
    assert_eq!(outcome.refused_count, 1);
    outcome.refused[0].reason.code()
}

#[test]
fn help_of_families_cannot_take_all_memory() {
    let options = MetricsOptions {
        memory_limit_bytes: 16 << 20,
        ..MetricsOptions::default()
    };
    let dir = tempfile::tempdir().unwrap();
    let open = || MetricsStore::open(dir.path(), options.clone(), T0).unwrap();
    let store = open();
    let mut outcome = AppendOutcome::default();
    for request in 0..10 {
        let mut appender = store.appender("test", T0);
        for family in 0..100 {
            let help = "ü".repeat(10_001);
            let about = Metadata {
                help,
                ..Metadata::default()
            };
            appender.metadata(&format!("family_{request}_{family}"), about);
        }
        outcome = appender.commit().unwrap();
    }
    assert_eq!(outcome.refused_count, 100);
    assert_eq!(outcome.refused[0].reason.code(), "metadata_limit");
    assert_eq!(outcome.refused[0].labels, labels("family_9_0"));
    let check = |store: &MetricsStore| {
        let known = store.snapshot().metadata(None);
        assert!((100..150).contains(&known.len()), "{}", known.len());
        assert!(known.iter().all(|(_, m)| m.help.len() == 16 << 10));
        let taken = store.numbers().memory.metadata_bytes;
        assert!((1 << 20..=2 << 20).contains(&taken), "{taken}");
        assert_eq!(float(store, T0).refused, []);
    };
    check(&store);
    drop(store);
    let store = open();
    check(&store);
    // No series belongs to any of them, and room is short.
    store.maintain(T0);
    assert_eq!(store.snapshot().metadata(None), []);
    assert_eq!(store.numbers().memory.metadata_bytes, 0);
}

#[test]
fn an_exemplar_that_is_too_long_costs_itself_alone() {
    let store = MetricsStore::in_memory(MetricsOptions::default());
    let write = |t_ms, text: &str| {
        let mut appender = store.appender("test", T0);
        let series = appender.series(&labels("m")).unwrap();
        appender.push(series, t_ms, 1.0);
        let labels = Labels::from_pairs([("trace", text)]).unwrap();
        let (value, t_ms) = (1.0, Some(t_ms));
        appender.push_exemplar(series, Exemplar { labels, value, t_ms });
        appender.commit().unwrap()
    };
    let fitting = write(T0, &"ü".repeat(123));
    assert_eq!(
        (fitting.samples, fitting.exemplars, fitting.refused_count),
        (1, 1, 0)
    );
    let too_long = write(T0 + 1, &"ü".repeat(124));
    assert_eq!((too_long.samples, too_long.exemplars), (1, 0));
    assert_eq!(refused(&too_long), "exemplar_too_long");
}

#[test]
fn a_late_histogram_is_judged_as_a_late_float() {
    let dir = tempfile::tempdir().unwrap();
    let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    assert_eq!(histogram(&store, T0).refused, []);
    assert_eq!(histogram(&store, T0 - HOUR_MS).refused, []);
    assert_eq!(refused(&histogram(&store, T0 - HOUR_MS - 1)), "too_old");
    // What was kept once is known again, however old it is by now.
    assert_eq!(float(&store, T0 + HOUR_MS / 6).refused, []);
    assert_eq!(histogram(&store, T0 - HOUR_MS).refused, []);
}

#[test]
fn a_time_of_a_series_has_a_float_or_a_histogram() {
    let dir = tempfile::tempdir().unwrap();
    let open = || MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    let store = open();
    for t_ms in [T0, T0 - 60_000] {
        assert_eq!(float(&store, t_ms).refused, []);
        assert_eq!(refused(&histogram(&store, t_ms)), "duplicate_with_other_value");
    }
    for t_ms in [T0 + 60_000, T0 - 30_000] {
        assert_eq!(histogram(&store, t_ms).refused, []);
        assert_eq!(refused(&float(&store, t_ms)), "duplicate_with_other_value");
    }
    drop(store);
    let all = Selection {
        matchers: vec![],
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    };
    let mut points = SeriesPoints::default();
    for one in open().snapshot().select(&all).unwrap() {
        one.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
    }
    assert_eq!(points.times_ms, [T0 - 60_000, T0]);
    let histograms: Vec<i64> = points.histograms.iter().map(|(t_ms, _)| *t_ms).collect();
    assert_eq!(histograms, [T0 - 30_000, T0 + 60_000]);
}
