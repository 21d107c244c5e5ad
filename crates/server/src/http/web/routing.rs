//! Where an alert with these labels would go, and why.

use crate::http::AppState;
use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use lapwing_notify::dispatch::trace_route;
use lapwing_types::Labels;
use serde::Deserialize;

pub(super) async fn tree(State(state): State<AppState>) -> Response {
    let config = state.engine.paging().look(|d| d.config().clone());
    Json(trace_route(&config.route, None, true)).into_response()
}

#[derive(Debug, Deserialize)]
pub(super) struct TestRequest {
    labels: Labels,
}

pub(super) async fn test(State(state): State<AppState>, Json(request): Json<TestRequest>) -> Response {
    let now_ms = state.engine.now_ms();
    let traced = state.engine.paging().look(|d| d.trace(&request.labels, now_ms));
    Json(traced).into_response()
}
