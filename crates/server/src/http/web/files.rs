//! Work on a folder of files that people write in the pages: away from the threads that answer, and refused in the same words.

use crate::dashboards::FolderError;
use crate::http::prometheus::{ApiError, ErrorClass};
use crate::http::{AppState, with_causes};

pub(super) async fn in_folder<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce() -> Result<T, FolderError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = state.engine.compute_queries(work).await;
    let done = done.map_err(|e| ApiError::internal(e.to_string()))?;
    done.map_err(|e| refusal(&e))
}

pub(super) fn refusal(error: &FolderError) -> ApiError {
    let class = match error {
        FolderError::NotConfigured | FolderError::BadId { .. } => ErrorClass::BadData,
        FolderError::Taken { .. } | FolderError::Changed { .. } => ErrorClass::Conflict,
        FolderError::Io { .. } => ErrorClass::Internal,
    };
    ApiError::new(class, with_causes(error))
}
