//! Reading answers of other programs' APIs, of which a few fields in a large tree are wanted.

use serde_json::Value;

/// The text at a JSON pointer, "" when there is none.
pub(super) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or("")
}

/// The elements of an array, none when it is not one.
pub(super) fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// `prefix` and a foreign name with everything but letters, digits and `_` replaced, as Prometheus does it.
pub(super) fn label_name(prefix: &str, name: &str) -> String {
    let mut out = String::with_capacity(prefix.len() + name.len());
    out.push_str(prefix);
    out.extend(
        name.chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }),
    );
    out
}
