//! Prometheus rule files, unchanged. Every mistake is reported at once, each with its line and column.

use super::condition::{Condition, NoData};
use super::group::{Alerting, Rule, RuleGroup, RuleKind, RulesOptions};
use super::keys::unknown_keys;
use super::tree::Tree;
use super::within::place_within;
use super::{mistyped, template};
use lapwing_query::promql::ParseError;
use lapwing_types::parse_duration_ms;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::{BTreeMap, HashSet};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}:{line}:{column}: {reason}")]
pub struct RuleFileError {
    pub file: String,
    pub line: u64,
    pub column: u64,
    pub reason: String,
    /// The byte of the condition that the reason speaks of; the condition's own place is for whoever has it to know.
    pub offset: Option<usize>,
}

#[derive(Default, Deserialize)]
pub(super) struct RawFile {
    #[serde(default)]
    pub(super) groups: Vec<Spanned<RawGroup>>,
}

#[derive(Deserialize)]
pub(super) struct RawGroup {
    pub(super) name: Spanned<String>,
    pub(super) interval: Option<Spanned<String>>,
    pub(super) query_offset: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) limit: i64,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) rules: Vec<Spanned<RawRule>>,
}

#[derive(Deserialize)]
pub(super) struct RawRule {
    pub(super) record: Option<Spanned<String>>,
    pub(super) alert: Option<Spanned<String>>,
    pub(super) expr: Option<Spanned<String>>,
    #[serde(rename = "for")]
    pub(super) for_: Option<Spanned<String>>,
    pub(super) keep_firing_for: Option<Spanned<String>>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Spanned<String>>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, Spanned<String>>,
}

/// Reads one file. `check` tells whether an expression is PromQL (the query engine's own parser).
pub fn load_rule_file(
    file: &str,
    text: &str,
    options: &RulesOptions,
    check: &dyn Fn(&str) -> Result<(), ParseError>,
) -> Result<Vec<RuleGroup>, Vec<RuleFileError>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let wrong = |(line, column, reason)| RuleFileError {
        file: file.to_owned(),
        line,
        column,
        reason,
        offset: None,
    };
    let tree = Tree::of(text);
    let strange = tree.as_ref().map(|tree| unknown_keys(&tree.value));
    let mut errors: Vec<RuleFileError> = strange.into_iter().flatten().map(wrong).collect();
    let raw: RawFile = match serde_saphyr::from_str(text) {
        Ok(raw) => raw,
        Err(e) => {
            let (raw, mistyped) = tree.as_ref().map_or_else(Default::default, mistyped::read);
            let (line, column) = e.location().map_or((1, 1), |at| (at.line(), at.column()));
            // What stopped the reading is one of them, or something that they are not.
            if mistyped.iter().all(|(l, _, _)| *l != line) {
                errors.push(wrong((line, column, first_line(&e.to_string()))));
            }
            errors.extend(mistyped.into_iter().map(wrong));
            raw
        }
    };
    let mut reader = Reader {
        file,
        options,
        check,
        text,
        errors,
    };
    let mut names = HashSet::new();
    let mut groups = Vec::new();
    for spanned in raw.groups {
        let group = spanned.value;
        if group.name.value.is_empty() {
            reader.error(&group.name, "group name must not be empty");
        }
        if !names.insert(group.name.value.clone()) {
            reader.error(
                &group.name,
                format!("group {:?} is repeated in the same file", group.name.value),
            );
        }
        groups.push(reader.group(group));
    }
    if reader.errors.is_empty() {
        Ok(groups)
    } else {
        Err(in_order(reader.errors))
    }
}

fn in_order(mut errors: Vec<RuleFileError>) -> Vec<RuleFileError> {
    errors.sort_by_key(|e| (e.line, e.column));
    errors
}

pub(super) fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

struct Reader<'a> {
    file: &'a str,
    options: &'a RulesOptions,
    check: &'a dyn Fn(&str) -> Result<(), ParseError>,
    text: &'a str,
    errors: Vec<RuleFileError>,
}

impl Reader<'_> {
    fn error<T>(&mut self, at: &Spanned<T>, reason: impl Into<String>) {
        self.error_at((at.referenced.line(), at.referenced.column()), reason);
    }

    fn error_at(&mut self, (line, column): (u64, u64), reason: impl Into<String>) {
        self.errors.push(RuleFileError {
            file: self.file.to_owned(),
            line,
            column,
            reason: reason.into(),
            offset: None,
        });
    }

    /// At the very place within an expression, where that can be told.
    fn expression(&mut self, expr: &Spanned<String>, error: &ParseError) {
        let begin = (expr.referenced.line(), expr.referenced.column());
        let at = place_within(self.text, begin, &expr.value, error.start).unwrap_or(begin);
        self.error_at(at, format!("could not parse expression: {error}"));
    }

    fn duration(&mut self, field: &Option<Spanned<String>>, default: i64) -> i64 {
        let Some(text) = field else { return default };
        match parse_duration_ms(&text.value) {
            Ok(ms) => ms,
            Err(e) => {
                self.error(text, e.to_string());
                default
            }
        }
    }

    fn group(&mut self, raw: RawGroup) -> RuleGroup {
        let interval_ms = match self.duration(&raw.interval, self.options.interval_ms) {
            0 => self.options.interval_ms,
            ms => ms,
        };
        let query_offset_ms = self.duration(&raw.query_offset, self.options.query_offset_ms);
        let rules = raw
            .rules
            .into_iter()
            .filter_map(|rule| self.rule(&rule, &raw.labels))
            .collect();
        RuleGroup {
            file: self.file.to_owned(),
            name: raw.name.value,
            interval_ms,
            query_offset_ms,
            limit: usize::try_from(raw.limit).unwrap_or(0),
            phase_ms: None,
            rules,
        }
    }

    fn rule(&mut self, spanned: &Spanned<RawRule>, group_labels: &BTreeMap<String, String>) -> Option<Rule> {
        let errors_before = self.errors.len();
        let line = spanned.referenced.line();
        let (name, is_alert) = match (&spanned.value.record, &spanned.value.alert) {
            (Some(record), None) => (record.value.clone(), false),
            (None, Some(alert)) => (alert.value.clone(), true),
            (Some(record), Some(_)) => {
                self.error(record, "only one of 'record' and 'alert' must be set");
                return None;
            }
            (None, None) => {
                self.error(spanned, "one of 'record' or 'alert' must be set");
                return None;
            }
        };
        let Some(expr) = &spanned.value.expr else {
            self.error(spanned, "field 'expr' must be set in rule");
            return None;
        };
        if let Err(error) = (self.check)(&expr.value) {
            self.expression(expr, &error);
        }
        self.names(spanned, is_alert);
        let raw = &spanned.value;
        let (for_ms, keep_firing_for_ms) = (
            self.duration(&raw.for_, 0),
            self.duration(&raw.keep_firing_for, 0),
        );
        for text in raw
            .labels
            .values()
            .chain(raw.annotations.values())
            .filter(|_| is_alert)
        {
            if let Err(e) = template::check(&name, &text.value) {
                self.error(text, format!("could not parse template: {e}"));
            }
        }
        if self.errors.len() > errors_before {
            return None;
        }
        let mut labels: BTreeMap<String, String> = group_labels.clone();
        labels.extend(raw.labels.iter().map(|(n, v)| (n.clone(), v.value.clone())));
        let kind = if is_alert {
            RuleKind::Alerting(Box::new(Alerting {
                condition: Condition::Filter {
                    expr: expr.value.clone(),
                },
                for_ms,
                keep_firing_for_ms,
                annotations: raw
                    .annotations
                    .iter()
                    .map(|(n, v)| (n.clone(), v.value.clone()))
                    .collect(),
                no_data: NoData::Ok,
            }))
        } else {
            RuleKind::Recording
        };
        Some(Rule {
            name,
            expr: expr.value.clone(),
            labels: labels.into_iter().collect(),
            kind,
            line,
            key: String::new(),
        })
    }

    fn names(&mut self, spanned: &Spanned<RawRule>, is_alert: bool) {
        let raw = &spanned.value;
        let name = raw.record.as_ref().or(raw.alert.as_ref());
        if let Some(name) = name.filter(|n| n.value.is_empty()) {
            self.error(name, "rule name must not be empty");
        }
        if !is_alert {
            for field in [&raw.for_, &raw.keep_firing_for].into_iter().flatten() {
                self.error(
                    field,
                    "invalid field in recording rule: only alerts take a duration",
                );
            }
            if let Some(first) = raw.annotations.values().next() {
                self.error(first, "invalid field 'annotations' in recording rule");
            }
            if let Some(record) = raw.record.as_ref().filter(|r| r.value.contains(['{', '}', '\n'])) {
                self.error(record, format!("invalid recording rule name {:?}", record.value));
            }
        }
        for (label, value) in &raw.labels {
            if label.is_empty() || label == lapwing_types::METRIC_NAME {
                self.error(value, format!("invalid label name {label:?}"));
            }
        }
    }
}
