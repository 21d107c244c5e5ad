//! Values of literals: numbers in every base, durations in both directions, strings with their escapes.

pub use lapwing_types::format_duration_ms as format_duration;
use lapwing_types::{DurationError, parse_duration_ms};

/// In the words that Prometheus has for what is wrong.
pub fn parse_duration(text: &str) -> Result<i64, String> {
    parse_duration_ms(text).map_err(|error| match error {
        _ if text.is_empty() => "empty duration string".to_owned(),
        DurationError::TooLong { .. } => "duration out of range".to_owned(),
        DurationError::NotOne { .. } | DurationError::Fraction { .. } => {
            format!("not a valid duration string: {text:?}")
        }
    })
}

/// Whole numbers may be hexadecimal, octal (leading 0) or binary and may hold underscores.
pub(super) fn parse_number(text: &str) -> Result<f64, String> {
    let lower = text.to_ascii_lowercase();
    match lower.as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    let invalid = || format!("error parsing number: invalid syntax in {text:?}");
    let integer = |digits: &str, radix| -> Option<f64> {
        let clean = digits.replace('_', "");
        i64::from_str_radix(&clean, radix).ok().map(|n| n as f64)
    };
    if let Some(hex) = lower.strip_prefix("0x") {
        return integer(hex, 16).ok_or_else(invalid);
    }
    if let Some(binary) = lower.strip_prefix("0b") {
        return integer(binary, 2).ok_or_else(invalid);
    }
    let only_digits = lower.bytes().all(|b| b.is_ascii_digit() || b == b'_');
    if only_digits && lower.len() > 1 && lower.starts_with('0') {
        let octal = integer(lower.trim_start_matches("0o"), 8);
        if let Some(value) = octal {
            return Ok(value);
        }
    }
    if only_digits {
        let clean = lower.replace('_', "");
        return clean.parse().map_err(|_| invalid());
    }
    lower.parse().map_err(|_| invalid())
}

/// The value of a quoted string, quotes included in `text`.
pub(super) fn unquote(text: &str) -> Result<String, String> {
    String::from_utf8(unquote_bytes(text)?)
        .map_err(|_| format!("error unquoting string {text:?}: it is not valid UTF-8"))
}

/// The first of the private characters that stand for the bytes of a string literal that are no UTF-8: byte `b` is
/// `STRAY_FIRST + b`. Prometheus lets such strings be until they are used as a name.
const STRAY_FIRST: u32 = 0x10_FF00;

fn stray_char(byte: u8) -> char {
    char::from_u32(STRAY_FIRST + u32::from(byte)).unwrap_or(char::REPLACEMENT_CHARACTER)
}

/// The byte that a private character stands for.
pub(crate) fn stray_byte(c: char) -> Option<u8> {
    let byte = (c as u32).checked_sub(STRAY_FIRST)?;
    u8::try_from(byte).ok().filter(|b| *b >= 0x80)
}

/// As it can be shown: stray bytes as the replacement character.
pub(crate) fn shown(text: &str) -> String {
    let show = |c| stray_byte(c).map_or(c, |_| char::REPLACEMENT_CHARACTER);
    text.chars().map(show).collect()
}

/// Whether a label may have this name.
pub(crate) fn is_label_name(text: &str) -> bool {
    !text.is_empty() && !text.chars().any(|c| stray_byte(c).is_some())
}

/// A string literal that may hold any bytes.
pub(super) fn unquote_any(text: &str) -> Result<String, String> {
    let bytes = unquote_bytes(text)?;
    let mut out = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        out.push_str(chunk.valid());
        out.extend(chunk.invalid().iter().map(|b| stray_char(*b)));
    }
    Ok(out)
}

fn unquote_bytes(text: &str) -> Result<Vec<u8>, String> {
    let invalid = |why: &str| format!("error unquoting string {text:?}: {why}");
    let quote = text.chars().next().unwrap_or('"');
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
    if quote == '`' || !inner.contains('\\') {
        return Ok(inner.as_bytes().to_vec());
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            continue;
        }
        let Some(escape) = chars.next() else {
            return Err(invalid("it ends in an escape sequence"));
        };
        match escape {
            'a' => bytes.push(7),
            'b' => bytes.push(8),
            'f' => bytes.push(12),
            'n' => bytes.push(b'\n'),
            'r' => bytes.push(b'\r'),
            't' => bytes.push(b'\t'),
            'v' => bytes.push(11),
            '\\' => bytes.push(b'\\'),
            c if c == quote => bytes.push(c as u8),
            'x' => bytes.push(digits(&mut chars, 2, 16).ok_or_else(|| invalid("bad \\x escape"))? as u8),
            '0'..='7' => {
                let first = escape.to_digit(8).unwrap_or(0);
                let rest = digits(&mut chars, 2, 8).ok_or_else(|| invalid("bad octal escape"))?;
                let value = first * 64 + rest;
                bytes.push(u8::try_from(value).map_err(|_| invalid("octal escape above 255"))?);
            }
            'u' | 'U' => {
                let length = if escape == 'u' { 4 } else { 8 };
                let c = digits(&mut chars, length, 16)
                    .and_then(char::from_u32)
                    .ok_or_else(|| invalid("escape sequence is an invalid Unicode code point"))?;
                bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            }
            other => {
                return Err(format!(
                    "unknown escape sequence U+{:04X} '{other}'",
                    other as u32
                ));
            }
        }
    }
    Ok(bytes)
}

fn digits(chars: &mut std::str::Chars<'_>, count: usize, radix: u32) -> Option<u32> {
    (0..count).try_fold(0u32, |value, _| {
        let digit = chars.next()?.to_digit(radix)?;
        value.checked_mul(radix)?.checked_add(digit)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_both_ways() {
        let check = |text: &str, ms: i64, back: &str| {
            assert_eq!(parse_duration(text), Ok(ms), "{text}");
            assert_eq!(format_duration(ms), back);
        };
        check("5m", 300_000, "5m");
        check("90m", 5_400_000, "1h30m");
        check("1y", 31_536_000_000, "1y");
        check("2w", 1_209_600_000, "2w");
        check("8d", 691_200_000, "8d");
        check("1h5m3s2ms", 3_903_002, "1h5m3s2ms");
        check("0", 0, "0s");
        for bad in ["", "5", "m", "1m1h", "1m1m", "1.5h", "5x", "300000000y"] {
            assert!(parse_duration(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn numbers_in_every_base() {
        let check = |text: &str, expect: f64| assert_eq!(parse_number(text), Ok(expect), "{text}");
        check("12", 12.0);
        check("0x1F", 31.0);
        check("0755", 493.0);
        check("1_000", 1000.0);
        check("1e3", 1000.0);
        check(".5", 0.5);
        check("2.", 2.0);
        check("09", 9.0);
        assert!(parse_number("NaN").unwrap().is_nan());
        assert!(parse_number("1_0.5").is_err());
    }

    #[test]
    fn strings_lose_their_quotes_and_escapes() {
        let check = |text: &str, expect: &str| assert_eq!(unquote(text).as_deref(), Ok(expect));
        check(r#""a\"b\n""#, "a\"b\n");
        check(r"`a\b`", r"a\b");
        check(r#""\u00e9\x41\101""#, "éAA");
        assert!(unquote(r#""\xff""#).is_err());
        let any = unquote_any(r#""a\xffb""#).unwrap();
        assert_eq!((shown(&any).as_str(), is_label_name(&any)), ("a\u{fffd}b", false));
        assert!(unquote(r#""\q""#).is_err());
    }
}
