//! Appending, refusing, reading back, opening again.

use crate::fault_fs::{FaultFs, Rng};
use lapwing_store::metrics::{AppendOutcome, MetricsOptions, MetricsStore, Refusal};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{
    Exemplar, Labels, MatchOp, Matcher, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch,
};
use std::sync::Arc;

const T0: i64 = 1_700_000_000_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

fn write(store: &MetricsStore, labels: &Labels, samples: &[(i64, f64)]) -> AppendOutcome {
    let mut appender = store.appender("test", T0);
    let series = appender.series(labels).unwrap();
    for (t, v) in samples {
        appender.push(series, *t, *v);
    }
    appender.commit().unwrap()
}

fn everything(matchers: Vec<Matcher>) -> Selection {
    Selection {
        matchers,
        start_ms: i64::MIN,
        end_ms: i64::MAX,
        series_max: None,
    }
}

fn read(source: &dyn SeriesSource, matchers: Vec<Matcher>) -> Vec<(String, Vec<(i64, f64)>)> {
    let selected = source.select(&everything(matchers)).unwrap();
    let mut out = Vec::new();
    for series in selected {
        let mut points = SeriesPoints::default();
        series.reader.read(i64::MIN, i64::MAX, &mut points).unwrap();
        out.push((
            series.labels.to_string(),
            points.times_ms.into_iter().zip(points.values).collect(),
        ));
    }
    out
}

#[test]
fn what_is_committed_is_read_back_also_after_opening_again() {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (
        labels(&[("__name__", "up"), ("job", "a")]),
        labels(&[("__name__", "up"), ("job", "b")]),
    );
    let expect = vec![
        (
            a.to_string(),
            vec![(T0 - 20_000, 1.0), (T0 - 15_000, 4.0), (T0, 2.0)],
        ),
        (b.to_string(), vec![(T0, 3.5)]),
    ];
    {
        let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
        write(&store, &a, &[(T0 - 20_000, 1.0), (T0, 2.0)]);
        write(&store, &b, &[(T0, 3.5)]);
        assert_eq!(write(&store, &a, &[(T0 - 15_000, 4.0)]).samples, 1);
        assert_eq!(read(&store.snapshot(), vec![]), expect);
        assert!(matches!(
            MetricsStore::open(dir.path(), MetricsOptions::default(), T0),
            Err(lapwing_store::metrics::OpenError::Locked { .. })
        ));
    }
    let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    assert_eq!(store.open_report().series, 2);
    assert_eq!(store.open_report().samples_replayed, 4);
    assert_eq!(read(&store.snapshot(), vec![]), expect);
    let only_b = Matcher::new(MatchOp::Regex, "job", "b|c").unwrap();
    assert_eq!(read(&store.snapshot(), vec![only_b]), expect[1..]);
}

#[test]
fn a_bad_sample_is_refused_by_name_and_spoils_no_other() {
    let store = MetricsStore::in_memory(MetricsOptions::default());
    let a = labels(&[("__name__", "a")]);
    write(&store, &a, &[(T0, 1.0)]);
    let outcome = write(
        &store,
        &a,
        &[
            (T0, 1.0),
            (T0, 2.0),
            (T0 - 7_200_000, 1.0),
            (T0 + 3_600_000, 1.0),
            (T0 + 1, 5.0),
        ],
    );
    assert_eq!((outcome.samples, outcome.refused_count), (2, 3));
    let mut reasons: Vec<&str> = outcome.refused.iter().map(|r| r.reason.code()).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, ["duplicate_with_other_value", "future", "too_old"]);
    assert!(outcome.refused.iter().all(|r| r.labels == a));
    let mut appender = store.appender("test", T0);
    assert_eq!(appender.series(&Labels::empty()), Err(Refusal::EmptyLabels));
    assert_eq!(
        read(&store.snapshot(), vec![]),
        [("a".to_owned(), vec![(T0, 1.0), (T0 + 1, 5.0)])]
    );
}

#[test]
fn a_snapshot_does_not_see_later_commits() {
    let store = MetricsStore::in_memory(MetricsOptions::default());
    let a = labels(&[("__name__", "a")]);
    write(&store, &a, &[(T0, 1.0)]);
    let before = store.snapshot();
    write(&store, &a, &[(T0 + 1, 2.0)]);
    write(&store, &a, &[(T0 - 1, 0.5), (T0 + 2, 3.0)]);
    write(&store, &labels(&[("__name__", "b")]), &[(T0, 1.0)]);
    assert_eq!(read(&before, vec![]), [("a".to_owned(), vec![(T0, 1.0)])]);
    assert_eq!(read(&store.snapshot(), vec![])[0].1.len(), 4);
    let mut last = SeriesPoints::default();
    before.select(&everything(vec![])).unwrap()[0]
        .reader
        .read_last(0, i64::MAX, &mut last)
        .unwrap();
    assert_eq!((last.times_ms, last.values), (vec![T0], vec![1.0]));
}

#[test]
fn a_batch_brings_exemplars_metadata_and_raw_names() {
    let dir = tempfile::tempdir().unwrap();
    let a = labels(&[("__name__", "a_total"), ("job", "x")]);
    let exemplar = Exemplar {
        labels: labels(&[("trace_id", "7")]),
        value: 1.0,
        t_ms: None,
    };
    let metadata = Metadata {
        kind: MetricKind::Counter,
        help: "some".into(),
        unit: String::new(),
    };
    {
        let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
        let mut appender = store.appender("test", T0);
        appender.append_batch(&WriteBatch {
            series: vec![SeriesWrite {
                labels: a.clone(),
                samples: vec![Sample { t_ms: T0, value: 1.0 }],
                exemplars: vec![exemplar.clone()],
                start_ms: Some(T0 - 5),
                ..SeriesWrite::default()
            }],
            metadata: vec![("a_total".into(), metadata.clone())],
        });
        appender.bind_raw(b"raw", &a).unwrap();
        appender.commit().unwrap();
        let mut appender = store.appender("test", T0);
        let found = appender.lookup_raw(b"raw").unwrap();
        assert_eq!(appender.series(&a).unwrap(), found);
        assert_eq!(appender.lookup_raw(b"row"), None);
    }
    let store = MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    let snapshot = store.snapshot();
    let found = snapshot
        .exemplars(&everything(vec![Matcher::equal("job", "x")]))
        .unwrap();
    assert_eq!(
        found,
        [(
            a,
            vec![Exemplar {
                t_ms: Some(T0),
                ..exemplar
            }]
        )]
    );
    assert_eq!(
        snapshot.metadata(Some("a_total")),
        [("a_total".to_owned(), metadata)]
    );
    assert_eq!(snapshot.label_values("job", &everything(vec![])).unwrap(), ["x"]);
    assert_eq!(
        snapshot.label_names(&everything(vec![])).unwrap(),
        ["__name__", "job"]
    );
}

#[test]
fn names_and_values_are_those_of_the_range() {
    let store = MetricsStore::in_memory(MetricsOptions::default());
    let minute = 60_000;
    write(
        &store,
        &labels(&[("__name__", "a"), ("early", "x")]),
        &[(T0, 1.0), (T0 + minute, 1.0)],
    );
    write(
        &store,
        &labels(&[("__name__", "a"), ("late", "y")]),
        &[(T0 + 9 * minute, 1.0)],
    );
    let snapshot = store.snapshot();
    let between = |start_ms, end_ms, matchers: &[Matcher]| {
        let selection = Selection {
            matchers: matchers.to_vec(),
            start_ms,
            end_ms,
            series_max: None,
        };
        let names = snapshot.label_names(&selection).unwrap();
        let values = ["early", "late"].map(|name| snapshot.label_values(name, &selection).unwrap());
        (names.join(" "), values.concat().join(" "))
    };
    let told = |names: &str, values: &str| (names.to_owned(), values.to_owned());
    let all = told("__name__ early late", "x y");
    let nothing = told("", "");
    let of_a = [Matcher::equal("__name__", "a")];
    for matchers in [&[][..], &of_a] {
        assert_eq!(between(T0, T0 + 9 * minute, matchers), all);
        assert_eq!(between(0, T0 - 1, matchers), nothing, "before the first");
        assert_eq!(
            between(T0 + 9 * minute + 1, i64::MAX, matchers),
            nothing,
            "after the last"
        );
    }
    assert_eq!(
        between(T0 + minute, T0 + 8 * minute, &of_a),
        told("__name__ early", "x")
    );
    assert_eq!(
        between(T0 + 2 * minute, i64::MAX, &of_a),
        told("__name__ late", "y")
    );
}

#[test]
fn a_checkpoint_stands_for_the_log_before_it() {
    let dir = tempfile::tempdir().unwrap();
    let options = || MetricsOptions {
        log_size_max_bytes: 1,
        ..MetricsOptions::default()
    };
    let series: Vec<Labels> = (0..100)
        .map(|i| labels(&[("__name__", "m"), ("i", &i.to_string())]))
        .collect();
    let expect = {
        let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
        for step in 0..300i64 {
            let mut appender = store.appender("test", T0);
            for (i, labels) in series.iter().enumerate() {
                let found = appender.series(labels).unwrap();
                appender.push(
                    found,
                    T0 + step * 15_000 - 4_500_000,
                    (step * i as i64) as f64 / 3.0,
                );
            }
            appender.commit().unwrap();
            if step % 100 == 50 {
                assert!(store.maintain(T0).checkpoint_bytes.is_some());
            }
        }
        write(&store, &series[5], &[(T0 - 15_001, 0.25)]);
        store.checkpoint().unwrap();
        write(&store, &series[6], &[(T0 - 15_001, 0.5), (T0 + 5, 0.75)]);
        read(&store.snapshot(), vec![])
    };
    assert_eq!(expect[0].1.len(), 300);
    for _ in 0..2 {
        let store = MetricsStore::open(dir.path(), options(), T0).unwrap();
        assert_eq!(store.open_report().damaged, []);
        assert_eq!(store.open_report().records_unusable, 0);
        assert_eq!(read(&store.snapshot(), vec![]), expect);
        store.checkpoint().unwrap();
    }
}

#[test]
fn deleted_samples_stay_deleted_and_a_backup_can_be_opened() {
    let dir = tempfile::tempdir().unwrap();
    let (data, copy, back) = (
        dir.path().join("data"),
        dir.path().join("copy"),
        dir.path().join("back"),
    );
    let (a, b) = (labels(&[("__name__", "a")]), labels(&[("__name__", "b")]));
    let store = MetricsStore::open(&data, MetricsOptions::default(), T0).unwrap();
    let samples: Vec<(i64, f64)> = (0..10).map(|i| (T0 + i, i as f64)).collect();
    write(&store, &a, &samples);
    write(&store, &b, &samples);
    assert_eq!(
        store
            .delete(&[Matcher::equal("__name__", "a")], T0 + 5, T0 + 100)
            .unwrap(),
        5
    );
    write(&store, &a, &[(T0 + 20, 7.0)]);
    let expect = read(&store.snapshot(), vec![]);
    assert_eq!(
        expect[0].1,
        [samples[..5].to_vec(), vec![(T0 + 20, 7.0)]].concat()
    );
    store.backup(&copy).unwrap();
    write(&store, &a, &[(T0 + 21, 8.0)]);
    assert!(store.backup(&copy).is_err());
    assert_eq!(store.verify().unwrap().damaged, []);
    drop(store);
    assert_eq!(
        read(
            &MetricsStore::open(&data, MetricsOptions::default(), T0)
                .unwrap()
                .snapshot(),
            vec![]
        )[0]
        .1
        .len(),
        7
    );
    MetricsStore::restore(&copy, &back).unwrap();
    let restored = MetricsStore::open(&back, MetricsOptions::default(), T0).unwrap();
    assert_eq!(read(&restored.snapshot(), vec![]), expect);
    assert!(MetricsStore::restore(&dir.path().join("nothing"), &dir.path().join("x")).is_err());
}

#[test]
fn a_backup_on_another_file_system_is_copied_piece_by_piece() {
    let dir = tempfile::tempdir().unwrap();
    let fs = FaultFs::new(1);
    fs.fail_links();
    let options = MetricsOptions::default();
    let store = MetricsStore::open_on(Arc::new(fs), &dir.path().join("store"), options.clone(), T0).unwrap();
    let mut importer = store.import(T0).unwrap();
    let noise = |n: u64| f64::from_bits(Rng(n).next() >> 2);
    for series in 0..4 {
        let sample = |n: i64| Sample {
            t_ms: T0 - n * 100,
            value: noise(n as u64 * 4 + series),
        };
        importer
            .add(SeriesWrite {
                labels: labels(&[("__name__", "a"), ("i", &series.to_string())]),
                samples: (0..80_000).map(sample).collect(),
                ..SeriesWrite::default()
            })
            .unwrap();
    }
    importer.finish().unwrap();
    let size_bytes = store.numbers().blocks_size_bytes;
    assert!(size_bytes > 2 << 20, "{size_bytes} bytes are more than one piece");
    let copy = dir.path().join("copy");
    store.backup(&copy).unwrap();
    assert!(MetricsStore::verify_dir(&copy).unwrap().is_whole());
    let restored = MetricsStore::open(&copy, options, T0).unwrap();
    assert!(read(&restored.snapshot(), vec![]) == read(&store.snapshot(), vec![]));
}

#[test]
fn what_was_deleted_can_be_written_again() {
    let dir = tempfile::tempdir().unwrap();
    let open = || MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap();
    let series = labels(&[("__name__", "a")]);
    for (is_closed, value) in [(false, 2.0), (true, 3.0)] {
        let mut store = open();
        write(&store, &series, &[(T0, value)]);
        store.delete(&[Matcher::equal("__name__", "a")], T0, T0).unwrap();
        if is_closed {
            drop(store);
            store = open();
        }
        assert_eq!(read(&store.snapshot(), vec![]), []);
        let again = vec![(T0, value)];
        assert_eq!(write(&store, &series, &again).samples, 1);
        assert_eq!(
            read(&store.snapshot(), vec![]),
            [(series.to_string(), again.clone())]
        );
        // The last one stands there, and nothing else.
        assert_eq!(write(&store, &series, &[(T0, value + 1.0)]).refused_count, 1);
        drop(store);
        let store = open();
        assert_eq!(read(&store.snapshot(), vec![]), [(series.to_string(), again)]);
        store.delete(&[], T0, T0).unwrap();
    }
}

#[test]
fn a_snapshot_goes_on_seeing_what_is_deleted() {
    let dir = tempfile::tempdir().unwrap();
    for store in [
        MetricsStore::in_memory(MetricsOptions::default()),
        MetricsStore::open(dir.path(), MetricsOptions::default(), T0).unwrap(),
    ] {
        let (a, b) = (labels(&[("__name__", "a")]), labels(&[("__name__", "b")]));
        write(&store, &a, &[(T0 - 10, 1.0), (T0, 2.0), (T0 - 5, 1.5)]);
        write(&store, &b, &[(T0, 9.0)]);
        let before = store.snapshot();
        let seen = read(&before, vec![]);
        assert_eq!(seen[0].1, [(T0 - 10, 1.0), (T0 - 5, 1.5), (T0, 2.0)]);
        store
            .delete(&[Matcher::equal("__name__", "a")], T0 - 7, T0)
            .unwrap();
        let between = store.snapshot();
        write(&store, &a, &[(T0 - 5, 7.0), (T0 + 1, 8.0)]);
        store.delete(&[], T0 - 100, T0 - 5).unwrap();
        store.maintain(T0);
        assert_eq!(read(&before, vec![]), seen);
        assert_eq!(read(&between, vec![])[0].1, [(T0 - 10, 1.0)]);
        assert_eq!(read(&store.snapshot(), vec![])[0].1, [(T0 + 1, 8.0)]);
        // Nobody looks any more: nothing is kept for them.
        let kept_bytes = store.numbers().memory.samples_bytes;
        drop((before, between));
        store.maintain(T0);
        assert!(store.numbers().memory.samples_bytes < kept_bytes);
    }
}
