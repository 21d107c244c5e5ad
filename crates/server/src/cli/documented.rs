//! Every command line in the README, in `docs/` and in the examples of `--help` is one that this program takes.
//!
//! Where a line is an example it must parse; where it is a pattern (`[…]`, `a|b`, `…`) its commands and flags must exist.

use super::Cli;
use clap::CommandFactory;
use std::path::Path;

/// Commands of the Python package's own, which the program behind it does not know.
const OF_PYTHON: [&str; 1] = ["monitor"];

/// The words of a line as a shell takes them, up to a comment. An open quotation mark ends with the line.
fn words(line: &str) -> Vec<String> {
    let (mut words, mut word, mut quote) = (Vec::new(), None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '#') if word.is_none() => break,
            (None, c) if c.is_whitespace() => words.extend(word.take()),
            (_, c) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    words
}

/// The command lines of a page: indented or fenced lines, and what stands between back-ticks, which may run over a line's end.
fn commands_in(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let spans = text.split('`').skip(1).step_by(2);
    for candidate in text
        .lines()
        .map(str::to_owned)
        .chain(spans.map(|s| s.replace('\n', " ")))
    {
        let line = candidate.trim().trim_start_matches("$ ").replace("\\|", "|");
        for start in ["cargo run --release -- ", "lapwing "] {
            let Some(rest) = line.strip_prefix(start) else {
                continue;
            };
            // Prose that happens to begin with the name is no command.
            let is_command = rest.starts_with(|c: char| c.is_ascii_lowercase() || c == '-');
            if is_command && !(start == "lapwing " && candidate.ends_with('.')) {
                found.push(rest.to_owned());
            }
        }
    }
    found
}

/// Why a line is none of ours, or nothing.
fn fault(line: &str) -> Option<String> {
    let words = words(line);
    let mut command = Cli::command();
    command.build();
    let mut rest = words.as_slice();
    while let [first, behind @ ..] = rest {
        // A row of commands is checked by its first.
        let name = first.split('|').next().unwrap_or(first);
        let Some(next) = command.find_subcommand(name).cloned() else {
            break;
        };
        (command, rest) = (next, behind);
    }
    // A command's bare name is talk about it, and no example.
    if rest.is_empty() {
        return None;
    }
    if !line.contains(['[', '|', '…']) && !line.contains("...") {
        let named = std::iter::once("lapwing").chain(words.iter().map(String::as_str));
        let parsed = Cli::command().try_get_matches_from(named);
        return parsed
            .err()
            .filter(clap::Error::use_stderr)
            .map(|e| e.to_string());
    }
    if command.has_subcommands()
        && command.get_positionals().next().is_none()
        && !rest[0].starts_with(['-', '['])
    {
        return Some(format!("{} has no command {}", command.get_name(), rest[0]));
    }
    let flags = rest.iter().flat_map(|w| w.trim_matches(['[', ']']).split('|'));
    for flag in flags.filter_map(|word| word.strip_prefix("--")) {
        let name = flag.split('=').next().unwrap_or(flag);
        let is_known = |a: &clap::Arg| {
            a.get_long() == Some(name) || a.get_all_aliases().is_some_and(|all| all.contains(&name))
        };
        if name != "help" && !command.get_arguments().any(is_known) {
            return Some(format!("{} has no --{name}", command.get_name()));
        }
    }
    None
}

/// What a reader copies from a page is read without a mistake, but for files and receivers that only the reader has.
#[test]
fn documented_configurations_are_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![root.join("README.md")];
    let docs = std::fs::read_dir(root.join("docs")).unwrap();
    pages.extend(
        docs.map(|e| e.unwrap().path())
            .filter(|p| p.extension().is_some_and(|e| e == "md")),
    );
    let (mut read, mut faults) = (0, Vec::new());
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        for block in text.split("```yaml\n").skip(1) {
            let block = block.split("```").next().unwrap_or(block);
            let found = crate::config::load_text("lapwing.yml", block, &|_| None).diagnostics;
            // A part of a section, a prometheus.yml, a file of tests.
            let is_other = |d: &crate::config::Diagnostic| d.path.is_empty() && d.column == 1;
            if block.starts_with([' ', '-']) || found.iter().any(is_other) {
                continue;
            }
            read += 1;
            let of_the_reader = [
                "cannot read ",
                "no route provided",
                "no file matches",
                "no model and no check of this file",
            ];
            let found = found
                .iter()
                .filter(|d| !of_the_reader.iter().any(|o| d.message.starts_with(o)));
            faults.extend(found.map(|d| format!("{}: {}: {}", page.display(), d.path, d.message)));
        }
    }
    assert!(read > 15, "only {read} blocks were read");
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn documented_command_lines_are_taken() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut pages = vec![
        root.join("README.md"),
        root.join("CONTRIBUTING.md"),
        root.join("ROADMAP.md"),
    ];
    for folder in ["docs", "docs/decisions"] {
        let entries = std::fs::read_dir(root.join(folder)).unwrap();
        pages.extend(
            entries
                .map(|e| e.unwrap().path())
                .filter(|p| p.extension().is_some_and(|e| e == "md")),
        );
    }
    let mut lines: Vec<(String, String)> = Vec::new();
    for page in pages {
        let text = std::fs::read_to_string(&page).unwrap();
        let name = page.file_name().unwrap().to_string_lossy().into_owned();
        lines.extend(commands_in(&text).into_iter().map(|line| (name.clone(), line)));
    }
    let mut open = vec![Cli::command()];
    while let Some(command) = open.pop() {
        let help = command
            .get_after_help()
            .map(ToString::to_string)
            .unwrap_or_default();
        // Behind the example stands what it does, after two blanks or more.
        let examples = help.lines().filter_map(|l| l.trim().strip_prefix("lapwing "));
        let lone = examples.map(|e| e.split("  ").next().unwrap_or(e).to_owned());
        lines.extend(lone.map(|line| (format!("{} --help", command.get_name()), line)));
        open.extend(command.get_subcommands().cloned());
    }
    assert!(lines.len() > 60, "only {} command lines were found", lines.len());
    let of_python = |line: &str| OF_PYTHON.iter().any(|c| line.starts_with(c));
    let faults: Vec<String> = lines
        .iter()
        .filter(|(_, line)| !of_python(line))
        .filter_map(|(page, line)| Some(format!("{page}: lapwing {line}\n  {}", fault(line)?)))
        .collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[test]
fn what_is_not_taken_is_found() {
    for line in [
        "serv --data d",
        "serve --dta d",
        "serve --data",
        "rules explain [lapwing.yml] [--rul NAME]",
        "rules explian [lapwing.yml]",
        "gate save|list --dta",
    ] {
        assert!(fault(line).is_some(), "{line}");
    }
    for line in [
        "serve --data d # as ever",
        "query 'rate(a[5m])' --since 1d",
        "rules explain [lapwing.yml] [--rule NAME]",
    ] {
        assert_eq!(fault(line), None, "{line}");
    }
}
