//! A page of metrics as a stream of entries; the hot path of scraping.
//!
//! 1. The page is checked for UTF-8 once, as a whole.
//! 2. Each line is found by its end, the series in it by the last closing brace; the value and the timestamp stand
//!    behind. Labels are not looked at: the text of the series is the key by which a scrape loop finds what it has
//!    seen before, and only an unknown key costs [`RawSample::labels`].
//! 3. A line with `#` in it (OpenMetrics: perhaps an exemplar) is read with its quotes respected instead.
//!
//! Nothing is allocated per line. A page cut in the middle of a line reads as a shorter last line: whoever fetched it
//! must know that it is whole; OpenMetrics says so itself with `# EOF`, and its absence is an error.

use super::error::{ParseError, ParseReason, excerpt};
use super::number::{parse_float, parse_millis, parse_seconds};
use super::series::{closing_brace, is_blank, parse_braced, parse_family, parse_series, unescape};
use lapwing_types::{Exemplar, Labels, MetricKind};
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// text/plain; version=0.0.4 (or 1.0.0, which adds quoted names)
    Prometheus,
    /// application/openmetrics-text
    OpenMetrics,
}

#[derive(Clone, Debug)]
pub enum Entry<'a> {
    Type {
        family: Cow<'a, str>,
        kind: MetricKind,
    },
    Help {
        family: Cow<'a, str>,
        text: Cow<'a, str>,
    },
    Unit {
        family: Cow<'a, str>,
        unit: &'a str,
    },
    Sample(RawSample<'a>),
}

/// What the number on a line means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleRole {
    Value,
    /// `_created` of an OpenMetrics counter, histogram or summary: the second at which the series with the same labels
    /// began.
    Created,
}

/// One line with a number.
#[derive(Clone, Copy, Debug)]
pub struct RawSample<'a> {
    page: &'a str,
    start: usize,
    end: usize,
    /// Where the exemplar's brace opens and where its line ends.
    exemplar: Option<(usize, usize)>,
    pub kind: MetricKind,
    pub role: SampleRole,
    pub value: f64,
    pub t_ms: Option<i64>,
}

impl<'a> RawSample<'a> {
    /// The series exactly as the page spells it: the same text means the same labels for as long as the family's type
    /// stays the same.
    #[inline]
    pub fn series_text(&self) -> &'a str {
        &self.page[self.start..self.end]
    }

    pub fn labels(&self) -> Result<Labels, ParseError> {
        self.labels_and_unset().map(|(labels, _)| labels)
    }

    /// The labels, and the names of those that the page gives as empty: what is federated says so that it has none, and none
    /// shall be put in its place.
    pub fn labels_and_unset(&self) -> Result<(Labels, Vec<String>), ParseError> {
        parse_series(self.page, self.start, self.end, self.kind)
    }

    pub fn has_exemplar(&self) -> bool {
        self.exemplar.is_some()
    }

    pub fn exemplar(&self) -> Result<Option<Exemplar>, ParseError> {
        let Some((start, line_end)) = self.exemplar else {
            return Ok(None);
        };
        let (labels, after) = parse_braced(self.page, start, line_end)?;
        let numbers = Numbers::read(self.page, after, line_end, Format::OpenMetrics)?;
        Ok(Some(Exemplar {
            labels,
            value: numbers.value,
            t_ms: numbers.t_ms,
        }))
    }
}

/// The type that the page last declared, and for which family.
#[derive(Clone, Debug)]
struct Declared<'a> {
    family: Cow<'a, str>,
    kind: MetricKind,
}

#[derive(Clone, Debug)]
pub struct Parser<'a> {
    page: &'a str,
    at: usize,
    format: Format,
    declared: Declared<'a>,
    seen_eof: bool,
}

/// What the lines of an OpenMetrics page say to those behind them.
#[derive(Debug, Default)]
pub(super) struct Carried {
    family: String,
    kind: MetricKind,
    pub(super) seen_eof: bool,
}

pub(super) fn text(bytes: &[u8]) -> Result<&str, ParseError> {
    std::str::from_utf8(bytes).map_err(|error| {
        let valid = error.valid_up_to();
        let good = std::str::from_utf8(&bytes[..valid]).unwrap_or("");
        ParseError::at(good, valid, ParseReason::NotUtf8)
    })
}

impl<'a> Parser<'a> {
    pub fn new(bytes: &'a [u8], format: Format) -> Result<Self, ParseError> {
        let page = text(bytes)?;
        Ok(Parser {
            page,
            at: 0,
            format,
            declared: Declared {
                family: Cow::Borrowed(""),
                kind: MetricKind::Unknown,
            },
            seen_eof: false,
        })
    }

    /// Of one line of OpenMetrics text, without its end.
    pub(super) fn of_line(page: &'a str, carried: Carried) -> Self {
        Parser {
            page,
            at: 0,
            format: Format::OpenMetrics,
            declared: Declared {
                family: Cow::Owned(carried.family),
                kind: carried.kind,
            },
            seen_eof: carried.seen_eof,
        }
    }

    pub(super) fn whole_line(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        self.line(0, self.page.len())
    }

    pub(super) fn into_carried(self) -> Carried {
        Carried {
            family: self.declared.family.into_owned(),
            kind: self.declared.kind,
            seen_eof: self.seen_eof,
        }
    }

    /// The next entry, or `None` at the end of the page. After an error the parser stands at the next line, so that a
    /// caller may keep what does parse.
    pub fn next_entry(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        loop {
            if self.at >= self.page.len() {
                return self.finish();
            }
            let start = self.at;
            let rest = &self.page.as_bytes()[start..];
            let length = memchr::memchr(b'\n', rest).unwrap_or(rest.len());
            self.at = start + length + 1;
            if let Some(entry) = self.line(start, start + length)? {
                return Ok(Some(entry));
            }
        }
    }

    fn finish(&mut self) -> Result<Option<Entry<'a>>, ParseError> {
        if self.format == Format::OpenMetrics && !self.seen_eof {
            self.seen_eof = true;
            return Err(self.fail(self.page.len(), ParseReason::MissingEof));
        }
        Ok(None)
    }

    #[inline]
    fn line(&mut self, start: usize, end: usize) -> Result<Option<Entry<'a>>, ParseError> {
        let bytes = self.page.as_bytes();
        let (mut start, mut end) = (start, end);
        match self.format {
            Format::OpenMetrics => {
                if self.seen_eof {
                    return Err(self.fail(start, ParseReason::TextAfterEof));
                }
                if start == end {
                    return Err(self.fail(start, ParseReason::EmptyLine));
                }
            }
            Format::Prometheus => {
                while start < end && is_blank(bytes[start]) {
                    start += 1;
                }
                while start < end && (is_blank(bytes[end - 1]) || bytes[end - 1] == b'\r') {
                    end -= 1;
                }
                if start == end {
                    return Ok(None);
                }
            }
        }
        if bytes[start] == b'#' {
            return self.comment(start, end);
        }
        self.sample(start, end).map(|s| Some(Entry::Sample(s)))
    }

    #[inline]
    fn sample(&self, start: usize, end: usize) -> Result<RawSample<'a>, ParseError> {
        let bytes = &self.page.as_bytes()[..end];
        let line = &bytes[start..];
        let has_exemplar_mark = self.format == Format::OpenMetrics && memchr::memchr(b'#', line).is_some();
        let series_end = if has_exemplar_mark {
            self.careful_series_end(start, end)?
        } else {
            match memchr::memrchr(b'}', line) {
                Some(i) => start + i + 1,
                None if memchr::memchr(b'{', line).is_some() => return Err(self.unclosed(start, end)),
                None => start + line.iter().position(|b| is_blank(*b)).unwrap_or(line.len()),
            }
        };
        let (numbers_end, exemplar) = if has_exemplar_mark {
            self.exemplar_mark(series_end, end)?
        } else {
            (end, None)
        };
        let numbers = Numbers::read(self.page, series_end, numbers_end, self.format)?;
        Ok(RawSample {
            page: self.page,
            start,
            end: series_end,
            exemplar,
            kind: self.kind_of(&self.page[start..series_end]),
            role: self.role_of(&self.page[start..series_end]),
            value: numbers.value,
            t_ms: numbers.t_ms,
        })
    }

    /// The declared type holds for series whose name starts with the family's name.
    #[inline]
    fn kind_of(&self, series: &str) -> MetricKind {
        let name = series.strip_prefix("{\"").unwrap_or(series);
        if name.starts_with(&*self.declared.family) {
            self.declared.kind
        } else {
            MetricKind::Unknown
        }
    }

    #[inline]
    fn role_of(&self, series: &str) -> SampleRole {
        let counts = matches!(
            self.declared.kind,
            MetricKind::Counter | MetricKind::Histogram | MetricKind::Summary
        );
        if self.format == Format::OpenMetrics && counts {
            let name = series.strip_prefix("{\"").unwrap_or(series);
            let after = name
                .strip_prefix(&*self.declared.family)
                .and_then(|rest| rest.strip_prefix("_created"));
            if after.is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')) {
                return SampleRole::Created;
            }
        }
        SampleRole::Value
    }

    /// The end of the series on a line where the last brace may belong to an exemplar.
    fn careful_series_end(&self, start: usize, end: usize) -> Result<usize, ParseError> {
        let line = &self.page.as_bytes()[start..end];
        let name_end = line
            .iter()
            .position(|b| is_blank(*b) || *b == b'{')
            .map_or(end, |i| start + i);
        if self.page.as_bytes()[..end].get(name_end) != Some(&b'{') {
            return Ok(name_end);
        }
        match closing_brace(self.page, name_end, end) {
            Some(close) => Ok(close + 1),
            None => Err(self.unclosed(start, end)),
        }
    }

    /// Of a line on which no brace closes the series: a brace that is missing, or a quote.
    #[cold]
    fn unclosed(&self, start: usize, end: usize) -> ParseError {
        match parse_series(self.page, start, end, MetricKind::Unknown) {
            Err(error) if error.reason == ParseReason::UnclosedQuote => error,
            _ => self.fail(start, ParseReason::UnclosedBrace),
        }
    }

    /// Where the numbers end and, after ` # `, where the exemplar's brace opens.
    fn exemplar_mark(
        &self,
        from: usize,
        line_end: usize,
    ) -> Result<(usize, Option<(usize, usize)>), ParseError> {
        let rest = &self.page[from..line_end];
        let Some(mark) = rest.find(" # ") else {
            return Ok((line_end, None));
        };
        let open = from + mark + " # ".len();
        if !self.page[open..line_end].starts_with('{') {
            let found = excerpt(&self.page[open..line_end]);
            let expected = "the labels of an exemplar";
            return Err(self.fail(open, ParseReason::Expected { expected, found }));
        }
        Ok((from + mark, Some((open, line_end))))
    }

    fn comment(&mut self, start: usize, end: usize) -> Result<Option<Entry<'a>>, ParseError> {
        let strict = self.format == Format::OpenMetrics;
        let text = &self.page[start..end];
        if strict && text == "# EOF" {
            self.seen_eof = true;
            return Ok(None);
        }
        let after_hash = text[1..].trim_start_matches([' ', '\t']);
        let keyword_end = after_hash.find([' ', '\t']).unwrap_or(after_hash.len());
        let keyword = &after_hash[..keyword_end];
        let spaced = after_hash.len() + 1 < text.len();
        let known = matches!(keyword, "HELP" | "TYPE") || (strict && keyword == "UNIT");
        if !known || !spaced {
            return if strict {
                Err(self.fail(start, ParseReason::UnknownComment))
            } else {
                Ok(None)
            };
        }
        let name_start = end - after_hash[keyword_end..].trim_start_matches([' ', '\t']).len();
        let (family, name_end) = parse_family(self.page, name_start, end)?;
        let about_start = end - self.page[name_end..end].trim_start_matches([' ', '\t']).len();
        let about = &self.page[about_start..end];
        match keyword {
            "HELP" => Ok(Some(Entry::Help {
                family,
                text: unescape(about),
            })),
            "TYPE" => self.declare(family, about, about_start).map(Some),
            _ if !about.is_empty() && !family.ends_with(about) => {
                let (unit, family) = (excerpt(about), excerpt(&family));
                Err(self.fail(about_start, ParseReason::UnitNotSuffix { unit, family }))
            }
            _ => Ok(Some(Entry::Unit { family, unit: about })),
        }
    }

    fn declare(&mut self, family: Cow<'a, str>, word: &str, at: usize) -> Result<Entry<'a>, ParseError> {
        let Some(kind) = MetricKind::parse(word) else {
            let word = excerpt(word);
            return Err(self.fail(at, ParseReason::UnknownKind { word }));
        };
        self.declared = Declared {
            family: family.clone(),
            kind,
        };
        Ok(Entry::Type { family, kind })
    }

    fn fail(&self, offset: usize, reason: ParseReason) -> ParseError {
        ParseError::at(self.page, offset, reason)
    }
}

/// What stands behind a series: a value and perhaps a timestamp.
struct Numbers {
    value: f64,
    t_ms: Option<i64>,
}

impl Numbers {
    #[inline]
    fn read(page: &str, from: usize, end: usize, format: Format) -> Result<Self, ParseError> {
        let (value_start, value_end) = next_word(page, from, end);
        let text = &page[value_start..value_end];
        let Some(value) = parse_float(text) else {
            let reason = if text.is_empty() {
                ParseReason::MissingValue
            } else {
                ParseReason::BadValue { text: excerpt(text) }
            };
            return Err(ParseError::at(page, value_start, reason));
        };
        if value_end == end {
            return Ok(Numbers { value, t_ms: None });
        }
        let (t_start, t_end) = next_word(page, value_end, end);
        if t_start == t_end {
            return Ok(Numbers { value, t_ms: None });
        }
        let text = &page[t_start..t_end];
        let (t_ms, unit) = match format {
            Format::Prometheus => (parse_millis(text), "milliseconds"),
            Format::OpenMetrics => (parse_seconds(text), "seconds"),
        };
        let Some(t_ms) = t_ms else {
            let text = excerpt(text);
            return Err(ParseError::at(
                page,
                t_start,
                ParseReason::BadTimestamp { text, unit },
            ));
        };
        let (rest_start, rest_end) = next_word(page, t_end, end);
        if rest_start != rest_end {
            let text = excerpt(&page[rest_start..end]);
            return Err(ParseError::at(
                page,
                rest_start,
                ParseReason::TrailingText { text },
            ));
        }
        Ok(Numbers {
            value,
            t_ms: Some(t_ms),
        })
    }
}

/// The next run of bytes that are not blank.
#[inline]
fn next_word(page: &str, from: usize, end: usize) -> (usize, usize) {
    let bytes = &page.as_bytes()[..end];
    let mut start = from;
    while start < end && is_blank(bytes[start]) {
        start += 1;
    }
    let mut stop = start;
    while stop < end && !is_blank(bytes[stop]) {
        stop += 1;
    }
    (start, stop)
}
