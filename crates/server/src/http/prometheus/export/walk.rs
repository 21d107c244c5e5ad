//! What an export holds: family by family, series by series, month by month.
//!
//! A copy of what is kept: labels are those in the store, a sample that is downsampled stands at the end of its bucket. Left
//! out are markers that say where a series ends, and native histograms, which have no form in text.

use lapwing_store::metrics::Snapshot;
use lapwing_store::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesSource, TierColumn, TierHint};
use lapwing_types::{Exemplar, Labels, METRIC_NAME, Matcher, Metadata, MetricKind, Sample, is_stale};
use lapwing_wire::import::export_line;
use lapwing_wire::text::{Escaping, Format, PageWriter};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

/// What is read of one series at once.
const WINDOW_MS: i64 = 30 * 24 * 3_600_000;
/// A bucket of the longest tier is not filled in: one sample stands for it.
const BUCKET_MS: i64 = 12 * 3_600_000;
const PIECE_BYTES: usize = 64 << 10;
/// Of one line of JSON, and of what is written between two looks at the length of a piece.
const RUN_SAMPLES_MAX: usize = 8_192;
/// OpenMetrics allows no more for the labels of an exemplar.
const EXEMPLAR_CHARS_MAX: usize = 128;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Lines,
    OpenMetrics,
}

impl Form {
    pub(super) fn content_type(self) -> &'static str {
        match self {
            Form::Lines => "application/stream+json; charset=utf-8",
            Form::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

pub(super) struct Asked {
    pub(super) selectors: Vec<Vec<Matcher>>,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) form: Form,
}

/// Why an export ended early.
pub(super) enum Stopped {
    Gone,
    Closing,
    Unread(ReadError),
}

impl From<ReadError> for Stopped {
    fn from(error: ReadError) -> Self {
        Stopped::Unread(error)
    }
}

type Put<'p> = &'p mut dyn FnMut(String) -> Result<(), Stopped>;

/// Hands all of it over in pieces.
pub(super) fn walk(source: &Snapshot, asked: &Asked, put: Put<'_>) -> Result<(), Stopped> {
    let known: HashMap<String, Metadata> = source.metadata(None).into_iter().collect();
    let mut names = BTreeSet::new();
    for matchers in &asked.selectors {
        names.extend(source.label_values(METRIC_NAME, &asked.selection(matchers))?);
    }
    let mut families: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for name in &names {
        families.entry(family_of(name, &known)).or_default().push(name);
    }
    let mut walk = Walk {
        source,
        asked,
        put,
        page: PageWriter::new(Format::OpenMetrics, Escaping::AllowUtf8),
        lines: String::new(),
    };
    let unknown = Metadata::default();
    for (family, members) in families {
        let metadata = known.get(family).unwrap_or(&unknown);
        walk.family(family, metadata, &members)?;
    }
    if asked.form == Form::OpenMetrics {
        walk.page.end();
    }
    walk.hand_over(0)
}

/// The family whose member a name is, by what is known of families; else the name is one.
fn family_of<'n>(name: &'n str, known: &HashMap<String, Metadata>) -> &'n str {
    use MetricKind::{Counter, GaugeHistogram, Histogram, Info, Summary};
    const MEMBERS: [(&str, &[MetricKind]); 7] = [
        ("_total", &[Counter]),
        ("_bucket", &[Histogram, GaugeHistogram]),
        ("_count", &[Histogram, Summary]),
        ("_sum", &[Histogram, Summary]),
        ("_gcount", &[GaugeHistogram]),
        ("_gsum", &[GaugeHistogram]),
        ("_info", &[Info]),
    ];
    if known.contains_key(name) {
        return name;
    }
    let family = MEMBERS.iter().find_map(|(suffix, kinds)| {
        let base = name.strip_suffix(suffix)?;
        known
            .get(base)
            .is_some_and(|m| kinds.contains(&m.kind))
            .then_some(base)
    });
    family.unwrap_or(name)
}

impl Asked {
    pub(super) fn within(mut self, (oldest_ms, newest_ms): (i64, i64)) -> Self {
        self.start_ms = self.start_ms.max(oldest_ms);
        self.end_ms = self.end_ms.min(newest_ms);
        self
    }

    fn selection(&self, matchers: &[Matcher]) -> Selection {
        Selection {
            matchers: matchers.to_vec(),
            start_ms: self.start_ms,
            end_ms: self.end_ms,
            series_max: None,
        }
    }

    fn windows(&self) -> impl Iterator<Item = (i64, i64)> {
        let (start_ms, end_ms) = (self.start_ms, self.end_ms);
        let first = Some(start_ms).filter(|start| *start <= end_ms);
        std::iter::successors(first, move |at| {
            at.checked_add(WINDOW_MS).filter(|next| *next <= end_ms)
        })
        .map(move |at| (at, at.saturating_add(WINDOW_MS - 1).min(end_ms)))
    }
}

struct Walk<'w> {
    source: &'w Snapshot,
    asked: &'w Asked,
    put: Put<'w>,
    page: PageWriter,
    lines: String,
}

impl Walk<'_> {
    fn family(&mut self, family: &str, metadata: &Metadata, members: &[&str]) -> Result<(), Stopped> {
        if *metadata != Metadata::default() && self.asked.form == Form::OpenMetrics {
            self.page.family(family, metadata, members.iter().copied());
        }
        for name in members {
            // One series may match several selectors.
            let mut written = HashSet::new();
            let has_many = self.asked.selectors.len() > 1;
            for matchers in &self.asked.selectors {
                let mut selection = self.asked.selection(matchers);
                selection.matchers.push(Matcher::equal(METRIC_NAME, *name));
                let mut exemplars = self.exemplars(name, &selection)?;
                let hint = TierHint {
                    column: TierColumn::Last,
                    every_ms: BUCKET_MS,
                };
                for series in self.source.select_as(&selection, hint)? {
                    if has_many && !written.insert(series.labels.clone()) {
                        continue;
                    }
                    let exemplars = exemplars.remove(&series.labels).unwrap_or_default();
                    self.series(&series, metadata.kind, &exemplars)?;
                }
            }
        }
        Ok(())
    }

    /// Where OpenMetrics has a place for them.
    fn exemplars(
        &self,
        name: &str,
        selection: &Selection,
    ) -> Result<HashMap<Labels, Vec<Exemplar>>, Stopped> {
        let has_place = name.ends_with("_total") || name.ends_with("_bucket");
        if !has_place || self.asked.form != Form::OpenMetrics {
            return Ok(HashMap::new());
        }
        Ok(self.source.exemplars(selection)?.into_iter().collect())
    }

    fn series(
        &mut self,
        series: &SelectedSeries,
        kind: MetricKind,
        exemplars: &[Exemplar],
    ) -> Result<(), Stopped> {
        let mut points = SeriesPoints::default();
        let mut samples = Vec::new();
        let mut starts: Vec<Sample> = Vec::new();
        let fits = |e: &&Exemplar| {
            let chars = e
                .labels
                .iter()
                .map(|(n, v)| n.chars().count() + v.chars().count());
            chars.sum::<usize>() <= EXEMPLAR_CHARS_MAX
        };
        let mut exemplars = exemplars.iter().filter(fits).peekable();
        for (start_ms, end_ms) in self.asked.windows() {
            points.clear();
            samples.clear();
            series.reader.read(start_ms, end_ms, &mut points)?;
            for (at, (&t_ms, &value)) in points.times_ms.iter().zip(&points.values).enumerate() {
                if is_stale(value) {
                    continue;
                }
                samples.push(Sample { t_ms, value });
                if let Some(start_ms) = points.start_of(at) {
                    let value = start_ms as f64 / 1_000.0;
                    if starts.last().is_none_or(|last| last.value != value) {
                        starts.push(Sample { t_ms, value });
                    }
                }
            }
            for run in samples.chunks(RUN_SAMPLES_MAX) {
                match self.asked.form {
                    Form::Lines => export_line(&mut self.lines, &series.labels, run),
                    Form::OpenMetrics => {
                        let with_exemplars = run.iter().map(|sample| {
                            let is_due = |e: &&Exemplar| e.t_ms.is_none_or(|t_ms| t_ms <= sample.t_ms);
                            (*sample, exemplars.next_if(is_due))
                        });
                        self.page.series(&series.labels, with_exemplars);
                    }
                }
                self.hand_over(PIECE_BYTES)?;
            }
        }
        if self.asked.form == Form::OpenMetrics
            && let Some(created) = created(&series.labels, kind)
        {
            self.page
                .series(&created, starts.into_iter().map(|start| (start, None)));
        }
        Ok(())
    }

    /// What was written, where it is more than this.
    fn hand_over(&mut self, more_than_bytes: usize) -> Result<(), Stopped> {
        let text = match self.asked.form {
            Form::Lines if self.lines.len() > more_than_bytes => std::mem::take(&mut self.lines),
            Form::OpenMetrics if self.page.len() > more_than_bytes => self.page.take(),
            _ => return Ok(()),
        };
        (self.put)(text)
    }
}

/// The series of OpenMetrics that says when a counter, or all of a histogram, began.
fn created(labels: &Labels, kind: MetricKind) -> Option<Labels> {
    let suffix = match kind {
        MetricKind::Counter => "_total",
        MetricKind::Histogram | MetricKind::Summary => "_count",
        _ => return None,
    };
    let family = labels.metric_name()?.strip_suffix(suffix)?;
    let mut builder = labels.to_builder();
    builder.set(METRIC_NAME, format!("{family}_created"));
    Some(builder.build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_with_their_family() {
        let known = [
            ("jobs", MetricKind::Counter),
            ("requests_total", MetricKind::Counter),
            ("latency", MetricKind::Histogram),
            ("size", MetricKind::Summary),
            ("queue", MetricKind::GaugeHistogram),
            ("load", MetricKind::Gauge),
            ("build", MetricKind::Info),
        ];
        let known = known.map(|(name, kind)| {
            let metadata = Metadata {
                kind,
                ..Metadata::default()
            };
            (name.to_owned(), metadata)
        });
        let known = HashMap::from(known);
        for (name, family) in [
            ("jobs_total", "jobs"),
            ("requests_total", "requests_total"),
            ("latency_bucket", "latency"),
            ("latency_sum", "latency"),
            ("size_count", "size"),
            ("size", "size"),
            ("size_bucket", "size_bucket"),
            ("queue_gsum", "queue"),
            ("build_info", "build"),
            // A gauge has no such members, and of these nothing is known.
            ("load_count", "load_count"),
            ("other_total", "other_total"),
        ] {
            assert_eq!(family_of(name, &known), family);
        }
    }

    #[test]
    fn windows_meet_and_leave_nothing_out() {
        for (start_ms, end_ms, count) in [
            (0, 0, 1),
            (5, 4, 0),
            (0, WINDOW_MS - 1, 1),
            (0, WINDOW_MS, 2),
            (-7, 3 * WINDOW_MS, 4),
            (i64::MAX - 5, i64::MAX, 1),
        ] {
            let asked = Asked {
                selectors: Vec::new(),
                start_ms,
                end_ms,
                form: Form::Lines,
            };
            let windows: Vec<(i64, i64)> = asked.windows().collect();
            assert_eq!(windows.len(), count, "{start_ms} to {end_ms}");
            assert_eq!(windows.first().map(|w| w.0), (count > 0).then_some(start_ms));
            assert_eq!(windows.last().map(|w| w.1), (count > 0).then_some(end_ms));
            assert!(windows.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0));
        }
    }
}
