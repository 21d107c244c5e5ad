//! `features`: what this server can do, in the categories and words of Prometheus 3.8 and later. What is not named is not there.

use super::envelope::{ApiError, Success};
use crate::http::AppState;
use axum::extract::State;
use lapwing_query::promql::{AggregateOp, functions};
use serde_json::{Map, Value};

const OPERATORS: [&str; 19] = [
    "!=", "!~", "%", "*", "+", "-", "/", "<", "<=", "==", "=~", ">", ">=", "@", "^", "and", "atan2", "or",
    "unless",
];
const DISCOVERY: [&str; 6] = ["dns", "docker", "file", "http", "kubernetes", "static"];

type Category = Vec<(&'static str, bool)>;

pub(crate) async fn features(State(state): State<AppState>) -> Result<Success, ApiError> {
    let config = state.config();
    let query = &config.limits.query;
    let promql = [
        ("anchored", true),
        ("at_modifier", true),
        ("bool", true),
        ("by", true),
        ("delayed_name_removal", query.delayed_name_removal),
        ("duration_expr", true),
        ("fill", query.experimental),
        ("fill_left", query.experimental),
        ("fill_right", query.experimental),
        ("group_left", true),
        ("group_right", true),
        ("ignoring", true),
        ("negative_offset", true),
        ("offset", true),
        ("on", true),
        ("per_query_lookback_delta", true),
        ("smoothed", true),
        ("subqueries", true),
        ("type_and_unit_labels", query.type_and_unit_labels),
        ("without", true),
    ];
    let of_functions = functions().map(|f| (f.name, !f.experimental || query.experimental));
    let aggregators = AggregateOp::ALL
        .iter()
        .map(|op| (op.as_str(), !op.is_experimental() || query.experimental));
    let api = [
        ("admin", config.web.admin_api),
        ("exclude_alerts", true),
        ("label_values_match", true),
        ("lifecycle", config.web.lifecycle),
        ("otlp_write_receiver", config.receive.otlp),
        ("query_stats", true),
        ("query_warnings", true),
        ("remote_write_receiver", config.receive.remote_write),
        ("time_range_labels", true),
        ("time_range_series", true),
    ];
    let categories: [(&str, Category); 9] = [
        ("api", api.into()),
        (
            "prometheus",
            vec![
                ("agent_mode", false),
                ("auto_reload_config", true),
                ("server_mode", true),
            ],
        ),
        ("promql", promql.into()),
        ("promql_functions", of_functions.collect()),
        (
            "promql_operators",
            OPERATORS
                .map(|op| (op, true))
                .into_iter()
                .chain(aggregators)
                .collect(),
        ),
        ("rules", vec![("keep_firing_for", true), ("query_offset", true)]),
        ("scrape", vec![("extra_scrape_metrics", true)]),
        ("service_discovery_providers", DISCOVERY.map(|d| (d, true)).into()),
        (
            "tsdb",
            vec![("exemplar_storage", true), ("native_histograms", true)],
        ),
    ];
    let all: Map<String, Value> = categories
        .into_iter()
        .map(|(category, features)| (category.to_owned(), object(features)))
        .collect();
    Success::json(&all)
}

fn object(features: Category) -> Value {
    let members = features
        .into_iter()
        .map(|(name, is_on)| (name.to_owned(), is_on.into()));
    Value::Object(members.collect())
}
