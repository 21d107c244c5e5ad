//! Just enough of Rust's grammar for tidy: what is code and what is not, and where functions begin and end.
//!
//! [`blank`] replaces comments, strings (raw, byte and C ones too) and character literals by spaces, byte for byte, and keeps
//! line ends. So byte offsets and lines stay true, and what is left can be searched for words and braces without being
//! fooled. Lifetimes and labels stay, for they are code.

/// The text with everything that is not code blanked.
pub(super) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match bytes[at] {
            b'/' if bytes.get(at + 1) == Some(&b'/') => line_end(bytes, at),
            b'/' if bytes.get(at + 1) == Some(&b'*') => block_comment_end(bytes, at),
            b'"' => string_end(bytes, at + 1),
            b'\'' => match char_end(bytes, at) {
                Some(end) => end,
                None => at + 1,
            },
            c if is_word(c) => {
                let end = word_end(bytes, at);
                match literal_prefix_end(bytes, at, end) {
                    Some(close) => close,
                    None => {
                        at = end;
                        continue;
                    }
                }
            }
            _ => {
                at += 1;
                continue;
            }
        };
        if end > at + 1 {
            out[at..end]
                .iter_mut()
                .filter(|b| **b != b'\n')
                .for_each(|b| *b = b' ');
        }
        at = end;
    }
    // Only whole literals and comments are blanked, so what remains is still UTF-8.
    String::from_utf8(out).unwrap_or_default()
}

fn line_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|b| *b == b'\n')
        .map_or(bytes.len(), |n| at + n)
}

/// Block comments nest.
fn block_comment_end(bytes: &[u8], start: usize) -> usize {
    let (mut at, mut depth) = (start, 0);
    while at < bytes.len() {
        if bytes[at..].starts_with(b"/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if bytes[at..].starts_with(b"*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    bytes.len()
}

/// The end of a string whose content begins at `at`.
fn string_end(bytes: &[u8], mut at: usize) -> usize {
    while at < bytes.len() {
        match bytes[at] {
            b'\\' => at += 2,
            b'"' => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The end of a character literal that begins at `at`, or nothing if this is a lifetime.
fn char_end(bytes: &[u8], at: usize) -> Option<usize> {
    let close = |from: usize| {
        bytes
            .get(from..)?
            .iter()
            .position(|b| *b == b'\'')
            .map(|n| from + n + 1)
    };
    match *bytes.get(at + 1)? {
        b'\\' => close(at + 3),
        first => {
            let width = match first {
                0..0x80 => 1,
                0x80..0xe0 => 2,
                0xe0..0xf0 => 3,
                _ => 4,
            };
            (bytes.get(at + 1 + width) == Some(&b'\'')).then_some(at + 2 + width)
        }
    }
}

/// If the word at `start..end` is a literal's prefix (`r"`, `br#"`, `b"`, `c"`, `b'`), where that literal ends.
fn literal_prefix_end(bytes: &[u8], start: usize, end: usize) -> Option<usize> {
    let next = *bytes.get(end)?;
    match &bytes[start..end] {
        b"b" if next == b'\'' => char_end(bytes, end),
        b"b" | b"c" if next == b'"' => Some(string_end(bytes, end + 1)),
        b"r" | b"br" | b"cr" => {
            let hashes = bytes[end..].iter().take_while(|b| **b == b'#').count();
            if bytes.get(end + hashes) != Some(&b'"') {
                return None;
            }
            let close: Vec<u8> = std::iter::once(b'"')
                .chain(std::iter::repeat_n(b'#', hashes))
                .collect();
            let from = end + hashes + 1;
            let found = bytes[from..].windows(close.len()).position(|w| w == close);
            Some(found.map_or(bytes.len(), |n| from + n + close.len()))
        }
        _ => None,
    }
}

pub(super) fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

fn word_end(bytes: &[u8], at: usize) -> usize {
    bytes[at..]
        .iter()
        .position(|b| !is_word(*b))
        .map_or(bytes.len(), |n| at + n)
}

/// Every place where `phrase` stands as whole words in blanked code.
pub(super) fn places(code: &str, phrase: &str) -> Vec<usize> {
    let bytes = code.as_bytes();
    let (first, last) = (phrase.as_bytes()[0], phrase.as_bytes()[phrase.len() - 1]);
    let clear = |at: usize| {
        let before = at
            .checked_sub(1)
            .is_some_and(|b| is_word(bytes[b]) && is_word(first));
        let after = bytes
            .get(at + phrase.len())
            .is_some_and(|b| is_word(*b) && is_word(last));
        !before && !after
    };
    code.match_indices(phrase)
        .map(|(at, _)| at)
        .filter(|at| clear(*at))
        .collect()
}

/// A function with a body: its name and its first and last byte.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Function<'a> {
    pub(super) name: &'a str,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// Every function with a body, nested ones too, in the order in which they begin.
pub(super) fn functions(code: &str) -> Vec<Function<'_>> {
    let bytes = code.as_bytes();
    let mut found = Vec::new();
    for start in places(code, "fn") {
        let name_at = start
            + 2
            + bytes[start + 2..]
                .iter()
                .take_while(|b| b.is_ascii_whitespace())
                .count();
        let name_end = word_end(bytes, name_at);
        // `fn(u8) -> u8` is a type and has no name.
        if name_end == name_at || name_at == start + 2 {
            continue;
        }
        if let Some(end) = body_start(bytes, name_end).and_then(|open| matching_brace(bytes, open)) {
            found.push(Function {
                name: &code[name_at..name_end],
                start,
                end,
            });
        }
    }
    found
}

/// The brace that opens the body; nothing for a signature that ends with `;`.
///
/// Braces inside parentheses, brackets or right after `<` or `,` are const arguments and not the body.
fn body_start(bytes: &[u8], from: usize) -> Option<usize> {
    let (mut at, mut depth, mut before) = (from, 0_usize, b' ');
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'(' | b'[' => depth += 1,
            b')' | b']' => depth = depth.saturating_sub(1),
            b';' if depth == 0 => return None,
            b'{' if depth == 0 && before != b'<' && before != b'=' => return Some(at),
            b'{' => at = matching_brace(bytes, at)?,
            _ => {}
        }
        if !bytes[at].is_ascii_whitespace() {
            before = bytes[at];
        }
        at += 1;
    }
    None
}

fn matching_brace(bytes: &[u8], open: usize) -> Option<usize> {
    let mut depth = 0_usize;
    for (n, byte) in bytes[open..].iter().enumerate() {
        match byte {
            b'{' => depth += 1,
            b'}' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return Some(open + n);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `~` stands for one blanked byte.
    fn check_blank(text: &str, expect: &str) {
        assert_eq!(blank(text), expect.replace('~', " "), "{text}");
    }

    fn check_functions(code: &str, expect: &[(&str, usize)]) {
        let code = blank(code);
        let lines = |f: &Function<'_>| code[f.start..=f.end].lines().count();
        let found: Vec<_> = functions(&code).iter().map(|f| (f.name, lines(f))).collect();
        assert_eq!(found, expect, "{code}");
    }

    #[test]
    fn comments_and_literals_are_blanked_and_lines_kept() {
        check_blank("a // } \"\nb", "a ~~~~~~\nb");
        check_blank("a /* { /* } */ \n */ b", "a ~~~~~~~~~~~~~\n~~~ b");
        check_blank(r#"x("a\"}", b'{', '\'', '\\')"#, "x(~~~~~~, ~~~~, ~~~~, ~~~~)");
        check_blank(r##"r#"} " "# + br"\" + c"x""##, "~~~~~~~~~ + ~~~~~ + ~~~~");
        check_blank("'é' '→' '\u{1F426}' '\\u{7b}' z", "~~~~ ~~~~~ ~~~~~~ ~~~~~~~~ z");
    }

    #[test]
    fn lifetimes_labels_and_raw_names_are_code() {
        check_blank(
            "fn f<'a>(x: &'a str) { 'l: loop { break 'l; } }",
            "fn f<'a>(x: &'a str) { 'l: loop { break 'l; } }",
        );
        check_blank("r#type + bar\"x\"", "r#type + bar~~~");
    }

    #[test]
    fn an_unclosed_literal_runs_to_the_end() {
        check_blank("a \"b }", "a ~~~~");
        check_blank("a /* b }", "a ~~~~~~");
        check_blank("a r#\"b }\"", "a ~~~~~~~");
    }

    #[test]
    fn functions_end_at_their_own_brace() {
        check_functions(
            "fn a() { \"}\"; '}' }\nfn b() {\n  // }\n}\n",
            &[("a", 1), ("b", 3)],
        );
        check_functions("trait T { fn a(&self); fn b(&self) {\n} }", &[("b", 2)]);
        check_functions("fn a() {\n fn b() {\n }\n}\n", &[("a", 4), ("b", 2)]);
        check_functions("type F = fn(u8) -> u8; fn a(f: fn() -> ()) {}", &[("a", 1)]);
        check_functions(
            "fn a(x: [u8; { 1 + 2 }]) -> S<{ 3 }>\nwhere T: X\n{\n}",
            &[("a", 4)],
        );
    }

    #[test]
    fn whole_words_only() {
        assert_eq!(places("unsafe_code unsafe not_unsafe", "unsafe"), [12]);
        assert_eq!(places("Instant::now() MyInstant::now()", "Instant::now"), [0]);
        assert_eq!(places("todo!() xtodo!()", "todo!"), [0]);
    }
}
