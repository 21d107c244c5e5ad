//! A piece of a series that no longer changes, as the two columns that a block has: a third of the size of the chunk that grew.
//!
//! Series of one scrape share their times: each column of them is kept once, for as long as a piece refers to it.

use super::chunk::NewestFirst;
use crate::bytes::{Malformed, Reader, put_bytes, put_varint, put_zigzag};
use crate::metrics::codec::{Effort, times, values};
use hashbrown::{DefaultHashBuilder, HashTable};
use parking_lot::Mutex;
use std::hash::BuildHasher;
use std::sync::{Arc, Weak};

/// More than any chunk that grew holds; bounds what a damaged file can make us allocate.
const SAMPLES_MAX: u64 = 1 << 16;

#[derive(Clone, Debug)]
pub(crate) struct SealedChunk {
    times: Arc<TimesColumn>,
    values: Box<[u8]>,
    /// The flush that copied it, if any.
    pub(crate) flush: u32,
}

#[derive(Debug)]
struct TimesColumn {
    first_t_ms: i64,
    last_t_ms: i64,
    count: usize,
    bytes: Box<[u8]>,
}

impl SealedChunk {
    pub(crate) fn first_t_ms(&self) -> i64 {
        self.times.first_t_ms
    }

    pub(crate) fn last_t_ms(&self) -> i64 {
        self.times.last_t_ms
    }

    pub(crate) fn count(&self) -> usize {
        self.times.count
    }

    /// Without its times, which others share.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.values.len()
    }

    /// Appends what lies in the range (both ends included), ascending.
    pub(crate) fn read(
        &self,
        (start_ms, end_ms): (i64, i64),
        times_ms: &mut Vec<i64>,
        floats: &mut Vec<f64>,
    ) {
        let first = times_ms.len();
        let count = self.times.count;
        let read = times::decode(&self.times.bytes, count, times_ms)
            .and_then(|_| values::decode(&self.values, count, floats));
        debug_assert!(read.is_ok(), "what was taken in has been decoded once");
        let len = times_ms.len().min(floats.len());
        times_ms.truncate(len);
        floats.truncate(len);
        let after = first + times_ms[first..].partition_point(|t| *t <= end_ms);
        times_ms.truncate(after);
        floats.truncate(after);
        let before = first + times_ms[first..].partition_point(|t| *t < start_ms);
        times_ms.drain(first..before);
        floats.drain(first..before);
    }

    /// The value at exactly this time.
    pub(crate) fn value_at(&self, t_ms: i64) -> Option<f64> {
        let (mut times_ms, mut floats) = (Vec::new(), Vec::new());
        self.read((t_ms, t_ms), &mut times_ms, &mut floats);
        floats.first().copied()
    }

    pub(crate) fn write_to(&self, out: &mut Vec<u8>) {
        put_varint(out, self.times.count as u64);
        put_zigzag(out, self.times.first_t_ms);
        put_zigzag(out, self.times.last_t_ms);
        put_bytes(out, &self.times.bytes);
        put_bytes(out, &self.values);
    }

    /// Decodes both columns once: what is in memory can be read.
    pub(crate) fn read_from(reader: &mut Reader<'_>, sealer: &mut Sealer) -> Result<Self, Malformed> {
        let malformed = Malformed { what: "sealed chunk" };
        let count = reader.varint()?;
        let (first_t_ms, last_t_ms) = (reader.zigzag()?, reader.zigzag()?);
        let (times_bytes, values_bytes) = (reader.bytes()?, reader.bytes()?);
        if count == 0 || count > SAMPLES_MAX {
            return Err(malformed);
        }
        let Scratch { times_ms, floats, .. } = &mut sealer.scratch;
        times_ms.clear();
        floats.clear();
        times::decode(times_bytes, count as usize, times_ms)?;
        values::decode(values_bytes, count as usize, floats)?;
        let ends = (times_ms.first().copied(), times_ms.last().copied());
        if ends != (Some(first_t_ms), Some(last_t_ms)) || !times_ms.is_sorted_by(|a, b| a < b) {
            return Err(malformed);
        }
        Ok(SealedChunk {
            times: sealer.column(),
            values: values_bytes.into(),
            flush: 0,
        })
    }
}

/// The columns of times of all pieces: the series of one scrape lie in every shard.
#[derive(Default)]
pub(crate) struct SharedTimes {
    columns: Mutex<Columns>,
    hasher: DefaultHashBuilder,
}

#[derive(Default)]
struct Columns {
    table: HashTable<(u64, Arc<TimesColumn>)>,
    other_ms: Vec<i64>,
}

/// What a shard seals with: the columns that it shares with the others, and room of its own to encode in.
pub(crate) struct Sealer {
    shared: Arc<SharedTimes>,
    window_ms: i64,
    scratch: Scratch,
    /// What the piece before was sealed with: mostly the next of the same scrape has the same times.
    last: Weak<TimesColumn>,
    last_ms: Vec<i64>,
}

#[derive(Default)]
struct Scratch {
    times_ms: Vec<i64>,
    floats: Vec<f64>,
    bytes: Vec<u8>,
}

impl Sealer {
    pub(crate) fn new(shared: Arc<SharedTimes>, window_ms: i64) -> Self {
        Sealer {
            shared,
            window_ms,
            scratch: Scratch::default(),
            last: Weak::new(),
            last_ms: Vec::new(),
        }
    }

    /// End of the window in which a time lies. No piece spans two windows.
    #[inline]
    pub(crate) fn window_end_ms(&self, t_ms: i64) -> i64 {
        (t_ms.div_euclid(self.window_ms) + 1).saturating_mul(self.window_ms)
    }

    /// One piece of the samples of another and at least one more, ascending by time.
    pub(crate) fn seal(&mut self, before: Option<&SealedChunk>, samples: NewestFirst<'_>) -> SealedChunk {
        let Scratch {
            times_ms,
            floats,
            bytes,
        } = &mut self.scratch;
        times_ms.clear();
        floats.clear();
        bytes.clear();
        let everything_ms = (i64::MIN, i64::MAX);
        if let Some(before) = before {
            before.read(everything_ms, times_ms, floats);
        }
        samples.read(everything_ms, times_ms, floats);
        values::encode(floats, Effort::Fast, bytes);
        let values = bytes.as_slice().into();
        SealedChunk {
            times: self.column(),
            values,
            flush: 0,
        }
    }

    /// The column of `scratch.times_ms`, which is not empty.
    fn column(&mut self) -> Arc<TimesColumn> {
        if self.last_ms == self.scratch.times_ms
            && let Some(column) = self.last.upgrade()
        {
            return column;
        }
        let column = self.shared_column();
        self.last = Arc::downgrade(&column);
        self.last_ms.clone_from(&self.scratch.times_ms);
        column
    }

    fn shared_column(&mut self) -> Arc<TimesColumn> {
        let Scratch { times_ms, bytes, .. } = &mut self.scratch;
        let hash = self.shared.hasher.hash_one(times_ms.as_slice());
        let mut columns = self.shared.columns.lock();
        let Columns { table, other_ms } = &mut *columns;
        let known = table.find(hash, |(_, column)| {
            other_ms.clear();
            column.count == times_ms.len()
                && times::decode(&column.bytes, column.count, other_ms).is_ok()
                && other_ms == times_ms
        });
        if let Some((_, column)) = known {
            return Arc::clone(column);
        }
        bytes.clear();
        times::encode(times_ms, Effort::Fast, bytes);
        let column = Arc::new(TimesColumn {
            first_t_ms: times_ms.first().copied().unwrap_or(0),
            last_t_ms: times_ms.last().copied().unwrap_or(0),
            count: times_ms.len(),
            bytes: bytes.as_slice().into(),
        });
        table.insert_unique(hash, (hash, Arc::clone(&column)), |(hash, _)| *hash);
        column
    }
}

impl SharedTimes {
    /// Lets go of the columns that no piece refers to any more.
    pub(crate) fn forget_unused(&self) {
        let table = &mut self.columns.lock().table;
        table.retain(|(_, column)| Arc::strong_count(column) > 1);
        table.shrink_to(0, |(hash, _)| *hash);
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let table = &self.columns.lock().table;
        let column = |(_, c): &(u64, Arc<TimesColumn>)| c.bytes.len() + size_of::<TimesColumn>() + 16;
        table.capacity() * (size_of::<(u64, Arc<TimesColumn>)>() + 1)
            + table.iter().map(column).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::head::chunk::OpenChunk;
    use proptest::prelude::*;

    fn sealer() -> Sealer {
        Sealer::new(Arc::default(), 1_800_000)
    }

    fn sealed(samples: &[(i64, u64)], sealer: &mut Sealer) -> SealedChunk {
        let mut open = OpenChunk::default();
        let mut last = (0, 0.0);
        for (t, v) in samples {
            let sample = (*t, f64::from_bits(*v));
            open.push(sample, last);
            last = sample;
        }
        sealer.seal(None, open.newest_first(last))
    }

    fn read(chunk: &SealedChunk, range: (i64, i64)) -> Vec<(i64, u64)> {
        let (mut times, mut floats) = (vec![7], vec![7.0]);
        chunk.read(range, &mut times, &mut floats);
        times[1..]
            .iter()
            .copied()
            .zip(floats[1..].iter().map(|v| v.to_bits()))
            .collect()
    }

    fn any_samples() -> impl Strategy<Value = Vec<(i64, u64)>> {
        let step = prop_oneof![Just(15_000i64), 1i64..40_000, 1i64..1 << 40];
        let v = prop_oneof![
            any::<u64>(),
            (0u32..900).prop_map(|v| (f64::from(v) / 8.0).to_bits())
        ];
        proptest::collection::vec((step, v), 1..200).prop_map(|steps| {
            let mut t_ms = -5_000_000;
            steps
                .into_iter()
                .map(|(step, v)| {
                    t_ms += step;
                    (t_ms, v)
                })
                .collect()
        })
    }

    proptest! {
        #[test]
        fn every_bit_pattern_returns(samples in any_samples()) {
            let mut sealer = sealer();
            let chunk = sealed(&samples, &mut sealer);
            prop_assert_eq!(&read(&chunk, (i64::MIN, i64::MAX)), &samples);
            let mut out = Vec::new();
            chunk.write_to(&mut out);
            let back = SealedChunk::read_from(&mut Reader::new(&out), &mut sealer).unwrap();
            prop_assert!(Arc::ptr_eq(&back.times, &chunk.times), "one column for equal times");
            prop_assert_eq!(read(&back, (i64::MIN, i64::MAX)), samples);
        }

        #[test]
        fn a_range_is_what_lies_in_it(samples in any_samples(), from in any::<prop::sample::Index>(), to in any::<prop::sample::Index>()) {
            let chunk = sealed(&samples, &mut sealer());
            let range = (from.get(&samples).0 + 1, to.get(&samples).0);
            let expect: Vec<(i64, u64)> = samples.iter().copied().filter(|(t, _)| (range.0..=range.1).contains(t)).collect();
            prop_assert_eq!(read(&chunk, range), expect);
            for (t, v) in &samples {
                prop_assert_eq!(chunk.value_at(*t).map(f64::to_bits), Some(*v));
            }
            prop_assert_eq!(chunk.value_at(samples[0].0 - 1), None);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            if let Ok(chunk) = SealedChunk::read_from(&mut Reader::new(&bytes), &mut sealer()) {
                prop_assert_eq!(read(&chunk, (i64::MIN, i64::MAX)).len(), chunk.count());
            }
        }
    }

    #[test]
    fn times_are_kept_once_and_go_with_their_last_piece() {
        let shared = Arc::new(SharedTimes::default());
        let mut sealers = [0, 1].map(|_| Sealer::new(Arc::clone(&shared), 1));
        let known = || shared.columns.lock().table.len();
        let at =
            |from: i64| -> Vec<(i64, u64)> { (from..from + 60).map(|i| (i * 15_000 + i % 7, 0)).collect() };
        let pieces =
            [(0, 0), (0, 1), (60, 0), (0, 1)].map(|(from, shard)| sealed(&at(from), &mut sealers[shard]));
        assert_eq!(known(), 2);
        shared.forget_unused();
        assert_eq!(known(), 2);
        let one = pieces.into_iter().next().unwrap();
        shared.forget_unused();
        assert_eq!((known(), one.count()), (1, 60));
        drop(one);
        shared.forget_unused();
        assert_eq!(shared.heap_bytes(), 0);
    }

    #[test]
    fn a_steady_series_is_small() {
        let samples: Vec<(i64, u64)> = (0..60)
            .map(|i| (i * 15_000, f64::from(i as u32 * 3).to_bits()))
            .collect();
        let chunk = sealed(&samples, &mut sealer());
        assert!(chunk.heap_bytes() < 40, "{}", chunk.heap_bytes());
    }
}
