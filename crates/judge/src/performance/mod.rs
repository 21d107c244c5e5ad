//! How operations do: what they took, how often they failed, what was scarce meanwhile, and what to do about it.
//!
//! Reading order: [`Operation`] and [`ResourceSnapshot`] (the facts), `summary` (numbers), `trend`, `findings` (bottlenecks and
//! recommendations, each with the numbers, the window and the operations that caused it), [`report`].
//!
//! A report is pure: facts, thresholds and a window in, a report out. Facts outside the window are not looked at.

mod findings;
mod operation;
mod options;
mod report;
mod summary;
mod trend;

pub use findings::{Bottleneck, BottleneckKind, Evidence, Recommendation};
pub use operation::{GpuUse, Operation, OperationKind, ResourceSnapshot, ResourceUse};
pub use options::{PerformanceOptions, Window};
pub use report::{PerformanceReport, report};
pub use summary::{OperationSummary, ResourceSummary, Spread};
pub use trend::{Trend, TrendWord, slope_trend, trend};
