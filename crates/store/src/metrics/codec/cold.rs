//! The entropy stage of cold columns, and classic histograms as one column.
//!
//! The entropy stage is pcodec without its own differencing (which `ints` has done): it finds bins of the values,
//! codes the bin by tANS and the offset in it by plain bits. Its tables cost bytes by the width of the number type, so
//! the narrowest type that holds most values is taken; the rest are patches of `ints`.
//!
//! Layout of the stage: pcodec's own (version, chunk metadata, one page), for `u8`, `u16`, `u32` or `u64`.
//!
//! A classic histogram is a family of cumulative counters that differ in `le` alone. Differenced along `le` they are
//! the counts of single buckets: smaller, and most of them still. [`encode_buckets`] writes them as one column, so
//! that one read serves all of them.
//!
//! Layout of a bucket group:
//!
//! ```text
//! members    varint
//! per member, in ascending order of le:
//!   exceptions  count varint, then (gap of position varint, 8 bytes) each    samples that are no integer
//!   length      varint
//!   integers    as `ints` lays them out: this member's counts minus those of the member before
//! ```

use super::{COLUMN_LEN_MAX, Effort, ints, values};
use crate::metrics::Malformed;
use crate::metrics::bytes::{Reader, put_varint};
use pco::data_types::Number;
use pco::wrapped::{FileCompressor, FileDecompressor};
use pco::{ChunkConfig, DeltaSpec, ModeSpec};

/// Beyond this share of values that would need a patch, the next wider type is taken.
const PATCH_SHARE: usize = 64;
/// Buckets in one group: four times the most that client libraries configure in practice.
pub const GROUP_MEMBERS_MAX: usize = 1024;

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

/// Writes the members of one classic histogram, ascending by `le` and of equal length. Answers false, and writes
/// nothing, where a member is not made of integers: its series are then ordinary columns.
pub fn encode_buckets(members: &[&[f64]], out: &mut Vec<u8>) -> bool {
    if members.is_empty() || members.len() > GROUP_MEMBERS_MAX {
        return false;
    }
    let mut encoded = Vec::new();
    put_varint(&mut encoded, members.len() as u64);
    let mut below = vec![0i64; members[0].len()];
    let mut column = Vec::new();
    let mut body = Vec::new();
    for member in members {
        column.clear();
        let mut exceptions = Vec::new();
        let mut last = 0;
        for (at, value) in member.iter().enumerate() {
            match values::exact_integer(*value) {
                Some(integer) => last = integer,
                None => exceptions.push((at, value.to_bits())),
            }
            column.push(last);
        }
        if member.len() != below.len() || exceptions.len() > member.len() / 8 + 1 {
            return false;
        }
        values::put_exceptions(&exceptions, &mut encoded);
        for (below, own) in below.iter_mut().zip(&mut column) {
            (*below, *own) = (*own, own.wrapping_sub(*below));
        }
        body.clear();
        ints::encode(&column, Effort::Small, &mut body);
        put_varint(&mut encoded, body.len() as u64);
        encoded.extend_from_slice(&body);
    }
    out.extend_from_slice(&encoded);
    true
}

/// Appends the `count` samples of one member to `out`; the members below it are decoded on the way.
pub fn decode_bucket(bytes: &[u8], count: usize, member: usize, out: &mut Vec<f64>) -> Result<(), Malformed> {
    let mut reader = Reader::new(bytes);
    let members = reader.count(1)?;
    if member >= members || members > GROUP_MEMBERS_MAX || count > COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "histogram member",
        });
    }
    let mut sums = vec![0i64; count];
    let mut column = Vec::with_capacity(count);
    for at in 0..=member {
        let exceptions = values::take_exceptions(&mut reader, count)?;
        let body = reader.bytes()?;
        column.clear();
        ints::decode(body, count, &mut column)?;
        for (sum, own) in sums.iter_mut().zip(&column) {
            *sum = sum.wrapping_add(*own);
        }
        if at == member {
            let start = out.len();
            out.extend(sums.iter().map(|v| *v as f64));
            for (position, bits) in exceptions {
                out[start + position] = f64::from_bits(bits);
            }
        }
    }
    Ok(())
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
            if let Some(at) = stale {
                members.iter_mut().for_each(|m| m[at] = lapwing_types::stale_nan());
            }
            let slices: Vec<&[f64]> = members.iter().map(Vec::as_slice).collect();
            let mut bytes = Vec::new();
            prop_assert!(encode_buckets(&slices, &mut bytes));
            for (at, member) in members.iter().enumerate() {
                let mut out = Vec::new();
                decode_bucket(&bytes, 150, at, &mut out).unwrap();
                prop_assert!(out.iter().map(|v| v.to_bits()).eq(member.iter().map(|v| v.to_bits())));
            }
            for cut in 0..bytes.len() {
                decode_bucket(&bytes[..cut], 150, members.len() - 1, &mut Vec::new()).unwrap_err();
            }
        }
    }

    #[test]
    fn fractions_are_no_buckets() {
        assert!(!encode_buckets(&[&[0.5, 0.25, 0.75, 0.1]], &mut Vec::new()));
    }
}
