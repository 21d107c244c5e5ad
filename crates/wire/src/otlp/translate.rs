//! From what an SDK sent to what the store keeps.
//!
//! 1. Per resource and scope: what all their points share ([`super::labels`]).
//! 2. Per metric: its name, its metadata, its points.
//! 3. Per point: cumulative values go through, deltas are added up ([`super::delta`]), then the point becomes one series
//!    or, for classic histograms and summaries, several. What cannot be kept is counted by reason.
//! 4. Per resource: `target_info`, at the time of its newest point.

use super::delta::{DeltaChanges, DeltaState, Interval, Total};
use super::error::{OtlpError, RejectReason, Rejection};
use super::exponential::Exponential;
use super::histogram::Explicit;
use super::known::KnownLabels;
use super::labels::{self, Context, PointLabels};
use super::model::{
    Data, ExponentialPoint, HistogramPoint, Metric, MetricsRequest, NumberPoint, PointExemplar, PointHead,
    ResourceMetrics, SummaryPoint, Temporality,
};
use super::names::{NameTranslation, unit_text};
use super::{json, proto};
use lapwing_types::{
    Exemplar, Histogram, LabelsError, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch, stale_nan,
};

/// Attributes of a point, a resource or a scope. SDKs stop at 128 and the store at 64 labels; comparing each with each is cheap up
/// to here.
const ATTRIBUTES_MAX: usize = 256;
/// Metrics and reasons that are told apart when they are refused.
const REJECTIONS_MAX: usize = 100;

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

/// A translated request.
#[derive(Clone, Debug, Default)]
pub struct Translated {
    pub batch: WriteBatch,
    pub rejections: Vec<Rejection>,
    /// For [`DeltaState::apply`], once the batch is kept.
    pub delta_changes: DeltaChanges,
}

pub fn decode_proto(bytes: &[u8]) -> Result<MetricsRequest<'_>, OtlpError> {
    proto::decode(bytes)
}

pub fn decode_json(bytes: &[u8]) -> Result<MetricsRequest<'_>, OtlpError> {
    json::decode(bytes)
}

/// A single request; who takes many of the same sender uses [`translate_known`].
pub fn translate(request: &MetricsRequest<'_>, options: &OtlpOptions, state: &DeltaState) -> Translated {
    translate_known(request, options, state, &mut KnownLabels::default())
}

/// The same series, and cheaper for those that `known` has seen before.
pub fn translate_known(
    request: &MetricsRequest<'_>,
    options: &OtlpOptions,
    state: &DeltaState,
    known: &mut KnownLabels,
) -> Translated {
    known.begin(options);
    let mut translator = Translator {
        options,
        state,
        known,
        out: Translated::default(),
        newest_ms: None,
    };
    for resource in &request.resources {
        translator.resource(resource);
    }
    translator.out
}

struct Translator<'o> {
    options: &'o OtlpOptions,
    state: &'o DeltaState,
    known: &'o mut KnownLabels,
    out: Translated,
    newest_ms: Option<i64>,
}

/// One point on its way: who it is, when, and whether it has ended.
struct Point<'p> {
    name: &'p str,
    labels: PointLabels<'p>,
    t_ms: i64,
    start_ms: Option<i64>,
    is_stale: bool,
}

impl Point<'_> {
    fn interval(&self) -> Interval {
        Interval {
            start_ms: self.start_ms,
            t_ms: self.t_ms,
        }
    }

    fn or_stale(&self, value: f64) -> f64 {
        if self.is_stale { stale_nan() } else { value }
    }
}

type Accepted = Result<(), RejectReason>;

impl From<LabelsError> for RejectReason {
    fn from(source: LabelsError) -> Self {
        RejectReason::Labels(source)
    }
}

impl<'o> Translator<'o> {
    fn resource(&mut self, resource: &ResourceMetrics<'_>) {
        self.newest_ms = None;
        for scope in &resource.scopes {
            let bounded = bounded("the resource", resource.attributes.len())
                .and_then(|()| bounded("the scope", scope.attributes.len()));
            if let Err(reason) = bounded {
                for metric in &scope.metrics {
                    let count = metric.data.as_ref().map_or(0, Data::points_count);
                    self.reject_points(metric, &reason, count as u64);
                }
                continue;
            }
            let context = Context::new(resource, scope, self.options);
            for metric in &scope.metrics {
                self.metric(metric, &context);
            }
        }
        if let Some(t_ms) = self.newest_ms
            && let Some(Ok(labels)) = labels::target_info(resource, self.options)
        {
            self.out.batch.series.push(SeriesWrite {
                labels,
                samples: vec![Sample { t_ms, value: 1.0 }],
                ..SeriesWrite::default()
            });
        }
    }

    fn metric(&mut self, metric: &Metric<'_>, context: &Context<'_>) {
        let name = self.options.names.metric_name(metric);
        let Some(data) = &metric.data else {
            return self.reject(metric, &RejectReason::NoData);
        };
        if name.is_empty() {
            return self.reject(metric, &RejectReason::NoName);
        }
        self.metadata(&name, metric, data);
        match data {
            Data::Gauge { points } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| {
                    let point = t.point(&name, context, &p.head);
                    t.number(&point, p, None)
                },
            ),
            Data::Sum {
                points, temporality, ..
            } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| {
                    let point = t.point(&name, context, &p.head);
                    t.number(&point, p, Some(*temporality))
                },
            ),
            Data::Histogram { points, temporality } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| {
                    let point = t.point(&name, context, &p.head);
                    t.histogram(&point, p, *temporality)
                },
            ),
            Data::Exponential { points, temporality } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| {
                    let point = t.point(&name, context, &p.head);
                    t.exponential(&point, p, *temporality)
                },
            ),
            Data::Summary { points } => self.points(
                metric,
                points,
                |p| &p.head,
                |t, p| {
                    let point = t.point(&name, context, &p.head);
                    t.summary(&point, p)
                },
            ),
        }
    }

    /// Said once where one metric comes in several pieces, one after the other.
    fn metadata(&mut self, name: &str, metric: &Metric<'_>, data: &Data<'_>) {
        let (kind, unit) = (kind_of(data), unit_text(&metric.unit));
        let is_said = self.out.batch.metadata.last().is_some_and(|(last, said)| {
            last == name && said.kind == kind && said.unit == unit && said.help == metric.description.as_ref()
        });
        if !is_said {
            let help = metric.description.as_ref().to_owned();
            let metadata = Metadata { kind, help, unit };
            self.out.batch.metadata.push((name.to_owned(), metadata));
        }
    }

    fn points<P>(
        &mut self,
        metric: &Metric<'_>,
        points: &[P],
        head: impl Fn(&P) -> &PointHead<'_>,
        mut each: impl FnMut(&mut Self, &P) -> Accepted,
    ) {
        for point in points {
            let head = head(point);
            let accepted = match bounded("the point", head.attributes.len()) {
                Ok(()) if head.t_ns == 0 => Err(RejectReason::NoTime),
                Ok(()) => each(self, point),
                Err(reason) => Err(reason),
            };
            if let Err(reason) = accepted {
                self.reject(metric, &reason);
            }
        }
    }

    fn point<'p>(&self, name: &'p str, context: &'p Context<'p>, head: &'p PointHead<'p>) -> Point<'p>
    where
        'o: 'p,
    {
        Point {
            name,
            labels: context.point(&head.attributes, self.options),
            t_ms: head.t_ms(),
            start_ms: head.start_ms(),
            is_stale: head.has_no_value(),
        }
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
            None => return Err(RejectReason::NoValue),
        };
        let (value, start_ms) = match temporality {
            Some(Temporality::Unspecified) => return Err(RejectReason::NoTemporality),
            Some(Temporality::Delta) if !point.is_stale => match self.total(point, Total::Number(value))? {
                (Total::Number(total), start_ms) => (total, Some(start_ms)),
                _ => (value, point.start_ms),
            },
            Some(_) => (value, point.start_ms),
            // A gauge began nowhere.
            None => (value, None),
        };
        let exemplars = self.exemplars(&data.exemplars);
        let series = self.push(point, "", None, value)?;
        series.start_ms = start_ms;
        series.exemplars = exemplars;
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
            Temporality::Unspecified => return Err(RejectReason::NoTemporality),
            Temporality::Delta if !point.is_stale => {
                let delta = Total::Histogram {
                    count: explicit.count,
                    sum: explicit.sum,
                    bounds: explicit.bounds.clone(),
                    buckets: explicit.buckets.clone(),
                };
                match self.total(point, delta)? {
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
                }
            }
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
        let first = self.out.batch.series.len();
        for (bound, count) in explicit.cumulative() {
            let text = if bound == f64::INFINITY {
                "+Inf".to_owned()
            } else {
                bound.to_string()
            };
            let here = exemplars.extract_if(.., |e| e.value <= bound).collect();
            let series = self.push(point, "_bucket", Some(("le", &text)), count as f64)?;
            series.exemplars = here;
        }
        if let Some(sum) = explicit.sum {
            self.push(point, "_sum", None, sum)?;
        }
        self.push(point, "_count", None, explicit.count as f64)?;
        self.began(first, start_ms);
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
            Temporality::Unspecified => return Err(RejectReason::NoTemporality),
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
        let first = self.out.batch.series.len();
        for (quantile, value) in &data.quantiles {
            let text = quantile.to_string();
            self.push(point, "", Some(("quantile", &text)), *value)?;
        }
        self.push(point, "_sum", None, data.sum)?;
        self.push(point, "_count", None, data.count as f64)?;
        self.began(first, point.start_ms);
        Ok(())
    }

    /// Adds a delta to what has been counted before; the answer is the new total and since when it counts.
    fn total(&mut self, point: &Point<'_>, delta: Total) -> Result<(Total, i64), RejectReason> {
        let sum = match &delta {
            Total::Number(value) => Some(*value),
            Total::Histogram { sum, .. } => *sum,
            Total::Exponential(exponential) => exponential.sum(),
        };
        if sum.is_some_and(|sum| !sum.is_finite()) {
            return Err(RejectReason::DeltaNotFinite);
        }
        let labels = point.labels.named((point.name, ""), None, self.known)?;
        self.out
            .delta_changes
            .add(self.state, &labels, point.interval(), delta)
    }

    fn push(
        &mut self,
        point: &Point<'_>,
        suffix: &str,
        bound: Option<(&str, &str)>,
        value: f64,
    ) -> Result<&mut SeriesWrite, RejectReason> {
        let labels = point.labels.named((point.name, suffix), bound, self.known)?;
        self.seen(point.t_ms);
        self.out.batch.series.push(SeriesWrite {
            labels,
            samples: vec![Sample {
                t_ms: point.t_ms,
                value: point.or_stale(value),
            }],
            ..SeriesWrite::default()
        });
        let last = self.out.batch.series.len() - 1;
        Ok(&mut self.out.batch.series[last])
    }

    fn push_native(
        &mut self,
        point: &Point<'_>,
        mut histogram: Histogram,
        start_ms: Option<i64>,
        exemplars: Vec<Exemplar>,
    ) -> Accepted {
        histogram.sum = point.or_stale(histogram.sum);
        let labels = point.labels.named((point.name, ""), None, self.known)?;
        self.seen(point.t_ms);
        self.out.batch.series.push(SeriesWrite {
            labels,
            samples: Vec::new(),
            histograms: vec![(point.t_ms, histogram)],
            exemplars,
            start_ms,
        });
        Ok(())
    }

    fn began(&mut self, first: usize, start_ms: Option<i64>) {
        for series in &mut self.out.batch.series[first..] {
            series.start_ms = start_ms;
        }
    }

    fn seen(&mut self, t_ms: i64) {
        self.newest_ms = self.newest_ms.max(Some(t_ms));
    }

    /// Exemplars without a value or with labels that are none are dropped: their point is not the worse for it.
    fn exemplars(&self, all: &[PointExemplar<'_>]) -> Vec<Exemplar> {
        all.iter()
            .filter_map(|e| labels::exemplar(e, self.options))
            .filter_map(Result::ok)
            .collect()
    }

    fn reject(&mut self, metric: &Metric<'_>, reason: &RejectReason) {
        self.reject_points(metric, reason, 1);
    }

    fn reject_points(&mut self, metric: &Metric<'_>, reason: &RejectReason, points_count: u64) {
        if points_count == 0 {
            return;
        }
        let rejections = &mut self.out.rejections;
        let mut known = rejections
            .iter()
            .position(|r| r.metric == metric.name && r.reason == *reason);
        if rejections.len() > REJECTIONS_MAX {
            known = known.or(Some(REJECTIONS_MAX));
        }
        if let Some(at) = known {
            rejections[at].points_count += points_count;
            return;
        }
        let (metric, reason) = match rejections.len() {
            REJECTIONS_MAX => ("others", RejectReason::TooManyReasons),
            _ => (metric.name.as_ref(), reason.clone()),
        };
        rejections.push(Rejection {
            metric: metric.to_owned(),
            reason,
            points_count,
        });
    }
}

fn bounded(of: &'static str, count: usize) -> Accepted {
    let max = ATTRIBUTES_MAX;
    match count > max {
        true => Err(RejectReason::TooManyAttributes { of, count, max }),
        false => Ok(()),
    }
}

fn kind_of(data: &Data<'_>) -> MetricKind {
    match data {
        Data::Gauge { .. } => MetricKind::Gauge,
        Data::Sum { monotonic: true, .. } => MetricKind::Counter,
        Data::Sum { .. } => MetricKind::Gauge,
        Data::Histogram { .. } | Data::Exponential { .. } => MetricKind::Histogram,
        Data::Summary { .. } => MetricKind::Summary,
    }
}
