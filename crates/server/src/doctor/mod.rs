//! What a start with this configuration meets, and what to do about it: the machine, the receivers, the sources.
//!
//! Nothing is changed and nobody is paged: targets are asked once, receivers are only connected to. One file per kind of
//! thing that is looked at; a new check is one function and one line in [`examine`].
//!
//! Useful for: `lapwing doctor` and the page that says the same. Not for: judging models, keeping what was found.

mod machine;
mod receivers;
mod sources;
mod store;

pub(crate) use store::store;

use crate::config::Config;
use std::path::Path;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Verdict {
    Fine,
    Warning,
    Error,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Finding {
    pub(crate) check: &'static str,
    pub(crate) verdict: Verdict,
    pub(crate) message: String,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) advice: Option<String>,
}

impl Finding {
    pub(crate) fn fine(check: &'static str, message: impl Into<String>) -> Self {
        Finding {
            check,
            verdict: Verdict::Fine,
            message: message.into(),
            advice: None,
        }
    }

    pub(crate) fn warning(
        check: &'static str,
        message: impl Into<String>,
        advice: impl Into<String>,
    ) -> Self {
        Finding {
            check,
            verdict: Verdict::Warning,
            message: message.into(),
            advice: Some(advice.into()),
        }
    }

    pub(crate) fn error(check: &'static str, message: impl Into<String>, advice: impl Into<String>) -> Self {
        Finding {
            verdict: Verdict::Error,
            ..Finding::warning(check, message, advice)
        }
    }
}

/// For whom is looked.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) is_in_memory: bool,
    /// It runs already: its port is its own.
    pub(crate) is_running: bool,
}

pub(crate) async fn examine(config: &Config, place: Place) -> Vec<Finding> {
    let mut findings = vec![machine::clock()];
    if !place.is_in_memory {
        findings.push(machine::disk(&config.store.data));
    }
    findings.push(machine::open_files(config.limits.connections_max));
    findings.push(machine::memory(config));
    if !place.is_running {
        findings.push(machine::port(config).await);
    }
    findings.push(machine::gpu());
    findings.extend(sources::examine(config).await);
    findings.extend(receivers::examine(config).await);
    findings
}

/// The nearest folder that exists, for a data directory that is made only at the first start.
fn existing(path: &Path) -> &Path {
    let mut here = path;
    while !here.exists() {
        match here.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => here = parent,
            _ => return Path::new("."),
        }
    }
    here
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_folder_that_will_hold_the_data_is_looked_at() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(existing(&dir.path().join("a/b")), dir.path());
        assert_eq!(existing(Path::new("not-there-yet")), Path::new("."));
    }

    #[test]
    fn a_finding_as_json_leaves_out_what_it_has_not() {
        let fine = serde_json::to_value(Finding::fine("clock", "ticks")).unwrap();
        assert_eq!(
            fine,
            serde_json::json!({ "check": "clock", "verdict": "fine", "message": "ticks" })
        );
    }
}
