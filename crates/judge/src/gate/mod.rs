//! Is this run worse than the baseline? For continuous integration and canaries.
//!
//! Reading order: [`Points`] and [`GateOptions`] (what is compared, how strictly), `noise` (whether a difference is more than
//! noise), `compare` ([`gate`]: one named verdict per metric), `render` (text, Markdown, JUnit, GitHub annotations), `window` (conditions and
//! values over a time, for a canary that is watched already).
//!
//! What cannot be judged is named: a missing baseline, a baseline of zero, too few values. Nothing is skipped silently.

mod compare;
mod noise;
mod points;
mod render;
mod window;

pub use compare::{Condition, GateReport, Row, Verdict, gate};
pub use noise::{Noise, NoiseModel, bootstrap, mann_whitney_p};
pub use points::{GateOptions, Missing, Override, Points, PointsError, Series};
pub use render::{Format, render};
pub use window::{GateWindow, WindowError, held, measured};
