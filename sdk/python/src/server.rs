//! The program itself: `lapwing …` from the wheel is the same command line as the binary's.

use pyo3::prelude::*;
use std::ffi::OsString;
use std::process::ExitCode;

/// Runs the command line and returns its exit code; the interpreter is free meanwhile.
#[pyfunction]
fn cli_main(py: Python<'_>, args: Vec<OsString>) -> u8 {
    let code = py.detach(|| lapwing_server::cli_main(args));
    // An exit code does not tell its number; the ones there are can be told apart.
    (0..=u8::MAX).find(|n| code == ExitCode::from(*n)).unwrap_or(1)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(cli_main, module)?)
}
