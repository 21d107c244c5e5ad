//! Functions that change labels, and the labels of what is absent.

use super::super::{Evaluated, Evaluator, Grid, Steps, merge_same_labels};
use crate::error::QueryError;
use crate::promql::{Call, Expr, ExprKind, is_label_name, shown};
use hashbrown::HashSet;
use lapwing_types::{Labels, LabelsBuilder, METRIC_NAME, MatchOp, go_regex_whole};

fn text(expr: &Expr) -> &str {
    match &expr.unwrap_parens().kind {
        ExprKind::Str(text) => text,
        _ => "",
    }
}

pub(super) fn text_arguments(args: &[Expr]) -> Vec<&str> {
    args.iter().map(text).collect()
}

impl Evaluator<'_> {
    pub(super) fn label_replace(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let [target, replacement, source, pattern] = text_arguments(&call.args[1..])[..] else {
            return Err(QueryError::execution("label_replace takes four strings"));
        };
        let regex = go_regex_whole(pattern).map_err(|_| {
            QueryError::execution(format!(
                "invalid regular expression in label_replace(): {pattern}"
            ))
        })?;
        if !is_label_name(target) {
            let target = shown(target);
            return Err(QueryError::execution(format!(
                "invalid destination label name in label_replace(): {target}"
            )));
        }
        let replacement = shown(replacement);
        let mut grid = self.vector(&call.args[0], steps)?;
        for row in &mut grid.rows {
            let value = row.labels.get(source).unwrap_or("");
            if let Some(captures) = regex.captures(value) {
                let mut new = String::new();
                captures.expand(&replacement, &mut new);
                row.labels = row.labels.to_builder().set(target, new).build();
                row.drop_name &= target != METRIC_NAME;
            }
        }
        grid.single_name = false;
        merge_same_labels(grid)
    }

    pub(super) fn label_join(&self, call: &Call, steps: Steps) -> Evaluated<Grid> {
        let arguments = text_arguments(&call.args[1..]);
        let (target, separator, sources) = match arguments.as_slice() {
            [target, separator, sources @ ..] => (*target, *separator, sources),
            _ => return Err(QueryError::execution("label_join takes a label and a separator")),
        };
        if let Some(empty) = sources.iter().find(|s| !is_label_name(s)) {
            return Err(QueryError::execution(format!(
                "invalid source label name in label_join(): {empty}"
            )));
        }
        if !is_label_name(target) {
            let target = shown(target);
            return Err(QueryError::execution(format!(
                "invalid destination label name in label_join(): {target}"
            )));
        }
        let separator = shown(separator);
        let mut grid = self.vector(&call.args[0], steps)?;
        for row in &mut grid.rows {
            let values: Vec<&str> = sources.iter().map(|s| row.labels.get(s).unwrap_or("")).collect();
            let joined = values.join(&separator);
            row.labels = row.labels.to_builder().set(target, joined).build();
            row.drop_name &= target != METRIC_NAME;
        }
        grid.single_name = false;
        merge_same_labels(grid)
    }
}

/// What the missing series would have been called: labels that the selector fixes by equality, once.
pub(in crate::eval) fn labels_of_absent(expr: &Expr) -> Labels {
    let matchers = match &expr.kind {
        ExprKind::Vector(selector) => &selector.matchers,
        ExprKind::Matrix(matrix) => &matrix.vector.matchers,
        _ => return Labels::empty(),
    };
    let mut builder = LabelsBuilder::new();
    let mut seen = HashSet::new();
    for matcher in matchers.iter().filter(|m| m.name != METRIC_NAME) {
        if matcher.op == MatchOp::Equal && seen.insert(&matcher.name) {
            builder.set(&matcher.name, matcher.value.as_str());
        } else {
            builder.remove(&matcher.name);
        }
    }
    builder.build()
}
