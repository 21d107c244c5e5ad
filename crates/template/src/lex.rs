//! Words of a template: text between actions, and the tokens within one.

use crate::ParseError;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Token {
    /// A keyword, a function, `true`, `false`, `nil`.
    Word(String),
    Dot,
    /// `.name` directly attached or not.
    Field(String),
    /// `$name`; `$` alone is empty.
    Variable(String),
    Number(String),
    Text(String),
    Open,
    Close,
    Bar,
    Comma,
    Assign,
    Declare,
}

#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) line: usize,
    /// White space stood before it: `.a .b` are two operands, `.a.b` is one.
    pub(crate) spaced: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum Piece {
    Text(String),
    Action(Vec<Placed>, usize),
}

const WHITE: [char; 4] = [' ', '\t', '\r', '\n'];

/// Splits a template into texts and actions; `{{-` and `-}}` eat the white space beside them.
pub(crate) fn split(template: &str, text: &str) -> Result<Vec<Piece>, ParseError> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut line = 1;
    let mut trim_next = false;
    loop {
        let start = rest.find("{{");
        let mut before = &rest[..start.unwrap_or(rest.len())];
        let before_lines = before.matches('\n').count();
        if trim_next {
            before = before.trim_start_matches(WHITE);
        }
        let Some(start) = start else {
            push_text(&mut pieces, before);
            return Ok(pieces);
        };
        let mut inner = &rest[start + 2..];
        if inner.starts_with('-') && inner[1..].starts_with(WHITE) {
            before = before.trim_end_matches(WHITE);
            inner = &inner[1..];
        }
        push_text(&mut pieces, before);
        line += before_lines;
        let mut lexer = Lexer {
            template,
            rest: inner,
            line,
            tokens: Vec::new(),
        };
        trim_next = lexer.action()?;
        if !lexer.tokens.is_empty() {
            pieces.push(Piece::Action(std::mem::take(&mut lexer.tokens), line));
        }
        line = lexer.line;
        rest = lexer.rest;
    }
}

fn push_text(pieces: &mut Vec<Piece>, text: &str) {
    if !text.is_empty() {
        pieces.push(Piece::Text(text.to_owned()));
    }
}

struct Lexer<'a> {
    template: &'a str,
    rest: &'a str,
    line: usize,
    tokens: Vec<Placed>,
}

impl Lexer<'_> {
    fn error(&self, reason: impl Into<String>) -> ParseError {
        ParseError {
            template: self.template.to_owned(),
            line: self.line,
            reason: reason.into(),
        }
    }

    fn skip(&mut self, bytes: usize) {
        self.line += self.rest[..bytes].matches('\n').count();
        self.rest = &self.rest[bytes..];
    }

    /// Reads up to and with `}}`; tells whether the text after it is to be trimmed.
    fn action(&mut self) -> Result<bool, ParseError> {
        let comment = self.rest.trim_start_matches(WHITE);
        if comment.starts_with("/*") {
            let skipped = self.rest.len() - comment.len();
            let end = comment
                .find("*/")
                .ok_or_else(|| self.error("a comment is not closed"))?;
            self.skip(skipped + end + 2);
            let after = self.rest.trim_start_matches(WHITE);
            let (trim, length) = match (after.starts_with("-}}"), after.starts_with("}}")) {
                (true, _) => (true, 3),
                (_, true) => (false, 2),
                _ => return Err(self.error("a comment must fill its action")),
            };
            self.skip(self.rest.len() - after.len() + length);
            return Ok(trim);
        }
        loop {
            let spaced = self.skip_white();
            if spaced && self.rest.starts_with("-}}") {
                self.skip(3);
                return Ok(true);
            }
            if self.rest.starts_with("}}") {
                self.skip(2);
                return Ok(false);
            }
            let line = self.line;
            let token = self.token()?;
            self.tokens.push(Placed { token, line, spaced });
        }
    }

    fn skip_white(&mut self) -> bool {
        let trimmed = self.rest.trim_start_matches(WHITE);
        let count = self.rest.len() - trimmed.len();
        self.skip(count);
        count > 0
    }

    fn token(&mut self) -> Result<Token, ParseError> {
        let Some(first) = self.rest.chars().next() else {
            return Err(self.error("an action is not closed"));
        };
        let second = self.rest[first.len_utf8()..].chars().next().unwrap_or(' ');
        let single = match first {
            '(' => Some(Token::Open),
            ')' => Some(Token::Close),
            '|' => Some(Token::Bar),
            ',' => Some(Token::Comma),
            '=' => Some(Token::Assign),
            _ => None,
        };
        if let Some(token) = single {
            self.skip(1);
            return Ok(token);
        }
        match first {
            ':' if second == '=' => {
                self.skip(2);
                Ok(Token::Declare)
            }
            '"' => self.quoted(),
            '`' => {
                let end = self.rest[1..]
                    .find('`')
                    .ok_or_else(|| self.error("a raw string is not closed"))?;
                let text = self.rest[1..=end].to_owned();
                self.skip(end + 2);
                Ok(Token::Text(text))
            }
            '\'' => self.character(),
            '.' if is_word(second) && !second.is_ascii_digit() => {
                self.skip(1);
                Ok(Token::Field(self.word()))
            }
            '.' if !second.is_ascii_digit() => {
                self.skip(1);
                Ok(Token::Dot)
            }
            '$' => {
                self.skip(1);
                Ok(Token::Variable(self.word()))
            }
            c if c.is_ascii_digit() || c == '.' || c == '+' || c == '-' => self.number(),
            c if is_word(c) => Ok(Token::Word(self.word())),
            c => Err(self.error(format!("unexpected {c:?} in an action"))),
        }
    }

    fn word(&mut self) -> String {
        let end = self.rest.find(|c| !is_word(c)).unwrap_or(self.rest.len());
        let word = self.rest[..end].to_owned();
        self.skip(end);
        word
    }

    fn number(&mut self) -> Result<Token, ParseError> {
        let bytes = self.rest.as_bytes();
        let mut end = 1;
        while let Some(byte) = bytes.get(end) {
            let sign = matches!(byte, b'+' | b'-') && matches!(bytes[end - 1], b'e' | b'E');
            if !(byte.is_ascii_alphanumeric() || *byte == b'.' || *byte == b'_' || sign) {
                break;
            }
            end += 1;
        }
        let text = self.rest[..end].to_owned();
        if !text.contains(|c: char| c.is_ascii_digit()) {
            return Err(self.error(format!("bad number {text:?}")));
        }
        self.skip(end);
        Ok(Token::Number(text))
    }

    fn character(&mut self) -> Result<Token, ParseError> {
        let mut chars = self.rest[1..].chars();
        match (chars.next(), chars.next()) {
            (Some(c), Some('\'')) if c != '\\' => {
                self.skip(c.len_utf8() + 2);
                Ok(Token::Number(u32::from(c).to_string()))
            }
            _ => Err(self.error("bad character constant")),
        }
    }

    fn quoted(&mut self) -> Result<Token, ParseError> {
        let mut out = Vec::new();
        let mut chars = self.rest.char_indices().skip(1);
        while let Some((at, c)) = chars.next() {
            match c {
                '"' => {
                    self.skip(at + 1);
                    let text =
                        String::from_utf8(out).map_err(|_| self.error("string constant is not UTF-8"))?;
                    return Ok(Token::Text(text));
                }
                '\n' => break,
                '\\' => {
                    let (_, escape) = chars.next().unwrap_or((0, '\n'));
                    let digits = match escape {
                        'x' => 2,
                        'u' => 4,
                        'U' => 8,
                        '0'..='7' => 3,
                        _ => 0,
                    };
                    let mut hex = String::new();
                    if digits == 3 {
                        hex.push(escape);
                    }
                    while hex.len() < digits {
                        match chars.next() {
                            Some((_, d)) if d.is_ascii_hexdigit() => hex.push(d),
                            _ => return Err(self.error("bad escape in a string")),
                        }
                    }
                    self.escape(escape, &hex, &mut out)?;
                }
                c => out.extend(c.to_string().as_bytes()),
            }
        }
        Err(self.error("a string is not closed"))
    }

    fn escape(&self, escape: char, digits: &str, out: &mut Vec<u8>) -> Result<(), ParseError> {
        let bad = || self.error(format!("bad escape \\{escape} in a string"));
        let radix = if digits.len() == 3 { 8 } else { 16 };
        match escape {
            'n' => out.push(b'\n'),
            't' => out.push(b'\t'),
            'r' => out.push(b'\r'),
            'a' => out.push(7),
            'b' => out.push(8),
            'f' => out.push(12),
            'v' => out.push(11),
            '\\' | '"' | '\'' => out.extend(escape.to_string().as_bytes()),
            'x' | '0'..='7' => {
                let byte = u32::from_str_radix(digits, radix).map_err(|_| bad())?;
                out.push(u8::try_from(byte).map_err(|_| bad())?);
            }
            'u' | 'U' => {
                let code = u32::from_str_radix(digits, radix).map_err(|_| bad())?;
                let c = char::from_u32(code).ok_or_else(bad)?;
                out.extend(c.to_string().as_bytes());
            }
            _ => return Err(bad()),
        }
        Ok(())
    }
}

fn is_word(c: char) -> bool {
    c == '_' || c.is_alphanumeric()
}
