//! Classic histograms on a page of text, gathered into native ones with custom buckets, where a job wants them so.
//!
//! Which histogram a series belongs to, and as which part, is remembered by its text; only an unknown one costs its labels.
//! A histogram that does not add up stays as its classic series, and a warning says why.

use super::error::ScrapeError;
use super::page::PageReader;
use lapwing_types::{Labels, METRIC_NAME, MetricKind, SeriesWrite};
use lapwing_wire::classic_buckets::{ClassicHistogram, ClassicPart};
use lapwing_wire::text::{RawSample, SampleRole, parse_float};
use std::collections::HashMap;

/// Series remembered beyond twice those on the last page, before all of it is learnt anew.
const SLACK: usize = 1000;

/// What is known about the classic series of one target.
#[derive(Debug, Default)]
pub(super) struct ClassicCache {
    /// `None`: of no histogram.
    parts: HashMap<Box<str>, Option<Part>>,
    owners: Vec<Owner>,
    by_labels: HashMap<Labels, u32>,
}

#[derive(Clone, Copy, Debug)]
struct Part {
    owner: u32,
    part: ClassicPart,
}

/// The histogram that series are parts of, as the page spells it.
#[derive(Clone, Debug)]
struct Owner {
    labels: Labels,
    /// Labels that the page gives as empty.
    unset: Vec<String>,
}

/// The parts on one page, by their histograms, in the order of these on the page.
#[derive(Debug, Default)]
pub(super) struct Gathered<'p> {
    histograms: Vec<(u32, Vec<(ClassicPart, RawSample<'p>)>)>,
    places: HashMap<u32, usize>,
    series: usize,
}

impl ClassicCache {
    fn part_of(&mut self, raw: &RawSample<'_>) -> Result<Option<Part>, ScrapeError> {
        let text = raw.series_text();
        if let Some(part) = self.parts.get(text) {
            return Ok(*part);
        }
        let (labels, unset) = raw.labels_and_unset().map_err(ScrapeError::Parse)?;
        let part = split(&labels).map(|(owner, part)| {
            let next = self.owners.len() as u32;
            let number = *self.by_labels.entry(owner).or_insert_with_key(|labels| {
                let labels = labels.clone();
                self.owners.push(Owner { labels, unset });
                next
            });
            Part { owner: number, part }
        });
        self.parts.insert(text.into(), part);
        Ok(part)
    }

    fn forget_beyond(&mut self, on_page: usize) {
        if self.parts.len() > 2 * on_page + SLACK {
            *self = ClassicCache::default();
        }
    }
}

/// The labels of the histogram, and what this series is of it.
fn split(labels: &Labels) -> Option<(Labels, ClassicPart)> {
    let name = labels.metric_name()?;
    let (family, part) = if let Some(family) = name.strip_suffix("_bucket") {
        let upper_bound = parse_float(labels.get("le")?).filter(|bound| !bound.is_nan())?;
        (family, ClassicPart::Bucket { upper_bound })
    } else if let Some(family) = name.strip_suffix("_sum") {
        (family, ClassicPart::Sum)
    } else {
        (name.strip_suffix("_count")?, ClassicPart::Count)
    };
    let mut owner = labels.to_builder();
    owner.set(METRIC_NAME, family);
    owner.remove("le");
    (!family.is_empty()).then(|| (owner.build(), part))
}

impl PageReader<'_> {
    /// Puts a part of a histogram aside, and answers whether it was one.
    pub(super) fn gather<'p>(
        &mut self,
        raw: &RawSample<'p>,
        gathered: &mut Gathered<'p>,
    ) -> Result<bool, ScrapeError> {
        if raw.kind != MetricKind::Histogram || raw.role == SampleRole::Created {
            return Ok(false);
        }
        gathered.series += 1;
        let Some(Part { owner, part }) = self.classic.part_of(raw)? else {
            return Ok(false);
        };
        let next = gathered.histograms.len();
        let place = *gathered.places.entry(owner).or_insert(next);
        if place == next {
            gathered.histograms.push((owner, Vec::new()));
        }
        gathered.histograms[place].1.push((part, *raw));
        Ok(true)
    }

    /// The page is read: its histograms, each as one series.
    pub(super) fn keep_gathered(&mut self, gathered: Gathered<'_>) -> Result<(), ScrapeError> {
        for (owner, parts) in gathered.histograms {
            let Owner { labels, unset } = self.classic.owners[owner as usize].clone();
            let mut classic = ClassicHistogram::default();
            for (part, raw) in &parts {
                classic.add(*part, raw.value);
            }
            match classic.into_custom() {
                Ok(histogram) => {
                    let t_ms = parts.iter().find_map(|(_, raw)| raw.t_ms).unwrap_or(self.t_ms);
                    let mut write = SeriesWrite {
                        labels,
                        histograms: vec![(t_ms, histogram)],
                        ..SeriesWrite::default()
                    };
                    for (_, raw) in parts.iter().filter(|(_, raw)| raw.has_exemplar()) {
                        let exemplar = raw.exemplar().map_err(ScrapeError::Parse)?;
                        write.exemplars.extend(exemplar);
                    }
                    self.series(write, &unset)?;
                }
                Err(reason) => {
                    self.counts.leave_classic(&labels, &reason);
                    if !self.job.config.always_scrape_classic_histograms {
                        for (_, raw) in &parts {
                            self.sample(raw)?;
                        }
                    }
                }
            }
        }
        self.classic.forget_beyond(gathered.series);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{ScrapeConfig, ScrapeDefaults};
    use super::super::job::Job;
    use super::super::once::ScrapeState;
    use super::super::page::{PageCounts, known};
    use super::*;
    use crate::relabel::{Action, RelabelConfig};
    use lapwing_wire::text::Format;

    const PAGE: &str = r#"# TYPE h histogram
h_bucket{a="x",le="1"} 2 # {trace_id="t"} 0.5 1.5
h_bucket{a="x",le="2.5"} 5
h_bucket{a="x",le="+Inf"} 6
h_sum{a="x"} 12.5
h_count{a="x"} 6
h_bucket{a="y",le="1"} 1
h_bucket{a="y",le="+Inf"} 1
h_count{a="y"} 1
h_sum{a="y"} 0.5
# TYPE broken histogram
broken_bucket{le="1"} 3
broken_bucket{le="+Inf"} 2
broken_sum 1
# TYPE g gauge
g_count 3
# TYPE s summary
s_sum 4
s_count 2
# EOF
"#;

    fn job(change: impl FnOnce(&mut ScrapeConfig)) -> Job {
        let mut config = ScrapeConfig {
            job_name: "j".to_owned(),
            convert_classic_histograms_to_nhcb: true,
            ..ScrapeConfig::default()
        };
        change(&mut config);
        Job::new(config, ScrapeDefaults::default()).unwrap()
    }

    /// Series of floats, then those of histograms with their bounds and counts.
    fn read(job: &Job, state: &mut ScrapeState, page: &str) -> (Vec<String>, PageCounts) {
        state.scrapes += 1;
        let target = Labels::from_pairs([("job", "j")]).unwrap();
        let reader = PageReader::new(job, &target, 1000, state);
        let (batch, counts) = reader.read_text(page.as_bytes(), Format::OpenMetrics);
        let batch = batch.unwrap();
        let floats = known(&batch.rows, &state.cache).map(|k| format!("{} {}", k.labels, k.sample.value));
        let mut shown: Vec<String> = floats.collect();
        for series in &batch.rest.series {
            let histograms = series
                .histograms
                .iter()
                .map(|(t_ms, h)| format!("{:?} {:?} sum {} at {t_ms}", h.custom_bounds, h.counts, h.sum));
            let exemplars = series.exemplars.len();
            shown.push(format!(
                "{} {} exemplars {exemplars}",
                series.labels,
                histograms.collect::<String>()
            ));
        }
        (shown, counts)
    }

    const X: &str = r#"h{a="x", job="j"} [1.0, 2.5] Int { count: 6, zero: 0, positive: [2, 3, 1], negative: [] } sum 12.5 at 1000 exemplars 1"#;
    const Y: &str = r#"h{a="y", job="j"} [1.0] Int { count: 1, zero: 0, positive: [1, 0], negative: [] } sum 0.5 at 1000 exemplars 0"#;
    const OTHERS: [&str; 3] = [
        r#"g_count{job="j"} 3"#,
        r#"s_sum{job="j"} 4"#,
        r#"s_count{job="j"} 2"#,
    ];
    const BROKEN: [&str; 3] = [
        r#"broken_bucket{job="j", le="1.0"} 3"#,
        r#"broken_bucket{job="j", le="+Inf"} 2"#,
        r#"broken_sum{job="j"} 1"#,
    ];

    #[test]
    fn classic_series_become_one_and_what_does_not_add_up_stays() {
        let (job, mut state) = (job(|_| {}), ScrapeState::default());
        let expect = [&OTHERS[..], &BROKEN, &[X, Y]].concat();
        let (shown, counts) = read(&job, &mut state, PAGE);
        assert_eq!(shown, expect);
        assert_eq!((counts.scraped, counts.kept, counts.classic), (8, 8, 1));
        let (labels, reason) = counts.left_classic.unwrap();
        assert_eq!(
            (labels.to_string(), reason.to_string()),
            (
                "broken".to_owned(),
                "its bucket le=+Inf counts 2, and the one below it 3".to_owned()
            )
        );
        let (again, counts) = read(&job, &mut state, PAGE);
        assert_eq!((again, counts.added), (shown, 0), "all is known");
        state.cache.end_page(state.scrapes);
        // What leaves the page ends, the histogram and not its parts.
        let rest: String = PAGE
            .lines()
            .filter(|l| !l.contains("a=\"y\""))
            .map(|l| format!("{l}\n"))
            .collect();
        read(&job, &mut state, &rest);
        let ended: Vec<String> = state
            .cache
            .end_page(state.scrapes)
            .iter()
            .map(Labels::to_string)
            .collect();
        assert_eq!(ended, [r#"h{a="y", job="j"}"#]);
    }

    #[test]
    fn classic_series_stay_beside_it_where_both_are_wanted() {
        let job = job(|c| c.always_scrape_classic_histograms = true);
        let (shown, counts) = read(&job, &mut ScrapeState::default(), PAGE);
        let of = |name: &str| shown.iter().filter(|s| s.starts_with(name)).count();
        assert_eq!((of("h_"), of("h{"), of("broken")), (9, 2, 3));
        assert_eq!(counts.duplicates, 0);
    }

    #[test]
    fn rules_see_the_histogram_and_not_its_parts() {
        let job = job(|c| {
            c.metric_relabel_configs = vec![RelabelConfig {
                source_labels: vec!["__name__".to_owned()],
                regex: "h|h_.*".to_owned(),
                target_label: "__name__".to_owned(),
                replacement: "seen_$0".to_owned(),
                action: Action::Replace,
                ..RelabelConfig::default()
            }];
        });
        let (shown, _) = read(&job, &mut ScrapeState::default(), PAGE);
        assert_eq!(shown.iter().filter(|s| s.starts_with("seen_h{")).count(), 2);
        assert_eq!(shown.iter().filter(|s| s.starts_with("seen_")).count(), 2);
    }

    #[test]
    fn pages_of_ever_new_series_do_not_fill_the_memory() {
        let (job, mut state) = (job(|_| {}), ScrapeState::default());
        for page in 0..40 {
            let lines = (0..100).map(|n| format!("h_count{{n=\"{page}-{n}\"}} 1\n"));
            let page = format!("# TYPE h histogram\n{}# EOF\n", lines.collect::<String>());
            read(&job, &mut state, &page);
        }
        assert!(state.classic.parts.len() <= 2 * 100 + SLACK);
        assert!(state.classic.owners.len() <= 2 * 100 + SLACK);
    }
}
