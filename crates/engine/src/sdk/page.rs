//! A program's metrics and operations together, and all metrics as text or as a batch.

use super::operations::Tracker;
use super::registry::{Child, Family, Metric, Registry};
use crate::clock::Clock;
use lapwing_judge::quantile::of_sorted;
use lapwing_types::{Labels, METRIC_NAME, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch};
use lapwing_wire::names::{is_legacy_label_name, is_legacy_metric_name};
use lapwing_wire::text::format_float;
use std::borrow::Cow;
use std::fmt::Write;

const QUANTILES_DEFAULT: [f64; 3] = [0.5, 0.9, 0.99];

/// What a program is watched with. A cheap handle.
#[derive(Clone, Debug)]
pub struct Sdk {
    registry: Registry,
    tracker: Tracker,
}

impl Sdk {
    pub fn new(clock: Clock) -> Self {
        let registry = Registry::new();
        Sdk {
            tracker: Tracker::new(&registry, clock),
            registry,
        }
    }

    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    pub fn tracker(&self) -> &Tracker {
        &self.tracker
    }

    /// In a forked child: nothing of the parent's is told again.
    pub fn reset_after_fork(&self) {
        self.registry.reset();
        self.tracker.forget();
    }

    /// The text format 0.0.4, for whoever scrapes the program; names that it does not know are quoted, as version 1.0.0 has it.
    pub fn exposition(&self) -> String {
        let mut out = String::with_capacity(64 * 1024);
        for family in self.registry.families() {
            write_family(&mut out, &family);
        }
        out
    }

    /// Every number at `now_ms`, with `extra` labels on each series that does not have them itself.
    pub fn gather(&self, now_ms: i64, extra: &[(String, String)]) -> WriteBatch {
        let mut batch = WriteBatch::default();
        for family in self.registry.families() {
            let spec = family.spec();
            let metadata = Metadata {
                kind: spec.kind,
                help: family.help().to_owned(),
                unit: String::new(),
            };
            batch.metadata.push((spec.name.clone(), metadata));
            for (labels, metric) in family.series() {
                for (suffix, own, value) in points(&family, &metric) {
                    let mut builder = labels.to_builder();
                    for (name, value) in extra.iter().filter(|(n, _)| labels.get(n).is_none()) {
                        builder.set(name, value.clone());
                    }
                    if let Some((name, value)) = own {
                        builder.set(name, value);
                    }
                    builder.set(METRIC_NAME, format!("{}{suffix}", spec.name));
                    batch.series.push(SeriesWrite {
                        labels: builder.build(),
                        samples: vec![Sample { t_ms: now_ms, value }],
                        ..SeriesWrite::default()
                    });
                }
            }
        }
        batch
    }
}

type Point = (&'static str, Option<(&'static str, String)>, f64);

/// The samples of one series: suffix of the name, a label of its own, value.
fn points(family: &Family, metric: &Metric) -> Vec<Point> {
    match metric {
        Metric::Counter(c) => vec![("", None, c.value())],
        Metric::Gauge(g) => vec![("", None, g.value())],
        Metric::Histogram(h) => {
            let (counts, sum) = h.read();
            let mut cumulative = 0;
            let mut points = Vec::with_capacity(counts.len() + 2);
            for (i, count) in counts.iter().enumerate() {
                cumulative += count;
                let le = h.bounds().get(i).map_or("+Inf".to_owned(), |b| canonical(*b));
                points.push(("_bucket", Some(("le", le)), cumulative as f64));
            }
            points.push(("_sum", None, sum));
            points.push(("_count", None, cumulative as f64));
            points
        }
        Metric::Summary(s) => {
            let (count, sum, newest) = s.read();
            let mut points: Vec<Point> = quantiles(family)
                .iter()
                .map(|q| {
                    let value = of_sorted(&newest, *q).unwrap_or(f64::NAN);
                    ("", Some(("quantile", canonical(*q))), value)
                })
                .collect();
            points.push(("_sum", None, sum));
            points.push(("_count", None, count as f64));
            points
        }
    }
}

/// `1.0` and not `1`, as scraped bounds are kept: the same series whichever way it came.
fn canonical(bound: f64) -> String {
    let mut text = format_float(bound);
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'-') {
        text.push_str(".0");
    }
    text
}

fn quantiles(family: &Family) -> &[f64] {
    match family.spec().quantiles.as_slice() {
        [] => &QUANTILES_DEFAULT,
        own => own,
    }
}

fn write_family(out: &mut String, family: &Family) {
    let spec = family.spec();
    let name = if is_legacy_metric_name(&spec.name) {
        Cow::Borrowed(spec.name.as_str())
    } else {
        Cow::Owned(format!("\"{}\"", escaped(&spec.name)))
    };
    if !family.help().is_empty() {
        let help = family.help().replace('\\', "\\\\").replace('\n', "\\n");
        let _ = writeln!(out, "# HELP {name} {help}");
    }
    let kind = match spec.kind {
        MetricKind::Unknown => "untyped",
        kind => kind.as_str(),
    };
    let _ = writeln!(out, "# TYPE {name} {kind}");
    let children: Vec<std::sync::Arc<Child>> = family.lock().values().cloned().collect();
    for child in children {
        match &child.metric {
            // The way that matters for speed: thousands of lines, each a ready beginning and a whole number.
            Metric::Histogram(h) => {
                let (counts, sum) = h.read();
                let lines = child.lines.get_or_init(|| beginnings(family, &child));
                let mut cumulative = 0;
                for (line, count) in lines.iter().zip(&counts) {
                    cumulative += count;
                    let _ = writeln!(out, "{line}{cumulative}");
                }
                if let [.., sum_line, count_line] = &lines[..] {
                    let _ = writeln!(out, "{sum_line}{}", format_float(sum));
                    let _ = writeln!(out, "{count_line}{cumulative}");
                }
            }
            metric => {
                let lines = child.lines.get_or_init(|| beginnings(family, &child));
                for (line, (_, _, value)) in lines.iter().zip(points(family, metric)) {
                    let _ = writeln!(out, "{line}{}", format_float(value));
                }
            }
        }
    }
}

/// Each line up to its value, in the order of [`points`].
fn beginnings(family: &Family, child: &Child) -> Box<[String]> {
    let beginning = |(suffix, own, _): Point| {
        let name = format!("{}{suffix}", family.spec().name);
        let mut line = String::new();
        write_series(
            &mut line,
            &name,
            &child.labels,
            own.as_ref().map(|(n, v)| (*n, v.as_str())),
        );
        line.push(' ');
        line
    };
    points(family, &child.metric).into_iter().map(beginning).collect()
}

fn write_series(line: &mut String, name: &str, labels: &Labels, own: Option<(&str, &str)>) {
    let mut separator = '{';
    if is_legacy_metric_name(name) {
        line.push_str(name);
    } else {
        let _ = write!(line, "{{\"{}\"", escaped(name));
        separator = ',';
    }
    for (name, value) in labels.iter().chain(own) {
        let value = escaped(value);
        let _ = if is_legacy_label_name(name) {
            write!(line, "{separator}{name}=\"{value}\"")
        } else {
            write!(line, "{separator}\"{}\"=\"{value}\"", escaped(name))
        };
        separator = ',';
    }
    if separator == ',' {
        line.push('}');
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::super::registry::MetricSpec;
    use super::*;

    fn sdk() -> Sdk {
        let sdk = Sdk::new(Clock::simulated(1_000));
        let spec = |name: &str, kind| MetricSpec {
            name: name.to_owned(),
            kind,
            help: "What\nit is.".to_owned(),
            labels: vec!["model".to_owned()],
            buckets: if kind == MetricKind::Histogram {
                vec![0.1, 1.0]
            } else {
                Vec::new()
            },
            ..MetricSpec::default()
        };
        for kind in [MetricKind::Counter, MetricKind::Histogram, MetricKind::Summary] {
            let family = sdk.registry().metric(spec(&format!("a_{kind}"), kind)).unwrap();
            match family.with(&["x\"y"]).unwrap() {
                Metric::Counter(c) => c.inc(),
                Metric::Histogram(h) => {
                    h.observe(0.5);
                }
                Metric::Summary(s) => {
                    s.observe(2.0);
                }
                Metric::Gauge(_) => {}
            }
        }
        sdk
    }

    #[test]
    fn the_page_reads_back_as_what_was_gathered() {
        let sdk = sdk();
        let page = sdk.exposition();
        assert!(
            page.contains("# HELP a_counter What\\nit is.\n# TYPE a_counter counter\n"),
            "{page}"
        );
        assert!(
            page.contains("a_histogram_bucket{model=\"x\\\"y\",le=\"1.0\"} 1\n"),
            "{page}"
        );
        assert_eq!(read_back(&page), gathered(&sdk));
        assert_eq!(sdk.exposition(), page);
    }

    #[test]
    fn names_of_any_text_are_quoted_and_read_back() {
        let sdk = Sdk::new(Clock::simulated(1_000));
        for (name, kind) in [
            ("model.latency", MetricKind::Gauge),
            ("a \"b\"", MetricKind::Histogram),
            ("plain", MetricKind::Gauge),
        ] {
            let family = sdk.registry().loose(MetricSpec {
                name: name.to_owned(),
                kind,
                help: "What it is.".to_owned(),
                buckets: vec![1.0],
                ..MetricSpec::default()
            });
            family.unwrap().with_any([("a-b", "1"), ("größe", "x\ny")]);
        }
        let page = sdk.exposition();
        for line in [
            "# TYPE \"model.latency\" gauge",
            "{\"model.latency\",\"a-b\"=\"1\",\"größe\"=\"x\\ny\"} 0",
            "{\"a \\\"b\\\"_bucket\",\"a-b\"=\"1\",\"größe\"=\"x\\ny\",le=\"1.0\"} 0",
            "plain{\"a-b\"=\"1\",\"größe\"=\"x\\ny\"} 0",
        ] {
            assert!(page.lines().any(|l| l == line), "{line} in {page}");
        }
        assert_eq!(read_back(&page), gathered(&sdk));
    }

    fn read_back(page: &str) -> Vec<String> {
        let format = lapwing_wire::text::Format::Prometheus;
        let parsed = lapwing_wire::text::parse_to_batch(page.as_bytes(), format, 7).unwrap();
        let mut read: Vec<String> = parsed.series.iter().map(shown).collect();
        read.sort();
        read
    }

    fn gathered(sdk: &Sdk) -> Vec<String> {
        let mut all: Vec<String> = sdk.gather(7, &[]).series.iter().map(shown).collect();
        all.sort();
        all
    }

    fn shown(series: &SeriesWrite) -> String {
        format!("{} {}", series.labels, series.samples[0].value)
    }

    #[test]
    fn extra_labels_do_not_hide_own_ones() {
        let batch = sdk().gather(
            7,
            &[
                ("model".to_owned(), "z".to_owned()),
                ("job".to_owned(), "j".to_owned()),
            ],
        );
        assert!(shown(&batch.series[0]).contains("job=\"j\", model=\"x\\\"y\""));
    }
}
