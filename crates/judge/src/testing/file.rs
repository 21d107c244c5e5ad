//! The file as it is written.

use crate::rules::{OwnRule, RuleFileError, RulesOptions};
use lapwing_types::parse_duration_ms;
use serde::Deserialize;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestFile {
    #[serde(default)]
    pub rule_files: Vec<String>,
    #[serde(default)]
    pub evaluation_interval: Option<String>,
    #[serde(default)]
    pub group_eval_order: Vec<String>,
    #[serde(default)]
    pub fuzzy_compare: bool,
    #[serde(default)]
    pub tests: Vec<Spanned<TestCase>>,
    /// Ours: rules as in `lapwing.yml`.
    #[serde(default)]
    pub rules: Vec<Spanned<OwnRule>>,
    /// Ours: built-in packs by name.
    #[serde(default)]
    pub packs: Vec<Spanned<String>>,
    /// Ours: who is told, as in `lapwing.yml`.
    #[serde(default)]
    pub notify: Option<serde_json::Value>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestCase {
    #[serde(default)]
    pub name: String,
    #[serde(default)]
    pub interval: Option<String>,
    #[serde(default)]
    pub input_series: Vec<Spanned<InputSeries>>,
    #[serde(default)]
    pub alert_rule_test: Vec<Spanned<AlertTest>>,
    #[serde(default)]
    pub promql_expr_test: Vec<Spanned<ExprTest>>,
    #[serde(default)]
    pub external_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub external_url: String,
    /// When the first sample is: RFC 3339 or seconds since 1970 (0). Mute times need it.
    #[serde(default, alias = "start")]
    pub start_timestamp: Option<String>,
    /// Ours: every page that leaves, in order.
    #[serde(default)]
    pub pages: Option<Vec<Spanned<ExpectedPage>>>,
    /// Ours: what people and networks do while it runs.
    #[serde(default)]
    pub meanwhile: Vec<Spanned<Deed>>,
    /// Ours: how long to watch for pages (until the last sample).
    #[serde(default)]
    pub until: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InputSeries {
    pub series: String,
    #[serde(default)]
    pub values: String,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AlertTest {
    pub eval_time: String,
    pub alertname: String,
    #[serde(default)]
    pub exp_alerts: Vec<ExpectedAlert>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedAlert {
    #[serde(default)]
    pub exp_labels: BTreeMap<String, String>,
    #[serde(default)]
    pub exp_annotations: BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExprTest {
    pub expr: String,
    pub eval_time: String,
    #[serde(default)]
    pub exp_samples: Vec<ExpectedSample>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedSample {
    #[serde(default)]
    pub labels: String,
    #[serde(default)]
    pub value: f64,
    /// In the place of a value.
    #[serde(default)]
    pub histogram: Option<String>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectedPage {
    /// Since the start; within the same evaluation interval.
    pub at: String,
    pub receiver: String,
    /// Alert names that it says fire.
    #[serde(default)]
    pub firing: Vec<String>,
    #[serde(default)]
    pub resolved: Vec<String>,
    /// What stands in the rendered message.
    #[serde(default)]
    pub contains: Vec<String>,
}

/// One of `ack`, `unack`, `silence`, `outage`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deed {
    /// Since the start; after what rules find at that instant.
    pub at: String,
    /// An alert's name, or matchers: somebody has it.
    #[serde(default)]
    pub ack: Option<String>,
    /// Somebody gives it back.
    #[serde(default)]
    pub unack: Option<String>,
    #[serde(default)]
    pub silence: Option<String>,
    /// A receiver that takes nothing.
    #[serde(default)]
    pub outage: Option<String>,
    /// How long it lasts; an ack lasts until the end of the alert otherwise.
    #[serde(default, rename = "for")]
    pub lasts: Option<String>,
    #[serde(default)]
    pub by: Option<String>,
    #[serde(default)]
    pub comment: String,
}

impl TestFile {
    pub fn parse(file: &str, text: &str) -> Result<TestFile, RuleFileError> {
        serde_saphyr::from_str(text).map_err(|e| {
            let at = e.location();
            RuleFileError {
                file: file.to_owned(),
                line: at.map_or(1, |l| l.line()),
                column: at.map_or(1, |l| l.column()),
                reason: e.to_string().lines().next().unwrap_or_default().to_owned(),
                offset: None,
            }
        })
    }

    pub fn interval_ms(&self) -> Result<i64, String> {
        duration("evaluation_interval", self.evaluation_interval.as_deref(), 60_000)
    }

    /// What a test's rules are evaluated with.
    pub fn options(&self, test: &TestCase) -> Result<RulesOptions, String> {
        Ok(RulesOptions {
            external_labels: test.external_labels.clone().into_iter().collect(),
            external_url: test.external_url.clone(),
            interval_ms: self.interval_ms()?,
            ..RulesOptions::default()
        })
    }
}

pub(super) fn duration(field: &str, text: Option<&str>, default_ms: i64) -> Result<i64, String> {
    let ms = match text {
        None => default_ms,
        Some(text) => parse_duration_ms(text).map_err(|e| format!("{field}: {e}"))?,
    };
    if ms > 0 {
        Ok(ms)
    } else {
        Err(format!("{field} must be longer than nothing"))
    }
}
