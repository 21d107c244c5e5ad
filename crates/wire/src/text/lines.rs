//! OpenMetrics text of any length, a line at a time: what is in memory is bounded, however much there is.
//!
//! 1. Bytes are read into one buffer; what is left over moves to its front when it is full.
//! 2. Each line goes to the parser of pages as a page of its own, with what the lines before it said: the type of the family, and
//!    whether the end was there. So it does not matter where one read ended and the next began.
//! 3. A line that makes no sense, is not UTF-8 or is too long costs itself alone. Lines may end as Windows ends them.
//!
//! A text that was cut off ends within a line or without `# EOF`. Half a line may read as another number, so it is an error.

use super::created::CreatedTimes;
use super::error::{ParseError, ParseReason};
use super::parser::{Carried, Entry, Parser, text};
use std::io::{self, Read};

/// A longer line is refused: no series has so many labels, and it bounds the buffer.
pub const LINE_BYTES_MAX: usize = 1 << 20;
/// A refill never moves more than it makes room for.
const BUFFER_BYTES: usize = 2 * LINE_BYTES_MAX;
const END: &[u8] = b"# EOF";

/// One line; number count from 1.
#[derive(Debug)]
pub struct Line<'a> {
    pub number: usize,
    /// Nothing for the line that ends the text. Places in what an entry still finds wrong are those of a page of one line: see
    /// [`ParseError::on_line`].
    pub entry: Result<Option<Entry<'a>>, ParseError>,
}

pub struct Lines<R> {
    input: R,
    buffer: Box<[u8]>,
    /// What is read and not given out, and how much of it has no line end.
    start: usize,
    searched: usize,
    end: usize,
    line_bytes_max: usize,
    number: usize,
    is_read: bool,
    carried: Carried,
}

/// The next line in the buffer.
struct Found {
    start: usize,
    end: usize,
    has_end: bool,
    is_too_long: bool,
}

impl<R: Read> Lines<R> {
    pub fn new(input: R) -> Lines<R> {
        Lines::bounded(input, LINE_BYTES_MAX, BUFFER_BYTES)
    }

    /// The buffer has room for more than a line.
    fn bounded(input: R, line_bytes_max: usize, buffer_bytes: usize) -> Lines<R> {
        Lines {
            input,
            buffer: vec![0; buffer_bytes.max(line_bytes_max + 1)].into(),
            start: 0,
            searched: 0,
            end: 0,
            line_bytes_max,
            number: 0,
            is_read: false,
            carried: Carried::default(),
        }
    }

    /// The next line, or nothing at the end of the text.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        self.next_line_if(|_| true)
    }

    /// The same, where the entry of a line that is not wanted is left out unread.
    fn next_line_if(&mut self, wanted: impl Fn(&[u8]) -> bool) -> io::Result<Option<Line<'_>>> {
        let found = self.find()?;
        self.number += 1;
        let number = self.number;
        let fail = |column, reason| ParseError {
            line: number,
            column,
            reason,
        };
        let Some(found) = found else {
            let is_missing = !std::mem::replace(&mut self.carried.seen_eof, true);
            return Ok(is_missing.then(|| Line {
                number,
                entry: Err(fail(1, ParseReason::MissingEof)),
            }));
        };
        let bytes = &self.buffer[found.start..found.end];
        let bytes = bytes.strip_suffix(b"\r").unwrap_or(bytes);
        let entry = if found.is_too_long {
            let bytes_max = self.line_bytes_max;
            Err(fail(bytes_max + 1, ParseReason::LineTooLong { bytes_max }))
        } else if !found.has_end && bytes != END {
            self.carried.seen_eof = true;
            Err(fail(1, ParseReason::CutOff))
        } else if wanted(bytes) {
            parse(bytes, &mut self.carried).map_err(|error| error.on_line(number))
        } else {
            Ok(None)
        };
        Ok(Some(Line { number, entry }))
    }

    fn find(&mut self) -> io::Result<Option<Found>> {
        let mut is_too_long = false;
        loop {
            let unsearched = &self.buffer[self.searched..self.end];
            let line_end = memchr::memchr(b'\n', unsearched).map(|i| self.searched + i);
            let (start, end) = (self.start, line_end.unwrap_or(self.end));
            is_too_long |= end - start > self.line_bytes_max;
            let found = Found {
                start,
                end,
                has_end: line_end.is_some(),
                is_too_long,
            };
            if found.has_end {
                (self.start, self.searched) = (end + 1, end + 1);
                return Ok(Some(found));
            }
            if self.is_read {
                (self.start, self.searched) = (end, end);
                return Ok((end > start || is_too_long).then_some(found));
            }
            if is_too_long {
                // The rest of it is read without being kept.
                (self.start, self.end) = (0, 0);
            }
            self.searched = self.end;
            self.fill()?;
        }
    }

    fn fill(&mut self) -> io::Result<()> {
        if self.end == self.buffer.len() {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.searched -= self.start;
            self.start = 0;
        }
        let length = loop {
            match self.input.read(&mut self.buffer[self.end..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                other => break other?,
            }
        };
        self.is_read = length == 0;
        self.end += length;
        Ok(())
    }
}

fn parse<'a>(bytes: &'a [u8], carried: &mut Carried) -> Result<Option<Entry<'a>>, ParseError> {
    let mut parser = Parser::of_line(text(bytes)?, std::mem::take(carried));
    let entry = parser.whole_line();
    *carried = parser.into_carried();
    entry
}

/// What a text says of when its counters began, and nothing else of it. What is wrong with it is passed over.
pub fn read_created(input: impl Read) -> io::Result<CreatedTimes> {
    let name = memchr::memmem::Finder::new("_created");
    let mut lines = Lines::new(input);
    let mut created = CreatedTimes::default();
    while let Some(line) = lines.next_line_if(|line| line.starts_with(b"#") || name.find(line).is_some())? {
        if let Ok(Some(Entry::Sample(sample))) = line.entry {
            let _ = created.note(&sample);
        }
    }
    Ok(created)
}

#[cfg(test)]
mod tests {
    use super::super::Format;
    use super::*;

    /// Gives out its parts one by one.
    struct Parts<'p>(Vec<&'p [u8]>);

    impl Read for Parts<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            while self.0.first().is_some_and(|part| part.is_empty()) {
                self.0.remove(0);
            }
            let Some(part) = self.0.first_mut() else {
                return Ok(0);
            };
            let length = part.len().min(out.len());
            out[..length].copy_from_slice(&part[..length]);
            *part = &part[length..];
            Ok(length)
        }
    }

    /// An entry with everything that hangs on it, in words.
    fn words(entry: Result<Entry<'_>, ParseError>, number: Option<usize>) -> String {
        let place = |error: ParseError| match number {
            Some(number) => error.on_line(number),
            None => error,
        };
        let said = entry.and_then(|entry| match entry {
            Entry::Sample(sample) => Ok(format!(
                "{} {:?} {:?} {} {:?} {:?} {:?}",
                sample.series_text(),
                sample.kind,
                sample.role,
                sample.value,
                sample.t_ms,
                sample.labels().map_err(place)?,
                sample.exemplar().map_err(place)?,
            )),
            other => Ok(format!("{other:?}")),
        });
        said.unwrap_or_else(|error| error.to_string())
    }

    fn by_line<R: Read>(mut lines: Lines<R>) -> Vec<String> {
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().unwrap() {
            let number = line.number;
            all.extend(line.entry.transpose().map(|entry| words(entry, Some(number))));
        }
        all
    }

    fn whole(page: &str) -> Vec<String> {
        let mut parser = Parser::new(page.as_bytes(), Format::OpenMetrics).unwrap();
        let mut all = Vec::new();
        while let Some(entry) = parser.next_entry().transpose() {
            all.push(words(entry, None));
        }
        all
    }

    const PAGE: &str = "# TYPE jobs_seconds counter\n# UNIT jobs_seconds seconds\n# HELP jobs_seconds What w\u{e4}s \\\\ \\\"done\\\".\n\
        jobs_seconds_total{q=\"a}\\\"\u{1f426}\"} 3 1.5 # {t=\"1\"} 2 0.25\njobs_seconds_created{q=\"a\"} 1.25\n\
        no number\n\nopen{a=\"b 1\nodd{1=\"b\"} 1 2\n# TYPE h histogram\nh_bucket{le=\"1\"} 1 7\nh_bucket{le=\"+Inf\"} 2 7 # {} x\n\
        # a comment\n# TYPE h nothing\nh_count 2 7\n# TYPE \"d.e\" gauge\n{\"d.e\",\"f.g\"=\"h\"} 1e21 -3\nlast 1\n";

    #[test]
    fn it_does_not_matter_where_a_piece_ends() {
        for ending in ["# EOF\n", "# EOF", "", "# EOF\nafter 1\n"] {
            let page = format!("{PAGE}{ending}");
            let expect = whole(&page);
            assert!(
                expect.iter().any(|line| line.starts_with("line 12, column")),
                "{expect:#?}"
            );
            let longest = page.lines().map(str::len).max().unwrap_or(0);
            for at in 0..=page.len() {
                let (before, after) = page.as_bytes().split_at(at);
                let read = by_line(Lines::new(Parts(vec![before, after])));
                assert_eq!(read, expect, "in two pieces, of which the first has {at} bytes");
            }
            for buffer_bytes in longest..longest + 80 {
                let read = by_line(Lines::bounded(page.as_bytes(), longest, buffer_bytes));
                assert_eq!(read, expect, "through a buffer of {buffer_bytes} bytes");
            }
            let bytes: Vec<&[u8]> = page.as_bytes().chunks(1).collect();
            assert_eq!(by_line(Lines::bounded(Parts(bytes), longest, longest)), expect);
            let windows = page.replace('\n', "\r\n");
            assert_eq!(by_line(Lines::new(windows.as_bytes())), expect);
        }
    }

    #[test]
    fn a_line_that_cannot_be_read_costs_itself_alone() {
        let long = "x".repeat(30);
        let page = format!("a 1\nb{{c=\"{long}\"}} 2\nd 3\n");
        let mut bytes = page.into_bytes();
        bytes.extend(b"e{f=\"\xff\"} 4\ng 5\nh 6");
        let expect = [
            "line 2, column 21: the line is longer than 20 bytes",
            "line 4, column 6: the page is not valid UTF-8",
            "line 6, column 1: the text ends within this line",
        ];
        for at in 0..bytes.len() {
            let (before, after) = bytes.split_at(at);
            let mut lines = Lines::bounded(Parts(vec![before, after]), 20, 21);
            let (mut names, mut errors) = (Vec::new(), Vec::new());
            while let Some(line) = lines.next_line().unwrap() {
                match line.entry {
                    Ok(Some(Entry::Sample(sample))) => names.push(sample.series_text().to_owned()),
                    Ok(_) => {}
                    Err(error) => errors.push(error.to_string()),
                }
            }
            assert_eq!(names, ["a", "d", "g"]);
            assert_eq!(errors, expect);
        }
    }

    /// Far more than there is memory for, were it kept: the same lines again and again.
    struct Endless<'p> {
        line: &'p [u8],
        at: usize,
        left: u64,
        asked_max: usize,
    }

    impl Read for &mut Endless<'_> {
        fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
            self.asked_max = self.asked_max.max(out.len());
            let rest = &self.line[self.at..];
            let length = rest.len().min(out.len()).min(self.left as usize);
            out[..length].copy_from_slice(&rest[..length]);
            self.at = (self.at + length) % self.line.len();
            self.left -= length as u64;
            Ok(length)
        }
    }

    #[test]
    fn a_text_may_be_far_longer_than_the_buffer() {
        let line = format!("# HELP a {}\n", "x".repeat(LINE_BYTES_MAX - 9));
        assert_eq!(line.len(), LINE_BYTES_MAX + 1);
        let count = 500;
        let mut endless = Endless {
            line: line.as_bytes(),
            at: 0,
            left: count * line.len() as u64,
            asked_max: 0,
        };
        let mut lines = Lines::new(&mut endless);
        let mut helped = 0;
        while let Some(line) = lines.next_line().unwrap() {
            helped += u64::from(matches!(line.entry, Ok(Some(Entry::Help { .. }))));
        }
        assert_eq!(helped, count);
        // The buffer is all that is kept.
        assert_eq!(lines.buffer.len(), BUFFER_BYTES);
        assert!(endless.asked_max <= BUFFER_BYTES, "{}", endless.asked_max);
    }

    #[test]
    fn starts_are_found_wherever_they_stand() {
        let page = "a_created 1\n# TYPE a counter\na_total 5 3\nbroken{ 1\na_created 2\na_created x\n# EOF\na_created 4\n";
        let created = read_created(page.as_bytes()).unwrap();
        let labels = lapwing_types::Labels::from_pairs([("__name__", "a_total")]).unwrap();
        let starts: Vec<i64> = created.of(&labels).into_iter().flatten().copied().collect();
        assert_eq!(starts, [2_000]);
    }
}
