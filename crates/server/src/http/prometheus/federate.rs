//! `GET /federate`: the newest sample of every matching series, as a page that another Prometheus scrapes.

use super::envelope::ApiError;
use super::external::External;
use super::params::Params;
use super::selector;
use crate::http::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{Labels, is_stale};
use lapwing_wire::text::{self, Exposition, Family, FamilySample};
use std::collections::BTreeMap;

/// How far back a sample may lie and still be the newest: PromQL's look-back.
const LOOKBACK_MS: i64 = 300_000;

pub(crate) async fn federate(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let now_ms = state.engine.now_ms();
    let selections = params
        .all("match[]")
        .map(|text| selector::parse(text, now_ms - LOOKBACK_MS, now_ms))
        .collect::<Result<Vec<_>, _>>()?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let agreed = text::negotiate(accept, &[Exposition::Text, Exposition::OpenMetrics]);
    let snapshot = state.engine.store().snapshot();
    let external = External::of(&state);
    let page = state
        .engine
        .compute_queries(move || {
            let families = newest(&snapshot, &selections, &external)?;
            Ok::<_, ApiError>(text::write(&families, agreed.text_format(), agreed.escaping))
        })
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(([(header::CONTENT_TYPE, agreed.content_type())], page).into_response())
}

/// One family per metric name; a series that several selectors match appears once.
fn newest(
    source: &impl SeriesSource,
    selections: &[Selection],
    external: &External,
) -> Result<Vec<Family>, ApiError> {
    let mut found: BTreeMap<Labels, (i64, f64)> = BTreeMap::new();
    let mut points = SeriesPoints::default();
    for selection in selections {
        for series in source.select(selection).map_err(selector::read_failure)? {
            points.clear();
            series
                .reader
                .read_last(selection.start_ms, selection.end_ms, &mut points)
                .map_err(selector::read_failure)?;
            if let (Some(t_ms), Some(value)) = (points.times_ms.last(), points.values.last())
                && !is_stale(*value)
            {
                found.insert(external.add_to(&series.labels), (*t_ms, *value));
            }
        }
    }
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    for (labels, (t_ms, value)) in found {
        let name = labels.metric_name().unwrap_or("").to_owned();
        let family = families.entry(name.clone()).or_insert_with(|| Family {
            name,
            always: Some("instance"),
            ..Family::default()
        });
        family.samples.push(FamilySample {
            labels,
            value,
            t_ms: Some(t_ms),
            exemplar: None,
        });
    }
    Ok(families.into_values().collect())
}
