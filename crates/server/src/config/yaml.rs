//! YAML as a tree that remembers where everything stood.
//!
//! `serde` structs stop at the first mistake; a person wants all of them at once, each with its place. So the text
//! becomes this tree first, and `reader` walks it, noting every complaint.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

/// One-based line and column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

/// A value and its place.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Node {
    pub(crate) value: Value,
    pub(crate) at: Position,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    /// In the order of the file; keys are text and keep their own places.
    Map(Vec<(Key, Node)>),
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) at: Position,
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl Value {
    /// What to call it in a complaint.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "a truth value",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

#[derive(Debug)]
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    pub(crate) at: Position,
}

/// An empty document is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text
        .lines()
        .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
    {
        return Ok(Node {
            value: Value::Map(Vec::new()),
            at: Position { line: 1, column: 1 },
        });
    }
    match serde_saphyr::from_str::<Spanned<Raw>>(text) {
        Ok(spanned) => Ok(into_node(spanned)),
        Err(error) => {
            let at = error.location().map_or(Position { line: 1, column: 1 }, position);
            let message = error.to_string();
            let first = message.lines().next().unwrap_or("not YAML").to_owned();
            Err(SyntaxError { message: first, at })
        }
    }
}

enum Raw {
    Scalar(Value),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

fn position(location: serde_saphyr::Location) -> Position {
    Position {
        line: location.line() as usize,
        column: location.column() as usize,
    }
}

fn into_node(spanned: Spanned<Raw>) -> Node {
    let at = position(spanned.referenced);
    let value = match spanned.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(into_node).collect()),
        Raw::Map(pairs) => Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        at: position(key.referenced),
                        text: key.value,
                    };
                    (key, into_node(value))
                })
                .collect(),
        ),
    };
    Node { value, at }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Bool(v)))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Int(v)))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Raw, E> {
        Ok(Raw::Scalar(
            i64::try_from(v).map_or(Value::Float(v as f64), Value::Int),
        ))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Float(v)))
    }

    fn visit_str<E>(self, v: &str) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(v.to_owned())))
    }

    fn visit_string<E>(self, v: String) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Text(v)))
    }

    fn visit_unit<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Raw, E> {
        Ok(Raw::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Raw, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element::<Spanned<Raw>>()? {
            items.push(item);
        }
        Ok(Raw::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Raw, A::Error> {
        let mut pairs: Vec<(Spanned<String>, Spanned<Raw>)> = Vec::new();
        while let Some(key) = map.next_key::<Spanned<String>>()? {
            if pairs.iter().any(|(k, _)| k.value == key.value) {
                return Err(de::Error::custom(format!("key {:?} appears twice", key.value)));
            }
            pairs.push((key, map.next_value()?));
        }
        Ok(Raw::Map(pairs))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_value_knows_its_place() {
        let node = parse("a: 1\nb:\n  - x\n  - {c: 2.5, d: yes please}\n").unwrap();
        let Value::Map(pairs) = &node.value else {
            panic!("not a map")
        };
        assert_eq!(pairs[1].0.at, Position { line: 2, column: 1 });
        let Value::List(items) = &pairs[1].1.value else {
            panic!("not a list")
        };
        assert_eq!(items[0].value, Value::Text("x".into()));
        assert_eq!(items[0].at, Position { line: 3, column: 5 });
        let Value::Map(inner) = &items[1].value else {
            panic!("not a map")
        };
        assert_eq!(inner[0].1.value, Value::Float(2.5));
        assert_eq!(inner[1].1.value, Value::Text("yes please".into()));
        assert_eq!(inner[1].1.at, Position { line: 4, column: 17 });
    }

    #[test]
    fn quoted_numbers_stay_text_and_nothing_is_null() {
        let node = parse("a: \"1\"\nb:\nc: true\n").unwrap();
        let Value::Map(pairs) = &node.value else {
            panic!("not a map")
        };
        let values: Vec<_> = pairs.iter().map(|(_, n)| n.value.clone()).collect();
        assert_eq!(values, [Value::Text("1".into()), Value::Null, Value::Bool(true)]);
    }

    #[test]
    fn a_syntax_error_has_a_place() {
        let error = parse("a: [1, 2\nb: 3\n").unwrap_err();
        assert!(error.at.line >= 1, "{error:?}");
        assert_eq!(parse("# only a comment\n").unwrap().value, Value::Map(vec![]));
    }
}
