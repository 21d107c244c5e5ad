//! A layer for `tracing`: spans become operations, events become counts.
//!
//! ```
//! use lapwing::sdk::{TracingLayer, global};
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! let subscriber = tracing_subscriber::registry().with(TracingLayer::new(global()).labels(&["model"]));
//! tracing::subscriber::with_default(subscriber, || {
//!     let _span = tracing::info_span!("predict", model = "a").entered();
//!     tracing::warn!("slow");
//! });
//! let page = global().exposition();
//! assert!(page.contains(r#"lapwing_operations_total{model="a",operation="predict",outcome="success",type="span"} 1"#));
//! assert!(page.contains(r#"log_records_total{level="WARNING""#));
//! ```
//!
//! A span lasts from when it is made to when it is closed. It failed when an event of level ERROR was emitted right in it, or when a field
//! `error`, or `otel.status_code = "ERROR"`, was recorded on it. Fields become labels only where [`TracingLayer::labels`] names them.
//!
//! Bounds: names of spans and targets of events stand in the program's text, so there are as many as somebody wrote; label sets are bounded
//! as everywhere in the SDK; of a field that is kept, the first `FIELD_BYTES_MAX` bytes. The layer itself never emits an event.

use super::operations::OperationHandle;
use super::page::Sdk;
use super::registry::{Family, Metric, MetricSpec};
use crate::clock::Stopwatch;
use lapwing_judge::performance::{Operation, OperationKind};
use lapwing_types::MetricKind;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};
use std::time::Duration;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

/// Of one field of a span.
const FIELD_BYTES_MAX: usize = 256;
/// Handles that are remembered by a span's name and labels; beyond it they are looked up each time.
const HANDLES_MAX: usize = 10_000;

type Fields = Vec<(&'static str, String)>;

/// See the head of this module.
#[derive(Debug)]
pub struct TracingLayer {
    sdk: Sdk,
    labels: Vec<&'static str>,
    keeps: bool,
    sampling: Sampling,
    /// Traces that began, for the dice.
    begun: AtomicU64,
    kind: OperationKind,
    messages: Option<Family>,
    handles: RwLock<HashMap<(&'static str, Fields), OperationHandle>>,
}

/// Of which spans an operation is kept. Rates, errors and durations are counted of all, whatever this says.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Sampling {
    /// Of traces, decided where they begin: from 0 to 1.
    share: f64,
    /// Spans that took this long are kept whatever was decided.
    slow_s: f64,
}

/// What was decided about a trace; carried by every span of it.
struct InSample(bool);

/// What is known of a span while it is open.
struct Open {
    watch: Stopwatch,
    started_ms: i64,
    fields: Fields,
    error: Option<String>,
}

/// What closed spans leave behind for their children.
struct OperationId(String);

impl TracingLayer {
    pub fn new(sdk: &Sdk) -> Self {
        let messages = MetricSpec {
            name: "log_records_total".to_owned(),
            kind: MetricKind::Counter,
            help: "Log records.".to_owned(),
            ..MetricSpec::default()
        };
        TracingLayer {
            messages: sdk.registry().loose(messages).ok(),
            sdk: sdk.clone(),
            labels: Vec::new(),
            keeps: false,
            sampling: Sampling {
                share: 1.0,
                slow_s: f64::INFINITY,
            },
            begun: AtomicU64::new(0),
            kind: OperationKind::from("span".to_owned()),
            handles: RwLock::default(),
        }
    }

    /// Fields of spans that become labels: choose such as take few values.
    pub fn labels(mut self, names: &[&'static str]) -> Self {
        self.labels = names.to_vec();
        self
    }

    /// Keeps every span as an operation as well, with its parent, fields and error, for reports: the newest ones, up to the tracker's bound.
    pub fn keep(mut self) -> Self {
        self.keeps = true;
        self
    }

    /// With [`TracingLayer::keep`]: keeps this share of traces (0 to 1, decided where they begin), and every span that failed or took at least `slow`,
    /// with the spans around it. What is counted is counted of all.
    pub fn sample(mut self, share: f64, slow: Duration) -> Self {
        self.sampling = Sampling {
            share: share.clamp(0.0, 1.0),
            slow_s: slow.as_secs_f64(),
        };
        self
    }

    /// Whether a trace that begins now is kept. The dice are the hash of how many there were: the same in every run, and no pattern in time.
    fn begins_in_sample(&self) -> bool {
        if self.sampling.share >= 1.0 {
            return true;
        }
        let number = self.begun.fetch_add(1, Ordering::Relaxed);
        let dice = xxhash_rust::xxh3::xxh3_64(&number.to_le_bytes());
        // 53 bits are what a float holds.
        ((dice >> 11) as f64) < self.sampling.share * (1_u64 << 53) as f64
    }

    /// The `type` of the operations: `span`, unless it is said.
    pub fn kind(mut self, kind: OperationKind) -> Self {
        self.kind = kind;
        self
    }

    fn labels_of(&self, fields: &Fields) -> Fields {
        let mut labels: Fields = fields
            .iter()
            .filter(|(n, _)| self.labels.contains(n))
            .cloned()
            .collect();
        labels.sort();
        labels
    }

    fn count(&self, name: &'static str, open: &Open) {
        let key = (name, self.labels_of(&open.fields));
        let (duration_s, success) = (open.watch.elapsed_s(), open.error.is_none());
        let known = self.handles.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(handle) = known.get(&key) {
            handle.record(duration_s, success);
            return;
        }
        drop(known);
        let pairs: Vec<(&str, &str)> = key.1.iter().map(|(n, v)| (*n, v.as_str())).collect();
        let handle = self.sdk.tracker().handle(&self.kind, name, &pairs);
        handle.record(duration_s, success);
        let mut known = self.handles.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() < HANDLES_MAX {
            known.insert(key, handle);
        }
    }

    fn operation(&self, name: &str, id: String, parent: Option<String>, open: Open) -> Operation {
        let metadata: BTreeMap<String, serde_json::Value> = open
            .fields
            .into_iter()
            .map(|(n, v)| (n.to_owned(), v.into()))
            .collect();
        Operation {
            id,
            kind: self.kind.clone(),
            name: name.to_owned(),
            parent,
            started_ms: open.started_ms,
            duration_s: open.watch.elapsed_s(),
            success: open.error.is_none(),
            error: open.error,
            resources: None,
            metadata,
        }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for TracingLayer {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let mut open = Open {
            watch: Stopwatch::start(),
            started_ms: self.sdk.tracker().now_ms(),
            fields: Vec::new(),
            error: None,
        };
        attributes.record(&mut open.reader(self));
        let decided = span
            .parent()
            .and_then(|p| p.extensions().get::<InSample>().map(|s| s.0));
        let mut extensions = span.extensions_mut();
        if self.keeps {
            extensions.replace(InSample(decided.unwrap_or_else(|| self.begins_in_sample())));
            let id = self
                .sdk
                .tracker()
                .fresh_id(&self.kind, span.name(), open.started_ms);
            extensions.replace(OperationId(id));
        }
        extensions.replace(open);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        if let Some(span) = context.span(id)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
        {
            values.record(&mut open.reader(self));
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let labels = [("level", level_of(metadata)), ("logger", metadata.target())];
        if let Some(Metric::Counter(counter)) = self.messages.as_ref().map(|f| f.with_any(labels)) {
            counter.inc();
        }
        if *metadata.level() != Level::ERROR {
            return;
        }
        if let Some(span) = context.event_span(event)
            && let Some(open) = span.extensions_mut().get_mut::<Open>()
            && open.error.is_none()
        {
            let mut message = Message(String::new());
            event.record(&mut message);
            open.error = Some(message.0);
        }
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let Some(open) = span.extensions_mut().remove::<Open>() else {
            return;
        };
        self.count(span.name(), &open);
        if !self.keeps || !self.is_kept(&span, &open) {
            return;
        }
        let own = span.extensions().get::<OperationId>().map(|o| o.0.clone());
        let parent = span
            .parent()
            .and_then(|p| p.extensions().get::<OperationId>().map(|o| o.0.clone()));
        if let Some(own) = own {
            self.sdk
                .tracker()
                .keep(self.operation(span.name(), own, parent, open));
        }
    }
}

impl TracingLayer {
    /// What failed or was slow is kept, and with it what is around it, up to the beginning of the trace.
    fn is_kept<S: for<'a> LookupSpan<'a>>(&self, span: &SpanRef<'_, S>, open: &Open) -> bool {
        let is_notable = open.error.is_some() || open.watch.elapsed_s() >= self.sampling.slow_s;
        if is_notable && self.sampling.share < 1.0 {
            for around in span.scope() {
                around.extensions_mut().replace(InSample(true));
            }
        }
        is_notable || span.extensions().get::<InSample>().is_none_or(|s| s.0)
    }
}

fn level_of(metadata: &Metadata<'_>) -> &'static str {
    match *metadata.level() {
        Level::ERROR => "ERROR",
        Level::WARN => "WARNING",
        Level::INFO => "INFO",
        Level::DEBUG => "DEBUG",
        Level::TRACE => "TRACE",
    }
}

impl Open {
    fn reader<'a>(&'a mut self, layer: &'a TracingLayer) -> Reader<'a> {
        Reader { open: self, layer }
    }
}

/// Takes up fields of a span: those that become labels, and, where operations are kept, all.
struct Reader<'a> {
    open: &'a mut Open,
    layer: &'a TracingLayer,
}

impl Reader<'_> {
    fn take(&mut self, field: &Field, text: String) {
        let name = field.name();
        let fails = name == "error" || (name == "otel.status_code" && text.eq_ignore_ascii_case("error"));
        if fails && !matches!(text.as_str(), "false" | "None") {
            self.open.error = Some(text.clone());
        }
        if !self.layer.keeps && !self.layer.labels.contains(&name) {
            return;
        }
        match self.open.fields.iter_mut().find(|(n, _)| *n == name) {
            Some((_, value)) => *value = text,
            None => self.open.fields.push((name, text)),
        }
    }
}

impl Visit for Reader<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, cut(value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, cut(&format!("{value:?}")));
    }
}

/// The text of an event.
struct Message(String);

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" || self.0.is_empty() {
            self.0 = cut(&format!("{value:?}"));
        }
    }
}

fn cut(text: &str) -> String {
    text[..text.floor_char_boundary(FIELD_BYTES_MAX)].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Clock;
    use tracing_subscriber::layer::SubscriberExt;

    fn watched(layer: impl FnOnce(TracingLayer) -> TracingLayer, work: impl FnOnce()) -> Sdk {
        let sdk = Sdk::new(Clock::simulated(5_000));
        let layer = layer(TracingLayer::new(&sdk));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), work);
        sdk
    }

    #[test]
    fn a_span_that_says_error_failed_and_its_parent_did_not() {
        let sdk = watched(
            |layer| layer.keep(),
            || {
                let _outer = tracing::info_span!("outer", model = "a").entered();
                let _inner = tracing::info_span!("inner", n = 3).entered();
                tracing::error!(code = 7, "the disk is gone");
            },
        );
        let page = sdk.exposition();
        assert!(
            page.contains(r#"{operation="inner",outcome="error",type="span"} 1"#),
            "{page}"
        );
        assert!(
            page.contains(r#"{operation="outer",outcome="success",type="span"} 1"#),
            "{page}"
        );
        assert!(
            page.contains(r#"log_records_total{level="ERROR",logger="#),
            "{page}"
        );
        let kept = sdk.tracker().since(0);
        let [inner, outer] = &kept[..] else {
            panic!("{kept:?}")
        };
        assert_eq!(inner.error.as_deref(), Some("the disk is gone"));
        assert_eq!(inner.parent.as_ref(), Some(&outer.id));
        assert_eq!(inner.metadata["n"], "3");
        assert_eq!((outer.success, outer.started_ms), (true, 5_000));
    }

    #[test]
    fn a_field_that_is_recorded_later_is_a_label_or_a_failure() {
        let sdk = watched(
            |layer| layer.labels(&["model"]),
            || {
                let span = tracing::info_span!(
                    "predict",
                    model = tracing::field::Empty,
                    error = tracing::field::Empty,
                    user = "u17"
                );
                span.record("model", "b");
                span.record("error", tracing::field::display("timed out"));
            },
        );
        let page = sdk.exposition();
        assert!(
            page.contains(r#"{model="b",operation="predict",outcome="error",type="span"} 1"#),
            "{page}"
        );
        // What no label was asked for is none, whatever it takes.
        assert!(!page.contains("u17"), "{page}");
        assert!(sdk.tracker().since(0).is_empty());
    }

    #[test]
    fn a_share_is_kept_and_all_that_failed_or_was_slow_and_everything_is_counted() {
        const TRACES: usize = 2_000;
        let kept_of = |share: f64, slow: Duration| {
            let sdk = watched(
                |layer| layer.keep().sample(share, slow),
                || {
                    for i in 0..TRACES {
                        let _outer = tracing::info_span!("outer").entered();
                        let _inner = tracing::info_span!("inner").entered();
                        if i % 100 == 0 {
                            tracing::error!("no");
                        }
                    }
                },
            );
            let page = sdk.exposition();
            for count in [
                r#"{operation="inner",outcome="error",type="span"} 20"#,
                r#"{operation="inner",outcome="success",type="span"} 1980"#,
                r#"{operation="outer",outcome="success",type="span"} 2000"#,
            ] {
                assert!(page.contains(count), "{page}");
            }
            sdk.tracker().since(0)
        };
        let never = Duration::MAX;
        let failed_only = kept_of(0.0, never);
        assert_eq!(
            failed_only.len(),
            40,
            "twenty failures, each with what is around it"
        );
        assert_eq!(failed_only.iter().filter(|o| !o.success).count(), 20);
        let tenth = kept_of(0.1, never);
        assert!((300..=600).contains(&tenth.len()), "{}", tenth.len());
        // Whole traces: each inner one has the outer one that it names.
        for inner in tenth.iter().filter(|o| o.name == "inner") {
            assert!(tenth.iter().any(|o| Some(&o.id) == inner.parent.as_ref()));
        }
        assert_eq!(kept_of(0.0, Duration::ZERO).len(), 2 * TRACES);
    }

    #[test]
    fn a_label_of_endless_values_does_not_fill_the_memory() {
        let sdk = watched(
            |layer| layer.labels(&["user"]),
            || {
                for i in 0..HANDLES_MAX + 20 {
                    let _span = tracing::info_span!("request", user = i, body = "x".repeat(10)).entered();
                }
            },
        );
        let series = sdk
            .registry()
            .get("lapwing_operation_duration_seconds")
            .unwrap()
            .series();
        assert!(series.len() <= HANDLES_MAX + 1, "{}", series.len());
    }

    #[test]
    fn long_fields_are_cut_between_letters() {
        let sdk = watched(
            |layer| layer.keep(),
            || drop(tracing::info_span!("a", text = "ä".repeat(500))),
        );
        let kept = sdk.tracker().since(0);
        assert_eq!(
            kept[0].metadata["text"].as_str().map(str::len),
            Some(FIELD_BYTES_MAX)
        );
    }
}
