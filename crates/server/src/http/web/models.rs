//! Which models there are, and how each stands: by the alerts that name it.
//!
//! Under which labels the name of a model travels: `model` is ours and Triton's, `model_name` vLLM's and SGLang's.

use crate::http::AppState;
use lapwing_notify::dispatch::{AlertFilter, AlertView};
use lapwing_store::{Selection, SeriesSource};
use std::collections::BTreeSet;

const LABELS: [&str; 2] = ["model", "model_name"];
/// How far back a model without fresh samples is still listed.
const REMEMBERED_MS: i64 = 24 * 3_600_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Down,
    Degraded,
    Fine,
}

impl Standing {
    pub(super) fn word(self) -> &'static str {
        match self {
            Standing::Down => "failing",
            Standing::Degraded => "degraded",
            Standing::Fine => "working",
        }
    }
}

pub(super) struct Model {
    pub(super) name: String,
    pub(super) standing: Standing,
    /// The names of the alerts that say so.
    pub(super) because: Vec<String>,
}

/// Worst first.
pub(super) async fn models(state: &AppState) -> Vec<Model> {
    let now_ms = state.engine.now_ms();
    let snapshot = state.engine.store().snapshot();
    let selection = Selection {
        matchers: Vec::new(),
        start_ms: now_ms - REMEMBERED_MS,
        end_ms: now_ms,
        series_max: None,
    };
    let found = state.engine.compute_queries(move || {
        let values = LABELS
            .iter()
            .flat_map(|label| snapshot.label_values(label, &selection));
        values.flatten().collect::<BTreeSet<String>>()
    });
    let names = found.await.unwrap_or_default();
    let alerts = alerts(state);
    let mut all: Vec<Model> = names
        .into_iter()
        .filter(|name| !name.is_empty())
        .map(|name| judged(name, &alerts))
        .collect();
    all.sort_by(|a, b| (a.standing, &a.name).cmp(&(b.standing, &b.name)));
    all
}

pub(super) fn alerts(state: &AppState) -> Vec<AlertView> {
    let now_ms = state.engine.now_ms();
    state
        .engine
        .paging()
        .look(|d| d.alerts_view(&AlertFilter::default(), now_ms))
}

fn judged(name: String, alerts: &[AlertView]) -> Model {
    let mine: Vec<&AlertView> = alerts
        .iter()
        .filter(|a| LABELS.iter().any(|l| a.labels.get(l) == Some(&name)))
        .collect();
    let is_critical =
        |a: &&AlertView| matches!(a.labels.get("severity"), Some("critical" | "page" | "error"));
    let standing = if mine.iter().any(is_critical) {
        Standing::Down
    } else if mine.is_empty() {
        Standing::Fine
    } else {
        Standing::Degraded
    };
    let because: BTreeSet<String> = mine
        .iter()
        .map(|a| a.labels.get("alertname").unwrap_or("an alert").to_owned())
        .collect();
    Model {
        name,
        standing,
        because: because.into_iter().collect(),
    }
}
