//! What an expression reads: the matchers of every selector in it, for whoever asks about its series and not its value.

use super::ast::{Expr, ExprKind};
use lapwing_types::Matcher;

impl Expr {
    /// One list of matchers per selector, in the order of the text.
    pub fn selectors(&self) -> Vec<Vec<Matcher>> {
        let mut found = Vec::new();
        self.collect_selectors(&mut found);
        found
    }

    fn collect_selectors(&self, found: &mut Vec<Vec<Matcher>>) {
        match &self.kind {
            ExprKind::Number { .. } | ExprKind::Str(_) => {}
            ExprKind::Vector(vector) => found.push(vector.matchers.clone()),
            ExprKind::Matrix(matrix) => found.push(matrix.vector.matchers.clone()),
            ExprKind::Subquery(subquery) => subquery.expr.collect_selectors(found),
            ExprKind::Call(call) => call.args.iter().for_each(|arg| arg.collect_selectors(found)),
            ExprKind::Aggregate(aggregate) => {
                if let Some(param) = &aggregate.parameter {
                    param.collect_selectors(found);
                }
                aggregate.expr.collect_selectors(found);
            }
            ExprKind::Binary(binary) => {
                binary.left.collect_selectors(found);
                binary.right.collect_selectors(found);
            }
            ExprKind::Unary(_, inner) | ExprKind::Paren(inner) => inner.collect_selectors(found),
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::promql::parse;

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
