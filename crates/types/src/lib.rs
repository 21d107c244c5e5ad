//! NOUNS: what every other room of the house talks about.
//!
//! Useful for: a label set, a sample, a native histogram, a matcher, what one request writes.
//! Not for: bytes on a wire (`wire`), anything that is kept (`store`), anything that decides (`judge`).
//!
//! Nothing in here reads a clock, a file or a socket; every timestamp is an argument. Times are `i64` milliseconds
//! since 1970 in fields that end in `_ms`.

mod alert;
mod duration;
mod exemplar;
mod generations;
mod go_regex;
mod health;
mod histogram;
mod labels;
mod limits;
mod matcher;
mod metadata;
mod sample;
mod size;
mod write;

pub use alert::{
    ALERT_NAME, Alert, AlertEvent, AlertEventKind, AlertState, Decision, DecisionReason, DecisionStep,
    Fingerprint, FingerprintError, Kept, LedgerEntry, LedgerEvent, RuleRef, SEVERITY_LABEL, Severity,
    StateBatch, StateChange, StateKind, StateRowError,
};
pub use duration::{
    DURATION_MS_MAX, DurationError, format_duration_ms, parse_duration_ms, parse_go_duration_ms,
};
pub use exemplar::Exemplar;
pub use generations::Generations;
pub use go_regex::{go_pattern, go_regex, go_regex_whole};
pub use health::{HealthState, Phase, ProbeOutcome, ProbeReason, ProbeSeries, ShardState, Verdict};
pub use histogram::{
    Bucket, CUSTOM_BUCKETS_SCHEMA, CompensatedSum, Counts, FloatHistogram, Histogram, HistogramError,
    IncompatibleSchemas, Reconciled, ResetHint, Span, bucket_bound, format_number, span_indexes,
};
pub use labels::{Labels, LabelsBuilder, LabelsError, METRIC_NAME};
pub use limits::{LabelLimits, LimitExceeded};
pub use matcher::{MatchOp, Matcher, MatcherError};
pub use metadata::{Metadata, MetricKind};
pub use sample::{NORMAL_NAN_BITS, STALE_NAN_BITS, Sample, SampleValue, is_stale, stale_nan};
pub use size::{SizeError, format_size_bytes, parse_size_bytes};
pub use write::{SeriesWrite, WriteBatch};
