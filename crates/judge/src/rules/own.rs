//! Lapwing's own rules: conditions in plain words, and what each became.
//!
//! A condition becomes PromQL (see `plain`); a comparison with a number at its top is then taken apart, see
//! [`Condition`]. In its place may stand a `trend`, an `anomaly` or a `burn_rate`, which become recorded series and alerts
//! over them.

use super::condition::{Comparison, Condition, NoData};
use super::file::{RuleFileError, first_line};
use super::group::{Alerting, Rule, RuleGroup, RuleKind, RulesOptions};
use super::plain::{Problem, read, words};
use super::shapes::{AnomalyShape, BurnShape, TrendShape, share};
use super::{anomaly, burn, trend};
use super::{names, template};
use lapwing_query::promql::{Expr, ExprKind, UnaryOp, parse};
use lapwing_types::{Severity, format_duration_ms, parse_duration_ms};
use serde::{Deserialize, Serialize};
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// One entry of `rules:` in `lapwing.yml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRule {
    pub name: String,
    /// Empty when one of the three below stands in its place.
    #[serde(default, alias = "expr")]
    pub condition: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trend: Option<TrendShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub anomaly: Option<AnomalyShape>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub burn_rate: Option<BurnShape>,
    #[serde(default, rename = "for", alias = "duration")]
    pub for_: Option<String>,
    #[serde(default)]
    pub keep_firing_for: Option<String>,
    /// The value on whose other side it ends; the threshold itself when absent.
    #[serde(default)]
    pub recover: Option<String>,
    #[serde(default)]
    pub severity: Severity,
    #[serde(default)]
    pub no_data: NoData,
    /// No second page of this severity within this time.
    #[serde(default)]
    pub cooldown: Option<String>,
    #[serde(default)]
    pub owner: Option<String>,
    #[serde(default)]
    pub runbook: Option<String>,
    #[serde(default)]
    pub model: Option<String>,
    #[serde(default)]
    pub summary: Option<String>,
    #[serde(default)]
    pub description: Option<String>,
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    #[serde(default)]
    pub annotations: BTreeMap<String, String>,
    #[serde(default = "enabled")]
    pub enabled: bool,
}

fn enabled() -> bool {
    true
}

/// What `rules explain` shows.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Explained {
    pub name: String,
    pub condition: String,
    pub promql: String,
    pub compares: Option<String>,
    pub recovers: Option<String>,
    pub for_: String,
    pub severity: Severity,
    pub no_data: NoData,
    /// `cpu_usage (ratio): share of CPU time not idle, per instance`.
    pub names: Vec<String>,
    /// Series that are written on the way, and what each is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub records: Vec<Recorded>,
    /// Further alerts of the same name: severity and PromQL.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub also: Vec<Recorded>,
}

/// A name (or a severity) and the PromQL behind it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Recorded {
    pub name: String,
    pub promql: String,
}

/// The annotation that carries a rule's own cooldown to dispatch.
pub const COOLDOWN_ANNOTATION: &str = "lapwing_cooldown";

/// All rules of one config section as one group; `lines` are where each stands.
pub fn compile_own_rules(
    file: &str,
    rules: &[(OwnRule, u64)],
    options: &RulesOptions,
) -> Result<RuleGroup, Vec<RuleFileError>> {
    let mut errors = Vec::new();
    let mut compiled = Vec::new();
    for (rule, line) in rules.iter().filter(|(r, _)| r.enabled) {
        match compile(rule) {
            Ok(made) => compiled.extend(made.into_iter().map(|mut r| {
                r.line = *line;
                r
            })),
            Err(problem) => errors.push(RuleFileError {
                file: file.to_owned(),
                line: *line,
                column: 1,
                reason: format!("rule {:?}: {}", rule.name, problem.reason),
                offset: problem.at,
            }),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    Ok(RuleGroup {
        file: file.to_owned(),
        name: "lapwing".to_owned(),
        interval_ms: options.interval_ms,
        query_offset_ms: options.query_offset_ms,
        limit: 0,
        phase_ms: None,
        rules: compiled,
    })
}

/// A file of own rules: a `rules:` list as in `lapwing.yml`, each rule with the line where it stands.
pub fn load_own_rules(file: &str, text: &str) -> Result<Vec<(OwnRule, u64)>, Vec<RuleFileError>> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct RawFile {
        rules: Vec<Spanned<OwnRule>>,
    }
    let raw: RawFile = serde_saphyr::from_str(text).map_err(|e| {
        let at = e.location();
        vec![RuleFileError {
            file: file.to_owned(),
            line: at.map_or(1, |l| l.line()),
            column: at.map_or(1, |l| l.column()),
            reason: first_line(&e.to_string()),
            offset: None,
        }]
    })?;
    let rules = raw.rules.into_iter();
    Ok(rules.map(|r| (r.value, r.referenced.line())).collect())
}

pub fn explain(rule: &OwnRule) -> Result<Explained, String> {
    let compiled = compile(rule).map_err(|problem| problem.reason)?;
    let mut alerts = Vec::new();
    let mut records = Vec::new();
    for made in &compiled {
        match &made.kind {
            RuleKind::Alerting(alerting) => alerts.push((made, alerting)),
            RuleKind::Recording => records.push(Recorded {
                name: with_labels(made),
                promql: made.expr.clone(),
            }),
        }
    }
    let Some((_, alerting)) = alerts.first() else {
        return Err("not an alerting rule".to_owned());
    };
    let (compares, recovers) = match &alerting.condition {
        Condition::Filter { .. } => (None, None),
        Condition::Threshold {
            op,
            threshold,
            recover,
            ..
        } => (
            Some(format!("{op} {threshold}")),
            recover.map(|r| format!("when no longer {op} {r}")),
        ),
    };
    let used = words(said(rule));
    Ok(Explained {
        name: rule.name.clone(),
        condition: said(rule).to_owned(),
        promql: alerting.condition.expr().to_owned(),
        compares,
        recovers,
        for_: format_duration_ms(alerting.for_ms),
        severity: rule.severity,
        no_data: rule.no_data,
        names: names::WELL_KNOWN
            .iter()
            .filter(|w| used.iter().any(|u| u == w.name))
            .map(|w| format!("{} ({}): {}", w.name, w.unit, w.help))
            .collect(),
        records,
        also: alerts[1..]
            .iter()
            .map(|(made, alerting)| Recorded {
                name: with_labels(made),
                promql: alerting.condition.expr().to_owned(),
            })
            .collect(),
    })
}

fn with_labels(rule: &Rule) -> String {
    if rule.labels.is_empty() {
        return rule.name.clone();
    }
    let labels: Vec<String> = rule.labels.iter().map(|(n, v)| format!("{n}={v:?}")).collect();
    format!("{}{{{}}}", rule.name, labels.join(", "))
}

/// The expression as it was written, whichever shape it stands in.
fn said(rule: &OwnRule) -> &str {
    let shaped = rule.trend.as_ref().map(|t| &t.of);
    let shaped = shaped.or_else(|| rule.anomaly.as_ref().map(|a| &a.of));
    shaped.map_or(&rule.condition, String::as_str)
}

fn compile(rule: &OwnRule) -> Result<Vec<Rule>, Problem> {
    if rule.name.trim().is_empty() {
        return Err("a rule needs a name".to_owned().into());
    }
    let matchers = rule
        .model
        .as_ref()
        .map(|m| format!("model={m:?}"))
        .unwrap_or_default();
    let is_plain = !rule.condition.trim().is_empty();
    match (is_plain, &rule.trend, &rule.anomaly, &rule.burn_rate) {
        (true, None, None, None) => {
            let (parsed, promql) = read(&rule.condition, &matchers).map_err(|problem| Problem {
                reason: format!("condition {}", problem.reason),
                ..problem
            })?;
            let condition = condition_of(&parsed, &promql, rule)?;
            Ok(vec![alerting(rule, condition, rule.severity)?])
        }
        (false, Some(shape), None, None) => {
            let condition = with_recover(trend::compile(shape, &matchers)?, rule)?;
            Ok(vec![alerting(rule, condition, rule.severity)?])
        }
        (false, None, Some(shape), None) => {
            let made = anomaly::compile(&rule.name, shape, &matchers)?;
            let labels = vec![(anomaly::RULE_LABEL.to_owned(), rule.name.clone())];
            let mut rules: Vec<Rule> = made
                .records
                .into_iter()
                .map(|(name, expr)| recording(name, expr, labels.clone()))
                .collect::<Result<_, _>>()?;
            let above = Condition::Threshold {
                expr: made.score,
                op: Comparison::Greater,
                threshold: 1.0,
                recover: None,
            };
            rules.push(alerting(rule, with_recover(above, rule)?, rule.severity)?);
            Ok(rules)
        }
        (false, None, None, Some(shape)) => Ok(burning(rule, shape, &matchers)?),
        (false, None, None, None) => Err(
            "a rule needs a 'condition', a 'trend', an 'anomaly' or a 'burn_rate'"
                .to_owned()
                .into(),
        ),
        _ => Err(
            "only one of 'condition', 'trend', 'anomaly' and 'burn_rate' can be given"
                .to_owned()
                .into(),
        ),
    }
}

/// Two alerts of one name: the fast one as severe as the rule says, the slow one a warning at most.
fn burning(rule: &OwnRule, shape: &BurnShape, matchers: &str) -> Result<Vec<Rule>, String> {
    if rule.recover.is_some() {
        return Err("'recover' has no meaning for a burn rate: its short windows end it".to_owned());
    }
    let made = burn::compile(&rule.name, shape, matchers)?;
    let mut rules = Vec::new();
    for (window, expr) in made.records {
        let labels = vec![
            (anomaly::RULE_LABEL.to_owned(), rule.name.clone()),
            ("window".to_owned(), window),
        ];
        rules.push(recording(burn::BURN_RATE, expr, labels)?);
    }
    let filter = |expr: &str| Condition::Filter {
        expr: expr.to_owned(),
    };
    rules.push(alerting(rule, filter(&made.fast), rule.severity)?);
    let slow = rule.severity.min(Severity::Warning);
    let mut slower = alerting(rule, filter(&made.slow), slow)?;
    slower.labels.push(("burn".to_owned(), "slow".to_owned()));
    rules.push(slower);
    Ok(rules)
}

fn recording(name: &str, expr: String, labels: Vec<(String, String)>) -> Result<Rule, String> {
    parse(&expr).map_err(|e| format!("{e} (read as {expr})"))?;
    Ok(Rule {
        name: name.to_owned(),
        expr,
        labels,
        kind: RuleKind::Recording,
        line: 0,
        key: String::new(),
    })
}

fn alerting(rule: &OwnRule, condition: Condition, severity: Severity) -> Result<Rule, String> {
    parse(condition.expr()).map_err(|e| format!("{e} (read as {})", condition.expr()))?;
    let duration = |field: &Option<String>| match field {
        Some(text) => parse_duration_ms(text).map_err(|e| e.to_string()),
        None => Ok(0),
    };
    duration(&rule.cooldown)?;
    let mut labels = rule.labels.clone();
    labels.insert("severity".to_owned(), severity.as_str().to_owned());
    let mut annotations = rule.annotations.clone();
    let extra_labels = [("owner", &rule.owner), ("model", &rule.model)];
    for (name, value) in extra_labels {
        if let Some(value) = value {
            labels.insert(name.to_owned(), value.clone());
        }
    }
    let extra = [
        ("runbook_url", &rule.runbook),
        ("summary", &rule.summary),
        ("description", &rule.description),
        (COOLDOWN_ANNOTATION, &rule.cooldown),
    ];
    for (name, value) in extra {
        if let Some(value) = value {
            annotations.insert(name.to_owned(), value.clone());
        }
    }
    annotations
        .entry("summary".to_owned())
        .or_insert_with(|| default_summary(rule, &condition));
    for text in labels.values().chain(annotations.values()) {
        template::check(&rule.name, text).map_err(|e| e.to_string())?;
    }
    Ok(Rule {
        name: rule.name.clone(),
        expr: shown(&condition),
        labels: labels.into_iter().collect(),
        kind: RuleKind::Alerting(Box::new(Alerting {
            condition,
            for_ms: duration(&rule.for_)?,
            keep_firing_for_ms: duration(&rule.keep_firing_for)?,
            annotations: annotations.into_iter().collect(),
            no_data: rule.no_data,
        })),
        line: 0,
        key: String::new(),
    })
}

/// The whole condition in PromQL, for people.
fn shown(condition: &Condition) -> String {
    match condition {
        Condition::Filter { expr } => expr.clone(),
        Condition::Threshold {
            expr, op, threshold, ..
        } => match parse(expr).map(|e| e.kind) {
            Ok(ExprKind::Binary(_)) => format!("({expr}) {op} {threshold}"),
            _ => format!("{expr} {op} {threshold}"),
        },
    }
}

/// A message says value against threshold.
fn default_summary(rule: &OwnRule, condition: &Condition) -> String {
    match condition {
        Condition::Threshold { op, threshold, .. } => {
            format!(
                "{}: {{{{ $value | printf \"%.4g\" }}}} {op} {threshold}",
                rule.name
            )
        }
        Condition::Filter { .. } => format!("{}: {}", rule.name, rule.condition),
    }
}

fn condition_of(parsed: &Expr, promql: &str, rule: &OwnRule) -> Result<Condition, String> {
    let recover = rule.recover.as_deref();
    let threshold = match &parsed.kind {
        ExprKind::Binary(b) if !b.return_bool => {
            let op = Comparison::ALL.into_iter().find(|c| b.op.as_str() == c.as_str());
            op.zip(literal(&b.right))
                .map(|(op, n)| (b.left.to_string(), op, n))
        }
        _ => None,
    };
    let Some((expr, op, threshold)) = threshold else {
        return match recover {
            Some(_) => Err("'recover' needs a condition that compares with a number".to_owned()),
            None => Ok(Condition::Filter {
                expr: promql.to_owned(),
            }),
        };
    };
    if let Some(text) = recover
        && has_percentage(&rule.condition)
        && threshold.abs() <= 1.0
        && share(text.trim_start_matches(['<', '>', '='])).is_some_and(|n| n.abs() > 1.0)
    {
        return Err(format!(
            "'recover: {text}' stands beside a percentage; write {text}%"
        ));
    }
    Ok(Condition::Threshold {
        recover: recover.map(|text| recovers_at(text, op, threshold)).transpose()?,
        expr,
        op,
        threshold,
    })
}

fn with_recover(mut condition: Condition, rule: &OwnRule) -> Result<Condition, String> {
    if let Condition::Threshold {
        op,
        threshold,
        recover,
        ..
    } = &mut condition
        && let Some(text) = &rule.recover
    {
        *recover = Some(recovers_at(text, *op, *threshold)?);
    }
    Ok(condition)
}

/// Whether a number with a `%` stands there; one that divides stands behind a blank or a word.
fn has_percentage(condition: &str) -> bool {
    let before = condition.char_indices().filter(|(_, c)| *c == '%');
    before
        .map(|(at, _)| &condition[..at])
        .any(|text| text.ends_with(|c: char| c.is_ascii_digit()))
}

fn recovers_at(text: &str, op: Comparison, threshold: f64) -> Result<f64, String> {
    let trimmed = text.trim().trim_start_matches(['<', '>', '=']);
    let recover =
        share(trimmed).ok_or_else(|| format!("'recover: {text}' is not a number or a percentage"))?;
    let sensible = match op {
        Comparison::Greater | Comparison::GreaterEqual => recover <= threshold,
        Comparison::Less | Comparison::LessEqual => recover >= threshold,
        Comparison::Equal | Comparison::NotEqual => false,
    };
    if sensible {
        Ok(recover)
    } else {
        Err(format!(
            "'recover: {recover}' is on the wrong side of '{op} {threshold}'"
        ))
    }
}

fn literal(expr: &Expr) -> Option<f64> {
    match &expr.kind {
        ExprKind::Number { value, .. } => Some(*value),
        ExprKind::Paren(inner) => literal(inner),
        ExprKind::Unary(UnaryOp::Minus, inner) => literal(inner).map(|n| -n),
        ExprKind::Unary(UnaryOp::Plus, inner) => literal(inner),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
