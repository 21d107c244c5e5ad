//! What load balancers, supervisors and scrapers ask: is it alive, is it ready, how is it doing.

use super::AppState;
use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use lapwing_types::WriteBatch;
use lapwing_wire::text::{self, Exposition, Family, FamilySample};

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/-/healthy", get(|| async { "Lapwing is Healthy.\n" }))
        .route("/-/ready", get(|| async { "Lapwing is Ready.\n" }))
        .route("/metrics", get(metrics))
}

/// Lapwing's own series, for whoever scrapes it.
async fn metrics(State(state): State<AppState>, headers: HeaderMap) -> Response {
    let accept = headers
        .get(header::ACCEPT)
        .and_then(|v| v.to_str().ok())
        .unwrap_or("");
    let agreed = text::negotiate(accept, &[Exposition::Text, Exposition::OpenMetrics]);
    let (engine, now_ms) = (state.engine.clone(), state.engine.now_ms());
    // The store's memory is measured series by series.
    let write = move || {
        let families = families_of(&engine.own_metrics(now_ms, &[]));
        text::write(&families, agreed.text_format(), agreed.escaping)
    };
    match state.engine.compute_queries(write).await {
        Ok(page) => ([(header::CONTENT_TYPE, agreed.content_type())], page).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

/// Series stand in the order of their families, as the meter gathers them; a sample belongs to the family whose name
/// its own begins with.
fn families_of(batch: &WriteBatch) -> Vec<Family> {
    let mut families: Vec<Family> = batch
        .metadata
        .iter()
        .map(|(name, metadata)| Family {
            name: name.clone(),
            metadata: metadata.clone(),
            ..Family::default()
        })
        .collect();
    for series in &batch.series {
        let name = series.labels.metric_name().unwrap_or("");
        let family = families
            .iter_mut()
            .filter(|f| is_member(name, &f.name))
            .max_by_key(|f| f.name.len());
        if let Some(family) = family {
            family
                .samples
                .extend(series.samples.iter().map(|sample| FamilySample {
                    labels: series.labels.clone(),
                    value: sample.value,
                    t_ms: None,
                    exemplar: None,
                }));
        }
    }
    families
}

fn is_member(sample: &str, family: &str) -> bool {
    sample
        .strip_prefix(family)
        .is_some_and(|rest| matches!(rest, "" | "_bucket" | "_count" | "_sum"))
}
