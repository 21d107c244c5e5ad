//! Fixed-width bit packing, least significant bit first, little endian.
//!
//! Layout: value `i` occupies bits `i * width .. (i + 1) * width` of the stream; the last byte is padded with zeros.

use crate::metrics::Malformed;

/// Bytes that `count` values of `width` bits take.
pub(crate) fn packed_len(count: usize, width: u32) -> usize {
    (count * width as usize).div_ceil(8)
}

/// Appends the low `width` bits of each value.
pub(crate) fn pack(values: &[u64], width: u32, out: &mut Vec<u8>) {
    if width == 0 {
        return;
    }
    out.reserve(packed_len(values.len(), width) + 8);
    let mask = mask(width);
    let (mut word, mut filled) = (0u64, 0u32);
    for value in values {
        let value = value & mask;
        word |= value << filled;
        if filled + width >= 64 {
            out.extend_from_slice(&word.to_le_bytes());
            word = if filled == 0 { 0 } else { value >> (64 - filled) };
            filled = filled + width - 64;
        } else {
            filled += width;
        }
    }
    out.extend_from_slice(&word.to_le_bytes()[..filled.div_ceil(8) as usize]);
}

/// Appends `count` values to `out` and returns how many bytes they took.
pub(crate) fn unpack(bytes: &[u8], count: usize, width: u32, out: &mut Vec<u64>) -> Result<usize, Malformed> {
    if width > 64 {
        return Err(Malformed { what: "bit width" });
    }
    let len = packed_len(count, width);
    if len > bytes.len() {
        return Err(Malformed {
            what: "packed integers",
        });
    }
    if width == 0 {
        out.resize(out.len() + count, 0);
        return Ok(0);
    }
    out.reserve(count);
    let mask = mask(width);
    // While a whole word can be loaded, also beyond the own bytes: what lies there is masked away.
    let direct = if width > 56 || bytes.len() < 8 {
        0
    } else {
        (((bytes.len() - 8) * 8) / width as usize + 1).min(count)
    };
    let mut bit = 0usize;
    for _ in 0..direct {
        let at = bit / 8;
        let mut word = [0u8; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        out.push(u64::from_le_bytes(word) >> (bit % 8) & mask);
        bit += width as usize;
    }
    for _ in direct..count {
        let at = bit / 8;
        let mut wide = [0u8; 16];
        let rest = &bytes[at..bytes.len().min(at + 16)];
        wide[..rest.len()].copy_from_slice(rest);
        out.push((u128::from_le_bytes(wide) >> (bit % 8)) as u64 & mask);
        bit += width as usize;
    }
    Ok(len)
}

fn mask(width: u32) -> u64 {
    if width == 0 { 0 } else { u64::MAX >> (64 - width) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn round_trips_every_width(values in proptest::collection::vec(any::<u64>(), 0..70), width in 0u32..=64) {
            let expect: Vec<u64> = values.iter().map(|v| v & mask(width)).collect();
            let mut bytes = vec![7];
            pack(&values, width, &mut bytes);
            prop_assert_eq!(bytes.len() - 1, packed_len(values.len(), width));
            let mut out = Vec::new();
            prop_assert_eq!(unpack(&bytes[1..], values.len(), width, &mut out), Ok(bytes.len() - 1));
            prop_assert_eq!(&out, &expect);
            if bytes.len() > 1 {
                prop_assert!(unpack(&bytes[2..], values.len(), width, &mut out).is_err());
            }
        }
    }
}
