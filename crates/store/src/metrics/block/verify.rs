//! Reads every page of a block past the cache and says what is lost.

use super::entry::ChunkKind;
use super::error::BlockError;
use super::index::{SeriesCursor, TimesCursor};
use super::pages::PageKind;
use super::reader::{Block, SeriesId};
use crate::metrics::columns::SeriesColumns;
use lapwing_types::Labels;
use std::collections::BTreeMap;

/// Losses named one by one; further ones are only counted.
const LOSSES_MAX: usize = 10_000;

/// What can no longer be read.
#[derive(Clone, Debug, PartialEq)]
pub enum Loss {
    /// A stretch of one series.
    Samples {
        labels: Labels,
        start_ms: i64,
        end_ms: i64,
        page: u32,
    },
    /// A part of the index: series whose entry or labels cannot be read.
    Index { page: u32, reason: &'static str },
    /// One series, whose entry is whole but does not decode.
    Series { id: SeriesId, reason: String },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyReport {
    pub pages: u32,
    /// Page number and reason.
    pub damaged_pages: Vec<(u32, &'static str)>,
    pub losses: Vec<Loss>,
    /// Also those beyond the first ten thousand.
    pub losses_count: u64,
    /// The directory of pages was damaged; it was rebuilt from the pages and costs nothing but time.
    pub directory_damaged: bool,
}

impl VerifyReport {
    pub fn is_whole(&self) -> bool {
        self.damaged_pages.is_empty() && self.losses_count == 0 && !self.directory_damaged
    }

    fn lose(&mut self, loss: Loss) {
        self.losses_count += 1;
        if self.losses.len() < LOSSES_MAX {
            self.losses.push(loss);
        }
    }
}

impl Block {
    /// Checks every page, then decodes every series, and names what is lost. Fails only where the device does.
    pub fn verify(&self) -> Result<VerifyReport, BlockError> {
        let mut report = VerifyReport {
            pages: self.file.pages_len(),
            directory_damaged: self.file.directory_rebuilt,
            ..VerifyReport::default()
        };
        let mut damaged: BTreeMap<u32, &'static str> = BTreeMap::new();
        for page in 0..self.file.pages_len() {
            match self.file.read_uncached(page) {
                Ok(_) => {}
                Err(BlockError::Damaged { reason, .. }) => {
                    damaged.insert(page, reason);
                }
                Err(other) => return Err(other),
            }
        }
        for (page, reason) in &damaged {
            let kind = self.file.slot(*page).map(|slot| slot.kind);
            if !matches!(kind, Some(PageKind::Values | PageKind::Times)) {
                report.lose(Loss::Index { page: *page, reason });
            }
        }
        self.verify_series(&mut report)?;
        report.damaged_pages = damaged.into_iter().collect();
        Ok(report)
    }

    fn verify_series(&self, report: &mut VerifyReport) -> Result<(), BlockError> {
        let mut previous: Option<Labels> = None;
        for (id, series) in self.series_by_id() {
            let series = match series {
                Ok(series) => series,
                Err(error @ BlockError::Io { .. }) => return Err(error),
                Err(error) => {
                    report.lose(Loss::Series {
                        id,
                        reason: error.to_string(),
                    });
                    continue;
                }
            };
            if previous.as_ref().is_some_and(|p| *p >= series.labels) {
                report.lose(Loss::Series {
                    id,
                    reason: "it stands out of order".to_owned(),
                });
            }
            let mut out = SeriesColumns::default();
            if self.read(&series, (i64::MIN, i64::MAX), &mut out).is_err() {
                self.name_lost_chunks(id, &series.labels, report)?;
            }
            previous = Some(series.labels);
        }
        Ok(())
    }

    /// Which chunks of a series fail, and what time they cover.
    fn name_lost_chunks(
        &self,
        id: SeriesId,
        labels: &Labels,
        report: &mut VerifyReport,
    ) -> Result<(), BlockError> {
        let mut cursor = SeriesCursor::new(&self.file, &self.index);
        let mut table = TimesCursor::new(&self.file, &self.index);
        let chunks = cursor.get(id.0)?.1.to_vec();
        for chunk in chunks {
            let range = match chunk.kind {
                ChunkKind::Extras => Ok((self.meta().min_ms, self.meta().max_ms)),
                _ => table.get(chunk.times).map(|entry| (entry.min_ms, entry.max_ms)),
            };
            let (start_ms, end_ms) = range.unwrap_or((self.meta().min_ms, self.meta().max_ms));
            match self.read_one(labels, chunk) {
                Err(BlockError::Damaged { page, .. }) => report.lose(Loss::Samples {
                    labels: labels.clone(),
                    start_ms,
                    end_ms,
                    page,
                }),
                Err(error @ BlockError::Io { .. }) => return Err(error),
                _ => {}
            }
        }
        Ok(())
    }
}
