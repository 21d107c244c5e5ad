//! One function per mark: from its values to shapes inside the plot, and labels in front of it.

use crate::frame::Map;
use crate::scene::{Bin, Cell, Mark, Point, Scene, Span, Tone};
use crate::shape::{Anchor, Shape, fit, text_width};

/// More points than this in one mark are thinned to the lowest and highest of each pixel before they are drawn.
const POINTS_MAX: usize = 8000;
/// More cells, spans or bars than this are not drawn; no screen shows them.
const ITEMS_MAX: usize = 100_000;
const LABEL_SIZE: f64 = 11.0;
const ROW_HEIGHT_MAX: f64 = 26.0;

pub(crate) struct Brush<'a> {
    pub(crate) scene: &'a Scene,
    pub(crate) map: Map,
    pub(crate) inside: Vec<Shape>,
    pub(crate) front: Vec<Shape>,
    rows: usize,
    row: usize,
}

impl<'a> Brush<'a> {
    pub(crate) fn new(scene: &'a Scene, map: Map) -> Self {
        let rows = scene
            .marks
            .iter()
            .filter(|m| matches!(m, Mark::StateBar { .. }))
            .count();
        Brush {
            scene,
            map,
            inside: Vec::new(),
            front: Vec::new(),
            rows,
            row: 0,
        }
    }

    pub(crate) fn mark(&mut self, mark: &Mark) {
        let theme = self.scene.theme;
        match mark {
            Mark::Line {
                points, color, gap, ..
            } => self.line(points, *gap, theme.color(*color), false),
            Mark::Area {
                points, color, gap, ..
            } => self.line(points, *gap, theme.color(*color), true),
            Mark::Band { points, color, .. } => self.band(points, theme.color(*color)),
            Mark::Bars {
                points, color, width, ..
            } => self.bars(points, *width, theme.color(*color)),
            Mark::Histogram { bins, color, .. } => self.histogram(bins, theme.color(*color)),
            Mark::Heatmap { cells, .. } => self.heatmap(cells),
            Mark::Scatter { points, color, .. } => self.scatter(points, theme.color(*color)),
            Mark::StateBar { name, spans } => self.state_bar(name, spans),
            Mark::Threshold { value, label, tone } => self.threshold(*value, label, *tone),
            Mark::Window {
                from,
                to,
                label,
                tone,
            } => self.window((*from, *to), label, *tone),
        }
    }

    fn line(&mut self, points: &[Point], gap: Option<f64>, color: &'static str, filled: bool) {
        for piece in pieces(points, gap) {
            let pixels: Vec<(f64, f64)> = thin(piece, self.map.plot.width)
                .into_iter()
                .map(|(x, y)| (self.map.x(x), self.map.y(y)))
                .collect();
            let (Some(first), Some(last)) = (pixels.first().copied(), pixels.last().copied()) else {
                continue;
            };
            if pixels.len() == 1 {
                self.inside.push(Shape::Dot {
                    x: first.0,
                    y: first.1,
                    radius: 2.0,
                    color,
                });
                continue;
            }
            if filled {
                let base = self.map.y(0.0);
                let mut outline = pixels.clone();
                outline.extend([(last.0, base), (first.0, base)]);
                self.inside.push(filled_path(outline, color, 0.18));
            }
            self.inside.push(Shape::Path {
                points: pixels,
                color,
                stroke: 1.5,
                dashed: false,
                fill: 0.0,
            });
        }
    }

    fn band(&mut self, points: &[(f64, f64, f64)], color: &'static str) {
        let finite = |p: &&(f64, f64, f64)| p.0.is_finite() && p.1.is_finite() && p.2.is_finite();
        let points: Vec<_> = points.iter().filter(finite).take(ITEMS_MAX).collect();
        let upper = points.iter().map(|p| (self.map.x(p.0), self.map.y(p.2)));
        let lower = points.iter().rev().map(|p| (self.map.x(p.0), self.map.y(p.1)));
        let outline: Vec<_> = upper.chain(lower).collect();
        if outline.len() > 2 {
            self.inside.push(filled_path(outline, color, 0.22));
        }
    }

    fn bars(&mut self, points: &[Point], width: f64, color: &'static str) {
        for (x, y) in finite(points).take(ITEMS_MAX) {
            self.column((x - width / 2.0, x + width / 2.0), y, color, 1.0);
        }
    }

    fn histogram(&mut self, bins: &[Bin], color: &'static str) {
        for bin in bins.iter().take(ITEMS_MAX) {
            if bin.low.is_finite() && bin.high.is_finite() && bin.count.is_finite() {
                self.column((bin.low, bin.high), bin.count, color, 0.8);
            }
        }
    }

    /// From zero to `value`, with a hair of space to its neighbour.
    fn column(&mut self, (from, to): (f64, f64), value: f64, color: &'static str, opacity: f64) {
        let (x, right) = (self.map.x(from), self.map.x(to));
        let (a, b) = (self.map.y(value), self.map.y(0.0));
        let space = if right - x > 3.0 { 1.0 } else { 0.0 };
        self.inside.push(Shape::Rect {
            x,
            y: a.min(b),
            width: (right - x - space).max(0.5),
            height: (a - b).abs(),
            color,
            opacity,
        });
    }

    fn heatmap(&mut self, cells: &[Cell]) {
        let heaviest = cells
            .iter()
            .map(|c| c.weight)
            .filter(|w| w.is_finite())
            .fold(0.0, f64::max);
        if heaviest <= 0.0 {
            return;
        }
        let color = self.scene.theme.ink().heat;
        for cell in cells
            .iter()
            .filter(|c| c.weight > 0.0 && c.weight.is_finite())
            .take(ITEMS_MAX)
        {
            let (x, right) = (self.map.x(cell.x.0), self.map.x(cell.x.1));
            let (top, bottom) = (self.map.y(cell.y.1), self.map.y(cell.y.0));
            self.inside.push(Shape::Rect {
                x,
                y: top,
                width: (right - x).max(0.5),
                height: (bottom - top).max(0.5),
                color,
                // The root keeps rare cells visible beside one that holds most.
                opacity: 0.06 + 0.94 * (cell.weight / heaviest).sqrt(),
            });
        }
    }

    fn scatter(&mut self, points: &[Point], color: &'static str) {
        for (x, y) in finite(points).take(ITEMS_MAX) {
            self.inside.push(Shape::Dot {
                x: self.map.x(x),
                y: self.map.y(y),
                radius: 2.5,
                color,
            });
        }
    }

    fn state_bar(&mut self, name: &str, spans: &[Span]) {
        let plot = self.map.plot;
        let height = (plot.height / self.rows.max(1) as f64).min(ROW_HEIGHT_MAX);
        let top = plot.y + self.row as f64 * height;
        self.row += 1;
        for span in spans.iter().take(ITEMS_MAX) {
            if !(span.from.is_finite() && span.to.is_finite()) {
                continue;
            }
            let (x, right) = (self.map.x(span.from), self.map.x(span.to));
            self.inside.push(Shape::Rect {
                x,
                y: top + 3.0,
                width: (right - x).max(1.0),
                height: (height - 6.0).max(1.0),
                color: self.scene.theme.tone(span.tone),
                opacity: if span.tone == Tone::Good { 0.55 } else { 0.95 },
            });
            let text = fit(&span.label, LABEL_SIZE, right - x - 8.0);
            if right - x > text_width(&span.label, LABEL_SIZE) + 8.0 && height > 15.0 && !text.is_empty() {
                let ink = self.scene.theme.ink();
                let color = if span.tone == Tone::Good {
                    ink.text
                } else {
                    ink.background
                };
                self.inside.push(text_at(
                    (x + 4.0, top + height / 2.0 + 4.0),
                    Anchor::Start,
                    color,
                    text,
                ));
            }
        }
        let ink = self.scene.theme.ink();
        let text = fit(name, LABEL_SIZE, (plot.x - 14.0).max(20.0));
        if plot.x > 20.0 {
            self.front.push(text_at(
                (plot.x - 6.0, top + height / 2.0 + 4.0),
                Anchor::End,
                ink.text,
                text,
            ));
        }
    }

    fn threshold(&mut self, value: f64, label: &str, tone: Tone) {
        if !value.is_finite() {
            return;
        }
        let (plot, color) = (self.map.plot, self.scene.theme.tone(tone));
        let y = self.map.y(value).clamp(plot.y, plot.y + plot.height);
        self.inside.push(Shape::Path {
            points: vec![(plot.x, y), (plot.x + plot.width, y)],
            color,
            stroke: 1.5,
            dashed: true,
            fill: 0.0,
        });
        // Above the line, or below it where the plot ends.
        let above = y - plot.y > 18.0;
        let at = (plot.x + plot.width - 4.0, if above { y - 5.0 } else { y + 14.0 });
        let text = fit(label, LABEL_SIZE, plot.width * 0.6);
        self.front.push(text_at(at, Anchor::End, color, text));
    }

    fn window(&mut self, (from, to): (f64, f64), label: &str, tone: Tone) {
        if !(from.is_finite() && to.is_finite()) {
            return;
        }
        let (plot, color) = (self.map.plot, self.scene.theme.tone(tone));
        let x = self.map.x(from).max(plot.x);
        let right = self.map.x(to).min(plot.x + plot.width);
        if right < x {
            return;
        }
        let width = (right - x).max(1.0);
        self.inside.push(Shape::Rect {
            x,
            y: plot.y,
            width,
            height: plot.height,
            color,
            opacity: 0.12,
        });
        self.inside.push(Shape::Rect {
            x,
            y: plot.y,
            width,
            height: 3.0,
            color,
            opacity: 0.9,
        });
        let room = plot.x + plot.width - x - 8.0;
        if !label.is_empty() && room > 24.0 {
            let text = fit(label, LABEL_SIZE, room);
            self.front
                .push(text_at((x + 4.0, plot.y + 16.0), Anchor::Start, color, text));
        }
    }
}

fn text_at((x, y): (f64, f64), anchor: Anchor, color: &'static str, text: String) -> Shape {
    Shape::Text {
        x,
        y,
        anchor,
        size: LABEL_SIZE,
        color,
        text,
    }
}

fn filled_path(points: Vec<(f64, f64)>, color: &'static str, fill: f64) -> Shape {
    Shape::Path {
        points,
        color,
        stroke: 0.0,
        dashed: false,
        fill,
    }
}

fn finite(points: &[Point]) -> impl Iterator<Item = Point> + '_ {
    points
        .iter()
        .copied()
        .filter(|(x, y)| x.is_finite() && y.is_finite())
}

/// Stretches without a gap.
fn pieces(points: &[Point], gap: Option<f64>) -> Vec<Vec<Point>> {
    let mut out: Vec<Vec<Point>> = vec![Vec::new()];
    for &(x, y) in points {
        let last = out.last_mut().and_then(|piece| piece.last()).map(|p| p.0);
        let torn = matches!((gap, last), (Some(gap), Some(last)) if x - last > gap);
        if !(x.is_finite() && y.is_finite()) || torn {
            out.push(Vec::new());
        }
        if x.is_finite()
            && y.is_finite()
            && let Some(piece) = out.last_mut()
        {
            piece.push((x, y));
        }
    }
    out.retain(|piece| !piece.is_empty());
    out
}

/// The first, lowest, highest and last point of each pixel: what a line through all of them would show.
fn thin(points: Vec<Point>, pixels: f64) -> Vec<Point> {
    if points.len() <= POINTS_MAX.min(pixels as usize * 4 + 4) {
        return points;
    }
    let (first, last) = (points[0].0, points[points.len() - 1].0);
    let per_pixel = ((last - first) / pixels.max(1.0)).max(f64::MIN_POSITIVE);
    let mut out: Vec<Point> = Vec::new();
    for group in
        points.chunk_by(|a, b| ((a.0 - first) / per_pixel) as i64 == ((b.0 - first) / per_pixel) as i64)
    {
        let by_value = |a: &&Point, b: &&Point| a.1.total_cmp(&b.1);
        let mut kept: Vec<Point> = [
            group.first(),
            group.iter().min_by(by_value),
            group.iter().max_by(by_value),
            group.last(),
        ]
        .into_iter()
        .flatten()
        .copied()
        .collect();
        kept.sort_by(|a, b| a.0.total_cmp(&b.0));
        kept.dedup();
        out.extend(kept);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gap_is_a_gap() {
        let points = [(0.0, 1.0), (1.0, f64::NAN), (2.0, 1.0), (3.0, 1.0), (9.0, 1.0)];
        let lens: Vec<usize> = pieces(&points, Some(1.5)).iter().map(Vec::len).collect();
        assert_eq!(lens, [1, 2, 1]);
        let joined: Vec<usize> = pieces(&points, None).iter().map(Vec::len).collect();
        assert_eq!(joined, [1, 3]);
    }

    #[test]
    fn thinning_keeps_the_peaks() {
        let mut points: Vec<Point> = (0..100_000).map(|i| (f64::from(i), 0.0)).collect();
        points[54_321].1 = 9.0;
        points[77_777].1 = -9.0;
        let thinned = thin(points, 500.0);
        assert!(thinned.len() <= 2004, "{}", thinned.len());
        assert!(thinned.contains(&(54_321.0, 9.0)) && thinned.contains(&(77_777.0, -9.0)));
    }
}
