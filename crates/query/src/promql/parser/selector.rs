//! `name{label="value", …}` and lists of label names.

use super::super::ast::{BinaryOp, Expr, ExprKind, Offset, Span, VectorSelector};
use super::super::literal::unquote;
use super::super::token::{Keyword, Kind, Token};
use super::{Fault, Parsed, Parser};
use lapwing_types::{METRIC_NAME, MatchOp, Matcher, MatcherError};

impl Parser<'_> {
    pub(super) fn vector_selector(&mut self) -> Parsed<Expr> {
        let first = self.peek();
        let name = if may_be_metric_name(first.kind) {
            self.bump();
            Some(self.text(first).to_owned())
        } else {
            None
        };
        let mut span = Self::span(first);
        let mut matchers = Vec::new();
        if self.peek().kind == Kind::LeftBrace {
            self.bump();
            span.end = self.matchers(&mut matchers)?;
        } else if name.is_none() {
            return Err(self.unexpected("", ""));
        }
        if let Some(name) = &name {
            matchers.push(Matcher::equal(METRIC_NAME, name.as_str()));
        }
        let selector = VectorSelector {
            name,
            matchers,
            offset: Offset::None,
            at: None,
            anchored: false,
            smoothed: false,
        };
        Ok(Expr {
            kind: ExprKind::Vector(selector),
            span,
        })
    }

    /// Up to the closing brace; where it ends.
    fn matchers(&mut self, out: &mut Vec<Matcher>) -> Parsed<usize> {
        loop {
            let token = self.peek();
            match token.kind {
                Kind::RightBrace => return Ok(self.bump().end),
                Kind::Identifier | Kind::Str => {
                    self.bump();
                    let matcher = self.matcher(token)?;
                    out.push(matcher);
                }
                _ => return Err(self.unexpected("label matching", "identifier or \"}\"")),
            }
            match self.peek().kind {
                Kind::Comma => {
                    self.bump();
                }
                Kind::RightBrace => {}
                _ => return Err(self.unexpected("label matching", "\",\" or \"}\"")),
            }
        }
    }

    fn matcher(&mut self, label: Token) -> Parsed<Matcher> {
        let name = self.name_or_quoted(label)?;
        let op = match self.peek().kind {
            Kind::Assign => MatchOp::Equal,
            Kind::Op(BinaryOp::NotEqual) => MatchOp::NotEqual,
            Kind::EqualRegex => MatchOp::Regex,
            Kind::NotEqualRegex => MatchOp::NotRegex,
            _ if label.kind == Kind::Str => return Ok(Matcher::equal(METRIC_NAME, name)),
            _ => return Err(self.unexpected("label matching", "label matching operator")),
        };
        self.bump();
        let token = self.expect(Kind::Str, "label matching", "string")?;
        let value = unquote(self.text(token)).map_err(|m| Fault::new(Self::span(token), m))?;
        Matcher::new(op, name, value).map_err(|error| {
            let span = Span {
                start: label.start,
                end: token.end,
            };
            Fault::new(span, pattern_fault(&error))
        })
    }

    fn name_or_quoted(&self, token: Token) -> Parsed<String> {
        match token.kind {
            Kind::Str => unquote(self.text(token)).map_err(|m| Fault::new(Self::span(token), m)),
            _ => Ok(self.text(token).to_owned()),
        }
    }

    /// `(a, b, "c d")` after `by`, `without`, `on`, `ignoring` and the group modifiers.
    pub(super) fn grouping_labels(&mut self) -> Parsed<Vec<String>> {
        self.expect(Kind::LeftParen, "grouping opts", "\"(\"")?;
        let mut labels = Vec::new();
        loop {
            let token = self.peek();
            if token.kind == Kind::RightParen && (labels.is_empty() || self.after_comma()) {
                self.bump();
                return Ok(labels);
            }
            if !may_be_label(token.kind) {
                return Err(self.unexpected("grouping opts", "label"));
            }
            self.bump();
            let name = self.name_or_quoted(token)?;
            if name.is_empty() {
                let message = format!("invalid label name for grouping: {name:?}");
                return Err(Fault::new(Self::span(token), message));
            }
            labels.push(name);
            match self.peek().kind {
                Kind::Comma => {
                    self.bump();
                }
                Kind::RightParen => {
                    self.bump();
                    return Ok(labels);
                }
                _ => return Err(self.unexpected("grouping opts", "\",\" or \")\"")),
            }
        }
    }

    fn after_comma(&self) -> bool {
        self.at > 0 && self.tokens[self.at - 1].kind == Kind::Comma
    }
}

/// Words of the language that are also good metric names.
fn may_be_metric_name(kind: Kind) -> bool {
    match kind {
        Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregator(_) => true,
        Kind::Op(op) => matches!(op, BinaryOp::And | BinaryOp::Or | BinaryOp::Unless),
        Kind::Keyword(word) => !matches!(
            word,
            Keyword::Bool | Keyword::On | Keyword::Ignoring | Keyword::GroupLeft | Keyword::GroupRight
        ),
        _ => false,
    }
}

fn may_be_label(kind: Kind) -> bool {
    match kind {
        Kind::Identifier | Kind::MetricIdentifier | Kind::Aggregator(_) | Kind::Keyword(_) | Kind::Str => {
            true
        }
        Kind::Op(op) => matches!(
            op,
            BinaryOp::And | BinaryOp::Or | BinaryOp::Unless | BinaryOp::Atan2
        ),
        _ => false,
    }
}

/// What is wrong with a pattern: in one line, and in the words of Prometheus for what people do wrong most.
fn pattern_fault(error: &MatcherError) -> String {
    let text = error.source.to_string();
    let reason = match text.rsplit("error: ").next().unwrap_or(&text) {
        "unclosed group" => "missing closing )",
        "unopened group" => "unexpected )",
        "unclosed character class" => "missing closing ]",
        "repetition operator missing expression" => "missing argument to repetition operator",
        other => other.trim_end_matches('.'),
    };
    format!("error parsing regexp: {reason}: `{}`", error.pattern)
}
