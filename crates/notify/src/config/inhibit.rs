//! Inhibition: while a source fires, targets with the same `equal` labels are not told.

use super::raw::RawInhibitRule;
use super::route::raw_matchers;
use lapwing_types::{Labels, Matcher};

#[derive(Clone, Debug)]
pub struct InhibitRule {
    pub name: String,
    pub source: Vec<Matcher>,
    pub target: Vec<Matcher>,
    pub equal: Vec<String>,
}

impl InhibitRule {
    pub(crate) fn compile(raw: &RawInhibitRule, nth: usize) -> Result<InhibitRule, String> {
        let side = |texts, equal, regex| raw_matchers(texts, equal, regex).map_err(|e| e.to_string());
        Ok(InhibitRule {
            name: raw
                .name
                .clone()
                .unwrap_or_else(|| format!("inhibit_rules[{nth}]")),
            source: side(&raw.source_matchers, &raw.source_match, &raw.source_match_re)?,
            target: side(&raw.target_matchers, &raw.target_match, &raw.target_match_re)?,
            equal: raw.equal.clone(),
        })
    }

    pub fn is_source(&self, labels: &Labels) -> bool {
        self.source.iter().all(|m| m.matches_labels(labels))
    }

    pub fn is_target(&self, labels: &Labels) -> bool {
        self.target.iter().all(|m| m.matches_labels(labels))
    }

    /// What must be the same on both sides; an absent label equals an absent one.
    pub fn equal_key(&self, labels: &Labels) -> Vec<String> {
        self.equal
            .iter()
            .map(|name| labels.get(name).unwrap_or("").to_owned())
            .collect()
    }
}
