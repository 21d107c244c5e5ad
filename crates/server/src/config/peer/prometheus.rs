//! `prometheus.yml` as the configuration of a Lapwing that stands in Prometheus's place.
//!
//! Scrapes, rules, external labels, storage and OTLP count as they stand. Sections for which there is no part here are
//! warnings with their place: nothing that is written is passed over in silence, and unknown keys are mistakes as ever.

use super::shown::shown;
use crate::config::Config;
use crate::config::decode::decode_any;
use crate::config::diagnostic::Diagnostics;
use crate::config::expand::expand_as_go;
use crate::config::load::{Loaded, read_file_tree};
use crate::config::reader::MapReader;
use crate::config::sections::store::RETENTION_MS;
use crate::config::sections::{GlobalConfig, alerting, otlp, scrape};
use crate::config::yaml::{Key, Node, Value};
use lapwing_collect::scrape::ScrapeProtocol;
use std::path::Path;

/// What the command line says besides.
pub(crate) struct PrometheusFile<'a> {
    pub(crate) path: &'a Path,
    /// `--web.config.file`.
    pub(crate) web: Option<&'a Path>,
    /// What the flags give to begin with; the file fills in the rest.
    pub(crate) base: Config,
    /// Keys that the flags make true for every job that does not say otherwise.
    pub(crate) true_of_jobs: &'a [&'static str],
}

pub(crate) fn load_prometheus(file: PrometheusFile<'_>) -> Loaded {
    let mut notes = Diagnostics::new(&file.path.display().to_string());
    let mut config = file.base;
    if let Some(root) = read_file_tree(file.path, &mut notes) {
        config.web.as_prometheus.file = Some(shown(&root));
        read(&root, &mut config, file.true_of_jobs, &mut notes);
    }
    let store = &mut config.store;
    // A size alone is the only end: nothing goes for its age then.
    if store.retention_ms.is_none() && store.retention_bytes.is_none() {
        store.retention_ms = Some(RETENTION_MS);
    }
    let mut files = vec![file.path.to_owned()];
    if let Some(web) = file.web {
        files.push(web.to_owned());
        super::read_web_file(web, &mut config.web, &mut notes);
    }
    Loaded::new(Some(config), notes, files)
}

/// Sections without a part here, and what to do instead.
const WITHOUT_MEANING: [(&str, &str); 4] = [
    (
        "remote_write",
        "samples are kept here and not sent on; let the others scrape /federate",
    ),
    ("remote_read", "only what is kept here is asked"),
    ("tracing", "Lapwing sends no traces of its own"),
    ("runtime", "there is no Go runtime to tune"),
];

/// Keys of `global` that are limits of every scrape job that does not say otherwise.
const JOB_DEFAULTS: [&str; 14] = [
    "body_size_limit",
    "sample_limit",
    "label_limit",
    "label_name_length_limit",
    "label_value_length_limit",
    "target_limit",
    "keep_dropped_targets",
    "scrape_protocols",
    "scrape_native_histograms",
    "always_scrape_classic_histograms",
    "convert_classic_histograms_to_nhcb",
    "extra_scrape_metrics",
    "metric_name_validation_scheme",
    "metric_name_escaping_scheme",
];

const GLOBAL_WITHOUT_MEANING: [(&str, &str); 2] = [
    ("query_log_file", "slow queries are in the log"),
    (
        "scrape_failure_log_file",
        "failed scrapes are in the log and on the targets' page",
    ),
];

fn read(root: &Node, config: &mut Config, true_of_jobs: &[&str], notes: &mut Diagnostics) {
    let mut map = MapReader::new(root, "", notes);
    let (global, mut defaults) = read_global(map.node("global"), notes);
    for key in true_of_jobs {
        if !defaults.iter().any(|(known, _)| known.text == *key) {
            let at = root.at;
            let text = (*key).to_owned();
            defaults.push((Key { text, at }, Node::new(Value::Bool(true), at)));
        }
    }
    config.global = global;
    for (key, instead) in WITHOUT_MEANING {
        if let Some(node) = map.node(key) {
            notes.warning(node.at, key, format!("{key} has no effect here: {instead}"));
        }
    }
    let here = notes.file.clone();
    let job_in = |node: &Node, dir: &Path| scrape::written_in(&with_defaults(node, &defaults), dir);
    let base = alerting::base_dir(notes);
    let mut jobs: Vec<(Node, String)> = map
        .list("scrape_configs", notes)
        .into_iter()
        .map(|(node, path)| (job_in(node, &base), path))
        .collect();
    for (node, path) in map.list("scrape_config_files", notes) {
        let Some(pattern) = crate::config::reader::text_of(node, &path, notes) else {
            continue;
        };
        let wanted = base.join(pattern);
        notes.watch_pattern(&wanted);
        for file in lapwing_collect::glob::expand(&wanted) {
            notes.file = file.display().to_string();
            if let Some(root) = read_file_tree(&file, notes) {
                let mut inner = MapReader::new(&root, "", notes);
                let more = inner.list("scrape_configs", notes);
                let dir = alerting::base_dir(notes);
                jobs.extend(more.into_iter().map(|(n, p)| (job_in(n, &dir), p)));
                inner.finish(notes);
            }
        }
    }
    notes.file = here;
    config.scrape_configs = scrape::read(&jobs, config.global.scrape_defaults(), notes);
    let external_url = config.web.seen_from_outside();
    config.alerting = alerting::read_rule_files(&mut map, (&config.global, &external_url), notes);
    read_storage(map.node("storage"), config, notes);
    config.otlp = otlp::read(map.node("otlp"), notes);
    map.finish(notes);
}

/// The labels and intervals, and what every job takes over.
fn read_global(node: Option<&Node>, notes: &mut Diagnostics) -> (GlobalConfig, Vec<(Key, Node)>) {
    // Prometheus's own default; ours is shorter.
    const MINUTE_MS: i64 = 60_000;
    let mut global = GlobalConfig {
        scrape_interval_ms: MINUTE_MS,
        evaluation_interval_ms: MINUTE_MS,
        ..GlobalConfig::default()
    };
    let Some(node) = node else {
        return (global, Vec::new());
    };
    let mut map = MapReader::new(node, "global", notes);
    let mut defaults = Vec::new();
    for key in JOB_DEFAULTS {
        if let Some(value) = map.node(key) {
            if key == "scrape_protocols" && !are_protocols(value, notes) {
                continue;
            }
            let key = Key {
                text: key.to_owned(),
                at: value.at,
            };
            defaults.push((key, value.clone()));
        }
    }
    for (key, instead) in GLOBAL_WITHOUT_MEANING {
        if let Some(value) = map.node(key) {
            notes.warning(
                value.at,
                &map.path_of(key),
                format!("{key} has no effect here: {instead}"),
            );
        }
    }
    if let Some(value) = map.duration_ms("scrape_interval", notes) {
        global.scrape_interval_ms = value;
    }
    let timeout_ms = map.duration_ms("scrape_timeout", notes);
    global.scrape_timeout_ms = timeout_ms.unwrap_or(10_000.min(global.scrape_interval_ms));
    if global.scrape_timeout_ms > global.scrape_interval_ms {
        notes.error(
            node.at,
            "global.scrape_timeout",
            "the scrape timeout is longer than the scrape interval",
        );
    }
    if let Some(value) = map.duration_ms("evaluation_interval", notes) {
        global.evaluation_interval_ms = value;
    }
    if let Some(value) = map.duration_ms("rule_query_offset", notes) {
        global.rule_query_offset_ms = value;
    }
    for (name, value) in map.text_map("external_labels", notes) {
        let (value, missing) = expand_as_go(&value, &|name| std::env::var(name).ok());
        for variable in missing {
            notes.warning(
                node.at,
                &format!("global.external_labels.{name}"),
                format!("environment variable {variable:?} is not set: nothing stands in its place"),
            );
        }
        global.external_labels.push((name, value));
    }
    map.finish(notes);
    (global, defaults)
}

/// Said once and here, whether jobs take them over or not.
fn are_protocols(value: &Node, notes: &mut Diagnostics) -> bool {
    const PATH: &str = "global.scrape_protocols";
    let Some(protocols) = decode_any::<Vec<ScrapeProtocol>>(value, PATH, notes) else {
        return false;
    };
    let checked = ScrapeProtocol::check_all(&protocols);
    if let Err(error) = &checked {
        notes.error(value.at, PATH, error.to_string());
    }
    checked.is_ok()
}

fn with_defaults(job: &Node, defaults: &[(Key, Node)]) -> Node {
    let mut job = job.clone();
    if let Value::Map(pairs) = &mut job.value {
        for (key, value) in defaults {
            if !pairs.iter().any(|(k, _)| k.text == key.text) {
                pairs.push((key.clone(), value.clone()));
            }
        }
    }
    job
}

fn read_storage(node: Option<&Node>, config: &mut Config, notes: &mut Diagnostics) {
    let Some(node) = node else { return };
    let mut map = MapReader::new(node, "storage", notes);
    if let Some(tsdb) = map.node("tsdb") {
        let mut map = MapReader::new(tsdb, "storage.tsdb", notes);
        config.store.out_of_order_window_ms = map.duration_ms("out_of_order_time_window", notes).unwrap_or(0);
        if let Some(retention) = map.node("retention") {
            let mut map = MapReader::new(retention, "storage.tsdb.retention", notes);
            if let Some(ms) = map.duration_ms("time", notes).filter(|ms| *ms > 0) {
                config.store.retention_ms = Some(ms);
            }
            if let Some(bytes) = map.size_bytes("size", notes).filter(|b| *b > 0) {
                config.store.retention_bytes = Some(bytes);
            }
            map.finish(notes);
        }
        map.finish(notes);
    }
    if let Some(exemplars) = map.node("exemplars") {
        notes.warning(
            exemplars.at,
            "storage.exemplars",
            "exemplars are kept per series and not in one ring; their number is not set here",
        );
    }
    map.finish(notes);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Prometheus decides it: nothing goes for its age where a size alone is said.
    #[test]
    fn samples_are_kept_for_an_age_a_size_or_both() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("prometheus.yml");
        for (of_flags, of_file, expect) in [
            ((None, None), "", "15d"),
            ((None, None), "{}", "15d"),
            ((None, None), "{ time: 0s, size: 0 }", "15d"),
            ((None, None), "{ size: 50GB }", "50GiB"),
            ((None, Some(1 << 30)), "", "1GiB"),
            ((Some(3_600_000), None), "{ size: 2GB }", "1h or 2GiB"),
            (
                (Some(3_600_000), Some(1 << 30)),
                "{ time: 30d, size: 2GB }",
                "30d or 2GiB",
            ),
        ] {
            let text = match of_file {
                "" => String::new(),
                retention => format!("storage: {{ tsdb: {{ retention: {retention} }} }}\n"),
            };
            std::fs::write(&path, text).unwrap();
            let mut base = Config::default();
            (base.store.retention_ms, base.store.retention_bytes) = of_flags;
            let file = PrometheusFile {
                path: &path,
                web: None,
                base,
                true_of_jobs: &[],
            };
            let shown = load_prometheus(file).config.unwrap().store.shown_retention();
            assert_eq!(shown, expect, "{of_flags:?} {of_file}");
        }
    }

    #[test]
    fn protocols_for_all_jobs_are_checked_once_and_without_jobs_too() {
        let jobs = "scrape_configs: [{ job_name: a }, { job_name: b }]\n";
        for (protocols, expect) in [
            ("[OpenMetricsText1.0.0]", ""),
            ("[Foo]", "unknown variant `Foo`"),
            ("[]", "scrape_protocols is empty"),
            (
                "[PrometheusProto, PrometheusProto]",
                "scrape_protocols names PrometheusProto twice",
            ),
        ] {
            for jobs in ["", jobs] {
                let text = format!("global: {{ scrape_protocols: {protocols} }}\n{jobs}");
                let root = crate::config::yaml::parse(&text).unwrap();
                let mut notes = Diagnostics::new("prometheus.yml");
                read(&root, &mut Config::default(), &[], &mut notes);
                let said: Vec<String> = notes.found.iter().map(|d| d.message.clone()).collect();
                assert_eq!(said.len(), usize::from(!expect.is_empty()), "{said:?}");
                assert!(said.iter().all(|s| s.contains(expect)), "{said:?}");
            }
        }
    }
}
