//! The buckets of a histogram over time as the cells of a heat map.

use lapwing_chart::Cell;
use lapwing_query::Series;
use std::collections::BTreeMap;

/// How tall the bucket without an upper bound is drawn, against where it begins.
const OPEN_END: f64 = 1.25;

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

/// Cumulative counts by `le` become counts per bucket; a count that falls below its neighbour counts as none.
pub(super) fn cells(series: &[Series], step_ms: i64) -> Vec<Cell> {
    let mut rows: Vec<(f64, &Series)> = series
        .iter()
        .filter_map(|one| Some((bound(one.labels.get("le")?)?, one)))
        .collect();
    rows.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut below: BTreeMap<i64, f64> = BTreeMap::new();
    let mut low = 0.0;
    let mut cells = Vec::new();
    for (bound, one) in rows {
        let high = if bound.is_finite() { bound } else { low * OPEN_END };
        for (at_ms, count) in &one.floats {
            let under = below.insert(*at_ms, *count).unwrap_or(0.0);
            let weight = count - under;
            if weight > 0.0 && high > low {
                cells.push(Cell {
                    x: (*at_ms as f64, (at_ms + step_ms) as f64),
                    y: (low, high),
                    weight,
                });
            }
        }
        low = high;
    }
    cells
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
    fn counts_are_of_each_bucket_alone() {
        let row = |le: &str, count: f64| Series {
            labels: Labels::from_pairs([("le", le)]).unwrap(),
            floats: vec![(0, count)],
            histograms: Vec::new(),
        };
        let found = cells(&[row("+Inf", 10.0), row("1", 3.0), row("0.5", 4.0)], 60);
        let said: Vec<_> = found.iter().map(|c| (c.y, c.weight)).collect();
        assert_eq!(said, [((0.0, 0.5), 4.0), ((1.0, 1.25), 7.0)]);
    }
}
