//! What is wrong with a text that is no YAML, in plain words, with what to do about it.
//!
//! The library names its own states (`while parsing a block mapping, did not find expected key`) and the place where it noticed,
//! which is often the line after the slip. Here the kind of the error becomes a sentence, and the place that of the slip where the
//! lines tell it. What has no sentence of its own keeps the library's words.

use super::yaml::Position;
use serde_saphyr::budget::BudgetBreach;
use serde_saphyr::granit_parser::ErrorKind;
use serde_saphyr::{Error, ExternalMessageSource};

/// Why a text could not be read, where, and what to do.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    pub(crate) at: Position,
}

/// The sentence, and the hint that stands below it.
type Said = (String, &'static str);

const BRACKETS: &str = "is every [ and { above it closed, with a comma between the items?";
const INDENTATION: &str = "lines of one map or list begin in the same column, and what belongs to a key stands further right than the key";
const QUOTE_IT: &str = "put the value in quotes: \"…\"";

pub(super) fn said(error: &Error, text: &str) -> SyntaxError {
    let error = error.without_snippet();
    let start = Position { line: 1, column: 1 };
    let at = error.location().map_or(start, |l| Position {
        line: l.line() as usize,
        column: l.column() as usize,
    });
    let page = Page {
        lines: text.lines().collect(),
        at,
    };
    let parser = match error {
        Error::ExternalMessage { source, .. } => match &**source {
            ExternalMessageSource::Parser(scan) => Some(scan.kind()),
            _ => None,
        },
        _ => None,
    };
    let told = match parser {
        Some(kind) => page.of_parser(kind),
        None => page.of_reader(error),
    };
    let ((message, hint), at) = told.unwrap_or_else(|| ((in_its_words(error), ""), at));
    SyntaxError {
        message,
        hint: (!hint.is_empty()).then(|| hint.to_owned()),
        at,
    }
}

/// `error: line 1 column 8: unexpected character` without what is told anyway.
fn in_its_words(error: &Error) -> String {
    let whole = error.to_string();
    let first = whole.lines().next().unwrap_or("this is not YAML");
    let first = first.strip_prefix("error: ").unwrap_or(first);
    match first.strip_prefix("line ").and_then(|rest| rest.split_once(": ")) {
        Some((_, words)) => words.to_owned(),
        None => first.to_owned(),
    }
}

/// The text, and where the library stopped in it.
struct Page<'a> {
    lines: Vec<&'a str>,
    at: Position,
}

impl Page<'_> {
    fn line(&self, number: usize) -> &str {
        let line = number.checked_sub(1).and_then(|i| self.lines.get(i));
        line.copied().unwrap_or_default()
    }

    /// The line where the library stopped, up to that place.
    fn before(&self) -> String {
        let line = self.line(self.at.line).chars();
        line.take(self.at.column.saturating_sub(1)).collect()
    }

    fn character(&self) -> char {
        let mut line = self.line(self.at.line).chars();
        line.nth(self.at.column.saturating_sub(1)).unwrap_or(' ')
    }

    /// What the scanner and the parser refuse.
    fn of_parser(&self, kind: &ErrorKind) -> Option<(Said, Position)> {
        let said = match kind {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation
            | ErrorKind::TabAtBlockScalarStart
            | ErrorKind::TabInPlainScalar => {
                let said = said_of(
                    "YAML takes no tabs for indentation",
                    "write spaces instead of the tab",
                );
                return Some((said, self.tab()));
            }
            ErrorKind::UnclosedQuotedScalar
            | ErrorKind::InvalidQuotedScalarIndent
            | ErrorKind::DocumentIndicatorInQuotedScalar => {
                let (at, quote) = self.opening_quote();
                let message = format!("the quote {quote} is opened here and never closed");
                return Some(((message, "put the same quote at the end of the value"), at));
            }
            ErrorKind::InvalidTrailingSingleQuotedScalar | ErrorKind::InvalidTrailingDoubleQuotedScalar => {
                said_of(
                    "something follows the closing quote",
                    "a value in quotes ends with them; put the quotes around all of it, the inner ones of the other kind",
                )
            }
            ErrorKind::UnknownQuotedScalarEscape
            | ErrorKind::InvalidQuotedScalarHexEscape
            | ErrorKind::InvalidUnicodeEscape => said_of(
                "in double quotes a backslash begins an escape such as \\n, and what follows one here is none",
                "use single quotes, in which a backslash is a backslash, or write it twice",
            ),
            ErrorKind::MappingValueNotAllowed => return Some((self.second_colon(), self.at)),
            ErrorKind::ExpectedBlockMappingKey if self.line(self.at.line).trim_start().starts_with("- ") => {
                said_of(
                    "an item of a list stands where the next key of a map has to",
                    INDENTATION,
                )
            }
            ErrorKind::ExpectedBlockSequenceEntry => said_of(
                "this line belongs neither to the item of the list above it nor begins a new one",
                "items of a list begin with \"- \" in the same column, and the keys of one item all begin in one column",
            ),
            ErrorKind::ExpectedBlockMappingKey
            | ErrorKind::InvalidIndentation
            | ErrorKind::InvalidBlockScalarIndent => said_of(
                "the indentation of this line fits none of the lines above it",
                INDENTATION,
            ),
            ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => said_of(
                "a \":\" is missing behind this key",
                "a key is followed by a colon and a space; a value that goes on in the next line needs quotes",
            ),
            ErrorKind::BlockSequenceEntryNotAllowed | ErrorKind::BlockEntryInFlowCollection => {
                said_of("an item of a list, \"- \", cannot begin here", INDENTATION)
            }
            other => return self.of_brackets_and_signs(other),
        };
        Some((said, self.at))
    }

    fn of_brackets_and_signs(&self, kind: &ErrorKind) -> Option<(Said, Position)> {
        let said = match kind {
            ErrorKind::UnexpectedCharacter { character } if character.is_control() => (
                format!("the character {} cannot stand here", character.escape_unicode()),
                "take it out, or write it as an escape in double quotes",
            ),
            ErrorKind::UnexpectedCharacter { character } => {
                (format!("a value cannot begin with {character}"), QUOTE_IT)
            }
            ErrorKind::PlainScalarStartsWithDashFlowIndicator | ErrorKind::UnexpectedEndOfPlainScalar => {
                said_of("a value cannot begin like this", QUOTE_IT)
            }
            ErrorKind::UnclosedFlowCollection { open } => (
                format!("the bracket {open} is opened here and never closed"),
                BRACKETS,
            ),
            ErrorKind::MismatchedFlowCollectionEnd { open, close } => (
                format!("the bracket {open} that is opened here is closed by {close}"),
                BRACKETS,
            ),
            ErrorKind::MisplacedFlowCollectionEnd => (
                format!("the bracket {} closes nothing", self.character()),
                "take it out; in a value that is text it needs quotes",
            ),
            ErrorKind::InvalidColonPlacement
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::ExpectedFlowSequenceSeparator
                if self.line(self.at.line).contains("${") =>
            {
                said_of("a variable within brackets needs quotes", "write \"${NAME}\"")
            }
            ErrorKind::InvalidColonPlacement
            | ErrorKind::ExpectedFlowMappingSeparator
            | ErrorKind::ExpectedFlowSequenceSeparator
            | ErrorKind::InvalidFlowScalarIndent
            | ErrorKind::UnexpectedEofFlowMapping
            | ErrorKind::UnexpectedEofFlowSequence
            | ErrorKind::UnexpectedEofImplicitFlowMapping => {
                said_of("within brackets this cannot stand here", BRACKETS)
            }
            ErrorKind::MissingAnchorOrAliasName => (
                format!("after {} the name of an anchor has to follow", self.character()),
                "a value that begins with * or & needs quotes",
            ),
            ErrorKind::UnknownAnchor => return Some((self.unknown_anchor(), self.at)),
            ErrorKind::CommentNotSeparated | ErrorKind::CommentInterceptedScalar => said_of(
                "a comment cannot begin here",
                "put a space before the #, or the value in quotes if it belongs to it",
            ),
            ErrorKind::RecursionLimitExceeded => too_deep(),
            ErrorKind::BomInsideDocument => said_of(
                "a byte order mark stands in the midst of the text",
                "take it out; it comes from joining files",
            ),
            _ => return None,
        };
        Some((said, self.at))
    }

    /// What is YAML, and still no tree of keys and values.
    fn of_reader(&self, error: &Error) -> Option<(Said, Position)> {
        let said = match error {
            Error::AliasError { error, .. } => return self.of_reader(error),
            Error::DuplicateMappingKey { key, .. } => {
                let key = key.clone().unwrap_or_else(|| "this key".to_owned());
                let first = self.first_of(&key);
                let first = first.map_or_else(String::new, |line| format!(", first in line {line}"));
                (
                    format!("{key:?} stands twice in one map{first}"),
                    "put what both hold under one of them",
                )
            }
            Error::MultipleDocuments { .. } => said_of(
                "a second document begins after \"---\", and a file is one",
                "take the line \"---\" out, or put the second part into a file of its own",
            ),
            Error::UnknownAnchor { .. } => self.unknown_anchor(),
            Error::RecursiveReferencesRequireWeakTypes { .. } => said_of(
                "this alias stands within what it names",
                "an alias can only name something above it",
            ),
            Error::MergeValueNotMapOrSeqOfMaps { .. } => said_of(
                "\"<<\" takes over a map, or a list of maps, and this is neither",
                "write <<: *name",
            ),
            // A map or a list where a key has to stand.
            Error::Unexpected { .. } if self.line(self.at.line).contains("{{") => said_of(
                "a value that begins with {{ is a map to YAML",
                "put the whole value in quotes: \"{{ … }}\"",
            ),
            Error::Unexpected { .. } => said_of("a key has to be text", "a map or a list cannot be one"),
            Error::UnsupportedTag { tag, .. } => (
                format!("the tag {tag} means nothing here"),
                "${NAME} takes a value from the environment, and keys that end with _file name files that hold a secret",
            ),
            Error::NullIntoString { .. } => said_of(
                "a key has to be text, and this one is nothing",
                "write the key, or put it in quotes",
            ),
            Error::NonFiniteFloat { value, .. } => (
                format!("{value} is no number that can be used here"),
                "write a finite number, or put it in quotes if it is text",
            ),
            Error::Budget { breach, .. } => return Some((too_much(breach), self.at)),
            Error::AliasReplayLimitExceeded { .. }
            | Error::AliasExpansionLimitExceeded { .. }
            | Error::AliasReplayStackDepthExceeded { .. } => too_large(),
            _ => return None,
        };
        Some((said, self.at))
    }

    fn unknown_anchor(&self) -> Said {
        let rest: String = self.line(self.at.line).chars().skip(self.at.column - 1).collect();
        let name = rest.split([' ', ',', ']', '}']).next().unwrap_or_default();
        let message = format!("{name} refers to an anchor that is not defined above it");
        (
            message,
            "define it with &name first; a value that begins with * needs quotes",
        )
    }

    /// Two colons in one line, or a line that is indented as if it belonged to a value.
    fn second_colon(&self) -> Said {
        let before = self.before();
        let before = before.trim_start().trim_start_matches("- ");
        if before.contains(": ") {
            said_of(
                "a second \": \" in one line: YAML takes it for another key",
                "put the value in quotes: \"…\"; keys of a map stand below, indented",
            )
        } else {
            said_of(
                "this line is indented as if it belonged to the value above it",
                INDENTATION,
            )
        }
    }

    /// The tab itself: the library stops at the value before it, or behind it.
    fn tab(&self) -> Position {
        let from = self.at.line.max(1);
        let lines = from..=self.lines.len().max(from);
        let indented = |number: usize| {
            let line = self.line(number);
            let blank: String = line.chars().take_while(|c| c.is_whitespace()).collect();
            (blank.len() < line.len())
                .then(|| blank.chars().position(|c| c == '\t'))
                .flatten()
        };
        for line in lines {
            if let Some(at) = indented(line) {
                return Position { line, column: at + 1 };
            }
        }
        self.at
    }

    /// Of a value in quotes that ran into what follows it: the nearest line above with a quote that begins a value.
    fn opening_quote(&self) -> (Position, char) {
        for line in (1..=self.at.line).rev() {
            if let Some((column, quote)) = unclosed(self.line(line)) {
                return (Position { line, column }, quote);
            }
        }
        (self.at, '"')
    }

    /// The line of the same key in the same map, above.
    fn first_of(&self, key: &str) -> Option<usize> {
        let column = self.at.column;
        (1..self.at.line).rev().find(|number| {
            let line = self.line(*number);
            let here: String = line.chars().skip(column - 1).collect();
            let lead = line.chars().take(column - 1);
            let is_lead_blank =
                lead.clone().count() == column - 1 && lead.clone().all(|c| c == ' ' || c == '-');
            let here = here.trim_start_matches(['"', '\'']);
            is_lead_blank
                && here
                    .strip_prefix(key)
                    .is_some_and(|rest| rest.trim_start_matches(['"', '\'', ' ']).starts_with(':'))
        })
    }
}

/// The column of a quote that begins a value of this line and does not end in it.
fn unclosed(line: &str) -> Option<(usize, char)> {
    let mut open: Option<(usize, char)> = None;
    let mut last = ' ';
    let mut is_escaped = false;
    for (i, c) in line.chars().enumerate() {
        match open {
            Some((_, '"')) if is_escaped => is_escaped = false,
            Some((_, '"')) if c == '\\' => is_escaped = true,
            Some((_, quote)) if c == quote => open = None,
            Some(_) => {}
            None if c == '#' && last == ' ' => return None,
            None if (c == '"' || c == '\'') && " [{,".contains(last) => open = Some((i + 1, c)),
            None => {}
        }
        last = c;
    }
    open
}

fn said_of(message: &str, hint: &'static str) -> Said {
    (message.to_owned(), hint)
}

fn too_much(breach: &BudgetBreach) -> Said {
    match breach {
        BudgetBreach::Depth { .. } => too_deep(),
        _ => too_large(),
    }
}

fn too_deep() -> Said {
    said_of(
        "lists and maps stand too deep in one another",
        "no key of the configuration is so deep",
    )
}

fn too_large() -> Said {
    said_of(
        "the file is too large once its aliases are written out",
        "split it: a directory of *.yml files is read as one, and rule_files takes patterns",
    )
}

#[cfg(test)]
mod tests {
    use crate::config::yaml::parse;

    /// The place and the sentence; no word of the library in either.
    fn check(text: &str, expect: &str) {
        let error = parse(text).expect_err(text);
        let said = format!("{}:{} {}", error.at.line, error.at.column, error.message);
        assert_eq!(said, expect, "{text}");
        assert!(error.hint.is_some(), "{text}");
    }

    #[test]
    fn indentation_and_tabs() {
        check("a:\n\tb: 1\n", "2:1 YAML takes no tabs for indentation");
        check("a:\n  b: 1\n\tc: 1\n", "3:1 YAML takes no tabs for indentation");
        check(
            "a:\n  b: 1\n c: 1\n",
            "3:2 the indentation of this line fits none of the lines above it",
        );
        check(
            "a:\n  b: 1\n    c: 1\n",
            "3:6 this line is indented as if it belonged to the value above it",
        );
        check(
            "a:\n  - b: 1\n   c: 1\n",
            "3:4 this line belongs neither to the item of the list above it nor begins a new one",
        );
        check(
            "a:\n  b: 1\n  - c: 1\n",
            "3:5 an item of a list stands where the next key of a map has to",
        );
        check("a: 1\nb\n", "2:1 a \":\" is missing behind this key");
    }

    #[test]
    fn quotes_and_brackets() {
        check(
            "a: 'b'\nc: \"http://x\nd:\n  e: 1\n",
            "2:4 the quote \" is opened here and never closed",
        );
        check(
            "a: 'it\nb: 1\n",
            "1:4 the quote ' is opened here and never closed",
        );
        check("a: \"x\" y\n", "1:8 something follows the closing quote");
        check(
            "a: [{b: 1}\n",
            "1:4 the bracket [ is opened here and never closed",
        );
        check(
            "a: [{b: 1]\n",
            "1:5 the bracket { that is opened here is closed by ]",
        );
        check(
            "a: { b: ${N:-7} }\n",
            "1:10 a variable within brackets needs quotes",
        );
        check("a: }\n", "1:4 the bracket } closes nothing");
        check("a: @b\n", "1:4 a value cannot begin with @");
        check(
            "a: b: c\n",
            "1:5 a second \": \" in one line: YAML takes it for another key",
        );
        check(
            "a: {{ $value }} is bad\n",
            "1:5 a value that begins with {{ is a map to YAML",
        );
        check(
            "a: \"C:\\q\"\n",
            "1:4 in double quotes a backslash begins an escape such as \\n, and what follows one here is none",
        );
    }

    #[test]
    fn what_is_there_twice_or_not_at_all() {
        check(
            "a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n",
            "5:3 \"c\" stands twice in one map, first in line 3",
        );
        check(
            "- a: 1\n  a: 2\n",
            "2:3 \"a\" stands twice in one map, first in line 1",
        );
        check(
            "a: 1\n---\nb: 1\n",
            "3:1 a second document begins after \"---\", and a file is one",
        );
        check(
            "a: *b\n",
            "1:4 *b refers to an anchor that is not defined above it",
        );
        check("a: *\n", "1:4 after * the name of an anchor has to follow");
        check("a: &a\n  b: *a\n", "2:6 this alias stands within what it names");
        check(
            "<<: 3\n",
            "1:5 \"<<\" takes over a map, or a list of maps, and this is neither",
        );
        check("a: !secret b\n", "1:12 the tag !secret means nothing here");
        assert!(parse("a: !!str 5\nb: !!int 5\n").is_ok());
        check("null: 3\n", "1:1 a key has to be text, and this one is nothing");
    }

    #[test]
    fn more_than_a_file_may_be() {
        let deep = format!("a: {}1{}\n", "[".repeat(300), "]".repeat(300));
        assert_eq!(
            parse(&deep).unwrap_err().message,
            "lists and maps stand too deep in one another"
        );
        let tenfold = |i: usize| {
            format!(
                "a{}: &a{} [{}]\n",
                i + 1,
                i + 1,
                vec![format!("*a{i}"); 10].join(",")
            )
        };
        let bomb = format!("a0: &a0 x\n{}", (0..8).map(tenfold).collect::<String>());
        assert_eq!(
            parse(&bomb).unwrap_err().message,
            "the file is too large once its aliases are written out"
        );
        // Many values that were really written are no bomb.
        assert!(parse(&format!("a: [{}0]\n", "1,".repeat(300_000))).is_ok());
    }
}
