//! Everything around the data: title, axes, grid, legend; and the way from values to pixels.

use crate::palette::Ink;
use crate::scale::{Tick, nice_step};
use crate::scene::{Frame, Mark, Scene};
use crate::shape::{Anchor, Area, Shape, fit, text_width};

/// A picture is never larger than this, whatever is asked: 4000 × 4000 pixels are 64 MB in memory.
const SIDE_MAX: u32 = 4000;
const SIDE_MIN: u32 = 8;
const TITLE_SIZE: f64 = 15.0;
const TEXT_SIZE: f64 = 11.0;
const LEGEND_LINE: f64 = 17.0;
/// More lines of legend than this would leave no room for the data.
const LEGEND_LINES_MAX: usize = 6;
/// Between the edge of a picture and what stands in it.
pub(crate) const PAD: f64 = 12.0;

/// From values to pixels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Map {
    pub(crate) plot: Area,
    x: (f64, f64),
    y: (f64, f64),
}

impl Map {
    pub(crate) fn x(&self, at: f64) -> f64 {
        self.plot.x + place(at, self.x) * self.plot.width
    }

    pub(crate) fn y(&self, value: f64) -> f64 {
        self.plot.y + (1.0 - place(value, self.y)) * self.plot.height
    }
}

/// Far outside stays far outside, but near enough for any renderer; where numbers overflow it is the start.
fn place(value: f64, (low, high): (f64, f64)) -> f64 {
    let place = (value - low) / (high - low);
    if place.is_nan() {
        0.0
    } else {
        place.clamp(-4.0, 5.0)
    }
}

/// Size, margins and axes of a scene.
#[derive(Debug)]
pub(crate) struct Layout {
    pub(crate) width: f64,
    pub(crate) height: f64,
    pub(crate) map: Map,
    y_ticks: Vec<Tick>,
    legend: Vec<Vec<(String, &'static str)>>,
    legend_left_out: usize,
}

impl Layout {
    pub(crate) fn of(scene: &Scene) -> Self {
        let width = f64::from(scene.size.width.clamp(SIDE_MIN, SIDE_MAX));
        let height = f64::from(scene.size.height.clamp(SIDE_MIN, SIDE_MAX));
        let y = y_bounds(scene);
        let x = scene.x.bounds();
        if scene.frame == Frame::Bare {
            let plot = Area {
                x: 1.0,
                y: 1.0,
                width: width - 2.0,
                height: height - 2.0,
            };
            return Layout {
                width,
                height,
                map: Map { plot, x, y },
                y_ticks: Vec::new(),
                legend: Vec::new(),
                legend_left_out: 0,
            };
        }
        let (legend, legend_left_out) = legend_lines(scene, width - 2.0 * PAD);
        let top = PAD
            + if scene.title.is_empty() { 0.0 } else { 20.0 }
            + if scene.note.is_empty() { 0.0 } else { 16.0 }
            + 4.0;
        let bottom = PAD + 18.0 + legend.len() as f64 * LEGEND_LINE;
        let plot_height = (height - top - bottom).max(4.0);
        let y_ticks = if has_values(scene) {
            scene.y.ticks(y, (plot_height / 38.0) as usize + 1)
        } else {
            Vec::new()
        };
        let widest = y_ticks
            .iter()
            .map(|t| text_width(&t.label, TEXT_SIZE))
            .fold(row_names_width(scene), f64::max);
        let left = PAD + widest.min(width * 0.35) + 8.0;
        let plot = Area {
            x: left,
            y: top,
            width: (width - left - PAD - 4.0).max(4.0),
            height: plot_height,
        };
        Layout {
            width,
            height,
            map: Map { plot, x, y },
            y_ticks,
            legend,
            legend_left_out,
        }
    }

    /// Title, grid and labels.
    pub(crate) fn frame(&self, scene: &Scene, ink: Ink) -> Vec<Shape> {
        let mut out = Vec::new();
        if scene.frame == Frame::Bare {
            return out;
        }
        self.headings(scene, ink, &mut out);
        let plot = self.map.plot;
        for tick in &self.y_ticks {
            let y = self.map.y(tick.at).round() + 0.5;
            out.push(line((plot.x, y), (plot.x + plot.width, y), ink.grid));
            out.push(Shape::Text {
                x: plot.x - 6.0,
                y: y + 4.0,
                anchor: Anchor::End,
                size: TEXT_SIZE,
                color: ink.muted,
                text: tick.label.clone(),
            });
        }
        let base = plot.y + plot.height;
        let mut free_from = f64::MIN;
        for tick in scene.x.ticks((plot.width / 90.0) as usize + 1) {
            let x = self.map.x(tick.at);
            let text = fit(&tick.label, TEXT_SIZE, 120.0);
            let half = text_width(&text, TEXT_SIZE) / 2.0;
            if x - half < free_from || x + half > self.width {
                continue;
            }
            free_from = x + half + 8.0;
            out.push(line((x, base), (x, base + 4.0), ink.axis));
            out.push(Shape::Text {
                x,
                y: base + 16.0,
                anchor: Anchor::Middle,
                size: TEXT_SIZE,
                color: ink.muted,
                text,
            });
        }
        out.push(line(
            (plot.x, base + 0.5),
            (plot.x + plot.width, base + 0.5),
            ink.axis,
        ));
        self.legend(ink, &mut out);
        out
    }

    fn headings(&self, scene: &Scene, ink: Ink, out: &mut Vec<Shape>) {
        let mut y = PAD + 12.0;
        let room = self.width - 2.0 * PAD;
        for (text, size, color) in [
            (&scene.title, TITLE_SIZE, ink.text),
            (&scene.note, TEXT_SIZE, ink.muted),
        ] {
            if text.is_empty() {
                continue;
            }
            out.push(Shape::Text {
                x: PAD,
                y,
                anchor: Anchor::Start,
                size,
                color,
                text: fit(text, size, room),
            });
            y += 18.0;
        }
    }

    fn legend(&self, ink: Ink, out: &mut Vec<Shape>) {
        let top = self.height - PAD - self.legend.len() as f64 * LEGEND_LINE + 12.0;
        for (i, row) in self.legend.iter().enumerate() {
            let (mut x, y) = (PAD, top + i as f64 * LEGEND_LINE);
            for (text, color) in row {
                out.push(Shape::Rect {
                    x,
                    y: y - 8.0,
                    width: 9.0,
                    height: 9.0,
                    color,
                    opacity: 1.0,
                });
                x += 14.0;
                out.push(label(x, y, ink.text, text.clone()));
                x += text_width(text, TEXT_SIZE) + 16.0;
            }
            if i + 1 == self.legend.len() && self.legend_left_out > 0 {
                let text = format!("and {} more", self.legend_left_out);
                out.push(label(x, y, ink.muted, text));
            }
        }
    }
}

fn label(x: f64, y: f64, color: &'static str, text: String) -> Shape {
    Shape::Text {
        x,
        y,
        anchor: Anchor::Start,
        size: TEXT_SIZE,
        color,
        text,
    }
}

fn line(from: (f64, f64), to: (f64, f64), color: &'static str) -> Shape {
    Shape::Path {
        points: vec![from, to],
        color,
        stroke: 1.0,
        dashed: false,
        fill: 0.0,
    }
}

fn has_values(scene: &Scene) -> bool {
    scene.marks.iter().any(|m| m.y_bounds().is_some())
}

fn row_names_width(scene: &Scene) -> f64 {
    let names = scene.marks.iter().filter_map(|m| match m {
        Mark::StateBar { name, .. } => Some(text_width(&fit(name, TEXT_SIZE, 400.0), TEXT_SIZE)),
        _ => None,
    });
    names.fold(0.0, f64::max)
}

/// What the legend takes below the plot.
pub(crate) fn legend_height(scene: &Scene) -> f64 {
    let (lines, _) = legend_lines(scene, f64::from(scene.size.width) - 2.0 * PAD);
    lines.len() as f64 * LEGEND_LINE
}

/// Names packed into lines; and how many found no room.
fn legend_lines(scene: &Scene, room: f64) -> (Vec<Vec<(String, &'static str)>>, usize) {
    let mut lines: Vec<Vec<(String, &'static str)>> = Vec::new();
    let mut used = f64::MAX;
    let entries: Vec<_> = scene.marks.iter().filter_map(Mark::legend).collect();
    for (i, (name, color)) in entries.iter().enumerate() {
        let text = fit(name, TEXT_SIZE, room.min(420.0) - 14.0);
        let width = 30.0 + text_width(&text, TEXT_SIZE);
        let reserve = if lines.len() == LEGEND_LINES_MAX {
            80.0
        } else {
            0.0
        };
        if used + width + reserve > room {
            if lines.len() == LEGEND_LINES_MAX {
                return (lines, entries.len() - i);
            }
            lines.push(Vec::new());
            used = 0.0;
        }
        used += width;
        if let Some(line) = lines.last_mut() {
            line.push((text, scene.theme.color(*color)));
        }
    }
    (lines, 0)
}

/// From the data, widened to round values; zero is shown when it is nearer than the data is tall.
pub(crate) fn y_bounds(scene: &Scene) -> (f64, f64) {
    let found = scene.marks.iter().filter_map(Mark::y_bounds);
    let found = found.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
    let (mut low, mut high) = found.unwrap_or((0.0, 1.0));
    let span = high - low;
    if scene.frame == Frame::Full {
        if low > 0.0 && low <= span * 2.0 {
            low = 0.0;
        }
        if low == high {
            let room = if low == 0.0 { 1.0 } else { low.abs() * 0.5 };
            (low, high) = (low - if low > 0.0 { room.min(low) } else { 0.0 }, high + room);
        }
        let step = nice_step((high - low) / 4.0, scene.y.unit);
        if step.is_finite() && step > 0.0 {
            low = (low / step + 1e-9).floor() * step;
            high = (high / step - 1e-9).ceil() * step;
        }
    }
    let low = scene.y.low.filter(|v| v.is_finite()).unwrap_or(low);
    let high = scene.y.high.filter(|v| v.is_finite()).unwrap_or(high);
    if low < high && (high - low).is_finite() {
        (low, high)
    } else {
        let middle = low.clamp(f64::MIN / 8.0, f64::MAX / 8.0);
        let room = middle.abs().max(0.5) * 0.5;
        (middle - room, middle + room)
    }
}
