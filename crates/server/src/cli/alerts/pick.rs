//! Which alerts are meant: matchers (`severity=critical`), a name, or the beginning of a fingerprint.

use crate::cli::remote::{Call, RemoteError, ServerArgs};
use lapwing_types::Severity;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// An alert as API v2 shows it.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AlertRow {
    pub(crate) fingerprint: String,
    pub(crate) labels: BTreeMap<String, String>,
    #[serde(default)]
    pub(crate) annotations: BTreeMap<String, String>,
    pub(crate) starts_at: jiff::Timestamp,
    pub(crate) status: StatusRow,
    #[serde(default)]
    pub(crate) receivers: Vec<ReceiverRow>,
    #[serde(rename = "generatorURL", default, skip_serializing_if = "String::is_empty")]
    pub(crate) generator_url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) acked_by: Option<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StatusRow {
    pub(crate) state: String,
    #[serde(default)]
    pub(crate) silenced_by: Vec<String>,
    #[serde(default)]
    pub(crate) inhibited_by: Vec<String>,
    #[serde(default)]
    pub(crate) muted_by: Vec<String>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct ReceiverRow {
    pub(crate) name: String,
}

impl AlertRow {
    pub(crate) fn name(&self) -> &str {
        self.labels.get("alertname").map_or("", String::as_str)
    }

    pub(crate) fn severity(&self) -> Severity {
        let word = self.labels.get("severity").map_or("", String::as_str);
        Severity::parse(word).unwrap_or_default()
    }
}

/// Fingerprints are written with so many digits.
const FINGERPRINT_CHARS: usize = 16;
/// Fewer could be a name.
const FINGERPRINT_CHARS_MIN: usize = 6;

pub(crate) fn is_fingerprint(word: &str) -> bool {
    (FINGERPRINT_CHARS_MIN..=FINGERPRINT_CHARS).contains(&word.len())
        && word
            .bytes()
            .all(|b| b.is_ascii_hexdigit() && !b.is_ascii_uppercase())
        && word.bytes().any(|b| b.is_ascii_digit())
}

/// `HighLoss` is short for `alertname="HighLoss"`.
pub(crate) fn matcher_of(word: &str) -> String {
    if word.contains(['=', '!', '~', '{']) {
        word.to_owned()
    } else {
        format!("alertname={word:?}")
    }
}

/// The worst first, the oldest first among equals.
pub(crate) fn pick(server: &ServerArgs, words: &[String]) -> Result<Vec<AlertRow>, RemoteError> {
    let (prints, matchers): (Vec<&String>, Vec<&String>) = words.iter().partition(|w| is_fingerprint(w));
    let mut call = Call::get("/api/v2/alerts");
    for word in matchers {
        call = call.with("filter", matcher_of(word));
    }
    let mut rows: Vec<AlertRow> = server.ask(call)?;
    rows.retain(|row| prints.is_empty() || prints.iter().any(|p| row.fingerprint.starts_with(*p)));
    rows.sort_by(|a, b| {
        let key = |r: &AlertRow| (std::cmp::Reverse(r.severity()), r.starts_at);
        key(a).cmp(&key(b)).then_with(|| a.name().cmp(b.name()))
    });
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_a_fingerprint_a_name_or_a_matcher() {
        assert!(is_fingerprint("0c1d2e3f4a5b6c7d") && is_fingerprint("0c1d2e"));
        assert!(!is_fingerprint("HighLoss") && !is_fingerprint("deadbeef") && !is_fingerprint("12a"));
        assert_eq!(matcher_of("HighLoss"), "alertname=\"HighLoss\"");
        assert_eq!(matcher_of("severity=~\"a|b\""), "severity=~\"a|b\"");
    }
}
