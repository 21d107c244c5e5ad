//! Which firing alerts keep others from being told. An index per rule answers in one look-up per target, and is kept in
//! step with the alerts: in a storm it is asked for each of them at each flush.

use super::state::KeptAlert;
use crate::config::InhibitRule;
use lapwing_types::{Fingerprint, Kept, Labels};
use std::collections::{BTreeSet, HashMap};

/// One per rule of the configuration, in its order.
#[derive(Debug, Default)]
pub(crate) struct Inhibition {
    sources: Vec<Sources>,
}

/// By the values of the `equal` labels.
#[derive(Debug, Default)]
struct Sources {
    any: ByValues,
    /// Those that are no target themselves: only these inhibit an alert that is both.
    pure: ByValues,
}

type ByValues = HashMap<Vec<String>, BTreeSet<Fingerprint>>;

impl Inhibition {
    pub(super) fn new(rules: &[InhibitRule], alerts: &Kept<KeptAlert>) -> Self {
        let mut inhibition = Inhibition {
            sources: rules.iter().map(|_| Sources::default()).collect(),
        };
        for kept in alerts.values().filter(|a| !a.is_resolved) {
            inhibition.fires(rules, &kept.alert.labels);
        }
        inhibition
    }

    pub(super) fn fires(&mut self, rules: &[InhibitRule], labels: &Labels) {
        for (rule, sources) in rules.iter().zip(&mut self.sources) {
            if !rule.is_source(labels) {
                continue;
            }
            let (key, print) = (rule.equal_key(labels), Fingerprint::of(labels));
            if !rule.is_target(labels) {
                sources.pure.entry(key.clone()).or_default().insert(print);
            }
            sources.any.entry(key).or_default().insert(print);
        }
    }

    pub(super) fn ended(&mut self, rules: &[InhibitRule], labels: &Labels) {
        for (rule, sources) in rules.iter().zip(&mut self.sources) {
            if !rule.is_source(labels) {
                continue;
            }
            let (key, print) = (rule.equal_key(labels), Fingerprint::of(labels));
            for index in [&mut sources.any, &mut sources.pure] {
                if let Some(prints) = index.get_mut(&key) {
                    prints.remove(&print);
                    if prints.is_empty() {
                        index.remove(&key);
                    }
                }
            }
        }
    }

    /// The alert that inhibits one with these labels, and by which rule.
    pub(super) fn source_of<'r>(
        &self,
        rules: &'r [InhibitRule],
        labels: &Labels,
    ) -> Option<(Fingerprint, &'r str)> {
        rules.iter().zip(&self.sources).find_map(|(rule, sources)| {
            if !rule.is_target(labels) {
                return None;
            }
            let index = if rule.is_source(labels) {
                &sources.pure
            } else {
                &sources.any
            };
            let print = index.get(&rule.equal_key(labels))?.last()?;
            Some((*print, rule.name.as_str()))
        })
    }
}
