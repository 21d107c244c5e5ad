//! Go's `printf` for the verbs that templates use: `%v %s %d %f %e %g %q %x %X %o %b %t %c %T %%`, with flags, width and
//! precision. A wrong verb prints Go's own complaint (`%!d(string=x)`) instead of failing a page.

use crate::Value;
use crate::number::{exponent, format_float, format_general, not_finite};

/// Padding beyond this is cut: a width comes from a template's text.
const WIDTH_MAX: usize = 1000;

#[derive(Default)]
struct Spec {
    minus: bool,
    plus: bool,
    zero: bool,
    space: bool,
    sharp: bool,
    width: usize,
    precision: Option<usize>,
}

pub(crate) fn printf(format: &str, args: &[Value]) -> String {
    let mut out = String::new();
    let mut next = 0;
    // Go says nothing about unused arguments where they are chosen by number.
    let mut by_number = false;
    let mut chars = format.chars().peekable();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let mut spec = Spec::default();
        while let Some(flag) = chars.peek() {
            match flag {
                '-' => spec.minus = true,
                '+' => spec.plus = true,
                '0' => spec.zero = true,
                ' ' => spec.space = true,
                '#' => spec.sharp = true,
                _ => break,
            }
            chars.next();
        }
        let mut number = |star: &mut dyn FnMut() -> Option<usize>| {
            if chars.peek() == Some(&'*') {
                chars.next();
                return star();
            }
            let mut n: Option<usize> = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                n = Some((n.unwrap_or(0) * 10 + digit as usize).min(WIDTH_MAX));
                chars.next();
            }
            n
        };
        let mut star = || {
            next += 1;
            let n = args.get(next - 1).and_then(Value::as_int)?;
            usize::try_from(n).ok().map(|n| n.min(WIDTH_MAX))
        };
        spec.width = number(&mut star).unwrap_or(0);
        if chars.peek() == Some(&'.') {
            chars.next();
            let mut digits = None;
            while let Some(digit) = chars.peek().and_then(|c| c.to_digit(10)) {
                digits = Some((digits.unwrap_or(0) * 10 + digit as usize).min(WIDTH_MAX));
                chars.next();
            }
            spec.precision = Some(digits.unwrap_or(0));
        }
        let mut missing = "MISSING";
        if chars.peek() == Some(&'[') {
            let number: String = chars.by_ref().skip(1).take_while(|c| *c != ']').collect();
            by_number = true;
            match number.parse::<usize>() {
                Ok(n) if (1..=args.len()).contains(&n) => next = n - 1,
                _ => (missing, next) = ("BADINDEX", args.len()),
            }
        }
        match chars.next() {
            None => out.push_str("%!(NOVERB)"),
            Some('%') => out.push('%'),
            Some(verb) => {
                match args.get(next) {
                    Some(value) => out.push_str(&pad(&spec, format_one(&spec, verb, value), value)),
                    None => out.push_str(&format!("%!{verb}({missing})")),
                }
                next += 1;
            }
        }
    }
    let extra = args.iter().skip(next).map(|v| format!("{}={v}", v.kind()));
    let extra: Vec<String> = extra.collect();
    if !extra.is_empty() && !by_number {
        out.push_str(&format!("%!(EXTRA {})", extra.join(", ")));
    }
    out
}

fn format_one(spec: &Spec, verb: char, value: &Value) -> String {
    let signed = |text: String, negative: bool| match (negative, spec.plus, spec.space) {
        (false, true, _) => format!("+{text}"),
        (false, false, true) => format!(" {text}"),
        _ => text,
    };
    match (verb, value) {
        ('v', Value::Float(x)) => match spec.precision {
            Some(p) => format_general(*x, p),
            None => format_float(*x),
        },
        ('s' | 'v', value) => match (spec.precision, verb) {
            (Some(p), 's') => value.to_string().chars().take(p).collect(),
            _ => value.to_string(),
        },
        ('q', value) => format!("{:?}", value.to_string()),
        ('d', Value::Int(n) | Value::Duration(n)) => signed(n.to_string(), *n < 0),
        // Go refuses a float here; a page with a number in it is better than one without.
        ('d', Value::Float(x)) => signed(format!("{}", x.trunc()), *x < 0.0),
        ('x', Value::Int(n)) => format!("{}{n:x}", if spec.sharp { "0x" } else { "" }),
        ('X', Value::Int(n)) => format!("{n:X}"),
        ('o', Value::Int(n)) => format!("{n:o}"),
        ('b', Value::Int(n)) => format!("{n:b}"),
        ('c', Value::Int(n)) => u32::try_from(*n)
            .ok()
            .and_then(char::from_u32)
            .unwrap_or('\u{fffd}')
            .to_string(),
        ('U', Value::Int(n)) => format!("U+{n:04X}"),
        ('x', Value::Text(s) | Value::Safe(s)) => s.bytes().map(|b| format!("{b:02x}")).collect(),
        ('t', Value::Bool(b)) => b.to_string(),
        ('T', value) => value.kind().to_owned(),
        ('f' | 'F' | 'e' | 'E' | 'g' | 'G', value) => match value.as_float() {
            Some(x) => signed(float(spec, verb, x), x.is_sign_negative()),
            None => format!("%!{verb}({}={value})", value.kind()),
        },
        (verb, value) => format!("%!{verb}({}={value})", value.kind()),
    }
}

fn float(spec: &Spec, verb: char, x: f64) -> String {
    if let Some(word) = not_finite(x) {
        return word.trim_start_matches('+').to_owned();
    }
    let text = match verb {
        'f' | 'F' => format!("{x:.*}", spec.precision.unwrap_or(6)),
        'e' | 'E' => exponent(&format!("{x:.*e}", spec.precision.unwrap_or(6))),
        _ => match spec.precision {
            Some(p) => format_general(x, p),
            None => format_float(x),
        },
    };
    if verb.is_uppercase() {
        text.to_uppercase()
    } else {
        text
    }
}

fn pad(spec: &Spec, text: String, value: &Value) -> String {
    let missing = spec.width.saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    let numeric = matches!(value, Value::Int(_) | Value::Float(_));
    if spec.minus {
        format!("{text}{}", " ".repeat(missing))
    } else if spec.zero && numeric {
        let (sign, digits) = match text.strip_prefix(['-', '+']) {
            Some(digits) => (&text[..1], digits),
            None => ("", text.as_str()),
        };
        format!("{sign}{}{digits}", "0".repeat(missing))
    } else {
        format!("{}{text}", " ".repeat(missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(format: &str, args: &[Value], expect: &str) {
        assert_eq!(printf(format, args), expect, "{format}");
    }

    #[test]
    fn formats_as_go_does() {
        check("%.2f%%", &[Value::Float(12.345)], "12.35%");
        check("%d/%s", &[Value::Int(3), "x".into()], "3/x");
        check(
            "%5d|%-5d|%05d",
            &[Value::Int(42), Value::Int(42), Value::Int(-42)],
            "   42|42   |-0042",
        );
        check("%q %v", &["a\"b".into(), Value::Bool(true)], "\"a\\\"b\" true");
        check(
            "%.3g %g",
            &[Value::Float(1234.5), Value::Float(0.5)],
            "1.23e+03 0.5",
        );
        check("%f", &[Value::Int(1)], "1.000000");
        check("%[2]d %[1]s", &["a".into(), Value::Int(7)], "7 a");
        check("%[3]d", &[Value::Int(1)], "%!d(BADINDEX)");
        check("%d", &["x".into()], "%!d(string=x)");
        check("%s", &[], "%!s(MISSING)");
        check("a", &[Value::Int(1)], "a%!(EXTRA int=1)");
        check(
            "%+d % d %x",
            &[Value::Int(1), Value::Int(2), Value::Int(255)],
            "+1  2 ff",
        );
    }
}
