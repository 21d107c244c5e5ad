//! From a path to a [`Config`]: a file, a directory of them, or nothing at all.

use super::diagnostic::{Diagnostic, Diagnostics, Level};
use super::expand::{Lookup, expand};
use super::origins::Origins;
use super::sections::Config;
use super::watched::Watched;
use super::yaml::{Node, Position, Value, parse};
use std::path::{Path, PathBuf};

/// What was found, good or bad; `config` is there only when nothing was wrong.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) config: Option<Config>,
    pub(crate) diagnostics: Vec<Diagnostic>,
    pub(crate) files: Vec<PathBuf>,
    /// What to look at to learn that it may have changed.
    pub(crate) watched: Watched,
    /// Where each value came from; none where the file is a peer's.
    pub(crate) origins: Option<Origins>,
}

impl Loaded {
    /// With all complaints in the order of the files; a configuration with a mistake is none.
    pub(crate) fn new(config: Option<Config>, notes: Diagnostics, files: Vec<PathBuf>) -> Self {
        finish(config, notes, files)
    }

    /// What holds without any file.
    pub(crate) fn defaults() -> Self {
        Loaded {
            config: Some(Config::default()),
            diagnostics: Vec::new(),
            files: Vec::new(),
            watched: Watched::default(),
            origins: Some(Origins::default()),
        }
    }
}

/// Reads the file, or every `*.yml`/`*.yaml` of the directory in the order of their names, as one configuration.
pub(crate) fn load(path: &Path, env: Lookup<'_>) -> Loaded {
    let mut notes = Diagnostics::new(&path.display().to_string());
    notes.watch(path);
    let files = match files_of(path) {
        Ok(files) => files,
        Err(error) => return unreadable(path, &error),
    };
    let mut root: Option<Node> = None;
    let mut origins = Origins::default();
    for file in &files {
        notes.watch(file);
        notes.file = file.display().to_string();
        let text = match std::fs::read_to_string(file) {
            Ok(text) => text,
            Err(error) => return unreadable(file, &error),
        };
        if let Some(node) = read_tree((&text, &mut origins), env, &mut notes) {
            root = Some(match root {
                None => node,
                Some(so_far) => merge(so_far, node, &mut notes),
            });
        }
    }
    // A section of one file is read with that file's name; with several, the last name stands for the whole.
    let config = root.map(|node| Config::read(&node, &mut notes));
    Loaded {
        origins: Some(origins),
        ..finish(config, notes, files)
    }
}

/// One file as a tree, without variables: the peers do not expand them.
pub(crate) fn read_file_tree(path: &Path, notes: &mut Diagnostics) -> Option<Node> {
    notes.watch(path);
    let start = Position { line: 1, column: 1 };
    match std::fs::read_to_string(path) {
        Err(error) => {
            notes.error(start, "", format!("cannot read {}: {error}", path.display()));
            None
        }
        Ok(text) => match parse(&text) {
            Ok(node) => {
                notes.source = text;
                Some(node)
            }
            Err(error) => {
                notes.error(error.at, "", error.message);
                None
            }
        },
    }
}

/// The same from text.
pub(crate) fn load_text(name: &str, text: &str, env: Lookup<'_>) -> Loaded {
    let mut notes = Diagnostics::new(name);
    let mut origins = Origins::default();
    let tree = read_tree((text, &mut origins), env, &mut notes);
    let config = tree.map(|node| Config::read(&node, &mut notes));
    Loaded {
        origins: Some(origins),
        ..finish(config, notes, Vec::new())
    }
}

fn finish(config: Option<Config>, mut notes: Diagnostics, files: Vec<PathBuf>) -> Loaded {
    notes
        .found
        .sort_by(|a, b| (&a.file, a.line, a.column).cmp(&(&b.file, b.line, b.column)));
    Loaded {
        config: config.filter(|_| !notes.has_errors()),
        diagnostics: notes.found,
        files,
        watched: notes.watched,
        origins: None,
    }
}

fn read_tree(
    (text, origins): (&str, &mut Origins),
    env: Lookup<'_>,
    notes: &mut Diagnostics,
) -> Option<Node> {
    text.clone_into(&mut notes.source);
    match parse(text) {
        Ok(raw) => {
            let mut node = raw.clone();
            expand(&mut node, "", env, notes);
            origins.note(&notes.file, &raw, &node);
            Some(node)
        }
        Err(error) => {
            notes.error(error.at, "", error.message);
            None
        }
    }
}

/// Top-level sections come from any file; lists are joined, a section given twice is a mistake.
fn merge(mut into: Node, from: Node, notes: &mut Diagnostics) -> Node {
    let (Value::Map(ours), Value::Map(theirs)) = (&mut into.value, from.value) else {
        notes.error(from.at, "", "expected a map of sections");
        return into;
    };
    for (key, node) in theirs {
        match ours.iter_mut().find(|(k, _)| k.text == key.text) {
            None => ours.push((key, node)),
            Some((_, mine)) => match (&mut mine.value, node.value) {
                (Value::List(a), Value::List(b)) => a.extend(b),
                _ => notes.error(
                    key.at,
                    &key.text,
                    format!("section {:?} stands in an earlier file already", key.text),
                ),
            },
        }
    }
    into
}

fn files_of(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let file = entry?.path();
        if file.extension().is_some_and(|e| e == "yml" || e == "yaml") {
            files.push(file);
        }
    }
    files.sort();
    Ok(files)
}

fn only(path: &Path) -> Watched {
    let mut watched = Watched::default();
    watched.note(path);
    watched
}

fn unreadable(path: &Path, error: &std::io::Error) -> Loaded {
    Loaded {
        config: None,
        diagnostics: vec![Diagnostic {
            level: Level::Error,
            file: path.display().to_string(),
            line: 1,
            column: 1,
            path: String::new(),
            message: format!("cannot read {}: {error}", path.display()),
            hint: Some(
                "start without --config to run on defaults, or write one with `lapwing init`".to_owned(),
            ),
        }],
        files: Vec::new(),
        watched: only(path),
        origins: None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complaints(text: &str) -> Vec<String> {
        load_text("lapwing.yml", text, &|_| None)
            .diagnostics
            .iter()
            .map(|d| {
                let hint = d.hint.as_deref().map(|h| format!(" [{h}]")).unwrap_or_default();
                format!("{}:{} {}{hint}", d.line, d.column, d.message)
            })
            .collect()
    }

    #[test]
    fn an_empty_file_is_the_default() {
        let loaded = load_text("lapwing.yml", "", &|_| None);
        assert_eq!(loaded.config.unwrap().web.listen.port(), 9595);
        assert!(loaded.diagnostics.is_empty());
    }

    #[test]
    fn all_mistakes_at_once_with_their_places() {
        let text = "global:\n  scrape_intervall: 15s\n  evaluation_interval: 15 minutes\nstore:\n  durability: disc\n  memory_limit: lots\nwep: {}\n";
        assert_eq!(
            complaints(text),
            [
                "2:3 unknown key \"scrape_intervall\" [did you mean \"scrape_interval\"?]",
                "3:24 not a duration: \"15 minutes\" [write a whole number and a unit: 500ms, 15s, 5m, 1h30m, 15d]",
                "5:15 unknown durability \"disc\" [did you mean \"disk\"? (process survives a crash of Lapwing, disk also a power cut)]",
                "6:17 not a size: \"lots\" [write 512MiB, 2GiB or a number of bytes]",
                "7:1 unknown key \"wep\" [did you mean \"web\"?]",
            ]
        );
    }

    /// The place is that of the word that was written, not a column of what the condition expands to.
    #[test]
    fn a_condition_is_wrong_at_one_word() {
        let check = |condition: &str, expect: &str| {
            let found = complaints(&format!("rules:\n  - name: a\n    condition: {condition}\n"));
            assert_eq!(found.len(), 1, "{found:#?}");
            assert!(
                found[0].starts_with(expect),
                "{expect} is not the beginning of {}",
                found[0]
            );
        };
        check(
            "error_rate > 0.05 and foo(x) > 3",
            "3:38 rule \"a\": condition \"error_rate > 0.05 and foo(x) > 3\" is not understood at \"foo\": unknown function",
        );
        check(
            "\"cpu_usage > 80%%\"",
            "3:32 rule \"a\": condition \"cpu_usage > 80%%\" is not understood at \"%\": ",
        );
        check(
            "|\n      cpu_usage > 80%\n        and gpu_usage abvoe 3",
            "5:23 rule \"a\": condition \"cpu_usage > 80%\\n  and gpu_usage abvoe 3\\n\" is not understood at \"abvoe\": ",
        );
    }

    #[test]
    fn discovery_that_is_not_here_is_no_slip_of_the_pen() {
        let found = complaints(
            "scrape_configs:\n  - job_name: a\n    ec2_sd_configs: [{}]\n    file_sd_config: []\n",
        );
        assert_eq!(found.len(), 2, "{found:#?}");
        assert!(
            found[0].starts_with("3:5 unknown key \"ec2_sd_configs\" [targets are found by dns_sd_configs, "),
            "{found:#?}"
        );
        assert_eq!(
            found[1],
            "4:5 unknown key \"file_sd_config\" [did you mean \"file_sd_configs\"?]"
        );
    }

    #[test]
    fn a_bad_file_gives_no_config() {
        assert!(load_text("f", "store: 1\n", &|_| None).config.is_none());
    }

    #[test]
    fn an_open_address_needs_a_token() {
        let read = |text: &str| load_text("f", text, &|_| None).config.unwrap().web.refusal();
        assert!(read("web: { listen: 0.0.0.0:9595 }").unwrap().contains("tokens:"));
        assert_eq!(read("web: { listen: 127.0.0.1:9595 }"), None);
        assert_eq!(
            read("web: { listen: 0.0.0.0:9595, tokens: [{ role: read, secret: x }] }"),
            None
        );
    }
}
