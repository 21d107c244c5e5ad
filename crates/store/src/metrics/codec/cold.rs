//! The entropy stage of cold columns, and classic histograms as one column.
//!
//! The entropy stage is pcodec without its own differencing (which `ints` has done): it finds bins of the values,
//! codes the bin by tANS and the offset in it by plain bits. Its tables cost bytes by the width of the number type, so
//! the narrowest type that holds most values is taken; the rest are patches of `ints`.
//!
//! Layout of the stage: pcodec's own (version, chunk metadata, one page), for `u8`, `u16`, `u32` or `u64`.
//!
//! A classic histogram is a family of cumulative counters that differ in `le` alone. Differenced along `le` they are
//! the counts of single buckets: smaller, and most of them still. [`encode_buckets`] writes them as one column group, so
//! that one read serves all of them. Member 0 is the greatest `le` as it is; the last member is what it lacks to that (mostly
//! nothing); those between, ascending, are differences to the one before.
//!
//! Layout of a bucket group:
//!
//! ```text
//! members    varint
//! per member:
//!   exceptions  count varint, then (gap of position varint, 8 bytes) each    samples that are no integer
//!   length      varint
//!   integers    as `ints` lays them out
//! ```

use super::{COLUMN_LEN_MAX, Effort, ints, values};
use crate::bytes::{Reader, put_varint};
use crate::metrics::Malformed;
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

/// Beyond this share of values that would need a patch, the next wider type is taken.
const PATCH_SHARE: usize = 64;
/// Buckets in one group: four times the most that client libraries configure in practice.
pub const GROUP_MEMBERS_MAX: usize = 1024;
/// Samples of all members together: 32 MiB once decoded.
const GROUP_CELLS_MAX: usize = 1 << 22;

/// The width of the number type that `encode` should be given.
pub(crate) fn width_of(values: &[u64]) -> u32 {
    let allowed = values.len() / PATCH_SHARE;
    for width in [8, 16, 32] {
        if values.iter().filter(|v| **v >> width != 0).count() <= allowed {
            return width;
        }
    }
    64
}

/// Appends the low `width` bits of each value; `width` is one that [`width_of`] returns.
pub(crate) fn encode(values: &[u64], width: u32, out: &mut Vec<u8>) {
    match width {
        8 => encode_as(
            values.iter().map(|v| *v as u8).collect::<Vec<_>>().as_slice(),
            out,
        ),
        16 => encode_as(
            values.iter().map(|v| *v as u16).collect::<Vec<_>>().as_slice(),
            out,
        ),
        32 => encode_as(
            values.iter().map(|v| *v as u32).collect::<Vec<_>>().as_slice(),
            out,
        ),
        _ => encode_as(values, out),
    }
}

fn encode_as<T: Number>(values: &[T], out: &mut Vec<u8>) {
    let config = ChunkConfig::default()
        .with_mode_spec(ModeSpec::Classic)
        .with_delta_spec(DeltaSpec::NoOp)
        .with_enable_8_bit(true);
    let file = FileCompressor::default();
    let written = file.write_header(out).and_then(|out| {
        let mut chunk = file.chunk_compressor(values, &config)?;
        let out = chunk.write_meta(out)?;
        chunk.write_page(0, out)
    });
    debug_assert!(written.is_ok(), "a fixed configuration and a Vec cannot fail");
}

/// Appends `count` values to `out` and returns how many bytes they took.
pub(crate) fn decode(bytes: &[u8], count: usize, width: u32, out: &mut Vec<u64>) -> Result<usize, Malformed> {
    match width {
        8 => decode_as::<u8>(bytes, count, out),
        16 => decode_as::<u16>(bytes, count, out),
        32 => decode_as::<u32>(bytes, count, out),
        64 => decode_as::<u64>(bytes, count, out),
        _ => Err(Malformed {
            what: "entropy coded width",
        }),
    }
}

fn decode_as<T: Number + Default + Into<u64>>(
    bytes: &[u8],
    count: usize,
    out: &mut Vec<u64>,
) -> Result<usize, Malformed> {
    let fail = |_| Malformed {
        what: "entropy coded integers",
    };
    if count > COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "column length",
        });
    }
    let (file, rest) = FileDecompressor::new(bytes).map_err(fail)?;
    let (mut chunk, rest) = file.chunk_decompressor::<T, _>(rest).map_err(fail)?;
    let mut page = chunk.page_decompressor(rest, count).map_err(fail)?;
    // A page is decoded in batches of 256; the destination must have room for whole ones or for exactly the end.
    let mut numbers = vec![T::default(); count];
    let progress = page.read(&mut numbers).map_err(fail)?;
    if progress.n_processed != count {
        return Err(Malformed {
            what: "entropy coded integers",
        });
    }
    let rest = page.into_src();
    out.extend(numbers.into_iter().map(Into::into));
    Ok(bytes.len() - rest.len())
}

/// Writes the members of one classic histogram: the greatest `le` first, then ascending, all of one length. Answers
/// false, and writes nothing, where a member is not made of integers: its series are then ordinary columns.
pub fn encode_buckets(members: &[&[f64]], out: &mut Vec<u8>) -> bool {
    let Some(count) = members.first().map(|m| m.len()) else {
        return false;
    };
    if members.len() > GROUP_MEMBERS_MAX || members.len() * count > GROUP_CELLS_MAX {
        return false;
    }
    let mut encoded = Vec::new();
    put_varint(&mut encoded, members.len() as u64);
    let (mut total, mut below) = (Vec::new(), vec![0i64; count]);
    let (mut column, mut body) = (Vec::with_capacity(count), Vec::new());
    for (at, member) in members.iter().enumerate() {
        column.clear();
        let mut exceptions = Vec::new();
        let mut last = 0;
        for (position, value) in member.iter().enumerate() {
            match values::exact_integer(*value) {
                Some(integer) => last = integer,
                None => exceptions.push((position, value.to_bits())),
            }
            column.push(last);
        }
        if column.len() != count || exceptions.len() > count / 8 + 1 {
            return false;
        }
        values::put_exceptions(&exceptions, &mut encoded);
        if at == 0 {
            total.clone_from(&column);
        } else if at == members.len() - 1 {
            for (own, total) in column.iter_mut().zip(&total) {
                *own = total.wrapping_sub(*own);
            }
        } else {
            for (below, own) in below.iter_mut().zip(&mut column) {
                (*below, *own) = (*own, own.wrapping_sub(*below));
            }
        }
        body.clear();
        ints::encode(&column, Effort::Small, &mut body);
        put_varint(&mut encoded, body.len() as u64);
        encoded.extend_from_slice(&body);
    }
    out.extend_from_slice(&encoded);
    true
}

/// The samples of member 0 alone, at the cost of one column.
pub fn decode_total(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Malformed> {
    let mut group = GroupReader::new(bytes, count)?;
    group.next()?;
    group.put(out);
    Ok(())
}

/// All members, one after the other, `count` samples each.
pub fn decode_buckets(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<(), Malformed> {
    let mut group = GroupReader::new(bytes, count)?;
    if group.members * count > GROUP_CELLS_MAX {
        return Err(Malformed {
            what: "size of a bucket group",
        });
    }
    group.next()?;
    group.put(out);
    let total = std::mem::take(&mut group.column);
    let mut below = vec![0i64; count];
    for at in 1..group.members {
        group.next()?;
        if at == group.members - 1 {
            for (own, total) in group.column.iter_mut().zip(&total) {
                *own = total.wrapping_sub(*own);
            }
        } else {
            for (below, own) in below.iter_mut().zip(&mut group.column) {
                *own = own.wrapping_add(*below);
                *below = *own;
            }
        }
        group.put(out);
    }
    Ok(())
}

/// Walks the stored columns of a group.
struct GroupReader<'a> {
    reader: Reader<'a>,
    members: usize,
    count: usize,
    exceptions: Vec<(usize, u64)>,
    column: Vec<i64>,
}

impl<'a> GroupReader<'a> {
    fn new(bytes: &'a [u8], count: usize) -> Result<Self, Malformed> {
        let mut reader = Reader::new(bytes);
        let members = reader.count(2)?;
        if members == 0 || members > GROUP_MEMBERS_MAX || count > COLUMN_LEN_MAX {
            return Err(Malformed {
                what: "members of a bucket group",
            });
        }
        Ok(GroupReader {
            reader,
            members,
            count,
            exceptions: Vec::new(),
            column: Vec::new(),
        })
    }

    fn next(&mut self) -> Result<(), Malformed> {
        self.exceptions = values::take_exceptions(&mut self.reader, self.count)?;
        self.column.clear();
        ints::decode(self.reader.bytes()?, self.count, &mut self.column)?;
        Ok(())
    }

    fn put(&self, out: &mut Vec<f64>) {
        let start = out.len();
        out.extend(self.column.iter().map(|v| *v as f64));
        for (position, bits) in &self.exceptions {
            out[start + position] = f64::from_bits(*bits);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn buckets_round_trip(
            counts in proptest::collection::vec(proptest::collection::vec(0u32..9, 150), 1..8),
            stale in proptest::option::of(0usize..150),
        ) {
            let mut members: Vec<Vec<f64>> = Vec::new();
            let mut total = vec![0f64; 150];
            for own in &counts {
                let mut running = 0f64;
                for (sum, c) in total.iter_mut().zip(own) {
                    running += f64::from(*c);
                    *sum += running;
                }
                members.push(total.clone());
            }
            members.rotate_right(1);
            if let Some(at) = stale {
                members.iter_mut().for_each(|m| m[at] = lapwing_types::stale_nan());
            }
            let slices: Vec<&[f64]> = members.iter().map(Vec::as_slice).collect();
            let mut bytes = Vec::new();
            prop_assert!(encode_buckets(&slices, &mut bytes));
            let mut out = Vec::new();
            decode_buckets(&bytes, 150, &mut out).unwrap();
            prop_assert!(out.iter().map(|v| v.to_bits()).eq(members.iter().flatten().map(|v| v.to_bits())));
            let mut total = Vec::new();
            decode_total(&bytes, 150, &mut total).unwrap();
            prop_assert!(total.iter().map(|v| v.to_bits()).eq(members[0].iter().map(|v| v.to_bits())));
            for cut in 0..bytes.len() {
                decode_buckets(&bytes[..cut], 150, &mut Vec::new()).unwrap_err();
            }
        }
    }

    #[test]
    fn fractions_are_no_buckets() {
        assert!(!encode_buckets(&[&[0.5, 0.25, 0.75, 0.1]], &mut Vec::new()));
    }
}
