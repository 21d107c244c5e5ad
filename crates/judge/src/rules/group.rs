//! Rules as they are evaluated: checked, with defaults filled in.

use super::condition::{Condition, NoData};
use lapwing_types::{Fingerprint, Labels, RuleRef};

/// Rules that are evaluated in order, together, at one interval.
#[derive(Clone, Debug)]
pub struct RuleGroup {
    pub file: String,
    pub name: String,
    pub interval_ms: i64,
    pub query_offset_ms: i64,
    /// At most this many series or alerts per rule; 0: no limit.
    pub limit: usize,
    /// Where its slots stand in the interval; spread by name when absent.
    pub phase_ms: Option<i64>,
    pub rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
pub struct Rule {
    /// Name of the recorded series, or of the alert.
    pub name: String,
    /// As written, for people.
    pub expr: String,
    /// Label templates, in order.
    pub labels: Vec<(String, String)>,
    pub kind: RuleKind,
    /// Where it stands in its file, from 1.
    pub line: u64,
    /// Its row in the state: file, group, name, labels and how often that occurred before.
    pub key: String,
}

#[derive(Clone, Debug)]
pub enum RuleKind {
    Recording,
    Alerting(Box<Alerting>),
}

#[derive(Clone, Debug)]
pub struct Alerting {
    pub condition: Condition,
    pub for_ms: i64,
    pub keep_firing_for_ms: i64,
    pub annotations: Vec<(String, String)>,
    pub no_data: NoData,
}

impl RuleGroup {
    pub(crate) fn key(&self) -> String {
        group_key(&self.file, &self.name)
    }

    /// Spreads groups over their interval: the same on every machine and after every restart.
    pub fn phase_ms(&self) -> i64 {
        if let Some(phase_ms) = self.phase_ms {
            return phase_ms;
        }
        let labels = Labels::from_sorted(
            [("file", self.file.as_str()), ("group", self.name.as_str())]
                .into_iter()
                .filter(|(_, v)| !v.is_empty()),
        );
        let hash = Fingerprint::of(&labels).0;
        i64::try_from(hash % self.interval_ms.max(1).unsigned_abs()).unwrap_or(0)
    }

    pub fn rule_ref(&self, rule: &Rule) -> RuleRef {
        RuleRef {
            file: self.file.clone(),
            group: self.name.clone(),
            rule: rule.name.clone(),
        }
    }

    /// Gives each rule its row in the state.
    pub(crate) fn assign_keys(&mut self) {
        let mut seen = std::collections::HashMap::new();
        let group = self.key();
        for rule in &mut self.rules {
            let labels: Vec<String> = rule.labels.iter().map(|(n, v)| format!("{n}={v}")).collect();
            let kind = match rule.kind {
                RuleKind::Recording => "record",
                RuleKind::Alerting(_) => "alert",
            };
            let base = format!(
                "{group}{SEPARATOR}{kind}{SEPARATOR}{}{SEPARATOR}{}",
                rule.name,
                labels.join(",")
            );
            let nth = seen.entry(base.clone()).or_insert(0);
            rule.key = if *nth == 0 {
                base
            } else {
                format!("{base}{SEPARATOR}{nth}")
            };
            *nth += 1;
        }
    }
}

/// Not in any name that YAML can hold unescaped.
pub(crate) const SEPARATOR: char = '\u{1f}';

pub(crate) fn group_key(file: &str, name: &str) -> String {
    format!("{file}{SEPARATOR}{name}")
}

/// What all groups share.
#[derive(Clone, Debug)]
pub struct RulesOptions {
    pub external_labels: Vec<(String, String)>,
    pub external_url: String,
    /// For groups that name none.
    pub interval_ms: i64,
    pub query_offset_ms: i64,
    /// Slots missed longer ago than this are skipped (and counted).
    pub catch_up_max_ms: i64,
    /// Missed slots evaluated per group and tick, so that a tick stays short.
    pub slots_per_tick_max: usize,
    /// After a restart: until sources were heard again, but at most this long, nothing resolves for lack of data.
    pub restart_hold_ms: i64,
    /// After a longer pause than this, nothing new fires before the hold ends either.
    pub restart_gap_ms: i64,
}

impl Default for RulesOptions {
    fn default() -> Self {
        RulesOptions {
            external_labels: Vec::new(),
            external_url: String::new(),
            interval_ms: 60_000,
            query_offset_ms: 0,
            catch_up_max_ms: 3_600_000,
            slots_per_tick_max: 30,
            restart_hold_ms: 60_000,
            restart_gap_ms: 120_000,
        }
    }
}
