//! What operators stand between: literals, selectors, calls, aggregations, parentheses, and the modifiers behind them.

use super::super::ast::{
    Aggregate, AggregateOp, At, Call, Expr, ExprKind, MatrixSelector, Offset, Span, Subquery, VectorSelector,
};
use super::super::functions::function;
use super::super::literal::{parse_number, unquote_any};
use super::super::token::{Keyword, Kind};
use super::{Fault, Parsed, Parser};

impl Parser<'_> {
    pub(super) fn operand(&mut self) -> Parsed<Expr> {
        let mut expr = self.primary()?;
        loop {
            expr = match self.peek().kind {
                Kind::LeftBracket => {
                    self.count_operator(expr.span)?;
                    self.brackets(expr)?
                }
                Kind::Keyword(Keyword::Offset) => self.offset(expr)?,
                Kind::At => self.at_modifier(expr)?,
                Kind::Keyword(Keyword::Anchored) => self.extended(expr, true)?,
                Kind::Keyword(Keyword::Smoothed) => self.extended(expr, false)?,
                _ => return Ok(expr),
            };
        }
    }

    fn primary(&mut self) -> Parsed<Expr> {
        let token = self.peek();
        let span = Self::span(token);
        let kind = match token.kind {
            Kind::Number => ExprKind::Number {
                value: parse_number(self.text(token)).map_err(|m| Fault::new(span, m))?,
                is_duration: false,
            },
            Kind::Duration => ExprKind::Number {
                value: self.duration_seconds(token)?,
                is_duration: true,
            },
            Kind::Str => ExprKind::Str(unquote_any(self.text(token)).map_err(|m| Fault::new(span, m))?),
            Kind::LeftParen => {
                self.bump();
                let inner = self.expr(0)?;
                let close = self.expect(Kind::RightParen, "", "")?;
                return Ok(Expr {
                    kind: ExprKind::Paren(Box::new(inner)),
                    span: Span {
                        start: span.start,
                        end: close.end,
                    },
                });
            }
            Kind::Aggregator(op) if self.aggregation_follows() => return self.aggregate(op),
            Kind::Identifier if self.peek_second() == Kind::LeftParen => return self.call(),
            Kind::Keyword(Keyword::Start | Keyword::End | Keyword::Step | Keyword::Range)
                if self.peek_second() == Kind::LeftParen =>
            {
                return self.call();
            }
            _ => return self.vector_selector(),
        };
        self.bump();
        Ok(Expr { kind, span })
    }

    fn aggregation_follows(&self) -> bool {
        matches!(
            self.peek_second(),
            Kind::LeftParen | Kind::Keyword(Keyword::By | Keyword::Without)
        )
    }

    fn call(&mut self) -> Parsed<Expr> {
        let name = self.bump();
        let text = self.text(name);
        let found = function(text);
        let (args, end) = self.arguments("")?;
        let Some(function) = found else {
            let message = format!("unknown function with name {text:?}");
            return Err(Fault::new(Self::span(name), message));
        };
        if function.signature().experimental && !self.options.experimental_functions {
            let message = format!("function {text:?} is not enabled");
            return Err(Fault::new(Self::span(name), message));
        }
        Ok(Expr {
            kind: ExprKind::Call(Call { function, args }),
            span: Span {
                start: name.start,
                end,
            },
        })
    }

    /// Arguments in parentheses, and where the closing one ends.
    fn arguments(&mut self, context: &str) -> Parsed<(Vec<Expr>, usize)> {
        self.expect(Kind::LeftParen, "aggregation", "")?;
        let mut args = Vec::new();
        if self.peek().kind == Kind::RightParen {
            return Ok((args, self.bump().end));
        }
        loop {
            args.push(self.expr(0)?);
            let token = self.peek();
            match token.kind {
                Kind::RightParen => return Ok((args, self.bump().end)),
                Kind::Comma => {
                    self.bump();
                    if self.peek().kind == Kind::RightParen {
                        let message = "trailing commas not allowed in function call args";
                        return Err(Fault::new(Self::span(token), message));
                    }
                }
                _ => return Err(self.unexpected(context, "")),
            }
        }
    }

    fn aggregate(&mut self, op: AggregateOp) -> Parsed<Expr> {
        let name = self.bump();
        let mut grouping = self.aggregate_modifier()?;
        let (mut args, mut end) = self.arguments("aggregation")?;
        if grouping.is_none() {
            grouping = self.aggregate_modifier()?;
            if grouping.is_some() {
                end = self.tokens[self.at - 1].end;
            }
        }
        let span = Span {
            start: name.start,
            end,
        };
        if args.is_empty() {
            return Err(Fault::new(span, "no arguments for aggregate expression provided"));
        }
        if op.is_experimental() && !self.options.experimental_functions {
            let message = format!(
                "{}() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                op.as_str()
            );
            return Err(Fault::new(span, message));
        }
        let wanted = if op.takes_parameter() { 2 } else { 1 };
        if args.len() != wanted {
            let message = format!(
                "wrong number of arguments for aggregate expression provided, expected {wanted}, got {}",
                args.len()
            );
            return Err(Fault::new(span, message));
        }
        let (grouping, without) = grouping.unwrap_or_default();
        let expr = args.remove(wanted - 1);
        let aggregate = Aggregate {
            op,
            expr,
            parameter: args.pop(),
            grouping,
            without,
        };
        Ok(Expr {
            kind: ExprKind::Aggregate(Box::new(aggregate)),
            span,
        })
    }

    fn aggregate_modifier(&mut self) -> Parsed<Option<(Vec<String>, bool)>> {
        let without = match self.peek().kind {
            Kind::Keyword(Keyword::By) => false,
            Kind::Keyword(Keyword::Without) => true,
            _ => return Ok(None),
        };
        self.bump();
        Ok(Some((self.grouping_labels()?, without)))
    }

    /// `[range]` makes a matrix of a selector, `[range:step]` a subquery of any vector.
    fn brackets(&mut self, expr: Expr) -> Parsed<Expr> {
        let open = self.bump();
        let range = self.positive_duration()?;
        let span_to = |end| Span {
            start: expr.span.start,
            end,
        };
        if self.accept(Kind::Colon) {
            let step = match self.peek().kind {
                Kind::RightBracket => None,
                _ => Some(self.positive_duration()?),
            };
            let close = self.expect(Kind::RightBracket, "subquery selector", "\"]\"")?;
            let span = span_to(close.end);
            let subquery = Subquery {
                expr,
                range,
                step,
                offset: Offset::None,
                at: None,
            };
            return Ok(Expr {
                kind: ExprKind::Subquery(Box::new(subquery)),
                span,
            });
        }
        let close = self.expect(Kind::RightBracket, "subquery or range", "\":\" or \"]\"")?;
        let span = span_to(close.end);
        let fault = |message: &str| {
            let span = Span {
                start: open.start,
                end: close.end,
            };
            Err(Fault::new(span, message))
        };
        match expr.kind {
            ExprKind::Vector(vector) if vector.offset != Offset::None => {
                fault("no offset modifiers allowed before range")
            }
            ExprKind::Vector(vector) if vector.at.is_some() => fault("no @ modifiers allowed before range"),
            ExprKind::Vector(vector) => Ok(Expr {
                kind: ExprKind::Matrix(MatrixSelector { vector, range }),
                span,
            }),
            _ => fault("ranges only allowed for vector selectors"),
        }
    }

    fn offset(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.bump();
        let duration = self.offset_duration()?;
        let span = expr.span;
        let slot = match &mut expr.kind {
            ExprKind::Vector(v) => &mut v.offset,
            ExprKind::Matrix(m) => &mut m.vector.offset,
            ExprKind::Subquery(s) => &mut s.offset,
            _ => {
                let message = "offset modifier must be preceded by an instant vector selector or range vector \
                               selector or a subquery";
                return Err(Fault::new(span, message));
            }
        };
        if *slot != Offset::None {
            return Err(Fault::new(span, "offset may not be set multiple times"));
        }
        expr.span.end = duration.span.end;
        *slot = match duration.literal_ms() {
            Some(ms) => Offset::Ms(ms),
            None => Offset::Expr(duration),
        };
        Ok(expr)
    }

    fn at_modifier(&mut self, mut expr: Expr) -> Parsed<Expr> {
        self.bump();
        let span = expr.span;
        let at = match self.peek().kind {
            Kind::Keyword(word @ (Keyword::Start | Keyword::End)) => {
                self.bump();
                self.expect(Kind::LeftParen, "@", "\"(\"")?;
                self.expect(Kind::RightParen, "@", "\")\"")?;
                if word == Keyword::Start {
                    At::Start
                } else {
                    At::End
                }
            }
            _ => {
                let seconds = self.signed_number("@", "timestamp")?;
                if !seconds.is_finite() || seconds.abs() >= i64::MAX as f64 {
                    let message = format!("timestamp out of bounds for @ modifier: {seconds:.6}");
                    return Err(Fault::new(span, message));
                }
                At::Ms((seconds * 1000.0).round() as i64)
            }
        };
        let end = self.tokens[self.at - 1].end;
        let slot = match &mut expr.kind {
            ExprKind::Vector(v) => &mut v.at,
            ExprKind::Matrix(m) => &mut m.vector.at,
            ExprKind::Subquery(s) => &mut s.at,
            _ => {
                let message = "@ modifier must be preceded by an instant vector selector or range vector selector \
                               or a subquery";
                return Err(Fault::new(span, message));
            }
        };
        if slot.is_some() {
            return Err(Fault::new(span, "@ <timestamp> may not be set multiple times"));
        }
        *slot = Some(at);
        expr.span.end = end;
        Ok(expr)
    }

    fn extended(&mut self, mut expr: Expr, anchored: bool) -> Parsed<Expr> {
        self.bump();
        let name = if anchored { "anchored" } else { "smoothed" };
        let set = |v: &mut VectorSelector| {
            v.anchored |= anchored;
            v.smoothed |= !anchored;
            v.anchored && v.smoothed
        };
        let both = match &mut expr.kind {
            ExprKind::Vector(v) => set(v),
            ExprKind::Matrix(m) => set(&mut m.vector),
            ExprKind::Subquery(_) => {
                let message = format!("{name} modifier is not supported for subqueries");
                return Err(Fault::new(expr.span, message));
            }
            _ => return Err(Fault::new(expr.span, format!("{name} modifier not implemented"))),
        };
        if both {
            let message = "anchored and smoothed modifiers cannot be used together";
            return Err(Fault::new(expr.span, message));
        }
        Ok(expr)
    }
}
