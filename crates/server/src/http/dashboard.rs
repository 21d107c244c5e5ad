//! `/dashboard/overview`, `/dashboard/metrics`, `/dashboard/alerts`: the fields of seed 1, answered from series, rules and decisions.
//!
//! A number that nothing measures is null. Usages are in percent, as the seed had them.

use super::AppState;
use super::prometheus::ApiError;
use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use lapwing::QueryRequest;
use lapwing_query::{QueryValue, SampleValue};
use lapwing_store::state::DecisionQuery;
use lapwing_types::{Decision, DecisionStep};
use serde_json::{Map, Value, json};

const RECENT: usize = 20;
const HISTORY: usize = 1_000;
const MIB: f64 = 1_048_576.0;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/dashboard/overview", get(overview))
        .route("/dashboard/metrics", get(metrics))
        .route("/dashboard/alerts", get(alerts))
}

type Answer = Result<Json<Value>, ApiError>;

async fn overview(State(state): State<AppState>) -> Answer {
    let usages = system(&state).await?;
    let worst = ["cpu_usage", "memory_usage", "disk_usage"]
        .iter()
        .filter_map(|n| usages[*n].as_f64())
        .fold(None, |worst: Option<f64>, v| Some(worst.map_or(v, |w| w.max(v))));
    let status = match worst {
        None => "unknown",
        Some(v) if v > 90.0 => "unhealthy",
        Some(v) if v > 70.0 => "degraded",
        Some(_) => "healthy",
    };
    let by_model = |expr: &'static str| by_label(&state, expr, "model");
    Ok(Json(json!({
        "system_health": { "status": status, "resources": usages },
        "model_performance": {
            "request_rate": by_model("sum by (model) (rate(lapwing_operations_total[5m]))").await?,
            "error_rate": by_model(r#"sum by (model) (rate(lapwing_operations_total{outcome="error"}[5m])) / sum by (model) (rate(lapwing_operations_total[5m]))"#).await?,
            "p95_latency": by_model("histogram_quantile(0.95, sum by (model, le) (rate(lapwing_operation_duration_seconds_bucket[5m])))").await?,
            "score": by_label(&state, "avg by (model, score) (model_score)", "score").await?,
        },
        "business_metrics": business(&state).await?,
        "recent_alerts": history(&state, RECENT)?,
    })))
}

async fn metrics(State(state): State<AppState>) -> Answer {
    let one = |expr: &'static str| number(&state, expr);
    Ok(Json(json!({
        "request_metrics": {
            "total_requests": one("sum(lapwing_operations_total)").await?,
            "error_rate": one(r#"sum(rate(lapwing_operations_total{outcome="error"}[5m])) / sum(rate(lapwing_operations_total[5m]))"#).await?,
            "average_latency": one("sum(rate(lapwing_operation_duration_seconds_sum[5m])) / sum(rate(lapwing_operation_duration_seconds_count[5m]))").await?,
            "p95_latency": one("histogram_quantile(0.95, sum by (le) (rate(lapwing_operation_duration_seconds_bucket[5m])))").await?,
        },
        "system_metrics": system(&state).await?,
        "model_metrics": {
            "inference_time": one(r#"sum(rate(lapwing_operation_duration_seconds_sum{type=~"inference|model_operation"}[5m])) / sum(rate(lapwing_operation_duration_seconds_count{type=~"inference|model_operation"}[5m]))"#).await?,
            "throughput": one(r#"sum(rate(lapwing_operations_total{outcome="success"}[5m]))"#).await?,
            "memory_usage": one("sum(DCGM_FI_DEV_FB_USED)").await?.map(|mib| mib * MIB),
        },
    })))
}

async fn alerts(State(state): State<AppState>) -> Answer {
    let view = state
        .engine
        .paging()
        .look_at_rules(|rules, status| rules.alerts_view(status));
    let active: Vec<_> = view
        .alerts
        .into_iter()
        .filter(|a| a.state != "inactive")
        .collect();
    let history = history(&state, HISTORY)?;
    let mut by_severity: Map<String, Value> = Map::new();
    for alert in &active {
        let word = alert.labels.get("severity").unwrap_or("warning").to_owned();
        let count = by_severity.get(&word).and_then(Value::as_u64).unwrap_or(0);
        by_severity.insert(word, json!(count + 1));
    }
    Ok(Json(json!({
        "alert_statistics": {
            "total": history.len(),
            "firing": active.iter().filter(|a| a.state == "firing").count(),
            "pending": active.iter().filter(|a| a.state == "pending").count(),
            "by_severity": by_severity,
        },
        "active_alerts": active,
        "alert_history": history,
    })))
}

async fn system(state: &AppState) -> Result<Value, ApiError> {
    Ok(json!({
        "cpu_usage": number(state, "max(cpu_usage) * 100").await?,
        "memory_usage": number(state, "max(memory_usage) * 100").await?,
        "disk_usage": number(state, "max(disk_usage) * 100").await?,
        "gpu_usage": by_label(state, "DCGM_FI_DEV_GPU_UTIL", "gpu").await?,
    }))
}

async fn business(state: &AppState) -> Result<Map<String, Value>, ApiError> {
    let expr = r#"{__name__=~"business_.+|.+_(user_engagement_total|user_satisfaction_total|business_impact_score)"}"#;
    let found = ask(state, expr).await?;
    Ok(found
        .into_iter()
        .map(|(labels, value)| (labels.to_string(), json!(value)))
        .collect())
}

/// What rules decided, the newest first.
fn history(state: &AppState, limit: usize) -> Result<Vec<Decision>, ApiError> {
    let query = DecisionQuery::default();
    let store = state.engine.paging().state_store().clone();
    let mut all = store
        .decisions(&query)
        .map_err(|e| ApiError::internal(e.to_string()))?;
    all.retain(|d| d.step == DecisionStep::Rule);
    all.sort_by_key(|d| std::cmp::Reverse(d.at_ms));
    all.truncate(limit);
    Ok(all)
}

async fn number(state: &AppState, expr: &str) -> Result<Option<f64>, ApiError> {
    Ok(ask(state, expr)
        .await?
        .first()
        .map(|(_, v)| *v)
        .filter(|v| v.is_finite()))
}

async fn by_label(state: &AppState, expr: &str, label: &str) -> Result<Map<String, Value>, ApiError> {
    let found = ask(state, expr).await?;
    let finite = found.into_iter().filter(|(_, v)| v.is_finite());
    Ok(finite
        .map(|(labels, v)| (labels.get(label).unwrap_or("").to_owned(), json!(v)))
        .collect())
}

async fn ask(state: &AppState, expr: &str) -> Result<Vec<(lapwing_types::Labels, f64)>, ApiError> {
    let request = QueryRequest {
        expr: expr.to_owned(),
        lookback_ms: None,
        timeout_ms: Some(10_000),
        explain: false,
    };
    let answered = state
        .engine
        .queries()
        .instant(request, state.engine.now_ms())
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?;
    Ok(match answered.result.value {
        QueryValue::Scalar { value, .. } => vec![(lapwing_types::Labels::empty(), value)],
        QueryValue::Vector(samples) => samples
            .into_iter()
            .filter_map(|s| match s.value {
                SampleValue::Float(v) => Some((s.labels, v)),
                SampleValue::Histogram(_) => None,
            })
            .collect(),
        _ => Vec::new(),
    })
}
