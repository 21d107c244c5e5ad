//! OTLP metrics as they arrive, before Prometheus' names are put on them. Protobuf and JSON both decode to this.
//!
//! Strings borrow from the request where they can, and the attributes of points stay bytes until somebody asks for them.

use super::error::OtlpError;
use super::proto;
use std::borrow::Cow;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricsRequest<'a> {
    pub resources: Vec<ResourceMetrics<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceMetrics<'a> {
    pub attributes: Vec<Attribute<'a>>,
    pub scopes: Vec<ScopeMetrics<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScopeMetrics<'a> {
    pub name: Cow<'a, str>,
    pub version: Cow<'a, str>,
    pub attributes: Vec<Attribute<'a>>,
    pub schema_url: Cow<'a, str>,
    pub metrics: Vec<Metric<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metric<'a> {
    pub name: Cow<'a, str>,
    pub description: Cow<'a, str>,
    pub unit: Cow<'a, str>,
    /// Absent when the message has none, or one of a kind that is not known here.
    pub data: Option<Data<'a>>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Data<'a> {
    Gauge {
        points: Vec<NumberPoint<'a>>,
    },
    Sum {
        points: Vec<NumberPoint<'a>>,
        temporality: Temporality,
        monotonic: bool,
    },
    Histogram {
        points: Vec<HistogramPoint<'a>>,
        temporality: Temporality,
    },
    Exponential {
        points: Vec<ExponentialPoint<'a>>,
        temporality: Temporality,
    },
    Summary {
        points: Vec<SummaryPoint<'a>>,
    },
}

impl Data<'_> {
    /// What of the data decides how its series are called.
    pub(super) fn class(&self) -> u8 {
        match self {
            Data::Gauge { .. } => b'g',
            Data::Sum { monotonic: true, .. } => b'c',
            Data::Sum { .. } => b'u',
            Data::Histogram { .. } => b'h',
            Data::Exponential { .. } => b'e',
            Data::Summary { .. } => b's',
        }
    }

    pub(super) fn points_count(&self) -> usize {
        match self {
            Data::Gauge { points } | Data::Sum { points, .. } => points.len(),
            Data::Histogram { points, .. } => points.len(),
            Data::Exponential { points, .. } => points.len(),
            Data::Summary { points } => points.len(),
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Temporality {
    #[default]
    Unspecified,
    Delta,
    Cumulative,
}

impl Temporality {
    pub(super) fn from_code(code: i32) -> Self {
        match code {
            1 => Temporality::Delta,
            2 => Temporality::Cumulative,
            _ => Temporality::Unspecified,
        }
    }
}

/// What points of all kinds have in common.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointHead<'a> {
    pub attributes: Attributes<'a>,
    pub start_ns: u64,
    pub t_ns: u64,
    pub flags: u32,
}

impl PointHead<'_> {
    pub fn t_ms(&self) -> i64 {
        (self.t_ns / 1_000_000) as i64
    }

    /// When the counter began; zero means that the source does not know.
    pub fn start_ms(&self) -> Option<i64> {
        (self.start_ns != 0).then_some((self.start_ns / 1_000_000) as i64)
    }

    /// The source knows that there is nothing to report: the series has gone stale.
    pub fn has_no_value(&self) -> bool {
        self.flags & 1 == 1
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    Int(i64),
    Double(f64),
}

impl Number {
    pub fn as_f64(self) -> f64 {
        match self {
            Number::Int(v) => v as f64,
            Number::Double(v) => v,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct NumberPoint<'a> {
    pub head: PointHead<'a>,
    pub value: Option<Number>,
    pub exemplars: Vec<PointExemplar<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HistogramPoint<'a> {
    pub head: PointHead<'a>,
    pub count: u64,
    pub sum: Option<f64>,
    pub bounds: Vec<f64>,
    /// One more than bounds, or none at all.
    pub buckets: Vec<u64>,
    pub exemplars: Vec<PointExemplar<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialPoint<'a> {
    pub head: PointHead<'a>,
    pub count: u64,
    pub sum: Option<f64>,
    pub scale: i32,
    pub zero: u64,
    pub zero_threshold: f64,
    pub positive: ExponentialBuckets,
    pub negative: ExponentialBuckets,
    pub exemplars: Vec<PointExemplar<'a>>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExponentialBuckets {
    pub offset: i32,
    pub counts: Vec<u64>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct SummaryPoint<'a> {
    pub head: PointHead<'a>,
    pub count: u64,
    pub sum: f64,
    /// Quantile and value.
    pub quantiles: Vec<(f64, f64)>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct PointExemplar<'a> {
    pub attributes: Vec<Attribute<'a>>,
    pub t_ns: u64,
    pub value: Option<Number>,
    pub span_id: Cow<'a, [u8]>,
    pub trace_id: Cow<'a, [u8]>,
}

/// The attributes of a point.
#[derive(Clone, Debug, PartialEq)]
pub enum Attributes<'a> {
    /// Fields of this number and no others, as a protobuf message has them. They are not looked into: whoever knows the series by
    /// these bytes need not.
    Encoded {
        fields: &'a [u8],
        number: u32,
    },
    Decoded(Vec<Attribute<'a>>),
}

impl Default for Attributes<'_> {
    fn default() -> Self {
        Attributes::Decoded(Vec::new())
    }
}

impl<'a> Attributes<'a> {
    /// An error means that the whole message is none.
    pub fn decode(&self) -> Result<Cow<'_, [Attribute<'a>]>, OtlpError> {
        match self {
            Attributes::Encoded { fields, number } => {
                proto::decode_attributes(fields, *number).map(Cow::Owned)
            }
            Attributes::Decoded(list) => Ok(Cow::Borrowed(list)),
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct Attribute<'a> {
    pub key: Cow<'a, str>,
    pub value: AnyValue<'a>,
}

#[derive(Clone, Debug, Default, PartialEq)]
pub enum AnyValue<'a> {
    #[default]
    Empty,
    Str(Cow<'a, str>),
    Bool(bool),
    Int(i64),
    Double(f64),
    Bytes(Cow<'a, [u8]>),
    Array(Vec<AnyValue<'a>>),
    Map(Vec<Attribute<'a>>),
}

impl<'a> AnyValue<'a> {
    /// As the value of a label: text as it is, lists and maps as JSON, bytes in base64.
    pub fn to_text(&self) -> Cow<'_, str> {
        match self {
            AnyValue::Empty => Cow::Borrowed(""),
            AnyValue::Str(text) => Cow::Borrowed(text),
            AnyValue::Bool(v) => Cow::Borrowed(if *v { "true" } else { "false" }),
            AnyValue::Int(v) => Cow::Owned(v.to_string()),
            AnyValue::Double(v) => Cow::Owned(crate::text::format_float(*v)),
            AnyValue::Bytes(_) => match self.to_json() {
                serde_json::Value::String(text) => Cow::Owned(text),
                other => Cow::Owned(other.to_string()),
            },
            AnyValue::Array(_) | AnyValue::Map(_) => Cow::Owned(self.to_json().to_string()),
        }
    }

    fn to_json(&self) -> serde_json::Value {
        use base64::Engine;
        use serde_json::Value;
        match self {
            AnyValue::Empty => Value::Null,
            AnyValue::Str(text) => Value::from(text.as_ref()),
            AnyValue::Bool(v) => Value::from(*v),
            AnyValue::Int(v) => Value::from(*v),
            AnyValue::Double(v) => Value::from(*v),
            AnyValue::Bytes(bytes) => Value::from(base64::prelude::BASE64_STANDARD.encode(bytes)),
            AnyValue::Array(items) => items.iter().map(AnyValue::to_json).collect(),
            AnyValue::Map(items) => items
                .iter()
                .map(|item| (item.key.to_string(), item.value.to_json()))
                .collect(),
        }
    }
}
