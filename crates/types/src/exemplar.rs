//! A pointer from a sample to the trace that caused it.

use crate::Labels;

#[derive(Clone, Debug, PartialEq)]
pub struct Exemplar {
    /// Usually `trace_id` and `span_id`; at most 128 characters by OpenMetrics 1.0.
    pub labels: Labels,
    pub value: f64,
    /// Absent when the source gave none; the time of its sample then stands in.
    pub t_ms: Option<i64>,
}
