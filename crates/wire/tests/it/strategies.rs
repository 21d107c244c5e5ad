//! Random nouns for round trips.

use lapwing_types::{
    CUSTOM_BUCKETS_SCHEMA, Counts, Exemplar, Histogram, Labels, Metadata, MetricKind, ResetHint, Sample,
    SeriesWrite, Span,
};
use proptest::collection::{btree_map, vec};
use proptest::prelude::*;
use std::sync::Arc;

/// Values other than NaN, so that `==` can judge; NaNs have tests of their own.
pub(crate) fn value() -> impl Strategy<Value = f64> {
    any::<f64>().prop_filter("a number", |v| !v.is_nan())
}

pub(crate) fn labels() -> impl Strategy<Value = Labels> {
    ("[a-z_:]{1,12}", btree_map("\\PC{1,12}", "\\PC{0,20}", 0..6)).prop_map(|(name, mut pairs)| {
        pairs.insert("__name__".to_owned(), name);
        Labels::from_pairs(pairs).unwrap()
    })
}

pub(crate) fn histogram() -> impl Strategy<Value = Histogram> {
    let side = || vec((0i32..4, vec(0u64..1_000_000, 1..5)), 0..4);
    (
        (side(), side(), any::<bool>()),
        (0u64..100, value(), -4i32..=8, 0u8..4),
    )
        .prop_map(|((positive, negative, is_float), (zero, sum, schema, hint))| {
            let spans = |side: &[(i32, Vec<u64>)]| {
                side.iter()
                    .map(|(offset, buckets)| Span {
                        offset: *offset,
                        length: buckets.len() as u32,
                    })
                    .collect()
            };
            let buckets = |side: &[(i32, Vec<u64>)]| -> Vec<u64> {
                side.iter().flat_map(|(_, buckets)| buckets.clone()).collect()
            };
            let (p, n) = (buckets(&positive), buckets(&negative));
            let count = zero + p.iter().sum::<u64>() + n.iter().sum::<u64>();
            let floats = |counts: &[u64]| counts.iter().map(|c| *c as f64 / 2.0).collect();
            let counts = if is_float {
                Counts::Float {
                    count: count as f64 / 2.0,
                    zero: zero as f64 / 2.0,
                    positive: floats(&p),
                    negative: floats(&n),
                }
            } else {
                Counts::Int {
                    count,
                    zero,
                    positive: p,
                    negative: n,
                }
            };
            Histogram {
                reset_hint: [
                    ResetHint::Unknown,
                    ResetHint::Reset,
                    ResetHint::NotReset,
                    ResetHint::Gauge,
                ][usize::from(hint)],
                schema,
                zero_threshold: 1e-128,
                sum,
                positive_spans: spans(&positive),
                negative_spans: spans(&negative),
                counts,
                custom_bounds: Arc::from([]),
            }
        })
}

/// A histogram with listed bounds.
pub(crate) fn custom_histogram() -> impl Strategy<Value = Histogram> {
    (vec(0u64..1000, 1..8), value()).prop_map(|(positive, sum)| Histogram {
        reset_hint: ResetHint::Unknown,
        schema: CUSTOM_BUCKETS_SCHEMA,
        zero_threshold: 0.0,
        sum,
        positive_spans: vec![Span {
            offset: 0,
            length: positive.len() as u32,
        }],
        negative_spans: vec![],
        custom_bounds: (1..positive.len()).map(|i| i as f64 / 4.0).collect(),
        counts: Counts::Int {
            count: positive.iter().sum(),
            zero: 0,
            positive,
            negative: vec![],
        },
    })
}

pub(crate) fn exemplar() -> impl Strategy<Value = Exemplar> {
    let t_ms = proptest::option::of(1i64..4_000_000_000_000);
    (btree_map("[a-z_]{1,8}", "\\PC{1,16}", 0..3), value(), t_ms).prop_map(|(pairs, value, t_ms)| Exemplar {
        labels: Labels::from_pairs(pairs).unwrap(),
        value,
        t_ms,
    })
}

pub(crate) fn metadata() -> impl Strategy<Value = Metadata> {
    let kind = prop_oneof![
        Just(MetricKind::Unknown),
        Just(MetricKind::Counter),
        Just(MetricKind::Gauge),
        Just(MetricKind::Info),
        Just(MetricKind::StateSet),
    ];
    (kind, "\\PC{1,30}", "[a-z]{0,8}").prop_map(|(kind, help, unit)| Metadata { kind, help, unit })
}

/// A series with floats, or one with histograms.
pub(crate) fn series() -> impl Strategy<Value = SeriesWrite> {
    let t_ms = || any::<i64>();
    let sample = (t_ms(), value()).prop_map(|(t_ms, value)| Sample { t_ms, value });
    let any_histogram = prop_oneof![histogram(), custom_histogram()];
    let points = prop_oneof![
        vec(sample, 1..5).prop_map(|samples| (samples, vec![])),
        vec((t_ms(), any_histogram), 1..3).prop_map(|histograms| (vec![], histograms)),
    ];
    (labels(), points, vec(exemplar(), 0..3)).prop_map(|(labels, (samples, histograms), exemplars)| {
        SeriesWrite {
            labels,
            samples,
            histograms,
            exemplars,
            start_ms: None,
        }
    })
}
