//! Sections whose shape another room declares with serde: the tree becomes that type, and what serde says is wrong is
//! said with its place in the file.
//!
//! Unknown keys are found by comparing with the keys that the type's default serialises to, because serde itself
//! cannot tell them once a struct is flattened into another.

use super::diagnostic::{Diagnostics, did_you_mean};
use super::yaml::{Node, Position, Value};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

/// None when it was wrong; the complaints are in `notes`.
pub(crate) fn decode<T>(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<T>
where
    T: DeserializeOwned + Serialize + Default,
{
    let known = keys_of(&T::default());
    if let Value::Map(pairs) = &node.value {
        for (key, _) in pairs {
            if known.is_empty() || known.contains(&key.text) {
                continue;
            }
            let message = format!("unknown key {:?}", key.text);
            match did_you_mean(&key.text, known.iter().map(String::as_str)) {
                Some(near) => {
                    notes.error_with_hint(key.at, path, message, format!("did you mean {near:?}?"));
                }
                None => notes.error(key.at, path, message),
            }
        }
    }
    decode_any(node, path, notes)
}

/// The same for types that refuse unknown keys themselves.
pub(crate) fn decode_any<T: DeserializeOwned>(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<T> {
    decode_as(&to_json(node), (node, path), notes)
}

/// The same of what was made of the tree; the tree is asked for places alone.
pub(crate) fn decode_as<T: DeserializeOwned>(
    json: &serde_json::Value,
    (node, path): (&Node, &str),
    notes: &mut Diagnostics,
) -> Option<T> {
    match serde_path_to_error::deserialize(json) {
        Ok(value) => Some(value),
        Err(error) => {
            let segments: Vec<Segment> = error.path().iter().cloned().collect();
            let inner = error.path().to_string();
            let whole = match (path, &*inner) {
                (path, ".") => path.to_owned(),
                ("", inner) => inner.to_owned(),
                (path, inner) => format!("{path}.{inner}"),
            };
            let message = error.inner().to_string();
            let at = place_of(node, &segments);
            match meant(&message) {
                Some(near) => notes.error_with_hint(at, &whole, message, format!("did you mean {near:?}?")),
                None => notes.error(at, &whole, message),
            }
            None
        }
    }
}

/// The nearest of the words that serde names: "unknown field `rise`, expected one of `rises`, `falls`".
fn meant(message: &str) -> Option<String> {
    let (wrong, known) = message.strip_prefix("unknown ")?.split_once(", expected ")?;
    let (wrong, known) = (quoted(wrong), quoted(known));
    did_you_mean(wrong.first()?, known.iter().map(String::as_str)).map(str::to_owned)
}

/// The words between backticks.
fn quoted(text: &str) -> Vec<String> {
    text.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// No type takes a key of this name, so its refusal names those that it takes.
pub(crate) const STRANGE_KEY: &str = "?";

/// The keys that a refusal of [`STRANGE_KEY`] names; nothing when it was refused for something else.
pub(crate) fn keys_named(refusal: &str) -> Vec<String> {
    match refusal.split_once("unknown field `?`, expected ") {
        Some((_, known)) if known.contains('`') => quoted(known),
        // The YAML reader says the same without backticks.
        Some((_, known)) => known
            .trim_start_matches("one of ")
            .split(", ")
            .map(str::to_owned)
            .collect(),
        None => Vec::new(),
    }
}

/// The keys that a type takes which refuses unknown ones itself.
pub(crate) fn keys_taken<T: DeserializeOwned>() -> Vec<String> {
    let strange = serde_json::json!({ STRANGE_KEY: 0 });
    serde_json::from_value::<T>(strange).map_or_else(|e| keys_named(&e.to_string()), |_| Vec::new())
}

fn keys_of(value: &impl Serialize) -> Vec<String> {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::Object(map)) => map.keys().cloned().collect(),
        _ => Vec::new(),
    }
}

/// The place of the deepest part of the path that stands in the file.
fn place_of(node: &Node, path: &[Segment]) -> Position {
    let mut here = node;
    for segment in path {
        let next = match (segment, &here.value) {
            (Segment::Map { key }, Value::Map(pairs)) => {
                // A kind of receiver may stand there in its short form.
                let short = key.strip_suffix("_configs");
                let is_meant = |k: &str| k == key || Some(k) == short;
                pairs.iter().find(|(k, _)| is_meant(&k.text)).map(|(_, n)| n)
            }
            (Segment::Seq { index }, Value::List(items)) => items.get(*index),
            _ => None,
        };
        match next {
            Some(next) => here = next,
            None => break,
        }
    }
    here.at
}

pub(crate) fn to_json(node: &Node) -> serde_json::Value {
    match &node.value {
        Value::Null => serde_json::Value::Null,
        Value::Bool(v) => (*v).into(),
        Value::Int(v) => (*v).into(),
        Value::Float(v) => (*v).into(),
        Value::Text(v) => v.as_str().into(),
        Value::List(items) => items.iter().map(to_json).collect(),
        Value::Map(pairs) => {
            serde_json::Value::Object(pairs.iter().map(|(k, n)| (k.text.clone(), to_json(n))).collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Outer {
        name: String,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Default, PartialEq, Serialize, Deserialize)]
    #[serde(default)]
    struct Inner {
        count: u32,
    }

    fn check(text: &str, expect: &[&str]) {
        let node = super::super::yaml::parse(text).unwrap();
        let mut notes = Diagnostics::new("f");
        decode::<Outer>(&node, "outer", &mut notes);
        let got: Vec<String> = notes
            .found
            .iter()
            .map(|d| format!("{}:{} {} {}", d.line, d.column, d.path, d.message))
            .collect();
        assert_eq!(got, expect);
    }

    #[test]
    fn serde_mistakes_have_places() {
        check("name: x\ninner: [{count: 1}]\n", &[]);
        check(
            "name: x\ninner:\n  - count: 1\n  - count: many\n",
            &["4:12 outer.inner[1].count invalid type: string \"many\", expected u32"],
        );
        check("nam: x\n", &["1:1 outer unknown key \"nam\""]);
    }
}
