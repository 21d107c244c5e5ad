//! Blocks of samples into one block of a downsampled tier.
//!
//! Floats become buckets (see `metrics::tier`). Of native histograms, which are cumulative, the last one of each bucket stays as
//! it is. Exemplars point to traces that are long gone, and are left out. Which blocks make up a tier block, and that their
//! range ends where a bucket does, is the caller's choice.

use super::error::BlockError;
use super::merge::{OnDamage, for_each_merged};
use super::meta::{BlockMeta, BlockOptions};
use super::reader::{Block, BlockSeries};
use super::writer::BlockWriter;
use crate::metrics::columns::SeriesColumns;
use crate::metrics::tier::{self, TierState};
use lapwing_types::Labels;
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

/// Which samples become a tier block.
#[derive(Clone, Copy, Debug)]
pub struct TierRange {
    /// Samples with `after_ms < t <= until_ms`; both are ends of buckets.
    pub after_ms: i64,
    pub until_ms: i64,
    pub resolution_ms: i64,
}

/// Writes the tier of `blocks` to a new block in `dir`. `before` is the tier of what came before: a counter's increase goes on
/// from its last sample there. What is damaged is left out.
pub fn downsample(
    blocks: &[Arc<Block>],
    before: Option<&Block>,
    dir: &Path,
    range: TierRange,
) -> Result<BlockMeta, BlockError> {
    let TierRange {
        after_ms,
        until_ms,
        resolution_ms,
    } = range;
    let mut writer = BlockWriter::create(dir, BlockOptions::tier(resolution_ms))?;
    let mut kept = SeriesColumns::default();
    let mut before = before.map(|block| Predecessor::new(block, after_ms));
    let wanted = (after_ms.saturating_add(1), until_ms);
    for_each_merged(blocks, wanted, OnDamage::LeaveOut, |labels, samples| {
        kept.clear();
        let last = match &mut before {
            Some(before) => before.last_of(labels)?,
            None => None,
        };
        let mut state = TierState { last };
        let floats = (samples.times_ms.as_slice(), samples.values.as_slice());
        tier::downsample(floats, resolution_ms, &mut state, &mut kept.tier);
        let bucket = |t_ms: i64| tier::bucket_end_ms(t_ms, resolution_ms);
        for run in samples.histograms.chunk_by(|a, b| bucket(a.0) == bucket(b.0)) {
            kept.histograms.extend(run.last().cloned());
        }
        if !kept.is_empty() {
            kept.start_times_ms.append(&mut samples.start_times_ms);
        }
        writer.add_series(labels, &kept)
    })?;
    writer.finish()
}

type SeriesIter<'b> = Box<dyn Iterator<Item = Result<BlockSeries, BlockError>> + 'b>;

/// Goes through the tier before in step with the series of the new one.
struct Predecessor<'b> {
    block: &'b Block,
    until_ms: i64,
    series: Peekable<SeriesIter<'b>>,
    buckets: SeriesColumns,
}

impl<'b> Predecessor<'b> {
    fn new(block: &'b Block, until_ms: i64) -> Self {
        let readable = |s: &Result<BlockSeries, BlockError>| !matches!(s, Err(BlockError::Damaged { .. }));
        let series: SeriesIter<'b> = Box::new(block.series().filter(readable));
        Predecessor {
            block,
            until_ms,
            series: series.peekable(),
            buckets: SeriesColumns::default(),
        }
    }

    /// The last value of a series. Series are asked for in ascending order.
    fn last_of(&mut self, labels: &Labels) -> Result<Option<f64>, BlockError> {
        while let Some(series) = self
            .series
            .next_if(|s| s.as_ref().map_or(true, |s| s.labels <= *labels))
        {
            let series = series?;
            if series.labels != *labels {
                continue;
            }
            self.buckets.clear();
            self.block
                .salvage(&series, (i64::MIN, self.until_ms), &mut self.buckets)?;
            return Ok(self.buckets.tier.last().map(|p| p.last));
        }
        Ok(None)
    }
}
