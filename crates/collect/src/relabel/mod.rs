//! Relabelling: rules that rewrite a label set or drop it, with Prometheus's actions, defaults and expansion.
//!
//! Pure. The differences to Prometheus are those between two regular expression engines of the same family: `\d` and
//! `\w` match beyond ASCII here.

mod action;
mod config;
mod rules;

pub use action::{Action, StepOutcome};
pub use config::{RelabelConfig, RelabelError, RelabelReason};
pub use rules::{RelabelRules, RelabelStep};
