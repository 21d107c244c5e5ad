//! A lapwing.yml, an alertmanager.yml, a prometheus.yml or a file of rules, whichever a file is: for the commands that look at a file without starting
//! anything. The peers' are read as the peers read them: without variables, and with sections that only they have.

use super::alertmanager::{AlertmanagerFile, load_alertmanager};
use super::prometheus::{PrometheusFile, load_prometheus};
use crate::config::Config;
use crate::config::diagnostic::Diagnostics;
use crate::config::load::{Loaded, load, read_file_tree};
use crate::config::yaml::{Key, Node, Position, Value};
use std::path::Path;

/// Sections of alertmanager.yml; a file that has a route and nothing beside these is one.
const SECTIONS: [&str; 9] = [
    "global",
    "route",
    "receivers",
    "inhibit_rules",
    "time_intervals",
    "mute_time_intervals",
    "templates",
    "tracing",
    "lapwing",
];

/// Keys of `global:` that only ours has.
const OUR_GLOBAL: [&str; 5] = [
    "scrape_interval",
    "scrape_timeout",
    "evaluation_interval",
    "rule_query_offset",
    "external_labels",
];

/// Sections of prometheus.yml.
const SECTIONS_OF_PROMETHEUS: [&str; 11] = [
    "global",
    "runtime",
    "rule_files",
    "scrape_config_files",
    "scrape_configs",
    "alerting",
    "storage",
    "tracing",
    "remote_write",
    "remote_read",
    "otlp",
];

/// Those of them that a lapwing.yml does not have.
const ONLY_OF_PROMETHEUS: [&str; 6] = [
    "runtime",
    "scrape_config_files",
    "storage",
    "tracing",
    "remote_write",
    "remote_read",
];

/// Whose file it was taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Lapwing,
    Alertmanager,
    Prometheus,
    /// Rules, as `rule_files:` names them.
    Rules,
}

pub(crate) fn load_either(path: &Path) -> (Loaded, Kind) {
    let mut notes = Diagnostics::new(&path.display().to_string());
    let tree = if path.is_dir() {
        None
    } else {
        read_file_tree(path, &mut notes)
    };
    let kind = tree.map_or(Kind::Lapwing, |root| kind_of(&root, path));
    let loaded = match kind {
        Kind::Lapwing => load(path, &|name| std::env::var(name).ok()),
        Kind::Alertmanager => load_alertmanager(AlertmanagerFile {
            path,
            web: None,
            base: Config::default(),
            retention_ms: None,
        }),
        Kind::Prometheus => load_prometheus(PrometheusFile {
            path,
            web: None,
            base: Config::default(),
            true_of_jobs: &[],
        }),
        Kind::Rules => load_rules(path),
    };
    (loaded, kind)
}

/// What a configuration would be that names this file under `rule_files:`.
fn load_rules(path: &Path) -> Loaded {
    let at = Position { line: 1, column: 1 };
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // A pattern means more than itself there.
    let name: String = name
        .chars()
        .flat_map(|c| "*?[\\".contains(c).then_some('\\').into_iter().chain([c]))
        .collect();
    let file = Node::new(Value::Text(name), at);
    let key = Key {
        text: "rule_files".to_owned(),
        at,
    };
    let tree = Node::new(
        Value::Map(vec![(key, Node::new(Value::List(vec![file]), at))]),
        at,
    );
    let mut notes = Diagnostics::new(&path.display().to_string());
    let config = Config::read(&tree, &mut notes);
    Loaded::new(Some(config), notes, vec![path.to_owned()])
}

fn kind_of(root: &Node, path: &Path) -> Kind {
    let has_groups = |pairs: &[(Key, Node)]| matches!(pairs, [(key, _)] if key.text == "groups");
    if matches!(&root.value, Value::Map(pairs) if has_groups(pairs)) {
        Kind::Rules
    } else if is_alertmanager(root) {
        Kind::Alertmanager
    } else if is_prometheus(root, path) {
        Kind::Prometheus
    } else {
        Kind::Lapwing
    }
}

/// Most of a prometheus.yml can stand in a lapwing.yml, too: then its name says whose it is.
fn is_prometheus(root: &Node, path: &Path) -> bool {
    let Value::Map(pairs) = &root.value else {
        return false;
    };
    let has = |known: &[&str], text: &str| known.contains(&text);
    let is_called_so = path
        .file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("prometheus"));
    let is_certain = pairs.iter().any(|(k, _)| has(&ONLY_OF_PROMETHEUS, &k.text));
    (is_certain || is_called_so)
        && !pairs.is_empty()
        && pairs.iter().all(|(k, _)| has(&SECTIONS_OF_PROMETHEUS, &k.text))
}

fn is_alertmanager(root: &Node) -> bool {
    let keys = |node: &Node| -> Vec<String> {
        match &node.value {
            Value::Map(pairs) => pairs.iter().map(|(k, _)| k.text.clone()).collect(),
            _ => Vec::new(),
        }
    };
    let Value::Map(pairs) = &root.value else {
        return false;
    };
    let global = pairs.iter().find(|(k, _)| k.text == "global");
    let is_our_global = global.is_some_and(|(_, n)| keys(n).iter().any(|k| OUR_GLOBAL.contains(&&**k)));
    pairs.iter().any(|(k, _)| k.text == "route")
        && keys(root).iter().all(|k| SECTIONS.contains(&&**k))
        && !is_our_global
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_prometheus_is_known_by_its_sections_or_its_name() {
        let check = |text: &str, name: &str, expect: Kind| {
            let root = crate::config::yaml::parse(text).unwrap();
            assert_eq!(kind_of(&root, Path::new(name)), expect, "{name}: {text}");
        };
        let jobs = "global: { scrape_interval: 5s }\nscrape_configs: []\n";
        check(jobs, "lapwing.yml", Kind::Lapwing);
        check(jobs, "/etc/prometheus/prometheus.yml", Kind::Prometheus);
        let sends = format!("{jobs}remote_write: []\n");
        check(&sends, "a.yml", Kind::Prometheus);
        check(&format!("{sends}web: {{}}\n"), "prometheus.yml", Kind::Lapwing);
        check("", "prometheus.yml", Kind::Lapwing);
        check("groups: [{ name: a, rules: [] }]\n", "r.yml", Kind::Rules);
    }

    #[test]
    fn a_file_is_known_by_its_sections() {
        let check = |text: &str, expect: bool| {
            let root = crate::config::yaml::parse(text).unwrap();
            assert_eq!(is_alertmanager(&root), expect, "{text}");
        };
        check(
            "route: { receiver: a }\nglobal: { smtp_from: x }\nreceivers: []\n",
            true,
        );
        check(
            "route: { receiver: a }\nglobal: { scrape_interval: 5s }\nreceivers: []\n",
            false,
        );
        check(
            "route: { receiver: a }\nreceivers: []\nweb: { listen: x }\n",
            false,
        );
        check("notify: { route: { receiver: a } }\n", false);
    }
}
