//! Lapwing's own rules: conditions in plain words, and what each became.
//!
//! A condition becomes PromQL (see `plain`); a comparison with a number at its top is then taken apart, see
//! [`Condition`].

use super::condition::{Comparison, Condition, NoData};
use super::file::RuleFileError;
use super::group::{Alerting, Rule, RuleGroup, RuleKind, RulesOptions};
use super::plain::{to_promql, words};
use super::{names, template};
use lapwing_query::promql::{Expr, ExprKind, UnaryOp, parse};
use lapwing_types::{Severity, format_duration_ms, parse_duration_ms};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One entry of `rules:` in `lapwing.yml`.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OwnRule {
    pub name: String,
    #[serde(alias = "expr")]
    pub condition: String,
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
            Ok(mut made) => {
                made.line = *line;
                compiled.push(made);
            }
            Err(reason) => errors.push(RuleFileError {
                file: file.to_owned(),
                line: *line,
                column: 1,
                reason: format!("rule {:?}: {reason}", rule.name),
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
        rules: compiled,
    })
}

pub fn explain(rule: &OwnRule) -> Result<Explained, String> {
    let compiled = compile(rule)?;
    let RuleKind::Alerting(alerting) = &compiled.kind else {
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
    let used = words(&rule.condition);
    Ok(Explained {
        name: rule.name.clone(),
        condition: rule.condition.clone(),
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
    })
}

fn compile(rule: &OwnRule) -> Result<Rule, String> {
    if rule.name.trim().is_empty() {
        return Err("a rule needs a name".to_owned());
    }
    let matchers = rule
        .model
        .as_ref()
        .map(|m| format!("model={m:?}"))
        .unwrap_or_default();
    let promql = to_promql(&rule.condition, &matchers);
    let parsed = parse(&promql).map_err(|e| {
        format!(
            "condition {:?} is not understood: {e} (read as {promql})",
            rule.condition
        )
    })?;
    let condition = condition_of(&parsed, &promql, rule.recover.as_deref())?;
    let duration = |field: &Option<String>| match field {
        Some(text) => parse_duration_ms(text).map_err(|e| e.to_string()),
        None => Ok(0),
    };
    duration(&rule.cooldown)?;
    let mut labels = rule.labels.clone();
    labels.insert("severity".to_owned(), rule.severity.as_str().to_owned());
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
        expr: promql,
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

fn condition_of(parsed: &Expr, promql: &str, recover: Option<&str>) -> Result<Condition, String> {
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
    let recover = match recover {
        None => None,
        Some(text) => Some(recover_value(text)?),
    };
    if let Some(recover) = recover {
        let sensible = match op {
            Comparison::Greater | Comparison::GreaterEqual => recover <= threshold,
            Comparison::Less | Comparison::LessEqual => recover >= threshold,
            Comparison::Equal | Comparison::NotEqual => false,
        };
        if !sensible {
            return Err(format!(
                "'recover: {recover}' is on the wrong side of '{op} {threshold}'"
            ));
        }
    }
    Ok(Condition::Threshold {
        expr,
        op,
        threshold,
        recover,
    })
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

fn recover_value(text: &str) -> Result<f64, String> {
    let trimmed = text.trim().trim_start_matches(['<', '>', '=']).trim();
    let (digits, scale) = match trimmed.strip_suffix('%') {
        Some(digits) => (digits.trim(), 100.0),
        None => (trimmed, 1.0),
    };
    digits
        .parse::<f64>()
        .map(|n| n / scale)
        .map_err(|_| format!("'recover: {text}' is not a number or a percentage"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(condition: &str) -> OwnRule {
        OwnRule {
            name: "r".to_owned(),
            condition: condition.to_owned(),
            enabled: true,
            ..OwnRule::default()
        }
    }

    #[track_caller]
    fn check(condition: &str, compares: &str, promql_has: &str) {
        let explained = explain(&rule(condition)).unwrap();
        assert_eq!(explained.compares.as_deref(), Some(compares), "{condition}");
        assert!(
            explained.promql.contains(promql_has),
            "{condition}: {}",
            explained.promql
        );
    }

    #[test]
    fn the_seeds_conditions_are_understood() {
        check("cpu_usage > 80%", "> 0.8", "node_cpu_seconds_total");
        check("error_rate > 0.05", "> 0.05", "lapwing_operations_total");
        check("p95_latency > 2.0", "> 2", "histogram_quantile(0.95");
        check("quality_score < 0.7", "< 0.7", "quality_score");
        check("disk_usage >= 90%", ">= 0.9", "node_filesystem_avail_bytes");
        check("throughput <= 500", "<= 500", "lapwing_operations_total");
        check("up{job=\"cpu_usage\"} == 0", "== 0", "up{job=\"cpu_usage\"}");
        check("cpu_usage{instance=\"a\"} > 50%", "> 0.5", "instance=\"a\"");
    }

    #[test]
    fn mistakes_are_told() {
        let error = |r: &OwnRule| compile(r).map(|_| ()).unwrap_err();
        assert!(error(&rule("cpu_usage >")).contains("is not understood"));
        let wrong = OwnRule {
            recover: Some("90%".to_owned()),
            ..rule("cpu_usage > 80%")
        };
        assert!(error(&wrong).contains("wrong side"));
        let model = OwnRule {
            model: Some("chat".to_owned()),
            recover: Some("< 3%".to_owned()),
            ..rule("error_rate > 5%")
        };
        let explained = explain(&model).unwrap();
        assert_eq!(explained.recovers.as_deref(), Some("when no longer > 0.03"));
        assert!(explained.promql.contains("model=\"chat\""));
    }
}
