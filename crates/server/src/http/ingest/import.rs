//! `POST /api/v1/import…`: samples from files, with or without timestamps.

use super::body::{self, Received, Refused, refusal_line, unless_for_later, with_causes};
use super::remote_write::commit_refusal;
use crate::http::AppState;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lapwing_store::metrics::AppendOutcome;
use lapwing_types::WriteBatch;
use lapwing_wire::import;
use lapwing_wire::text::{self, Exposition, Format};
use serde_json::json;

/// JSON lines, `{"metric":{"__name__":"up"},"values":[1],"timestamps":[1549891472010]}`, or a page of text: whoever sends one need
/// not know that it has a path of its own.
pub(crate) async fn any(State(state): State<AppState>, request: Request) -> Result<Kept, Refused> {
    let received = body::receive(&state, "import", request).await?;
    keep(&state, "import", received, |body, headers, now_ms| {
        if is_text(body, headers) {
            return page(body, headers, now_ms);
        }
        let mut decoded = Decoded::default();
        for line in import::import_lines(body) {
            match line {
                Ok(series) => decoded.batch.series.push(series),
                Err(mistake) => decoded.mistakes.push(with_causes(&mistake)),
            }
        }
        Ok(decoded)
    })
    .await
}

/// Every line of JSON begins with a brace, and many call it text. A page begins so only with a quoted name; OpenMetrics says what it is.
fn is_text(body: &[u8], headers: &HeaderMap) -> bool {
    let is_json = matches!(body.trim_ascii_start().first(), Some(b'{') | None);
    !is_json || format_of(headers) == Format::OpenMetrics
}

/// Prometheus text or OpenMetrics.
pub(crate) async fn text(State(state): State<AppState>, request: Request) -> Result<Kept, Refused> {
    let received = body::receive(&state, "import", request).await?;
    keep(&state, "import", received, page).await
}

/// A page is one thing, like that of a scrape: behind a line that cannot be read nothing is sure.
fn page(body: &[u8], headers: &HeaderMap, now_ms: i64) -> Result<Decoded, Refused> {
    let batch = text::parse_to_batch(body, format_of(headers), now_ms)
        .map_err(|e| Refused::bad(format!("nothing is kept of the page: {}", with_causes(&e))))?;
    Ok(Decoded {
        batch,
        mistakes: Vec::new(),
    })
}

/// OpenMetrics when the sender says so, Prometheus's text otherwise.
pub(super) fn format_of(headers: &HeaderMap) -> Format {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    match text::from_content_type(content_type) {
        Some(Exposition::OpenMetrics) => Format::OpenMetrics,
        _ => Format::Prometheus,
    }
}

/// What a body holds, and what of it is wrong; each mistake costs a series and leaves the others.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) batch: WriteBatch,
    pub(super) mistakes: Vec<String>,
}

/// Mistakes that an answer repeats; further ones are counted.
const MISTAKES_SHOWN_MAX: usize = 100;

/// Decodes on the ingest pool and appends what came out.
pub(super) async fn keep(
    state: &AppState,
    protocol: &'static str,
    received: Received,
    decode: impl FnOnce(&[u8], &HeaderMap, i64) -> Result<Decoded, Refused> + Send + 'static,
) -> Result<Kept, Refused> {
    let (store, gate) = (state.engine.store().clone(), state.gate.clone());
    let now_ms = state.engine.now_ms();
    state
        .engine
        .compute_ingest(move || {
            let Decoded { batch, mistakes } = decode(&received.unpack_gzip()?, &received.headers, now_ms)?;
            let mut appender = store.appender(&received.source, now_ms);
            appender.append_batch(&batch);
            let outcome = appender.commit().map_err(commit_refusal)?;
            let outcome = match mistakes.is_empty() {
                true => unless_for_later(outcome)?,
                false => outcome,
            };
            gate.charge(&received.source, protocol, outcome.samples + outcome.histograms);
            Ok(Kept { outcome, mistakes })
        })
        .await
        .map_err(|e| Refused::later(e.to_string()))?
}

/// What was kept, as JSON; 400 when some of it was refused.
#[derive(Debug)]
pub(crate) struct Kept {
    outcome: AppendOutcome,
    mistakes: Vec<String>,
}

impl IntoResponse for Kept {
    fn into_response(self) -> Response {
        let Kept { outcome, mistakes } = self;
        let refused_count = outcome.refused_count + mistakes.len();
        let status = if refused_count == 0 {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        let shown = mistakes.into_iter().take(MISTAKES_SHOWN_MAX);
        let refused: Vec<String> = shown.chain(outcome.refused.iter().map(refusal_line)).collect();
        let body = json!({
            "samples": outcome.samples,
            "histograms": outcome.histograms,
            "exemplars": outcome.exemplars,
            "refused_count": refused_count,
            "refused": refused,
        });
        (status, axum::Json(body)).into_response()
    }
}
