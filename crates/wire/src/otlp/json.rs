//! `ExportMetricsServiceRequest` in JSON, by the rules of OTLP: names in lowerCamelCase only, ids in hexadecimal, enums
//! as integers only, 64-bit integers as numbers or strings, unknown fields ignored.
//!
//! The structs here are the wire's; each turns into its noun of [`super::model`].

use super::error::OtlpError;
use super::json_values::{Base64, Double, Hex, Int};
use super::model::{self, Number, Temporality};
use serde::Deserialize;
use std::borrow::Cow;

pub(super) fn decode(bytes: &[u8]) -> Result<model::MetricsRequest<'_>, OtlpError> {
    let request: Request<'_> = serde_json::from_slice(bytes).map_err(|source| OtlpError::Json { source })?;
    Ok(model::MetricsRequest {
        resources: into(request.resource_metrics),
    })
}

fn into<A, B: From<A>>(items: Vec<A>) -> Vec<B> {
    items.into_iter().map(B::from).collect()
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Request<'a> {
    #[serde(borrow)]
    resource_metrics: Vec<ResourceMetrics<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ResourceMetrics<'a> {
    #[serde(borrow)]
    resource: Resource<'a>,
    scope_metrics: Vec<ScopeMetrics<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Resource<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ScopeMetrics<'a> {
    #[serde(borrow)]
    scope: Scope<'a>,
    metrics: Vec<Metric<'a>>,
    schema_url: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scope<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    version: Cow<'a, str>,
    attributes: Vec<KeyValue<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Metric<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    description: Cow<'a, str>,
    unit: Cow<'a, str>,
    gauge: Option<Points<NumberPoint<'a>>>,
    sum: Option<Points<NumberPoint<'a>>>,
    histogram: Option<Points<HistogramPoint<'a>>>,
    exponential_histogram: Option<Points<ExponentialPoint<'a>>>,
    summary: Option<Points<SummaryPoint<'a>>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Points<T> {
    #[serde(default = "Vec::new")]
    data_points: Vec<T>,
    #[serde(default)]
    aggregation_temporality: i32,
    #[serde(default)]
    is_monotonic: bool,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct NumberPoint<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
    start_time_unix_nano: Int<u64>,
    time_unix_nano: Int<u64>,
    as_double: Option<Double>,
    as_int: Option<Int<i64>>,
    exemplars: Vec<Exemplar<'a>>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct HistogramPoint<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
    start_time_unix_nano: Int<u64>,
    time_unix_nano: Int<u64>,
    count: Int<u64>,
    sum: Option<Double>,
    bucket_counts: Vec<Int<u64>>,
    explicit_bounds: Vec<Double>,
    exemplars: Vec<Exemplar<'a>>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ExponentialPoint<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
    start_time_unix_nano: Int<u64>,
    time_unix_nano: Int<u64>,
    count: Int<u64>,
    sum: Option<Double>,
    scale: i32,
    zero_count: Int<u64>,
    zero_threshold: Double,
    positive: Buckets,
    negative: Buckets,
    exemplars: Vec<Exemplar<'a>>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Buckets {
    offset: i32,
    bucket_counts: Vec<Int<u64>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct SummaryPoint<'a> {
    #[serde(borrow)]
    attributes: Vec<KeyValue<'a>>,
    start_time_unix_nano: Int<u64>,
    time_unix_nano: Int<u64>,
    count: Int<u64>,
    sum: Double,
    quantile_values: Vec<Quantile>,
    flags: u32,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Quantile {
    quantile: Double,
    value: Double,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Exemplar<'a> {
    #[serde(borrow)]
    filtered_attributes: Vec<KeyValue<'a>>,
    time_unix_nano: Int<u64>,
    as_double: Option<Double>,
    as_int: Option<Int<i64>>,
    span_id: Hex,
    trace_id: Hex,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KeyValue<'a> {
    #[serde(borrow)]
    key: Cow<'a, str>,
    value: Option<AnyValue<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct AnyValue<'a> {
    #[serde(borrow)]
    string_value: Option<Cow<'a, str>>,
    bool_value: Option<bool>,
    int_value: Option<Int<i64>>,
    double_value: Option<Double>,
    array_value: Option<ArrayValue<'a>>,
    kvlist_value: Option<KvList<'a>>,
    bytes_value: Option<Base64>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct ArrayValue<'a> {
    #[serde(borrow)]
    values: Vec<AnyValue<'a>>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct KvList<'a> {
    #[serde(borrow)]
    values: Vec<KeyValue<'a>>,
}

impl<'a> From<ResourceMetrics<'a>> for model::ResourceMetrics<'a> {
    fn from(json: ResourceMetrics<'a>) -> Self {
        model::ResourceMetrics {
            attributes: into(json.resource.attributes),
            scopes: into(json.scope_metrics),
        }
    }
}

impl<'a> From<ScopeMetrics<'a>> for model::ScopeMetrics<'a> {
    fn from(json: ScopeMetrics<'a>) -> Self {
        model::ScopeMetrics {
            name: json.scope.name,
            version: json.scope.version,
            attributes: into(json.scope.attributes),
            schema_url: json.schema_url,
            metrics: into(json.metrics),
        }
    }
}

impl<'a> From<Metric<'a>> for model::Metric<'a> {
    fn from(json: Metric<'a>) -> Self {
        let data = if let Some(gauge) = json.gauge {
            let points = into(gauge.data_points);
            Some(model::Data::Gauge { points })
        } else if let Some(sum) = json.sum {
            Some(model::Data::Sum {
                temporality: Temporality::from_code(sum.aggregation_temporality),
                monotonic: sum.is_monotonic,
                points: into(sum.data_points),
            })
        } else if let Some(histogram) = json.histogram {
            Some(model::Data::Histogram {
                temporality: Temporality::from_code(histogram.aggregation_temporality),
                points: into(histogram.data_points),
            })
        } else if let Some(exponential) = json.exponential_histogram {
            Some(model::Data::Exponential {
                temporality: Temporality::from_code(exponential.aggregation_temporality),
                points: into(exponential.data_points),
            })
        } else {
            json.summary.map(|summary| model::Data::Summary {
                points: into(summary.data_points),
            })
        };
        model::Metric {
            name: json.name,
            description: json.description,
            unit: json.unit,
            data,
        }
    }
}

fn number(as_double: Option<Double>, as_int: Option<Int<i64>>) -> Option<Number> {
    match (as_double, as_int) {
        (Some(double), _) => Some(Number::Double(double.0)),
        (None, Some(int)) => Some(Number::Int(int.0)),
        (None, None) => None,
    }
}

fn counts(all: Vec<Int<u64>>) -> Vec<u64> {
    all.into_iter().map(|count| count.0).collect()
}

impl<'a> From<NumberPoint<'a>> for model::NumberPoint<'a> {
    fn from(json: NumberPoint<'a>) -> Self {
        model::NumberPoint {
            head: model::PointHead {
                attributes: model::Attributes::Decoded(into(json.attributes)),
                start_ns: json.start_time_unix_nano.0,
                t_ns: json.time_unix_nano.0,
                flags: json.flags,
            },
            value: number(json.as_double, json.as_int),
            exemplars: into(json.exemplars),
        }
    }
}

impl<'a> From<HistogramPoint<'a>> for model::HistogramPoint<'a> {
    fn from(json: HistogramPoint<'a>) -> Self {
        model::HistogramPoint {
            head: model::PointHead {
                attributes: model::Attributes::Decoded(into(json.attributes)),
                start_ns: json.start_time_unix_nano.0,
                t_ns: json.time_unix_nano.0,
                flags: json.flags,
            },
            count: json.count.0,
            sum: json.sum.map(|sum| sum.0),
            bounds: json.explicit_bounds.into_iter().map(|bound| bound.0).collect(),
            buckets: counts(json.bucket_counts),
            exemplars: into(json.exemplars),
        }
    }
}

impl<'a> From<ExponentialPoint<'a>> for model::ExponentialPoint<'a> {
    fn from(json: ExponentialPoint<'a>) -> Self {
        let buckets = |side: Buckets| model::ExponentialBuckets {
            offset: side.offset,
            counts: counts(side.bucket_counts),
        };
        model::ExponentialPoint {
            head: model::PointHead {
                attributes: model::Attributes::Decoded(into(json.attributes)),
                start_ns: json.start_time_unix_nano.0,
                t_ns: json.time_unix_nano.0,
                flags: json.flags,
            },
            count: json.count.0,
            sum: json.sum.map(|sum| sum.0),
            scale: json.scale,
            zero: json.zero_count.0,
            zero_threshold: json.zero_threshold.0,
            positive: buckets(json.positive),
            negative: buckets(json.negative),
            exemplars: into(json.exemplars),
        }
    }
}

impl<'a> From<SummaryPoint<'a>> for model::SummaryPoint<'a> {
    fn from(json: SummaryPoint<'a>) -> Self {
        model::SummaryPoint {
            head: model::PointHead {
                attributes: model::Attributes::Decoded(into(json.attributes)),
                start_ns: json.start_time_unix_nano.0,
                t_ns: json.time_unix_nano.0,
                flags: json.flags,
            },
            count: json.count.0,
            sum: json.sum.0,
            quantiles: json
                .quantile_values
                .into_iter()
                .map(|q| (q.quantile.0, q.value.0))
                .collect(),
        }
    }
}

impl<'a> From<Exemplar<'a>> for model::PointExemplar<'a> {
    fn from(json: Exemplar<'a>) -> Self {
        model::PointExemplar {
            attributes: into(json.filtered_attributes),
            t_ns: json.time_unix_nano.0,
            value: number(json.as_double, json.as_int),
            span_id: Cow::Owned(json.span_id.0),
            trace_id: Cow::Owned(json.trace_id.0),
        }
    }
}

impl<'a> From<KeyValue<'a>> for model::Attribute<'a> {
    fn from(json: KeyValue<'a>) -> Self {
        model::Attribute {
            key: json.key,
            value: json.value.map(model::AnyValue::from).unwrap_or_default(),
        }
    }
}

impl<'a> From<AnyValue<'a>> for model::AnyValue<'a> {
    fn from(json: AnyValue<'a>) -> Self {
        if let Some(text) = json.string_value {
            model::AnyValue::Str(text)
        } else if let Some(v) = json.bool_value {
            model::AnyValue::Bool(v)
        } else if let Some(v) = json.int_value {
            model::AnyValue::Int(v.0)
        } else if let Some(v) = json.double_value {
            model::AnyValue::Double(v.0)
        } else if let Some(list) = json.array_value {
            model::AnyValue::Array(into(list.values))
        } else if let Some(map) = json.kvlist_value {
            model::AnyValue::Map(into(map.values))
        } else if let Some(bytes) = json.bytes_value {
            model::AnyValue::Bytes(Cow::Owned(bytes.0))
        } else {
            model::AnyValue::Empty
        }
    }
}
