//! `lapwing check`: everything that is wrong with a configuration, for a person, a machine or a pull request. An alertmanager.yml is
//! read as Alertmanager would, and a prometheus.yml or a file of rules as Prometheus.

use super::Exit;
use super::rules::static_findings;
use crate::config::{self, Config, Diagnostic, Kind, Level};
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct CheckArgs {
    /// The file, or a directory of *.yml files; also an alertmanager.yml, a prometheus.yml or a file of rules
    #[arg(default_value = "lapwing.yml")]
    path: PathBuf,
    /// How to say it
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Print the JSON schema of the configuration instead, for editors
    #[arg(long)]
    schema: bool,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Format {
    Text,
    Json,
    Github,
    Sarif,
}

pub(crate) fn run(args: &CheckArgs) -> Exit {
    if args.schema {
        println!("{:#}", config::schema());
        return Exit::Fine;
    }
    let (mut loaded, kind) = config::load_either(&args.path);
    if let Some(config) = &loaded.config {
        loaded.diagnostics.extend(static_findings(config));
        loaded.diagnostics.extend(refusal_to_start(config));
    }
    let errors = loaded
        .diagnostics
        .iter()
        .filter(|d| d.level == Level::Error)
        .count();
    match args.format {
        Format::Text => {
            eprint!(
                "{}",
                config::render(&loaded.diagnostics, |f| std::fs::read_to_string(f).ok())
            );
            if errors == 0 {
                let read_as = match kind {
                    Kind::Lapwing => "",
                    Kind::Alertmanager => ", as `lapwing alertmanager` reads it",
                    Kind::Rules => ", a file of rules",
                    Kind::Prometheus => ", as `lapwing prometheus` reads it",
                };
                println!(
                    "{}: fine, {} file(s) read{read_as}",
                    args.path.display(),
                    loaded.files.len()
                );
            } else {
                eprintln!("{errors} error(s)");
            }
        }
        Format::Json => println!(
            "{}",
            serde_json::json!({ "diagnostics": loaded.diagnostics, "errors": errors })
        ),
        Format::Github => loaded
            .diagnostics
            .iter()
            .for_each(|d| println!("{}", github_line(d))),
        Format::Sarif => println!("{}", sarif(&loaded.diagnostics)),
    }
    if errors == 0 { Exit::Fine } else { Exit::Usage }
}

/// A file may be right in every word, and `serve` would still not start with it.
fn refusal_to_start(config: &Config) -> Option<Diagnostic> {
    let refusal = config.web.refusal()?;
    let (message, hint) = refusal.split_once('\n').unwrap_or((&refusal, ""));
    let (file, at) = config.web.listen_at.clone()?;
    Some(Diagnostic {
        level: Level::Error,
        file,
        line: at.line,
        column: at.column,
        path: "web.listen".to_owned(),
        message: message.to_owned(),
        hint: Some(hint.trim().to_owned()),
    })
}

/// A workflow command that GitHub shows beside the line.
fn github_line(d: &Diagnostic) -> String {
    let escape = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let level = match d.level {
        Level::Error => "error",
        Level::Warning => "warning",
    };
    let message = escape(&with_hint(d));
    format!(
        "::{level} file={},line={},col={}::{message}",
        escape(&d.file),
        d.line,
        d.column
    )
}

/// Where there is one line for both.
fn with_hint(d: &Diagnostic) -> String {
    let hint = d.hint.as_deref().map(|h| format!("; {h}")).unwrap_or_default();
    format!("{}{hint}", d.message)
}

fn sarif(diagnostics: &[Diagnostic]) -> serde_json::Value {
    let results: Vec<serde_json::Value> = diagnostics
        .iter()
        .map(|d| {
            let level = match d.level {
                Level::Error => "error",
                Level::Warning => "warning",
            };
            serde_json::json!({
                "ruleId": "lapwing/config",
                "level": level,
                "message": { "text": with_hint(d) },
                "locations": [{ "physicalLocation": {
                    "artifactLocation": { "uri": d.file },
                    "region": { "startLine": d.line.max(1), "startColumn": d.column.max(1) },
                }}],
            })
        })
        .collect();
    serde_json::json!({
        "version": "2.1.0",
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "runs": [{
            "tool": { "driver": { "name": "lapwing", "version": env!("CARGO_PKG_VERSION"), "rules": [{ "id": "lapwing/config" }] } },
            "results": results,
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_alertmanager_is_read_as_one() {
        let dir = tempfile::tempdir().unwrap();
        let check = |text: &str| {
            let path = dir.path().join("alertmanager.yml");
            std::fs::write(&path, text).unwrap();
            run(&CheckArgs {
                path,
                format: Format::Json,
                schema: false,
            })
        };
        let good = "global: { resolve_timeout: 5m }\nroute: { receiver: a }\nreceivers: [{ name: a }]\n";
        assert_eq!(check(good), Exit::Fine);
        assert_eq!(check(&good.replace("receiver: a", "receiver: b")), Exit::Usage);
    }

    #[test]
    fn files_of_prometheus_are_read_as_it_would() {
        let dir = tempfile::tempdir().unwrap();
        let check = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            run(&CheckArgs {
                path,
                format: Format::Json,
                schema: false,
            })
        };
        let sends = "remote_write: [{ url: http://x/ }]\nglobal: { external_labels: { a: '${NOT_SET_ANYWHERE}' } }\n\
                     scrape_configs: [{ job_name: a, relabel_configs: [{ target_label: b, replacement: '${x}' }] }]\n";
        assert_eq!(check("a.yml", sends), Exit::Fine);
        let rules =
            "groups: [{ name: g, rules: [{ alert: A, expr: up == 0, annotations: { s: '${x}' } }] }]\n";
        assert_eq!(check("r[1].yml", rules), Exit::Fine);
        assert_eq!(check("r.yml", &rules.replace("up == 0", "up === 0")), Exit::Usage);
    }

    #[test]
    fn a_github_line_cannot_be_broken_out_of() {
        let d = Diagnostic {
            level: Level::Error,
            file: "lapwing.yml".into(),
            line: 3,
            column: 5,
            path: "a".into(),
            message: "bad\n::warning::x".into(),
            hint: Some("100%".into()),
        };
        assert_eq!(
            github_line(&d),
            "::error file=lapwing.yml,line=3,col=5::bad%0A::warning::x; 100%25"
        );
    }
}
