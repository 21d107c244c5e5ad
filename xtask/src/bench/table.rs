//! The table of a bench: what, then one column per server, then ours in relation to the best peer.

/// One line: what was measured and what each server came to; `None` where it could not be measured.
pub(super) struct Row {
    pub(super) what: String,
    pub(super) values: Vec<Option<f64>>,
}

/// Smaller is better in every row. The ratio is ours to the best peer's; ours is the first column if `ours_first`.
pub(super) fn render(names: &[&str], rows: &[Row], ours_first: bool) -> String {
    let width = rows.iter().map(|r| r.what.len()).max().unwrap_or(0).max(4);
    let mut out = format!("{:<width$}", "what");
    names.iter().for_each(|n| out.push_str(&format!(" {n:>17}")));
    out.push_str(if ours_first { "   ours / best peer\n" } else { "\n" });
    for row in rows {
        out.push_str(&format!("{:<width$}", row.what));
        for value in &row.values {
            let shown = value.map_or("-".to_owned(), short);
            out.push_str(&format!(" {shown:>17}"));
        }
        if ours_first {
            out.push_str(&format!(
                " {:>18}",
                ratio(&row.values).map_or("-".to_owned(), |r| format!("{r:.2}"))
            ));
        }
        out.push('\n');
    }
    out
}

fn ratio(values: &[Option<f64>]) -> Option<f64> {
    let ours = (*values.first()?)?;
    let best = values[1..].iter().flatten().copied().reduce(f64::min)?;
    (best > 0.0).then_some(ours / best)
}

/// Three significant digits.
fn short(value: f64) -> String {
    match value.abs() {
        v if v >= 100.0 => format!("{value:.0}"),
        v if v >= 10.0 => format!("{value:.1}"),
        v if v >= 1.0 => format!("{value:.2}"),
        _ => format!("{value:.3}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_is_compared_with_the_best_peer() {
        assert_eq!(ratio(&[Some(1.0), Some(4.0), Some(2.0)]), Some(0.5));
        assert_eq!(ratio(&[Some(1.0), None, Some(4.0)]), Some(0.25));
        assert_eq!(ratio(&[None, Some(4.0)]), None);
        assert_eq!(ratio(&[Some(1.0)]), None);
    }

    #[test]
    fn a_value_that_is_missing_is_a_dash() {
        let rows = [Row {
            what: "cpu".into(),
            values: vec![Some(0.1234), None],
        }];
        let text = render(&["lapwing", "prometheus"], &rows, true);
        assert!(
            text.lines()
                .nth(1)
                .is_some_and(|l| l.contains("0.123") && l.matches('-').count() == 2),
            "{text}"
        );
    }
}
