//! A whole dashboard as one PDF: its title, what is chosen, the range, and every panel.
//!
//! 1. The board comes from its file (`GET /api/v1/dashboards/ID/pdf`) or with the request (`POST /api/v1/render/document`).
//! 2. `panels` asks the queries of each panel, one after another, under the limits of every other query. A panel whose
//!    question fails says so in its place; the rest of the document stands.
//! 3. `lapwing_chart` writes the pages.

mod heat;
mod panels;
mod units;

use super::dashboards::saved;
use super::picture::{Kind, answer};
use super::render::{asked_range, bad, offset_s, theme};
use crate::dashboards::{Board, Choices};
use crate::http::prometheus::{ApiError, Params};
use crate::http::{AppState, with_causes};
use axum::extract::{Path, State};
use axum::response::Response;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};
use lapwing::StepRange;
use lapwing_chart::{Document, document_to_pdf};
use lapwing_store::{Selection, SeriesSource};

/// A dashboard may have more; then its document is refused instead of keeping the server busy for minutes.
const QUERIES_MAX: usize = 400;
/// `rate()` needs some samples: the window is never shorter, and else this many steps.
const WINDOW_MIN_S: i64 = 60;
const WINDOW_STEPS: i64 = 4;

/// What every panel is asked for.
struct Asked {
    range: StepRange,
    /// `$window`.
    window: String,
    choices: Choices,
    offset_s: i32,
}

/// `start`, `end`, `since`, `theme`, `offset_s` as for pictures; `var-NAME`, several times, what is chosen of a variable.
pub(super) async fn of_saved(
    State(state): State<AppState>,
    Path(id): Path<String>,
    params: Params,
) -> Result<Response, ApiError> {
    let board = saved(&state, &id).await?;
    written(&state, &board, &params).await
}

/// The same of a board that stands in no file: `board` is its YAML (or JSON, which is YAML too).
pub(super) async fn of_text(State(state): State<AppState>, params: Params) -> Result<Response, ApiError> {
    let board = Board::read(params.require("board")?).map_err(|e| ApiError::bad_data(e.to_string()))?;
    written(&state, &board, &params).await
}

async fn written(state: &AppState, board: &Board, params: &Params) -> Result<Response, ApiError> {
    let queries = board.panels.iter().map(|p| p.queries.len()).sum::<usize>();
    if queries > QUERIES_MAX {
        return Err(ApiError::bad_data(format!(
            "a document takes {QUERIES_MAX} queries, not {queries}"
        )));
    }
    let range = asked_range(params, state.engine.now_ms())?;
    let asked = Asked {
        range,
        window: format!("{}s", (range.step_ms / 1000 * WINDOW_STEPS).max(WINDOW_MIN_S)),
        choices: choices(state, board, params, range).await?,
        offset_s: offset_s(params)?,
    };
    let mut document = Document {
        title: board.title.clone(),
        notes: vec![stretch(&asked)],
        theme: theme(params)?,
        blocks: Vec::new(),
    };
    document.notes.extend(asked.choices.said());
    for panel in &board.panels {
        document.blocks.push(panels::block(state, panel, &asked).await);
    }
    let drawn = state
        .engine
        .compute_queries(move || document_to_pdf(&document))
        .await;
    let drawn = drawn.map_err(|e| ApiError::internal(e.to_string()))?;
    let pdf = drawn.map_err(|e| ApiError::internal(with_causes(&e)))?;
    Ok(answer(Kind::Pdf, &board.title, pdf))
}

/// From when to when, by the reader's clock.
fn stretch(asked: &Asked) -> String {
    let offset = Offset::from_seconds(asked.offset_s).unwrap_or(Offset::UTC);
    let zone = TimeZone::fixed(offset);
    let said = |ms: i64| match Timestamp::from_millisecond(ms) {
        Ok(at) => at.to_zoned(zone.clone()).strftime("%Y-%m-%d %H:%M").to_string(),
        Err(_) => "?".to_owned(),
    };
    let clock = if asked.offset_s == 0 {
        "UTC".to_owned()
    } else {
        format!("UTC{offset}")
    };
    format!(
        "{} – {} {clock}",
        said(asked.range.start_ms),
        said(asked.range.end_ms)
    )
}

async fn choices(
    state: &AppState,
    board: &Board,
    params: &Params,
    range: StepRange,
) -> Result<Choices, ApiError> {
    let mut choices = Choices::default();
    for variable in &board.variables {
        let name = format!("var-{}", variable.name);
        let written: Vec<String> = params.all(&name).map(str::to_owned).collect();
        let must_choose = !variable.all && written.iter().all(String::is_empty);
        let options = if must_choose {
            values(state, &variable.label, &variable.of, range).await?
        } else {
            Vec::new()
        };
        choices.choose(variable, written, || options);
    }
    Ok(choices)
}

/// The values of a label among the series of a selector, or among all.
async fn values(state: &AppState, label: &str, of: &str, range: StepRange) -> Result<Vec<String>, ApiError> {
    let matchers = match of {
        "" => Vec::new(),
        selector => lapwing_query::promql::parse_metric_selector(selector)
            .map_err(|e| bad("board", &format!("variable of {selector:?}: {e}")))?,
    };
    let selection = Selection {
        matchers,
        start_ms: range.start_ms,
        end_ms: range.end_ms,
        series_max: None,
    };
    let snapshot = state.engine.store().snapshot();
    let label = label.to_owned();
    let found = state
        .engine
        .compute_queries(move || snapshot.label_values(&label, &selection))
        .await;
    let found = found.map_err(|e| ApiError::internal(e.to_string()))?;
    found.map_err(|e| ApiError::internal(with_causes(&e)))
}
