//! Where each value of the configuration came from: a file and its line, an environment variable there, the command line,
//! or nowhere, so that the default holds.
//!
//! Only keys that the schema describes one by one are told with their values; of the sections that are lists (models,
//! receivers, rules) it is told how many there are, and where. So no secret is ever told: secrets stand only in lists.

use super::schema::plain_keys;
use super::yaml::{Node, Value};
use std::collections::BTreeMap;

/// A value may be a whole page of text; nobody reads more of it in a table.
const VALUE_CHARS_MAX: usize = 400;

#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    File {
        file: String,
        line: usize,
        variable: Option<String>,
    },
    Flag(&'static str),
}

/// What was written, by its path of keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Origins {
    written: BTreeMap<String, (String, Source)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    Default,
    File,
    Environment,
    Flag,
}

/// One key, its value in force and where that comes from.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Setting {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) origin: Origin,
    /// `lapwing.yml:12`, the name of the variable with its place, or the flag.
    pub(crate) place: String,
    pub(crate) about: String,
}

impl Origins {
    /// Everything that a file says; `raw` is its tree before variables are put in, `node` after that.
    pub(crate) fn note(&mut self, file: &str, raw: &Node, node: &Node) {
        self.walk((file, ""), raw, node);
    }

    pub(crate) fn flag(&mut self, key: &str, value: String, flag: &'static str) {
        self.written.insert(key.to_owned(), (value, Source::Flag(flag)));
    }

    fn walk(&mut self, (file, path): (&str, &str), raw: &Node, node: &Node) {
        if let (Value::Map(raws), Value::Map(pairs)) = (&raw.value, &node.value) {
            for ((key, value), (_, raw)) in pairs.iter().zip(raws) {
                let inner = if path.is_empty() {
                    key.text.clone()
                } else {
                    format!("{path}.{}", key.text)
                };
                self.walk((file, &inner), raw, value);
            }
        }
        if path.is_empty() || node.value == Value::Null {
            return;
        }
        let source = Source::File {
            file: file.to_owned(),
            line: node.at.line,
            variable: variable(&raw.value),
        };
        self.written.insert(path.to_owned(), (shown(&node.value), source));
    }

    /// Every key that the schema describes by itself, then what else stands at the top of the files.
    pub(crate) fn settings(&self) -> Vec<Setting> {
        let mut all: Vec<Setting> = plain_keys()
            .map(|(key, default, about)| self.setting(key, default, about))
            .collect();
        for (key, (value, source)) in &self.written {
            let is_told = all.iter().any(|s| s.key.split('.').next() == Some(key));
            if !key.contains('.') && !is_told {
                all.push(told(key, value.clone(), source, ""));
            }
        }
        all
    }

    fn setting(&self, key: &str, default: &str, about: &str) -> Setting {
        match self.written.get(key) {
            Some((value, source)) => told(key, value.clone(), source, about),
            None => Setting {
                key: key.to_owned(),
                value: default.to_owned(),
                origin: Origin::Default,
                place: String::new(),
                about: about.to_owned(),
            },
        }
    }
}

fn told(key: &str, value: String, source: &Source, about: &str) -> Setting {
    let (origin, place) = match source {
        Source::Flag(flag) => (Origin::Flag, (*flag).to_owned()),
        Source::File { file, line, variable } => match variable {
            None => (Origin::File, format!("{file}:{line}")),
            Some(name) => (Origin::Environment, format!("${name} in {file}:{line}")),
        },
    };
    Setting {
        key: key.to_owned(),
        value,
        origin,
        place,
        about: about.to_owned(),
    }
}

/// The first variable that a text takes its value from.
fn variable(raw: &Value) -> Option<String> {
    let Value::Text(text) = raw else { return None };
    let inside = text.split_once("${")?.1.split_once('}')?.0;
    let name = inside.split(":-").next().unwrap_or(inside);
    let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    is_name.then(|| name.to_owned())
}

fn shown(value: &Value) -> String {
    let text = match value {
        Value::Null => String::new(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Text(text) => text.clone(),
        Value::List(items) if items.iter().all(|i| matches!(i.value, Value::Text(_))) => {
            let texts: Vec<String> = items.iter().map(|i| shown(&i.value)).collect();
            texts.join(", ")
        }
        Value::List(items) => format!("{} in the list", items.len()),
        Value::Map(pairs) => format!("{} in it", pairs.len()),
    };
    text.chars().take(VALUE_CHARS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::load_text;

    fn setting(origins: &Origins, key: &str) -> Setting {
        let all = origins.settings();
        let found = all.iter().find(|s| s.key == key);
        found.unwrap_or_else(|| panic!("{key}")).clone()
    }

    #[test]
    fn each_value_says_where_it_comes_from() {
        let text = "global:\n  scrape_interval: 10s\nstore: { retention: '${KEEP:-30d}' }\nmodels:\n  - { name: a, endpoints: [{ url: 'http://u:secret@h' }] }\nrules: []\n";
        let mut origins = load_text("lapwing.yml", text, &|_| None).origins.unwrap();
        origins.flag("web.listen", "0.0.0.0:1".to_owned(), "--listen");
        let brief = |key: &str| {
            let found = setting(&origins, key);
            format!("{} {:?} {}", found.value, found.origin, found.place)
        };
        assert_eq!(brief("global.scrape_interval"), "10s File lapwing.yml:2");
        assert_eq!(brief("store.retention"), "30d Environment $KEEP in lapwing.yml:3");
        assert_eq!(brief("web.listen"), "0.0.0.0:1 Flag --listen");
        assert_eq!(brief("global.evaluation_interval"), "15s Default ");
        assert_eq!(brief("models"), "1 in the list File lapwing.yml:5");
    }

    #[test]
    fn a_secret_is_never_told() {
        let text = "web:\n  tokens: [{ role: read, secret: hunter2 }]\nnotify: { receivers: [{ name: a, webhook: [{ url: 'http://u:hunter2@h' }] }], route: { receiver: a } }\n";
        let origins = load_text("lapwing.yml", text, &|_| None).origins.unwrap();
        let told = serde_json::to_string(&origins.settings()).unwrap();
        assert!(!told.contains("hunter2") && told.contains("notify"), "{told}");
    }
}
