//! What the web UI asks beyond the APIs of Prometheus and Alertmanager, and the pages that need no script.
//!
//! - `render`: a query as a picture. `document`: a dashboard as a PDF. `events`: what changed, pushed. `routing`: where an alert would go, and why.
//! - `plain`: pages for browsers without scripts, the public status page and badges.
//!
//! Useful for: everything that only people look at. Not for: judging; what stands here is read from the engine.

mod badge;
mod dashboards;
mod document;
mod escalations;
mod events;
mod files;
mod models;
mod old_links;
mod picture;
mod plain;
mod render;
mod routing;
mod saved_rules;

pub(super) use badge::badge as badge_by_alerts;
pub(crate) use events::{Pulse, too_many_listeners};
pub(super) use plain::{escape, status as status_page};
pub(crate) use render::unit_of;

use super::AppState;
use axum::Router;
use axum::routing::{get, post, put};

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/render", get(render::render))
        .route("/api/v1/render/document", post(document::of_text))
        .route("/api/v1/events", get(events::stream))
        .route("/api/v1/routes", get(routing::tree))
        .route("/api/v1/routes/test", post(routing::test))
        .route("/api/v1/escalations", get(escalations::list))
        .route("/api/v1/rules/saved", get(saved_rules::list))
        .route("/api/v1/rules/saved/{id}", put(saved_rules::put))
        .route("/api/v1/dashboards", get(dashboards::list))
        .route("/api/v1/dashboards/import", post(dashboards::import))
        .route(
            "/api/v1/dashboards/{id}",
            put(dashboards::put).delete(dashboards::remove),
        )
        .route("/api/v1/dashboards/{id}/pdf", get(document::of_saved))
        .route("/graph", get(old_links::graph))
        .route("/query", get(old_links::graph))
        .route("/plain", get(plain::overview))
        .route("/plain/alerts", get(plain::alerts))
        .route("/plain/query", get(plain::query))
}
