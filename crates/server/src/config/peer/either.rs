//! A lapwing.yml or an alertmanager.yml, whichever a file is: for the commands that are about routes and receivers.

use super::alertmanager::{AlertmanagerFile, load_alertmanager};
use crate::config::Config;
use crate::config::diagnostic::Diagnostics;
use crate::config::load::{Loaded, load, read_file_tree};
use crate::config::yaml::{Node, Value};
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

pub(crate) fn load_either(path: &Path) -> Loaded {
    let mut notes = Diagnostics::new(&path.display().to_string());
    let tree = if path.is_dir() {
        None
    } else {
        read_file_tree(path, &mut notes)
    };
    if tree.is_some_and(|root| is_alertmanager(&root)) {
        load_alertmanager(AlertmanagerFile {
            path,
            web: None,
            base: Config::default(),
            retention_ms: None,
        })
    } else {
        load(path, &|name| std::env::var(name).ok())
    }
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
