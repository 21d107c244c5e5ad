//! From the configuration of other systems to `lapwing.yml`, with everything that did not carry over named at its place.
//!
//! What a file is, its sections say. Prometheus's and Alertmanager's sections are taken over as they stand, because
//! they mean the same here; the two systems that Lapwing replaces have words of their own, which are translated.

mod own_words;
mod peers;

use super::diagnostic::Diagnostics;
use super::load::{load_text, read_file_tree};
use super::write::Out;
use super::yaml::{Node, Value};
use super::{Diagnostic, Level};
use std::path::{Path, PathBuf};

/// One configuration out of several files.
#[derive(Debug)]
pub(crate) struct Imported {
    pub(crate) yaml: String,
    /// What the report calls it; no file of that name needs to be there.
    pub(crate) yaml_name: String,
    /// What did not carry over, and what was changed; an error is a file of which nothing was taken.
    pub(crate) report: Vec<Diagnostic>,
}

impl Imported {
    pub(crate) fn has_errors(&self) -> bool {
        self.report.iter().any(|d| d.level == Level::Error)
    }
}

/// `beside` is the folder in which the result will stand: paths in it are relative to that.
pub(crate) fn import(files: &[PathBuf], beside: &Path) -> Imported {
    let mut out = Out::map();
    let mut report = Vec::new();
    for file in files {
        let mut notes = Diagnostics::new(&file.display().to_string());
        if let Some(root) = read_file_tree(file, &mut notes) {
            import_one(&root, file, beside, (&mut out, &mut notes));
        }
        report.extend(notes.found);
    }
    if out.has("notify") && out.take("alerting").is_some() {
        report.push(told_here(files));
    }
    let yaml = out.to_yaml();
    // Whatever the result says wrongly is said here and not at the first start.
    let name = beside.join("lapwing.yml").display().to_string();
    let checked = load_text(&name, &yaml, &|name| std::env::var(name).ok());
    report.extend(checked.diagnostics);
    Imported {
        yaml,
        yaml_name: name,
        report,
    }
}

/// With alertmanager.yml taken over as well, handing alerts on to that Alertmanager would page twice.
fn told_here(files: &[PathBuf]) -> Diagnostic {
    Diagnostic {
        level: Level::Warning,
        file: files.first().map(|f| f.display().to_string()).unwrap_or_default(),
        line: 1,
        column: 1,
        path: "alerting".to_owned(),
        message:
            "did not carry over: routes and receivers were taken over, so no Alertmanager is told besides"
                .to_owned(),
        hint: None,
    }
}

fn import_one(root: &Node, file: &Path, beside: &Path, (out, notes): (&mut Out, &mut Diagnostics)) {
    let has = |path: &[&str]| at(root, path).is_some();
    let place = peers::Place { file, beside };
    if has(&["groups"]) {
        out.push("rule_files", Out::text(place.named(file)));
    } else if has(&["monitoring"]) || has(&["alerting", "rules"]) || has(&["alerting", "notifications"]) {
        own_words::import(root, out, notes);
    } else if is_blackbox(root) {
        out.section("blackbox")
            .push("files", Out::text(place.named(file)));
    } else if has(&["route"]) || has(&["receivers"]) {
        peers::import_alertmanager(root, &place, out, notes);
    } else if [
        "scrape_configs",
        "rule_files",
        "global",
        "remote_write",
        "alerting",
        "storage",
    ]
    .iter()
    .any(|key| has(&[key]))
    {
        peers::import_prometheus(root, &place, out, notes);
    } else {
        notes.error_with_hint(
            root.at,
            "",
            "no known kind of configuration",
            "known are prometheus.yml, alertmanager.yml, blackbox.yml, rule files, and files with a section monitoring or alerting",
        );
    }
}

/// `modules:` of which each has a `prober:`.
fn is_blackbox(root: &Node) -> bool {
    match at(root, &["modules"]).map(|n| &n.value) {
        Some(Value::Map(pairs)) => pairs.iter().any(|(_, module)| at(module, &["prober"]).is_some()),
        _ => false,
    }
}

/// The node under these keys.
fn at<'n>(node: &'n Node, path: &[&str]) -> Option<&'n Node> {
    path.iter().try_fold(node, |node, key| match &node.value {
        Value::Map(pairs) => pairs.iter().find(|(k, _)| k.text == *key).map(|(_, n)| n),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The result and every complaint, for a file of the crate's test data.
    fn check(name: &str) -> (String, Vec<String>) {
        let file = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("tests/data/import")
            .join(name);
        let imported = import(std::slice::from_ref(&file), file.parent().unwrap());
        assert!(
            !imported.has_errors(),
            "{}\n{:#?}",
            imported.yaml,
            imported.report
        );
        let report = imported
            .report
            .iter()
            .map(|d| format!("{}: {}", d.path, d.message))
            .collect();
        (imported.yaml, report)
    }

    #[test]
    fn monitoring_yaml() {
        let (yaml, report) = check("monitoring.yaml");
        assert_eq!(
            yaml,
            "global:\n  scrape_interval: 10s\n  scrape_timeout: 10s\nhost:\n  interval: 10s\n\
             alerting:\n  alertmanagers:\n    - static_configs:\n        - targets:\n            - \"alertmanager:9093\"\n\
             checks:\n\
             \x20 - name: redis\n    http:\n      url: \"http://redis:6379/health\"\n    interval: 30s\n    timeout: 10s\n\
             \x20 - name: database\n    http:\n      url: \"http://database:5432/health\"\n    interval: 30s\n    timeout: 10s\n"
        );
        let places: Vec<&str> = report.iter().filter_map(|l| l.split(':').next()).collect();
        assert_eq!(
            places,
            [
                "monitoring.logging",
                "monitoring.external_services[0]",
                "monitoring.external_services[1]",
            ]
        );
        assert!(
            report[2].contains("`postgres: { address: \"database:5432\", … }`"),
            "{report:#?}"
        );
    }

    /// What an import makes of a text, and every complaint with its place.
    fn imported(text: &str) -> (String, Vec<String>) {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("monitoring.yaml");
        std::fs::write(&file, text).unwrap();
        let imported = import(&[file], dir.path());
        let report = imported
            .report
            .iter()
            .map(|d| format!("{}: {}", d.path, d.message));
        (imported.yaml, report.collect())
    }

    #[test]
    fn health_checks_that_are_off_or_look_at_nothing_are_named() {
        let service = "  external_services:\n    - {name: a, health_url: 'http://a:80/'}\n    - {name: b}\n";
        let (yaml, report) = imported(&format!(
            "monitoring:\n  health_checks: {{enabled: false}}\n{service}"
        ));
        assert_eq!(yaml, "");
        assert_eq!(
            report,
            [
                "monitoring.external_services[0]: did not carry over: health checks are off there; http://a:80/ is not looked at",
                "monitoring.external_services[1]: did not carry over: it has no health_url",
            ]
        );
        let (yaml, report) = imported(&format!(
            "monitoring:\n  health_checks: {{check_interval: 5, timeout: 10}}\n{service}"
        ));
        assert!(yaml.contains("    interval: 5s\n    timeout: 10s\n"), "{yaml}");
        assert_eq!(
            report,
            [report[0].as_str()],
            "only the service without an address is named"
        );
        let (_, report) = imported("monitoring:\n  health_checks: {check_interval: soon}\n");
        assert_eq!(
            report,
            [
                "monitoring.health_checks.check_interval: did not carry over: not a number of seconds or a duration",
                "monitoring.health_checks: did not carry over: no service is named there; write what to look at under `models:` or `checks:`",
            ]
        );
    }

    #[test]
    fn alerting_yaml() {
        let (yaml, report) = check("alerting.yaml");
        for line in [
            "  - name: high_error_rate\n    condition: \"error_rate > 0.05\"\n    for: 5m\n    severity: critical\n",
            "      slack_configs:\n        - api_url: \"https://hooks.slack.com/services/...\"\n          channel: \"#alerts\"\n",
            "smarthost: \"smtp.gmail.com:587\"",
            "      pagerduty_configs:\n        - service_key: your-service-key\n",
        ] {
            assert!(yaml.contains(line), "{line} is missing in\n{yaml}");
        }
        assert!(report.iter().any(|l| l.contains("recipient")), "{report:#?}");
    }

    #[test]
    fn mlops_yaml() {
        let (yaml, report) = check("mlops.yaml");
        for line in [
            "  scrape_interval: 60s\n",
            "store:\n  retention: 30d\n",
            "  - name: high_cpu\n    condition: \"cpu_usage > 80%\"\n    for: 5m\n",
        ] {
            assert!(yaml.contains(line), "{line} is missing in\n{yaml}");
        }
        let channels = report
            .iter()
            .filter(|l| l.starts_with("monitoring.alerts.notifications.channels"));
        assert_eq!(channels.count(), 3);
        for part in ["dashboards", "plots", "reports"] {
            let place = format!("monitoring.visualization.{part}: did not carry over");
            assert!(
                report.iter().any(|l| l.starts_with(&place)),
                "{part}: {report:#?}"
            );
        }
    }

    #[test]
    fn how_long_a_prometheus_keeps_samples_is_how_long_they_are_kept() {
        for (retention, expect) in [
            ("{ time: 30d }", "store:\n  retention: 30d\n"),
            (
                "{ time: 30d, size: 50GB }",
                "store:\n  retention: 30d\n  retention_size: \"50GB\"\n",
            ),
            (
                "{ size: 50GB }",
                "store:\n  retention: forever\n  retention_size: \"50GB\"\n",
            ),
            ("{ time: 0s, size: 0B }", ""),
        ] {
            let storage = format!("scrape_configs: []\nstorage: {{ tsdb: {{ retention: {retention} }} }}\n");
            let (yaml, report) = imported(&storage);
            assert_eq!(report, Vec::<String>::new(), "{retention}");
            assert_eq!(yaml, expect, "{retention}");
        }
    }

    #[test]
    fn both_files_of_the_peers_make_one() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
        let files = ["prometheus.yml", "alertmanager.yml", "rules.yml"].map(|f| dir.join(f));
        let imported = import(&files, &dir);
        assert!(
            !imported.has_errors(),
            "{}\n{:#?}",
            imported.yaml,
            imported.report
        );
        for line in [
            "scrape_configs:\n  - job_name: node\n",
            "rule_files:\n  - rules.yml\n",
            "  route:\n    receiver: team\n",
            "  out_of_order_window: 30m\n",
        ] {
            assert!(
                imported.yaml.contains(line),
                "{line} is missing in\n{}",
                imported.yaml
            );
        }
        let places: Vec<&str> = imported.report.iter().map(|d| d.path.as_str()).collect();
        assert_eq!(places, ["remote_write", "global.query_log_file", "alerting"]);
    }

    #[test]
    fn discovery_that_is_not_here_is_left_out_and_said() {
        let (yaml, report) = imported(
            "scrape_configs:\n  - job_name: a\n    static_configs: [{ targets: ['b:1'] }]\n    ec2_sd_configs: [{ region: x }]\n",
        );
        assert_eq!(report, ["scrape_configs[0]: did not carry over: ec2_sd_configs"]);
        assert!(yaml.contains("static_configs") && !yaml.contains("ec2"), "{yaml}");
    }

    #[test]
    fn modules_of_blackbox_exporter_stay_in_their_file() {
        let (yaml, report) = check("blackbox.yml");
        assert_eq!(yaml, "blackbox:\n  files:\n    - blackbox.yml\n");
        assert_eq!(report, Vec::<String>::new());
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("blackbox.yml");
        std::fs::write(
            &file,
            "modules: { a: { prober: http, http: { proxy_url: x } } }\n",
        )
        .unwrap();
        let imported = import(&[file], dir.path());
        assert!(imported.has_errors(), "{:#?}", imported.report);
    }

    #[test]
    fn an_unknown_file_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("x.yml");
        std::fs::write(&file, "something: else\n").unwrap();
        assert!(import(&[file], dir.path()).has_errors());
    }
}
