//! Blocks of samples into one block of a downsampled tier.
//!
//! Floats become buckets (see `metrics::tier`). Of native histograms, which are cumulative, the last one of each bucket stays as
//! it is. Exemplars point to traces that are long gone, and are left out. Which blocks make up a tier block, and that their
//! range ends where a bucket does, is the caller's choice.

use super::error::BlockError;
use super::merge::for_each_merged;
use super::meta::{BlockMeta, BlockOptions};
use super::reader::{Block, BlockSeries};
use super::writer::BlockWriter;
use crate::metrics::columns::SeriesColumns;
use crate::metrics::tier::{self, TierState};
use lapwing_types::{Labels, is_stale};
use std::iter::Peekable;
use std::path::Path;
use std::sync::Arc;

/// Writes the tier of `blocks` to a new block in `dir`. `before` is the block that ends where these begin: a counter's increase
/// goes on from its last sample there.
pub fn downsample(
    blocks: &[Arc<Block>],
    before: Option<&Block>,
    dir: &Path,
    resolution_ms: i64,
) -> Result<BlockMeta, BlockError> {
    let mut writer = BlockWriter::create(dir, BlockOptions::tier(resolution_ms))?;
    let mut samples = SeriesColumns::default();
    let mut kept = SeriesColumns::default();
    let mut before = before.map(Predecessor::new);
    for_each_merged(blocks, &mut samples, |labels, samples| {
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
        kept.start_times_ms.append(&mut samples.start_times_ms);
        writer.add_series(labels, &kept)
    })?;
    writer.finish()
}

type SeriesIter<'b> = Box<dyn Iterator<Item = Result<BlockSeries, BlockError>> + 'b>;

/// Goes through the block before in step with the series of the tier.
struct Predecessor<'b> {
    block: &'b Block,
    series: Peekable<SeriesIter<'b>>,
    samples: SeriesColumns,
}

impl<'b> Predecessor<'b> {
    fn new(block: &'b Block) -> Self {
        let series: SeriesIter<'b> = Box::new(block.series());
        Predecessor {
            block,
            series: series.peekable(),
            samples: SeriesColumns::default(),
        }
    }

    /// The last value of a series that is no staleness marker. Series are asked for in ascending order.
    fn last_of(&mut self, labels: &Labels) -> Result<Option<f64>, BlockError> {
        while let Some(series) = self
            .series
            .next_if(|s| s.as_ref().map_or(true, |s| s.labels <= *labels))
        {
            let series = series?;
            if series.labels != *labels {
                continue;
            }
            self.samples.clear();
            self.block
                .read(&series, (i64::MIN, i64::MAX), &mut self.samples)?;
            return Ok(self.samples.values.iter().rev().copied().find(|v| !is_stale(*v)));
        }
        Ok(None)
    }
}
