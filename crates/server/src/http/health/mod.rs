//! Health over HTTP: the tree, the models, the status page's data, badges, check-ins, repairs, notes.
//!
//! `/health`, `/status` and badges answer without a token (a load balancer and a public page have none); they tell states
//! and names, never addresses or details.

mod api;
mod badge;
mod blackbox;
mod public;

use super::AppState;
use axum::Router;
use axum::routing::{get, post};

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/health", get(public::health))
        .route("/status", get(public::status))
        .route("/badge/{name}", get(badge::badge))
        .route("/probe", get(blackbox::probe))
        .route("/api/v1/health", get(api::tree))
        .route("/api/v1/health/events", get(api::events))
        .route("/api/v1/health/notes", get(api::notes).post(api::add_note))
        .route("/api/v1/health/repairs", get(api::repairs))
        .route("/api/v1/health/repairs/approve", post(api::approve))
        .route("/api/v1/health/repairs/rehearse", post(api::rehearse))
        .route("/api/v1/models", get(api::models))
        .route("/api/v1/models/{name}", get(api::model))
        .route("/api/v1/checkin/{name}", get(api::check_in).post(api::check_in))
}
