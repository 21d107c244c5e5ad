//! The functions that Prometheus and Alertmanager add to Go's own.
//!
//! Useful for: everything that one of the two, or both, offer to templates.
//! Not for: asking the world; `query` and the time come in as arguments.

mod humanize;
mod notification;
mod rule;
mod text;

pub use humanize::humanize_duration;
pub use notification::NotificationFunctions;
pub use rule::{QueryResult, RuleFunctions};
