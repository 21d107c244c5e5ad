//! YAML as a tree that remembers where everything stood.
//!
//! `serde` structs stop at the first mistake; a person wants all of them at once, each with its place. So the text
//! becomes this tree first, and `reader` walks it, noting every complaint.

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;
use std::path::Path;

use super::syntax::{self, SyntaxError};

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
    /// What was typed for a number or a truth value, where it is not what one would write for it: `1.10`, `NO`.
    typed: Option<Box<str>>,
    /// A text that an environment variable is part of: where a number or a truth value is wanted, it may be one.
    pub(crate) is_expanded: bool,
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
    pub(crate) fn new(value: Value, at: Position) -> Self {
        Node {
            value,
            at,
            typed: None,
            is_expanded: false,
        }
    }

    /// A text, or a number or truth value as it was typed; nothing else has one.
    pub(crate) fn spelling(&self) -> Option<String> {
        let plain = match &self.value {
            Value::Text(text) => return Some(text.clone()),
            Value::Int(v) => v.to_string(),
            Value::Float(v) => v.to_string(),
            Value::Bool(v) => v.to_string(),
            Value::Null | Value::List(_) | Value::Map(_) => return None,
        };
        Some(self.typed.as_deref().map_or(plain, str::to_owned))
    }

    /// Below these keys everything is text, as it was typed: `labels: { version: 1.10 }`.
    pub(crate) fn keep_spelling(&mut self, keys: &[&str]) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|n| n.keep_spelling(keys)),
            Value::Map(pairs) => {
                for (key, node) in pairs {
                    if keys.contains(&key.text.as_str()) {
                        node.spell_out();
                    } else {
                        node.keep_spelling(keys);
                    }
                }
            }
            _ => {}
        }
    }

    /// Paths of files that are relative stand beside the configuration, as Prometheus reads them: below keys that end with
    /// `_file`, and lists called `files`.
    pub(crate) fn stand_beside(&mut self, base: &Path) {
        const NO_PATHS: [&str; 4] = ["labels", "params", "metric_relabel_configs", "relabel_configs"];
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|n| n.stand_beside(base)),
            Value::Map(pairs) => {
                for (key, node) in pairs {
                    match (key.text.as_str(), &mut node.value) {
                        (key, Value::Text(file)) if key.ends_with("_file") => move_beside(file, base),
                        ("files", Value::List(items)) => {
                            for item in items {
                                if let Value::Text(file) = &mut item.value {
                                    move_beside(file, base);
                                }
                            }
                        }
                        (key, _) if NO_PATHS.contains(&key) => {}
                        _ => node.stand_beside(base),
                    }
                }
            }
            _ => {}
        }
    }

    /// Everything is text, as it was typed, and what is empty is not there; below `as_typed` it stays what it is, unless that
    /// stands below `texts`.
    pub(crate) fn spell_out_except(&mut self, texts: &[&str], as_typed: &[&str]) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|n| n.spell_out_except(texts, as_typed)),
            Value::Map(pairs) => {
                pairs.retain(|(_, n)| n.value != Value::Null);
                for (key, node) in pairs {
                    if texts.contains(&key.text.as_str()) {
                        node.spell_out();
                    } else if !as_typed.contains(&key.text.as_str()) {
                        node.spell_out_except(texts, as_typed);
                    }
                }
            }
            _ => node_as_text(self),
        }
    }

    fn spell_out(&mut self) {
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(Node::spell_out),
            Value::Map(pairs) => {
                pairs.retain(|(_, n)| n.value != Value::Null);
                pairs.iter_mut().for_each(|(_, n)| n.spell_out());
            }
            _ => node_as_text(self),
        }
    }

    /// As if so many lines stood above it.
    pub(crate) fn move_down(&mut self, lines: usize) {
        self.at.line += lines;
        match &mut self.value {
            Value::List(items) => items.iter_mut().for_each(|n| n.move_down(lines)),
            Value::Map(pairs) => {
                for (key, node) in pairs {
                    key.at.line += lines;
                    node.move_down(lines);
                }
            }
            _ => {}
        }
    }

    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn move_beside(file: &mut String, base: &Path) {
    if !file.is_empty() {
        *file = base.join(&*file).display().to_string();
    }
}

fn node_as_text(node: &mut Node) {
    if let Some(text) = node.spelling() {
        node.value = Value::Text(text);
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

/// In one file, aliases written out.
const VALUES_MAX: usize = 250_000;

/// An empty document is an empty map.
pub(crate) fn parse(text: &str) -> Result<Node, SyntaxError> {
    if text
        .lines()
        .all(|l| l.trim().is_empty() || l.trim_start().starts_with('#'))
    {
        let start = Position { line: 1, column: 1 };
        return Ok(Node::new(Value::Map(Vec::new()), start));
    }
    // No text has more values than characters: the bound is one on what aliases make of it.
    let budget = serde_saphyr::budget! {
        max_nodes: VALUES_MAX.max(text.len()),
        max_events: (4 * VALUES_MAX).max(2 * text.len()),
    };
    // `!secret name` would be the text "name" without a word.
    let options = serde_saphyr::options! { budget: budget, reject_unsupported_tags: true };
    match serde_saphyr::from_str_with_options::<Spanned<Raw>>(text, options) {
        Ok(spanned) => Ok(into_node(spanned, text)),
        Err(error) => Err(syntax::said(&error, text)),
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

fn into_node(spanned: Spanned<Raw>, whole: &str) -> Node {
    let mut node = Node::new(Value::Null, position(spanned.referenced));
    node.value = match spanned.value {
        Raw::Scalar(value) => value,
        Raw::List(items) => Value::List(items.into_iter().map(|i| into_node(i, whole)).collect()),
        Raw::Map(pairs) => Value::Map(
            pairs
                .into_iter()
                .map(|(key, value)| {
                    let key = Key {
                        at: position(key.referenced),
                        text: key.value,
                    };
                    (key, into_node(value, whole))
                })
                .collect(),
        ),
    };
    if matches!(node.value, Value::Bool(_) | Value::Int(_) | Value::Float(_)) {
        let typed = typed_at(spanned.defined, whole);
        node.typed = typed
            .filter(|typed| node.spelling().as_deref() != Some(*typed))
            .map(Into::into);
    }
    node
}

fn typed_at(location: serde_saphyr::Location, whole: &str) -> Option<&str> {
    let span = location.span();
    let (start, len) = (span.byte_offset()? as usize, span.byte_len()? as usize);
    Some(whole.get(start..start.checked_add(len)?)?.trim())
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
    fn numbers_and_truth_values_keep_what_was_typed() {
        let yaml = "é: 'ü'\na: &v 1.10\nb: NO # no\nc: [0x10, -0.0, 1e3 , on]\nd: {e: y, f: \"1.0\", g: +5}\nh: *v\ni: 7\nj: ~\n";
        let Value::Map(pairs) = parse(yaml).unwrap().value else {
            panic!("not a map")
        };
        let of = |key: &str| &pairs.iter().find(|(k, _)| k.text == key).unwrap().1;
        let said = |node: &Node| node.spelling();
        assert_eq!(said(of("a")).as_deref(), Some("1.10"));
        assert_eq!(said(of("b")).as_deref(), Some("NO"));
        assert_eq!(said(of("h")).as_deref(), Some("1.10"));
        assert_eq!(said(of("i")).as_deref(), Some("7"));
        assert_eq!(said(of("j")), None);
        let mut whole = Node::new(Value::Map(pairs.clone()), Position::default());
        whole.keep_spelling(&["c", "d", "a"]);
        let Value::Map(pairs) = whole.value else { panic!() };
        let texts = |key: &str| -> Vec<Value> {
            match &pairs.iter().find(|(k, _)| k.text == key).unwrap().1.value {
                Value::List(items) => items.iter().map(|n| n.value.clone()).collect(),
                Value::Map(pairs) => pairs.iter().map(|(_, n)| n.value.clone()).collect(),
                other => vec![other.clone()],
            }
        };
        let text = |t: &str| Value::Text(t.to_owned());
        assert_eq!(texts("c"), ["0x10", "-0.0", "1e3", "on"].map(text));
        assert_eq!(texts("d"), ["y", "1.0", "+5"].map(text));
        assert_eq!(texts("a"), [text("1.10")]);
        assert_eq!(texts("b"), [Value::Bool(false)]);
    }

    #[test]
    fn relative_files_stand_beside_the_configuration() {
        let yaml = "a: {ca_file: x/ca.pem, key_file: /abs, cert_file: ''}\nlabels: {some_file: t}\n\
                    sd: [{files: [t.json, '/u/*.yml']}]\nh: {X: {files: [f], values: [z]}}\n";
        let mut whole = parse(yaml).unwrap();
        whole.stand_beside(Path::new("/etc/p"));
        let shown = serde_json::to_string(&crate::config::decode::to_json(&whole)).unwrap();
        assert_eq!(
            shown,
            "{\"a\":{\"ca_file\":\"/etc/p/x/ca.pem\",\"cert_file\":\"\",\"key_file\":\"/abs\"},\
             \"h\":{\"X\":{\"files\":[\"/etc/p/f\"],\"values\":[\"z\"]}},\"labels\":{\"some_file\":\"t\"},\
             \"sd\":[{\"files\":[\"/etc/p/t.json\",\"/u/*.yml\"]}]}"
        );
    }

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
