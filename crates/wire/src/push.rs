//! Pushes for people with nothing but curl: `{"name": "queue_length", "value": 7}`.
//!
//! One object, an array of them, or objects one after another (lines). `type`, `labels`, `description`, `unit` and
//! `timestamp_ms` are optional. An unknown field is a mistake: a slip of the pen in `labels` must not lose the labels. A mistake
//! costs the item that it is in, and no other; what is no JSON at all is refused as a whole.

use lapwing_types::{
    Labels, LabelsError, METRIC_NAME, Metadata, MetricKind, Sample, SeriesWrite, WriteBatch,
};
use serde::Deserialize;
use serde::de::{Deserializer as _, SeqAccess, Visitor};
use std::borrow::Cow;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

/// Items count from 1.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("item {item} is not valid")]
    Json {
        item: usize,
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
    #[error("there is nothing in the body")]
    Empty,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
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

/// One item or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
enum LabelValue {
    Text(String),
    Bool(bool),
    Int(i64),
    Number(f64),
}

/// A list of items that counts those it has read, so that a mistake can be said to be in the next.
struct Items<'c, T>(&'c Cell<usize>, PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Items<'_, T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of items")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
            self.0.set(items.len());
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
        #[serde(untagged)]
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
    let mut keep = |item: usize, read: Result<Item<'_>, serde_json::Error>| {
        let added = read
            .map_err(|source| PushError::Json { item, source })
            .and_then(|one| add(&mut pushed.batch, one, item, now_ms));
        pushed.mistakes.extend(added.err());
    };
    match read_items::<Item<'_>>(bytes) {
        Ok(items) => (1..).zip(items).for_each(|(number, item)| keep(number, Ok(item))),
        // Some item is JSON and no item: each is looked at by itself.
        Err(PushError::Json { source, .. }) if source.is_data() => {
            for (number, value) in (1..).zip(read_items::<serde_json::Value>(bytes)?) {
                keep(number, Item::deserialize(&value));
            }
        }
        Err(error) => return Err(error),
    }
    Ok(pushed)
}

fn read_items<'de, T: Deserialize<'de>>(bytes: &'de [u8]) -> Result<Vec<T>, PushError> {
    let read = Cell::new(0);
    let in_list = bytes.trim_ascii_start().starts_with(b"[");
    let items = if in_list {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        reader
            .deserialize_seq(Items(&read, PhantomData))
            .and_then(|items| reader.end().map(|()| items))
    } else {
        let items = serde_json::Deserializer::from_slice(bytes).into_iter::<T>();
        items.inspect(|_| read.set(read.get() + 1)).collect()
    };
    let items: Vec<T> = items.map_err(|source| PushError::Json {
        item: read.get() + usize::from(in_list),
        source,
    })?;
    match items.is_empty() {
        true => Err(PushError::Empty),
        false => Ok(items),
    }
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
