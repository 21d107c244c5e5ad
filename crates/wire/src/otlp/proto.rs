//! `ExportMetricsServiceRequest` in protobuf.

use super::error::OtlpError;
use super::model::{
    AnyValue, Attribute, Attributes, Data, ExponentialBuckets, ExponentialPoint, HistogramPoint, Metric,
    MetricsRequest, Number, NumberPoint, PointExemplar, ResourceMetrics, ScopeMetrics, SummaryPoint,
    Temporality,
};
use crate::protobuf::{Field, ProtobufError, Reader};
use std::borrow::Cow;

/// Lists within lists: deeper than any attribute, shallower than the stack.
const NESTING_MAX: usize = 16;

type Result<T> = std::result::Result<T, OtlpError>;

pub(super) fn decode(bytes: &[u8]) -> Result<MetricsRequest<'_>> {
    let mut request = MetricsRequest::default();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            request.resources.push(resource_metrics(field.message()?)?);
        }
    }
    Ok(request)
}

fn resource_metrics<'a>(mut reader: Reader<'a>) -> Result<ResourceMetrics<'a>> {
    let mut resource = ResourceMetrics::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => {
                let mut inner = field.message()?;
                while let Some(field) = inner.next_field()? {
                    if field.number == 1 {
                        resource.attributes.push(attribute(field, 0)?);
                    }
                }
            }
            2 => resource.scopes.push(scope_metrics(field.message()?)?),
            _ => {}
        }
    }
    Ok(resource)
}

fn scope_metrics<'a>(mut reader: Reader<'a>) -> Result<ScopeMetrics<'a>> {
    let mut scope = ScopeMetrics::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => {
                let mut inner = field.message()?;
                while let Some(field) = inner.next_field()? {
                    match field.number {
                        1 => scope.name = Cow::Borrowed(field.string()?),
                        2 => scope.version = Cow::Borrowed(field.string()?),
                        3 => scope.attributes.push(attribute(field, 0)?),
                        _ => {}
                    }
                }
            }
            2 => scope.metrics.push(metric(field.message()?)?),
            3 => scope.schema_url = Cow::Borrowed(field.string()?),
            _ => {}
        }
    }
    Ok(scope)
}

fn metric<'a>(mut reader: Reader<'a>) -> Result<Metric<'a>> {
    let mut metric = Metric::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => metric.name = Cow::Borrowed(field.string()?),
            2 => metric.description = Cow::Borrowed(field.string()?),
            3 => metric.unit = Cow::Borrowed(field.string()?),
            5 | 7 | 9 | 10 | 11 => metric.data = Some(data(field)?),
            _ => {}
        }
    }
    Ok(metric)
}

fn data<'a>(outer: Field<'a>) -> Result<Data<'a>> {
    let (mut temporality, mut monotonic) = (Temporality::Unspecified, false);
    let (mut numbers, mut histograms) = (Vec::new(), Vec::new());
    let (mut exponentials, mut summaries) = (Vec::new(), Vec::new());
    let mut reader = outer.message()?;
    while let Some(field) = reader.next_field()? {
        match (field.number, outer.number) {
            (1, 5 | 7) => numbers.push(number_point(field.bytes()?)?),
            (1, 9) => histograms.push(histogram_point(field.bytes()?)?),
            (1, 10) => exponentials.push(exponential_point(field.bytes()?)?),
            (1, 11) => summaries.push(summary_point(field.bytes()?)?),
            (2, 7 | 9 | 10) => temporality = Temporality::from_code(field.int32()?),
            (3, 7) => monotonic = field.bool()?,
            _ => {}
        }
    }
    Ok(match outer.number {
        5 => Data::Gauge { points: numbers },
        7 => Data::Sum {
            points: numbers,
            temporality,
            monotonic,
        },
        9 => Data::Histogram {
            points: histograms,
            temporality,
        },
        10 => Data::Exponential {
            points: exponentials,
            temporality,
        },
        _ => Data::Summary { points: summaries },
    })
}

fn number_point<'a>(bytes: &'a [u8]) -> Result<NumberPoint<'a>> {
    let mut point = NumberPoint::default();
    let mut reader = Reader::new(bytes);
    let mut attributes = AttributeFields::new(7);
    let mut at = 0;
    while let Some(field) = reader.next_field()? {
        match field.number {
            2 => point.head.start_ns = field.fixed64()?,
            3 => point.head.t_ns = field.fixed64()?,
            4 => point.value = Some(Number::Double(field.double()?)),
            5 => point.exemplars.push(exemplar(field.message()?)?),
            6 => point.value = Some(Number::Int(field.fixed64()? as i64)),
            7 => attributes.see(at, &mut reader),
            8 => point.head.flags = field.uint32()?,
            _ => {}
        }
        at = reader.position();
    }
    point.head.attributes = attributes.of(bytes)?;
    Ok(point)
}

fn histogram_point<'a>(bytes: &'a [u8]) -> Result<HistogramPoint<'a>> {
    let mut point = HistogramPoint::default();
    let mut reader = Reader::new(bytes);
    let mut attributes = AttributeFields::new(9);
    let mut at = 0;
    while let Some(field) = reader.next_field()? {
        match field.number {
            2 => point.head.start_ns = field.fixed64()?,
            3 => point.head.t_ns = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = Some(field.double()?),
            6 => field.fixed64s(|v| point.buckets.push(v))?,
            7 => field.doubles(|v| point.bounds.push(v))?,
            8 => point.exemplars.push(exemplar(field.message()?)?),
            9 => attributes.see(at, &mut reader),
            10 => point.head.flags = field.uint32()?,
            _ => {}
        }
        at = reader.position();
    }
    point.head.attributes = attributes.of(bytes)?;
    Ok(point)
}

fn exponential_point<'a>(bytes: &'a [u8]) -> Result<ExponentialPoint<'a>> {
    let mut point = ExponentialPoint::default();
    let mut reader = Reader::new(bytes);
    let mut attributes = AttributeFields::new(1);
    let mut at = 0;
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => attributes.see(at, &mut reader),
            2 => point.head.start_ns = field.fixed64()?,
            3 => point.head.t_ns = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = Some(field.double()?),
            6 => point.scale = field.sint32()?,
            7 => point.zero = field.fixed64()?,
            8 => point.positive = buckets(field.message()?)?,
            9 => point.negative = buckets(field.message()?)?,
            10 => point.head.flags = field.uint32()?,
            11 => point.exemplars.push(exemplar(field.message()?)?),
            14 => point.zero_threshold = field.double()?,
            _ => {}
        }
        at = reader.position();
    }
    point.head.attributes = attributes.of(bytes)?;
    Ok(point)
}

fn buckets(mut reader: Reader<'_>) -> Result<ExponentialBuckets> {
    let mut buckets = ExponentialBuckets::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => buckets.offset = field.sint32()?,
            2 => field.varints(|v| buckets.counts.push(v))?,
            _ => {}
        }
    }
    Ok(buckets)
}

fn summary_point<'a>(bytes: &'a [u8]) -> Result<SummaryPoint<'a>> {
    let mut point = SummaryPoint::default();
    let mut reader = Reader::new(bytes);
    let mut attributes = AttributeFields::new(7);
    let mut at = 0;
    while let Some(field) = reader.next_field()? {
        match field.number {
            2 => point.head.start_ns = field.fixed64()?,
            3 => point.head.t_ns = field.fixed64()?,
            4 => point.count = field.fixed64()?,
            5 => point.sum = field.double()?,
            6 => point.quantiles.push(quantile(field.message()?)?),
            7 => attributes.see(at, &mut reader),
            8 => point.head.flags = field.uint32()?,
            _ => {}
        }
        at = reader.position();
    }
    point.head.attributes = attributes.of(bytes)?;
    Ok(point)
}

fn quantile(mut reader: Reader<'_>) -> Result<(f64, f64)> {
    let mut pair = (0.0, 0.0);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => pair.0 = field.double()?,
            2 => pair.1 = field.double()?,
            _ => {}
        }
    }
    Ok(pair)
}

fn exemplar<'a>(mut reader: Reader<'a>) -> Result<PointExemplar<'a>> {
    let mut exemplar = PointExemplar::default();
    while let Some(field) = reader.next_field()? {
        match field.number {
            2 => exemplar.t_ns = field.fixed64()?,
            3 => exemplar.value = Some(Number::Double(field.double()?)),
            4 => exemplar.span_id = Cow::Borrowed(field.bytes()?),
            5 => exemplar.trace_id = Cow::Borrowed(field.bytes()?),
            6 => exemplar.value = Some(Number::Int(field.fixed64()? as i64)),
            7 => exemplar.attributes.push(attribute(field, 0)?),
            _ => {}
        }
    }
    Ok(exemplar)
}

/// Where the attributes of a point stand in its message.
struct AttributeFields {
    number: u32,
    start: usize,
    end: usize,
    /// They do not stand in one piece, so their bytes are no key.
    is_scattered: bool,
}

impl AttributeFields {
    fn new(number: u32) -> Self {
        AttributeFields {
            number,
            start: 0,
            end: 0,
            is_scattered: false,
        }
    }

    /// Takes the attribute that began at `at`, and those that follow it at once.
    fn see(&mut self, at: usize, reader: &mut Reader<'_>) {
        if self.end == 0 {
            self.start = at;
        } else if self.end != at {
            self.is_scattered = true;
        }
        // The tag of a field with a length takes one byte up to number 15.
        reader.skip_short_fields((self.number << 3 | 2) as u8);
        self.end = reader.position();
    }

    fn of<'a>(&self, bytes: &'a [u8]) -> Result<Attributes<'a>> {
        if self.is_scattered {
            return decode_attributes(bytes, self.number).map(Attributes::Decoded);
        }
        Ok(Attributes::Encoded {
            fields: &bytes[self.start..self.end],
            number: self.number,
        })
    }
}

/// The attributes among the fields of a message.
pub(super) fn decode_attributes(bytes: &[u8], number: u32) -> Result<Vec<Attribute<'_>>> {
    let mut all = Vec::new();
    let mut reader = Reader::new(bytes);
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            all.push(attribute(field, 0)?);
        }
    }
    Ok(all)
}

fn attribute(field: Field<'_>, depth: usize) -> Result<Attribute<'_>> {
    let mut attribute = Attribute::default();
    let mut reader = field.message()?;
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => attribute.key = Cow::Borrowed(field.string()?),
            2 => attribute.value = any_value(field, depth)?,
            _ => {}
        }
    }
    Ok(attribute)
}

fn any_value(field: Field<'_>, depth: usize) -> Result<AnyValue<'_>> {
    if depth >= NESTING_MAX {
        return Err(OtlpError::TooDeep { max: NESTING_MAX });
    }
    let mut value = AnyValue::Empty;
    let mut reader = field.message()?;
    while let Some(field) = reader.next_field()? {
        value = match field.number {
            1 => AnyValue::Str(Cow::Borrowed(field.string()?)),
            2 => AnyValue::Bool(field.bool()?),
            3 => AnyValue::Int(field.int64()?),
            4 => AnyValue::Double(field.double()?),
            5 => AnyValue::Array(items(field, |f| any_value(f, depth + 1))?),
            6 => AnyValue::Map(items(field, |f| attribute(f, depth + 1))?),
            7 => AnyValue::Bytes(Cow::Borrowed(field.bytes()?)),
            _ => value,
        };
    }
    Ok(value)
}

/// The elements of a list message: all its fields with number 1.
fn items<'a, T>(outer: Field<'a>, each: impl Fn(Field<'a>) -> Result<T>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut reader = outer.message()?;
    while let Some(field) = reader.next_field()? {
        if field.number == 1 {
            all.push(each(field)?);
        }
    }
    Ok(all)
}

impl From<ProtobufError> for OtlpError {
    fn from(source: ProtobufError) -> Self {
        OtlpError::Protobuf { source }
    }
}
