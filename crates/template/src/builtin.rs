//! The functions that every Go template has.
//!
//! Comparisons are kinder than Go's: an int and a float compare by value (`gt $value 5`), because a page with a wrong
//! type in its template should still say what it meant.

use crate::Value;
use crate::printf::printf;
use std::cmp::Ordering;

const NAMES: [&str; 20] = [
    "and", "or", "not", "len", "index", "slice", "print", "printf", "println", "html", "js", "urlquery",
    "eq", "ne", "lt", "le", "gt", "ge", "call", "break",
];

pub(crate) fn is_builtin(name: &str) -> bool {
    NAMES.contains(&name) && name != "break"
}

pub(crate) fn call(name: &str, args: &[Value]) -> Result<Value, String> {
    let two = || match args {
        [a, b] => Ok((a, b)),
        _ => Err(format!("wants 2 arguments, got {}", args.len())),
    };
    match name {
        "not" => match args {
            [value] => Ok(Value::Bool(!value.is_true())),
            _ => Err("wants 1 argument".to_owned()),
        },
        "len" => length(args),
        "index" => index(args),
        "slice" => slice(args),
        "print" => Ok(print(args).into()),
        "println" => {
            let words: Vec<String> = args.iter().map(Value::to_string).collect();
            Ok(format!("{}\n", words.join(" ")).into())
        }
        "printf" => match args.split_first() {
            Some((format, rest)) => Ok(printf(&format.to_string(), rest).into()),
            None => Err("wants a format".to_owned()),
        },
        "html" => Ok(escape_html(&print(args)).into()),
        "js" => Ok(escape_js(&print(args)).into()),
        "urlquery" => Ok(escape_query(&print(args)).into()),
        "eq" => match args.split_first() {
            Some((first, others)) if !others.is_empty() => {
                Ok(Value::Bool(others.iter().any(|other| equal(first, other))))
            }
            _ => Err("missing argument for comparison".to_owned()),
        },
        "ne" => two().map(|(a, b)| Value::Bool(!equal(a, b))),
        "lt" | "le" | "gt" | "ge" => {
            let (a, b) = two()?;
            let order = compare(a, b)?;
            Ok(Value::Bool(match name {
                "lt" => order == Some(Ordering::Less),
                "le" => matches!(order, Some(Ordering::Less | Ordering::Equal)),
                "gt" => order == Some(Ordering::Greater),
                _ => matches!(order, Some(Ordering::Greater | Ordering::Equal)),
            }))
        }
        "call" => Err("there are no function values here".to_owned()),
        other => Err(format!("function {other:?} not defined")),
    }
}

/// Spaces only between two values that are both not text, as Go's `print`.
fn print(args: &[Value]) -> String {
    let mut out = String::new();
    for (i, arg) in args.iter().enumerate() {
        if i > 0 && arg.as_text().is_none() && args[i - 1].as_text().is_none() {
            out.push(' ');
        }
        out.push_str(&arg.to_string());
    }
    out
}

fn length(args: &[Value]) -> Result<Value, String> {
    let [value] = args else {
        return Err("wants 1 argument".to_owned());
    };
    if let Some(elements) = value.elements() {
        return Ok(Value::Int(elements.len() as i64));
    }
    match value {
        Value::Text(s) | Value::Safe(s) => Ok(Value::Int(s.len() as i64)),
        Value::Map(m) => Ok(Value::Int(m.len() as i64)),
        Value::Labels(m) => Ok(Value::Int(m.len() as i64)),
        other => Err(format!("len of type {}", other.kind())),
    }
}

fn index(args: &[Value]) -> Result<Value, String> {
    let Some((first, keys)) = args.split_first() else {
        return Err("wants an argument".to_owned());
    };
    let mut value = first.clone();
    for key in keys {
        value = match (&value, key) {
            (Value::Map(m), key) => m
                .get(key.as_text().unwrap_or_default())
                .cloned()
                .unwrap_or_default(),
            (Value::Labels(m), key) => m
                .get(key.as_text().unwrap_or_default())
                .map_or("", String::as_str)
                .into(),
            // A text is its bytes.
            (Value::Text(text) | Value::Safe(text), key) => {
                let at = key
                    .as_int()
                    .ok_or_else(|| format!("cannot index with a {}", key.kind()))?;
                let byte = usize::try_from(at).ok().and_then(|at| text.as_bytes().get(at));
                let byte = byte.ok_or_else(|| format!("index out of range: {at}"))?;
                Value::Int(i64::from(*byte))
            }
            (list, key) => {
                let elements = list
                    .elements()
                    .ok_or_else(|| format!("can't index item of type {}", list.kind()))?;
                let at = key
                    .as_int()
                    .ok_or_else(|| format!("cannot index with a {}", key.kind()))?;
                usize::try_from(at)
                    .ok()
                    .and_then(|at| elements.get(at))
                    .cloned()
                    .ok_or_else(|| format!("index out of range: {at}"))?
            }
        };
    }
    Ok(value)
}

fn slice(args: &[Value]) -> Result<Value, String> {
    let Some((value, bounds)) = args.split_first() else {
        return Err("wants an argument".to_owned());
    };
    let length = match (value.as_text(), value.elements()) {
        (Some(text), _) => text.len(),
        (_, Some(elements)) => elements.len(),
        _ => return Err(format!("can't slice item of type {}", value.kind())),
    };
    let bound = |at: usize, default: usize| match bounds.get(at) {
        None => Ok(default),
        Some(v) => v
            .as_int()
            .and_then(|n| usize::try_from(n).ok())
            .filter(|n| *n <= length)
            .ok_or_else(|| format!("index out of range: {v}")),
    };
    let (from, to) = (bound(0, 0)?, bound(1, length)?);
    if from > to {
        return Err(format!("invalid slice index: {from} > {to}"));
    }
    match (value.as_text(), value.elements()) {
        (Some(text), _) => text
            .get(from..to)
            .map(Value::from)
            .ok_or_else(|| "slice cuts a character".to_owned()),
        (_, Some(elements)) => Ok(Value::list(elements[from..to].to_vec())),
        _ => Ok(Value::Nil),
    }
}

fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Nil, Value::Nil) => true,
        (Value::Bool(a), Value::Bool(b)) => a == b,
        (Value::Time(a), Value::Time(b)) => a.as_ms() == b.as_ms(),
        _ => match (a.as_text(), b.as_text()) {
            (Some(a), Some(b)) => a == b,
            _ => matches!((a.as_float(), b.as_float()), (Some(a), Some(b)) if a == b),
        },
    }
}

fn compare(a: &Value, b: &Value) -> Result<Option<Ordering>, String> {
    if let (Some(a), Some(b)) = (a.as_text(), b.as_text()) {
        return Ok(Some(a.cmp(b)));
    }
    match (a.as_float(), b.as_float()) {
        (Some(x), Some(y)) => Ok(x.partial_cmp(&y)),
        _ => Err(format!(
            "incompatible types for comparison ({} and {})",
            a.kind(),
            b.kind()
        )),
    }
}

pub(crate) fn escape_html(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&#34;"),
            '\'' => out.push_str("&#39;"),
            '\0' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn escape_js(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\'' => out.push_str("\\'"),
            '"' => out.push_str("\\\""),
            '<' | '>' | '&' | '=' => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c if u32::from(c) < 32 => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out
}

/// As Go's `url.QueryEscape`: a space becomes `+`.
pub(crate) fn escape_query(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            b' ' => out.push('+'),
            byte => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}
