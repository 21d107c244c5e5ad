//! The keys of a rule file. serde stops at the first that it does not know and forgets the rest of the file; so they are looked at
//! by themselves, and each is said with its place beside every other mistake.

use super::tree::Tree;
use crate::lint::closest;
use serde_saphyr::Spanned;

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

/// All keys of a file that nobody knows here.
pub(super) fn unknown_keys(file: &Tree) -> Vec<Strange> {
    let mut found = Vec::new();
    check(file, OF_FILE, &mut found);
    for group in items(file, "groups") {
        check(&group.value, OF_GROUP, &mut found);
        for rule in items(&group.value, "rules") {
            check(&rule.value, OF_RULE, &mut found);
        }
    }
    found
}

fn items<'a>(tree: &'a Tree, key: &str) -> &'a [Spanned<Tree>] {
    match tree.get(key).map(|found| &found.value) {
        Some(Tree::List(items)) => items,
        _ => &[],
    }
}

fn check(tree: &Tree, known: &[&str], found: &mut Vec<Strange>) {
    let Tree::Map(pairs) = tree else { return };
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
