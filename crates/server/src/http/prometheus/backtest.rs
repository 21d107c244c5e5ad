//! `POST /api/v1/rules/backtest`: what rules would have done over a window of the past, and whom they would have paged.
//!
//! The body is YAML or JSON: `rule` (one own rule) or `rules` (several) or `rule_file` (the text of a Prometheus rule file), and `since`
//! or `start`, `end` and `step`. Nothing is written and nothing is sent.

use super::envelope::{ApiError, Success};
use super::params::parse_time_ms;
use super::status::rfc3339;
use crate::http::AppState;
use axum::body::Bytes;
use axum::extract::State;
use lapwing::{ToldPage, replay_and_tell};
use lapwing_judge::rules::{
    FiredInterval, OwnRule, Replay, Replayed, RuleGroup, RuleKind, RulesOptions, check_expr,
    compile_own_rules, load_rule_file,
};
use lapwing_types::{Labels, parse_duration_ms};
use serde::{Deserialize, Serialize};
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;

/// With a step of its own a back-test may be exact; without one it takes so many steps at most.
const STEPS_DEFAULT: i64 = 5_000;
/// 30 days at 15 s.
const STEPS_MAX: i64 = 200_000;
const SINCE_DEFAULT_MS: i64 = 24 * 3_600_000;
/// A message is shown, not archived.
const PAGES_MAX: usize = 1_000;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Asked {
    rule: Option<OwnRule>,
    #[serde(default)]
    rules: Vec<OwnRule>,
    rule_file: Option<String>,
    since: Option<String>,
    start: Option<String>,
    end: Option<String>,
    step: Option<String>,
}

pub(crate) async fn backtest(State(state): State<AppState>, body: Bytes) -> Result<Success, ApiError> {
    let text = std::str::from_utf8(&body).map_err(|e| ApiError::bad_data(e.to_string()))?;
    let asked: Asked = serde_saphyr::from_str(text)
        .map_err(|e| ApiError::bad_data(format!("the body is neither JSON nor YAML of a back-test: {e}")))?;
    let mut own = asked.rules.clone();
    own.extend(asked.rule.clone());
    let window = window(&asked, state.engine.now_ms())?;
    let groups = groups(&asked, &own, window.2)?;
    let engine = state.engine.clone();
    let config = engine.paging().look(|d| d.config().clone());
    let work = move || {
        let snapshot = engine.store().snapshot();
        let options = RulesOptions {
            interval_ms: window.2,
            ..RulesOptions::default()
        };
        let mut replay = Replay::new(groups, options, &snapshot, window.0);
        replay_and_tell(&mut replay, config, (window.0, window.1))
    };
    let done = state.engine.compute_queries(work).await;
    let (replayed, pages) = done.map_err(|e| ApiError::internal(e.to_string()))?;
    Success::json(&answer(&own, window, &replayed, pages))
}

/// Start, end and step.
type Window = (i64, i64, i64);

fn window(asked: &Asked, now_ms: i64) -> Result<Window, ApiError> {
    let time = |text: &Option<String>| text.as_deref().map(parse_time_ms).transpose();
    let duration = |text: &Option<String>| {
        let parsed = text.as_deref().map(parse_duration_ms).transpose();
        parsed.map_err(|e| ApiError::bad_data(e.to_string()))
    };
    let end_ms = time(&asked.end).map_err(ApiError::bad_data)?.unwrap_or(now_ms);
    let start_ms = match time(&asked.start).map_err(ApiError::bad_data)? {
        Some(start_ms) => start_ms,
        None => end_ms - duration(&asked.since)?.unwrap_or(SINCE_DEFAULT_MS),
    };
    if start_ms >= end_ms {
        return Err(ApiError::bad_data("the window ends before it starts"));
    }
    let coarse_ms = (end_ms - start_ms) / STEPS_DEFAULT / 1000 * 1000;
    let step_ms = match duration(&asked.step)? {
        Some(0) => return Err(ApiError::bad_data("'step' must be longer than nothing")),
        Some(step_ms) => step_ms,
        None => coarse_ms.max(60_000),
    };
    if (end_ms - start_ms) / step_ms > STEPS_MAX {
        return Err(ApiError::bad_data(format!(
            "more than {STEPS_MAX} steps: ask for a shorter window or a longer step"
        )));
    }
    Ok((start_ms, end_ms, step_ms))
}

fn groups(asked: &Asked, own: &[OwnRule], step_ms: i64) -> Result<Vec<RuleGroup>, ApiError> {
    let options = RulesOptions {
        interval_ms: step_ms,
        ..RulesOptions::default()
    };
    let wrong = |errors: Vec<lapwing_judge::rules::RuleFileError>| {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        ApiError::bad_data(lines.join("\n"))
    };
    let numbered: Vec<(OwnRule, u64)> = own.iter().cloned().zip(1..).collect();
    let mut groups = Vec::new();
    if !numbered.is_empty() {
        groups.push(compile_own_rules("rules", &numbered, &options).map_err(wrong)?);
    }
    if let Some(text) = &asked.rule_file {
        groups.extend(load_rule_file("rule_file", text, &options, &check_expr).map_err(wrong)?);
    }
    // One step for all: a group with a finer interval would only make the window longer to walk through.
    groups.iter_mut().for_each(|g| g.interval_ms = step_ms);
    if groups.iter().all(|g| g.rules.is_empty()) {
        return Err(ApiError::bad_data(
            "no rule is given: send 'rule', 'rules' or 'rule_file'",
        ));
    }
    let alerts = groups.iter().flat_map(|g| &g.rules);
    if !alerts.clone().any(|r| matches!(r.kind, RuleKind::Alerting(_))) {
        return Err(ApiError::bad_data("no rule of these alerts"));
    }
    Ok(groups)
}

/// What a back-test answers.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Backtest {
    start: String,
    end: String,
    step_seconds: f64,
    evaluations: u64,
    fired: usize,
    intervals: Vec<FiredView>,
    pages_count: usize,
    pages: Vec<PageView>,
    failures: BTreeMap<String, String>,
    /// The own rules as they would stand in `lapwing.yml`; empty for a rule file.
    yaml: String,
}

#[derive(Debug, Serialize)]
struct FiredView {
    rule: String,
    labels: Labels,
    start: String,
    /// Absent where it still fires at the end.
    end: Option<String>,
    seconds: i64,
    value: Option<f64>,
}

#[derive(Debug, Serialize)]
struct PageView {
    at: String,
    receiver: String,
    channel: &'static str,
    firing: Vec<String>,
    resolved: Vec<String>,
    reason: String,
    message: String,
}

fn answer(
    own: &[OwnRule],
    (start_ms, end_ms, step_ms): Window,
    replayed: &Replayed,
    pages: Vec<ToldPage>,
) -> Backtest {
    let interval = |i: &FiredInterval| FiredView {
        rule: i.rule.clone(),
        labels: i.labels.clone(),
        start: rfc3339(i.start_ms),
        end: i.end_ms.map(rfc3339),
        seconds: (i.end_ms.unwrap_or(end_ms) - i.start_ms) / 1000,
        value: i.value.is_finite().then_some(i.value),
    };
    let pages_count = pages.len();
    let page = |p: ToldPage| PageView {
        at: rfc3339(p.at_ms),
        receiver: p.receiver,
        channel: p.channel,
        firing: p.firing,
        resolved: p.resolved,
        reason: p.reason,
        message: p.message,
    };
    Backtest {
        start: rfc3339(start_ms),
        end: rfc3339(end_ms),
        step_seconds: step_ms as f64 / 1000.0,
        evaluations: replayed.evaluations,
        fired: replayed.intervals.len(),
        intervals: replayed.intervals.iter().map(interval).collect(),
        pages_count,
        pages: pages.into_iter().take(PAGES_MAX).map(page).collect(),
        failures: replayed.failures.clone(),
        yaml: to_save(own),
    }
}

/// The rules as they would stand in `lapwing.yml`, without what is as it is by default.
fn to_save(own: &[OwnRule]) -> String {
    let rules: Vec<Json> = own
        .iter()
        .filter_map(|rule| serde_json::to_value(rule).ok())
        .map(without_defaults)
        .collect();
    if rules.is_empty() {
        return String::new();
    }
    serde_saphyr::to_string(&json!({ "rules": rules })).unwrap_or_default()
}

fn without_defaults(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let kept = map
                .into_iter()
                .map(|(k, v)| (k, without_defaults(v)))
                .filter(|(k, v)| {
                    let is_default = v.is_null()
                        || v.as_object().is_some_and(serde_json::Map::is_empty)
                        || v.as_array().is_some_and(Vec::is_empty)
                        || v.as_str() == Some("")
                        || (k == "enabled" && v.as_bool() == Some(true))
                        || (k == "no_data" && v.as_str() == Some("ok"));
                    !is_default
                });
            Json::Object(kept.collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_is_saved_as_it_would_be_written() {
        let rule: OwnRule = serde_saphyr::from_str(
            "{name: hot, condition: 'gpu_temperature > 85', for: 5m, severity: critical}",
        )
        .unwrap();
        let yaml = to_save(&[rule]);
        let back =
            lapwing_judge::rules::load_own_rules("f", &yaml).unwrap_or_else(|e| panic!("{e:?}: {yaml}"));
        assert_eq!(
            (back[0].0.name.as_str(), back[0].0.for_.as_deref()),
            ("hot", Some("5m"))
        );
        assert!(!yaml.contains("null") && !yaml.contains("enabled"), "{yaml}");
    }

    #[test]
    fn a_window_has_bounds() {
        let ask = |text: &str| window(&serde_saphyr::from_str(text).unwrap(), 1_000_000_000_000);
        assert_eq!(
            ask("{since: 1h}").unwrap(),
            (999_996_400_000, 1_000_000_000_000, 60_000)
        );
        assert_eq!(ask("{since: 30d}").unwrap().2, 518_000);
        assert!(
            ask("{since: 30d, step: 1s}")
                .unwrap_err()
                .message
                .contains("steps")
        );
        assert!(ask("{since: 0s}").is_err() && ask("{step: 0s}").is_err() && ask("{start: x}").is_err());
    }
}
