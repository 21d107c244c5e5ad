use crate::cases::{cases, chain, summary};
use crate::strategies;
use lapwing_types::{Labels, Sample, WriteBatch};
use lapwing_wire::import::{export_line, import_lines};
use lapwing_wire::push::parse_push;
use lapwing_wire::pushgateway::{parse_body, parse_group};
use lapwing_wire::statsd::{Before, Statsd, StatsdLimits};
use lapwing_wire::text::Format;
use proptest::collection::vec;
use proptest::prelude::*;
use std::sync::Arc;

#[test]
fn push_cases() {
    for case in cases(include_str!("../data/push_json.test")) {
        let found = match parse_push(case.input.as_bytes(), 42) {
            Ok(pushed) => {
                let kept = Some(summary(&pushed.batch)).filter(|s| !s.is_empty());
                let lines = kept.into_iter().chain(pushed.mistakes.iter().map(|m| chain(m)));
                lines.collect::<Vec<_>>().join("\n")
            }
            Err(error) => chain(&error),
        };
        assert_eq!(found, case.expect, "{}", case.name);
    }
}

#[test]
fn import_cases() {
    for case in cases(include_str!("../data/import_lines.test")) {
        let found: Vec<String> = import_lines(case.input.as_bytes())
            .map(|line| match line {
                Ok(series) => summary(&WriteBatch {
                    series: vec![series],
                    metadata: vec![],
                }),
                Err(error) => chain(&error),
            })
            .collect();
        assert_eq!(found.join("\n"), case.expect, "{}", case.name);
    }
}

fn check_group(path: &str, expect: &str) {
    let found = match parse_group(path) {
        Ok(labels) => labels.to_string(),
        Err(error) => chain(&error),
    };
    assert_eq!(found, expect, "{path}");
}

#[test]
fn group_paths() {
    check_group("/job/some_job", r#"{job="some_job"}"#);
    check_group(
        "/job/some_job/instance/some_instance",
        r#"{instance="some_instance", job="some_job"}"#,
    );
    check_group("/job@base64/L3Zhci90bXA", r#"{job="/var/tmp"}"#);
    check_group("/job/a/path@base64/L3Zhci90bXA=", r#"{job="a", path="/var/tmp"}"#);
    check_group(
        "/job/titan/name@base64/zqDPgc6_zrzOt864zrXPjc-C",
        r#"{job="titan", name="Προμηθεύς"}"#,
    );
    check_group("/job/a/empty@base64/=", r#"{job="a"}"#);
    check_group("/job/a%20b%2Fc", r#"{job="a b/c"}"#);
    check_group("/job/a/U__my_2e_label/b", r#"{job="a", "my.label"="b"}"#);
    check_group("", "the path does not begin with /job/NAME");
    check_group("/instance/x/job/a", "the path does not begin with /job/NAME");
    check_group("/job@base64/=", "the job's name is empty");
    check_group("/job/a/b", "label \"b\" has no value");
    check_group("/job/a/b-c/d", "label name \"b-c\" is invalid");
    check_group("/job/a/__name__/d", "label name \"__name__\" is invalid");
    check_group("/job/a/b/c/b/d", "label \"b\" appears more than once");
    check_group(
        "/job@base64/!!",
        "the value of \"job\" is not valid base64 of text",
    );
    check_group("/job/%f", "the path is not valid percent-encoding of text");
    check_group("/job/%ff", "the path is not valid percent-encoding of text");
}

#[test]
fn a_group_owns_its_labels_and_its_time() {
    let group = parse_group("/job/batch/instance/i").unwrap();
    let body = "# TYPE a gauge\na{job=\"mine\",b=\"c\"} 1\na 2\n";
    let batch = parse_body(body.as_bytes(), Format::Prometheus, &group, 7).unwrap();
    assert_eq!(
        summary(&batch),
        "a{b=\"c\", instance=\"i\", job=\"batch\"} 1@7\na{instance=\"i\", job=\"batch\"} 2@7\na: gauge \"\" \"\""
    );
    let error = parse_body(b"a{x=\"y\"} 1 5\n", Format::Prometheus, &group, 7).unwrap_err();
    assert_eq!(
        chain(&error),
        "the series a{x=\"y\"} has a timestamp, which a push may not have"
    );
    let error = parse_body(b"a\n", Format::Prometheus, &group, 7).unwrap_err();
    assert_eq!(
        chain(&error),
        "the body does not parse: line 1, column 2: the value is missing"
    );
}

const LIMITS: StatsdLimits = StatsdLimits {
    series_max: 4,
    set_values_max: 3,
    idle_ms: 1000,
};

#[test]
fn a_mistake_costs_the_item_that_it_is_in() {
    let good = r#"{"name":"a","value":1}"#;
    let check = |body: &str, kept: usize, expect: &[&str]| {
        let pushed = parse_push(body.as_bytes(), 7).unwrap();
        assert_eq!(pushed.batch.series.len(), kept, "{body}");
        assert_eq!(
            pushed.mistakes.len(),
            expect.len(),
            "{body}: {:?}",
            pushed.mistakes
        );
        for (mistake, expect) in pushed.mistakes.iter().zip(expect) {
            assert!(chain(mistake).starts_with(expect), "{}", chain(mistake));
        }
    };
    let no_value = "item 2 (\"b\") is not valid: missing field `value`";
    check(&format!(r#"[{good},{{"name":"b"}},{good}]"#), 2, &[no_value]);
    check(&format!("{good}\n{{\"name\":\"b\"}}\n{good}"), 2, &[no_value]);
    check(
        &format!(
            r#"[{{"name":"","value":1}},7,{good},{{"name":"a","value":1,"type":"gage"}},{{"name":"a","value":"x"}}]"#
        ),
        1,
        &[
            "the name of item 1 is empty",
            "item 2 is not valid: invalid type: integer `7`, expected an item such as {\"name\"",
            "\"gage\", the type of item 4, is not a metric type: use counter, gauge",
            "item 5 (\"a\") is not valid: \"x\" is not a number",
        ],
    );
    let range = "item 1 is not valid: number out of range";
    check(&format!(r#"[{{"name":"b","value":1e999}},{good}]"#), 1, &[range]);
    let escape = "item 2 is not valid: unexpected end of hex escape";
    check(
        &format!(r#"[{good}, {{"name":"\ud800]}},\"","value":1}}, {good}]"#),
        2,
        &[escape],
    );
    let cut = "item 2 is not valid: EOF";
    check(&format!("{good}\n{{\"name\":\"b\",\"val"), 1, &[cut]);
    let control = "item 2 is not valid: control character";
    check(&format!("{good}\n{{\"name\":\"b\",\"val\n{good}"), 2, &[control]);
    check(&format!("[{good},{good}"), 2, &["the list has no end"]);
    check(
        &format!("[{good}] x"),
        1,
        &["item 2 is not valid: expected value"],
    );
    check(&format!("{good} {{"), 1, &[cut]);
    check(
        r#"[{"name":"b","value":[1]},{"name":"c","value":1,"labels":{"x":[]}}]"#,
        0,
        &[
            "item 1 (\"b\") is not valid: the value is neither a number nor one in quotes such as \"NaN\"",
            "item 2 (\"c\") is not valid: the value of a label is not a text, a number, true or false",
        ],
    );
    let refused = |body: &str, expect: &str| {
        let error = parse_push(body.as_bytes(), 7).unwrap_err();
        assert!(chain(&error).starts_with(expect), "{}", chain(&error));
    };
    refused("name=a&value=1", "item 1 is not valid: expected ident");
    refused("[", "the list has no end");
    refused(" [ ] ", "there is nothing in the body");
}

/// What Python writes for a loss that is none.
#[test]
fn numbers_that_json_lacks_are_taken() {
    let body = r#"[{"name":"NaN, \"Infinity","value":NaN},{"name":"b","value":-Infinity},{"name":"c","value":Infinity}]"#;
    let pushed = parse_push(body.as_bytes(), 7).unwrap();
    assert!(pushed.mistakes.is_empty(), "{:?}", pushed.mistakes);
    let values: Vec<f64> = pushed.batch.series.iter().map(|s| s.samples[0].value).collect();
    assert!(values[0].is_nan());
    assert_eq!(values[1..], [f64::NEG_INFINITY, f64::INFINITY]);
    assert_eq!(
        pushed.batch.series[0].labels.metric_name(),
        Some("NaN, \"Infinity")
    );
}

/// As who has nothing to remember.
fn flush(statsd: &mut Statsd, now_ms: i64) -> WriteBatch {
    statsd.unsettled();
    statsd.flush(now_ms)
}

#[test]
fn statsd_adds_up() {
    let mut statsd = Statsd::new(LIMITS);
    let (taken, rejects) = statsd.ingest(
        b"api.hits:1|c|@0.1|#code:200\napi.hits:2|c|#code:200\r\nload:5|g\nload:+2|g\nload:-1|g\n\
          users:a|s\nusers:b|s\nusers:a|s\nlat:500:1000|ms\nlat:0|ms|@0.5\n",
        100,
    );
    assert_eq!((taken, rejects), (10, vec![]));
    assert_eq!(
        summary(&flush(&mut statsd, 200)),
        "api_hits{code=\"200\"} 12@200 since 100\n\
         lat Int { count: 4, zero: 2, positive: [1, 1], negative: [] }@200 since 100\n\
         load 6@200\nusers 2@200\n\
         api_hits: counter \"\" \"\"\nlat: histogram \"\" \"seconds\"\nload: gauge \"\" \"\"\nusers: gauge \"\" \"\""
    );
    statsd.ingest(b"api.hits:1|c|#code:200\nusers:c|s", 300);
    let batch = flush(&mut statsd, 400);
    assert_eq!(batch.series[0].samples[0].value, 13.0);
    assert_eq!(batch.series[3].samples[0].value, 1.0);
    for (_, histogram) in batch.series.iter().flat_map(|s| &s.histograms) {
        assert_eq!(histogram.validate(), Ok(()));
        assert_eq!(histogram.sum, 1.5);
    }
}

#[test]
fn statsd_goes_on_from_what_was_kept_before() {
    let lines = b"hits:5|c\nload:3|g\nlat:500:1000:0|ms\nusers:a|s\n";
    let mut first = Statsd::new(LIMITS);
    first.ingest(lines, 100);
    let kept = flush(&mut first, 200);
    let before = |name: &str| {
        let found = kept
            .series
            .iter()
            .find(|s| s.labels.metric_name() == Some(name))
            .unwrap();
        match found.histograms.first() {
            Some((_, h)) => Before::Histogram(Arc::new(h.to_float())),
            None => Before::Number {
                value: found.samples[0].value,
                start_ms: found.start_ms,
            },
        }
    };
    let mut second = Statsd::new(StatsdLimits {
        series_max: 5,
        ..LIMITS
    });
    second.ingest(b"hits:1|c\nload:+2|g\nlat:1000|ms\nusers:b|s\n", 300);
    let mut unsettled = second.unsettled();
    unsettled.sort();
    let names: Vec<&str> = unsettled.iter().filter_map(|l| l.metric_name()).collect();
    assert_eq!(
        names,
        ["hits", "lat", "load"],
        "a set begins anew with every flush"
    );
    for labels in &unsettled {
        second.resume(labels, &before(labels.metric_name().unwrap()));
    }
    let expect = "hits 6@400 since 100\n\
        lat Int { count: 4, zero: 1, positive: [1, 2], negative: [] }@400\n\
        load 5@400\nusers 1@400\n";
    // Nobody has looked for what this one was before.
    second.ingest(b"late:1|c", 390);
    let found = summary(&second.flush(400));
    assert!(found.starts_with(expect) && !found.contains("late"), "{found}");
    // What was flushed once is not added again, and what is of another kind never.
    let late = second.unsettled();
    assert_eq!(late.len(), 1);
    second.resume(&late[0], &before("hits"));
    second.resume(&unsettled[0], &before("hits"));
    let mut third = Statsd::new(LIMITS);
    third.ingest(b"hits:1|c\nload:7|g\nlat:1|ms", 500);
    for labels in third.unsettled() {
        let other = if labels.metric_name() == Some("hits") {
            "lat"
        } else {
            "load"
        };
        third.resume(&labels, &before(other));
    }
    let found = summary(&second.flush(600));
    assert!(
        found.starts_with("hits 6@600") && found.contains("late 6@600"),
        "{found}"
    );
    let found = summary(&third.flush(600));
    assert!(
        found.starts_with("hits 1@600 since 500\nlat Int { count: 1,"),
        "{found}"
    );
    assert!(
        found.contains("load 7@600"),
        "a value that was given stands: {found}"
    );
}

#[test]
fn statsd_is_bounded_and_forgets() {
    let mut statsd = Statsd::new(LIMITS);
    let (taken, rejects) = statsd.ingest(
        b"a:1|c\nb:1|c\nc:1|c\ns:1|s\ne:1|c\na:1|g\na:x|c\ns:2|s\ns:3|s\ns:4|s",
        0,
    );
    assert_eq!(taken, 7);
    let reasons: Vec<String> = rejects.iter().map(|r| chain(r)).collect();
    assert_eq!(
        reasons,
        [
            "4 series are kept already",
            "the metric was of another type before",
            "the line does not parse: \"x\" is not a number"
        ]
    );
    let batch = flush(&mut statsd, 1);
    assert_eq!(batch.series[3].samples[0].value, 3.0);
    statsd.ingest(b"a:1|c", 1500);
    assert_eq!(
        summary(&flush(&mut statsd, 2000)),
        "a 2@2000 since 0\na: counter \"\" \"\""
    );
    assert_eq!(statsd.series_count(), 1);
}

proptest! {
    #[test]
    fn export_lines_come_back(
        labels in strategies::labels(),
        samples in vec((any::<i64>(), strategies::value()), 0..5),
    ) {
        let samples: Vec<Sample> = samples.into_iter().map(|(t_ms, value)| Sample { t_ms, value }).collect();
        let mut text = String::new();
        export_line(&mut text, &labels, &samples);
        let read: Vec<_> = import_lines(text.as_bytes()).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), 1);
        prop_assert_eq!((&read[0].labels, &read[0].samples), (&labels, &samples));
    }

    #[test]
    fn a_group_path_of_any_text_never_panics(path in "(/|job|@base64|=|%|2|é|U__|a){0,12}", bytes: Vec<u8>) {
        let _ = parse_group(&path);
        let _ = parse_push(&bytes, 0);
        let _ = import_lines(&bytes).count();
        let _ = parse_body(&bytes, Format::Prometheus, &Labels::empty(), 0);
        let mut statsd = Statsd::new(LIMITS);
        statsd.ingest(&bytes, 0);
        flush(&mut statsd, 1);
    }
}
