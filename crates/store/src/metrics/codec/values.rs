//! A column of floats; every bit pattern returns.
//!
//! 1. Quotients: integers over 10^e or another common divisor (see `quotient`), with a list of exceptions.
//! 2. Ordered bits: the bit pattern as an integer that sorts like the float; it suits floats of one magnitude and floats
//!    that were once 32 bits wide, whose low bits are a common divisor.
//! 3. Raw bits, where nothing helps.
//!
//! Where the first is not plainly good, it is tried against the second and the smaller kept.
//!
//! Layout:
//!
//! ```text
//! kind u8   0..=13   decimals with that many digits:  exceptions, integers
//!           14       quotients: divisor varint,       exceptions, integers
//!           15       ordered bits:                                 integers
//!           16       raw: 8 bytes each
//! exceptions         count varint, then (gap of position varint, 8 bytes) each
//! integers           as `ints` lays them out
//! ```

use super::quotient::{self, EXCEPTION_SHARE, POWERS};
use super::{COLUMN_LEN_MAX, Effort, ints};
use crate::bytes::{Reader, put_varint};
use crate::metrics::Malformed;

const KIND_QUOTIENT: u8 = 14;
const KIND_BITS: u8 = 15;
const KIND_RAW: u8 = 16;
/// Quotients below this many bits per sample are taken without a trial of the bits.
const PLAINLY_GOOD_BITS: usize = 16;

pub fn encode(values: &[f64], effort: Effort, out: &mut Vec<u8>) {
    let at = out.len();
    let as_quotients = encode_quotients(values, effort, out);
    if as_quotients && (out.len() - at) * 8 <= values.len() * PLAINLY_GOOD_BITS + 64 {
        return;
    }
    let mut other = Vec::with_capacity(values.len() * 4);
    encode_bits(values, effort, &mut other);
    if !as_quotients || other.len() < out.len() - at {
        out.truncate(at);
        out.extend_from_slice(&other);
    }
    if out.len() - at > values.len() * 8 {
        out.truncate(at);
        out.push(KIND_RAW);
        out.extend(values.iter().flat_map(|v| v.to_bits().to_le_bytes()));
    }
}

/// Appends `count` floats to `out` and returns how many bytes of `bytes` they took.
pub fn decode(bytes: &[u8], count: usize, out: &mut Vec<f64>) -> Result<usize, Malformed> {
    if count > COLUMN_LEN_MAX {
        return Err(Malformed {
            what: "column length",
        });
    }
    let mut reader = Reader::new(bytes);
    let kind = reader.u8()?;
    let divisor = match kind {
        KIND_QUOTIENT => reader.varint()? as f64,
        KIND_BITS => {
            let mut integers = Vec::new();
            let len = ints::decode(reader.rest(), count, &mut integers)?;
            out.extend(integers.iter().map(|v| f64::from_bits(bits_of_ordered(*v))));
            return Ok(1 + len);
        }
        KIND_RAW => {
            for bits in reader.take(count * 8)?.chunks_exact(8) {
                let mut word = [0; 8];
                word.copy_from_slice(bits);
                out.push(f64::from_le_bytes(word));
            }
            return Ok(1 + count * 8);
        }
        digits => *POWERS.get(usize::from(digits)).ok_or(Malformed {
            what: "value column kind",
        })?,
    };
    let exceptions = take_exceptions(&mut reader, count)?;
    let mut integers = Vec::new();
    let rest = reader.rest();
    let len = ints::decode(rest, count, &mut integers)?;
    let start = out.len();
    if divisor == 1.0 {
        out.extend(integers.iter().map(|v| *v as f64));
    } else {
        out.extend(integers.iter().map(|v| quotient::of(*v, divisor)));
    }
    for (position, bits) in exceptions {
        out[start + position] = f64::from_bits(bits);
    }
    Ok(bytes.len() - rest.len() + len)
}

/// Answers whether the values are quotients; writes nothing where they are not.
fn encode_quotients(values: &[f64], effort: Effort, out: &mut Vec<u8>) -> bool {
    let at = out.len();
    let divisor = if let Some(digits) = quotient::decimal_digits(values) {
        out.push(digits as u8);
        POWERS[digits]
    } else if let Some(denominator) = quotient::common_denominator(values) {
        out.push(KIND_QUOTIENT);
        put_varint(out, denominator);
        denominator as f64
    } else {
        return false;
    };
    let mut integers = Vec::with_capacity(values.len());
    let mut exceptions = Vec::new();
    let mut last = 0;
    for (position, value) in values.iter().enumerate() {
        match quotient::numerator(*value, divisor) {
            Some(integer) => last = integer,
            None => exceptions.push((position, value.to_bits())),
        }
        integers.push(last);
    }
    if exceptions.len() > 2 + values.len() / EXCEPTION_SHARE {
        out.truncate(at);
        return false;
    }
    put_exceptions(&exceptions, out);
    ints::encode(&integers, effort, out);
    true
}

fn encode_bits(values: &[f64], effort: Effort, out: &mut Vec<u8>) {
    out.push(KIND_BITS);
    let ordered: Vec<i64> = values.iter().map(|v| ordered_bits(v.to_bits())).collect();
    ints::encode(&ordered, effort, out);
}

/// The magnitude, negated where the sign is set: neighbours on the number line are neighbours as integers, and low bits
/// that are zero stay zero on both sides. -0.0 takes the one integer that no magnitude needs.
fn ordered_bits(bits: u64) -> i64 {
    let magnitude = (bits << 1 >> 1) as i64;
    match (bits as i64) < 0 {
        true if magnitude == 0 => i64::MIN,
        true => -magnitude,
        false => magnitude,
    }
}

fn bits_of_ordered(ordered: i64) -> u64 {
    if ordered < 0 {
        // Of the one integer without a magnitude only the sign bit remains, which is -0.0.
        ordered.unsigned_abs() | 1 << 63
    } else {
        ordered as u64
    }
}

/// The integer that a float is, bit for bit.
pub(crate) fn exact_integer(value: f64) -> Option<i64> {
    quotient::numerator(value, 1.0)
}

pub(crate) fn put_exceptions(exceptions: &[(usize, u64)], out: &mut Vec<u8>) {
    put_varint(out, exceptions.len() as u64);
    let mut next = 0;
    for (position, bits) in exceptions {
        put_varint(out, (position - next) as u64);
        out.extend_from_slice(&bits.to_le_bytes());
        next = position + 1;
    }
}

pub(crate) fn take_exceptions(reader: &mut Reader<'_>, count: usize) -> Result<Vec<(usize, u64)>, Malformed> {
    let len = reader.count(9)?;
    let mut exceptions = Vec::with_capacity(len);
    let mut next = 0usize;
    for _ in 0..len {
        let gap = usize::try_from(reader.varint()?).ok();
        let position = gap
            .and_then(|gap| next.checked_add(gap))
            .filter(|at| *at < count)
            .ok_or(Malformed { what: "exceptions" })?;
        exceptions.push((position, reader.u64_le()?));
        next = position + 1;
    }
    Ok(exceptions)
}

#[cfg(test)]
mod tests {
    use super::*;
    use lapwing_types::stale_nan;
    use proptest::prelude::*;

    fn check(values: &[f64]) -> usize {
        let mut len = 0;
        for effort in [Effort::Small, Effort::Fast] {
            let mut bytes = Vec::new();
            encode(values, effort, &mut bytes);
            len = bytes.len();
            bytes.push(0xaa);
            let mut out = vec![1.5];
            assert_eq!(decode(&bytes, values.len(), &mut out), Ok(len));
            assert!(
                out[1..]
                    .iter()
                    .map(|v| v.to_bits())
                    .eq(values.iter().map(|v| v.to_bits()))
            );
        }
        len
    }

    fn columns() -> impl Strategy<Value = Vec<f64>> {
        let steps = proptest::collection::vec(-20i32..60, 0..200);
        prop_oneof![
            proptest::collection::vec(any::<u64>().prop_map(f64::from_bits), 0..80),
            proptest::collection::vec(any::<f32>().prop_map(f64::from), 0..80),
            (steps.clone(), 0usize..6).prop_map(|(steps, digits)| {
                let mut sum = 1000i64;
                steps
                    .iter()
                    .map(|s| {
                        sum += i64::from(*s);
                        sum as f64 / POWERS[digits]
                    })
                    .collect()
            }),
            (steps.clone(), 2u32..60_000)
                .prop_map(|(s, d)| s.iter().map(|v| f64::from(*v) / f64::from(d)).collect()),
            steps.prop_map(|steps| {
                let mut sum = 0.0;
                steps
                    .iter()
                    .map(|s| {
                        sum = if *s < -15 { 0.0 } else { sum + f64::from(s.abs()) };
                        sum
                    })
                    .collect()
            }),
        ]
    }

    proptest! {
        #[test]
        fn every_bit_pattern_returns(mut values in columns(), odd in proptest::collection::vec((any::<prop::sample::Index>(), 0usize..5), 0..4)) {
            for (at, which) in odd {
                if !values.is_empty() {
                    let at = at.index(values.len());
                    values[at] = [stale_nan(), -0.0, f64::NAN, f64::NEG_INFINITY, 1e300][which];
                }
            }
            check(&values);
        }

        #[test]
        fn hostile_bytes_are_an_error_or_floats(bytes in proptest::collection::vec(any::<u8>(), 0..80), count in 0usize..300) {
            let mut out = Vec::new();
            if decode(&bytes, count, &mut out).is_ok() {
                prop_assert_eq!(out.len(), count);
            }
        }

        #[test]
        fn ordered_bits_sort_like_floats(a: f64, b: f64) {
            if a != 0.0 && b != 0.0 {
                prop_assert_eq!(a < b, ordered_bits(a.to_bits()) < ordered_bits(b.to_bits()));
            }
            prop_assert_eq!(bits_of_ordered(ordered_bits(a.to_bits())), a.to_bits());
        }
    }

    #[test]
    fn typical_columns_are_small() {
        assert!(check(&[1.0; 120]) <= 8, "constant");
        let mut stale: Vec<f64> = (0..120).map(|i| f64::from(i % 7) / 100.0).collect();
        stale[119] = stale_nan();
        assert!(check(&stale) < 120 / 2 + 20, "decimals with a stale marker");
        let single: Vec<f64> = (0..120).map(|i| f64::from((i as f32 * 0.37).sin())).collect();
        assert!(check(&single) < 120 * 5, "floats that were 32 bits wide");
    }
}
