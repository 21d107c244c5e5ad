//! Go templates, as far as Prometheus rule files and Alertmanager configs use them.
//!
//! Useful for: annotations and labels of rules, titles and texts of notifications, users' own `*.tmpl` files.
//! Not for: HTML pages with scripts (escaping is for text and attributes only).
//!
//! Pure: no clock, no file, no socket. What a template may ask of the world (a PromQL query, the time) comes through
//! [`Functions`]. Work is bounded by [`Limits`], so a template from outside cannot hang a tick.
//!
//! Why our own: the existing crates take plain function pointers (so `query` cannot reach the evaluator) and have no
//! methods on values (`.Alerts.Firing`, `.StartsAt.Format`).

mod ast;
mod builtin;
mod error;
mod exec;
pub mod functions;
mod gotime;
mod lex;
mod number;
mod parse;
mod printf;
mod set;
mod value;

pub use error::{ParseError, RenderError};
pub use exec::{Escape, Functions, Limits};
pub use gotime::{GoTime, format_go_duration};
pub use number::{format_float, format_general};
pub use set::{Source, TemplateSet};
pub use value::{LabelMap, Record, Value};
