//! What each action does to a label set.

use super::config::RelabelConfig;
use lapwing_types::LabelsBuilder;
use md5::{Digest, Md5};
use regex::Regex;
use serde::de::IntoDeserializer;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase", remote = "Self")]
pub enum Action {
    #[default]
    Replace,
    Keep,
    Drop,
    KeepEqual,
    DropEqual,
    HashMod,
    LabelMap,
    LabelDrop,
    LabelKeep,
    Lowercase,
    Uppercase,
}

/// In whatever case it was typed, as Prometheus takes it.
impl<'de> Deserialize<'de> for Action {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let typed = String::deserialize(deserializer)?;
        Action::deserialize(typed.to_lowercase().into_deserializer())
    }
}

impl Serialize for Action {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Action::Replace => "replace",
            Action::Keep => "keep",
            Action::Drop => "drop",
            Action::KeepEqual => "keepequal",
            Action::DropEqual => "dropequal",
            Action::HashMod => "hashmod",
            Action::LabelMap => "labelmap",
            Action::LabelDrop => "labeldrop",
            Action::LabelKeep => "labelkeep",
            Action::Lowercase => "lowercase",
            Action::Uppercase => "uppercase",
        })
    }
}

/// What one rule did.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum StepOutcome {
    Unchanged,
    Changed,
    Dropped,
}

/// A checked and compiled rule.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) config: RelabelConfig,
    pub(super) regex: Regex,
    /// The default pattern, which needs no engine.
    pub(super) matches_all: bool,
}

impl Rule {
    /// False: the label set is dropped.
    pub(super) fn apply(&self, labels: &mut LabelsBuilder) -> bool {
        match self.config.action {
            Action::Replace => self.replace(labels),
            Action::Keep => return self.is_match(&self.source(labels)),
            Action::Drop => return !self.is_match(&self.source(labels)),
            Action::KeepEqual => return self.equals_target(labels),
            Action::DropEqual => return !self.equals_target(labels),
            Action::HashMod => self.hash_mod(labels),
            Action::LabelMap => self.label_map(labels),
            Action::LabelDrop => self.remove_names(labels, true),
            Action::LabelKeep => self.remove_names(labels, false),
            Action::Lowercase => self.set_target(labels, |s| s.to_lowercase()),
            Action::Uppercase => self.set_target(labels, |s| s.to_uppercase()),
        }
        true
    }

    /// Values of the source labels ("" for an absent one), joined.
    fn source(&self, labels: &LabelsBuilder) -> String {
        let mut joined = String::new();
        for (i, name) in self.config.source_labels.iter().enumerate() {
            if i > 0 {
                joined.push_str(&self.config.separator);
            }
            joined.push_str(labels.get(name).unwrap_or(""));
        }
        joined
    }

    fn is_match(&self, text: &str) -> bool {
        self.matches_all || self.regex.is_match(text)
    }

    fn equals_target(&self, labels: &LabelsBuilder) -> bool {
        labels.get(&self.config.target_label).unwrap_or("") == self.source(labels)
    }

    fn set_target(&self, labels: &mut LabelsBuilder, change: fn(&str) -> String) {
        let value = change(&self.source(labels));
        labels.set(&self.config.target_label, value);
    }

    /// No match leaves everything as it is; an empty result removes the target label.
    fn replace(&self, labels: &mut LabelsBuilder) {
        let source = self.source(labels);
        let Some(captures) = self.regex.captures(&source) else {
            return;
        };
        let mut target = String::new();
        captures.expand(&self.config.target_label, &mut target);
        if target.is_empty() {
            return;
        }
        let mut value = String::new();
        captures.expand(&self.config.replacement, &mut value);
        if value.is_empty() {
            labels.remove(&target);
        } else {
            labels.set(&target, value);
        }
    }

    /// The last eight bytes of the MD5 sum, big-endian, as Prometheus computes it: both must shard alike.
    fn hash_mod(&self, labels: &mut LabelsBuilder) {
        let sum = Md5::digest(self.source(labels).as_bytes());
        let mut last = [0; 8];
        last.copy_from_slice(&sum[8..16]);
        let shard = u64::from_be_bytes(last) % self.config.modulus;
        labels.set(&self.config.target_label, shard.to_string());
    }

    fn label_map(&self, labels: &mut LabelsBuilder) {
        let mut mapped = Vec::new();
        for (name, value) in labels.iter().filter(|(_, v)| !v.is_empty()) {
            if let Some(captures) = self.regex.captures(name) {
                let mut to = String::new();
                captures.expand(&self.config.replacement, &mut to);
                mapped.push((to, value.to_owned()));
            }
        }
        for (name, value) in mapped {
            if !name.is_empty() {
                labels.set(&name, value);
            }
        }
    }

    fn remove_names(&self, labels: &mut LabelsBuilder, matching: bool) {
        let names: Vec<String> = labels
            .iter()
            .map(|(n, _)| n)
            .filter(|n| self.is_match(n) == matching)
            .map(str::to_owned)
            .collect();
        for name in names {
            labels.remove(&name);
        }
    }
}
