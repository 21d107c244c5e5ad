//! Regular expressions as Go reads them: those of matchers, relabelling rules and templates in the files of the peers.
//!
//! Go's and Rust's descend from one ancestor and agree on nearly everything; what Go reads otherwise is spelled for Rust:
//!
//! 1. A brace that begins no repetition is a brace: `/users/{id}`.
//! 2. `\d`, `\s`, `\w` and `\b` know ASCII alone.
//! 3. Between brackets there are no operators (`&&`, `--`, `~~`) and no classes in classes: `[[a&&b]` has four characters.
//! 4. `\Q…\E`, octal numbers (`\07`), `\p{^Greek}`; `\<` is a character and not the beginning of a word.

use regex::{Regex, RegexBuilder};
use std::fmt::Write;

/// A compiled pattern may take this much memory; a longer one is refused with the regex crate's own words.
const SIZE_BYTES_MAX: usize = 10 << 20;

/// Finds the pattern anywhere in a text.
pub fn go_regex(pattern: &str) -> Result<Regex, regex::Error> {
    compile(&go_pattern(pattern))
}

/// Matches whole texts alone; `.` is also the end of a line.
pub fn go_regex_whole(pattern: &str) -> Result<Regex, regex::Error> {
    compile(&format!("^(?s:{})$", go_pattern(pattern)))
}

fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(SIZE_BYTES_MAX).build()
}

/// The same pattern in the spelling of the crate `regex`.
pub fn go_pattern(pattern: &str) -> String {
    let mut spelling = Spelling {
        rest: pattern,
        out: String::with_capacity(pattern.len()),
    };
    while let Some(c) = spelling.rest.chars().next() {
        match c {
            '\\' => spelling.escape(),
            '[' => spelling.class(),
            '{' => spelling.brace(),
            _ => spelling.copy(c.len_utf8()),
        }
    }
    spelling.out
}

/// What is still to be read, and what it is for Rust so far. Mistakes are handed on as they are: Rust names them.
struct Spelling<'a> {
    rest: &'a str,
    out: String,
}

impl Spelling<'_> {
    fn copy(&mut self, bytes: usize) {
        let (text, rest) = self.rest.split_at(bytes);
        self.out.push_str(text);
        self.rest = rest;
    }

    fn replace(&mut self, bytes: usize, by: &str) {
        self.out.push_str(by);
        self.rest = &self.rest[bytes..];
    }

    fn brace(&mut self) {
        match repetition_len(self.rest) {
            Some(bytes) => self.copy(bytes),
            None => self.replace(1, "\\{"),
        }
    }

    /// Outside of brackets, at a backslash.
    fn escape(&mut self) {
        if let Some(quoted) = self.rest.strip_prefix("\\Q") {
            let (text, rest) = quoted.split_once("\\E").unwrap_or((quoted, ""));
            self.out.push_str(&regex::escape(text));
            self.rest = rest;
            return;
        }
        match self.rest[1..].chars().next() {
            Some('b') => self.replace(2, "(?-u:\\b)"),
            Some(c) => match ascii_class(c) {
                Some((ranges, is_negated)) => {
                    let not = if is_negated { "^" } else { "" };
                    self.replace(2, &format!("[{not}{ranges}]"));
                }
                None => self.one_escaped(c),
            },
            None => self.copy(1),
        }
    }

    /// A backslash and what belongs to it, where that is one character or a class by its name.
    fn one_escaped(&mut self, c: char) {
        match c {
            '<' | '>' => self.replace(2, &c.to_string()),
            'p' | 'P' if self.rest[2..].starts_with("{^") => {
                self.out.push_str(if c == 'p' { "\\P{" } else { "\\p{" });
                self.rest = &self.rest[4..];
                self.copy(self.rest.find('}').map_or(0, |at| at + 1));
            }
            'p' | 'P' | 'x' if self.rest[2..].starts_with('{') => {
                let bytes = self.rest.find('}').map_or(self.rest.len(), |at| at + 1);
                self.copy(bytes);
            }
            _ => match octal(&self.rest[1..]) {
                Some((number, digits)) => {
                    let _ = write!(self.out, "\\x{{{number:x}}}");
                    self.rest = &self.rest[1 + digits..];
                }
                None => self.copy(1 + c.len_utf8()),
            },
        }
    }

    /// A class in brackets, at its opening one.
    fn class(&mut self) {
        self.copy(1);
        if self.rest.starts_with('^') {
            self.copy(1);
        }
        let mut is_first = true;
        while !self.rest.is_empty() && (is_first || !self.rest.starts_with(']')) {
            is_first = false;
            if self.named_class() {
                continue;
            }
            self.class_char();
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]") && self.rest.len() > 1;
            if is_range {
                self.copy(1);
                self.class_char();
            }
        }
        if !self.rest.is_empty() {
            self.copy(1);
        }
    }

    /// `[:alpha:]`, `\d`, `\pL` between brackets; false where none of them stands here.
    fn named_class(&mut self) -> bool {
        if self.rest.starts_with("[:")
            && let Some(at) = self.rest[2..].find(":]")
        {
            self.copy(at + 4);
            return true;
        }
        let Some(c) = self.rest.strip_prefix('\\').and_then(|rest| rest.chars().next()) else {
            return false;
        };
        match ascii_class(c) {
            Some((ranges, false)) => self.replace(2, ranges),
            Some((ranges, true)) => self.replace(2, &format!("[^{ranges}]")),
            None if matches!(c, 'p' | 'P') => self.one_escaped(c),
            None => return false,
        }
        true
    }

    fn class_char(&mut self) {
        match self.rest.chars().next() {
            Some('\\') => match self.rest[1..].chars().next() {
                Some(c) => self.one_escaped(c),
                None => self.copy(1),
            },
            Some(c) if "[]&~-^".contains(c) => self.replace(1, &format!("\\{c}")),
            Some(c) => self.copy(c.len_utf8()),
            None => {}
        }
    }
}

/// What stands in brackets for such a letter after a backslash, and whether it is meant negated.
fn ascii_class(c: char) -> Option<(&'static str, bool)> {
    let ranges = match c.to_ascii_lowercase() {
        'd' => "0-9",
        's' => "\\t\\n\\f\\r ",
        'w' => "0-9A-Za-z_",
        _ => return None,
    };
    Some((ranges, c.is_ascii_uppercase()))
}

/// Up to three octal digits, and how many; one alone that is not zero would be a back-reference.
fn octal(text: &str) -> Option<(u32, usize)> {
    let is_octal = |b: &u8| (b'0'..=b'7').contains(b);
    let digits = text.bytes().take(3).take_while(is_octal).count();
    let number = u32::from_str_radix(&text[..digits], 8).ok()?;
    (digits > 1 || number == 0).then_some((number, digits))
}

/// The length of `{2}`, `{2,}` or `{2,5}`.
fn repetition_len(text: &str) -> Option<usize> {
    let inner = text.strip_prefix('{')?;
    let inner = &inner[..inner.find('}')?];
    let is_number = |digits: &str| {
        let leads_with_zero = digits.len() > 1 && digits.starts_with('0');
        !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) && !leads_with_zero
    };
    let is_repetition = match inner.split_once(',') {
        None => is_number(inner),
        Some((least, "")) => is_number(least),
        Some((least, most)) => is_number(least) && is_number(most),
    };
    is_repetition.then_some(inner.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What Go's own package says of each.
    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        let cases: &[(&str, &[&str], &[&str])] = &[
            ("/users/{id}", &["/users/{id}"], &["/users/id"]),
            ("{{.*}}", &["{{ x }}"], &["x"]),
            ("x{,5}", &["x{,5}"], &["xxx", ""]),
            ("x{5", &["x{5"], &["xxxxx"]),
            ("x{01}", &["x{01}"], &["x"]),
            ("x{2,3}y{1,}z{2}", &["xxyzz", "xxxyyzz"], &["xyzz", "x{2,3}"]),
            (r"\d+", &["12"], &["\u{661}"]),
            (r"k\w+che", &["kueche"], &["küche"]),
            (r"\D\W\S", &["üüü", "a-b"], &["1-b"]),
            (r"a\sb", &["a b"], &["a\u{b}b", "a\u{a0}b"]),
            (r".*\bche", &["küche"], &["kuche"]),
            ("[a&&b]", &["a", "&", "b"], &["c"]),
            ("[a~~b]", &["a", "~", "b"], &["c"]),
            ("[[a]", &["a", "["], &["]"]),
            ("[[:alpha:]1]", &["a", "1"], &["2", ":"]),
            ("[]a]", &["]", "a"], &["b"]),
            ("[^]a]", &["b"], &["]", "a"]),
            ("[a-]", &["a", "-"], &["b"]),
            ("[a-c-e]", &["b", "-", "e"], &["d"]),
            ("[+--]", &["+", ",", "-"], &["."]),
            (r"[\d\D]", &["1", "ü"], &[]),
            (r"[\w.-]+", &["a.b-c"], &["ü"]),
            (r"[\]\-\\]", &["]", "-", "\\"], &["a"]),
            (r"[\pN^]", &["1", "^", "\u{661}"], &["a"]),
            (r"\Qa.b*\E+", &["a.b*", "a.b**"], &["axb", "a.b"]),
            (r"\Q{x", &["{x"], &["x"]),
            (r"\07\141", &["\u{7}a"], &["07141"]),
            (r"\p{^Greek}\P{^Greek}\pL", &["aαb"], &["ααb", "aab"]),
            (r"\x{41}\x42", &["AB"], &["x{41}B"]),
            (r"\<b\>", &["<b>"], &["b"]),
            ("(?i)ÄB", &["äb"], &["ab"]),
            ("a.b", &["a\nb"], &["ab"]),
        ];
        for (pattern, matching, others) in cases {
            let regex = go_regex_whole(pattern).unwrap();
            let wrong: Vec<&&str> = matching.iter().filter(|text| !regex.is_match(text)).collect();
            assert!(wrong.is_empty(), "{pattern} does not match {wrong:?}");
            let wrong: Vec<&&str> = others.iter().filter(|text| regex.is_match(text)).collect();
            assert!(wrong.is_empty(), "{pattern} matches {wrong:?}");
        }
    }

    #[test]
    fn mistakes_stay_mistakes() {
        for pattern in [
            "(",
            "[a",
            "[",
            "a{2,1}",
            r"\1",
            "*",
            r"\",
            r"[\",
            "[b-a]",
            "(?=a)",
            r"\p{^Greek",
            r"\x{4",
        ] {
            assert!(go_regex(pattern).is_err(), "{pattern}");
        }
    }
}
