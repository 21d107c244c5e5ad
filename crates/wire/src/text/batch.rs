//! A whole page at once: what an import, a push or a test wants.

use super::created::start_key;
use super::error::ParseError;
use super::parser::{Entry, Format, Parser, RawSample, SampleRole};
use lapwing_types::{Labels, Metadata, Sample, SeriesWrite, WriteBatch};
use std::collections::HashMap;

/// Parses the page or says where it stops making sense. Lines without a timestamp get `default_t_ms`; several lines of
/// one series become one [`SeriesWrite`], in the order of the page.
pub fn parse_to_batch(bytes: &[u8], format: Format, default_t_ms: i64) -> Result<WriteBatch, ParseError> {
    let mut parser = Parser::new(bytes, format)?;
    let mut page = Page {
        default_t_ms,
        ..Page::default()
    };
    while let Some(entry) = parser.next_entry()? {
        match entry {
            Entry::Type { family, kind } => page.about(&family).kind = kind,
            Entry::Help { family, text } => page.about(&family).help = text.into_owned(),
            Entry::Unit { family, unit } => page.about(&family).unit = unit.to_owned(),
            Entry::Sample(sample) => page.sample(&sample)?,
        }
    }
    Ok(page.finish())
}

#[derive(Default)]
struct Page<'a> {
    default_t_ms: i64,
    batch: WriteBatch,
    by_text: HashMap<&'a str, usize>,
    families: HashMap<String, usize>,
    /// Start times by the labels of what began, without `__name__`, `le` and `quantile`, and by family.
    created: HashMap<(String, Labels), i64>,
}

impl<'a> Page<'a> {
    fn about(&mut self, family: &str) -> &mut Metadata {
        let index = match self.families.get(family) {
            Some(index) => *index,
            None => {
                self.families.insert(family.to_owned(), self.batch.metadata.len());
                self.batch.metadata.push((family.to_owned(), Metadata::default()));
                self.batch.metadata.len() - 1
            }
        };
        &mut self.batch.metadata[index].1
    }

    fn sample(&mut self, sample: &RawSample<'a>) -> Result<(), ParseError> {
        if sample.role == SampleRole::Created {
            let labels = sample.labels()?;
            if let Some(key) = start_key(&labels, &["_created"]).filter(|_| sample.value.is_finite()) {
                self.created.insert(key, (sample.value * 1000.0).round() as i64);
            }
            return Ok(());
        }
        let text = sample.series_text();
        let index = match self.by_text.get(text) {
            Some(index) => *index,
            None => {
                self.batch.series.push(SeriesWrite {
                    labels: sample.labels()?,
                    ..SeriesWrite::default()
                });
                self.by_text.insert(text, self.batch.series.len() - 1);
                self.batch.series.len() - 1
            }
        };
        let series = &mut self.batch.series[index];
        let t_ms = sample.t_ms.unwrap_or(self.default_t_ms);
        series.samples.push(Sample {
            t_ms,
            value: sample.value,
        });
        series.exemplars.extend(sample.exemplar()?);
        Ok(())
    }

    fn finish(mut self) -> WriteBatch {
        if !self.created.is_empty() {
            for series in &mut self.batch.series {
                let key = start_key(&series.labels, &["_total", "_bucket", "_count", "_sum"]);
                series.start_ms = key.and_then(|key| self.created.get(&key).copied());
            }
        }
        self.batch
    }
}
