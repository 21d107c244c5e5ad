//! Everything that others push: each file decodes one protocol and hands what it found to the store.
//!
//! Bounds: bodies are read up to a limit before and after decompression, and decoding happens on the ingest pool, never
//! on a tokio thread. Nothing is dropped silently: what the store refuses is named in the answer.

pub(crate) mod body;
mod import;
mod otlp;
mod push;
mod remote_write;

use super::AppState;
use axum::Router;
use axum::routing::post;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/write", post(remote_write::write))
        .route("/api/v1/otlp/v1/metrics", post(otlp::http))
        .route("/v1/metrics", post(otlp::http))
        .route(
            "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export",
            post(otlp::grpc),
        )
        .route("/api/v1/push", post(push::push))
        .route("/api/v1/import", post(import::json_lines))
        .route("/api/v1/import/prometheus", post(import::text))
}
