//! Numbers as Go prints them.

/// Where Go changes to an exponent when it prints the shortest text.
const SHORTEST_PRECISION: i32 = 6;

/// `%v`: the shortest text that reads back as the same number, with an exponent below 1e-4 and from 1e6.
pub fn format_float(x: f64) -> String {
    if let Some(word) = not_finite(x) {
        return word.to_owned();
    }
    let scientific = format!("{x:e}");
    let power: i32 = scientific
        .rsplit_once('e')
        .and_then(|(_, p)| p.parse().ok())
        .unwrap_or(0);
    if x != 0.0 && !(-4..SHORTEST_PRECISION).contains(&power) {
        return exponent(&scientific);
    }
    format!("{x}")
}

/// `%.<precision>g`: that many significant digits, without trailing zeros.
pub fn format_general(x: f64, precision: usize) -> String {
    if let Some(word) = not_finite(x) {
        return word.to_owned();
    }
    if x == 0.0 {
        return if x.is_sign_negative() { "-0" } else { "0" }.to_owned();
    }
    let precision = precision.clamp(1, 60);
    let scientific = format!("{x:.*e}", precision - 1);
    let (mantissa, power) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let power: i32 = power.parse().unwrap_or(0);
    if power < -4 || power >= i32::try_from(precision).unwrap_or(i32::MAX) {
        return exponent(&format!("{}e{power}", without_zeros(mantissa)));
    }
    let decimals = i32::try_from(precision).unwrap_or(60) - 1 - power;
    let fixed = format!("{x:.*}", usize::try_from(decimals).unwrap_or(0));
    without_zeros(&fixed).to_owned()
}

fn without_zeros(text: &str) -> &str {
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.')
    } else {
        text
    }
}

/// Rust's `1e21` to Go's `1e+21`.
pub(crate) fn exponent(text: &str) -> String {
    let (mantissa, power) = text.split_once('e').unwrap_or((text, "0"));
    let (sign, digits) = match power.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', power),
    };
    format!("{mantissa}e{sign}{digits:0>2}")
}

pub(crate) fn not_finite(x: f64) -> Option<&'static str> {
    if x.is_nan() {
        Some("NaN")
    } else if x == f64::INFINITY {
        Some("+Inf")
    } else if x == f64::NEG_INFINITY {
        Some("-Inf")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prints_floats_as_go_does() {
        let cases = [
            (0.0, "0"),
            (1.0, "1"),
            (0.1, "0.1"),
            (999999.0, "999999"),
            (1e6, "1e+06"),
            (123456789.5, "1.234567895e+08"),
            (1e21, "1e+21"),
            (0.00001, "1e-05"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
        ];
        for (x, expect) in cases {
            assert_eq!(format_float(x), expect);
        }
        let general = [
            (1234567.0, "1.235e+06"),
            (1234.0, "1234"),
            (0.00001234, "1.234e-05"),
            (0.5, "0.5"),
            (99.9999, "100"),
            (9999.9, "1e+04"),
        ];
        for (x, expect) in general {
            assert_eq!(format_general(x, 4), expect);
        }
    }
}
