//! `lapwing doctor`, `lapwing import` and `lapwing check --schema` as a person calls them.

use crate::support::{Said, said_by};
use std::path::Path;
use std::process::Command;

fn lapwing(dir: &Path, arguments: &[&str]) -> Said {
    said_by(
        Command::new(env!("CARGO_BIN_EXE_lapwing"))
            .args(arguments)
            .current_dir(dir),
    )
}

#[test]
fn doctor_names_every_source_and_receiver_that_is_down() {
    let dir = tempfile::tempdir().unwrap();
    let text = "web: { listen: '127.0.0.1:0' }\n\
        scrape_configs: [{ job_name: gone, static_configs: [{ targets: ['127.0.0.1:1'] }] }]\n\
        notify:\n  route: { receiver: team }\n  receivers:\n    - name: team\n      \
        webhook: [{ url: 'http://127.0.0.1:2/page' }]\n      slack: [{ webhook_url_file: /not/there, channel: '#a' }]\n";
    std::fs::write(dir.path().join("lapwing.yml"), text).unwrap();
    let said = lapwing(dir.path(), &["doctor", "--json"]);
    assert_eq!(said.code, Some(1), "{}", said.err);
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let errors: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|f| f["verdict"] == "error")
        .map(|f| f["message"].as_str().unwrap())
        .collect();
    for needle in ["http://127.0.0.1:1/metrics", "team, webhook 1", "/not/there"] {
        assert!(
            errors.iter().any(|e| e.contains(needle)),
            "{needle} is not in {errors:?}"
        );
    }
    assert!(!dir.path().join("lapwing-data").exists(), "looking makes nothing");
}

#[test]
fn doctor_refuses_a_configuration_with_mistakes() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("lapwing.yml"), "storee: {}\n").unwrap();
    let said = lapwing(dir.path(), &["doctor"]);
    assert_eq!(said.code, Some(2));
    assert!(said.err.contains("did you mean \"store\"?"), "{}", said.err);
}

#[test]
fn an_import_starts_as_it_was_written() {
    let dir = tempfile::tempdir().unwrap();
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    for file in ["prometheus.yml", "alertmanager.yml", "rules.yml"] {
        std::fs::copy(data.join(file), dir.path().join(file)).unwrap();
    }
    let import = [
        "import",
        "prometheus.yml",
        "alertmanager.yml",
        "--output",
        "lapwing.yml",
    ];
    let said = lapwing(dir.path(), &import);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("remote_write"), "{}", said.err);
    assert_eq!(lapwing(dir.path(), &["check"]).code, Some(0));
    // Not over what is there, unless told so; and the longer way of saying it.
    assert_eq!(lapwing(dir.path(), &import).code, Some(1));
    let said = lapwing(dir.path(), &["import", "config", "rules.yml"]);
    assert_eq!(said.out, "rule_files:\n  - rules.yml\n", "{}", said.err);
}

#[test]
fn the_schema_is_printed() {
    let said = lapwing(&std::env::temp_dir(), &["check", "--schema"]);
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(
        schema["properties"]["store"]["properties"]["durability"]["default"],
        "process"
    );
}
