//! Label values as Python gives them: anything, by its `str()`.

use pyo3::prelude::*;
use pyo3::types::PyDict;

pub(crate) fn pairs_of(labels: Option<&Bound<'_, PyDict>>) -> PyResult<Vec<(String, String)>> {
    let Some(labels) = labels else {
        return Ok(Vec::new());
    };
    labels
        .iter()
        .map(|(name, value)| Ok((name.extract()?, text(&value)?)))
        .collect()
}

pub(crate) fn text(value: &Bound<'_, PyAny>) -> PyResult<String> {
    match value.extract::<String>() {
        Ok(text) => Ok(text),
        Err(_) => value.str()?.extract(),
    }
}
