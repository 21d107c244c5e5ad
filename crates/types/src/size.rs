//! Sizes as people write them: `512MiB`, `10MB`, `1.5G`, `1000`.

const UNITS: [(&[&str], u32); 7] = [
    (&["", "B"], 0),
    (&["K", "KB", "KIB"], 1),
    (&["M", "MB", "MIB"], 2),
    (&["G", "GB", "GIB"], 3),
    (&["T", "TB", "TIB"], 4),
    (&["P", "PB", "PIB"], 5),
    (&["E", "EB", "EIB"], 6),
];

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size such as 512KB, 10MB or 1GB")]
pub struct SizeError {
    pub text: String,
}

/// Powers of 1024 with either spelling, as Prometheus counts; a fraction is read too.
pub fn parse_size_bytes(text: &str) -> Result<u64, SizeError> {
    let wrong = || SizeError {
        text: text.chars().take(60).collect(),
    };
    let trimmed = text.trim();
    let digits = trimmed.len()
        - trimmed
            .trim_start_matches(|c: char| c.is_ascii_digit() || c == '.')
            .len();
    let (number, unit) = trimmed.split_at(digits);
    let unit = unit.trim().to_ascii_uppercase();
    let power = UNITS
        .iter()
        .find(|(words, _)| words.contains(&unit.as_str()))
        .ok_or_else(wrong)?
        .1;
    let factor = 1u64 << (10 * power);
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(factor).ok_or_else(wrong);
    }
    let bytes = number.parse::<f64>().map_err(|_| wrong())? * factor as f64;
    if bytes < 9e18 {
        Ok(bytes as u64)
    } else {
        Err(wrong())
    }
}

/// The largest unit that says it in whole numbers: `50GiB`, `1500B`.
pub fn format_size_bytes(bytes: u64) -> String {
    let power = (bytes.trailing_zeros() / 10).min(6) as usize;
    if bytes == 0 || power == 0 {
        return format!("{bytes}B");
    }
    let unit = ["Ki", "Mi", "Gi", "Ti", "Pi", "Ei"][power - 1];
    format!("{}{unit}B", bytes >> (10 * power))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_written_as_it_would_be_by_hand() {
        for text in ["0B", "1500B", "3KiB", "2MiB", "50GiB", "7TiB", "15EiB"] {
            assert_eq!(format_size_bytes(parse_size_bytes(text).unwrap()), text);
        }
    }

    #[test]
    fn sizes_are_powers_of_1024() {
        for (text, expect) in [
            ("512MiB", Some(512 << 20)),
            ("1.5GB", Some(3 << 29)),
            ("10 kb", Some(10 << 10)),
            ("100", Some(100)),
            ("0", Some(0)),
            ("10 parsecs", None),
            ("99999999999999TB", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(parse_size_bytes(text).ok(), expect, "{text}");
        }
    }
}
