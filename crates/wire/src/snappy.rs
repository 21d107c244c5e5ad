//! Snappy blocks, as remote write and remote read use them (not the framed format).
//!
//! The block's head claims the size of what is inside. The claim is checked twice before a byte is reserved: against
//! the caller's bound, and against what a block of this length can expand to at all.

/// A copy element of 3 bytes yields at most 64: no valid block grows by more.
const EXPANSION_MAX: u64 = 22;

#[derive(Debug, thiserror::Error)]
pub enum SnappyError {
    #[error("snappy block of {claimed_bytes} bytes uncompressed, the limit is {max_bytes}")]
    TooLarge { claimed_bytes: u64, max_bytes: usize },
    #[error("snappy block of {compressed_bytes} bytes claims to hold {claimed_bytes}")]
    ImpossibleSize {
        compressed_bytes: usize,
        claimed_bytes: u64,
    },
    #[error("snappy block is damaged")]
    Damaged {
        #[source]
        source: snap::Error,
    },
}

/// Decompresses into a buffer that is kept between calls.
#[derive(Debug, Default)]
pub struct Decompressor {
    decoder: snap::raw::Decoder,
    buffer: Vec<u8>,
}

impl Decompressor {
    pub fn new() -> Self {
        Decompressor::default()
    }

    /// The uncompressed bytes, valid until the next call.
    pub fn decompress(&mut self, block: &[u8], max_bytes: usize) -> Result<&[u8], SnappyError> {
        let claimed = snap::raw::decompress_len(block).map_err(|source| SnappyError::Damaged { source })?;
        if claimed > max_bytes {
            return Err(SnappyError::TooLarge {
                claimed_bytes: claimed as u64,
                max_bytes,
            });
        }
        if claimed as u64 > block.len() as u64 * EXPANSION_MAX {
            return Err(SnappyError::ImpossibleSize {
                compressed_bytes: block.len(),
                claimed_bytes: claimed as u64,
            });
        }
        if self.buffer.len() < claimed {
            // Steady senders send blocks of about one size: doubling would leave half of the buffer empty.
            self.buffer.reserve_exact(claimed - self.buffer.len());
            self.buffer.resize(claimed, 0);
        }
        let written = self
            .decoder
            .decompress(block, &mut self.buffer[..claimed])
            .map_err(|source| SnappyError::Damaged { source })?;
        Ok(&self.buffer[..written])
    }

    /// Gives memory back after an unusually large block.
    pub fn shrink_to(&mut self, max_bytes: usize) {
        if self.buffer.len() > max_bytes {
            self.buffer.truncate(max_bytes);
            self.buffer.shrink_to_fit();
        }
    }
}

/// One block that holds `bytes`. `None` above 4 GiB, which the format cannot express.
pub fn compress(bytes: &[u8]) -> Option<Vec<u8>> {
    snap::raw::Encoder::new().compress_vec(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(block: &[u8], max_bytes: usize, expect: &str) {
        let error = Decompressor::new()
            .decompress(block, max_bytes)
            .unwrap_err()
            .to_string();
        assert_eq!(error, expect);
    }

    #[test]
    fn refuses_a_claim_before_it_reserves_memory() {
        // 4 GiB - 1, then nothing.
        let giant = [0xff, 0xff, 0xff, 0xff, 0x0f];
        check(
            &giant,
            1 << 20,
            "snappy block of 4294967295 bytes uncompressed, the limit is 1048576",
        );
        check(
            &giant,
            usize::MAX,
            "snappy block of 5 bytes claims to hold 4294967295",
        );
        check(&[0xff; 12], 1 << 20, "snappy block is damaged");
        check(&[5, 0, b'a'], 1 << 20, "snappy block is damaged");
    }

    #[test]
    fn a_block_at_the_bound_of_expansion_passes() {
        let zeros = vec![0u8; 1 << 20];
        let block = compress(&zeros).unwrap();
        let mut decompressor = Decompressor::new();
        assert_eq!(decompressor.decompress(&block, 1 << 20).unwrap(), zeros);
        decompressor.shrink_to(16);
        assert_eq!(
            decompressor.decompress(&compress(b"short").unwrap(), 16).unwrap(),
            b"short"
        );
    }

    proptest! {
        #[test]
        fn round_trips(bytes: Vec<u8>) {
            let block = compress(&bytes).unwrap();
            let mut decompressor = Decompressor::new();
            prop_assert_eq!(decompressor.decompress(&block, bytes.len()).unwrap(), &bytes[..]);
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = Decompressor::new().decompress(&bytes, 1 << 16);
        }
    }
}
