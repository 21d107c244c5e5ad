//! The doors: one port, one router, one file per group of paths.
//!
//! Useful for: which path does what, who may call it, how large a body may be.
//! Not for: the work itself; handlers decode, call the engine, encode.

mod alertmanager;
mod auth;
mod cors;
mod dashboard;
mod first_line;
mod health;
mod ingest;
mod lifecycle;
mod listener;
mod methods;
mod numbers;
mod opening;
mod operations;
mod probes;
mod prometheus;
mod state;
mod through;
mod ui;
mod web;

pub(crate) use ingest::body::with_causes;
pub(crate) use ingest::gate::Gate;
pub(crate) use listener::{ListenerLimits, bind, serve};
pub(crate) use prometheus::parse_time_ms;
pub(crate) use state::AppState;
pub(crate) use web::unit_of;

use axum::response::Redirect;
use axum::routing::get;
use axum::{Router, middleware};

/// Every path that Lapwing answers.
pub(crate) fn router(state: AppState) -> Router {
    let prefix = state.config().web.route_prefix.clone();
    let all = Router::new()
        .merge(prometheus::routes())
        .merge(alertmanager::routes())
        .merge(ingest::routes(&state))
        .merge(operations::routes())
        .merge(dashboard::routes())
        .merge(probes::routes())
        .merge(health::routes())
        .merge(lifecycle::routes())
        .merge(web::routes())
        .fallback(ui::fallback)
        .with_state(state.clone())
        .layer(tower_http::compression::CompressionLayer::new())
        .layer(middleware::from_fn_with_state(state.clone(), auth::check))
        .layer(middleware::from_fn_with_state(state.clone(), cors::cross_origin))
        .layer(middleware::from_fn_with_state(state, numbers::count));
    let whole = if prefix.is_empty() {
        all
    } else {
        let to_prefix = prefix.clone();
        let redirect = get(|| async move { Redirect::temporary(&to_prefix) });
        Router::new()
            .route("/", redirect.clone())
            .route(&format!("{prefix}/"), redirect)
            .nest(&prefix, all)
    };
    // Around the whole router: which methods a path has is said outside the layers of the path.
    Router::new()
        .fallback_service(whole)
        .layer(middleware::from_fn(methods::name))
}
