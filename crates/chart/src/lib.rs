//! DRAW: one [`Scene`], several writers.
//!
//! - A [`Scene`] says what is shown: axes and [`Mark`]s in units of the data. [`scene`], [`scale`], [`value`].
//! - [`paint`] turns it into a handful of shapes in pixels; [`to_svg`], [`to_png`] and [`to_pdf`] write those.
//! - [`to_terminal`] draws the same scene in braille dots and blocks; [`summary`] says it in a sentence.
//! - A [`Document`] is scenes, values and texts under one title, on pages; [`document_to_pdf`] writes it.
//! - [`alert_graph`] and [`sparkline`] are scenes that several places need.
//!
//! Useful for: pictures in notifications, `/plain`, `lapwing query --plot`, reports. Not for: the web UI's charts (they live
//! in the browser), knowing what a query is, reading a clock, a disk or a network.

mod alert;
mod document;
mod font;
mod frame;
mod marks;
mod paint;
mod palette;
mod pdf;
mod png;
mod scale;
mod scene;
mod shape;
mod summary;
mod svg;
mod terminal;
mod value;

pub use alert::{AlertGraph, alert_graph, sparkline};
pub use document::{Block, Document, Value};
pub use palette::{Theme, series_color};
pub use pdf::{PdfError, document_to_pdf, to_pdf};
pub use png::{PngError, svg_to_png, to_png};
pub use scale::{Tick, nice_ticks, time_ticks};
pub use scene::{Bin, Cell, Color, Frame, Mark, Point, Scene, Size, Span, Tone, XAxis, YAxis};
pub use summary::summary;
pub use svg::to_svg;
pub use terminal::{TerminalSize, to_terminal};
pub use value::Unit;
