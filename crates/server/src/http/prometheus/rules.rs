//! `rules`, `alerts`, `alertmanagers`: what is judged, and what was found bad.

use super::envelope::{ApiError, Success};
use super::params::{Params, invalid};
use super::selector;
use crate::http::AppState;
use axum::extract::State;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use lapwing_judge::rules::RuleGroupView;
use serde_json::json;

pub(crate) async fn rules(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let kind = match params.get("type") {
        None => None,
        Some("alert") => Some("alerting"),
        Some("record") => Some("recording"),
        Some(other) => {
            return Err(invalid("type", &format!("not supported value {other:?}")));
        }
    };
    let excludes_alerts = params.switch("exclude_alerts")?;
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
        if excludes_alerts {
            group.rules.iter_mut().for_each(|rule| rule.alerts = None);
        }
    }
    let matchers = params
        .all("match[]")
        .map(|text| selector::matchers("match[]", text))
        .collect::<Result<Vec<_>, ApiError>>()?;
    if !matchers.is_empty() {
        for group in &mut groups {
            group.rules.retain(|rule| {
                let label = |name: &str| rule.labels.get(name).map_or("", String::as_str);
                matchers
                    .iter()
                    .any(|set| set.iter().all(|m| m.matches(label(&m.name))))
            });
        }
    }
    groups.retain(|g: &RuleGroupView| !g.rules.is_empty());
    let page = page_of(groups, &params)?;
    Success::json(&page)
}

#[derive(serde::Serialize)]
#[serde(rename_all = "camelCase")]
struct Page {
    groups: Vec<RuleGroupView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    group_next_token: Option<String>,
}

/// `group_limit` groups at a time; the token names the first group of the next page.
fn page_of(mut groups: Vec<RuleGroupView>, params: &Params) -> Result<Page, ApiError> {
    let limit: Option<usize> = match params.get("group_limit") {
        None => None,
        Some(text) => match text.parse() {
            Ok(limit) if limit > 0 => Some(limit),
            _ => {
                return Err(invalid(
                    "group_limit",
                    &format!("it needs to be a number greater than 0, not {text:?}"),
                ));
            }
        },
    };
    if let Some(token) = params.get("group_next_token") {
        if limit.is_none() {
            return Err(invalid(
                "group_next_token",
                "group_limit needs to be present in order to paginate over the groups",
            ));
        }
        let Some(from) = groups.iter().position(|g| token_of(g) == token) else {
            return Err(invalid(
                "group_next_token",
                "no such group; were rules reloaded since?",
            ));
        };
        groups.drain(..from);
    }
    let rest = groups.split_off(limit.unwrap_or(usize::MAX).min(groups.len()));
    Ok(Page {
        groups,
        group_next_token: rest.first().map(token_of),
    })
}

fn token_of(group: &RuleGroupView) -> String {
    URL_SAFE_NO_PAD.encode(format!("{};{}", group.file, group.name))
}

pub(crate) async fn alerts(State(state): State<AppState>) -> Result<Success, ApiError> {
    let view = state
        .engine
        .paging()
        .look_at_rules(|rules, status| rules.alerts_view(status));
    Success::json(&view)
}

/// Those that alerts are handed on to, beside the pages that leave through Lapwing's own door.
pub(crate) async fn alertmanagers(State(state): State<AppState>) -> Result<Success, ApiError> {
    let forwarding = state.engine.forwarding();
    let active: Vec<_> = forwarding
        .status()
        .into_iter()
        .map(|s| json!({ "url": s.url, "lastError": s.last_error, "sent": s.sent, "failed": s.failed }))
        .collect();
    let dropped: Vec<_> = forwarding
        .dropped()
        .into_iter()
        .map(|url| json!({ "url": url }))
        .collect();
    Success::json(&json!({ "activeAlertmanagers": active, "droppedAlertmanagers": dropped }))
}
