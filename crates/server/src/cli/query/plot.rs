//! The answer as a scene: in the terminal, or in a file.

use super::answer::{Answer, Row};
use crate::http::unit_of;
use lapwing_chart::{Color, Mark, Point, Scene, TerminalSize, to_pdf, to_png, to_svg, to_terminal};
use std::path::{Path, PathBuf};

/// Twice the pixels, for screens that have them.
const PNG_SCALE: f32 = 2.0;

/// Which writer draws a file, by its extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Svg,
    Png,
    Pdf,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum PictureError {
    #[error("--picture: {path:?} ends in none of .svg, .png, .pdf", path = path.display().to_string())]
    Kind { path: PathBuf },
    #[error("nothing of the answer is a number that could be drawn")]
    Nothing,
    #[error("the picture could not be drawn")]
    Png(#[from] lapwing_chart::PngError),
    #[error("the picture could not be drawn")]
    Pdf(#[from] lapwing_chart::PdfError),
    #[error("{} could not be written", path.display())]
    Write {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
}

pub(super) fn kind_of(path: &Path) -> Result<Kind, PictureError> {
    let extension = path.extension().map(|e| e.to_ascii_lowercase());
    match extension.as_deref().and_then(|e| e.to_str()) {
        Some("svg") => Ok(Kind::Svg),
        Some("png") => Ok(Kind::Png),
        Some("pdf") => Ok(Kind::Pdf),
        _ => Err(PictureError::Kind {
            path: path.to_owned(),
        }),
    }
}

/// The answer drawn into a file, with the expression as its title.
pub(super) fn picture(expr: &str, answer: &Answer, path: &Path) -> Result<(), PictureError> {
    let mut scene = scene_of(expr, answer).ok_or(PictureError::Nothing)?;
    scene.title = expr.to_owned();
    let bytes = match kind_of(path)? {
        Kind::Svg => to_svg(&scene).into_bytes(),
        Kind::Png => to_png(&scene, PNG_SCALE)?,
        Kind::Pdf => to_pdf(&scene)?,
    };
    std::fs::write(path, bytes).map_err(|source| PictureError::Write {
        path: path.to_owned(),
        source,
    })
}

pub(super) fn plot(expr: &str, answer: &Answer) -> String {
    let scene = scene_of(expr, answer);
    scene.map_or_else(String::new, |scene| to_terminal(&scene, TerminalSize::default()))
}

/// A range as lines over time; an instant, which has one point a row, as bars. Nothing where nothing is finite.
fn scene_of(expr: &str, answer: &Answer) -> Option<Scene> {
    let lines: Vec<Vec<Point>> = answer.rows.iter().map(points).collect();
    let times = || lines.iter().flatten().map(|p| p.0);
    let first = times().fold(f64::INFINITY, f64::min);
    let last = times().fold(f64::NEG_INFINITY, f64::max);
    if !(first.is_finite() && last.is_finite()) {
        return None;
    }
    if first >= last {
        return Some(bars(answer, &lines, expr));
    }
    let gap = gap_of(&lines);
    let mut scene = Scene::over_time("", first as i64, last as i64);
    scene.y.unit = unit_of(expr);
    for (i, (row, points)) in answer.rows.iter().zip(lines).enumerate() {
        scene.marks.push(Mark::Line {
            name: row.labels.to_string(),
            color: Color::Series(i),
            points,
            gap,
        });
    }
    Some(scene)
}

/// Half a step more than the step of the query, which is as near as two points of a series are.
fn gap_of(lines: &[Vec<Point>]) -> Option<f64> {
    let distances = lines
        .iter()
        .flat_map(|line| line.windows(2).map(|two| two[1].0 - two[0].0));
    distances.reduce(f64::min).map(|step| step * 1.5)
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
    fn few_points_are_joined_and_a_missing_one_is_a_gap() {
        let dots = |values: &str| {
            let body = format!(
                r#"{{"data":{{"resultType":"matrix","result":[{{"metric":{{}},"values":[{values}]}}]}}}}"#
            );
            let drawn = plot("x", &Answer::parse(&body).unwrap());
            drawn
                .chars()
                .filter(|c| ('\u{2801}'..='\u{28ff}').contains(c))
                .count()
        };
        let whole = dots(r#"[0,"1"],[600,"1"],[1200,"1"],[1800,"1"],[2400,"1"]"#);
        let torn = dots(r#"[0,"1"],[600,"1"],[1800,"1"],[2400,"1"]"#);
        assert!(whole > 60 && torn < whole - 20 && torn > 20, "{whole} {torn}");
    }

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
    fn the_extension_says_which_picture() {
        let folder = tempfile::tempdir().unwrap();
        let body = r#"{"data":{"resultType":"matrix","result":[
            {"metric":{"__name__":"x"},"values":[[0,"0"],[10,"1"],[20,"NaN"],[30,"3"]]}]}}"#;
        let answer = Answer::parse(body).unwrap();
        for (name, begins) in [
            ("a.svg", &b"<svg"[..]),
            ("a.PNG", b"\x89PNG"),
            ("a.pdf", b"%PDF-1.7"),
        ] {
            let path = folder.path().join(name);
            picture("x", &answer, &path).unwrap();
            assert!(std::fs::read(&path).unwrap().starts_with(begins), "{name}");
        }
        let error = picture("x", &answer, Path::new("a.gif")).unwrap_err();
        assert_eq!(
            error.to_string(),
            "--picture: \"a.gif\" ends in none of .svg, .png, .pdf"
        );
        let gone = picture("x", &answer, &folder.path().join("no/a.pdf")).unwrap_err();
        assert!(matches!(gone, PictureError::Write { .. }));
    }

    #[test]
    fn nothing_finite_draws_nothing() {
        let body = r#"{"data":{"resultType":"vector","result":[{"metric":{},"value":[0,"NaN"]}]}}"#;
        assert_eq!(plot("x", &Answer::parse(body).unwrap()), "");
    }
}
