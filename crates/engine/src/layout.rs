//! What stands where in a data directory.

/// The folder of the metrics.
pub const METRICS: &str = "metrics";
/// The file of the state.
pub const STATE: &str = "state.db";
pub(crate) const OTLP_TOTALS: &str = "otlp-totals";
pub(crate) const OPERATIONS: &str = "operations";
pub(crate) const BASELINES: &str = "baselines";
/// Journals, each a file: all that is written record by record beside the metrics and the state.
pub const JOURNALS: [&str; 3] = [OTLP_TOTALS, OPERATIONS, BASELINES];
