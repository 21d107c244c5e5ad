//! Walks a YAML tree and notes every complaint instead of stopping at the first.
//!
//! A section reads its keys one by one through [`MapReader`]; what it did not ask for is an unknown key. Readers
//! return the default when a value is wrong, so that the rest of the file is still looked at.

use super::diagnostic::{Diagnostics, did_you_mean};
use super::yaml::{Key, Node, Position, Value};
use lapwing_types::{parse_duration_ms, parse_size_bytes};

/// Reads one map; `finish` complains about the keys that nobody asked for.
pub(crate) struct MapReader<'a> {
    pairs: &'a [(Key, Node)],
    pub(crate) at: Position,
    pub(crate) path: String,
    asked: Vec<&'static str>,
}

impl<'a> MapReader<'a> {
    /// Complains when the node is not a map; nothing at all counts as an empty one.
    pub(crate) fn new(node: &'a Node, path: &str, notes: &mut Diagnostics) -> Self {
        let pairs: &[(Key, Node)] = match &node.value {
            Value::Map(pairs) => pairs,
            Value::Null => &[],
            // `scrape_interval:15s`, `scrape_interval 15s`
            Value::Text(_) => {
                let hint = "a map is keys with values; a colon and a space stand between them: key: value";
                notes.error_with_hint(node.at, path, "expected a map, found text", hint);
                &[]
            }
            other => {
                notes.error(node.at, path, format!("expected a map, found {}", other.kind()));
                &[]
            }
        };
        MapReader {
            pairs,
            at: node.at,
            path: path.to_owned(),
            asked: Vec::new(),
        }
    }

    /// The value under a key; `null` counts as absent.
    pub(crate) fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.asked.push(key);
        self.pairs
            .iter()
            .find(|(k, n)| k.text == key && n.value != Value::Null)
            .map(|(_, n)| n)
    }

    pub(crate) fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() {
            key.to_owned()
        } else {
            format!("{}.{key}", self.path)
        }
    }

    pub(crate) fn text(&mut self, key: &'static str, notes: &mut Diagnostics) -> Option<String> {
        let path = self.path_of(key);
        self.node(key).and_then(|n| text_of(n, &path, notes))
    }

    pub(crate) fn required_text(&mut self, key: &'static str, notes: &mut Diagnostics) -> String {
        if self.node(key).is_none() {
            let path = self.path.clone();
            notes.error(self.at, &path, format!("{key:?} is missing"));
        }
        self.text(key, notes).unwrap_or_default()
    }

    pub(crate) fn bool(&mut self, key: &'static str, notes: &mut Diagnostics) -> Option<bool> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        match &node.value {
            Value::Bool(v) => Some(*v),
            Value::Text(text) if node.is_expanded && text.parse::<bool>().is_ok() => text.parse().ok(),
            other => {
                notes.error(
                    node.at,
                    &path,
                    format!("expected true or false, found {}", other.kind()),
                );
                None
            }
        }
    }

    /// A whole number, not negative.
    pub(crate) fn count(&mut self, key: &'static str, notes: &mut Diagnostics) -> Option<u64> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        match &node.value {
            Value::Int(v) if *v >= 0 => Some(*v as u64),
            Value::Text(text) if node.is_expanded && text.parse::<u64>().is_ok() => text.parse().ok(),
            Value::Int(v) => {
                notes.error(node.at, &path, format!("{v} is negative"));
                None
            }
            other => {
                notes.error(
                    node.at,
                    &path,
                    match other {
                        Value::Float(_) => format!("expected a whole number, found {}", shown(node)),
                        _ => format!("expected a whole number, found {}", other.kind()),
                    },
                );
                None
            }
        }
    }

    pub(crate) fn duration_ms(&mut self, key: &'static str, notes: &mut Diagnostics) -> Option<i64> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        let parsed = match &node.value {
            Value::Text(text) => parse_duration_ms(text).ok(),
            Value::Int(0) => Some(0),
            _ => None,
        };
        if parsed.is_none() {
            notes.error_with_hint(
                node.at,
                &path,
                format!("not a duration: {}", shown(node)),
                "write a whole number and a unit: 500ms, 15s, 5m, 1h30m, 15d",
            );
        }
        parsed
    }

    pub(crate) fn size_bytes(&mut self, key: &'static str, notes: &mut Diagnostics) -> Option<u64> {
        let path = self.path_of(key);
        let node = self.node(key)?;
        let parsed = match &node.value {
            Value::Text(text) => parse_size_bytes(text).ok(),
            Value::Int(n) => u64::try_from(*n).ok(),
            _ => None,
        };
        if parsed.is_none() {
            notes.error_with_hint(
                node.at,
                &path,
                format!("not a size: {}", shown(node)),
                "write 512MiB, 2GiB or a number of bytes",
            );
        }
        parsed
    }

    /// Items of a list with their paths; a single value counts as a list of one where `one_is_fine`.
    pub(crate) fn list(&mut self, key: &'static str, notes: &mut Diagnostics) -> Vec<(&'a Node, String)> {
        let path = self.path_of(key);
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        match &node.value {
            Value::List(items) => items
                .iter()
                .enumerate()
                .map(|(i, n)| (n, format!("{path}[{i}]")))
                .collect(),
            other => {
                notes.error(node.at, &path, format!("expected a list, found {}", other.kind()));
                Vec::new()
            }
        }
    }

    /// A map of text to text, such as labels.
    pub(crate) fn text_map(&mut self, key: &'static str, notes: &mut Diagnostics) -> Vec<(String, String)> {
        let path = self.path_of(key);
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::Map(pairs) = &node.value else {
            notes.error(
                node.at,
                &path,
                format!("expected a map, found {}", node.value.kind()),
            );
            return Vec::new();
        };
        pairs
            .iter()
            .filter_map(|(k, n)| Some((k.text.clone(), text_of(n, &format!("{path}.{}", k.text), notes)?)))
            .collect()
    }

    /// Complains about every key that was not asked for.
    pub(crate) fn finish(self, notes: &mut Diagnostics) {
        let asked = notes.asked.entry(self.path.clone()).or_default();
        asked.extend(self.asked.iter().copied());
        for (key, _) in self.pairs {
            if self.asked.contains(&key.text.as_str()) {
                continue;
            }
            let message = format!("unknown key {:?}", key.text);
            let mut known = self.asked.clone();
            known.sort_unstable();
            known.dedup();
            match did_you_mean(&key.text, known.iter().copied()) {
                Some(near) => {
                    notes.error_with_hint(key.at, &self.path, message, format!("did you mean {near:?}?"));
                }
                None => {
                    notes.error_with_hint(
                        key.at,
                        &self.path,
                        message,
                        format!("known here: {}", known.join(", ")),
                    );
                }
            }
        }
    }
}

/// Numbers and truth values are taken as they were typed, as Prometheus does for label values.
pub(crate) fn text_of(node: &Node, path: &str, notes: &mut Diagnostics) -> Option<String> {
    let text = node.spelling();
    if text.is_none() {
        notes.error(
            node.at,
            path,
            format!("expected text, found {}", node.value.kind()),
        );
    }
    text
}

fn shown(node: &Node) -> String {
    match &node.value {
        Value::Text(text) => format!("{text:?}"),
        other => node.spelling().unwrap_or_else(|| other.kind().to_owned()),
    }
}
