//! ASK: what is the answer?
//!
//! Useful for: parsing PromQL, evaluating it over anything that can select series.
//! Not for: keeping samples (`store`), HTTP, deciding whether an answer is bad (`judge`).
//!
//! No clock is read here: evaluation times are arguments, and a deadline is somebody else flipping an [`Interrupt`].

mod annotation;
mod engine;
mod error;
mod eval;
mod explain;
mod options;
pub mod promql;
mod result;

pub use engine::{Query, QueryEngine};
pub use error::QueryError;
pub use explain::{Explain, Explained};
pub use options::{Interrupt, QueryOptions};
pub use result::{QueryResult, QueryStats, QueryValue, Sample, SampleValue, Series};
