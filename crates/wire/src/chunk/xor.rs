//! Float samples: timestamps as differences of differences, values as XOR with the one before.
//!
//! Layout: number of samples (u16, big-endian); first timestamp (zigzag varint), first value (64 bits); second
//! timestamp as a difference (varint), its value as XOR; then per sample the difference of differences in 0, 14, 17, 20
//! or 64 bits after a unary prefix, and the value as XOR: `0` for the same value, `10` and the significant bits in the
//! window of the sample before, or `11`, 5 bits of leading zeros, 6 bits of width (0 means 64) and the bits.

use super::ChunkError;
use super::bits::{BitReader, BitWriter};
use crate::protobuf::{unzigzag, zigzag};
use lapwing_types::Sample;

/// What the length of the header can express.
const SAMPLES_MAX: usize = u16::MAX as usize;
const WIDTHS: [u32; 5] = [0, 14, 17, 20, 64];

/// One chunk of at most 65 535 samples; the rest is not looked at (callers cut at 120, as Prometheus does).
pub fn encode_xor(samples: &[Sample]) -> Vec<u8> {
    let samples = &samples[..samples.len().min(SAMPLES_MAX)];
    let mut w = BitWriter::default();
    w.push(samples.len() as u64, 16);
    let mut xor = Xor::default();
    let (mut previous_ms, mut delta) = (0i64, 0i64);
    for (i, sample) in samples.iter().enumerate() {
        match i {
            0 => {
                w.push_varint(zigzag(sample.t_ms));
                w.push(sample.value.to_bits(), 64);
                xor.previous = sample.value.to_bits();
            }
            1 => {
                delta = sample.t_ms.wrapping_sub(previous_ms);
                w.push_varint(delta as u64);
                xor.write(&mut w, sample.value);
            }
            _ => {
                let next = sample.t_ms.wrapping_sub(previous_ms);
                write_dod(&mut w, next.wrapping_sub(delta));
                delta = next;
                xor.write(&mut w, sample.value);
            }
        }
        previous_ms = sample.t_ms;
    }
    w.into_bytes()
}

/// Appends the samples of one chunk.
pub fn decode_xor(bytes: &[u8], out: &mut Vec<Sample>) -> Result<(), ChunkError> {
    let Some((header, body)) = bytes.split_first_chunk::<2>() else {
        return Err(ChunkError::Truncated { sample: 0, count: 0 });
    };
    let count = usize::from(u16::from_be_bytes(*header));
    // A sample takes two bits at least.
    if count > 1 + body.len() * 4 {
        let bytes = bytes.len();
        return Err(ChunkError::ImpossibleCount { count, bytes });
    }
    out.reserve(count);
    let mut r = BitReader::new(body);
    let mut xor = Xor::default();
    let (mut t_ms, mut delta) = (0i64, 0i64);
    for sample in 0..count {
        let truncated = ChunkError::Truncated { sample, count };
        let value = match sample {
            0 => {
                t_ms = unzigzag(
                    r.varint()
                        .ok_or(truncated.clone())?
                        .ok_or(ChunkError::VarintTooLong)?,
                );
                xor.previous = r.bits(64).ok_or(truncated)?;
                f64::from_bits(xor.previous)
            }
            1 => {
                delta = r.varint().ok_or(truncated)?.ok_or(ChunkError::VarintTooLong)? as i64;
                t_ms = t_ms.wrapping_add(delta);
                xor.read(&mut r, sample, count)?
            }
            _ => {
                delta = delta.wrapping_add(read_dod(&mut r).ok_or(truncated)?);
                t_ms = t_ms.wrapping_add(delta);
                xor.read(&mut r, sample, count)?
            }
        };
        out.push(Sample { t_ms, value });
    }
    Ok(())
}

fn write_dod(w: &mut BitWriter, dod: i64) {
    let fits = |bits: u32| {
        let half = 1i64 << (bits - 1);
        (1 - half..=half).contains(&dod)
    };
    if dod == 0 {
        w.push(0, 1);
    } else if fits(14) {
        w.push(0b10, 2);
        w.push(dod as u64, 14);
    } else if fits(17) {
        w.push(0b110, 3);
        w.push(dod as u64, 17);
    } else if fits(20) {
        w.push(0b1110, 4);
        w.push(dod as u64, 20);
    } else {
        w.push(0b1111, 4);
        w.push(dod as u64, 64);
    }
}

fn read_dod(r: &mut BitReader<'_>) -> Option<i64> {
    let width = WIDTHS[r.unary(4)? as usize];
    let bits = r.bits(width)?;
    if width == 0 || width == 64 {
        return Some(bits as i64);
    }
    // 1 − 2^(n−1) ..= 2^(n−1): the upper half is negative.
    let half = 1i64 << (width - 1);
    let value = bits as i64;
    Some(if value > half { value - 2 * half } else { value })
}

/// The state of values coded as XOR; histogram chunks keep several of them.
#[derive(Clone, Debug, Default)]
pub(super) struct Xor {
    pub(super) previous: u64,
    /// Leading zeros and significant bits of the last value written in full.
    window: Option<(u32, u32)>,
}

impl Xor {
    /// The first value of a chunk stands whole.
    pub(super) fn write_first_or_next(&mut self, w: &mut BitWriter, value: f64, index: usize) {
        if index == 0 {
            w.push(value.to_bits(), 64);
            self.previous = value.to_bits();
        } else {
            self.write(w, value);
        }
    }

    fn write(&mut self, w: &mut BitWriter, value: f64) {
        const LEADING_MAX: u32 = 31;
        let bits = value.to_bits();
        let difference = bits ^ self.previous;
        self.previous = bits;
        if difference == 0 {
            w.push(0, 1);
            return;
        }
        w.push(1, 1);
        let leading = difference.leading_zeros().min(LEADING_MAX);
        let trailing = difference.trailing_zeros();
        if let Some((old_leading, width)) = self.window
            && leading >= old_leading
            && trailing >= 64 - old_leading - width
        {
            w.push(0, 1);
            w.push(difference >> (64 - old_leading - width), width);
            return;
        }
        let width = 64 - leading - trailing;
        self.window = Some((leading, width));
        w.push(1, 1);
        w.push(u64::from(leading), 5);
        w.push(u64::from(width & 63), 6);
        w.push(difference >> trailing, width);
    }

    pub(super) fn read(
        &mut self,
        r: &mut BitReader<'_>,
        sample: usize,
        count: usize,
    ) -> Result<f64, ChunkError> {
        let truncated = ChunkError::Truncated { sample, count };
        if r.bit().ok_or(truncated.clone())? {
            if r.bit().ok_or(truncated.clone())? {
                let leading = r.bits(5).ok_or(truncated.clone())? as u32;
                let width = match r.bits(6).ok_or(truncated.clone())? as u32 {
                    0 => 64,
                    width => width,
                };
                self.window = Some((leading, width));
            }
            let (leading, width) = self.window.unwrap_or((0, 64));
            if leading + width > 64 {
                return Err(ChunkError::BadBitWidth {
                    sample,
                    bits: width as u8,
                    leading: leading as u8,
                });
            }
            let bits = r.bits(width).ok_or(truncated)?;
            self.previous ^= bits << (64 - leading - width);
        }
        Ok(f64::from_bits(self.previous))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::collection::vec;
    use proptest::prelude::*;

    /// Bits written out by hand from the layout above.
    #[test]
    fn has_the_layout_of_prometheus() {
        let samples =
            [(1000, 1.0), (2000, 1.0), (3000, 2.0), (4001, 2.0)].map(|(t_ms, value)| Sample { t_ms, value });
        // 1.0 ^ 2.0 = 0x7ff0…: 1 leading zero, 11 significant bits.
        let expect = [
            0,
            4, // samples
            0xd0,
            0x0f,
            0x3f,
            0xf0,
            0,
            0,
            0,
            0,
            0,
            0, // 1000, 1.0
            0xe8,
            0x07, // + 1000
            // 0 | 0 1 1 00001 001011 11111111111 | 10 00000000000001 0
            0b0011_0000,
            0b1001_0111,
            0b1111_1111,
            0b1110_0000,
            0b0000_0000,
            0b0100_0000,
        ];
        assert_eq!(encode_xor(&samples), expect);
        let mut read = Vec::new();
        decode_xor(&expect, &mut read).unwrap();
        assert_eq!(read, samples);
    }

    fn check(bytes: &[u8], expect: &str) {
        assert_eq!(
            decode_xor(bytes, &mut Vec::new()).unwrap_err().to_string(),
            expect
        );
    }

    #[test]
    fn names_what_is_damaged() {
        check(&[], "chunk ends inside sample 0 of 0");
        check(&[0xff, 0xff, 0], "chunk claims 65535 samples in 3 bytes");
        check(&[0, 1, 2], "chunk ends inside sample 0 of 1");
        check(
            &[&[0, 1][..], &[0xff; 11]].concat(),
            "varint in the chunk is longer than 10 bytes",
        );
    }

    proptest! {
        #[test]
        fn round_trips(
            deltas in vec(prop_oneof![Just(15_000i64), -9000i64..9000, -600_000i64..600_000, any::<i64>()], 0..200),
            values in vec(prop_oneof![any::<u64>(), (0u64..100).prop_map(|v| (v as f64).to_bits())], 200),
        ) {
            let mut t_ms = 1_790_000_000_000i64;
            let samples: Vec<Sample> = deltas
                .iter()
                .zip(&values)
                .map(|(delta, bits)| {
                    t_ms = t_ms.wrapping_add(*delta);
                    Sample { t_ms, value: f64::from_bits(*bits) }
                })
                .collect();
            let mut read = Vec::new();
            decode_xor(&encode_xor(&samples), &mut read).unwrap();
            let bits = |all: &[Sample]| all.iter().map(|s| (s.t_ms, s.value.to_bits())).collect::<Vec<_>>();
            prop_assert_eq!(bits(&read), bits(&samples));
        }

        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = decode_xor(&bytes, &mut Vec::new());
        }
    }
}
