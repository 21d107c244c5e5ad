//! The Prometheus HTTP API, v1: same paths, parameters, envelope, error classes and limits.

mod admin;
mod backtest;
mod envelope;
mod export;
mod external;
mod features;
mod federate;
mod labels;
mod notifications;
mod params;
mod query;
mod read;
mod rules;
mod selector;
mod status;
mod targets;

use super::AppState;
use axum::Router;
use axum::routing::{get, post};

pub(crate) use envelope::{ApiError, ErrorClass, Success};
pub(crate) use export::Exports;
pub(crate) use params::{Params, parse_time_ms};
pub(crate) use query::{range_of, request_of, run_range};
pub(crate) use status::rfc3339;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/query", get(query::instant).post(query::instant))
        .route("/api/v1/query_range", get(query::range).post(query::range))
        .route("/api/v1/format_query", get(query::format).post(query::format))
        .route("/api/v1/parse_query", get(query::parse).post(query::parse))
        .route(
            "/api/v1/query_exemplars",
            get(query::exemplars).post(query::exemplars),
        )
        .route("/api/v1/read", post(read::read))
        .route("/api/v1/export", get(export::export).post(export::export))
        .route("/version", get(status::version))
        .route("/federate", get(federate::federate))
        .route("/api/v1/series", get(labels::series).post(labels::series))
        .route("/api/v1/labels", get(labels::names).post(labels::names))
        .route("/api/v1/label/{name}/values", get(labels::values))
        .route("/api/v1/metadata", get(labels::metadata))
        .route("/api/v1/rules", get(rules::rules))
        .route("/api/v1/rules/backtest", post(backtest::backtest))
        .route("/api/v1/alerts", get(rules::alerts))
        .route("/api/v1/alertmanagers", get(rules::alertmanagers))
        .route("/api/v1/targets", get(targets::targets))
        .route("/api/v1/targets/relabel", post(targets::relabel))
        .route("/api/v1/targets/relabel_steps", get(targets::relabel_steps))
        .route("/api/v1/targets/metadata", get(targets::metadata))
        .route("/api/v1/scrape_pools", get(targets::scrape_pools))
        .route("/api/v1/found", get(targets::found))
        .route("/api/v1/status/buildinfo", get(status::buildinfo))
        .route("/api/v1/status/runtimeinfo", get(status::runtimeinfo))
        .route("/api/v1/status/config", get(status::config))
        .route("/api/v1/status/flags", get(status::flags))
        .route("/api/v1/status/settings", get(status::settings))
        .route("/api/v1/status/doctor", get(status::doctor))
        .route("/api/v1/status/tsdb", get(status::tsdb))
        .route("/api/v1/status/tsdb/blocks", get(status::tsdb_blocks))
        .route("/api/v1/features", get(features::features))
        .route("/api/v1/notifications", get(notifications::list))
        .route("/api/v1/notifications/live", get(notifications::live))
        .route("/api/v1/status/walreplay", get(status::walreplay))
        .route(
            "/api/v1/admin/tsdb/delete_series",
            post(admin::delete_series).put(admin::delete_series),
        )
        .route(
            "/api/v1/admin/tsdb/clean_tombstones",
            post(admin::clean_tombstones).put(admin::clean_tombstones),
        )
        .route(
            "/api/v1/admin/tsdb/snapshot",
            post(admin::snapshot).put(admin::snapshot),
        )
        .route("/api/v1/queries", get(query::running))
        .route("/api/v1/queries/slow", get(query::slow))
        .route("/api/v1/queries/{id}/kill", post(query::kill))
}
