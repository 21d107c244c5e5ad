//! Scenes that several places need: the graph of an alert, and a sparkline.

use crate::scene::{Color, Frame, Mark, Point, Scene, Size, Tone, XAxis};
use crate::value::Unit;

/// What is known of an alert when its graph is drawn.
#[derive(Clone, Debug, Default)]
pub struct AlertGraph {
    pub title: String,
    /// The condition as it was written.
    pub expr: String,
    pub unit: Unit,
    pub start_ms: i64,
    pub end_ms: i64,
    /// Distance of two points; twice as much is a gap.
    pub step_ms: i64,
    pub threshold: Option<f64>,
    /// When it was pending and when it fired, oldest first; an open one ends with the graph.
    pub pending: Vec<(i64, i64)>,
    pub firing: Vec<(i64, i64)>,
    /// Name and points of each series.
    pub series: Vec<(String, Vec<(i64, f64)>)>,
}

/// More lines than this cannot be told apart in a small picture.
const SERIES_MAX: usize = 8;

/// Value against threshold over time, with the stretches in which the alert was pending or fired.
pub fn alert_graph(graph: &AlertGraph) -> Scene {
    let mut scene = Scene::over_time(graph.title.clone(), graph.start_ms, graph.end_ms);
    scene.note.clone_from(&graph.expr);
    scene.size = Size {
        width: 720,
        height: 300,
    };
    scene.y.unit = graph.unit;
    for (windows, label, tone) in [
        (&graph.pending, "pending", Tone::Warning),
        (&graph.firing, "firing", Tone::Bad),
    ] {
        scene.marks.extend(windows.iter().map(|(from, to)| Mark::Window {
            from: *from as f64,
            to: *to as f64,
            label: label.to_owned(),
            tone,
        }));
    }
    for (i, (name, points)) in graph.series.iter().take(SERIES_MAX).enumerate() {
        scene.marks.push(Mark::Line {
            name: name.clone(),
            color: Color::Series(i),
            points: points.iter().map(|(t, v)| (*t as f64, *v)).collect(),
            gap: Some(graph.step_ms as f64 * 2.0).filter(|gap| *gap > 0.0),
        });
    }
    if graph.series.len() > SERIES_MAX {
        scene.note = format!(
            "{} — {} more series are not drawn",
            scene.note,
            graph.series.len() - SERIES_MAX
        );
    }
    if let Some(threshold) = graph.threshold {
        scene.marks.push(Mark::Threshold {
            value: threshold,
            label: graph.unit.show(threshold),
            tone: Tone::Bad,
        });
    }
    scene
}

/// A line without a frame, to stand in a sentence or a table.
pub fn sparkline(points: Vec<Point>, size: Size) -> Scene {
    let xs = || points.iter().map(|p| p.0).filter(|x| x.is_finite());
    let low = xs().fold(f64::INFINITY, f64::min);
    let high = xs().fold(f64::NEG_INFINITY, f64::max);
    let mut scene = Scene::over_numbers("", (low, high), Unit::None);
    scene.x = XAxis::Number {
        low,
        high,
        unit: Unit::None,
    };
    scene.frame = Frame::Bare;
    scene.size = size;
    scene.marks.push(Mark::Area {
        name: String::new(),
        color: Color::Series(0),
        points,
        gap: None,
    });
    scene
}
