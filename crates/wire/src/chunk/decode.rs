//! Chunks of any encoding.

use super::{ChunkEncoding, ChunkError, decode_histograms, decode_xor};
use lapwing_types::{Histogram, Sample};

/// What chunks hold: floats or native histograms.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ChunkSamples {
    pub floats: Vec<Sample>,
    pub histograms: Vec<(i64, Histogram)>,
}

/// Appends the samples of one chunk.
pub fn decode(encoding: u8, data: &[u8], out: &mut ChunkSamples) -> Result<(), ChunkError> {
    match ChunkEncoding::from_code(encoding) {
        Some(ChunkEncoding::Xor) => decode_xor(data, &mut out.floats),
        Some(encoding) => decode_histograms(encoding, data, &mut out.histograms),
        None => Err(ChunkError::UnknownEncoding {
            code: u64::from(encoding),
        }),
    }
}
