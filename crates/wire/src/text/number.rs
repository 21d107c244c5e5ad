//! Numbers of the text formats: a quick reader, and the spelling that Go programs use.
//!
//! Reading: at most 15 digits with an optional point are exact as an integer divided by a power of ten (both exact
//! in f64, so the one division rounds correctly); everything else goes to the standard library. "NaN" has the bits
//! that Prometheus gives it.

use lapwing_types::NORMAL_NAN_BITS;

const DIGITS_EXACT_MAX: usize = 15;
const POWERS: [f64; 16] = [
    1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
];

/// A sample's value: decimal, `NaN`, `+Inf`, `-Inf` in any case; no hexadecimal, no underscores.
#[inline]
pub fn parse_float(text: &str) -> Option<f64> {
    parse_short_decimal(text.as_bytes()).or_else(|| parse_any(text))
}

#[inline]
fn parse_short_decimal(bytes: &[u8]) -> Option<f64> {
    let (negative, digits) = match bytes {
        [b'-', rest @ ..] => (true, rest),
        _ => (false, bytes),
    };
    if digits.is_empty() || digits.len() > DIGITS_EXACT_MAX {
        return None;
    }
    let mut mantissa = 0u64;
    let mut point = None;
    for (i, byte) in digits.iter().enumerate() {
        match byte {
            b'0'..=b'9' => mantissa = mantissa * 10 + u64::from(byte - b'0'),
            b'.' if point.is_none() && digits.len() > 1 => point = Some(i),
            _ => return None,
        }
    }
    let magnitude = match point {
        Some(i) => mantissa as f64 / POWERS[digits.len() - 1 - i],
        None => mantissa as f64,
    };
    Some(if negative { -magnitude } else { magnitude })
}

fn parse_any(text: &str) -> Option<f64> {
    let value: f64 = text.parse().ok()?;
    Some(if value.is_nan() {
        f64::from_bits(NORMAL_NAN_BITS)
    } else {
        value
    })
}

/// Milliseconds, as Prometheus 0.0.4 has them.
#[inline]
pub(crate) fn parse_millis(text: &str) -> Option<i64> {
    text.parse().ok()
}

/// Seconds with a fraction, as OpenMetrics has them.
pub(crate) fn parse_seconds(text: &str) -> Option<i64> {
    let ms = parse_float(text)? * 1000.0;
    // Beyond 2^53 the milliseconds would be made up.
    (ms.abs() < 9_007_199_254_740_992.0).then(|| ms.round() as i64)
}

/// The shortest digits that read back as this value, spelled as Go's `%g`: an exponent below 1e-4 and from 1e21 on for
/// values, where `exponent_from` is 21.
pub fn format_float(value: f64) -> String {
    format_go(value, 21)
}

/// The spelling of `le` and `quantile` that OpenMetrics (and Prometheus 3 on ingestion) makes canonical: `1.0`, `0.25`,
/// `1e+06`.
pub(crate) fn format_canonical_label(value: f64) -> String {
    let mut text = format_go(value, 6);
    if value.is_finite() && !text.contains(['e', '.']) {
        text.push_str(".0");
    }
    text
}

fn format_go(value: f64, exponent_from: i32) -> String {
    if value.is_nan() {
        return "NaN".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned();
    }
    let scientific = format!("{value:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..exponent_from).contains(&exponent) {
        return format!("{value}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: f64, value_text: &str, label_text: &str) {
        assert_eq!(format_float(value), value_text);
        assert_eq!(format_canonical_label(value), label_text);
    }

    #[test]
    fn spells_numbers_as_go_does() {
        check(0.0, "0", "0.0");
        check(1.0, "1", "1.0");
        check(-1.0, "-1", "-1.0");
        check(0.25, "0.25", "0.25");
        check(100_000.0, "100000", "100000.0");
        check(1_000_000.0, "1000000", "1e+06");
        check(1_500_000.0, "1500000", "1.5e+06");
        check(0.0001, "0.0001", "0.0001");
        check(0.00001, "1e-05", "1e-05");
        check(1e21, "1e+21", "1e+21");
        check(1e100, "1e+100", "1e+100");
        check(f64::INFINITY, "+Inf", "+Inf");
        check(f64::NEG_INFINITY, "-Inf", "-Inf");
        check(f64::NAN, "NaN", "NaN");
        check(-0.0, "-0", "-0.0");
    }

    #[test]
    fn refuses_what_is_not_decimal() {
        for text in [
            "", "-", ".", "1_000", "0x10", "1p3", "1,5", " 1", "1e", "--1", "1.2.3",
        ] {
            assert_eq!(parse_float(text), None, "{text:?}");
        }
        for (text, expect) in [
            ("+Inf", f64::INFINITY),
            ("-Inf", f64::NEG_INFINITY),
            ("Inf", f64::INFINITY),
            ("1e3", 1000.0),
            ("+3", 3.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("-0.001", -0.001),
            ("123456789012345", 123_456_789_012_345.0),
        ] {
            assert_eq!(parse_float(text), Some(expect), "{text:?}");
        }
        assert_eq!(parse_float("nan").unwrap().to_bits(), NORMAL_NAN_BITS);
        assert_eq!(parse_float("-0").unwrap().to_bits(), (-0.0f64).to_bits());
    }

    #[test]
    fn seconds_become_whole_milliseconds() {
        assert_eq!(parse_seconds("1520879607.789"), Some(1_520_879_607_789));
        assert_eq!(parse_seconds("-1.5"), Some(-1500));
        assert_eq!(parse_seconds("NaN"), None);
        assert_eq!(parse_seconds("Inf"), None);
        assert_eq!(parse_seconds("1e300"), None);
    }

    proptest! {
        #[test]
        fn reads_what_it_writes(value: f64) {
            let read = parse_float(&format_float(value)).unwrap();
            prop_assert!(read.to_bits() == value.to_bits() || (read.is_nan() && value.is_nan()));
        }

        #[test]
        fn the_quick_way_agrees_with_the_library(text in "-?[0-9]{0,9}\\.?[0-9]{0,9}") {
            prop_assert_eq!(parse_float(&text), text.parse().ok());
        }
    }
}
