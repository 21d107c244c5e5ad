//! What both versions share: label sets, cache keys, kinds, family names.

use super::RemoteWriteError;
use crate::protobuf::{ProtobufError, Reader, push_varint};
use lapwing_types::{Labels, MetricKind};
use std::borrow::Cow;

const TAG_LABEL: u8 = 0x0a;

/// Labels from contiguous label fields.
pub(super) fn decode_labels(raw: &[u8]) -> Result<Labels, RemoteWriteError> {
    let labels = label_set(Reader::new(raw), 1)?;
    if labels.metric_name().is_none() {
        return Err(RemoteWriteError::MissingName.in_series(labels));
    }
    Ok(labels)
}

/// The label pairs in fields of this number; other fields are skipped.
pub(crate) fn label_set(mut reader: Reader<'_>, number: u32) -> Result<Labels, RemoteWriteError> {
    let mut pairs: Vec<(&str, &str)> = Vec::with_capacity(16);
    let mut sorted = true;
    while let Some(field) = reader.next_field()? {
        if field.number == number {
            let pair = decode_label(field.message()?)?;
            sorted = sorted && !pair.0.is_empty() && pairs.last().is_none_or(|last| last.0 < pair.0);
            pairs.push(pair);
        }
    }
    if sorted && pairs.iter().all(|(_, value)| !value.is_empty()) {
        return Ok(Labels::from_sorted(pairs));
    }
    Ok(Labels::from_pairs(pairs)?)
}

fn decode_label<'a>(mut reader: Reader<'a>) -> Result<(&'a str, &'a str), ProtobufError> {
    let mut pair = ("", "");
    while let Some(field) = reader.next_field()? {
        match field.number {
            1 => pair.0 = field.string()?,
            2 => pair.1 = field.string()?,
            _ => {}
        }
    }
    Ok(pair)
}

/// As many label pairs as can be read of a series whose labels do not decode, for a message.
pub(super) fn readable_labels(series: &[u8]) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut pairs = Vec::new();
    let mut reader = Reader::new(series);
    while let Ok(Some(field)) = reader.next_field() {
        if field.number == 1
            && let Ok(label) = field.message()
        {
            let pair = (readable_text(label, 1), readable_text(label, 2));
            pairs.extend(Some(pair).filter(|(name, value)| !name.is_empty() || !value.is_empty()));
        }
    }
    pairs
}

fn readable_text(mut reader: Reader<'_>, number: u32) -> Cow<'_, str> {
    while let Ok(Some(field)) = reader.next_field() {
        if field.number == number
            && let Ok(bytes) = field.bytes()
        {
            return String::from_utf8_lossy(bytes);
        }
    }
    Cow::Borrowed("")
}

pub(super) fn kind_from_wire(code: i32) -> MetricKind {
    KINDS.get(code as usize).copied().unwrap_or_default()
}

pub(super) fn kind_to_wire(kind: MetricKind) -> u64 {
    KINDS.iter().position(|k| *k == kind).unwrap_or(0) as u64
}

/// Both versions number the kinds alike.
const KINDS: [MetricKind; 8] = [
    MetricKind::Unknown,
    MetricKind::Counter,
    MetricKind::Gauge,
    MetricKind::Histogram,
    MetricKind::GaugeHistogram,
    MetricKind::Summary,
    MetricKind::Info,
    MetricKind::StateSet,
];

/// Spells a label pair as a label field, so that equal series have equal keys whatever they arrived in.
pub(super) fn push_key_label(key: &mut Vec<u8>, name: &str, value: &str) {
    let part = |text: &str| 1 + varint_len(text.len()) + text.len();
    key.push(TAG_LABEL);
    push_varint(key, (part(name) + part(value)) as u64);
    for (tag, text) in [(0x0a, name), (0x12, value)] {
        key.push(tag);
        push_varint(key, text.len() as u64);
        key.extend_from_slice(text.as_bytes());
    }
}

fn varint_len(value: usize) -> usize {
    (usize::BITS - (value | 1).leading_zeros()).div_ceil(7) as usize
}

/// `foo_bucket` belongs to the family `foo` of a histogram.
pub(crate) fn family_name(name: &str, kind: MetricKind) -> &str {
    let suffixes: &[&str] = match kind {
        MetricKind::Histogram | MetricKind::GaugeHistogram => &["_bucket", "_count", "_sum"],
        MetricKind::Summary => &["_count", "_sum"],
        _ => &[],
    };
    suffixes
        .iter()
        .find_map(|suffix| name.strip_suffix(suffix))
        .unwrap_or(name)
}
