//! What OTLP calls a metric, and what Prometheus calls it.
//!
//! The default strategy is Prometheus' own: characters outside the legacy set become underscores, the unit and `total`
//! are appended. Tables and rules follow the OpenTelemetry specification of Prometheus compatibility.

use super::model::{Data, Metric};
use crate::names::is_legacy_label_name;
use std::borrow::Cow;

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameTranslation {
    #[default]
    UnderscoreEscapingWithSuffixes,
    UnderscoreEscapingWithoutSuffixes,
    /// Names stay in UTF-8, suffixes are added.
    NoUtf8EscapingWithSuffixes,
    /// Names as they are.
    NoTranslation,
}

impl NameTranslation {
    /// The word in Prometheus' `otlp.translation_strategy`.
    pub fn parse(word: &str) -> Option<Self> {
        Some(match word {
            "UnderscoreEscapingWithSuffixes" => NameTranslation::UnderscoreEscapingWithSuffixes,
            "UnderscoreEscapingWithoutSuffixes" => NameTranslation::UnderscoreEscapingWithoutSuffixes,
            "NoUTF8EscapingWithSuffixes" => NameTranslation::NoUtf8EscapingWithSuffixes,
            "NoTranslation" => NameTranslation::NoTranslation,
            _ => return None,
        })
    }

    fn has_suffixes(self) -> bool {
        matches!(
            self,
            NameTranslation::UnderscoreEscapingWithSuffixes | NameTranslation::NoUtf8EscapingWithSuffixes
        )
    }

    fn escapes(self) -> bool {
        matches!(
            self,
            NameTranslation::UnderscoreEscapingWithSuffixes
                | NameTranslation::UnderscoreEscapingWithoutSuffixes
        )
    }

    pub(super) fn metric_name(self, metric: &Metric<'_>) -> String {
        let suffixes = if self.has_suffixes() {
            suffixes_of(metric)
        } else {
            Vec::new()
        };
        if !self.escapes() {
            return append_suffixes(&metric.name, &suffixes);
        }
        let mut tokens: Vec<&str> = metric
            .name
            .split(|c: char| !(c.is_ascii_alphanumeric() || c == ':'))
            .filter(|token| !token.is_empty())
            .collect();
        for suffix in &suffixes {
            // The type's own word moves to the end; a unit that is there already stays where it is.
            let word = suffix.as_ref();
            if matches!(word, "total" | "ratio") {
                tokens.retain(|token| *token != word);
                tokens.push(word);
            } else if word.starts_with("per_") || !tokens.contains(&word) {
                tokens.push(word);
            }
        }
        let mut name = tokens.join("_");
        if name.starts_with(|c: char| c.is_ascii_digit()) {
            name.insert(0, '_');
        }
        name
    }

    pub(super) fn label_name<'n>(self, name: &'n str) -> Cow<'n, str> {
        if !self.escapes() || (is_legacy_label_name(name) && !is_single_underscored(name)) {
            return Cow::Borrowed(name);
        }
        let plain: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        if plain.starts_with(|c: char| c.is_ascii_digit()) {
            Cow::Owned(format!("key_{plain}"))
        } else if is_single_underscored(&plain) {
            Cow::Owned(format!("key{plain}"))
        } else {
            Cow::Owned(plain)
        }
    }
}

fn is_single_underscored(name: &str) -> bool {
    name.starts_with('_') && !name.starts_with("__")
}

fn append_suffixes(name: &str, suffixes: &[Cow<'_, str>]) -> String {
    let mut out = name.to_owned();
    for suffix in suffixes {
        let with_line = format!("_{suffix}");
        if !out.ends_with(&with_line) {
            out.push_str(&with_line);
        }
    }
    out
}

/// The unit's words, then the word of the type, in the order in which they are appended.
fn suffixes_of<'m>(metric: &'m Metric<'_>) -> Vec<Cow<'m, str>> {
    let mut suffixes = Vec::new();
    let (main, per) = match metric.unit.split_once('/') {
        Some((main, per)) => (main.trim(), per.trim()),
        None => (metric.unit.trim(), ""),
    };
    suffixes.extend(unit_word(&UNITS, main));
    suffixes.extend(unit_word(&PER_UNITS, per).map(|word| Cow::Owned(format!("per_{word}"))));
    match &metric.data {
        Some(Data::Sum { monotonic: true, .. }) => suffixes.push(Cow::Borrowed("total")),
        Some(Data::Gauge { .. }) if metric.unit.trim() == "1" => suffixes.push(Cow::Borrowed("ratio")),
        _ => {}
    }
    suffixes
}

/// A unit in the words of Prometheus: `By/s` is `bytes_per_second`.
pub(super) fn unit_text(unit: &str) -> String {
    let (main, per) = unit.split_once('/').unwrap_or((unit, ""));
    let main = unit_word(&UNITS, main.trim()).unwrap_or_default();
    match unit_word(&PER_UNITS, per.trim()) {
        Some(per) if main.is_empty() => format!("per_{per}"),
        Some(per) => format!("{main}_per_{per}"),
        None => main.into_owned(),
    }
}

/// A unit that is not in the table stands for itself; annotations in braces and `1` are no units.
fn unit_word<'m>(table: &[(&str, &'static str)], unit: &'m str) -> Option<Cow<'m, str>> {
    if unit.is_empty() || unit == "1" || unit.contains(['{', '}']) {
        return None;
    }
    if let Some((_, word)) = table.iter().find(|(from, _)| *from == unit) {
        return Some(Cow::Borrowed(word));
    }
    let tokens: Vec<&str> = unit
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|token| !token.is_empty())
        .collect();
    (!tokens.is_empty()).then(|| Cow::Owned(tokens.join("_")))
}

/// Units of UCUM that have a name in Prometheus.
const UNITS: [(&str, &str); 30] = [
    ("d", "days"),
    ("h", "hours"),
    ("min", "minutes"),
    ("s", "seconds"),
    ("ms", "milliseconds"),
    ("us", "microseconds"),
    ("ns", "nanoseconds"),
    ("By", "bytes"),
    ("KiBy", "kibibytes"),
    ("MiBy", "mebibytes"),
    ("GiBy", "gibibytes"),
    ("TiBy", "tibibytes"),
    ("KBy", "kilobytes"),
    ("MBy", "megabytes"),
    ("GBy", "gigabytes"),
    ("TBy", "terabytes"),
    ("B", "bytes"),
    ("KB", "kilobytes"),
    ("MB", "megabytes"),
    ("GB", "gigabytes"),
    ("TB", "terabytes"),
    ("m", "meters"),
    ("V", "volts"),
    ("A", "amperes"),
    ("J", "joules"),
    ("W", "watts"),
    ("g", "grams"),
    ("Cel", "celsius"),
    ("Hz", "hertz"),
    ("%", "percent"),
];

const PER_UNITS: [(&str, &str); 7] = [
    ("s", "second"),
    ("m", "minute"),
    ("h", "hour"),
    ("d", "day"),
    ("w", "week"),
    ("mo", "month"),
    ("y", "year"),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::otlp::model::Temporality;

    fn metric(name: &str, unit: &str, kind: &str) -> Metric<'static> {
        let points = Vec::new();
        let data = match kind {
            "gauge" => Data::Gauge { points },
            kind => Data::Sum {
                points,
                temporality: Temporality::Cumulative,
                monotonic: kind == "counter",
            },
        };
        Metric {
            name: Cow::Owned(name.to_owned()),
            unit: Cow::Owned(unit.to_owned()),
            data: Some(data),
            ..Metric::default()
        }
    }

    fn check(name: &str, unit: &str, kind: &str, expect: [&str; 4]) {
        let metric = metric(name, unit, kind);
        let found = [
            NameTranslation::UnderscoreEscapingWithSuffixes,
            NameTranslation::UnderscoreEscapingWithoutSuffixes,
            NameTranslation::NoUtf8EscapingWithSuffixes,
            NameTranslation::NoTranslation,
        ]
        .map(|strategy| strategy.metric_name(&metric));
        assert_eq!(found, expect);
    }

    #[test]
    fn metric_names() {
        check(
            "http.server.duration",
            "ms",
            "histogram",
            [
                "http_server_duration_milliseconds",
                "http_server_duration",
                "http.server.duration_milliseconds",
                "http.server.duration",
            ],
        );
        check(
            "system.io",
            "By/s",
            "counter",
            [
                "system_io_bytes_per_second_total",
                "system_io",
                "system.io_bytes_per_second_total",
                "system.io",
            ],
        );
        check(
            "a_total.requests",
            "{request}",
            "counter",
            [
                "a_requests_total",
                "a_total_requests",
                "a_total.requests_total",
                "a_total.requests",
            ],
        );
        check(
            "system.cpu.utilization",
            "1",
            "gauge",
            [
                "system_cpu_utilization_ratio",
                "system_cpu_utilization",
                "system.cpu.utilization_ratio",
                "system.cpu.utilization",
            ],
        );
        check(
            "process.memory.bytes__used",
            "By",
            "updown",
            [
                "process_memory_bytes_used",
                "process_memory_bytes_used",
                "process.memory.bytes__used_bytes",
                "process.memory.bytes__used",
            ],
        );
        check(
            "3g",
            "broken.disk",
            "gauge",
            ["_3g_broken_disk", "_3g", "3g_broken_disk", "3g"],
        );
    }

    #[test]
    fn label_names() {
        let escape = |name| {
            NameTranslation::UnderscoreEscapingWithSuffixes
                .label_name(name)
                .into_owned()
        };
        assert_eq!(escape("http.method"), "http_method");
        assert_eq!(escape("0x"), "key_0x");
        assert_eq!(escape("_private"), "key_private");
        assert_eq!(escape("__meta"), "__meta");
        assert_eq!(escape("größe"), "gr__e");
        assert_eq!(
            NameTranslation::NoTranslation.label_name("http.method"),
            "http.method"
        );
    }
}
