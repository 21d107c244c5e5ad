//! The samples of a series that came last, compressed as they arrive, read from the newest back.
//!
//! Times: difference of differences, in four sizes. Values: XOR with the value before, as a window of meaningful bits
//! that is kept while it fits (the scheme of Gorilla). Every bit pattern of f64 returns.
//!
//! What is asked most is the newest, so the stream is written to be read from its end: behind the payload stands what says how
//! long it is, and where the window of meaningful bits changes stands the one that was in force before. The last sample stands
//! beside the stream; a question about five minutes decodes five minutes.
//!
//! Layout of the bit stream, most significant bit first; per sample but the first, in this order:
//!
//! ```text
//! value  0 | bits in the window, 01 | bits in a new window, old window (5 bits leading zeros, 6 bits length - 1), 11
//! time   0 | 7 bits, 01 | 12 bits, 011 | 20 bits, 0111 | 64 bits, 1111                  (difference of differences)
//! ```
//!
//! "No window yet" is written as 31 leading zeros and length 64, which no window can be.

use crate::bytes::{Malformed, Reader, put_varint, put_zigzag};

/// Bits of differences of differences before each suffix.
const SMALL: u32 = 7;
const MEDIUM: u32 = 12;
const LARGE: u32 = 20;
const NO_WINDOW: u64 = 31 << 6 | 63;
/// Steps of 64 bytes: doubling would leave a quarter of the head empty.
const GROWTH_WORDS: usize = 8;
/// What a series is expected to need at most: one that is so large may be so only in its beginning.
const WORDS_EXPECTED_MAX: usize = 96;
/// Sealed are so many samples at a time, or a multiple of them,
const PIECE_SAMPLES: u16 = 60;
/// once the stream is this long (what costs less than two bytes per sample gains little),
const PIECE_WORDS_MIN: usize = 16;
/// or when there are this many of them.
const SAMPLES_MAX: u16 = 480;
/// The newest stay as they are: five minutes of a scrape every fifteen seconds are what most questions are about.
const FRESH_SAMPLES: u16 = 20;

/// A chunk that still grows; the series knows its last sample. Whole 64-bit words are in `words`, the rest in `partial`.
#[derive(Clone, Debug, Default)]
pub(crate) struct OpenChunk {
    words: Vec<u64>,
    partial: u64,
    first_t_ms: i64,
    previous_delta_ms: i64,
    partial_bits: u8,
    window: Window,
    count: u16,
    /// How many of the first belong to a stretch that is over: they are sealed apart from the rest.
    over: u16,
}

/// Where the meaningful bits of a difference stand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Window {
    leading: u8,
    /// 0 before the first.
    length: u8,
}

impl Window {
    #[inline]
    fn trailing(self) -> u32 {
        64 - u32::from(self.leading) - u32::from(self.length)
    }

    #[inline]
    fn to_bits(self) -> u64 {
        match self.length {
            0 => NO_WINDOW,
            length => u64::from(self.leading) << 6 | u64::from(length - 1),
        }
    }

    #[inline]
    fn from_bits(bits: u64) -> Self {
        if bits == NO_WINDOW {
            return Window::default();
        }
        let leading = (bits >> 6 & 31) as u8;
        Window {
            leading,
            length: ((bits & 63) as u8 + 1).min(64 - leading),
        }
    }

    fn read_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let (leading, length) = (reader.u8()?, reader.u8()?);
        if leading > 31 || length > 64 || leading + length > 64 {
            return Err(Malformed { what: "chunk state" });
        }
        Ok(Window { leading, length })
    }
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
            self.count = 1;
            return;
        }
        self.put_value(value.to_bits() ^ last_value.to_bits());
        let delta = t_ms.wrapping_sub(last_t_ms);
        self.put_time(delta.wrapping_sub(self.previous_delta_ms));
        self.previous_delta_ms = delta;
        self.count += 1;
    }

    #[inline]
    fn put_time(&mut self, difference: i64) {
        if difference == 0 {
            self.put(0, 1);
        } else if fits(difference, SMALL) {
            self.put(low_bits(difference, SMALL) << 2 | 0b01, SMALL + 2);
        } else if fits(difference, MEDIUM) {
            self.put(low_bits(difference, MEDIUM) << 3 | 0b011, MEDIUM + 3);
        } else if fits(difference, LARGE) {
            self.put(low_bits(difference, LARGE) << 4 | 0b0111, LARGE + 4);
        } else {
            self.put(difference as u64, 64);
            self.put(0b1111, 4);
        }
    }

    #[inline]
    fn put_value(&mut self, xor: u64) {
        if xor == 0 {
            self.put(0, 1);
            return;
        }
        let window = self.window;
        let leading = xor.leading_zeros().min(31) as u8;
        let trailing = xor.trailing_zeros();
        if window.length > 0 && leading >= window.leading && trailing >= window.trailing() {
            self.put(xor >> window.trailing(), u32::from(window.length));
            self.put(0b01, 2);
            return;
        }
        let length = 64 - leading - trailing as u8;
        self.put(xor >> trailing, u32::from(length));
        self.put(window.to_bits() << 2 | 0b11, 13);
        self.window = Window { leading, length };
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
            self.words.reserve_exact(self.missing_words());
        }
        self.words.push(word);
        self.partial = if over == 0 { 0 } else { value << (64 - over) };
        self.partial_bits = over as u8;
    }

    /// At once what it will probably need until it is sealed, as far as its samples tell until now: buffers that grow through every
    /// size, each at its own pace, leave the heap full of holes of all sizes.
    #[cold]
    fn missing_words(&self) -> usize {
        let (len, until_sealed) = (self.words.len(), usize::from(PIECE_SAMPLES + FRESH_SAMPLES));
        let expected = (len * until_sealed).checked_div(self.count()).unwrap_or(0);
        let missing = expected.min(WORDS_EXPECTED_MAX).saturating_sub(len);
        missing.next_multiple_of(GROWTH_WORDS).max(GROWTH_WORDS)
    }

    /// What came until now belongs to a stretch that is over. Its newest samples stay as they are for as long as they are fresh,
    /// or else every question about five minutes would decode whole pieces for the first five of each window.
    pub(crate) fn end_stretch(&mut self) {
        self.over = self.count;
    }

    /// How many of the first samples belong to a stretch that is over.
    #[inline]
    pub(crate) fn over(&self) -> usize {
        usize::from(self.over)
    }

    /// How many samples should be sealed before the next one comes: the same for all series of a scrape, and none while the
    /// stream is small as it is.
    #[inline]
    pub(crate) fn due(&self) -> usize {
        if self.over > 0 {
            let is_old = self.count - self.over >= FRESH_SAMPLES;
            return if is_old { usize::from(self.over) } else { 0 };
        }
        let old = self.count.saturating_sub(FRESH_SAMPLES);
        if old == 0 || !old.is_multiple_of(PIECE_SAMPLES) {
            return 0;
        }
        let is_large = self.words.len() >= PIECE_WORDS_MIN || old >= SAMPLES_MAX;
        if is_large { usize::from(old) } else { 0 }
    }

    /// The oldest `old` samples, of which there are more; then the stream goes on without them.
    pub(crate) fn cut<T>(
        &mut self,
        old: usize,
        last: (i64, f64),
        seal: impl FnOnce(NewestFirst<'_>) -> T,
    ) -> T {
        let fresh = self.count() - old;
        let mut samples = self.newest_first(last);
        let first_t_ms = samples
            .by_ref()
            .take(fresh)
            .last()
            .map_or(self.first_t_ms, |(t, _)| t);
        // Words that were not even begun hold nothing of what stays.
        let unread = samples.words.len();
        let sealed = seal(samples);
        self.words.drain(..unread);
        self.first_t_ms = first_t_ms;
        self.count = fresh as u16;
        self.over = self.over.saturating_sub(old as u16);
        sealed
    }

    /// Begins anew, and keeps the buffer, for it will need as much: buffers of all series that grew through every size anew,
    /// window after window, would leave the heap full of holes.
    pub(crate) fn restart(&mut self) {
        let len = self.words.len();
        let mut words = std::mem::take(&mut self.words);
        words.clear();
        words.shrink_to(len + 2 * GROWTH_WORDS);
        *self = OpenChunk {
            words,
            ..OpenChunk::default()
        };
    }

    /// Its samples, the last of which this is, from there back.
    #[inline]
    pub(crate) fn newest_first(&self, (last_t_ms, last_value): (i64, f64)) -> NewestFirst<'_> {
        NewestFirst {
            words: &self.words,
            bits: Bits::beginning(self.partial, u32::from(self.partial_bits)),
            left: self.count,
            t_ms: last_t_ms,
            delta_ms: self.previous_delta_ms,
            value: last_value.to_bits(),
            window: self.window,
        }
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        put_varint(out, u64::from(self.count));
        put_varint(out, u64::from(self.over));
        put_zigzag(out, self.first_t_ms);
        put_zigzag(out, self.previous_delta_ms);
        out.extend_from_slice(&[self.partial_bits, self.window.leading, self.window.length]);
        put_words(out, &self.words);
        out.extend_from_slice(&self.partial.to_le_bytes());
    }

    pub(crate) fn read_from(reader: &mut Reader<'_>) -> Result<Self, Malformed> {
        let count = take_count(reader)?;
        let over = take_count(reader)?;
        if over > count || over == count && count > 0 {
            return Err(Malformed { what: "chunk state" });
        }
        let first_t_ms = reader.zigzag()?;
        let previous_delta_ms = reader.zigzag()?;
        let partial_bits = take_partial_bits(reader)?;
        let window = Window::read_from(reader)?;
        let words = take_words(reader)?;
        let partial = reader.u64_le()?;
        Ok(OpenChunk {
            words,
            partial,
            first_t_ms,
            previous_delta_ms,
            partial_bits,
            window,
            count,
            over,
        })
    }
}

/// Bits that were taken from the end of a stream and not used yet, the last written lowest. Beyond its beginning stand zeros.
#[derive(Clone, Copy, Debug, Default)]
struct Bits {
    held: u128,
    len: u32,
}

impl Bits {
    /// Of a word whose uppermost bits are used.
    #[inline]
    fn beginning(word: u64, used: u32) -> Self {
        Bits {
            held: if used == 0 {
                0
            } else {
                u128::from(word >> (64 - used))
            },
            len: used,
        }
    }

    /// At least 64 bits are held afterwards.
    #[inline]
    fn fill(&mut self, words: &mut &[u64]) {
        if self.len < 64 {
            if let Some((last, rest)) = words.split_last() {
                self.held |= u128::from(*last) << self.len;
                *words = rest;
            }
            self.len += 64;
        }
    }

    #[inline]
    fn drop(&mut self, bits: u32) {
        self.held >>= bits;
        self.len -= bits;
    }

    /// Up to 64.
    #[inline]
    fn take(&mut self, bits: u32) -> u64 {
        if bits == 0 {
            return 0;
        }
        let value = self.held as u64 & (u64::MAX >> (64 - bits));
        self.drop(bits);
        value
    }
}

/// Decodes a chunk from its end. Words that do not hold what the count promises read as zeros; they never panic.
#[derive(Clone, Debug)]
pub(crate) struct NewestFirst<'c> {
    words: &'c [u64],
    bits: Bits,
    left: u16,
    t_ms: i64,
    delta_ms: i64,
    value: u64,
    window: Window,
}

impl NewestFirst<'_> {
    /// Appends what lies in the range (both ends included), ascending.
    #[inline]
    pub(crate) fn read(self, (start_ms, end_ms): (i64, i64), times_ms: &mut Vec<i64>, values: &mut Vec<f64>) {
        let first = times_ms.len();
        for (t_ms, value) in self {
            if t_ms < start_ms {
                break;
            }
            if t_ms <= end_ms {
                times_ms.push(t_ms);
                values.push(value);
            }
        }
        times_ms[first..].reverse();
        values[first..].reverse();
    }

    #[inline]
    fn take_time(&mut self) -> i64 {
        self.bits.fill(&mut self.words);
        let size = match (self.bits.held as u64).trailing_ones() {
            0 => {
                self.bits.drop(1);
                return 0;
            }
            1 => SMALL,
            2 => MEDIUM,
            3 => LARGE,
            _ => {
                self.bits.drop(4);
                self.bits.fill(&mut self.words);
                return self.bits.take(64) as i64;
            }
        };
        self.bits.drop((self.bits.held as u64).trailing_ones() + 1);
        let raw = self.bits.take(size);
        (raw << (64 - size)) as i64 >> (64 - size)
    }

    #[inline]
    fn take_value(&mut self) -> u64 {
        self.bits.fill(&mut self.words);
        let window = self.window;
        match self.bits.held as u64 & 3 {
            0 | 2 => {
                self.bits.drop(1);
                return 0;
            }
            1 => self.bits.drop(2),
            _ => {
                self.window = Window::from_bits(self.bits.held as u64 >> 2 & 0x7ff);
                self.bits.drop(13);
            }
        }
        if window.length == 0 {
            return 0;
        }
        self.bits.fill(&mut self.words);
        self.bits.take(u32::from(window.length)) << window.trailing()
    }
}

impl Iterator for NewestFirst<'_> {
    type Item = (i64, f64);

    #[inline]
    fn next(&mut self) -> Option<(i64, f64)> {
        self.left = self.left.checked_sub(1)?;
        let sample = (self.t_ms, f64::from_bits(self.value));
        if self.left > 0 {
            let difference = self.take_time();
            self.t_ms = self.t_ms.wrapping_sub(self.delta_ms);
            self.delta_ms = self.delta_ms.wrapping_sub(difference);
            self.value ^= self.take_value();
        }
        Some(sample)
    }
}

fn take_count(reader: &mut Reader<'_>) -> Result<u16, Malformed> {
    u16::try_from(reader.varint()?).map_err(|_| Malformed { what: "sample count" })
}

fn take_partial_bits(reader: &mut Reader<'_>) -> Result<u8, Malformed> {
    let bits = reader.u8()?;
    if bits > 63 {
        return Err(Malformed { what: "chunk state" });
    }
    Ok(bits)
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

    fn filled(samples: &[(i64, u64)]) -> (OpenChunk, (i64, f64)) {
        let mut chunk = OpenChunk::default();
        let mut last = (0, 0.0);
        for (t, v) in samples {
            let sample = (*t, f64::from_bits(*v));
            chunk.push(sample, last);
            last = sample;
        }
        (chunk, last)
    }

    fn bits(samples: NewestFirst<'_>) -> Vec<(i64, u64)> {
        let mut all: Vec<(i64, u64)> = samples.map(|(t, v)| (t, v.to_bits())).collect();
        all.reverse();
        all
    }

    fn any_samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let t = prop_oneof![any::<i64>(), 0i64..20_000];
        let v = prop_oneof![any::<u64>(), (0u32..900).prop_map(|v| f64::from(v).to_bits())];
        proptest::collection::vec((t, v), 0..200)
    }

    proptest! {
        #[test]
        fn round_trips_every_bit_pattern(samples in any_samples()) {
            let (mut open, last) = filled(&samples);
            prop_assert_eq!(&bits(open.newest_first(last)), &samples);
            let mut out = Vec::new();
            open.write_to(&mut out);
            let back = OpenChunk::read_from(&mut Reader::new(&out)).unwrap();
            prop_assert_eq!(&bits(back.newest_first(last)), &samples);
            open.restart();
            prop_assert_eq!(bits(open.newest_first(last)), Vec::new());
        }

        #[test]
        fn a_cut_parts_the_old_from_the_new(samples in any_samples(), more in any_samples(), at in any::<prop::sample::Index>()) {
            prop_assume!(samples.len() > 1);
            let (mut open, mut last) = filled(&samples);
            let old = at.index(samples.len() - 1) + 1;
            prop_assume!(old < samples.len());
            let sealed = open.cut(old, last, bits);
            prop_assert_eq!(sealed, samples[..old].to_vec());
            prop_assert_eq!((open.count(), open.first_t_ms()), (samples.len() - old, samples[old].0));
            for (t, v) in &more {
                let sample = (*t, f64::from_bits(*v));
                open.push(sample, last);
                last = sample;
            }
            prop_assert_eq!(bits(open.newest_first(last)), [&samples[old..], &more[..]].concat());
        }

        #[test]
        fn a_range_is_what_lies_in_it(steps in proptest::collection::vec((1i64..40_000, 0u32..9), 0..150), start in 0i64..900_000, len in 0i64..900_000) {
            let mut t = 0;
            let samples: Vec<(i64, u64)> = steps.iter().map(|(step, v)| { t += step; (t, f64::from(*v).to_bits()) }).collect();
            let (open, last) = filled(&samples);
            let (mut times, mut values) = (vec![7], vec![7.0]);
            open.newest_first(last).read((start, start + len), &mut times, &mut values);
            let read: Vec<(i64, u64)> = times[1..].iter().copied().zip(values[1..].iter().map(|v| v.to_bits())).collect();
            let expect: Vec<(i64, u64)> = samples.into_iter().filter(|(t, _)| (start..=start + len).contains(t)).collect();
            prop_assert_eq!(read, expect);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(chunk) = OpenChunk::read_from(&mut Reader::new(&bytes)) {
                chunk.newest_first((0, 0.0)).for_each(drop);
            }
        }
    }
}
