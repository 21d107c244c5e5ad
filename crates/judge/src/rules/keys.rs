//! The keys of a rule file. serde stops at the first that it does not know and forgets the rest of the file; so they are looked at
//! by themselves, and each is said with its place beside every other mistake.

use crate::lint::closest;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;
use std::fmt;

const OF_FILE: &[&str] = &["groups"];
const OF_GROUP: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const OF_RULE: &[&str] = &[
    "record",
    "alert",
    "expr",
    "for",
    "keep_firing_for",
    "labels",
    "annotations",
];

/// Line, column, and what is wrong there.
pub(super) type Strange = (u64, u64, String);

/// Nothing for a text that is no YAML: whoever reads it says so.
pub(super) fn unknown_keys(text: &str) -> Vec<Strange> {
    let Ok(file) = serde_saphyr::from_str::<Tree>(text) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    file.check(OF_FILE, &mut found);
    for group in file.items("groups") {
        group.check(OF_GROUP, &mut found);
        for rule in group.items("rules") {
            rule.check(OF_RULE, &mut found);
        }
    }
    found
}

/// As much of a document as keys need.
enum Tree {
    Leaf,
    List(Vec<Tree>),
    Map(Vec<(Spanned<String>, Tree)>),
}

impl Tree {
    fn items(&self, key: &str) -> &[Tree] {
        let Tree::Map(pairs) = self else { return &[] };
        match pairs.iter().find(|(k, _)| k.value == key) {
            Some((_, Tree::List(items))) => items,
            _ => &[],
        }
    }

    fn check(&self, known: &[&str], found: &mut Vec<Strange>) {
        let Tree::Map(pairs) = self else { return };
        let strange = pairs.iter().map(|(key, _)| key);
        for key in strange.filter(|k| !known.contains(&k.value.as_str())) {
            let meant = match closest(&key.value, known.iter().copied()) {
                Some(near) => format!("did you mean {near:?}?"),
                None => format!("known here: {}", known.join(", ")),
            };
            let reason = format!("unknown key {:?}: {meant}", key.value);
            found.push((key.referenced.line(), key.referenced.column(), reason));
        }
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }
}

struct TreeVisitor;

impl<'de> Visitor<'de> for TreeVisitor {
    type Value = Tree;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any YAML value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_str<E>(self, _: &str) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_unit<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_none<E>(self) -> Result<Tree, E> {
        Ok(Tree::Leaf)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tree, D::Error> {
        deserializer.deserialize_any(TreeVisitor)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Tree, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Tree::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tree, A::Error> {
        let mut pairs = Vec::new();
        while let Some(key) = map.next_key()? {
            pairs.push((key, map.next_value()?));
        }
        Ok(Tree::Map(pairs))
    }
}
