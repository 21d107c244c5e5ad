//! Configuration as text: a tree becomes YAML that reads back as the same tree.

use super::yaml::{Node, Value};

/// A value that is to be written; keys stand in the order in which they were put.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Out {
    Map(Vec<(String, Out)>),
    List(Vec<Out>),
    Text(String),
    /// Numbers and truth values, as they are spelled.
    Plain(String),
}

impl Out {
    pub(crate) fn map() -> Self {
        Out::Map(Vec::new())
    }

    pub(crate) fn text(text: impl Into<String>) -> Self {
        Out::Text(text.into())
    }

    /// Puts a key at the end, or in the place of the one that is there.
    pub(crate) fn put(&mut self, key: &str, value: Out) {
        if let Out::Map(pairs) = self {
            match pairs.iter_mut().find(|(k, _)| k == key) {
                Some((_, old)) => *old = value,
                None => pairs.push((key.to_owned(), value)),
            }
        }
    }

    /// The map under a key, made when it is not there.
    pub(crate) fn section(&mut self, key: &str) -> &mut Out {
        if !matches!(self, Out::Map(_)) {
            *self = Out::map();
        }
        let Out::Map(pairs) = self else {
            return self;
        };
        let at = match pairs.iter().position(|(k, _)| k == key) {
            Some(at) => at,
            None => {
                pairs.push((key.to_owned(), Out::map()));
                pairs.len() - 1
            }
        };
        &mut pairs[at].1
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        matches!(self, Out::Map(pairs) if pairs.iter().any(|(k, _)| k == key))
    }

    pub(crate) fn take(&mut self, key: &str) -> Option<Out> {
        let Out::Map(pairs) = self else { return None };
        let at = pairs.iter().position(|(k, _)| k == key)?;
        Some(pairs.remove(at).1)
    }

    /// Adds to the list under a key.
    pub(crate) fn push(&mut self, key: &str, item: Out) {
        let slot = self.section(key);
        match slot {
            Out::List(items) => items.push(item),
            other => *other = Out::List(vec![item]),
        }
    }

    /// What was read, as it was read; a dollar that the peer takes literally stays one here.
    pub(crate) fn of(node: &Node) -> Self {
        match &node.value {
            Value::Null => Out::Plain("null".to_owned()),
            Value::Bool(v) => Out::Plain(v.to_string()),
            Value::Int(v) => Out::Plain(v.to_string()),
            Value::Float(v) => Out::Plain(v.to_string()),
            Value::Text(text) => Out::Text(without_variables(text)),
            Value::List(items) => Out::List(items.iter().map(Out::of).collect()),
            Value::Map(pairs) => Out::Map(pairs.iter().map(|(k, n)| (k.text.clone(), Out::of(n))).collect()),
        }
    }

    pub(crate) fn to_yaml(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, 0);
        out
    }

    fn write(&self, out: &mut String, indent: usize) {
        let margin = " ".repeat(indent);
        match self {
            Out::Map(pairs) => {
                for (key, value) in pairs {
                    out.push_str(&format!("{margin}{}:", scalar(key)));
                    value.write_after_key(out, indent);
                }
            }
            Out::List(items) => {
                for item in items {
                    let mut inner = String::new();
                    item.write(&mut inner, indent + 2);
                    let text = inner.get(indent + 2..).unwrap_or("");
                    out.push_str(&format!("{margin}- {text}"));
                }
            }
            scalar => out.push_str(&format!("{margin}{}\n", scalar.inline())),
        }
    }

    fn write_after_key(&self, out: &mut String, indent: usize) {
        match self {
            Out::Map(pairs) if !pairs.is_empty() => {
                out.push('\n');
                self.write(out, indent + 2);
            }
            Out::List(items) if !items.is_empty() => {
                out.push('\n');
                self.write(out, indent + 2);
            }
            other => out.push_str(&format!(" {}\n", other.inline())),
        }
    }

    fn inline(&self) -> String {
        match self {
            Out::Map(_) => "{}".to_owned(),
            Out::List(_) => "[]".to_owned(),
            Out::Text(text) => scalar(text),
            Out::Plain(text) => text.clone(),
        }
    }
}

/// `${NAME}` means a variable here and nothing to the peers.
fn without_variables(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("${") {
        out.push_str(&rest[..at]);
        let is_name = rest[at + 2..].starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
        out.push_str(if is_name { "$${" } else { "${" });
        rest = &rest[at + 2..];
    }
    out.push_str(rest);
    out
}

/// Words that YAML takes for something else than text.
const NOT_TEXT: [&str; 10] = ["true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan"];

/// Plain where nothing else could be meant, in double quotes otherwise.
fn scalar(text: &str) -> String {
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/'))
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '/'))
        && !NOT_TEXT.contains(&text.to_ascii_lowercase().as_str());
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let is_duration = unit.len() < text.len() && ["ms", "s", "m", "h", "d", "w"].contains(&unit);
    if is_word || is_duration {
        text.to_owned()
    } else {
        serde_json::Value::from(text).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::yaml::parse;

    #[test]
    fn what_is_written_reads_back_as_the_same() {
        let text = "a: 15s\nb: [1, 2.5, true, null, 'yes', '1', \"x: y # z\", '']\nc:\n  - d: { e: [] }\n    f: {}\n  - - g\n    - h\n'key with spaces': \"line\\nbreak\"\n";
        let node = parse(text).unwrap();
        let written = Out::of(&node).to_yaml();
        assert_eq!(Out::of(&parse(&written).unwrap()), Out::of(&node), "{written}");
        assert!(written.starts_with("a: 15s\nb:\n  - 1\n"), "{written}");
    }

    #[test]
    fn a_dollar_of_a_peer_stays_a_dollar() {
        assert_eq!(without_variables("${HOST} ${1} $x"), "$${HOST} ${1} $x");
    }
}
