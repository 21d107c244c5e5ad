//! Models over the API: made from a document in the words of `models:`, adopted from what was discovered, retired.
//!
//! What a model may do (commands, files) is what the configuration may, so this asks for the role admin; and a document has to say
//! that it is JSON or YAML, which a form on a foreign page cannot.

use super::api::{discovered, who};
use crate::config::{Node, parse_yaml, to_json};
use crate::http::AppState;
use crate::http::ingest::gate::Caller;
use crate::http::prometheus::{ApiError, ErrorClass, Params, Success};
use axum::body::Bytes;
use axum::extract::{Extension, Path, State};
use axum::http::{HeaderMap, header};
use lapwing::health::AdoptError;
use lapwing_types::{format_duration_ms, parse_duration_ms};
use serde_json::{Value, json};

const DOCUMENT_BYTES_MAX: usize = 256 << 10;

/// `POST /api/v1/models`: a model, `models:` with one in it, or `{ adopt: URL }` of one that was discovered, with whatever else
/// is to be said of it.
pub(super) async fn put(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Success, ApiError> {
    let given = document_of(&headers, &body)?;
    let by = who(&state, caller, given.get("by").and_then(Value::as_str));
    let document = match given.get("adopt").and_then(Value::as_str) {
        Some(url) => adopted(&state, url, &given)?,
        None => only_model(given)?,
    };
    let name = document["name"].as_str().unwrap_or_default().to_owned();
    let (health, now_ms) = (state.engine.health().clone(), state.engine.now_ms());
    let work = move || health.put_model(&document, &by, now_ms);
    let kept = state.engine.compute_ingest(work).await;
    let was_there = kept
        .map_err(|e| ApiError::internal(e.to_string()))?
        .map_err(|e| refused(&e))?;
    Success::json(&json!({ "name": name, "step": if was_there { "replaced" } else { "created" } }))
}

/// `DELETE /api/v1/models/NAME`.
pub(super) async fn retire(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Success, ApiError> {
    let by = who(&state, caller, params.get("by"));
    let (health, now_ms, of) = (state.engine.health().clone(), state.engine.now_ms(), name.clone());
    let work = move || health.retire_model(&of, &by, now_ms);
    let kept = state.engine.compute_ingest(work).await;
    kept.map_err(|e| ApiError::internal(e.to_string()))?
        .map_err(|e| refused(&e))?;
    Success::json(&json!({ "name": name, "step": "retired" }))
}

/// `GET /api/v1/models/NAME/objectives?window=7d`: what was attained over any window, or over the one of the promise.
pub(super) async fn objectives(
    State(state): State<AppState>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Success, ApiError> {
    let health = state.engine.health();
    let text = match params.get("window") {
        Some(text) => text.to_owned(),
        None => {
            let own_ms = health.objective_window_ms(&name);
            format_duration_ms(own_ms.ok_or_else(|| refused(&AdoptError::Unknown(name.clone())))?)
        }
    };
    let window_ms = parse_duration_ms(&text).map_err(|e| ApiError::bad_data(format!("window: {e}")))?;
    if window_ms <= 0 {
        return Err(ApiError::bad_data("window: it must be longer than nothing"));
    }
    let found = health.attained(&state.engine, &name, window_ms).await;
    let (objectives, fallback_s) = found.ok_or_else(|| refused(&AdoptError::Unknown(name.clone())))?;
    Success::json(&json!({
        "model": name, "window": text, "objectives": objectives, "fallback_seconds": fallback_s,
    }))
}

fn refused(error: &AdoptError) -> ApiError {
    let class = match error {
        AdoptError::Unknown(_) => ErrorClass::NotFound,
        AdoptError::State(_) => ErrorClass::Unavailable,
        _ => ErrorClass::BadData,
    };
    ApiError::new(class, crate::http::with_causes(error))
}

fn document_of(headers: &HeaderMap, body: &Bytes) -> Result<Value, ApiError> {
    let kind = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    if !["application/json", "application/yaml", "application/x-yaml"]
        .iter()
        .any(|k| kind.starts_with(k))
    {
        let said = "send a model with Content-Type: application/yaml or application/json";
        return Err(ApiError::bad_data(said));
    }
    if body.len() > DOCUMENT_BYTES_MAX {
        return Err(ApiError::bad_data(format!(
            "more than {DOCUMENT_BYTES_MAX} bytes"
        )));
    }
    let text = std::str::from_utf8(body).map_err(|e| ApiError::bad_data(e.to_string()))?;
    let node: Node = parse_yaml(text)
        .map_err(|e| ApiError::bad_data(format!("{}:{}: {}", e.at.line, e.at.column, e.message)))?;
    Ok(to_json(&node))
}

/// As it stands, or the only one of `models:`.
fn only_model(mut given: Value) -> Result<Value, ApiError> {
    // Who sends it is no word of the model.
    if let Some(map) = given.as_object_mut() {
        map.remove("by");
    }
    match given.get("models") {
        None => Ok(given),
        Some(Value::Array(models)) if models.len() == 1 => Ok(models[0].clone()),
        Some(_) => Err(ApiError::bad_data("send one model at a time")),
    }
}

/// What was found, with what was given beside the URL; that wins.
fn adopted(state: &AppState, url: &str, given: &Value) -> Result<Value, ApiError> {
    let view = state.engine.health().view(state.engine.now_ms());
    let url = url.trim_end_matches('/');
    let mut found = discovered(state, &view.models).into_iter();
    let found = found.find(|f| f.url == url).ok_or_else(|| {
        ApiError::new(
            ErrorClass::NotFound,
            format!("no model server was discovered at {url:?}; GET /api/v1/models lists them"),
        )
    })?;
    let mut model = json!({ "name": found.name, "engine": found.engine, "endpoints": [{ "url": url }] });
    for (key, value) in given.as_object().into_iter().flatten() {
        if !matches!(key.as_str(), "adopt" | "by") {
            model[key.as_str()] = value.clone();
        }
    }
    Ok(model)
}
