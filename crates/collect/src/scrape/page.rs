//! One page read: text to series with their final labels, through the cache of what was known before.
//!
//! A series whose text is known costs a comparison and a push of three numbers. Only an unknown one is parsed, given the target's
//! labels, relabelled and checked against the limits. Nothing of a page that fails is kept.

use super::cache::SeriesCache;
use super::classic::{ClassicCache, Gathered};
use super::config::NameValidation;
use super::error::ScrapeError;
use super::job::Job;
use super::once::ScrapeState;
use crate::sink::KnownSample;
use lapwing_types::{Labels, LabelsBuilder, METRIC_NAME, Metadata, Sample, SeriesWrite, WriteBatch};
use lapwing_wire::classic_buckets::ClassicError;
use lapwing_wire::names::{is_legacy_label_name, is_legacy_metric_name};
use lapwing_wire::text::{Entry, Format, Parser, RawSample};
use std::collections::HashMap;
use std::sync::Arc;

/// Families remembered beyond those on the last page, before what is known about them is learnt anew.
const METADATA_SLACK: usize = 1000;

/// What a page held.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct PageCounts {
    /// Samples on the page.
    pub(super) scraped: u64,
    /// Of those, the ones the rules kept.
    pub(super) kept: u64,
    /// Series that were not known before.
    pub(super) added: u64,
    /// Samples of a series that the page had already given, without a timestamp to tell them apart.
    pub(super) duplicates: u64,
    /// The first such series.
    pub(super) twice: Option<Labels>,
    /// Histograms that were to be made native and do not add up.
    pub(super) classic: u64,
    /// The first of them, and why.
    pub(super) left_classic: Option<(Labels, ClassicError)>,
}

impl PageCounts {
    pub(super) fn leave_out(&mut self, labels: &Labels) {
        self.duplicates += 1;
        self.twice.get_or_insert_with(|| labels.clone());
    }

    pub(super) fn leave_classic(&mut self, labels: &Labels, reason: &ClassicError) {
        self.classic += 1;
        self.left_classic
            .get_or_insert_with(|| (labels.clone(), reason.clone()));
    }
}

/// What a page brings: samples of cached series as a column, and whatever is more than a float beside it.
#[derive(Debug, Default)]
pub(super) struct PageBatch {
    pub(super) rows: Vec<Row>,
    pub(super) rest: WriteBatch,
}

/// A float of the series at an index of the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Row {
    index: u32,
    sample: Sample,
}

/// The rows with their series, for as long as the cache stands as the page left it.
pub(super) fn known<'p>(rows: &'p [Row], cache: &'p SeriesCache) -> impl Iterator<Item = KnownSample<'p>> {
    rows.iter().filter_map(|row| {
        let entry = cache.at(row.index);
        Some(KnownSample {
            key: &entry.key,
            labels: entry.labels.as_ref()?,
            sample: row.sample,
        })
    })
}

pub(super) struct PageReader<'a> {
    pub(super) job: &'a Job,
    pub(super) target_labels: &'a Labels,
    pub(super) t_ms: i64,
    pub(super) cache: &'a mut SeriesCache,
    pub(super) classic: &'a mut ClassicCache,
    metadata: &'a mut Arc<HashMap<String, Metadata>>,
    pub(super) scrape: u64,
    pub(super) families: usize,
    changed: Vec<String>,
    batch: PageBatch,
    pub(super) counts: PageCounts,
}

impl<'a> PageReader<'a> {
    pub(super) fn new(
        job: &'a Job,
        target_labels: &'a Labels,
        t_ms: i64,
        state: &'a mut ScrapeState,
    ) -> Self {
        state.cache.start_page();
        let batch = PageBatch {
            rows: Vec::with_capacity(state.cache.len()),
            ..PageBatch::default()
        };
        PageReader {
            job,
            target_labels,
            t_ms,
            cache: &mut state.cache,
            classic: &mut state.classic,
            metadata: &mut state.metadata,
            scrape: state.scrapes,
            families: 0,
            changed: Vec::new(),
            batch,
            counts: PageCounts::default(),
        }
    }

    /// The whole page, or the first reason to keep nothing of it; and what was counted until then.
    pub(super) fn read_text(
        mut self,
        body: &[u8],
        format: Format,
    ) -> (Result<PageBatch, ScrapeError>, PageCounts) {
        let read = self.take_text(body, format);
        self.finish(read)
    }

    fn take_text(&mut self, body: &[u8], format: Format) -> Result<(), ScrapeError> {
        let mut parser = Parser::new(body, format).map_err(ScrapeError::Parse)?;
        let config = &self.job.config;
        let (gathers, keeps_classic) = (
            config.convert_classic_histograms_to_nhcb,
            config.always_scrape_classic_histograms,
        );
        let mut gathered = Gathered::default();
        while let Some(entry) = parser.next_entry().map_err(ScrapeError::Parse)? {
            match entry {
                Entry::Sample(sample) => {
                    let is_part = gathers && self.gather(&sample, &mut gathered)?;
                    if !is_part || keeps_classic {
                        self.sample(&sample)?;
                    }
                }
                Entry::Type { family, kind } => {
                    self.families += 1;
                    self.describe(&family, |m| m.kind == kind, |m| m.kind = kind);
                }
                Entry::Help { family, text } => {
                    self.describe(
                        &family,
                        |m| m.help == text,
                        |m| m.help = text.clone().into_owned(),
                    );
                }
                Entry::Unit { family, unit } => {
                    self.describe(&family, |m| m.unit == unit, |m| unit.clone_into(&mut m.unit));
                }
            }
        }
        self.keep_gathered(gathered)
    }

    pub(super) fn sample(&mut self, raw: &RawSample<'_>) -> Result<(), ScrapeError> {
        self.counts.scraped += 1;
        let text = raw.series_text();
        let entry = match self.cache.find(text, raw.kind) {
            Some(entry) => entry,
            None => {
                let (exposed, unset) = raw.labels_and_unset().map_err(ScrapeError::Parse)?;
                let labels = final_labels((&exposed, &unset), self.target_labels, self.job)?;
                self.counts.added += u64::from(labels.is_some() && !self.is_over_limit());
                self.cache.insert(text, raw.kind, labels)
            }
        };
        let own_t_ms = raw.t_ms.filter(|_| self.job.config.honor_timestamps);
        let again = std::mem::replace(&mut entry.seen, self.scrape) == self.scrape;
        let Some(labels) = &entry.labels else {
            return Ok(());
        };
        if again && own_t_ms.is_none() {
            self.counts.leave_out(labels);
            return Ok(());
        }
        entry.ends_when_absent = own_t_ms.is_none() || self.job.config.track_timestamps_staleness;
        let sample = Sample {
            t_ms: own_t_ms.unwrap_or(self.t_ms),
            value: raw.value,
        };
        if raw.has_exemplar() {
            let write = SeriesWrite {
                labels: labels.clone(),
                samples: vec![sample],
                exemplars: raw.exemplar().map_err(ScrapeError::Parse)?.into_iter().collect(),
                ..SeriesWrite::default()
            };
            self.keep(write);
            return Ok(());
        }
        if self.count_kept() {
            let index = self.cache.last_index();
            self.batch.rows.push(Row { index, sample });
        }
        Ok(())
    }

    /// More than a float.
    pub(super) fn keep(&mut self, write: SeriesWrite) {
        if self.count_kept() {
            self.batch.rest.series.push(write);
        }
    }

    /// False beyond the limit, where the rest of the page is only counted: how much too large it is has to be known.
    fn count_kept(&mut self) -> bool {
        self.counts.kept += 1;
        !self.is_over_limit()
    }

    pub(super) fn is_over_limit(&self) -> bool {
        let limit = self.job.config.sample_limit;
        limit > 0 && self.counts.kept > limit
    }

    /// Notes what the page says about a family; only what changed travels on.
    pub(super) fn describe(
        &mut self,
        family: &str,
        is_known: impl Fn(&Metadata) -> bool,
        change: impl Fn(&mut Metadata),
    ) {
        if self.metadata.get(family).is_some_and(is_known) {
            return;
        }
        // Readers of the old table keep it; a page that says what it said before copies nothing.
        let all = Arc::make_mut(self.metadata);
        change(all.entry(family.to_owned()).or_default());
        if self.changed.last().is_none_or(|last| last != family) {
            self.changed.push(family.to_owned());
        }
    }

    pub(super) fn finish(
        mut self,
        read: Result<(), ScrapeError>,
    ) -> (Result<PageBatch, ScrapeError>, PageCounts) {
        let limit = self.job.config.sample_limit;
        let read = read.and_then(|()| {
            if self.is_over_limit() {
                return Err(ScrapeError::SampleLimit { limit });
            }
            Ok(())
        });
        for family in self.changed {
            if let Some(metadata) = self.metadata.get(&family) {
                self.batch.rest.metadata.push((family, metadata.clone()));
            }
        }
        if self.metadata.len() > self.families + METADATA_SLACK {
            *self.metadata = Arc::default();
        }
        (read.map(|()| self.batch), self.counts)
    }
}

/// What a series is called here: its own labels and the target's, by the job's rule for conflicts, relabelled. A label that the
/// page gives as empty is one of its own, too.
/// `None`: dropped.
pub(super) fn final_labels(
    (exposed, unset): (&Labels, &[String]),
    target: &Labels,
    job: &Job,
) -> Result<Option<Labels>, ScrapeError> {
    let mut builder = exposed.to_builder();
    if job.config.honor_labels {
        for (name, value) in target {
            if builder.get(name).is_none() && !unset.iter().any(|u| u == name) {
                builder.set(name, value);
            }
        }
    } else {
        set_target_labels(&mut builder, exposed, target);
    }
    if !job.metric_relabel.is_empty() && !job.metric_relabel.apply(&mut builder) {
        return Ok(None);
    }
    let labels = builder.build();
    if labels.is_empty() {
        return Ok(None);
    }
    let shown = || labels.to_string().chars().take(200).collect();
    let Some(name) = labels.metric_name() else {
        return Err(ScrapeError::NoName { series: shown() });
    };
    let is_legacy = || {
        let mut names = labels.iter().map(|(label, _)| label);
        is_legacy_metric_name(name) && names.all(is_legacy_label_name)
    };
    if job.config.metric_name_validation_scheme == NameValidation::Legacy && !is_legacy() {
        return Err(ScrapeError::NotLegacy { series: shown() });
    }
    match job.label_limits.check(&labels) {
        Ok(()) => Ok(Some(labels)),
        Err(exceeded) => Err(ScrapeError::LabelLimit {
            series: shown(),
            exceeded,
        }),
    }
}

/// The target's labels win; what the page had under their names moves to `exported_…`.
fn set_target_labels(builder: &mut LabelsBuilder, exposed: &Labels, target: &Labels) {
    let mut conflicts = Vec::new();
    for (name, value) in target {
        if let Some(own) = exposed.get(name) {
            conflicts.push((name, own));
        }
        builder.set(name, value);
    }
    // Shorter names first, so that "exported_x" on the page does not take the place of a moved "x".
    conflicts.sort_by_key(|(name, _)| name.len());
    for (name, own) in conflicts {
        let mut moved = format!("exported_{name}");
        while builder.get(&moved).is_some() || exposed.get(&moved).is_some() {
            moved.insert_str(0, "exported_");
        }
        builder.set(&moved, own);
    }
}

/// Samples that end series at `t_ms`.
pub(super) fn end_series(batch: &mut WriteBatch, ended: impl IntoIterator<Item = Labels>, t_ms: i64) {
    for labels in ended {
        debug_assert!(labels.get(METRIC_NAME).is_some());
        batch.series.push(SeriesWrite {
            labels,
            samples: vec![Sample {
                t_ms,
                value: lapwing_types::stale_nan(),
            }],
            ..SeriesWrite::default()
        });
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{ScrapeConfig, ScrapeDefaults};
    use super::*;
    use crate::relabel::{Action, RelabelConfig};

    fn job(change: impl FnOnce(&mut ScrapeConfig)) -> Job {
        let mut config = ScrapeConfig {
            job_name: "j".to_owned(),
            ..ScrapeConfig::default()
        };
        change(&mut config);
        Job::new(config, ScrapeDefaults::default()).unwrap()
    }

    fn check_labels(job: &Job, exposed: &[(&str, &str)], expect: &str) {
        let target = Labels::from_pairs([("instance", "i"), ("job", "j")]).unwrap();
        let unset: Vec<String> = exposed
            .iter()
            .filter(|l| l.1.is_empty())
            .map(|l| l.0.to_owned())
            .collect();
        let exposed = Labels::from_pairs(exposed.iter().copied()).unwrap();
        let found = match final_labels((&exposed, &unset), &target, job) {
            Ok(Some(labels)) => labels.to_string(),
            Ok(None) => "dropped".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expect);
    }

    #[test]
    fn conflicts_are_moved_or_honoured() {
        let (plain, honor) = (job(|_| {}), job(|c| c.honor_labels = true));
        let own = [("__name__", "m"), ("job", "theirs")];
        check_labels(&plain, &own, r#"m{exported_job="theirs", instance="i", job="j"}"#);
        check_labels(&honor, &own, r#"m{instance="i", job="theirs"}"#);
        check_labels(
            &plain,
            &[("__name__", "m"), ("job", "a"), ("exported_job", "b")],
            r#"m{exported_exported_job="a", exported_job="b", instance="i", job="j"}"#,
        );
        let nameless =
            r#"missing metric name: {a="b", instance="i", job="j"} (metric_relabel_configs took it away)"#;
        check_labels(&plain, &[("a", "b")], nameless);
        // What is federated says of labels that it has none.
        let none = [("__name__", "m"), ("instance", "")];
        check_labels(&plain, &none, r#"m{instance="i", job="j"}"#);
        check_labels(&honor, &none, r#"m{job="j"}"#);
    }

    #[test]
    fn names_beyond_the_legacy_ones_are_refused_where_only_those_are_valid() {
        let legacy = job(|c| c.metric_name_validation_scheme = NameValidation::Legacy);
        let plain = [("__name__", "a:b_1"), ("c", "d.e")];
        check_labels(&legacy, &plain, r#"a:b_1{c="d.e", instance="i", job="j"}"#);
        check_labels(
            &legacy,
            &[("__name__", "my.metric")],
            r#"invalid metric name or label names: {__name__="my.metric", instance="i", job="j"} (metric_name_validation_scheme is legacy)"#,
        );
        let label = [("__name__", "m"), ("la.bel", "x")];
        check_labels(
            &legacy,
            &label,
            r#"invalid metric name or label names: m{instance="i", job="j", "la.bel"="x"} (metric_name_validation_scheme is legacy)"#,
        );
        check_labels(&job(|_| {}), &label, r#"m{instance="i", job="j", "la.bel"="x"}"#);
    }

    #[test]
    fn rules_and_limits() {
        let dropping = job(|c| {
            c.metric_relabel_configs = vec![RelabelConfig {
                source_labels: vec!["__name__".to_owned()],
                regex: "go_.*".to_owned(),
                action: Action::Drop,
                ..RelabelConfig::default()
            }];
            c.label_limit = 4;
        });
        check_labels(&dropping, &[("__name__", "go_x")], "dropped");
        check_labels(&dropping, &[("__name__", "m")], r#"m{instance="i", job="j"}"#);
        check_labels(
            &dropping,
            &[("__name__", "m"), ("a", "1"), ("b", "2")],
            r#"series m{a="1", b="2", instance="i", job="j"}: 5 labels, the limit is 4"#,
        );
    }

    fn read(job: &Job, state: &mut ScrapeState, page: &str) -> Result<(PageBatch, PageCounts), ScrapeError> {
        let (read, counts) = read_all(job, state, page);
        Ok((read?, counts))
    }

    fn read_all(
        job: &Job,
        state: &mut ScrapeState,
        page: &str,
    ) -> (Result<PageBatch, ScrapeError>, PageCounts) {
        state.scrapes += 1;
        PageReader::new(job, &Labels::empty(), 1000, state).read_text(page.as_bytes(), Format::Prometheus)
    }

    #[test]
    fn counts_timestamps_and_duplicates() {
        let job = job(|_| {});
        let mut state = ScrapeState::default();
        let page = "# HELP a help\n# TYPE a gauge\na 1\na 2\nb 3 77\nb 4 78\n";
        let (batch, counts) = read(&job, &mut state, page).unwrap();
        let expect = PageCounts {
            scraped: 4,
            kept: 3,
            added: 2,
            duplicates: 1,
            twice: Some(Labels::from_pairs([("__name__", "a")]).unwrap()),
            ..PageCounts::default()
        };
        assert_eq!(counts, expect);
        let times: Vec<i64> = known(&batch.rows, &state.cache).map(|k| k.sample.t_ms).collect();
        assert_eq!(times, [1000, 77, 78]);
        assert_eq!(batch.rest.metadata.len(), 1);
        let (batch, counts) = read(&job, &mut state, page).unwrap();
        assert_eq!((counts.added, batch.rest.metadata.len()), (0, 0), "all is known");
    }

    #[test]
    fn a_limit_of_samples_fails_the_page() {
        let job = job(|c| c.sample_limit = 1);
        let mut state = ScrapeState::default();
        assert!(read(&job, &mut state, "a 1\n").is_ok());
        assert_eq!(
            read(&job, &mut state, "a 1\nb 2\n").unwrap_err(),
            ScrapeError::SampleLimit { limit: 1 }
        );
    }

    #[test]
    fn a_page_that_fails_says_what_was_counted() {
        let count = |c: &PageCounts| (c.scraped, c.kept, c.added);
        let limited = job(|c| {
            c.sample_limit = 2;
            c.metric_relabel_configs = vec![RelabelConfig {
                source_labels: vec!["__name__".to_owned()],
                regex: "b".to_owned(),
                action: Action::Drop,
                ..RelabelConfig::default()
            }];
        });
        let page = "a 1\nb 2\nc 3\nd 4\ne 5\n";
        let (read, counts) = read_all(&limited, &mut ScrapeState::default(), page);
        assert_eq!(read.unwrap_err(), ScrapeError::SampleLimit { limit: 2 });
        assert_eq!((counts.scraped, counts.kept), (5, 4));
        let broken = "a 1\nb 2\n{\n";
        let (read, counts) = read_all(&job(|_| {}), &mut ScrapeState::default(), broken);
        assert!(matches!(read, Err(ScrapeError::Parse(_))));
        assert_eq!(count(&counts), (2, 2, 2));
    }
}
