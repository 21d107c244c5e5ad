//! `scrape_configs:` exactly as in prometheus.yml.

use crate::config::decode::decode;
use crate::config::diagnostic::Diagnostics;
use crate::config::yaml::Node;
use lapwing_collect::scrape::{Job, ScrapeConfig, ScrapeDefaults};
use std::collections::BTreeSet;
use std::path::Path;

/// Where text stands that may look like something else, as it was typed: a version 1.10, a country NO.
const TEXTS: [&str; 21] = [
    "authorization",
    "basic_auth",
    "bearer_token",
    "bearer_token_file",
    "ca_file",
    "cert_file",
    "client_id",
    "client_secret",
    "client_secret_file",
    "files",
    "http_headers",
    "job_name",
    "key_file",
    "labels",
    "metrics_path",
    "params",
    "regex",
    "replacement",
    "separator",
    "source_labels",
    "target_label",
];

/// A job as it is meant where it is written: text as it was typed, files beside the one that names them.
pub(crate) fn written_in(node: &Node, dir: &Path) -> Node {
    let mut node = node.clone();
    node.keep_spelling(&TEXTS);
    node.stand_beside(dir);
    node
}

pub(crate) fn read(
    items: &[(Node, String)],
    defaults: ScrapeDefaults,
    notes: &mut Diagnostics,
) -> Vec<ScrapeConfig> {
    let mut names = BTreeSet::new();
    let mut configs = Vec::new();
    for (node, path) in items {
        let Some(config) = decode::<ScrapeConfig>(node, path, notes) else {
            continue;
        };
        if !names.insert(config.job_name.clone()) {
            notes.error(
                node.at,
                path,
                format!("a second job is called {:?}", config.job_name),
            );
        }
        // Whatever is wrong with a job as a whole is found here and not when it is first scraped.
        if let Err(error) = Job::new(config.clone(), defaults) {
            notes.error(node.at, path, crate::http::with_causes(&error));
        }
        configs.push(config);
    }
    configs
}
