//! `series`, `labels`, `label/*/values`, `metadata`: who is there, without their samples.

use super::envelope::{ApiError, Success};
use super::params::Params;
use super::selector;
use crate::http::AppState;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use lapwing_store::metrics::Snapshot;
use lapwing_store::{Selection, SeriesSource};
use lapwing_types::Labels;
use lapwing_wire::names::unescape_values;
use lapwing_wire::prom_json::{push_json_str, push_labels};
use std::collections::{BTreeMap, BTreeSet};

/// An answer is small while its series are looked for in no more places than this (each of head and blocks is one) …
const SMALL_PLACES_MAX: usize = 1024;
/// … or so many texts for each of them are copied.
const SMALL_TEXTS: usize = 4;

pub(crate) async fn series(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let selections = selections(&params)?;
    if params.all("match[]").next().is_none() {
        return Err(ApiError::bad_data("no match[] parameter provided"));
    }
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let small = is_small(&snapshot, &selections, None);
    let read = move || match &selections[..] {
        [only] => snapshot.series(only).map_err(selector::read_failure),
        several => {
            let mut all = BTreeSet::new();
            for selection in several {
                all.extend(snapshot.series(selection).map_err(selector::read_failure)?);
            }
            Ok(all.into_iter().collect())
        }
    };
    let found: Vec<Labels> = compute(&state, small, read).await?;
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
    let selections = selections(&params)?;
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let small = is_small(&snapshot, &selections, Some(0));
    let read = move || union(&selections, |s| snapshot.label_names(s));
    let found = compute(&state, small, read).await?;
    Ok(texts(&found, limit))
}

pub(crate) async fn values(
    State(state): State<AppState>,
    name: Result<Path<String>, PathRejection>,
    params: Params,
) -> Result<Success, ApiError> {
    let Path(name) =
        name.map_err(|e| ApiError::bad_data(format!("invalid label name: {}", e.body_text())))?;
    let name = unescape_values(&name).into_owned();
    if name.is_empty() {
        return Err(ApiError::bad_data("invalid label name: \"\""));
    }
    let selections = selections(&params)?;
    let limit = params.limit()?;
    let snapshot = state.engine.store().snapshot();
    let small = is_small(&snapshot, &selections, Some(snapshot.values_len(&name)));
    let read = move || union(&selections, |s| snapshot.label_values(&name, s));
    let found = compute(&state, small, read).await?;
    Ok(texts(&found, limit))
}

pub(crate) async fn metadata(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.at_most("limit")?;
    // Here 0 means all, as in Prometheus.
    let each = Some(params.at_most("limit_per_metric")?)
        .filter(|n| *n > 0)
        .unwrap_or(usize::MAX);
    let found = state.engine.store().snapshot().metadata(params.get("metric"));
    let mut by_metric: BTreeMap<String, Vec<serde_json::Value>> = BTreeMap::new();
    for (name, metadata) in found {
        let row = serde_json::json!({
            "type": metadata.kind.as_str(),
            "help": metadata.help,
            "unit": metadata.unit,
        });
        if by_metric.len() < limit || by_metric.contains_key(&name) {
            let rows = by_metric.entry(name).or_default();
            if rows.len() < each {
                rows.push(row);
            }
        }
    }
    Success::json(&by_metric)
}

/// One selection per `match[]`, or one of everything where there is none, over the request's time range. None at all where that
/// ends before it starts: it holds nothing, as in Prometheus.
fn selections(params: &Params) -> Result<Vec<Selection>, ApiError> {
    let (start_ms, end_ms) = params.time_range_ms()?;
    let mut selections = params
        .all("match[]")
        .map(|text| selector::parse(text, start_ms, end_ms))
        .collect::<Result<Vec<_>, _>>()?;
    if selections.is_empty() {
        selections.push(Selection {
            matchers: Vec::new(),
            start_ms,
            end_ms,
            series_max: None,
        });
    }
    if end_ms < start_ms {
        selections.clear();
    }
    Ok(selections)
}

fn union(
    selections: &[Selection],
    read: impl Fn(&Selection) -> Result<Vec<String>, lapwing_store::ReadError>,
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

/// Whether an answer is made in less time than it takes to wake another thread. Without a condition the texts themselves
/// are the work: `texts`, where that is known; but for a range that ends before the newest sample, series are looked at.
fn is_small(snapshot: &Snapshot, selections: &[Selection], texts: Option<usize>) -> bool {
    let newest_ms = snapshot.newest_ms().unwrap_or(i64::MIN);
    let places = selections.iter().map(|selection| match texts {
        Some(texts) if selection.matchers.is_empty() && selection.end_ms >= newest_ms => texts / SMALL_TEXTS,
        _ => {
            let (series, blocks) = snapshot.reach(selection);
            series.saturating_mul(blocks + 1)
        }
    });
    places.fold(0, usize::saturating_add) <= SMALL_PLACES_MAX
}

async fn compute<T: Send + 'static>(
    state: &AppState,
    small: bool,
    work: impl FnOnce() -> Result<T, ApiError> + Send + 'static,
) -> Result<T, ApiError> {
    let done = match small {
        true => state.engine.compute_small_queries(work).await,
        false => state.engine.compute_queries(work).await,
    };
    done.map_err(|e| ApiError::internal(e.to_string()))?
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
