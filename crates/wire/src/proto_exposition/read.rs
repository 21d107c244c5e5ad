//! A page in protobuf, as series.
//!
//! 1. Each family is read for its name and type, then metric by metric into series.
//! 2. A histogram with native buckets becomes one series of native histograms; its classic buckets are kept beside it
//!    only if the caller asks. Without native buckets the classic ones become `_bucket`, `_sum` and `_count`.
//! 3. `le` and `quantile` are spelled canonically (`1.0`), as Prometheus does.

use crate::classic_buckets::{ClassicError, ClassicHistogram, ClassicPart};
use crate::protobuf::{Field, ProtobufError, Reader};
use crate::remote_write::{RemoteWriteError, absolute_counts, decode_span};
use crate::text::canonical_label;
use lapwing_types::{
    Counts, Exemplar, Histogram, Labels, LabelsError, METRIC_NAME, Metadata, MetricKind, ResetHint, Sample,
    SeriesWrite, Span, WriteBatch,
};
use std::sync::Arc;

#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum ExpositionError {
    #[error("the page is not valid protobuf after family {family:?}")]
    Protobuf {
        /// The last family whose name was read.
        family: String,
        #[source]
        source: ProtobufError,
    },
    #[error("a metric of family {family:?} has invalid labels")]
    Labels {
        family: String,
        #[source]
        source: LabelsError,
    },
    #[error("a histogram of family {family:?} is invalid")]
    Histogram {
        family: String,
        #[source]
        source: RemoteWriteError,
    },
    #[error("a family has no name")]
    NoFamilyName,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ExpositionOptions {
    /// The time of metrics that bring none.
    pub default_t_ms: i64,
    /// Take the native buckets of a histogram that has both kinds.
    pub native: bool,
    /// Make native ones, with custom bounds, of the classic buckets of a histogram that has no others.
    pub classic_to_custom: bool,
    /// Keep the classic buckets beside the native ones.
    pub classic_beside_native: bool,
}

impl ExpositionOptions {
    /// Every histogram as it is, and native where it has both kinds.
    pub const fn at(default_t_ms: i64) -> Self {
        ExpositionOptions {
            default_t_ms,
            native: true,
            classic_to_custom: false,
            classic_beside_native: false,
        }
    }
}

/// What a page says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ExpositionPage {
    pub batch: WriteBatch,
    /// Labels that the page gives as empty: the index of a series, and a name. Ascending, and almost always none.
    pub unset: Vec<(usize, String)>,
}

/// As [`parse`], for those who have no labels of their own to add.
pub fn parse_to_batch(bytes: &[u8], options: ExpositionOptions) -> Result<WriteBatch, ExpositionError> {
    parse(bytes, options).map(|page| page.batch)
}

/// Parses the whole page or says in which family it stops making sense.
pub fn parse(bytes: &[u8], options: ExpositionOptions) -> Result<ExpositionPage, ExpositionError> {
    let mut page = Page {
        options,
        batch: WriteBatch::default(),
        unset: Vec::new(),
        family: String::new(),
        kind: MetricKind::Unknown,
    };
    let mut reader = Reader::new(bytes);
    while !reader.is_at_end() {
        let message = reader.varint().and_then(|length| reader.take(length));
        let result = message.map_err(Error::from).and_then(|m| page.family(m));
        result.map_err(|error| error.in_family(&page.family))?;
    }
    Ok(ExpositionPage {
        batch: page.batch,
        unset: page.unset,
    })
}

/// What goes wrong inside a family, before its name is attached.
enum Error {
    Protobuf(ProtobufError),
    Labels(LabelsError),
    Histogram(RemoteWriteError),
    NoName,
}

impl From<ProtobufError> for Error {
    fn from(source: ProtobufError) -> Self {
        Error::Protobuf(source)
    }
}

impl From<LabelsError> for Error {
    fn from(source: LabelsError) -> Self {
        Error::Labels(source)
    }
}

impl Error {
    fn in_family(self, family: &str) -> ExpositionError {
        let family = family.to_owned();
        match self {
            Error::Protobuf(source) => ExpositionError::Protobuf { family, source },
            Error::Labels(source) => ExpositionError::Labels { family, source },
            Error::Histogram(source) => ExpositionError::Histogram { family, source },
            Error::NoName => ExpositionError::NoFamilyName,
        }
    }
}

struct Page {
    options: ExpositionOptions,
    batch: WriteBatch,
    unset: Vec<(usize, String)>,
    family: String,
    kind: MetricKind,
}

/// What the metrics of all types have in common.
struct Metric<'a> {
    labels: Vec<(&'a str, &'a str)>,
    t_ms: i64,
}

impl Page {
    fn family(&mut self, message: &[u8]) -> Result<(), Error> {
        let mut name = "";
        let mut metadata = Metadata {
            kind: MetricKind::Counter,
            ..Metadata::default()
        };
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => name = field.string()?,
                2 => metadata.help = field.string()?.to_owned(),
                3 => metadata.kind = kind_of(field.int32()?),
                5 => metadata.unit = field.string()?.to_owned(),
                _ => {}
            }
        }
        if name.is_empty() {
            return Err(Error::NoName);
        }
        name.clone_into(&mut self.family);
        self.kind = metadata.kind;
        self.batch.metadata.push((name.to_owned(), metadata));
        let mut reader = Reader::new(message);
        while let Some(field) = reader.next_field()? {
            if field.number == 4 {
                self.metric(field.message()?)?;
            }
        }
        Ok(())
    }

    fn metric(&mut self, reader: Reader<'_>) -> Result<(), Error> {
        let mut metric = Metric {
            labels: Vec::with_capacity(8),
            t_ms: self.options.default_t_ms,
        };
        let mut fields = reader;
        while let Some(field) = fields.next_field()? {
            match field.number {
                1 => metric.labels.push(label_pair(field.message()?)?),
                6 => metric.t_ms = field.int64()?,
                _ => {}
            }
        }
        let first = self.batch.series.len();
        let mut fields = reader;
        while let Some(field) = fields.next_field()? {
            match field.number {
                2 | 3 | 5 => self.number(&metric, field)?,
                4 => self.summary(&metric, field.message()?)?,
                7 => self.histogram(&metric, field.message()?)?,
                _ => {}
            }
        }
        for series in first..self.batch.series.len() {
            let unset = metric.labels.iter().filter(|(_, value)| value.is_empty());
            self.unset
                .extend(unset.map(|(name, _)| (series, (*name).to_owned())));
        }
        Ok(())
    }

    /// Gauge, counter and untyped: a value in field 1; a counter also an exemplar and a start.
    fn number(&mut self, metric: &Metric<'_>, field: Field<'_>) -> Result<(), Error> {
        let is_counter = field.number == 3;
        let (mut value, mut exemplars, mut start_ms) = (0.0, Vec::new(), None);
        let mut reader = field.message()?;
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => value = field.double()?,
                2 if is_counter => exemplars.push(exemplar(field.message()?)?),
                3 if is_counter => start_ms = Some(timestamp(field.message()?)?),
                _ => {}
            }
        }
        let series = self.push(metric, "", None, value)?;
        series.exemplars = exemplars;
        series.start_ms = start_ms;
        Ok(())
    }

    fn summary(&mut self, metric: &Metric<'_>, mut reader: Reader<'_>) -> Result<(), Error> {
        let first = self.batch.series.len();
        let (mut count, mut sum, mut start_ms) = (0, 0.0, None);
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => count = field.uint64()?,
                2 => sum = field.double()?,
                3 => {
                    let (quantile, value) = quantile(field.message()?)?;
                    self.push(metric, "", Some(("quantile", quantile)), value)?;
                }
                4 => start_ms = Some(timestamp(field.message()?)?),
                _ => {}
            }
        }
        self.push(metric, "_sum", None, sum)?;
        self.push(metric, "_count", None, count as f64)?;
        for series in &mut self.batch.series[first..] {
            series.start_ms = start_ms;
        }
        Ok(())
    }

    fn histogram(&mut self, metric: &Metric<'_>, reader: Reader<'_>) -> Result<(), Error> {
        let message = HistogramMessage::read(reader)?;
        let first = self.batch.series.len();
        let native = if self.options.native && message.is_native() {
            Some(message.native(self.kind).map_err(Error::Histogram)?)
        } else if self.options.classic_to_custom && self.kind == MetricKind::Histogram {
            // What makes no histogram stays as it is.
            message.custom().ok()
        } else {
            None
        };
        let is_native = native.is_some();
        if let Some(histogram) = native {
            self.batch.series.push(SeriesWrite {
                labels: self.labels(metric, "", None)?,
                histograms: vec![(metric.t_ms, histogram)],
                exemplars: message.native_exemplars(),
                ..SeriesWrite::default()
            });
        }
        if !is_native || self.options.classic_beside_native {
            self.classic(metric, &message)?;
        }
        for series in &mut self.batch.series[first..] {
            series.start_ms = message.start_ms;
        }
        Ok(())
    }

    fn classic(&mut self, metric: &Metric<'_>, message: &HistogramMessage) -> Result<(), Error> {
        let count = message.all();
        let mut has_inf = false;
        for bucket in &message.buckets {
            has_inf = has_inf || bucket.upper_bound == f64::INFINITY;
            let series = self.push(
                metric,
                "_bucket",
                Some(("le", bucket.upper_bound)),
                bucket.cumulative,
            )?;
            series.exemplars.extend(bucket.exemplar.clone());
        }
        if !has_inf {
            self.push(metric, "_bucket", Some(("le", f64::INFINITY)), count)?;
        }
        self.push(metric, "_sum", None, message.sum)?;
        self.push(metric, "_count", None, count)?;
        Ok(())
    }

    fn push(
        &mut self,
        metric: &Metric<'_>,
        suffix: &str,
        bound: Option<(&str, f64)>,
        value: f64,
    ) -> Result<&mut SeriesWrite, Error> {
        let labels = self.labels(metric, suffix, bound)?;
        let t_ms = metric.t_ms;
        self.batch.series.push(SeriesWrite {
            labels,
            samples: vec![Sample { t_ms, value }],
            ..SeriesWrite::default()
        });
        let last = self.batch.series.len() - 1;
        Ok(&mut self.batch.series[last])
    }

    fn labels(
        &self,
        metric: &Metric<'_>,
        suffix: &str,
        bound: Option<(&str, f64)>,
    ) -> Result<Labels, LabelsError> {
        let name = format!("{}{suffix}", self.family);
        let bound = bound.map(|(label, value)| (label, canonical_label(value)));
        let own = metric.labels.iter().copied();
        let extra = bound.iter().map(|(label, value)| (*label, value.as_str()));
        Labels::from_pairs(own.chain([(METRIC_NAME, name.as_str())]).chain(extra))
    }
}

#[derive(Default)]
struct HistogramMessage {
    count: u64,
    count_float: Option<f64>,
    sum: f64,
    buckets: Vec<Bucket>,
    schema: i32,
    zero_threshold: f64,
    zero: u64,
    zero_float: Option<f64>,
    negative: Side,
    positive: Side,
    start_ms: Option<i64>,
    exemplars: Vec<Exemplar>,
}

#[derive(Default)]
struct Side {
    spans: Vec<Span>,
    deltas: Vec<i64>,
    counts: Vec<f64>,
}

struct Bucket {
    cumulative: f64,
    upper_bound: f64,
    exemplar: Option<Exemplar>,
}

impl HistogramMessage {
    fn read(mut reader: Reader<'_>) -> Result<Self, Error> {
        let mut m = HistogramMessage::default();
        let unzigzag = crate::protobuf::unzigzag;
        while let Some(field) = reader.next_field()? {
            match field.number {
                1 => m.count = field.uint64()?,
                2 => m.sum = field.double()?,
                3 => m.buckets.push(bucket(field.message()?)?),
                4 => m.count_float = Some(field.double()?).filter(|c| *c > 0.0),
                5 => m.schema = field.sint32()?,
                6 => m.zero_threshold = field.double()?,
                7 => m.zero = field.uint64()?,
                8 => m.zero_float = Some(field.double()?).filter(|c| *c > 0.0),
                9 => m.negative.spans.push(decode_span(field.message()?)?),
                10 => field.varints(|v| m.negative.deltas.push(unzigzag(v)))?,
                11 => field.doubles(|v| m.negative.counts.push(v))?,
                12 => m.positive.spans.push(decode_span(field.message()?)?),
                13 => field.varints(|v| m.positive.deltas.push(unzigzag(v)))?,
                14 => field.doubles(|v| m.positive.counts.push(v))?,
                15 => m.start_ms = Some(timestamp(field.message()?)?),
                16 => m.exemplars.push(exemplar(field.message()?)?),
                _ => {}
            }
        }
        Ok(m)
    }

    /// A client marks a native histogram without observations by an empty span or a zero threshold.
    fn is_native(&self) -> bool {
        !self.positive.spans.is_empty()
            || !self.negative.spans.is_empty()
            || self.zero_threshold > 0.0
            || self.zero > 0
            || self.zero_float.is_some()
    }

    fn all(&self) -> f64 {
        self.count_float.unwrap_or(self.count as f64)
    }

    fn custom(&self) -> Result<Histogram, ClassicError> {
        let mut classic = ClassicHistogram::default();
        for bucket in &self.buckets {
            let upper_bound = bucket.upper_bound;
            classic.add(ClassicPart::Bucket { upper_bound }, bucket.cumulative);
        }
        classic.add(ClassicPart::Sum, self.sum);
        classic.add(ClassicPart::Count, self.all());
        classic.into_custom()
    }

    fn native(&self, kind: MetricKind) -> Result<Histogram, RemoteWriteError> {
        let is_float = self.count_float.is_some()
            || self.zero_float.is_some()
            || !self.positive.counts.is_empty()
            || !self.negative.counts.is_empty();
        let counts = if is_float {
            Counts::Float {
                count: self.count_float.unwrap_or(0.0),
                zero: self.zero_float.unwrap_or(0.0),
                positive: self.positive.counts.clone(),
                negative: self.negative.counts.clone(),
            }
        } else {
            Counts::Int {
                count: self.count,
                zero: self.zero,
                positive: absolute_counts("positive", &self.positive.deltas)?,
                negative: absolute_counts("negative", &self.negative.deltas)?,
            }
        };
        Ok(Histogram {
            reset_hint: match kind {
                MetricKind::GaugeHistogram => ResetHint::Gauge,
                _ => ResetHint::Unknown,
            },
            schema: self.schema,
            zero_threshold: self.zero_threshold,
            sum: self.sum,
            positive_spans: self.positive.spans.clone(),
            negative_spans: self.negative.spans.clone(),
            counts,
            custom_bounds: Arc::from([]),
        })
    }

    /// Those of the histogram itself, else those of its classic buckets that say when they were taken.
    fn native_exemplars(&self) -> Vec<Exemplar> {
        if !self.exemplars.is_empty() {
            return self.exemplars.clone();
        }
        let of_buckets = self.buckets.iter().filter_map(|b| b.exemplar.clone());
        of_buckets.filter(|e| e.t_ms.is_some()).collect()
    }
}

fn kind_of(code: i32) -> MetricKind {
    match code {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Summary,
        4 => MetricKind::Histogram,
        5 => MetricKind::GaugeHistogram,
        _ => MetricKind::Unknown,
    }
}

fn label_pair<'a>(mut reader: Reader<'a>) -> Result<(&'a str, &'a str), ProtobufError> {
    let mut pair = ("", "");
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => pair.0 = field.string()?,
            2 => pair.1 = field.string()?,
            _ => {}
        }
    }
    Ok(pair)
}

fn quantile(mut reader: Reader<'_>) -> Result<(f64, f64), ProtobufError> {
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

fn bucket(mut reader: Reader<'_>) -> Result<Bucket, Error> {
    let mut bucket = Bucket {
        cumulative: 0.0,
        upper_bound: 0.0,
        exemplar: None,
    };
    let mut as_float = None;
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => bucket.cumulative = field.uint64()? as f64,
            2 => bucket.upper_bound = field.double()?,
            3 => bucket.exemplar = Some(exemplar(field.message()?)?),
            4 => as_float = Some(field.double()?).filter(|c| *c > 0.0),
            _ => {}
        }
    }
    bucket.cumulative = as_float.unwrap_or(bucket.cumulative);
    Ok(bucket)
}

fn exemplar(mut reader: Reader<'_>) -> Result<Exemplar, Error> {
    let (mut pairs, mut value, mut t_ms) = (Vec::new(), 0.0, None);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => pairs.push(label_pair(field.message()?)?),
            2 => value = field.double()?,
            3 => t_ms = Some(timestamp(field.message()?)?),
            _ => {}
        }
    }
    Ok(Exemplar {
        labels: Labels::from_pairs(pairs)?,
        value,
        t_ms,
    })
}

/// `google.protobuf.Timestamp` in milliseconds.
fn timestamp(mut reader: Reader<'_>) -> Result<i64, ProtobufError> {
    let (mut seconds, mut nanos) = (0i64, 0i32);
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => seconds = field.int64()?,
            2 => nanos = field.int32()?,
            _ => {}
        }
    }
    Ok(seconds
        .saturating_mul(1000)
        .saturating_add(i64::from(nanos / 1_000_000)))
}
