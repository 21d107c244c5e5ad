//! Samples of one series and one window, compressed as they arrive.
//!
//! Times: difference of differences, in four sizes. Values: XOR with the value before, as a window of meaningful bits
//! that is kept while it fits (the scheme of Gorilla). About 15 ns per sample in and 6 ns out. Every bit pattern of
//! f64 returns.
//!
//! Layout of the bit stream, most significant bit first; the first sample's value stands in full, its time beside it:
//!
//! ```text
//! time   0 | 10 + 7 bits | 110 + 12 bits | 1110 + 20 bits | 1111 + 64 bits      (difference of differences)
//! value  0 | 10 + bits in the window before | 11 + 5 bits leading zeros + 6 bits length - 1 + bits
//! ```

use crate::metrics::bytes::{Malformed, Reader, put_varint, put_zigzag};

/// Bits of differences of differences after each prefix.
const SMALL: u32 = 7;
const MEDIUM: u32 = 12;
const LARGE: u32 = 20;

/// A chunk that still grows. Whole 64-bit words are in `words`, the rest in `partial`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenChunk {
    words: Vec<u64>,
    partial: u64,
    first_t_ms: i64,
    previous_delta_ms: i64,
    partial_bits: u8,
    leading: u8,
    /// Length of the meaningful window, 0 before the first.
    length: u8,
    count: u16,
}

impl OpenChunk {
    #[inline]
    pub(crate) fn count(&self) -> usize {
        usize::from(self.count)
    }

    pub(crate) fn first_t_ms(&self) -> i64 {
        self.first_t_ms
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.words.capacity() * 8
    }

    /// Appends a sample later than the last one, which stood at `last_t_ms` with `last_value`.
    #[inline]
    pub(crate) fn push(&mut self, (t_ms, value): (i64, f64), (last_t_ms, last_value): (i64, f64)) {
        if self.count == 0 {
            self.first_t_ms = t_ms;
            self.put(value.to_bits(), 64);
            self.count = 1;
            return;
        }
        let delta = t_ms.wrapping_sub(last_t_ms);
        self.put_time(delta.wrapping_sub(self.previous_delta_ms));
        self.previous_delta_ms = delta;
        self.put_value(value.to_bits() ^ last_value.to_bits());
        self.count += 1;
    }

    #[inline]
    fn put_time(&mut self, difference: i64) {
        if difference == 0 {
            self.put(0, 1);
        } else if fits(difference, SMALL) {
            self.put(0b10 << SMALL | low_bits(difference, SMALL), 2 + SMALL);
        } else if fits(difference, MEDIUM) {
            self.put(0b110 << MEDIUM | low_bits(difference, MEDIUM), 3 + MEDIUM);
        } else if fits(difference, LARGE) {
            self.put(0b1110 << LARGE | low_bits(difference, LARGE), 4 + LARGE);
        } else {
            self.put(0b1111, 4);
            self.put(difference as u64, 64);
        }
    }

    #[inline]
    fn put_value(&mut self, xor: u64) {
        if xor == 0 {
            self.put(0, 1);
            return;
        }
        let leading = xor.leading_zeros().min(31);
        let trailing = xor.trailing_zeros();
        let window_end = 64 - u32::from(self.leading) - u32::from(self.length);
        if self.length > 0 && leading >= u32::from(self.leading) && trailing >= window_end {
            let length = u32::from(self.length);
            self.put(0b10, 2);
            self.put(xor >> window_end, length);
            return;
        }
        let length = 64 - leading - trailing;
        self.put(0b11 << 11 | u64::from(leading) << 6 | u64::from(length - 1), 13);
        self.put(xor >> trailing, length);
        self.leading = leading as u8;
        self.length = length as u8;
    }

    /// Appends the low `bits` of `value`, which has no others.
    #[inline]
    fn put(&mut self, value: u64, bits: u32) {
        let free = 64 - u32::from(self.partial_bits);
        if bits < free {
            self.partial |= value << (free - bits);
            self.partial_bits += bits as u8;
            return;
        }
        let over = bits - free;
        let word = self.partial | value >> over;
        if self.words.len() == self.words.capacity() {
            // Steps of 64 bytes: doubling would leave a quarter of the head empty.
            self.words.reserve_exact(8);
        }
        self.words.push(word);
        self.partial = if over == 0 { 0 } else { value << (64 - over) };
        self.partial_bits = over as u8;
    }

    /// Ends the chunk and leaves an empty one.
    pub(crate) fn seal(&mut self, last_t_ms: i64) -> SealedChunk {
        let open = std::mem::take(self);
        let mut words = open.words;
        if open.partial_bits > 0 {
            words.push(open.partial);
        }
        SealedChunk {
            words: words.into_boxed_slice(),
            first_t_ms: open.first_t_ms,
            last_t_ms,
            flush: 0,
            count: open.count,
        }
    }

    pub(crate) fn samples(&self) -> ChunkSamples<'_> {
        ChunkSamples::new(&self.words, self.partial, self.first_t_ms, self.count)
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.count));
        put_zigzag(out, self.first_t_ms);
        put_zigzag(out, self.previous_delta_ms);
        out.extend_from_slice(&[self.partial_bits, self.leading, self.length]);
        put_words(out, &self.words);
        out.extend_from_slice(&self.partial.to_le_bytes());
    }

    pub(crate) fn read_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = u16::try_from(reader.varint()?).map_err(|_| Malformed { what: "sample count" })?;
        let first_t_ms = reader.zigzag()?;
        let previous_delta_ms = reader.zigzag()?;
        let (partial_bits, leading, length) = (reader.u8()?, reader.u8()?, reader.u8()?);
        if partial_bits > 63 || leading > 31 || length > 64 || u32::from(leading) + u32::from(length) > 64 {
            return Err(Malformed { what: "chunk state" });
        }
        let words = take_words(reader)?;
        let partial = reader.u64_le()?;
        Ok(OpenChunk {
            words,
            partial,
            first_t_ms,
            previous_delta_ms,
            partial_bits,
            leading,
            length,
            count,
        })
    }
}

/// A chunk that no longer changes.
#[derive(Clone, Debug)]
pub(crate) struct SealedChunk {
    words: Box<[u64]>,
    pub(crate) first_t_ms: i64,
    pub(crate) last_t_ms: i64,
    /// The flush that copied it, if any.
    pub(crate) flush: u32,
    count: u16,
}

impl SealedChunk {
    pub(crate) fn samples(&self) -> ChunkSamples<'_> {
        ChunkSamples::new(&self.words, 0, self.first_t_ms, self.count)
    }

    pub(crate) fn count(&self) -> usize {
        usize::from(self.count)
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        self.words.len() * 8
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.count));
        put_zigzag(out, self.first_t_ms);
        put_zigzag(out, self.last_t_ms);
        put_words(out, &self.words);
    }

    pub(crate) fn read_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = u16::try_from(reader.varint()?).map_err(|_| Malformed { what: "sample count" })?;
        let first_t_ms = reader.zigzag()?;
        let last_t_ms = reader.zigzag()?;
        Ok(SealedChunk {
            words: take_words(reader)?.into_boxed_slice(),
            first_t_ms,
            last_t_ms,
            flush: 0,
            count,
        })
    }
}

/// Decodes a chunk. Words that do not hold what the count promises end it early; they never panic.
#[derive(Clone, Debug)]
pub(crate) struct ChunkSamples<'c> {
    words: &'c [u64],
    partial: u64,
    bit: usize,
    left: u16,
    first: bool,
    t_ms: i64,
    delta_ms: i64,
    value: u64,
    leading: u32,
    length: u32,
}

impl<'c> ChunkSamples<'c> {
    fn new(words: &'c [u64], partial: u64, first_t_ms: i64, count: u16) -> Self {
        ChunkSamples {
            words,
            partial,
            bit: 0,
            left: count,
            first: true,
            t_ms: first_t_ms,
            delta_ms: 0,
            value: 0,
            leading: 0,
            length: 0,
        }
    }

    #[inline]
    fn word(&self, index: usize) -> u64 {
        match self.words.get(index) {
            Some(word) => *word,
            None if index == self.words.len() => self.partial,
            None => 0,
        }
    }

    /// The next 64 bits without consuming them.
    #[inline]
    fn peek(&self) -> u64 {
        let (index, offset) = (self.bit / 64, self.bit % 64);
        let high = self.word(index) << offset;
        if offset == 0 {
            high
        } else {
            high | self.word(index + 1) >> (64 - offset)
        }
    }

    #[inline]
    fn take(&mut self, bits: u32) -> u64 {
        let value = self.peek() >> (64 - bits);
        self.bit += bits as usize;
        value
    }

    #[inline]
    fn take_time(&mut self) -> i64 {
        let ones = self.peek().leading_ones().min(4);
        let size = match ones {
            0 => {
                self.bit += 1;
                return 0;
            }
            1 => SMALL,
            2 => MEDIUM,
            3 => LARGE,
            _ => 64,
        };
        self.bit += if ones < 4 { ones as usize + 1 } else { 4 };
        let raw = self.take(size);
        (raw << (64 - size)) as i64 >> (64 - size)
    }

    #[inline]
    fn take_value(&mut self) -> u64 {
        match self.peek() >> 62 {
            0 | 1 => {
                self.bit += 1;
                return 0;
            }
            2 => self.bit += 2,
            _ => {
                let head = self.take(13);
                self.leading = (head >> 6 & 31) as u32;
                self.length = ((head & 63) as u32 + 1).min(64 - self.leading);
            }
        }
        if self.length == 0 {
            return 0;
        }
        let (leading, length) = (self.leading, self.length);
        self.take(length) << (64 - leading - length)
    }
}

impl Iterator for ChunkSamples<'_> {
    type Item = (i64, f64);

    #[inline]
    fn next(&mut self) -> Option<(i64, f64)> {
        if self.left == 0 || self.bit > self.words.len() * 64 + 64 {
            return None;
        }
        self.left -= 1;
        if self.first {
            self.first = false;
            self.value = self.take(64);
        } else {
            self.delta_ms = self.delta_ms.wrapping_add(self.take_time());
            self.t_ms = self.t_ms.wrapping_add(self.delta_ms);
            self.value ^= self.take_value();
        }
        Some((self.t_ms, f64::from_bits(self.value)))
    }
}

fn fits(value: i64, bits: u32) -> bool {
    let half = 1i64 << (bits - 1);
    (-half..half).contains(&value)
}

fn low_bits(value: i64, bits: u32) -> u64 {
    value as u64 & ((1 << bits) - 1)
}

fn put_words(out: &mut Vec<u8>, words: &[u64]) {
    put_varint(out, words.len() as u64);
    for word in words {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn take_words(reader: &mut Reader<'_>) -> Result<Vec<u64>, Malformed> {
    let count = reader.count(8)?;
    let mut words = Vec::with_capacity(count);
    for _ in 0..count {
        words.push(reader.u64_le()?);
    }
    Ok(words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(samples: &[(i64, u64)]) -> OpenChunk {
        let mut chunk = OpenChunk::default();
        let mut last = (0, 0.0);
        for (t, v) in samples {
            let sample = (*t, f64::from_bits(*v));
            chunk.push(sample, last);
            last = sample;
        }
        chunk
    }

    fn bits(samples: ChunkSamples<'_>) -> Vec<(i64, u64)> {
        samples.map(|(t, v)| (t, v.to_bits())).collect()
    }

    proptest! {
        #[test]
        fn round_trips_every_bit_pattern(
            samples in proptest::collection::vec((prop_oneof![any::<i64>(), 0i64..20_000], prop_oneof![any::<u64>(), (0u32..900).prop_map(|v| f64::from(v).to_bits())]), 0..200),
        ) {
            let mut open = filled(&samples);
            prop_assert_eq!(&bits(open.samples()), &samples);
            let mut out = Vec::new();
            open.write_to(&mut out);
            let back = OpenChunk::read_from(&mut Reader::new(&out)).unwrap();
            prop_assert_eq!(&bits(back.samples()), &samples);
            let sealed = open.seal(5);
            prop_assert_eq!(&bits(sealed.samples()), &samples);
            let mut out = Vec::new();
            sealed.write_to(&mut out);
            prop_assert_eq!(bits(SealedChunk::read_from(&mut Reader::new(&out)).unwrap().samples()), samples);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(chunk) = OpenChunk::read_from(&mut Reader::new(&bytes)) {
                chunk.samples().for_each(drop);
            }
            if let Ok(chunk) = SealedChunk::read_from(&mut Reader::new(&bytes)) {
                chunk.samples().for_each(drop);
            }
        }
    }

    #[test]
    fn a_steady_series_is_small() {
        let samples: Vec<(i64, u64)> = (0..120)
            .map(|i| (i * 15_000, f64::from(i as u32 * 3).to_bits()))
            .collect();
        let sealed = filled(&samples).seal(0);
        assert!(sealed.heap_bytes() < 250, "{}", sealed.heap_bytes());
    }
}
