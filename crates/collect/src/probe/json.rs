//! Paths into JSON, and the part of JSON Schema that a test of an answer needs.

use serde_json::Value;

/// Deeper schemas than this are not followed; no answer of a model needs them.
const DEPTH_MAX: usize = 32;

/// `data[0].id`, also written `$.data[0].id` or `data.0.id`; the empty path is the whole.
pub(super) fn at_path<'a>(value: &'a Value, path: &str) -> Option<&'a Value> {
    let path = path.strip_prefix('$').unwrap_or(path);
    let mut here = value;
    for part in path.split(['.', '[', ']']).filter(|p| !p.is_empty()) {
        here = match here {
            Value::Object(map) => map.get(part.trim_matches(['"', '\'']))?,
            Value::Array(items) => items.get(part.parse::<usize>().ok()?)?,
            _ => return None,
        };
    }
    Some(here)
}

/// Why it does not fit, if it does not.
pub(super) fn matches_schema(value: &Value, schema: &Value) -> Result<(), String> {
    fits(value, schema, "$", 0)
}

fn fits(value: &Value, schema: &Value, path: &str, depth: usize) -> Result<(), String> {
    if depth > DEPTH_MAX {
        return Err(format!("{path} is deeper than {DEPTH_MAX} levels"));
    }
    if let Some(kinds) = schema.get("type") {
        let kinds: Vec<&str> = match kinds {
            Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !kinds.iter().any(|k| is_kind(value, k)) {
            return Err(format!("{path} is not of type {}", kinds.join(" or ")));
        }
    }
    if let Some(allowed) = schema.get("enum").and_then(Value::as_array)
        && !allowed.contains(value)
    {
        return Err(format!("{path} is none of the allowed values"));
    }
    bounds(value, schema, path)?;
    for name in schema
        .get("required")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
    {
        if value.is_object() && value.get(name).is_none() {
            return Err(format!("{path}.{name} is missing"));
        }
    }
    for (name, inner) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        if let Some(found) = value.get(name) {
            fits(found, inner, &format!("{path}.{name}"), depth + 1)?;
        }
    }
    if let (Some(inner), Some(items)) = (schema.get("items"), value.as_array()) {
        for (i, item) in items.iter().enumerate() {
            fits(item, inner, &format!("{path}[{i}]"), depth + 1)?;
        }
    }
    Ok(())
}

fn bounds(value: &Value, schema: &Value, path: &str) -> Result<(), String> {
    let size = match value {
        Value::String(text) => Some((text.chars().count() as f64, "minLength", "maxLength")),
        Value::Array(items) => Some((items.len() as f64, "minItems", "maxItems")),
        Value::Number(n) => n.as_f64().map(|n| (n, "minimum", "maximum")),
        _ => None,
    };
    let Some((size, min, max)) = size else {
        return Ok(());
    };
    let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
    if limit(min).is_some_and(|m| size < m) || limit(max).is_some_and(|m| size > m) {
        return Err(format!("{path} is outside of {min} and {max}"));
    }
    Ok(())
}

/// Of JSON Schema, all that there are.
pub(super) const KINDS: [&str; 7] = [
    "object", "array", "string", "boolean", "null", "number", "integer",
];

fn is_kind(value: &Value, kind: &str) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "integer" => value.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths() {
        let value = json!({"a": [{"b.c": 1, "d": [2, 3]}]});
        for (path, expect) in [
            ("a[0].d[1]", Some(json!(3))),
            ("$.a.0.d.0", Some(json!(2))),
            ("a[1]", None),
            ("a.b", None),
        ] {
            assert_eq!(at_path(&value, path).cloned(), expect, "{path}");
        }
        assert_eq!(at_path(&value, ""), Some(&value));
    }

    #[test]
    fn schemas() {
        let schema = json!({"type": "object", "required": ["label", "score"], "properties": {
            "label": {"enum": ["cat", "dog"]}, "score": {"type": "number", "minimum": 0, "maximum": 1},
            "tags": {"type": "array", "maxItems": 2, "items": {"type": "string", "minLength": 1}}}});
        let check = |value: Value, expect: Option<&str>| {
            assert_eq!(
                matches_schema(&value, &schema).err().as_deref(),
                expect,
                "{value}"
            );
        };
        check(json!({"label": "cat", "score": 0.5, "tags": ["x"]}), None);
        check(json!({"label": "cat"}), Some("$.score is missing"));
        check(
            json!({"label": "cow", "score": 0.5}),
            Some("$.label is none of the allowed values"),
        );
        check(
            json!({"label": "cat", "score": 2}),
            Some("$.score is outside of minimum and maximum"),
        );
        check(
            json!({"label": "cat", "score": 1, "tags": [""]}),
            Some("$.tags[0] is outside of minLength and maxLength"),
        );
        check(json!([]), Some("$ is not of type object"));
    }
}
