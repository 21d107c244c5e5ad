//! What may be shown to anybody: states, names, notes.

use crate::http::AppState;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use lapwing_types::HealthState;
use serde_json::{Value, json};

/// For load balancers in front of what Lapwing watches: 503 when the whole is critical, 200 otherwise.
pub(super) async fn health(State(state): State<AppState>) -> (StatusCode, Json<Value>) {
    let whole = state
        .engine
        .health()
        .state_of(None)
        .unwrap_or(HealthState::Unknown);
    let status = if whole == HealthState::Critical {
        StatusCode::SERVICE_UNAVAILABLE
    } else {
        StatusCode::OK
    };
    (status, Json(json!({ "status": whole })))
}

/// The data of a public status page.
pub(super) async fn status(State(state): State<AppState>) -> Json<Value> {
    let health = state.engine.health();
    let view = health.view(state.engine.now_ms());
    let models: Vec<Value> = view
        .models
        .iter()
        .map(|m| {
            json!({
                "name": m.name, "state": m.state, "since_ms": m.since_ms, "version": m.version,
                "on_fallback": m.on_fallback, "maintenance": m.maintenance,
                "availability": m.objectives,
            })
        })
        .collect();
    let checks: Vec<Value> = view
        .checks
        .iter()
        // Without a name of its own a check is called by its address, which is nobody's business.
        .filter(|c| !c.name.contains([':', '/']))
        .map(|c| json!({ "name": c.name, "state": c.state, "since_ms": c.since_ms, "maintenance": c.maintenance }))
        .collect();
    let incidents: Vec<Value> = health
        .events(200)
        .iter()
        .filter(|e| e.subject.starts_with("model/") || e.subject == "system")
        .take(50)
        .map(|e| json!({ "at_ms": e.at_ms, "subject": e.subject, "from": e.from, "to": e.to }))
        .collect();
    Json(json!({
        "title": health.options().status_title.as_deref().unwrap_or("Status"),
        "state": view.state, "since_ms": view.since_ms, "own_network_down": view.own_network_down,
        "models": models, "checks": checks, "maintenance": view.maintenance,
        "incidents": incidents, "notes": health.notes(),
    }))
}
