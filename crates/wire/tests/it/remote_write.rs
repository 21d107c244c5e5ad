use crate::cases::{cases, chain, summary};
use crate::notation;
use crate::strategies;
use lapwing_types::{
    Counts, Labels, Metadata, MetricKind, STALE_NAN_BITS, Sample, SeriesWrite, WriteBatch, stale_nan,
};
use lapwing_wire::protobuf::{Writer, zigzag};
use lapwing_wire::remote_write::{RemoteWriteError, encode_v1, encode_v2, v1, v2};
use proptest::collection::vec;
use proptest::prelude::*;

#[test]
fn the_cases_of_the_specifications() {
    for case in cases(include_str!("../data/remote_write.test")) {
        let (version, message) = case.input.split_once('\n').expect("a version");
        let bytes = notation::encode(message);
        let read = match version {
            "1.0" => v1::WriteRequest::decode(&bytes).and_then(|r| r.to_batch()),
            "2.0" => v2::Request::decode(&bytes).and_then(|r| r.to_batch()),
            other => panic!("{}: version {other}", case.name),
        };
        let found = match read {
            Ok(batch) => summary(&batch),
            Err(error) => chain(&error),
        };
        assert_eq!(found, case.expect, "{}", case.name);
    }
}

fn check_v1(fill: impl FnOnce(&mut Writer), expect: &str) {
    let mut w = Writer::new();
    fill(&mut w);
    let bytes = w.into_bytes();
    let result = v1::WriteRequest::decode(&bytes).and_then(|request| request.to_batch());
    match result {
        Ok(batch) => assert_eq!(summary(&batch), expect),
        Err(error) => assert_eq!(chain(&error), expect),
    }
}

fn check_v2(fill: impl FnOnce(&mut Writer), expect: &str) {
    let mut w = Writer::new();
    fill(&mut w);
    let bytes = w.into_bytes();
    let result = v2::Request::decode(&bytes).and_then(|request| request.to_batch());
    match result {
        Ok(batch) => assert_eq!(summary(&batch), expect),
        Err(error) => assert_eq!(chain(&error), expect),
    }
}

fn label(w: &mut Writer, name: &str, value: &str) {
    w.message(1, |w| {
        w.string(1, name);
        w.string(2, value);
    });
}

fn sample(w: &mut Writer, value: f64, t_ms: i64) {
    w.message(2, |w| {
        w.double(1, value);
        w.int64(2, t_ms);
    });
}

#[test]
fn v1_decodes_bytes_that_were_written_by_hand() {
    // up{job="x"} 1 @ 1000, field by field from the .proto file.
    let bytes = [
        0x0a, 42, // timeseries
        0x0a, 0x0e, 0x0a, 8, b'_', b'_', b'n', b'a', b'm', b'e', b'_', b'_', 0x12, 2, b'u',
        b'p', // label
        0x0a, 0x08, 0x0a, 3, b'j', b'o', b'b', 0x12, 1, b'x', // label
        0x12, 0x0c, 0x09, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f, 0x10, 0xe8, 0x07, // sample
        0x78, 0x01, // a field of the future
        0x1a, 0x0b, 0x08, 2, 0x12, 2, b'u', b'p', 0x22, 1, b'h', 0x2a, 0, // metadata
    ];
    let request = v1::WriteRequest::decode(&bytes).unwrap();
    assert_eq!((request.series_count, request.metadata_count), (1, 1));
    assert_eq!(
        summary(&request.to_batch().unwrap()),
        "up{job=\"x\"} 1@1000\nup: gauge \"h\" \"\""
    );
}

#[test]
fn v1_gathers_labels_that_stand_apart() {
    let series = |w: &mut Writer, apart: bool| {
        w.message(1, |w| {
            label(w, "__name__", "up");
            if apart {
                sample(w, 1.0, 5);
                label(w, "job", "x");
            } else {
                label(w, "job", "x");
                sample(w, 1.0, 5);
            }
        });
    };
    let mut w = Writer::new();
    series(&mut w, false);
    series(&mut w, true);
    let bytes = w.into_bytes();
    let all: Vec<_> = v1::WriteRequest::decode(&bytes)
        .unwrap()
        .series()
        .map(|s| s.unwrap())
        .collect();
    assert_eq!(all[0].raw_labels(), all[1].raw_labels());
    assert_eq!(all[0].labels(), all[1].labels());
    assert_eq!(all[1].samples().count(), 1);
}

#[test]
fn v1_names_what_is_wrong() {
    check_v1(
        |w| w.message(1, |w| sample(w, 1.0, 5)),
        "the series {}: the label __name__ is missing",
    );
    check_v1(
        |w| {
            w.message(1, |w| {
                label(w, "__name__", "up");
                label(w, "__name__", "down");
            });
        },
        "series 1 of the request, {__name__=\"up\", __name__=\"down\"}: the labels are invalid: \
         label \"__name__\" appears more than once",
    );
    check_v1(
        |w| {
            w.message(1, |w| {
                label(w, "__name__", "up");
                w.message(4, |w| w.packed_varints(12, [zigzag(-1)]));
            });
        },
        "the series up: positive bucket 0 of the histogram is below zero or above 2^64 when its delta is added",
    );
    check_v1(
        |w| {
            w.message(1, |w| {
                label(w, "__name__", "up");
                w.bytes(2, &[0x09, 0]);
            });
        },
        "the series up: the message is not valid protobuf: message ends inside a field at byte 1",
    );
    check_v1(
        |w| w.bytes(4, b""),
        "the message is remote write 2.0, the content type says 1.0",
    );
    check_v1(
        |w| {
            w.message(1, |w| {
                w.message(1, |w| w.bytes(1, &[0xff, 0xfe]));
            });
        },
        "series 1 of the request, {\u{fffd}\u{fffd}=\"\"}: the message is not valid protobuf: field 1 is not valid UTF-8",
    );
    check_v1(
        |w| {
            w.message(1, |w| {
                label(w, "__name__", "up");
                sample(w, 1.0, 5);
            });
            w.message(1, |w| {
                label(w, "__name__", "cut");
                label(w, "job", &"x".repeat(600));
                w.varint(0x12);
                w.varint(99);
            });
        },
        &format!(
            "series 2 of the request, {{__name__=\"cut\", job=\"{}…}}: \
             the message is not valid protobuf: field 2 claims 99 bytes, 0 are left",
            "x".repeat(512 - 21)
        ),
    );
}

/// What is wrong inside one series costs that one, wherever it stands.
#[test]
fn the_series_behind_a_broken_one_are_read() {
    let mut v1 = Writer::new();
    let mut v2 = Writer::new();
    symbols(&mut v2, &["", "__name__", "first", "last"]);
    for part in [Some(2), None, Some(3)] {
        let Some(name) = part else {
            v1.bytes(1, &[0x12, 0x7f, 0]);
            v2.bytes(5, &[0x12, 0x7f, 0]);
            continue;
        };
        v1.message(1, |w| {
            label(w, "__name__", if name == 2 { "first" } else { "last" });
        });
        v2.message(5, |w| w.packed_varints(1, [1, name]));
    }
    let (v1, v2) = (v1.into_bytes(), v2.into_bytes());
    let v1 = v1::WriteRequest::decode(&v1).unwrap();
    let v2 = v2::Request::decode(&v2).unwrap();
    let first: Vec<_> = v1.series().map(|s| s.ok()?.labels().ok()).collect();
    let second: Vec<_> = v2.series().map(|s| s.ok()?.labels().ok()).collect();
    let shown: Vec<_> = first.iter().map(|l| l.as_ref().map(Labels::to_string)).collect();
    assert_eq!(shown, [Some("first".to_owned()), None, Some("last".to_owned())]);
    assert_eq!(first, second);
}

#[test]
fn v1_sorts_labels_and_drops_empty_values() {
    check_v1(
        |w| {
            w.message(1, |w| {
                label(w, "job", "x");
                label(w, "a", "");
                label(w, "__name__", "up");
                sample(w, 2.5, -3);
                sample(w, f64::INFINITY, 0);
            });
        },
        "up{job=\"x\"} 2.5@-3 inf@0",
    );
}

fn symbols(w: &mut Writer, all: &[&str]) {
    for symbol in all {
        w.bytes(4, symbol.as_bytes());
    }
}

#[test]
fn v2_resolves_symbols() {
    check_v2(
        |w| {
            symbols(
                w,
                &[
                    "",
                    "__name__",
                    "rpc_total",
                    "job",
                    "x",
                    "trace_id",
                    "t1",
                    "calls",
                    "s",
                ],
            );
            w.message(5, |w| {
                w.packed_varints(1, [1, 2, 3, 4]);
                w.message(2, |w| {
                    w.double(1, 7.0);
                    w.int64(2, 2000);
                    w.int64(3, 1000);
                });
                w.message(4, |w| {
                    w.packed_varints(1, [5, 6]);
                    w.double(2, 0.5);
                });
                w.message(5, |w| {
                    w.uint64(1, 1);
                    w.uint64(3, 7);
                    w.uint64(4, 8);
                });
            });
        },
        "rpc_total{job=\"x\"} 7@2000 # {trace_id=\"t1\"} 0.5 None since 1000\nrpc_total: counter \"calls\" \"s\"",
    );
}

#[test]
fn v2_takes_the_created_timestamp_of_the_drafts() {
    check_v2(
        |w| {
            symbols(w, &["", "__name__", "a_total"]);
            w.message(5, |w| {
                w.packed_varints(1, [1, 2]);
                sample(w, 7.0, 2000);
                w.int64(6, 1500);
            });
        },
        "a_total 7@2000 since 1500",
    );
}

#[test]
fn v2_names_what_is_wrong() {
    let series = |refs: &'static [u64]| {
        move |w: &mut Writer| {
            symbols(w, &["", "__name__", "up"]);
            w.message(5, |w| w.packed_varints(1, refs.iter().copied()));
        }
    };
    check_v2(
        series(&[1, 3]),
        "series 1 of the request, {__name__=\"<symbol 3>\"}: symbol 3 is referred to, the request has 3",
    );
    check_v2(
        series(&[1, u64::MAX]),
        "series 1 of the request, {__name__=\"<symbol 18446744073709551615>\"}: \
         symbol 18446744073709551615 is referred to, the request has 3",
    );
    check_v2(
        series(&[1, 2, 1]),
        "series 1 of the request, {__name__=\"up\", __name__=\"\"}: 3 label references, the number must be even",
    );
    check_v2(series(&[1, 0]), "the series {}: the label __name__ is missing");
    check_v2(
        |w| symbols(w, &["a", ""]),
        "the first symbol is \"a\", it must be the empty string",
    );
    check_v2(
        |w| {
            symbols(w, &["", "__name__", "up"]);
            w.message(5, |w| {
                w.packed_varints(1, [1, 2]);
                sample(w, 1.0, 1);
                w.message(3, |w| w.uint64(1, 1));
            });
        },
        "the series up: samples and histograms in one series",
    );
    check_v2(
        |w| w.message(1, |w| label(w, "__name__", "up")),
        "the message is remote write 1.0, the content type says 2.0",
    );
}

#[test]
fn both_versions_share_one_cache_key() {
    let long = "x".repeat(300);
    let labels = Labels::from_pairs([("__name__", "up"), ("job", long.as_str())]).unwrap();
    let batch = one_series(labels);
    let (first, second) = (encode_v1(&batch), encode_v2(&batch));
    let v1_request = v1::WriteRequest::decode(&first).unwrap();
    let v2_request = v2::Request::decode(&second).unwrap();
    let mut key = Vec::new();
    v2_request
        .series()
        .next()
        .unwrap()
        .unwrap()
        .key(&mut key)
        .unwrap();
    assert_eq!(v1_request.series().next().unwrap().unwrap().raw_labels(), key);
}

#[test]
fn the_staleness_marker_keeps_its_bits() {
    let mut batch = one_series(Labels::from_pairs([("__name__", "up")]).unwrap());
    batch.series[0].samples = vec![Sample {
        t_ms: 1,
        value: stale_nan(),
    }];
    let read = v1::WriteRequest::decode(&encode_v1(&batch))
        .unwrap()
        .to_batch()
        .unwrap();
    assert_eq!(read.series[0].samples[0].value.to_bits(), STALE_NAN_BITS);
}

#[test]
fn v2_metadata_of_a_histogram_goes_to_its_family() {
    let about = Metadata {
        kind: MetricKind::Histogram,
        help: "h".into(),
        unit: String::new(),
    };
    let mut batch = one_series(Labels::from_pairs([("__name__", "lat_bucket"), ("le", "1")]).unwrap());
    batch.metadata = vec![("lat".into(), about.clone())];
    let bytes = encode_v2(&batch);
    let read = v2::Request::decode(&bytes).unwrap().to_batch().unwrap();
    assert_eq!(read.metadata, [("lat".to_owned(), about)]);
}

fn one_series(labels: Labels) -> WriteBatch {
    WriteBatch {
        series: vec![SeriesWrite {
            labels,
            ..SeriesWrite::default()
        }],
        metadata: vec![],
    }
}

proptest! {
    #[test]
    fn v1_round_trips(
        series in vec(strategies::series(), 0..4),
        about in strategies::metadata(),
    ) {
        let batch = WriteBatch { series, metadata: vec![("family".into(), about)] };
        let bytes = encode_v1(&batch);
        let read = v1::WriteRequest::decode(&bytes).unwrap().to_batch().unwrap();
        prop_assert_eq!(read, batch);
    }

    #[test]
    fn v2_round_trips(
        series in vec(strategies::series(), 0..4),
        about in strategies::metadata(),
        start_ms in proptest::option::of(1i64..i64::MAX),
    ) {
        let mut batch = WriteBatch { series, metadata: vec![] };
        for s in &mut batch.series {
            s.start_ms = start_ms;
        }
        if let Some(first) = batch.series.first() {
            batch.metadata = vec![(first.labels.metric_name().unwrap().to_owned(), about)];
        }
        let bytes = encode_v2(&batch);
        let read = v2::Request::decode(&bytes).unwrap().to_batch().unwrap();
        prop_assert_eq!(read, batch);
    }

    #[test]
    fn cut_and_flipped_requests_never_panic(
        series in vec(strategies::series(), 1..3),
        cut in any::<prop::sample::Index>(),
        flip in any::<prop::sample::Index>(),
        mask in 1u8..,
    ) {
        let batch = WriteBatch { series, metadata: vec![] };
        for encoded in [encode_v1(&batch), encode_v2(&batch)] {
            let mut bytes = encoded.clone();
            bytes.truncate(cut.index(encoded.len()));
            decode_both(&bytes);
            let mut bytes = encoded;
            let at = flip.index(bytes.len());
            bytes[at] ^= mask;
            decode_both(&bytes);
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        decode_both(&bytes);
    }
}

fn decode_both(bytes: &[u8]) {
    let first: Result<WriteBatch, RemoteWriteError> =
        v1::WriteRequest::decode(bytes).and_then(|r| r.to_batch());
    let second = v2::Request::decode(bytes).and_then(|r| r.to_batch());
    for batch in [first, second].into_iter().flatten() {
        for (_, histogram) in batch.series.iter().flat_map(|s| &s.histograms) {
            let buckets = match &histogram.counts {
                Counts::Int { positive, .. } => positive.len(),
                Counts::Float { positive, .. } => positive.len(),
            };
            assert!(buckets <= bytes.len(), "no more buckets than bytes");
        }
    }
}
