//! Two hours of series of every kind: counters with resets, gauges with gaps, NaN and infinities, classic and native
//! histograms.

use super::super::memory::{MemorySource, Value};
use super::queries::Random;
use lapwing_types::{FloatHistogram, Labels, Span, stale_nan};
use std::sync::Arc;

/// 2023-11-14, on the hour.
pub(super) const START_MS: i64 = 1_699_920_000_000;
pub(super) const LENGTH_MS: i64 = 5400 * 1000;
const STEP_MS: i64 = 15_000;

fn labels(pairs: &[(&str, &str)]) -> Labels {
    Labels::from_pairs(pairs.iter().copied()).unwrap()
}

pub(super) fn fill(source: &mut MemorySource, seed: u64) {
    let mut random = Random::new(seed ^ 0x5eed);
    for instance in ["a:1", "b:2", "c:3"] {
        for job in ["api", "db"] {
            counters(source, &mut random, (instance, job));
            gauges(source, &mut random, (instance, job));
            classic(source, &mut random, (instance, job));
            native(source, &mut random, (instance, job));
        }
    }
    for (version, instance) in [("1.0", "a:1"), ("1.1", "b:2")] {
        let target = labels(&[
            ("__name__", "target_info"),
            ("instance", instance),
            ("job", "api"),
            ("version", version),
        ]);
        for t_ms in times() {
            source.add(&target, t_ms, Value::Float(1.0));
        }
    }
}

fn times() -> impl Iterator<Item = i64> {
    (0..=LENGTH_MS / STEP_MS).map(|i| START_MS + i * STEP_MS)
}

fn counters(source: &mut MemorySource, random: &mut Random, (instance, job): (&str, &str)) {
    for code in ["200", "404", "500"] {
        let series = labels(&[
            ("__name__", "requests_total"),
            ("instance", instance),
            ("job", job),
            ("code", code),
        ]);
        let mut value = random.below(100) as f64;
        for t_ms in times() {
            value += random.below(20) as f64 / 4.0;
            if random.below(80) == 0 {
                value = random.below(3) as f64;
            }
            if random.below(15) > 0 {
                source.add(&series, t_ms, Value::Float(value));
            }
        }
    }
}

fn gauges(source: &mut MemorySource, random: &mut Random, (instance, job): (&str, &str)) {
    for (name, special) in [("temperature", false), ("wild", true)] {
        let series = labels(&[("__name__", name), ("instance", instance), ("job", job)]);
        let mut gap_until = 0;
        for t_ms in times() {
            let value = random.below(2000) as f64 / 10.0 - 50.0;
            let value = match random.below(25) {
                0 if special => f64::NAN,
                1 if special => f64::INFINITY,
                2 if special => f64::NEG_INFINITY,
                3 if special => 0.0,
                _ => value,
            };
            if t_ms < gap_until {
                continue;
            }
            if random.below(60) == 0 {
                source.add(&series, t_ms, Value::Float(stale_nan()));
                gap_until = t_ms + random.below(12) as i64 * 60_000;
                continue;
            }
            source.add(&series, t_ms, Value::Float(value));
        }
    }
}

fn classic(source: &mut MemorySource, random: &mut Random, (instance, job): (&str, &str)) {
    let bounds = ["0.1", "0.5", "1", "5", "+Inf"];
    let mut counts = [0.0; 5];
    for t_ms in times() {
        for count in &mut counts {
            *count += random.below(4) as f64;
        }
        let mut below = 0.0;
        for (bound, count) in bounds.iter().zip(counts) {
            below += count;
            let series = labels(&[
                ("__name__", "latency_seconds_bucket"),
                ("instance", instance),
                ("job", job),
                ("le", bound),
            ]);
            source.add(&series, t_ms, Value::Float(below));
        }
    }
}

fn native(source: &mut MemorySource, random: &mut Random, (instance, job): (&str, &str)) {
    let series = labels(&[("__name__", "size_bytes"), ("instance", instance), ("job", job)]);
    // Far from zero and without resets: near them later versions extrapolate less than 3.5.
    let mut counts = vec![1000.0; 8];
    let mut negative = vec![1000.0; 2];
    let (mut zero, mut sum) = (1000.0, 5000.0);
    let schema = i32::try_from(random.below(3)).unwrap_or(0);
    for t_ms in times() {
        for (i, count) in counts.iter_mut().enumerate() {
            let more = random.below(5) as f64;
            *count += more;
            sum += more * i as f64;
        }
        for count in &mut negative {
            let more = random.below(2) as f64;
            *count += more;
            sum -= more;
        }
        zero += random.below(2) as f64;
        let histogram = FloatHistogram {
            schema,
            zero_threshold: 0.001,
            zero_count: zero,
            count: counts.iter().sum::<f64>() + negative.iter().sum::<f64>() + zero,
            sum,
            positive_spans: vec![Span { offset: 0, length: 4 }, Span { offset: 2, length: 4 }],
            negative_spans: vec![Span { offset: 1, length: 2 }],
            positive: counts.clone(),
            negative: negative.clone(),
            ..FloatHistogram::default()
        };
        if random.below(20) > 0 {
            source.add(&series, t_ms, Value::Histogram(Arc::new(histogram)));
        }
    }
}
