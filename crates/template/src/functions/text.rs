//! Functions on text that both families share.

use crate::Value;
use lapwing_types::go_pattern;
use regex::Regex;

/// A pattern in a template compiles to at most this.
const REGEX_SIZE_BYTES_MAX: usize = 1 << 20;

/// None: not one of these functions.
pub(super) fn call(name: &str, args: &[Value]) -> Option<Result<Value, String>> {
    let text = |at: usize| -> Result<&str, String> {
        args.get(at)
            .and_then(Value::as_text)
            .ok_or_else(|| format!("argument {} is not a string", at + 1))
    };
    Some(match name {
        "toUpper" => text(0).map(|s| s.to_uppercase().into()),
        "toLower" => text(0).map(|s| s.to_lowercase().into()),
        "title" => text(0).map(|s| title(s).into()),
        "trimSpace" => text(0).map(|s| s.trim().into()),
        "safeHtml" | "safeUrl" => text(0).map(|s| Value::Safe(s.into())),
        "match" => text(0).and_then(|p| Ok(Value::Bool(compile(p)?.is_match(text(1)?)))),
        "reReplaceAll" => text(0).and_then(|p| {
            let pattern = compile(p)?;
            let replacement = text(1)?;
            Ok(pattern.replace_all(text(2)?, replacement).as_ref().into())
        }),
        "stringSlice" => Ok(Value::list(args.to_vec())),
        "join" => join(args),
        _ => return None,
    })
}

pub(super) const NAMES: [&str; 10] = [
    "toUpper",
    "toLower",
    "title",
    "trimSpace",
    "safeHtml",
    "safeUrl",
    "match",
    "reReplaceAll",
    "stringSlice",
    "join",
];

fn compile(pattern: &str) -> Result<Regex, String> {
    regex::RegexBuilder::new(&go_pattern(pattern))
        .size_limit(REGEX_SIZE_BYTES_MAX)
        .build()
        .map_err(|e| format!("bad pattern {pattern:?}: {e}"))
}

/// The first letter of each word in upper case.
pub(super) fn title(text: &str) -> String {
    let mut start = true;
    text.chars()
        .flat_map(|c| {
            let shown: Vec<char> = if start {
                c.to_uppercase().collect()
            } else {
                vec![c]
            };
            start = !(c.is_alphanumeric() || c == '_' || c == '\'');
            shown
        })
        .collect()
}

/// Separator first (`join ", " list`); the other way round also works, since both orders are in the wild.
fn join(args: &[Value]) -> Result<Value, String> {
    let (separator, list) = match args {
        [a, b] if b.elements().is_some() => (a, b),
        [a, b] if a.elements().is_some() => (b, a),
        _ => return Err("wants a separator and a list".to_owned()),
    };
    let words: Vec<String> = list
        .elements()
        .unwrap_or_default()
        .iter()
        .map(Value::to_string)
        .collect();
    Ok(words.join(separator.as_text().unwrap_or_default()).into())
}
