//! `series`, `labels`, `label/*/values`, `metadata`: who is there, without their samples.

use super::envelope::{ApiError, Success};
use super::params::{Params, TIME_MS_MAX};
use super::selector;
use super::value::{push_json_str, push_labels};
use crate::http::AppState;
use axum::extract::{Path, State};
use lapwing_store::SeriesSource;
use lapwing_wire::names::unescape_values;
use std::collections::{BTreeMap, BTreeSet};

pub(crate) async fn series(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let selections = selections(&params)?;
    if selections.is_empty() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let found = on_pool(&state, move || {
        let mut all = BTreeSet::new();
        for selection in &selections {
            all.extend(snapshot.series(selection).map_err(selector::read_failure)?);
        }
        Ok(all)
    })
    .await?;
    let mut answer = Success::default();
    let shown = truncate(found.len(), limit, &mut answer);
    answer.data.push('[');
    for (i, labels) in found.iter().take(shown).enumerate() {
        if i > 0 {
            answer.data.push(',');
        }
        push_labels(&mut answer.data, labels);
    }
    answer.data.push(']');
    Ok(answer)
}

pub(crate) async fn names(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let selections = or_everything(selections(&params)?, &params)?;
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let found = on_pool(&state, move || union(&selections, |s| snapshot.label_names(s))).await?;
    Ok(texts(&found, limit))
}

pub(crate) async fn values(
    State(state): State<AppState>,
    Path(name): Path<String>,
    params: Params,
) -> Result<Success, ApiError> {
    let name = unescape_values(&name).into_owned();
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: \"\""));
    }
    let selections = or_everything(selections(&params)?, &params)?;
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let found = on_pool(&state, move || {
        union(&selections, |s| snapshot.label_values(&name, s))
    })
    .await?;
    Ok(texts(&found, limit))
}

pub(crate) async fn metadata(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.limit()?.unwrap_or(usize::MAX);
    let found = state.engine.store().snapshot().metadata(params.get("metric"));
    let mut by_metric: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for (name, metadata) in found {
        let row = serde_json::json!({
            "type": metadata.kind.as_str(),
            "help": metadata.help,
            "unit": metadata.unit,
        });
        if by_metric.len() < limit || by_metric.contains_key(&name) {
            by_metric.entry(name).or_default().push(row);
        }
    }
    Success::json(&by_metric)
}

/// One selection per `match[]`, over the request's time range.
fn selections(params: &Params) -> Result<Vec<lapwing_store::Selection>, ApiError> {
    let (start_ms, end_ms) = time_range(params)?;
    params
        .all("match[]")
        .map(|text| selector::parse(text, start_ms, end_ms))
        .collect()
}

fn time_range(params: &Params) -> Result<(i64, i64), ApiError> {
    let start_ms = params.time_ms("start")?.unwrap_or(-TIME_MS_MAX);
    let end_ms = params.time_ms("end")?.unwrap_or(TIME_MS_MAX);
    if end_ms < start_ms {
        return Err(ApiError::bad_data(
            "invalid parameter \"end\": end timestamp must not be before start time",
        ));
    }
    Ok((start_ms, end_ms))
}

fn or_everything(
    selections: Vec<lapwing_store::Selection>,
    params: &Params,
) -> Result<Vec<lapwing_store::Selection>, ApiError> {
    if !selections.is_empty() {
        return Ok(selections);
    }
    let (start_ms, end_ms) = time_range(params)?;
    Ok(vec![lapwing_store::Selection {
        matchers: Vec::new(),
        start_ms,
        end_ms,
        series_max: None,
    }])
}

fn union(
    selections: &[lapwing_store::Selection],
    read: impl Fn(&lapwing_store::Selection) -> Result<Vec<String>, lapwing_store::ReadError>,
) -> Result<Vec<String>, ApiError> {
    if let [only] = selections {
        return read(only).map_err(selector::read_failure);
    }
    let mut all = BTreeSet::new();
    for selection in selections {
        all.extend(read(selection).map_err(selector::read_failure)?);
    }
    Ok(all.into_iter().collect())
}

async fn on_pool<T: Send + 'static>(
    state: &AppState,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    state
        .engine
        .compute_queries(work)
        .await
        .map_err(|e| ApiError::internal(e.to_string()))?
}

fn texts(found: &[String], limit: Option<usize>) -> Success {
    let mut answer = Success::default();
    let shown = truncate(found.len(), limit, &mut answer);
    answer.data.push('[');
    for (i, text) in found[..shown].iter().enumerate() {
        if i > 0 {
            answer.data.push(',');
        }
        push_json_str(&mut answer.data, text);
    }
    answer.data.push(']');
    answer
}

fn truncate(count: usize, limit: Option<usize>, answer: &mut Success) -> usize {
    match limit {
        Some(limit) if count > limit => {
            answer.warnings.push("results truncated due to limit".to_owned());
            limit
        }
        _ => count,
    }
}
