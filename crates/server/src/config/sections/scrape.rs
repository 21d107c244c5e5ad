//! `scrape_configs:` exactly as in prometheus.yml.

use crate::config::decode::decode;
use crate::config::diagnostic::Diagnostics;
use crate::config::yaml::{Node, Value};
use lapwing_collect::http::HttpClient;
use lapwing_collect::scrape::{Job, ScrapeConfig, ScrapeDefaults};
use std::collections::BTreeSet;
use std::path::Path;

/// Where text stands that may look like something else, as it was typed: a version 1.10, a country NO.
pub(super) const TEXTS: [&str; 21] = [
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
        let mut node = node.clone();
        without_log_file(&mut node, path, notes);
        let Some(config) = decode::<ScrapeConfig>(&node, path, notes) else {
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
        match Job::new(config.clone(), defaults) {
            Err(error) => notes.error(node.at, path, crate::http::with_causes(&error)),
            // A file that is not there now may be there later; until then its job alone fails.
            Ok(_) => {
                if let Err(error) = HttpClient::new(&config.http) {
                    let text = format!(
                        "the scrapes of this job fail: {}",
                        crate::http::with_causes(&error)
                    );
                    notes.warning(node.at, path, text);
                }
            }
        }
        configs.push(config);
    }
    configs
}

/// Failed scrapes are in our own log; a job that wants them in a file is scraped all the same.
fn without_log_file(node: &mut Node, path: &str, notes: &mut Diagnostics) {
    const KEY: &str = "scrape_failure_log_file";
    let Value::Map(pairs) = &mut node.value else {
        return;
    };
    if let Some(i) = pairs.iter().position(|(key, _)| key.text == KEY) {
        let (key, _) = pairs.remove(i);
        let text =
            format!("{KEY} has no effect here: failed scrapes are in the log and on the targets' page");
        notes.warning(key.at, &format!("{path}.{KEY}"), text);
    }
}

#[cfg(test)]
mod tests {
    /// What is said of a job with these lines, and whether it is taken all the same.
    fn check(job: &str, expect: &[&str], is_taken: bool) {
        let text = format!("scrape_configs:\n  - job_name: a\n{job}");
        let loaded = crate::config::load_text("lapwing.yml", &text, &|_| None);
        let said: Vec<String> = loaded
            .diagnostics
            .iter()
            .map(|d| format!("{} {}", d.path, d.message))
            .collect();
        assert_eq!(said, expect);
        assert_eq!(loaded.config.is_some(), is_taken, "{job}");
    }

    #[test]
    fn keys_of_prometheus_are_taken_or_named() {
        check(
            "    sample_limit: 1e3\n    tls_config: { min_version: TLS10 }\n    proxy_url: http://p:1\n    \
             proxy_connect_header: { X-A: [b] }\n    docker_sd_configs: [{ filters: [{ name: label, values: [x] }] }]\n    \
             relabel_configs: [{ action: Replace, target_label: a, replacement: b }]\n",
            &[],
            true,
        );
        check(
            "    scrape_failure_log_file: /var/log/failures\n",
            &[
                "scrape_configs[0].scrape_failure_log_file scrape_failure_log_file has no effect here: failed scrapes are in \
                 the log and on the targets' page",
            ],
            true,
        );
        check(
            "    tls_config: { ca_file: /no/such/ca.pem }\n",
            &[
                "scrape_configs[0] the scrapes of this job fail: ca_file cannot be read: No such file or directory (os error 2)",
            ],
            true,
        );
    }

    #[test]
    fn a_list_may_be_commented_out() {
        check(
            "    static_configs:\n    # - targets: [a]\n    relabel_configs:\n    metric_relabel_configs:\n    params:\n    file_sd_configs:\n",
            &[],
            true,
        );
        check("    static_configs: [{ targets: , labels: }]\n", &[], true);
        check(
            "    static_configs:\n    -\n",
            &["scrape_configs[0] invalid type: null, expected struct StaticConfig"],
            false,
        );
    }

    #[test]
    fn a_key_with_nothing_behind_it_is_as_good_as_none() {
        check(
            "    metrics_path:\n    scheme:\n    honor_labels:\n    sample_limit:\n    body_size_limit:\n    scrape_interval:\n    \
             basic_auth:\n    static_configs: [{ targets: [a] }]\n",
            &[],
            true,
        );
        check(
            "    basic_auth: { username: }\n    metric_path:\n",
            &["scrape_configs[0] unknown key \"metric_path\""],
            false,
        );
    }

    #[test]
    fn what_contradicts_itself_is_refused() {
        check(
            "    static_configs: [{ targets: ['http://x:1/metrics'] }]\n",
            &[
                "scrape_configs[0] \"http://x:1/metrics\" is not a valid hostname: write host:port; the scheme has a key of \
                 its own (scheme: https), the path too (metrics_path)",
            ],
            false,
        );
        check(
            "    scrape_protocols: []\n",
            &["scrape_configs[0] scrape_protocols is empty; leave it out for the usual ones"],
            false,
        );
    }
}
