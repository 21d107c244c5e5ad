//! What a template can hold in its hands.
//!
//! Invariant: values are shared (`Arc`), so passing the alerts of a storm around costs nothing.

use crate::gotime::{GoTime, format_go_duration};
use crate::number::format_float;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

#[derive(Clone, Debug, Default)]
pub enum Value {
    #[default]
    Nil,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Arc<str>),
    /// Text that an HTML template prints as it is.
    Safe(Arc<str>),
    List(Arc<Vec<Value>>),
    /// Any keys; a missing one is nil.
    Map(Arc<BTreeMap<String, Value>>),
    /// A label set: a missing key is the empty text; has methods.
    Labels(Arc<LabelMap>),
    /// Fields with fixed names (asking for another is an error), and perhaps elements.
    Record(Arc<Record>),
    Time(GoTime),
    /// Nanoseconds.
    Duration(i64),
}

/// Names and values; the two families print them differently.
#[derive(Clone, Debug, Default)]
pub struct LabelMap {
    map: BTreeMap<String, String>,
    /// `a=1, b=2` as Alertmanager prints, not `map[a:1 b:2]` as Prometheus does.
    joined: bool,
}

impl std::ops::Deref for LabelMap {
    type Target = BTreeMap<String, String>;

    fn deref(&self) -> &Self::Target {
        &self.map
    }
}

/// A Go struct, or a named slice with methods (`.Alerts`, `.Alerts.Firing`).
#[derive(Clone, Debug, Default)]
pub struct Record {
    pub fields: Vec<(&'static str, Value)>,
    pub elements: Option<Vec<Value>>,
}

impl Value {
    pub fn record(fields: Vec<(&'static str, Value)>) -> Value {
        Value::Record(Arc::new(Record {
            fields,
            elements: None,
        }))
    }

    pub fn list(elements: Vec<Value>) -> Value {
        Value::List(Arc::new(elements))
    }

    /// As rules see labels.
    pub fn labels<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::label_map(
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            false,
        )
    }

    /// As notifications see labels.
    pub fn kv<K: Into<String>, V: Into<String>>(pairs: impl IntoIterator<Item = (K, V)>) -> Value {
        Value::label_map(
            pairs.into_iter().map(|(k, v)| (k.into(), v.into())).collect(),
            true,
        )
    }

    fn label_map(map: BTreeMap<String, String>, joined: bool) -> Value {
        Value::Labels(Arc::new(LabelMap { map, joined }))
    }

    /// A slice of name and value, with the methods `Names` and `Values`.
    pub(crate) fn pairs(map: &BTreeMap<String, String>) -> Value {
        let pair = |(k, v): (&String, &String)| {
            Value::record(vec![("Name", k.clone().into()), ("Value", v.clone().into())])
        };
        Value::Record(Arc::new(Record {
            fields: vec![
                ("Names", names(map)),
                ("Values", values(map)),
                ("String", joined(map).into()),
            ],
            elements: Some(map.iter().map(pair).collect()),
        }))
    }

    /// Go's truth: not the zero value, not empty.
    pub fn is_true(&self) -> bool {
        match self {
            Value::Nil => false,
            Value::Bool(b) => *b,
            Value::Int(n) | Value::Duration(n) => *n != 0,
            Value::Float(x) => *x != 0.0,
            Value::Text(s) | Value::Safe(s) => !s.is_empty(),
            Value::List(l) => !l.is_empty(),
            Value::Map(m) => !m.is_empty(),
            Value::Labels(m) => !m.is_empty(),
            Value::Record(r) => r.elements.as_ref().is_none_or(|e| !e.is_empty()),
            Value::Time(_) => true,
        }
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(s) | Value::Safe(s) => Some(s),
            _ => None,
        }
    }

    pub fn as_float(&self) -> Option<f64> {
        match self {
            Value::Int(n) => Some(*n as f64),
            Value::Float(x) => Some(*x),
            Value::Duration(n) => Some(*n as f64 / 1e9),
            _ => None,
        }
    }

    pub fn as_int(&self) -> Option<i64> {
        match self {
            Value::Int(n) | Value::Duration(n) => Some(*n),
            Value::Float(x) if x.fract() == 0.0 => Some(*x as i64),
            _ => None,
        }
    }

    /// Elements, where there are some to walk over.
    pub fn elements(&self) -> Option<&[Value]> {
        match self {
            Value::List(l) => Some(l),
            Value::Record(r) => r.elements.as_deref(),
            _ => None,
        }
    }

    /// The word for this kind of value in error messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Nil => "nil",
            Value::Bool(_) => "bool",
            Value::Int(_) => "int",
            Value::Float(_) => "float64",
            Value::Text(_) | Value::Safe(_) => "string",
            Value::List(_) => "slice",
            Value::Map(_) | Value::Labels(_) => "map",
            Value::Record(_) => "struct",
            Value::Time(_) => "time",
            Value::Duration(_) => "duration",
        }
    }

    /// A field, a key, or a method without or with arguments.
    pub(crate) fn member(&self, name: &str, args: &[Value]) -> Result<Value, String> {
        if let Some(result) = self.method(name, args) {
            return result;
        }
        if !args.is_empty() {
            return Err(format!(
                "{name} is not a method of a {} but has arguments",
                self.kind()
            ));
        }
        match self {
            Value::Nil => Err(format!("nil pointer evaluating {name}")),
            Value::Map(m) => Ok(m.get(name).cloned().unwrap_or_default()),
            Value::Labels(m) => Ok(m.get(name).map_or("", String::as_str).into()),
            Value::Record(r) => match r.fields.iter().find(|(n, _)| *n == name) {
                Some((_, value)) => Ok(value.clone()),
                None => Err(format!("can't evaluate field {name}")),
            },
            other => Err(format!("can't evaluate field {name} in a {}", other.kind())),
        }
    }

    fn method(&self, name: &str, args: &[Value]) -> Option<Result<Value, String>> {
        match self {
            Value::Labels(m) => Some(Ok(match name {
                "SortedPairs" => Value::pairs(m),
                "Names" => names(m),
                "Values" => values(m),
                "String" if m.joined => joined(m).into(),
                "Remove" => {
                    let mut left = m.map.clone();
                    for gone in args.iter().flat_map(|a| a.elements().unwrap_or_default()) {
                        left.remove(gone.as_text().unwrap_or_default());
                    }
                    Value::label_map(left, m.joined)
                }
                _ => return None,
            })),
            Value::Time(time) => time.method(name, args),
            Value::Duration(nanos) => Some(Ok(match name {
                "Seconds" => Value::Float(*nanos as f64 / 1e9),
                "Minutes" => Value::Float(*nanos as f64 / 60e9),
                "Hours" => Value::Float(*nanos as f64 / 3600e9),
                "Milliseconds" => Value::Int(nanos / 1_000_000),
                "String" => format_go_duration(*nanos).into(),
                _ => return None,
            })),
            _ => None,
        }
    }

    /// For `toJson`.
    pub fn to_json(&self) -> serde_json::Value {
        self.as_json(&|name| name.to_owned())
    }

    /// With the names that the tags of Alertmanager's structs give: `startsAt` for `StartsAt`.
    pub fn to_tagged_json(&self) -> serde_json::Value {
        self.as_json(&|name| {
            let (first, rest) = name.split_at(name.chars().next().map_or(0, char::len_utf8));
            format!("{}{rest}", first.to_lowercase())
        })
    }

    fn as_json(&self, name_of: &dyn Fn(&str) -> String) -> serde_json::Value {
        match self {
            Value::Nil => serde_json::Value::Null,
            Value::Bool(b) => (*b).into(),
            Value::Int(n) | Value::Duration(n) => (*n).into(),
            Value::Float(x) => (*x).into(),
            Value::Text(s) | Value::Safe(s) => (**s).into(),
            Value::List(l) => l.iter().map(|v| v.as_json(name_of)).collect(),
            Value::Map(m) => {
                let made = m.iter().map(|(k, v)| (k.clone(), v.as_json(name_of)));
                serde_json::Value::Object(made.collect())
            }
            Value::Labels(m) => {
                serde_json::Value::Object(m.iter().map(|(k, v)| (k.clone(), v.as_str().into())).collect())
            }
            Value::Record(r) => match &r.elements {
                Some(elements) => elements.iter().map(|v| v.as_json(name_of)).collect(),
                None => {
                    let made = r.fields.iter().map(|(k, v)| (name_of(k), v.as_json(name_of)));
                    serde_json::Value::Object(made.collect())
                }
            },
            // RFC 3339, as Go writes times in JSON.
            Value::Time(time) => time.format("2006-01-02T15:04:05.999999999Z07:00").into(),
        }
    }
}

fn joined(map: &BTreeMap<String, String>) -> String {
    let pairs: Vec<String> = map.iter().map(|(k, v)| format!("{k}={v}")).collect();
    pairs.join(", ")
}

fn names(map: &BTreeMap<String, String>) -> Value {
    Value::list(map.keys().map(|k| k.clone().into()).collect())
}

fn values(map: &BTreeMap<String, String>) -> Value {
    Value::list(map.values().map(|v| v.clone().into()).collect())
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(text.into())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::Text(text.into())
    }
}

impl fmt::Display for Value {
    /// As Go's `%v` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |f: &mut fmt::Formatter<'_>, elements: &[Value]| {
            f.write_str("[")?;
            for (i, element) in elements.iter().enumerate() {
                write!(f, "{}{element}", if i > 0 { " " } else { "" })?;
            }
            f.write_str("]")
        };
        match self {
            Value::Nil => f.write_str("<no value>"),
            Value::Bool(b) => write!(f, "{b}"),
            Value::Int(n) => write!(f, "{n}"),
            Value::Float(x) => f.write_str(&format_float(*x)),
            Value::Text(s) | Value::Safe(s) => f.write_str(s),
            Value::List(elements) => list(f, elements),
            Value::Map(m) => {
                f.write_str("map[")?;
                for (i, (k, v)) in m.iter().enumerate() {
                    write!(f, "{}{k}:{v}", if i > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Labels(m) if m.joined => f.write_str(&joined(m)),
            Value::Labels(m) => {
                f.write_str("map[")?;
                for (i, (k, v)) in m.iter().enumerate() {
                    write!(f, "{}{k}:{v}", if i > 0 { " " } else { "" })?;
                }
                f.write_str("]")
            }
            Value::Record(r) => match (&r.elements, r.fields.iter().find(|(n, _)| *n == "String")) {
                (Some(_), Some((_, text))) => write!(f, "{text}"),
                (Some(elements), None) => list(f, elements),
                (None, _) => {
                    f.write_str("{")?;
                    for (i, (_, v)) in r.fields.iter().enumerate() {
                        write!(f, "{}{v}", if i > 0 { " " } else { "" })?;
                    }
                    f.write_str("}")
                }
            },
            Value::Time(time) => write!(f, "{time}"),
            Value::Duration(nanos) => f.write_str(&format_go_duration(*nanos)),
        }
    }
}
