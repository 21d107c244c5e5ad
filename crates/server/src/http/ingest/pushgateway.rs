//! The Pushgateway's API, for batch jobs that push and leave: `PUT|POST|DELETE /metrics/job/NAME{/LABEL/VALUE}`,
//! `GET /api/v1/metrics`, `PUT /api/v1/admin/wipe`.
//!
//! Beyond the gateway: `?ttl=1h` says how long a group stands after its last push (`receive.pushgateway.ttl` for those that
//! do not say). Answers as the gateway's: 200 for a push, 202 for a deletion, 400 for what does not parse or was not kept.

use super::body::{self, Received, Refused, refusal_line, with_causes};
use super::import::format_of;
use crate::http::AppState;
use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing::{Push, PushError, PushMode, PushedGroup};
use lapwing_types::{Labels, WriteBatch, parse_duration_ms};
use lapwing_wire::pushgateway::{parse_body, parse_group, parse_proto_body};
use serde_json::{Value, json};

pub(crate) async fn replace(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    push(&state, PushMode::Replace, request).await
}

pub(crate) async fn merge(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    push(&state, PushMode::Merge, request).await
}

async fn push(state: &AppState, mode: PushMode, request: Request) -> Result<Response, Refused> {
    let group = group_of(state, &request)?;
    let ttl_ms = ttl_of(request.uri().query().unwrap_or(""))?;
    let received = body::receive(state, "pushgateway", request).await?;
    let (engine, gate) = (state.engine.clone(), state.gate.clone());
    let outcome = state
        .engine
        .compute_ingest(move || {
            let now_ms = engine.now_ms();
            let batch = decode(&received, &group, now_ms)
                .inspect_err(|_| engine.pushed().note_failure(&group, now_ms))?;
            let push = Push {
                group,
                batch,
                mode,
                ttl_ms,
            };
            let outcome = engine
                .pushed()
                .push(engine.store(), push, now_ms)
                .map_err(refusal)?;
            gate.charge(
                &received.source,
                "pushgateway",
                outcome.samples + outcome.histograms,
            );
            Ok::<_, Refused>(outcome)
        })
        .await
        .map_err(|e| Refused::later(e.to_string()))??;
    if outcome.refused_count == 0 {
        return Ok(StatusCode::OK.into_response());
    }
    let named: Vec<String> = outcome.refused.iter().take(10).map(refusal_line).collect();
    Err(Refused::bad(format!(
        "{} refused, the rest is kept:\n{}",
        outcome.refused_count,
        named.join("\n")
    )))
}

fn decode(received: &Received, group: &Labels, now_ms: i64) -> Result<WriteBatch, Refused> {
    let body = received.unpack_gzip()?;
    let content_type = received.headers.get(header::CONTENT_TYPE);
    let is_proto = content_type
        .and_then(|v| v.to_str().ok())
        .is_some_and(|v| v.starts_with("application/vnd.google.protobuf"));
    let parsed = if is_proto {
        parse_proto_body(&body, group, now_ms)
    } else {
        parse_body(&body, format_of(&received.headers), group, now_ms)
    };
    parsed.map_err(|e| Refused::bad(with_causes(&e)))
}

pub(crate) async fn delete(State(state): State<AppState>, request: Request) -> Result<Response, Refused> {
    let group = group_of(&state, &request)?;
    change(&state, move |engine| {
        engine
            .pushed()
            .delete(engine.store(), &group, engine.now_ms())
            .map(|_| ())
    })
    .await
}

pub(crate) async fn wipe(State(state): State<AppState>) -> Result<Response, Refused> {
    if !state.config().web.admin_api {
        return Err(Refused::new(
            StatusCode::FORBIDDEN,
            "admin APIs disabled (web.admin_api: true turns them on)",
        ));
    }
    change(&state, |engine| {
        engine.pushed().wipe(engine.store(), engine.now_ms())
    })
    .await
}

async fn change(
    state: &AppState,
    work: impl FnOnce(&lapwing::Engine) -> Result<(), PushError> + Send + 'static,
) -> Result<Response, Refused> {
    let engine = state.engine.clone();
    state
        .engine
        .compute_ingest(move || work(&engine))
        .await
        .map_err(|e| Refused::later(e.to_string()))?
        .map_err(refusal)?;
    Ok(StatusCode::ACCEPTED.into_response())
}

/// Every group with its metrics, in the gateway's own shape.
pub(crate) async fn groups(State(state): State<AppState>) -> Response {
    let data: Vec<Value> = state.engine.pushed().groups().iter().map(shown).collect();
    Json(json!({ "status": "success", "data": data })).into_response()
}

fn shown(group: &PushedGroup) -> Value {
    let mut row = json!({
        "labels": &group.labels,
        "last_push_successful": group.pushed_ms >= group.failed_ms,
        "push_time_seconds": own(group, group.pushed_ms, "push_time_seconds"),
        "push_failure_time_seconds": own(group, group.failed_ms, "push_failure_time_seconds"),
    });
    for (name, (metadata, series)) in &group.families {
        let metrics: Vec<Value> = series
            .iter()
            .map(|s| {
                let value = s.samples.first().map(|s| s.value.to_string());
                let histogram = s.histograms.first().map(|(_, h)| h.to_float().to_string());
                json!({ "labels": &s.labels, "value": value.or(histogram) })
            })
            .collect();
        row[name] = json!({
            "time_stamp": rfc3339(group.pushed_ms),
            "type": metadata.kind.as_str().to_uppercase(),
            "help": metadata.help,
            "metrics": metrics,
        });
    }
    row
}

fn own(group: &PushedGroup, ms: i64, name: &str) -> Value {
    let help = if name == "push_time_seconds" {
        "Last Unix time when changing this group in the Pushgateway succeeded."
    } else {
        "Last Unix time when changing this group in the Pushgateway failed."
    };
    json!({
        "time_stamp": rfc3339(group.pushed_ms),
        "type": "GAUGE",
        "help": help,
        "metrics": [{ "labels": &group.labels, "value": (ms as f64 / 1000.0).to_string() }],
    })
}

fn rfc3339(ms: i64) -> String {
    crate::http::prometheus::rfc3339(ms)
}

fn group_of(state: &AppState, request: &Request) -> Result<Labels, Refused> {
    if !state.config().receive.pushgateway {
        return Err(Refused::closed(
            "a push of a batch job",
            "receive.pushgateway.enabled",
        ));
    }
    let path = request.uri().path();
    let from = path
        .find("/metrics/")
        .map_or(path, |at| &path[at + "/metrics".len()..]);
    parse_group(from).map_err(|e| Refused::bad(e.to_string()))
}

fn ttl_of(query: &str) -> Result<Option<i64>, Refused> {
    let given = url::form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "ttl");
    let Some((_, text)) = given else { return Ok(None) };
    match parse_duration_ms(&text) {
        Ok(ms) if ms > 0 => Ok(Some(ms)),
        _ => Err(Refused::bad(format!(
            "ttl is not a duration such as 1h: {text:?}"
        ))),
    }
}

fn refusal(error: PushError) -> Refused {
    match error {
        PushError::TooManyGroups { .. } | PushError::TooManySeries { .. } => Refused {
            status: StatusCode::TOO_MANY_REQUESTS,
            message: error.to_string(),
            retry_after_s: Some(60),
        },
        other => Refused::later(with_causes(&other)),
    }
}
