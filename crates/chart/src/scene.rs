//! What is shown, in units of the data: axes, and marks upon them.
//!
//! Invariants: a scene knows nothing of pixels but its own size; a value that is not finite is a gap, never a zero; texts
//! are foreign and may hold anything. Every list is bounded when it is painted, not here.

use crate::palette::Theme;
use crate::scale::Tick;
use crate::value::Unit;

/// A position on the x axis (milliseconds since 1970 on a time axis) and a value.
pub type Point = (f64, f64);

#[derive(Clone, Debug, PartialEq)]
pub struct Scene {
    pub title: String,
    /// A line below the title: the range, the expression, what was left out.
    pub note: String,
    pub size: Size,
    pub theme: Theme,
    pub frame: Frame,
    pub x: XAxis,
    pub y: YAxis,
    /// Painted in this order.
    pub marks: Vec<Mark>,
}

/// In pixels; painting clamps both to what a picture may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    pub width: u32,
    pub height: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// Title, axes, grid and legend.
    Full,
    /// The marks alone, to stand in a line of text or a cell of a table.
    Bare,
}

#[derive(Clone, Debug, PartialEq)]
pub enum XAxis {
    /// Milliseconds since 1970; labels are written for this offset from UTC.
    Time {
        start_ms: i64,
        end_ms: i64,
        offset_s: i32,
    },
    Number {
        low: f64,
        high: f64,
        unit: Unit,
    },
    /// One place per name, at 0.5, 1.5, 2.5 …
    Names(Vec<String>),
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct YAxis {
    pub unit: Unit,
    /// Where the axis begins and ends; without, the data decides (zero is shown when it is near).
    pub low: Option<f64>,
    pub high: Option<f64>,
    /// Where the values stand for something else, such as the rows of a heatmap: what is said where, instead of round values.
    pub ticks: Vec<Tick>,
}

/// A colour of the palette by the place of a series, or by what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    Series(usize),
    Tone(Tone),
}

/// What a colour says; it never stands alone, a text says it too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    Good,
    Warning,
    Bad,
    Unknown,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Mark {
    Line {
        name: String,
        color: Color,
        points: Vec<Point>,
        /// Points further apart than this are not joined.
        gap: Option<f64>,
    },
    /// A line with the space down to zero filled.
    Area {
        name: String,
        color: Color,
        points: Vec<Point>,
        gap: Option<f64>,
    },
    /// Between two bounds: (x, low, high).
    Band {
        name: String,
        color: Color,
        points: Vec<(f64, f64, f64)>,
    },
    /// One bar per point, around its x.
    Bars {
        name: String,
        color: Color,
        points: Vec<Point>,
        width: f64,
    },
    Histogram {
        name: String,
        color: Color,
        bins: Vec<Bin>,
    },
    Heatmap {
        name: String,
        cells: Vec<Cell>,
    },
    Scatter {
        name: String,
        color: Color,
        points: Vec<Point>,
    },
    /// Spans of one named row; rows stand below each other from the top of the plot.
    StateBar {
        name: String,
        spans: Vec<Span>,
    },
    /// A dashed line across the plot with its label.
    Threshold {
        value: f64,
        label: String,
        tone: Tone,
    },
    /// A shaded stretch of the x axis: an alert that was pending or firing, a silence, a deployment.
    Window {
        from: f64,
        to: f64,
        label: String,
        tone: Tone,
    },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Bin {
    pub low: f64,
    pub high: f64,
    pub count: f64,
}

/// One cell of a heatmap; `weight` is shown relative to the heaviest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cell {
    pub x: (f64, f64),
    pub y: (f64, f64),
    pub weight: f64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Span {
    pub from: f64,
    pub to: f64,
    pub tone: Tone,
    pub label: String,
}

impl Scene {
    /// An empty scene over a stretch of time.
    pub fn over_time(title: impl Into<String>, start_ms: i64, end_ms: i64) -> Self {
        Scene {
            title: title.into(),
            note: String::new(),
            size: Size::default(),
            theme: Theme::Light,
            frame: Frame::Full,
            x: XAxis::Time {
                start_ms,
                end_ms,
                offset_s: 0,
            },
            y: YAxis::default(),
            marks: Vec::new(),
        }
    }

    /// An empty scene over numbers.
    pub fn over_numbers(title: impl Into<String>, (low, high): (f64, f64), unit: Unit) -> Self {
        Scene {
            x: XAxis::Number { low, high, unit },
            ..Scene::over_time(title, 0, 0)
        }
    }

    /// An empty scene with a place for each name.
    pub fn over_names(title: impl Into<String>, names: Vec<String>) -> Self {
        Scene {
            x: XAxis::Names(names),
            ..Scene::over_time(title, 0, 0)
        }
    }
}

impl Default for Size {
    fn default() -> Self {
        Size {
            width: 800,
            height: 320,
        }
    }
}

impl XAxis {
    /// Where the axis begins and ends, never empty.
    pub(crate) fn bounds(&self) -> (f64, f64) {
        let (low, high) = match self {
            XAxis::Time { start_ms, end_ms, .. } => (*start_ms as f64, *end_ms as f64),
            XAxis::Number { low, high, .. } => (*low, *high),
            XAxis::Names(names) => (0.0, names.len() as f64),
        };
        if low.is_finite() && high.is_finite() && low < high {
            (low, high)
        } else if low.is_finite() {
            (low, low + 1.0)
        } else {
            (0.0, 1.0)
        }
    }
}

impl Mark {
    /// What the legend calls it; marks that carry their own label have none.
    pub(crate) fn legend(&self) -> Option<(&str, Color)> {
        match self {
            Mark::Line { name, color, .. }
            | Mark::Area { name, color, .. }
            | Mark::Band { name, color, .. }
            | Mark::Bars { name, color, .. }
            | Mark::Histogram { name, color, .. }
            | Mark::Scatter { name, color, .. } => {
                Some((name.as_str(), *color)).filter(|(n, _)| !n.is_empty())
            }
            Mark::Heatmap { .. } | Mark::StateBar { .. } | Mark::Threshold { .. } | Mark::Window { .. } => {
                None
            }
        }
    }

    /// The lowest and highest value, without what is not finite.
    pub(crate) fn y_bounds(&self) -> Option<(f64, f64)> {
        let of = |values: &mut dyn Iterator<Item = f64>| {
            values.filter(|v| v.is_finite()).fold(None, |bounds, v| {
                let (low, high) = bounds.unwrap_or((v, v));
                Some((f64::min(low, v), f64::max(high, v)))
            })
        };
        match self {
            Mark::Line { points, .. } | Mark::Scatter { points, .. } => of(&mut points.iter().map(|p| p.1)),
            Mark::Area { points, .. } | Mark::Bars { points, .. } => {
                of(&mut points.iter().map(|p| p.1).chain([0.0]))
            }
            Mark::Band { points, .. } => of(&mut points.iter().flat_map(|p| [p.1, p.2])),
            Mark::Histogram { bins, .. } => of(&mut bins.iter().map(|b| b.count).chain([0.0])),
            Mark::Heatmap { cells, .. } => of(&mut cells.iter().flat_map(|c| [c.y.0, c.y.1])),
            Mark::Threshold { value, .. } => of(&mut [*value].into_iter()),
            Mark::StateBar { .. } | Mark::Window { .. } => None,
        }
    }
}
