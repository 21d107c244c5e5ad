//! Rules that are PromQL and still wrong: a metric that no series has, a threshold outside of what the metric can be, a rate of a
//! gauge.
//!
//! Pure: an expression and [`Facts`] (what a source has) give [`Finding`]s. What well-known programs expose stands in
//! `known`; a source's own metadata overrules it.

mod facts;
mod known;
mod near;
mod range;
mod threshold;
mod units;
mod walk;

pub use facts::{Facts, MetricFact};
pub(crate) use near::closest;
pub use walk::{Finding, LintReason, lint};
