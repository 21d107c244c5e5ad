//! A group of targets that share labels: the form in which every kind of discovery answers.

use crate::http::loose;
use lapwing_types::{Labels, LabelsBuilder};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A group as typed in a config, in a file or in an HTTP answer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct StaticConfig {
    #[serde(deserialize_with = "loose::or_nothing")]
    pub targets: Vec<String>,
    #[serde(deserialize_with = "loose::map")]
    pub labels: BTreeMap<String, String>,
}

/// Targets from one source (a file, a pod, a service); the next answer of that source replaces it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TargetGroup {
    pub source: String,
    /// One label set per target, `__address__` among them, the group's own labels included.
    pub targets: Vec<Labels>,
}

impl TargetGroup {
    /// Each address with the group's labels and `extra` ones (the target's own `__address__` wins).
    pub fn of_static(source: &str, config: &StaticConfig, extra: &[(&str, &str)]) -> Self {
        let targets = config.targets.iter().map(|address| {
            let mut builder = LabelsBuilder::new();
            for (name, value) in extra {
                builder.set(name, *value);
            }
            for (name, value) in &config.labels {
                builder.set(name, value.as_str());
            }
            builder.set("__address__", address.as_str());
            builder.build()
        });
        TargetGroup {
            source: source.to_owned(),
            targets: targets.collect(),
        }
    }
}
