//! The buckets of a histogram over time as the cells of a heat map.

use lapwing_chart::{Cell, Tick, Unit};
use lapwing_query::Series;
use std::collections::BTreeMap;

/// The selector of a bucket metric inside an expression: `x_bucket{a="b"}` of `histogram_quantile(0.9, rate(x_bucket{a="b"}[5m]))`.
pub(super) fn bucket_selector(expr: &str) -> Option<String> {
    let end = expr.match_indices("_bucket").map(|(at, found)| at + found.len());
    let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let end = end.into_iter().find(|end| !expr[*end..].starts_with(is_name))?;
    let name_length = expr[..end].chars().rev().take_while(|c| is_name(*c)).count();
    let name = &expr[end - name_length..end];
    Some(format!("{name}{}", braces(&expr[end..])))
}

/// What stands in braces at the beginning of this, braces included; a brace inside of quotes ends nothing.
fn braces(rest: &str) -> &str {
    let rest = rest.trim_start();
    if !rest.starts_with('{') {
        return "";
    }
    let mut quote: Option<char> = None;
    let mut is_escaped = false;
    for (at, c) in rest.char_indices() {
        match quote {
            Some(_) if is_escaped => is_escaped = false,
            Some(mark) if mark != '`' && c == '\\' => is_escaped = true,
            Some(mark) if c == mark => quote = None,
            Some(_) => {}
            None if matches!(c, '"' | '\'' | '`') => quote = Some(c),
            None if c == '}' => return &rest[..=at],
            None => {}
        }
    }
    ""
}

/// Buckets as rows of one height, from low to high: a histogram's buckets grow by factors, and true to scale the lower half of
/// them would be a line. Cumulative counts by `le` become counts per bucket; a count that falls below its neighbour counts as none.
pub(super) struct Rows {
    pub(super) cells: Vec<Cell>,
    /// The upper bounds, where they stand.
    pub(super) ticks: Vec<Tick>,
    pub(super) count: usize,
}

pub(super) fn rows(series: &[Series], step_ms: i64, unit: Unit) -> Rows {
    let mut bounds: Vec<(f64, &Series)> = series
        .iter()
        .filter_map(|one| Some((bound(one.labels.get("le")?)?, one)))
        .collect();
    bounds.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below: BTreeMap<i64, f64> = BTreeMap::new();
    let mut rows = Rows {
        cells: Vec::new(),
        ticks: Vec::new(),
        count: bounds.len(),
    };
    for (row, (bound, one)) in bounds.into_iter().enumerate() {
        let (low, high) = (row as f64, (row + 1) as f64);
        for (at_ms, count) in &one.floats {
            let under = below.insert(*at_ms, *count).unwrap_or(0.0);
            let weight = count - under;
            if weight > 0.0 {
                rows.cells.push(Cell {
                    x: (*at_ms as f64, (at_ms + step_ms) as f64),
                    y: (low, high),
                    weight,
                });
            }
        }
        rows.ticks.push(Tick {
            at: high,
            label: unit.show(bound),
        });
    }
    rows
}

fn bound(le: &str) -> Option<f64> {
    match le {
        "+Inf" => Some(f64::INFINITY),
        text => text.parse().ok().filter(|v: &f64| !v.is_nan()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::Labels;

    #[test]
    fn the_buckets_are_found_inside_of_an_expression() {
        let found = |expr| bucket_selector(expr);
        assert_eq!(
            found(r#"histogram_quantile(0.9, rate(x_bucket{a="}", b=~'\'}'}[5m]))"#).as_deref(),
            Some(r#"x_bucket{a="}", b=~'\'}'}"#)
        );
        assert_eq!(found("rate(a:x_bucket[5m])").as_deref(), Some("a:x_bucket"));
        assert_eq!(found("x_buckets + y_bucket").as_deref(), Some("y_bucket"));
        assert_eq!(found("up"), None);
        assert_eq!(found(r#"x_bucket{a="unclosed"#).as_deref(), Some("x_bucket"));
    }

    #[test]
    fn counts_are_of_each_bucket_alone_in_rows_of_one_height() {
        let row = |le: &str, count: f64| Series {
            labels: Labels::from_pairs([("le", le)]).unwrap(),
            floats: vec![(0, count)],
            histograms: Vec::new(),
        };
        let series = [row("+Inf", 10.0), row("100", 3.0), row("0.005", 4.0)];
        let found = rows(&series, 60, Unit::Seconds);
        let said: Vec<_> = found.cells.iter().map(|c| (c.y, c.weight)).collect();
        assert_eq!(said, [((0.0, 1.0), 4.0), ((2.0, 3.0), 7.0)]);
        let ticks: Vec<_> = found.ticks.iter().map(|t| (t.at, t.label.as_str())).collect();
        assert_eq!(ticks, [(1.0, "5 ms"), (2.0, "100 s"), (3.0, "∞")]);
        assert_eq!(found.count, 3);
    }
}
