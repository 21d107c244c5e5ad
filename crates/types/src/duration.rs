//! Durations as Prometheus and Alertmanager files spell them: `90s`, `1h30m`, `1d`, `500ms`, `0`.

const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 86_400_000),
    ("w", 7 * 86_400_000),
    ("d", 86_400_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration, so that whoever counts in nanoseconds can still count it.
pub const DURATION_MS_MAX: i64 = i64::MAX / 1_000_000;

/// So much of a text that is no duration is shown.
const SHOWN_CHARS_MAX: usize = 60;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DurationError {
    #[error("{text:?} is not a duration such as 30s, 5m or 1h30m")]
    NotOne { text: String },
    #[error("{text:?} is not a duration such as 30s, 5m or 1h30m: numbers are whole, as in 1s500ms")]
    Fraction { text: String },
    #[error("the duration {text:?} is out of range: 292 years are the most")]
    TooLong { text: String },
}

fn shown(text: &str) -> String {
    text.chars().take(SHOWN_CHARS_MAX).collect()
}

/// Milliseconds, of exactly what Prometheus and Alertmanager read in their files: whole numbers with units that descend, each at
/// most once; `0` needs no unit.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    if text == "0" {
        return Ok(0);
    }
    let not_one = || DurationError::NotOne { text: shown(text) };
    let too_long = || DurationError::TooLong { text: shown(text) };
    let mut rest = text;
    let mut total = 0i64;
    let mut units = UNITS.iter();
    while !rest.is_empty() {
        let (digits, after) = split(rest, |c| c.is_ascii_digit());
        if !digits.is_empty() && after.starts_with('.') {
            return Err(DurationError::Fraction { text: shown(text) });
        }
        let (word, after) = split(after, |c| c.is_ascii_alphabetic());
        let (_, unit_ms) = units
            .find(|(unit, _)| *unit == word)
            .filter(|_| !digits.is_empty())
            .ok_or_else(not_one)?;
        // Digits alone: only too many of them do not read.
        let number: i64 = digits.parse().map_err(|_| too_long())?;
        total = number
            .checked_mul(*unit_ms)
            .and_then(|part| total.checked_add(part))
            .filter(|ms| *ms <= DURATION_MS_MAX)
            .ok_or_else(too_long)?;
        rest = after;
    }
    if text.is_empty() {
        Err(not_one())
    } else {
        Ok(total)
    }
}

fn split(text: &str, belongs: impl Fn(char) -> bool) -> (&str, &str) {
    text.split_at(text.find(|c| !belongs(c)).unwrap_or(text.len()))
}

/// The other spelling, which Alertmanager reads where its Go structs hold a plain duration (`timeout` of a webhook, `retry`, `expire`
/// and `ttl` of Pushover): fractions and any order are fine, days and longer are not known. Never negative here.
pub fn parse_go_duration_ms(text: &str) -> Result<i64, DurationError> {
    const UNITS: [(&str, f64); 7] = [
        ("ns", 1e-6),
        ("us", 1e-3),
        ("\u{b5}s", 1e-3),
        ("ms", 1.0),
        ("s", 1e3),
        ("m", 6e4),
        ("h", 3.6e6),
    ];
    if text == "0" {
        return Ok(0);
    }
    let not_one = || DurationError::NotOne { text: shown(text) };
    let mut rest = text;
    let mut total_ms = 0f64;
    while !rest.is_empty() {
        let (number, after) = split(rest, |c| c.is_ascii_digit() || c == '.');
        let (word, after) = split(after, char::is_alphabetic);
        let number: f64 = number.parse().map_err(|_| not_one())?;
        let (_, unit_ms) = UNITS.iter().find(|(unit, _)| *unit == word).ok_or_else(not_one)?;
        total_ms += number * unit_ms;
        rest = after;
    }
    if text.is_empty() {
        return Err(not_one());
    }
    if total_ms > DURATION_MS_MAX as f64 {
        return Err(DurationError::TooLong { text: shown(text) });
    }
    Ok(total_ms.round() as i64)
}

/// The shortest spelling that [`parse_duration_ms`] reads back as the same number.
pub fn format_duration_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut out = if ms < 0 { "-".to_owned() } else { String::new() };
    let mut left = ms.unsigned_abs();
    for (word, unit) in UNITS {
        let unit = unit.unsigned_abs();
        // Years and weeks only where they fit exactly: "1w1d" reads worse than "8d".
        if matches!(word, "y" | "w") && !left.is_multiple_of(unit) {
            continue;
        }
        if left >= unit {
            out.push_str(&format!("{}{word}", left / unit));
            left %= unit;
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What Prometheus and Alertmanager read, and nothing else.
    #[test]
    fn there_is_one_grammar() {
        let day_ms = 86_400_000;
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(parse_duration_ms(text).ok(), expect, "{text:?}");
        };
        check("0", Some(0));
        check("0s", Some(0));
        check("30s", Some(30_000));
        check("1h30m", Some(5_400_000));
        check("1d", Some(day_ms));
        check("500ms", Some(500));
        check("1s500ms", Some(1_500));
        check("1w2d", Some(9 * day_ms));
        check("1h5m3s2ms", Some(3_903_002));
        check("08s", Some(8_000));
        check("292y", Some(292 * 365 * day_ms));
        for text in [
            "",
            "5",
            "00",
            "m",
            "1m1h",
            "1m1m",
            "1x",
            "-5m",
            "+5m",
            " 5m",
            "5m ",
            "1 s",
            "1e9s",
            "1M",
            "1mé",
            "1.5s",
            "0.5h",
            "1h1.5m",
            ".5s",
            "1.",
            "300y",
            "99999999999999y",
            "99999999999999999999s",
        ] {
            check(text, None);
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, expect: &str| {
            let error = parse_duration_ms(text).expect_err("it is none");
            assert_eq!(error.to_string(), expect);
        };
        check("soon", r#""soon" is not a duration such as 30s, 5m or 1h30m"#);
        check(
            "1.5s",
            r#""1.5s" is not a duration such as 30s, 5m or 1h30m: numbers are whole, as in 1s500ms"#,
        );
        check(
            "300y",
            r#"the duration "300y" is out of range: 292 years are the most"#,
        );
    }

    #[test]
    fn the_other_spelling_has_fractions_and_no_days() {
        let check = |text: &str, expect: Option<i64>| {
            assert_eq!(parse_go_duration_ms(text).ok(), expect, "{text:?}");
        };
        check("0", Some(0));
        check("1.5s", Some(1_500));
        check(".5s", Some(500));
        check("30m1h", Some(5_400_000));
        check("1m1m", Some(120_000));
        check("1500µs", Some(2));
        for text in [
            "",
            "5",
            "1d",
            "-5m",
            "1w",
            "300y",
            "1M",
            " 5m",
            "1..5s",
            "99999999999h",
        ] {
            check(text, None);
        }
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(ms in 0i64..1_000_000_000_000) {
            prop_assert_eq!(parse_duration_ms(&format_duration_ms(ms)), Ok(ms));
        }
    }
}
