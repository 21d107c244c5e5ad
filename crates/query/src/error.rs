//! Why there is no answer. Each class has its own HTTP status: `Parse` and `BadData` 400, `Timeout` and `Cancelled` 503,
//! the rest 422.

use crate::promql::ParseError;
use lapwing_store::ReadError;

#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    #[error("invalid parameter \"query\"")]
    Parse(#[source] ParseError),
    #[error("{0}")]
    BadData(String),
    /// The expression is well formed, but has no value over this data.
    #[error("{0}")]
    Execution(String),
    #[error("query timed out in expression evaluation")]
    Timeout,
    #[error("query was canceled in expression evaluation")]
    Cancelled,
    #[error("query processing would load too many samples into memory in query execution")]
    TooManySamples,
    #[error("the query needs more than its limit of {max_bytes} bytes of memory")]
    Memory { max_bytes: u64 },
    #[error("expanding series")]
    Storage(#[from] ReadError),
}

impl QueryError {
    pub(crate) fn execution(message: impl Into<String>) -> Self {
        QueryError::Execution(message.into())
    }

    /// Two series of a result have the same labels.
    pub(crate) fn same_labels() -> Self {
        QueryError::execution("vector cannot contain metrics with the same labelset")
    }
}
