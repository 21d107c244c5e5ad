//! Floats that are an integer over a common divisor.
//!
//! What a person or a program prints is a decimal: `m / 10^e`, and a division of two exact floats is correctly rounded,
//! so `m as f64 / 10^e as f64` is the very bit pattern that parsing the decimal gave. Ratios (used over total) are
//! `m / d` for one `d`. Each value is verified by the decoder's own arithmetic; the few that fail are exceptions.

/// More digits after the point than this are noise, not decimals.
const DECIMAL_DIGITS_MAX: usize = 13;
pub(crate) const POWERS: [f64; DECIMAL_DIGITS_MAX + 1] = [
    1.0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13,
];
/// Integers up to here are floats without gaps.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;
/// A larger denominator is found by accident: 2^22 fractions with 2^22 numerators cover few of 2^53 mantissas.
const DENOMINATOR_MAX: u64 = 1 << 22;
/// One value in so many may be an exception, else the column is none of quotients.
pub(crate) const EXCEPTION_SHARE: usize = 8;

/// The integer that stands for `value` over `divisor`, if the decoder would get exactly `value` back.
#[inline]
pub(crate) fn numerator(value: f64, divisor: f64) -> Option<i64> {
    if divisor == 1.0 {
        let integer = value as i64;
        return ((integer as f64).to_bits() == value.to_bits() && integer != i64::MAX).then_some(integer);
    }
    let scaled = value * divisor;
    if scaled.is_nan() || scaled.abs() > EXACT_MAX {
        return None;
    }
    let integer = round(scaled) as i64;
    (of(integer, divisor).to_bits() == value.to_bits()).then_some(integer)
}

/// What the decoder computes.
#[inline]
pub(crate) fn of(numerator: i64, divisor: f64) -> f64 {
    numerator as f64 / divisor
}

/// To the nearest integer. Adding and taking away 1.5 × 2^52 rounds below 2^51 without a call to the mathematics library.
#[inline]
fn round(x: f64) -> f64 {
    const MAGIC: f64 = 6_755_399_441_055_744.0;
    if x.abs() < 2_251_799_813_685_248.0 {
        (x + MAGIC) - MAGIC
    } else {
        x.round()
    }
}

/// Digits after the point that (nearly) all values need, or `None` where they are not decimals.
pub(crate) fn decimal_digits(values: &[f64]) -> Option<usize> {
    let mut digits = 0;
    let mut failed = 0;
    for (seen, value) in values.iter().enumerate() {
        if numerator(*value, POWERS[digits]).is_some() || value.is_nan() {
            continue;
        }
        match (digits + 1..POWERS.len()).find(|d| numerator(*value, POWERS[*d]).is_some()) {
            Some(more) => digits = more,
            None => failed += 1,
        }
        // The first few decide, so that a column of noise costs little.
        if failed > 2 + seen / EXCEPTION_SHARE {
            return None;
        }
    }
    Some(digits)
}

/// The common denominator of values that are ratios of small integers.
pub(crate) fn common_denominator(values: &[f64]) -> Option<u64> {
    let mut common = 1u64;
    let mut tried = 0;
    for value in values {
        if numerator(*value, common as f64).is_some() || !value.is_finite() {
            continue;
        }
        let denominator = denominator_of(*value)?;
        common = common / gcd(common, denominator) * denominator;
        tried += 1;
        if common > DENOMINATOR_MAX {
            return None;
        }
        if tried == 8 {
            break;
        }
    }
    (common > 1).then_some(common)
}

/// By continued fraction: the first convergent that divides to exactly the value.
fn denominator_of(value: f64) -> Option<u64> {
    let mut x = value.abs();
    if !(1e-9..1e9).contains(&x) {
        return None;
    }
    let (mut p0, mut q0, mut p1, mut q1) = (0f64, 1f64, 1f64, 0f64);
    for _ in 0..24 {
        let whole = x.floor();
        (p0, p1) = (p1, whole * p1 + p0);
        (q0, q1) = (q1, whole * q1 + q0);
        if q1 > DENOMINATOR_MAX as f64 {
            return None;
        }
        if p1 / q1 == value.abs() {
            return Some(q1 as u64);
        }
        x = 1.0 / (x - whole);
        if !x.is_finite() {
            return None;
        }
    }
    None
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_digits_and_denominators() {
        assert_eq!(decimal_digits(&[1.5, 2.25, 3.0, 0.125]), Some(3));
        assert_eq!(decimal_digits(&[1e15, -3.0, 4096.0]), Some(0));
        let noise: Vec<f64> = (1..40).map(|i| f64::from(i).sqrt() * 1e7).collect();
        assert_eq!(decimal_digits(&noise), None);
        let ratios: Vec<f64> = (0..40).map(|i| f64::from(i * 671) / 27_291.0).collect();
        assert_eq!(decimal_digits(&ratios), None);
        assert_eq!(27_291 % common_denominator(&ratios).unwrap(), 0);
        assert_eq!(common_denominator(&noise), None);
    }

    #[test]
    fn a_numerator_is_exact_or_none() {
        for value in [0.0, 1.0, -5.0, 9.2e18, 123_456_789.0] {
            let integer = numerator(value, 1.0).unwrap();
            assert_eq!(of(integer, 1.0).to_bits(), value.to_bits());
        }
        for value in [-0.0, 0.5, f64::NAN, f64::INFINITY, 1e19] {
            assert_eq!(numerator(value, 1.0), None, "{value}");
        }
        assert_eq!(numerator(0.3, 10.0), Some(3));
        assert_eq!(numerator(0.1 + 0.2, 10.0), None);
    }
}
