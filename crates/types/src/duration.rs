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

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a duration such as 30s, 5m or 1h30m")]
pub struct DurationError {
    pub text: String,
}

/// Milliseconds. Units must descend, as in Prometheus; a fraction of one unit (`1.5h`) is read too.
pub fn parse_duration_ms(text: &str) -> Result<i64, DurationError> {
    let wrong = || DurationError {
        text: text.chars().take(60).collect(),
    };
    if text == "0" {
        return Ok(0);
    }
    let mut rest = text;
    let mut total = 0i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .ok_or_else(wrong)?;
        let (number, after) = rest.split_at(end);
        let word_end = after
            .find(|c: char| !c.is_ascii_alphabetic())
            .unwrap_or(after.len());
        let word = &after[..word_end];
        let at = UNITS[next_unit..]
            .iter()
            .position(|(u, _)| *u == word)
            .ok_or_else(wrong)?;
        let unit_ms = UNITS[next_unit + at].1;
        next_unit += at + 1;
        let part = match number.parse::<i64>() {
            Ok(n) => n.checked_mul(unit_ms).ok_or_else(wrong)?,
            Err(_) => {
                let x: f64 = number.parse().map_err(|_| wrong())?;
                let ms = x * unit_ms as f64;
                if !(0.0..9e15).contains(&ms) {
                    return Err(wrong());
                }
                ms.round() as i64
            }
        };
        total = total.checked_add(part).ok_or_else(wrong)?;
        rest = &after[word_end..];
    }
    if text.is_empty() { Err(wrong()) } else { Ok(total) }
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

    #[test]
    fn reads_what_the_files_say() {
        for (text, ms) in [
            ("0", 0),
            ("0s", 0),
            ("30s", 30_000),
            ("1h30m", 5_400_000),
            ("1d", 86_400_000),
            ("500ms", 500),
            ("1.5h", 5_400_000),
            ("1w", 604_800_000),
        ] {
            assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
        }
        for text in [
            "",
            "5",
            "m",
            "1m1h",
            "1x",
            "-5m",
            "1e9s",
            "99999999999999y",
            "1mé",
        ] {
            assert!(parse_duration_ms(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn prints_what_it_reads(ms in 0i64..1_000_000_000_000) {
            prop_assert_eq!(parse_duration_ms(&format_duration_ms(ms)), Ok(ms));
        }
    }
}
