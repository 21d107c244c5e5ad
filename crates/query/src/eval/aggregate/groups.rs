//! Which group a series belongs to.

use super::super::grid::{METRIC_LABELS, Row};
use crate::promql::Aggregate;
use hashbrown::HashMap;
use lapwing_types::{Labels, METRIC_NAME};

pub(super) struct Grouping {
    names: Vec<String>,
    without: bool,
    /// Names stay on the labels although they are marked to be dropped.
    delayed: bool,
    known: HashMap<Vec<u8>, usize>,
    key: Vec<u8>,
    last: Option<(Vec<u8>, usize)>,
}

impl Grouping {
    pub(super) fn new(aggregate: &Aggregate, delayed: bool) -> Self {
        Grouping::of(aggregate.grouping.clone(), aggregate.without, delayed)
    }

    pub(super) fn of(mut names: Vec<String>, without: bool, delayed: bool) -> Self {
        names.sort();
        names.dedup();
        Grouping {
            names,
            without,
            delayed,
            known: HashMap::new(),
            key: Vec::new(),
            last: None,
        }
    }

    fn is_hidden(&self, name: &str, row: &Row) -> bool {
        row.drop_name && !self.delayed && METRIC_LABELS.contains(&name)
    }

    fn keeps(&self, name: &str, row: &Row) -> bool {
        let named = self.names.iter().any(|n| n == name);
        let kept = if self.without {
            !named && name != METRIC_NAME
        } else {
            named
        };
        kept && !self.is_hidden(name, row)
    }

    /// The group's number, and whether it is new.
    pub(super) fn group_of(&mut self, row: &Row) -> (usize, bool) {
        let mut key = std::mem::take(&mut self.key);
        key.clear();
        if self.without || !self.names.is_empty() {
            for (name, value) in &row.labels {
                if self.keeps(name, row) {
                    key.extend_from_slice(name.as_bytes());
                    key.push(0xff);
                    key.extend_from_slice(value.as_bytes());
                    key.push(0xff);
                }
            }
        }
        let found = self.find(&key);
        self.key = key;
        found
    }

    /// Series of one group often follow each other, so the last group is tried first.
    fn find(&mut self, key: &[u8]) -> (usize, bool) {
        if let Some((last, group)) = &self.last
            && last == key
        {
            return (*group, false);
        }
        let next = self.known.len();
        let (group, is_new) = match self.known.get(key) {
            Some(group) => (*group, false),
            None => {
                self.known.insert(key.to_vec(), next);
                (next, true)
            }
        };
        match &mut self.last {
            Some((last, number)) => {
                last.clear();
                last.extend_from_slice(key);
                *number = group;
            }
            None => self.last = Some((key.to_vec(), group)),
        }
        (group, is_new)
    }

    pub(super) fn labels_of(&self, row: &Row) -> Labels {
        if !self.without && self.names.is_empty() {
            return Labels::empty();
        }
        Labels::from_sorted(row.labels.iter().filter(|(name, _)| self.keeps(name, row)))
    }
}
