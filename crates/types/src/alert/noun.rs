//! One alert: something that is, or was, bad about one label set.

use crate::{Fingerprint, Labels, Severity};
use serde::{Deserialize, Serialize};

/// The label that names an alert.
pub const ALERT_NAME: &str = "alertname";
/// The label that says how bad it is.
pub const SEVERITY_LABEL: &str = "severity";

/// Where an alert of a rule stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AlertState {
    #[default]
    Inactive,
    /// True, but not yet for as long as `for` asks.
    Pending,
    Firing,
}

impl AlertState {
    pub fn as_str(self) -> &'static str {
        match self {
            AlertState::Inactive => "inactive",
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
        }
    }
}

/// An alert as it travels from whoever found it to whoever must know.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Its identity, `alertname` included.
    pub labels: Labels,
    #[serde(default)]
    pub annotations: Labels,
    pub starts_at_ms: i64,
    /// When it ended, or (with `expires`) when it ends unless its sender repeats it. `None`: open until told otherwise.
    #[serde(default)]
    pub ends_at_ms: Option<i64>,
    /// `ends_at_ms` is a deadline for the sender's next word, not something that was observed.
    #[serde(default)]
    pub expires: bool,
    #[serde(default)]
    pub updated_at_ms: i64,
    #[serde(default)]
    pub generator_url: String,
}

impl Alert {
    pub fn name(&self) -> &str {
        self.labels.get(ALERT_NAME).unwrap_or("")
    }

    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.labels)
    }

    /// From the `severity` label; an alert without one is a warning.
    pub fn severity(&self) -> Severity {
        self.labels
            .get(SEVERITY_LABEL)
            .and_then(Severity::parse)
            .unwrap_or_default()
    }

    pub fn is_resolved_at(&self, now_ms: i64) -> bool {
        self.ends_at_ms.is_some_and(|end| end <= now_ms)
    }
}
