use crate::cases::{cases, chain, summary};
use crate::notation;
use lapwing_types::{Counts, Exemplar, Histogram, Labels, WriteBatch};
use lapwing_wire::otlp::{
    DeltaBook, DeltaState, KEY_TAG, MetricsRequest, NameTranslation, OtlpError, OtlpOptions, RejectReason,
    SeriesSink, Translated, decode_json, decode_proto, encode_response_json, encode_response_proto,
    encode_status_json, encode_status_proto, translate, translate_into,
};
use lapwing_wire::protobuf::{Reader, Writer, zigzag};
use proptest::prelude::*;
use std::collections::HashMap;

const SERIES_MAX: usize = 100;

fn translated(json: &str, options: &OtlpOptions, state: &DeltaState) -> Translated {
    translate(&decode_json(json.as_bytes()).unwrap(), options, state).unwrap()
}

#[test]
fn json_cases() {
    for case in cases(include_str!("../data/otlp_json.test")) {
        let found = shown(decode_json(case.input.as_bytes()));
        assert_eq!(found, case.expect, "{}", case.name);
    }
}

#[test]
fn protobuf_cases() {
    for case in cases(include_str!("../data/otlp_proto.test")) {
        let bytes = notation::encode(case.input);
        assert_eq!(shown(decode_proto(&bytes)), case.expect, "{}", case.name);
    }
}

/// Remembers keys, as the store does.
#[derive(Default)]
struct Knowing {
    labels: HashMap<Vec<u8>, Labels>,
    batch: WriteBatch,
    made: usize,
}

impl SeriesSink for Knowing {
    type Series = usize;

    fn known(&mut self, key: &[u8]) -> Option<usize> {
        self.batch.bind(key, self.labels.get(key)?)
    }

    fn bind(&mut self, key: &[u8], labels: &Labels) -> Option<usize> {
        assert_eq!(key[0], KEY_TAG);
        self.made += 1;
        self.labels.insert(key.to_vec(), labels.clone());
        self.batch.bind(key, labels)
    }

    fn sample(&mut self, series: usize, t_ms: i64, value: f64) {
        self.batch.sample(series, t_ms, value);
    }

    fn histogram(&mut self, series: usize, t_ms: i64, histogram: Histogram) {
        self.batch.histogram(series, t_ms, histogram);
    }

    fn exemplar(&mut self, series: usize, exemplar: Exemplar) {
        self.batch.exemplar(series, exemplar);
    }

    fn start(&mut self, series: usize, t_ms: i64, start_ms: i64) {
        self.batch.start(series, t_ms, start_ms);
    }
}

/// What becomes of a request: series, metadata and refused points, or why it is refused as a whole.
fn shown(request: Result<MetricsRequest<'_>, OtlpError>) -> String {
    let request = match request {
        Err(error) => return chain(&error),
        Ok(request) => request,
    };
    let (options, state) = (OtlpOptions::default(), DeltaState::new(SERIES_MAX));
    let result = match translate(&request, &options, &state) {
        Err(error) => return chain(&error),
        Ok(result) => result,
    };
    let mut knowing = Knowing::default();
    for time in ["the first time", "again"] {
        (knowing.batch, knowing.made) = (WriteBatch::default(), 0);
        let book = || DeltaBook::new(state.clone());
        let taken = translate_into(&request, &options, book, &mut knowing).unwrap();
        knowing.batch.metadata.clone_from(&result.batch.metadata);
        assert_eq!(summary(&knowing.batch), summary(&result.batch), "{time}");
        assert_eq!(taken.rejections, result.rejections, "{time}");
    }
    assert_eq!(knowing.made, 0, "all is known");
    let mut lines = vec![summary(&result.batch)];
    for r in &result.rejections {
        lines.push(format!("rejected {} {}: {}", r.points_count, r.metric, r.reason));
    }
    lines.join("\n")
}

fn text_attribute(w: &mut Writer, number: u32, key: &str, value: &str) {
    w.message(number, |w| {
        w.string(1, key);
        w.message(2, |w| w.bytes(1, value.as_bytes()));
    });
}

/// Every field of every point, by its number in the .proto files.
fn proto_request() -> Vec<u8> {
    let head = |w: &mut Writer| {
        w.fixed64(2, 1_000_000);
        w.fixed64(3, 5_000_000);
    };
    let exemplar = |w: &mut Writer| {
        w.fixed64(2, 4_000_000);
        w.present_double(3, 0.5);
        w.bytes(4, &[0xab, 1]);
        w.bytes(5, &[0xcd, 2]);
        text_attribute(w, 7, "u", "v");
    };
    let mut w = Writer::new();
    w.message(1, |w| {
        w.message(1, |w| text_attribute(w, 1, "service.name", "svc"));
        w.message(2, |w| {
            w.message(1, |w| {
                w.string(1, "lib");
                w.string(2, "v1");
                text_attribute(w, 3, "s", "t");
            });
            w.string(3, "https://schema");
            w.message(2, |w| {
                w.string(1, "g");
                w.message(5, |w| {
                    w.message(1, |w| {
                        head(w);
                        w.present_double(4, 1.5);
                        text_attribute(w, 7, "a", "b");
                    });
                });
            });
            w.message(2, |w| {
                w.string(1, "c");
                w.string(2, "help");
                w.string(3, "By");
                w.message(7, |w| {
                    w.uint64(2, 2);
                    w.uint64(3, 1);
                    w.message(1, |w| {
                        head(w);
                        w.fixed64(6, 7);
                        w.message(5, exemplar);
                    });
                });
            });
            w.message(2, |w| {
                w.string(1, "h");
                w.message(9, |w| {
                    w.uint64(2, 2);
                    w.message(1, |w| {
                        head(w);
                        w.fixed64(4, 3);
                        w.present_double(5, 4.5);
                        w.bytes(6, &[1u64.to_le_bytes(), 2u64.to_le_bytes()].concat());
                        w.packed_doubles(7, &[1.0]);
                        text_attribute(w, 9, "a", "b");
                    });
                });
            });
            w.message(2, |w| {
                w.string(1, "e");
                w.message(10, |w| {
                    w.uint64(2, 2);
                    w.message(1, |w| {
                        text_attribute(w, 1, "a", "b");
                        head(w);
                        w.fixed64(4, 6);
                        w.present_double(5, 4.5);
                        w.uint64(6, zigzag(3));
                        w.fixed64(7, 1);
                        w.message(8, |w| {
                            w.uint64(1, zigzag(-2));
                            w.packed_varints(2, [1, 0, 0, 0, 1]);
                        });
                        w.message(9, |w| w.packed_varints(2, [3]));
                        w.double(14, 0.25);
                    });
                });
            });
            w.message(2, |w| {
                w.string(1, "s");
                w.message(11, |w| {
                    w.message(1, |w| {
                        head(w);
                        w.fixed64(4, 3);
                        w.present_double(5, 4.5);
                        w.message(6, |w| {
                            w.double(1, 0.5);
                            w.double(2, 9.0);
                        });
                        text_attribute(w, 7, "a", "b");
                        w.uint64(8, 1);
                    });
                });
            });
        });
    });
    w.into_bytes()
}

#[test]
fn protobuf_has_every_field() {
    let bytes = proto_request();
    let request = decode_proto(&bytes).unwrap();
    let options = OtlpOptions {
        scope_labels: true,
        ..OtlpOptions::default()
    };
    let result = translate(&request, &options, &DeltaState::new(SERIES_MAX)).unwrap();
    assert_eq!(result.rejections, []);
    let scope = "job=\"svc\", otel_scope_name=\"lib\", otel_scope_s=\"t\", \
                 otel_scope_schema_url=\"https://schema\", otel_scope_version=\"v1\"";
    let expect = format!(
        "g{{a=\"b\", {scope}}} 1.5@5\n\
         c_bytes_total{{{scope}}} 7@5 # {{span_id=\"ab01\", trace_id=\"cd02\", u=\"v\"}} 0.5 Some(4) since 1\n\
         h_bucket{{a=\"b\", job=\"svc\", le=\"1\", {scope_rest}}} 1@5 since 1\n\
         h_bucket{{a=\"b\", job=\"svc\", le=\"+Inf\", {scope_rest}}} 3@5 since 1\n\
         h_sum{{a=\"b\", {scope}}} 4.5@5 since 1\n\
         h_count{{a=\"b\", {scope}}} 3@5 since 1\n\
         e{{a=\"b\", {scope}}} Int {{ count: 6, zero: 1, positive: [1, 1], negative: [3] }}@5 since 1\n\
         s{{a=\"b\", {scope}, quantile=\"0.5\"}} NaN@5 since 1\n\
         s_sum{{a=\"b\", {scope}}} NaN@5 since 1\n\
         s_count{{a=\"b\", {scope}}} NaN@5 since 1\n\
         g: gauge \"\" \"\"\nc_bytes_total: counter \"help\" \"bytes\"\nh: histogram \"\" \"\"\n\
         e: histogram \"\" \"\"\ns: summary \"\" \"\"",
        scope_rest = scope.strip_prefix("job=\"svc\", ").unwrap(),
    );
    assert_eq!(summary(&result.batch), expect);
    let histogram = &result.batch.series[6].histograms[0].1;
    assert_eq!(histogram.validate(), Ok(()));
    assert_eq!(histogram.schema, 3);
    assert_eq!(histogram.zero_threshold, 0.25);
    assert_eq!(
        histogram
            .positive_spans
            .iter()
            .map(|s| (s.offset, s.length))
            .collect::<Vec<_>>(),
        [(-1, 1), (3, 1)]
    );
}

#[test]
fn options_change_names_labels_and_buckets() {
    let json = r#"{"resourceMetrics":[{"resource":{"attributes":[
        {"key":"service.name","value":{"stringValue":"svc"}},{"key":"k8s.pod.name","value":{"stringValue":"p"}}]},
        "scopeMetrics":[{"metrics":[{"name":"http.latency","unit":"s","histogram":{"aggregationTemporality":2,
        "dataPoints":[{"timeUnixNano":"5000000","count":"3","sum":2,"bucketCounts":[1,2],"explicitBounds":[1.5],
        "attributes":[{"key":"http.route","value":{"stringValue":"/"}}]}]}}]}]}]}"#;
    let options = OtlpOptions {
        names: NameTranslation::NoTranslation,
        promoted_attributes: vec!["k8s.pod.name".into()],
        keep_identifying_attributes: true,
        custom_bucket_histograms: true,
        ..OtlpOptions::default()
    };
    let result = translated(json, &options, &DeltaState::new(SERIES_MAX));
    assert_eq!(
        summary(&result.batch),
        "{__name__=\"http.latency\", \"http.route\"=\"/\", job=\"svc\", \"k8s.pod.name\"=\"p\"} \
         Int { count: 3, zero: 0, positive: [1, 2], negative: [] }@5\n\
         target_info{job=\"svc\", \"k8s.pod.name\"=\"p\", \"service.name\"=\"svc\"} 1@5\n\
         http.latency: histogram \"\" \"seconds\""
    );
    let histogram = &result.batch.series[0].histograms[0].1;
    assert_eq!(histogram.validate(), Ok(()));
    assert_eq!(*histogram.custom_bounds, [1.5]);
}

fn delta(data: &str) -> String {
    format!(r#"{{"resourceMetrics":[{{"scopeMetrics":[{{"metrics":[{{"name":"d",{data}}}]}}]}}]}}"#)
}

fn delta_sum(start_ms: u64, t_ms: u64, value: f64) -> String {
    delta(&format!(
        r#""sum":{{"isMonotonic":true,"aggregationTemporality":1,"dataPoints":[
        {{"startTimeUnixNano":{},"timeUnixNano":{},"asDouble":{value}}}]}}"#,
        start_ms * 1_000_000,
        t_ms * 1_000_000,
    ))
}

/// Sends requests one after another, with a restart from saved bytes before each.
fn run(requests: &[String]) -> Vec<Translated> {
    let mut saved = DeltaState::new(SERIES_MAX).to_bytes();
    let mut results = Vec::new();
    for request in requests {
        let mut state = DeltaState::from_bytes(&saved, SERIES_MAX).unwrap();
        let mut result = translated(request, &OtlpOptions::default(), &state);
        state.apply(std::mem::take(&mut result.delta_changes));
        saved = state.to_bytes();
        results.push(result);
    }
    results
}

fn only_series(results: &[Translated]) -> Vec<String> {
    let batch = |r: &Translated| WriteBatch {
        metadata: vec![],
        ..r.batch.clone()
    };
    results.iter().map(|r| summary(&batch(r))).collect()
}

#[test]
fn deltas_are_added_up_over_restarts() {
    let results = run(&[
        delta_sum(1, 10, 3.0),
        delta_sum(10, 20, 4.5),
        delta_sum(20, 30, 0.0),
    ]);
    assert_eq!(
        only_series(&results),
        [
            "d_total 3@10 since 1",
            "d_total 7.5@20 since 1",
            "d_total 7.5@30 since 1"
        ]
    );
}

#[test]
fn a_delta_sent_twice_counts_once() {
    let results = run(&[
        delta_sum(1, 10, 3.0),
        delta_sum(1, 10, 3.0),
        delta_sum(10, 20, 1.0),
    ]);
    assert_eq!(results[1].rejections[0].reason, RejectReason::DeltaNotNewer);
    assert_eq!(only_series(&results)[2], "d_total 4@20 since 1");
}

#[test]
fn a_delta_whose_batch_was_not_kept_can_come_again() {
    let state = DeltaState::new(SERIES_MAX);
    for _ in 0..2 {
        let result = translated(&delta_sum(1, 10, 3.0), &OtlpOptions::default(), &state);
        assert_eq!(only_series(&[result]), ["d_total 3@10 since 1"]);
    }
}

#[test]
fn delta_series_are_bounded_and_forgotten() {
    let mut state = DeltaState::new(1);
    let options = OtlpOptions::default();
    let result = translated(&delta_sum(1, 10, 3.0), &options, &state);
    state.apply(result.delta_changes);
    let other = delta_sum(1, 10, 3.0).replace("\"d\"", "\"other\"");
    let result = translated(&other, &options, &state);
    assert_eq!(
        result.rejections[0].reason,
        RejectReason::DeltaStateFull { series_max: 1 }
    );
    assert_eq!((state.forget_before(10), state.forget_before(11)), (0, 1));
    assert_eq!(state.series_count(), 0);
    assert!(translated(&other, &options, &state).rejections.is_empty());
}

#[test]
fn delta_histograms_keep_their_bounds_or_start_again() {
    let request = |t_ms: u64, bounds: &str| {
        delta(&format!(
            r#""histogram":{{"aggregationTemporality":1,"dataPoints":[{{"startTimeUnixNano":"{}","timeUnixNano":"{}",
            "count":3,"sum":4,"bucketCounts":[1,2],"explicitBounds":[{bounds}]}}]}}"#,
            (t_ms - 1) * 1_000_000,
            t_ms * 1_000_000
        ))
    };
    let results = run(&[request(10, "1"), request(20, "1"), request(30, "2")]);
    let series = only_series(&results);
    assert_eq!(
        series[1],
        "d_bucket{le=\"1\"} 2@20 since 9\nd_bucket{le=\"+Inf\"} 6@20 since 9\nd_sum 8@20 since 9\nd_count 6@20 since 9"
    );
    assert_eq!(
        series[2],
        "d_bucket{le=\"2\"} 1@30 since 29\nd_bucket{le=\"+Inf\"} 3@30 since 29\nd_sum 4@30 since 29\nd_count 3@30 since 29"
    );
}

#[test]
fn delta_exponentials_meet_at_the_coarser_scale() {
    let request = |t_ms: u64, scale: i32, buckets: &str| {
        delta(&format!(
            r#""exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"{}",
            "count":3,"sum":4,"scale":{scale},"positive":{{"offset":-1,"bucketCounts":{buckets}}}}}]}}"#,
            t_ms * 1_000_000
        ))
    };
    let results = run(&[request(10, 1, "[1,1,1]"), request(20, 0, "[1,2]")]);
    let histogram = &results[1].batch.series[0].histograms[0].1;
    assert_eq!((histogram.schema, histogram.sum), (0, 8.0));
    // At scale 1 the buckets -1, 0, 1 fall into -1, 0, 0 of scale 0.
    let Counts::Int { positive, count, .. } = &histogram.counts else {
        panic!("integer counts");
    };
    assert_eq!((positive.as_slice(), *count), (&[2, 4][..], 6));
    assert_eq!(histogram.validate(), Ok(()));
}

#[test]
fn a_drifting_exponential_stays_bounded() {
    let mut state = DeltaState::new(SERIES_MAX);
    for i in 0..200u64 {
        let request = delta(&format!(
            r#""exponentialHistogram":{{"aggregationTemporality":1,"dataPoints":[{{"timeUnixNano":"{}",
            "count":4,"sum":4,"scale":8,"positive":{{"offset":{},"bucketCounts":[1,1,1,1]}}}}]}}"#,
            (i + 1) * 1_000_000,
            i * 1000
        ));
        let result = translated(&request, &OtlpOptions::default(), &state);
        let histogram = &result.batch.series[0].histograms[0].1;
        let Counts::Int { positive, count, .. } = &histogram.counts else {
            panic!("integer counts");
        };
        assert_eq!(*count, 4 * (i + 1));
        assert!(positive.len() < 2000);
        assert_eq!(histogram.validate(), Ok(()));
        state.apply(result.delta_changes);
    }
    assert!(state.to_bytes().len() < 4096);
}

#[test]
fn damaged_delta_state_is_refused() {
    let mut state = DeltaState::new(SERIES_MAX);
    let result = translated(&delta_sum(1, 10, 3.0), &OtlpOptions::default(), &state);
    state.apply(result.delta_changes);
    let bytes = state.to_bytes();
    for at in 0..bytes.len() {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0x10;
        assert!(DeltaState::from_bytes(&damaged, SERIES_MAX).is_err());
        assert!(DeltaState::from_bytes(&bytes[..at], SERIES_MAX).is_err());
    }
}

#[test]
fn a_rejected_point_is_named_with_its_attributes() {
    let json = r#"{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"name":"d","gauge":{"dataPoints":[
        {"timeUnixNano":"1","attributes":[{"key":"host","value":{"stringValue":"a"}},{"key":"n","value":{"intValue":"7"}}]},
        {"timeUnixNano":"1","attributes":[{"key":"host","value":{"stringValue":"b"}}]}]}}]}]}]}"#;
    let request = decode_json(json.as_bytes()).unwrap();
    let state = DeltaState::new(1);
    let result = translate(&request, &OtlpOptions::default(), &state).unwrap();
    assert_eq!(
        encode_response_json(&result.rejections),
        r#"{"partialSuccess":{"errorMessage":"d{host=\"a\", n=\"7\"} and others: the point has no value (2)","rejectedDataPoints":"2"}}"#
    );
}

#[test]
fn responses_name_what_was_rejected() {
    assert_eq!(encode_response_json(&[]), "{}");
    assert_eq!(encode_response_proto(&[]), b"");
    let bad = delta(r#""gauge":{"dataPoints":[{"timeUnixNano":"1000000"}]}"#);
    let result = translated(&bad, &OtlpOptions::default(), &DeltaState::new(1));
    assert_eq!(
        encode_response_json(&result.rejections),
        r#"{"partialSuccess":{"errorMessage":"d: the point has no value (1)","rejectedDataPoints":"1"}}"#
    );
    let bytes = encode_response_proto(&result.rejections);
    let mut inner = Reader::new(&bytes)
        .next_field()
        .unwrap()
        .unwrap()
        .message()
        .unwrap();
    assert_eq!(inner.next_field().unwrap().unwrap().int64(), Ok(1));
    let text = inner.next_field().unwrap().unwrap();
    assert_eq!(
        (text.number, text.string()),
        (2, Ok("d: the point has no value (1)"))
    );
    assert_eq!(encode_status_json(3, "no"), r#"{"code":3,"message":"no"}"#);
    assert_eq!(encode_status_proto(3, "no"), [8, 3, 0x12, 2, b'n', b'o']);
}

#[test]
fn nesting_is_bounded() {
    fn nest(w: &mut Writer, depth: usize) {
        if depth > 0 {
            w.message(5, |w| w.message(1, |w| nest(w, depth - 1)));
        }
    }
    let mut w = Writer::new();
    w.message(1, |w| {
        w.message(1, |w| w.message(1, |w| w.message(2, |w| nest(w, 1000))));
    });
    let error = decode_proto(&w.into_bytes()).unwrap_err();
    assert_eq!(error.to_string(), "attribute values are nested deeper than 16");
    // Those of a point are looked into only when the series is not known.
    let mut w = Writer::new();
    gauge_point(&mut w, |w| {
        w.present_double(4, 1.5);
        w.message(7, |w| w.message(2, |w| nest(w, 1000)));
    });
    let bytes = w.into_bytes();
    let request = decode_proto(&bytes).unwrap();
    let error = translate(&request, &OtlpOptions::default(), &DeltaState::new(1)).unwrap_err();
    assert_eq!(error.to_string(), "attribute values are nested deeper than 16");
}

fn gauge_point(w: &mut Writer, more: impl FnOnce(&mut Writer)) {
    w.message(1, |w| {
        w.message(2, |w| {
            w.message(2, |w| {
                w.string(1, "g");
                w.message(5, |w| {
                    w.message(1, |w| {
                        w.fixed64(3, 5_000_000);
                        more(w);
                    });
                });
            });
        });
    });
}

/// Attributes that stand apart, with a value between them, are no key: it would be another with every value.
#[test]
fn scattered_attributes_make_one_series() {
    let mut sink = Knowing::default();
    let mut take = |value: f64| {
        let mut w = Writer::new();
        gauge_point(&mut w, |w| {
            text_attribute(w, 7, "a", "1");
            w.present_double(4, value);
            text_attribute(w, 7, "b", "2");
        });
        let bytes = w.into_bytes();
        let request = decode_proto(&bytes).unwrap();
        let book = || DeltaBook::new(DeltaState::new(1));
        translate_into(&request, &OtlpOptions::default(), book, &mut sink).unwrap();
        sink.made
    };
    assert_eq!((take(1.0), take(2.0)), (1, 1));
    assert_eq!(
        summary(&sink.batch),
        "g{a=\"1\", b=\"2\"} 1@5\ng{a=\"1\", b=\"2\"} 2@5"
    );
}

/// One gauge of a resource with so many attributes, at a point with so many.
fn with_attributes(of_resource: usize, of_point: usize) -> Vec<u8> {
    let many = |w: &mut Writer, number: u32, count: usize| {
        for i in 0..count {
            text_attribute(w, number, &format!("a{i}"), "v");
        }
    };
    let point = |w: &mut Writer, count: usize| {
        w.message(1, |w| {
            w.fixed64(3, 5_000_000);
            w.present_double(4, 1.5);
            many(w, 7, count);
        });
    };
    let mut w = Writer::new();
    w.message(1, |w| {
        w.message(1, |w| many(w, 1, of_resource));
        w.message(2, |w| {
            w.message(2, |w| {
                w.string(1, "g");
                w.message(5, |w| {
                    point(w, of_point);
                    point(w, 1);
                });
            });
        });
    });
    w.into_bytes()
}

/// Names are compared with each other: without a bound one request of 5 MB kept a core for minutes.
#[test]
fn hundreds_of_thousands_of_attributes_cost_nothing() {
    let check = |bytes: &[u8], kept: usize, refused: u64, said: &str| {
        let request = decode_proto(bytes).unwrap();
        let translated = translate(&request, &OtlpOptions::default(), &DeltaState::new(1)).unwrap();
        assert_eq!(translated.batch.series.len(), kept);
        let rejections = translated.rejections;
        assert_eq!(rejections.iter().map(|r| r.points_count).sum::<u64>(), refused);
        let first = rejections.first().map(|r| r.reason.to_string());
        assert_eq!(first.unwrap_or_default(), said);
    };
    check(&with_attributes(3, 256), 2, 0, "");
    let said = "300000 attributes of the point, the limit is 256";
    check(&with_attributes(3, 300_000), 1, 1, said);
    let said = "300000 attributes of the resource, the limit is 256";
    check(&with_attributes(300_000, 1), 0, 2, said);
}

/// Each bad metric is looked for among those that were refused before it: those are told apart up to a number only.
#[test]
fn a_hundred_thousand_bad_metrics_are_counted_and_not_all_named() {
    let mut w = Writer::new();
    w.message(1, |w| {
        w.message(2, |w| {
            for i in 0..100_000 {
                w.message(2, |w| {
                    w.string(1, &format!("bad_{i}"));
                    w.message(5, |w| w.message(1, |w| w.present_double(4, 1.5)));
                });
            }
        });
    });
    let bytes = w.into_bytes();
    let request = decode_proto(&bytes).unwrap();
    let rejections = translate(&request, &OtlpOptions::default(), &DeltaState::new(1))
        .unwrap()
        .rejections;
    assert_eq!(rejections.len(), 101);
    assert_eq!(rejections.iter().map(|r| r.points_count).sum::<u64>(), 100_000);
    let others = rejections.last().unwrap();
    assert_eq!((others.metric.as_str(), others.points_count), ("others", 99_900));
}

proptest! {
    #[test]
    fn cut_and_flipped_requests_never_panic(at: prop::sample::Index, mask: u8) {
        let mut bytes = proto_request();
        let at = at.index(bytes.len());
        bytes[at] ^= mask;
        for bytes in [&bytes[..], &bytes[..at]] {
            if let Ok(request) = decode_proto(bytes) {
                let _ = translate(&request, &OtlpOptions::default(), &DeltaState::new(1));
            }
        }
    }

    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let _ = decode_proto(&bytes);
        let _ = decode_json(&bytes);
        let _ = DeltaState::from_bytes(&bytes, 1);
    }
}
