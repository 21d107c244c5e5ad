//! How bad it is: the union of the words that the systems before us used.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Ascending: `Info < Warning < Error < Critical < Emergency`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Info,
    #[default]
    Warning,
    Error,
    Critical,
    Emergency,
}

impl Severity {
    pub const ALL: [Severity; 5] = [
        Severity::Info,
        Severity::Warning,
        Severity::Error,
        Severity::Critical,
        Severity::Emergency,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Severity::Info => "info",
            Severity::Warning => "warning",
            Severity::Error => "error",
            Severity::Critical => "critical",
            Severity::Emergency => "emergency",
        }
    }

    /// Also the synonyms that public rule files use (`page`, `warn`, `none`).
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word.to_ascii_lowercase().as_str() {
            "info" | "informational" | "notice" | "none" | "low" => Severity::Info,
            "warning" | "warn" | "minor" | "medium" => Severity::Warning,
            "error" | "major" | "high" => Severity::Error,
            "critical" | "crit" | "page" => Severity::Critical,
            "emergency" | "fatal" | "disaster" => Severity::Emergency,
            _ => return None,
        })
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_and_reads_its_own_words() {
        assert!(Severity::ALL.is_sorted());
        for severity in Severity::ALL {
            assert_eq!(Severity::parse(severity.as_str()), Some(severity));
        }
        assert_eq!(Severity::parse("page"), Some(Severity::Critical));
        assert_eq!(Severity::parse("purple"), None);
    }
}
