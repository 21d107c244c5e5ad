//! Alertmanager's API v2: what Prometheus, vmalert, amtool, karma and Grafana speak; and beside it what Alertmanager
//! has no answer to: acknowledgements, and why one was or was not paged.

use super::auth::said_by;
use super::ingest::gate::Caller;
use super::{AppState, parse_time_ms};
use axum::extract::rejection::JsonRejection;
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
use std::collections::BTreeMap;

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

/// What went wrong, as Alertmanager says it: a JSON string, or `code` and `message` where the body itself is not understood.
struct Refusal(StatusCode, serde_json::Value);

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
    Refusal(StatusCode::BAD_REQUEST, message.to_string().into())
}

fn not_kept() -> Refusal {
    Refusal(
        StatusCode::SERVICE_UNAVAILABLE,
        "the state could not be written; nothing was changed for certain, try again".into(),
    )
}

/// What was posted. `null` is nothing, as Go's clients write it.
fn body_of<T: Default>(body: Result<Json<Option<T>>, JsonRejection>) -> Result<T, Refusal> {
    match body {
        Ok(Json(posted)) => Ok(posted.unwrap_or_default()),
        Err(rejection) => {
            let status = rejection.status();
            let message = rejection.body_text();
            Err(Refusal(
                status,
                json!({ "code": status.as_u16(), "message": message }),
            ))
        }
    }
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

async fn receivers(State(state): State<AppState>, RawQuery(query): RawQuery) -> Result<Response, Refusal> {
    let filter = filter_of(query.as_deref().unwrap_or(""))?;
    Ok(Json(state.engine.paging().look(|d| d.receivers_view(&filter))).into_response())
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
    labels: Pairs,
    #[serde(default)]
    annotations: Option<Pairs>,
    #[serde(default)]
    starts_at: Option<String>,
    #[serde(default)]
    ends_at: Option<String>,
    #[serde(default, rename = "generatorURL")]
    generator_url: Option<String>,
}

/// Names and values; `null` is as good as empty.
type Pairs = BTreeMap<String, Option<String>>;

impl PostedAlert {
    fn into_alert(self) -> Result<Alert, String> {
        let labels_of = |pairs: Pairs| {
            let filled = pairs.into_iter().filter_map(|(name, value)| Some((name, value?)));
            Labels::from_pairs(filled).map_err(|e| format!("invalid label set: {e}"))
        };
        let labels = labels_of(self.labels)?;
        if labels.is_empty() {
            return Err("at least one label pair required".to_owned());
        }
        let (starts, ends) = (time_of(self.starts_at)?, time_of(self.ends_at)?);
        if let (Some(starts), Some(ends)) = (starts, ends)
            && ends < starts
        {
            return Err("start time must be before end time".to_owned());
        }
        Ok(Alert {
            labels,
            annotations: labels_of(self.annotations.unwrap_or_default())?,
            starts_at_ms: starts.unwrap_or(0),
            ends_at_ms: ends,
            generator_url: self.generator_url.unwrap_or_default(),
            ..Alert::default()
        })
    }
}

/// Go's zero time means that nothing was said.
fn time_of(text: Option<String>) -> Result<Option<i64>, String> {
    let Some(text) = text.filter(|t| !t.is_empty()) else {
        return Ok(None);
    };
    let time = text.parse::<jiff::Timestamp>();
    let ms = time
        .map_err(|_| format!("{text:?} is not a time"))?
        .as_millisecond();
    Ok(Some(ms).filter(|ms| *ms > 0))
}

async fn post_alerts(
    State(state): State<AppState>,
    posted: Result<Json<Option<Vec<PostedAlert>>>, JsonRejection>,
) -> Result<Response, Refusal> {
    // One that says nothing sensible takes nothing from the others.
    let (mut taken, mut wrong) = (Vec::new(), Vec::new());
    for alert in body_of(posted)? {
        match alert.into_alert() {
            Ok(alert) => taken.push(alert),
            Err(reason) => wrong.push(reason),
        }
    }
    let (paging, now_ms) = (state.engine.paging().clone(), state.engine.now_ms());
    let kept = state
        .engine
        .compute_queries(move || paging.receive(taken, now_ms))
        .await
        .unwrap_or(false);
    if !kept {
        Err(not_kept())
    } else if wrong.is_empty() {
        Ok(StatusCode::OK.into_response())
    } else {
        wrong.truncate(REASONS_MAX);
        Err(bad(wrong.join("; ")))
    }
}

/// So many of the alerts that are not taken are named.
const REASONS_MAX: usize = 10;

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
    posted: Result<Json<Option<SilenceView>>, JsonRejection>,
) -> Result<Response, Refusal> {
    let mut posted = body_of(posted)?;
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
    posted: Result<Json<Option<SilenceView>>, JsonRejection>,
) -> Result<Response, Refusal> {
    let posted = body_of(posted)?;
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
    Refusal(status, error.to_string().into())
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
            "this alert is not acknowledged".into(),
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
        .map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, super::with_causes(&e).into()))
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
        .map_err(|e| Refusal(StatusCode::INTERNAL_SERVER_ERROR, super::with_causes(&e).into()))
}

fn pairs(query: &str) -> impl Iterator<Item = (String, String)> + '_ {
    url::form_urlencoded::parse(query.as_bytes()).map(|(k, v)| (k.into_owned(), v.into_owned()))
}

fn filter_of(query: &str) -> Result<AlertFilter, Refusal> {
    let mut filter = AlertFilter::default();
    for (name, value) in pairs(query) {
        let flag = || match value.to_ascii_lowercase().as_str() {
            "true" | "t" | "yes" | "y" | "on" | "1" | "" => Ok(true),
            "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
            other => Err(bad(format!("{name}: expected true or false, found {other:?}"))),
        };
        match name.as_str() {
            "filter" | "filter[]" => filter
                .matchers
                .extend(parse_matchers(&value).map_err(|e| bad(format!("bad matcher format: {e}")))?),
            "receiver" => {
                filter.receiver = Some(Matcher::new(MatchOp::Regex, "receiver", value).map_err(bad)?);
            }
            "receiver_matchers" | "receiver_matchers[]" => filter.receiver_matchers.extend(
                parse_matchers(&value)
                    .map_err(|e| bad(format!("failed to parse receiver_matchers param: {e}")))?,
            ),
            "active" => filter.active = flag()?,
            "silenced" => filter.silenced = flag()?,
            "inhibited" => filter.inhibited = flag()?,
            "muted" => filter.muted = flag()?,
            _ => {}
        }
    }
    Ok(filter)
}
