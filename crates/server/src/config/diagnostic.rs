//! Complaints about configuration: all at once, each with file, line, column, caret and, where one is near, the word
//! that was probably meant.

use super::syntax::SyntaxError;
use super::watched::Watched;
use super::yaml::Position;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::PathBuf;

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    Error,
    Warning,
}

#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Diagnostic {
    pub(crate) level: Level,
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) column: usize,
    /// The path of keys, such as `scrape_configs[0].job_name`.
    pub(crate) path: String,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

/// What is wrong with one file, in the order of its lines.
#[derive(Clone, Debug, Default)]
pub(crate) struct Diagnostics {
    pub(crate) file: String,
    /// The text of the file, where it is at hand: for places within a value.
    pub(crate) source: String,
    pub(crate) found: Vec<Diagnostic>,
    /// Every file that was read, and every directory that was looked into: when one changes, so may the configuration.
    pub(crate) watched: Watched,
    /// The keys that each map was asked for, by its path: what the schema is made of.
    pub(crate) asked: BTreeMap<String, BTreeSet<&'static str>>,
}

impl Diagnostics {
    pub(crate) fn new(file: &str) -> Self {
        Diagnostics {
            file: file.to_owned(),
            source: String::new(),
            found: Vec::new(),
            watched: Watched::default(),
            asked: BTreeMap::new(),
        }
    }

    /// Notes a file of which the configuration is made; to be called before it is read.
    pub(crate) fn watch(&mut self, path: impl Into<PathBuf>) {
        self.watched.note(path);
    }

    /// Notes a pattern of file names of which the configuration is made.
    pub(crate) fn watch_pattern(&mut self, pattern: impl Into<PathBuf>) {
        self.watched.note_pattern(pattern);
    }

    /// A text that is no YAML.
    pub(crate) fn syntax(&mut self, error: SyntaxError) {
        self.push(Level::Error, error.at, "", (error.message, error.hint));
    }

    pub(crate) fn error(&mut self, at: Position, path: &str, message: impl Into<String>) {
        self.push(Level::Error, at, path, (message.into(), None));
    }

    pub(crate) fn error_with_hint(
        &mut self,
        at: Position,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(Level::Error, at, path, (message.into(), Some(hint.into())));
    }

    pub(crate) fn warning_with_hint(
        &mut self,
        at: Position,
        path: &str,
        message: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.push(Level::Warning, at, path, (message.into(), Some(hint.into())));
    }

    pub(crate) fn warning(&mut self, at: Position, path: &str, message: impl Into<String>) {
        self.push(Level::Warning, at, path, (message.into(), None));
    }

    pub(crate) fn has_errors(&self) -> bool {
        self.found.iter().any(|d| d.level == Level::Error)
    }

    fn push(&mut self, level: Level, at: Position, path: &str, (message, hint): (String, Option<String>)) {
        self.found.push(Diagnostic {
            level,
            file: self.file.clone(),
            line: at.line,
            column: at.column,
            path: path.to_owned(),
            message,
            hint,
        });
    }
}

/// The text for a terminal:
///
/// ```text
/// error: unknown key "scrape_intervall"
///   --> lapwing.yml:2:3 (global)
///    |
///  2 |   scrape_intervall: 15s
///    |   ^
///    = did you mean "scrape_interval"?
/// ```
pub(crate) fn render(diagnostics: &[Diagnostic], source: impl Fn(&str) -> Option<String>) -> String {
    let mut out = String::new();
    for d in diagnostics {
        let word = match d.level {
            Level::Error => "error",
            Level::Warning => "warning",
        };
        let _ = writeln!(out, "{word}: {}", d.message);
        let path = if d.path.is_empty() {
            String::new()
        } else {
            format!(" ({})", d.path)
        };
        let _ = writeln!(out, "  --> {}:{}:{}{path}", d.file, d.line, d.column);
        let line =
            source(&d.file).and_then(|text| text.lines().nth(d.line.saturating_sub(1)).map(str::to_owned));
        if let Some(line) = line {
            let number = d.line.to_string();
            let margin = " ".repeat(number.len());
            let (line, before) = part_of(&line, d.column);
            let _ = writeln!(out, " {margin} |");
            let _ = writeln!(out, " {number} | {line}");
            let _ = writeln!(out, " {margin} | {}^", " ".repeat(before));
        }
        if let Some(hint) = &d.hint {
            let _ = writeln!(out, "   = {hint}");
        }
        out.push('\n');
    }
    out
}

/// A line of a file is shown up to here, around the place.
const LINE_CHARS_MAX: usize = 160;

/// What is shown of a line, and how much of it stands before the column. A tab is as wide as a space, so that the caret stands where it
/// should, and what a terminal would obey is not shown to it.
fn part_of(line: &str, column: usize) -> (String, usize) {
    let before = column.saturating_sub(1);
    let plain = line.chars().map(|c| match c {
        '\t' => ' ',
        c if c.is_control() => '\u{fffd}',
        c => c,
    });
    if line.chars().count() <= LINE_CHARS_MAX {
        return (plain.collect(), before);
    }
    let from = before.saturating_sub(LINE_CHARS_MAX / 2);
    let part: String = plain.skip(from).take(LINE_CHARS_MAX).collect();
    let lead = if from > 0 { "…" } else { "" };
    (format!("{lead}{part}…"), before - from + lead.chars().count())
}

/// The nearest of the known words, if it is near enough to be a slip of the finger.
pub(crate) fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips_max = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (edit_distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips_max)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Levenshtein, where two neighbours that changed places are one slip and not two.
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before: Vec<usize> = Vec::new();
    let mut above: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1];
        for j in 0..b.len() {
            let replaced = above[j] + usize::from(a[i] != b[j]);
            let mut least = replaced.min(above[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row.push(least);
        }
        before = std::mem::replace(&mut above, row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn suggests_only_what_is_near() {
        let known = ["scrape_interval", "scrape_timeout", "job_name"];
        assert_eq!(did_you_mean("scrape_intervall", known), Some("scrape_interval"));
        assert_eq!(did_you_mean("jobname", known), Some("job_name"));
        assert_eq!(did_you_mean("zebra", known), None);
        assert_eq!(did_you_mean("tema", ["gone", "team"]), Some("team"));
        assert_eq!(did_you_mean("atem", ["gone", "team"]), None);
    }

    #[test]
    fn the_caret_stands_below_its_place_in_any_line() {
        assert_eq!(part_of("\ta: \u{1b}[2J", 5), (" a: \u{fffd}[2J".to_owned(), 4));
        let long = format!("{}X{}", "a".repeat(1000), "b".repeat(1000));
        let (shown, before) = part_of(&long, 1001);
        assert_eq!(shown.chars().count(), LINE_CHARS_MAX + 2);
        assert_eq!(shown.chars().nth(before), Some('X'));
    }

    #[test]
    fn shows_the_line_and_a_caret() {
        let mut d = Diagnostics::new("lapwing.yml");
        d.error_with_hint(
            Position { line: 2, column: 3 },
            "global",
            "unknown key \"scrape_intervall\"",
            "did you mean \"scrape_interval\"?",
        );
        let text = render(&d.found, |_| Some("global:\n  scrape_intervall: 15s\n".into()));
        assert_eq!(
            text,
            "error: unknown key \"scrape_intervall\"\n  --> lapwing.yml:2:3 (global)\n   |\n 2 |   scrape_intervall: 15s\n   |   ^\n   = did you mean \"scrape_interval\"?\n\n"
        );
    }
}
