//! Tokens to tree: precedence climbing for operators, recursive descent for the rest.
//!
//! The first mistake ends it; its message names what stood there and what was expected. Depth is bounded, so that no
//! input can exhaust the stack.

mod duration;
mod operand;
mod selector;

use super::ast::{Binary, BinaryOp, Cardinality, Expr, ExprKind, Matching, Span, UnaryOp};
use super::lexer::{LexError, tokens};
use super::literal::parse_number;
use super::token::{Keyword, Kind, Token};
use lapwing_types::Matcher;
use std::fmt;

/// Nesting of parentheses, calls and unary operators; deeper than any query a person or a tool writes.
const DEPTH_MAX: usize = 100;
/// Operators in one expression, as each makes the tree higher; written by hand there are a few.
const OPERATORS_MAX: usize = 1000;

/// A mistake in a query, with the bytes it concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    pub message: String,
    pub start: usize,
    pub end: usize,
    /// Where `start` is, counted from 1, in bytes of the line.
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: parse error: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// What of the language is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParseOptions {
    pub experimental_functions: bool,
    pub fill_modifiers: bool,
}

impl ParseOptions {
    pub fn all(on: bool) -> Self {
        ParseOptions {
            experimental_functions: on,
            fill_modifiers: on,
        }
    }
}

/// Everything switched on.
pub fn parse(input: &str) -> Result<Expr, ParseError> {
    parse_with(input, &ParseOptions::all(true))
}

pub fn parse_with(input: &str, options: &ParseOptions) -> Result<Expr, ParseError> {
    let mut parser = Parser::new(input, *options);
    let result = parser.whole().and_then(|expr| super::check::check(expr, input));
    result.map_err(|fault| fault.locate(input))
}

/// One selector without offset or range, as `match[]` parameters have it.
pub fn parse_metric_selector(input: &str) -> Result<Vec<Matcher>, ParseError> {
    let mut parser = Parser::new(input, ParseOptions::all(true));
    let result = parser
        .bare_selector()
        .and_then(|expr| super::check::check(expr, input));
    match result.map_err(|fault| fault.locate(input))?.kind {
        ExprKind::Vector(selector) => Ok(selector.matchers),
        _ => Ok(Vec::new()),
    }
}

/// A mistake before its line and column are known.
#[derive(Debug)]
pub(super) struct Fault {
    pub(super) message: String,
    pub(super) span: Span,
}

impl Fault {
    pub(super) fn new(span: Span, message: impl Into<String>) -> Self {
        Fault {
            message: message.into(),
            span,
        }
    }

    fn locate(self, input: &str) -> ParseError {
        let (line, column) = line_and_column(input, self.span.start);
        ParseError {
            message: self.message,
            start: self.span.start,
            end: self.span.end,
            line,
            column,
        }
    }
}

/// Line and column of a byte, both from 1.
pub(crate) fn line_and_column(input: &str, at: usize) -> (usize, usize) {
    let before = &input.as_bytes()[..at.min(input.len())];
    let line = before.iter().filter(|b| **b == b'\n').count() + 1;
    let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |p| p + 1);
    (line, before.len() - line_start + 1)
}

type Parsed<T> = Result<T, Fault>;

struct Parser<'a> {
    input: &'a str,
    tokens: Vec<Token>,
    lex_error: Option<LexError>,
    at: usize,
    depth: usize,
    operators: usize,
    options: ParseOptions,
}

impl<'a> Parser<'a> {
    fn new(input: &'a str, options: ParseOptions) -> Self {
        let (tokens, lex_error) = tokens(input);
        Parser {
            input,
            tokens,
            lex_error,
            at: 0,
            depth: 0,
            operators: 0,
            options,
        }
    }

    fn whole(&mut self) -> Parsed<Expr> {
        if self.peek().kind == Kind::Eof {
            return Err(Fault::new(Span::default(), "no expression found in input"));
        }
        let expr = self.expr(0)?;
        match self.peek().kind {
            Kind::Eof => Ok(expr),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn bare_selector(&mut self) -> Parsed<Expr> {
        let selector = self.vector_selector()?;
        match self.peek().kind {
            Kind::Eof => Ok(selector),
            _ => Err(self.unexpected("", "")),
        }
    }

    fn peek(&self) -> Token {
        self.tokens[self.at]
    }

    fn peek_second(&self) -> Kind {
        self.tokens.get(self.at + 1).map_or(Kind::Eof, |t| t.kind)
    }

    fn bump(&mut self) -> Token {
        let token = self.tokens[self.at];
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
        token
    }

    fn text(&self, token: Token) -> &'a str {
        &self.input[token.start..token.end]
    }

    fn span(token: Token) -> Span {
        Span {
            start: token.start,
            end: token.end,
        }
    }

    /// A complaint about the next token, or the lexer's own when it stopped there.
    fn unexpected(&self, context: &str, expected: &str) -> Fault {
        let token = self.peek();
        if token.kind == Kind::Error
            && let Some(error) = &self.lex_error
        {
            let span = Span {
                start: error.start,
                end: self.input.len(),
            };
            return Fault::new(span, error.message.clone());
        }
        let mut message = format!("unexpected {}", token.describe(self.input));
        if !context.is_empty() {
            message.push_str(" in ");
            message.push_str(context);
        }
        if !expected.is_empty() {
            message.push_str(", expected ");
            message.push_str(expected);
        }
        Fault::new(Self::span(token), message)
    }

    fn expect(&mut self, kind: Kind, context: &str, expected: &str) -> Parsed<Token> {
        if self.peek().kind == kind {
            Ok(self.bump())
        } else {
            Err(self.unexpected(context, expected))
        }
    }

    fn accept(&mut self, kind: Kind) -> bool {
        let found = self.peek().kind == kind;
        if found {
            self.bump();
        }
        found
    }

    fn accept_keyword(&mut self, keyword: Keyword) -> bool {
        self.accept(Kind::Keyword(keyword))
    }

    /// An expression of operators that bind tighter than `floor`.
    fn expr(&mut self, floor: u8) -> Parsed<Expr> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            let span = Self::span(self.peek());
            return Err(Fault::new(
                span,
                format!("expression is nested deeper than {DEPTH_MAX} levels"),
            ));
        }
        let mut left = self.prefixed()?;
        while let Kind::Op(op) = self.peek().kind {
            if op.precedence() <= floor {
                break;
            }
            self.bump();
            self.count_operator(left.span)?;
            left = self.binary(left, op)?;
        }
        self.depth -= 1;
        Ok(left)
    }

    /// What makes the tree higher without making the parser's stack deeper.
    fn count_operator(&mut self, span: Span) -> Parsed<()> {
        self.operators += 1;
        if self.operators <= OPERATORS_MAX {
            return Ok(());
        }
        let message = format!("expression has more than {OPERATORS_MAX} operators");
        Err(Fault::new(span, message))
    }

    fn prefixed(&mut self) -> Parsed<Expr> {
        let op = match self.peek().kind {
            Kind::Op(BinaryOp::Add) => UnaryOp::Plus,
            Kind::Op(BinaryOp::Sub) => UnaryOp::Minus,
            _ => return self.operand(),
        };
        let start = self.bump().start;
        // A sign binds like a multiplication: `-a ^ b` negates the power.
        let inner = self.expr(BinaryOp::Mul.precedence())?;
        let span = Span {
            start,
            end: inner.span.end,
        };
        let kind = match inner.kind {
            ExprKind::Number { value, is_duration } => ExprKind::Number {
                value: if op == UnaryOp::Minus { -value } else { value },
                is_duration,
            },
            _ => ExprKind::Unary(op, Box::new(inner)),
        };
        Ok(Expr { kind, span })
    }

    fn binary(&mut self, left: Expr, op: BinaryOp) -> Parsed<Expr> {
        let return_bool = self.accept_keyword(Keyword::Bool);
        let matching = self.matching()?;
        // Powers group from the right, everything else from the left.
        let floor = if op == BinaryOp::Pow {
            op.precedence() - 1
        } else {
            op.precedence()
        };
        let right = self.expr(floor)?;
        let span = left.span.to(right.span);
        if (matching.fill_left.is_some() || matching.fill_right.is_some()) && !self.options.fill_modifiers {
            return Err(Fault::new(
                span,
                "binop fill modifiers are experimental and not enabled",
            ));
        }
        let binary = Binary {
            op,
            left,
            right,
            matching: Some(matching),
            return_bool,
        };
        Ok(Expr {
            kind: ExprKind::Binary(Box::new(binary)),
            span,
        })
    }

    fn matching(&mut self) -> Parsed<Matching> {
        let mut matching = Matching {
            card: Cardinality::OneToOne,
            on: false,
            labels: Vec::new(),
            include: Vec::new(),
            fill_left: None,
            fill_right: None,
        };
        let on = self.accept_keyword(Keyword::On);
        if on || self.accept_keyword(Keyword::Ignoring) {
            matching.on = on;
            matching.labels = self.grouping_labels()?;
            let left = self.accept_keyword(Keyword::GroupLeft);
            if left || self.accept_keyword(Keyword::GroupRight) {
                matching.card = if left {
                    Cardinality::ManyToOne
                } else {
                    Cardinality::OneToMany
                };
                if self.peek().kind == Kind::LeftParen {
                    matching.include = self.grouping_labels()?;
                }
            }
        }
        loop {
            let (left, right) = match self.peek().kind {
                Kind::Keyword(Keyword::Fill) => (true, true),
                Kind::Keyword(Keyword::FillLeft) => (true, false),
                Kind::Keyword(Keyword::FillRight) => (false, true),
                _ => return Ok(matching),
            };
            self.bump();
            let value = self.fill_value()?;
            if left {
                matching.fill_left = Some(value);
            }
            if right {
                matching.fill_right = Some(value);
            }
        }
    }

    fn fill_value(&mut self) -> Parsed<f64> {
        self.expect(Kind::LeftParen, "fill value", "\"(\"")?;
        let value = self.signed_number("fill value", "number")?;
        self.expect(Kind::RightParen, "fill value", "\")\"")?;
        Ok(value)
    }

    /// A number or duration, in seconds, with an optional sign.
    fn signed_number(&mut self, context: &str, expected: &str) -> Parsed<f64> {
        let negative = self.accept(Kind::Op(BinaryOp::Sub));
        if !negative {
            self.accept(Kind::Op(BinaryOp::Add));
        }
        let token = self.peek();
        let value = match token.kind {
            Kind::Number => parse_number(self.text(token)).map_err(|m| Fault::new(Self::span(token), m))?,
            Kind::Duration => self.duration_seconds(token)?,
            _ => return Err(self.unexpected(context, expected)),
        };
        self.bump();
        Ok(if negative { -value } else { value })
    }
}
