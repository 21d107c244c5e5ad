//! Pictures, drawn with the font of the server's charts.

use crate::errors;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

/// An SVG as PNG, in the pixels that it says.
#[pyfunction]
fn svg_to_png(py: Python<'_>, svg: String) -> PyResult<Bound<'_, PyBytes>> {
    let drawn = py.detach(|| lapwing_chart::svg_to_png(svg, 1.0));
    Ok(PyBytes::new(py, &drawn.map_err(|e| errors::value(&e))?))
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(svg_to_png, module)?)
}
