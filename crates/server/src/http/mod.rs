//! The doors: one port, one router, one file per group of paths.
//!
//! Useful for: which path does what, who may call it, how large a body may be.
//! Not for: the work itself; handlers decode, call the engine, encode.

mod alertmanager;
mod auth;
mod health;
mod ingest;
mod listener;
mod probes;
mod prometheus;
mod state;
mod ui;

pub(crate) use ingest::body::with_causes;
pub(crate) use listener::{ListenerLimits, bind, serve};
pub(crate) use prometheus::parse_time_ms;
pub(crate) use state::AppState;

use axum::{Router, middleware};
use std::sync::Arc;

/// Every path that Lapwing answers.
pub(crate) fn router(state: AppState) -> Router {
    let tokens = Arc::new(state.config.web.tokens.clone());
    Router::new()
        .merge(prometheus::routes())
        .merge(alertmanager::routes())
        .merge(ingest::routes())
        .merge(probes::routes())
        .merge(health::routes())
        .fallback(ui::serve)
        .with_state(state)
        .layer(tower_http::compression::CompressionLayer::new())
        .layer(middleware::from_fn_with_state(tokens, auth::check))
}
