//! Where a page stops making sense, and why.

use lapwing_types::LabelsError;

/// Line and column count from 1; columns are characters.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}, column {column}: {reason}")]
pub struct ParseError {
    pub line: usize,
    pub column: usize,
    pub reason: ParseReason,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseReason {
    #[error("the page is not valid UTF-8")]
    NotUtf8,
    #[error("the value is missing")]
    MissingValue,
    #[error("the value {text:?} is not a number")]
    BadValue { text: String },
    #[error("the timestamp {text:?} is not a number of {unit}")]
    BadTimestamp { text: String, unit: &'static str },
    #[error("unexpected text {text:?} at the end of the line")]
    TrailingText { text: String },
    #[error("{text:?} is not a valid name; names with other characters stand in quotes")]
    BadName { text: String },
    #[error("the closing brace is missing")]
    UnclosedBrace,
    #[error("the closing quote is missing")]
    UnclosedQuote,
    #[error("expected {expected}, found {found:?}")]
    Expected { expected: &'static str, found: String },
    #[error("the metric has no name")]
    NoMetricName,
    #[error("the metric has two names")]
    TwoMetricNames,
    #[error("{0}")]
    Labels(LabelsError),
    #[error("{word:?} is not a metric type")]
    UnknownKind { word: String },
    #[error("the unit {unit:?} is not the end of the name {family:?}")]
    UnitNotSuffix { unit: String, family: String },
    #[error("the page does not end with # EOF")]
    MissingEof,
    #[error("the text ends within this line")]
    CutOff,
    #[error("the line is longer than {bytes_max} bytes")]
    LineTooLong { bytes_max: usize },
    #[error("there is text after # EOF")]
    TextAfterEof,
    #[error("empty lines are not allowed in OpenMetrics")]
    EmptyLine,
    #[error("comments other than HELP, TYPE, UNIT and EOF are not allowed in OpenMetrics")]
    UnknownComment,
}

impl ParseError {
    /// The same of a page whose only line is this one of a longer text.
    pub fn on_line(self, line: usize) -> Self {
        ParseError { line, ..self }
    }

    /// Finds the place of `offset`; the cost of counting lines is paid by bad pages only.
    #[cold]
    pub(crate) fn at(page: &str, offset: usize, reason: ParseReason) -> Self {
        let before = &page.as_bytes()[..offset.min(page.len())];
        let line_start = memchr::memrchr(b'\n', before).map_or(0, |i| i + 1);
        ParseError {
            line: memchr::memchr_iter(b'\n', before).count() + 1,
            column: String::from_utf8_lossy(&before[line_start..]).chars().count() + 1,
            reason,
        }
    }
}

/// An excerpt for a message: a hostile page must not fill the log.
pub(crate) fn excerpt(text: &str) -> String {
    const EXCERPT_CHARS_MAX: usize = 60;
    match text.char_indices().nth(EXCERPT_CHARS_MAX) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
