//! `rules`, `alerts`, `alertmanagers`: what is judged, and what was found bad.

use super::envelope::{ApiError, Success};
use super::params::Params;
use crate::http::AppState;
use axum::extract::State;
use lapwing_judge::rules::RuleGroupView;
use serde_json::json;

pub(crate) async fn rules(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let kind = match params.get("type") {
        None => None,
        Some("alert") => Some("alerting"),
        Some("record") => Some("recording"),
        Some(other) => {
            return Err(ApiError::bad_data(format!("not supported value {other:?}")));
        }
    };
    let mut groups = state
        .engine
        .paging()
        .look_at_rules(|rules, status| rules.view(status));
    let wanted =
        |name: &str, value: &str| params.all(name).next().is_none() || params.all(name).any(|w| w == value);
    groups.retain(|g| wanted("rule_group[]", &g.name) && wanted("file[]", &g.file));
    for group in &mut groups {
        group
            .rules
            .retain(|rule| kind.is_none_or(|k| rule.kind == k) && wanted("rule_name[]", &rule.name));
        if params.flag("exclude_alerts") {
            group.rules.iter_mut().for_each(|rule| rule.alerts = None);
        }
    }
    groups.retain(|g: &RuleGroupView| !g.rules.is_empty());
    Success::json(&json!({ "groups": groups }))
}

pub(crate) async fn alerts(State(state): State<AppState>) -> Result<Success, ApiError> {
    let view = state
        .engine
        .paging()
        .look_at_rules(|rules, status| rules.alerts_view(status));
    Success::json(&view)
}

/// Pages leave through Lapwing's own door.
pub(crate) async fn alertmanagers() -> Result<Success, ApiError> {
    Success::json(&json!({ "activeAlertmanagers": [], "droppedAlertmanagers": [] }))
}
