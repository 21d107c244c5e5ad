//! An hour of series with everything that is seldom: samples off the beat, resets at the edges of ranges, staleness within them,
//! native histograms whose layout changes, custom buckets, series that are numbers and histograms by turns, names in UTF-8.

use super::super::memory::{MemorySource, Value};
use super::queries::Random;
use lapwing_types::{FloatHistogram, Labels, ResetHint, Span, stale_nan};
use std::collections::BTreeMap;
use std::sync::Arc;

/// 2023-11-14, on the hour.
pub(super) const START_MS: i64 = 1_699_920_000_000;
pub(super) const STEPS: i64 = 120;
pub(super) const STEP_MS: i64 = 30_000;

type Target = (&'static str, &'static str);

pub(super) fn fill(source: &mut MemorySource, seed: u64) {
    let random = &mut Random::new(seed ^ 0xc0_77e5);
    for (index, instance) in ["a:1", "b:2", "c:3"].into_iter().enumerate() {
        for (other, job) in ["api", "db"].into_iter().enumerate() {
            // Each target has its own beat.
            let late_ms = [0, 250, 7500][(index + other) % 3];
            let mut target = Writer {
                source,
                target: (instance, job),
                late_ms,
            };
            counters(&mut target, random);
            levels(&mut target, random);
            mixed(&mut target, random);
            sizes(&mut target, random);
            infos(&mut target, index);
            odd_buckets(&mut target, random);
        }
    }
}

struct Writer<'s> {
    source: &'s mut MemorySource,
    target: Target,
    late_ms: i64,
}

impl Writer<'_> {
    fn add(&mut self, name: &str, more: &[(&str, &str)], (step, value): (i64, Value)) {
        let (instance, job) = self.target;
        let mut pairs = vec![("__name__", name), ("instance", instance), ("job", job)];
        pairs.extend_from_slice(more);
        let labels = Labels::from_pairs(pairs).unwrap();
        let t_ms = START_MS + step * STEP_MS + self.late_ms;
        self.source.add(&labels, t_ms, value);
    }
}

fn counters(target: &mut Writer<'_>, random: &mut Random) {
    for code in ["200", "500"] {
        let mut value = random.below(50) as f64;
        for step in 0..STEPS {
            value += random.below(8) as f64;
            // Every ten minutes at the least, so that ranges begin and end there.
            if step % 20 == 0 || random.below(30) == 0 {
                value = random.below(2) as f64;
            }
            match random.below(25) {
                0 => continue,
                1 => target.add("ops_total", &[("code", code)], (step, Value::Float(stale_nan()))),
                _ => target.add("ops_total", &[("code", code)], (step, Value::Float(value))),
            }
            target.add(
                "http.requests total",
                &[("k8s.pod/näme", code)],
                (step, Value::Float(value)),
            );
        }
    }
}

/// Small whole numbers: equal ones are frequent, and sums are exact.
fn levels(target: &mut Writer<'_>, random: &mut Random) {
    for zone in ["", "n", "s"] {
        for step in 0..STEPS {
            let value = match random.below(40) {
                0 => f64::NAN,
                // Not where it is a factor of histograms, whose average 3.5 computes otherwise.
                1 if zone != "n" => f64::INFINITY,
                2 => stale_nan(),
                3 => -0.0,
                _ => random.below(7) as f64 - 3.0,
            };
            if random.below(12) > 0 {
                target.add("level", &[("zone", zone)], (step, Value::Float(value)));
            }
        }
    }
}

/// Numbers for a while, then histograms for a while.
fn mixed(target: &mut Writer<'_>, random: &mut Random) {
    let mut is_float = random.below(2) == 0;
    let mut native = Native::new(random);
    for step in 0..STEPS {
        if random.below(15) == 0 {
            is_float = !is_float;
        }
        native.grow(random);
        let value = match is_float {
            true => Value::Float(step as f64),
            false => native.value(),
        };
        target.add("mixed", &[], (step, value));
    }
}

fn sizes(target: &mut Writer<'_>, random: &mut Random) {
    let mut native = Native::new(random);
    let mut custom = Native::custom(random);
    let mut gauge = Native::new(random);
    gauge.hint = ResetHint::Gauge;
    for step in 0..STEPS {
        native.grow(random);
        custom.grow(random);
        if random.below(4) == 0 {
            gauge.reset(random);
        }
        gauge.grow(random);
        if random.below(15) > 0 {
            let value = match random.below(40) {
                0 => stale_histogram(),
                _ => native.value(),
            };
            target.add("size", &[], (step, value));
        }
        if random.below(15) > 0 {
            target.add("custom", &[], (step, custom.value()));
        }
        target.add("depth", &[], (step, gauge.value()));
    }
}

fn stale_histogram() -> Value {
    Value::Histogram(Arc::new(FloatHistogram {
        sum: stale_nan(),
        ..FloatHistogram::default()
    }))
}

/// A histogram that grows. Its buckets hold thousands: near zero later versions extrapolate less than 3.5.
struct Native {
    schema: i32,
    bounds: Vec<f64>,
    zero_threshold: f64,
    zero: f64,
    sum: f64,
    positive: BTreeMap<i32, f64>,
    negative: BTreeMap<i32, f64>,
    level: f64,
    hint: ResetHint,
}

impl Native {
    fn new(random: &mut Random) -> Self {
        let mut native = Native {
            schema: 0,
            bounds: Vec::new(),
            zero_threshold: 0.0,
            zero: 0.0,
            sum: 0.0,
            positive: BTreeMap::new(),
            negative: BTreeMap::new(),
            level: 8000.0,
            hint: ResetHint::Unknown,
        };
        native.reset(random);
        native
    }

    fn custom(random: &mut Random) -> Self {
        let mut native = Native::new(random);
        native.bounds = vec![0.1, 0.5, 1.0, 2.5, 10.0];
        native.reset(random);
        native
    }

    /// Another process: other buckets, another resolution, and less in them than before.
    fn reset(&mut self, random: &mut Random) {
        self.level = match self.hint {
            ResetHint::Gauge => 1000.0 + random.below(5000) as f64,
            _ => (self.level / 2.0).floor(),
        };
        self.sum = self.level * 20.0;
        if self.bounds.is_empty() {
            self.schema = random.below(5) as i32 - 1;
            self.zero_threshold = [0.0, 0.001, 0.002][random.below(3) as usize];
            self.zero = self.level;
            self.positive = (0..4).map(|_| (Native::index(random), self.level)).collect();
            self.negative = (0..2).map(|_| (1 + random.below(6) as i32, self.level)).collect();
        } else {
            self.schema = -53;
            self.positive = (0..6).map(|index| (index, self.level)).collect();
            self.negative.clear();
        }
    }

    /// Of a bucket that lies outside every zero bucket, also when buckets are merged: where one reaches into the other, 3.5 counts some
    /// twice.
    fn index(random: &mut Random) -> i32 {
        random.below(12) as i32 - 3
    }

    fn grow(&mut self, random: &mut Random) {
        match random.below(60) {
            0 if self.hint != ResetHint::Gauge => self.reset(random),
            // Coarser, as a client does whose buckets have become too many.
            1 if self.bounds.is_empty() && self.schema > -2 => {
                self.schema -= 1;
                for side in [&mut self.positive, &mut self.negative] {
                    let mut merged = BTreeMap::new();
                    for (index, count) in std::mem::take(side) {
                        *merged.entry(((index - 1) >> 1) + 1).or_insert(0.0) += count;
                    }
                    *side = merged;
                }
            }
            // A bucket that nobody had seen.
            2 if self.bounds.is_empty() => {
                let lowest = if self.schema < -1 { -1 } else { -3 };
                let index = Native::index(random).max(lowest);
                self.positive.entry(index).or_insert(0.0);
            }
            _ => {}
        }
        for count in self.positive.values_mut().chain(self.negative.values_mut()) {
            let more = random.below(5) as f64;
            *count += more;
            self.sum += more;
        }
        if self.bounds.is_empty() {
            self.zero += random.below(2) as f64;
        }
    }

    fn value(&self) -> Value {
        let (positive_spans, positive) = spans(&self.positive);
        let (negative_spans, negative) = spans(&self.negative);
        let zero = if self.bounds.is_empty() { self.zero } else { 0.0 };
        Value::Histogram(Arc::new(FloatHistogram {
            reset_hint: self.hint,
            schema: self.schema,
            zero_threshold: if self.bounds.is_empty() {
                self.zero_threshold
            } else {
                0.0
            },
            zero_count: zero,
            count: positive.iter().chain(&negative).sum::<f64>() + zero,
            sum: self.sum,
            positive_spans,
            negative_spans,
            positive,
            negative,
            custom_bounds: self.bounds.as_slice().into(),
        }))
    }
}

fn spans(buckets: &BTreeMap<i32, f64>) -> (Vec<Span>, Vec<f64>) {
    let mut spans: Vec<Span> = Vec::new();
    let mut next = 0;
    for index in buckets.keys() {
        match spans.last_mut() {
            Some(last) if *index == next => last.length += 1,
            _ => spans.push(Span {
                offset: index - next,
                length: 1,
            }),
        }
        next = index + 1;
    }
    (spans, buckets.values().copied().collect())
}

/// What is known of a target; a new version takes the place of the old one, which is marked stale.
fn infos(target: &mut Writer<'_>, index: usize) {
    let change = 40 + 10 * index as i64;
    for step in 0..STEPS {
        let (old, new) = match step {
            s if s < change => (Some(1.0), None),
            s if s == change => (Some(stale_nan()), Some(1.0)),
            _ => (None, Some(1.0)),
        };
        for (version, value) in [("1.0", old), ("1.1", new)] {
            if let Some(value) = value {
                target.add(
                    "target_info",
                    &[("version", version)],
                    (step, Value::Float(value)),
                );
            }
        }
        if index < 2 {
            target.add(
                "build_info",
                &[("go", "1.25"), ("os", "linux")],
                (step, Value::Float(1.0)),
            );
        }
    }
}

/// Classic buckets: bounds spelled otherwise, one job without the last.
fn odd_buckets(target: &mut Writer<'_>, random: &mut Random) {
    let has_last = target.target.1 == "api";
    let mut counts = [0.0; 5];
    for step in 0..STEPS {
        let mut below = 0.0;
        for (le, count) in ["0.1", "0.50", "1", "2e0", "+Inf"].into_iter().zip(&mut counts) {
            *count += random.below(4) as f64;
            below += *count;
            if has_last || le != "+Inf" {
                target.add("wait_bucket", &[("le", le)], (step, Value::Float(below)));
            }
        }
    }
}
