//! An answer of the query API, as rows to print.

use comfy_table::{Table, presets};
use lapwing_types::Labels;
use serde::Deserialize;
use serde_json::Value;

/// Rows of one answer; an instant has one point per row.
#[derive(Debug, Default)]
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    pub(super) notes: Vec<String>,
}

#[derive(Debug)]
pub(super) struct Row {
    pub(super) labels: Labels,
    /// Seconds and the value as it was sent.
    pub(super) points: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct Envelope {
    data: Data,
    #[serde(default)]
    warnings: Vec<String>,
    #[serde(default)]
    infos: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    result_type: String,
    result: Value,
}

#[derive(Deserialize)]
struct Series {
    #[serde(default)]
    metric: Labels,
    value: Option<(f64, String)>,
    histogram: Option<(f64, Value)>,
    #[serde(default)]
    values: Vec<(f64, String)>,
    #[serde(default)]
    histograms: Vec<(f64, Value)>,
}

impl Answer {
    pub(super) fn parse(body: &str) -> Result<Self, serde_json::Error> {
        let envelope: Envelope = serde_json::from_str(body)?;
        let rows = match envelope.data.result_type.as_str() {
            "scalar" | "string" => {
                let point: (f64, String) = serde_json::from_value(envelope.data.result)?;
                vec![Row {
                    labels: Labels::empty(),
                    points: vec![point],
                }]
            }
            _ => serde_json::from_value::<Vec<Series>>(envelope.data.result)?
                .into_iter()
                .map(Row::from)
                .collect(),
        };
        let notes = envelope.warnings.into_iter().chain(envelope.infos).collect();
        Ok(Answer { rows, notes })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.points.is_empty())
    }

    /// One line per series; a range shows its first, last and number of points.
    pub(super) fn table(&self) -> String {
        let is_range = self.rows.iter().any(|row| row.points.len() > 1);
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        if is_range {
            table.set_header(["series", "points", "first", "last"]);
        } else {
            table.set_header(["series", "value"]);
        }
        for row in &self.rows {
            let value = |point: Option<&(f64, String)>| point.map(|p| p.1.clone()).unwrap_or_default();
            let mut cells = vec![row.labels.to_string()];
            if is_range {
                cells.push(row.points.len().to_string());
                cells.push(value(row.points.first()));
            }
            cells.push(value(row.points.last()));
            table.add_row(cells);
        }
        format!("{table}\n")
    }

    /// One line per point: series, seconds, value.
    pub(super) fn csv(&self) -> String {
        let mut out = String::from("series,time,value\n");
        for row in &self.rows {
            let labels = row.labels.to_string().replace('"', "\"\"");
            for (t, v) in &row.points {
                out.push_str(&format!("\"{labels}\",{t},{}\n", v.replace('"', "\"\"")));
            }
        }
        out
    }
}

impl From<Series> for Row {
    fn from(series: Series) -> Self {
        let mut points: Vec<(f64, String)> = series.value.into_iter().chain(series.values).collect();
        let histograms = series.histogram.into_iter().chain(series.histograms);
        points.extend(histograms.map(|(t, h)| (t, summary(&h))));
        points.sort_by(|a, b| a.0.total_cmp(&b.0));
        Row {
            labels: series.metric,
            points,
        }
    }
}

/// `count=3 sum=1.5` for a native histogram.
fn summary(histogram: &Value) -> String {
    let part = |name: &str| histogram[name].as_str().unwrap_or("?").to_owned();
    format!("count={} sum={}", part("count"), part("sum"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VECTOR: &str = r#"{"status":"success","data":{"resultType":"vector","result":[
        {"metric":{"__name__":"up","job":"a,\"b"},"value":[10.5,"1"]}]},"warnings":["w"]}"#;

    #[test]
    fn a_vector_is_one_line_per_series() {
        let answer = Answer::parse(VECTOR).unwrap();
        assert_eq!(answer.notes, ["w"]);
        assert!(answer.table().contains(r#"up{job="a,\"b"}"#));
        assert_eq!(
            answer.csv(),
            "series,time,value\n\"up{job=\"\"a,\\\"\"b\"\"}\",10.5,1\n"
        );
    }

    #[test]
    fn a_scalar_and_an_empty_vector_are_answers_too() {
        let scalar = r#"{"data":{"resultType":"scalar","result":[1,"2"]}}"#;
        assert_eq!(
            Answer::parse(scalar).unwrap().rows[0].points,
            [(1.0, "2".to_owned())]
        );
        let empty = r#"{"data":{"resultType":"vector","result":[]}}"#;
        assert!(Answer::parse(empty).unwrap().is_empty());
    }
}
