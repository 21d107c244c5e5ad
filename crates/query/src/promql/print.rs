//! An expression in its canonical spelling; parsing that gives the same expression.

use super::ast::{
    Aggregate, At, Binary, Cardinality, DurationExpr, DurationKind, Expr, ExprKind, Matching, MatrixSelector,
    Offset, Subquery, UnaryOp, VectorSelector,
};
use super::literal::{format_duration, stray_byte};
use lapwing_types::{METRIC_NAME, MatchOp, Matcher, format_number};
use std::fmt::{self, Display, Write};

impl Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ExprKind::Number { value, is_duration } => write_number(f, *value, *is_duration),
            ExprKind::Str(text) => f.write_str(&quote(text)),
            ExprKind::Vector(selector) => write!(f, "{selector}"),
            ExprKind::Matrix(matrix) => write!(f, "{matrix}"),
            ExprKind::Subquery(subquery) => write!(f, "{}{}", subquery.expr, subquery.suffix()),
            ExprKind::Call(call) => {
                write!(f, "{}(", call.function.name())?;
                write_list(f, &call.args)?;
                f.write_char(')')
            }
            ExprKind::Aggregate(aggregate) => {
                write!(f, "{}(", aggregate.head())?;
                if let Some(parameter) = &aggregate.parameter {
                    write!(f, "{parameter}, ")?;
                }
                write!(f, "{})", aggregate.expr)
            }
            ExprKind::Binary(binary) => write!(f, "{} {} {}", binary.left, binary.operator(), binary.right),
            ExprKind::Unary(op, inner) => write!(f, "{}{inner}", op.as_str()),
            ExprKind::Paren(inner) => write!(f, "({inner})"),
        }
    }
}

impl UnaryOp {
    pub fn as_str(self) -> &'static str {
        match self {
            UnaryOp::Plus => "+",
            UnaryOp::Minus => "-",
        }
    }
}

fn write_list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            f.write_str(", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

fn write_number(f: &mut fmt::Formatter<'_>, value: f64, is_duration: bool) -> fmt::Result {
    if is_duration {
        return f.write_str(&format_duration((value * 1000.0).round() as i64));
    }
    f.write_str(&plain_number(value))
}

/// All digits, never an exponent.
pub(crate) fn plain_number(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value.is_infinite() {
        if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned()
    } else {
        format!("{value}")
    }
}

/// A string in double quotes, with the escapes that the language reads.
pub(crate) fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{b}' => out.push_str("\\v"),
            '\u{c}' => out.push_str("\\f"),
            c if (c as u32) < 0x20 || c as u32 == 0x7f => {
                let _ = write!(out, "\\x{:02x}", c as u32);
            }
            c => match stray_byte(c) {
                Some(byte) => {
                    let _ = write!(out, "\\x{byte:02x}");
                }
                None if is_printable(c) => out.push(c),
                None if (c as u32) < 0x10000 => {
                    let _ = write!(out, "\\u{:04x}", c as u32);
                }
                None => {
                    let _ = write!(out, "\\U{:08x}", c as u32);
                }
            },
        }
    }
    out.push('"');
    out
}

/// Not: blanks that look like others, and what is not seen at all.
fn is_printable(c: char) -> bool {
    // The standard library knows which those are and shows them escaped. Behind another character, a mark that joins it is seen.
    c.is_ascii() || format!("a{c}").escape_debug().count() == 2
}

fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b == b'_' || b.is_ascii_alphabetic())
        && bytes.all(|b| b == b'_' || b.is_ascii_alphanumeric())
}

/// In quotes where it could not stand without.
pub(crate) fn label_name(name: &str) -> String {
    if is_identifier(name) {
        name.to_owned()
    } else {
        quote(name)
    }
}

fn label_list(names: &[String]) -> String {
    let names: Vec<String> = names.iter().map(|n| label_name(n)).collect();
    names.join(", ")
}

fn matcher_text(matcher: &Matcher) -> String {
    format!(
        "{}{}{}",
        label_name(&matcher.name),
        matcher.op.as_str(),
        quote(&matcher.value)
    )
}

impl VectorSelector {
    fn write_bare(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(name) = &self.name {
            f.write_str(name)?;
        }
        let is_name = |m: &Matcher| {
            m.name == METRIC_NAME && m.op == MatchOp::Equal && Some(&m.value) == self.name.as_ref()
        };
        let mut parts: Vec<String> = self
            .matchers
            .iter()
            .filter(|m| !is_name(m))
            .map(matcher_text)
            .collect();
        if parts.is_empty() {
            return if self.name.is_none() {
                f.write_str("{}")
            } else {
                Ok(())
            };
        }
        parts.sort();
        write!(f, "{{{}}}", parts.join(","))
    }

    fn write_extended(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.anchored {
            f.write_str(" anchored")?;
        }
        if self.smoothed {
            f.write_str(" smoothed")?;
        }
        Ok(())
    }
}

impl Display for VectorSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_bare(f)?;
        f.write_str(&at_text(self.at))?;
        self.write_extended(f)?;
        f.write_str(&offset_text(&self.offset))
    }
}

impl Display for MatrixSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.vector.write_bare(f)?;
        write!(f, "[{}]", self.range)?;
        self.vector.write_extended(f)?;
        f.write_str(&at_text(self.vector.at))?;
        f.write_str(&offset_text(&self.vector.offset))
    }
}

fn at_text(at: Option<At>) -> String {
    match at {
        None => String::new(),
        Some(At::Ms(ms)) => format!(" @ {:.3}", ms as f64 / 1000.0),
        Some(At::Start) => " @ start()".to_owned(),
        Some(At::End) => " @ end()".to_owned(),
    }
}

fn offset_text(offset: &Offset) -> String {
    match offset {
        Offset::None | Offset::Ms(0) => String::new(),
        Offset::Ms(ms) => format!(" offset {}", format_duration(*ms)),
        Offset::Expr(expr) => format!(" offset {expr}"),
    }
}

impl Subquery {
    /// `[range:step]` with its modifiers.
    pub(super) fn suffix(&self) -> String {
        let step = self.step.as_ref().map_or_else(String::new, ToString::to_string);
        let (at, offset) = (at_text(self.at), offset_text(&self.offset));
        format!("[{}:{step}]{at}{offset}", self.range)
    }
}

impl Display for DurationExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.wrapped {
            f.write_char('(')?;
        }
        match &self.kind {
            // Where a duration stands alone its unit is shown however it was typed.
            DurationKind::Literal { seconds, .. } => {
                match (seconds * 1000.0).round() as i64 {
                    // Less than a millisecond, which durations cannot say.
                    0 if *seconds > 0.0 => f.write_str(&plain_number(*seconds)),
                    ms => f.write_str(&format_duration(ms)),
                }
            }
            DurationKind::Step => f.write_str("step()"),
            DurationKind::Range => f.write_str("range()"),
            DurationKind::Negated(inner) => write!(f, "-{}", Operand(inner)),
            DurationKind::Positive(inner) => write!(f, "{}", Operand(inner)),
            DurationKind::Binary(op, left, right) => {
                write!(f, "{} {} {}", Operand(left), op.as_str(), Operand(right))
            }
            DurationKind::MinOf(a, b) => write!(f, "min_of({}, {})", Operand(a), Operand(b)),
            DurationKind::MaxOf(a, b) => write!(f, "max_of({}, {})", Operand(a), Operand(b)),
        }?;
        if self.wrapped {
            f.write_char(')')?;
        }
        Ok(())
    }
}

/// Inside a computation a number stays a number.
struct Operand<'a>(&'a DurationExpr);

impl Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            DurationKind::Literal {
                seconds,
                is_duration: false,
            } if !self.0.wrapped => f.write_str(&plain_number(seconds)),
            DurationKind::Literal {
                seconds,
                is_duration: false,
            } => write!(f, "({})", plain_number(seconds)),
            _ => write!(f, "{}", self.0),
        }
    }
}

impl Aggregate {
    /// The operator with its grouping.
    pub(super) fn head(&self) -> String {
        let op = self.op.as_str();
        if self.without {
            format!("{op} without ({}) ", label_list(&self.grouping))
        } else if self.grouping.is_empty() {
            op.to_owned()
        } else {
            format!("{op} by ({}) ", label_list(&self.grouping))
        }
    }
}

impl Binary {
    /// The operator with its modifiers.
    pub(super) fn operator(&self) -> String {
        let mut out = self.op.as_str().to_owned();
        if self.return_bool {
            out.push_str(" bool");
        }
        if let Some(matching) = &self.matching {
            out.push_str(&matching.text());
        }
        out
    }
}

impl Matching {
    fn text(&self) -> String {
        let mut out = String::new();
        let grouped = matches!(self.card, Cardinality::ManyToOne | Cardinality::OneToMany);
        if !self.labels.is_empty() || self.on || grouped {
            let word = if self.on { "on" } else { "ignoring" };
            let _ = write!(out, " {word} ({})", label_list(&self.labels));
        }
        if grouped {
            let side = if self.card == Cardinality::ManyToOne {
                "left"
            } else {
                "right"
            };
            let _ = write!(out, " group_{side} ({})", label_list(&self.include));
        }
        match (self.fill_left, self.fill_right) {
            (Some(left), Some(right)) if left == right => {
                let _ = write!(out, " fill ({})", format_number(left));
            }
            (left, right) => {
                if let Some(left) = left {
                    let _ = write!(out, " fill_left ({})", format_number(left));
                }
                if let Some(right) = right {
                    let _ = write!(out, " fill_right ({})", format_number(right));
                }
            }
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As Go's `strconv.Quote` has them.
    #[test]
    fn what_is_not_seen_is_escaped() {
        for (text, quoted) in [
            ("a b é 漢 e\u{301} 😀", "\"a b é 漢 e\u{301} 😀\""),
            ("\u{a0}\u{2028}\u{3000}", r#""\u00a0\u2028\u3000""#),
            ("\u{200b}\u{ad}\u{feff}\u{202e}", r#""\u200b\u00ad\ufeff\u202e""#),
            ("\u{85}\u{7f}\0", r#""\u0085\x7f\x00""#),
            ("\u{e0001}", r#""\U000e0001""#),
        ] {
            assert_eq!(quote(text), quoted);
        }
    }
}
