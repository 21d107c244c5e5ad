//! Query results as Prometheus writes them in JSON.
//!
//! Numbers of samples are strings in the shortest form that reads back to the same bits, with an exponent below 1e-6
//! and from 1e21 on; times are seconds with at most three decimals. Written by hand rather than through serde: a
//! response of 100 000 series is mostly numbers, and this is the code that they pass through.

use lapwing_types::{FloatHistogram, Labels};
use std::fmt::Write;

/// Appends a JSON string.
pub fn push_json_str(out: &mut String, text: &str) {
    out.push('"');
    let mut start = 0;
    for (i, b) in text.bytes().enumerate() {
        let escape = match b {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..=0x1f => "",
            _ => continue,
        };
        out.push_str(&text[start..i]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{b:04x}");
        } else {
            out.push_str(escape);
        }
        start = i + 1;
    }
    out.push_str(&text[start..]);
    out.push('"');
}

/// Appends `{"a":"b"}`.
pub fn push_labels(out: &mut String, labels: &Labels) {
    out.push('{');
    for (i, (name, value)) in labels.iter().enumerate() {
        if i > 0 {
            out.push(',');
        }
        push_json_str(out, name);
        out.push(':');
        push_json_str(out, value);
    }
    out.push('}');
}

/// Appends a time in seconds: `1435781430.781`, `10`, `-0.5`.
pub fn push_seconds(out: &mut String, t_ms: i64) {
    if t_ms < 0 {
        out.push('-');
    }
    let t = t_ms.unsigned_abs();
    out.push_str(itoa::Buffer::new().format(t / 1000));
    let fraction = (t % 1000) as u16;
    if fraction > 0 {
        let digits = [fraction / 100, fraction / 10 % 10, fraction % 10].map(|d| char::from(b'0' + d as u8));
        let len = digits.iter().rposition(|d| *d != '0').map_or(0, |last| last + 1);
        out.push('.');
        out.extend(&digits[..len]);
    }
}

/// Whole numbers below this are exact, and so are written digit by digit.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// A float as Go's `strconv.FormatFloat(v, 'f', -1, 64)` writes it, with an exponent where that gets long.
pub fn push_float(out: &mut String, v: f64) {
    if v.is_nan() {
        return out.push_str("NaN");
    }
    if v.is_infinite() {
        return out.push_str(if v > 0.0 { "+Inf" } else { "-Inf" });
    }
    if v.abs() < WHOLE_MAX && v.trunc() == v && (v != 0.0 || v.is_sign_positive()) {
        return out.push_str(itoa::Buffer::new().format(v as i64));
    }
    if v != 0.0 && (v.abs() < 1e-6 || v.abs() >= 1e21) {
        let text = format!("{v:e}");
        let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        let (sign, digits) = match exponent.strip_prefix('-') {
            Some(digits) => ('-', digits),
            None => ('+', exponent),
        };
        let _ = write!(out, "{mantissa}e{sign}{digits:0>2}");
        return;
    }
    let mut buffer = zmij::Buffer::new();
    let text = buffer.format_finite(v);
    if text.contains('e') {
        let _ = write!(out, "{v}");
    } else {
        out.push_str(text.strip_suffix(".0").unwrap_or(text));
    }
}

/// Appends `[1435781430.781,"1"]`.
pub fn push_point(out: &mut String, t_ms: i64, v: f64) {
    out.push('[');
    push_seconds(out, t_ms);
    out.push_str(",\"");
    push_float(out, v);
    out.push_str("\"]");
}

/// Appends `[t,{"count":…,"sum":…,"buckets":[[boundary rule, lower, upper, count],…]}]`.
pub fn push_histogram_point(out: &mut String, t_ms: i64, histogram: &FloatHistogram) {
    out.push('[');
    push_seconds(out, t_ms);
    out.push_str(",{\"count\":\"");
    push_float(out, histogram.count);
    out.push_str("\",\"sum\":\"");
    push_float(out, histogram.sum);
    out.push('"');
    let mut first = true;
    for bucket in histogram.all_buckets() {
        if bucket.count == 0.0 {
            continue;
        }
        out.push_str(if first { ",\"buckets\":[" } else { "," });
        first = false;
        // 0: open left, 1: open right, 2: open both, 3: closed both.
        let rule = match (bucket.lower_inclusive, bucket.upper_inclusive) {
            (true, true) => 3,
            (true, false) => 1,
            (false, true) => 0,
            (false, false) => 2,
        };
        let _ = write!(out, "[{rule},\"");
        push_float(out, bucket.lower);
        out.push_str("\",\"");
        push_float(out, bucket.upper);
        out.push_str("\",\"");
        push_float(out, bucket.count);
        out.push_str("\"]");
    }
    if !first {
        out.push(']');
    }
    out.push_str("}]");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn float(v: f64) -> String {
        let mut out = String::new();
        push_float(&mut out, v);
        out
    }

    fn seconds(t_ms: i64) -> String {
        let mut out = String::new();
        push_seconds(&mut out, t_ms);
        out
    }

    #[test]
    fn floats_are_written_as_go_writes_them() {
        for (v, expect) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.5e300, "1.5e+300"),
            (0.000_001, "0.000001"),
            (0.000_000_1, "1e-07"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(float(v), expect);
        }
    }

    #[test]
    fn every_float_reads_back_and_is_as_long_as_it_must() {
        let mut bits = 0x9e37_79b9_7f4a_7c15u64;
        for i in 0..40_000u32 {
            bits = bits
                .wrapping_mul(0xd134_2543_de82_ef95)
                .wrapping_add(u64::from(i));
            let near = f64::from(i) * 0.37 * 10f64.powi((bits % 40) as i32 - 20);
            for v in [f64::from_bits(bits), near, near.round()] {
                if v.is_nan() || v.is_infinite() || (v != 0.0 && (v.abs() < 1e-6 || v.abs() >= 1e21)) {
                    continue;
                }
                // Of two shortest numbers that are equally near, the standard library may take the other one.
                let (written, expect) = (float(v), format!("{v}"));
                assert_eq!(written.parse::<f64>().unwrap().to_bits(), v.to_bits(), "{bits:x}");
                assert_eq!(written.len(), expect.len(), "{bits:x}: {written} {expect}");
            }
        }
    }

    #[test]
    fn times_are_seconds_with_at_most_three_decimals() {
        for (t, expect) in [
            (0, "0"),
            (1_435_781_430_781, "1435781430.781"),
            (1_500, "1.5"),
            (-500, "-0.5"),
            (10, "0.01"),
        ] {
            assert_eq!(seconds(t), expect);
        }
    }

    #[test]
    fn hostile_text_stays_json() {
        let mut out = String::new();
        push_json_str(&mut out, "a\"b\\c\n\u{1}é</script>");
        assert_eq!(
            serde_json::from_str::<String>(&out).unwrap(),
            "a\"b\\c\n\u{1}é</script>"
        );
    }
}
