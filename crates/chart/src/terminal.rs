//! A scene as text: braille dots, two by four to a character, for lines; blocks for bars, states and heat.

use crate::frame::y_bounds;
use crate::scene::{Cell, Mark, Point, Scene, Span, Tone};
use crate::shape::is_hostile;
use std::fmt::Write;

/// In characters, without the axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TerminalSize {
    pub columns: usize,
    pub rows: usize,
}

impl Default for TerminalSize {
    fn default() -> Self {
        TerminalSize {
            columns: 72,
            rows: 16,
        }
    }
}

/// More lines than this in one plot cannot be told apart; the rest is counted.
const SERIES_MAX: usize = 8;
const SIDE_MAX: usize = 400;
const JOINED_DOTS_MAX: usize = 6;
/// Bits of a braille character by column and row of its dots.
const DOTS: [[u8; 4]; 2] = [[0x01, 0x02, 0x04, 0x40], [0x08, 0x10, 0x20, 0x80]];
const SHADES: [char; 5] = [' ', '░', '▒', '▓', '█'];

/// Title, plot with its axis, legend; empty when there is nothing to show.
pub fn to_terminal(scene: &Scene, size: TerminalSize) -> String {
    let size = TerminalSize {
        columns: size.columns.clamp(10, SIDE_MAX),
        rows: size.rows.clamp(2, SIDE_MAX),
    };
    let mut out = String::new();
    if !scene.title.is_empty() {
        let _ = writeln!(out, "{}", clean(&scene.title));
    }
    let has_values = scene.marks.iter().any(|m| m.y_bounds().is_some());
    if has_values {
        let canvas = Canvas::draw(scene, size);
        canvas.write(scene, &mut out);
        write_legend(scene, &mut out);
    }
    for mark in &scene.marks {
        if let Mark::StateBar { name, spans } = mark {
            write_states(scene, (name, spans), size.columns, &mut out);
        }
    }
    if has_values || scene.marks.iter().any(|m| matches!(m, Mark::StateBar { .. })) {
        out
    } else {
        String::new()
    }
}

struct Canvas {
    size: TerminalSize,
    x: (f64, f64),
    y: (f64, f64),
    dots: Vec<Vec<u8>>,
    blocks: Vec<Vec<char>>,
}

impl Canvas {
    fn draw(scene: &Scene, size: TerminalSize) -> Self {
        let mut canvas = Canvas {
            size,
            x: scene.x.bounds(),
            y: y_bounds(scene),
            dots: vec![vec![0; size.columns]; size.rows],
            blocks: vec![vec![' '; size.columns]; size.rows],
        };
        let mut lines = 0;
        for mark in &scene.marks {
            match mark {
                Mark::Line { points, gap, .. } | Mark::Area { points, gap, .. } => {
                    lines += 1;
                    if lines <= SERIES_MAX {
                        canvas.line(points, *gap);
                    }
                }
                Mark::Scatter { points, .. } => points.iter().for_each(|p| canvas.dot(*p)),
                Mark::Bars { points, width, .. } => {
                    for (x, y) in points {
                        canvas.bar((x - width / 2.0, x + width / 2.0), *y);
                    }
                }
                Mark::Histogram { bins, .. } => {
                    bins.iter().for_each(|b| canvas.bar((b.low, b.high), b.count));
                }
                Mark::Heatmap { cells, .. } => canvas.heat(cells),
                Mark::Threshold { value, .. } => canvas.threshold(*value),
                Mark::Band { points, .. } => {
                    canvas.line(&points.iter().map(|p| (p.0, p.1)).collect::<Vec<_>>(), None);
                    canvas.line(&points.iter().map(|p| (p.0, p.2)).collect::<Vec<_>>(), None);
                }
                Mark::StateBar { .. } | Mark::Window { .. } => {}
            }
        }
        canvas
    }

    /// The dot of a point, if it lies inside.
    fn place(&self, (x, y): Point) -> Option<(usize, usize)> {
        let (wide, tall) = (
            (self.size.columns * 2 - 1) as f64,
            (self.size.rows * 4 - 1) as f64,
        );
        let across = (x - self.x.0) / (self.x.1 - self.x.0);
        let up = (y - self.y.0) / (self.y.1 - self.y.0);
        let inside = (0.0..=1.0).contains(&across) && (0.0..=1.0).contains(&up);
        inside.then(|| {
            (
                (across * wide).round() as usize,
                (tall - up * tall).round() as usize,
            )
        })
    }

    fn dot(&mut self, point: Point) {
        if let Some((x, y)) = self.place(point) {
            self.dots[y / 4][x / 2] |= DOTS[x % 2][y % 4];
        }
    }

    /// Points that are no further apart than the gap are joined; where nobody says what a gap is, those that are at most
    /// [`JOINED_DOTS_MAX`] apart.
    fn line(&mut self, points: &[Point], gap: Option<f64>) {
        let mut before: Option<(f64, (usize, usize))> = None;
        for point in points {
            let here = self.place(*point);
            self.dot(*point);
            if let (Some((x, a)), Some(b)) = (before, here) {
                let joined = match gap {
                    Some(gap) => point.0 - x <= gap,
                    None => b.0.abs_diff(a.0) <= JOINED_DOTS_MAX,
                };
                if joined {
                    self.join(a, b);
                }
            }
            before = here.map(|here| (point.0, here));
        }
    }

    fn join(&mut self, a: (usize, usize), b: (usize, usize)) {
        let steps = a.0.abs_diff(b.0).max(a.1.abs_diff(b.1)).max(1);
        for i in 0..=steps {
            let along = |from: usize, to: usize| {
                (from as f64 + (to as f64 - from as f64) * i as f64 / steps as f64).round() as usize
            };
            let (x, y) = (along(a.0, b.0), along(a.1, b.1));
            self.dots[y / 4][x / 2] |= DOTS[x % 2][y % 4];
        }
    }

    fn threshold(&mut self, value: f64) {
        let Some((_, y)) = self.place((self.x.0, value)) else {
            return;
        };
        for cell in self.blocks[y / 4].iter_mut().step_by(2).filter(|c| **c == ' ') {
            *cell = '╌';
        }
    }

    fn bar(&mut self, (from, to): (f64, f64), value: f64) {
        if !(from.is_finite() && to.is_finite() && value.is_finite()) {
            return;
        }
        let columns = self.size.columns;
        let column = |x: f64| {
            let across = (x - self.x.0) / (self.x.1 - self.x.0) * columns as f64;
            across.round().clamp(0.0, columns as f64) as usize
        };
        let (left, right) = (column(from).min(columns - 1), column(to));
        let eighths =
            ((value - self.y.0) / (self.y.1 - self.y.0) * self.size.rows as f64 * 8.0).max(0.0) as usize;
        for x in left..right.max(left + 1) {
            for row in 0..self.size.rows {
                let filled = eighths.saturating_sub((self.size.rows - 1 - row) * 8).min(8);
                if filled > 0 {
                    self.blocks[row][x] = [' ', '▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'][filled];
                }
            }
        }
    }

    fn heat(&mut self, cells: &[Cell]) {
        let heaviest = cells
            .iter()
            .map(|c| c.weight)
            .filter(|w| w.is_finite())
            .fold(0.0, f64::max);
        for cell in cells.iter().filter(|c| c.weight > 0.0 && c.weight.is_finite()) {
            let from = self.place((cell.x.0.max(self.x.0), cell.y.1.min(self.y.1)));
            let to = self.place((cell.x.1.min(self.x.1), cell.y.0.max(self.y.0)));
            let (Some(from), Some(to)) = (from, to) else {
                continue;
            };
            let shade = SHADES[(1.0 + (cell.weight / heaviest).sqrt() * 3.0).round() as usize];
            // A cell given upside down is no reason to fall over.
            let (top, bottom) = (from.1.min(to.1) / 4, from.1.max(to.1) / 4);
            let (left, right) = (from.0.min(to.0) / 2, from.0.max(to.0) / 2);
            for row in &mut self.blocks[top..=bottom] {
                row[left..=right].fill(shade);
            }
        }
    }

    fn write(&self, scene: &Scene, out: &mut String) {
        let rows = self.size.rows;
        let mut labels = vec![String::new(); rows];
        for tick in scene.y.ticks(self.y, (rows / 4).max(1)) {
            if let Some((_, y)) = self.place((self.x.0, tick.at)) {
                labels[y / 4] = tick.label;
            }
        }
        for (label, (dots, blocks)) in labels.iter().zip(self.dots.iter().zip(&self.blocks)) {
            let cells = dots.iter().zip(blocks).map(|(bits, block)| match bits {
                0 => *block,
                bits => char::from_u32(0x2800 + u32::from(*bits)).unwrap_or(' '),
            });
            let line: String = cells.collect();
            let edge = if label.is_empty() { '│' } else { '┤' };
            let _ = writeln!(out, "{label:>12} {edge}{}", line.trim_end());
        }
        let _ = writeln!(out, "{:>12} └{}", "", "─".repeat(self.size.columns));
        let mut axis = vec![' '; self.size.columns + 14];
        for tick in scene.x.ticks(self.size.columns / 12) {
            let across = (tick.at - self.x.0) / (self.x.1 - self.x.0);
            let middle = 14 + (across * (self.size.columns - 1) as f64).round() as usize;
            let text: Vec<char> = clean(&tick.label).chars().take(11).collect();
            let start = middle.saturating_sub(text.len() / 2).max(12);
            if start + text.len() <= axis.len()
                && axis[start.saturating_sub(1)..start + text.len()]
                    .iter()
                    .all(|c| *c == ' ')
            {
                axis[start..start + text.len()].copy_from_slice(&text);
            }
        }
        let axis: String = axis.into_iter().collect();
        let _ = writeln!(out, "{}", axis.trim_end());
    }
}

fn write_legend(scene: &Scene, out: &mut String) {
    let names: Vec<_> = scene.marks.iter().filter_map(Mark::legend).collect();
    for (name, _) in names.iter().take(SERIES_MAX) {
        let _ = writeln!(out, "  {}", clean(name));
    }
    if names.len() > SERIES_MAX {
        let _ = writeln!(out, "  and {} more series, not drawn", names.len() - SERIES_MAX);
    }
    for mark in &scene.marks {
        if let Mark::Threshold { label, .. } = mark {
            let _ = writeln!(out, "  ╌ {}", clean(label));
        }
    }
}

fn write_states(scene: &Scene, (name, spans): (&str, &[Span]), columns: usize, out: &mut String) {
    let (low, high) = scene.x.bounds();
    let mut cells = vec!['·'; columns];
    for span in spans {
        let column = |x: f64| ((x - low) / (high - low) * columns as f64).clamp(0.0, columns as f64) as usize;
        let sign = match span.tone {
            Tone::Good => '▁',
            Tone::Warning => '▄',
            Tone::Bad => '█',
            Tone::Unknown => '░',
        };
        let (from, to) = (column(span.from), column(span.to).max(column(span.from) + 1));
        cells[from.min(columns)..to.min(columns)].fill(sign);
    }
    let name: String = clean(name).chars().take(12).collect();
    let _ = writeln!(out, "{name:>12}  {}", cells.into_iter().collect::<String>());
}

fn clean(text: &str) -> String {
    text.chars().filter(|c| !is_hostile(*c)).take(200).collect()
}
