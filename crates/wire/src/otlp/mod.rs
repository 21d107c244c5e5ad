//! OTLP metrics: from the request of an OpenTelemetry SDK to series as Prometheus would name them.
//!
//! Reading order: [`MetricsRequest`] (what was sent; `proto` and `json` decode it), `labels` (resource, scope and
//! attributes to labels), `known` (labels that were made before), `names` (metric names), [`translate`] (points to series), `exponential` and `histogram`
//! (buckets), [`DeltaState`] (running totals of deltas), `response` (what the SDK is told).
//!
//! Invariant: a request is never refused as a whole for one bad point; the point is counted under a named reason and
//! reported in `partial_success`.

mod delta;
mod error;
mod exponential;
mod histogram;
mod json;
mod json_values;
mod known;
mod labels;
mod model;
mod names;
mod proto;
mod response;
mod translate;

pub use delta::{DeltaChanges, DeltaState, DeltaStateError};
pub use error::{OtlpError, RejectReason, Rejection};
pub use known::KnownLabels;
pub use model::{
    AnyValue, Attribute, Data, ExponentialBuckets, ExponentialPoint, HistogramPoint, Metric, MetricsRequest,
    Number, NumberPoint, PointExemplar, PointHead, ResourceMetrics, ScopeMetrics, SummaryPoint, Temporality,
};
pub use names::NameTranslation;
pub use response::{encode_response_json, encode_response_proto, encode_status_json, encode_status_proto};
pub use translate::{OtlpOptions, Translated, decode_json, decode_proto, translate, translate_known};
