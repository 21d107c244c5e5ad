//! A range query, whose windows slide, gives at each step the very bits that an instant query gives there.

use super::memory::{MemorySource, Value};
use lapwing_query::{QueryEngine, QueryOptions, QueryValue, SampleValue};
use lapwing_types::Labels;
use proptest::prelude::*;

const FUNCTIONS: &[&str] = &[
    "sum_over_time(x[R])",
    "avg_over_time(x[R])",
    "min_over_time(x[R])",
    "max_over_time(x[R])",
    "count_over_time(x[R])",
    "stddev_over_time(x[R])",
    "quantile_over_time(0.3, x[R])",
    "rate(x[R])",
    "increase(x[R])",
    "resets(x[R])",
    "changes(x[R])",
    "deriv(x[R])",
];

const STEP_MS: i64 = 15_000;

/// Whole numbers, fractions, and what is neither.
fn values() -> impl Strategy<Value = Vec<Option<f64>>> {
    let whole = (-50i64..50).prop_map(|v| v as f64);
    let odd = prop_oneof![
        Just(-0.0),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(9.1e15),
        Just(0.1)
    ];
    let series = |odd_weight: u32| {
        let value = prop_oneof![50 => whole.clone(), odd_weight => odd.clone()];
        prop::collection::vec(prop::option::weighted(0.9, value), 1..60)
    };
    prop_oneof![series(0).boxed(), series(3).boxed(), series(50).boxed()]
}

fn source_of(values: &[Option<f64>]) -> MemorySource {
    let labels = Labels::from_pairs([("__name__", "x")]).unwrap();
    let mut source = MemorySource::default();
    for (i, value) in values.iter().enumerate() {
        if let Some(value) = value {
            source.add(&labels, i as i64 * STEP_MS, Value::Float(*value));
        }
    }
    source.settle();
    source
}

fn instant(source: &MemorySource, query: &str, at_ms: i64) -> Option<f64> {
    let result = QueryEngine::new()
        .instant(source, query, at_ms, &QueryOptions::default())
        .unwrap();
    let QueryValue::Vector(samples) = result.value else {
        panic!("an instant vector was expected");
    };
    samples.first().map(|sample| match &sample.value {
        SampleValue::Float(value) => *value,
        SampleValue::Histogram(_) => panic!("no histogram was put in"),
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn windows_that_slide_give_the_same_bits(values in values(), range_s in 15i64..400, step_ms in 4_000i64..90_000) {
        let source = source_of(&values);
        let end_ms = values.len() as i64 * STEP_MS + 60_000;
        for function in FUNCTIONS {
            let query = function.replace('R', &format!("{range_s}s"));
            let result = QueryEngine::new()
                .range(&source, &query, (0, end_ms, step_ms), &QueryOptions::default())
                .unwrap();
            let QueryValue::Matrix(series) = result.value else {
                panic!("a matrix was expected");
            };
            let given: Vec<(i64, f64)> = series.into_iter().flat_map(|s| s.floats).collect();
            let mut expected = Vec::new();
            for at_ms in (0..=end_ms).step_by(step_ms as usize) {
                expected.extend(instant(&source, &query, at_ms).map(|value| (at_ms, value)));
            }
            let bits = |all: &[(i64, f64)]| -> Vec<(i64, u64)> {
                // Sorting does not keep zeroes of two signs in order, so a quantile between them may be either.
                let zero = if query.starts_with("quantile") { 0.0 } else { -0.0 };
                let one = |v: f64| if v.is_nan() { f64::NAN.to_bits() } else { (v + zero).to_bits() };
                all.iter().map(|(t, v)| (*t, one(*v))).collect()
            };
            prop_assert_eq!(bits(&given), bits(&expected), "{}: {:?} {:?}", query, given, expected);
        }
    }
}
