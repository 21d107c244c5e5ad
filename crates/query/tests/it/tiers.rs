//! Queries over a time of which only downsampled data is left, against the same store with all its samples.

use lapwing_query::{QueryEngine, QueryOptions, QueryValue};
use lapwing_store::metrics::{MetricsOptions, MetricsStore, Retention, TierPolicy};
use lapwing_types::Labels;
use std::path::Path;

const HOUR_MS: i64 = 3_600_000;
const T0: i64 = 12 * HOUR_MS * 39_352;
const STEP_MS: i64 = 15_000;

fn store(dir: &Path, keep_ms: Option<i64>, resolution_ms: i64) -> MetricsStore {
    let options = MetricsOptions {
        window_ms: 600_000,
        ooo_window_ms: 900_000,
        retention: Retention {
            age_ms: keep_ms,
            size_bytes: None,
        },
        tiers: vec![TierPolicy {
            resolution_ms,
            age_ms: None,
        }],
        ..MetricsOptions::default()
    };
    let store = MetricsStore::open(dir, options, T0).unwrap();
    let series = ["requests_total", "depth"].map(|name| Labels::from_pairs([("__name__", name)]).unwrap());
    let mut count = 0.0;
    for step in 0..4_000i64 {
        let t_ms = T0 + step * STEP_MS + 3;
        // Restarts every two hours or so, in the middle of buckets.
        count = if step % 487 == 486 {
            3.0
        } else {
            count + ((step * 7) % 13) as f64
        };
        let mut appender = store.appender("test", t_ms);
        for (labels, value) in series.iter().zip([count, (step % 200) as f64]) {
            let found = appender.series(labels).unwrap();
            appender.push(found, t_ms, value);
        }
        appender.commit().unwrap();
        if step % 10 == 0 {
            assert_eq!(store.maintain(t_ms).failures, Vec::<String>::new());
        }
    }
    store
}

fn value(store: &MetricsStore, expr: &str, at_ms: i64) -> Option<f64> {
    let result = QueryEngine::new().instant(&store.snapshot(), expr, at_ms, &QueryOptions::default());
    match result.unwrap().value {
        QueryValue::Vector(samples) => samples.first().and_then(|s| match &s.value {
            lapwing_query::SampleValue::Float(value) => Some(*value),
            lapwing_query::SampleValue::Histogram(_) => None,
        }),
        other => panic!("{other:?}"),
    }
}

/// Both answer, and differ by no more than this part.
fn check(stores: (&MetricsStore, &MetricsStore), expr: &str, at_ms: i64, part: f64) {
    let (whole, condensed) = (value(stores.0, expr, at_ms), value(stores.1, expr, at_ms));
    let (Some(whole), Some(condensed)) = (whole, condensed) else {
        panic!("{expr} at {at_ms}: {whole:?} and {condensed:?}");
    };
    let off = (whole - condensed).abs() / whole.abs().max(1.0);
    assert!(off <= part, "{expr} at {at_ms}: {condensed} instead of {whole}");
}

#[test]
fn rates_count_restarts_and_gauges_keep_their_extremes() {
    for resolution_ms in [300_000, HOUR_MS] {
        let (whole_dir, condensed_dir) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let whole = store(whole_dir.path(), None, resolution_ms);
        let condensed = store(condensed_dir.path(), Some(5 * HOUR_MS), resolution_ms);
        let both = (&whole, &condensed);
        let counted = value(&condensed, "count_over_time(depth[6h])", T0 + 6 * HOUR_MS);
        assert_eq!(counted, Some((6 * HOUR_MS / STEP_MS) as f64));
        for at_ms in [
            T0 + 4 * HOUR_MS,
            T0 + 7 * HOUR_MS,
            T0 + 10 * HOUR_MS,
            T0 + 16 * HOUR_MS,
        ] {
            check(both, "increase(requests_total[3h])", at_ms, 0.02);
            check(both, "rate(requests_total[2h])", at_ms, 0.02);
            check(both, "min_over_time(depth[3h])", at_ms, 0.0);
            check(both, "max_over_time(depth[3h])", at_ms, 0.0);
            check(both, "avg_over_time(depth[3h])", at_ms, 1e-9);
            check(both, "sum_over_time(depth[3h])", at_ms, 1e-9);
            check(both, "count_over_time(depth[3h])", at_ms, 0.0);
            check(both, "last_over_time(depth[1h])", at_ms, 0.0);
            check(both, "depth", at_ms, 0.0);
        }
        // Across the seam.
        check(both, "increase(requests_total[15h])", T0 + 16 * HOUR_MS, 0.02);
        // Windows shorter than a bucket.
        let at_ms = T0 + 3 * HOUR_MS + 1_234_567;
        assert!(value(&condensed, "rate(requests_total[5m])", at_ms).unwrap() > 0.2);
        assert!(value(&condensed, "depth", at_ms).is_some());
    }
}
