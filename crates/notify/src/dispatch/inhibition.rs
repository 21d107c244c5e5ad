//! Which firing alerts keep others from being told. An index per rule answers in one look-up per target.

use super::state::KeptAlert;
use crate::config::InhibitRule;
use lapwing_types::{Alert, Fingerprint, Kept, Labels};
use std::collections::HashMap;

pub(crate) struct Inhibition<'a> {
    rules: Vec<(&'a InhibitRule, Sources)>,
}

/// By the values of the `equal` labels.
#[derive(Default)]
struct Sources {
    any: HashMap<Vec<String>, Fingerprint>,
    /// Those that are no target themselves: only these inhibit an alert that is both.
    pure: HashMap<Vec<String>, Fingerprint>,
}

impl<'a> Inhibition<'a> {
    pub(crate) fn new(rules: &'a [InhibitRule], alerts: &Kept<KeptAlert>) -> Self {
        let rules = rules
            .iter()
            .map(|rule| {
                let mut sources = Sources::default();
                for kept in alerts.values().filter(|a| !a.is_resolved) {
                    let labels = &kept.alert.labels;
                    if !rule.is_source(labels) {
                        continue;
                    }
                    let (key, print) = (rule.equal_key(labels), kept.alert.fingerprint());
                    if !rule.is_target(labels) {
                        sources.pure.insert(key.clone(), print);
                    }
                    sources.any.insert(key, print);
                }
                (rule, sources)
            })
            .collect();
        Inhibition { rules }
    }

    /// The alert that inhibits this one, and by which rule.
    pub(crate) fn source_of(&self, alert: &Alert) -> Option<(Fingerprint, &'a str)> {
        self.source_of_labels(&alert.labels)
    }

    fn source_of_labels(&self, labels: &Labels) -> Option<(Fingerprint, &'a str)> {
        self.rules.iter().find_map(|(rule, sources)| {
            if !rule.is_target(labels) {
                return None;
            }
            let index = if rule.is_source(labels) {
                &sources.pure
            } else {
                &sources.any
            };
            index
                .get(&rule.equal_key(labels))
                .map(|print| (*print, rule.name.as_str()))
        })
    }
}
