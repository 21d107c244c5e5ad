//! What `/api/v1/rules` and `/api/v1/alerts` say.

use super::group::{Rule, RuleGroup, RuleKind};
use super::state::{Instance, RulesState};
use super::tick::Rules;
use lapwing_query::promql;
use lapwing_template::{GoTime, format_float};
use lapwing_types::{AlertState, Labels};
use serde::Serialize;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Serialize)]
pub struct RuleGroupView {
    pub name: String,
    pub file: String,
    pub rules: Vec<RuleView>,
    /// Seconds.
    pub interval: f64,
    pub limit: usize,
    #[serde(rename = "lastEvaluation")]
    pub last_evaluation: String,
    /// Seconds.
    #[serde(rename = "evaluationTime")]
    pub evaluation_time: f64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RuleView {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    pub name: String,
    /// In the canonical spelling of PromQL.
    pub query: String,
    /// Seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub duration: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_firing_for: Option<f64>,
    pub labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<ActiveAlertView>>,
    pub health: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    pub last_evaluation: String,
    /// Seconds.
    pub evaluation_time: f64,
    #[serde(rename = "type")]
    pub kind: &'static str,
    /// Ours: where the rule stands in its file.
    pub line: u64,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ActiveAlertView {
    pub labels: Labels,
    pub annotations: Labels,
    pub state: &'static str,
    pub active_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub keep_firing_since: Option<String>,
    pub value: String,
}

#[derive(Clone, Debug, Serialize)]
pub struct AlertsView {
    pub alerts: Vec<ActiveAlertView>,
}

impl Rules {
    /// Groups in the order of their files.
    pub fn view(&self, state: &RulesState) -> Vec<RuleGroupView> {
        self.groups
            .iter()
            .map(|group| RuleGroupView {
                name: group.name.clone(),
                file: group.file.clone(),
                rules: group.rules.iter().map(|rule| rule_view(rule, state)).collect(),
                interval: group.interval_ms as f64 / 1000.0,
                limit: group.limit,
                last_evaluation: time(last_evaluation_ms(group, state)),
                evaluation_time: group.rules.iter().map(|r| took_s(r, state)).sum(),
            })
            .collect()
    }

    pub fn alerts_view(&self, state: &RulesState) -> AlertsView {
        let alerts = self
            .groups
            .iter()
            .flat_map(|g| &g.rules)
            .flat_map(|rule| active(rule, state))
            .collect();
        AlertsView { alerts }
    }
}

fn last_evaluation_ms(group: &RuleGroup, state: &RulesState) -> Option<i64> {
    let statuses = group.rules.iter().filter_map(|r| state.status.get(&r.key));
    statuses.filter_map(|s| s.last_evaluation_ms).max()
}

fn took_s(rule: &Rule, state: &RulesState) -> f64 {
    state.status.get(&rule.key).map_or(0.0, |s| s.took_s)
}

fn rule_view(rule: &Rule, state: &RulesState) -> RuleView {
    let status = state.status.get(&rule.key);
    let health = match status {
        Some(s) if s.last_error.is_some() => "err",
        Some(_) => "ok",
        None => "unknown",
    };
    let alerting = match &rule.kind {
        RuleKind::Alerting(alerting) => Some(alerting),
        RuleKind::Recording => None,
    };
    let worst = state
        .rules
        .get(&rule.key)
        .and_then(|m| m.instances.values().map(|i| i.state).max_by_key(|s| *s as u8));
    RuleView {
        state: alerting.map(|_| worst.unwrap_or(AlertState::Inactive).as_str()),
        name: rule.name.clone(),
        query: canonical(&rule.expr),
        duration: alerting.map(|a| a.for_ms as f64 / 1000.0),
        keep_firing_for: alerting.map(|a| a.keep_firing_for_ms as f64 / 1000.0),
        labels: rule.labels.iter().cloned().collect(),
        annotations: alerting.map(|a| a.annotations.iter().cloned().collect()),
        alerts: alerting.map(|_| active(rule, state)),
        health,
        last_error: status.and_then(|s| s.last_error.clone()),
        last_evaluation: time(status.and_then(|s| s.last_evaluation_ms)),
        evaluation_time: took_s(rule, state),
        kind: if alerting.is_some() {
            "alerting"
        } else {
            "recording"
        },
        line: rule.line,
    }
}

/// As the API of Prometheus spells it. Rules of our own may be in other words than PromQL; those stay as they are.
fn canonical(expr: &str) -> String {
    promql::parse(expr).map_or_else(|_| expr.to_owned(), |parsed| parsed.to_string())
}

fn active(rule: &Rule, state: &RulesState) -> Vec<ActiveAlertView> {
    let Some(memory) = state.rules.get(&rule.key) else {
        return Vec::new();
    };
    let status = state.status.get(&rule.key);
    let view = |(print, instance): (&lapwing_types::Fingerprint, &Instance)| {
        let now = status.and_then(|s| s.now.get(print));
        ActiveAlertView {
            labels: instance.labels.clone(),
            annotations: now
                .map(|n| &n.annotations)
                .filter(|a| !a.is_empty())
                .unwrap_or(&instance.annotations)
                .clone(),
            state: instance.state.as_str(),
            active_at: time(Some(instance.active_at_ms)),
            keep_firing_since: instance.keep_since_ms.map(|ms| time(Some(ms))),
            value: exponent(now.map_or(f64::NAN, |n| n.value)),
        }
    };
    memory.instances.iter().map(view).collect()
}

/// `1e+00`, as the API of Prometheus spells values of alerts.
fn exponent(value: f64) -> String {
    if !value.is_finite() {
        return format_float(value);
    }
    let text = format!("{value:e}");
    let (mantissa, power) = text.split_once('e').unwrap_or((&text, "0"));
    match power.strip_prefix('-') {
        Some(digits) => format!("{mantissa}e-{digits:0>2}"),
        None => format!("{mantissa}e+{power:0>2}"),
    }
}

fn time(ms: Option<i64>) -> String {
    match ms {
        Some(ms) => GoTime::from_ms(ms).format("2006-01-02T15:04:05.999Z07:00"),
        None => "0001-01-01T00:00:00Z".to_owned(),
    }
}
