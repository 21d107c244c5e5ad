//! Durations in brackets and after `offset`, which may be computed: `[5m + step()]`.

use super::super::ast::{BinaryOp, DurationExpr, DurationKind, Span};
use super::super::literal::{parse_duration, parse_number};
use super::super::token::{Keyword, Kind, Token};
use super::{Fault, Parsed, Parser};
use lapwing_types::DURATION_MS_MAX;

impl Parser<'_> {
    pub(super) fn duration_seconds(&self, token: Token) -> Parsed<f64> {
        match parse_duration(self.text(token)) {
            Ok(ms) => Ok(ms as f64 / 1000.0),
            Err(message) => Err(Fault::new(Self::span(token), message)),
        }
    }

    /// A duration in brackets; a literal must be positive.
    pub(super) fn positive_duration(&mut self) -> Parsed<DurationExpr> {
        let duration = self.duration_expr(0)?;
        match duration.kind {
            DurationKind::Literal { seconds, .. } if seconds <= 0.0 && !duration.wrapped => {
                Err(Fault::new(duration.span, "duration must be greater than 0"))
            }
            _ => Ok(duration),
        }
    }

    /// After `offset` only a signed operand may stand: `x offset 1m + 1m` adds a minute to the value of `x`.
    pub(super) fn offset_duration(&mut self) -> Parsed<DurationExpr> {
        let starts = matches!(
            self.peek().kind,
            Kind::Number
                | Kind::Duration
                | Kind::LeftParen
                | Kind::Op(BinaryOp::Add | BinaryOp::Sub)
                | Kind::Keyword(Keyword::Step | Keyword::Range)
        ) || self.at_min_or_max();
        if !starts {
            return Err(self.unexpected("offset", "number, duration, step(), or range()"));
        }
        self.duration_operand(true)
    }

    /// The older names are those of aggregations, which can stand in no duration.
    fn at_min_or_max(&self) -> bool {
        let token = self.peek();
        matches!(token.kind, Kind::Identifier | Kind::Aggregator(_))
            && matches!(self.text(token), "min_of" | "max_of" | "min" | "max")
    }

    fn duration_expr(&mut self, floor: u8) -> Parsed<DurationExpr> {
        let mut left = self.duration_operand(false)?;
        loop {
            let op = match self.peek().kind {
                Kind::Op(
                    op @ (BinaryOp::Add
                    | BinaryOp::Sub
                    | BinaryOp::Mul
                    | BinaryOp::Div
                    | BinaryOp::Mod
                    | BinaryOp::Pow),
                ) if op.precedence() > floor => op,
                _ => return Ok(left),
            };
            let op_token = self.bump();
            self.count_operator(left.span)?;
            let floor = if op == BinaryOp::Pow {
                op.precedence() - 1
            } else {
                op.precedence()
            };
            let right = self.duration_expr(floor)?;
            let by_zero = matches!(right.kind, DurationKind::Literal { seconds, .. } if seconds == 0.0);
            if by_zero && matches!(op, BinaryOp::Div | BinaryOp::Mod) {
                let what = if op == BinaryOp::Div {
                    "division by zero"
                } else {
                    "modulo by zero"
                };
                return Err(Fault::new(Self::span(op_token), what));
            }
            let span = left.span.to(right.span);
            left = DurationExpr {
                kind: DurationKind::Binary(op, Box::new(left), Box::new(right)),
                wrapped: false,
                span,
            };
        }
    }

    fn duration_operand(&mut self, is_offset: bool) -> Parsed<DurationExpr> {
        self.depth += 1;
        let operand = if self.depth > super::DEPTH_MAX {
            Err(Fault::new(
                Self::span(self.peek()),
                "duration is nested too deeply",
            ))
        } else {
            self.duration_operand_bounded(is_offset)
        };
        self.depth -= 1;
        operand
    }

    fn duration_operand_bounded(&mut self, is_offset: bool) -> Parsed<DurationExpr> {
        let token = self.peek();
        let start = token.start;
        match token.kind {
            Kind::Number | Kind::Duration => self.duration_literal(),
            Kind::Op(op @ (BinaryOp::Add | BinaryOp::Sub)) => {
                self.bump();
                let inner = if is_offset {
                    self.duration_operand(true)?
                } else {
                    self.duration_expr(BinaryOp::Mul.precedence())?
                };
                Ok(signed(op == BinaryOp::Sub, start, inner))
            }
            Kind::LeftParen => {
                self.bump();
                let mut inner = self.duration_expr(0)?;
                let close = self.expect(Kind::RightParen, "duration expression", "\")\"")?;
                inner.wrapped = true;
                inner.span = Span {
                    start,
                    end: close.end,
                };
                Ok(inner)
            }
            Kind::Keyword(word @ (Keyword::Step | Keyword::Range)) => {
                self.bump();
                self.expect(Kind::LeftParen, "duration expression", "\"(\"")?;
                let close = self.expect(Kind::RightParen, "duration expression", "\")\"")?;
                let span = Span {
                    start,
                    end: close.end,
                };
                let kind = if word == Keyword::Step {
                    DurationKind::Step
                } else {
                    DurationKind::Range
                };
                Ok(DurationExpr {
                    kind,
                    wrapped: false,
                    span,
                })
            }
            _ if self.at_min_or_max() => self.duration_min_max(),
            _ => Err(self.unexpected(
                "subquery or range selector",
                "number, duration, step(), or range()",
            )),
        }
    }

    fn duration_min_max(&mut self) -> Parsed<DurationExpr> {
        let name = self.bump();
        self.expect(Kind::LeftParen, "duration expression", "\"(\"")?;
        let first = Box::new(self.duration_expr(0)?);
        self.expect(Kind::Comma, "duration expression", "\",\"")?;
        let second = Box::new(self.duration_expr(0)?);
        let close = self.expect(Kind::RightParen, "duration expression", "\")\"")?;
        let span = Span {
            start: name.start,
            end: close.end,
        };
        let kind = match self.text(name) {
            "min_of" | "min" => DurationKind::MinOf(first, second),
            _ => DurationKind::MaxOf(first, second),
        };
        Ok(DurationExpr {
            kind,
            wrapped: false,
            span,
        })
    }

    fn duration_literal(&mut self) -> Parsed<DurationExpr> {
        let token = self.bump();
        let span = Self::span(token);
        let is_duration = token.kind == Kind::Duration;
        let seconds = if is_duration {
            self.duration_seconds(token)?
        } else {
            parse_number(self.text(token)).map_err(|m| Fault::new(span, m))?
        };
        if seconds.is_nan() || seconds.abs() > DURATION_MS_MAX as f64 / 1000.0 {
            return Err(Fault::new(span, "duration out of range"));
        }
        Ok(DurationExpr {
            kind: DurationKind::Literal { seconds, is_duration },
            wrapped: false,
            span,
        })
    }
}

fn signed(negative: bool, start: usize, inner: DurationExpr) -> DurationExpr {
    let span = Span {
        start,
        end: inner.span.end,
    };
    let kind = match inner.kind {
        DurationKind::Literal { seconds, is_duration } if !inner.wrapped => DurationKind::Literal {
            seconds: if negative { -seconds } else { seconds },
            is_duration,
        },
        _ if negative => DurationKind::Negated(Box::new(inner)),
        _ => DurationKind::Positive(Box::new(inner)),
    };
    DurationExpr {
        kind,
        wrapped: false,
        span,
    }
}
