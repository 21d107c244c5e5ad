//! An expression over several lines: whatever is longer than a line is split, children indented.

use super::ast::{Expr, ExprKind};

const LINE_LENGTH_MAX: usize = 100;
const INDENT: &str = "  ";

impl Expr {
    /// The canonical spelling, broken into lines where it is long.
    pub fn pretty(&self) -> String {
        self.pretty_at(0)
    }

    fn pretty_at(&self, level: usize) -> String {
        let indent = INDENT.repeat(level);
        let whole = self.to_string();
        let fits = whole.len() <= LINE_LENGTH_MAX;
        match &self.kind {
            ExprKind::Unary(op, inner) => {
                format!("{indent}{}{}", op.as_str(), inner.pretty_at(level).trim_start())
            }
            ExprKind::Subquery(subquery) if !fits => {
                format!("{}{}", subquery.expr.pretty_at(level), subquery.suffix())
            }
            ExprKind::Aggregate(aggregate) if !fits => {
                let parameter = aggregate
                    .parameter
                    .as_ref()
                    .map_or_else(String::new, |p| format!("{},\n", p.pretty_at(level + 1)));
                let inner = aggregate.expr.pretty_at(level + 1);
                format!("{indent}{}(\n{parameter}{inner}\n{indent})", aggregate.head())
            }
            ExprKind::Binary(binary) if !fits => {
                let (left, right) = (
                    binary.left.pretty_at(level + 1),
                    binary.right.pretty_at(level + 1),
                );
                format!("{left}\n{indent}{}\n{right}", binary.operator())
            }
            ExprKind::Call(call) if !fits => {
                let args: Vec<String> = call.args.iter().map(|a| a.pretty_at(level + 1)).collect();
                format!(
                    "{indent}{}(\n{}\n{indent})",
                    call.function.name(),
                    args.join(",\n")
                )
            }
            ExprKind::Paren(inner) if !fits => {
                format!("{indent}(\n{}\n{indent})", inner.pretty_at(level + 1))
            }
            _ => format!("{indent}{whole}"),
        }
    }
}
