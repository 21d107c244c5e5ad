//! Prometheus' chunks: up to a few hundred samples of one series as bits. Remote read streams them, a Prometheus data
//! directory is made of them.

mod bits;
mod decode;
mod histogram;
mod histogram_encode;
mod varbit;
mod xor;

pub use decode::{ChunkSamples, decode};
pub use histogram::decode_histograms;
pub use histogram_encode::{encode_histograms, split_histograms};
pub use xor::{decode_xor, encode_xor};

/// What a chunk holds, numbered as on the wire and on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChunkEncoding {
    Xor,
    Histogram,
    FloatHistogram,
}

impl ChunkEncoding {
    pub fn from_code(code: u8) -> Option<Self> {
        Some(match code {
            1 => ChunkEncoding::Xor,
            2 => ChunkEncoding::Histogram,
            3 => ChunkEncoding::FloatHistogram,
            _ => return None,
        })
    }

    pub fn code(self) -> u8 {
        match self {
            ChunkEncoding::Xor => 1,
            ChunkEncoding::Histogram => 2,
            ChunkEncoding::FloatHistogram => 3,
        }
    }
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChunkError {
    #[error("chunk ends inside sample {sample} of {count}")]
    Truncated { sample: usize, count: usize },
    #[error("chunk claims {count} samples in {bytes} bytes")]
    ImpossibleCount { count: usize, bytes: usize },
    #[error("varint in the chunk is longer than 10 bytes")]
    VarintTooLong,
    #[error("sample {sample} has {bits} significant bits after {leading} leading zeros")]
    BadBitWidth { sample: usize, bits: u8, leading: u8 },
    #[error("chunk encoding {code} is unknown")]
    UnknownEncoding { code: u64 },
}
