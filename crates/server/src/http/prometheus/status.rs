//! `status/*` and `admin/tsdb/*`: what runs, how full it is, and the few things that change it.

use super::envelope::{ApiError, ErrorClass, Success};
use super::params::{Params, TIME_MS_MAX};
use super::selector;
use crate::http::AppState;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lapwing_types::format_duration_ms;
use serde_json::json;

/// The Prometheus whose API and language this is; Grafana chooses its calls by it.
const PROMETHEUS_VERSION: &str = "3.5.0";

pub(crate) async fn buildinfo() -> Result<Success, ApiError> {
    Success::json(&json!({
        "version": PROMETHEUS_VERSION,
        "revision": format!("lapwing-{}", env!("CARGO_PKG_VERSION")),
        "branch": "",
        "buildUser": "",
        "buildDate": "",
        "goVersion": "",
        "application": "lapwing",
        "lapwingVersion": env!("CARGO_PKG_VERSION"),
    }))
}

pub(crate) async fn runtimeinfo(State(state): State<AppState>) -> Result<Success, ApiError> {
    let stats = state.engine.store().stats();
    Success::json(&json!({
        "startTime": rfc3339(state.engine.started_ms()),
        "CWD": std::env::current_dir().map(|p| p.display().to_string()).unwrap_or_default(),
        "hostname": lapwing::hostname(),
        "serverTime": rfc3339(state.engine.now_ms()),
        "reloadConfigSuccess": true,
        "lastConfigTime": rfc3339(state.engine.started_ms()),
        "corruptionCount": stats.damaged.len(),
        "goroutineCount": 0,
        "GOMAXPROCS": std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        "GOGC": "",
        "GODEBUG": "",
        "storageRetention": format_duration_ms(state.config.store.retention_ms),
    }))
}

pub(crate) async fn config(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&json!({ "yaml": state.config.shown() }))
}

pub(crate) async fn flags(State(state): State<AppState>) -> Result<Success, ApiError> {
    let config = &state.config;
    Success::json(&json!({
        "web.listen-address": config.web.listen.to_string(),
        "web.enable-admin-api": config.web.admin_api.to_string(),
        "storage.tsdb.path": config.store.data.display().to_string(),
        "storage.tsdb.retention.time": format_duration_ms(config.store.retention_ms),
    }))
}

pub(crate) async fn tsdb(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.limit()?.unwrap_or(10);
    let stats = state.engine.store().stats();
    let rows = |pairs: &[(String, u64)]| -> Vec<serde_json::Value> {
        pairs
            .iter()
            .take(limit)
            .map(|(name, value)| json!({ "name": name, "value": value }))
            .collect()
    };
    Success::json(&json!({
        "headStats": {
            "numSeries": stats.head_series,
            "numLabelPairs": stats.label_pairs,
            "chunkCount": stats.head_chunks,
            "minTime": stats.head_min_ms,
            "maxTime": stats.head_max_ms,
        },
        "seriesCountByMetricName": rows(&stats.series_by_metric),
        "labelValueCountByLabelName": rows(&stats.values_by_label),
        "memoryInBytesByLabelName": rows(&stats.bytes_by_label),
        "seriesCountByLabelValuePair": rows(&stats.series_by_pair),
    }))
}

pub(crate) async fn walreplay(State(state): State<AppState>) -> Result<Success, ApiError> {
    let stats = state.engine.store().stats();
    Success::json(&json!({ "min": 0, "max": stats.log_segments, "current": stats.log_segments, "state": "done" }))
}

pub(crate) async fn delete_series(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    admin_allowed(&state)?;
    let start_ms = params.time_ms("start")?.unwrap_or(-TIME_MS_MAX);
    let end_ms = params.time_ms("end")?.unwrap_or(TIME_MS_MAX);
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
            store.delete(&selection.matchers, start_ms, end_ms).map_err(|e| e.to_string())?;
        }
        Ok(())
    })
    .await
}

pub(crate) async fn clean_tombstones(State(state): State<AppState>) -> Result<Response, ApiError> {
    admin_allowed(&state)?;
    let store = state.engine.store().clone();
    admin_work(&state, move || store.clean_tombstones().map_err(|e| e.to_string())).await
}

pub(crate) async fn snapshot(State(state): State<AppState>) -> Result<Success, ApiError> {
    admin_allowed(&state)?;
    let name = format!(
        "{}-{:x}",
        rfc3339(state.engine.now_ms()).replace([':', '-'], ""),
        std::process::id()
    );
    let to = state.config.store.data.join("snapshots").join(&name);
    let store = state.engine.store().clone();
    state
        .engine
        .compute_queries(move || store.backup(&to))
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?
        .map_err(|e| ApiError::internal(e.to_string()))?;
    Success::json(&json!({ "name": name }))
}

fn admin_allowed(state: &AppState) -> Result<(), ApiError> {
    if state.config.web.admin_api {
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
    work: impl FnOnce() -> Result<(), String> + Send + 'static,
) -> Result<Response, ApiError> {
    state
        .engine
        .compute_queries(work)
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?
        .map_err(ApiError::internal)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

pub(super) fn rfc3339(t_ms: i64) -> String {
    jiff::Timestamp::from_millisecond(t_ms).map_or_else(|_| t_ms.to_string(), |t| t.to_string())
}
