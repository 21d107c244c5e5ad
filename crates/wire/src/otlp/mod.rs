//! OTLP metrics: from the request of an OpenTelemetry SDK to series as Prometheus would name them.
//!
//! Reading order: [`MetricsRequest`] (what was sent; `proto` and `json` decode it), [`translate_into`] (points to series),
//! [`SeriesSink`] (where they go, and how a series that came before is known again), `point`, `labels` (resource, scope and attributes to
//! labels), `names` (metric names), `families` (metadata), `exponential` and `histogram` (buckets), [`DeltaBook`] (running totals of
//! deltas), `rejections` and `response` (what the SDK is told).
//!
//! Invariant: a request is never refused as a whole for one bad point; the point is counted under a named reason and
//! reported in `partial_success`.

mod delta;
mod error;
mod exponential;
mod families;
mod histogram;
mod json;
mod json_values;
mod known;
mod labels;
mod model;
mod names;
mod point;
mod proto;
mod rejections;
mod response;
mod sink;
mod translate;

pub use delta::{DeltaBook, DeltaChanges, DeltaState, DeltaStateError};
pub use error::{OtlpError, RejectReason, Rejection};
pub use families::{Family, ToldFamilies};
pub use model::{
    AnyValue, Attribute, Attributes, Data, ExponentialBuckets, ExponentialPoint, HistogramPoint, Metric,
    MetricsRequest, Number, NumberPoint, PointExemplar, PointHead, ResourceMetrics, ScopeMetrics,
    SummaryPoint, Temporality,
};
pub use names::NameTranslation;
pub use response::{encode_response_json, encode_response_proto, encode_status_json, encode_status_proto};
pub use sink::{KEY_TAG, SeriesSink};
pub use translate::{OtlpOptions, Taken, Translated, decode_json, decode_proto, translate, translate_into};
