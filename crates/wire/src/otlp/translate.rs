//! From what an SDK sent to what the store keeps.
//!
//! 1. Per resource and scope: what all their points share ([`super::labels`]).
//! 2. Per metric: its metadata, its points.
//! 3. Per point: cumulative values go through, deltas are added up ([`super::delta`]), then the point becomes one series
//!    or, for classic histograms and summaries, several. What cannot be kept is counted by reason.
//! 4. Per resource: `target_info`, at the time of its newest point.
//!
//! A series that the sink knows by its key costs no labels and no metric name ([`super::sink`]).

use super::delta::{DeltaBook, DeltaChanges, DeltaState, Total};
use super::error::{OtlpError, RejectReason, Rejection};
use super::exponential::Exponential;
use super::families::Family;
use super::histogram::Explicit;
use super::labels::{self, Context};
use super::model::{
    Data, ExponentialPoint, HistogramPoint, Metric, MetricsRequest, NumberPoint, PointExemplar, PointHead,
    ResourceMetrics, SummaryPoint, Temporality,
};
use super::names::NameTranslation;
use super::point::{Key, Named, Part, Point, WHOLE};
use super::rejections::{Rejections, Stop};
use super::sink::SeriesSink;
use super::{json, proto};
use lapwing_types::{Exemplar, Histogram, WriteBatch, stale_nan};
use std::fmt::Write;

/// Attributes of a point, a resource or a scope. SDKs stop at 128 and the store at 64 labels; comparing each with each is cheap up
/// to here.
const ATTRIBUTES_MAX: usize = 256;

/// The wishes of the config. The defaults are those of Prometheus.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OtlpOptions {
    pub names: NameTranslation,
    /// Resource attributes that become labels of every series.
    pub promoted_attributes: Vec<String>,
    pub promote_all_attributes: bool,
    /// Keep `service.name` and its kin in `target_info`, beside `job` and `instance`.
    pub keep_identifying_attributes: bool,
    /// `otel_scope_name` and its kin on every series.
    pub scope_labels: bool,
    /// Explicit bounds become native histograms with custom buckets.
    pub custom_bucket_histograms: bool,
}

/// What came of a request, beside what the sink was given.
#[derive(Debug)]
pub struct Taken<'r, G> {
    pub rejections: Vec<Rejection>,
    /// Whose metadata stands in the request.
    pub families: Vec<Family<'r>>,
    /// For [`DeltaState::apply`], once the samples are kept.
    pub delta_changes: DeltaChanges,
    /// The book of deltas, if it was needed: to be held until the changes are applied.
    pub deltas: Option<G>,
}

/// A translated request.
#[derive(Clone, Debug, Default)]
pub struct Translated {
    pub batch: WriteBatch,
    pub rejections: Vec<Rejection>,
    pub delta_changes: DeltaChanges,
}

pub fn decode_proto(bytes: &[u8]) -> Result<MetricsRequest<'_>, OtlpError> {
    proto::decode(bytes)
}

pub fn decode_json(bytes: &[u8]) -> Result<MetricsRequest<'_>, OtlpError> {
    json::decode(bytes)
}

/// A single request as one batch.
pub fn translate(
    request: &MetricsRequest<'_>,
    options: &OtlpOptions,
    state: &DeltaState,
) -> Result<Translated, OtlpError> {
    let mut batch = WriteBatch::default();
    let book = || DeltaBook::new(state.clone());
    let taken = translate_into(request, options, book, &mut batch)?;
    let families = taken.families.iter();
    batch.metadata = families.filter_map(|family| family.metadata(options)).collect();
    Ok(Translated {
        batch,
        rejections: taken.rejections,
        delta_changes: taken.delta_changes,
    })
}

/// Gives the sink all series of a request. `open_deltas` is called at the first delta point, and only then: requests without any
/// do not wait for each other. An error means that the request does not decode, and nothing of it should be kept.
pub fn translate_into<'r, S: SeriesSink, G: AsMut<DeltaBook>>(
    request: &'r MetricsRequest<'r>,
    options: &'r OtlpOptions,
    open_deltas: impl Fn() -> G,
    sink: &mut S,
) -> Result<Taken<'r, G>, OtlpError> {
    let mut translator = Translator {
        options,
        sink,
        open_deltas,
        deltas: None,
        changes: DeltaChanges::default(),
        rejections: Rejections::default(),
        families: Vec::new(),
        key: Key::default(),
        newest_ms: None,
    };
    for resource in &request.resources {
        translator.resource(resource)?;
    }
    Ok(Taken {
        rejections: translator.rejections.list,
        families: translator.families,
        delta_changes: translator.changes,
        deltas: translator.deltas,
    })
}

struct Translator<'r, 's, S, G, O> {
    options: &'r OtlpOptions,
    sink: &'s mut S,
    open_deltas: O,
    deltas: Option<G>,
    changes: DeltaChanges,
    rejections: Rejections,
    families: Vec<Family<'r>>,
    key: Key,
    newest_ms: Option<i64>,
}

type Accepted = Result<(), Stop>;

impl<'r, S, G, O> Translator<'r, '_, S, G, O>
where
    S: SeriesSink,
    G: AsMut<DeltaBook>,
    O: Fn() -> G,
{
    fn resource(&mut self, resource: &'r ResourceMetrics<'r>) -> Result<(), OtlpError> {
        self.newest_ms = None;
        for scope in &resource.scopes {
            let bounded = bounded("the resource", resource.attributes.len())
                .and_then(|()| bounded("the scope", scope.attributes.len()));
            if let Err(reason) = bounded {
                for metric in &scope.metrics {
                    let count = metric.data.as_ref().map_or(0, Data::points_count);
                    self.rejections.add(&metric.name, &reason, count as u64);
                }
                continue;
            }
            let context = Context::new(resource, scope, self.options);
            self.key.begin_scope(&context, self.options.names);
            for metric in &scope.metrics {
                self.metric(metric, &context)?;
            }
        }
        if let Some(t_ms) = self.newest_ms {
            self.target_info(resource, t_ms);
        }
        Ok(())
    }

    fn target_info(&mut self, resource: &ResourceMetrics<'_>, t_ms: i64) {
        let key = &mut self.key.scratch;
        key.clear();
        labels::target_info_key(resource, self.options, key);
        let series = self.sink.known(key).or_else(|| {
            let made = labels::target_info(resource, self.options)?;
            self.sink.bind(key, &made.ok()?)
        });
        if let Some(series) = series {
            self.sink.sample(series, t_ms, 1.0);
        }
    }

    fn metric(&mut self, metric: &'r Metric<'r>, context: &Context<'_>) -> Result<(), OtlpError> {
        let Some(data) = &metric.data else {
            self.rejections.add(&metric.name, &RejectReason::NoData, 1);
            return Ok(());
        };
        // A unit alone makes a name, too. What is left without one by the translation is found out when its labels are made.
        if metric.name.is_empty() && self.options.names.metric_name(metric).is_empty() {
            let count = data.points_count().max(1) as u64;
            self.rejections.add(&metric.name, &RejectReason::NoName, count);
            return Ok(());
        }
        let family = Family::of(metric, data, self.options, &mut self.key.scratch);
        // Said once where one metric comes in several pieces, one after the other.
        if self.families.last().is_none_or(|last| !last.is_same(&family)) {
            self.families.push(family);
        }
        self.key.begin_metric(metric, data);
        let options = self.options;
        let named = &Named::new(metric, options.names);
        let point = |head| Point::new(named, context, head, options);
        match data {
            Data::Gauge { points } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| t.number(&point(&p.head), p, None),
            ),
            Data::Sum {
                points, temporality, ..
            } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| t.number(&point(&p.head), p, Some(*temporality)),
            ),
            Data::Histogram { points, temporality } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| t.histogram(&point(&p.head), p, *temporality),
            ),
            Data::Exponential { points, temporality } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| t.exponential(&point(&p.head), p, *temporality),
            ),
            Data::Summary { points } => {
                self.points(metric, points, |p| &p.head, |t, p| t.summary(&point(&p.head), p))
            }
        }
    }

    fn points<'p, P>(
        &mut self,
        metric: &Metric<'_>,
        points: &'p [P],
        head: impl Fn(&P) -> &PointHead<'_>,
        mut each: impl FnMut(&mut Self, &'p P) -> Accepted,
    ) -> Result<(), OtlpError> {
        for point in points {
            let accepted = match head(point).t_ns {
                0 => Err(RejectReason::NoTime.into()),
                _ => each(self, point),
            };
            match accepted {
                Ok(()) => {}
                Err(Stop::Point(reason)) => {
                    let series = || said_of(&metric.name, head(point));
                    self.rejections.add_series(&metric.name, series, &reason, 1);
                }
                Err(Stop::Request(error)) => return Err(error),
            }
        }
        Ok(())
    }

    fn number(
        &mut self,
        point: &Point<'_>,
        data: &NumberPoint<'_>,
        temporality: Option<Temporality>,
    ) -> Accepted {
        let value = match data.value {
            _ if point.is_stale => stale_nan(),
            Some(value) => value.as_f64(),
            None => return Err(RejectReason::NoValue.into()),
        };
        let (value, start_ms) = match temporality {
            Some(Temporality::Unspecified) => return Err(RejectReason::NoTemporality.into()),
            Some(Temporality::Delta) if !point.is_stale => match self.total(point, Total::Number(value))? {
                (Total::Number(total), start_ms) => (total, Some(start_ms)),
                _ => (value, point.start_ms),
            },
            Some(_) => (value, point.start_ms),
            // A gauge began nowhere.
            None => (value, None),
        };
        if let Some(series) = self.push(point, WHOLE, value, start_ms)? {
            self.push_exemplars(series, self.exemplars(&data.exemplars));
        }
        Ok(())
    }

    fn histogram(
        &mut self,
        point: &Point<'_>,
        data: &HistogramPoint<'_>,
        temporality: Temporality,
    ) -> Accepted {
        let explicit = Explicit::from_point(data)?;
        let (explicit, start_ms) = match temporality {
            Temporality::Unspecified => return Err(RejectReason::NoTemporality.into()),
            Temporality::Delta if !point.is_stale => match self.total(point, explicit.clone().into())? {
                (
                    Total::Histogram {
                        count,
                        sum,
                        bounds,
                        buckets,
                    },
                    start_ms,
                ) => {
                    let total = Explicit {
                        count,
                        sum,
                        bounds,
                        buckets,
                    };
                    (total, Some(start_ms))
                }
                _ => (explicit, point.start_ms),
            },
            _ => (explicit, point.start_ms),
        };
        let exemplars = self.exemplars(&data.exemplars);
        if self.options.custom_bucket_histograms {
            return self.push_native(point, explicit.to_custom(), start_ms, exemplars);
        }
        self.classic(point, &explicit, start_ms, exemplars)
    }

    fn classic(
        &mut self,
        point: &Point<'_>,
        explicit: &Explicit,
        start_ms: Option<i64>,
        mut exemplars: Vec<Exemplar>,
    ) -> Accepted {
        let mut le = String::new();
        for (bound, count) in explicit.cumulative() {
            write_bound(&mut le, bound);
            let series = self.push(point, ("_bucket", Some(("le", &le))), count as f64, start_ms)?;
            let here: Vec<Exemplar> = exemplars.extract_if(.., |e| e.value <= bound).collect();
            if let Some(series) = series {
                self.push_exemplars(series, here);
            }
        }
        if let Some(sum) = explicit.sum {
            self.push(point, ("_sum", None), sum, start_ms)?;
        }
        self.push(point, ("_count", None), explicit.count as f64, start_ms)?;
        Ok(())
    }

    fn exponential(
        &mut self,
        point: &Point<'_>,
        data: &ExponentialPoint<'_>,
        temporality: Temporality,
    ) -> Accepted {
        let exponential = Exponential::from_point(data)?;
        let (exponential, start_ms) = match temporality {
            Temporality::Unspecified => return Err(RejectReason::NoTemporality.into()),
            Temporality::Delta if !point.is_stale => {
                match self.total(point, Total::Exponential(exponential.clone()))? {
                    (Total::Exponential(total), start_ms) => (total, Some(start_ms)),
                    _ => (exponential, point.start_ms),
                }
            }
            _ => (exponential, point.start_ms),
        };
        let exemplars = self.exemplars(&data.exemplars);
        self.push_native(point, exponential.to_native(), start_ms, exemplars)
    }

    fn summary(&mut self, point: &Point<'_>, data: &SummaryPoint<'_>) -> Accepted {
        let start_ms = point.start_ms;
        let mut text = String::new();
        for (quantile, value) in &data.quantiles {
            write_bound(&mut text, *quantile);
            self.push(point, ("", Some(("quantile", &text))), *value, start_ms)?;
        }
        self.push(point, ("_sum", None), data.sum, start_ms)?;
        self.push(point, ("_count", None), data.count as f64, start_ms)?;
        Ok(())
    }

    /// Adds a delta to what has been counted before; the answer is the new total and since when it counts.
    fn total(&mut self, point: &Point<'_>, delta: Total) -> Result<(Total, i64), Stop> {
        let sum = match &delta {
            Total::Number(value) => Some(*value),
            Total::Histogram { sum, .. } => *sum,
            Total::Exponential(exponential) => exponential.sum(),
        };
        if sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(RejectReason::DeltaNotFinite.into());
        }
        self.key.end(&point.labels, WHOLE);
        let book = self.deltas.get_or_insert_with(&self.open_deltas).as_mut();
        let labels = book.known.find_or_make(&self.key.bytes, || point.make(WHOLE))?;
        Ok(self.changes.add(&book.totals, &labels, point.interval(), delta)?)
    }

    /// `None`: the sink refused it.
    fn series(&mut self, point: &Point<'_>, part: Part<'_>) -> Result<Option<S::Series>, Stop> {
        self.key.end(&point.labels, part);
        let found = match self.sink.known(&self.key.bytes) {
            Some(known) => Some(known),
            None => self.sink.bind(&self.key.bytes, &point.make(part)?),
        };
        self.newest_ms = self.newest_ms.max(Some(point.t_ms));
        Ok(found)
    }

    fn push(
        &mut self,
        point: &Point<'_>,
        part: Part<'_>,
        value: f64,
        start_ms: Option<i64>,
    ) -> Result<Option<S::Series>, Stop> {
        let series = self.series(point, part)?;
        if let Some(series) = series {
            self.sink.sample(series, point.t_ms, point.or_stale(value));
            if let Some(start_ms) = start_ms {
                self.sink.start(series, point.t_ms, start_ms);
            }
        }
        Ok(series)
    }

    fn push_native(
        &mut self,
        point: &Point<'_>,
        mut histogram: Histogram,
        start_ms: Option<i64>,
        exemplars: Vec<Exemplar>,
    ) -> Accepted {
        histogram.sum = point.or_stale(histogram.sum);
        if let Some(series) = self.series(point, WHOLE)? {
            self.sink.histogram(series, point.t_ms, histogram);
            if let Some(start_ms) = start_ms {
                self.sink.start(series, point.t_ms, start_ms);
            }
            self.push_exemplars(series, exemplars);
        }
        Ok(())
    }

    fn push_exemplars(&mut self, series: S::Series, exemplars: Vec<Exemplar>) {
        for exemplar in exemplars {
            self.sink.exemplar(series, exemplar);
        }
    }

    /// Exemplars without a value or with labels that are none are dropped: their point is not the worse for it.
    fn exemplars(&self, all: &[PointExemplar<'_>]) -> Vec<Exemplar> {
        all.iter()
            .filter_map(|e| labels::exemplar(e, self.options))
            .filter_map(Result::ok)
            .collect()
    }
}

/// Attributes that a message repeats.
const ATTRIBUTES_SHOWN_MAX: usize = 16;
const SHOWN_CHARS_MAX: usize = 512;

/// The metric and the attributes of a point as they were sent, for a message.
fn said_of(metric: &str, head: &PointHead<'_>) -> String {
    let attributes = head.attributes.decode().unwrap_or_default();
    if attributes.is_empty() {
        return metric.to_owned();
    }
    let mut text = format!("{metric}{{");
    for (i, attribute) in attributes.iter().take(ATTRIBUTES_SHOWN_MAX).enumerate() {
        let comma = if i == 0 { "" } else { ", " };
        let _ = write!(text, "{comma}{}={:?}", attribute.key, attribute.value.to_text());
    }
    text.push('}');
    if let Some((end, _)) = text.char_indices().nth(SHOWN_CHARS_MAX) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// As the value of `le` or `quantile`, in place of what stood there.
fn write_bound(text: &mut String, bound: f64) {
    text.clear();
    // Writing to a string cannot fail.
    let _ = match bound == f64::INFINITY {
        true => text.write_str("+Inf"),
        false => write!(text, "{bound}"),
    };
}

pub(super) fn bounded(of: &'static str, count: usize) -> Result<(), RejectReason> {
    let max = ATTRIBUTES_MAX;
    match count > max {
        true => Err(RejectReason::TooManyAttributes { of, count, max }),
        false => Ok(()),
    }
}
