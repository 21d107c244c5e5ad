//! Everything that others push: each file decodes one protocol and hands what it found to the store.
//!
//! Bounds: bodies are read up to a limit before and after decompression, and decoding happens on the ingest pool, never
//! on a tokio thread. Nothing is dropped silently: what the store refuses is named in the answer.

pub(crate) mod body;
pub(crate) mod gate;
mod import;
mod otlp;
mod push;
mod pushgateway;
mod remote_write;

use super::AppState;
use axum::routing::{get, post, put};
use axum::{Router, middleware};

pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    Router::new()
        .route("/api/v1/write", post(remote_write::write))
        .route("/api/v1/otlp/v1/metrics", post(otlp::http))
        .route("/v1/metrics", post(otlp::http))
        .route(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            post(otlp::grpc),
        )
        .route("/api/v1/push", post(push::push))
        .route("/api/v1/import", post(import::any))
        .route("/api/v1/import/prometheus", post(import::text))
        .route(
            "/metrics/job/{*rest}",
            put(pushgateway::replace)
                .post(pushgateway::merge)
                .delete(pushgateway::delete),
        )
        .route(
            "/metrics/job@base64/{*rest}",
            put(pushgateway::replace)
                .post(pushgateway::merge)
                .delete(pushgateway::delete),
        )
        .route("/api/v1/metrics", get(pushgateway::groups))
        .route("/api/v1/admin/wipe", put(pushgateway::wipe))
        .route_layer(middleware::from_fn_with_state(state.clone(), gate::watch))
}
