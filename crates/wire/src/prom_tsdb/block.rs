//! A whole block: its series with their samples, what was deleted left out.

use super::chunks::{decode_chunk, parse_chunk};
use super::error::TsdbError;
use super::index::{BlockIndex, ChunkRef, IndexedSeries};
use super::tombstones::Tombstones;
use crate::chunk::ChunkSamples;
use lapwing_types::SeriesWrite;

/// One file of `chunks/`, by ranges, so that a caller need not hold half a gigabyte.
pub trait Segment {
    /// Up to `length` bytes from `offset`; fewer only at the end of the file.
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>>;
}

impl Segment for &[u8] {
    fn read_at(&self, offset: u64, length: usize) -> std::io::Result<Vec<u8>> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX).min(self.len());
        let end = start.saturating_add(length).min(self.len());
        Ok(self[start..end].to_vec())
    }
}

/// Enough for a chunk of 120 floats; a larger one is read again.
const CHUNK_BYTES_GUESS: usize = 2 << 10;
/// Far above any chunk that Prometheus cuts: a damaged length must not ask for the whole file.
const CHUNK_BYTES_MAX: usize = 4 << 20;

pub struct BlockReader<'a, S> {
    pub index: BlockIndex<'a>,
    /// In the order of their names.
    pub segments: Vec<S>,
    pub tombstones: Tombstones,
}

impl<S: Segment> BlockReader<'_, S> {
    /// One series after another. A series with a damaged chunk is an error, and the next series follows.
    pub fn series(&self) -> impl Iterator<Item = Result<SeriesWrite, TsdbError>> + '_ {
        self.series_between(i64::MIN, i64::MAX)
    }

    /// As [`BlockReader::series`], with the samples of a range of time (both ends included); series without any are left out.
    /// Only chunks that touch the range are read, so a long block can be taken piece by piece.
    pub fn series_between(
        &self,
        start_ms: i64,
        end_ms: i64,
    ) -> impl Iterator<Item = Result<SeriesWrite, TsdbError>> + '_ {
        self.index.series().filter_map(move |series| {
            let read = series.and_then(|series| self.read(&series, (start_ms, end_ms)));
            match read {
                Ok(write) if write.samples.is_empty() && write.histograms.is_empty() => None,
                other => Some(other),
            }
        })
    }

    fn read(&self, series: &IndexedSeries, (start_ms, end_ms): (i64, i64)) -> Result<SeriesWrite, TsdbError> {
        let mut samples = ChunkSamples::default();
        let touching = |chunk: &&ChunkRef| chunk.min_ms <= end_ms && chunk.max_ms >= start_ms;
        for chunk in series.chunks.iter().filter(touching) {
            self.read_chunk(series, *chunk, &mut samples)?;
        }
        let is_kept =
            |t_ms: i64| (start_ms..=end_ms).contains(&t_ms) && !self.tombstones.is_deleted(series.id, t_ms);
        samples.floats.retain(|sample| is_kept(sample.t_ms));
        samples.histograms.retain(|(t_ms, _)| is_kept(*t_ms));
        Ok(SeriesWrite {
            labels: series.labels.clone(),
            samples: samples.floats,
            histograms: samples.histograms,
            ..SeriesWrite::default()
        })
    }

    fn read_chunk(
        &self,
        series: &IndexedSeries,
        chunk: ChunkRef,
        out: &mut ChunkSamples,
    ) -> Result<(), TsdbError> {
        let missing = TsdbError::MissingSegment {
            segment: chunk.segment,
        };
        let segment = self.segments.get(chunk.segment as usize).ok_or(missing.clone())?;
        let mut length = CHUNK_BYTES_GUESS;
        loop {
            let bytes = segment
                .read_at(u64::from(chunk.offset), length)
                .map_err(|_| missing.clone())?;
            match parse_chunk(&bytes, chunk.offset as usize) {
                Err(TsdbError::Truncated { .. }) if bytes.len() == length && length < CHUNK_BYTES_MAX => {
                    length *= 8;
                }
                Err(error) => return Err(error),
                Ok((encoding, data)) => {
                    return decode_chunk(encoding, data, out).map_err(|source| TsdbError::Chunk {
                        series: series.labels.to_string(),
                        source,
                    });
                }
            }
        }
    }
}
