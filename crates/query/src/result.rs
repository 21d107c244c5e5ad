//! An answer.

use crate::explain::Explained;
use lapwing_types::{FloatHistogram, Labels};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq)]
pub enum SampleValue {
    Float(f64),
    Histogram(Arc<FloatHistogram>),
}

/// One element of an instant vector.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    pub labels: Labels,
    pub t_ms: i64,
    pub value: SampleValue,
}

/// One series of a range: floats and histograms apart, each ascending by time.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    pub labels: Labels,
    pub floats: Vec<(i64, f64)>,
    pub histograms: Vec<(i64, Arc<FloatHistogram>)>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum QueryValue {
    Scalar { t_ms: i64, value: f64 },
    Str { t_ms: i64, value: String },
    Vector(Vec<Sample>),
    Matrix(Vec<Series>),
}

impl QueryValue {
    /// The `resultType` of the API.
    pub fn type_name(&self) -> &'static str {
        match self {
            QueryValue::Scalar { .. } => "scalar",
            QueryValue::Str { .. } => "string",
            QueryValue::Vector(_) => "vector",
            QueryValue::Matrix(_) => "matrix",
        }
    }
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueryStats {
    /// Samples looked at, each as often as a step looked at it.
    pub samples_total: u64,
    /// Samples held at once, at most.
    pub samples_peak: u64,
    /// Series selected.
    pub series: u64,
    /// Bytes held at once, at most.
    pub memory_peak_bytes: u64,
}

#[derive(Clone, Debug, PartialEq)]
pub struct QueryResult {
    pub value: QueryValue,
    /// Sentences with the position in the query that they speak of.
    pub warnings: Vec<String>,
    pub infos: Vec<String>,
    pub stats: QueryStats,
    /// Where it was asked for.
    pub explained: Option<Explained>,
}
