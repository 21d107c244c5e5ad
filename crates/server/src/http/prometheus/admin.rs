//! `admin/tsdb/*`: the few calls that change what is kept.

use super::envelope::{ApiError, ErrorClass, Success};
use super::params::Params;
use super::selector;
use super::status::rfc3339;
use crate::http::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lapwing::backup::back_up;
use serde_json::json;

const NOT_DELETED: &str = "no room on the disk: not all was deleted, and what was may be back after a restart; try again when there is room";
const NOT_COPIED: &str = "no room on the disk: no snapshot was taken, try again when there is room";

pub(crate) async fn delete_series(
    State(state): State<AppState>,
    params: Params,
) -> Result<Response, ApiError> {
    admin_allowed(&state)?;
    let (start_ms, end_ms) = params.time_range_ms()?;
    let selections = params
        .all("match[]")
        .map(|text| selector::parse(text, start_ms, end_ms))
        .collect::<Result<Vec<_>, _>>()?;
    if selections.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let store = state.engine.store().clone();
    admin_work(&state, move || {
        for selection in &selections {
            store
                .delete(&selection.matchers, start_ms, end_ms)
                .map_err(|e| match e.is_disk_full() {
                    true => ApiError::new(ErrorClass::Unavailable, NOT_DELETED),
                    false => ApiError::internal(format!("{:#}", anyhow::Error::new(e))),
                })?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn clean_tombstones(State(state): State<AppState>) -> Result<Response, ApiError> {
    admin_allowed(&state)?;
    let (store, now_ms) = (state.engine.store().clone(), state.engine.now_ms());
    admin_work(&state, move || match store.maintain(now_ms).failures.first() {
        None => Ok(()),
        Some(failure) => Err(ApiError::internal(failure.clone())),
    })
    .await
}

/// Always with the head: a backup lacks nothing, also where `skip_head` is asked for.
pub(crate) async fn snapshot(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    admin_allowed(&state)?;
    params.switch("skip_head")?;
    let name = format!(
        "{}-{:x}",
        rfc3339(state.engine.now_ms()).replace([':', '-'], ""),
        std::process::id()
    );
    let data = state.config().store.data.clone();
    let (to, store) = (data.join("snapshots").join(&name), state.engine.store().clone());
    state
        .engine
        .compute_queries(move || back_up(&data, &store, &to))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?
        .map_err(|e| match e.is_disk_full() {
            true => ApiError::new(ErrorClass::Unavailable, NOT_COPIED),
            false => ApiError::internal(format!("{:#}", anyhow::Error::new(e))),
        })?;
    Success::json(&json!({ "name": name }))
}

fn admin_allowed(state: &AppState) -> Result<(), ApiError> {
    if state.config().web.admin_api {
        Ok(())
    } else {
        Err(ApiError::new(
            ErrorClass::Unavailable,
            "admin APIs disabled (web.admin_api: true turns them on)",
        ))
    }
}

async fn admin_work(
    state: &AppState,
    work: impl FnOnce() -> Result<(), ApiError> + Send + 'static,
) -> Result<Response, ApiError> {
    state
        .engine
        .compute_queries(work)
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(StatusCode::NO_CONTENT.into_response())
}
