//! Reads every page of a block past the cache and says what is lost.

use super::entry::ChunkKind;
use super::error::BlockError;
use super::index::{SeriesCursor, TimesCursor};
use super::lost::{labels_by_postings, what_remains};
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
    /// A page that all others depend on, in both places where it stood: the block cannot be opened again.
    Index { page: u32, reason: &'static str },
    /// One series, whose entry or labels cannot be read; its labels where the rest of the index tells them.
    Series {
        id: SeriesId,
        labels: Option<Labels>,
        reason: String,
    },
}

#[derive(Clone, Debug, Default, PartialEq)]
pub struct VerifyReport {
    pub pages: u32,
    /// Page number and reason.
    pub damaged_pages: Vec<(u32, &'static str)>,
    pub losses: Vec<Loss>,
    /// Also those beyond the first ten thousand.
    pub losses_count: u64,
    /// The first bytes or the directory of pages were damaged; each was told from the rest, so this loses nothing.
    pub frame_damaged: bool,
}

impl VerifyReport {
    pub fn is_whole(&self) -> bool {
        self.damaged_pages.is_empty() && self.losses_count == 0 && !self.frame_damaged
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
            frame_damaged: self.file.frame_damaged,
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
        // Series and stretches that are lost with other pages are found by reading them; a list of postings costs only time.
        for kind in [PageKind::Names, PageKind::Meta] {
            let pages = self.file.of_kind(kind);
            if let Some((page, reason)) = pages.iter().find_map(|(_, p)| damaged.get_key_value(p))
                && pages.iter().all(|(_, p)| damaged.contains_key(p))
            {
                report.lose(Loss::Index { page: *page, reason });
            }
        }
        self.verify_series(&mut report)?;
        report.damaged_pages = damaged.into_iter().collect();
        Ok(report)
    }

    fn verify_series(&self, report: &mut VerifyReport) -> Result<(), BlockError> {
        let mut previous: Option<Labels> = None;
        let mut unreadable = Vec::new();
        for (id, series) in self.series_by_id() {
            let series = match series {
                Ok(series) => series,
                Err(error @ BlockError::Io { .. }) => return Err(error),
                Err(error) => {
                    unreadable.push((id, error));
                    continue;
                }
            };
            if previous.as_ref().is_some_and(|p| *p >= series.labels) {
                report.lose(Loss::Series {
                    id,
                    labels: Some(series.labels.clone()),
                    reason: "it stands out of order".to_owned(),
                });
            }
            let mut out = SeriesColumns::default();
            if self.read(&series, (i64::MIN, i64::MAX), &mut out).is_err() {
                self.name_lost_chunks(id, &series.labels, report)?;
            }
            previous = Some(series.labels);
        }
        self.name_lost_series(unreadable, report)
    }

    fn name_lost_series(
        &self,
        unreadable: Vec<(SeriesId, BlockError)>,
        report: &mut VerifyReport,
    ) -> Result<(), BlockError> {
        if unreadable.is_empty() {
            return Ok(());
        }
        let named = unreadable.iter().take(LOSSES_MAX).map(|(id, _)| *id);
        let mut labels = labels_by_postings(self, &named.collect::<Vec<_>>())?;
        for (id, error) in unreadable {
            let reason = match report.losses.len() < LOSSES_MAX {
                true => what_remains(self, id)?,
                false => None,
            };
            report.lose(Loss::Series {
                id,
                labels: labels.remove(&id),
                reason: reason.unwrap_or_else(|| error.to_string()),
            });
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
