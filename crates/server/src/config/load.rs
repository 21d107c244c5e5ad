//! From a path to a [`Config`]: a file, a directory of them, or nothing at all.

use super::diagnostic::{Diagnostic, Diagnostics};
use super::expand::{Lookup, expand};
use super::origins::Origins;
use super::sections::Config;
use super::watched::{Watched, configuration_files};
use super::yaml::{Node, Position, Value, parse};
use lapwing_judge::rules::RuleGroup;
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

    /// What holds without any file: the same as with an empty one.
    pub(crate) fn defaults() -> Self {
        load_text("", "", &|_| None)
    }
}

/// Reads the file, or every `*.yml`/`*.yaml` of the directory in the order of their names, as one configuration.
pub(crate) fn load(path: &Path, env: Lookup<'_>) -> Loaded {
    let mut notes = Diagnostics::new(&path.display().to_string());
    let files = if path.is_dir() {
        notes.watched.note_folder(path);
        match configuration_files(path) {
            Ok(files) => files,
            Err(error) => {
                unreadable(path, &error, &mut notes);
                Vec::new()
            }
        }
    } else {
        vec![path.to_owned()]
    };
    if files.is_empty() && !notes.has_errors() {
        let start = Position { line: 1, column: 1 };
        let message = format!("there is no *.yml file in {}", path.display());
        notes.error_with_hint(start, "", message, WITHOUT_A_FILE);
    }
    let mut trees: Vec<Node> = Vec::new();
    let (mut origins, mut sources, mut whole) = (Origins::default(), Sources::default(), String::new());
    for file in &files {
        notes.watch(file);
        notes.file = file.display().to_string();
        match std::fs::read(file) {
            Err(error) => unreadable(file, &error, &mut notes),
            Ok(bytes) => {
                let Some(text) = text_of_file(bytes, &mut notes) else {
                    continue;
                };
                let above = sources.add(&notes.file, &text);
                if let Some(mut node) = read_tree((&text, &mut origins), env, &mut notes) {
                    node.move_down(above);
                    trees.push(node);
                }
                whole.push_str(&text);
                whole.push_str(if text.ends_with('\n') { "" } else { "\n" });
            }
        }
    }
    // From here on lines are counted through all files.
    let told = std::mem::take(&mut notes.found);
    notes.source = whole;
    let root = trees
        .into_iter()
        .reduce(|so_far, tree| merge(so_far, tree, &mut notes));
    let mut config = root.map(|node| Config::read(&node, &mut notes));
    if let Some((file, at)) = config.as_mut().and_then(|c| c.web.listen_at.as_mut()) {
        sources.put_right(file, &mut at.line);
    }
    if let Some(paging) = config.as_mut().map(|c| &mut c.alerting.paging) {
        paging.groups = sources.parted(std::mem::take(&mut paging.groups));
    }
    for found in &mut notes.found {
        sources.put_right(&mut found.file, &mut found.line);
    }
    notes.found.extend(told);
    Loaded {
        origins: Some(origins),
        ..finish(config, notes, files)
    }
}

/// Files that are read as one, and how many lines each has above it then.
#[derive(Debug, Default)]
struct Sources(Vec<(String, usize)>, usize);

impl Sources {
    fn add(&mut self, file: &str, text: &str) -> usize {
        let above = self.1;
        self.0.push((file.to_owned(), above));
        self.1 += text.lines().count();
        above
    }

    /// From a line through all files to the file and its own line. What stands in another file, such as one of rules, stays.
    fn put_right(&self, file: &mut String, line: &mut usize) {
        if self.0.last().is_none_or(|(last, _)| last != file) {
            return;
        }
        if let Some((found, above)) = self.0.iter().rev().find(|(_, above)| above < line) {
            file.clone_from(found);
            *line -= above;
        }
    }

    /// Rules that stand in several files as one group for each of them: another file beside does not make them others.
    fn parted(&self, groups: Vec<RuleGroup>) -> Vec<RuleGroup> {
        let mut parted: Vec<RuleGroup> = Vec::new();
        for mut group in groups {
            let rules = std::mem::take(&mut group.rules);
            let from = parted.len();
            for mut rule in rules {
                let (mut file, mut line) = (group.file.clone(), usize::try_from(rule.line).unwrap_or(1));
                self.put_right(&mut file, &mut line);
                rule.line = line as u64;
                match parted[from..].last_mut().filter(|g| g.file == file) {
                    Some(same) => same.rules.push(rule),
                    None => parted.push(RuleGroup {
                        file,
                        rules: vec![rule],
                        ..group.clone()
                    }),
                }
            }
            if parted.len() == from {
                parted.push(group);
            }
        }
        parted
    }
}

/// The bytes of a file as text; where they are none, the place is noted.
fn text_of_file(bytes: Vec<u8>, notes: &mut Diagnostics) -> Option<String> {
    let error = match String::from_utf8(bytes) {
        Ok(text) => return Some(text),
        Err(error) => error,
    };
    let good = &error.as_bytes()[..error.utf8_error().valid_up_to()];
    let good = String::from_utf8_lossy(good);
    let last = good.rsplit('\n').next().unwrap_or_default();
    let at = Position {
        line: good.matches('\n').count() + 1,
        column: last.chars().count() + 1,
    };
    notes.error_with_hint(
        at,
        "",
        "this is not UTF-8",
        "save the file as UTF-8; editors call what it is now Latin-1, Windows-1252 or UTF-16",
    );
    None
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
        Ok(text) => {
            let parsed = parse(&text);
            notes.source = text;
            parsed.map_err(|error| notes.syntax(error)).ok()
        }
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
            notes.syntax(error);
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

const WITHOUT_A_FILE: &str = "start without --config to run on defaults, or write one with `lapwing init`";

fn unreadable(path: &Path, error: &std::io::Error, notes: &mut Diagnostics) {
    let start = Position { line: 1, column: 1 };
    let message = format!("cannot read {}: {error}", path.display());
    match error.kind() {
        std::io::ErrorKind::NotFound => notes.error_with_hint(start, "", message, WITHOUT_A_FILE),
        _ => notes.error(start, "", message),
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
        // Without a file, too, models can be made over the API.
        assert!(Loaded::defaults().config.unwrap().health.read_model.is_some());
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

    /// Complaints of a directory, with its files.
    fn complaints_of(files: &[(&str, &str)]) -> Vec<String> {
        let dir = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let found = load(dir.path(), &|_| None).diagnostics;
        let name = |file: &str| file.rsplit('/').next().unwrap_or_default().to_owned();
        found
            .iter()
            .map(|d| format!("{}:{}:{} {}", name(&d.file), d.line, d.column, d.message))
            .collect()
    }

    #[test]
    fn a_mistake_in_a_directory_stands_in_its_own_file() {
        let a = "global:\n  scrape_intervall: 3s\nrules:\n  - { name: x, condition: up > 1 }";
        let b = "# two\nstore: {}\nrules:\n  - name: z\n    condition: up >> 3\n";
        let c = "store: { retention: 1d }\nweb: { listen: nowhere }\n";
        assert_eq!(
            complaints_of(&[
                ("a.yml", a),
                ("b.yaml", b),
                ("c.yml", c),
                (".#c.yml", "{"),
                ("d.bak", "{")
            ]),
            [
                "a.yml:2:3 unknown key \"scrape_intervall\"",
                "b.yaml:5:20 rule \"z\": condition \"up >> 3\" is not understood at \">\": unexpected <op:>>",
                "c.yml:1:1 section \"store\" stands in an earlier file already",
                "c.yml:2:16 not an address and port: \"nowhere\"",
            ]
        );
    }

    #[test]
    fn own_rules_of_a_directory_stand_in_their_own_files() {
        let dir = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
        write(
            "a.yml",
            "# first\nrules:\n  - { name: x, condition: up < 1 }\n  - { name: y, condition: up < 2 }\n",
        );
        write("b.yml", "rules:\n  - { name: z, condition: up < 3 }\n");
        write("c.yml", "store: {}\nhost: { enabled: false }\n");
        let groups = load(dir.path(), &|_| None).config.unwrap().alerting.paging.groups;
        let own = groups.iter().filter(|g| g.name == "lapwing");
        let places = own.flat_map(|group| {
            let file = group.file.rsplit('/').next().unwrap_or_default();
            group
                .rules
                .iter()
                .map(move |rule| format!("{file}:{} {}", rule.line, rule.name))
        });
        assert_eq!(
            places.collect::<Vec<_>>(),
            ["a.yml:3 x", "a.yml:4 y", "b.yml:2 z"]
        );
    }

    #[test]
    fn a_directory_without_a_configuration_is_a_mistake() {
        let found = complaints_of(&[("README.md", "x")]);
        assert!(
            found.len() == 1 && found[0].contains("there is no *.yml file in "),
            "{found:?}"
        );
    }

    #[test]
    fn a_file_that_cannot_be_read_does_not_end_the_watch_over_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let good = dir.path().join("a.yml");
        std::fs::write(&good, "store: {}\n").unwrap();
        std::os::unix::fs::symlink("/nowhere", dir.path().join("b.yml")).unwrap();
        let loaded = load(dir.path(), &|_| None);
        assert!(loaded.config.is_none());
        assert_eq!(loaded.watched, loaded.watched.now());
        std::fs::remove_file(dir.path().join("b.yml")).unwrap();
        assert_ne!(loaded.watched, loaded.watched.now());
    }

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.yml");
        std::fs::write(&file, b"store: {}\n# gr\xfc\xdfe\n").unwrap();
        let found = load(&file, &|_| None).diagnostics;
        assert_eq!((found[0].line, found[0].column), (2, 5));
        assert_eq!(found[0].message, "this is not UTF-8");
    }

    /// As an environment gives everything as text.
    #[test]
    fn a_variable_may_be_a_number_or_a_truth_value() {
        let text = "host: { enabled: '${ON:-false}' }\nlimits:\n  connections: ${N:-7}\n";
        let lookup = |name: &str| (name == "N").then(|| "100".to_owned());
        let loaded = load_text("lapwing.yml", text, &lookup);
        assert_eq!(loaded.diagnostics, []);
        let config = loaded.config.unwrap();
        assert_eq!((config.host.enabled, config.limits.connections_max), (false, 100));
        assert_eq!(
            complaints("host: { enabled: 'false' }\nlimits: { connections: '${N:-many}' }\n"),
            [
                "1:18 expected true or false, found text",
                "2:24 expected a whole number, found text",
            ]
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
