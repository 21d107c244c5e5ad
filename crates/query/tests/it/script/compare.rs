//! Whether an answer is the expected one. Numbers may differ by one part in a million.

use super::super::memory::Value;
use super::series::{Item, Sequence};
use lapwing_query::{SampleValue, Series};
use lapwing_types::{FloatHistogram, Labels};
use std::collections::BTreeMap;

const TOLERANCE: f64 = 1e-6;

pub(crate) fn almost_equal(a: f64, b: f64, tolerance: f64) -> bool {
    if a == b || (a.is_nan() && b.is_nan()) {
        return true;
    }
    let difference = (a - b).abs();
    let sum = a.abs() + b.abs();
    if a == 0.0 || b == 0.0 || sum < f64::MIN_POSITIVE {
        return difference < tolerance * f64::MIN_POSITIVE;
    }
    difference / sum.min(f64::MAX) < tolerance
}

fn same_histogram(got: &FloatHistogram, wanted: &FloatHistogram, hint_is_set: bool) -> bool {
    let (mut got, mut wanted) = (got.clone(), wanted.clone());
    got.compact();
    wanted.compact();
    let same = |a: &[f64], b: &[f64]| {
        a.len() == b.len() && a.iter().zip(b).all(|(a, b)| almost_equal(*a, *b, TOLERANCE))
    };
    got.schema == wanted.schema
        && almost_equal(got.count, wanted.count, TOLERANCE)
        && almost_equal(got.sum, wanted.sum, TOLERANCE)
        && almost_equal(got.zero_count, wanted.zero_count, TOLERANCE)
        && almost_equal(got.zero_threshold, wanted.zero_threshold, TOLERANCE)
        && got.positive_spans == wanted.positive_spans
        && got.negative_spans == wanted.negative_spans
        && same(&got.positive, &wanted.positive)
        && same(&got.negative, &wanted.negative)
        && same(&got.custom_bounds, &wanted.custom_bounds)
        && (!hint_is_set || got.reset_hint == wanted.reset_hint)
}

pub(super) fn same_value(got: &SampleValue, wanted: &Item) -> bool {
    match (got, &wanted.value) {
        (SampleValue::Float(a), Value::Float(b)) => almost_equal(*a, *b, TOLERANCE),
        (SampleValue::Histogram(a), Value::Histogram(b)) => same_histogram(a, b, wanted.hint_is_set),
        _ => false,
    }
}

/// Series against sequences whose items stand at `start`, `start + step`, ….
pub(super) fn check_matrix(
    got: &[Series],
    wanted: &[(Labels, Sequence)],
    (start, step): (i64, i64),
) -> Result<(), String> {
    let wanted: Vec<(&Labels, BTreeMap<i64, &Item>)> = wanted
        .iter()
        .map(|(labels, values)| {
            let points = values
                .iter()
                .enumerate()
                .filter_map(|(i, item)| Some((start + i as i64 * step, item.as_ref()?)))
                .collect();
            (labels, points)
        })
        .collect();
    for series in got {
        if !wanted.iter().any(|(labels, _)| **labels == series.labels) {
            return Err(format!("unexpected series {series:?}"));
        }
    }
    for (labels, points) in wanted {
        let Some(series) = got.iter().find(|s| s.labels == *labels) else {
            return Err(format!("missing series {labels}"));
        };
        let mut values: BTreeMap<i64, SampleValue> = BTreeMap::new();
        values.extend(series.floats.iter().map(|(t, v)| (*t, SampleValue::Float(*v))));
        values.extend(
            series
                .histograms
                .iter()
                .map(|(t, h)| (*t, SampleValue::Histogram(h.clone()))),
        );
        let times: Vec<&i64> = points.keys().collect();
        if values.keys().collect::<Vec<_>>() != times {
            return Err(format!(
                "{labels}: values at other times\n  got {values:?}\n  wanted {points:?}"
            ));
        }
        for (t_ms, wanted) in points {
            if !same_value(&values[&t_ms], wanted) {
                return Err(format!(
                    "{labels} at {t_ms}: got {:?}, wanted {wanted:?}",
                    values[&t_ms]
                ));
            }
        }
    }
    Ok(())
}
