//! `POST /api/v1/import…`: samples from files, with or without timestamps.

use super::body::{self, Received, Refused, refusal_line, with_causes};
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
            return text::parse_to_batch(body, format_of(headers), now_ms)
                .map_err(|e| Refused::bad(with_causes(&e)));
        }
        let series = import::import_lines(body)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|e| Refused::bad(with_causes(&e)))?;
        Ok(WriteBatch {
            series,
            metadata: Vec::new(),
        })
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
    keep(&state, "import", received, |body, headers, now_ms| {
        text::parse_to_batch(body, format_of(headers), now_ms).map_err(|e| Refused::bad(with_causes(&e)))
    })
    .await
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

/// Decodes on the ingest pool and appends what came out.
pub(super) async fn keep(
    state: &AppState,
    protocol: &'static str,
    received: Received,
    decode: impl FnOnce(&[u8], &HeaderMap, i64) -> Result<WriteBatch, Refused> + Send + 'static,
) -> Result<Kept, Refused> {
    let (store, gate) = (state.engine.store().clone(), state.gate.clone());
    let now_ms = state.engine.now_ms();
    let outcome = state
        .engine
        .compute_ingest(move || {
            let batch = decode(&received.unpack_gzip()?, &received.headers, now_ms)?;
            let mut appender = store.appender(&received.source, now_ms);
            appender.append_batch(&batch);
            let outcome = appender.commit().map_err(commit_refusal)?;
            gate.charge(&received.source, protocol, outcome.samples + outcome.histograms);
            Ok::<_, Refused>(outcome)
        })
        .await
        .map_err(|e| Refused::later(e.to_string()))??;
    Ok(Kept(outcome))
}

/// What was kept, as JSON; 400 when some of it was refused.
#[derive(Debug)]
pub(crate) struct Kept(pub(super) AppendOutcome);

impl IntoResponse for Kept {
    fn into_response(self) -> Response {
        let outcome = self.0;
        let status = if outcome.refused_count == 0 {
            StatusCode::OK
        } else {
            StatusCode::BAD_REQUEST
        };
        let refused: Vec<String> = outcome.refused.iter().map(refusal_line).collect();
        let body = json!({
            "samples": outcome.samples,
            "histograms": outcome.histograms,
            "exemplars": outcome.exemplars,
            "refused_count": outcome.refused_count,
            "refused": refused,
        });
        (status, axum::Json(body)).into_response()
    }
}
