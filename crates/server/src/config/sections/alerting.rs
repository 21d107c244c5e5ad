//! `rules:`, `rule_files:` and `notify:` (or `route:`, `receivers:` and their kin verbatim): what is bad, and who is told.

use super::{GlobalConfig, alertmanagers, notify, objectives};
use crate::config::decode::{decode_any, keys_taken};
use crate::config::diagnostic::{Diagnostics, did_you_mean};
use crate::config::reader::{MapReader, text_of};
use crate::config::yaml::{Node, Position, Value, parse};
use lapwing::PagingOptions;
use lapwing::health::ModelSpec;
use lapwing_collect::glob;
use lapwing_judge::packs::PACKS;
use lapwing_judge::rules::{
    OwnRule, RuleFileError, RuleGroup, RuleKind, RulesOptions, check_expr, compile_own_rules, load_rule_file,
    place_within,
};
use std::collections::HashSet;
use std::path::{Path, PathBuf};

#[derive(Clone, Debug)]
pub(crate) struct AlertingConfig {
    pub(crate) paging: PagingOptions,
    /// As they are written, for `rules explain` and back-tests: the file's own, then those of the packs.
    pub(crate) own_rules: Vec<OwnRule>,
    /// Where the pages may write rules; none, and they may not.
    pub(crate) saved_dir: Option<PathBuf>,
    /// The notification part without its secrets.
    pub(crate) notify_shown: String,
}

impl Default for AlertingConfig {
    /// The built-in packs, and a receiver that tells nobody.
    fn default() -> Self {
        let nothing = Node::new(Value::Map(Vec::new()), Position::default());
        let mut notes = Diagnostics::new("");
        let mut map = MapReader::new(&nothing, "", &mut notes);
        read(&mut map, (&GlobalConfig::default(), "", &[]), &mut notes)
    }
}

pub(crate) fn read(
    map: &mut MapReader<'_>,
    (global, external_url, models): (&GlobalConfig, &str, &[ModelSpec]),
    notes: &mut Diagnostics,
) -> AlertingConfig {
    let rules = RulesOptions {
        external_labels: global.external_labels.clone(),
        external_url: external_url.to_owned(),
        interval_ms: global.evaluation_interval_ms,
        query_offset_ms: global.rule_query_offset_ms,
        ..RulesOptions::default()
    };
    let mut groups = rule_files(map, &rules, notes);
    let (saved_dir, saved) = saved_rules(map, &rules, notes);
    groups.extend(saved);
    let (own, mut written) = own_rules(map, &rules, notes);
    groups.extend(own);
    groups.extend(objectives::rules(models, &rules, (&mut written, notes)));
    let taken = alert_names(&groups);
    groups.extend(packs(map, (&rules, &taken), (&mut written, notes)));
    let (notify, notify_shown) = notify::read(map, external_url, notes);
    let alertmanagers = alertmanagers::read(map, notes);
    AlertingConfig {
        paging: PagingOptions {
            groups,
            rules,
            notify,
            alertmanagers,
        },
        own_rules: written,
        saved_dir,
        notify_shown,
    }
}

/// The keys that serde takes in the sections of this file, by their paths.
pub(crate) fn foreign_keys() -> Vec<(&'static str, Vec<String>)> {
    let mut keys = vec![("rules[]", keys_taken::<OwnRule>())];
    keys.extend(alertmanagers::foreign_keys());
    keys.extend(notify::foreign_keys());
    keys
}

/// The rules of `rule_files:`, told to the Alertmanagers of `alerting:` alone: what a prometheus.yml has.
pub(crate) fn read_rule_files(
    map: &mut MapReader<'_>,
    (global, external_url): (&GlobalConfig, &str),
    notes: &mut Diagnostics,
) -> AlertingConfig {
    let rules = RulesOptions {
        external_labels: global.external_labels.clone(),
        external_url: external_url.to_owned(),
        interval_ms: global.evaluation_interval_ms,
        query_offset_ms: global.rule_query_offset_ms,
        ..RulesOptions::default()
    };
    let paging = PagingOptions {
        groups: rule_files(map, &rules, notes),
        rules,
        alertmanagers: alertmanagers::read(map, notes),
        ..PagingOptions::default()
    };
    AlertingConfig {
        paging,
        own_rules: Vec::new(),
        saved_dir: None,
        notify_shown: String::new(),
    }
}

/// Of a rule, what is no text. All else stays as it was typed: a label `1.10` is not `1.1`.
const NUMBERS: [&str; 8] = [
    "changes",
    "enabled",
    "falls",
    "objective",
    "reaches",
    "rises",
    "sensitivity",
    "weeks",
];

fn own_rules(
    map: &mut MapReader<'_>,
    options: &RulesOptions,
    notes: &mut Diagnostics,
) -> (Option<RuleGroup>, Vec<OwnRule>) {
    let items = map.list("rules", notes);
    let mut rules = Vec::new();
    for (node, path) in &items {
        let mut spelled = (*node).clone();
        spelled.spell_out_except(&["labels", "annotations"], &NUMBERS);
        if let Some(rule) = decode_any::<OwnRule>(&spelled, path, notes) {
            rules.push((rule, node.at.line as u64));
        }
    }
    let written = rules.iter().map(|(rule, _)| rule.clone()).collect();
    if rules.is_empty() {
        return (None, written);
    }
    let file = notes.file.clone();
    let group = match compile_own_rules(&file, &rules, options) {
        Ok(group) => Some(group),
        Err(errors) => {
            for error in errors {
                let (at, path) = place_of(&items, &error, &notes.source);
                notes.error(at, &path, error.reason);
            }
            None
        }
    };
    (group, written)
}

/// Where in the file: the word of the condition that is not understood, the condition, or the rule.
fn place_of(items: &[(&Node, String)], error: &RuleFileError, source: &str) -> (Position, String) {
    let is_it = |node: &Node| {
        let said = |name: &str| error.reason.starts_with(&format!("rule {name:?}: "));
        node.at.line as u64 == error.line
            && matches!(part(node, "name").map(|n| &n.value), Some(Value::Text(name)) if said(name))
    };
    let Some((node, path)) = items.iter().find(|(node, _)| is_it(node)) else {
        let at = Position {
            line: error.line as usize,
            column: error.column as usize,
        };
        return (at, "rules".to_owned());
    };
    match part(node, "condition") {
        Some(condition) if error.reason.contains(": condition ") => {
            let begin = (condition.at.line as u64, condition.at.column as u64);
            let within = error.offset.zip(condition.text());
            let within = within.and_then(|(offset, text)| place_within(source, begin, text, offset));
            let at = within.map_or(condition.at, |(line, column)| Position {
                line: line as usize,
                column: column as usize,
            });
            (at, format!("{path}.condition"))
        }
        _ => (node.at, path.clone()),
    }
}

fn part<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    let Value::Map(pairs) = &node.value else {
        return None;
    };
    pairs.iter().find(|(k, _)| k.text == key).map(|(_, value)| value)
}

fn alert_names(groups: &[RuleGroup]) -> HashSet<String> {
    let rules = groups.iter().flat_map(|g| &g.rules);
    let alerts = rules.filter(|r| matches!(r.kind, RuleKind::Alerting(_)));
    alerts.map(|r| r.name.clone()).collect()
}

/// `packs: { gpu: off, host: { off: [host_cpu_busy] } }`; all are on otherwise. A rule of the file takes the place of a pack's
/// with its name: two would speak of the same alert, and each end what the other says.
fn packs(
    map: &mut MapReader<'_>,
    (options, taken): (&RulesOptions, &HashSet<String>),
    (written, notes): (&mut Vec<OwnRule>, &mut Diagnostics),
) -> Vec<RuleGroup> {
    let section = map.node("packs");
    let nothing = Node::new(Value::Map(Vec::new()), Position::default());
    let mut reader = MapReader::new(section.unwrap_or(&nothing), "packs", notes);
    let mut groups = Vec::new();
    for pack in PACKS {
        let Ok(rules) = pack.rules() else { continue };
        let mut off = match reader.node(pack.name) {
            None => Vec::new(),
            Some(node) => match switched_off(node, (pack.name, &rules), notes) {
                Some(off) => off,
                None => continue,
            },
        };
        let replaced = rules.iter().map(|(rule, _)| &rule.name);
        off.extend(replaced.filter(|name| taken.contains(*name)).cloned());
        let on = rules.into_iter().map(|(rule, _)| rule);
        written.extend(on.filter(|rule| !off.contains(&rule.name)));
        groups.extend(pack.group(&off, options));
    }
    reader.finish(notes);
    groups
}

/// Rules of a pack that are off; None when all of it is.
fn switched_off(
    node: &Node,
    (pack, rules): (&'static str, &[(OwnRule, u64)]),
    notes: &mut Diagnostics,
) -> Option<Vec<String>> {
    let path = format!("packs.{pack}");
    match &node.value {
        Value::Bool(true) => return Some(Vec::new()),
        Value::Bool(false) => return None,
        Value::Text(word) if word == "on" => return Some(Vec::new()),
        Value::Text(word) if word == "off" => return None,
        Value::Map(_) => {}
        _ => {
            notes.error_with_hint(
                node.at,
                &path,
                "a pack is on or off",
                format!("write {pack}: off, or {pack}: {{ off: [name of a rule] }}"),
            );
            return Some(Vec::new());
        }
    }
    let mut reader = MapReader::new(node, &path, notes);
    let mut off = Vec::new();
    for (item, path) in reader.list("off", notes) {
        let Some(name) = text_of(item, &path, notes) else {
            continue;
        };
        let mut known = rules.iter().map(|(rule, _)| rule.name.as_str());
        if known.clone().all(|k| k != name) {
            let message = format!("the pack {pack} has no rule {name:?}");
            match did_you_mean(&name, &mut known) {
                Some(near) => {
                    notes.error_with_hint(item.at, &path, message, format!("did you mean {near:?}?"));
                }
                None => notes.error(item.at, &path, message),
            }
        }
        off.push(name);
    }
    reader.finish(notes);
    Some(off)
}

fn rule_files(map: &mut MapReader<'_>, options: &RulesOptions, notes: &mut Diagnostics) -> Vec<RuleGroup> {
    let base = base_dir(notes);
    let mut groups = Vec::new();
    for (node, path) in map.list("rule_files", notes) {
        let Some(pattern) = text_of(node, &path, notes) else {
            continue;
        };
        let wanted = base.join(&pattern);
        notes.watch_pattern(&wanted);
        let files = glob::expand(&wanted);
        if files.is_empty() {
            notes.warning(node.at, &path, format!("no file matches {pattern:?}"));
        }
        for file in files {
            groups.extend(rule_file(&file, options, (node.at, &path), notes));
        }
    }
    groups
}

fn rule_file(
    file: &Path,
    options: &RulesOptions,
    (at, path): (Position, &str),
    notes: &mut Diagnostics,
) -> Vec<RuleGroup> {
    notes.watch(file);
    let name = file.display().to_string();
    match std::fs::read_to_string(file) {
        Err(error) => notes.error(at, path, format!("cannot read {name}: {error}")),
        Ok(text) => match load_rule_file(&name, &text, options, &check_expr) {
            Ok(found) => return found,
            Err(errors) => match parse(&text) {
                Ok(_) => errors.iter().for_each(|e| note_rule_file(e, notes)),
                Err(error) => {
                    let here = std::mem::replace(&mut notes.file, name);
                    notes.syntax(error);
                    notes.file = here;
                }
            },
        },
    }
    Vec::new()
}

/// `saved_rules: { dir: rules }`: rule files that the pages write, which count like those of `rule_files:`. The folder appears
/// with the first of them.
fn saved_rules(
    map: &mut MapReader<'_>,
    options: &RulesOptions,
    notes: &mut Diagnostics,
) -> (Option<PathBuf>, Vec<RuleGroup>) {
    let Some(node) = map.node("saved_rules") else {
        return (None, Vec::new());
    };
    let mut section = MapReader::new(node, "saved_rules", notes);
    let dir = section.text("dir", notes);
    section.finish(notes);
    let Some(dir) = dir.map(|dir| base_dir(notes).join(dir)) else {
        return (None, Vec::new());
    };
    let pattern = dir.join("*.yml");
    notes.watch_pattern(&pattern);
    let files = glob::expand(&pattern);
    let at = (node.at, "saved_rules.dir");
    let groups = files
        .iter()
        .flat_map(|file| rule_file(file, options, at, notes))
        .collect();
    (Some(dir), groups)
}

/// A mistake in a rule file is shown in that file, not in the one that names it.
fn note_rule_file(error: &RuleFileError, notes: &mut Diagnostics) {
    let here = std::mem::replace(&mut notes.file, error.file.clone());
    let at = Position {
        line: error.line as usize,
        column: error.column as usize,
    };
    notes.error(at, "", error.reason.clone());
    notes.file = here;
}

pub(crate) fn base_dir(notes: &Diagnostics) -> PathBuf {
    Path::new(&notes.file)
        .parent()
        .map(Path::to_owned)
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_happens_beside_a_rule_file_is_no_change() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write("lapwing.yml", "rule_files: [a.yml, 'more/*.yml']\n");
        std::fs::create_dir(dir.path().join("more")).unwrap();
        let watched = crate::config::load(&dir.path().join("lapwing.yml"), &|_| None).watched;
        let is_changed = || watched.now() != watched;
        write("other.log", "");
        assert!(!is_changed());
        write("a.yml", "groups: []\n");
        assert!(is_changed());
        std::fs::remove_file(dir.path().join("a.yml")).unwrap();
        assert!(!is_changed());
        write("more/b.yml", "groups: []\n");
        assert!(is_changed());
    }

    #[test]
    fn rules_and_receivers_become_what_is_judged_and_told() {
        let text = "rules:\n  - name: high\n    condition: cpu_usage > 80%\n    for: 5m\n    severity: critical\n\
                    route: { receiver: team }\nreceivers: [{ name: team, webhook_configs: [{ url: 'http://127.0.0.1:1/' }] }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let paging = loaded.config.unwrap().alerting.paging;
        assert_eq!(paging.groups.len(), 1 + PACKS.len());
        assert!(paging.notify.receivers.contains_key("team"));
    }

    #[test]
    fn what_was_typed_in_a_rule_stays() {
        let text = "rules:\n  - name: 404\n    condition: x > 80\n    recover: 70\n    \
                    labels: { ver: 1.10, zip: 007, on: yes, day: 2026-11-22 }\n    annotations: { n: 1.50 }\n  \
                    - { name: t, trend: { of: x, rises: 0.2, over: 1h }, enabled: false }\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        assert_eq!(loaded.diagnostics, []);
        let rule = loaded.config.unwrap().alerting.own_rules[0].clone();
        assert_eq!((rule.name.as_str(), rule.recover.as_deref()), ("404", Some("70")));
        let labels: Vec<&str> = ["ver", "zip", "on", "day"]
            .iter()
            .map(|l| rule.labels[*l].as_str())
            .collect();
        assert_eq!(labels, ["1.10", "007", "yes", "2026-11-22"]);
        assert_eq!(rule.annotations["n"], "1.50");
    }

    #[test]
    fn packs_are_on_unless_switched_off() {
        let groups = |text: &str| {
            let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
            assert_eq!(loaded.diagnostics, []);
            loaded.config.unwrap().alerting.paging.groups
        };
        let all = groups("");
        assert_eq!(all.len(), PACKS.len());
        assert_eq!(AlertingConfig::default().paging.groups.len(), all.len());
        let fewer = groups("packs: { gpu: off, host: { off: [host_cpu_busy] } }\n");
        assert_eq!(fewer.len(), PACKS.len() - 1);
        let host = |groups: &[RuleGroup]| groups.iter().find(|g| g.name == "host").unwrap().rules.len();
        assert_eq!(host(&fewer), host(&all) - 1);
    }

    #[test]
    fn a_rule_takes_the_place_of_a_packs_rule_with_its_name() {
        let text = "rules: [{ name: high_memory_usage, condition: memory_usage > 70% }]\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let alerting = loaded.config.unwrap().alerting;
        let groups = alerting.paging.groups.iter();
        let rules: Vec<(&str, &str)> = groups
            .flat_map(|g| g.rules.iter().map(|r| (g.file.as_str(), r.name.as_str())))
            .filter(|(_, name)| *name == "high_memory_usage")
            .collect();
        assert_eq!(rules, [("lapwing.yml", "high_memory_usage")]);
        let written = alerting.own_rules.iter();
        assert_eq!(written.filter(|r| r.name == "high_memory_usage").count(), 1);
    }

    #[test]
    fn a_condition_that_is_not_understood_is_pointed_at() {
        let text = "rules:\n  - name: a\n    severity: critical\n    condition: rate(x[5m]) > foo(\n  \
                    - { name: b, condition: y >> 3 }\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let found: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| format!("{}:{} {}", d.line, d.column, d.path))
            .collect();
        assert_eq!(found, ["4:34 rules[0].condition", "5:30 rules[1].condition"]);
    }

    #[test]
    fn mistakes_in_packs_and_shapes_have_places() {
        let text = "packs: { gpus: off, host: { off: [host_cpu_bussy] } }\nrules:\n  - name: r\n    trend: { of: x, rise: 10% }\n";
        let loaded = crate::config::load_text("lapwing.yml", text, &|_| None);
        let found: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| format!("{}:{} {}", d.line, d.column, d.message))
            .collect();
        assert!(found[0].starts_with("1:10 unknown key \"gpus\""), "{found:?}");
        assert!(found[1].contains("has no rule \"host_cpu_bussy\""), "{found:?}");
        assert!(
            found[2].starts_with("4:") && found[2].contains("unknown key \"rise\""),
            "{found:?}"
        );
        assert_eq!(
            loaded.diagnostics[2].hint.as_deref(),
            Some("did you mean \"rises\"?")
        );
    }
}
