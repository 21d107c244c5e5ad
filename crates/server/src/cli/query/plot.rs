//! A plot in the terminal: braille dots, two by four to a character.

use super::answer::Answer;
use std::fmt::Write;

/// In characters.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size {
    pub(super) columns: usize,
    pub(super) rows: usize,
}

impl Default for Size {
    fn default() -> Self {
        Size {
            columns: 72,
            rows: 16,
        }
    }
}

/// More lines than this in one plot cannot be told apart; the rest is counted.
const SERIES_MAX: usize = 8;
/// Bits of a braille character by column and row of its dots.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];

pub(super) fn plot(answer: &Answer, size: Size) -> String {
    let series: Vec<Vec<(f64, f64)>> = answer
        .rows
        .iter()
        .take(SERIES_MAX)
        .map(|row| {
            let parsed = row
                .points
                .iter()
                .filter_map(|(t, v)| Some((*t, v.parse::<f64>().ok()?)));
            parsed.filter(|(_, v)| v.is_finite()).collect()
        })
        .collect();
    let all = || series.iter().flatten();
    let Some((first, last)) = bounds(all().map(|p| p.0)) else {
        return String::new();
    };
    let (low, high) = bounds(all().map(|p| p.1)).unwrap_or((0.0, 1.0));
    // A flat line stands in the middle of a plot of height one.
    let (low, high) = if low == high {
        (low - 0.5, high + 0.5)
    } else {
        (low, high)
    };
    let mut cells = vec![vec![0u8; size.columns]; size.rows];
    let (dots_x, dots_y) = (size.columns * 2 - 1, size.rows * 4 - 1);
    for (t, v) in all() {
        let x = ((t - first) / (last - first).max(f64::MIN_POSITIVE) * dots_x as f64).round() as usize;
        let y = dots_y - ((v - low) / (high - low) * dots_y as f64).round() as usize;
        cells[y / 4][x / 2] |= DOTS[x % 2][y % 4];
    }
    let mut out = String::new();
    for (i, row) in cells.iter().enumerate() {
        let label = match i {
            0 => format!("{high:.4}"),
            _ if i == size.rows - 1 => format!("{low:.4}"),
            _ => String::new(),
        };
        let line: String = row
            .iter()
            .map(|bits| char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' '))
            .collect();
        let _ = writeln!(out, "{label:>12} ┤{}", line.trim_end_matches('\u{2800}'));
    }
    let _ = writeln!(out, "{:>12} └{}", "", "─".repeat(size.columns));
    let _ = writeln!(
        out,
        "{:>14}{}{:>width$}",
        "",
        clock(first),
        clock(last),
        width = size.columns - 8
    );
    for row in answer.rows.iter().take(SERIES_MAX) {
        let _ = writeln!(out, "  {}", row.labels);
    }
    if answer.rows.len() > SERIES_MAX {
        let _ = writeln!(
            out,
            "  and {} more series, not drawn",
            answer.rows.len() - SERIES_MAX
        );
    }
    out
}

fn bounds(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    values.fold(None, |bounds, v| match bounds {
        None => Some((v, v)),
        Some((low, high)) => Some((low.min(v), high.max(v))),
    })
}

/// `13:05:09` in UTC.
fn clock(seconds: f64) -> String {
    let s = seconds.rem_euclid(86_400.0) as u64;
    format!("{:02}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rising_line_rises() {
        let body = r#"{"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"x"},"values":[[0,"0"],[10,"1"],[20,"2"],[30,"3"]]}]}}"#;
        let drawn = plot(&Answer::parse(body).unwrap(), Size { columns: 10, rows: 2 });
        let lines: Vec<&str> = drawn.lines().collect();
        assert!(lines[0].starts_with("      3.0000 ┤"), "{drawn}");
        assert!(lines[1].starts_with("      0.0000 ┤"), "{drawn}");
        assert!(lines[0].trim_end().ends_with('⠈'), "{drawn}");
        assert!(lines[1].contains('⡀'), "{drawn}");
        assert_eq!(lines[4], "  x");
    }

    #[test]
    fn nothing_finite_draws_nothing() {
        let body = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"NaN"]}]}}"#;
        assert_eq!(plot(&Answer::parse(body).unwrap(), Size::default()), "");
    }
}
