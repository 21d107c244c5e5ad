use crate::cases::chain;
use crate::strategies;
use lapwing_types::{Labels, MatchOp, Matcher, ResetHint, Sample, SeriesWrite};
use lapwing_wire::protobuf::Writer;
use lapwing_wire::remote_read::{
    Query, ReadRequest, ResponseType, SAMPLES_PER_CHUNK, StreamReader, StreamWriter, decode_samples,
    encode_samples,
};
use proptest::collection::vec;
use proptest::prelude::*;

const FRAME_BYTES_MAX: usize = 8 << 20;

fn check_request(fill: impl FnOnce(&mut Writer), expect: &str) {
    let mut w = Writer::new();
    fill(&mut w);
    let result = ReadRequest::decode(&w.into_bytes()).and_then(|r| r.response_type());
    match result {
        Ok(response) => assert_eq!(format!("{response:?}"), expect),
        Err(error) => assert_eq!(chain(&error), expect),
    }
}

#[test]
fn the_first_known_response_type_is_taken() {
    check_request(|_| {}, "Samples");
    check_request(|w| w.packed_varints(2, [1, 0]), "StreamedXorChunks");
    check_request(|w| w.packed_varints(2, [9, 0]), "Samples");
    check_request(
        |w| w.packed_varints(2, [9]),
        "none of the accepted response types is known",
    );
}

#[test]
fn bad_matchers_are_named() {
    let matcher = |code: u64, value: &'static str| {
        move |w: &mut Writer| {
            w.message(1, |w| {
                w.message(3, |w| {
                    w.uint64(1, code);
                    w.string(2, "a");
                    w.string(3, value);
                });
            });
        }
    };
    check_request(matcher(4, "b"), "matcher type 4 is unknown");
    let mut w = Writer::new();
    matcher(2, "a(")(&mut w);
    let error = ReadRequest::decode(&w.into_bytes()).unwrap_err();
    assert!(chain(&error).starts_with("a matcher does not compile: invalid regular expression \"a(\""));
}

#[test]
fn requests_round_trip() {
    let request = ReadRequest::new(
        vec![Query {
            start_ms: -5,
            end_ms: 1_790_000_000_000,
            matchers: vec![
                Matcher::equal("__name__", "up"),
                Matcher::new(MatchOp::NotEqual, "a", "").unwrap(),
                Matcher::new(MatchOp::Regex, "b", "x.*").unwrap(),
                Matcher::new(MatchOp::NotRegex, "c", "y|z").unwrap(),
            ],
        }],
        vec![ResponseType::StreamedXorChunks, ResponseType::Samples],
    );
    assert_eq!(ReadRequest::decode(&request.encode()).unwrap(), request);
}

fn streamed(samples: &[Sample]) -> (Labels, Vec<u8>) {
    let labels = Labels::from_pairs([("__name__", "up"), ("job", "x")]).unwrap();
    let mut writer = StreamWriter::new();
    writer.series(
        3,
        &SeriesWrite {
            labels: labels.clone(),
            samples: samples.to_vec(),
            ..SeriesWrite::default()
        },
    );
    (labels, writer.take())
}

#[test]
fn damage_in_a_stream_is_noticed() {
    let (_, bytes) = streamed(&[Sample { t_ms: 1, value: 2.0 }]);
    let mut flipped = bytes.clone();
    *flipped.last_mut().unwrap() ^= 1;
    let error = StreamReader::new(FRAME_BYTES_MAX).feed(&flipped).unwrap_err();
    assert!(chain(&error).starts_with("the checksum of a frame is"), "{error}");

    let error = StreamReader::new(4).feed(&bytes).unwrap_err();
    assert!(chain(&error).ends_with("the limit is 4"), "{error}");

    let mut reader = StreamReader::new(FRAME_BYTES_MAX);
    assert!(reader.feed(&bytes[..bytes.len() - 1]).unwrap().is_empty());
    assert_eq!(
        chain(&reader.finish().unwrap_err()),
        "the stream ends inside a frame"
    );
}

#[test]
fn a_long_series_is_cut_into_frames() {
    let samples: Vec<Sample> = (0..200_000i64)
        .map(|i| Sample {
            t_ms: i * 15_000,
            value: f64::from_bits((i as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)),
        })
        .collect();
    let (_, bytes) = streamed(&samples);
    let parts = StreamReader::new(2 << 20).feed(&bytes).unwrap();
    assert!(parts.len() > 1);
    assert!(parts[0].samples.floats.len().is_multiple_of(SAMPLES_PER_CHUNK));
    let bits = |s: &Sample| (s.t_ms, s.value.to_bits());
    assert!(
        parts
            .iter()
            .flat_map(|p| &p.samples.floats)
            .map(bits)
            .eq(samples.iter().map(bits))
    );
}

proptest! {
    #[test]
    fn samples_round_trip(results in vec(vec(strategies::series(), 0..3), 0..3)) {
        prop_assert_eq!(decode_samples(&encode_samples(&results)).unwrap(), results);
    }

    #[test]
    fn a_stream_arrives_in_any_pieces(
        values in vec(strategies::value(), 1..300),
        piece in 1usize..200,
    ) {
        let samples: Vec<Sample> =
            values.iter().zip(0i64..).map(|(value, t_ms)| Sample { t_ms, value: *value }).collect();
        let (labels, bytes) = streamed(&samples);
        let mut reader = StreamReader::new(FRAME_BYTES_MAX);
        let mut series = Vec::new();
        for part in bytes.chunks(piece) {
            series.extend(reader.feed(part).unwrap());
        }
        reader.finish().unwrap();
        prop_assert_eq!(series.len(), 1);
        prop_assert_eq!((series[0].query_index, &series[0].labels), (3, &labels));
        prop_assert_eq!(&series[0].samples.floats, &samples);
    }

    #[test]
    fn histograms_stream_too(
        histograms in vec(prop_oneof![strategies::histogram(), strategies::custom_histogram()], 1..20),
    ) {
        let series = SeriesWrite {
            labels: Labels::from_pairs([("__name__", "h")]).unwrap(),
            samples: vec![Sample { t_ms: 5, value: 1.0 }],
            histograms: (0i64..).map(|i| i * 1000).zip(histograms).collect(),
            ..SeriesWrite::default()
        };
        let mut writer = StreamWriter::new();
        writer.series(0, &series);
        let read = StreamReader::new(FRAME_BYTES_MAX).feed(&writer.take()).unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!(&read[0].samples.floats, &series.samples);
        // Whether there was a reset is told for the first of a chunk only.
        let plain = |all: &[(i64, lapwing_types::Histogram)]| {
            let mut all = all.to_vec();
            for (_, histogram) in &mut all {
                if histogram.reset_hint != ResetHint::Gauge {
                    histogram.reset_hint = ResetHint::Unknown;
                }
            }
            all
        };
        prop_assert_eq!(plain(&read[0].samples.histograms), plain(&series.histograms));
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = ReadRequest::decode(&bytes);
        let _ = decode_samples(&bytes);
        let _ = StreamReader::new(FRAME_BYTES_MAX).feed(&bytes);
    }
}
