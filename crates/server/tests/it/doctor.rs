//! `lapwing doctor`, `lapwing import` and `lapwing check --schema` as a person calls them.

use crate::support::{Said, Server, said_by};
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

/// The YAML of the seeds as it is printed there: taken over, without a mistake, and served. The mail server and the Slack of the
/// example are never asked, for nothing fires.
#[test]
fn the_seeds_own_yaml_is_taken_over_and_starts() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/import");
    for (files, wanted) in [
        (&["monitoring.yaml", "alerting.yaml"][..], "high_error_rate"),
        (&["mlops.yaml"][..], "high_cpu"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        let mut arguments = vec!["import", "--output", "lapwing.yml"];
        for file in files {
            std::fs::copy(data.join(file), dir.path().join(file)).unwrap();
            arguments.push(file);
        }
        let said = lapwing(dir.path(), &arguments);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let said = lapwing(dir.path(), &["check"]);
        assert_eq!(said.code, Some(0), "{}", said.err);
        let file = dir.path().join("lapwing.yml");
        let server = Server::start(&dir.path().join("data"), &["--config", file.to_str().unwrap()]);
        let rules = server.get("/api/v1/rules").body;
        assert!(rules.contains(wanted), "{wanted} is not in {rules}");
        assert!(server.terminate());
    }
}

/// What a pull request, an editor and a person are told of the same mistakes; among them one of no word, with which nothing
/// would start.
#[test]
fn check_says_the_same_in_every_format() {
    let dir = tempfile::tempdir().unwrap();
    let check = |format: &str| lapwing(dir.path(), &["check", "--format", format]);
    let file = dir.path().join("lapwing.yml");
    std::fs::write(&file, "global: {}\nweb:\n  listen: 0.0.0.0:9595\n").unwrap();
    let said = check("text");
    assert_eq!(said.code, Some(2), "{}", said.err);
    for part in ["no token is set", "lapwing.yml:3:11", "secret_file"] {
        assert!(said.err.contains(part), "{part} is missing: {}", said.err);
    }
    let said = lapwing(dir.path(), &["serve", "--memory", "--config", "lapwing.yml"]);
    assert_eq!(said.code, Some(2), "it does not start: {}", said.err);

    std::fs::write(&file, "storee: {}\nweb:\n  listn: 1\n").unwrap();
    let json: serde_json::Value = serde_json::from_str(&check("json").out).unwrap();
    assert_eq!(json["errors"], 2, "{json}");
    let lines: Vec<&serde_json::Value> = (0..2).map(|i| &json["diagnostics"][i]["line"]).collect();
    assert_eq!(lines, [1, 3], "{json}");
    let github = check("github");
    assert_eq!(github.code, Some(2));
    assert!(
        github.out.starts_with("::error file=") && github.out.contains("line=3,col=3::"),
        "{}",
        github.out
    );
    let sarif: serde_json::Value = serde_json::from_str(&check("sarif").out).unwrap();
    let result = &sarif["runs"][0]["results"][1];
    assert_eq!(
        result["locations"][0]["physicalLocation"]["region"],
        serde_json::json!({ "startLine": 3, "startColumn": 3 }),
        "{sarif:#}"
    );
    let text = result["message"]["text"].as_str().unwrap();
    assert!(text.contains("did you mean \"listen\"?"), "{text}");
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
