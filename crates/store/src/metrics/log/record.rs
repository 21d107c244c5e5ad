//! What the records of log and checkpoint say.
//!
//! A commit's payload is a row of sections, each `kind, shard, length (4 bytes), body`, so that replay threads skip what
//! belongs to others' shards. A body of samples is the first time (zigzag), then per sample one byte of flags:
//!
//! ```text
//! bits 0–3  how many leading bytes of the value follow; the rest are zero (whole numbers are short that way)
//! bit 4     the time is that of the sample before
//! bit 5     the slot is the next one of this shard
//! ```
//!
//! followed by slot (zigzag difference), time (zigzag difference) and the value's bytes, where the flags call for them.

use crate::bytes::{Malformed, Reader, put_text, put_varint, put_zigzag};
use crate::metrics::head::SHARDS;
use lapwing_types::Labels;

const SAME_TIME: u8 = 0x10;
const NEXT_SLOT: u8 = 0x20;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum SectionKind {
    Samples = 1,
    Histograms = 2,
    Exemplars = 3,
    Starts = 4,
    Metadata = 5,
}

/// Opens a section at the end of `out`; [`end_section`] closes it with the returned position.
pub(crate) fn begin_section(out: &mut Vec<u8>, kind: SectionKind, shard: usize) -> usize {
    out.push(kind as u8);
    out.push(shard as u8);
    out.extend_from_slice(&[0; 4]);
    out.len()
}

/// Closes a section; one without content is taken back.
pub(crate) fn end_section(out: &mut Vec<u8>, at: usize) {
    let length = (out.len() - at) as u32;
    if length == 0 {
        out.truncate(at - 6);
    } else {
        out[at - 4..at].copy_from_slice(&length.to_le_bytes());
    }
}

pub(crate) struct Section<'a> {
    pub(crate) kind: SectionKind,
    pub(crate) shard: usize,
    pub(crate) body: Reader<'a>,
}

pub(crate) fn next_section<'a>(reader: &mut Reader<'a>) -> Result<Option<Section<'a>>, Malformed> {
    if reader.is_empty() {
        return Ok(None);
    }
    let kind = match reader.u8()? {
        1 => SectionKind::Samples,
        2 => SectionKind::Histograms,
        3 => SectionKind::Exemplars,
        4 => SectionKind::Starts,
        5 => SectionKind::Metadata,
        _ => return Err(Malformed { what: "section kind" }),
    };
    let shard = usize::from(reader.u8()?);
    if shard >= SHARDS {
        return Err(Malformed { what: "shard" });
    }
    let length = reader.take(4)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]) as usize;
    let body = Reader::new(reader.take(length)?);
    Ok(Some(Section { kind, shard, body }))
}

/// Series that have left, by slot and generation.
pub(crate) fn put_gone(out: &mut Vec<u8>, gone: &[(u32, u32)]) {
    for (slot, generation) in gone {
        put_varint(out, u64::from(*slot));
        put_varint(out, u64::from(*generation));
    }
}

pub(crate) fn take_gone(payload: &[u8]) -> Result<Vec<(u32, u32)>, Malformed> {
    let mut reader = Reader::new(payload);
    let mut gone = Vec::new();
    while !reader.is_empty() {
        gone.push((reader.varint_u32()?, reader.varint_u32()?));
    }
    Ok(gone)
}

/// Differences between neighbours, shared by writer and reader of samples.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct SampleDeltas {
    slot: u32,
    t_ms: i64,
}

impl SampleDeltas {
    #[inline]
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, slot: u32, t_ms: i64, value: f64) {
        let bits = value.to_bits();
        let zero_bytes = (bits.trailing_zeros() / 8).min(8) as usize;
        let mut flags = (8 - zero_bytes) as u8;
        let next_slot = slot == self.slot.wrapping_add(SHARDS as u32);
        if next_slot {
            flags |= NEXT_SLOT;
        }
        if t_ms == self.t_ms {
            flags |= SAME_TIME;
        }
        out.push(flags);
        if !next_slot {
            put_zigzag(out, i64::from(slot) - i64::from(self.slot));
        }
        if t_ms != self.t_ms {
            put_zigzag(out, t_ms.wrapping_sub(self.t_ms));
        }
        out.extend_from_slice(&bits.to_be_bytes()[..8 - zero_bytes]);
        *self = SampleDeltas { slot, t_ms };
    }

    #[inline]
    pub(crate) fn take(&mut self, reader: &mut Reader<'_>) -> Result<(u32, i64, f64), Malformed> {
        let flags = reader.u8()?;
        let length = usize::from(flags & 0x0f);
        if length > 8 {
            return Err(Malformed { what: "value length" });
        }
        let slot = if flags & NEXT_SLOT != 0 {
            self.slot.wrapping_add(SHARDS as u32)
        } else {
            u32::try_from(i64::from(self.slot).wrapping_add(reader.zigzag()?))
                .map_err(|_| Malformed { what: "slot" })?
        };
        let t_ms = if flags & SAME_TIME != 0 {
            self.t_ms
        } else {
            self.t_ms.wrapping_add(reader.zigzag()?)
        };
        let mut value = [0u8; 8];
        value[..length].copy_from_slice(reader.take(length)?);
        *self = SampleDeltas { slot, t_ms };
        Ok((slot, t_ms, f64::from_bits(u64::from_be_bytes(value))))
    }
}

/// One series, the slot in which it lives, and who brought it.
pub(crate) struct Definition<'a> {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) source: &'a str,
    pub(crate) labels: Labels,
}

pub(crate) fn put_definition<'l>(
    out: &mut Vec<u8>,
    (slot, generation): (u32, u32),
    source: &str,
    pairs: impl ExactSizeIterator<Item = (&'l str, &'l str)>,
) {
    put_varint(out, u64::from(slot));
    put_varint(out, u64::from(generation));
    put_text(out, source);
    put_varint(out, pairs.len() as u64);
    for (name, value) in pairs {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(crate) fn take_definition<'a>(reader: &mut Reader<'a>) -> Result<Definition<'a>, Malformed> {
    let slot = reader.varint_u32()?;
    let generation = reader.varint_u32()?;
    let source = reader.text()?;
    Ok(Definition {
        slot,
        generation,
        source,
        labels: take_labels(reader)?,
    })
}

pub(crate) fn put_labels(out: &mut Vec<u8>, labels: &Labels) {
    put_varint(out, labels.len() as u64);
    for (name, value) in labels {
        put_text(out, name);
        put_text(out, value);
    }
}

pub(crate) fn take_labels(reader: &mut Reader<'_>) -> Result<Labels, Malformed> {
    let count = reader.count(2)?;
    let mut pairs = Vec::with_capacity(count);
    for _ in 0..count {
        pairs.push((reader.text()?, reader.text()?));
    }
    Labels::from_pairs(pairs).map_err(|_| Malformed { what: "labels" })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn samples_round_trip(samples in proptest::collection::vec((any::<u32>(), any::<i64>(), any::<u64>()), 0..50)) {
            let mut out = Vec::new();
            let at = begin_section(&mut out, SectionKind::Samples, 3);
            let mut deltas = SampleDeltas::default();
            for (slot, t, v) in &samples {
                deltas.put(&mut out, *slot, *t, f64::from_bits(*v));
            }
            end_section(&mut out, at);
            let mut reader = Reader::new(&out);
            let mut back = Vec::new();
            if let Some(mut section) = next_section(&mut reader).unwrap() {
                prop_assert_eq!(section.shard, 3);
                let mut deltas = SampleDeltas::default();
                while !section.body.is_empty() {
                    let (slot, t, v) = deltas.take(&mut section.body).unwrap();
                    back.push((slot, t, v.to_bits()));
                }
            }
            prop_assert_eq!(back, samples);
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(Some(mut section)) = next_section(&mut reader) {
                let mut deltas = SampleDeltas::default();
                while !section.body.is_empty() && deltas.take(&mut section.body).is_ok() {}
            }
            let _ = take_definition(&mut Reader::new(&bytes));
        }
    }
}
