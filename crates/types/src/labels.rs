//! A sorted label set in one allocation.
//!
//! Layout: for each pair, in order of the names: length of the name, name, length of the value, value. Lengths are
//! written in 6-bit groups, low group first, with bit 6 set on all but the last: every byte stays ASCII, so the whole
//! is one valid `str` and slicing it needs no `unsafe` and no second look at the text.
//!
//! Invariants: names are unique, non-empty and ascending by bytes; values are non-empty (a label with an empty value
//! is the same as an absent one).

use std::cmp::Ordering;
use std::fmt;
use std::sync::Arc;

/// The label that holds a metric's name.
pub const METRIC_NAME: &str = "__name__";

const GROUP_BITS: u32 = 6;
const MORE: u8 = 0x40;

/// A sorted label set; cheap to clone, equal and hashed by content.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Labels {
    encoded: Arc<str>,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelsError {
    #[error("label name is empty (its value is {value:?})")]
    EmptyName { value: String },
    #[error("label {name:?} appears more than once")]
    Duplicate { name: String },
}

impl Labels {
    pub fn empty() -> Self {
        Labels {
            encoded: Arc::from(""),
        }
    }

    /// Sorts, drops empty values, refuses empty and repeated names.
    pub fn from_pairs<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Result<Self, LabelsError>
    where
        N: AsRef<str>,
        V: AsRef<str>,
    {
        let mut pairs: Vec<(N, V)> = pairs.into_iter().collect();
        pairs.sort_by(|a, b| a.0.as_ref().cmp(b.0.as_ref()));
        let mut text = String::with_capacity(
            pairs
                .iter()
                .map(|(n, v)| n.as_ref().len() + v.as_ref().len() + 4)
                .sum(),
        );
        let mut previous: Option<&str> = None;
        for (name, value) in &pairs {
            let (name, value) = (name.as_ref(), value.as_ref());
            if name.is_empty() {
                return Err(LabelsError::EmptyName {
                    value: value.to_owned(),
                });
            }
            if previous == Some(name) {
                return Err(LabelsError::Duplicate {
                    name: name.to_owned(),
                });
            }
            previous = Some(name);
            if !value.is_empty() {
                push_pair(&mut text, name, value);
            }
        }
        Ok(Labels {
            encoded: Arc::from(text),
        })
    }

    /// For callers that hold pairs which already satisfy the invariants (checked in debug builds).
    pub fn from_sorted<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let mut text = String::with_capacity(192);
        for (name, value) in pairs {
            debug_assert!(!name.is_empty() && !value.is_empty());
            push_pair(&mut text, name, value);
        }
        let labels = Labels {
            encoded: Arc::from(text),
        };
        debug_assert!(labels.iter().is_sorted_by(|a, b| a.0 < b.0));
        labels
    }

    pub fn iter(&self) -> LabelsIter<'_> {
        LabelsIter { rest: &self.encoded }
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        for (n, v) in self {
            match n.cmp(name) {
                Ordering::Less => {}
                Ordering::Equal => return Some(v),
                Ordering::Greater => return None,
            }
        }
        None
    }

    /// The value of `__name__`.
    pub fn metric_name(&self) -> Option<&str> {
        self.get(METRIC_NAME)
    }

    pub fn is_empty(&self) -> bool {
        self.encoded.is_empty()
    }

    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// The same on every machine and in every release: it places series in shards and groups alerts.
    pub fn stable_hash(&self) -> u64 {
        xxhash_rust::xxh3::xxh3_64(self.encoded.as_bytes())
    }

    /// 128 bits that stand for the whole set within one process: whoever does not know the seed cannot make two sets that share
    /// them, and by chance no two do.
    pub fn keyed_hash(&self, seed: u64) -> u128 {
        xxhash_rust::xxh3::xxh3_128_with_seed(self.encoded.as_bytes(), seed)
    }

    /// Only the named labels.
    pub fn keep(&self, names: &[impl AsRef<str>]) -> Self {
        Labels::from_sorted(
            self.iter()
                .filter(|(n, _)| names.iter().any(|k| k.as_ref() == *n)),
        )
    }

    /// All but the named labels.
    pub fn drop(&self, names: &[impl AsRef<str>]) -> Self {
        Labels::from_sorted(
            self.iter()
                .filter(|(n, _)| !names.iter().any(|k| k.as_ref() == *n)),
        )
    }

    pub fn without_name(&self) -> Self {
        self.drop(&[METRIC_NAME])
    }

    pub fn to_builder(&self) -> LabelsBuilder {
        LabelsBuilder {
            pairs: self.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect(),
        }
    }

    /// Bytes that this label set occupies on the heap.
    pub fn size_bytes(&self) -> usize {
        self.encoded.len() + 2 * size_of::<usize>()
    }
}

impl Default for Labels {
    fn default() -> Self {
        Labels::empty()
    }
}

impl Ord for Labels {
    /// By name, then value, pair by pair; a prefix comes first.
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for Labels {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Labels {
    /// `name{a="b"}`, in the syntax of a PromQL selector; names that are not identifiers are quoted.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.metric_name();
        let bare = name.filter(|n| is_identifier(n, true));
        if let Some(bare) = bare {
            f.write_str(bare)?;
        }
        let mut rest = self
            .iter()
            .filter(|(n, _)| bare.is_none() || *n != METRIC_NAME)
            .peekable();
        if rest.peek().is_none() && bare.is_some() {
            return Ok(());
        }
        f.write_str("{")?;
        for (i, (n, v)) in rest.enumerate() {
            if i > 0 {
                f.write_str(", ")?;
            }
            if is_identifier(n, false) {
                f.write_str(n)?;
            } else {
                write_quoted(f, n)?;
            }
            f.write_str("=")?;
            write_quoted(f, v)?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl serde::Serialize for Labels {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> serde::Deserialize<'de> for Labels {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, String>::deserialize(deserializer)?;
        Labels::from_pairs(map).map_err(serde::de::Error::custom)
    }
}

impl<'a> IntoIterator for &'a Labels {
    type Item = (&'a str, &'a str);
    type IntoIter = LabelsIter<'a>;
    fn into_iter(self) -> LabelsIter<'a> {
        self.iter()
    }
}

/// Pairs in order of their names.
#[derive(Clone)]
pub struct LabelsIter<'a> {
    rest: &'a str,
}

impl<'a> Iterator for LabelsIter<'a> {
    type Item = (&'a str, &'a str);

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let name = take_text(&mut self.rest);
        let value = take_text(&mut self.rest);
        Some((name, value))
    }
}

/// Edits a label set: last writer of a name wins, an empty value removes it.
#[derive(Clone, Debug, Default)]
pub struct LabelsBuilder {
    pairs: Vec<(String, String)>,
}

impl LabelsBuilder {
    pub fn new() -> Self {
        LabelsBuilder::default()
    }

    pub fn set(&mut self, name: &str, value: impl Into<String>) -> &mut Self {
        let value = value.into();
        match self.pairs.iter_mut().find(|(n, _)| n == name) {
            Some(pair) => pair.1 = value,
            None => self.pairs.push((name.to_owned(), value)),
        }
        self
    }

    pub fn remove(&mut self, name: &str) -> &mut Self {
        self.pairs.retain(|(n, _)| n != name);
        self
    }

    pub fn get(&self, name: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(n, v)| n == name && !v.is_empty())
            .map(|(_, v)| v.as_str())
    }

    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.pairs.iter().map(|(n, v)| (n.as_str(), v.as_str()))
    }

    pub fn build(&self) -> Labels {
        let mut pairs: Vec<(&str, &str)> = self
            .iter()
            .filter(|(n, v)| !n.is_empty() && !v.is_empty())
            .collect();
        pairs.sort_unstable();
        Labels::from_sorted(pairs)
    }
}

fn push_pair(text: &mut String, name: &str, value: &str) {
    push_text(text, name);
    push_text(text, value);
}

fn push_text(text: &mut String, part: &str) {
    let mut length = part.len();
    loop {
        let group = (length & ((1 << GROUP_BITS) - 1)) as u8;
        length >>= GROUP_BITS;
        let byte = if length > 0 { group | MORE } else { group };
        text.push(char::from(byte));
        if length == 0 {
            break;
        }
    }
    text.push_str(part);
}

fn take_text<'a>(rest: &mut &'a str) -> &'a str {
    let bytes = rest.as_bytes();
    let mut length = 0usize;
    let mut shift = 0;
    let mut at = 0;
    loop {
        let byte = bytes[at];
        at += 1;
        length |= usize::from(byte & (MORE - 1)) << shift;
        shift += GROUP_BITS;
        if byte & MORE == 0 {
            break;
        }
    }
    let part = &rest[at..at + length];
    *rest = &rest[at + length..];
    part
}

fn is_identifier(text: &str, colon: bool) -> bool {
    let mut bytes = text.bytes();
    let ok = |b: u8| b.is_ascii_alphabetic() || b == b'_' || (colon && b == b':');
    bytes.next().is_some_and(ok) && bytes.all(|b| ok(b) || b.is_ascii_digit())
}

fn write_quoted(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            c => fmt::Write::write_char(f, c)?,
        }
    }
    f.write_str("\"")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(pairs: &[(&str, &str)], expect: &str) {
        let labels = Labels::from_pairs(pairs.iter().copied()).unwrap();
        assert_eq!(labels.to_string(), expect);
    }

    #[test]
    fn displays_as_a_selector() {
        check(&[], "{}");
        check(&[("__name__", "up")], "up");
        check(&[("job", "a"), ("__name__", "up")], r#"up{job="a"}"#);
        check(&[("b", "2"), ("a", "1\n\"")], r#"{a="1\n\"", b="2"}"#);
        check(
            &[("__name__", "my.metric"), ("x", "")],
            r#"{__name__="my.metric"}"#,
        );
        check(&[("a.b", "c")], r#"{"a.b"="c"}"#);
    }

    #[test]
    fn refuses_what_is_not_a_label_set() {
        let duplicate = Labels::from_pairs([("a", "1"), ("a", "2")]).unwrap_err();
        assert_eq!(duplicate.to_string(), r#"label "a" appears more than once"#);
        let empty = Labels::from_pairs([("", "1")]).unwrap_err();
        assert_eq!(empty.to_string(), r#"label name is empty (its value is "1")"#);
    }

    #[test]
    fn stable_hash_never_changes() {
        let labels = Labels::from_pairs([("__name__", "up"), ("job", "lapwing")]).unwrap();
        assert_eq!(labels.stable_hash(), 15_344_753_244_647_683_496);
    }

    proptest! {
        #[test]
        fn round_trips_any_text(map in proptest::collection::btree_map("\\PC{1,90}", "\\PC{0,200}", 0..12)) {
            let labels = Labels::from_pairs(&map).unwrap();
            let kept: Vec<(&str, &str)> =
                map.iter().filter(|(_, v)| !v.is_empty()).map(|(n, v)| (n.as_str(), v.as_str())).collect();
            prop_assert_eq!(labels.iter().collect::<Vec<_>>(), kept);
            for (name, value) in &map {
                prop_assert_eq!(labels.get(name).unwrap_or(""), value.as_str());
            }
            prop_assert_eq!(labels.to_builder().build(), labels);
        }

        #[test]
        fn orders_like_its_pairs(
            a in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{1,3}", 0..4),
            b in proptest::collection::btree_map("[a-c]{1,2}", "[a-c]{1,3}", 0..4),
        ) {
            let (x, y) = (Labels::from_pairs(&a).unwrap(), Labels::from_pairs(&b).unwrap());
            prop_assert_eq!(x.cmp(&y), a.iter().cmp(b.iter()));
        }
    }
}
