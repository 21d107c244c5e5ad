//! Text to tokens. What a character means depends on where it stands: in braces words are label names, in brackets a colon
//! separates range and step.

use super::ast::BinaryOp;
use super::token::{Keyword, Kind, Token, word};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Statement,
    Braces,
    Brackets,
}

#[derive(Debug)]
pub(super) struct LexError {
    pub(super) message: String,
    pub(super) start: usize,
}

pub(super) struct Lexer<'a> {
    input: &'a str,
    at: usize,
    place: Place,
    paren_depth: usize,
    got_colon: bool,
}

/// All tokens, the last of them `Eof`, or `Error` with what is wrong.
pub(super) fn tokens(input: &str) -> (Vec<Token>, Option<LexError>) {
    let mut lexer = Lexer {
        input,
        at: 0,
        place: Place::Statement,
        paren_depth: 0,
        got_colon: false,
    };
    let mut out = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        match lexer.next(start) {
            Ok(kind) => {
                let end = lexer.at;
                out.push(Token { kind, start, end });
                if kind == Kind::Eof {
                    return (out, None);
                }
            }
            Err(message) => {
                out.push(Token {
                    kind: Kind::Error,
                    start,
                    end: input.len(),
                });
                return (out, Some(LexError { message, start }));
            }
        }
    }
}

fn is_alpha(c: char) -> bool {
    c == '_' || c.is_ascii_alphabetic()
}

/// An underscore stands between two digits of a number, or behind the `0x`.
fn underscores_separate_digits(text: &str) -> bool {
    let is_hex = text.len() > 1 && matches!(text.as_bytes()[1], b'x' | b'X');
    let is_digit = |c: u8| c.is_ascii_digit() || (is_hex && c.is_ascii_hexdigit());
    let at = |i: usize| text.as_bytes().get(i).copied().unwrap_or(b'_');
    text.match_indices('_').all(|(i, _)| {
        let follows = is_digit(at(i.wrapping_sub(1))) || (is_hex && i == 2);
        follows && is_digit(at(i + 1))
    })
}

fn is_alphanumeric(c: char) -> bool {
    is_alpha(c) || c.is_ascii_digit()
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.input[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn accept(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.bump();
        }
        found
    }

    fn skip_while(&mut self, f: impl Fn(char) -> bool) {
        while self.peek().is_some_and(&f) {
            self.bump();
        }
    }

    fn skip_blank(&mut self) {
        loop {
            self.skip_while(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
            if self.peek() != Some('#') {
                return;
            }
            self.skip_while(|c| c != '\n' && c != '\r');
        }
    }

    fn next(&mut self, start: usize) -> Result<Kind, String> {
        let Some(c) = self.bump() else {
            return self.end();
        };
        match c {
            '"' | '\'' => return self.string(c),
            '`' => return self.raw_string(),
            ',' => return Ok(Kind::Comma),
            _ => {}
        }
        if self.place == Place::Braces {
            return self.in_braces(c);
        }
        match c {
            '(' => {
                self.paren_depth += 1;
                Ok(Kind::LeftParen)
            }
            ')' => match self.paren_depth.checked_sub(1) {
                Some(depth) => {
                    self.paren_depth = depth;
                    Ok(Kind::RightParen)
                }
                None => Err("unexpected right parenthesis ')'".to_owned()),
            },
            '{' => {
                self.place = Place::Braces;
                Ok(Kind::LeftBrace)
            }
            '[' if self.place == Place::Brackets => Err("unexpected left bracket '['".to_owned()),
            '[' => {
                self.place = Place::Brackets;
                self.got_colon = false;
                Ok(Kind::LeftBracket)
            }
            ']' if self.place == Place::Statement => Err("unexpected right bracket ']'".to_owned()),
            ']' => {
                self.place = Place::Statement;
                Ok(Kind::RightBracket)
            }
            '@' => Ok(Kind::At),
            '0'..='9' => self.number(start),
            '.' if self.peek().is_some_and(|c| c.is_ascii_digit()) => self.number(start),
            c if self.place == Place::Brackets && (is_alpha(c) || c == ':') => self.in_brackets(c, start),
            c if is_alpha(c) || c == ':' => Ok(self.word(start)),
            c => self.operator(c),
        }
    }

    fn end(&self) -> Result<Kind, String> {
        if self.place == Place::Braces {
            return Err("unexpected end of input inside braces".to_owned());
        }
        if self.paren_depth > 0 {
            return Err("unclosed left parenthesis".to_owned());
        }
        if self.place == Place::Brackets {
            return Err("unclosed left bracket".to_owned());
        }
        Ok(Kind::Eof)
    }

    fn operator(&mut self, c: char) -> Result<Kind, String> {
        let op = match c {
            '+' => BinaryOp::Add,
            '-' => BinaryOp::Sub,
            '*' => BinaryOp::Mul,
            '/' => BinaryOp::Div,
            '%' => BinaryOp::Mod,
            '^' => BinaryOp::Pow,
            '=' => match self.peek() {
                Some('=') => {
                    self.bump();
                    BinaryOp::Equal
                }
                Some('~') => return Err("unexpected character after '=': '~'".to_owned()),
                _ => return Ok(Kind::Assign),
            },
            '!' => match self.bump() {
                Some('=') => BinaryOp::NotEqual,
                other => {
                    return Err(format!(
                        "unexpected character after '!': {:?}",
                        other.unwrap_or('\u{fffd}')
                    ));
                }
            },
            '<' if self.accept('=') => BinaryOp::LessEqual,
            '<' if self.accept('/') => BinaryOp::TrimUpper,
            '<' => BinaryOp::Less,
            '>' if self.accept('=') => BinaryOp::GreaterEqual,
            '>' if self.accept('/') => BinaryOp::TrimLower,
            '>' => BinaryOp::Greater,
            other => return Err(format!("unexpected character: {other:?}")),
        };
        Ok(Kind::Op(op))
    }

    fn in_braces(&mut self, c: char) -> Result<Kind, String> {
        match c {
            '}' => {
                self.place = Place::Statement;
                Ok(Kind::RightBrace)
            }
            '=' if self.accept('~') => Ok(Kind::EqualRegex),
            '=' => Ok(Kind::Assign),
            '!' if self.accept('~') => Ok(Kind::NotEqualRegex),
            '!' if self.accept('=') => Ok(Kind::Op(BinaryOp::NotEqual)),
            '!' => Err(format!(
                "unexpected character after '!' inside braces: {:?}",
                self.peek().unwrap_or('\u{fffd}')
            )),
            '{' => Err("unexpected left brace '{'".to_owned()),
            c if is_alpha(c) => {
                self.skip_while(is_alphanumeric);
                Ok(Kind::Identifier)
            }
            c => Err(format!("unexpected character inside braces: {c:?}")),
        }
    }

    fn in_brackets(&mut self, c: char, start: usize) -> Result<Kind, String> {
        if c == ':' {
            if self.got_colon {
                return Err("unexpected colon ':'".to_owned());
            }
            self.got_colon = true;
            return Ok(Kind::Colon);
        }
        self.skip_while(is_alphanumeric);
        match self.input[start..self.at].to_ascii_lowercase().as_str() {
            "step" => Ok(Kind::Keyword(Keyword::Step)),
            "range" => Ok(Kind::Keyword(Keyword::Range)),
            // Earlier versions had the short names.
            "min_of" | "max_of" | "min" | "max" => Ok(Kind::Identifier),
            _ => Err(format!("unexpected character in duration expression: {c:?}")),
        }
    }

    fn word(&mut self, start: usize) -> Kind {
        self.skip_while(|c| is_alphanumeric(c) || c == ':');
        let text = &self.input[start..self.at];
        match word(text) {
            // As metric names these words are older than as modifiers.
            Some(Kind::Keyword(Keyword::Fill | Keyword::FillLeft | Keyword::FillRight))
                if !self.rest().trim_start().starts_with('(') =>
            {
                Kind::Identifier
            }
            Some(kind) => kind,
            None if text.contains(':') => Kind::MetricIdentifier,
            None => Kind::Identifier,
        }
    }

    /// A number or a duration; its syntax is judged by whoever reads the value.
    fn number(&mut self, start: usize) -> Result<Kind, String> {
        self.at = start;
        if self.rest().starts_with("0x") || self.rest().starts_with("0X") {
            self.at += 2;
            self.skip_while(|c| c.is_ascii_hexdigit() || c == '_');
        } else {
            self.decimal();
        }
        let is_whole = !self.peek().is_some_and(is_alphanumeric) && self.at > start;
        if is_whole && underscores_separate_digits(&self.input[start..self.at]) {
            return Ok(Kind::Number);
        }
        if self.duration_units() {
            return Ok(Kind::Duration);
        }
        self.skip_while(is_alphanumeric);
        let text = &self.input[start..self.at];
        Err(format!("bad number or duration syntax: {text:?}"))
    }

    fn decimal(&mut self) {
        let digit = |c: char| c.is_ascii_digit() || c == '_';
        self.skip_while(digit);
        if self.accept('.') {
            self.skip_while(digit);
        }
        if matches!(self.peek(), Some('e' | 'E')) {
            let before = self.at;
            self.bump();
            if matches!(self.peek(), Some('+' | '-')) {
                self.bump();
            }
            if self.peek().is_some_and(|c| c.is_ascii_digit()) {
                self.skip_while(digit);
            } else {
                self.at = before;
            }
        }
    }

    /// `m`, `s30m`, `h5m`: units and further numbers after the first number.
    fn duration_units(&mut self) -> bool {
        loop {
            if !matches!(self.peek(), Some('s' | 'm' | 'h' | 'd' | 'w' | 'y')) {
                return false;
            }
            self.bump();
            self.accept('s');
            if !self.peek().is_some_and(|c| c.is_ascii_digit()) {
                return !self.peek().is_some_and(is_alphanumeric);
            }
            self.skip_while(|c| c.is_ascii_digit());
        }
    }

    fn string(&mut self, quote: char) -> Result<Kind, String> {
        loop {
            match self.bump() {
                None | Some('\n') => return Err("unterminated quoted string".to_owned()),
                Some('\\') => {
                    // Which escapes exist is decided when the value is read; here only an escaped quote matters.
                    if self.bump().is_none() {
                        return Err("escape sequence not terminated".to_owned());
                    }
                }
                Some(c) if c == quote => return Ok(Kind::Str),
                Some(_) => {}
            }
        }
    }

    fn raw_string(&mut self) -> Result<Kind, String> {
        self.skip_while(|c| c != '`');
        match self.bump() {
            Some(_) => Ok(Kind::Str),
            None => Err("unterminated raw string".to_owned()),
        }
    }
}
