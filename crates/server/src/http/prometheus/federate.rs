//! `GET /federate`: the newest sample of every matching series, as a page that another Prometheus scrapes.
//!
//! Native histograms are given to whoever takes protobuf, which alone carries them; with custom buckets they are classic
//! histograms in every format.

use super::envelope::ApiError;
use super::external::External;
use super::params::Params;
use super::selector;
use crate::http::AppState;
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use lapwing_store::{Selection, SeriesPoints, SeriesSource};
use lapwing_types::{FloatHistogram, Labels, METRIC_NAME, Metadata, MetricKind, is_stale};
use lapwing_wire::proto_exposition::{self, FederatedSample, FederatedValue};
use lapwing_wire::text::{self, Exposition, Family, FamilySample};
use std::collections::BTreeMap;

const OFFERED: [Exposition; 3] = [Exposition::Text, Exposition::OpenMetrics, Exposition::Protobuf];

/// Written also where a series has none, as empty: whoever scrapes the page shall not add its own.
const ALWAYS: &str = "instance";

pub(crate) async fn federate(
    State(state): State<AppState>,
    headers: HeaderMap,
    params: Params,
) -> Result<Response, ApiError> {
    let now_ms = state.engine.now_ms();
    let oldest_ms = now_ms - state.config().limits.query.lookback_ms;
    let selections = params
        .all("match[]")
        .map(|text| selector::parse(text, oldest_ms, now_ms))
        .collect::<Result<Vec<_>, _>>()?;
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let agreed = text::negotiate(accept, &OFFERED);
    let snapshot = state.engine.store().snapshot();
    let external = External::of(&state);
    let page = state
        .engine
        .compute_queries(move || {
            let samples = newest(&snapshot, &selections, &external)?;
            Ok::<_, ApiError>(match agreed.exposition {
                Exposition::Protobuf => proto_exposition::write(&samples, Some(ALWAYS), agreed.escaping),
                Exposition::Text | Exposition::OpenMetrics => {
                    text::write(&families(samples), agreed.text_format(), agreed.escaping).into_bytes()
                }
            })
        })
        .await
        .map_err(|e| ApiError::internal(e.to_string()))??;
    Ok(([(header::CONTENT_TYPE, agreed.content_type())], page).into_response())
}

/// By name; a series that several selectors match appears once.
fn newest(
    source: &impl SeriesSource,
    selections: &[Selection],
    external: &External,
) -> Result<Vec<FederatedSample>, ApiError> {
    let mut found: BTreeMap<(String, Labels), FederatedSample> = BTreeMap::new();
    let mut points = SeriesPoints::default();
    for selection in selections {
        for series in source.select(selection).map_err(selector::read_failure)? {
            points.clear();
            series
                .reader
                .read_last(selection.start_ms, selection.end_ms, &mut points)
                .map_err(selector::read_failure)?;
            let Some((t_ms, value)) = last_of(&points) else {
                continue;
            };
            let labels = external.add_to(&series.labels);
            // A sample without a name can stand on no page.
            let Some(name) = labels.metric_name().map(str::to_owned) else {
                continue;
            };
            let sample = FederatedSample {
                labels: labels.clone(),
                t_ms,
                value,
            };
            found.insert((name, labels), sample);
        }
    }
    Ok(found.into_values().collect())
}

/// The newer of the last number and the last histogram, unless it says that the series has ended.
fn last_of(points: &SeriesPoints) -> Option<(i64, FederatedValue)> {
    let number = points.times_ms.last().zip(points.values.last());
    let histogram = points.histograms.last();
    match (number, histogram) {
        (Some((t_ms, _)), Some((later_ms, h))) if later_ms > t_ms => {
            (!is_stale(h.sum)).then(|| (*later_ms, FederatedValue::Histogram(h.clone())))
        }
        (None, Some((t_ms, h))) => (!is_stale(h.sum)).then(|| (*t_ms, FederatedValue::Histogram(h.clone()))),
        (Some((t_ms, value)), _) => (!is_stale(*value)).then_some((*t_ms, FederatedValue::Float(*value))),
        (None, None) => None,
    }
}

/// What text can say of them: numbers, and the classic side of histograms with custom buckets.
fn families(samples: Vec<FederatedSample>) -> Vec<Family> {
    let mut families: BTreeMap<(String, bool), Family> = BTreeMap::new();
    for sample in samples {
        let name = sample.labels.metric_name().unwrap_or("").to_owned();
        let (kind, members) = match &sample.value {
            FederatedValue::Float(value) => (
                MetricKind::Unknown,
                vec![member(sample.labels, *value, sample.t_ms)],
            ),
            FederatedValue::Histogram(h) if h.uses_custom_buckets() => {
                (MetricKind::Histogram, classic(&sample.labels, h, sample.t_ms))
            }
            FederatedValue::Histogram(_) => continue,
        };
        let family = families
            .entry((name.clone(), kind == MetricKind::Histogram))
            .or_insert_with(|| Family {
                name,
                metadata: Metadata {
                    kind,
                    ..Metadata::default()
                },
                always: Some(ALWAYS),
                ..Family::default()
            });
        family.samples.extend(members);
    }
    families.into_values().collect()
}

fn member(labels: Labels, value: f64, t_ms: i64) -> FamilySample {
    FamilySample {
        labels,
        value,
        t_ms: Some(t_ms),
        exemplar: None,
    }
}

fn classic(labels: &Labels, h: &FloatHistogram, t_ms: i64) -> Vec<FamilySample> {
    let name = labels.metric_name().unwrap_or("");
    let with = |suffix: &str, le: Option<f64>| {
        let mut builder = labels.to_builder();
        builder.set(METRIC_NAME, format!("{name}{suffix}"));
        if let Some(bound) = le {
            builder.set("le", text::format_float(bound));
        }
        builder.build()
    };
    let buckets = h.cumulative_custom_buckets().into_iter();
    buckets
        .map(|(bound, count)| member(with("_bucket", Some(bound)), count, t_ms))
        .chain([
            member(with("_count", None), h.count, t_ms),
            member(with("_sum", None), h.sum, t_ms),
        ])
        .collect()
}
