//! Durations (`1h30m`, `500ms`) and sizes (`512MiB`) as they stand in configuration and parameters.

/// Units in the order in which they may follow each other, with their length in milliseconds.
const UNITS: [(&str, i64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// A Prometheus duration: whole numbers with units, each unit at most once, largest first; `0` needs no unit.
pub(crate) fn parse_ms(text: &str) -> Option<i64> {
    if text == "0" {
        return Some(0);
    }
    let mut rest = text;
    let mut total = 0i64;
    let mut next_unit = 0;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let number: i64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.bytes().take_while(u8::is_ascii_alphabetic).count();
        let position = UNITS.iter().position(|(unit, _)| *unit == &rest[..letters])?;
        if position < next_unit {
            return None;
        }
        next_unit = position + 1;
        rest = &rest[letters..];
        total = total.checked_add(number.checked_mul(UNITS[position].1)?)?;
    }
    (!text.is_empty()).then_some(total)
}

/// The shortest spelling that [`parse_ms`] reads back.
pub(crate) fn format_ms(ms: i64) -> String {
    if ms == 0 {
        return "0s".to_owned();
    }
    let mut rest = ms;
    let mut text = String::new();
    for (unit, length) in UNITS {
        // Years and weeks only when nothing remains, so that 90d is not spelled 12w6d.
        let exact_only = matches!(unit, "y" | "w");
        if rest >= length && (!exact_only || rest % length == 0) {
            text.push_str(&format!("{}{unit}", rest / length));
            rest %= length;
        }
    }
    text
}

/// `1GiB`, `512MB`, `1000`: powers of 1024 either way, as Prometheus reads them.
pub(crate) fn parse_size_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text
        .bytes()
        .take_while(|b| b.is_ascii_digit() || *b == b'.')
        .count();
    let number: f64 = text[..digits].parse().ok()?;
    let power = match text[digits..].trim().to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KB" | "KIB" => 1,
        "M" | "MB" | "MIB" => 2,
        "G" | "GB" | "GIB" => 3,
        "T" | "TB" | "TIB" => 4,
        _ => return None,
    };
    Some((number * 1024f64.powi(power)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_prometheus_reads() {
        assert_eq!(parse_ms("15s"), Some(15_000));
        assert_eq!(parse_ms("1h30m"), Some(5_400_000));
        assert_eq!(parse_ms("1d12h30m5s100ms"), Some(131_405_100));
        assert_eq!(parse_ms("0"), Some(0));
        for refused in ["", "1", "s", "1m1h", "1m1m", "-1s", "1.5h", "1 m", "99999999999y"] {
            assert_eq!(parse_ms(refused), None, "{refused:?}");
        }
    }

    #[test]
    fn writes_what_it_reads() {
        for text in ["15s", "1h30m", "90d", "1y", "2w", "1d12h30m5s100ms", "0s"] {
            assert_eq!(format_ms(parse_ms(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        assert_eq!(parse_size_bytes("512MiB"), Some(512 << 20));
        assert_eq!(parse_size_bytes("1.5GB"), Some(3 << 29));
        assert_eq!(parse_size_bytes("100"), Some(100));
        assert_eq!(parse_size_bytes("10 parsecs"), None);
    }
}
