//! Health over HTTP: the tree, the models, the status page's data, badges, check-ins, repairs, notes.
//!
//! `/health`, `/status` and badges answer without a token (a load balancer and a public page have none); they tell states
//! and names, never addresses or details.

mod adopt;
mod api;
mod badge;
mod blackbox;
mod blackbox_page;
mod public;

use super::{AppState, ui, web};
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, Uri, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(health))
        .route("/status", get(status))
        .route("/badge/{name}", get(badge::badge))
        .route("/probe", get(blackbox::probe))
        .route("/api/v1/health", get(api::tree))
        .route("/api/v1/health/events", get(api::events))
        .route("/api/v1/health/notes", get(api::notes).post(api::add_note))
        .route("/api/v1/health/repairs", get(api::repairs))
        .route("/api/v1/health/repairs/approve", post(api::approve))
        .route("/api/v1/health/repairs/rehearse", post(api::rehearse))
        .route("/api/v1/models", get(api::models).post(adopt::put))
        .route("/api/v1/models/{name}", get(api::model).delete(adopt::retire))
        .route("/api/v1/models/{name}/objectives", get(adopt::objectives))
        .route("/api/v1/checkin/{name}", get(api::check_in).post(api::check_in))
}

/// A browser that opens the address wants a page; load balancers and scripts want data.
fn wants_page(headers: &HeaderMap) -> bool {
    headers
        .get(header::ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

async fn health(state: State<AppState>, uri: Uri, headers: HeaderMap) -> Response {
    match wants_page(&headers) {
        true => ui::serve(&state, &uri, &headers),
        false => public::health(state).await.into_response(),
    }
}

async fn status(state: State<AppState>, headers: HeaderMap) -> Response {
    match wants_page(&headers) {
        true => web::status_page(state).await,
        false => public::status(state).await.into_response(),
    }
}
