//! `targets` and its relatives: whom Lapwing pulls from, how that goes, and whom it found by itself.

use super::envelope::{ApiError, ErrorClass, Success};
use super::params::Params;
use super::selector;
use crate::http::{AppState, with_causes};
use axum::Json;
use axum::extract::State;
use lapwing_collect::discovery::{DiscoveryStatus, FoundKind};
use lapwing_collect::relabel::{RelabelConfig, RelabelRules, StepOutcome};
use lapwing_collect::scrape::TargetStatus;
use lapwing_types::{Labels, format_duration_ms};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use url::Url;

pub(crate) async fn targets(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let wanted = params.get("state").unwrap_or("any").to_ascii_lowercase();
    let pool = params.get("scrapePool");
    let scraper = state.engine.scraping().scraper();
    let in_pool = |job: &str| pool.is_none_or(|p| p == job);
    let discoveries = state.engine.scraping().discovery_statuses();
    let mut answer = json!({ "activeTargets": [], "droppedTargets": [], "droppedTargetCounts": {} });
    if matches!(wanted.as_str(), "any" | "active") {
        let config = state.config();
        let own = (config.web.listen.port(), config.web.seen_from_outside());
        let rows: Vec<Value> = scraper
            .targets()
            .iter()
            .filter(|t| in_pool(&t.job))
            .map(|t| active(t, &discoveries, &own))
            .collect();
        answer["activeTargets"] = rows.into();
        let looks = discoveries
            .iter()
            .filter(|d| in_pool(&d.job) && d.provider != "static");
        answer["discovery"] = looks.map(discovery).collect::<Vec<_>>().into();
    }
    if matches!(wanted.as_str(), "any" | "dropped") {
        // Of every pool, whichever is asked about: the count says what the list of one leaves out.
        let mut counts: BTreeMap<String, usize> = pools(&state).into_iter().map(|p| (p, 0)).collect();
        counts.extend(scraper.dropped_counts());
        answer["droppedTargetCounts"] = json!(counts);
        let rows: Vec<Value> = scraper
            .dropped_targets()
            .iter()
            .filter(|t| in_pool(&t.job))
            .map(|t| json!({ "discoveredLabels": t.discovered, "scrapePool": t.job }))
            .collect();
        answer["droppedTargets"] = rows.into();
    }
    Success::json(&answer)
}

/// A label set as discovery gave it, and the job whose rules are asked about.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RelabelAsked {
    job: String,
    labels: Labels,
}

/// What one rule made of the labels.
#[derive(Debug, Serialize)]
pub(crate) struct RelabelStepView {
    /// As it stands in the file, without what is as it is by default.
    rule: String,
    outcome: StepOutcome,
    labels: Labels,
}

/// How the labels of a target came about, rule by rule; the last step is the one that dropped it, if one did.
pub(crate) async fn relabel(
    State(state): State<AppState>,
    Json(asked): Json<RelabelAsked>,
) -> Result<Success, ApiError> {
    let rules = rules_of(&state, &asked.job)?.ok_or_else(|| {
        let message = format!("no job {:?} is configured", asked.job);
        ApiError::new(ErrorClass::NotFound, message)
    })?;
    let steps: Vec<RelabelStepView> = rules
        .steps(&asked.labels)
        .into_iter()
        .map(|step| RelabelStepView {
            rule: rule_text(&step.rule),
            outcome: step.outcome,
            labels: step.labels,
        })
        .collect();
    Success::json(&steps)
}

fn rules_of(state: &AppState, job: &str) -> Result<Option<RelabelRules>, ApiError> {
    let config = state.config();
    let job = config.scrape_configs.iter().find(|c| c.job_name == job);
    let rules = job.map(|job| RelabelRules::new(&job.relabel_configs));
    rules.transpose().map_err(|e| ApiError::internal(with_causes(&e)))
}

/// The same question as Prometheus's own UI asks it.
pub(crate) async fn relabel_steps(
    State(state): State<AppState>,
    params: Params,
) -> Result<Success, ApiError> {
    let pool = params
        .get("scrapePool")
        .ok_or_else(|| ApiError::bad_data("no scrapePool parameter provided"))?;
    let labels = params
        .get("labels")
        .ok_or_else(|| ApiError::bad_data("no labels parameter provided"))?;
    let labels: Labels = serde_json::from_str(labels)
        .map_err(|e| ApiError::bad_data(format!("invalid labels parameter: {e}")))?;
    let rules = rules_of(&state, pool)?.ok_or_else(|| {
        ApiError::bad_data(format!(
            "error getting scrape config: scrape pool {pool:?} not found"
        ))
    })?;
    let steps: Vec<Value> = rules
        .steps(&labels)
        .into_iter()
        .map(|step| {
            let keep = step.outcome != StepOutcome::Dropped;
            let output = if keep { json!(step.labels) } else { json!({}) };
            json!({ "rule": rule_json(&step.rule), "output": output, "keep": keep })
        })
        .collect();
    Success::json(&json!({ "steps": steps }))
}

/// In the spelling of Prometheus's API, which is not that of its files.
fn rule_json(rule: &RelabelConfig) -> Value {
    let mut row = json!({
        "separator": rule.separator,
        "regex": rule.regex,
        "replacement": rule.replacement,
        "action": rule.action,
    });
    if !rule.source_labels.is_empty() {
        row["sourceLabels"] = json!(rule.source_labels);
    }
    if !rule.target_label.is_empty() {
        row["targetLabel"] = json!(rule.target_label);
    }
    if rule.modulus > 0 {
        row["modulus"] = json!(rule.modulus);
    }
    row
}

fn rule_text(rule: &RelabelConfig) -> String {
    let default = serde_json::to_value(RelabelConfig::default()).unwrap_or_default();
    let Ok(Value::Object(map)) = serde_json::to_value(rule) else {
        return String::new();
    };
    let said: serde_json::Map<String, Value> = map
        .into_iter()
        .filter(|(key, value)| key == "action" || default.get(key) != Some(value))
        .collect();
    serde_saphyr::to_string(&said).unwrap_or_default()
}

/// What the pages of the targets say about their families, of as many targets as it takes to have `limit` rows.
pub(crate) async fn metadata(State(state): State<AppState>, params: Params) -> Result<Success, ApiError> {
    let limit = params.at_most("limit")?;
    let metric = params.get("metric").filter(|m| !m.is_empty());
    let matchers = match params.get("match_target").filter(|m| !m.is_empty()) {
        Some(text) => selector::matchers("match_target", text)?,
        None => Vec::new(),
    };
    let scraper = state.engine.scraping().scraper();
    let mut rows: Vec<Value> = Vec::new();
    for status in scraper.targets() {
        if rows.len() >= limit {
            break;
        }
        let target = &status.target.labels;
        if !matchers.iter().all(|m| m.matches_labels(target)) {
            continue;
        }
        let Some(said) = scraper.target_metadata(status.id) else {
            continue;
        };
        let mut families: Vec<_> = said
            .iter()
            .filter(|(name, _)| metric.is_none_or(|m| m == *name))
            .collect();
        families.sort_by_key(|(name, _)| name.as_str());
        for (name, metadata) in families {
            let mut row = json!({
                "target": target,
                "type": metadata.kind.as_str(),
                "help": metadata.help,
                "unit": metadata.unit,
            });
            // As Prometheus: the name stands in the row unless it was asked for.
            if metric.is_none() {
                row["metric"] = json!(name);
            }
            rows.push(row);
        }
    }
    Success::json(&rows)
}

pub(crate) async fn scrape_pools(State(state): State<AppState>) -> Result<Success, ApiError> {
    Success::json(&json!({ "scrapePools": pools(&state) }))
}

/// Every job that is configured, and those that came about otherwise.
fn pools(state: &AppState) -> BTreeSet<String> {
    let config = state.config();
    let targets = state.engine.scraping().scraper().targets();
    let configured = config.scrape_configs.iter().map(|c| c.job_name.clone());
    configured.chain(targets.iter().map(|t| t.job.clone())).collect()
}

/// Ours: model servers and exporters that were found on this host.
pub(crate) async fn found(State(state): State<AppState>) -> Result<Success, ApiError> {
    let rows: Vec<Value> = state
        .engine
        .scraping()
        .found()
        .iter()
        .map(|f| {
            let kind = match f.kind {
                FoundKind::ModelServer => "model_server",
                FoundKind::Exporter => "exporter",
            };
            json!({ "kind": kind, "name": f.name, "url": f.url, "models": f.models, "why": f.why })
        })
        .collect();
    Success::json(&rows)
}

/// Ours: how each discovery of a job fares; one that fails leaves its last targets in force.
fn discovery(status: &DiscoveryStatus) -> Value {
    json!({
        "scrapePool": status.job,
        "provider": status.provider,
        "targets": status.targets,
        "lastSuccess": status.last_success_ms.map(super::status::rfc3339),
        "lastError": status.last_error.as_deref().unwrap_or_default(),
        "failures": status.failures,
    })
}

/// Where others find a target that is called by a name of this machine alone: at the host that Lapwing's own address
/// (`own`: its port here, its address outside) is told with, and Lapwing itself at that address.
fn global_url(scrape_url: &str, own: &(u16, String)) -> String {
    let (own_port, outside) = own;
    let (Ok(mut url), Ok(outside)) = (Url::parse(scrape_url), Url::parse(outside)) else {
        return scrape_url.to_owned();
    };
    let Some(port) = url.port() else {
        return scrape_url.to_owned();
    };
    if matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]")) {
        // None of these fails: both are addresses of HTTP and have a host.
        let _ = url.set_host(outside.host_str());
        if port == *own_port {
            let _ = url.set_scheme(outside.scheme());
            let _ = url.set_port(outside.port());
        }
    }
    url.into()
}

fn active(status: &TargetStatus, discoveries: &[DiscoveryStatus], own: &(u16, String)) -> Value {
    let last = status.last.as_ref();
    let of_the_job = discoveries.iter().filter(|d| d.job == status.job);
    let mut warnings: Vec<String> = of_the_job.filter_map(DiscoveryStatus::warning).collect();
    warnings.extend(last.iter().flat_map(|l| l.warnings.iter().cloned()));
    json!({
        "discoveredLabels": status.target.discovered,
        "labels": status.target.labels,
        "scrapePool": status.job,
        "scrapeUrl": status.target.url,
        "globalUrl": global_url(&status.target.url, own),
        "lastError": status.last_error.as_ref().map(|e| with_causes(e)).unwrap_or_default(),
        "lastScrape": last.map_or_else(|| "0001-01-01T00:00:00Z".to_owned(), |l| super::status::rfc3339(l.t_ms)),
        "lastScrapeDuration": last.map_or(0.0, |l| l.duration_ms / 1000.0),
        "health": status.health.as_str(),
        "scrapeInterval": format_duration_ms(status.target.interval_ms),
        "scrapeTimeout": format_duration_ms(status.target.timeout_ms),
        "samplesScraped": last.map_or(0, |l| l.samples_scraped),
        "missedSlots": status.missed,
        "samplesRefused": last.map_or(0, |l| l.refused + l.duplicates),
        "warnings": warnings,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_of_this_machine_are_found_from_outside() {
        let own = (9090, "https://mon.example/prom".to_owned());
        let global = |url: &str| global_url(url, &own);
        assert_eq!(
            global("http://127.0.0.1:8000/m?a=b"),
            "http://mon.example:8000/m?a=b"
        );
        assert_eq!(global("http://[::1]:8000/m"), "http://mon.example:8000/m");
        assert_eq!(
            global("http://localhost:9090/metrics"),
            "https://mon.example/metrics"
        );
        for stays in ["http://10.0.0.1:9090/metrics", "http://localhost/metrics"] {
            assert_eq!(global(stays), stays);
        }
    }
}
