//! Warnings and infos beside an answer, in the words that users of Prometheus know.
//!
//! The same sentence is kept once, with the last position that raised it.

use crate::promql::Span;
use crate::promql::line_and_column;
use hashbrown::HashMap;
use lapwing_types::format_number;

/// Sentences of each level that are shown, as in Prometheus: nobody reads one for each of a thousand metrics.
const SHOWN_MAX: usize = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Level {
    Warning,
    Info,
}

/// What several repairs of one classic histogram have in common.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Repair {
    pub(crate) bucket_min: f64,
    pub(crate) bucket_max: f64,
    pub(crate) difference_max: f64,
    pub(crate) first_ms: i64,
    pub(crate) last_ms: i64,
    pub(crate) count: u64,
}

/// Where a sentence was last true.
#[derive(Clone, Debug, PartialEq)]
struct Annotation {
    span: Span,
    repair: Option<Repair>,
    /// How many others came before its first one.
    place: usize,
}

/// What a histogram operation was, for the sentence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HistogramWork {
    Addition,
    Subtraction,
    Aggregation,
}

impl HistogramWork {
    fn as_str(self) -> &'static str {
        match self {
            HistogramWork::Addition => "addition",
            HistogramWork::Subtraction => "subtraction",
            HistogramWork::Aggregation => "aggregation",
        }
    }
}

/// Looked up by the sentence: there may be one for each of many metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Annotations {
    items: HashMap<(Level, String), Annotation>,
}

impl Annotations {
    fn put(&mut self, key: (Level, String), span: Span, repair: Option<Repair>) {
        let place = self.items.len();
        let kept = self.items.entry(key).or_insert(Annotation {
            span,
            repair: None,
            place,
        });
        kept.span = span;
        kept.repair = match (kept.repair, repair) {
            (Some(one), Some(other)) => Some(one.join(other)),
            (one, other) => one.or(other),
        };
    }

    pub(crate) fn merge(&mut self, other: Annotations) {
        let mut items: Vec<_> = other.items.into_iter().collect();
        items.sort_unstable_by_key(|(_, a)| a.place);
        for (key, item) in items {
            self.put(key, item.span, item.repair);
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    /// Warnings and infos as the API shows them.
    pub(crate) fn texts(&self, query: &str) -> (Vec<String>, Vec<String>) {
        let of = |level, what| {
            let mut all: Vec<_> = self.items.iter().filter(|((l, _), _)| *l == level).collect();
            all.sort_unstable_by_key(|(_, a)| a.place);
            let shown = all.iter().take(SHOWN_MAX);
            let shown = shown.map(|((_, text), a)| a.sentence((level, text), query));
            let omitted = all.len().saturating_sub(SHOWN_MAX);
            let more = (omitted > 0).then(|| format!("{omitted} more {what} annotations omitted"));
            shown.chain(more).collect()
        };
        (of(Level::Warning, "warning"), of(Level::Info, "info"))
    }

    pub(crate) fn invalid_quantile(&mut self, q: f64, span: Span) {
        let q = format_number(q);
        self.warn(span, format!("quantile value should be between 0 and 1, got {q}"));
    }

    pub(crate) fn invalid_ratio(&mut self, ratio: f64, to: f64, span: Span) {
        let (ratio, to) = (format_number(ratio), format_number(to));
        self.warn(
            span,
            format!("ratio value should be between -1 and 1, got {ratio}, capping to {to}"),
        );
    }

    pub(crate) fn bad_bucket_label(&mut self, name: &str, label: &str, span: Span) {
        let text = format!("bucket label \"le\" is missing or has a malformed value of {label:?}");
        self.warn(span, for_metric(text, name));
    }

    pub(crate) fn mixed_floats_histograms(&mut self, name: &str, span: Span) {
        self.warn(
            span,
            format!("encountered a mix of histograms and floats for metric name {name:?}"),
        );
    }

    pub(crate) fn mixed_in_aggregation(&mut self, span: Span) {
        let text = "encountered a mix of histograms and floats for aggregation";
        self.warn(span, text.to_owned());
    }

    pub(crate) fn mixed_classic_native(&mut self, name: &str, span: Span) {
        let text = "vector contains a mix of classic and native histograms".to_owned();
        self.warn(span, for_metric(text, name));
    }

    pub(crate) fn not_a_counter(&mut self, name: &str, span: Span) {
        self.warn(
            span,
            format!("this native histogram metric is not a counter: {name:?}"),
        );
    }

    pub(crate) fn not_a_gauge(&mut self, name: &str, span: Span) {
        self.warn(
            span,
            format!("this native histogram metric is not a gauge: {name:?}"),
        );
    }

    pub(crate) fn starts_overlap(&mut self, name: &str, span: Span) {
        let text = "sample has start time that overlaps with previous sample timestamp for metric";
        self.warn(span, format!("{text} {name:?}"));
    }

    pub(crate) fn mixed_schemas(&mut self, name: &str, span: Span) {
        let text =
            "vector contains a mix of histograms with exponential and custom buckets schemas for metric name";
        self.warn(span, format!("{text} {name:?}"));
    }

    pub(crate) fn incompatible_layout(&mut self, operator: &str, span: Span) {
        self.warn(
            span,
            format!("incompatible bucket layout encountered for binary operator {operator}"),
        );
    }

    pub(crate) fn reset_collision(&mut self, work: HistogramWork, span: Span) {
        let text = format!("conflicting counter resets during histogram {}", work.as_str());
        self.warn(span, text);
    }

    pub(crate) fn bounds_reconciled(&mut self, work: HistogramWork, span: Span) {
        let text = format!(
            "mismatched custom buckets were reconciled during {}",
            work.as_str()
        );
        self.info(span, text);
    }

    pub(crate) fn possible_non_counter(&mut self, name: &str, span: Span) {
        let text = "metric might not be a counter, name does not end in _total/_sum/_count/_bucket:";
        self.info(span, format!("{text} {name:?}"));
    }

    pub(crate) fn possible_non_counter_type(&mut self, name: &str, kind: &str, span: Span) {
        let text = "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\"";
        self.info(span, format!("{text}, got {kind:?}: {name:?}"));
    }

    pub(crate) fn forced_monotonicity(&mut self, name: &str, span: Span, repair: Repair) {
        let text = "input to histogram_quantile needed to be fixed for monotonicity (see \
                    https://prometheus.io/docs/prometheus/latest/querying/functions/#histogram_quantile)";
        let text = for_metric(text.to_owned(), name);
        self.put((Level::Info, text), span, Some(repair));
    }

    pub(crate) fn incompatible_types(&mut self, left: &str, operator: &str, right: &str, span: Span) {
        let text = "incompatible sample types encountered for binary operator";
        self.info(span, format!("{text} {operator:?}: {left} {operator} {right}"));
    }

    pub(crate) fn ignored_in_aggregation(&mut self, aggregation: &str, span: Span) {
        self.info(span, format!("ignored histogram in {aggregation} aggregation"));
    }

    pub(crate) fn ignored_in_range(&mut self, name: &str, span: Span) {
        let text = "ignored histograms in a range containing both floats and histograms for metric name";
        self.info(span, format!("{text} {name:?}"));
    }

    pub(crate) fn quantile_is_nan(&mut self, name: &str, span: Span) {
        let text = "input to histogram_quantile has NaN observations, result is NaN".to_owned();
        self.info(span, for_metric(text, name));
    }

    pub(crate) fn quantile_is_skewed(&mut self, name: &str, span: Span) {
        let text = "input to histogram_quantile has NaN observations, result is skewed higher".to_owned();
        self.info(span, for_metric(text, name));
    }

    pub(crate) fn fraction_has_nan(&mut self, name: &str, span: Span) {
        let text = "input to histogram_fraction has NaN observations, which are excluded from all fractions";
        self.info(span, for_metric(text.to_owned(), name));
    }

    fn warn(&mut self, span: Span, text: String) {
        self.put((Level::Warning, text), span, None);
    }

    fn info(&mut self, span: Span, text: String) {
        self.put((Level::Info, text), span, None);
    }
}

fn for_metric(text: String, name: &str) -> String {
    if name.is_empty() {
        text
    } else {
        format!("{text} for metric name {name:?}")
    }
}

impl Repair {
    fn join(self, other: Repair) -> Repair {
        Repair {
            bucket_min: self.bucket_min.min(other.bucket_min),
            bucket_max: self.bucket_max.max(other.bucket_max),
            difference_max: self.difference_max.max(other.difference_max),
            first_ms: self.first_ms.min(other.first_ms),
            last_ms: self.last_ms.max(other.last_ms),
            count: self.count + other.count,
        }
    }
}

impl Annotation {
    fn sentence(&self, (level, text): (Level, &str), query: &str) -> String {
        let kind = match level {
            Level::Warning => "PromQL warning",
            Level::Info => "PromQL info",
        };
        let (line, column) = line_and_column(query, self.span.start);
        let details = self.repair.map_or_else(String::new, |r| {
            format!(
                ", from buckets {} to {}, with a max diff of {}, over {} samples from {} to {}",
                format_number(r.bucket_min),
                format_number(r.bucket_max),
                two_digits(r.difference_max),
                r.count,
                rfc3339(r.first_ms),
                rfc3339(r.last_ms),
            )
        });
        format!("{kind}: {text}{details} ({line}:{column})")
    }
}

/// Two significant digits.
fn two_digits(value: f64) -> String {
    let rounded: f64 = format!("{value:.1e}").parse().unwrap_or(value);
    format_number(rounded)
}

fn rfc3339(t_ms: i64) -> String {
    let (date, second) = crate::eval::civil(t_ms.div_euclid(1000));
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!(
        "{:04}-{:02}-{:02}T{hour:02}:{minute:02}:{second:02}Z",
        date.year, date.month, date.day
    )
}
