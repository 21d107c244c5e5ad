//! Two answers side by side. Numbers may differ in the last digits: series come in another order, which shows in variances of
//! large numbers, and mathematical functions of the C library and of Go differ.

use super::super::script::almost_equal;
use lapwing_query::{QueryError, QueryResult, QueryValue, SampleValue};
use lapwing_types::FloatHistogram;
use serde_json::Value as Json;
use std::collections::BTreeMap;

const TOLERANCE: f64 = 1e-7;

#[derive(Clone, Debug)]
pub(super) enum Point {
    Float(f64),
    /// Count, sum, and buckets as (lower, upper, count).
    Histogram(f64, f64, Vec<(f64, f64, f64)>),
}

type Labels = BTreeMap<String, String>;

#[derive(Clone, Debug)]
pub(super) enum Answer {
    Error {
        class: &'static str,
        message: String,
    },
    Values {
        series: BTreeMap<Labels, BTreeMap<i64, Point>>,
        warns: bool,
        informs: bool,
    },
}

fn histogram(h: &FloatHistogram) -> Point {
    let buckets = h.all_buckets();
    let buckets = buckets.iter().map(|b| (b.lower, b.upper, b.count)).collect();
    Point::Histogram(h.count, h.sum, told(buckets))
}

/// The API leaves out empty buckets. Whether one is there to become NaN is a matter of what is stored beside it.
fn told(mut buckets: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    buckets.retain(|bucket| bucket.2 != 0.0 && !bucket.2.is_nan());
    sorted(buckets)
}

fn sorted(mut buckets: Vec<(f64, f64, f64)>) -> Vec<(f64, f64, f64)> {
    buckets.sort_by(|a, b| a.0.total_cmp(&b.0));
    buckets
}

impl Answer {
    pub(super) fn is_error(&self) -> bool {
        matches!(self, Answer::Error { .. })
    }

    pub(super) fn ours(result: Result<QueryResult, QueryError>) -> Self {
        let result = match result {
            Ok(result) => result,
            Err(error) => {
                let class = match error {
                    QueryError::Parse(_) | QueryError::BadData(_) => "bad_data",
                    _ => "execution",
                };
                return Answer::Error {
                    class,
                    message: error.to_string(),
                };
            }
        };
        let mut series: BTreeMap<Labels, BTreeMap<i64, Point>> = BTreeMap::new();
        let mut put = |labels: &lapwing_types::Labels, t_ms: i64, value: &SampleValue| {
            let labels: Labels = labels.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect();
            let point = match value {
                SampleValue::Float(v) => Point::Float(*v),
                SampleValue::Histogram(h) => histogram(h),
            };
            series.entry(labels).or_default().insert(t_ms, point);
        };
        match &result.value {
            QueryValue::Vector(samples) => samples.iter().for_each(|s| put(&s.labels, s.t_ms, &s.value)),
            QueryValue::Matrix(matrix) => {
                for one in matrix {
                    for (t_ms, value) in &one.floats {
                        put(&one.labels, *t_ms, &SampleValue::Float(*value));
                    }
                    for (t_ms, value) in &one.histograms {
                        put(&one.labels, *t_ms, &SampleValue::Histogram(value.clone()));
                    }
                }
            }
            QueryValue::Scalar { t_ms, value } => {
                put(
                    &lapwing_types::Labels::empty(),
                    *t_ms,
                    &SampleValue::Float(*value),
                );
            }
            QueryValue::Str { .. } => {}
        }
        // Of resets that disagree only later versions speak.
        let is_told = |warning: &String| !warning.contains("conflicting counter resets");
        Answer::Values {
            series,
            warns: result.warnings.iter().any(is_told),
            informs: !result.infos.is_empty(),
        }
    }

    pub(super) fn theirs(status: u16, body: &[u8]) -> Self {
        let json: Json = serde_json::from_slice(body).unwrap_or(Json::Null);
        if json["status"] != "success" {
            let class = if status == 400 { "bad_data" } else { "execution" };
            return Answer::Error {
                class,
                message: format!("{status}: {}", json["error"].as_str().unwrap_or("")),
            };
        }
        let mut series: BTreeMap<Labels, BTreeMap<i64, Point>> = BTreeMap::new();
        for one in json["data"]["result"].as_array().into_iter().flatten() {
            let labels: Labels = one["metric"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(n, v)| (n.clone(), v.as_str().unwrap_or("").to_owned()))
                .collect();
            let points = series.entry(labels).or_default();
            let floats = one["values"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(one.get("value"));
            for pair in floats {
                points.insert(time(&pair[0]), Point::Float(number(&pair[1])));
            }
            let histograms = one["histograms"]
                .as_array()
                .into_iter()
                .flatten()
                .chain(one.get("histogram"));
            for pair in histograms {
                points.insert(time(&pair[0]), histogram_of(&pair[1]));
            }
        }
        let has = |key: &str| json[key].as_array().is_some_and(|a| !a.is_empty());
        Answer::Values {
            series,
            warns: has("warnings"),
            informs: has("infos"),
        }
    }
}

fn time(json: &Json) -> i64 {
    (json.as_f64().unwrap_or(0.0) * 1000.0).round() as i64
}

fn number(json: &Json) -> f64 {
    json.as_str().and_then(|s| s.parse().ok()).unwrap_or(f64::NAN)
}

fn histogram_of(json: &Json) -> Point {
    let buckets = json["buckets"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|b| (number(&b[1]), number(&b[2]), number(&b[3])))
        .collect();
    Point::Histogram(number(&json["count"]), number(&json["sum"]), told(buckets))
}

fn same(a: &Point, b: &Point) -> bool {
    // Where large numbers cancel each other, what is left is rounding.
    let close = |a: f64, b: f64| almost_equal(a, b, TOLERANCE) || (a - b).abs() < 1e-9;
    match (a, b) {
        (Point::Float(a), Point::Float(b)) => close(*a, *b),
        (Point::Histogram(c1, s1, b1), Point::Histogram(c2, s2, b2)) => {
            let buckets = b1.len() == b2.len()
                && b1
                    .iter()
                    .zip(b2)
                    .all(|(a, b)| close(a.0, b.0) && close(a.1, b.1) && close(a.2, b.2));
            close(*c1, *c2) && close(*s1, *s2) && buckets
        }
        _ => false,
    }
}

pub(super) fn compare(ours: &Answer, theirs: &Answer) -> Result<(), String> {
    match (ours, theirs) {
        (
            Answer::Error { class, message },
            Answer::Error {
                class: other,
                message: their,
            },
        ) => {
            if class == other {
                return Ok(());
            }
            Err(format!(
                "errors of another class: ours {class} {message}, theirs {other} {their}"
            ))
        }
        // Later versions refuse several matches also where the comparison is false.
        (Answer::Error { message, .. }, Answer::Values { .. })
            if message.starts_with("multiple matches for labels") =>
        {
            Ok(())
        }
        (Answer::Error { message, .. }, Answer::Values { .. }) => Err(format!("only we failed: {message}")),
        (Answer::Values { .. }, Answer::Error { message, .. }) => Err(format!("only they failed: {message}")),
        (
            Answer::Values {
                series: a,
                warns,
                informs,
            },
            Answer::Values {
                series: b,
                warns: their_warns,
                informs: their_informs,
            },
        ) => {
            same_series(a, b)?;
            // Of an operator's sentences at one step 3.5 keeps the last.
            let says_more = *warns && *informs && (*their_warns || *their_informs);
            if (warns, informs) != (their_warns, their_informs) && !says_more {
                return Err(format!(
                    "warnings and infos: ours {warns} {informs}, theirs {their_warns} {their_informs}"
                ));
            }
            Ok(())
        }
    }
}

fn same_series(
    a: &BTreeMap<Labels, BTreeMap<i64, Point>>,
    b: &BTreeMap<Labels, BTreeMap<i64, Point>>,
) -> Result<(), String> {
    if a.keys().ne(b.keys()) {
        let ours: Vec<_> = a.keys().filter(|k| !b.contains_key(*k)).collect();
        let theirs: Vec<_> = b.keys().filter(|k| !a.contains_key(*k)).collect();
        return Err(format!("series: only ours {ours:?}, only theirs {theirs:?}"));
    }
    for (labels, points) in a {
        let others = &b[labels];
        if points.keys().ne(others.keys()) {
            return Err(format!(
                "{labels:?}: at other times\n    ours {points:?}\n    theirs {others:?}"
            ));
        }
        for (t_ms, point) in points {
            if !same(point, &others[t_ms]) {
                return Err(format!(
                    "{labels:?} at {t_ms}: ours {point:?}, theirs {:?}",
                    others[t_ms]
                ));
            }
        }
    }
    Ok(())
}
