//! Samples as a page in protobuf, for those who federate: native histograms as they are, numbers as `untyped`, because
//! their type is not kept with them.
//!
//! The message has no field for custom bounds. A histogram that has them is written with classic buckets; whoever reads it
//! may make of it what it was.

use crate::protobuf::{Writer, push_varint};
use crate::text::Escaping;
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME, ResetHint, Span};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub struct FederatedSample {
    pub labels: Labels,
    pub t_ms: i64,
    pub value: FederatedValue,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FederatedValue {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// As the enum of the message numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Untyped = 3,
    Histogram = 4,
    GaugeHistogram = 5,
}

impl FederatedValue {
    fn kind(&self) -> Kind {
        match self {
            FederatedValue::Float(_) => Kind::Untyped,
            FederatedValue::Histogram(h) if h.reset_hint == ResetHint::Gauge => Kind::GaugeHistogram,
            FederatedValue::Histogram(_) => Kind::Histogram,
        }
    }
}

/// Neighbours of one name and one type make a family; where a name has several types, several families have its name, and
/// Prometheus reads that. `always` is a label that is written even where a sample has none, as empty.
pub fn write(samples: &[FederatedSample], always: Option<&str>, escaping: Escaping) -> Vec<u8> {
    let mut page = Vec::with_capacity(samples.len() * 64);
    let is_one_family = |a: &FederatedSample, b: &FederatedSample| {
        a.labels.metric_name() == b.labels.metric_name() && a.value.kind() == b.value.kind()
    };
    for members in samples.chunk_by(is_one_family) {
        let first = &members[0];
        let mut family = Writer::new();
        let name = first.labels.metric_name().unwrap_or("");
        family.string(1, &escaping.metric_name(name));
        family.present_uint64(3, first.value.kind() as u64);
        for sample in members {
            family.message(4, |w| metric(w, sample, always, escaping));
        }
        push_varint(&mut page, family.as_bytes().len() as u64);
        page.extend_from_slice(family.as_bytes());
    }
    page
}

fn metric(w: &mut Writer, sample: &FederatedSample, always: Option<&str>, escaping: Escaping) {
    let missing = always.filter(|name| sample.labels.get(name).is_none());
    let own = sample.labels.iter().filter(|(name, _)| *name != METRIC_NAME);
    for (name, value) in own.chain(missing.map(|name| (name, ""))) {
        w.message(1, |w| {
            w.string(1, &escaping.label_name(name));
            w.string(2, value);
        });
    }
    match &sample.value {
        FederatedValue::Float(value) => w.message(5, |w| w.present_double(1, *value)),
        FederatedValue::Histogram(h) if h.uses_custom_buckets() => w.message(7, |w| classic(w, h)),
        FederatedValue::Histogram(h) => w.message(7, |w| native(w, h)),
    }
    w.present_uint64(6, sample.t_ms as u64);
}

fn native(w: &mut Writer, h: &FloatHistogram) {
    w.double(2, h.sum);
    w.present_double(4, h.count);
    w.sint64(5, i64::from(h.schema));
    w.double(6, h.zero_threshold);
    w.present_double(8, h.zero_count);
    for (number, spans, counts) in [
        (9, &h.negative_spans, &h.negative),
        (12, &h.positive_spans, &h.positive),
    ] {
        spans.iter().for_each(|s| span(w, number, *s));
        w.packed_doubles(number + 2, counts);
    }
    let says_nothing = h.zero_threshold <= 0.0 && h.zero_count <= 0.0;
    if says_nothing && h.positive_spans.is_empty() && h.negative_spans.is_empty() {
        // What has neither spans nor a zero bucket is read as a classic histogram.
        span(w, 12, Span { offset: 0, length: 0 });
    }
}

fn span(w: &mut Writer, number: u32, span: Span) {
    w.message(number, |w| {
        w.sint64(1, i64::from(span.offset));
        w.uint64(2, u64::from(span.length));
    });
}

fn classic(w: &mut Writer, h: &FloatHistogram) {
    w.double(2, h.sum);
    w.present_double(4, h.count);
    for (bound, cumulative) in h.cumulative_custom_buckets() {
        w.message(3, |w| {
            w.present_double(2, bound);
            w.present_double(4, cumulative);
        });
    }
}
