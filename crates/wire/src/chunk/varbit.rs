//! Integers in histogram chunks: a unary prefix says how many bits follow.

use super::bits::BitReader;

const WIDTHS: [u32; 9] = [0, 3, 6, 9, 12, 18, 25, 56, 64];

pub(super) fn read_int(r: &mut BitReader<'_>) -> Option<i64> {
    let width = WIDTHS[r.unary(8)? as usize];
    let bits = r.bits(width)?;
    if width == 0 || width == 64 {
        return Some(bits as i64);
    }
    let half = 1i64 << (width - 1);
    let value = bits as i64;
    Some(if value > half { value - 2 * half } else { value })
}

pub(super) fn read_uint(r: &mut BitReader<'_>) -> Option<u64> {
    let width = WIDTHS[r.unary(8)? as usize];
    r.bits(width)
}

/// A custom bound: `0` and the float, or the bound in thousandths plus one as an unsigned integer, whose prefix always
/// starts with `1`.
pub(super) fn read_bound(r: &mut BitReader<'_>) -> Option<f64> {
    if !r.bit()? {
        return r.bits(64).map(f64::from_bits);
    }
    let width = WIDTHS[1 + r.unary(7)? as usize];
    let thousandths = r.bits(width)?.checked_sub(1)?;
    Some(thousandths as f64 / 1000.0)
}
