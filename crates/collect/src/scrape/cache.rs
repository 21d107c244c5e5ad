//! What is known about the series of one target, by the text that its page spells them with.
//!
//! A steady page spells the same series in the same order, so the entry after the last one found is tried first: one
//! comparison of bytes, no hashing, no labels. Invariant: between two scrapes the cache holds what the last page with
//! any series had, and nothing else; its size is bounded by the page's.

use crate::sink::SeriesKey;
use hashbrown::HashTable;
use lapwing_types::{Labels, MetricKind};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

/// The first byte of every [`SeriesKey`]: no label field of remote write and no key of OTLP starts with it.
const KEY_TAG: u8 = b'S';

/// Chosen when the process starts, so that no page can be made to give two label sets one key.
static KEY_SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0u64));

#[derive(Debug)]
pub(super) struct Entry {
    text: Box<str>,
    /// The type decides how `le` and `quantile` are spelled in the labels.
    kind: MetricKind,
    /// `None`: dropped by the rules, or without a name.
    pub(super) labels: Option<Labels>,
    /// Of the labels, whatever the page calls the series: it leads to the series in the store without a look at them.
    pub(super) key: SeriesKey,
    /// The last scrape that saw it.
    pub(super) seen: u64,
    /// Its last sample came without a timestamp of its own, so that its absence means its end.
    pub(super) ends_when_absent: bool,
    /// Its last page was kept, and no staleness marker since.
    pub(super) live: bool,
}

#[derive(Debug, Default)]
pub(super) struct SeriesCache {
    entries: Vec<Entry>,
    by_text: HashTable<u32>,
    cursor: usize,
}

fn hash(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64(text.as_bytes())
}

fn key_of(labels: &Labels) -> SeriesKey {
    let mut key = [KEY_TAG; size_of::<SeriesKey>()];
    key[1..].copy_from_slice(&labels.keyed_hash(*KEY_SEED).to_le_bytes());
    key
}

impl SeriesCache {
    /// Call before a page is read.
    pub(super) fn start_page(&mut self) {
        self.cursor = 0;
    }

    pub(super) fn find(&mut self, text: &str, kind: MetricKind) -> Option<&mut Entry> {
        let expected = self.entries.get(self.cursor).filter(|e| &*e.text == text);
        let index = match expected {
            Some(_) => self.cursor,
            None => *self
                .by_text
                .find(hash(text), |i| &*self.entries[*i as usize].text == text)? as usize,
        };
        self.cursor = index + 1;
        Some(&mut self.entries[index]).filter(|e| e.kind == kind)
    }

    /// Remembers a series that `find` did not know (with this kind).
    pub(super) fn insert(&mut self, text: &str, kind: MetricKind, labels: Option<Labels>) -> &mut Entry {
        let entry = Entry {
            text: text.into(),
            kind,
            key: labels.as_ref().map_or([0; size_of::<SeriesKey>()], key_of),
            labels,
            seen: 0,
            ends_when_absent: false,
            live: false,
        };
        let known = self
            .by_text
            .find(hash(text), |i| &*self.entries[*i as usize].text == text)
            .copied();
        let index = match known {
            Some(index) => {
                self.entries[index as usize] = entry;
                index as usize
            }
            None => {
                self.entries.push(entry);
                let index = self.entries.len() - 1;
                let entries = &self.entries;
                self.by_text
                    .insert_unique(hash(text), index as u32, |i| hash(&entries[*i as usize].text));
                index
            }
        };
        self.cursor = index + 1;
        &mut self.entries[index]
    }

    /// Where the entry stands that was found or made last.
    pub(super) fn last_index(&self) -> u32 {
        self.cursor as u32 - 1
    }

    /// By [`SeriesCache::last_index`]; valid until the page ends.
    pub(super) fn at(&self, index: u32) -> &Entry {
        &self.entries[index as usize]
    }

    /// The page is read: gives the series that it no longer has. They are forgotten by [`SeriesCache::forget_unseen`].
    pub(super) fn end_page(&mut self, scrape: u64) -> Vec<Labels> {
        let mut ended = Vec::new();
        for entry in &mut self.entries {
            if entry.seen == scrape {
                entry.live = entry.labels.is_some();
            } else if std::mem::take(&mut entry.live) && entry.ends_when_absent {
                ended.extend(entry.labels.clone());
            }
        }
        ended
    }

    /// Forgets what this scrape did not see; indices from before mean nothing after.
    pub(super) fn forget_unseen(&mut self, scrape: u64) {
        let known = self.entries.len();
        self.entries.retain(|entry| entry.seen == scrape);
        if self.entries.len() == known {
            return;
        }
        self.by_text.clear();
        let entries = &self.entries;
        for (index, entry) in entries.iter().enumerate() {
            self.by_text.insert_unique(hash(&entry.text), index as u32, |i| {
                hash(&entries[*i as usize].text)
            });
        }
    }

    /// The scrape failed: all live series end. When no page came, the labels stay known for the target's return; after
    /// a bad page nothing does, or pages of ever new series that always fail would fill the memory.
    pub(super) fn end_all(&mut self, keep_known: bool) -> Vec<Labels> {
        let mut ended = Vec::new();
        for entry in &mut self.entries {
            if std::mem::take(&mut entry.live) && entry.ends_when_absent {
                ended.extend(entry.labels.clone());
            }
        }
        if !keep_known {
            *self = SeriesCache::default();
        }
        ended
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(text: &str) -> Option<Labels> {
        Some(Labels::from_pairs([("__name__", text)]).unwrap())
    }

    /// One scrape of a page with these series; gives what ended and how many were unknown.
    fn scrape(cache: &mut SeriesCache, number: u64, page: &[&str]) -> (Vec<String>, usize) {
        let mut unknown = 0;
        cache.start_page();
        for text in page {
            if cache.find(text, MetricKind::Gauge).is_none() {
                unknown += 1;
                cache.insert(text, MetricKind::Gauge, labels(text));
            }
            let entry = cache.find(text, MetricKind::Gauge).unwrap();
            (entry.seen, entry.ends_when_absent) = (number, true);
        }
        let ended = cache.end_page(number);
        cache.forget_unseen(number);
        (ended.iter().map(|l| l.to_string()).collect(), unknown)
    }

    #[test]
    fn knows_series_in_any_order_and_names_what_ended() {
        let mut cache = SeriesCache::default();
        assert_eq!(scrape(&mut cache, 1, &["a", "b", "c"]), (vec![], 3));
        assert_eq!(scrape(&mut cache, 2, &["c", "a", "b"]), (vec![], 0));
        assert_eq!(scrape(&mut cache, 3, &["c", "d", "a"]), (vec!["b".to_owned()], 1));
        assert_eq!(
            scrape(&mut cache, 4, &["b", "a"]),
            (vec!["c".to_owned(), "d".to_owned()], 1)
        );
        assert_eq!(cache.len(), 2);
    }

    #[test]
    fn a_failed_target_ends_all_once_and_is_known_again() {
        let mut cache = SeriesCache::default();
        scrape(&mut cache, 1, &["a", "b"]);
        assert_eq!(cache.end_all(true).len(), 2);
        assert_eq!(cache.end_all(true).len(), 0);
        assert_eq!(scrape(&mut cache, 2, &["a"]), (vec![], 0), "b had ended before");
        assert_eq!(cache.end_all(false).len(), 1);
        assert_eq!(cache.len(), 0);
    }

    #[test]
    fn another_type_is_another_series() {
        let mut cache = SeriesCache::default();
        cache.insert("a", MetricKind::Gauge, labels("a"));
        cache.start_page();
        assert!(cache.find("a", MetricKind::Histogram).is_none());
        cache.insert("a", MetricKind::Histogram, labels("a"));
        cache.start_page();
        assert!(cache.find("a", MetricKind::Histogram).is_some());
        assert_eq!(cache.len(), 1);
    }
}
