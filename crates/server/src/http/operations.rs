//! `operations`, `performance/report`, `pipelines`: what programs did, and how it went.
//!
//! `POST /api/v1/operations` takes a JSON list of operations as the SDK ships them; what is kept is bounded by the tracker. Their
//! rates, errors and durations are series and come with the metrics: nothing is counted twice here.

use super::AppState;
use super::ingest::body::{self, Refused, with_causes};
use super::prometheus::{ApiError, ErrorClass, Params, Success};
use axum::Router;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::routing::get;
use lapwing::BaselineError;
use lapwing_judge::performance::{Operation, OperationKind, PerformanceOptions, Window};
use lapwing_judge::pipelines::{Baseline, PipelineOptions};
use serde_json::json;

/// Operations in one answer, unless fewer are asked for.
const LISTED_MAX: usize = 1_000;
const HOUR_MS: f64 = 3_600_000.0;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v1/operations", get(list).post(keep))
        .route("/api/v1/performance/report", get(report))
        .route("/api/v1/pipelines", get(pipelines))
        .route(
            "/api/v1/pipelines/baselines",
            get(baselines).post(set_baseline).delete(remove_baseline),
        )
}

async fn keep(State(state): State<AppState>, request: Request) -> Result<(StatusCode, String), Refused> {
    let received = body::receive(&state, "operations", request).await?;
    let engine = state.engine.clone();
    let kept = state.engine.compute_ingest(move || {
        let body = received.unpack_gzip()?;
        let operations: Vec<Operation> =
            serde_json::from_slice(&body).map_err(|e| Refused::bad(with_causes(&e)))?;
        let wrong = operations
            .iter()
            .position(|o| !o.duration_s.is_finite() || o.duration_s < 0.0 || o.name.is_empty());
        if let Some(at) = wrong {
            return Err(Refused::bad(format!(
                "operation {}: a name and a duration that is finite and not negative are needed",
                at + 1
            )));
        }
        let count = operations.len();
        engine.keep_operations(operations);
        Ok(count)
    });
    let count = kept.await.map_err(|e| Refused::later(e.to_string()))??;
    Ok((StatusCode::OK, json!({ "kept": count }).to_string()))
}

/// The newest first; `type`, `name`, `hours`, `failed`, `limit` narrow it.
async fn list(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let since_ms = state.engine.now_ms() - window_ms(&params)?;
    let kind = params.get("type").map(|t| OperationKind::from(t.to_owned()));
    let limit = params.limit()?.unwrap_or(LISTED_MAX).min(LISTED_MAX);
    let mut operations = state.engine.sdk().tracker().since(since_ms);
    operations.retain(|o| {
        kind.as_ref().is_none_or(|k| *k == o.kind)
            && params.get("name").is_none_or(|n| n == o.name)
            && !(params.flag("failed") && o.success)
    });
    operations.reverse();
    operations.truncate(limit);
    Success::json(&operations)
}

/// Thresholds are parameters by name: `slow_s=5`.
async fn report(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let end_ms = state.engine.now_ms();
    let window = Window {
        start_ms: end_ms - window_ms(&params)?,
        end_ms,
    };
    let options = with_numbers(&PerformanceOptions::default(), &params)?;
    let engine = state.engine.clone();
    let report = state
        .engine
        .compute_queries(move || engine.performance_report(window, &options));
    Success::json(&report.await.map_err(|e| ApiError::internal(e.to_string()))?)
}

async fn pipelines(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let mut options: PipelineOptions = with_numbers(&PipelineOptions::default(), &params)?;
    if params.get("hours").is_some() {
        options.window_ms = window_ms(&params)?;
    }
    Success::json(&state.engine.pipeline_health(&options))
}

async fn set_baseline(State(state): State<AppState>, request: Request) -> Result<StatusCode, Refused> {
    let received = body::receive(&state, "operations", request).await?;
    let baseline: Baseline =
        serde_json::from_slice(&received.body).map_err(|e| Refused::bad(with_causes(&e)))?;
    if !baseline.value.is_finite() || baseline.metric.is_empty() {
        return Err(Refused::bad("a baseline needs a metric and a finite value"));
    }
    match state.engine.set_baseline(baseline) {
        Ok(()) => Ok(StatusCode::NO_CONTENT),
        Err(error @ BaselineError::TooMany { .. }) => Err(Refused::bad(with_causes(&error))),
        Err(error @ BaselineError::Unwritten(_)) => Err(Refused::later(with_causes(&error))),
    }
}

async fn baselines(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&state.engine.baselines())
}

/// `?metric=NAME`.
async fn remove_baseline(State(state): State<AppState>, params: Params) -> Result<StatusCode, ApiError> {
    let metric = params
        .get("metric")
        .ok_or_else(|| ApiError::bad_data("say which: ?metric=NAME".to_owned()))?;
    match state.engine.remove_baseline(metric) {
        Ok(true) => Ok(StatusCode::NO_CONTENT),
        Ok(false) => Err(ApiError::new(
            ErrorClass::NotFound,
            format!("there is no baseline of {metric:?}"),
        )),
        Err(error) => Err(ApiError::internal(with_causes(&error))),
    }
}

fn window_ms(params: &Params) -> Result<i64, ApiError> {
    let hours = match params.get("hours").or_else(|| params.get("hours_back")) {
        None => 24.0,
        Some(text) => text
            .parse::<f64>()
            .ok()
            .filter(|h| *h > 0.0 && h.is_finite())
            .ok_or_else(|| {
                ApiError::bad_data(format!(
                    "invalid parameter \"hours\": {text:?} is not a number above 0"
                ))
            })?,
    };
    Ok((hours * HOUR_MS) as i64)
}

/// The options with those that the parameters name.
fn with_numbers<T: serde::Serialize + serde::de::DeserializeOwned>(
    defaults: &T,
    params: &Params,
) -> Result<T, ApiError> {
    let internal = |e: serde_json::Error| ApiError::internal(e.to_string());
    let mut value = serde_json::to_value(defaults).map_err(internal)?;
    let names: Vec<String> = value
        .as_object()
        .map(|o| o.keys().cloned().collect())
        .unwrap_or_default();
    for name in names {
        let Some(text) = params.get(&name) else {
            continue;
        };
        let wrong = || ApiError::bad_data(format!("invalid parameter {name:?}: {text:?} is not a number"));
        let whole = value[&name].is_u64() || value[&name].is_i64();
        value[&name] = if whole {
            json!(text.parse::<u32>().map_err(|_| wrong())?)
        } else {
            json!(
                text.parse::<f64>()
                    .ok()
                    .filter(|n| n.is_finite())
                    .ok_or_else(wrong)?
            )
        };
    }
    serde_json::from_value(value).map_err(internal)
}
