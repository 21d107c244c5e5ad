//! One point on its way, and the key of each of its series.

use super::delta::Interval;
use super::error::RejectReason;
use super::labels::{Context, PointLabels, push_part};
use super::model::{Data, Metric, PointHead};
use super::names::NameTranslation;
use super::rejections::Stop;
use super::translate::OtlpOptions;
use lapwing_types::{Labels, stale_nan};
use std::cell::OnceCell;

/// The key of the series at hand; what its scope and its metric add stands from one to the next.
#[derive(Default)]
pub(super) struct Key {
    pub(super) bytes: Vec<u8>,
    scope_len: usize,
    metric_len: usize,
    /// For other bytes than those of a key.
    pub(super) scratch: Vec<u8>,
}

/// A metric, and what it is called once somebody asks.
pub(super) struct Named<'p> {
    metric: &'p Metric<'p>,
    names: NameTranslation,
    name: OnceCell<String>,
}

impl Key {
    pub(super) fn begin_scope(&mut self, context: &Context<'_>, names: NameTranslation) {
        self.bytes.clear();
        context.write_key(names, &mut self.bytes);
        self.scope_len = self.bytes.len();
    }

    pub(super) fn begin_metric(&mut self, metric: &Metric<'_>, data: &Data<'_>) {
        self.bytes.truncate(self.scope_len);
        self.bytes.push(data.class());
        push_part(&mut self.bytes, &metric.name);
        push_part(&mut self.bytes, &metric.unit);
        self.metric_len = self.bytes.len();
    }

    pub(super) fn end(&mut self, labels: &PointLabels<'_>, (suffix, bound): Part<'_>) {
        self.bytes.truncate(self.metric_len);
        labels.write_key(suffix, bound, &mut self.bytes);
    }
}

impl<'p> Named<'p> {
    pub(super) fn new(metric: &'p Metric<'p>, names: NameTranslation) -> Self {
        Named {
            metric,
            names,
            name: OnceCell::new(),
        }
    }
}

/// One point on its way: who it is, when, and whether it has ended.
pub(super) struct Point<'p> {
    named: &'p Named<'p>,
    pub(super) labels: PointLabels<'p>,
    pub(super) t_ms: i64,
    pub(super) start_ms: Option<i64>,
    pub(super) is_stale: bool,
}

/// Which of a point's series.
pub(super) type Part<'a> = (&'a str, Option<(&'a str, &'a str)>);

/// The only series of a point that has one.
pub(super) const WHOLE: Part<'static> = ("", None);

impl<'p> Point<'p> {
    pub(super) fn new(
        named: &'p Named<'p>,
        context: &'p Context<'p>,
        head: &'p PointHead<'p>,
        options: &'p OtlpOptions,
    ) -> Self {
        Point {
            named,
            labels: PointLabels::new(context, &head.attributes, options),
            t_ms: head.t_ms(),
            start_ms: head.start_ms(),
            is_stale: head.has_no_value(),
        }
    }

    pub(super) fn interval(&self) -> Interval {
        Interval {
            start_ms: self.start_ms,
            t_ms: self.t_ms,
        }
    }

    pub(super) fn or_stale(&self, value: f64) -> f64 {
        if self.is_stale { stale_nan() } else { value }
    }

    pub(super) fn make(&self, (suffix, bound): Part<'_>) -> Result<Labels, Stop> {
        let named = self.named;
        let name = named.name.get_or_init(|| named.names.metric_name(named.metric));
        match suffix {
            "" => self.labels.make(name, bound),
            _ if name.is_empty() => Err(RejectReason::NoName.into()),
            _ => self.labels.make(&format!("{name}{suffix}"), bound),
        }
    }
}
