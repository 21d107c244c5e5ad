//! From the bytes that a series arrives with (say, the label part of a protobuf message) to the slot it lives in.
//!
//! Only a 128-bit hash of the bytes is kept, under a secret chosen when the store opens: 28 bytes per series instead of
//! some 150. Two label sets meet with a probability of 2^-128 per pair, which is below that of a memory error; the secret
//! keeps a sender from preparing such a pair.
//!
//! Senders name their series in the same order again and again, and the order in which they first did is that of the
//! entries here. So the first guess is the entry after the one found last: a sequential read of memory, where a hash table
//! would cost two cache misses, which were a third of all the time that appending took. What is found by guess or table
//! stands in an immutable part that an appender holds without a lock; newer ways wait in a table beside it until `freeze`.

use hashbrown::HashTable;
use parking_lot::RwLock;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

pub(crate) struct RawCache {
    seed: u64,
    frozen: RwLock<Arc<Frozen>>,
    fresh: RwLock<HashTable<Entry>>,
}

/// The hash in 32-bit pieces, so that the entry is 20 bytes and not 24.
#[derive(Clone, Copy)]
struct Entry {
    hash: [u32; 4],
    slot: u32,
}

#[derive(Default)]
struct Frozen {
    /// In the order in which they came, nearly.
    entries: Vec<Entry>,
    /// Positions in `entries`.
    table: HashTable<u32>,
}

/// One appender's view of the cache, and its guess.
pub(crate) struct RawCursor {
    frozen: Arc<Frozen>,
    next: usize,
}

fn table_hash(hash: [u32; 4]) -> u64 {
    u64::from(hash[0]) | u64::from(hash[1]) << 32
}

impl Frozen {
    fn of(entries: Vec<Entry>) -> Frozen {
        let mut table = HashTable::with_capacity(entries.len());
        for (position, entry) in entries.iter().enumerate() {
            table.insert_unique(table_hash(entry.hash), position as u32, |p| {
                table_hash(entries[*p as usize].hash)
            });
        }
        Frozen { entries, table }
    }

    fn find(&self, hash: [u32; 4]) -> Option<usize> {
        let position = self
            .table
            .find(table_hash(hash), |p| self.entries[*p as usize].hash == hash)?;
        Some(*position as usize)
    }
}

impl RawCache {
    pub(crate) fn new() -> Self {
        RawCache {
            seed: RandomState::new().hash_one(0u64),
            frozen: RwLock::default(),
            fresh: RwLock::default(),
        }
    }

    #[inline]
    fn hash(&self, raw: &[u8]) -> [u32; 4] {
        let hash = xxhash_rust::xxh3::xxh3_128_with_seed(raw, self.seed);
        [
            hash as u32,
            (hash >> 32) as u32,
            (hash >> 64) as u32,
            (hash >> 96) as u32,
        ]
    }

    pub(crate) fn cursor(&self) -> RawCursor {
        RawCursor {
            frozen: self.frozen.read().clone(),
            next: 0,
        }
    }

    #[inline]
    pub(crate) fn get(&self, cursor: &mut RawCursor, raw: &[u8]) -> Option<u32> {
        let hash = self.hash(raw);
        if let Some(guess) = cursor.frozen.entries.get(cursor.next).filter(|e| e.hash == hash) {
            cursor.next += 1;
            return Some(guess.slot);
        }
        match cursor.frozen.find(hash) {
            Some(position) => {
                cursor.next = position + 1;
                Some(cursor.frozen.entries[position].slot)
            }
            None => self
                .fresh
                .read()
                .find(table_hash(hash), |e| e.hash == hash)
                .map(|e| e.slot),
        }
    }

    pub(crate) fn insert(&self, raw: &[u8], slot: u32) {
        let hash = self.hash(raw);
        let mut frozen = self.frozen.write();
        if let Some(position) = frozen.find(hash) {
            if frozen.entries[position].slot != slot {
                // Bytes that mean another slot now: once per series that left and came back.
                let mut entries = frozen.entries.clone();
                entries[position].slot = slot;
                *frozen = Arc::new(Frozen::of(entries));
            }
            return;
        }
        let mut fresh = self.fresh.write();
        match fresh.find_mut(table_hash(hash), |e| e.hash == hash) {
            Some(entry) => entry.slot = slot,
            None => {
                fresh.insert_unique(table_hash(hash), Entry { hash, slot }, |e| table_hash(e.hash));
            }
        }
    }

    /// Moves newer ways to the immutable part once they are a sixteenth of it: so moving costs little in all.
    pub(crate) fn freeze(&self) {
        let mut frozen = self.frozen.write();
        let mut fresh = self.fresh.write();
        if fresh.is_empty() || fresh.len() < frozen.entries.len() / 16 {
            return;
        }
        let mut newer: Vec<Entry> = std::mem::take(&mut *fresh).into_iter().collect();
        // Slots are given in the order of arrival.
        newer.sort_unstable_by_key(|e| e.slot);
        let mut entries = Vec::with_capacity(frozen.entries.len() + newer.len());
        entries.extend_from_slice(&frozen.entries);
        entries.append(&mut newer);
        *frozen = Arc::new(Frozen::of(entries));
    }

    /// Forgets every way that leads to one of these slots. An appender from before still knows it.
    pub(crate) fn forget(&self, gone: &impl Fn(u32) -> bool) {
        let mut frozen = self.frozen.write();
        let kept: Vec<Entry> = frozen.entries.iter().filter(|e| !gone(e.slot)).copied().collect();
        if kept.len() < frozen.entries.len() {
            *frozen = Arc::new(Frozen::of(kept));
        }
        let mut fresh = self.fresh.write();
        fresh.retain(|e| !gone(e.slot));
        fresh.shrink_to_fit(|e| table_hash(e.hash));
    }

    pub(crate) fn heap_bytes(&self) -> usize {
        let frozen = self.frozen.read();
        frozen.entries.capacity() * size_of::<Entry>()
            + frozen.table.allocation_size()
            + self.fresh.read().allocation_size()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    #[derive(Clone, Debug)]
    enum Step {
        Insert(u8, u32),
        Freeze,
        Forget(u32),
        NewCursor,
        Get(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0u8..12, 0u32..12).prop_map(|(k, s)| Step::Insert(k, s)),
            Just(Step::Freeze),
            (0u32..12).prop_map(Step::Forget),
            Just(Step::NewCursor),
            (0u8..12).prop_map(Step::Get),
        ]
    }

    proptest! {
        #[test]
        fn a_new_cursor_finds_what_a_map_would(steps in proptest::collection::vec(step(), 0..60)) {
            let cache = RawCache::new();
            let mut model: HashMap<u8, u32> = HashMap::new();
            let mut cursor = cache.cursor();
            for step in steps {
                match step {
                    Step::Insert(key, slot) => {
                        cache.insert(&[key], slot);
                        model.insert(key, slot);
                        cursor = cache.cursor();
                    }
                    Step::Freeze => cache.freeze(),
                    Step::Forget(gone) => {
                        cache.forget(&|slot| slot == gone);
                        model.retain(|_, slot| *slot != gone);
                        cursor = cache.cursor();
                    }
                    Step::NewCursor => cursor = cache.cursor(),
                    Step::Get(key) => {
                        let found = cache.get(&mut cursor, &[key]);
                        // What was frozen after the cursor was made is missed, and bound again by whoever asks.
                        prop_assert!(found == model.get(&key).copied() || found.is_none());
                        let mut new = cache.cursor();
                        prop_assert_eq!(cache.get(&mut new, &[key]), model.get(&key).copied());
                    }
                }
            }
        }
    }
}
