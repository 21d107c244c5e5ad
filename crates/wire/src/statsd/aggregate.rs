//! What StatsD lines add up to between two flushes, and over the life of a series.
//!
//! Totals of counters and histograms never go down. A series that is new here may have been known before a restart: it is
//! [`Statsd::unsettled`] until it is flushed, and whoever remembers what it had come to says so with [`Statsd::resume`] between the
//! two. One that comes while they look waits for the next flush.
//! A series that is not heard of for a while is forgotten. Everything is bounded: the number of series, the values of a set.

use super::parse::{StatsdError, StatsdKind, StatsdLine, parse_line};
use crate::names::escape_underscores;
use crate::native_buckets::{bucket_of, spans};
use crate::text::parse_float;
use lapwing_types::{
    Counts, FloatHistogram, Histogram, Labels, METRIC_NAME, Metadata, MetricKind, ResetHint, Sample,
    SeriesWrite, WriteBatch, span_indexes,
};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// 2^(1/8): neighbouring bounds are 9 % apart.
const SCHEMA: i32 = 3;
const ZERO_THRESHOLD: f64 = 1e-128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatsdLimits {
    pub series_max: usize,
    pub set_values_max: usize,
    /// A series without a line for this long is forgotten at the next flush.
    pub idle_ms: i64,
}

impl Default for StatsdLimits {
    /// The bounds that keep a hostile sender below about 100 MB.
    fn default() -> Self {
        StatsdLimits {
            series_max: 100_000,
            set_values_max: 10_000,
            idle_ms: 3_600_000,
        }
    }
}

/// Why a line was not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum StatsdReject {
    #[error("the line does not parse")]
    Parse {
        #[source]
        source: StatsdError,
    },
    #[error("{series_max} series are kept already")]
    TooManySeries { series_max: usize },
    #[error("the metric was of another type before")]
    KindChanged,
}

impl From<StatsdError> for StatsdReject {
    fn from(source: StatsdError) -> Self {
        StatsdReject::Parse { source }
    }
}

/// The aggregator: lines in, batches out.
#[derive(Debug)]
pub struct Statsd {
    limits: StatsdLimits,
    series: HashMap<Labels, Entry>,
}

#[derive(Debug)]
struct Entry {
    value: Value,
    kind: StatsdKind,
    /// Unknown for a series that goes on from a total whose beginning nobody kept.
    first_ms: Option<i64>,
    last_ms: i64,
    past: Past,
}

/// What a series was before: whether that was asked for, and can still be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Past {
    Unasked,
    Asked,
    /// It was flushed once.
    Settled,
}

/// What a series had come to when it was last kept.
#[derive(Clone, Debug, PartialEq)]
pub enum Before {
    Number { value: f64, start_ms: Option<i64> },
    Histogram(Arc<FloatHistogram>),
}

#[derive(Debug)]
enum Value {
    Counter(f64),
    /// `is_set`: a value was given, and not only changes of one.
    Gauge {
        value: f64,
        is_set: bool,
    },
    Set(HashSet<String>),
    Histogram(Distribution),
}

#[derive(Debug, Default)]
struct Distribution {
    count: u64,
    zero: u64,
    sum: f64,
    positive: BTreeMap<i32, u64>,
    negative: BTreeMap<i32, u64>,
}

impl Statsd {
    pub fn new(limits: StatsdLimits) -> Self {
        Statsd {
            limits,
            series: HashMap::new(),
        }
    }

    pub fn series_count(&self) -> usize {
        self.series.len()
    }

    /// Takes a datagram, or any part of a TCP stream that ends at a line end. Returns how many lines were taken and
    /// the others' reasons.
    pub fn ingest(&mut self, packet: &[u8], now_ms: i64) -> (usize, Vec<StatsdReject>) {
        let mut taken = 0;
        let mut rejects = Vec::new();
        for line in packet.split(|byte| *byte == b'\n') {
            let line = line.trim_ascii();
            if line.is_empty() {
                continue;
            }
            let accepted = parse_line(line).map_err(StatsdReject::from);
            match accepted.and_then(|line| self.line(&line, now_ms)) {
                Ok(()) => taken += 1,
                Err(reject) => rejects.push(reject),
            }
        }
        (taken, rejects)
    }

    fn line(&mut self, line: &StatsdLine<'_>, now_ms: i64) -> Result<(), StatsdReject> {
        // All values are read before the first is counted: a line counts as a whole or not at all.
        let values: Vec<f64> = match line.kind {
            StatsdKind::Set => Vec::new(),
            _ => line.values.split(':').map(number).collect::<Result<_, _>>()?,
        };
        let labels = labels_of(line);
        let is_full = self.series.len() >= self.limits.series_max;
        if is_full && !self.series.contains_key(&labels) {
            let series_max = self.limits.series_max;
            return Err(StatsdReject::TooManySeries { series_max });
        }
        let entry = self.series.entry(labels).or_insert_with(|| Entry {
            value: Value::new(line.kind),
            kind: line.kind,
            first_ms: Some(now_ms),
            last_ms: now_ms,
            past: if line.kind == StatsdKind::Set {
                Past::Settled
            } else {
                Past::Unasked
            },
        });
        if entry.kind != line.kind {
            return Err(StatsdReject::KindChanged);
        }
        entry.last_ms = now_ms;
        entry.value.add(line, &values, self.limits.set_values_max);
        Ok(())
    }

    /// Series that were not flushed yet and go on from what they were before, if anyone remembers. The next flush takes them.
    pub fn unsettled(&mut self) -> Vec<Labels> {
        let fresh = self.series.iter_mut().filter(|(_, e)| e.past != Past::Settled);
        fresh
            .map(|(labels, entry)| {
                entry.past = Past::Asked;
                labels.clone()
            })
            .collect()
    }

    /// Adds what a series was before. Says nothing of one that was flushed meanwhile, or that is of another kind now.
    pub fn resume(&mut self, labels: &Labels, before: &Before) {
        if let Some(entry) = self.series.get_mut(labels).filter(|e| e.past == Past::Asked) {
            entry.resume(before);
        }
    }

    /// The state of every series at `now_ms`; sets start anew, idle series are forgotten. What came after the last
    /// [`Statsd::unsettled`] is left for the next flush.
    pub fn flush(&mut self, now_ms: i64) -> WriteBatch {
        let oldest_ms = now_ms - self.limits.idle_ms;
        self.series.retain(|_, entry| entry.last_ms >= oldest_ms);
        let mut batch = WriteBatch::default();
        let mut families = BTreeMap::new();
        for (labels, entry) in self.series.iter_mut().filter(|(_, e)| e.past != Past::Unasked) {
            if let Some(name) = labels.metric_name() {
                families.insert(name.to_owned(), entry.kind);
            }
            batch.series.push(entry.write(labels, now_ms));
            entry.past = Past::Settled;
        }
        batch.series.sort_by(|a, b| a.labels.cmp(&b.labels));
        batch.metadata = families
            .into_iter()
            .map(|(name, kind)| (name, about(kind)))
            .collect();
        batch
    }
}

impl Entry {
    fn resume(&mut self, before: &Before) {
        match (&mut self.value, before) {
            (Value::Counter(total), Before::Number { value, start_ms }) if *value >= 0.0 => {
                *total += value;
                self.first_ms = *start_ms;
            }
            (Value::Gauge { value, is_set: false }, Before::Number { value: old, .. }) if old.is_finite() => {
                *value += old;
            }
            (Value::Histogram(distribution), Before::Histogram(old)) => {
                let is_added = distribution.add(old);
                self.first_ms = self.first_ms.filter(|_| !is_added);
            }
            _ => {}
        }
    }

    fn write(&mut self, labels: &Labels, now_ms: i64) -> SeriesWrite {
        let mut series = SeriesWrite {
            labels: labels.clone(),
            ..SeriesWrite::default()
        };
        let value = match &mut self.value {
            Value::Counter(value) => {
                series.start_ms = self.first_ms;
                *value
            }
            Value::Gauge { value, .. } => *value,
            Value::Set(values) => {
                let count = values.len();
                values.clear();
                count as f64
            }
            Value::Histogram(distribution) => {
                series.start_ms = self.first_ms;
                series.histograms.push((now_ms, distribution.to_native()));
                return series;
            }
        };
        series.samples.push(Sample { t_ms: now_ms, value });
        series
    }
}

impl Value {
    fn new(kind: StatsdKind) -> Self {
        match kind {
            StatsdKind::Counter => Value::Counter(0.0),
            StatsdKind::Gauge => Value::Gauge {
                value: 0.0,
                is_set: false,
            },
            StatsdKind::Set => Value::Set(HashSet::new()),
            StatsdKind::Timer | StatsdKind::Histogram => Value::Histogram(Distribution::default()),
        }
    }

    fn add(&mut self, line: &StatsdLine<'_>, numbers: &[f64], set_values_max: usize) {
        match self {
            Value::Counter(total) => {
                *total += numbers.iter().sum::<f64>() / line.sample_rate;
            }
            Value::Gauge { value, is_set } => {
                for (text, number) in line.values.split(':').zip(numbers) {
                    // A sign makes it a change; StatsD has no other way to say that.
                    let is_change = text.starts_with(['+', '-']);
                    *value = if is_change { *value + number } else { *number };
                    *is_set |= !is_change;
                }
            }
            Value::Set(values) => {
                if values.len() < set_values_max {
                    values.insert(line.values.to_owned());
                }
            }
            Value::Histogram(distribution) => {
                let unit = if line.kind == StatsdKind::Timer { 1e-3 } else { 1.0 };
                let weight = (1.0 / line.sample_rate).round() as u64;
                for number in numbers {
                    distribution.observe(number * unit, weight);
                }
            }
        }
    }
}

impl Distribution {
    fn observe(&mut self, value: f64, weight: u64) {
        self.count = self.count.saturating_add(weight);
        self.sum += value * weight as f64;
        let bucket = if value.abs() <= ZERO_THRESHOLD {
            &mut self.zero
        } else if value > 0.0 {
            self.positive.entry(bucket_of(value, SCHEMA)).or_insert(0)
        } else {
            self.negative.entry(bucket_of(-value, SCHEMA)).or_insert(0)
        };
        *bucket = bucket.saturating_add(weight);
    }

    /// Adds what was kept of the same distribution; false when it is on another grid or not of whole observations.
    fn add(&mut self, old: &FloatHistogram) -> bool {
        let is_whole = |n: &f64| (0.0..9e15).contains(n) && n.fract() == 0.0;
        let counts = old.positive.iter().chain(&old.negative);
        let fits = old.schema == SCHEMA
            && old.zero_threshold == ZERO_THRESHOLD
            && counts.chain([&old.count, &old.zero_count]).all(is_whole);
        if !fits {
            return false;
        }
        self.count = self.count.saturating_add(old.count as u64);
        self.zero = self.zero.saturating_add(old.zero_count as u64);
        self.sum += old.sum;
        for (spans, counts, into) in [
            (&old.positive_spans, &old.positive, &mut self.positive),
            (&old.negative_spans, &old.negative, &mut self.negative),
        ] {
            for (index, count) in span_indexes(spans).zip(counts).filter(|(_, n)| **n > 0.0) {
                let bucket = into.entry(index).or_insert(0);
                *bucket = bucket.saturating_add(*count as u64);
            }
        }
        true
    }

    fn to_native(&self) -> Histogram {
        let (positive_spans, positive) = spans(&self.positive);
        let (negative_spans, negative) = spans(&self.negative);
        Histogram {
            reset_hint: ResetHint::Unknown,
            schema: SCHEMA,
            zero_threshold: ZERO_THRESHOLD,
            sum: self.sum,
            positive_spans,
            negative_spans,
            counts: Counts::Int {
                count: self.count,
                zero: self.zero,
                positive,
                negative,
            },
            custom_bounds: Arc::from([]),
        }
    }
}

fn number(text: &str) -> Result<f64, StatsdError> {
    parse_float(text)
        .filter(|number| number.is_finite())
        .ok_or_else(|| StatsdError::BadValue {
            text: text.chars().take(20).collect(),
        })
}

/// Of tags with equal names the last one counts.
fn labels_of(line: &StatsdLine<'_>) -> Labels {
    let mut builder = Labels::empty().to_builder();
    for (name, value) in &line.tags {
        builder.set(name, *value);
    }
    builder.set(METRIC_NAME, escape_underscores(line.name));
    builder.build()
}

fn about(kind: StatsdKind) -> Metadata {
    let (kind, unit) = match kind {
        StatsdKind::Counter => (MetricKind::Counter, ""),
        StatsdKind::Gauge | StatsdKind::Set => (MetricKind::Gauge, ""),
        StatsdKind::Timer => (MetricKind::Histogram, "seconds"),
        StatsdKind::Histogram => (MetricKind::Histogram, ""),
    };
    Metadata {
        kind,
        help: String::new(),
        unit: unit.to_owned(),
    }
}
