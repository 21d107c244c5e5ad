//! Integers in histogram chunks: a unary prefix says how many bits follow.

use super::bits::{BitReader, BitWriter};

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

pub(super) fn write_int(w: &mut BitWriter, value: i64) {
    let fits = |width: u32| {
        let half = 1i64 << (width - 1);
        (1 - half..=half).contains(&value)
    };
    let class = match value {
        0 => 0,
        _ => (1..8).find(|class| fits(WIDTHS[*class])).unwrap_or(8),
    };
    write_class(w, value as u64, class);
}

pub(super) fn write_uint(w: &mut BitWriter, value: u64) {
    let class = (0..8).find(|class| value < 1 << WIDTHS[*class]).unwrap_or(8);
    write_class(w, value, class);
}

/// `class` ones, a zero unless there is no further class, the bits.
fn write_class(w: &mut BitWriter, value: u64, class: usize) {
    let ones = (1u64 << class) - 1;
    if class == 8 {
        w.push(ones, 8);
    } else {
        w.push(ones << 1, class as u32 + 1);
    }
    w.push(value, WIDTHS[class]);
}

/// What four bytes can say in thousandths.
const THOUSANDTHS_MAX: f64 = 33_554_430.0;

pub(super) fn write_bound(w: &mut BitWriter, bound: f64) {
    let thousandths = (bound * 1000.0).round();
    if (0.0..=THOUSANDTHS_MAX).contains(&thousandths) && thousandths / 1000.0 == bound {
        write_uint(w, thousandths as u64 + 1);
    } else {
        w.push(0, 1);
        w.push(bound.to_bits(), 64);
    }
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
