//! What was typed under `relabel_configs`, with Prometheus's defaults, and what is refused about it.

use super::action::{Action, Rule};
use crate::http::loose;
use lapwing_types::go_regex_whole;
use serde::{Deserialize, Serialize};

const DEFAULT_REGEX: &str = "(.*)";
const DEFAULT_SEPARATOR: &str = ";";
const DEFAULT_REPLACEMENT: &str = "$1";

/// One rule as typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RelabelConfig {
    pub source_labels: Vec<String>,
    #[serde(deserialize_with = "loose::text")]
    pub separator: String,
    #[serde(deserialize_with = "loose::text")]
    pub regex: String,
    pub modulus: u64,
    #[serde(deserialize_with = "loose::text")]
    pub target_label: String,
    #[serde(deserialize_with = "loose::text")]
    pub replacement: String,
    pub action: Action,
}

impl Default for RelabelConfig {
    fn default() -> Self {
        RelabelConfig {
            source_labels: Vec::new(),
            separator: DEFAULT_SEPARATOR.to_owned(),
            regex: DEFAULT_REGEX.to_owned(),
            modulus: 0,
            target_label: String::new(),
            replacement: DEFAULT_REPLACEMENT.to_owned(),
            action: Action::Replace,
        }
    }
}

/// Which rule is wrong, counted from 0, and why.
#[derive(Clone, Debug, thiserror::Error)]
#[error("relabel rule {index}")]
pub struct RelabelError {
    pub index: usize,
    #[source]
    pub reason: RelabelReason,
}

#[derive(Clone, Debug, thiserror::Error)]
pub enum RelabelReason {
    #[error("\"\" in source_labels is no name of a label: leave it out")]
    EmptySource,
    #[error("action {action} needs a target_label")]
    NoTarget { action: Action },
    #[error("action hashmod needs a modulus above 0")]
    NoModulus,
    #[error("action {action} takes only {fields}")]
    OnlyFields { action: Action, fields: &'static str },
    #[error("action {action} takes no replacement")]
    NoReplacement { action: Action },
    #[error("action labelmap needs a replacement")]
    EmptyReplacement,
    #[error("invalid regular expression {pattern:?}")]
    Regex {
        pattern: String,
        #[source]
        source: regex::Error,
    },
}

impl RelabelConfig {
    /// Checks what was typed and compiles it.
    pub(super) fn compile(&self) -> Result<Rule, RelabelReason> {
        self.check()?;
        let regex = go_regex_whole(&self.regex).map_err(|source| RelabelReason::Regex {
            pattern: self.regex.clone(),
            source,
        })?;
        Ok(Rule {
            config: self.clone(),
            regex,
            matches_all: self.regex == DEFAULT_REGEX,
        })
    }

    fn check(&self) -> Result<(), RelabelReason> {
        use Action::{
            DropEqual, HashMod, KeepEqual, LabelDrop, LabelKeep, LabelMap, Lowercase, Replace, Uppercase,
        };
        let action = self.action;
        if self.source_labels.iter().any(String::is_empty) {
            return Err(RelabelReason::EmptySource);
        }
        let default = RelabelConfig::default();
        let needs_target = matches!(
            action,
            Replace | HashMod | Lowercase | Uppercase | KeepEqual | DropEqual
        );
        if needs_target && self.target_label.is_empty() {
            return Err(RelabelReason::NoTarget { action });
        }
        if action == HashMod && self.modulus == 0 {
            return Err(RelabelReason::NoModulus);
        }
        if action == LabelMap && self.replacement.is_empty() {
            return Err(RelabelReason::EmptyReplacement);
        }
        let plain = |c: &RelabelConfig| {
            c.modulus == default.modulus
                && c.separator == default.separator
                && c.replacement == default.replacement
        };
        if matches!(action, KeepEqual | DropEqual) && !(plain(self) && self.regex == default.regex) {
            let fields = "source_labels and target_label";
            return Err(RelabelReason::OnlyFields { action, fields });
        }
        let untargeted = self.source_labels.is_empty() && self.target_label.is_empty();
        if matches!(action, LabelDrop | LabelKeep) && !(plain(self) && untargeted) {
            let fields = "regex";
            return Err(RelabelReason::OnlyFields { action, fields });
        }
        if matches!(action, Lowercase | Uppercase) && self.replacement != default.replacement {
            return Err(RelabelReason::NoReplacement { action });
        }
        Ok(())
    }
}
