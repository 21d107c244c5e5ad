//! What an expression reads: the matchers of every selector in it, for whoever asks about its series and not its value.

use super::ast::{DurationExpr, Expr, ExprKind};
use lapwing_types::Matcher;

/// A selector of an expression.
#[derive(Clone, Copy, Debug)]
pub struct Reading<'e> {
    pub matchers: &'e [Matcher],
    /// How far back it looks, when it has a range.
    pub range: Option<&'e DurationExpr>,
    /// It is evaluated more often than the query asks.
    pub in_subquery: bool,
}

impl Expr {
    /// One list of matchers per selector, in the order of the text.
    pub fn selectors(&self) -> Vec<Vec<Matcher>> {
        self.readings().iter().map(|r| r.matchers.to_vec()).collect()
    }

    /// Every selector, in the order of the text.
    pub fn readings(&self) -> Vec<Reading<'_>> {
        let mut found = Vec::new();
        self.collect_readings(&mut found);
        found
    }

    fn collect_readings<'e>(&'e self, found: &mut Vec<Reading<'e>>) {
        let mut add = |matchers, range| {
            found.push(Reading {
                matchers,
                range,
                in_subquery: false,
            });
        };
        match &self.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) => {}
            ExprKind::Vector(vector) => add(&vector.matchers, None),
            ExprKind::Matrix(matrix) => add(&matrix.vector.matchers, Some(&matrix.range)),
            ExprKind::Subquery(subquery) => {
                let first = found.len();
                subquery.expr.collect_readings(found);
                found[first..].iter_mut().for_each(|r| r.in_subquery = true);
            }
            ExprKind::Call(call) => call.args.iter().for_each(|arg| arg.collect_readings(found)),
            ExprKind::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.parameter {
                    param.collect_readings(found);
                }
                aggregate.expr.collect_readings(found);
            }
            ExprKind::Binary(binary) => {
                binary.left.collect_readings(found);
                binary.right.collect_readings(found);
            }
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => inner.collect_readings(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

    #[test]
    fn readings_say_how_far_they_look_back() {
        let expr = parse("rate(a[5m]) + b + sum_over_time(rate(c[1m])[1h:])").unwrap();
        let readings: Vec<_> = expr
            .readings()
            .iter()
            .map(|r| (r.range.and_then(|d| d.literal_ms()), r.in_subquery))
            .collect();
        assert_eq!(
            readings,
            [(Some(300_000), false), (None, false), (Some(60_000), true)]
        );
    }

    #[test]
    fn finds_every_selector_in_order() {
        let expr =
            parse(r#"topk(scalar(k), rate(a{x="1"}[5m])) / on() (b offset 5m) + max_over_time(c[1h:1m])"#);
        let shown: Vec<String> = expr
            .unwrap()
            .selectors()
            .iter()
            .map(|ms| ms.iter().map(ToString::to_string).collect::<Vec<_>>().join(","))
            .collect();
        assert_eq!(
            shown,
            [
                r#"__name__="k""#,
                r#"x="1",__name__="a""#,
                r#"__name__="b""#,
                r#"__name__="c""#
            ]
        );
    }
}
