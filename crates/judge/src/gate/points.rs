//! What is compared: measured values by name, and how strictly.

use super::noise::NoiseModel;
use crate::Direction;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The values of one metric in one run: one, or one per repetition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Series {
    pub values: Vec<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub direction: Option<Direction>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
}

/// One run, by name (and tags, as `name{a="b"}`).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Points {
    pub metrics: BTreeMap<String, Series>,
}

#[derive(Debug, thiserror::Error)]
pub enum PointsError {
    #[error("not JSON")]
    Json(#[source] serde_json::Error),
    #[error("line {line} has {word}, for which JSON has no number: write it as text, \"{word}\"")]
    Word { line: usize, word: &'static str },
    #[error("metric {name:?}: expected a number, a list of numbers or an object with `values`")]
    Shape { name: String },
    #[error("expected an object of metrics, or a list of {{name, value}}")]
    Top,
}

/// The most values of one metric that are looked at: a bootstrap over more costs time and finds nothing new.
const VALUES_MAX: usize = 100_000;

impl Points {
    /// `{"latency": 0.3}`, `{"latency": [0.3, 0.31]}`, `{"latency": {"values": […], "direction": "lower"}}`,
    /// `{"metrics": …}` or `[{"name": …, "value": …, "tags": {…}}]`.
    pub fn parse(text: &str) -> Result<Points, PointsError> {
        let value: serde_json::Value = serde_json::from_str(text).map_err(|e| not_json(text, e))?;
        Points::from_value(&value)
    }

    /// The first metric that has a value which is not finite: no baseline for anything.
    pub fn not_finite(&self) -> Option<&str> {
        let bad = |s: &Series| s.values.iter().any(|v| !v.is_finite());
        self.metrics
            .iter()
            .find(|(_, s)| bad(s))
            .map(|(name, _)| name.as_str())
    }

    pub fn from_value(value: &serde_json::Value) -> Result<Points, PointsError> {
        match value {
            serde_json::Value::Object(map) => {
                if let Some(inner @ (serde_json::Value::Object(_) | serde_json::Value::Array(_))) =
                    map.get("metrics")
                {
                    return Points::from_value(inner);
                }
                let mut points = Points::default();
                for (name, value) in map {
                    points.add(name.clone(), value)?;
                }
                Ok(points)
            }
            serde_json::Value::Array(rows) => {
                let mut points = Points::default();
                for row in rows {
                    let name = row["name"].as_str().ok_or(PointsError::Top)?;
                    points.add(name_with_tags(name, &row["tags"]), row)?;
                }
                Ok(points)
            }
            _ => Err(PointsError::Top),
        }
    }

    fn add(&mut self, name: String, value: &serde_json::Value) -> Result<(), PointsError> {
        let wrong = || PointsError::Shape { name: name.clone() };
        let (values, about) = match value {
            serde_json::Value::Object(map) => {
                let values = map.get("values").or_else(|| map.get("value")).ok_or_else(wrong)?;
                (values, Some(map))
            }
            other => (other, None),
        };
        let numbers: Option<Vec<f64>> = match values {
            serde_json::Value::Array(list) => list.iter().take(VALUES_MAX).map(number).collect(),
            one => number(one).map(|v| vec![v]),
        };
        let numbers = numbers.ok_or_else(wrong)?;
        let word = |key: &str| about.and_then(|m| m.get(key)).and_then(serde_json::Value::as_str);
        let direction = match word("direction") {
            None => None,
            Some(text) => Some(Direction::parse(text).ok_or_else(wrong)?),
        };
        let unit = word("unit").map(str::to_owned);
        let series = self.metrics.entry(name).or_default();
        series.values.extend(numbers);
        series.direction = series.direction.or(direction);
        series.unit = series.unit.take().or(unit);
        Ok(())
    }
}

/// Python's `json.dump` writes NaN and Infinity bare: a loss that diverged.
fn not_json(text: &str, error: serde_json::Error) -> PointsError {
    let line = error.line();
    let found = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
    let rest = found.get(error.column().saturating_sub(1)..).unwrap_or_default();
    match ["NaN", "Infinity"].into_iter().find(|w| rest.starts_with(w)) {
        Some(word) => PointsError::Word { line, word },
        None => PointsError::Json(error),
    }
}

/// What JSON has no number for is a word, `"NaN"`, `"Infinity"`: it is not a finite value, and the gate says so.
fn number(value: &serde_json::Value) -> Option<f64> {
    match value {
        serde_json::Value::String(word) => word.parse().ok().filter(|v: &f64| !v.is_finite()),
        other => other.as_f64(),
    }
}

/// Tags in their own order, so that the order in which they were written does not matter.
fn name_with_tags(name: &str, tags: &serde_json::Value) -> String {
    let Some(map) = tags.as_object().filter(|m| !m.is_empty()) else {
        return name.to_owned();
    };
    let sorted: BTreeMap<&String, &serde_json::Value> = map.iter().collect();
    let inner: Vec<String> = sorted
        .into_iter()
        .map(|(k, v)| match v.as_str() {
            Some(text) => format!("{k}={text:?}"),
            None => format!("{k}=\"{v}\""),
        })
        .collect();
    format!("{name}{{{}}}", inner.join(", "))
}

/// What a metric that stands on one side only means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Missing {
    /// Shown, and does not fail the gate.
    #[default]
    Warn,
    Fail,
}

/// Other limits for one metric.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Override {
    pub relative: Option<f64>,
    pub absolute: Option<f64>,
    pub direction: Option<Direction>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct GateOptions {
    /// How much worse than the baseline is too much, relatively.
    pub relative: f64,
    /// A worsening smaller than this never counts; what decides beside a baseline of zero.
    pub absolute: f64,
    /// How sure the noise model has to be.
    pub alpha: f64,
    /// Fewer values than this on either side and there is no noise model: the means decide.
    pub values_min: usize,
    pub noise: NoiseModel,
    pub missing: Missing,
    pub metrics: BTreeMap<String, Override>,
}

impl Default for GateOptions {
    fn default() -> Self {
        GateOptions {
            relative: 0.05,
            absolute: 0.0,
            alpha: 0.05,
            values_min: 5,
            noise: NoiseModel::default(),
            missing: Missing::Warn,
            metrics: BTreeMap::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, name: &str, values: &[f64]) {
        let points = Points::parse(text).unwrap();
        assert_eq!(points.metrics[name].values, values, "{text}");
    }

    #[test]
    fn shapes() {
        check(r#"{"a": 1}"#, "a", &[1.0]);
        check(r#"{"metrics": {"a": [1, 2.5]}}"#, "a", &[1.0, 2.5]);
        check(r#"{"a": {"values": [1], "direction": "higher"}}"#, "a", &[1.0]);
        check(
            r#"[{"name": "a", "value": 1, "tags": {"z": "1", "b": 2}}, {"name": "a", "value": 3, "tags": {"b": 2, "z": "1"}}]"#,
            r#"a{b="2", z="1"}"#,
            &[1.0, 3.0],
        );
    }

    #[test]
    fn mistakes_are_named() {
        let error = |text| Points::parse(text).unwrap_err().to_string();
        assert!(error(r#"{"a": "fast"}"#).contains("\"a\""));
        assert!(error("3").contains("expected an object"));
        assert!(error("{\n\"loss\": NaN}").contains("line 2 has NaN"));
        assert!(error(r#"{"loss": [1, -Infinity]}"#).contains("Infinity"));
        assert_eq!(error(r#"{"loss": nope}"#), "not JSON");
        assert!(error(r#"{"a": {"value": 1, "direction": "up"}}"#).contains("\"a\""));
    }
}
