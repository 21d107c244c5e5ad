//! What the lexer hands to the parser.

use super::ast::{AggregateOp, BinaryOp};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keyword {
    By,
    Without,
    On,
    Ignoring,
    GroupLeft,
    GroupRight,
    Bool,
    Offset,
    Anchored,
    Smoothed,
    Fill,
    FillLeft,
    FillRight,
    Start,
    End,
    Step,
    Range,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Eof,
    /// The lexer's error stands in its place; nothing follows.
    Error,
    Identifier,
    /// An identifier with a colon: a metric name, never a label or a function.
    MetricIdentifier,
    Keyword(Keyword),
    Aggregator(AggregateOp),
    Op(BinaryOp),
    Number,
    Duration,
    Str,
    LeftParen,
    RightParen,
    LeftBrace,
    RightBrace,
    LeftBracket,
    RightBracket,
    Comma,
    Colon,
    Assign,
    EqualRegex,
    NotEqualRegex,
    At,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words of the language; upper and lower case mean the same.
pub(super) fn word(text: &str) -> Option<Kind> {
    use Keyword as K;
    let lower = text.to_ascii_lowercase();
    Some(match lower.as_str() {
        "and" => Kind::Op(BinaryOp::And),
        "or" => Kind::Op(BinaryOp::Or),
        "unless" => Kind::Op(BinaryOp::Unless),
        "atan2" => Kind::Op(BinaryOp::Atan2),
        "by" => Kind::Keyword(K::By),
        "without" => Kind::Keyword(K::Without),
        "on" => Kind::Keyword(K::On),
        "ignoring" => Kind::Keyword(K::Ignoring),
        "group_left" => Kind::Keyword(K::GroupLeft),
        "group_right" => Kind::Keyword(K::GroupRight),
        "bool" => Kind::Keyword(K::Bool),
        "offset" => Kind::Keyword(K::Offset),
        "anchored" => Kind::Keyword(K::Anchored),
        "smoothed" => Kind::Keyword(K::Smoothed),
        "fill" => Kind::Keyword(K::Fill),
        "fill_left" => Kind::Keyword(K::FillLeft),
        "fill_right" => Kind::Keyword(K::FillRight),
        "start" => Kind::Keyword(K::Start),
        "end" => Kind::Keyword(K::End),
        "step" => Kind::Keyword(K::Step),
        "range" => Kind::Keyword(K::Range),
        "inf" | "nan" => Kind::Number,
        other => Kind::Aggregator(AggregateOp::parse(other)?),
    })
}

impl Token {
    /// How an error message speaks of this token.
    pub(super) fn describe(&self, input: &str) -> String {
        let text = &input[self.start..self.end];
        match self.kind {
            Kind::Eof => "end of input".to_owned(),
            Kind::Error => "error".to_owned(),
            Kind::Identifier => format!("identifier {text:?}"),
            Kind::MetricIdentifier => format!("metric identifier {text:?}"),
            Kind::Keyword(_) => format!("<{text}>"),
            Kind::Aggregator(_) => format!("<aggr:{text}>"),
            Kind::Op(_) | Kind::At => format!("<op:{text}>"),
            Kind::Number => format!("number {}", quote_short(text)),
            Kind::Duration => format!("duration {}", quote_short(text)),
            Kind::Str => format!("string {}", quote_short(text)),
            _ => format!("{text:?}"),
        }
    }
}

fn quote_short(text: &str) -> String {
    if text.len() > 10 {
        let cut: String = text.chars().take(10).collect();
        format!("{cut:?}...")
    } else {
        format!("{text:?}")
    }
}
