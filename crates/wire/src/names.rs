//! Names of metrics and labels: which are legacy, and how others are escaped for those who know no others.
//!
//! The `U__` form is reversible: `_` is doubled, a code point outside the legacy set is `_` + hexadecimal + `_`.

use std::borrow::Cow;

/// `[a-zA-Z_:][a-zA-Z0-9_:]*`
pub fn is_legacy_metric_name(name: &str) -> bool {
    is_identifier(name, true)
}

/// `[a-zA-Z_][a-zA-Z0-9_]*`
pub fn is_legacy_label_name(name: &str) -> bool {
    is_identifier(name, false)
}

fn is_identifier(name: &str, colon: bool) -> bool {
    let bytes = name.as_bytes();
    let Some(first) = bytes.first() else {
        return false;
    };
    let ok = |b: &u8| b.is_ascii_alphanumeric() || *b == b'_' || (colon && *b == b':');
    !first.is_ascii_digit() && bytes.iter().all(ok)
}

/// Every character outside the legacy set becomes `_`.
pub fn escape_underscores(name: &str) -> Cow<'_, str> {
    if is_legacy_metric_name(name) || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    for (i, c) in name.chars().enumerate() {
        out.push(if is_legacy_char(c, i) { c } else { '_' });
    }
    Cow::Owned(out)
}

/// `.` becomes `_dot_`, `_` is doubled, anything else outside the legacy set becomes `__`.
pub fn escape_dots(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 8);
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => out.push_str("__"),
            '.' => out.push_str("_dot_"),
            c if is_legacy_char(c, i) => out.push(c),
            _ => out.push_str("__"),
        }
    }
    out
}

/// The reversible form, `U__…`; legacy names stay as they are.
pub fn escape_values(name: &str) -> Cow<'_, str> {
    if is_legacy_metric_name(name) || name.is_empty() {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len() + 16);
    out.push_str("U__");
    for (i, c) in name.chars().enumerate() {
        match c {
            '_' => out.push_str("__"),
            c if is_legacy_char(c, i) => out.push(c),
            c => out.push_str(&format!("_{:x}_", c as u32)),
        }
    }
    Cow::Owned(out)
}

/// Undoes [`escape_values`]; what is not in that form is a name as it stands.
pub fn unescape_values(name: &str) -> Cow<'_, str> {
    match name.strip_prefix("U__").and_then(unescape_body) {
        Some(plain) => Cow::Owned(plain),
        None => Cow::Borrowed(name),
    }
}

fn unescape_body(body: &str) -> Option<String> {
    /// The highest code point has six hexadecimal digits.
    const HEX_DIGITS_MAX: usize = 6;
    let mut out = String::with_capacity(body.len());
    let mut rest = body;
    while let Some(at) = rest.find('_') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('_') {
            out.push('_');
            rest = after;
            continue;
        }
        let end = rest.find('_').filter(|end| (1..=HEX_DIGITS_MAX).contains(end))?;
        out.push(char::from_u32(u32::from_str_radix(&rest[..end], 16).ok()?)?);
        rest = &rest[end + 1..];
    }
    out.push_str(rest);
    Some(out)
}

fn is_legacy_char(c: char, position: usize) -> bool {
    c.is_ascii_alphabetic() || c == '_' || c == ':' || (c.is_ascii_digit() && position > 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(name: &str, underscores: &str, dots: &str, values: &str) {
        assert_eq!(escape_underscores(name), underscores);
        assert_eq!(escape_dots(name), dots);
        assert_eq!(escape_values(name), values);
    }

    #[test]
    fn escapes() {
        check("up_time", "up_time", "up__time", "up_time");
        check("my.metric", "my_metric", "my_dot_metric", "U__my_2e_metric");
        check("a_b.c", "a_b_c", "a__b_dot_c", "U__a__b_2e_c");
        check("1x", "_x", "__x", "U___31_x");
        check("größe", "gr__e", "gr____e", "U__gr_f6__df_e");
        check("", "", "", "");
    }

    #[test]
    fn what_is_not_escaped_stays() {
        for name in ["U__a_", "U__a_zz_", "U__a_1234567_b", "up", "U_x", "U__a_d800_"] {
            assert_eq!(unescape_values(name), name);
        }
    }

    proptest! {
        #[test]
        fn values_come_back(name in "\\PC{1,20}") {
            prop_assume!(!name.starts_with("U__"));
            let escaped = escape_values(&name);
            prop_assert_eq!(unescape_values(&escaped), name.as_str());
        }
    }
}
