//! Alertmanager's API v2: what Prometheus, vmalert, amtool, karma and Grafana speak; and beside it what Alertmanager
//! has no answer to: acknowledgements, and why one was or was not paged.

use super::auth::said_by;
use super::ingest::gate::Caller;
use super::{AppState, parse_time_ms};
use axum::extract::{Extension, Path, RawQuery, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use lapwing_notify::config::parse_matchers;
use lapwing_notify::dispatch::{AlertFilter, SilenceError, SilenceView};
use lapwing_store::state::{DecisionQuery, LedgerQuery};
use lapwing_types::{Alert, Fingerprint, Labels, MatchOp, Matcher};
use serde::{Deserialize, Serialize};
use serde_json::json;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/api/v2/status", get(status))
        .route("/api/v2/receivers", get(receivers))
        .route("/api/v2/alerts", get(alerts).post(post_alerts))
        .route("/api/v2/alerts/groups", get(groups))
        .route("/api/v2/silences", get(silences).post(set_silence))
        .route("/api/v2/silence/{id}", get(silence).delete(end_silence))
        .route(
            "/api/v1/alerts/{fingerprint}/ack",
            post(acknowledge).delete(unacknowledge),
        )
        .route("/api/v1/decisions", get(decisions))
        .route("/api/v1/ledger", get(ledger))
        .route("/api/v1/oncall", get(on_call))
        .route("/api/v1/silences/preview", post(preview_silence))
}

/// What went wrong, as Alertmanager says it: a JSON string.
struct Refusal(StatusCode, String);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.0, Json(self.1)).into_response()
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "stands as `map_err(bad)`, which hands over the error"
)]
fn bad(message: impl ToString) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, message.to_string())
}

fn not_kept() -> Refusal {
    Refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "the state could not be written; nothing was changed for certain, try again".to_owned(),
    )
}

async fn status(State(state): State<AppState>) -> Response {
    Json(json!({
        "cluster": { "name": "", "status": "disabled", "peers": [] },
        "versionInfo": {
            "version": "0.33.1",
            "revision": format!("lapwing-{}", env!("CARGO_PKG_VERSION")),
            "branch": "", "buildUser": "", "buildDate": "", "goVersion": "",
        },
        "config": { "original": state.config().alerting.notify_shown },
        "uptime": super::prometheus::rfc3339(state.engine.started_ms()),
    }))
    .into_response()
}

async fn receivers(State(state): State<AppState>) -> Response {
    Json(state.engine.paging().look(|d| d.receivers_view())).into_response()
}

async fn alerts(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let filter = filter_of(query.as_deref().unwrap_or(""))?;
    let now_ms = state.engine.now_ms();
    Ok(Json(state.engine.paging().look(|d| d.alerts_view(&filter, now_ms))).into_response())
}

async fn groups(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let filter = filter_of(query.as_deref().unwrap_or(""))?;
    let now_ms = state.engine.now_ms();
    Ok(Json(state.engine.paging().look(|d| d.groups_view(&filter, now_ms))).into_response())
}

/// An alert as senders post it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct PostedAlert {
    labels: Labels,
    #[serde(default)]
    annotations: Labels,
    #[serde(default)]
    starts_at: Option<jiff::Timestamp>,
    #[serde(default)]
    ends_at: Option<jiff::Timestamp>,
    #[serde(default, rename = "generatorURL")]
    generator_url: String,
}

async fn post_alerts(
    State(state): State<AppState>,
    Json(posted): Json<Vec<PostedAlert>>,
) -> Result<Response, Refusal> {
    // Go's zero time means that nothing was said.
    let known = |t: Option<jiff::Timestamp>| t.map(|t| t.as_millisecond()).filter(|ms| *ms > 0);
    let mut taken = Vec::with_capacity(posted.len());
    for alert in posted {
        if alert.labels.is_empty() {
            return Err(bad("at least one label pair required"));
        }
        let (starts, ends) = (known(alert.starts_at), known(alert.ends_at));
        if let (Some(starts), Some(ends)) = (starts, ends)
            && ends < starts
        {
            return Err(bad("start time must be before end time"));
        }
        taken.push(Alert {
            labels: alert.labels,
            annotations: alert.annotations,
            starts_at_ms: starts.unwrap_or(0),
            ends_at_ms: ends,
            generator_url: alert.generator_url,
            ..Alert::default()
        });
    }
    let (paging, now_ms) = (state.engine.paging().clone(), state.engine.now_ms());
    let kept = state
        .engine
        .compute_queries(move || paging.receive(taken, now_ms))
        .await
        .unwrap_or(false);
    if kept {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(not_kept())
    }
}

async fn silences(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let filter = filter_of(query.as_deref().unwrap_or(""))?;
    let now_ms = state.engine.now_ms();
    Ok(Json(
        state
            .engine
            .paging()
            .look(|d| d.silences_view(&filter.matchers, now_ms)),
    )
    .into_response())
}

async fn silence(State(state): State<AppState>, Path(id): Path<String>) -> Response {
    let now_ms = state.engine.now_ms();
    let found = state
        .engine
        .paging()
        .look(|d| d.silence(&id).map(|s| SilenceView::of(s, now_ms)));
    match found {
        Some(view) => Json(view).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

async fn set_silence(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    Json(mut posted): Json<SilenceView>,
) -> Result<Response, Refusal> {
    posted.created_by = said_by(caller, &posted.created_by);
    let silence = posted.into_silence().map_err(bad)?;
    let now_ms = state.engine.now_ms();
    let warning = state
        .engine
        .paging()
        .look(|d| d.preview_silence(&silence))
        .map_err(silence_refusal)?
        .1;
    let (set, kept) = state.engine.paging().change(|d| d.set_silence(silence, now_ms));
    let id = set.map_err(silence_refusal)?;
    if !kept {
        return Err(not_kept());
    }
    let mut answer = json!({ "silenceID": id });
    if let Some(warning) = warning {
        answer["warning"] = json!(warning);
    }
    Ok(Json(answer).into_response())
}

/// Who has each on-call schedule now, and who is next.
async fn on_call(State(state): State<AppState>) -> Response {
    let now_ms = state.engine.now_ms();
    Json(
        state
            .engine
            .paging()
            .look(|d| d.config().extras.on_call.view(now_ms)),
    )
    .into_response()
}

#[derive(Debug, Serialize)]
struct SilencePreview {
    hidden: Vec<HiddenAlert>,
    /// Where that is more than a silence should hide.
    warning: Option<String>,
}

#[derive(Debug, Serialize)]
struct HiddenAlert {
    fingerprint: String,
    labels: Labels,
    annotations: Labels,
}

/// What a silence would hide, before it is set; and a warning where that is more than a silence should.
async fn preview_silence(
    State(state): State<AppState>,
    Json(posted): Json<SilenceView>,
) -> Result<Response, Refusal> {
    let silence = posted.into_silence().map_err(bad)?;
    let (hidden, warning) = state
        .engine
        .paging()
        .look(|d| d.preview_silence(&silence))
        .map_err(silence_refusal)?;
    let hidden = hidden.into_iter().map(|a| HiddenAlert {
        fingerprint: a.fingerprint().to_string(),
        labels: a.labels,
        annotations: a.annotations,
    });
    let preview = SilencePreview {
        hidden: hidden.collect(),
        warning,
    };
    Ok(Json(preview).into_response())
}

async fn end_silence(State(state): State<AppState>, Path(id): Path<String>) -> Result<Response, Refusal> {
    let now_ms = state.engine.now_ms();
    let (ended, kept) = state.engine.paging().change(|d| d.end_silence(&id, now_ms));
    ended.map_err(silence_refusal)?;
    if kept {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(not_kept())
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "stands as `map_err(silence_refusal)`"
)]
fn silence_refusal(error: SilenceError) -> Refusal {
    let status = match error {
        SilenceError::NotFound { .. } => StatusCode::NOT_FOUND,
        _ => StatusCode::BAD_REQUEST,
    };
    Refusal(status, error.to_string())
}

#[derive(Debug, Deserialize)]
struct AckRequest {
    /// Counts where no login says who it is.
    #[serde(default)]
    by: String,
    #[serde(default)]
    comment: String,
    /// Until when it holds; without, until the alert ends.
    #[serde(default)]
    expires_at: Option<jiff::Timestamp>,
}

async fn acknowledge(
    State(state): State<AppState>,
    Path(fingerprint): Path<String>,
    caller: Option<Extension<Caller>>,
    Json(ack): Json<AckRequest>,
) -> Result<Response, Refusal> {
    let by = said_by(caller, &ack.by);
    let fingerprint: Fingerprint = fingerprint.parse().map_err(bad)?;
    let now_ms = state.engine.now_ms();
    let expires_at_ms = ack.expires_at.map(|t| t.as_millisecond());
    let (done, kept) = state
        .engine
        .paging()
        .change(|d| d.acknowledge(fingerprint, (&by, &ack.comment), expires_at_ms, now_ms));
    done.map_err(bad)?;
    if kept {
        Ok(StatusCode::OK.into_response())
    } else {
        Err(not_kept())
    }
}

async fn unacknowledge(
    State(state): State<AppState>,
    Path(fingerprint): Path<String>,
) -> Result<Response, Refusal> {
    let fingerprint: Fingerprint = fingerprint.parse().map_err(bad)?;
    let (was, kept) = state.engine.paging().change(|d| d.unacknowledge(fingerprint));
    match (was, kept) {
        (true, true) => Ok(StatusCode::OK.into_response()),
        (true, false) => Err(not_kept()),
        (false, _) => Err(Refusal(
            StatusCode::NOT_FOUND,
            "this alert is not acknowledged".to_owned(),
        )),
    }
}

/// Rows of the record that one answer holds when it does not say how many.
const ROWS_DEFAULT: usize = 200;

fn value_of(query: Option<&str>, name: &str) -> Option<String> {
    pairs(query.unwrap_or(""))
        .find(|(k, _)| k == name)
        .map(|(_, v)| v)
}

fn limit_of(query: Option<&str>) -> usize {
    pairs(query.unwrap_or(""))
        .find(|(k, _)| k == "limit")
        .and_then(|(_, v)| v.parse().ok())
        .unwrap_or(ROWS_DEFAULT)
}

async fn decisions(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let asked = |name: &str| value_of(query.as_deref(), name);
    let time = |name: &str| asked(name).map(|v| parse_time_ms(&v).map_err(bad)).transpose();
    let query = DecisionQuery {
        fingerprint: asked("fingerprint")
            .map(|v| v.parse::<Fingerprint>().map_err(bad))
            .transpose()?,
        alertname: asked("alertname"),
        from_ms: time("start")?,
        until_ms: time("end")?,
        limit: limit_of(query.as_deref()),
    };
    let found = state.engine.paging().state_store().decisions(&query);
    found
        .map(|rows| Json(rows).into_response())
        .map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, super::with_causes(&e)))
}

async fn ledger(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let asked = |name: &str| value_of(query.as_deref(), name);
    let time = |name: &str| asked(name).map(|v| parse_time_ms(&v).map_err(bad)).transpose();
    let query = LedgerQuery {
        delivery: asked("delivery"),
        group_key: asked("group_key"),
        receiver: asked("receiver"),
        from_ms: time("start")?,
        until_ms: time("end")?,
        limit: limit_of(query.as_deref()),
    };
    let found = state.engine.paging().state_store().ledger(&query);
    found
        .map(|rows| Json(rows).into_response())
        .map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, super::with_causes(&e)))
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned()))
}

fn filter_of(query: &str) -> Result<AlertFilter, Refusal> {
    let mut filter = AlertFilter::default();
    for (name, value) in pairs(query) {
        let flag = || match value.as_str() {
            "true" | "1" | "" => Ok(true),
            "false" | "0" => Ok(false),
            other => Err(bad(format!("{name}: expected true or false, found {other:?}"))),
        };
        match name.as_str() {
            "filter" | "filter[]" => filter
                .matchers
                .extend(parse_matchers(&value).map_err(|e| bad(format!("bad matcher format: {e}")))?),
            "receiver" => {
                filter.receiver = Some(Matcher::new(MatchOp::Regex, "receiver", value).map_err(bad)?);
            }
            "active" => filter.active = flag()?,
            "silenced" => filter.silenced = flag()?,
            "inhibited" => filter.inhibited = flag()?,
            "muted" => filter.muted = flag()?,
            _ => {}
        }
    }
    Ok(filter)
}
