//! What a module of blackbox_exporter says of a DNS question and its answer beyond `dns:`, to the letter.
//!
//! `fail_if_all_match_regexp` fails there where *not* all records match; whoever comes from there has tuned his file to that.

use super::dial::TlsOptions;
use super::look::{Fault, Found};
use lapwing_types::ProbeReason;
use regex::Regex;
use serde::{Deserialize, Serialize};

const CLASSES: [(&str, u16); 5] = [("IN", 1), ("CS", 2), ("CH", 3), ("HS", 4), ("ANY", 255)];

#[derive(Clone, Debug, PartialEq)]
pub struct DnsRules {
    pub(super) class: u16,
    pub(super) wants_recursion: bool,
    pub(super) tls: Option<TlsOptions>,
    /// Of the answer, the authority and the additional section.
    pub(super) sections: [RecordRules; 3],
}

/// The words of one `validate_…_rrs`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct RecordRules {
    fail_if_matches_regexp: Vec<String>,
    fail_if_all_match_regexp: Vec<String>,
    fail_if_not_matches_regexp: Vec<String>,
    fail_if_none_matches_regexp: Vec<String>,
}

pub(super) fn class_number(word: Option<&str>) -> Result<u16, String> {
    let word = word.filter(|w| !w.is_empty()).unwrap_or("IN");
    let known = CLASSES.iter().find(|(name, _)| *name == word);
    known
        .map(|(_, n)| *n)
        .ok_or_else(|| format!("query_class {word:?} is none of IN, CS, CH, HS, ANY"))
}

impl DnsRules {
    pub(super) fn check(&self) -> Result<(), String> {
        self.sections.iter().try_for_each(RecordRules::check)
    }

    pub(super) fn judge(&self, sections: [&[String]; 3]) -> Found {
        const NAMES: [&str; 3] = ["answer", "authority", "additional"];
        for ((rules, records), name) in self.sections.iter().zip(sections).zip(NAMES) {
            rules.judge(records).map_err(|what| {
                let detail = format!("{name} records: {what}: {}", records.join(", "));
                Fault::new(ProbeReason::Answer, detail)
            })?;
        }
        Ok(())
    }
}

impl RecordRules {
    fn check(&self) -> Result<(), String> {
        let all = [
            &self.fail_if_matches_regexp,
            &self.fail_if_all_match_regexp,
            &self.fail_if_not_matches_regexp,
            &self.fail_if_none_matches_regexp,
        ];
        all.into_iter()
            .flatten()
            .try_for_each(|pattern| compiled(pattern).map(drop))
    }

    /// Each record as a zone file has it.
    fn judge(&self, records: &[String]) -> Result<(), String> {
        let must_be_there =
            !self.fail_if_not_matches_regexp.is_empty() || !self.fail_if_none_matches_regexp.is_empty();
        if records.is_empty() && must_be_there {
            return Err("there are none".to_owned());
        }
        for pattern in &self.fail_if_matches_regexp {
            let regex = compiled(pattern)?;
            if records.iter().any(|r| regex.is_match(r)) {
                return Err(format!("one matches {pattern:?}"));
            }
        }
        let by_all = self
            .fail_if_not_matches_regexp
            .iter()
            .chain(&self.fail_if_all_match_regexp);
        for pattern in by_all {
            let regex = compiled(pattern)?;
            if !records.iter().all(|r| regex.is_match(r)) {
                return Err(format!("not every one matches {pattern:?}"));
            }
        }
        let mut is_met = self.fail_if_none_matches_regexp.is_empty();
        for pattern in &self.fail_if_none_matches_regexp {
            let regex = compiled(pattern)?;
            is_met |= records.iter().any(|r| regex.is_match(r));
        }
        match is_met {
            true => Ok(()),
            false => Err(format!(
                "none matches any of {:?}",
                self.fail_if_none_matches_regexp
            )),
        }
    }
}

fn compiled(pattern: &str) -> Result<Regex, String> {
    Regex::new(pattern).map_err(|e| format!("{pattern:?} is not a regular expression: {e}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[test]
    fn records_are_judged_as_there() {
        let check = |rules: Value, records: &[&str], is_good: bool| {
            let read: RecordRules = serde_json::from_value(rules.clone()).unwrap();
            assert_eq!(read.check(), Ok(()));
            let records: Vec<String> = records.iter().map(|r| (*r).to_owned()).collect();
            assert_eq!(read.judge(&records).is_ok(), is_good, "{rules} of {records:?}");
        };
        let two = ["a.\t0\tIN\tA\t10.0.0.1", "a.\t0\tIN\tA\t10.0.0.2"];
        check(json!({}), &[], true);
        check(json!({ "fail_if_matches_regexp": ["\\.2$"] }), &two, false);
        check(json!({ "fail_if_matches_regexp": ["\\.3$"] }), &two, true);
        check(json!({ "fail_if_not_matches_regexp": ["A\t10"] }), &two, true);
        check(json!({ "fail_if_not_matches_regexp": ["\\.2$"] }), &two, false);
        check(json!({ "fail_if_not_matches_regexp": ["."] }), &[], false);
        check(json!({ "fail_if_all_match_regexp": ["A\t10"] }), &two, true);
        check(json!({ "fail_if_all_match_regexp": ["\\.2$"] }), &two, false);
        check(json!({ "fail_if_all_match_regexp": ["."] }), &[], true);
        check(
            json!({ "fail_if_none_matches_regexp": ["\\.2$", "x"] }),
            &two,
            true,
        );
        check(json!({ "fail_if_none_matches_regexp": ["x", "y"] }), &two, false);
        check(json!({ "fail_if_none_matches_regexp": ["."] }), &[], false);
    }
}
