//! What operators and programs ask, in the envelope of the rest of the API.

use crate::http::AppState;
use crate::http::auth::said_by;
use crate::http::ingest::gate::Caller;
use crate::http::prometheus::{ApiError, ErrorClass, Params, Success};
use axum::extract::{Extension, Path, State};
use axum::http::Method;
use lapwing::health::{HealthNote, HealthView, ModelView};
use lapwing_collect::discovery::FoundKind;
use serde::Serialize;
use serde_json::json;

const EVENTS_MAX: usize = 1000;
const TEXT_CHARS_MAX: usize = 2000;

#[derive(Debug, Serialize)]
struct HealthTree {
    #[serde(flatten)]
    view: HealthView,
    discovered: Vec<Discovered>,
}

#[derive(Debug, Serialize)]
struct ModelList {
    models: Vec<ModelView>,
    discovered: Vec<Discovered>,
}

/// A model server on this host that no model of the configuration names.
#[derive(Debug, Serialize)]
pub(super) struct Discovered {
    pub(super) name: String,
    pub(super) engine: String,
    pub(super) url: String,
    models: Vec<String>,
    why: String,
    state: &'static str,
    /// The lines of the configuration that adopt it.
    adopt: String,
}

fn not_found(what: &str, name: &str) -> ApiError {
    ApiError::new(ErrorClass::NotFound, format!("there is no {what} {name:?}"))
}

pub(super) async fn tree(State(state): State<AppState>) -> Result<Success, ApiError> {
    let view = state.engine.health().view(state.engine.now_ms());
    let discovered = discovered(&state, &view.models);
    Success::json(&HealthTree { view, discovered })
}

pub(super) async fn models(State(state): State<AppState>) -> Result<Success, ApiError> {
    let view = state.engine.health().view(state.engine.now_ms());
    let discovered = discovered(&state, &view.models);
    Success::json(&ModelList {
        models: view.models,
        discovered,
    })
}

pub(super) async fn model(
    State(state): State<AppState>,
    Path(name): Path<String>,
) -> Result<Success, ApiError> {
    let view = state.engine.health().view(state.engine.now_ms());
    let model = view.models.into_iter().find(|m| m.name == name);
    Success::json(&model.ok_or_else(|| not_found("model", &name))?)
}

pub(super) fn discovered(state: &AppState, models: &[ModelView]) -> Vec<Discovered> {
    let found = state.engine.scraping().found();
    let rows = found
        .iter()
        .filter(|f| f.kind == FoundKind::ModelServer)
        .filter_map(|f| {
            let base = f.url.strip_suffix(f.path).unwrap_or(&f.url);
            let port = base.rsplit(':').next().unwrap_or("");
            let is_known = models.iter().flat_map(|m| &m.endpoints).any(|e| {
                let rest = e.url.split_once("://").map_or(e.url.as_str(), |(_, rest)| rest);
                let (host, its_port) = rest
                    .trim_end_matches('/')
                    .rsplit_once(':')
                    .unwrap_or((rest, "80"));
                its_port == port && matches!(host, "127.0.0.1" | "localhost" | "[::1]")
            });
            if is_known {
                return None;
            }
            let name = f.models.first().map_or(f.name, String::as_str);
            let adopt = format!(
                "models:\n  - name: {}\n    engine: {}\n    endpoints: [{{ url: {base} }}]\n",
                json!(name),
                f.name
            );
            Some(Discovered {
                name: name.to_owned(),
                engine: f.name.to_owned(),
                url: base.to_owned(),
                models: f.models.clone(),
                why: f.why.clone(),
                state: "discovered, not adopted",
                adopt,
            })
        });
    rows.collect()
}

pub(super) async fn events(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.limit()?.unwrap_or(100).min(EVENTS_MAX);
    let subject = params.get("subject");
    let mut events = state.engine.health().events(EVENTS_MAX);
    events.retain(|e| subject.is_none_or(|s| e.subject == s));
    events.truncate(limit);
    Success::json(&events)
}

pub(super) async fn repairs(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.limit()?.unwrap_or(100).min(EVENTS_MAX);
    Success::json(&state.engine.health().audit(limit))
}

pub(super) async fn approve(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    params: Params,
) -> Result<Success, ApiError> {
    let (target, action) = (needed(&params, "target")?, needed(&params, "action")?);
    let by = who(&state, caller, params.get("by"));
    let followed = state
        .engine
        .health()
        .approve(target, action, &by, state.engine.now_ms());
    Success::json(&followed.ok_or_else(|| not_found("repair", &format!("{target} {action}")))?)
}

pub(super) async fn rehearse(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let (target, action) = (needed(&params, "target")?, needed(&params, "action")?);
    let would = state
        .engine
        .health()
        .rehearse(target, action, state.engine.now_ms());
    Success::json(&would.ok_or_else(|| not_found("repair", &format!("{target} {action}")))?)
}

/// `status=fail` (or a code that is not 0) says that the job ran and failed.
pub(super) async fn check_in(
    State(state): State<AppState>,
    Path(name): Path<String>,
    method: Method,
    params: Params,
) -> Result<Success, ApiError> {
    if method != Method::POST {
        return Err(ApiError::bad_data("report with POST"));
    }
    let said = params.get("status").unwrap_or("ok");
    let ok = matches!(said, "ok" | "0" | "success" | "up");
    let detail: String = params
        .get("detail")
        .unwrap_or(said)
        .chars()
        .take(TEXT_CHARS_MAX)
        .collect();
    let (health, now_ms, of) = (state.engine.health().clone(), state.engine.now_ms(), name.clone());
    let work = move || health.check_in(&of, ok, &detail, now_ms);
    let kept = state.engine.compute_ingest(work).await;
    match kept.map_err(|e| ApiError::internal(e.to_string()))? {
        Ok(true) => Success::json(&json!({ "kept": true })),
        Ok(false) => Err(not_found("check-in", &name)),
        Err(error) => Err(ApiError::new(
            ErrorClass::Unavailable,
            crate::http::with_causes(&error),
        )),
    }
}

pub(super) async fn notes(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&state.engine.health().notes())
}

pub(super) async fn add_note(
    State(state): State<AppState>,
    caller: Option<Extension<Caller>>,
    params: Params,
) -> Result<Success, ApiError> {
    let text = needed(&params, "text")?;
    let by = who(&state, caller, params.get("by"));
    let note = HealthNote {
        at_ms: state.engine.now_ms(),
        by,
        text: text.chars().take(TEXT_CHARS_MAX).collect(),
        model: params.get("model").map(str::to_owned),
    };
    state.engine.health().add_note(note.clone());
    Success::json(&note)
}

/// Who did it: the caller that was recognised. Only where nobody has to say who they are does the field `by` count: a repair
/// is approved by somebody.
pub(super) fn who(state: &AppState, caller: Option<Extension<Caller>>, said: Option<&str>) -> String {
    const NAME_CHARS_MAX: usize = 200;
    let config = state.config();
    if !config.web.tokens.is_empty() || !config.web.users.is_empty() {
        return said_by(caller, "a token without a name");
    }
    let said = said.filter(|b| !b.trim().is_empty());
    let said: String = said.unwrap_or("someone").chars().take(NAME_CHARS_MAX).collect();
    said_by(caller, &said)
}

fn needed<'a>(params: &'a Params, name: &str) -> Result<&'a str, ApiError> {
    let given = params.get(name).filter(|v| !v.is_empty());
    given.ok_or_else(|| ApiError::bad_data(format!("{name} is missing")))
}
