//! A page in protobuf, the format that carries native histograms.
//!
//! `wire` gives it as series with labels; what follows is as for text, with the labels' own spelling as the key.

use super::error::ScrapeError;
use super::page::{PageBatch, PageCounts, PageReader, final_labels};
use lapwing_types::{Metadata, MetricKind, SeriesWrite};
use lapwing_wire::proto_exposition::{ExpositionOptions, parse};
use std::error::Error;

impl PageReader<'_> {
    /// The whole page, or the first reason to keep nothing of it; and what was counted until then.
    pub(super) fn read_protobuf(mut self, body: &[u8]) -> (Result<PageBatch, ScrapeError>, PageCounts) {
        let read = self.take_protobuf(body);
        self.finish(read)
    }

    fn take_protobuf(&mut self, body: &[u8]) -> Result<(), ScrapeError> {
        let config = &self.job.config;
        let options = ExpositionOptions {
            default_t_ms: self.t_ms,
            native: config.scrape_native_histograms,
            classic_to_custom: config.convert_classic_histograms_to_nhcb,
            classic_beside_native: config.always_scrape_classic_histograms,
        };
        let page = parse(body, options).map_err(|error| {
            let source = error.source().map_or(String::new(), |s| format!(": {s}"));
            ScrapeError::ParseProtobuf {
                detail: format!("{error}{source}"),
            }
        })?;
        for (family, said) in page.batch.metadata {
            self.families += 1;
            self.describe(&family, |m| *m == said, |m| Metadata::clone_from(m, &said));
        }
        let mut unset = page.unset.into_iter().peekable();
        for (index, series) in page.batch.series.into_iter().enumerate() {
            let mut names = Vec::new();
            while let Some((_, name)) = unset.next_if(|(of, _)| *of == index) {
                names.push(name);
            }
            self.series(series, &names)?;
        }
        Ok(())
    }

    pub(super) fn series(&mut self, mut series: SeriesWrite, unset: &[String]) -> Result<(), ScrapeError> {
        self.counts.scraped += 1;
        // Text and protobuf may follow each other on one target; their keys must not meet.
        let mut key = format!("\u{0}{}", series.labels);
        for name in unset {
            key.push('\u{0}');
            key.push_str(name);
        }
        let kind = MetricKind::Unknown;
        let entry = match self.cache.find(&key, kind) {
            Some(entry) => entry,
            None => {
                let labels = final_labels((&series.labels, unset), self.target_labels, self.job)?;
                self.counts.added += u64::from(labels.is_some() && !self.is_over_limit());
                self.cache.insert(&key, kind, labels)
            }
        };
        let again = std::mem::replace(&mut entry.seen, self.scrape) == self.scrape;
        let Some(labels) = &entry.labels else {
            return Ok(());
        };
        series.labels = labels.clone();
        let times = series.samples.iter_mut().map(|s| &mut s.t_ms);
        let mut has_own_time = false;
        for t_ms in times.chain(series.histograms.iter_mut().map(|(t, _)| t)) {
            if !self.job.config.honor_timestamps {
                *t_ms = self.t_ms;
            }
            has_own_time |= *t_ms != self.t_ms;
        }
        if again && !has_own_time {
            self.counts.leave_out(labels);
            return Ok(());
        }
        entry.ends_when_absent = !has_own_time || self.job.config.track_timestamps_staleness;
        self.keep(series);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{ScrapeConfig, ScrapeDefaults};
    use super::super::job::Job;
    use super::super::once::ScrapeState;
    use super::*;
    use lapwing_types::Labels;
    use lapwing_wire::protobuf::{Writer, push_varint};

    /// A histogram with one native bucket and one classic one, and a gauge with a time of its own.
    fn page() -> Vec<u8> {
        let mut histogram = Writer::new();
        histogram.string(1, "h");
        histogram.uint64(3, 4);
        histogram.message(4, |metric| {
            metric.message(7, |h| {
                h.uint64(1, 2);
                h.double(2, 3.0);
                h.message(3, |bucket| {
                    bucket.uint64(1, 2);
                    bucket.double(2, 5.0);
                });
                h.sint64(5, 1);
                h.double(6, 0.001);
                h.message(12, |span| {
                    span.sint64(1, 1);
                    span.uint64(2, 1);
                });
                h.sint64(13, 2);
            });
        });
        let mut gauge = Writer::new();
        gauge.string(1, "g");
        gauge.uint64(3, 1);
        gauge.message(4, |metric| {
            metric.message(2, |g| g.double(1, 7.0));
            metric.int64(6, 500);
        });
        page_of([histogram, gauge])
    }

    fn page_of<const N: usize>(families: [Writer; N]) -> Vec<u8> {
        let mut page = Vec::new();
        for family in families {
            push_varint(&mut page, family.as_bytes().len() as u64);
            page.extend(family.into_bytes());
        }
        page
    }

    fn names(native: bool) -> Vec<String> {
        let config = ScrapeConfig {
            job_name: "j".to_owned(),
            scrape_native_histograms: native,
            ..ScrapeConfig::default()
        };
        let job = Job::new(config, ScrapeDefaults::default()).unwrap();
        let mut state = ScrapeState::default();
        state.scrapes = 1;
        let target = Labels::from_pairs([("job", "j")]).unwrap();
        let reader = PageReader::new(&job, &target, 1000, &mut state);
        let (batch, counts) = reader.read_protobuf(&page());
        let batch = batch.unwrap();
        assert_eq!(counts.kept, batch.rest.series.len() as u64);
        let shown = batch.rest.series.iter().map(|s| {
            let t_ms = s.samples.first().map(|p| p.t_ms);
            format!("{} {:?} {}", s.labels, t_ms, s.histograms.len())
        });
        shown.collect()
    }

    #[test]
    fn native_histograms_come_when_they_are_wanted() {
        assert_eq!(names(true), [r#"h{job="j"} None 1"#, r#"g{job="j"} Some(500) 0"#]);
        let classic = names(false);
        assert!(
            classic.contains(&r#"h_bucket{job="j", le="5.0"} Some(1000) 0"#.to_owned()),
            "{classic:?}"
        );
        assert!(classic.iter().all(|l| l.ends_with(" 0")), "{classic:?}");
    }

    #[test]
    fn an_empty_label_is_honoured() {
        let config = ScrapeConfig {
            job_name: "j".to_owned(),
            honor_labels: true,
            ..ScrapeConfig::default()
        };
        let job = Job::new(config, ScrapeDefaults::default()).unwrap();
        let mut family = Writer::new();
        family.string(1, "g");
        family.uint64(3, 1);
        for instance in [Some(""), Some("theirs"), None] {
            family.message(4, |metric| {
                if let Some(instance) = instance {
                    metric.message(1, |label| {
                        label.string(1, "instance");
                        label.string(2, instance);
                    });
                }
                metric.message(2, |g| g.double(1, 7.0));
            });
        }
        let page = page_of([family]);
        let mut state = ScrapeState::default();
        state.scrapes = 1;
        let target = Labels::from_pairs([("instance", "ours")]).unwrap();
        let reader = PageReader::new(&job, &target, 1000, &mut state);
        let batch = reader.read_protobuf(&page).0.unwrap();
        let shown: Vec<String> = batch.rest.series.iter().map(|s| s.labels.to_string()).collect();
        assert_eq!(shown, ["g", r#"g{instance="theirs"}"#, r#"g{instance="ours"}"#]);
    }

    #[test]
    fn a_broken_page_is_named() {
        let job = Job::new(
            ScrapeConfig {
                job_name: "j".to_owned(),
                ..ScrapeConfig::default()
            },
            ScrapeDefaults::default(),
        )
        .unwrap();
        let mut state = ScrapeState::default();
        let mut page = page();
        page.truncate(page.len() - 3);
        let error = PageReader::new(&job, &Labels::empty(), 0, &mut state)
            .read_protobuf(&page)
            .0
            .unwrap_err();
        assert_eq!(error.reason(), "parse");
    }
}
