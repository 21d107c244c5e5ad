//! A plot in the terminal: the answer as a scene.

use super::answer::{Answer, Row};
use crate::http::unit_of;
use lapwing_chart::{Color, Mark, Point, Scene, TerminalSize, to_terminal};

/// A range as lines over time; an instant, which has one point a row, as bars.
pub(super) fn plot(expr: &str, answer: &Answer) -> String {
    let lines: Vec<Vec<Point>> = answer.rows.iter().map(points).collect();
    let times = || lines.iter().flatten().map(|p| p.0);
    let first = times().fold(f64::INFINITY, f64::min);
    let last = times().fold(f64::NEG_INFINITY, f64::max);
    if !(first.is_finite() && last.is_finite()) {
        return String::new();
    }
    let mut scene = if first < last {
        Scene::over_time("", first as i64, last as i64)
    } else {
        return to_terminal(&bars(answer, &lines, expr), TerminalSize::default());
    };
    scene.y.unit = unit_of(expr);
    for (i, (row, points)) in answer.rows.iter().zip(lines).enumerate() {
        scene.marks.push(Mark::Line {
            name: row.labels.to_string(),
            color: Color::Series(i),
            points,
            gap: None,
        });
    }
    to_terminal(&scene, TerminalSize::default())
}

fn bars(answer: &Answer, lines: &[Vec<Point>], expr: &str) -> Scene {
    let names = answer.rows.iter().map(|row| row.labels.to_string()).collect();
    let mut scene = Scene::over_names("", names);
    scene.y.unit = unit_of(expr);
    let points = lines.iter().enumerate();
    scene.marks.push(Mark::Bars {
        name: String::new(),
        color: Color::Series(0),
        points: points
            .filter_map(|(i, line)| Some((i as f64 + 0.5, line.first()?.1)))
            .collect(),
        width: 0.7,
    });
    scene
}

/// Milliseconds and values; what is no number is left out.
fn points(row: &Row) -> Vec<Point> {
    let parsed = row.points.iter();
    parsed
        .filter_map(|(t, v)| Some((t * 1000.0, v.parse::<f64>().ok()?)))
        .filter(|(_, v)| v.is_finite())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_drawn_with_its_names() {
        let body = r#"{"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"x"},"values":[[0,"0"],[10,"1"],[20,"2"],[30,"3"]]}]}}"#;
        let drawn = plot("x", &Answer::parse(body).unwrap());
        assert!(
            drawn.contains('┤') && drawn.lines().any(|line| line == "  x"),
            "{drawn}"
        );
        assert!(
            drawn.chars().any(|c| ('\u{2801}'..='\u{28ff}').contains(&c)),
            "{drawn}"
        );
    }

    #[test]
    fn an_instant_is_drawn_as_bars() {
        let body = r#"{"data":{"resultType":"vector","result":[
            {"metric":{"a":"1"},"value":[10,"4"]},{"metric":{"a":"2"},"value":[10,"8"]}]}}"#;
        let drawn = plot("x", &Answer::parse(body).unwrap());
        assert!(drawn.contains('█'), "{drawn}");
    }

    #[test]
    fn nothing_finite_draws_nothing() {
        let body = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"NaN"]}]}}"#;
        assert_eq!(plot("x", &Answer::parse(body).unwrap()), "");
    }
}
