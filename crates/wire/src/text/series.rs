//! A series as a page spells it: `name{label="value", …}` or `{"any name", label="value"}`.
//!
//! Lenient where Prometheus is: blanks between tokens and a trailing comma are fine, an unknown escape keeps its
//! backslash.

use super::error::{ParseError, ParseReason, excerpt};
use super::number::{format_canonical_label, parse_float};
use crate::names::{is_legacy_label_name, is_legacy_metric_name};
use lapwing_types::{Labels, METRIC_NAME, MetricKind};
use std::borrow::Cow;

type Pair<'a> = (Cow<'a, str>, Cow<'a, str>);

/// Labels of the series at `range` of the page, and the names of those that it gives as empty. `kind` is that of its family:
/// it decides whether `le` and `quantile` are spelled canonically, as Prometheus 3 does on ingestion.
pub(crate) fn parse_series(
    page: &str,
    start: usize,
    end: usize,
    kind: MetricKind,
) -> Result<(Labels, Vec<String>), ParseError> {
    let mut cursor = Cursor { page, at: start, end };
    let mut pairs: Vec<Pair<'_>> = Vec::with_capacity(16);
    let bare = cursor.take_until(|b| b == b'{' || is_blank(b));
    if !bare.is_empty() {
        if !is_legacy_metric_name(bare) {
            return Err(cursor.fail(start, ParseReason::BadName { text: excerpt(bare) }));
        }
        pairs.push((Cow::Borrowed(METRIC_NAME), Cow::Borrowed(bare)));
    }
    cursor.skip_blanks();
    if cursor.peek().is_some() {
        cursor.parse_braces(&mut pairs)?;
        cursor.skip_blanks();
        if cursor.peek().is_some() {
            return Err(cursor.expected("the end of the series"));
        }
    }
    if !pairs.iter().any(|(name, _)| name == METRIC_NAME) {
        return Err(cursor.fail(start, ParseReason::NoMetricName));
    }
    canonicalise(&mut pairs, kind);
    let unset = pairs.iter().filter(|(_, value)| value.is_empty());
    let unset = unset.map(|(name, _)| name.clone().into_owned()).collect();
    let labels =
        Labels::from_pairs(pairs).map_err(|source| cursor.fail(start, ParseReason::Labels(source)))?;
    Ok((labels, unset))
}

/// Labels of an exemplar: braces without a metric name. Returns them with the offset after the closing brace.
pub(crate) fn parse_braced(page: &str, start: usize, end: usize) -> Result<(Labels, usize), ParseError> {
    let mut cursor = Cursor { page, at: start, end };
    let mut pairs = Vec::new();
    cursor.parse_braces(&mut pairs)?;
    let labels =
        Labels::from_pairs(pairs).map_err(|source| cursor.fail(start, ParseReason::Labels(source)))?;
    Ok((labels, cursor.at))
}

/// Where the braces that open at `start` close, quotes respected.
pub(crate) fn closing_brace(page: &str, start: usize, end: usize) -> Option<usize> {
    let bytes = &page.as_bytes()[..end];
    let mut at = start + 1;
    loop {
        at += memchr::memchr2(b'"', b'}', bytes.get(at..)?)?;
        if bytes[at] == b'}' {
            return Some(at);
        }
        at = closing_quote(bytes, at)? + 1;
    }
}

/// A metric's name in a HELP, TYPE or UNIT line, quoted or not; returns the offset after it.
pub(crate) fn parse_family(
    page: &str,
    start: usize,
    end: usize,
) -> Result<(Cow<'_, str>, usize), ParseError> {
    let mut cursor = Cursor { page, at: start, end };
    if cursor.peek() == Some(b'"') {
        return Ok((cursor.quoted()?, cursor.at));
    }
    let name = cursor.take_until(is_blank);
    if !is_legacy_metric_name(name) {
        return Err(cursor.fail(start, ParseReason::BadName { text: excerpt(name) }));
    }
    Ok((Cow::Borrowed(name), cursor.at))
}

/// `\\`, `\n` and `\"` mean something; every other backslash is itself.
pub(crate) fn unescape(text: &str) -> Cow<'_, str> {
    if memchr::memchr(b'\\', text.as_bytes()).is_none() {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let (plain, length) = match rest.as_bytes().get(at + 1) {
            Some(b'n') => ('\n', 2),
            Some(b'"') => ('"', 2),
            Some(b'\\') => ('\\', 2),
            _ => ('\\', 1),
        };
        out.push(plain);
        rest = &rest[at + length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

pub(crate) fn is_blank(byte: u8) -> bool {
    byte == b' ' || byte == b'\t'
}

fn closing_quote(bytes: &[u8], open: usize) -> Option<usize> {
    let mut at = open + 1;
    loop {
        at += memchr::memchr2(b'"', b'\\', bytes.get(at..)?)?;
        if bytes[at] == b'"' {
            return Some(at);
        }
        at += 2;
    }
}

fn canonicalise(pairs: &mut [Pair<'_>], kind: MetricKind) {
    let label = match kind {
        MetricKind::Histogram => "le",
        MetricKind::Summary => "quantile",
        _ => return,
    };
    for (name, value) in pairs {
        if name == label
            && let Some(number) = parse_float(value)
        {
            let text = format_canonical_label(number);
            if *value != text {
                *value = Cow::Owned(text);
            }
        }
    }
}

struct Cursor<'a> {
    page: &'a str,
    at: usize,
    end: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&self) -> Option<u8> {
        self.page.as_bytes()[..self.end].get(self.at).copied()
    }

    fn skip_blanks(&mut self) {
        while self.peek().is_some_and(is_blank) {
            self.at += 1;
        }
    }

    fn take_until(&mut self, stop: impl Fn(u8) -> bool) -> &'a str {
        let rest = &self.page[self.at..self.end];
        let length = rest.bytes().position(stop).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn parse_braces(&mut self, pairs: &mut Vec<Pair<'a>>) -> Result<(), ParseError> {
        if self.peek() != Some(b'{') {
            return Err(self.expected("an opening brace"));
        }
        self.at += 1;
        loop {
            self.skip_blanks();
            match self.peek() {
                Some(b'}') => {
                    self.at += 1;
                    return Ok(());
                }
                None => return Err(self.fail(self.at, ParseReason::UnclosedBrace)),
                Some(_) => self.parse_item(pairs)?,
            }
            self.skip_blanks();
            match self.peek() {
                Some(b',') => self.at += 1,
                Some(b'}') | None => {}
                Some(_) => return Err(self.expected("a comma or a closing brace")),
            }
        }
    }

    fn parse_item(&mut self, pairs: &mut Vec<Pair<'a>>) -> Result<(), ParseError> {
        let start = self.at;
        let quoted = self.peek() == Some(b'"');
        let name = if quoted {
            self.quoted()?
        } else {
            let text = self.take_until(|b| is_blank(b) || matches!(b, b'=' | b',' | b'}'));
            if !is_legacy_label_name(text) {
                return Err(self.fail(start, ParseReason::BadName { text: excerpt(text) }));
            }
            Cow::Borrowed(text)
        };
        self.skip_blanks();
        if self.peek() == Some(b'=') {
            self.at += 1;
            self.skip_blanks();
            if self.peek() != Some(b'"') {
                return Err(self.expected("a quoted value"));
            }
            let value = self.quoted()?;
            pairs.push((name, value));
            return Ok(());
        }
        if !quoted {
            return Err(self.expected("an equals sign"));
        }
        if pairs.iter().any(|(n, _)| n == METRIC_NAME) {
            return Err(self.fail(start, ParseReason::TwoMetricNames));
        }
        if name.is_empty() {
            return Err(self.fail(start, ParseReason::NoMetricName));
        }
        pairs.push((Cow::Borrowed(METRIC_NAME), name));
        Ok(())
    }

    /// The text in quotes that open here; the cursor moves behind them.
    fn quoted(&mut self) -> Result<Cow<'a, str>, ParseError> {
        let open = self.at;
        let close = closing_quote(&self.page.as_bytes()[..self.end], open)
            .ok_or_else(|| self.fail(open, ParseReason::UnclosedQuote))?;
        self.at = close + 1;
        Ok(unescape(&self.page[open + 1..close]))
    }

    fn expected(&self, expected: &'static str) -> ParseError {
        let found = excerpt(&self.page[self.at..self.end]);
        self.fail(self.at, ParseReason::Expected { expected, found })
    }

    fn fail(&self, offset: usize, reason: ParseReason) -> ParseError {
        ParseError::at(self.page, offset, reason)
    }
}
