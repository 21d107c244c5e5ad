//! Pushes for people with nothing but curl: `{"name": "queue_length", "value": 7}`.
//!
//! One object, an array of them, or objects one after another (lines). `type`, `labels`, `description`, `unit` and
//! `timestamp_ms` are optional. An unknown field is a mistake: a slip of the pen in `labels` must not lose the labels. A mistake
//! costs the item that it is in, and no other, also one that is no JSON; where no item is JSON the body is refused as a whole.
//! `NaN`, `Infinity` and `-Infinity` without quotes are no JSON, but what Python writes for such a value: they are taken.

use lapwing_types::{
    Labels, LabelsError, METRIC_NAME, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch,
};
use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

/// Items count from 1.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("item {item}{} is not valid", named(name.as_deref()))]
    Json {
        item: usize,
        name: Option<String>,
        #[source]
        source: serde_json::Error,
    },
    #[error("the name of item {item} is empty")]
    EmptyName { item: usize },
    #[error("the labels of item {item} are invalid")]
    Labels {
        item: usize,
        #[source]
        source: LabelsError,
    },
    #[error(
        "{word:?}, the type of item {item}, is not a metric type: use counter, gauge, histogram, summary, info, stateset or unknown"
    )]
    UnknownKind { item: usize, word: String },
    #[error("the list has no end")]
    Endless,
    #[error("there is nothing in the body")]
    Empty,
}

#[derive(Deserialize)]
#[serde(
    deny_unknown_fields,
    expecting = "an item such as {\"name\": \"queue_length\", \"value\": 7}"
)]
struct Item<'a> {
    #[serde(borrow)]
    name: Cow<'a, str>,
    value: JsonNumber,
    #[serde(rename = "type")]
    kind: Option<Cow<'a, str>>,
    #[serde(default)]
    labels: BTreeMap<String, LabelValue>,
    description: Option<String>,
    unit: Option<String>,
    timestamp_ms: Option<i64>,
}

#[derive(Deserialize)]
#[serde(
    untagged,
    expecting = "the value of a label is not a text, a number, true or false"
)]
enum LabelValue {
    Text(String),
    Bool(bool),
    Int(i64),
    Number(f64),
}

struct Items;

impl<'de> Visitor<'de> for Items {
    type Value = Vec<Item<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(items)
    }
}

/// A number, or one that JSON lacks, in quotes (`"NaN"`, `"+Inf"`).
pub(crate) struct JsonNumber(pub(crate) f64);

impl<'de> Deserialize<'de> for JsonNumber {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        use serde::de::Error;
        #[derive(Deserialize)]
        #[serde(
            untagged,
            expecting = "the value is neither a number nor one in quotes such as \"NaN\""
        )]
        enum Either {
            Number(f64),
            Text(String),
            Null(()),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(value) => Ok(JsonNumber(value)),
            Either::Null(()) => Ok(JsonNumber(f64::from_bits(lapwing_types::NORMAL_NAN_BITS))),
            Either::Text(text) => match crate::text::parse_float(&text) {
                Some(value) => Ok(JsonNumber(value)),
                None => Err(D::Error::custom(format!("{text:?} is not a number"))),
            },
        }
    }
}

/// What a body holds.
#[derive(Debug, Default)]
pub struct Pushed {
    pub batch: WriteBatch,
    /// Items that are not in the batch, and why.
    pub mistakes: Vec<PushError>,
}

/// Items without a time get `now_ms`.
pub fn parse_push(bytes: &[u8], now_ms: i64) -> Result<Pushed, PushError> {
    let mut pushed = Pushed::default();
    let mut keep = |item: usize, read: Result<Item<'_>, PushError>| {
        let added = read.and_then(|one| add(&mut pushed.batch, one, item, now_ms));
        pushed.mistakes.extend(added.err());
    };
    if let Some(items) = read_items(bytes)? {
        (1..).zip(items).for_each(|(number, item)| keep(number, Ok(item)));
        return Ok(pushed);
    }
    // Some item is none: each is looked at by itself.
    let split = split_items(bytes);
    let mut is_json = false;
    for (number, text) in (1..).zip(&split.items) {
        match serde_json::from_slice::<serde_json::Value>(text) {
            Ok(value) => {
                is_json = true;
                let item = Item::deserialize(&value).map_err(|source| PushError::Json {
                    item: number,
                    name: name_of(&value),
                    source,
                });
                keep(number, item);
            }
            Err(source) => keep(
                number,
                Err(PushError::Json {
                    item: number,
                    name: None,
                    source,
                }),
            ),
        }
    }
    if split.is_cut {
        pushed.mistakes.push(PushError::Endless);
    }
    match is_json || pushed.mistakes.is_empty() {
        true => Ok(pushed),
        false => Err(pushed.mistakes.swap_remove(0)),
    }
}

/// `None` when one of the items is none.
fn read_items(bytes: &[u8]) -> Result<Option<Vec<Item<'_>>>, PushError> {
    let in_list = bytes.trim_ascii_start().starts_with(b"[");
    let items = if in_list {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        reader
            .deserialize_seq(Items)
            .and_then(|items| reader.end().map(|()| items))
    } else {
        let items = serde_json::Deserializer::from_slice(bytes).into_iter::<Item<'_>>();
        items.collect()
    };
    match items {
        Ok(items) if items.is_empty() => Err(PushError::Empty),
        items => Ok(items.ok()),
    }
}

/// The texts of the items, each to be read by itself.
#[derive(Debug, Default)]
struct Split {
    items: Vec<Vec<u8>>,
    /// It is a list, and its end is missing.
    is_cut: bool,
}

/// Finds the items by their brackets and quotes alone, so that what is wrong within one does not touch the next.
fn split_items(bytes: &[u8]) -> Split {
    let bytes = bytes.trim_ascii();
    let in_list = bytes.starts_with(b"[");
    let mut split = Split {
        items: Vec::new(),
        is_cut: in_list,
    };
    let mut item = Vec::new();
    let (mut depth, mut in_text, mut is_escaped) = (0usize, false, false);
    let mut at = usize::from(in_list);
    while let Some(byte) = bytes.get(at) {
        let rest = &bytes[at..];
        at += 1;
        let mut is_end = false;
        if in_text {
            in_text = is_escaped || *byte != b'"';
            is_escaped = !is_escaped && *byte == b'\\';
            // No text of JSON holds the end of a line: here the line was cut.
            is_end = !in_list && *byte == b'\n';
        } else if let Some(word) = BARE_WORDS.iter().find(|word| rest.starts_with(word)) {
            item.extend_from_slice(b"\"");
            item.extend_from_slice(word);
            item.extend_from_slice(b"\"");
            at += word.len() - 1;
            continue;
        } else {
            match byte {
                b'"' => in_text = true,
                b'{' | b'[' => depth += 1,
                b']' if depth == 0 && in_list => {
                    split.is_cut = false;
                    split.items.push(std::mem::take(&mut item));
                    item.extend_from_slice(bytes[at..].trim_ascii());
                    break;
                }
                b'}' | b']' => {
                    depth = depth.saturating_sub(1);
                    is_end = depth == 0 && !in_list;
                }
                b',' if depth == 0 && in_list => {
                    split.items.push(std::mem::take(&mut item));
                    continue;
                }
                _ => {}
            }
        }
        item.push(*byte);
        if is_end {
            split.items.push(std::mem::take(&mut item));
            (depth, in_text, is_escaped) = (0, false, false);
        }
    }
    split.items.push(item);
    split.items.retain(|item| !item.trim_ascii().is_empty());
    split
}

/// Longer ones first.
const BARE_WORDS: [&[u8]; 3] = [b"-Infinity", b"Infinity", b"NaN"];

/// Names that a message repeats whole.
const NAME_CHARS_MAX: usize = 200;

/// What an item calls itself.
fn name_of(item: &serde_json::Value) -> Option<String> {
    let name = item.get("name")?.as_str()?;
    Some(name.chars().take(NAME_CHARS_MAX).collect())
}

fn named(name: Option<&str>) -> String {
    name.map_or_else(String::new, |name| format!(" ({name:?})"))
}

fn add(batch: &mut WriteBatch, one: Item<'_>, item: usize, now_ms: i64) -> Result<(), PushError> {
    if one.name.is_empty() {
        return Err(PushError::EmptyName { item });
    }
    let kind = match &one.kind {
        None => None,
        Some(word) => Some(MetricKind::parse(word).ok_or_else(|| PushError::UnknownKind {
            item,
            word: word.chars().take(40).collect(),
        })?),
    };
    let pairs = one.labels.iter().map(|(name, value)| {
        let value = match value {
            LabelValue::Text(text) => text.clone(),
            LabelValue::Bool(v) => v.to_string(),
            LabelValue::Int(v) => v.to_string(),
            LabelValue::Number(v) => v.to_string(),
        };
        (name.as_str(), value)
    });
    let named = pairs.chain([(METRIC_NAME, one.name.clone().into_owned())]);
    let labels = Labels::from_pairs(named).map_err(|source| PushError::Labels { item, source })?;
    batch.series.push(SeriesWrite {
        labels,
        samples: vec![Sample {
            t_ms: one.timestamp_ms.unwrap_or(now_ms),
            value: one.value.0,
        }],
        ..SeriesWrite::default()
    });
    if kind.is_some() || one.description.is_some() || one.unit.is_some() {
        let metadata = Metadata {
            kind: kind.unwrap_or_default(),
            help: one.description.unwrap_or_default(),
            unit: one.unit.unwrap_or_default(),
        };
        batch.metadata.push((one.name.into_owned(), metadata));
    }
    Ok(())
}
