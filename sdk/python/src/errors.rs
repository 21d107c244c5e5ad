//! Errors as Python expects them: `ValueError` for what is wrong with the input, `RuntimeError` for the rest, with causes.

use pyo3::PyErr;
use pyo3::exceptions::{PyRuntimeError, PyValueError};
use std::error::Error;

pub(crate) fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

pub(crate) fn value(error: &dyn Error) -> PyErr {
    PyValueError::new_err(with_causes(error))
}

pub(crate) fn runtime(error: &dyn Error) -> PyErr {
    PyRuntimeError::new_err(with_causes(error))
}
