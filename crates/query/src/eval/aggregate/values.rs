//! `count_values`: how many series of a group have each value.

use super::super::{Evaluated, Evaluator, Grid, Steps};
use super::groups::Grouping;
use crate::error::QueryError;
use crate::eval::grid::Row;
use crate::promql::{Aggregate, ExprKind, is_label_name, plain_number, quote};
use crate::result::SampleValue;
use hashbrown::HashMap;
use lapwing_types::Labels;

impl Evaluator<'_> {
    pub(super) fn count_values(&self, aggregate: &Aggregate, steps: Steps) -> Evaluated<Grid> {
        let label = match aggregate.parameter.as_ref().map(|p| &p.unwrap_parens().kind) {
            Some(ExprKind::Str(label)) => label.clone(),
            _ => String::new(),
        };
        if !is_label_name(&label) {
            let quoted = quote(&label);
            return Err(QueryError::execution(format!("invalid label name {quoted}")));
        }
        let grid = self.vector(aggregate.expr.unwrap_parens(), steps)?;
        let mut names = aggregate.grouping.clone();
        if !aggregate.without {
            names.push(label.clone());
        }
        let grouping = Grouping::of(names, aggregate.without, self.options.delayed_name_removal);
        let mut out = Grid::new(steps.count);
        let mut rows: HashMap<Labels, usize> = HashMap::new();
        for (index, meta) in grid.rows.iter().enumerate() {
            for step in 0..steps.count {
                let text = match grid.value(index, step) {
                    None => continue,
                    Some(SampleValue::Float(value)) => plain_number(value),
                    Some(SampleValue::Histogram(h)) => h.to_string(),
                };
                let with_value = Row {
                    labels: meta.labels.to_builder().set(&label, text).build(),
                    drop_name: meta.drop_name,
                };
                let labels = grouping.labels_of(&with_value);
                let row = *rows
                    .entry(labels)
                    .or_insert_with_key(|labels| out.push_row(labels.clone(), false));
                let count = out.at(row, step);
                let is_first = super::super::grid::is_absent(count);
                out.set(row, step, if is_first { 1.0 } else { count + 1.0 });
            }
        }
        Ok(out)
    }
}
