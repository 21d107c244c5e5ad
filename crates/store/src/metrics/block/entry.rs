//! What the index says of one series: its label pairs and where its chunks stand.
//!
//! Neighbours in label order share most of their labels, and their chunks follow each other in the data pages, so an
//! entry is written relative to the one before. Every [`RESTART`] entries the writing starts anew, so that reading one
//! costs at most that many.
//!
//! Layout of an entry:
//!
//! ```text
//! shared    varint          leading pairs that the series before has too
//! rest      varint, then per pair: varint distance from the pair before (pairs ascend), less one after the first
//! chunks    varint, then per chunk:
//!   tag     u8: bits 0-2 kind, bits 3-4 place (0 after the chunk before, 1 elsewhere, 2 the same), bit 5 member follows
//!   times   zigzag varint   distance from the timestamp column of the chunk before (not for extras)
//!   place   0: length varint; 1: page zigzag varint (distance), offset varint, length varint; 2: nothing
//!   member  varint
//! ```

use crate::bytes::{Reader, put_varint, put_zigzag};
use crate::metrics::Malformed;

/// Entries between two fresh starts.
pub(super) const RESTART: usize = 16;
/// A series with more chunks in one block is refused when written and malformed when read.
pub(super) const CHUNKS_MAX: usize = 1 << 20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ChunkKind {
    Floats,
    Histograms,
    /// Exemplars and start times, with their own times.
    Extras,
    /// Buckets of a downsampled tier.
    Tier,
}

/// Where one chunk stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct ChunkRef {
    pub(super) kind: ChunkKind,
    /// Number of the timestamp column; 0 for extras.
    pub(super) times: u32,
    pub(super) place: Place,
    /// Which member of a bucket group.
    pub(super) member: Option<u32>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(super) struct Place {
    pub(super) page: u32,
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// What an entry is relative to.
#[derive(Clone, Debug, Default)]
pub(super) struct Previous {
    pairs: Vec<u32>,
    chunk: PreviousChunk,
}

/// What a chunk is relative to: of a block that is written, chunks are encoded long before the pairs have their numbers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PreviousChunk {
    place: Place,
    times: u32,
}

const AFTER: u8 = 0;
const ELSEWHERE: u8 = 1;
const SAME: u8 = 2;
const HAS_MEMBER: u8 = 1 << 5;

impl Previous {
    pub(super) fn pairs(&self) -> &[u32] {
        &self.pairs
    }

    pub(super) fn reset(&mut self) {
        self.pairs.clear();
        self.chunk = PreviousChunk::default();
    }

    /// The first half of an entry; [`PreviousChunk::put`] gives the other.
    pub(super) fn put_pairs(&mut self, pairs: &[u32], out: &mut Vec<u8>) {
        let shared = pairs.iter().zip(&self.pairs).take_while(|(a, b)| a == b).count();
        put_varint(out, shared as u64);
        put_varint(out, (pairs.len() - shared) as u64);
        let mut next = pairs[..shared].last().map_or(0, |p| p + 1);
        for pair in &pairs[shared..] {
            put_varint(out, u64::from(pair - next));
            next = pair + 1;
        }
        self.pairs.clear();
        self.pairs.extend_from_slice(pairs);
    }

    /// Reads the next entry; its pairs are then [`Previous::pairs`].
    pub(super) fn take(
        &mut self,
        reader: &mut Reader<'_>,
        chunks: &mut Vec<ChunkRef>,
    ) -> Result<(), Malformed> {
        let shared = reader.varint()?;
        if shared > self.pairs.len() as u64 {
            return Err(Malformed { what: "shared pairs" });
        }
        self.pairs.truncate(shared as usize);
        let rest = reader.count(1)?;
        let mut next = self.pairs.last().map_or(Some(0), |p| p.checked_add(1));
        for _ in 0..rest {
            let distance = reader.varint_u32()?;
            let pair = next
                .and_then(|next| next.checked_add(distance))
                .ok_or(Malformed { what: "pair number" })?;
            self.pairs.push(pair);
            next = pair.checked_add(1);
        }
        let count = reader.count(2)?;
        if count > CHUNKS_MAX {
            return Err(Malformed { what: "chunk count" });
        }
        chunks.clear();
        for _ in 0..count {
            chunks.push(self.chunk.take_chunk(reader)?);
        }
        Ok(())
    }
}

impl PreviousChunk {
    pub(super) fn put(&mut self, chunks: &[ChunkRef], out: &mut Vec<u8>) {
        put_varint(out, chunks.len() as u64);
        for chunk in chunks {
            self.put_chunk(chunk, out);
        }
    }

    fn put_chunk(&mut self, chunk: &ChunkRef, out: &mut Vec<u8>) {
        let after = Place {
            offset: self.place.offset + self.place.len,
            len: chunk.place.len,
            ..self.place
        };
        let place = match chunk.place {
            place if place == self.place => SAME,
            place if place == after => AFTER,
            _ => ELSEWHERE,
        };
        let kind = match chunk.kind {
            ChunkKind::Floats => 0,
            ChunkKind::Histograms => 1,
            ChunkKind::Extras => 2,
            ChunkKind::Tier => 3,
        };
        out.push(kind | place << 3 | if chunk.member.is_some() { HAS_MEMBER } else { 0 });
        if chunk.kind != ChunkKind::Extras {
            put_zigzag(out, i64::from(chunk.times) - i64::from(self.times));
            self.times = chunk.times;
        }
        if place == ELSEWHERE {
            put_zigzag(out, i64::from(chunk.place.page) - i64::from(self.place.page));
            put_varint(out, u64::from(chunk.place.offset));
        }
        if place != SAME {
            put_varint(out, u64::from(chunk.place.len));
        }
        if let Some(member) = chunk.member {
            put_varint(out, u64::from(member));
        }
        self.place = chunk.place;
    }

    fn take_chunk(&mut self, reader: &mut Reader<'_>) -> Result<ChunkRef, Malformed> {
        let bad = Malformed {
            what: "chunk reference",
        };
        let tag = reader.u8()?;
        let kind = match tag & 7 {
            0 => ChunkKind::Floats,
            1 => ChunkKind::Histograms,
            2 => ChunkKind::Extras,
            3 => ChunkKind::Tier,
            _ => return Err(bad),
        };
        let mut times = 0;
        if kind != ChunkKind::Extras {
            times = moved(self.times, reader.zigzag()?).ok_or(bad)?;
            self.times = times;
        }
        let mut place = self.place;
        match tag >> 3 & 3 {
            SAME => {}
            AFTER => {
                place.offset = place.offset.checked_add(place.len).ok_or(bad)?;
                place.len = reader.varint_u32()?;
            }
            ELSEWHERE => {
                place.page = moved(place.page, reader.zigzag()?).ok_or(bad)?;
                place.offset = reader.varint_u32()?;
                place.len = reader.varint_u32()?;
            }
            _ => return Err(bad),
        }
        let member = match tag & HAS_MEMBER {
            0 => None,
            _ => Some(reader.varint_u32()?),
        };
        self.place = place;
        Ok(ChunkRef {
            kind,
            times,
            place,
            member,
        })
    }
}

fn moved(from: u32, distance: i64) -> Option<u32> {
    i64::from(from)
        .checked_add(distance)
        .and_then(|to| u32::try_from(to).ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chunk() -> impl Strategy<Value = ChunkRef> {
        let place =
            (0u32..3, 0u32..100, 0u32..50).prop_map(|(page, offset, len)| Place { page, offset, len });
        (0usize..4, 0u32..1000, place, proptest::option::of(0u32..30)).prop_map(
            |(kind, times, place, member)| {
                let kind = [
                    ChunkKind::Floats,
                    ChunkKind::Histograms,
                    ChunkKind::Extras,
                    ChunkKind::Tier,
                ][kind];
                let times = if kind == ChunkKind::Extras { 0 } else { times };
                ChunkRef {
                    kind,
                    times,
                    place,
                    member,
                }
            },
        )
    }

    proptest! {
        #[test]
        fn entries_round_trip(
            entries in proptest::collection::vec(
                (proptest::collection::btree_set(0u32..40, 0..6), proptest::collection::vec(chunk(), 0..4)), 1..10),
        ) {
            let mut out = Vec::new();
            let (mut writer, mut chunk_writer) = (Previous::default(), PreviousChunk::default());
            for (pairs, chunks) in &entries {
                writer.put_pairs(&pairs.iter().copied().collect::<Vec<_>>(), &mut out);
                chunk_writer.put(chunks, &mut out);
            }
            let mut reader = Reader::new(&out);
            let mut previous = Previous::default();
            let mut chunks = Vec::new();
            for (pairs, expect) in &entries {
                previous.take(&mut reader, &mut chunks).unwrap();
                prop_assert!(previous.pairs().iter().eq(pairs.iter()));
                prop_assert_eq!(&chunks, expect);
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let mut reader = Reader::new(&bytes);
            let (mut previous, mut chunks) = (Previous::default(), Vec::new());
            while previous.take(&mut reader, &mut chunks).is_ok() && !reader.is_empty() {}
        }
    }
}
