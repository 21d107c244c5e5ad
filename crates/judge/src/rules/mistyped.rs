//! A rule file in which values have the wrong kind: a list where a text belongs, a text where a number does. serde stops at the
//! first of them; here all are said, and what else stands in the file is made readable, so that they hide no other mistake.
//!
//! Invariant: nothing that comes from here is ever evaluated; it is only looked at for more mistakes.

use super::file::{RawFile, RawGroup, RawRule};
use super::keys::Strange;
use super::tree::Tree;
use serde_saphyr::Spanned;
use std::collections::BTreeMap;

/// Stand in for values that were said to be wrong, so that they are not said to be missing too.
const EXPR: &str = "vector(0)";
const NAME: &str = "mistyped";

/// What can be read, and every value that has the wrong kind.
pub(super) fn read(file: &Spanned<Tree>) -> (RawFile, Vec<Strange>) {
    let mut reader = Reader { wrong: Vec::new() };
    let groups = match &file.value {
        Tree::Map(_) => reader.list(&file.value, "groups"),
        _ => {
            reader.wrong(file, "the file", "a mapping with the key \"groups\"");
            Vec::new()
        }
    };
    let groups = groups.iter().filter_map(|group| reader.group(group)).collect();
    (RawFile { groups }, reader.wrong)
}

struct Reader {
    wrong: Vec<Strange>,
}

impl Reader {
    fn wrong(&mut self, at: &Spanned<Tree>, what: &str, wanted: &str) {
        let found = match &at.value {
            Tree::Text(text) => format!("{text:?}"),
            other => other.kind().to_owned(),
        };
        let reason = format!("{what} must be {wanted}, and not {found}");
        self.wrong
            .push((at.referenced.line(), at.referenced.column(), reason));
    }

    /// A list that may be absent, or empty.
    fn list(&mut self, tree: &Tree, key: &str) -> Vec<Spanned<Tree>> {
        match tree.get(key) {
            None => Vec::new(),
            Some(found) => match &found.value {
                Tree::List(items) => items.clone(),
                Tree::Nothing => Vec::new(),
                _ => {
                    self.wrong(found, key, "a list");
                    Vec::new()
                }
            },
        }
    }

    /// A text that may be absent; one of the wrong kind is what stands in for it, if anything does.
    fn text(&mut self, tree: &Tree, key: &str, stands_in: Option<&str>) -> Option<Spanned<String>> {
        let found = tree.get(key)?;
        let text = match &found.value {
            Tree::Text(text) => text.clone(),
            Tree::Nothing => return None,
            _ => {
                self.wrong(found, key, "a text");
                stands_in?.to_owned()
            }
        };
        Some(Spanned::new(text, found.referenced, found.defined))
    }

    /// Names and texts.
    fn pairs(&mut self, tree: &Tree, key: &str) -> BTreeMap<String, Spanned<String>> {
        let Some(found) = tree.get(key) else {
            return BTreeMap::new();
        };
        let pairs = match &found.value {
            Tree::Map(pairs) => pairs,
            Tree::Nothing => return BTreeMap::new(),
            _ => {
                self.wrong(found, key, "a mapping of names to texts");
                return BTreeMap::new();
            }
        };
        let mut all = BTreeMap::new();
        for (name, value) in pairs {
            match &value.value {
                Tree::Text(text) => {
                    let text = Spanned::new(text.clone(), value.referenced, value.defined);
                    all.insert(name.value.clone(), text);
                }
                _ => self.wrong(value, &format!("{} in {key}", name.value), "a text"),
            }
        }
        all
    }

    fn group(&mut self, tree: &Spanned<Tree>) -> Option<Spanned<RawGroup>> {
        let group = &tree.value;
        if !matches!(group, Tree::Map(_)) {
            self.wrong(tree, "a group", "a mapping");
            return None;
        }
        // Each its own, or they would be said to be repeated.
        let name = format!("{NAME} in line {}", tree.referenced.line());
        let named = self.text(group, "name", Some(&name));
        let (interval, query_offset) = (
            self.text(group, "interval", None),
            self.text(group, "query_offset", None),
        );
        if let Some(limit) = group.get("limit")
            && !matches!(&limit.value, Tree::Text(text) if text.parse::<i64>().is_ok())
        {
            self.wrong(limit, "limit", "a whole number");
        }
        let labels = self.pairs(group, "labels").into_iter();
        let labels = labels.map(|(name, value)| (name, value.value)).collect();
        let rules = self.list(group, "rules");
        let rules = rules.iter().filter_map(|rule| self.rule(rule)).collect();
        let raw = RawGroup {
            name: named.unwrap_or_else(|| Spanned::new(name, tree.referenced, tree.defined)),
            interval,
            query_offset,
            limit: 0,
            labels,
            rules,
        };
        Some(Spanned::new(raw, tree.referenced, tree.defined))
    }

    fn rule(&mut self, tree: &Spanned<Tree>) -> Option<Spanned<RawRule>> {
        let rule = &tree.value;
        if !matches!(rule, Tree::Map(_)) {
            self.wrong(tree, "a rule", "a mapping");
            return None;
        }
        let raw = RawRule {
            record: self.text(rule, "record", Some(NAME)),
            alert: self.text(rule, "alert", Some(NAME)),
            expr: self.text(rule, "expr", Some(EXPR)),
            for_: self.text(rule, "for", None),
            keep_firing_for: self.text(rule, "keep_firing_for", None),
            labels: self.pairs(rule, "labels"),
            annotations: self.pairs(rule, "annotations"),
        };
        Some(Spanned::new(raw, tree.referenced, tree.defined))
    }
}
