//! What is chosen about a block, and what is known of one.

use crate::bytes::{Reader, put_varint, put_zigzag};
use crate::metrics::Malformed;
use crate::metrics::codec::Effort;

/// How a block is cut and compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockOptions {
    pub effort: Effort,
    /// Chunks end at multiples of this since 1970, so that series of one target share their timestamp columns.
    pub window_ms: i64,
    /// A window with more samples is cut into several chunks: one sample is read at the cost of one chunk.
    pub chunk_samples_max: usize,
    /// 0 for samples as they came, otherwise the length of the buckets of a downsampled tier.
    pub resolution_ms: i64,
}

impl BlockOptions {
    /// What the head flushes.
    pub fn hot() -> Self {
        BlockOptions {
            effort: Effort::Fast,
            window_ms: 1_800_000,
            chunk_samples_max: 512,
            resolution_ms: 0,
        }
    }

    /// What compaction writes: half a day at 15 s fits one chunk.
    pub fn cold() -> Self {
        BlockOptions {
            effort: Effort::Small,
            window_ms: 12 * 3_600_000,
            chunk_samples_max: 4096,
            resolution_ms: 0,
        }
    }

    /// A downsampled tier with buckets of `resolution_ms`.
    pub fn tier(resolution_ms: i64) -> Self {
        BlockOptions {
            effort: Effort::Small,
            window_ms: 30 * 24 * 3_600_000,
            chunk_samples_max: 4096,
            resolution_ms,
        }
    }
}

/// What a block says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BlockMeta {
    /// The first and last time of any sample; `min_ms > max_ms` in a block without samples.
    pub min_ms: i64,
    pub max_ms: i64,
    pub series: u64,
    /// Floats.
    pub samples: u64,
    pub histograms: u64,
    pub exemplars: u64,
    /// Buckets of a downsampled tier.
    pub tier_points: u64,
    pub resolution_ms: i64,
    /// Of the whole file; 0 while it is being written.
    pub size_bytes: u64,
}

impl BlockMeta {
    pub(super) fn new(resolution_ms: i64) -> Self {
        BlockMeta {
            min_ms: i64::MAX,
            max_ms: i64::MIN,
            resolution_ms,
            ..BlockMeta::default()
        }
    }

    pub(super) fn widen(&mut self, times_ms: impl IntoIterator<Item = i64>) {
        for t_ms in times_ms {
            self.min_ms = self.min_ms.min(t_ms);
            self.max_ms = self.max_ms.max(t_ms);
        }
    }

    pub(super) fn write_to(&self, out: &mut Vec<u8>) {
        put_zigzag(out, self.min_ms);
        put_zigzag(out, self.max_ms);
        put_zigzag(out, self.resolution_ms);
        for count in [
            self.series,
            self.samples,
            self.histograms,
            self.exemplars,
            self.tier_points,
        ] {
            put_varint(out, count);
        }
    }

    pub(super) fn read_from(reader: &mut Reader<'_>, size_bytes: u64) -> Result<Self, Malformed> {
        Ok(BlockMeta {
            min_ms: reader.zigzag()?,
            max_ms: reader.zigzag()?,
            resolution_ms: reader.zigzag()?,
            series: reader.varint()?,
            samples: reader.varint()?,
            histograms: reader.varint()?,
            exemplars: reader.varint()?,
            tier_points: reader.varint()?,
            size_bytes,
        })
    }
}
