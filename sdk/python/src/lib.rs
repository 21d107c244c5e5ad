//! The extension module `lapwing._native`: Lapwing's engine, rules, reports and metrics for Python.
//!
//! Useful for: what is called per request (handles), what must be the same as in the server (rules, reports, gates, PromQL).
//! Not for: what Python is good at; the classes that people import are in `python/lapwing/`.
//!
//! What crosses the border is numbers and strings on the hot paths, JSON elsewhere. Whatever may block lets the interpreter go.

#![expect(
    clippy::too_many_arguments,
    reason = "Python calls by keyword, and each call is given the interpreter's token"
)]

mod chart;
mod engine;
mod errors;
mod handles;
mod host;
mod judge;
mod labels;
mod notify;
mod operations;
mod remote;
mod rules;
mod server;
mod store;

use pyo3::prelude::*;

#[pymodule(gil_used = false)]
fn _native(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    handles::register(module)?;
    operations::register(module)?;
    remote::register(module)?;
    store::register(module)?;
    rules::register(module)?;
    host::register(module)?;
    judge::register(module)?;
    chart::register(module)?;
    notify::register(module)?;
    engine::register(module)?;
    server::register(module)
}
