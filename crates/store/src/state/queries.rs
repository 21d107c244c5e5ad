//! What one may ask of the history.

use lapwing_types::Fingerprint;

/// At most this many rows in one answer.
pub(super) const ROWS_MAX: usize = 10_000;

#[derive(Clone, Debug, Default)]
pub struct DecisionQuery {
    pub fingerprint: Option<Fingerprint>,
    pub alertname: Option<String>,
    /// Inclusive.
    pub from_ms: Option<i64>,
    pub until_ms: Option<i64>,
    /// 0: as many as one answer may hold.
    pub limit: usize,
}

#[derive(Clone, Debug, Default)]
pub struct LedgerQuery {
    pub delivery: Option<String>,
    pub group_key: Option<String>,
    pub receiver: Option<String>,
    pub from_ms: Option<i64>,
    pub until_ms: Option<i64>,
    pub limit: usize,
}

pub(super) fn rows(limit: usize) -> usize {
    if limit == 0 { ROWS_MAX } else { limit.min(ROWS_MAX) }
}
