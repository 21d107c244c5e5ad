//! What a module of blackbox_exporter asks of an HTTP answer beyond `expect:`, to the letter: every value of a header counts, a body
//! may be of any length, and what is packed is unpacked where the module says how.

use super::exchange::{Answer, Reading};
use super::look::{Fault, Found, Look};
use lapwing_types::ProbeReason;
use regex::Regex;

/// So much of a body is looked at by expressions; what is longer is read, counted and let go.
const JUDGED_BYTES_MAX: u64 = 16 << 20;
/// So much of it is kept for a person, where nothing looks at it.
const SHOWN_BYTES: u64 = 4 << 10;

#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpRules {
    pub(super) headers: Vec<HeaderRule>,
    pub(super) is_gzip: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) struct HeaderRule {
    pub(super) header: String,
    pub(super) pattern: String,
    pub(super) may_be_missing: bool,
    /// Whether a value has to match, or none may.
    pub(super) must_match: bool,
}

impl HttpRules {
    pub(super) fn check(&self) -> Result<(), String> {
        for HeaderRule { header, pattern, .. } in &self.headers {
            if header.is_empty() || pattern.is_empty() {
                return Err("a condition on a header needs `header` and `regexp`".to_owned());
            }
            Regex::new(pattern).map_err(|e| format!("{pattern:?} is not a regular expression: {e}"))?;
        }
        Ok(())
    }

    pub(super) fn reading(&self, is_judged: bool, bytes_max: Option<u64>) -> Reading {
        Reading {
            // There, no limit is spelt 0, too.
            bytes_max: bytes_max.filter(|max| *max > 0).unwrap_or(u64::MAX),
            kept_max: if is_judged { JUDGED_BYTES_MAX } else { SHOWN_BYTES },
            fails_unkept: is_judged,
            is_gzip: self.is_gzip,
        }
    }

    pub(super) fn judge(&self, look: &Look, answer: &Answer) -> Found {
        if self.headers.is_empty() {
            return Ok(());
        }
        let judged = self.headers.iter().try_for_each(|rule| rule.judge(answer));
        look.measure("probe_failed_due_to_regex", f64::from(u8::from(judged.is_err())));
        judged
    }
}

impl HeaderRule {
    fn judge(&self, answer: &Answer) -> Found {
        let HeaderRule { header, pattern, .. } = self;
        let wrong = |what: String| Err(Fault::new(ProbeReason::Header, what));
        let mut values = answer.all(header).peekable();
        if values.peek().is_none() {
            return match self.may_be_missing {
                true => Ok(()),
                false => wrong(format!("there is no header {header}")),
            };
        }
        let regex = Regex::new(pattern).map_err(|e| Fault::config(e.to_string()))?;
        let first = values.peek().copied().unwrap_or_default();
        match (values.find(|v| regex.is_match(v)), self.must_match) {
            (None, true) => wrong(format!("header {header} is {first:?}, not {pattern:?}")),
            (Some(value), false) => wrong(format!("header {header} is {value:?}, which matches {pattern:?}")),
            _ => Ok(()),
        }
    }
}
