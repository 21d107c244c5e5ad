//! Families of samples as a page, for `/metrics` and federation.
//!
//! Written by hand and not through a table of formats: the two differ in timestamps, counters, exemplars and the end
//! of the page, and agree on the rest.

use super::negotiate::Escaping;
use super::number::format_float;
use super::parser::Format;
use crate::names;
use lapwing_types::{Exemplar, Labels, METRIC_NAME, Metadata, MetricKind, Sample};
use std::borrow::Cow;
use std::fmt::Write as _;

/// One metric family: what is known about it, and its samples with their full names.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Family {
    pub name: String,
    pub metadata: Metadata,
    pub samples: Vec<FamilySample>,
    /// A label that is written even where a sample has none, as empty: whoever scrapes the page shall not add its own.
    pub always: Option<&'static str>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct FamilySample {
    /// With `__name__`, which may have a suffix that the family's name lacks.
    pub labels: Labels,
    pub value: f64,
    pub t_ms: Option<i64>,
    pub exemplar: Option<Exemplar>,
}

/// The whole page. In OpenMetrics a counter's samples must end in `_total`; a family that breaks such a rule is
/// written as `unknown` and its samples as they are, so that nothing is lost or renamed.
pub fn write(families: &[Family], format: Format, escaping: Escaping) -> String {
    let mut page = PageWriter::new(format, escaping);
    page.out.reserve(families.len() * 256);
    for family in families {
        let names = family.samples.iter().filter_map(|s| s.labels.metric_name());
        page.family(&family.name, &family.metadata, names);
        for sample in &family.samples {
            page.sample(sample, family.always);
        }
    }
    page.end();
    page.out
}

/// A page that is written piece by piece, for what no memory holds at once.
pub struct PageWriter {
    out: String,
    format: Format,
    escaping: Escaping,
}

impl PageWriter {
    pub fn new(format: Format, escaping: Escaping) -> Self {
        PageWriter {
            out: String::new(),
            format,
            escaping,
        }
    }

    /// What stands above the samples of a family; `members` are the names they have.
    pub fn family<'m>(
        &mut self,
        family: &str,
        metadata: &Metadata,
        members: impl IntoIterator<Item = &'m str>,
    ) {
        let (name, kind) = self.head_of(family, metadata.kind, members);
        let Metadata { help, unit, .. } = metadata;
        if !help.is_empty() {
            self.head("HELP", name);
            let text = escape(help, self.format == Format::OpenMetrics);
            self.out.push_str(&text);
            self.out.push('\n');
        }
        self.head("TYPE", name);
        self.out.push_str(kind_word(kind, self.format));
        self.out.push('\n');
        if self.format == Format::OpenMetrics && !unit.is_empty() && name.ends_with(unit.as_str()) {
            self.head("UNIT", name);
            self.out.push_str(unit);
            self.out.push('\n');
        }
    }

    /// Samples of one series, each with the exemplar that belongs to it.
    pub fn series<'e>(
        &mut self,
        labels: &Labels,
        samples: impl IntoIterator<Item = (Sample, Option<&'e Exemplar>)>,
    ) {
        let start = self.out.len();
        self.name_and_labels(labels, None);
        let whose = self.out.split_off(start);
        for (sample, exemplar) in samples {
            self.out.push_str(&whose);
            self.point(sample.value, Some(sample.t_ms), exemplar);
        }
    }

    /// What OpenMetrics ends with.
    pub fn end(&mut self) {
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
    }

    /// What was written since this was last asked.
    pub fn take(&mut self) -> String {
        std::mem::take(&mut self.out)
    }

    pub fn len(&self) -> usize {
        self.out.len()
    }

    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }

    /// The family's name and type as this format has them.
    fn head_of<'f, 'm>(
        &self,
        family: &'f str,
        kind: MetricKind,
        members: impl IntoIterator<Item = &'m str>,
    ) -> (&'f str, MetricKind) {
        if self.format == Format::Prometheus || kind != MetricKind::Counter {
            return (family, kind);
        }
        let base = family.strip_suffix("_total").unwrap_or(family);
        if members
            .into_iter()
            .all(|name| name.strip_suffix("_total") == Some(base))
        {
            (base, kind)
        } else {
            (family, MetricKind::Unknown)
        }
    }

    fn head(&mut self, keyword: &str, name: &str) {
        self.out.push_str("# ");
        self.out.push_str(keyword);
        self.out.push(' ');
        let name = self.escaping.metric_name(name);
        if names::is_legacy_metric_name(&name) {
            self.out.push_str(&name);
        } else {
            self.quoted(&name);
        }
        self.out.push(' ');
    }

    fn sample(&mut self, sample: &FamilySample, always: Option<&str>) {
        self.name_and_labels(&sample.labels, always);
        self.point(sample.value, sample.t_ms, sample.exemplar.as_ref());
    }

    fn name_and_labels(&mut self, labels: &Labels, always: Option<&str>) {
        let name = labels.metric_name().unwrap_or("");
        let name = self.escaping.metric_name(name).into_owned();
        let bare = names::is_legacy_metric_name(&name);
        if bare {
            self.out.push_str(&name);
        }
        let quoted_name = (!bare).then_some(name.as_str());
        let missing = always.filter(|name| labels.get(name).is_none());
        self.label_set(quoted_name, labels, missing);
    }

    fn point(&mut self, value: f64, t_ms: Option<i64>, exemplar: Option<&Exemplar>) {
        self.out.push(' ');
        self.out.push_str(&format_float(value));
        if let Some(t_ms) = t_ms {
            self.out.push(' ');
            self.time(t_ms);
        }
        if self.format == Format::OpenMetrics
            && let Some(exemplar) = exemplar
        {
            self.exemplar(exemplar);
        }
        self.out.push('\n');
    }

    fn exemplar(&mut self, exemplar: &Exemplar) {
        self.out.push_str(" # ");
        if exemplar.labels.is_empty() {
            self.out.push_str("{}");
        } else {
            self.label_set(None, &exemplar.labels, None);
        }
        self.out.push(' ');
        self.out.push_str(&format_float(exemplar.value));
        if let Some(t_ms) = exemplar.t_ms {
            self.out.push(' ');
            self.time(t_ms);
        }
    }

    fn label_set(&mut self, quoted_name: Option<&str>, labels: &Labels, missing: Option<&str>) {
        let mut separator = '{';
        if let Some(name) = quoted_name {
            self.out.push(separator);
            self.quoted(name);
            separator = ',';
        }
        for (name, value) in labels.iter().chain(missing.map(|name| (name, ""))) {
            if name == METRIC_NAME {
                continue;
            }
            self.out.push(separator);
            separator = ',';
            let name = self.escaping.label_name(name);
            if names::is_legacy_label_name(&name) {
                self.out.push_str(&name);
            } else {
                self.quoted(&name);
            }
            self.out.push('=');
            self.quoted(value);
        }
        if separator == ',' {
            self.out.push('}');
        }
    }

    fn time(&mut self, t_ms: i64) {
        match self.format {
            Format::Prometheus => {
                let _ = write!(self.out, "{t_ms}");
            }
            Format::OpenMetrics => {
                let sign = if t_ms < 0 { "-" } else { "" };
                let ms = t_ms.unsigned_abs();
                let _ = write!(self.out, "{sign}{}.{:03}", ms / 1000, ms % 1000);
            }
        }
    }

    fn quoted(&mut self, text: &str) {
        self.out.push('"');
        self.out.push_str(&escape(text, true));
        self.out.push('"');
    }
}

/// 0.0.4 knows five types; the others are written as what they look like to its readers.
fn kind_word(kind: MetricKind, format: Format) -> &'static str {
    match (format, kind) {
        (Format::OpenMetrics, _) => kind.as_str(),
        (_, MetricKind::Unknown) => "untyped",
        (_, MetricKind::Info | MetricKind::StateSet) => "gauge",
        (_, MetricKind::GaugeHistogram) => "histogram",
        (_, kind) => kind.as_str(),
    }
}

fn escape(text: &str, quotes: bool) -> Cow<'_, str> {
    if !text.contains(|c| matches!(c, '\\' | '\n') || (quotes && c == '"')) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}
