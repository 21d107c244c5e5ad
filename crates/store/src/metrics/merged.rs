//! One series out of head and blocks: the same labels meet, and their samples are merged by time.
//!
//! Where two parts hold a sample of one time (a window that is in a block already and has not left the head, or a late
//! duplicate) the later part wins; parts are ordered: tiers, then blocks by their first time, the head last.

use super::block::{BlockError, BlockSeries};
use super::blocks::LiveBlock;
use super::columns::SeriesColumns;
use super::maintain::in_words;
use crate::source::{ReadError, SelectedSeries, Selection, SeriesPoints, SeriesReader};
use lapwing_types::{Exemplar, Labels};
use std::sync::Arc;

/// The series of tiers, blocks and head, ascending by labels, each once. `tiers` and `head` are so already.
pub(crate) fn select(
    tiers: Vec<SelectedSeries>,
    head: Vec<SelectedSeries>,
    blocks: &[&LiveBlock],
    selection: &Selection,
) -> Result<Vec<SelectedSeries>, ReadError> {
    let (start_ms, end_ms) = (selection.start_ms, selection.end_ms);
    let mut all: Vec<SelectedSeries> = tiers;
    all.reserve(head.len());
    for live in blocks {
        let found = live
            .block
            .select(&selection.matchers, start_ms, end_ms)
            .map_err(|e| read_error(live, e))?;
        all.extend(found.into_iter().map(|series| SelectedSeries {
            labels: series.labels.clone(),
            reader: Box::new(BlockReader {
                live: (*live).clone(),
                series,
            }),
        }));
    }
    all.extend(head);
    // Ascending runs, one per part: the sort merges them, and keeps the parts of one series in their order.
    all.sort_by(|a, b| a.labels.cmp(&b.labels));
    let mut merged: Vec<SelectedSeries> = Vec::with_capacity(all.len());
    let mut parts: Vec<Box<dyn SeriesReader>> = Vec::new();
    let mut rest = all.into_iter().peekable();
    while let Some(first) = rest.next() {
        parts.push(first.reader);
        while let Some(same) = rest.next_if(|s| s.labels == first.labels) {
            parts.push(same.reader);
        }
        let reader = match parts.len() {
            1 => parts.remove(0),
            _ => Box::new(MergedReader {
                parts: std::mem::take(&mut parts),
            }),
        };
        merged.push(SelectedSeries {
            labels: first.labels,
            reader,
        });
    }
    Ok(merged)
}

pub(crate) fn add_exemplars(
    found: &mut Vec<(Labels, Vec<Exemplar>)>,
    blocks: &[&LiveBlock],
    selection: &Selection,
) -> Result<(), ReadError> {
    let range = (selection.start_ms, selection.end_ms);
    for live in blocks.iter().filter(|b| b.block.meta().exemplars > 0) {
        let series = live
            .block
            .select(&selection.matchers, range.0, range.1)
            .map_err(|e| read_error(live, e))?;
        for series in series {
            let mut columns = SeriesColumns::default();
            live.block
                .salvage(&series, range, &mut columns)
                .map_err(|e| read_error(live, e))?;
            if !columns.exemplars.is_empty() {
                let stamp = |(t_ms, e): (i64, Exemplar)| Exemplar {
                    t_ms: Some(t_ms),
                    ..e
                };
                found.push((series.labels, columns.exemplars.into_iter().map(stamp).collect()));
            }
        }
    }
    found.sort_by(|a, b| a.0.cmp(&b.0));
    found.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1.append(&mut later.1);
        }
        same
    });
    for (_, exemplars) in found {
        exemplars.sort_by_key(|e| e.t_ms);
        exemplars.dedup();
    }
    Ok(())
}

pub(crate) fn read_error(live: &LiveBlock, error: BlockError) -> ReadError {
    match error {
        BlockError::Io { path, source, .. } => ReadError::Io { path, source },
        other => ReadError::Damaged {
            start_ms: live.block.meta().min_ms,
            end_ms: live.block.meta().max_ms,
            reason: in_words(&other),
        },
    }
}

struct BlockReader {
    live: LiveBlock,
    series: BlockSeries,
}

impl SeriesReader for BlockReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        // The columns of the caller are lent to the block, so that floats are decoded where they are wanted.
        let mut columns = SeriesColumns {
            times_ms: std::mem::take(&mut out.times_ms),
            values: std::mem::take(&mut out.values),
            ..SeriesColumns::default()
        };
        let result = self
            .live
            .block
            .salvage(&self.series, (start_ms, end_ms), &mut columns);
        out.times_ms = columns.times_ms;
        out.values = columns.values;
        out.histograms.extend(
            columns
                .histograms
                .into_iter()
                .map(|(t, h)| (t, Arc::new(h.to_float()))),
        );
        result.map(drop).map_err(|e| read_error(&self.live, e))
    }
}

struct MergedReader {
    parts: Vec<Box<dyn SeriesReader>>,
}

impl SeriesReader for MergedReader {
    fn read(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let (floats, histograms) = (out.times_ms.len(), out.histograms.len());
        let (mut floats_ordered, mut histograms_ordered) = (true, true);
        for part in &self.parts {
            let (f, h) = (out.times_ms.len(), out.histograms.len());
            part.read(start_ms, end_ms, out)?;
            floats_ordered &= f == floats || f == out.times_ms.len() || out.times_ms[f] > out.times_ms[f - 1];
            histograms_ordered &=
                h == histograms || h == out.histograms.len() || out.histograms[h].0 > out.histograms[h - 1].0;
        }
        if !floats_ordered {
            let mut all: Vec<(i64, f64)> = out
                .times_ms
                .drain(floats..)
                .zip(out.values.drain(floats..))
                .collect();
            all.sort_by_key(|(t, _)| *t);
            keep_last(&mut all);
            out.times_ms.extend(all.iter().map(|(t, _)| *t));
            out.values.extend(all.iter().map(|(_, v)| *v));
        }
        if !histograms_ordered {
            let mut all = out.histograms.split_off(histograms);
            all.sort_by_key(|(t, _)| *t);
            keep_last(&mut all);
            out.histograms.extend(all);
        }
        Ok(())
    }

    fn read_last(&self, start_ms: i64, end_ms: i64, out: &mut SeriesPoints) -> Result<(), ReadError> {
        let mut all = SeriesPoints::default();
        for part in &self.parts {
            let mut one = SeriesPoints::default();
            part.read_last(start_ms, end_ms, &mut one)?;
            let newest = |p: &SeriesPoints| p.times_ms.last().copied().max(p.histograms.last().map(|h| h.0));
            if newest(&one) >= newest(&all) {
                all = one;
            }
        }
        out.push_last_of(all);
        Ok(())
    }
}

/// Of entries with the same time, the last stays.
fn keep_last<T>(all: &mut Vec<(i64, T)>) {
    all.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}
