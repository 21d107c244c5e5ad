//! What is written for those who federate is read back as it was.

use crate::cases::summary;
use crate::strategies::{custom_histogram, histogram, labels, value};
use lapwing_types::{FloatHistogram, Labels, Metadata, MetricKind, ResetHint};
use lapwing_wire::proto_exposition::{
    ExpositionOptions, FederatedSample, FederatedValue, parse_to_batch, write,
};
use lapwing_wire::text::Escaping;
use proptest::prelude::*;
use std::sync::Arc;

const OPTIONS: ExpositionOptions = ExpositionOptions::at(-1);

fn sample(pairs: &[(&str, &str)], t_ms: i64, value: FederatedValue) -> FederatedSample {
    FederatedSample {
        labels: Labels::from_pairs(pairs.iter().copied()).unwrap(),
        t_ms,
        value,
    }
}

fn any_value() -> impl Strategy<Value = FederatedValue> {
    prop_oneof![
        value().prop_map(FederatedValue::Float),
        histogram().prop_map(|h| FederatedValue::Histogram(Arc::new(h.to_float()))),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(samples in proptest::collection::vec((labels(), any::<i64>(), any_value()), 0..8)) {
        let samples: Vec<FederatedSample> = samples
            .into_iter()
            .map(|(labels, t_ms, value)| FederatedSample { labels, t_ms, value })
            .collect();
        let page = write(&samples, None, Escaping::AllowUtf8);
        let batch = parse_to_batch(&page, OPTIONS).unwrap();
        prop_assert_eq!(batch.series.len(), samples.len());
        for (sample, read) in samples.iter().zip(&batch.series) {
            prop_assert_eq!(&sample.labels, &read.labels);
            match &sample.value {
                FederatedValue::Float(value) => {
                    prop_assert_eq!((sample.t_ms, *value), (read.samples[0].t_ms, read.samples[0].value));
                }
                FederatedValue::Histogram(h) => {
                    let (t_ms, found) = &read.histograms[0];
                    prop_assert_eq!(sample.t_ms, *t_ms);
                    let hint = match h.reset_hint {
                        ResetHint::Gauge => ResetHint::Gauge,
                        _ => ResetHint::Unknown,
                    };
                    let expected = FloatHistogram { reset_hint: hint, ..(**h).clone() };
                    prop_assert_eq!(&found.to_float(), &expected);
                }
            }
        }
    }

    #[test]
    fn custom_buckets_are_classic_ones(custom in custom_histogram()) {
        let h = custom.to_float();
        let value = FederatedValue::Histogram(Arc::new(h.clone()));
        let page = write(&[sample(&[("__name__", "h")], 1, value)], None, Escaping::AllowUtf8);
        let batch = parse_to_batch(&page, OPTIONS).unwrap();
        // One for each bound, one for +Inf, and what is known of all together.
        prop_assert_eq!(batch.series.len(), h.custom_bounds.len() + 3);
        let of = |name: &str, le: Option<&str>| {
            let is_it = |labels: &Labels| labels.metric_name() == Some(name) && labels.get("le") == le;
            batch.series.iter().find(|s| is_it(&s.labels)).map(|s| s.samples[0].value)
        };
        prop_assert_eq!(of("h_count", None), Some(h.count));
        prop_assert_eq!(of("h_sum", None), Some(h.sum));
        prop_assert_eq!(of("h_bucket", Some("+Inf")), Some(h.count));
        if h.custom_bounds.len() > 1 {
            prop_assert_eq!(of("h_bucket", Some("0.5")), Some(h.positive[0] + h.positive[1]));
        }
    }
}

#[test]
fn families_begin_where_name_or_type_changes() {
    let empty = |reset_hint| {
        FederatedValue::Histogram(Arc::new(FloatHistogram {
            reset_hint,
            ..FloatHistogram::default()
        }))
    };
    let page = write(
        &[
            sample(
                &[("__name__", "a.b"), ("c d", "é")],
                5,
                FederatedValue::Float(-0.0),
            ),
            sample(
                &[("__name__", "a.b"), ("instance", "i")],
                6,
                FederatedValue::Float(f64::INFINITY),
            ),
            // Without anything in it, and still native.
            sample(&[("__name__", "a.b"), ("x", "1")], 7, empty(ResetHint::NotReset)),
            sample(&[("__name__", "a.b"), ("x", "2")], 8, empty(ResetHint::Gauge)),
            sample(&[("__name__", "b")], 0, FederatedValue::Float(1.0)),
        ],
        Some("instance"),
        Escaping::Values,
    );
    assert_eq!(
        summary(&parse_to_batch(&page, OPTIONS).unwrap()),
        "U__a_2e_b{U__c_20_d=\"é\"} -0@5\n\
         U__a_2e_b{instance=\"i\"} inf@6\n\
         U__a_2e_b{x=\"1\"} Int { count: 0, zero: 0, positive: [], negative: [] }@7\n\
         U__a_2e_b{x=\"2\"} Int { count: 0, zero: 0, positive: [], negative: [] }@8\n\
         b 1@0\n\
         U__a_2e_b: unknown \"\" \"\"\n\
         U__a_2e_b: histogram \"\" \"\"\n\
         U__a_2e_b: gaugehistogram \"\" \"\"\n\
         b: unknown \"\" \"\""
    );
    let first = parse_to_batch(&page, OPTIONS).unwrap();
    let expected = Metadata {
        kind: MetricKind::Unknown,
        ..Metadata::default()
    };
    assert_eq!(first.metadata[0].1, expected);
    // The empty label that keeps others from adding theirs stands on the page.
    let instance = b"\x0a\x08instance";
    assert_eq!(page.windows(instance.len()).filter(|w| w == instance).count(), 5);
}
