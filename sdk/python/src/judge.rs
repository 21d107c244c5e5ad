//! Judgements as pure functions: JSON in, JSON out.

use crate::errors;
use lapwing_judge::Direction;
use lapwing_judge::gate::{self, Condition, Format, GateOptions, GateReport, GateWindow, Points};
use lapwing_judge::performance::{
    Operation, PerformanceOptions, ResourceSnapshot, ResourceSummary, Window, report, slope_trend,
};
use lapwing_judge::pipelines::{self, Baseline, Execution, PipelineOptions};
use lapwing_judge::quantile::{of_sorted, sorted};
use lapwing_types::{Severity, format_duration_ms, parse_duration_ms};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use serde::de::DeserializeOwned;

fn read<T: DeserializeOwned>(json: &str) -> PyResult<T> {
    serde_json::from_str(json).map_err(|error| {
        // The line is one that Python wrote: where in it helps nobody.
        let text = error.to_string();
        let told = text
            .rsplit_once(" at line ")
            .map_or(text.as_str(), |(told, _)| told);
        PyValueError::new_err(told.to_owned())
    })
}

fn write(value: &impl serde::Serialize) -> PyResult<String> {
    serde_json::to_string(value).map_err(|e| errors::runtime(&e))
}

#[pyfunction]
#[pyo3(signature = (operations, readings, start_ms, end_ms, options = "{}"))]
fn performance_report(
    py: Python<'_>,
    operations: &str,
    readings: &str,
    start_ms: i64,
    end_ms: i64,
    options: &str,
) -> PyResult<String> {
    py.detach(|| {
        let operations: Vec<Operation> = read(operations)?;
        let readings: Vec<ResourceSnapshot> = read(readings)?;
        let options: PerformanceOptions = read(options)?;
        write(&report(
            &operations,
            &readings,
            Window { start_ms, end_ms },
            &options,
        ))
    })
}

#[pyfunction]
fn resource_summary(readings: &str) -> PyResult<String> {
    let readings: Vec<ResourceSnapshot> = read(readings)?;
    write(&ResourceSummary::of(&readings.iter().collect::<Vec<_>>()))
}

/// Whether the later half of the values is higher than the earlier: JSON.
#[pyfunction]
#[pyo3(signature = (quantity, values, readings_min = 10, change_min = 0.1))]
fn trend(quantity: &str, values: Vec<f64>, readings_min: usize, change_min: f64) -> PyResult<String> {
    write(&lapwing_judge::performance::trend(
        quantity,
        &values,
        (readings_min, change_min),
    ))
}

/// `("increasing", slope per reading relative to the mean)`.
#[pyfunction]
fn slope(values: Vec<f64>) -> (&'static str, f64) {
    let (word, slope) = slope_trend(&values);
    (word.as_str(), slope)
}

#[pyfunction]
#[pyo3(signature = (executions, baselines, now_ms, options = "{}"))]
fn pipeline_report(executions: &str, baselines: &str, now_ms: i64, options: &str) -> PyResult<String> {
    let executions: Vec<Execution> = read(executions)?;
    let baselines: Vec<Baseline> = read(baselines)?;
    let options: PipelineOptions = read(options)?;
    write(&pipelines::report(&executions, &baselines, &options, now_ms))
}

/// Whether a value is worse than its baseline: JSON.
#[pyfunction]
#[pyo3(signature = (baseline, value, tolerance = 0.2))]
fn compare_baseline(baseline: &str, value: f64, tolerance: f64) -> PyResult<String> {
    write(&pipelines::compare(
        &read::<Baseline>(baseline)?,
        value,
        tolerance,
    ))
}

#[pyfunction]
#[pyo3(signature = (name, baseline, current, options = "{}", conditions = "[]"))]
fn gate_report(
    py: Python<'_>,
    name: &str,
    baseline: &str,
    current: &str,
    options: &str,
    conditions: &str,
) -> PyResult<String> {
    py.detach(|| {
        let points = |json: &str| Points::parse(json).map_err(|e| errors::value(&e));
        let options: GateOptions = read(options)?;
        let conditions: Vec<Condition> = read(conditions)?;
        let report = gate::gate(name, &points(baseline)?, &points(current)?, &options);
        write(&report.with_conditions(conditions))
    })
}

/// Start, end and step of a window of so many milliseconds.
#[pyfunction]
fn gate_window(end_ms: i64, length_ms: i64) -> (i64, i64, i64) {
    let window = GateWindow::before(end_ms, length_ms);
    (window.start_ms, window.end_ms, window.step_ms)
}

/// Whether a condition held all the time of a window, from the answer to its range query; JSON.
#[pyfunction]
fn gate_held(expr: &str, window: (i64, i64, i64), answer: &str) -> PyResult<String> {
    let (start_ms, end_ms, step_ms) = window;
    let window = GateWindow {
        start_ms,
        end_ms,
        step_ms,
    };
    write(&gate::held(expr, window, &read(answer)?))
}

/// The values of a metric over a window, from the answer to its range query.
#[pyfunction]
fn gate_measured(name: &str, expr: &str, answer: &str) -> PyResult<Vec<f64>> {
    gate::measured(name, expr, &read(answer)?).map_err(|e| errors::value(&e))
}

#[pyfunction]
fn gate_render(report: &str, format: &str) -> PyResult<String> {
    let report: GateReport = read(report)?;
    let format = Format::parse(format).ok_or_else(|| {
        PyValueError::new_err(format!("{format:?}: use text, markdown, junit, github or json"))
    })?;
    Ok(gate::render(&report, format))
}

/// `lower`, `higher`: which way is better, as a metric's name says; `unknown` where it says nothing.
#[pyfunction]
fn direction_of(name: &str) -> &'static str {
    Direction::of_name(name).map_or("unknown", Direction::as_str)
}

#[pyfunction]
fn quantiles(py: Python<'_>, values: Vec<f64>, qs: Vec<f64>) -> Vec<Option<f64>> {
    py.detach(|| {
        let sorted = sorted(values);
        qs.iter().map(|q| of_sorted(&sorted, *q)).collect()
    })
}

/// YAML as JSON.
#[pyfunction]
fn parse_yaml(text: &str) -> PyResult<String> {
    let value: serde_json::Value = serde_saphyr::from_str(text).map_err(|e| errors::value(&e))?;
    write(&value)
}

/// `1h30m` in milliseconds.
#[pyfunction]
fn duration_ms(text: &str) -> PyResult<i64> {
    parse_duration_ms(text).map_err(|e| errors::value(&e))
}

#[pyfunction]
fn format_duration(ms: i64) -> String {
    format_duration_ms(ms)
}

/// The one of the five words that this one means; `None` when it means none.
#[pyfunction]
fn severity(word: &str) -> Option<&'static str> {
    Severity::parse(word).map(Severity::as_str)
}

pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(performance_report, module)?)?;
    module.add_function(wrap_pyfunction!(resource_summary, module)?)?;
    module.add_function(wrap_pyfunction!(trend, module)?)?;
    module.add_function(wrap_pyfunction!(slope, module)?)?;
    module.add_function(wrap_pyfunction!(pipeline_report, module)?)?;
    module.add_function(wrap_pyfunction!(compare_baseline, module)?)?;
    module.add_function(wrap_pyfunction!(gate_report, module)?)?;
    module.add_function(wrap_pyfunction!(gate_window, module)?)?;
    module.add_function(wrap_pyfunction!(gate_held, module)?)?;
    module.add_function(wrap_pyfunction!(gate_measured, module)?)?;
    module.add_function(wrap_pyfunction!(gate_render, module)?)?;
    module.add_function(wrap_pyfunction!(direction_of, module)?)?;
    module.add_function(wrap_pyfunction!(quantiles, module)?)?;
    module.add_function(wrap_pyfunction!(parse_yaml, module)?)?;
    module.add_function(wrap_pyfunction!(duration_ms, module)?)?;
    module.add_function(wrap_pyfunction!(format_duration, module)?)?;
    module.add_function(wrap_pyfunction!(severity, module)?)
}
