//! Label values as Python gives them: anything, by its `str()`.

use pyo3::prelude::*;
use pyo3::types::{PyDict, PyString};

pub(crate) fn pairs_of(labels: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, String)>> {
    let Some(labels) = labels else {
        return Ok(Vec::new());
    };
    labels
        .iter()
        .map(|(name, value)| Ok((name.extract()?, text(&value))))
        .collect()
}

/// Never fails: a value that cannot be shown is shown as its type, and half a surrogate as a question mark, because recording must not break
/// the program that records.
pub(crate) fn text(value: &Bound<'_, PyAny>) -> String {
    if let Ok(text) = value.cast::<PyString>() {
        return text.to_string_lossy().into_owned();
    }
    match value.str() {
        Ok(text) => text.to_string_lossy().into_owned(),
        Err(_) => value
            .get_type()
            .name()
            .map_or_else(|_| "<?>".to_owned(), |name| format!("<{name}>")),
    }
}
