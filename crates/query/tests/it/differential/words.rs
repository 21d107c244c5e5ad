//! What is said beside an answer, or instead of one, in the same words and at the same place: warnings, infos, errors.
//!
//! Where a later Prometheus speaks otherwise than 3.5, or ours says more of what is wrong, the expression stands in [`OTHERWISE`].

use super::super::memory::{MemorySource, Value};
use super::data::START_MS;
use super::peer::{self, Peer};
use super::queries::Timing;
use lapwing_query::{QueryEngine, QueryError, QueryOptions};
use lapwing_types::{FloatHistogram, Labels, ResetHint, Span};
use std::sync::Arc;

const MINUTE_MS: i64 = 60_000;
const AT_MS: i64 = START_MS + 10 * MINUTE_MS;

/// Everything that is said, sorted: sentences have no order of their own, and of many it is not said which ones are shown.
#[derive(Debug, PartialEq, Default)]
struct Said {
    error: Option<String>,
    warnings: Vec<String>,
    infos: Vec<String>,
}

impl Said {
    fn all(&self) -> impl Iterator<Item = &String> {
        self.error.iter().chain(&self.warnings).chain(&self.infos)
    }
}

fn native(scale: f64, hint: ResetHint) -> FloatHistogram {
    FloatHistogram {
        schema: 0,
        zero_threshold: 0.001,
        count: 3.0 * scale,
        sum: 4.0 * scale,
        positive_spans: vec![Span { offset: 0, length: 2 }],
        positive: vec![scale, 2.0 * scale],
        reset_hint: hint,
        ..FloatHistogram::default()
    }
}

fn custom(scale: f64, bounds: &[f64]) -> FloatHistogram {
    FloatHistogram {
        schema: -53,
        zero_threshold: 0.0,
        custom_bounds: bounds.into(),
        ..native(scale, ResetHint::Unknown)
    }
}

/// Ten minutes of series of which something is to be said.
fn fill(source: &mut MemorySource) {
    for minute in 0..=10 {
        let t_ms = START_MS + minute * MINUTE_MS;
        let grown = (minute + 1) as f64;
        let mut add = |text: &str, value: Value| {
            let (name, rest) = text.split_once(' ').unwrap_or((text, ""));
            let mut pairs = vec![("__name__", name)];
            pairs.extend(rest.split(' ').filter_map(|p| p.split_once('=')));
            source.add(&Labels::from_pairs(pairs).unwrap(), t_ms, value);
        };
        for name in 'a'..='m' {
            add(&format!("many_{name}"), Value::Float(grown));
        }
        let histogram = |h: FloatHistogram| Value::Histogram(Arc::new(h));
        add("gauge job=a", Value::Float(20.0 - grown));
        add("gauge job=b", Value::Float(grown));
        add("done_total job=a", Value::Float(grown));
        add("size", histogram(native(grown, ResetHint::Unknown)));
        add("depth", histogram(native(grown, ResetHint::Gauge)));
        add("narrow", histogram(custom(grown, &[1.0, 2.0])));
        add("wide", histogram(custom(grown, &[2.0, 3.0])));
        add("kinds job=a", Value::Float(grown));
        add("kinds job=b", histogram(native(grown, ResetHint::Unknown)));
        match minute < 5 {
            true => add("turned", Value::Float(grown)),
            false => add("turned", histogram(native(grown, ResetHint::Unknown))),
        }
        match minute < 5 {
            true => add("rebuilt", histogram(native(grown, ResetHint::Unknown))),
            false => add("rebuilt", histogram(custom(grown, &[1.0, 2.0]))),
        }
        for (le, count) in [("1", 5.0), ("2", 3.0), ("+Inf", 9.0)] {
            add(&format!("uneven_bucket le={le}"), Value::Float(count * grown));
            add(&format!("both le={le}"), Value::Float(grown));
        }
        add("both", histogram(native(grown, ResetHint::Unknown)));
        add("strange job=a ä.b=\u{e9}\u{a0}", Value::Float(grown));
        add("strange job=b ä.b=\u{e9}\u{a0}", Value::Float(grown));
        add("broken_bucket le=much", Value::Float(grown));
        add("broken_bucket", Value::Float(grown));
    }
}

/// Expressions that are answered, with something to say.
const ANNOTATED: &[&str] = &[
    "rate(gauge[5m])",
    "increase(gauge[5m])",
    "sum by (job) (rate(gauge[5m]))",
    "1 + rate(gauge[5m])",
    "rate(gauge[5m]) + increase(gauge[2m])",
    "rate({__name__=~\"gauge|done_total\"}[5m])",
    "irate(gauge[5m])",
    "rate(done_total[5m])",
    "rate(depth[5m])",
    "increase(depth[5m])",
    "irate(depth[5m])",
    "delta(size[5m])",
    "idelta(size[5m])",
    "rate(turned[10m])",
    "delta(turned[10m])",
    "irate(turned[6m])",
    "avg_over_time(turned[10m])",
    "sum_over_time(turned[10m])",
    "min_over_time(turned[10m])",
    "max_over_time(turned[10m])",
    "stddev_over_time(turned[10m])",
    "stdvar_over_time(turned[10m])",
    "quantile_over_time(0.5, turned[10m])",
    "mad_over_time(turned[10m])",
    "deriv(turned[10m])",
    "predict_linear(turned[10m], 60)",
    "double_exponential_smoothing(turned[10m], 0.5, 0.5)",
    "last_over_time(turned[10m])",
    "rate(rebuilt[10m])",
    "sum_over_time(rebuilt[10m])",
    "avg_over_time(rebuilt[10m])",
    "quantile_over_time(1.5, gauge[5m])",
    "quantile_over_time(-Inf, gauge[5m])",
    "quantile(1.5, gauge)",
    "quantile(NaN, gauge)",
    "quantile by (job) (-1, gauge)",
    "1 + quantile(  2, gauge)",
    "limit_ratio(2, gauge)",
    "limit_ratio(-3.5, gauge)",
    "sum(kinds)",
    "avg(kinds)",
    "min(kinds)",
    "max(kinds)",
    "stddev(kinds)",
    "stdvar(kinds)",
    "quantile(0.5, kinds)",
    "topk(1, kinds)",
    "bottomk(1, kinds)",
    "sum by (job) (kinds)",
    "abs(-sum(kinds))",
    "sort(size)",
    "sum({__name__=~\"size|narrow\"})",
    "avg({__name__=~\"size|narrow\"})",
    "size + on() narrow",
    "size - on() narrow",
    "kinds + on(job) kinds",
    "size + on() group_right gauge",
    "size * on() size",
    "size * 2",
    "2 * size",
    "2 / size",
    "size / 2",
    "size + 1",
    "1 - size",
    "size > 1",
    "size == bool 1",
    "size ^ 2",
    "size % on() size",
    "size < on() size",
    "size atan2 on() size",
    "gauge + on() group_left size",
    "gauge\n  + on() group_left\n  size",
    "histogram_quantile(2, size)",
    "histogram_quantile(-0.1, uneven_bucket)",
    "histogram_quantile(NaN, uneven_bucket)",
    "histogram_count(rate(depth[5m]))",
    "sum(\n  rate(gauge[5m])\n)",
    "(rate(gauge[5m]))",
    "-rate(gauge[5m])",
    "max_over_time(rate(gauge[1m])[5m:1m])",
    "rate(sum by (job) (gauge)[5m:])",
    "label_replace(rate(gauge[5m]), \"a\", \"$1\", \"job\", \"(.*)\")",
    "{\"gauge\"} + rate({\"gauge\"}[5m])",
    "sum(rate(gauge[5m])) by (job) > bool quantile(7, gauge)",
    "absent_over_time(gauge[5m])",
    "sum(rate({__name__=~\"many_.\"}[5m]))",
];

/// What cannot be read, or has no value.
const REFUSED: &[&str] = &[
    "   ",
    "sum(",
    "sum(gauge",
    "gauge[5m",
    "gauge[5]]",
    "gauge{",
    "gauge{job",
    "gauge{job=}",
    "gauge{job=\"a\"",
    "gauge{job=\"a\",,}",
    "gauge{job==\"a\"}",
    "gauge{job=~\"(\"}",
    "gauge{job!~\"*\"}",
    "{}",
    "{job=\"\"}",
    "{job=~\".*\"}",
    "gauge{__name__=\"other\"}",
    "{\"gauge\", \"other\"}",
    "gauge gauge",
    "1 2",
    "1 +",
    "+",
    "1 + + ",
    "* 1",
    "gauge[5m] + 1",
    "1 + gauge[5m]",
    "gauge and 1",
    "1 or 2",
    "1 == 2",
    "1 > bool",
    "gauge > bool",
    "gauge bool 1",
    "gauge + bool 1",
    "rate(gauge)",
    "rate(gauge[5m], 1)",
    "rate()",
    "abs(gauge[5m])",
    "abs(1)",
    "abs(\"a\")",
    "time(1)",
    "nosuch(gauge)",
    "rat(gauge[5m])",
    "sum(gauge[5m])",
    "sum(1)",
    "topk(gauge)",
    "topk(gauge, 1)",
    "topk(\"a\", gauge)",
    "topk(1, gauge, 1)",
    "count_values(1, gauge)",
    "count_values(\"a-b\", gauge)",
    "count_values(\"\", gauge)",
    "quantile(gauge)",
    "sum by (job (gauge)",
    "sum by job (gauge)",
    "sum by (\"\") (gauge)",
    "sum by (1) (gauge)",
    "sum(gauge) by (job) by (job)",
    "gauge + on(job) group_left gauge and",
    "gauge and on(job) group_left gauge",
    "gauge + group_left gauge",
    "gauge + on(job) group_left(job) gauge",
    "gauge + on(1) gauge",
    "1 + on(job) 2",
    "gauge offset 5m offset 5m",
    "gauge @ ",
    "gauge @ foo()",
    "gauge @ 5 @ 5",
    "gauge @ NaN",
    "sum(gauge) offset 5m",
    "sum(gauge)[5m]",
    "sum(gauge)[5m:0]",
    "1[5m]",
    "\"a\"[5m]",
    "\"a\" + 1",
    "-\"a\"",
    "-gauge[5m]",
    "gauge[5m][5m]",
    "gauge[0s]",
    "gauge[-5m]",
    "gauge[5m:-1m]",
    "'unterminated",
    "\"unterminated",
    "`unterminated",
    "\"bad \\escape\"",
    "1e",
    "1_000_",
    "5m5h",
    "1h30",
    "$x",
    "sum(\n  gauge\n  rate(gauge[5m])\n)",
    "abs(gauge gauge)",
    "0x1F_",
    "0x_1F + gauge + gauge[1m]",
    "1_000 + nosuch()",
    "gauge{job=~\"[\"}",
    "gauge{job=~\")\"}",
    "'\\q'",
    "gauge{job=\"\\q\"}",
    "gauge =~ 1",
    "gauge = 1",
    "gauge ! 1",
    "gauge{job!\"a\"}",
    "gauge{1=\"a\"}",
    "gauge{'job'='a'",
    "by",
    "sum by",
    "bool",
    "inf inf",
    "label_replace(gauge, \"a-b\", \"$1\", \"job\", \"(\")",
    "label_replace(gauge, \"b\", \"$1\", \"job\", \"(\")",
    "label_replace(gauge, \"b\", \"$1\", \"\\xff\", \"(.*)\")",
    "label_join(gauge, \"\\xff\", \"-\", \"job\")",
    "label_replace(gauge, \"job\", \"x\", \"job\", \".*\")",
    "abs({__name__=~\"gauge|done_total\", job=\"a\"})",
    "topk(1e30, gauge)",
    "count_values(\"\\xff\", gauge)",
    "double_exponential_smoothing(gauge[5m], 2, 0.5)",
    "double_exponential_smoothing(gauge[5m], 0.5, -1)",
    "sort_by_label(gauge, \"a\", 1)",
    "info(gauge, gauge)",
    "info(1)",
    "absent(gauge[5m])",
    "vector(gauge)",
    "scalar(1)",
    "histogram_quantile(gauge, gauge)",
    "day_of_week(1)",
    "round(gauge, gauge)",
    "clamp(gauge, 1)",
    "timestamp(1)",
];

/// Where ours says something else, and knows why: the expression, what it says of it, and what Prometheus 3.5 does.
const OTHERWISE: &[(&str, &str, &str)] = &[
    // Later versions leave the name away, unless names are removed at the end, and tell the buckets.
    (
        "histogram_quantile(0.5, uneven_bucket)",
        "histogram_quantile), from buckets 2 to 2, with a max diff of 22, over 1 samples",
        "histogram_quantile) for metric name \"uneven_bucket\" (1:25)",
    ),
    (
        "histogram_quantile(0.5, broken_bucket)",
        "malformed value of \"much\" (1:25)",
        "malformed value of \"much\" for metric name \"broken_bucket\" (1:25)",
    ),
    (
        "histogram_fraction(0, 1, both)",
        "classic and native histograms (1:26)",
        "classic and native histograms for metric name \"both\" (1:26)",
    ),
    // 3.5 has lost the position of what stands in a subquery.
    ("rate(gauge[5m:1m])", "\"gauge\" (1:6)", "\"gauge\" (1:1)"),
    ("", "1:1: parse error", "unknown position: parse error"),
    // The position behind the parenthesis.
    ("sum)", "1:4: parse error", "1:5: parse error"),
    ("gauge[5q]", "syntax: \"5q\"", "syntax: \"5\""),
    ("1__0", "syntax: \"1__0\"", "syntax: \"1__\""),
    // Durations can be expressions since.
    (
        "gauge[]",
        "in subquery or range selector, expected number, duration, step(), or range()",
        "in subquery selector, expected number or duration",
    ),
    (
        "gauge offset foo",
        "expected number, duration, step(), or range()",
        "expected number or duration",
    ),
    // In the order of labels, as later versions have them.
    (
        "gauge * on(nothing) gauge",
        "job=\"a\"}, {__name__=\"gauge\", job=\"b\"}]",
        "job=\"b\"}, {__name__=\"gauge\", job=\"a\"}]",
    ),
    (
        "gauge * on(nothing) group_left gauge",
        "job=\"a\"}, {__name__=\"gauge\", job=\"b\"}]",
        "job=\"b\"}, {__name__=\"gauge\", job=\"a\"}]",
    ),
    (
        "gauge + ignoring(job) gauge",
        "job=\"a\"}, {__name__=\"gauge\", job=\"b\"}]",
        "job=\"b\"}, {__name__=\"gauge\", job=\"a\"}]",
    ),
    (
        "gauge * on(nothing) strange",
        "[{__name__=\"strange\", job=\"a\", \"ä.b\"=\"é\\u00a0\"}, {__name__=\"strange\", job=\"b\"",
        "{__name__=\"strange\", job=\"b\", \"ä.b\"=\"é\\u00a0\"}",
    ),
    ("0x", "invalid syntax in \"0x\"", "strconv.ParseFloat"),
    (
        "topk(NaN, gauge)",
        "Parameter value is NaN",
        "Scalar value NaN overflows",
    ),
    (
        "limit_ratio(NaN, gauge)",
        "Ratio value is NaN",
        "Ratio value NaN is NaN",
    ),
];

fn ours(source: &MemorySource, query: &str, options: &QueryOptions) -> Said {
    match QueryEngine::new().instant(source, query, AT_MS, options) {
        Ok(result) => Said {
            error: None,
            warnings: sorted(result.warnings),
            infos: sorted(result.infos),
        },
        Err(error) => Said {
            error: Some(match error {
                QueryError::Parse(error) => format!("invalid parameter \"query\": {error}"),
                other => other.to_string(),
            }),
            ..Said::default()
        },
    }
}

fn theirs(peer: &Peer, query: &str) -> Said {
    let (_, body) = peer.answer(query, Timing::Instant(AT_MS));
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap_or_default();
    let texts = |key: &str| -> Vec<String> {
        let list = json[key].as_array().into_iter().flatten();
        sorted(list.filter_map(|t| Some(t.as_str()?.to_owned())).collect())
    };
    Said {
        error: json["error"].as_str().map(str::to_owned),
        warnings: texts("warnings"),
        infos: texts("infos"),
    }
}

fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    match texts.iter().any(|text| text.ends_with("omitted")) {
        true => texts
            .into_iter()
            .filter(|text| text.ends_with("omitted"))
            .collect(),
        false => texts,
    }
}

#[test]
fn says_what_prometheus_says() {
    let Some(program) = peer::find() else {
        println!("not compared: no Prometheus 3 (set LAPWING_PROMETHEUS)");
        return;
    };
    let mut source = MemorySource::default();
    fill(&mut source);
    source.settle();
    let peer = Peer::start(&program, "");
    peer.write(&source);
    let options = QueryOptions {
        experimental: true,
        ..QueryOptions::default()
    };
    let mut different = 0;
    for query in ANNOTATED.iter().chain(REFUSED) {
        let (ours, theirs) = (ours(&source, query, &options), theirs(&peer, query));
        if ours != theirs {
            different += 1;
            println!("{query:?}\n  ours   {ours:?}\n  theirs {theirs:?}");
        }
    }
    for (query, here, there) in OTHERWISE {
        let sides = [ours(&source, query, &options), theirs(&peer, query)];
        for (said, wanted) in sides.iter().zip([here, there]) {
            if !said.all().any(|text| text.contains(wanted)) {
                different += 1;
                println!("{query:?}: no {wanted:?} in {said:?}");
            }
        }
    }
    assert_eq!(different, 0);
}
