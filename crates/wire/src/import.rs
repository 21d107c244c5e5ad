//! JSON lines, one series a line: `{"metric":{"__name__":"up"},"values":[1,0],"timestamps":[1000,2000]}`, the form in
//! which VictoriaMetrics exports and imports. Timestamps are milliseconds; `null` is NaN, infinities stand in quotes.

use crate::push::JsonNumber;
use lapwing_types::{Labels, LabelsError, METRIC_NAME, Sample, SeriesWrite};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// Lines count from 1.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("line {line} is not a series in JSON")]
    Json {
        line: usize,
        #[source]
        source: serde_json::Error,
    },
    #[error("line {line} has {values} values and {timestamps} timestamps")]
    LengthMismatch {
        line: usize,
        values: usize,
        timestamps: usize,
    },
    #[error("the labels in line {line} are invalid")]
    Labels {
        line: usize,
        #[source]
        source: LabelsError,
    },
    #[error("the series in line {line} has no __name__")]
    MissingName { line: usize },
}

#[derive(Deserialize)]
struct Line {
    metric: BTreeMap<String, String>,
    values: Vec<JsonNumber>,
    timestamps: Vec<i64>,
}

/// The series of a body line by line, so that an import of any length takes the memory of its longest line. Empty
/// lines are skipped; after an error the next line can be asked for.
pub fn import_lines(bytes: &[u8]) -> impl Iterator<Item = Result<SeriesWrite, ImportError>> + '_ {
    bytes
        .split(|byte| *byte == b'\n')
        .enumerate()
        .map(|(i, text)| (i + 1, text.trim_ascii()))
        .filter(|(_, text)| !text.is_empty())
        .map(|(line, text)| import_line(text, line))
}

fn import_line(text: &[u8], line: usize) -> Result<SeriesWrite, ImportError> {
    let parsed: Line = serde_json::from_slice(text).map_err(|source| ImportError::Json { line, source })?;
    if parsed.values.len() != parsed.timestamps.len() {
        return Err(ImportError::LengthMismatch {
            line,
            values: parsed.values.len(),
            timestamps: parsed.timestamps.len(),
        });
    }
    if parsed.metric.get(METRIC_NAME).is_none_or(String::is_empty) {
        return Err(ImportError::MissingName { line });
    }
    let labels = Labels::from_pairs(&parsed.metric).map_err(|source| ImportError::Labels { line, source })?;
    let points = parsed.timestamps.iter().zip(&parsed.values);
    Ok(SeriesWrite {
        labels,
        samples: points
            .map(|(t_ms, value)| Sample {
                t_ms: *t_ms,
                value: value.0,
            })
            .collect(),
        ..SeriesWrite::default()
    })
}

/// One series as a line that [`import_lines`] reads back, with its line end. All NaNs become `null`.
pub fn export_line(out: &mut String, labels: &Labels, samples: &[Sample]) {
    out.push_str("{\"metric\":");
    out.push_str(&serde_json::json!(labels).to_string());
    out.push_str(",\"values\":[");
    for (i, sample) in samples.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        let _ = match sample.value {
            v if v.is_nan() => write!(out, "{separator}null"),
            f64::INFINITY => write!(out, "{separator}\"Infinity\""),
            f64::NEG_INFINITY => write!(out, "{separator}\"-Infinity\""),
            v => write!(out, "{separator}{v}"),
        };
    }
    out.push_str("],\"timestamps\":[");
    for (i, sample) in samples.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        let _ = write!(out, "{separator}{}", sample.t_ms);
    }
    out.push_str("]}\n");
}
